//! Stories of counters: what the rules must make of a burn, of idleness, of nothing bad at all.

use std::fmt::Write as _;

use super::super::Slo;
use super::super::windows::{AlertWindows, Fraction, Length, Pair};
use super::feed::{Feed, Role};
use super::{Check, Input, Story, check, is, is_absent, is_within, room};
use crate::domain::Decimal;

/// Minutes without traffic, in which counters stand still and do not begin.
const STILL: u32 = 10;
/// Minutes with traffic and nothing bad before it begins to burn.
const CLEAN: u32 = 360;

/// So many minutes with so many good and bad events each.
type Phase = (u32, u64, u64);

/// Everything that is told of one SLO.
pub(super) fn all(slo: &Slo, feed: &Feed, windows: &AlertWindows, period: Length) -> Vec<Story> {
    let teller = Teller { slo, feed, windows, period, traffic: traffic(slo.budget()) };
    let mut stories = vec![teller.healthy(), teller.idle(), teller.never_failed()];
    stories.extend(teller.fast());
    stories.extend(teller.slow());
    stories.push(teller.relabelled());
    stories
}

/// What is told of a budget of slices: which of them are bad, and that nobody needs to have failed.
pub(super) fn of_slices(
    slo: &Slo,
    feed: &Feed,
    windows: &AlertWindows,
    period: Length,
    allowed: Decimal,
) -> Vec<Story> {
    let teller = Teller { slo, feed, windows, period, traffic: traffic(allowed) };
    let mut stories = vec![teller.never_failed()];
    stories.extend(teller.slices(allowed));
    stories
}

/// Requests a minute: so many that a small part of the budget is a whole number of them. Sums of
/// others would be rounded, and a counter that falls by a rounding looks like one that begins anew.
fn traffic(allowed: Decimal) -> u64 {
    let (_, scale) = allowed.fraction();
    u64::try_from(scale).unwrap_or(1).clamp(10, 1_000_000_000) * 1000
}

struct Teller<'a> {
    slo: &'a Slo,
    feed: &'a Feed,
    windows: &'a AlertWindows,
    period: Length,
    traffic: u64,
}

impl Teller<'_> {
    /// Half an hour in which half of what a good slice allows is bad, and one in which more is.
    fn slices(&self, allowed: Decimal) -> Option<Story> {
        let allowed = self.part(allowed);
        let bad = (allowed * 2).clamp(1, self.traffic);
        let recent = self.series("slo:sli_error:ratio_rate5m");
        let mut checks =
            vec![check(STILL + 30, is(&recent, 0.0)), check(STILL + 60, is(&recent, 1.0))];
        checks.extend(self.of_period(80, 0.5));
        let phases = [(30, self.traffic - allowed / 2, allowed / 2), (30, self.traffic - bad, bad)];
        (bad > allowed).then(|| self.story("bad slices", &phases, checks))
    }

    /// Half of what is allowed is bad.
    fn healthy(&self) -> Story {
        let bad = self.allowed() / 2;
        let share = self.share(bad, self.traffic);
        let mut checks = vec![
            check(50, is(&self.series("slo:sli_error:ratio_rate5m"), share)),
            check(50, is(&self.series("slo:sli_error:ratio_rate1h"), share)),
        ];
        let (page, ticket) = (&self.windows.page, &self.windows.ticket);
        // Some want to know of half a budget.
        if page.iter().chain(ticket).all(|it| self.windows.factor(it).float() > 0.5) {
            checks.push(check(50, self.slo.fires("page", false)));
            checks.push(check(50, self.slo.fires("ticket", false)));
        }
        checks.extend(self.of_period(60, share));
        let phases = [(40, self.traffic - bad, bad)];
        self.story("half of the budget burns", &phases, checks)
    }

    /// An hour without traffic between a busy time with bad events and a quiet one without.
    fn idle(&self) -> Story {
        let (bad, quiet) = (self.allowed(), self.traffic / 20);
        let truth = self.share(30 * bad, 30 * self.traffic + 20 * quiet);
        let mut checks = vec![
            check(80, is_absent(&self.series("slo:sli_error:ratio_rate5m"))),
            check(115, is(&self.series("slo:sli_error:ratio_rate1h"), 0.0)),
        ];
        checks.extend(self.of_period(80, self.share(bad, self.traffic)));
        checks.extend(self.of_period(130, truth));
        let phases = [(30, self.traffic - bad, bad), (60, 0, 0), (20, quiet, 0)];
        self.story("an idle hour", &phases, checks)
    }

    /// Nothing bad has ever been counted, so that there is no series of it.
    fn never_failed(&self) -> Story {
        let zero = |series: &str| check(40, is(&self.series(series), 0.0));
        let windows = self.windows.all().into_iter().chain([self.period]);
        let mut checks: Vec<Check> =
            windows.map(|it| zero(&format!("slo:sli_error:ratio_rate{it}"))).collect();
        checks.push(zero("slo:current_burn_rate:ratio"));
        checks.push(check(40, is(&self.series(REMAINING), 1.0)));
        let mut story = self.story("nothing has ever failed", &[(30, self.traffic, 0)], checks);
        let bad = self.feed.series.iter().find(|(_, role)| *role == Role::Bad);
        story.input_series.retain(|it| bad.is_none_or(|(series, _)| *series != it.series));
        story
    }

    /// A burn that pages, in the first minute in which it can.
    fn fast(&self) -> Option<Story> {
        if self.slo.alerting.page.disable || self.slo.budget().is_zero() {
            return None;
        }
        let begin = (self.allowed() * 467 / 10).min(self.traffic);
        let bad = self.clear_cut(begin)?;
        Some(self.burn("fast burn", bad, self.first(bad, &self.windows.page, 0)?))
    }

    /// A burn that pages nobody and is a ticket, in the first minute in which it can.
    fn slow(&self) -> Option<Story> {
        if self.slo.alerting.ticket.disable || self.slo.budget().is_zero() {
            return None;
        }
        [290, 245, 200, 150, 300, 120, 400].into_iter().find_map(|percent| {
            let begin = (self.allowed() * percent / 100).min(self.traffic);
            let bad = self.clear_cut(begin)?;
            let ticket = self.first(bad, &self.windows.ticket, 0)?;
            self.first(bad, &self.windows.page, 0).is_none().then_some(())?;
            Some(self.burn("slow burn", bad, ticket))
        })
    }

    fn burn(&self, name: &str, bad: u64, last: u32) -> Story {
        let begin = STILL + CLEAN;
        let mut checks = Vec::new();
        let alerting = &self.slo.alerting;
        for (severity, alert, pairs) in [
            ("page", &alerting.page, &self.windows.page),
            ("ticket", &alerting.ticket, &self.windows.ticket),
        ] {
            let first = self.first(bad, pairs, 0).filter(|_| !alert.disable);
            match first.filter(|it| *it <= last) {
                Some(first) => {
                    checks.push(check(begin + first - 1, self.slo.fires(severity, false)));
                    checks.push(check(begin + first, self.slo.fires(severity, true)));
                }
                None => checks.push(check(begin + last, self.slo.fires(severity, false))),
            }
        }
        let name = format!("{name}, {last} minutes");
        let phases = [(CLEAN, self.traffic, 0), (last + 5, self.traffic - bad, bad)];
        self.story(&name, &phases, checks)
    }

    /// What was recorded with other labels before is the same SLO.
    fn relabelled(&self) -> Story {
        let bad = self.allowed();
        // Recorded is a sixtieth of what is counted in a minute, and both times are as long.
        let truth = self.share(60 * 5 + bad, 60 * 100 + self.traffic);
        let mut checks = self.of_period(90, truth);
        checks.push(check(90, is(&self.series("sloth_slo_info"), 1.0)));
        let phases = [(30, self.traffic - bad, bad)];
        let mut story = self.story("other labels before", &phases, checks);
        for input in &mut story.input_series {
            input.values.insert_str(0, "_x40 ");
        }
        for (series, values) in [
            ("slo:sli_total:rate5m", "100x29 stale"),
            ("slo:sli_error:rate5m", "5x29 stale"),
            ("sloth_slo_info", "1x29 stale"),
        ] {
            let series = self.slo.labelled(series, &[("another", "label")]);
            story.input_series.push(Input { series, values: values.to_owned() });
        }
        story
    }

    /// The share of the SLO's whole window that spends its budget, and what that leaves.
    fn of_period(&self, minute: u32, share: f64) -> Vec<Check> {
        let period = self.series(&format!("slo:sli_error:ratio_rate{}", self.period));
        let mut checks = vec![check(minute, is(&period, share))];
        if !self.slo.budget().is_zero() {
            let budget = self.slo.budget().float();
            let remaining = 1.0 - share / budget;
            let room = (room(share) / budget).max(1e-10);
            checks.push(check(minute, is_within(&self.series(REMAINING), remaining, room)));
        }
        checks
    }

    /// How many events a minute may be bad.
    fn allowed(&self) -> u64 {
        self.part(self.slo.budget())
    }

    /// So large a part of a minute's traffic.
    fn part(&self, share: Decimal) -> u64 {
        let (numerator, denominator) = share.fraction();
        let allowed = u128::from(self.traffic) * numerator / denominator.max(1);
        u64::try_from(allowed).unwrap_or(0)
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    fn share(&self, some: u64, all: u64) -> f64 {
        some as f64 / all as f64
    }

    fn series(&self, name: &str) -> String {
        self.slo.series(name)
    }

    /// The minute after its begin in which a burn fires first, if it does in ten hours. With
    /// `less` a window has a minute less than its length. Of a window that is the period, too, the
    /// minute cannot be told: it is computed of what was recorded.
    fn first(&self, bad: u64, pairs: &[Pair; 2], less: u32) -> Option<u32> {
        let all = self.windows.page.iter().chain(&self.windows.ticket);
        if all.flat_map(|it| [it.short, it.long]).any(|it| it == self.period) {
            return None;
        }
        (1..=600).find(|minute| {
            pairs.iter().any(|pair| {
                self.windows.threshold(self.slo.budget(), pair).is_some_and(|threshold| {
                    let above = |window: Length| self.burns(bad, *minute, window, less, threshold);
                    above(pair.short) && above(pair.long)
                })
            })
        })
    }

    fn burns(&self, bad: u64, minute: u32, window: Length, less: u32, above: Fraction) -> bool {
        let length = window.in_minutes() - less;
        let all = u64::from(length.min(CLEAN + minute)) * self.traffic;
        above.is_below(u64::from(length.min(minute)) * bad, all)
    }

    /// So many bad events a minute, or a few less, that the minutes of both alerts are the same for
    /// a little more and a little less. Whether a window has the sample at its begin, too, differs
    /// between versions of Prometheus, and must make no difference either.
    fn clear_cut(&self, begin: u64) -> Option<u64> {
        let minutes = |bad: u64, less: u32| {
            [&self.windows.page, &self.windows.ticket].map(|it| self.first(bad, it, less))
        };
        (0..200).map(|step| begin - begin * step / 400).find(|bad| {
            let near = [bad - bad / 5000, *bad, (bad + bad / 5000).min(self.traffic)];
            let expected = minutes(*bad, 0);
            *bad > 0
                && near.iter().all(|it| [0, 1].iter().all(|less| minutes(*it, *less) == expected))
        })
    }

    fn story(&self, name: &str, phases: &[Phase], checks: Vec<Check>) -> Story {
        let input = |(series, role): &(String, Role)| {
            let grown = phases.iter().map(|(minutes, good, bad)| match role {
                Role::Bad => (*minutes, *bad),
                Role::Good => (*minutes, *good),
                Role::All => (*minutes, good + bad),
            });
            Input { series: series.clone(), values: counter(grown) }
        };
        Story {
            name: format!("{}: {name}", self.slo.id),
            interval: "1m",
            input_series: self.feed.series.iter().map(input).collect(),
            promql_expr_test: checks,
        }
    }
}

const REMAINING: &str = "slo:period_error_budget_remaining:ratio";

/// A counter that stands still for a while, grows, and stands still for half an hour again.
fn counter(phases: impl Iterator<Item = (u32, u64)>) -> String {
    // Large, because one that is near 0 is taken for one that began there.
    let mut count: u64 = 1_000_000_000_000;
    let mut text = count.to_string();
    for (minutes, growth) in [(STILL, 0)].into_iter().chain(phases).chain([(30, 0)]) {
        let _ = write!(text, " {}+{growth}x{}", count + growth, minutes - 1);
        count += growth * u64::from(minutes);
    }
    text
}
