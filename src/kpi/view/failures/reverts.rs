//! Rule (c): what first shipped in a deployment was reverted soon after (kpis.md 3.9).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::{Evidence, Finding, Recovery, Verdict, failure};
use crate::domain::fact::Change;
use crate::domain::graph::{CommitGraph, KnownCommit};
use crate::domain::timeline::Shelf;
use crate::domain::{CommitId, RepositoryId};
use crate::kpi::view::changes::{ServiceChange, Shipping};
use crate::kpi::view::lineage::{Arrival, Line};

/// Finds reverts in all repositories: what they fail, and which deployments carry one.
pub(super) fn find(evidence: &Evidence<'_>, verdicts: &mut [Verdict], findings: &mut Vec<Finding>) {
    let histories = evidence.lineage.by_repository(|it| History::of(evidence, it));
    for line in evidence.lineage.lines() {
        let history = &histories[line.repository];
        if !history.reverts.is_empty() {
            for &(service, first) in &line.services {
                let trial = Trial { evidence, history, line, service, first };
                trial.judge(verdicts, findings);
            }
        }
    }
}

/// Something that undoes something else.
#[derive(Debug, Default)]
struct Revert<'a> {
    commits: Vec<&'a CommitId>,
    changes: Vec<u64>,
}

/// Who reverts: a merged change, or a commit that belongs to none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reverter<'a> {
    Change(u64),
    Commit(&'a CommitId),
}

/// The reverts of one repository.
#[derive(Debug)]
struct History<'a> {
    graph: Option<&'a CommitGraph>,
    changes: BTreeMap<u64, &'a Change>,
    reverts: BTreeMap<Reverter<'a>, Revert<'a>>,
    /// The merged change that a reverting or reverted commit belongs to.
    change_of: HashMap<&'a CommitId, u64>,
}

impl<'a> History<'a> {
    fn of(evidence: &Evidence<'a>, repository: &RepositoryId) -> Self {
        let changes = evidence.timeline.changes.get(repository).into_iter().flat_map(Shelf::iter);
        let known = |at| at < evidence.as_of;
        let merged = changes.filter(|change| change.merged_at.is_some_and(known));
        let changes = merged.map(|change| (change.number, change)).collect();
        let graph = evidence.timeline.commits.get(repository).map(Arc::as_ref);
        let mut history =
            Self { graph, changes, reverts: BTreeMap::new(), change_of: HashMap::new() };
        let reverting: Vec<&KnownCommit> = graph
            .into_iter()
            .flat_map(CommitGraph::iter)
            .filter(|commit| !commit.reverts.is_empty())
            .collect();
        history.find_owners(&reverting);
        history.find_reverting_changes(evidence, repository);
        for commit in reverting {
            let reverter = match history.change_of.get(&commit.id) {
                Some(number) => Reverter::Change(*number),
                None => Reverter::Commit(&commit.id),
            };
            history.reverts.entry(reverter).or_default().commits.extend(&commit.reverts);
        }
        history
    }

    /// Finds the changes of the commits that matter.
    fn find_owners(&mut self, reverting: &[&'a KnownCommit]) {
        let mut wanted: HashSet<&CommitId> = HashSet::new();
        for commit in reverting {
            wanted.insert(&commit.id);
            wanted.extend(&commit.reverts);
        }
        wanted.extend(self.changes.values().flat_map(|change| &change.reverts_commits));
        let merges = self
            .changes
            .iter()
            .flat_map(|(n, change)| change.merge_commit.iter().map(move |it| (it, *n)));
        // Stacked changes list the commits of those below them: the lowest number is the owner.
        let branches = self
            .changes
            .iter()
            .flat_map(|(n, change)| change.commits.iter().map(move |it| (it, *n)));
        for (commit, number) in merges.chain(branches) {
            if wanted.contains(commit) {
                self.change_of.entry(commit).or_insert(number);
            }
        }
    }

    fn find_reverting_changes(&mut self, evidence: &Evidence<'a>, repository: &RepositoryId) {
        for (number, change) in &self.changes {
            let named = change.reverts_changes.iter().filter(|reference| {
                let named = evidence.timeline.repository_named(&reference.repository);
                named.is_some_and(|it| it.id == *repository)
            });
            let mut changes: Vec<u64> = named.map(|reference| reference.number).collect();
            changes.extend(branch_reverts(&change.head_branch));
            if !changes.is_empty() || !change.reverts_commits.is_empty() {
                let commits = change.reverts_commits.iter().collect();
                self.reverts.insert(Reverter::Change(*number), Revert { commits, changes });
            }
        }
    }

    /// Whether a change undoes something: by its branch, its body, or most of its commits.
    fn is_revert(&self, number: u64) -> bool {
        self.changes.get(&number).is_some_and(|change| {
            let most = !change.reverts_commits.is_empty()
                && change.reverts_commits.len() * 2 >= change.commits.len();
            most || !change.reverts_changes.is_empty()
                || branch_reverts(&change.head_branch).is_some()
        })
    }

    fn is_reverting(&self, commit: &CommitId) -> bool {
        let known = self.graph.and_then(|graph| graph.get(commit));
        let change = self.change_of.get(commit);
        let merged = change
            .and_then(|number| self.changes.get(number))
            .is_some_and(|change| change.merge_commit.as_ref() == Some(commit));
        match known {
            Some(known) if !known.reverts.is_empty() => true,
            // A commit of a branch speaks for itself where its message is known.
            Some(_) if !merged => false,
            _ => change.is_some_and(|number| self.is_revert(*number)),
        }
    }
}

/// The number in `revert-NUMBER-…`, the branch that the vendor's revert button makes.
fn branch_reverts(branch: &str) -> Option<u64> {
    let (number, _) = branch.strip_prefix("revert-")?.split_once('-')?;
    number.parse().ok()
}

/// The reverts of one repository as one service saw them.
struct Trial<'t, 'a> {
    evidence: &'t Evidence<'a>,
    history: &'t History<'a>,
    line: &'t Line<'t>,
    service: usize,
    /// The position of the service's first deployment in the view.
    first: usize,
}

/// When something came into production.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Live {
    deployment: usize,
    /// It was new in that deployment, not only contained in the first one that is known.
    shipped: bool,
}

impl Trial<'_, '_> {
    fn judge(&self, verdicts: &mut [Verdict], findings: &mut Vec<Finding>) {
        for (reverter, revert) in &self.history.reverts {
            let Some((undoing, name)) = self.reverter(*reverter) else {
                continue;
            };
            for target in self.targets(revert, matches!(reverter, Reverter::Commit(_))) {
                if target.deployment >= undoing {
                    continue;
                }
                verdicts[undoing].is_rework = true;
                let window = self.evidence.params.rules.revert_window;
                if target.shipped && self.evidence.took(target.deployment, undoing) <= window {
                    findings.push(Finding {
                        deployment: target.deployment,
                        failure: failure("revert", name.as_str().into()),
                        recovery: Recovery::Repaired(
                            self.evidence.deployments[undoing].finished_at,
                        ),
                    });
                }
            }
        }
    }

    /// The deployment in which a revert shipped, and what people know it by.
    fn reverter(&self, reverter: Reverter<'_>) -> Option<(usize, String)> {
        match reverter {
            Reverter::Change(number) => {
                let change = self.change(number)?;
                let Shipping::Shipped(deployment) = change.shipping else {
                    return None;
                };
                Some((deployment, self.evidence.change_name(change)))
            }
            Reverter::Commit(commit) => {
                let live = self.commit(commit)?;
                live.shipped.then(|| (live.deployment, commit.to_string()))
            }
        }
    }

    /// When the things that a revert undoes came into production. Undoing a revert brings something
    /// back and fails nothing.
    ///
    /// `alone`: nothing says which services the revert touches. Then only what it undoes can.
    fn targets(&self, revert: &Revert<'_>, alone: bool) -> Vec<Live> {
        let history = self.history;
        let changes = revert.changes.iter().filter(|number| !history.is_revert(**number));
        let commits = revert.commits.iter().filter(|commit| !history.is_reverting(commit));
        let changes = changes.filter_map(|number| self.shipped_change(*number));
        let commits = commits.filter_map(|commit| match history.change_of.get(*commit) {
            // It may have been live on its own before its branch was merged.
            Some(number) if self.change(*number).is_some() => {
                let own = self.commit(commit).filter(|own| own.shipped);
                own.or_else(|| self.shipped_change(*number))
            }
            Some(_) => None,
            None if alone && self.evidence.ownership.repository(self.line.repository).len() > 1 => {
                None
            }
            None => self.commit(commit),
        });
        changes.chain(commits).collect()
    }

    /// A change as this service sees it, if it touches the service.
    fn change(&self, number: u64) -> Option<&ServiceChange<'_>> {
        let own = self.evidence.changes_of(self.service);
        let position = own.binary_search_by_key(&number, |it| it.change.number).ok()?;
        Some(&own[position])
    }

    fn shipped_change(&self, number: u64) -> Option<Live> {
        match self.change(number)?.shipping {
            Shipping::Shipped(deployment) => Some(Live { deployment, shipped: true }),
            Shipping::BeforeFirstDeployment => {
                Some(Live { deployment: self.first, shipped: false })
            }
            _ => None,
        }
    }

    fn commit(&self, commit: &CommitId) -> Option<Live> {
        Some(match self.line.arrival(commit)? {
            Arrival::In(position) => Live { deployment: self.first + position, shipped: true },
            Arrival::Before(position) => Live { deployment: self.first + position, shipped: false },
        })
    }
}
