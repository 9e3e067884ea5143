//! What was going on with a service.

use chrono::TimeDelta;

use super::hours::{Hour, Hours, hour_of};
use super::{Confidence, During, Rule, Spell};
use crate::domain::Instant;
use crate::kpi::incident_detection_time::{DEPLOYMENT, fault};
use crate::kpi::statistics::budget::Events;
use crate::kpi::statistics::histogram::whole;
use crate::kpi::statistics::poisson::{Exposure, rate_ratio};
use crate::kpi::view::deployments::ServiceDeployment;
use crate::kpi::view::incidents::Episode;
use crate::kpi::{Span, View};

/// A fault is looked for so long before its detection, and a change so long after a deployment.
const REACH: TimeDelta = TimeDelta::hours(24);
/// What rises again after a longer time has risen for another reason.
const GAP: TimeDelta = TimeDelta::hours(2);
/// With 95 % confidence the share of bad events rose by more than this.
const ROSE: f64 = 2.0;
/// A rise by more than this is hard to miss.
const ROSE_MUCH: f64 = 10.0;

/// The incidents of a service. Each began when its fault did, where that is known, else with the
/// unbroken run of hours before its detection in which more was bad than allowed.
pub(super) fn incidents(
    hours: &Hours,
    view: &View<'_>,
    service: usize,
    allowed: f64,
) -> Vec<Spell> {
    let episodes = view.incidents.iter().enumerate();
    let own = episodes.filter(|(_, it)| it.counts() && it.services.contains(&service));
    own.map(|(index, episode)| {
        let linked = view.failures.linked.get(index).copied().flatten();
        let known = fault(view, index, episode).filter(|(at, source)| {
            // A deployment of long ago was not a fault all the time.
            let recent = *source != DEPLOYMENT || episode.detected_at - *at <= REACH;
            *at <= episode.detected_at && recent
        });
        let run = || burning_since(hours, episode.detected_at, allowed);
        let start = known.map_or_else(run, |(at, _)| at);
        let guessed = known.is_none() && start < hour_of(episode.detected_at);
        let confidence = match linked {
            Some(at) if !is_named(view, at, episode) => Confidence::Medium,
            None if guessed => Confidence::Medium,
            _ => Confidence::High,
        };
        Spell {
            during: linked.map_or(During::Incident(index), During::Deployment),
            rule: linked.map_or(Rule::Incident, |_| Rule::Linked(index)),
            confidence,
            span: Span { start, end: episode.resolved_at.unwrap_or(view.as_of).max(start) },
            only: None,
            baseline: 0.0,
        }
    })
    .collect()
}

/// Whether an incident is linked to a deployment because people say so, and not by proximity.
fn is_named(view: &View<'_>, deployment: usize, episode: &Episode<'_>) -> bool {
    let reasons = &view.failures.verdicts[deployment].reasons;
    let mut of_it = reasons.iter().filter(|it| it.evidence == episode.incident.id);
    of_it.all(|it| it.reason != "proximity")
}

/// The start of the unbroken run of hours before that of `at` in which more was bad than allowed;
/// `at` itself if there is none.
fn burning_since(hours: &Hours, at: Instant, allowed: f64) -> Instant {
    let mut since = at;
    let before = Span { start: at - REACH, end: hour_of(at) };
    for hour in hours.touching(before).iter().rev().filter(|it| it.at < before.end) {
        if hour.span().end != hour_of(since).min(before.end) || hour.counted.meets(allowed) {
            break;
        }
        since = hour.at.max(before.start);
    }
    since
}

/// The maintenance that is planned for a service.
pub(super) fn maintenance(view: &View<'_>, service: usize) -> impl Iterator<Item = Spell> {
    let planned = view.params.maintenance.iter().enumerate();
    let own = planned.filter(move |(_, it)| {
        it.span.start < view.as_of && (it.services.is_empty() || it.services.contains(&service))
    });
    own.map(|(index, it)| Spell {
        during: During::Maintenance(index),
        rule: Rule::Maintenance,
        confidence: Confidence::High,
        span: Span { start: it.span.start, end: it.span.end.min(view.as_of) },
        only: None,
        baseline: 0.0,
    })
}

/// The deployments of a service after which the share of bad events rose, before the next one.
/// What is in an incident rose for another reason.
pub(super) fn deployments(
    hours: &Hours,
    view: &View<'_>,
    service: usize,
    others: &[Spell],
) -> Vec<Spell> {
    let start = view.deployments.partition_point(|it| it.service < service);
    let end = view.deployments.partition_point(|it| it.service <= service);
    let own = &view.deployments[start..end];
    let mut spells = Vec::new();
    for (index, deployment) in own.iter().enumerate() {
        let next = own.get(index + 1).map(|it| it.finished_at);
        let change = Change { hours, others, deployment, next, as_of: view.as_of };
        spells.extend(change.spell(start + index));
    }
    spells
}

/// Looks for a change after one deployment.
struct Change<'a> {
    hours: &'a Hours,
    others: &'a [Spell],
    deployment: &'a ServiceDeployment<'a>,
    /// When the next deployment of the service finished.
    next: Option<Instant>,
    as_of: Instant,
}

impl Change<'_> {
    fn spell(&self, position: usize) -> Option<Spell> {
        let finished_at = self.deployment.finished_at;
        let span = Span { start: finished_at, end: (finished_at + REACH).min(self.as_of) };
        let after: Vec<&Hour> =
            self.hours.touching(span).iter().filter(|it| self.is_free(it)).collect();
        // Nearly all deployments are followed by nothing.
        if after.iter().all(|it| it.seen.bad < self.hours.fewest) {
            return None;
        }
        let before = self.hours.quiet_before(finished_at, Hour::seen_above);
        let last = self.hours.last_before(finished_at).map_or(0.0, Hour::ratio);
        let high = last.max(self.hours.swing_before(finished_at));
        let risen: Vec<(&Hour, f64)> =
            after.into_iter().filter_map(|it| Some((it, self.rise(it, &before, high)?))).collect();
        let (first, by) = *risen.first()?;
        let gap = |one: &Hour, next: &Hour| next.at - one.span().end > GAP;
        let run = risen.chunk_by(|(one, _), (next, _)| !gap(one, next)).next()?;
        if self.next.is_some_and(|next| next <= first.at) {
            return None;
        }
        let mixed = first.at < finished_at;
        let follows = risen.get(1).is_some_and(|(it, _)| it.at == first.span().end);
        // After the hour that it was in all was well: it may have been the repair.
        if mixed && !follows {
            return None;
        }
        let near = first.at <= hour_of(finished_at) + TimeDelta::hours(1);
        let alone = self.next.is_none_or(|next| next >= first.span().end);
        let confidence = match (near, by > ROSE_MUCH) {
            (true, true) if alone && (follows || !mixed) => Confidence::High,
            (true, _) | (_, true) if alone => Confidence::Medium,
            _ => Confidence::Low,
        };
        Some(Spell {
            during: During::Deployment(position),
            rule: Rule::ChangePoint(first.at),
            confidence,
            span,
            only: Some(run.iter().map(|(it, _)| it.at).collect()),
            baseline: 0.0,
        })
    }

    /// Whether an hour is of no incident.
    fn is_free(&self, hour: &Hour) -> bool {
        let span = hour.span();
        !self.others.iter().any(|it| {
            it.rule != Rule::Maintenance && it.span.start < span.end && span.start < it.span.end
        })
    }

    /// How many times the share of bad events of an hour is that of before, at least, with 95 %
    /// confidence; `None` if that is not a rise, if it was as `high` just before or swings so far, or
    /// if nothing is known of before.
    fn rise(&self, hour: &Hour, before: &Events, high: f64) -> Option<f64> {
        let usual = before.error_ratio()?.max(high);
        if hour.seen.bad < self.hours.fewest || hour.ratio() <= usual * ROSE {
            return None;
        }
        let exposure = |it: &Events| Exposure { events: whole(it.bad), days: it.total };
        let by = rate_ratio(exposure(&hour.seen), exposure(before)).interval.lower?;
        (by > ROSE).then_some(by)
    }
}
