//! Evaluations as JSON: what `engkpi evaluate --format json` prints and what `/api/v1` answers.
//!
//! Undefined numbers are `null`. Keys are a public contract.

use std::collections::BTreeMap;

use serde::Serialize;

use super::human;
use super::shown::{self, Shown};
use super::trend::{self, Trend};
use crate::domain::Instant;
use crate::kpi::evaluation::{DEFINITION, Evaluation, Explained, Explanation, Scope, SourceHealth};
use crate::kpi::{self, Exclusions, Kpi, Outcome};

/// Every reading of an evaluation.
#[derive(Debug, Serialize)]
pub struct EvaluationBody<'a> {
    as_of: Instant,
    /// Version of the written definitions.
    definition: &'static str,
    readings: Vec<ReadingBody<'a>>,
}

/// One value with what must be known about it. `status`, `target` and `baseline_ratio` belong to
/// the one value that the KPI's target names and are `null` elsewhere.
#[derive(Debug, Serialize)]
struct ReadingBody<'a> {
    kpi: &'static str,
    family: &'a str,
    scope: &'static str,
    team: Option<&'a str>,
    service: Option<&'a str>,
    window: &'a str,
    period: Option<&'a str>,
    /// The KPI's own dimensions.
    labels: BTreeMap<&'static str, &'a str>,
    stat: Option<&'static str>,
    value: Option<f64>,
    n: Option<u64>,
    numerator: Option<u64>,
    open: Option<u64>,
    excluded: Option<&'a Exclusions>,
    coverage: Option<f64>,
    lower: Option<f64>,
    upper: Option<f64>,
    status: Option<&'static str>,
    target: Option<f64>,
    good: Option<f64>,
    previous_ratio: Option<f64>,
    baseline_ratio: Option<f64>,
    provisional: Option<bool>,
}

impl<'a> ReadingBody<'a> {
    fn of(evaluation: &'a Evaluation, it: &Shown<'a>) -> Self {
        let (team, service) = evaluation.names.labels(it.scope);
        let named = |name: &'a str| (!name.is_empty()).then_some(name);
        let reading = it.reading;
        let goal = it.judged.and_then(|it| evaluation.goal(it));
        Self {
            kpi: it.kpi.id,
            family: it.family.name,
            scope: it.scope.as_str(),
            team: named(team),
            service: named(service),
            window: it.window,
            period: it.period,
            labels: it.dimensions.iter().map(|(name, value)| (*name, value.as_str())).collect(),
            stat: it.stat.map(kpi::Stat::as_str),
            value: reading.and_then(|it| it.value),
            n: reading.map(|it| it.n),
            numerator: reading.and_then(|it| it.numerator),
            open: reading.and_then(|it| it.open),
            excluded: reading.map(|it| &it.excluded),
            coverage: reading.and_then(|it| it.coverage),
            lower: reading.and_then(|it| it.lower),
            upper: reading.and_then(|it| it.upper),
            status: it.judged.map(|it| it.state.as_str()),
            target: goal.map(|it| it.target),
            good: goal.and_then(|it| it.good),
            previous_ratio: it.previous_ratio,
            baseline_ratio: it.judged.and_then(|it| it.baseline_ratio),
            provisional: it.provisional,
        }
    }
}

/// Every reading, also of KPIs without data: those have a status and no value.
pub fn evaluation(evaluation: &Evaluation) -> EvaluationBody<'_> {
    let shown = shown::all(evaluation);
    EvaluationBody {
        as_of: evaluation.as_of,
        definition: DEFINITION,
        readings: shown.iter().map(|it| ReadingBody::of(evaluation, it)).collect(),
    }
}

/// What a KPI is.
#[derive(Debug, Serialize)]
struct KpiBody {
    id: &'static str,
    title: &'static str,
    definition: &'static str,
    unit: &'static str,
    better: &'static str,
    default_window: &'static str,
    min_n: u64,
    families: Vec<&'static str>,
}

impl KpiBody {
    fn of(kpi: &Kpi) -> Self {
        Self {
            id: kpi.id,
            title: kpi.title,
            definition: kpi.definition,
            unit: human::unit(kpi.unit),
            better: human::better(kpi.better),
            default_window: kpi.default_window,
            min_n: kpi.min_n,
            families: kpi.families.iter().map(|family| family.name).collect(),
        }
    }
}

/// `/api/v1/kpis`: every KPI with what it says about the organisation in its default window.
#[derive(Debug, Serialize)]
pub struct KpisBody<'a> {
    as_of: Instant,
    definition: &'static str,
    sources: Vec<SourceBody<'a>>,
    kpis: Vec<HeadlineBody<'a>>,
}

#[derive(Debug, Serialize)]
struct HeadlineBody<'a> {
    #[serde(flatten)]
    kpi: KpiBody,
    /// The value that the target names, for the organisation in the default window.
    headline: Option<ReadingBody<'a>>,
}

#[derive(Debug, Serialize)]
struct SourceBody<'a> {
    name: &'a str,
    history_start: Instant,
    last_success: Option<Instant>,
    data_through: Option<Instant>,
    stale: bool,
}

impl<'a> SourceBody<'a> {
    fn of(source: &'a SourceHealth) -> Self {
        Self {
            name: source.name.as_str(),
            history_start: source.history_start,
            last_success: source.freshness.map(|it| it.last_success),
            data_through: source.freshness.map(|it| it.data_through),
            stale: source.stale,
        }
    }
}

/// The body of `/api/v1/kpis`.
pub fn kpis(evaluation: &Evaluation) -> KpisBody<'_> {
    let headlines = shown::headlines(evaluation);
    KpisBody {
        as_of: evaluation.as_of,
        definition: DEFINITION,
        sources: evaluation.sources.iter().map(SourceBody::of).collect(),
        kpis: kpi::ALL
            .iter()
            .map(|kpi| HeadlineBody {
                kpi: KpiBody::of(kpi),
                headline: headlines
                    .iter()
                    .find(|it| it.kpi.id == kpi.id && it.scope == Scope::Org)
                    .map(|it| ReadingBody::of(evaluation, it)),
            })
            .collect(),
    }
}

/// `/api/v1/kpis/{kpi}`: one KPI in every scope and window.
#[derive(Debug, Serialize)]
pub struct OneKpiBody<'a> {
    as_of: Instant,
    /// Version of the written definitions.
    definition_version: &'static str,
    #[serde(flatten)]
    kpi: KpiBody,
    readings: Vec<ReadingBody<'a>>,
    /// What the complete periods of the calendar history usually are.
    trends: Vec<TrendBody<'a>>,
}

/// Signal or noise: the limits of an individuals chart over the complete periods of a history, and
/// the periods outside them. Of fewer than eight nothing is said.
#[derive(Debug, Serialize)]
struct TrendBody<'a> {
    scope: &'static str,
    team: Option<&'a str>,
    service: Option<&'a str>,
    window: &'a str,
    labels: BTreeMap<&'static str, &'a str>,
    stat: Option<&'static str>,
    periods: usize,
    mean: f64,
    lower: f64,
    upper: f64,
    /// Periods that are more than noise.
    signals: Vec<&'a str>,
}

impl<'a> TrendBody<'a> {
    fn of(evaluation: &'a Evaluation, it: &Trend<'a>) -> Self {
        let (team, service) = evaluation.names.labels(it.of.scope);
        let named = |name: &'a str| (!name.is_empty()).then_some(name);
        Self {
            scope: it.of.scope.as_str(),
            team: named(team),
            service: named(service),
            window: it.of.window,
            labels: it.of.dimensions.iter().map(|(name, is)| (*name, is.as_str())).collect(),
            stat: it.of.stat.map(kpi::Stat::as_str),
            periods: it.periods,
            mean: it.limits.mean,
            lower: it.limits.lower,
            upper: it.limits.upper,
            signals: it.signals.clone(),
        }
    }
}

/// The body of `/api/v1/kpis/{kpi}`.
pub fn kpi<'a>(evaluation: &'a Evaluation, kpi: &'static Kpi) -> OneKpiBody<'a> {
    let shown = shown::all(evaluation);
    let own: Vec<&Shown<'_>> = shown.iter().filter(|it| it.kpi.id == kpi.id).collect();
    OneKpiBody {
        as_of: evaluation.as_of,
        definition_version: DEFINITION,
        kpi: KpiBody::of(kpi),
        trends: trend::of(&own).iter().map(|it| TrendBody::of(evaluation, it)).collect(),
        readings: own.into_iter().map(|it| ReadingBody::of(evaluation, it)).collect(),
    }
}

/// `/api/v1/kpis/{kpi}/explain`: a number and the items that it was made of.
#[derive(Debug, Serialize)]
pub struct ExplanationBody<'a> {
    as_of: Instant,
    definition_version: &'static str,
    window: WindowBody<'a>,
    readings: Vec<ReadingBody<'a>>,
    items: Vec<ItemBody<'a>>,
}

#[derive(Debug, Serialize)]
struct WindowBody<'a> {
    name: &'a str,
    start: Instant,
    end: Instant,
}

#[derive(Debug, Serialize)]
struct ItemBody<'a> {
    name: &'a str,
    url: Option<&'a str>,
    /// `counted`, `open` or `excluded`.
    outcome: &'static str,
    reason: Option<&'static str>,
    started_at: Instant,
    completed_at: Option<Instant>,
    services: Vec<&'a str>,
    teams: Vec<&'a str>,
    values: BTreeMap<&'static str, f64>,
    marks: Vec<MarkBody<'a>>,
    times: BTreeMap<&'static str, Instant>,
}

#[derive(Debug, Serialize)]
struct MarkBody<'a> {
    name: &'static str,
    value: &'a str,
    evidence: Option<&'a str>,
    /// When it came true, where that is not the item's own time.
    at: Option<Instant>,
}

impl<'a> ItemBody<'a> {
    fn of(evaluation: &'a Evaluation, explained: &'a Explained) -> Self {
        let item = &explained.item;
        let (outcome, reason) = match item.outcome {
            Outcome::Counted => ("counted", None),
            Outcome::Open => ("open", None),
            Outcome::Excluded(reason) => ("excluded", Some(reason)),
            Outcome::Censored(reason) => ("censored", Some(reason)),
        };
        let services = item.placement.services.iter();
        let teams = item.placement.teams.iter();
        let marks = item.marks.iter().map(|mark| MarkBody {
            name: mark.name,
            value: &mark.value,
            evidence: mark.evidence.as_deref(),
            at: mark.at,
        });
        Self {
            name: &explained.link.name,
            url: explained.link.url.as_ref().map(url::Url::as_str),
            outcome,
            reason,
            started_at: item.started_at,
            completed_at: item.completed_at,
            services: services.map(|it| evaluation.names.services[*it].0.as_str()).collect(),
            teams: teams.map(|it| evaluation.names.teams[*it].as_str()).collect(),
            values: item.values.iter().copied().collect(),
            marks: marks.collect(),
            times: item.times.iter().copied().collect(),
        }
    }
}

/// The body of an explanation: the items that the window holds, those that are open, and those
/// that were left out.
pub fn explanation(explanation: &Explanation) -> ExplanationBody<'_> {
    let evaluation = &explanation.evaluation;
    let shown = shown::all(evaluation);
    let window = &explanation.window;
    let items = shown::items(explanation);
    ExplanationBody {
        as_of: evaluation.as_of,
        definition_version: DEFINITION,
        window: WindowBody { name: &window.label, start: window.span.start, end: window.span.end },
        readings: shown.iter().map(|it| ReadingBody::of(evaluation, it)).collect(),
        items: items.into_iter().map(|it| ItemBody::of(evaluation, it)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;

    use super::super::testing::{STORY, explained, published};
    use super::*;
    use crate::kpi::evaluation::{Part, Parts};

    fn body(value: &impl Serialize) -> Value {
        serde_json::to_value(value).unwrap()
    }

    fn readings<'a>(body: &'a Value, kpi: &str, scope: &str, window: &str) -> Vec<&'a Value> {
        let all = body["readings"].as_array().unwrap().iter();
        let of =
            all.filter(|it| it["kpi"] == kpi && it["scope"] == scope && it["window"] == window);
        of.collect()
    }

    #[test]
    fn a_reading_has_the_keys_of_the_contract() {
        let body = body(&evaluation(&published(STORY)));
        assert_eq!(body["as_of"], "2026-04-01T00:00:00Z");
        assert_eq!(body["definition"], DEFINITION);
        let reading = &readings(&body, "incident_frequency", "org", "30d")[0];
        let contract = [
            "kpi",
            "scope",
            "team",
            "service",
            "window",
            "period",
            "labels",
            "stat",
            "value",
            "n",
            "open",
            "excluded",
            "coverage",
            "lower",
            "upper",
            "status",
            "target",
            "provisional",
        ];
        for key in contract {
            assert!(reading.get(key).is_some(), "`{key}` is missing: {reading:#}");
        }
        assert_eq!(reading["value"], 3.0);
        assert_eq!(reading["n"], 3);
        assert_eq!(reading["status"], "insufficient");
        assert_eq!(reading["team"], Value::Null);
    }

    #[test]
    fn the_status_stands_at_the_one_value_that_the_target_names() {
        let body = body(&evaluation(&published(STORY)));
        let all = readings(&body, "incident_recovery_time", "org", "90d");
        let judged: Vec<_> = all.iter().filter(|it| it["status"] != Value::Null).collect();
        assert_eq!(judged.len(), 1, "{judged:#?}");
        assert_eq!(judged[0]["stat"], "median");
        assert_eq!(judged[0]["family"], "engkpi_incident_recovery_time_seconds");
        assert!(all.len() > 4, "the other statistics and families are there too");
    }

    #[test]
    fn a_kpi_without_data_has_a_status_and_no_value() {
        let mut evaluated = published(STORY);
        let parts = evaluated.parts.iter().map(|part| {
            let mut statuses = part.statuses.to_vec();
            statuses.iter_mut().for_each(|it| it.state = kpi::State::NoData);
            Arc::new(Part { readings: [].into(), statuses: statuses.into(), ..Part::clone(part) })
        });
        evaluated.parts = Parts::of(&evaluated.names, parts);
        let body = body(&evaluation(&evaluated));
        let all = readings(&body, "incident_frequency", "org", "quarter");
        assert_eq!(all.len(), 1);
        assert_eq!((&all[0]["status"], &all[0]["value"]), (&"no_data".into(), &Value::Null));
        assert_eq!(all[0]["n"], Value::Null, "unknown is not zero");
    }

    #[test]
    fn the_list_has_every_kpi_with_its_headline_and_every_source() {
        let body = body(&kpis(&published(STORY)));
        let ids: Vec<_> = body["kpis"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
        let registry: Vec<Value> = kpi::ALL.iter().map(|it| it.id.into()).collect();
        assert_eq!(ids, registry.iter().collect::<Vec<_>>());
        let frequency = body["kpis"].as_array().unwrap().iter();
        let frequency = frequency.clone().find(|it| it["id"] == "incident_frequency").unwrap();
        assert_eq!(frequency["headline"]["window"], frequency["default_window"]);
        assert_eq!(frequency["headline"]["scope"], "org");
        assert_eq!(body["sources"][1]["name"], "pagerduty");
        assert_eq!(body["sources"][1]["data_through"], "2026-03-31T23:55:00Z");
    }

    #[test]
    fn one_kpi_has_its_readings_and_no_others() {
        let frequency = kpi::find("incident_frequency").unwrap();
        let body = body(&kpi(&published(STORY), frequency));
        assert_eq!(body["title"], frequency.title);
        let all = body["readings"].as_array().unwrap();
        assert!(all.len() > 30 && all.iter().all(|it| it["kpi"] == "incident_frequency"));
    }

    #[test]
    fn an_explanation_lists_the_items_with_links() {
        let explained = explained(STORY, "incident_recovery_time", Some("blue"), "30d");
        let body = body(&explanation(&explained));
        assert_eq!(body["window"]["start"], "2026-03-02T00:00:00Z");
        let items = body["items"].as_array().unwrap();
        let names: Vec<_> = items.iter().map(|it| it["outcome"].as_str().unwrap()).collect();
        assert_eq!(names, ["counted", "open"], "i2 was resolved, i3 is open: {items:#?}");
        assert_eq!(items[0]["url"], "https://pagerduty.example/incidents/i2");
        assert_eq!(items[0]["teams"][0], "blue");
        assert_eq!(items[0]["services"][0], "web");
        assert!(items[0]["values"]["recovery"] == 7200.0, "{:#}", items[0]);
    }
}
