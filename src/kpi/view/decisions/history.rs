//! The life of each record on the default branch: one record through all its renames.

use std::collections::HashMap;

use chrono::NaiveDate;

use super::super::dates;
use super::arrival::{Arrival, Arrivals};
use super::status;
use crate::domain::fact::{Change, DecisionRevision, RevisionKind};
use crate::domain::{Calendar, Instant};
use crate::kpi::params::{Rules, StatusMeaning};

/// A record that is, or was, on the default branch. It has at least one version.
#[derive(Debug)]
pub(super) struct History<'a> {
    /// Its present path.
    pub(super) path: &'a str,
    /// Every path that it has had.
    pub(super) paths: Vec<&'a str>,
    /// What the default branch showed, oldest first.
    pub(super) versions: Vec<Version<'a>>,
}

/// What the default branch showed of a record after one arrival.
#[derive(Debug)]
pub(super) struct Version<'a> {
    pub(super) arrival: Arrival<'a>,
    /// The first revision that arrived then, and the last, which is what could be seen.
    pub(super) first: &'a DecisionRevision,
    pub(super) last: &'a DecisionRevision,
    /// What its status says.
    pub(super) status: Option<StatusMeaning>,
}

impl Version<'_> {
    /// Whether its status is a decision.
    pub(super) fn is_decided(&self) -> bool {
        self.status.is_some_and(|status| status != StatusMeaning::Pending)
    }
}

/// The records whose first revision had arrived before `as_of`.
pub(super) fn of<'a>(
    revisions: &[&'a DecisionRevision],
    arrivals: &Arrivals<'a>,
    rules: &Rules,
    as_of: Instant,
) -> Vec<History<'a>> {
    let mut arrived: Vec<(Arrival<'a>, &'a DecisionRevision)> = revisions
        .iter()
        .filter_map(|&revision| Some((arrivals.arrival(revision)?, revision)))
        .filter(|(arrival, _)| arrival.at < as_of)
        .collect();
    arrived.sort_by_key(|(arrival, it)| {
        let appears = it.revision != RevisionKind::Added;
        (arrival.at, arrival.place, it.committed_at, it.authored_at, appears, &it.commit, &it.path)
    });
    let mut histories = Vec::new();
    let mut by_path = HashMap::new();
    for (arrival, revision) in arrived {
        let path = revision.path.as_str();
        let moved = match &revision.revision {
            // Told of by both the branch's commit and the merge, it has already moved.
            RevisionKind::RenamedFrom(old) if !by_path.contains_key(path) => {
                by_path.remove(old.as_str())
            }
            _ => None,
        };
        let index = moved.or_else(|| by_path.get(path).copied()).unwrap_or_else(|| {
            histories.push(History { path, paths: Vec::new(), versions: Vec::new() });
            histories.len() - 1
        });
        by_path.insert(path, index);
        histories[index].take_in(arrival, revision, rules);
    }
    histories.retain(|it| !it.versions.is_empty());
    histories
}

impl<'a> History<'a> {
    fn take_in(&mut self, arrival: Arrival<'a>, revision: &'a DecisionRevision, rules: &Rules) {
        self.path = &revision.path;
        if !self.paths.contains(&self.path) {
            self.paths.push(self.path);
        }
        let removed = revision.revision == RevisionKind::Removed;
        if removed && self.versions.is_empty() {
            return;
        }
        let written = revision.status.as_deref();
        let status = written.and_then(|it| status::meaning(it, &rules.statuses));
        match self.versions.last_mut() {
            Some(version) if version.arrival.with == arrival.with => {
                version.last = revision;
                version.status = status;
            }
            _ => {
                let version = Version { arrival, first: revision, last: revision, status };
                self.versions.push(version);
            }
        }
    }

    /// The version in which it first came to the default branch.
    pub(super) fn first(&self) -> &Version<'a> {
        self.versions.first().expect("a history has at least one version")
    }

    /// Whether it is gone from the default branch.
    pub(super) fn is_removed(&self) -> bool {
        self.versions.last().is_some_and(|it| it.last.revision == RevisionKind::Removed)
    }

    /// The pull request that proposed it: the one that it appeared with.
    pub(super) fn proposal(&self) -> Option<&'a Change> {
        let Version { arrival, first, .. } = self.first();
        arrival.change.filter(|_| first.revision == RevisionKind::Added)
    }

    /// The first possible date that the front matter gives under `key`, oldest version first.
    pub(super) fn date(
        &self,
        key: Option<&str>,
        calendar: &Calendar,
        as_of: Instant,
    ) -> Option<WrittenDate> {
        let key = key?;
        let versions = self.versions.iter().flat_map(|it| [it.first, it.last]);
        let mut texts = versions.filter_map(|it| it.front_matter.get(key));
        texts.find_map(|text| {
            let instant = dates::instant(text, as_of).map(WrittenDate::Instant);
            let day = || dates::day(text).filter(|day| calendar.start_of(*day) < as_of);
            instant.or_else(|| day().map(WrittenDate::Day))
        })
    }
}

/// A date in the front matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WrittenDate {
    Instant(Instant),
    Day(NaiveDate),
}

impl WrittenDate {
    /// Its first instant. With the last one of another date it gives the longest time that the two
    /// can be apart: nothing looks quicker for being written down by the day.
    pub(super) fn start(self, calendar: &Calendar) -> Instant {
        match self {
            Self::Instant(at) => at,
            Self::Day(day) => calendar.start_of(day),
        }
    }

    /// The instant after it, at most `latest`, when it was known.
    pub(super) fn end(self, calendar: &Calendar, latest: Instant) -> Instant {
        match self {
            Self::Instant(at) => at.min(latest),
            Self::Day(day) => {
                day.succ_opt().map_or(latest, |next| calendar.start_of(next).min(latest))
            }
        }
    }
}
