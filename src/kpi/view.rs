//! The view: what the facts amount to at `as_of` under the configured rules.
//!
//! Built once per evaluation and shared by all KPIs, so that two KPIs can never disagree about
//! what a deployment, an incident or a decision is.

pub mod changes;
pub(super) mod dates;
pub mod decisions;
pub mod deployments;
pub mod failures;
pub mod incidents;
pub mod index;
pub mod lineage;
mod mentions;
pub mod ownership;
#[cfg(test)]
pub(super) mod properties;
pub mod reach;
pub mod surveys;

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::attribution::Attribution;
use super::ledger::{Ledger, Tally};
use super::params::Slo;
use super::{Need, Params, parallel};
use crate::domain::{Instant, Timeline};
use changes::{ServiceChange, Shipping};
use decisions::Record;
use deployments::ServiceDeployment;
use failures::{Evidence, Failures};
use incidents::Episode;
use index::Index;
use lineage::Lineage;
use ownership::Ownership;
use reach::{Landed, Reach};
use surveys::Question;

/// Facts cut at `as_of` and judged by the rules.
#[derive(Debug)]
pub struct View<'a> {
    /// Nothing that happened at or after it is known.
    pub as_of: Instant,
    /// The facts. They are not cut: whoever reads them here cuts them at `as_of`.
    pub timeline: &'a Timeline,
    /// The rules.
    pub params: &'a Params,
    /// Production deployments per service, by service and then by finish.
    pub deployments: Vec<ServiceDeployment<'a>>,
    /// Merged changes per service.
    pub changes: Vec<ServiceChange<'a>>,
    /// Incident episodes by detection.
    pub incidents: Vec<Episode<'a>>,
    /// Which deployments failed and why, and which incident belongs to which deployment.
    pub failures: Failures,
    /// Decision records by identity.
    pub records: Vec<Record>,
    /// What may be known of surveys.
    pub surveys: Vec<Question<'a>>,
    /// Which services each repository has.
    pub ownership: Ownership<'a>,
    /// By service: whether its repository was ever seen.
    pub seen: Vec<bool>,
    /// Whether it is of everybody, and not only of those that something is about which landed.
    pub is_whole: bool,
    /// Whether people read the items, which then tell what no number is made of. There are hundreds
    /// of thousands of them.
    pub is_explained: bool,
    /// What was going on while the budget of each SLO burnt, by its id; once somebody asks.
    burnt: OnceLock<HashMap<String, Attribution>>,
    /// The ledger of each SLO by its id, by name and with its days summed up; once somebody asks.
    tallies: OnceLock<HashMap<String, (String, Tally)>>,
}

impl<'a> View<'a> {
    /// Whether sources are configured and none of them brings it: then nothing is known about it,
    /// which is not the same as nothing having happened.
    pub fn lacks(&self, need: Need) -> bool {
        let sources = &self.params.sources;
        !sources.is_empty() && !sources.iter().any(|it| it.feeds.contains(&need))
    }

    /// What was going on while the budget of `slo` burnt; `None` if it is none of the parameters'.
    pub fn burnt(&self, slo: &Slo) -> Option<&Attribution> {
        let all = self.burnt.get_or_init(|| {
            let slos = &self.params.slos;
            let burnt = parallel::map(slos.len(), |at| Attribution::of(&slos[at], self));
            slos.iter().map(|slo| slo.id.clone()).zip(burnt).collect()
        });
        all.get(slo.id.as_str())
    }

    /// The name of the ledger of `slo` and its days, summed up; `None` if it is none of the
    /// parameters'.
    pub(super) fn tally(&self, slo: &Slo) -> Option<(&str, &Tally)> {
        let all = self.tallies.get_or_init(|| {
            let slos = &self.params.slos;
            let tallied = parallel::map(slos.len(), |at| {
                let slo = &slos[at];
                let name = slo.ledger();
                let ledger = Ledger::of(self.timeline, &slo.source, &name, self.as_of);
                let tally = Tally::of(&ledger, &slo.slice_allowed.to_string());
                (name, tally)
            });
            slos.iter().map(|slo| slo.id.clone()).zip(tallied).collect()
        });
        let (name, tally) = all.get(slo.id.as_str())?;
        Some((name, tally))
    }

    /// Judges the facts of `timeline` by `params` as they were known to have happened before `as_of`.
    pub fn build(timeline: &'a Timeline, params: &'a Params, as_of: Instant) -> Self {
        let ownership = Ownership::of(timeline, params);
        let incidents = incidents::build(timeline, params, as_of);
        Self::within(timeline, params, as_of, ownership, incidents, None)
    }

    /// The same for people who read the items.
    #[must_use]
    pub fn explained(self) -> Self {
        Self { is_explained: true, ..self }
    }

    /// The same for those that `landed` is about alone, looking only at what can concern them: what
    /// it says about others is not what is so. `None` where it cannot be said whom it is about.
    /// `index` must be one of `timeline`, from before anything of it landed or later.
    pub fn of_landed(
        timeline: &'a Timeline,
        params: &'a Params,
        as_of: Instant,
        landed: &Landed,
        index: &mut Index,
    ) -> Option<(Self, Reach)> {
        index.update(timeline, &params.rules, landed);
        let ownership = Ownership::of(timeline, params);
        let reach = Reach::of(landed, timeline, params, &ownership, index)?;
        // An incident may recur anywhere in the organisation. Where none landed, nothing asks for
        // those of others.
        let incidents = if landed.is_about(Need::Incidents) {
            incidents::build(timeline, params, as_of)
        } else {
            incidents::build_of(timeline, params, as_of, reach.incidents())
        };
        let mut view = Self::within(timeline, params, as_of, ownership, incidents, Some(&reach));
        view.keep(&reach);
        Some((view, reach))
    }

    /// Lets go of what only said whose fault something was: items are made of the rest.
    fn keep(&mut self, reach: &Reach) {
        self.changes.retain(|it| reach.services.contains(&it.service));
        let linked: HashSet<usize> = self.failures.linked.iter().flatten().copied().collect();
        let mut kept = 0;
        let positions: Vec<Option<usize>> = self
            .deployments
            .iter()
            .enumerate()
            .map(|(at, it)| {
                let is_kept = reach.services.contains(&it.service) || linked.contains(&at);
                kept += usize::from(is_kept);
                is_kept.then(|| kept - 1)
            })
            .collect();
        let mut is_kept = positions.iter().map(Option::is_some);
        self.deployments.retain(|_| is_kept.next().unwrap_or(false));
        let mut is_kept = positions.iter().map(Option::is_some);
        self.failures.verdicts.retain(|_| is_kept.next().unwrap_or(false));
        for at in self.failures.linked.iter_mut() {
            *at = at.and_then(|at| positions[at]);
        }
        for change in &mut self.changes {
            if let Shipping::Shipped(at) = &mut change.shipping {
                *at = positions[*at].expect("what shipped in a service is a deployment of it");
            }
        }
    }

    /// The view of a reach; `None` = of everything.
    fn within(
        timeline: &'a Timeline,
        params: &'a Params,
        as_of: Instant,
        ownership: Ownership<'a>,
        incidents: Vec<Episode<'a>>,
        reach: Option<&Reach>,
    ) -> Self {
        let deployments = deployments::build(timeline, params, as_of, reach);
        let lineage = Lineage::of(timeline, &deployments);
        let facts = changes::Facts { timeline, params, as_of, reach };
        let changes = changes::build(&facts, &deployments, &ownership, &lineage);
        let failures = failures::build(&Evidence {
            timeline,
            params,
            as_of,
            deployments: &deployments,
            changes: &changes,
            incidents: &incidents,
            ownership: &ownership,
            lineage: &lineage,
            reach,
        });
        let records = decisions::build(timeline, params, as_of, &ownership, reach);
        let services = params.catalogue.services.iter();
        let seen = services.map(|it| timeline.repository_named(&it.repository).is_some());
        Self {
            as_of,
            timeline,
            params,
            deployments,
            changes,
            incidents,
            failures,
            records,
            surveys: surveys::build(timeline, params, as_of),
            ownership,
            seen: seen.collect(),
            is_whole: reach.is_none(),
            is_explained: false,
            burnt: OnceLock::new(),
            tallies: OnceLock::new(),
        }
    }
}

/// What was found of each service, repository by repository, in the order of the services.
fn by_service<T>(found: Vec<impl IntoIterator<Item = (usize, Vec<T>)>>) -> Vec<T> {
    let mut found: Vec<(usize, Vec<T>)> = found.into_iter().flatten().collect();
    found.sort_by_key(|(service, _)| *service);
    // There are hundreds of thousands: no more room than they need.
    let mut all = Vec::with_capacity(found.iter().map(|(_, own)| own.len()).sum());
    all.extend(found.into_iter().flat_map(|(_, own)| own));
    all
}
