//! What a revision keeps of the one before, so that nobody can subtract the two.
//!
//! A late answer to a survey changes a mean by what one person said. Whoever has both revisions
//! could calculate that, or a cell that is not shown. So as long as fewer than
//! [`SMALLEST_CELL`] answers differ in any cell of the same wave, the numbers stay what they were.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Number, Snapshot, hashes};
use crate::kpi::View;
use crate::kpi::view::surveys::SMALLEST_CELL;

/// By KPI the waves of surveys that its numbers are of.
pub(super) fn waves(view: &View<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let mut waves: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for question in view.surveys.iter().filter(|it| it.is_last) {
        let wave = format!("{} {}", question.survey.name, question.wave.0);
        waves.entry(question.survey.kpi.to_owned()).or_default().insert(wave);
    }
    waves
}

/// The snapshot with the numbers of `earlier` where the difference would tell too much.
pub(super) fn held(mut snapshot: Snapshot, earlier: &Snapshot) -> Snapshot {
    let of_same_wave =
        snapshot.waves.iter().filter(|(kpi, it)| earlier.waves.get(*kpi) == Some(*it));
    let held: BTreeSet<String> = of_same_wave
        .map(|(kpi, _)| kpi.clone())
        .filter(|kpi| tells_too_much(kpi, &snapshot, earlier))
        .collect();
    for kpi in &held {
        let at = snapshot.readings.iter().position(|it| it.kpi == *kpi);
        snapshot.readings.retain(|it| !is_score(it, kpi));
        let kept = earlier.readings.iter().filter(|it| is_score(it, kpi)).cloned();
        let at = at.unwrap_or(snapshot.readings.len()).min(snapshot.readings.len());
        snapshot.readings.splice(at..at, kept);
        snapshot.missing.retain(|it| it.kpi != *kpi);
        snapshot.missing.extend(earlier.missing.iter().filter(|it| it.kpi == *kpi).cloned());
        if let Some(input) = earlier.inputs.get(kpi) {
            snapshot.inputs.insert(kpi.clone(), input.clone());
        }
    }
    snapshot.input = hashes::all(&snapshot.inputs);
    snapshot.held = held;
    snapshot
}

/// Whether it is a number of a survey: escalations are counted in the quarter.
fn is_score(number: &Number, kpi: &str) -> bool {
    number.kpi == kpi && number.window == "wave"
}

fn tells_too_much(kpi: &str, now: &Snapshot, earlier: &Snapshot) -> bool {
    // Only scores have a statistic, and their n is how many answered.
    let scores = |it: &&Number| is_score(it, kpi) && it.stat.is_some() && it.n.is_some();
    let then: HashMap<_, &Number> =
        earlier.readings.iter().filter(scores).map(|it| (it.place(), it)).collect();
    now.readings.iter().filter(scores).any(|number| {
        let Some(then) = then.get(&number.place()) else { return false };
        let (n, before) = (number.n.unwrap_or(0), then.n.unwrap_or(0));
        // A cell that was hidden, or is, is told by those that are shown.
        let both_shown = n > 0 && before > 0;
        let differ = n.abs_diff(before);
        both_shown && differ < SMALLEST_CELL as u64 && (differ > 0 || number.value != then.value)
    })
}
