//! From the facts to a snapshot.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::SubsecRound as _;

use super::super::shown::{self, Shown};
use super::{Asked, FORMAT, Number, Reached, Snapshot, Source, hashes, held, missing, settled};
use crate::domain::{Instant, Timeline};
use crate::kpi::evaluation::{
    DEFINITION, Evaluation, Freshness, Plan, Scope, SourceHealth, evaluate,
};
use crate::kpi::{self, Kpi, Need, Params, Stat, View, Window};
use crate::output::human;

/// The window of what is about the present.
pub(super) const NOW: &str = "now";

pub(super) fn snapshot(
    facts: (&Timeline, &Params),
    freshness: &Freshness,
    asked: Asked,
) -> Snapshot {
    let (timeline, params) = facts;
    let quarter = asked.quarter;
    let before = quarter.previous();
    let settled_at = settled(quarter, params);
    let as_of = asked.now.trunc_subsecs(0).min(settled_at);
    let windows = [Window::Named(quarter), Window::Named(before)];
    let evaluation = evaluate(timeline, params, freshness, &plan(&windows), as_of);
    // What was there at the same distance from the end of the quarter before.
    let then = settled(before, params).min(as_of);
    let earlier = evaluate(timeline, params, freshness, &plan(&windows[1..]), then);
    let view = View::build(timeline, params, as_of).explained();
    let inputs = hashes::inputs(&view, freshness, &windows);
    let readings = numbers(&evaluation, &earlier, &windows);
    let span = quarter.whole(&params.calendar);
    let sources: Vec<Source> = evaluation.sources.iter().map(|it| source(it, as_of)).collect();
    let provisional_because = provisional_because(&evaluation, &sources, settled_at);
    Snapshot {
        format: FORMAT,
        quarter: quarter.to_string(),
        start: span.start,
        end: span.end,
        zone: params.calendar.zone.name().to_owned(),
        previous_quarter: before.to_string(),
        as_of,
        provisional: !provisional_because.is_empty(),
        provisional_because,
        revision: 1,
        changes: None,
        definition: DEFINITION.to_owned(),
        configuration: hashes::configuration(params),
        input: hashes::all(&inputs),
        inputs,
        sources,
        waves: held::waves(&view),
        held: BTreeSet::new(),
        missing: missing::of(&readings, params, &evaluation.sources, span.start),
        readings,
    }
}

/// Everything of every scope in these windows.
fn plan(windows: &[Window]) -> Plan {
    Plan {
        kpis: kpi::ALL.to_vec(),
        windows: windows.to_vec(),
        service_windows: windows.to_vec(),
        service_defaults: false,
        history: false,
        service_history: false,
        scope: None,
    }
}

fn source(health: &SourceHealth, as_of: Instant) -> Source {
    let state = match health.freshness {
        None => Reached::Never,
        Some(_) if health.stale => Reached::Stale,
        Some(it) if it.data_through < as_of => Reached::Behind,
        Some(_) => Reached::Complete,
    };
    Source { name: health.name.to_string(), history_start: health.history_start, state }
}

fn provisional_because(
    evaluation: &Evaluation,
    sources: &[Source],
    settled_at: Instant,
) -> Vec<String> {
    if evaluation.as_of < settled_at {
        let until = human::instant(settled_at);
        return vec![format!("what is learned until {until} still belongs to the quarter")];
    }
    let behind = evaluation.sources.iter().zip(sources);
    behind
        .filter_map(|(health, source)| {
            let how_far = match (source.state, health.freshness) {
                (Reached::Complete, _) => return None,
                (_, None) => "was never read to its end".to_owned(),
                (_, Some(it)) => format!("was read up to {} only", human::instant(it.data_through)),
            };
            Some(format!("{} {how_far}", source.name))
        })
        .collect()
}

/// What a value is of, beside its window.
type Place<'a> = (&'static str, Scope, &'static str, &'a [(&'static str, String)], Option<Stat>);

fn place<'a>(line: &Shown<'a>) -> Place<'a> {
    (line.kpi.id, line.scope, line.family.name, line.dimensions, line.stat)
}

fn numbers(evaluation: &Evaluation, earlier: &Evaluation, windows: &[Window; 2]) -> Vec<Number> {
    let [this, before] = windows.map(|it| it.to_string());
    let lines = shown::all(evaluation);
    let lines_then = shown::all(earlier);
    // The values of the quarter before, as they are known now, …
    let of_before: HashMap<Place<'_>, &Shown<'_>> =
        lines.iter().filter(|it| it.window == before).map(|it| (place(it), it)).collect();
    // … and what was there then, which no quarter has.
    let was_there: HashMap<Place<'_>, &Shown<'_>> =
        lines_then.iter().filter(|it| is_state(it)).map(|it| (place(it), it)).collect();
    let number = |line: &Shown<'_>| {
        let previous = if !is_state(line) {
            of_before.get(&place(line))
        } else if was_known_then(line.kpi) {
            was_there.get(&place(line))
        } else {
            None
        };
        number(evaluation, line, previous.copied())
    };
    let is_shown = |line: &&Shown<'_>| match line {
        it if it.window == before => false,
        // Only a value of a state is missing in a state.
        it if it.reading.is_none() && it.kpi.is_about_a_state() => it.window != this,
        // Of a service what a target names, as in /metrics.
        it => it.judged.is_some() || !matches!(it.scope, Scope::Service(_)),
    };
    lines.iter().filter(is_shown).map(number).collect()
}

/// Whether a value is about what is there, in whatever window it is shown.
fn is_state(line: &Shown<'_>) -> bool {
    line.family.now || Window::parse(line.window).is_ok_and(Window::is_state)
}

fn has_history(kpi: &Kpi) -> bool {
    kpi.needs.iter().all(|need| need.has_history())
}

/// Whether what is known now of what was there a quarter ago is what was there. Of tests only those
/// are read that still count; and of two waves of a survey nobody may be able to subtract who
/// answered late.
fn was_known_then(kpi: &Kpi) -> bool {
    let unknown = |need: &Need| {
        let of_survey = matches!(need, Need::DeveloperSurveys | Need::StakeholderSurveys);
        of_survey || *need == Need::Boundaries || !need.has_history()
    };
    !kpi.needs.iter().any(unknown)
}

fn number(evaluation: &Evaluation, line: &Shown<'_>, previous: Option<&Shown<'_>>) -> Number {
    let (team, service) = evaluation.names.labels(line.scope);
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let goal = line.judged.and_then(|it| evaluation.goal(it));
    let reading = line.reading;
    let before = previous.and_then(|it| it.reading);
    Number {
        kpi: line.kpi.id.to_owned(),
        family: line.family.name.to_owned(),
        scope: line.scope.as_str().to_owned(),
        team: named(team),
        service: named(service),
        window: if line.family.now { NOW } else { line.window }.to_owned(),
        labels: labels(line.dimensions),
        stat: line.stat.map(|it| it.as_str().to_owned()),
        value: reading.and_then(|it| known(it.value)),
        n: reading.map(|it| it.n),
        numerator: reading.and_then(|it| it.numerator),
        open: reading.and_then(|it| it.open),
        excluded: reading
            .iter()
            .flat_map(|it| it.excluded.iter())
            .map(|(reason, count)| (reason.to_owned(), count))
            .collect(),
        coverage: reading.and_then(|it| known(it.coverage)),
        lower: reading.and_then(|it| known(it.lower)),
        upper: reading.and_then(|it| known(it.upper)),
        beyond: reading.and_then(|it| known(it.beyond)),
        status: line.judged.map(|it| it.state.as_str().to_owned()),
        target: goal.and_then(|it| known(Some(it.target))),
        good: goal.and_then(|it| known(it.good)),
        target_in_words: goal.map(|it| human::target(line.kpi, &it.rule)),
        baseline_ratio: line.judged.and_then(|it| known(it.baseline_ratio)),
        provisional: line.provisional,
        previous_value: before.and_then(|it| known(it.value)),
        previous_n: before.map(|it| it.n),
        previous_ratio: known(line.previous_ratio),
        as_collected: !has_history(line.kpi),
    }
}

fn labels(dimensions: &[(&'static str, String)]) -> BTreeMap<String, String> {
    dimensions.iter().map(|(name, is)| ((*name).to_owned(), is.clone())).collect()
}

/// To twelve significant digits, which is more than anybody knows: the last digits of a logarithm
/// are not the same with every library of mathematics.
pub(super) fn rounded(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

fn known(value: Option<f64>) -> Option<f64> {
    value.filter(|it| it.is_finite()).map(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rounded_stays_what_it_is() {
        let same = [0.0, 3.0, 0.1, -1.5, 1e-9, 123_456_789_012.0];
        assert_eq!(same.map(rounded), same);
        assert_eq!(rounded(1.0 / 3.0), 0.333_333_333_333);
        assert_eq!(known(Some(f64::INFINITY)), None);
    }

    #[test]
    fn only_what_stands_in_repositories_has_no_history() {
        let without: Vec<&str> =
            kpi::ALL.iter().filter(|it| !has_history(it)).map(|it| it.id).collect();
        assert_eq!(without, ["standard_adoption"]);
    }
}
