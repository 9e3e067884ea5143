//! What a snapshot was made from, as hashes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::super::shown;
use super::read::rounded;
use crate::domain::Instant;
use crate::kpi::evaluation::{Freshness, Scope, explain_in};
use crate::kpi::params::Catalogue;
use crate::kpi::{self, Item, ItemId, Kpi, Outcome, Params, View, Window};

/// The hash of everything configured that a number depends on.
pub(super) fn configuration(params: &Params) -> String {
    of(json(params))
}

/// The hash of the hashes by KPI.
pub(super) fn all(inputs: &BTreeMap<String, String>) -> String {
    of(json(inputs))
}

/// By KPI the hash of the items that `engkpi explain` lists for the organisation in these windows, in
/// an order that is the same however they arrived.
pub(super) fn inputs(
    view: &View<'_>,
    freshness: &Freshness,
    windows: &[Window],
) -> BTreeMap<String, String> {
    let of_kpi = |kpi: &&'static Kpi| (kpi.id.to_owned(), input(view, freshness, kpi, windows));
    kpi::ALL.iter().map(of_kpi).collect()
}

fn input(view: &View<'_>, freshness: &Freshness, kpi: &'static Kpi, windows: &[Window]) -> String {
    // Their hashes in order: there may be hundreds of thousands.
    let mut sums = BTreeSet::new();
    for window in windows {
        let explanation = explain_in(view, freshness, (kpi, Scope::Org, *window));
        let items = shown::items(&explanation).into_iter();
        let items = items.map(|it| json(&Input::of(&it.item, &view.params.catalogue)));
        sums.extend(items.map(Sha256::digest));
    }
    of(sums.into_iter().flatten().collect::<Vec<u8>>())
}

/// An item without what people call it.
#[derive(Serialize)]
struct Input<'a> {
    id: &'a ItemId,
    services: BTreeSet<&'a str>,
    teams: BTreeSet<&'a str>,
    started_at: Instant,
    completed_at: Option<Instant>,
    outcome: (&'static str, Option<&'static str>),
    values: Vec<(&'static str, f64)>,
    marks: Vec<(&'static str, &'a str, Option<&'a str>, Option<Instant>)>,
    times: &'a [(&'static str, Instant)],
}

impl<'a> Input<'a> {
    fn of(item: &'a Item, catalogue: &'a Catalogue) -> Self {
        let services = item.placement.services.iter();
        let teams = item.placement.teams.iter();
        let marks = item.marks.iter();
        Self {
            id: &item.id,
            services: services.map(|it| catalogue.services[*it].name.as_str()).collect(),
            teams: teams.map(|it| catalogue.teams[*it].as_str()).collect(),
            started_at: item.started_at,
            completed_at: item.completed_at,
            outcome: match item.outcome {
                Outcome::Counted => ("counted", None),
                Outcome::Open => ("open", None),
                Outcome::Censored(reason) => ("censored", Some(reason)),
                Outcome::Excluded(reason) => ("excluded", Some(reason)),
            },
            values: item.values.iter().map(|(name, it)| (*name, rounded(*it))).collect(),
            marks: marks.map(|it| (it.name, &*it.value, it.evidence.as_deref(), it.at)).collect(),
            times: &item.times,
        }
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("names are texts, and maps have names or numbers as keys")
}

fn of(content: impl AsRef<[u8]>) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}
