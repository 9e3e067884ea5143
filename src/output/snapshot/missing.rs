//! What a snapshot does not say of the organisation, and why.

use chrono::TimeDelta;

use super::{Missing, Number};
use crate::domain::Instant;
use crate::kpi::evaluation::{Scope, SourceHealth};
use crate::kpi::view::surveys::SMALLEST_CELL;
use crate::kpi::{self, Kpi, Params, State, TargetRule};
use crate::output::human;

/// Why the answers of a cell are left out.
const SUPPRESSED: &str = "suppressed";

/// The KPIs of which the organisation has no verdict.
pub(super) fn of(
    readings: &[Number],
    params: &Params,
    sources: &[SourceHealth],
    start: Instant,
) -> Vec<Missing> {
    let of_org = readings.iter().filter(|it| it.scope == Scope::Org.as_str());
    of_org
        .filter_map(|number| {
            let kpi = kpi::find(&number.kpi)?;
            let state = State::named(number.status.as_deref()?)?;
            let why = match state {
                State::NoData => no_data(kpi, number, params, sources, start),
                State::Stale => stale(kpi, params, sources),
                State::Insufficient => too_few(kpi, number),
                State::NoTarget => no_target(kpi, number, params),
                _ => return None,
            };
            Some(Missing {
                kpi: number.kpi.clone(),
                labels: number.labels.clone(),
                status: state.as_str().to_owned(),
                why,
            })
        })
        .collect()
}

/// The sources that feed what a KPI needs or uses.
fn feeding<'a>(
    kpi: &'a Kpi,
    params: &'a Params,
    sources: &'a [SourceHealth],
) -> impl Iterator<Item = &'a SourceHealth> {
    let feeds = |name: &crate::domain::SourceName| {
        let mut source = params.sources.iter().filter(|it| it.name == *name);
        source.any(|it| it.feeds.iter().any(|it| kpi.needs.contains(it) || kpi.uses.contains(it)))
    };
    sources.iter().filter(move |it| feeds(&it.name))
}

fn no_data(
    kpi: &Kpi,
    number: &Number,
    params: &Params,
    sources: &[SourceHealth],
    start: Instant,
) -> String {
    let fed = |need| params.sources.iter().any(|it| it.feeds.contains(need));
    if !kpi.needs.iter().all(fed) {
        return "no source that feeds it is configured".to_owned();
    }
    let from = start - TimeDelta::days(kpi.lookback_days);
    let late = |it: &SourceHealth| (it.history_start > from).then_some(it.history_start);
    let why = |it: &SourceHealth| match (it.freshness, late(it)) {
        (None, _) => Some(format!("{} was never read to its end", it.name)),
        (Some(_), Some(since)) if number.n.is_none() => {
            Some(format!("{} is complete from {} on only", it.name, human::instant(since)))
        }
        _ => None,
    };
    let known: Vec<String> = feeding(kpi, params, sources).filter_map(why).collect();
    match (known.is_empty(), number.value) {
        (false, _) => known.join("; "),
        (true, Some(_)) => "the quarter before, which it is compared with, is not known".to_owned(),
        (true, None) => "nothing that it is about was ever seen".to_owned(),
    }
}

fn stale(kpi: &Kpi, params: &Params, sources: &[SourceHealth]) -> String {
    let how_far = |it: &SourceHealth| {
        let read = it.freshness.filter(|_| it.stale)?;
        Some(format!("{} was read up to {} only", it.name, human::instant(read.data_through)))
    };
    let known: Vec<String> = feeding(kpi, params, sources).filter_map(how_far).collect();
    if known.is_empty() {
        "what it is made of was not read for too long".to_owned()
    } else {
        known.join("; ")
    }
}

/// Why a quarter is not judged.
fn no_target(kpi: &Kpi, number: &Number, params: &Params) -> String {
    let configured = params.kpis.get(kpi.id).and_then(|it| it.target);
    let target = number.target_in_words.as_deref().unwrap_or_default();
    match configured.unwrap_or(kpi.target) {
        TargetRule::Baseline { .. } => "no baseline is configured".to_owned(),
        TargetRule::Points { .. } => "no baseline wave is configured".to_owned(),
        _ if target.is_empty() => "it has no target".to_owned(),
        _ => format!("its target ({target}) is not about a quarter"),
    }
}

fn too_few(kpi: &Kpi, number: &Number) -> String {
    let share = number.coverage.unwrap_or_default();
    match (number.n, kpi.min_coverage) {
        _ if number.excluded.contains_key(SUPPRESSED) => {
            format!("of fewer than {SMALLEST_CELL} people nothing is shown")
        }
        (_, Some(least)) if number.coverage.is_some() && share < least => {
            let (share, least) = (human::share(share), human::share(least));
            format!("only {share} of what it is about is known, and a verdict needs {least}")
        }
        (None | Some(0), _) => "there is nothing to measure".to_owned(),
        (Some(n), _) => format!("too few for a verdict (n = {n})"),
    }
}
