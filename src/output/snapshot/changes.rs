//! What a later revision corrects, and why.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Number, Reached, Snapshot};
use crate::kpi;
use crate::output::human;

/// What changed since an earlier revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// The revision that is corrected.
    pub(super) since: u32,
    /// Why, in words.
    because: Vec<String>,
    /// The numbers that differ.
    pub(super) readings: Vec<Changed>,
}

impl Changes {
    /// Why there is another revision, in words.
    pub fn because(&self) -> &[String] {
        &self.because
    }

    /// How many numbers differ.
    pub fn len(&self) -> usize {
        self.readings.len()
    }

    /// Whether no number differs: what it was made from does.
    pub fn is_empty(&self) -> bool {
        self.readings.is_empty()
    }
}

/// A number that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Changed {
    pub(super) kpi: String,
    pub(super) family: String,
    pub(super) scope: String,
    pub(super) team: Option<String>,
    pub(super) service: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) stat: Option<String>,
    /// What differs of it, by its key; a number that was not there, or is not any more, is empty.
    pub(super) was: Map<String, Value>,
    pub(super) is: Map<String, Value>,
}

/// What `now` says otherwise than `earlier`; `None` if it says the same.
///
/// What is about the present is another thing at another `as_of`, and what has no history is always
/// of the time at which it was collected: neither alone corrects a quarter. Once there is a
/// correction they are listed with it.
pub(super) fn between(earlier: &Snapshot, now: &Snapshot) -> Option<Changes> {
    // Both as they are read: the last digit of a number may not survive it.
    let now = &super::read(&super::json::render(now)).expect("a snapshot that we wrote");
    let same_time = earlier.as_of == now.as_of;
    let comparable = |it: &Snapshot| -> Vec<Number> {
        it.readings.iter().map(|it| comparable(it, same_time)).collect()
    };
    let (was, is) = (comparable(earlier), comparable(now));
    let corrects = |it: &Number| !it.as_collected && (same_time || it.window != super::read::NOW);
    let (decide, beside): (Vec<_>, Vec<_>) =
        differing(&was, &is).into_iter().partition(|(number, _)| corrects(number));
    let mut because = rules(earlier, now);
    if same_time {
        because.extend(facts(earlier, now));
    } else if !decide.is_empty() {
        because.push(later(earlier, now, decide.iter().map(|(number, _)| *number)));
    }
    because.extend(state(earlier, now));
    if because.is_empty() && decide.is_empty() {
        return None;
    }
    if because.is_empty() {
        because.push(
            "neither the rules nor the items of the two quarters changed: what they are compared \
             with did, or engkpi"
                .to_owned(),
        );
    }
    let readings = decide.into_iter().chain(beside).map(|(_, changed)| changed).collect();
    Some(Changes { since: earlier.revision, because, readings })
}

/// A number without what the whole snapshot says, and without what is about the present if that is
/// another one.
fn comparable(number: &Number, same_time: bool) -> Number {
    let open = number.open.filter(|_| same_time);
    Number { provisional: None, open, ..number.clone() }
}

fn rules(earlier: &Snapshot, now: &Snapshot) -> Vec<String> {
    let mut because = Vec::new();
    if earlier.definition != now.definition {
        let (was, is) = (&earlier.definition, &now.definition);
        because.push(format!("the definitions changed from version {was} to version {is}"));
    }
    if earlier.configuration != now.configuration {
        let what = "rules, targets, teams, services or sources";
        because.push(format!("the configuration changed: {what}"));
    }
    because
}

/// The KPIs of which other items are known at the same `as_of`.
fn facts(earlier: &Snapshot, now: &Snapshot) -> Option<String> {
    let has_history =
        |id: &&str| kpi::find(id).is_none_or(|it| it.needs.iter().all(|need| need.has_history()));
    let differs = |(id, hash): &(&String, &String)| earlier.inputs.get(*id) != Some(*hash);
    let differing = now.inputs.iter().filter(differs).map(|(id, _)| id.as_str());
    let differing: Vec<&str> = differing.filter(has_history).collect();
    (!differing.is_empty()).then(|| format!("facts changed, in {}", differing.join(", ")))
}

/// At another `as_of` other items are known in any case: the numbers say where it matters.
fn later<'a>(
    earlier: &Snapshot,
    now: &Snapshot,
    numbers: impl Iterator<Item = &'a Number>,
) -> String {
    let kpis: BTreeSet<&str> = numbers.map(|it| it.kpi.as_str()).collect();
    let kpis = kpis.into_iter().collect::<Vec<_>>().join(", ");
    let (was, is) = (human::instant(earlier.as_of), human::instant(now.as_of));
    format!("it is as of {is} instead of {was}, which matters in {kpis}")
}

fn state(earlier: &Snapshot, now: &Snapshot) -> Vec<String> {
    let mut because = Vec::new();
    match (earlier.provisional, now.provisional) {
        (true, false) => because.push("it is not provisional any more".to_owned()),
        (false, true) => because.push("it is provisional again".to_owned()),
        _ => {}
    }
    let is_unavailable = |it: Reached| matches!(it, Reached::Stale | Reached::Never);
    for source in &now.sources {
        let was = earlier.sources.iter().find(|it| it.name == source.name);
        match was.map(|it| (is_unavailable(it.state), is_unavailable(source.state))) {
            Some((true, false)) => because.push(format!("{} was read since", source.name)),
            Some((false, true)) => because.push(format!("{} is not read any more", source.name)),
            _ => {}
        }
    }
    because
}

/// The numbers of either that differ, in the order of the later ones.
fn differing<'a>(earlier: &'a [Number], now: &'a [Number]) -> Vec<(&'a Number, Changed)> {
    let mut was: BTreeMap<_, &Number> = earlier.iter().map(|it| (it.place(), it)).collect();
    let mut differing = Vec::new();
    for number in now {
        let before = was.remove(&number.place());
        if before != Some(number) {
            differing.push((number, changed(before, Some(number), number)));
        }
    }
    let gone = was.into_values().map(|number| (number, changed(Some(number), None, number)));
    differing.extend(gone);
    differing
}

fn changed(was: Option<&Number>, is: Option<&Number>, of: &Number) -> Changed {
    let values = |number: Option<&Number>| match number.map(serde_json::to_value) {
        Some(Ok(Value::Object(values))) => values,
        _ => Map::new(),
    };
    let (mut was, mut is) = (values(was), values(is));
    let of_it = Changed {
        kpi: of.kpi.clone(),
        family: of.family.clone(),
        scope: of.scope.clone(),
        team: of.team.clone(),
        service: of.service.clone(),
        labels: of.labels.clone(),
        stat: of.stat.clone(),
        was: Map::new(),
        is: Map::new(),
    };
    let same: Vec<String> = was
        .iter()
        .filter(|(key, it)| is.get(*key) == Some(*it))
        .map(|(key, _)| key.clone())
        .collect();
    for key in same {
        was.remove(&key);
        is.remove(&key);
    }
    Changed { was, is, ..of_it }
}
