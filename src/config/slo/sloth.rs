//! sloth's `prometheus/v1`, also as an object of Kubernetes.

use std::collections::BTreeMap;

use serde_saphyr::Spanned;

use super::queries::{self, Written};
use super::spec::{self, Labels, Sloth, Text};
use super::{Found, Reader};
use crate::config::Place;
use crate::domain::Decimal;
use crate::kpi::ledger::Sli;
use crate::kpi::params::SloMethod;
use crate::output::rules;

/// What the SLOs of one service have in common.
pub(super) struct Head<'a> {
    /// `prometheus/v1`, or the API of its objects.
    pub(super) format: &'static str,
    pub(super) service: Option<&'a Text>,
    pub(super) labels: Option<&'a Labels>,
}

/// Reads the SLOs of one service.
pub(super) fn read(reader: &mut Reader<'_>, head: &Head<'_>, slos: &[Spanned<Sloth>]) {
    // Everything is looked at before anything is given up, so that all problems are told at once.
    let service = head.service.filter(|it| reader.name(it, "a service"));
    match head.service {
        None => reader.file_problem("has no `service`", "add service: NAME"),
        Some(named) if slos.is_empty() => {
            reader.problem(named, "has no SLO", "add at least one under `slos`");
        }
        Some(_) => {}
    }
    let labels = reader.strict_labels(head.labels);
    for slo in slos {
        if let Some(found) = one(reader, (head.format, &labels), service, slo) {
            reader.found(found);
        }
    }
}

fn one(
    reader: &mut Reader<'_>,
    (format, common): (&'static str, &BTreeMap<String, String>),
    service: Option<&Text>,
    slo: &Spanned<Sloth>,
) -> Option<Found> {
    let name = slo.value.name.as_ref();
    if name.is_none() {
        reader.problem(slo, "has no `name`", "add name: NAME");
    }
    let name = name.filter(|it| reader.name(it, "an SLO"));
    let mut labels = common.clone();
    labels.extend(reader.strict_labels(slo.value.labels.as_ref()));
    let alerting = alerting(reader, slo);
    let objective = objective(reader, slo);
    let sli = sli(reader, slo)?;
    let ((ratio, objective_place), service, name) = (objective?, service?, name?);
    Some(Found {
        place: reader.place(name),
        id: format!("{}-{}", service.value, name.value),
        name: name.value.clone(),
        format,
        period: None,
        labels,
        alerting,
        service: service.value.clone(),
        objective: ratio,
        slice: None,
        objective_place,
        method: if matches!(sli, Sli::Ratio { .. }) {
            SloMethod::Ratios
        } else {
            SloMethod::Events
        },
        sli,
        window: reader.all.window.0.clone(),
        own: reader.all.window.1.clone(),
    })
}

/// The objective as a share, and where it stands.
fn objective(reader: &mut Reader<'_>, slo: &Spanned<Sloth>) -> Option<(Decimal, Place)> {
    let Some(objective) = &slo.value.objective else {
        reader.problem(slo, "has no `objective`", "add objective: 99.9");
        return None;
    };
    let ratio = Decimal::of(objective.value).map(Decimal::percent);
    let Some(ratio) = ratio.filter(|it| it.rest().is_some() && objective.value > 0.0) else {
        let rule = format!("{} is no objective", objective.value);
        reader.problem(objective, rule, "write a percentage above 0 and at most 100");
        return None;
    };
    Some((ratio, reader.place(objective)))
}

/// Alerts are named unless there are none.
fn alerting(reader: &mut Reader<'_>, slo: &Spanned<Sloth>) -> rules::Alerting {
    let Some(alerting) = &slo.value.alerting else { return rules::Alerting::default() };
    let silent = alerting.value.page_alert.disable && alerting.value.ticket_alert.disable;
    if !silent && alerting.value.name.as_ref().is_none_or(String::is_empty) {
        let fix = "add alerting.name, or disable both alerts";
        reader.problem(alerting, "has alerts and no `name` for them", fix);
    }
    let mut alert = |it: &spec::Alert| rules::Alert {
        disable: it.disable,
        labels: reader.templates(it.labels.as_ref()),
        annotations: reader.templates(it.annotations.as_ref()),
    };
    let all = &alerting.value;
    let (page, ticket) = (alert(&all.page_alert), alert(&all.ticket_alert));
    rules::Alerting {
        name: all.name.clone().unwrap_or_default(),
        labels: reader.templates(all.labels.as_ref()),
        annotations: reader.templates(all.annotations.as_ref()),
        page,
        ticket,
    }
}

fn sli(reader: &mut Reader<'_>, slo: &Spanned<Sloth>) -> Option<Sli> {
    let sli = slo.value.sli.as_ref();
    let raw = sli.and_then(|it| it.raw.as_ref());
    let events = sli.and_then(|it| it.events.as_ref());
    let plugin = sli.and_then(|it| it.plugin.as_ref());
    match (raw, events, plugin) {
        (Some(raw), None, None) => {
            let query = raw.error_ratio_query.as_ref();
            let bad = windowed(reader, slo, query, "error_ratio_query")?;
            Some(Sli::Ratio { bad: bad.text, there: None })
        }
        (None, Some(events), None) => {
            let bad = windowed(reader, slo, events.error_query.as_ref(), "error_query");
            let total = windowed(reader, slo, events.total_query.as_ref(), "total_query");
            let (bad, total) = (bad?, total?);
            let place = events.error_query.as_ref()?;
            queries::compare(reader, place, &bad, &total)?;
            Some(Sli::Bad { bad: bad.text, total: total.text })
        }
        (None, None, Some(plugin)) => {
            let rule = format!("uses the plugin {:?}, a program of sloth's", plugin.value.id);
            reader.problem(plugin, rule, "write its queries as sli.events");
            None
        }
        _ => {
            let fix = "write sli.events or sli.raw";
            reader.problem(slo, "needs exactly one way to tell bad events", fix);
            None
        }
    }
}

/// A query with its window, which it must name.
fn windowed(
    reader: &mut Reader<'_>,
    slo: &Spanned<Sloth>,
    query: Option<&Text>,
    key: &str,
) -> Option<Written> {
    let Some(query) = query.filter(|it| !it.value.trim().is_empty()) else {
        reader.problem(slo, format!("has no `{key}`"), format!("add sli…{key}"));
        return None;
    };
    let found = queries::read(reader, query)?;
    if !found.names_window() {
        let rule = format!("`{key}` does not name its window");
        reader.problem(query, rule, "write [{{.window}}] where its range is");
        return None;
    }
    Some(found)
}
