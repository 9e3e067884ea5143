//! Facts by kind and label: how many of each are known at `as_of`, for people who write their own
//! queries. They carry no window and no judgement beyond the labels.

use std::collections::BTreeMap;

use super::evaluation::FactCount;
use super::finding_closure;
use super::params::FindingSeverity;
use super::view::decisions::Decision;
use super::view::incidents::Episode;
use super::{Family, View};
use crate::domain::fact::{Change, Deployment, DeploymentState, Finding};
use crate::domain::timeline::Shelf;

/// The families of facts.
pub static FAMILIES: &[Family] = &[
    family("engkpi_deployments", "Deployments known, by what became of them."),
    family(
        "engkpi_changes_merged",
        "Merged changes known; a change counts in every service that it touches.",
    ),
    family(
        "engkpi_incidents_detected",
        "Incidents known that count (neither merged away nor noise).",
    ),
    family("engkpi_incidents_resolved", "Incidents known that count and were resolved."),
    family("engkpi_decisions", "Decision records known, by how they stand."),
    family("engkpi_findings", "Findings of security tools known, by how they stand."),
    family(SLO_INFO, "1 for each service level objective, labelled with what it is."),
];

const fn family(name: &'static str, help: &'static str) -> Family {
    Family { name, help, dimensions: &[], distribution: false, now: true, needs: &[] }
}

/// The family that says what each SLO is.
pub const SLO_INFO: &str = "engkpi_slo_info";

type Labels = Vec<(&'static str, String)>;

/// Counts what is known.
pub(super) fn count(view: &View<'_>) -> Vec<FactCount> {
    let mut counts: BTreeMap<(&'static str, Labels), u64> = BTreeMap::new();
    let mut add = |family, labels| *counts.entry((family, labels)).or_default() += 1;
    for deployment in view.timeline.deployments.values().flat_map(Shelf::iter) {
        if deployment.created_at < view.as_of {
            for service in services_of(view, deployment) {
                let mut labels = of_service(view, service);
                labels.push(("environment", deployment.environment.to_string()));
                labels.push(("outcome", outcome(deployment, view).to_owned()));
                add("engkpi_deployments", labels);
            }
        }
    }
    for change in &view.changes {
        add("engkpi_changes_merged", of_service(view, Some(change.service)));
    }
    for _ in merged(view).filter(|it| !view.ownership.has(it)) {
        add("engkpi_changes_merged", of_service(view, None));
    }
    for episode in view.incidents.iter().filter(|it| it.counts()) {
        for labels in of_episode(view, episode) {
            if episode.resolved_at.is_some() {
                add("engkpi_incidents_resolved", labels.clone());
            }
            add("engkpi_incidents_detected", labels);
        }
    }
    for record in &view.records {
        let repository = view.timeline.repositories.get(&record.repository);
        let name = repository.map_or_else(|| record.repository.to_string(), |it| it.name.clone());
        let labels = vec![("repository", name), ("outcome", decision(record.decision).to_owned())];
        add("engkpi_decisions", labels);
    }
    for finding in findings(view) {
        let severity = finding_closure::severity(view.params, finding);
        let labels = vec![
            ("severity", severity.map_or("", FindingSeverity::as_str).to_owned()),
            ("state", finding_closure::stands(finding, view.as_of).to_owned()),
        ];
        add("engkpi_findings", labels);
    }
    for slo in &view.params.slos {
        let mut labels = of_service(view, slo.service);
        labels.extend([
            ("slo", slo.id.clone()),
            ("objective", slo.objective.clone()),
            ("window", slo.window.clone()),
            ("budgeting", slo.method.as_str().to_owned()),
        ]);
        add(SLO_INFO, labels);
    }
    counts
        .into_iter()
        .map(|((family, labels), count)| FactCount { family, labels, count })
        .collect()
}

/// How many there are of each family, each once.
pub(super) fn totals(view: &View<'_>) -> Vec<(&'static str, u64)> {
    let deployments = view.timeline.deployments.values().flat_map(Shelf::iter);
    let incidents = || view.incidents.iter().filter(|it| it.counts());
    vec![
        ("engkpi_deployments", deployments.filter(|it| it.created_at < view.as_of).count()),
        ("engkpi_changes_merged", merged(view).count()),
        ("engkpi_incidents_detected", incidents().count()),
        ("engkpi_incidents_resolved", incidents().filter(|it| it.resolved_at.is_some()).count()),
        ("engkpi_decisions", view.records.len()),
        ("engkpi_findings", findings(view).count()),
    ]
    .into_iter()
    .map(|(family, number)| (family, super::statistics::count(number)))
    .collect()
}

fn findings<'a>(view: &View<'a>) -> impl Iterator<Item = &'a Finding> {
    let as_of = view.as_of;
    view.timeline.findings.values().filter(move |it| it.detected_at < as_of)
}

fn merged<'a>(view: &View<'a>) -> impl Iterator<Item = &'a Change> {
    let as_of = view.as_of;
    view.timeline
        .changes
        .values()
        .flat_map(Shelf::iter)
        .filter(move |it| it.merged_at.is_some_and(|at| at < as_of))
}

/// The services that a deployment is of, in whatever environment; `None` where it is of none.
fn services_of(view: &View<'_>, deployment: &Deployment) -> Vec<Option<usize>> {
    let services = &view.params.catalogue.services;
    let owners = view.ownership.repository(&deployment.repository).iter().copied();
    let found: Vec<_> =
        owners.filter(|index| services[*index].deployments.selects(deployment)).map(Some).collect();
    if found.is_empty() { vec![None] } else { found }
}

fn of_service(view: &View<'_>, service: Option<usize>) -> Labels {
    let catalogue = &view.params.catalogue;
    let (service, team) = service.map_or((String::new(), String::new()), |index| {
        let service = &catalogue.services[index];
        (service.name.to_string(), catalogue.teams[service.team].to_string())
    });
    vec![("service", service), ("team", team)]
}

fn of_episode(view: &View<'_>, episode: &Episode<'_>) -> Vec<Labels> {
    let severity = episode.severity.map_or_else(String::new, |it| it.to_string());
    let services: Vec<Option<usize>> = match episode.services.as_slice() {
        [] => vec![None],
        services => services.iter().copied().map(Some).collect(),
    };
    services
        .into_iter()
        .map(|service| {
            let mut labels = of_service(view, service);
            labels.push(("severity", severity.clone()));
            labels
        })
        .collect()
}

fn outcome(deployment: &Deployment, view: &View<'_>) -> &'static str {
    let mut known = deployment.statuses.iter().filter(|it| it.at < view.as_of);
    if known.clone().any(|it| it.state == DeploymentState::Success) {
        return "success";
    }
    match known.next_back().map(|it| it.state) {
        Some(DeploymentState::Failure | DeploymentState::Error) => "failure",
        _ => "pending",
    }
}

fn decision(decision: Decision) -> &'static str {
    match decision {
        Decision::Pending => "pending",
        Decision::Accepted => "accepted",
        Decision::Rejected => "rejected",
        Decision::Unknown => "unknown",
    }
}
