//! An organisation of which everything is known, for tests of which series there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::testing::told;
use super::{Options, render};
use crate::kpi::evaluation::{self, Evaluated, Evaluation, Freshness, Part, Parts, Plan};
use crate::kpi::params::SourceParams;
use crate::kpi::testing::Story;
use crate::kpi::{self, Need, Stat, Window};

/// One team with one service of which everything is known: what there is only once.
const SCENE: &str = "
    service web incidents PWEB
    debt
    findings
    rule proximity 60
    records web docs/adr
    standard owners file CODEOWNERS
    standard license file LICENSE
    standard pipeline uses acme/ci
    standard lifecycle property lifecycle
    boundary orders of web workflow Contract
    boundary rates of web in nowhere workflow Contract
    endpoint checkout of web budget 0.3
    wave developer_experience w0 closed 2025-06-01T00:00 invited 10 each core=10
    wave developer_experience w1 closed 2026-02-01T00:00 invited 10 each core=10
    wave stakeholder_satisfaction s1 closed 2026-02-01T00:00 invited 20 each sales=10,support=10
    baseline wave developer_experience w0
    baseline 2025-06-01T00:00 2025-12-01T00:00
    answers w0 flow team core 3,3,4,2,3,3,4,2,3,3
    answers w1 flow team core 4,4,5,4,4,5,4,4,3,4
    answers w0 load team core 4,4,5,4,4,5,4,4,3,4
    answers w1 load team core 4,4,5,4,4,5,4,4,3,4
    answers w0 feedback team core 4,4,5,4,4,5,4,4,3,4
    answers w1 feedback team core 4,4,5,4,4,5,4,4,3,4
    answers s1 score group sales team core 4,4,5,4,4,5,4,4,3,4
    answers s1 score group support team core 4,4,5,4,4,5,4,4,3,4
    2024-01-01T00:00 commit web c0
    2024-01-01T00:00 feed web dependabot
    2026-05-10T10:00 holds web CODEOWNERS file CODEOWNERS
    2026-05-10T10:00 holds web LICENSE file LICENSE
    2026-05-10T10:00 properties web lifecycle=production
    2024-01-01T00:00 hour checkout 0.1:90 0.3:95 1:100 +Inf:100
    2026-05-15T23:00 hour checkout 0.1:90 0.3:95 1:100 +Inf:100
    as_of 2026-05-16T00:00";

/// What happens every month; `M` is the month and `N` its number.
const MONTHLY: &str = "
    M-10T08:00 propose web#N0 adds docs/adr/N0.md comments 3
    M-11T08:00 land web#N0 as rN0
    M-11T08:00 record web rN0 docs/adr/N0.md Accepted
    M-11T09:00 record web rN1 docs/adr/N1.md Rejected
    M-11T09:00 record web rN2 docs/adr/N2.md Proposed
    M-11T10:00 merge web#N1 opened M-10T10:00 written M-10T08:00 reviewed M-10T12:00=bob
    M-11T11:00 deploy web cN1
    M-11T12:00 incident N-1 P1
    M-11T12:01 field N-1 fault_started_at M-11T11:30:00Z
    M-11T12:02 field N-1 root_cause dns
    M-11T12:03 note N-1 naming cN1
    M-11T12:05 ack N-1
    M-11T13:00 resolve N-1
    M-11T14:00 deploy web c0 task rollback
    M-12T10:00 merge web#N2 branch hotfix/x
    M-12T11:00 deploy web cN2
    M-12T12:00 deploy web cN2 to staging
    M-12T13:00 deploy web cN2 failed
    M-12T14:00 merge web#N3 by renovate[bot]
    M-13T10:00 incident N-2 P2
    M-13T10:05 ack N-2
    M-13T11:00 resolve N-2
    M-13T12:00 incident N-3 P3
    M-13T12:05 ack N-3
    M-13T13:00 resolve N-3
    M-13T14:00 incident N-4 P4
    M-13T14:05 ack N-4
    M-13T15:00 resolve N-4
    M-13T16:00 incident N-5 P5
    M-13T16:05 ack N-5
    M-13T17:00 resolve N-5
    M-13T18:00 incident N-6 P2
    M-01T10:00 issue web#N4 labels debt,major
    M-12T10:00 close_issue web#N4
    M-10T10:00 issue web#N5 labels debt,major
    M-10T10:00 finding web N-1 critical
    M-11T10:00 fix N-1
    M-10T10:00 finding web N-2 high
    M-11T10:00 fix N-2
    M-10T10:00 finding web N-3 medium
    M-11T10:00 fix N-3
    M-10T10:00 finding web N-4 low
    M-11T10:00 fix N-4
    M-10T10:00 finding web N-5 critical
    M-10T10:00 finding web N-6 high
    M-11T10:00 dismiss N-6
    M-10T00:00 cost web 10 EUR
    M-10T00:00 cost - 1 EUR
    M-10T00:00 units web request 1000
    M-10T00:00 escalation N-1 team core
    M-10T00:00 grew N-2 alice evidence https://wiki.example/talk team core
    M-14T10:00 merge web#N6";

/// What is known of an SLO `S`.
const OBJECTIVE: &str = "
    slo S of web objective 0.999
    2024-01-01T00:00 hour S bad:1 total:90000 valid:12 met:11
    2026-05-15T23:00 hour S bad:1 total:90000 valid:12 met:11
    2026-05-15T23:50 burn S 5m:1/100 30m:1/100 1h:2/500 2h:2/500 6h:2/500 1d:2/500 3d:2/500";

/// The organisation with an SLO of each of these services (`web` is of the team `core`, `api` of
/// `shop`; empty is of none), with sources of everything.
pub(super) fn organisation(slos: &[&str]) -> (Story, Freshness) {
    let mut text = SCENE.to_owned();
    if slos.contains(&"api") {
        text += "\nservice api team shop incidents PAPI";
    }
    for (number, service) in slos.iter().enumerate() {
        let objective = OBJECTIVE.replace('S', &format!("slo{number}"));
        let of = if service.is_empty() { String::new() } else { format!("of {service}") };
        text += &objective.replace("of web", &of);
    }
    let months = (2024..=2026).flat_map(|year| (1..=12).map(move |it| format!("{year}-{it:02}")));
    let months =
        months.skip_while(|it| it.as_str() < "2024-10").take_while(|it| it.as_str() <= "2026-05");
    for (number, month) in (10..).zip(months) {
        text += &MONTHLY.replace("M-", &format!("{month}-")).replace('N', &number.to_string());
    }
    let (mut story, mut freshness) = told(&text);
    let fresh = freshness.values().next().copied().unwrap();
    let all = kpi::ALL.iter().flat_map(|kpi| kpi.needs.iter().chain(kpi.uses).copied());
    let families = kpi::ALL.iter().flat_map(|kpi| kpi.families);
    let all: BTreeSet<_> = all.chain(families.flat_map(|it| it.needs.iter().copied())).collect();
    let known: BTreeSet<_> = story.params.sources.iter().flat_map(|it| it.feeds.clone()).collect();
    let like = story.params.sources[0].clone();
    let (metrics, files): (Vec<_>, Vec<_>) = all
        .difference(&known)
        .copied()
        .partition(|it| matches!(it, Need::Requests | Need::Objectives));
    for (name, feeds) in [("prometheus", metrics), ("files", files)] {
        story.params.sources.push(SourceParams { name: name.into(), feeds, ..like.clone() });
        freshness.insert(name.into(), fresh);
    }
    (story, freshness)
}

/// Its evaluation, with every number defined that can be.
fn everything(slos: &[&str]) -> Evaluation {
    let (story, freshness) = organisation(slos);
    let plan = Plan::published(vec![Window::parse("30d").unwrap()], false);
    let timeline = story.timeline();
    let mut evaluation =
        evaluation::evaluate(&timeline, &story.params, &freshness, &plan, story.as_of);
    define(&mut evaluation);
    evaluation
}

/// What is known of a value in some scope or window.
#[derive(Default)]
struct Known {
    interval: bool,
    coverage: bool,
    previous: bool,
    open: bool,
    numerator: bool,
    excluded: BTreeSet<&'static str>,
}

/// Gives every value a number in every scope and window, and with it everything that is known of it
/// in some.
fn define(evaluation: &mut Evaluation) {
    let of = |it: &Evaluated| {
        (it.reading.family, it.reading.dimensions.clone(), it.reading.stat.map(Stat::as_str))
    };
    let mut known: BTreeMap<_, Known> = BTreeMap::new();
    for it in evaluation.readings() {
        let known = known.entry(of(it)).or_default();
        known.interval |= it.reading.lower.is_some() || it.reading.upper.is_some();
        known.coverage |= it.reading.coverage.is_some();
        known.previous |= it.previous_ratio.is_some();
        known.open |= it.reading.open.is_some();
        known.numerator |= it.reading.numerator.is_some();
        known.excluded.extend(it.reading.excluded.iter().map(|(reason, _)| reason));
    }
    let mut parts: Vec<Arc<Part>> = evaluation.parts.iter().cloned().collect();
    let readings = parts.iter_mut().map(|it| &mut Arc::make_mut(it).readings);
    for it in readings.flat_map(Arc::make_mut) {
        let known = &known[&of(it)];
        let reading = &mut it.reading;
        reading.value = Some(1.0);
        reading.lower = known.interval.then_some(0.5);
        reading.upper = known.interval.then_some(2.0);
        reading.coverage = known.coverage.then_some(1.0);
        reading.open = known.open.then_some(1);
        reading.numerator = known.numerator.then_some(1);
        reading.excluded = known.excluded.iter().map(|reason| (*reason, 1)).collect();
        it.previous_ratio = known.previous.then_some(1.0);
    }
    evaluation.parts = Parts::of(&evaluation.names, parts);
}

/// A series: its metric and its labels.
pub(super) struct Series {
    pub(super) metric: String,
    pub(super) labels: BTreeMap<String, String>,
}

impl Series {
    /// What /metrics shows of the organisation with an SLO of each of these services.
    pub(super) fn all(slos: &[&str]) -> Vec<Self> {
        let text = render(&everything(slos), &Options::default()).text;
        let text = String::from_utf8(text).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(Self::of).collect()
    }

    /// No label of the organisation needs escaping.
    fn of(line: &str) -> Self {
        let (metric, rest) = line.split_once('{').unwrap();
        let (labels, _) = rest.rsplit_once('}').unwrap();
        let label = |text: &str| {
            let (name, value) = text.split_once("=\"").unwrap();
            (name.trim_start_matches(',').to_owned(), value.to_owned())
        };
        let labels = labels.split_terminator('"').collect::<Vec<_>>();
        let labels = labels.chunks(2).map(|it| label(&it.join("\"")));
        Self { metric: metric.to_owned(), labels: labels.collect() }
    }

    /// The value of a label; empty without it.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}
