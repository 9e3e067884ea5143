//! Rules (a) and (e): incidents and the deployments that caused them (kpis.md 3.9).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::{Evidence, Finding, Recovery, Verdict, failure};
use crate::domain::CommitId;
use crate::domain::graph::CommitGraph;
use crate::kpi::view::changes::Shipping;
use crate::kpi::view::incidents::Episode;
use crate::kpi::view::lineage::Arrival;
use crate::kpi::view::mentions::{self, Mentions};

/// Links every episode that counts to the deployment that caused it, and fails that deployment. Where
/// the evidence has a reach, those that do not concern it are linked to nothing.
pub(super) fn find(
    evidence: &Evidence<'_>,
    verdicts: &[Verdict],
    findings: &mut Vec<Finding>,
) -> Vec<Option<usize>> {
    let concerns = |it: &Episode<'_>| evidence.reach.is_none_or(|reach| reach.has(it));
    let mut named = mentions::of_episodes(evidence.incidents);
    for (names, episode) in named.iter_mut().zip(evidence.incidents) {
        if !concerns(episode) {
            names.clear();
        }
    }
    let meant = Names::of(evidence, named.iter().flatten().copied());
    let mut linked = Vec::with_capacity(evidence.incidents.len());
    for (episode, names) in evidence.incidents.iter().zip(&named) {
        let linker = Linker { evidence, episode };
        let (reason, caused_by) = match linker.named(names, &meant) {
            _ if !episode.counts() || !concerns(episode) => ("incident", Vec::new()),
            Some(deployments) => ("incident", deployments),
            None => ("proximity", linker.nearby(verdicts)),
        };
        linked.push(caused_by.first().copied());
        findings.extend(caused_by.into_iter().map(|deployment| Finding {
            deployment,
            failure: failure(reason, episode.incident.id.clone()),
            recovery: Recovery::Resolved(episode.resolved_at),
        }));
    }
    linked
}

/// The deployments that a name may mean.
#[derive(Debug, Default)]
struct Candidates {
    /// The named deployment itself, or deployments of the named commit, ascending.
    exact: BTreeSet<usize>,
    /// Where the named commit was new: by number of a line the position in it.
    shipped: BTreeMap<usize, usize>,
    /// Deployments that shipped the change whose branch had the named commit.
    squashed: BTreeSet<usize>,
}

/// What every name that any episode mentions stands for.
#[derive(Debug, Default)]
struct Names<'a> {
    candidates: HashMap<&'a str, Candidates>,
}

impl<'a> Names<'a> {
    fn of(evidence: &Evidence<'_>, named: impl Iterator<Item = &'a str>) -> Self {
        let mut names = Self::default();
        let mentions = named.collect();
        names.find_deployments(evidence, &mentions);
        if mentions.any_commit() {
            names.find_deployed(evidence, &mentions);
            names.find_shipped(evidence, &mentions);
            names.find_squashed(evidence, &mentions);
        }
        names
    }

    fn meant(&mut self, name: &'a str) -> &mut Candidates {
        self.candidates.entry(name).or_default()
    }

    fn find_deployments(&mut self, evidence: &Evidence<'_>, wanted: &Mentions<&'a str>) {
        for (at, deployment) in evidence.deployments.iter().enumerate() {
            for id in deployment.members().chain(deployment.restarts.iter().copied()) {
                if let Some(name) = wanted.deployment(id) {
                    self.meant(name).exact.insert(at);
                }
            }
        }
    }

    /// Deployments of a named commit.
    fn find_deployed(&mut self, evidence: &Evidence<'_>, wanted: &Mentions<&'a str>) {
        for (at, deployment) in evidence.deployments.iter().enumerate() {
            for name in deployment.commit.iter().flat_map(|commit| wanted.commit(commit)) {
                self.meant(name).exact.insert(at);
            }
        }
    }

    /// Deployments in which a named commit was new.
    fn find_shipped(&mut self, evidence: &Evidence<'_>, wanted: &Mentions<&'a str>) {
        let found = evidence.lineage.by_repository(|repository| {
            let graph = evidence.timeline.commits.get(repository).map(Arc::as_ref);
            let commits = graph.into_iter().flat_map(CommitGraph::iter).map(|it| &it.id);
            let named = commits.flat_map(|it| wanted.commit(it).map(move |name| (it, *name)));
            named.collect::<Vec<(&CommitId, &str)>>()
        });
        for (number, line) in evidence.lineage.lines().enumerate() {
            let named = &found[line.repository];
            if named.is_empty() {
                continue;
            }
            for (commit, name) in named {
                // Nobody can say what the first deployment ever was the first to ship.
                if let Some(Arrival::In(position @ 1..)) = line.arrival(commit) {
                    self.meant(name).shipped.entry(number).or_insert(position);
                }
            }
        }
    }

    /// Deployments that shipped the change whose branch had a named commit. After a squash the
    /// commit is in no graph.
    fn find_squashed(&mut self, evidence: &Evidence<'_>, wanted: &Mentions<&'a str>) {
        for change in evidence.changes {
            let Shipping::Shipped(at) = change.shipping else {
                continue;
            };
            let service = evidence.deployments[at].service;
            if at == 0 || evidence.deployments[at - 1].service != service {
                continue;
            }
            // Hardly any is named: that is asked first.
            let commits = change.change.commits.iter();
            let named = commits.flat_map(|it| wanted.commit(it).map(move |name| (it, *name)));
            for (commit, name) in named {
                let graph = evidence.timeline.commits.get(&change.change.repository);
                if graph.is_none_or(|graph| graph.get(commit).is_none()) {
                    self.meant(name).squashed.insert(at);
                }
            }
        }
    }
}

/// Finds the deployment that caused one episode.
struct Linker<'l> {
    evidence: &'l Evidence<'l>,
    episode: &'l Episode<'l>,
}

impl Linker<'_> {
    /// The deployment that a field or note names, with its twins of other services; the first is
    /// the one that the episode is linked to.
    fn named(&self, names: &BTreeSet<&str>, meant: &Names<'_>) -> Option<Vec<usize>> {
        let known = names.iter().filter_map(|name| meant.candidates.get(name));
        let tiers: Vec<Vec<usize>> = known.filter_map(|it| self.preferred(it)).collect();
        let chosen: Vec<usize> = tiers.iter().filter_map(|tier| self.cause(tier)).collect();
        let cause = self.cause(&chosen)?;
        let tier = tiers.iter().find(|tier| tier.contains(&cause))?;
        let twins = tier.iter().filter(|it| **it != cause && self.is_twin(cause, **it));
        Some(std::iter::once(cause).chain(twins.copied()).collect())
    }

    /// The incident's own services go first, and a deployment of the commit before one that
    /// contained it.
    fn preferred(&self, candidates: &Candidates) -> Option<Vec<usize>> {
        let tiers = [true, false].into_iter().map(|own| {
            let exact = self.exact(candidates, own);
            if exact.is_empty() { self.shipped(candidates, own) } else { exact }
        });
        tiers.into_iter().find(|tier| !tier.is_empty())
    }

    fn exact(&self, candidates: &Candidates, own: bool) -> Vec<usize> {
        let exact = candidates.exact.iter().copied();
        exact.filter(|it| self.is_among(self.evidence.deployments[*it].service, own)).collect()
    }

    fn shipped(&self, candidates: &Candidates, own: bool) -> Vec<usize> {
        let lines = candidates.shipped.iter().flat_map(|(line, position)| {
            let services = &self.evidence.lineage.line(*line).services;
            let services = services.iter().filter(|(service, _)| self.is_among(*service, own));
            services.map(move |(_, first)| first + position)
        });
        let squashed = candidates.squashed.iter().copied();
        let squashed =
            squashed.filter(|it| self.is_among(self.evidence.deployments[*it].service, own));
        lines.chain(squashed).collect()
    }

    /// Whether a service is asked for: one of the incident's own, or any.
    fn is_among(&self, service: usize, own: bool) -> bool {
        !own || self.episode.services.contains(&service)
    }

    /// The last one not after the detection, else the earliest.
    fn cause(&self, candidates: &[usize]) -> Option<usize> {
        let finish = |it: &usize| self.evidence.deployments[*it].finished_at;
        let before = candidates.iter().filter(|it| finish(it) <= self.episode.detected_at);
        let last = before.max_by_key(|it| (finish(it), Reverse(**it)));
        last.or_else(|| candidates.iter().min_by_key(|it| (finish(it), **it))).copied()
    }

    /// Whether two deployments are one upstream deployment of several services.
    fn is_twin(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.evidence.deployments[one], &self.evidence.deployments[other]);
        one.repository == other.repository && one.native == other.native
    }

    /// The latest deployment of each of the incident's services, if it finished shortly before the
    /// detection; the latest of all first. A rollback is not what broke it.
    fn nearby(&self, verdicts: &[Verdict]) -> Vec<usize> {
        let Some(window) = self.evidence.params.rules.proximity_window else {
            return Vec::new();
        };
        let detected_at = self.episode.detected_at;
        let deployments = self.evidence.deployments;
        let latest = self.episode.services.iter().filter_map(|service| {
            let end = deployments
                .partition_point(|it| (it.service, it.finished_at) <= (*service, detected_at));
            let latest = end.checked_sub(1)?;
            (deployments[latest].service == *service).then_some(latest)
        });
        let near = |it: &usize| {
            detected_at - deployments[*it].finished_at <= window && !verdicts[*it].is_rollback
        };
        let mut nearby: Vec<usize> = latest.filter(near).collect();
        nearby.sort_by_key(|it| (Reverse(deployments[*it].finished_at), *it));
        nearby
    }
}
