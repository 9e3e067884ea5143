//! From settings in which nothing is wrong to the plain values that the layers below work with.

use std::collections::BTreeMap;

use super::check::{Checked, Targets};
use super::debt::DebtSettings;
use super::document::Document;
use super::endpoints::EndpointSettings;
use super::findings::FindingSettings;
use super::layers::Layers;
use super::path::KeyPath;
use super::rules::RulesSettings;
use super::slo::{Found, Objectives, SloSettings, rolling};
use super::sources::SourceSettings;
use super::targets::{BaselineSettings, KpiSettings};
use super::units::UnitSettings;
use super::{Config, secrets};
use crate::domain::{Calendar, ServiceName, SourceName, TeamName};
use crate::kpi::params::{
    Boundary, Catalogue, Demand, Endpoint, FindingRule, KpiParams, Params, Rules, Service, Slo,
    Standard,
};
use crate::kpi::{Need, Span, TargetRule};

/// Builds the configuration; `None` if a section is missing, which was reported then.
pub(super) fn assemble(layers: &Layers, document: Document, checked: Checked) -> Option<Config> {
    let Checked { holidays, kpis: targets, slos, alert_windows, notices, .. } = checked;
    let calendar = document.calendar.as_ref()?;
    let calendar = Calendar {
        zone: calendar.zone.0,
        holidays,
        fiscal_year_start_month: calendar.fiscal_year_start_month,
    };
    let catalogue = catalogue(&document)?;
    let rules = rules(layers, document.rules.as_ref()?, &catalogue);
    let standards = standards(&document, &catalogue);
    let boundaries = boundaries(&document, &catalogue);
    let wanted = wanted(&rules, &standards, &boundaries);
    let metrics = metric_store(&document);
    let endpoints = document.endpoints.iter();
    let endpoints: Vec<Endpoint> = endpoints
        .map(|(name, it)| endpoint(name, it, metrics.as_ref(), &catalogue))
        .collect::<Option<_>>()?;
    let units = document.units.iter();
    let demand: Vec<Demand> = units
        .map(|(name, it)| demand(name, it, metrics.as_ref(), &catalogue))
        .collect::<Option<_>>()?;
    let period = document.slos.as_ref().and_then(|it| rolling(it.window.as_deref()?));
    let objectives = Objectives::new(&slos, alert_windows, period);
    let slos = slos.iter().map(|it| slo(it, document.slos.as_ref()?, metrics.as_ref(), &catalogue));
    let slos: Vec<Slo> = slos.collect::<Option<_>>()?;
    let maintenance = document.slos.iter().flat_map(|it| &it.maintenance);
    let maintenance = maintenance.map(|it| it.rule(&catalogue)).collect();
    let store = document.store?;
    let secrets = secrets::all(layers, &store, &document.sources);
    let sources: Vec<_> = document
        .sources
        .into_iter()
        .map(|(name, settings)| (SourceName::new(name), settings))
        .collect();
    let surveys = sources
        .iter()
        .flat_map(|(name, it)| {
            super::sources::surveys(name, it, |team| catalogue.team_called(team))
        })
        .collect();
    let feeds = sources.iter().map(|(name, it)| it.params(name, &wanted)).collect();
    let mut params = Params {
        surveys,
        kpis: kpis(&document.kpis, targets, &catalogue),
        baseline: baseline(document.baseline.as_ref()?, &calendar),
        sources: feeds,
        catalogue,
        rules,
        standards,
        boundaries,
        calendar,
        endpoints,
        demand,
        slos,
        maintenance,
    };
    metric_stores(&mut params, &sources);
    let parts: Vec<_> = sources.iter().map(|(_, settings)| settings.parts(&params)).collect();
    for (source, parts) in params.sources.iter_mut().zip(parts) {
        source.parts = parts;
    }
    Some(Config {
        store,
        sources,
        evaluate: document.evaluate?,
        web: document.web?,
        params,
        secrets,
        notices,
        objectives,
    })
}

/// What metric stores feed: what they are asked.
fn metric_stores(params: &mut Params, sources: &[(SourceName, SourceSettings)]) {
    let has_alerts = sources.iter().any(|(_, it)| it.has_alerts());
    let is_metric_store = |(_, it): &&(_, _)| matches!(it, SourceSettings::Prometheus(_));
    for (name, _) in sources.iter().filter(is_metric_store) {
        let asked = [
            (Need::Requests, params.endpoints.iter().any(|it| it.source == *name)),
            (Need::Units, params.demand.iter().any(|it| it.source == *name)),
            (Need::Objectives, params.slos.iter().any(|it| it.source == *name)),
            (Need::AlertRules, has_alerts),
        ];
        let asked = asked.into_iter().filter(|(_, is_asked)| *is_asked).map(|(need, _)| need);
        let mut of_it = params.sources.iter_mut().filter(|it| it.name == *name);
        if let Some(source) = of_it.next() {
            source.feeds.extend(asked);
        }
    }
}

/// What is collected only because the configuration asks for it.
fn wanted(rules: &Rules, standards: &[Standard], boundaries: &[Boundary]) -> Vec<Need> {
    let wanted = [
        (Need::Decisions, !rules.decisions.is_empty()),
        (Need::Debt, rules.debt.is_some()),
        (Need::Findings, rules.findings.is_some()),
        (Need::Standards, !standards.is_empty()),
        (Need::Boundaries, !boundaries.is_empty()),
    ];
    wanted.into_iter().filter_map(|(need, wanted)| wanted.then_some(need)).collect()
}

fn catalogue(document: &Document) -> Option<Catalogue> {
    let teams: Vec<&str> = document.teams.iter().map(|(name, _)| name.as_str()).collect();
    let services = document.services.iter().map(|(name, settings)| {
        Some(Service {
            name: ServiceName::new(name.as_str()),
            team: teams.iter().position(|it| *it == settings.team)?,
            repository: settings.repository.to_string(),
            paths: settings.paths.iter().map(ToString::to_string).collect(),
            deployments: settings.deployments.rule(),
            incident_services: settings.pagerduty.clone(),
            aliases: settings.aliases.clone(),
            tier: settings.tier,
        })
    });
    Some(Catalogue {
        services: services.collect::<Option<_>>()?,
        teams: teams.into_iter().map(TeamName::new).collect(),
    })
}

/// The first metric store: the only one wherever nobody says which.
fn metric_store(document: &Document) -> Option<SourceName> {
    let mut sources = document.sources.iter();
    let store = sources.find(|(_, it)| matches!(it, SourceSettings::Prometheus(_)));
    store.map(|(name, _)| SourceName::new(name.as_str()))
}

fn endpoint(
    name: &str,
    settings: &EndpointSettings,
    store: Option<&SourceName>,
    catalogue: &Catalogue,
) -> Option<Endpoint> {
    let named = settings.source.as_deref().map(SourceName::from);
    Some(Endpoint {
        name: name.to_owned(),
        service: catalogue.services.iter().position(|it| it.name.as_str() == settings.service)?,
        source: named.or_else(|| store.cloned())?,
        buckets: settings.buckets.as_str().to_owned(),
        scale: settings.unit.seconds(),
        budget: settings.budget.seconds(),
        stat: settings.quantile.stat(),
    })
}

fn demand(
    name: &str,
    settings: &UnitSettings,
    store: Option<&SourceName>,
    catalogue: &Catalogue,
) -> Option<Demand> {
    let named = settings.source.as_deref().map(SourceName::from);
    Some(Demand {
        name: name.to_owned(),
        service: catalogue.services.iter().position(|it| it.name.as_str() == settings.service)?,
        unit: settings.unit(),
        source: named.or_else(|| store.cloned())?,
        counter: settings.counter.as_str().to_owned(),
    })
}

fn slo(
    found: &Found,
    settings: &SloSettings,
    store: Option<&SourceName>,
    catalogue: &Catalogue,
) -> Option<Slo> {
    let named = settings.source.as_deref().map(SourceName::from);
    let service = settings.services.get(&found.service).unwrap_or(&found.service);
    let (objective, ratio, allowed) = found.objective();
    Some(Slo {
        id: found.id.clone(),
        service: catalogue.services.iter().position(|it| it.name.as_str() == service),
        source: named.or_else(|| store.cloned())?,
        objective,
        ratio,
        allowed,
        slice_allowed: found.slice_allowed(),
        method: found.method,
        sli: found.sli.clone(),
        window: found.window.clone(),
        own: found.own.clone(),
    })
}

fn standards(document: &Document, catalogue: &Catalogue) -> Vec<Standard> {
    let position = |name: &str| catalogue.services.iter().position(|it| it.name.as_str() == name);
    document.standards.iter().map(|(name, it)| it.rule(name, &position)).collect()
}

fn boundaries(document: &Document, catalogue: &Catalogue) -> Vec<Boundary> {
    let services: Vec<_> =
        catalogue.services.iter().map(|it| (it.name.as_str(), it.repository.as_str())).collect();
    document.boundaries.iter().filter_map(|(name, it)| it.rule(name, &services)).collect()
}

fn findings(settings: &FindingSettings, catalogue: &Catalogue) -> FindingRule {
    let teams: Vec<&str> = catalogue.teams.iter().map(TeamName::as_str).collect();
    let services: Vec<_> =
        catalogue.services.iter().map(|it| (it.name.as_str(), it.team)).collect();
    settings.rule(&teams, &services)
}

fn rules(layers: &Layers, settings: &RulesSettings, catalogue: &Catalogue) -> Rules {
    let root = KeyPath::root().key("rules");
    let lower = |list: &[String]| list.iter().map(|it| it.to_lowercase()).collect();
    let severity = latest(layers, &root.key("severity"), &settings.severity);
    let statuses = latest(layers, &root.key("statuses"), &settings.statuses);
    Rules {
        bots: lower(&settings.bots),
        hotfix_labels: lower(&settings.hotfix_labels),
        hotfix_branches: settings.hotfix_branches.clone(),
        severity_by_priority: severity,
        fields: settings.fields.names(),
        decisions: settings
            .decisions
            .iter()
            .map(|(repository, settings)| (repository.clone(), settings.rule()))
            .collect(),
        debt: settings.debt.as_ref().map(DebtSettings::rule),
        findings: settings.findings.as_ref().map(|it| findings(it, catalogue)),
        statuses: statuses.into_iter().map(|(word, it)| (word.to_lowercase(), it.into())).collect(),
        rollout_window: settings.rollout_window.chrono(),
        revert_window: settings.revert_window.chrono(),
        rollback_window: settings.rollback_window.chrono(),
        proximity_window: settings.proximity_window.map(|it| it.chrono()),
        reopen_window: settings.reopen_window.chrono(),
        bulk_import: settings.bulk_import,
    }
}

/// Of keys that differ only in case, the one of the latest layer.
fn latest<T: Clone>(
    layers: &Layers,
    root: &KeyPath,
    table: &BTreeMap<String, T>,
) -> BTreeMap<String, T> {
    let mut keys: Vec<&String> = table.keys().collect();
    keys.sort_by_key(|key| layers.rank(&root.key(key.as_str())));
    let mut names: BTreeMap<String, &String> = BTreeMap::new();
    for key in keys {
        names.insert(key.to_lowercase(), key);
    }
    names.into_values().map(|key| (key.clone(), table[key].clone())).collect()
}

fn kpis(
    settings: &[(String, KpiSettings)],
    mut targets: BTreeMap<String, Targets>,
    catalogue: &Catalogue,
) -> BTreeMap<String, KpiParams> {
    let indexed = |rules: BTreeMap<String, TargetRule>,
                   position: &dyn Fn(&str) -> Option<usize>| {
        rules.into_iter().filter_map(|(name, rule)| Some((position(&name)?, rule))).collect()
    };
    let team = |name: &str| catalogue.teams.iter().position(|it| it.as_str() == name);
    let service = |name: &str| catalogue.services.iter().position(|it| it.name.as_str() == name);
    settings
        .iter()
        .map(|(id, settings)| {
            let targets = targets.remove(id).unwrap_or_default();
            let params = KpiParams {
                target: targets.own,
                min_n: settings.min_n,
                baseline_wave: settings.baseline_wave.clone(),
                team_targets: indexed(targets.teams, &team),
                service_targets: indexed(targets.services, &service),
            };
            (id.clone(), params)
        })
        .collect()
}

fn baseline(settings: &BaselineSettings, calendar: &Calendar) -> Option<Span> {
    let (start, end) = (settings.start?, settings.end?);
    Some(Span { start: calendar.start_of(start.0), end: calendar.start_of(end.0) })
}
