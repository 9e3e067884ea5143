//! One ledger: asks for the hours that are new, in pieces that the server can answer.

use std::collections::BTreeSet;

use chrono::{Datelike, TimeDelta};

use super::api::{Answered, Api, QueryError, Range};
use super::cursor::Position;
use super::hours::{HOUR, SLICE, events, found, hour_of, merge};
use super::spacing::{Spacing, scaled};
use crate::domain::fact::{Burn, BurnWindow, LedgerDay};
use crate::domain::{Fact, Instant, Kind, SourceName};
use crate::kpi::ledger::{BAD, PART, Question, SHORT, TOTAL, is_possible};
use crate::source::{PollContext, PollReport, SourceError};
use crate::store::Batch;

/// A ledger that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its name.
    pub ledger: String,
    /// What it is for, for people: `endpoints.checkout`.
    pub key: String,
    /// What is asked.
    pub question: Question,
}

/// Hours asked for at a time, at most: a month has 8,640 slices, and the API answers 11,000 points.
const MOST_HOURS: i64 = 720;

/// Reads ledgers in one poll.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) api: &'a Api,
    pub(super) source: &'a SourceName,
    pub(super) cx: &'a PollContext,
    /// Where history is wanted from.
    pub(super) start: Instant,
    /// The server's own time.
    pub(super) now: Instant,
    /// The end of the last hour that is complete by everybody's time.
    pub(super) end: Instant,
    /// How much is read again.
    pub(super) reread: TimeDelta,
}

impl Reader<'_> {
    /// Reads every hour of one ledger that is complete and was not read for good.
    pub(super) async fn read(&self, plan: &Plan) -> Result<PollReport, SourceError> {
        let mut report = PollReport::default();
        let stored = self.cx.store.cursor(self.source, &plan.ledger).await?;
        let slice_allowed = match &plan.question {
            Question::Events { slice_allowed, .. } => Some(slice_allowed.as_str()),
            Question::Buckets { .. } | Question::Counter { .. } => None,
        };
        let start = hour_of(self.start);
        let mut position = Position::resumed(stored.as_deref(), start, slice_allowed);
        if position.through >= self.end {
            return Ok(report);
        }
        let mut at = (position.through - self.reread).max(position.from);
        let mut most = MOST_HOURS;
        while at < self.end {
            let end = self.end.min(at + TimeDelta::hours(most));
            match self.piece(plan, (at, end), &mut position, &mut report).await {
                Ok(()) => at = end,
                Err(QueryError::TooMuch(_)) if most > 1 => {
                    most = ((end - at).num_hours() / 2).max(1);
                }
                Err(error) => return Err(error.into_source()),
            }
            let hours = |from: Instant| (from - position.from).num_hours().unsigned_abs();
            let (done, total) = (hours(at), hours(self.end));
            self.cx.progress.step(self.source, &plan.key, done, Some(total));
        }
        Ok(report)
    }

    /// Asks for the short windows of an SLO as they are now.
    pub(super) async fn burn(&self, plan: &Plan) -> Result<(), SourceError> {
        let now = self.now;
        let Question::Events { sli, slice_allowed, by_slices } = &plan.question else {
            return Ok(());
        };
        let names = SHORT.map(|(name, _)| name);
        let query = match by_slices {
            true => sli.short_slices(&names, slice_allowed),
            false => sli.short(&names),
        };
        let answer = self.api.instant(&query, now, PART).await.map_err(QueryError::into_source)?;
        let part = |name: &str| {
            let series = answer.series.iter().find(|it| it.key == name)?;
            series.points.values().next().copied().or(series.odd.first().map(|_| f64::NAN))
        };
        let window = |(window, seconds): (&str, f64)| {
            let part = |name: &str| part(&format!("{name} {window}"));
            let (bad, total) = match by_slices {
                true => (part(BAD)?, part(TOTAL).filter(|it| it.is_finite())?),
                false => sli.counted(part, seconds)?,
            };
            let bad = is_possible(bad, total).then(|| bad.min(total).max(0.0))?;
            Some(BurnWindow { window: window.to_owned(), bad, total })
        };
        let windows = SHORT.into_iter().filter_map(window).collect();
        let burn = Burn { id: plan.ledger.clone(), at: now, windows };
        let batch = Batch { facts: vec![Fact::Burn(burn)], ..Batch::default() };
        self.cx.store.commit(self.source, batch).await?;
        Ok(())
    }

    /// Reads the hours of `(start, end)` and commits them with the position behind them.
    async fn piece(
        &self,
        plan: &Plan,
        (start, end): (Instant, Instant),
        position: &mut Position,
        report: &mut PollReport,
    ) -> Result<(), QueryError> {
        let spacing = self.spacing(plan, end, report).await?;
        let (counts, presence) = self.ask((&plan.question, spacing), (start, end)).await?;
        for _ in 0..counts.odd + presence.odd {
            report.reject(Kind::LedgerDay);
        }
        let mut hours = match &plan.question {
            Question::Buckets { .. } => {
                let named = |key: &str| (!key.is_empty()).then(|| key.to_owned());
                if !counts.series.is_empty() && counts.series.iter().all(|it| it.key.is_empty()) {
                    report.warnings.push(format!("{}: its series have no label `le`", plan.key));
                }
                found((start, end), &counts.series, &presence.series, named, "+Inf")
            }
            Question::Counter { .. } => {
                let total = |_: &str| Some(TOTAL.to_owned());
                found((start, end), &counts.series, &presence.series, total, TOTAL)
            }
            Question::Events { sli, slice_allowed, .. } => {
                events((start, end), sli, slice_allowed, &counts.series, &presence.series)
            }
        };
        let seen = hours.iter().find(|(_, found)| !found.is_empty()).map(|(at, _)| *at);
        let seen = seen.and_then(|at| chrono::DateTime::from_timestamp(at, 0));
        position.first = position.first.into_iter().chain(seen).min();
        // Nobody knows anything about the time before the first hour with anything in it.
        let first = position.first.map_or(i64::MAX, |it| it.timestamp());
        hours.retain(|at, _| *at >= first);
        let known = self.known(&plan.ledger, (start, end)).await.map_err(QueryError::Failed)?;
        let days = merge(&plan.ledger, known, hours);
        let mut batch =
            Batch { facts: days.into_iter().map(Fact::LedgerDay).collect(), ..Batch::default() };
        position.through = position.through.max(end);
        position.put(&mut batch, &plan.ledger);
        let committed = self.cx.store.commit(self.source, batch).await;
        committed.map_err(|error| QueryError::Failed(error.into()))?;
        Ok(())
    }

    /// How far apart the samples were in the day before `end`. A server for which that is too much
    /// to say is asked for hours as they are.
    async fn spacing(
        &self,
        plan: &Plan,
        end: Instant,
        report: &mut PollReport,
    ) -> Result<Spacing, QueryError> {
        let Some(query) = Spacing::query(&plan.question) else { return Ok(Spacing::UNKNOWN) };
        let answer = match self.api.instant(&query, end, "").await {
            Err(QueryError::TooMuch(error)) if !matches!(error, SourceError::Transient(_)) => {
                report.warnings.push(format!(
                    "{}: how far apart its samples are is unknown, so an hour may be wrong by about 2 %: {error}",
                    plan.key
                ));
                Answered::default()
            }
            answer => answer?,
        };
        let most = answer.series.iter().flat_map(|it| it.points.values()).copied();
        Ok(most.reduce(f64::max).map_or(Spacing::UNKNOWN, Spacing::of))
    }

    /// What was counted in each hour, and in which slices there was anything.
    async fn ask(
        &self,
        (question, spacing): (&Question, Spacing),
        (start, end): (Instant, Instant),
    ) -> Result<(Answered, Answered), QueryError> {
        let every = |seconds: i64| {
            let step = TimeDelta::seconds(seconds);
            Range { start: start + step, end, step }
        };
        let (hour, of_hour) = spacing.window(HOUR);
        let (slice, of_slice) = spacing.window(SLICE);
        let (hourly, key, sliced, slice_key) = match question {
            Question::Buckets { selector } => {
                let count = format!("sum by (le) (increase({selector}[{hour}]))");
                (count, "le", format!("count({selector})"), "")
            }
            Question::Counter { selector } => {
                let count = format!("sum(increase({selector}[{hour}]))");
                (count, "", format!("count({selector})"), "")
            }
            Question::Events { sli, .. } => (sli.query(&hour), PART, sli.query(&slice), PART),
        };
        let mut counts = self.api.range(&hourly, every(HOUR), key).await?;
        let mut slices = self.api.range(&sliced, every(SLICE), slice_key).await?;
        // By the second, a longer window makes no larger number.
        match question {
            Question::Events { sli, .. } if sli.is_per_second() => {}
            Question::Events { .. } => {
                counts.series = scaled(counts.series, of_hour);
                slices.series = scaled(slices.series, of_slice);
            }
            Question::Buckets { .. } | Question::Counter { .. } => {
                counts = counts.growing();
                counts.series = scaled(counts.series, of_hour);
            }
        }
        Ok((counts, slices))
    }

    /// The days that are stored of the months that a stretch of time touches.
    async fn known(
        &self,
        ledger: &str,
        (start, end): (Instant, Instant),
    ) -> Result<Vec<LedgerDay>, SourceError> {
        let mut months = BTreeSet::new();
        let (mut day, last) = (start.date_naive(), end.date_naive());
        while day <= last {
            months.insert((day.year(), day.month()));
            let Some(next) = day.succ_opt() else { break };
            day = next;
        }
        let mut days = Vec::new();
        for (year, month) in months {
            let parent = format!("{ledger}/{year:04}-{month:02}");
            let facts = self.cx.store.facts(self.source, Kind::LedgerDay, Some(&parent)).await?;
            days.extend(facts.into_iter().filter_map(|fact| match fact {
                Fact::LedgerDay(day) => Some(day),
                _ => None,
            }));
        }
        Ok(days)
    }
}
