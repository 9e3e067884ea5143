//! What was going on while error budgets burnt (kpis.md 3.4).
//!
//! Of each hour, the bad events above the baseline are of the first of these that there was:
//!
//! 1. an incident of the service that is linked to a deployment: they are the deployment's;
//! 2. another incident of the service;
//! 3. a deployment of the service after which the share of bad events rose (a change point) within
//!    24 h;
//! 4. planned maintenance of the service.
//!
//! Everything else is unattributed, so the parts are always the whole. Nobody can say from this
//! what caused what: it says what a budget burnt while.
//!
//! What is counted may swing about nothing. An hour with less than no bad events is taken off the
//! others of the same incident, deployment or maintenance, else off what is unattributed; where that
//! is not enough, off all parts alike. So no part is less than nothing, nor than what of it no swing
//! explains.

mod hours;
mod items;
mod spells;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::params::Slo;
use super::{Span, View};
use crate::domain::Instant;
use hours::Hours;
pub(super) use items::items;
use spells::{deployments, incidents, maintenance};

/// What was going on while the budget of one SLO burnt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attribution {
    /// What was going on, in no order that matters.
    pub spells: Vec<Spell>,
    /// Hours with bad events above the baseline that are of a spell, in order, and those with less
    /// than none.
    pub shares: Vec<Share>,
}

/// The bad events above the baseline of one hour, or by how many there were less than none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// When the hour began.
    pub at: Instant,
    /// How many events (or slices, where the objective is about slices).
    pub bad: f64,
    /// How many of them no swing explains.
    pub sure: f64,
    /// The position of its spell.
    pub spell: usize,
}

/// What was bad in a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Burnt {
    /// What is of spells, by the first of its hours.
    pub parts: Vec<Part>,
    /// What is of none.
    pub unattributed: f64,
}

/// What was bad of one spell in a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// The position of the spell.
    pub spell: usize,
    /// When the first of its hours began.
    pub first: Instant,
    /// When the last of them began.
    pub last: Instant,
    /// How many events (or slices, where the objective is about slices).
    pub bad: f64,
    /// How many of its hours no swing explains: it is never fewer.
    pub sure: f64,
    /// How many more it would be if other hours had not less than none.
    pub made_up: f64,
}

/// A stretch of time in which something was going on.
#[derive(Clone, Debug, PartialEq)]
pub struct Spell {
    /// What.
    pub during: During,
    /// By which rule.
    pub rule: Rule,
    /// How sure it is that it had to do with the bad events.
    pub confidence: Confidence,
    /// From when to when.
    pub span: Span,
    /// The hours of it that are meant, if not all are.
    pub only: Option<BTreeSet<Instant>>,
    /// The share of bad events before it, which would have been bad anyway.
    pub baseline: f64,
}

/// What was going on, by its position in the view or the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    /// Since a deployment; of [`View::deployments`].
    Deployment(usize),
    /// During an incident; of [`View::incidents`].
    Incident(usize),
    /// During maintenance; of [`super::Params::maintenance`].
    Maintenance(usize),
}

/// By which rule bad events are of something; the first that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// An incident is linked to the deployment; its position in [`View::incidents`].
    Linked(usize),
    /// An incident was open.
    Incident,
    /// The share of bad events rose after the deployment, in the hour that began then.
    ChangePoint(Instant),
    /// Maintenance was planned.
    Maintenance,
}

/// How sure it is that something had to do with bad events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Confidence {
    Low,
    Medium,
    High,
}

/// Classes of what was going on: the values of the label `cause`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Cause {
    Deployment,
    Incident,
    Maintenance,
    Unattributed,
}

impl Cause {
    /// All of them, in the order in which people read them.
    pub const ALL: [Self; 4] =
        [Self::Deployment, Self::Incident, Self::Maintenance, Self::Unattributed];

    /// The value of the label `cause`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::Incident => "incident",
            Self::Maintenance => "maintenance",
            Self::Unattributed => "unattributed",
        }
    }
}

impl Confidence {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl During {
    /// Its class.
    pub fn cause(self) -> Cause {
        match self {
            Self::Deployment(_) => Cause::Deployment,
            Self::Incident(_) => Cause::Incident,
            Self::Maintenance(_) => Cause::Maintenance,
        }
    }
}

impl Attribution {
    /// Finds what was going on while the budget of `slo` burnt. An SLO of no service in the
    /// catalogue has neither incidents nor deployments.
    pub fn of(slo: &Slo, view: &View<'_>) -> Self {
        let Some(service) = slo.service else { return Self::default() };
        let mut hours = Hours::of(slo, view);
        if !hours.any_bad() {
            return Self::default();
        }
        let mut spells = incidents(&hours, view, service, slo.allowed);
        spells.extend(maintenance(view, service));
        hours.disturb(&spells);
        spells.extend(deployments(&hours, view, service, &spells));
        for spell in &mut spells {
            // What is not known to have been normal may have been as much as is allowed.
            let before = hours.quiet_before(spell.span.start, |it| it.counted).error_ratio();
            spell.baseline = before.unwrap_or(slo.allowed).min(slo.allowed);
        }
        let shares = hours.shares(&spells);
        Self { spells, shares }
    }

    /// What of the `bad` events of `window` is of which spell; together they are `bad`.
    pub fn burnt(&self, window: Span, bad: f64) -> Burnt {
        let mut parts: Vec<Part> = Vec::new();
        for share in self.within(window) {
            // Hours of one spell mostly follow each other.
            match parts.iter_mut().rev().find(|it| it.spell == share.spell) {
                Some(part) => {
                    part.last = share.at;
                    part.bad += share.bad;
                    part.sure += share.sure;
                }
                None => parts.push(Part {
                    spell: share.spell,
                    first: share.at,
                    last: share.at,
                    bad: share.bad,
                    sure: share.sure,
                    made_up: 0.0,
                }),
            }
        }
        for part in &mut parts {
            part.bad = part.bad.max(part.sure);
        }
        parts.retain(|it| it.bad > 0.0);
        let sum: f64 = parts.iter().map(|it| it.bad).sum();
        // The other hours are below nothing together: they make up for a share of every part.
        if sum > bad {
            let sure: f64 = parts.iter().map(|it| it.sure).sum();
            let left = ((bad - sure) / (sum - sure)).max(0.0);
            for part in &mut parts {
                let whole = part.bad;
                part.bad = part.sure + (whole - part.sure) * left;
                part.made_up = whole - part.bad;
            }
            parts.retain(|it| it.bad > 0.0);
        }
        Burnt { parts, unattributed: (bad - sum).max(0.0) }
    }

    /// How many of the `bad` events of `window` are of each class; they add up to `bad`.
    pub fn by_cause(&self, window: Span, bad: f64) -> [(Cause, f64); 4] {
        let burnt = self.burnt(window, bad);
        let mut parts = Cause::ALL.map(|cause| (cause, 0.0));
        for part in burnt.parts {
            let cause = self.spells[part.spell].during.cause();
            for (_, bad) in parts.iter_mut().filter(|(it, _)| *it == cause) {
                *bad += part.bad;
            }
        }
        parts[3].1 = burnt.unattributed;
        parts
    }

    fn within(&self, window: Span) -> &[Share] {
        let start = self.shares.partition_point(|it| it.at < window.start);
        let end = self.shares.partition_point(|it| it.at < window.end);
        &self.shares[start..end.max(start)]
    }
}
