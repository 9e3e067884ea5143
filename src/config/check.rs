//! Checks: what only several settings together, or the world around them, show to be wrong.
//!
//! They run even when something could not be decoded. So they ask the merged tree which names
//! exist, not the document, and say nothing about what is broken already.

mod calendar;
mod catalogue;
mod endpoints;
mod kpis;
mod lists;
mod rules;
mod slos;
mod sources;
mod standards;
mod units;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::document::Document;
use super::layers::Layers;
use super::path::{KeyPath, Segment};
use super::problem::Problem;
use super::slo::{Found, Notice, Windows};
use super::text::Aim;
use crate::domain::Instant;
use crate::kpi::TargetRule;
use crate::setting::Complaint;

/// What the checks found, and what they learnt on the way.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) problems: Vec<Problem>,
    /// Holidays of the list and of the file.
    pub(super) holidays: BTreeSet<NaiveDate>,
    /// Targets by KPI id.
    pub(super) kpis: BTreeMap<String, Targets>,
    /// The SLOs that files specify.
    pub(super) slos: Vec<Found>,
    /// Windows of burn alerts that files specify.
    pub(super) alert_windows: Vec<Windows>,
    /// What works and may not be meant.
    pub(super) notices: Vec<Notice>,
}

/// The targets of one KPI, by the names of teams and services.
#[derive(Debug, Default)]
pub(super) struct Targets {
    pub(super) own: Option<TargetRule>,
    pub(super) teams: BTreeMap<String, TargetRule>,
    pub(super) services: BTreeMap<String, TargetRule>,
}

/// Runs every check.
pub(super) fn all(
    layers: &Layers,
    document: &Document,
    broken: &BTreeSet<KeyPath>,
    now: Instant,
) -> Checked {
    let mut checker = Checker { layers, document, broken, now, checked: Checked::default() };
    lists::check(&mut checker);
    sources::check(&mut checker);
    catalogue::check(&mut checker);
    endpoints::check(&mut checker);
    units::check(&mut checker);
    slos::check(&mut checker);
    rules::check(&mut checker);
    standards::check(&mut checker);
    kpis::check(&mut checker);
    calendar::check(&mut checker);
    checker.own_rules();
    let mut checked = checker.checked;
    if layers.has_syntax_errors() {
        // A table that could not be read may have held any name that seems to be missing.
        checked.problems.clear();
    }
    checked
}

/// What every check works on.
#[derive(Debug)]
struct Checker<'a> {
    layers: &'a Layers,
    document: &'a Document,
    broken: &'a BTreeSet<KeyPath>,
    now: Instant,
    checked: Checked,
}

impl Checker<'_> {
    /// Notes a problem with the value at `path`.
    fn value(&mut self, path: &KeyPath, rule: impl Into<String>, fix: impl Into<String>) {
        self.note(path, Aim::Value, rule, fix);
    }

    /// Notes a problem with the name at the end of `path`.
    fn key(&mut self, path: &KeyPath, rule: impl Into<String>, fix: impl Into<String>) {
        self.note(path, Aim::Key, rule, fix);
    }

    fn note(&mut self, path: &KeyPath, aim: Aim, rule: impl Into<String>, fix: impl Into<String>) {
        // A name can be wrong whatever its entry says.
        let hidden = |broken: &KeyPath| broken.holds(path) && (aim == Aim::Value || broken != path);
        if !self.broken.iter().any(hidden) {
            let problem = self.layers.problem(path, aim, rule, fix);
            self.checked.problems.push(problem);
        }
    }

    /// Notes what the owner of the section at `path` has to say.
    fn complain(&mut self, path: &KeyPath, complaints: Vec<Complaint>) {
        for Complaint { key, rule, fix } in complaints {
            let below = KeyPath(
                KeyPath::parse(&key)
                    .0
                    .into_iter()
                    .map(|segment| match segment {
                        // Owners may write `list.3` for the element of a list.
                        Segment::Key(key) => key.parse().map_or(Segment::Key(key), Segment::Index),
                        index => index,
                    })
                    .collect(),
            );
            let path = path.join(&below);
            let aim = if self.layers.get(&path).is_some_and(|it| !it.is_object()) {
                Aim::Value
            } else {
                Aim::Key
            };
            self.note(&path, aim, rule, fix);
        }
    }

    /// Whether all of `section` could not be decoded, so that nobody knows what it holds.
    fn is_broken(&self, section: &str) -> bool {
        self.broken.contains(&KeyPath::root().key(section))
    }

    /// The names in the table at `section`, decoded or not.
    fn names(&self, section: &str) -> Vec<String> {
        self.layers.keys(&KeyPath::root().key(section))
    }

    /// What modules have to say about their own settings.
    fn own_rules(&mut self) {
        let document = self.document;
        if let Some(store) = &document.store {
            self.complain(&KeyPath::root().key("store"), store.check());
        }
        if let Some(evaluate) = &document.evaluate {
            self.complain(&KeyPath::root().key("evaluate"), evaluate.check());
        }
        for (name, source) in &document.sources {
            self.complain(&KeyPath::root().key("sources").key(name.as_str()), source.check());
        }
    }
}
