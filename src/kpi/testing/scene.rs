//! Lines that set the scene: services and rules.
//!
//! ```text
//! service web                                   # acme/web, whole repository, to `production`
//! service api in mono paths api/**,lib/* team core incidents PAPI
//! service api to prod-eu,prod-us task deploy:api payload service=api
//! service api workflow Deploy,Ship
//! service api releases ^v tier 1
//! as_of 20T12:00
//! head web c12                                  # the tip of the default branch, where that matters
//! rule bots renovate,snyk | proximity 60
//! records web docs/adr,docs/rfc event merge proposed_field proposed decided_field date
//! ```
//! What is about surveys and registers is in `registers`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;
use regex::Regex;

use super::{Line, Story, decisions, instant, quality, registers, requests};
use crate::domain::fact::Repository;
use crate::domain::{CommitId, Fact, ServiceName, TeamName};
use crate::kpi::Params;
use crate::kpi::params::{
    CalendarParams, Catalogue, DeploymentRule, IncidentFields, Rules, Service, default_statuses,
};

/// What the product assumes when nothing is configured.
pub(super) fn params() -> Params {
    Params {
        catalogue: Catalogue::default(),
        rules: Rules {
            bots: BTreeSet::new(),
            hotfix_labels: BTreeSet::from(["hotfix".to_owned()]),
            hotfix_branches: vec!["hotfix/".to_owned()],
            severity_by_priority: (1..=5).map(|n| (format!("P{n}"), n)).collect(),
            fields: IncidentFields {
                fault_started_at: "fault_started_at".to_owned(),
                detected_at: "detected_at".to_owned(),
                mitigated_at: "mitigated_at".to_owned(),
                root_cause: "root_cause".to_owned(),
                problem: "problem".to_owned(),
                caused_by: "caused_by".to_owned(),
            },
            decisions: BTreeMap::new(),
            debt: None,
            findings: None,
            statuses: default_statuses(),
            rollout_window: Duration::minutes(60),
            revert_window: Duration::days(7),
            rollback_window: Duration::hours(24),
            proximity_window: None,
            reopen_window: Duration::hours(24),
            bulk_import: 4,
        },
        standards: Vec::new(),
        boundaries: Vec::new(),
        calendar: CalendarParams {
            zone: chrono_tz::UTC,
            holidays: BTreeSet::new(),
            fiscal_year_start_month: 1,
        },
        kpis: BTreeMap::new(),
        baseline: None,
        sources: Vec::new(),
        surveys: Vec::new(),
        endpoints: Vec::new(),
        demand: Vec::new(),
        slos: Vec::new(),
        maintenance: Vec::new(),
    }
}

/// Sets the scene. False = the verb is none of these.
#[track_caller]
pub(super) fn set(story: &mut Story, verb: &str, line: &mut Line) -> bool {
    match verb {
        "service" => service(story, line),
        "endpoint" => requests::endpoint(story, line),
        "counts" => requests::demand(story, line),
        "slo" => requests::slo(story, line),
        "maintenance" => requests::maintenance(story, line),
        "as_of" => story.as_of = instant(&line.next("an instant")),
        "rule" => rule(story, line),
        "records" => decisions::rule(story, line),
        "head" => head(story, line),
        "wave" => registers::wave(story, line),
        "answers" => registers::answers(story, line),
        "baseline" => registers::baseline(story, line),
        "feeds" => registers::feeds(story, line),
        _ => return quality::rule(story, verb, line),
    }
    true
}

#[track_caller]
fn service(story: &mut Story, line: &mut Line) {
    let name = line.next("a service");
    let repository = line.after("in").unwrap_or_else(|| name.clone());
    let team = TeamName::new(line.after("team").unwrap_or_else(|| "core".to_owned()));
    let deployments = deployment_rule(line);
    let full = know_repository(story, &repository);
    let catalogue = &mut story.params.catalogue;
    let position = catalogue.teams.iter().position(|it| *it == team);
    let team = position.unwrap_or_else(|| {
        catalogue.teams.push(team);
        catalogue.teams.len() - 1
    });
    catalogue.services.push(Service {
        name: ServiceName::new(name),
        team,
        repository: full,
        paths: line.list("paths"),
        deployments,
        incident_services: line.list("incidents"),
        aliases: line.list("aliases"),
        tier: line.after("tier").map(|tier| tier.parse().expect("a tier")),
    });
}

#[track_caller]
fn deployment_rule(line: &mut Line) -> DeploymentRule {
    if let Some(tag) = line.after("releases") {
        return DeploymentRule::Releases { tag: Regex::new(&tag).expect("a regular expression") };
    }
    let names = line.list("workflow");
    if !names.is_empty() {
        return DeploymentRule::Workflow { names };
    }
    let mut environments = line.list("to");
    if environments.is_empty() {
        environments.push("production".to_owned());
    }
    let payload = line.after("payload").map(|pair| {
        let (key, value) = pair.split_once('=').expect("a payload rule is key=value");
        (key.to_owned(), value.to_owned())
    });
    DeploymentRule::Deployments { environments, task: line.after("task"), payload }
}

/// Learns of `acme/NAME`, whose default branch is `main`, and returns the full name.
pub(super) fn know_repository(story: &mut Story, name: &str) -> String {
    let (id, full) = Story::repository(name);
    let known = |fact: &Fact| matches!(fact, Fact::Repository(it) if it.id == id);
    if !story.facts.iter().any(|(_, fact)| known(fact)) {
        let created_at = instant("2020-01-01T00:00");
        let repository = Repository {
            id,
            name: full.clone(),
            former_names: Vec::new(),
            default_branch: Some("main".to_owned()),
            head: None,
            archived: false,
            created_at,
            updated_at: created_at,
        };
        story.learn("github", Fact::Repository(repository));
    }
    full
}

#[track_caller]
fn head(story: &mut Story, line: &mut Line) {
    let name = line.next("a repository");
    let head = CommitId::new(line.next("a commit"));
    let full = know_repository(story, &name);
    for (_, fact) in &mut story.facts {
        if let Fact::Repository(repository) = fact
            && repository.name == full
        {
            repository.head = Some(head.clone());
        }
    }
}

#[track_caller]
fn rule(story: &mut Story, line: &mut Line) {
    let rules = &mut story.params.rules;
    rules.bots.extend(line.list("bots"));
    if let Some(minutes) = line.after("proximity") {
        let minutes = minutes.parse().expect("minutes");
        rules.proximity_window = Some(Duration::minutes(minutes));
    }
}
