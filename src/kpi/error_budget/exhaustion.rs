//! When a budget will be gone if the last 24 hours go on.

use chrono::TimeDelta;

use super::Stretch;
use crate::domain::Instant;
use crate::kpi::Span;
use crate::kpi::ledger::Ledger;
use crate::kpi::params::Slo;
use crate::kpi::statistics::budget::Events;
use crate::kpi::statistics::{count, real};

/// The pace is that of so many hours.
const PACE: i64 = 24;

/// Seconds until the budget of a window up to `as_of` is gone, if every hour is as the average of
/// those that are known of the last 24: 0 if it is gone already, `None` if it will not be within the
/// calendar window or within the length of a window that rolls, or if nothing is known of the last
/// 24 hours.
pub(super) fn exhaustion(
    slo: &Slo,
    stretch: &Stretch,
    ledger: &Ledger<'_>,
    as_of: Instant,
) -> Option<f64> {
    let slices = slo.slice_allowed.to_string();
    let counted = |span: Span| slo.budgeted(&ledger.events(span, &slices));
    let end = ledger.ends_at()?;
    let last = Span { start: end - TimeDelta::hours(PACE), end };
    if ledger.starts_at()? > last.start {
        return None;
    }
    let known = ledger.counted(last, &slices).filter(|(_, hour)| hour.is_some()).count();
    let pace = per_hour(&counted(last), known).filter(|_| slo.allowed > 0.0)?;
    let so_far = counted(stretch.window);
    let ahead = Ahead { allowed: slo.allowed, pace };
    match stretch.whole {
        Some(whole) => {
            let share =
                (as_of - whole.start).as_seconds_f64() / (whole.end - whole.start).as_seconds_f64();
            let left = (whole.end - as_of).as_seconds_f64();
            ahead.of_calendar(&so_far, share).filter(|it| *it <= left)
        }
        None => {
            let hours = ledger.counted(stretch.window, &slices).map(|(at, hour)| {
                let age = at - stretch.window.start;
                (age, slo.budgeted(&hour.unwrap_or_default()))
            });
            let hours: Vec<_> = hours.collect();
            ahead.of_rolling(so_far, &hours, stretch.window.end - stretch.window.start)
        }
    }
}

/// What each of so many hours has on average; `None` if there was no traffic.
fn per_hour(last: &Events, hours: usize) -> Option<Events> {
    let share = |it: f64| it / real(count(hours));
    (last.total > 0.0).then(|| Events {
        bad: share(last.net()),
        sure: share(last.sure),
        total: share(last.total),
        ..Events::default()
    })
}

/// What is to come.
struct Ahead {
    allowed: f64,
    /// Of an hour.
    pace: Events,
}

impl Ahead {
    /// What may still be bad: more than the budget where what was counted is below nothing, because
    /// what comes has to make up for that first.
    fn left(&self, counted: &Events) -> f64 {
        self.allowed * counted.total - counted.bad.max(counted.sure)
    }

    /// Of a calendar's window of which `share` is over: its budget is that of the whole window, if
    /// traffic goes on as so far.
    fn of_calendar(&self, so_far: &Events, share: f64) -> Option<f64> {
        if share <= 0.0 {
            return None;
        }
        let whole = Events { total: so_far.total / share, ..*so_far };
        let left = self.left(&whole);
        if left <= 0.0 {
            return (so_far.total > 0.0).then_some(0.0);
        }
        let allowed = self.allowed * whole.total;
        let gone = |bad: f64, pace: f64| (pace > 0.0).then(|| (allowed - bad) / pace * 3600.0);
        let all = gone(so_far.bad, self.pace.bad);
        [all, gone(so_far.sure, self.pace.sure)].into_iter().flatten().reduce(f64::min)
    }

    /// Of a window that rolls: what is old leaves it as time goes on, an hour at a time.
    fn of_rolling(
        &self,
        mut counted: Events,
        hours: &[(TimeDelta, Events)],
        length: TimeDelta,
    ) -> Option<f64> {
        let mut left = self.left(&counted);
        if left <= 0.0 {
            return (counted.total > 0.0).then_some(0.0);
        }
        // Without bad events nothing can ever be gone.
        if self.pace.bad <= 0.0 && hours.iter().all(|(_, it)| it.bad <= 0.0) {
            return None;
        }
        let mut hours = hours.iter().peekable();
        for hour in 1..=length.num_hours() {
            while let Some((_, old)) = hours.next_if(|(age, _)| *age < TimeDelta::hours(hour)) {
                counted.bad -= old.bad;
                counted.sure -= old.sure;
                counted.total -= old.total;
            }
            counted.bad += self.pace.bad;
            counted.sure += self.pace.sure;
            counted.total += self.pace.total;
            let then = self.left(&counted);
            if then <= 0.0 {
                #[expect(clippy::cast_precision_loss, reason = "a century has a million hours")]
                let before = (hour - 1) as f64;
                return Some((before + left / (left - then)) * 3600.0);
            }
            left = then;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kpi::testing::Story;
    use crate::kpi::{Scope, Slice, WindowKind};

    /// Hours until the budget of a story's SLO is gone.
    fn hours(story: &str) -> Option<f64> {
        let story = Story::told(&format!("service web\n{story}"));
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let slo = &story.params.slos[0];
        let window = Span { start: story.as_of, end: story.as_of };
        let kind = WindowKind::Own;
        let slice =
            Slice { window, as_of: story.as_of, calendar: kind, view: &view, scope: Scope::Org };
        let ledger = crate::kpi::ledger_items::Subject::Slo(slo).ledger(&view);
        let seconds = exhaustion(slo, &Stretch::of(slo, &slice), &ledger, story.as_of);
        seconds.map(|it| (it / 36.0).round() / 100.0)
    }

    #[test]
    fn the_pace_is_that_of_the_hours_that_are_known() {
        // As below, but the ledger has only the first half of the last day: 24 are spent.
        let month = "slo up of web objective 0.999 window 1M calendar\nas_of 11T00:00
            01T00:00 hour up for 216 bad:0 total:1000 valid:12 met:12\n";
        let known = |hours: u32| {
            format!(
                "{month}10T{:02}:00 hour up for {hours} bad:2 total:1000 valid:12 met:12\n",
                24 - hours
            )
        };
        let all = hours(&known(24)).expect("two an hour spend it");
        let half = hours(&known(12)).expect("two an hour spend it");
        assert!((half - all).abs() < 14.0, "{half} is about {all}, and not twice as long");
    }

    #[test]
    fn a_calendars_budget_is_gone_when_the_pace_of_the_last_day_has_spent_it() {
        // 31 days of 1,000 an hour may have 744 bad ones. 9 days without, one with 2 an hour: 48 are
        // spent, and the rest lasts 348 hours.
        let month = "slo up of web objective 0.999 window 1M calendar\nas_of 11T00:00
            01T00:00 hour up for 216 bad:0 total:1000 valid:12 met:12
            10T00:00 hour up for 24 bad:2 total:1000 valid:12 met:12\n";
        assert_eq!(hours(month), Some(348.0));
        let calm = month.replace("bad:2", "bad:1");
        assert_eq!(hours(&calm), None, "at 1 an hour 720 h are enough for the 504 that are left");
        assert_eq!(hours(&month.replace("bad:2", "bad:31")), Some(0.0), "744 are gone");
        assert_eq!(hours(&month.replace("bad:2", "bad:0")), None);
    }

    #[test]
    fn of_what_rolls_the_old_leaves_as_time_goes_on() {
        // Four days of 1,000 an hour may have 96 bad ones. The last has 3 an hour, so 72; eight more
        // hours and it is gone.
        let rolling = "slo up of web objective 0.999 window 4d\nas_of 05T00:00
            01T00:00 hour up for 72 bad:0 total:1000 valid:12 met:12
            04T00:00 hour up for 24 bad:3 total:1000 valid:12 met:12\n";
        assert_eq!(hours(rolling), Some(8.0));
        assert_eq!(hours(&rolling.replace("bad:3", "bad:5")), Some(0.0), "120 are gone");
        // What was bad at first leaves the window just as fast.
        let steady = "slo up of web objective 0.999 window 4d\nas_of 05T00:00
            01T00:00 hour up for 24 bad:3 total:1000 valid:12 met:12
            02T00:00 hour up for 72 bad:0 total:1000 valid:12 met:12\n";
        assert_eq!(hours(steady), None);
        let fast = rolling.replace("for 72 bad:0", "for 72 bad:0.5");
        assert_eq!(hours(&fast), Some(0.0), "108 are gone");
    }

    #[test]
    fn a_window_that_rolls_may_run_out_because_good_hours_leave_it() {
        // Of 96,000 events 90 are bad, and the busiest hours are the first to leave.
        let busy = "slo up of web objective 0.999 window 4d\nas_of 05T00:00
            01T00:00 hour up for 24 bad:0 total:2000 valid:12 met:12
            02T00:00 hour up for 24 bad:3 total:1000 valid:12 met:12
            03T00:00 hour up for 48 bad:0 total:500 valid:12 met:12\n";
        // Each hour takes 1,500 events, and with them 1.5 of the 24 that are left.
        assert_eq!(hours(busy), Some(16.0));
    }

    #[test]
    fn what_swings_makes_up_for_itself_and_is_no_pace() {
        // The first day had 5 an hour too few and the second 5 too many, so nothing was bad; as the first
        // leaves, each of its hours makes the window 5 worse: 96 in 19.2 h.
        let swings = "slo up of web objective 0.999 window 4d\nas_of 05T00:00
            01T00:00 hour up for 24 bad:-5 total:1000 valid:12 met:12
            02T00:00 hour up for 24 bad:5 total:1000 valid:12 met:12
            03T00:00 hour up for 48 bad:0 total:1000 valid:12 met:12\n";
        assert_eq!(hours(swings), Some(19.2));
        let never = swings.replace("bad:5", "bad:-5");
        assert_eq!(hours(&never), None);
        // A last day below nothing is a pace of 0 and gains nothing: 24 are bad, and 4 more every hour.
        let below = "slo up of web objective 0.999 window 4d\nas_of 05T00:00
            01T00:00 hour up for 24 bad:-4 total:1000 valid:12 met:12
            02T00:00 hour up for 24 bad:4 total:1000 valid:12 met:12
            03T00:00 hour up for 24 bad:3 total:1000 valid:12 met:12
            04T00:00 hour up for 24 bad:-2 total:1000 valid:12 met:12\n";
        assert_eq!(hours(below), Some(18.0));
        let month = "slo up of web objective 0.999 window 1M calendar\nas_of 11T00:00
            01T00:00 hour up for 216 bad:-1 total:1000 valid:12 met:12
            10T00:00 hour up for 24 bad:3 total:1000 valid:12 met:12\n";
        // 744 may be bad, and -216 and 72 are: 888 at 3 an hour.
        assert_eq!(hours(month), Some(296.0));
    }

    #[test]
    fn nothing_makes_up_for_an_outage() {
        // 744 may be bad. 215 hours are 1,075 too low, and of one 490 are beyond a hundredth.
        let month = |pace: u32| {
            hours(&format!(
                "slo up of web objective 0.999 window 1M calendar\nas_of 11T00:00
                01T00:00 hour up for 216 bad:-5 total:1000 valid:12 met:12
                05T00:00 hour up bad:500 total:1000 valid:12 met:0
                10T00:00 hour up for 24 bad:{pace} total:1000 valid:12 met:12\n"
            ))
        };
        // Together they are -503, and 3 an hour have to make up for that first.
        assert_eq!(month(3), Some(415.67));
        // Of 15 an hour 5 are beyond a hundredth: 610, and 134 more in 26.8 h.
        assert_eq!(month(15), Some(26.8));
        assert_eq!(month(30), Some(0.0), "970 are beyond a hundredth");
        // Four days may have 96. As the first leaves, each of its hours makes the window 9 worse, from -116
        // to 100.
        let rolling = "slo up of web objective 0.999 window 4d\nas_of 05T00:00
            01T00:00 hour up for 24 bad:-9 total:1000 valid:12 met:12
            02T00:00 hour up for 72 bad:0 total:1000 valid:12 met:12
            02T00:00 hour up bad:100 total:1000 valid:12 met:0\n";
        assert_eq!(hours(rolling), Some(23.56));
    }

    #[test]
    fn nothing_is_foretold_without_a_day_of_traffic() {
        let young = "slo up of web objective 0.999 window 1d\nas_of 05T00:00
            04T12:00 hour up for 12 bad:3 total:1000 valid:12 met:12\n";
        assert_eq!(hours(young), None);
        let idle = "slo up of web objective 0.999 window 4d\nas_of 05T00:00
            01T00:00 hour up for 72 bad:3 total:1000 valid:12 met:12
            04T00:00 hour up for 24 bad:0 total:0 valid:0 met:0\n";
        assert_eq!(hours(idle), None);
    }
}
