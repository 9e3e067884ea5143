//! What is shown of an evaluation: each value with its verdict, and a line without a value where
//! there is a verdict alone.

use std::collections::HashMap;

use super::human;
use crate::domain::Instant;
use crate::kpi::evaluation::{Evaluation, Explained, Explanation, Judged, Scope};
use crate::kpi::{Family, Item, Kpi, Outcome, PlacedBy, Reading, Stat};

/// One line of what is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a> {
    pub(super) kpi: &'static Kpi,
    pub(super) family: &'static Family,
    pub(super) scope: Scope,
    pub(super) window: &'a str,
    pub(super) period: Option<&'a str>,
    pub(super) dimensions: &'a [(&'static str, String)],
    pub(super) stat: Option<Stat>,
    /// `None` where the KPI cannot be computed: there is only a verdict.
    pub(super) reading: Option<&'a Reading>,
    pub(super) previous_ratio: Option<f64>,
    /// Only with the value that the KPI's target names.
    pub(super) judged: Option<&'a Judged>,
    /// Whether late knowledge may still change the window.
    pub(super) provisional: Option<bool>,
}

impl Shown<'_> {
    /// The value for people, or a dash.
    pub(super) fn value(&self) -> String {
        self.reading.map_or_else(|| "–".to_owned(), |it| human::reading(self.kpi, self.family, it))
    }

    /// Its 95 % interval for people, or nothing.
    pub(super) fn interval(&self) -> String {
        self.reading.map_or_else(String::new, |it| human::interval(self.kpi, self.family, it))
    }

    /// How many items it is made of, or nothing.
    pub(super) fn n(&self) -> String {
        self.reading.map_or_else(String::new, |it| it.n.to_string())
    }

    /// How many items are open, or nothing.
    pub(super) fn open(&self) -> String {
        self.reading.and_then(|it| it.open).map_or_else(String::new, |it| it.to_string())
    }
}

type Place<'a> = (&'static str, Scope, &'a str, Option<&'a str>);

/// Everything, in the order of the evaluation: verdicts without a value where their value would be.
pub(super) fn all(evaluation: &Evaluation) -> Vec<Shown<'_>> {
    let mut readings: HashMap<Place<'_>, Vec<Shown<'_>>> = HashMap::new();
    for it in evaluation.readings() {
        let families = it.kpi.families.iter();
        let Some(family) = families.clone().find(|family| family.name == it.reading.family) else {
            continue;
        };
        let place = (it.kpi.id, it.scope, it.window.as_str(), it.period.as_deref());
        readings.entry(place).or_default().push(Shown {
            kpi: it.kpi,
            family,
            scope: it.scope,
            window: &it.window,
            period: it.period.as_deref(),
            dimensions: &it.reading.dimensions,
            stat: it.reading.stat,
            reading: Some(&it.reading),
            previous_ratio: it.previous_ratio,
            judged: None,
            provisional: None,
        });
    }
    let mut shown = Vec::new();
    let statuses: Vec<&Judged> = evaluation.statuses().collect();
    for verdicts in statuses.chunk_by(|a, b| place(a) == place(b)) {
        let mut lines = readings.remove(&place(verdicts[0])).unwrap_or_default();
        for line in &mut lines {
            line.provisional = Some(verdicts[0].provisional);
            let about = |it: &&Judged| line.reading.is_some_and(|reading| is_about(it, reading));
            line.judged = verdicts.iter().copied().find(about);
        }
        for &judged in verdicts {
            let shown = |line: &Shown<'_>| line.judged.is_some_and(|it| std::ptr::eq(it, judged));
            if !lines.iter().any(shown) {
                lines.extend(alone(judged));
            }
        }
        shown.append(&mut lines);
    }
    shown
}

fn place(judged: &Judged) -> Place<'_> {
    (judged.kpi.id, judged.scope, judged.window.as_str(), judged.period.as_deref())
}

/// Whether a verdict is about this value.
fn is_about(judged: &Judged, reading: &Reading) -> bool {
    judged.kpi.is_headline(reading)
        && judged.dimensions.iter().all(|(name, value)| reading.has(name, value))
}

fn alone(judged: &Judged) -> Option<Shown<'_>> {
    Some(Shown {
        kpi: judged.kpi,
        family: judged.kpi.families.first()?,
        scope: judged.scope,
        window: &judged.window,
        period: judged.period.as_deref(),
        dimensions: &judged.dimensions,
        stat: judged.kpi.target_stat,
        reading: None,
        previous_ratio: None,
        judged: Some(judged),
        provisional: None,
    })
}

/// The values that the KPIs' targets name, in the KPIs' default windows and every scope.
pub(super) fn headlines(evaluation: &Evaluation) -> Vec<Shown<'_>> {
    let is_headline = |line: &Shown<'_>| {
        line.judged.is_some() && line.period.is_none() && line.window == line.kpi.default_window
    };
    all(evaluation).into_iter().filter(is_headline).collect()
}

/// The times that values about the present are, in microseconds since 1970.
fn instants_shown(explanation: &Explanation) -> Vec<i64> {
    let readings = explanation.evaluation.readings().map(|it| &it.reading);
    let times = readings.filter(|it| it.family.ends_with("_timestamp_seconds"));
    times.filter_map(|it| it.value).map(|seconds| (seconds * 1e6).round() as i64).collect()
}

/// When an item completed, and when what marks it came true.
fn instants(item: &Item) -> impl Iterator<Item = Instant> {
    item.completed_at.into_iter().chain(item.marks.iter().filter_map(|it| it.at))
}

/// The items of an explanation that have to do with its window, and those that a value about the
/// present is the time of, in three groups: counted, open, left out; each by the time that placed
/// it.
pub(super) fn items(explanation: &Explanation) -> Vec<&Explained> {
    let span = explanation.window.span;
    let is_state = explanation.window.kind.is_state();
    let placed_by = explanation.kpi.placed_by;
    let named = instants_shown(explanation);
    let concerns = |explained: &&Explained| {
        let item = &explained.item;
        let completed_at = item.completed_at.unwrap_or(item.started_at);
        is_state
            || item.outcome == Outcome::Open
            || match placed_by {
                PlacedBy::Start => span.contains(item.started_at),
                PlacedBy::Completion => span.contains(completed_at),
                // What lasted through the window was in it too.
                PlacedBy::Either => {
                    let times = || item.times.iter().map(|(_, at)| *at);
                    let first = times().chain([item.started_at]).min();
                    let last = times().chain([completed_at]).max();
                    first < Some(span.end) && Some(span.start) <= last
                }
            }
            || instants(item).any(|at| named.contains(&at.timestamp_micros()))
    };
    let mut items: Vec<&Explained> = explanation.items.iter().filter(concerns).collect();
    items.sort_by_key(|it| {
        let group = match it.item.outcome {
            Outcome::Counted => 0,
            Outcome::Open => 1,
            Outcome::Censored(_) => 2,
            Outcome::Excluded(_) => 3,
        };
        (group, it.item.completed_at.unwrap_or(it.item.started_at))
    });
    items
}
