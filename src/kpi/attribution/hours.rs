//! The hours of one SLO, and which of them are whose.

use chrono::{DurationRound, TimeDelta};

use super::{Rule, Share, Spell};
use crate::domain::Instant;
use crate::kpi::ledger_items::Subject;
use crate::kpi::params::{Slo, SloMethod};
use crate::kpi::statistics::budget::Events;
use crate::kpi::{Span, View};

/// What is normal is what was so long before.
const BEFORE: TimeDelta = TimeDelta::hours(24);

/// One hour with events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hour {
    pub(super) at: Instant,
    /// Events, or slices where the budget is one of slices; signed.
    pub(super) counted: Events,
    /// What it is told by that something changed: of ratios the slices, because shares that are added
    /// up are no number of anything.
    pub(super) seen: Events,
    /// Neither in an incident nor in maintenance.
    quiet: bool,
}

impl Hour {
    pub(super) fn span(&self) -> Span {
        Span { start: self.at, end: self.at + TimeDelta::hours(1) }
    }

    pub(super) fn ratio(&self) -> f64 {
        self.seen.error_ratio().unwrap_or_default()
    }

    /// What it is told by, no less than nothing: the swings of a day would otherwise cancel out, and
    /// the next one would look like a rise.
    pub(super) fn seen_above(&self) -> Events {
        Events { bad: self.seen.net(), ..self.seen }
    }
}

/// The hours of one SLO that had events, in order.
#[derive(Clone, Debug)]
pub(super) struct Hours {
    hours: Vec<Hour>,
    /// Fewer bad events, or slices, in an hour say nothing.
    pub(super) fewest: f64,
}

/// Fewer bad events in an hour say nothing.
const FEWEST: f64 = 10.0;
/// Fewer bad slices of its twelve say nothing.
const FEWEST_SLICES: f64 = 3.0;

impl Hours {
    pub(super) fn of(slo: &Slo, view: &View<'_>) -> Self {
        let ledger = Subject::Slo(slo).ledger(view);
        let all = Span { start: Instant::UNIX_EPOCH, end: view.as_of };
        let counted = ledger.counted(all, &slo.slice_allowed.to_string());
        let hours = counted.filter_map(|(at, events)| {
            let events = events?;
            let counted = slo.budgeted(&events);
            let seen = match slo.method {
                SloMethod::Events | SloMethod::Slices => counted,
                SloMethod::Ratios => events.by_slices(),
            };
            (counted.total > 0.0).then_some(Hour { at, counted, seen, quiet: true })
        });
        let fewest = match slo.method {
            SloMethod::Events => FEWEST,
            SloMethod::Slices | SloMethod::Ratios => FEWEST_SLICES,
        };
        Self { hours: hours.collect(), fewest }
    }

    pub(super) fn any_bad(&self) -> bool {
        self.hours.iter().any(|it| it.counted.bad > 0.0)
    }

    /// The hours that have something in common with `span`.
    pub(super) fn touching(&self, span: Span) -> &[Hour] {
        let (start, end) = self.range(span);
        &self.hours[start..end]
    }

    fn range(&self, span: Span) -> (usize, usize) {
        let start = self.hours.partition_point(|it| it.span().end <= span.start);
        let end =
            self.hours.partition_point(|it| it.at < span.end || it.span().contains(span.start));
        (start, end.max(start))
    }

    /// The last hour with events that was over before the hour of `at` began.
    pub(super) fn last_before(&self, at: Instant) -> Option<&Hour> {
        let end = self.hours.partition_point(|it| it.span().end <= hour_of(at));
        self.hours[..end].last()
    }

    /// What `what` is of the hours of the day before that of `at`, without those in which something
    /// was going on.
    pub(super) fn quiet_before(&self, at: Instant, what: impl Fn(&Hour) -> Events) -> Events {
        let mut sum = Events::default();
        for hour in self.quiet(at) {
            sum.add(&what(hour));
        }
        sum
    }

    /// How far below nothing the share of bad events was in at least two of these hours: it may be as
    /// far above by the same swing. One hour is no swing, and a few events say nothing here either.
    pub(super) fn swing_before(&self, at: Instant) -> f64 {
        let below = self.quiet(at).filter(|it| -it.seen.bad >= self.fewest);
        let mut swings: Vec<f64> = below.map(|it| -it.seen.bad / it.seen.total).collect();
        swings.sort_by(f64::total_cmp);
        swings.iter().rev().nth(1).copied().unwrap_or_default()
    }

    fn quiet(&self, at: Instant) -> impl Iterator<Item = &Hour> {
        let end = hour_of(at);
        let before = self.touching(Span { start: end - BEFORE, end });
        before.iter().filter(move |it| it.quiet && it.at < end)
    }

    /// Notes that in these hours something was going on.
    pub(super) fn disturb(&mut self, spells: &[Spell]) {
        for spell in spells {
            let (start, end) = self.range(spell.span);
            for hour in &mut self.hours[start..end] {
                hour.quiet = false;
            }
        }
    }

    /// The bad events above the baseline of every hour that is of a spell, or those below nothing.
    pub(super) fn shares(&self, spells: &[Spell]) -> Vec<Share> {
        let mut owners: Vec<Option<(Claim, usize)>> = vec![None; self.hours.len()];
        for (position, spell) in spells.iter().enumerate() {
            let (start, end) = self.range(spell.span);
            let own = self.hours[start..end].iter().zip(&mut owners[start..end]);
            for (hour, owner) in own {
                if let Some(claim) = claim(hour, spell) {
                    let ours = (claim, position);
                    *owner = Some(owner.map_or(ours, |other| other.min(ours)));
                }
            }
        }
        let shares = self.hours.iter().zip(owners).filter_map(|(hour, owner)| {
            let (_, spell) = owner?;
            let usual = spells[spell].baseline * hour.counted.total;
            let bad = hour.counted.bad.min((hour.counted.bad - usual).max(0.0));
            let sure = hour.counted.sure.min(bad).max(0.0);
            (bad != 0.0).then_some(Share { at: hour.at, bad, sure, spell })
        });
        shares.collect()
    }
}

/// How good a claim to an hour is; the smallest is the best. Of incidents and of maintenance that
/// share an hour it is the one that had most of it, of deployments the last after which the share
/// of bad events rose.
type Claim = (u8, i64, Instant);

fn claim(hour: &Hour, spell: &Spell) -> Option<Claim> {
    if spell.only.as_ref().is_some_and(|only| !only.contains(&hour.at)) {
        return None;
    }
    let span = hour.span();
    let common = spell.span.end.min(span.end) - spell.span.start.max(span.start);
    let most = (u8::from(matches!(spell.rule, Rule::Incident)), -common.num_seconds());
    let (rank, order) = match spell.rule {
        Rule::Linked(_) | Rule::Incident => most,
        Rule::ChangePoint(since) => (2, -since.timestamp()),
        Rule::Maintenance => (3, most.1),
    };
    Some((rank, order, spell.span.start))
}

/// The start of the hour that `at` is in.
pub(super) fn hour_of(at: Instant) -> Instant {
    at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at)
}
