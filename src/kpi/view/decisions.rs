//! Decision records: when each was proposed and decided, and how (kpis.md 3.1, 3.2).
//!
//! Most records say nothing on the default branch about when they were proposed: they arrive there
//! decided, with the pull request that was the decision. So a record's pull request goes first, and
//! what happened to its status on the default branch second.

mod arrival;
mod history;
#[cfg(test)]
mod properties;
mod status;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::Duration;

use super::dates;
use super::ownership::Ownership;
use super::reach::Reach;
use crate::domain::fact::{Change, DecisionRevision, PathChange, Repository};
use crate::domain::{CommitId, Instant, RepositoryId, Text, Timeline};
use crate::kpi::params::{DecisionEvent, DecisionRule, StatusMeaning};
use crate::kpi::{Params, Placement};
use arrival::Arrivals;
use history::{History, Version};

/// A decision record, from a file on the default branch or from a pull request that proposes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its repository.
    pub repository: RepositoryId,
    /// Its present path (the last one, if it is gone).
    pub path: String,
    /// Services and teams it belongs to.
    pub placement: Placement,
    /// When it was first seen: on the default branch, else as a proposal.
    pub seen_at: Instant,
    /// When it was put up for a decision, where that can be said.
    pub proposed_at: Option<Instant>,
    /// Which rule gave `proposed_at`: `ready_for_review`, `pull_request`, `field`,
    /// `branch_commit` or `first_commit`; `unknown` without one.
    pub proposed_by: &'static str,
    /// When it was decided; `None` while pending.
    pub decided_at: Option<Instant>,
    /// Which rule gave `decided_at`: `status`, `merge`, `close`, `field` or `first_commit`;
    /// `undecided` without one.
    pub decided_by: &'static str,
    /// How it was decided.
    pub decision: Decision,
    /// First seen together with so many others that it was a bulk import.
    pub bulk_import: bool,
    /// The pull request that proposed it.
    pub proposed_in: Option<u64>,
    /// Comments that the pull request received.
    pub comments: Option<u64>,
    /// How many teams own services that the proposing pull request touches.
    pub teams_touched: usize,
}

/// How a record stands at `as_of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Decision {
    Pending,
    Accepted,
    Rejected,
    /// Arrived on the default branch without a status that says anything, or was removed while pending.
    Unknown,
}

/// A status decided this long after the merge may have been filled in for the record's sake.
const RETROFIT_AFTER: Duration = Duration::days(90);

/// Finds every record of the repositories in `reach` that was proposed or decided before `as_of`, by
/// repository and path.
pub fn build(
    timeline: &Timeline,
    params: &Params,
    as_of: Instant,
    ownership: &Ownership<'_>,
    reach: Option<&Reach>,
) -> Vec<Record> {
    let is_looked_at =
        |it: &&Repository| reach.is_none_or(|reach| reach.repositories.contains(&it.id));
    let mut repositories = BTreeMap::new();
    for (name, rule) in &params.rules.decisions {
        if let Some(repository) = timeline.repository_named(name).filter(is_looked_at) {
            repositories.entry(&repository.id).or_insert((repository, rule));
        }
    }
    let mut records: Vec<Record> = repositories
        .into_values()
        .flat_map(|(repository, rule)| {
            let reader = Reader { timeline, params, ownership, repository, rule, as_of };
            reader.records()
        })
        .collect();
    records.sort_by(|a, b| (&a.repository, &a.path).cmp(&(&b.repository, &b.path)));
    records
}

/// Reads the records of one repository.
struct Reader<'a> {
    timeline: &'a Timeline,
    params: &'a Params,
    ownership: &'a Ownership<'a>,
    repository: &'a Repository,
    rule: &'a DecisionRule,
    as_of: Instant,
}

/// When and by which rule a record was decided, and how.
struct Verdict {
    at: Option<Instant>,
    by: &'static str,
    decision: Decision,
}

impl Verdict {
    fn at(at: Instant, by: &'static str, decision: Decision) -> Self {
        Self { at: Some(at), by, decision }
    }

    fn none(decision: Decision) -> Self {
        Self { at: None, by: "undecided", decision }
    }
}

impl<'a> Reader<'a> {
    fn records(&self) -> Vec<Record> {
        let revisions: Vec<&DecisionRevision> = self.revisions().collect();
        let arrivals = Arrivals::of(self.timeline, self.repository, &revisions);
        let mut histories = history::of(&revisions, &arrivals, &self.params.rules, self.as_of);
        let landed: HashSet<&str> =
            histories.iter().flat_map(|it| it.paths.iter().copied()).collect();
        histories.retain(|it| self.is_record(it.path));
        let statusless = histories.iter().filter(|it| it.first().status.is_none()).count();
        let mostly_statusless = statusless * 2 >= histories.len();
        let mut seen_with: HashMap<&CommitId, usize> = HashMap::new();
        for history in &histories {
            *seen_with.entry(history.first().arrival.with).or_default() += 1;
        }
        let on_branch = histories.iter().map(|history| {
            let bulk = seen_with[history.first().arrival.with] >= self.params.rules.bulk_import;
            self.landed(history, mostly_statusless, bulk)
        });
        on_branch.chain(self.proposals(&landed)).collect()
    }

    fn revisions(&self) -> impl Iterator<Item = &'a DecisionRevision> {
        let id = &self.repository.id;
        let from = (id.clone(), Text::default(), CommitId::from(""));
        let revisions = self.timeline.revisions.range(from..);
        revisions.take_while(move |((of, ..), _)| of == id).map(|(_, revision)| revision.as_ref())
    }

    /// Whether the file at `path` is a record: Markdown in a configured folder, and neither a
    /// template nor one of the pages that explain or list the others.
    fn is_record(&self, path: &str) -> bool {
        let inside = |folder: &String| match folder.trim_start_matches("./").trim_matches('/') {
            "" | "." => true,
            folder => path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')),
        };
        self.rule.folders.iter().any(inside) && names_record(path)
    }

    /// A record that is, or was, on the default branch.
    fn landed(&self, history: &History<'a>, mostly_statusless: bool, bulk: bool) -> Record {
        let change = history.proposal();
        let proposed = change.map_or_else(
            || self.proposed_without_change(history),
            |change| Some(proposed_with(change).unwrap_or((change.created_at, "pull_request"))),
        );
        let proposed = proposed.filter(|(at, _)| dates::is_possible(*at, self.as_of));
        Record {
            path: history.path.to_owned(),
            seen_at: history.first().arrival.at,
            bulk_import: bulk,
            ..self.record(proposed, self.verdict(history, mostly_statusless), change)
        }
    }

    /// Without a pull request a record was proposed only if it says so or was pending first.
    fn proposed_without_change(&self, history: &History<'a>) -> Option<(Instant, &'static str)> {
        let calendar = &self.params.calendar;
        let key = self.rule.proposed_field.as_deref();
        if let Some(date) = history.date(key, calendar, self.as_of) {
            return Some((date.start(calendar), "field"));
        }
        // Where the merge decides, it was decided when it came.
        if self.rule.event == DecisionEvent::Merge || !was_pending(history) {
            return None;
        }
        let Version { arrival, first, .. } = history.first();
        let from_a_branch = *arrival.with != first.commit;
        let written_at = first.authored_at;
        if from_a_branch && written_at <= arrival.at && dates::is_possible(written_at, self.as_of) {
            Some((written_at, "branch_commit"))
        } else {
            Some((arrival.at, "first_commit"))
        }
    }

    fn verdict(&self, history: &History<'a>, mostly_statusless: bool) -> Verdict {
        match self.rule.event {
            DecisionEvent::Auto => self.by_any_event(history, mostly_statusless),
            DecisionEvent::Merge => self.by_merge(history),
            DecisionEvent::Status => self.by_status(history),
        }
    }

    fn by_any_event(&self, history: &History<'a>, mostly_statusless: bool) -> Verdict {
        let first = &history.first().arrival;
        let (proposal, decided) = (history.proposal(), first_decided(history));
        if was_pending(history) {
            let Some(version) = decided else { return undecided(history) };
            let is_retrofit = mostly_statusless
                && proposal.is_some()
                && version.arrival.at - first.at > RETROFIT_AFTER;
            return if is_retrofit {
                Verdict::at(first.at, "merge", outcome(version))
            } else {
                Verdict::at(version.arrival.at, "status", outcome(version))
            };
        }
        match decided {
            // A status that was filled in later says how, not when.
            _ if proposal.is_some() => {
                Verdict::at(first.at, "merge", decided.map_or(Decision::Accepted, outcome))
            }
            Some(version) => self.arrived(history, version, outcome(version)),
            None => self.written_decision(history).map_or(Verdict::none(Decision::Unknown), |at| {
                Verdict::at(at, "field", Decision::Accepted)
            }),
        }
    }

    fn by_merge(&self, history: &History<'a>) -> Verdict {
        let first = history.first();
        let decision = if first.is_decided() { outcome(first) } else { Decision::Accepted };
        if history.proposal().is_some() {
            Verdict::at(first.arrival.at, "merge", decision)
        } else {
            self.arrived(history, first, decision)
        }
    }

    fn by_status(&self, history: &History<'a>) -> Verdict {
        let change = history.proposal();
        match first_decided(history) {
            Some(version) if change.is_some() || was_pending(history) => {
                Verdict::at(version.arrival.at, "status", outcome(version))
            }
            Some(version) => self.arrived(history, version, outcome(version)),
            None if change.is_some() || was_pending(history) => undecided(history),
            None => Verdict::none(Decision::Unknown),
        }
    }

    /// Decided where nobody had seen it pending: when it says, else when it was first seen decided.
    fn arrived(&self, history: &History<'a>, version: &Version<'a>, how: Decision) -> Verdict {
        let has_history = !std::ptr::eq(version, history.first());
        match self.written_decision(history).filter(|_| !has_history) {
            Some(at) => Verdict::at(at, "field", how),
            None => Verdict::at(version.arrival.at, "first_commit", how),
        }
    }

    /// When the record itself says that it was decided.
    fn written_decision(&self, history: &History<'a>) -> Option<Instant> {
        let calendar = &self.params.calendar;
        let date = history.date(self.rule.decided_field.as_deref(), calendar, self.as_of)?;
        Some(date.end(calendar, history.first().arrival.at))
    }

    /// The records that pull requests propose and that never came to the default branch.
    fn proposals(&self, landed: &HashSet<&str>) -> Vec<Record> {
        let mut by_path: BTreeMap<&str, (&Change, usize)> = BTreeMap::new();
        for change in arrival::changes(self.timeline, &self.repository.id) {
            if !self.is_proposed(change) {
                continue;
            }
            let added: BTreeSet<&str> =
                added_paths(change).filter(|it| self.is_record(it)).collect();
            for path in added.iter().copied().filter(|it| !landed.contains(it)) {
                // Proposed again, the earlier pull request was an attempt and not the decision.
                let rank = |it: &Change| (self.closed_at(it).is_none(), it.created_at, it.number);
                let kept = by_path.entry(path).or_insert((change, added.len()));
                if rank(change) > rank(kept.0) {
                    *kept = (change, added.len());
                }
            }
        }
        let records = by_path.into_iter().map(|(path, (change, added))| {
            let verdict = match self.closed_at(change) {
                Some(at) => Verdict::at(at, "close", Decision::Rejected),
                None => Verdict::none(Decision::Pending),
            };
            Record {
                path: path.to_owned(),
                // Merged, they would be one commit's.
                bulk_import: added >= self.params.rules.bulk_import,
                ..self.record(proposed_with(change), verdict, Some(change))
            }
        });
        records.collect()
    }

    /// Whether a change asks for a decision that no merge has made yet. A draft asks for none.
    fn is_proposed(&self, change: &Change) -> bool {
        let is_merged = change.merged_at.is_some_and(|at| at < self.as_of);
        !is_merged
            && proposed_with(change).is_some_and(|(at, _)| dates::is_possible(at, self.as_of))
    }

    fn closed_at(&self, change: &Change) -> Option<Instant> {
        change.closed_at.filter(|at| change.merged_at.is_none() && *at < self.as_of)
    }

    fn record(
        &self,
        proposed: Option<(Instant, &'static str)>,
        verdict: Verdict,
        change: Option<&Change>,
    ) -> Record {
        let catalogue = &self.params.catalogue;
        let services = self.ownership.repository(&self.repository.id).iter().copied();
        let touched = change.map(|it| self.ownership.change(it)).unwrap_or_default();
        Record {
            repository: self.repository.id.clone(),
            path: String::new(),
            placement: Placement::of_whole_repository(catalogue, services),
            seen_at: proposed.map_or(self.as_of, |(at, _)| at),
            proposed_at: proposed.map(|(at, _)| at),
            proposed_by: proposed.map_or("unknown", |(_, by)| by),
            decided_at: verdict.at,
            decided_by: verdict.by,
            decision: verdict.decision,
            bulk_import: false,
            proposed_in: change.map(|it| it.number),
            comments: change.map(|it| it.comments),
            teams_touched: Placement::of_services(catalogue, touched).teams.len(),
        }
    }
}

/// When a pull request was put up for a decision; `None` while it is a draft.
fn proposed_with(change: &Change) -> Option<(Instant, &'static str)> {
    if change.created_as_draft {
        change.ready_for_review_at.map(|at| (at, "ready_for_review"))
    } else {
        Some((change.created_at, "pull_request"))
    }
}

fn added_paths(change: &Change) -> impl Iterator<Item = &str> {
    let paths = change.paths.iter().flatten();
    paths.filter(|it| it.change == PathChange::Added).map(|it| it.path.as_str())
}

fn first_decided<'h, 'a>(history: &'h History<'a>) -> Option<&'h Version<'a>> {
    history.versions.iter().find(|it| it.is_decided())
}

/// Whether the default branch showed it as pending before it showed a decision.
fn was_pending(history: &History<'_>) -> bool {
    let undecided = history.versions.iter().take_while(|it| !it.is_decided());
    undecided.into_iter().any(|it| it.status == Some(StatusMeaning::Pending))
}

fn undecided(history: &History<'_>) -> Verdict {
    let removed = history.is_removed();
    Verdict::none(if removed { Decision::Unknown } else { Decision::Pending })
}

/// How the status of a decided version decides.
fn outcome(version: &Version<'_>) -> Decision {
    match version.status {
        Some(StatusMeaning::Rejected) => Decision::Rejected,
        _ => Decision::Accepted,
    }
}

/// Names of pages beside the records.
const OTHER_PAGES: [&str; 8] =
    ["readme", "index", "changelog", "contributing", "summary", "toc", "adr-log", "decision-log"];

/// Words that the name of a template is made of.
const TEMPLATE_WORDS: [&str; 12] = [
    "adr",
    "architectural",
    "architecture",
    "bare",
    "decision",
    "design",
    "doc",
    "long",
    "madr",
    "record",
    "rfc",
    "short",
];

/// Whether a path can be a record's.
fn names_record(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let Some(name) = path.strip_suffix(".md").or_else(|| path.strip_suffix(".markdown")) else {
        return false;
    };
    let (folders, name) = name.rsplit_once('/').unwrap_or(("", name));
    let in_templates = folders.split('/').any(|it| matches!(it, "template" | "templates"));
    !in_templates && !OTHER_PAGES.contains(&name) && !names_template(name)
}

/// `template`, `adr-template`, `0000-our-template`; but not `0012-choose-a-template`.
fn names_template(name: &str) -> bool {
    let words: Vec<&str> = name.split(['-', '_', '.', ' ']).collect();
    let is_zero = |it: &&str| !it.is_empty() && it.bytes().all(|byte| byte == b'0');
    let is_number = |it: &str| it.bytes().all(|byte| byte.is_ascii_digit());
    let plain =
        |it: &&str| it.starts_with("template") || TEMPLATE_WORDS.contains(it) || is_number(it);
    let says_template = words.iter().any(|it| it.starts_with("template"));
    says_template && (words.iter().any(is_zero) || words.iter().all(plain))
}
