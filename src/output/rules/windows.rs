//! The windows of burn alerts, and the shares of bad events at which they fire.

use std::fmt;

use crate::domain::Decimal;

/// A length of time in minutes, written as Prometheus writes it: `5m`, `1d`, `4w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(u32);

impl Default for Length {
    fn default() -> Self {
        Self::days(30)
    }
}

impl Length {
    /// So many minutes.
    pub const fn minutes(minutes: u32) -> Self {
        Self(minutes)
    }

    /// So many days.
    pub const fn days(days: u32) -> Self {
        Self(days * 1440)
    }

    /// What [`fmt::Display`] writes, and other single units: `30d`, `90m`. `None` unless it is more
    /// than nothing and at most ten years.
    pub fn parse(text: &str) -> Option<Self> {
        let unit = text.chars().next_back()?;
        let minutes = match unit {
            'm' => 1,
            'h' => 60,
            'd' => 1440,
            'w' => 7 * 1440,
            'y' => 365 * 1440,
            _ => return None,
        };
        let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
        let length = number.checked_mul(minutes)?;
        (0 < length && length <= 3650 * 1440).then_some(Self(length))
    }

    pub(super) fn in_minutes(self) -> u32 {
        self.0
    }

    /// Days, with a fraction if need be.
    pub(super) fn in_days(self) -> f64 {
        f64::from(self.0) / 1440.0
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        // Years and weeks only where nothing is left.
        for (unit, minutes, whole) in
            [("y", 525_600, true), ("w", 10_080, true), ("d", 1440, false), ("h", 60, false)]
        {
            if rest >= minutes && (!whole || rest.is_multiple_of(minutes)) {
                write!(f, "{}{unit}", rest / minutes)?;
                rest %= minutes;
            }
        }
        if rest > 0 { write!(f, "{rest}m") } else { Ok(()) }
    }
}

/// A burn alert fires while both windows burn too fast: the long one so that it matters, the short
/// one so that it ends when the fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The short window.
    pub short: Length,
    /// The long window.
    pub long: Length,
    /// How many percent of the period's budget may go in the long window.
    pub percent: Decimal,
}

/// Windows of burn alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertWindows {
    /// Of which window the budget is.
    pub period: Length,
    /// What somebody is woken for.
    pub page: [Pair; 2],
    /// What somebody looks at within a day.
    pub ticket: [Pair; 2],
}

impl AlertWindows {
    /// Those of the SRE workbook with the ticket that everybody adds, for a budget of 28 days where
    /// that or four weeks is the window and of 30 days otherwise.
    pub fn usual(period: Length) -> Self {
        let pair = |short, long, percent| Pair {
            short: Length(short),
            long: Length(long),
            percent: Decimal::new(percent, 0),
        };
        let month = if period == Length::days(28) { period } else { Length::days(30) };
        Self {
            period: month,
            page: [pair(5, 60, 2), pair(30, 360, 5)],
            ticket: [pair(120, 1440, 10), pair(360, 4320, 10)],
        }
    }

    /// Every window that some alert looks at, each once, the shortest first. The hour and the day are
    /// those of the burn that lasts.
    pub(super) fn all(&self) -> Vec<Length> {
        let pairs = self.page.iter().chain(&self.ticket);
        let mut all: Vec<Length> = pairs.flat_map(|it| [it.short, it.long]).collect();
        all.extend([Length(5), Length(60), Length(1440)]);
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The share of bad events above which `pair` fires for an SLO with this budget. `None` if all
    /// events bad are not above it.
    pub(super) fn threshold(&self, budget: Decimal, pair: &Pair) -> Option<Fraction> {
        Some(self.factor(pair).times(budget)).filter(|it| it.is_below_one())
    }

    /// How many times too fast the budget burns at which `pair` fires.
    pub(super) fn factor(&self, pair: &Pair) -> Fraction {
        let (numerator, denominator) = pair.percent.fraction();
        Fraction::new(
            numerator * u128::from(self.period.0),
            denominator * 100 * u128::from(pair.long.0),
        )
    }
}

/// A quotient of whole numbers, in its lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fraction {
    numerator: u128,
    denominator: u128,
}

impl Fraction {
    pub(super) fn new(numerator: u128, denominator: u128) -> Self {
        let common = common_divisor(numerator, denominator).max(1);
        Self { numerator: numerator / common, denominator: denominator / common }
    }

    pub(super) fn times(self, decimal: Decimal) -> Self {
        let (numerator, denominator) = decimal.fraction();
        Self::new(self.numerator * numerator, self.denominator * denominator)
    }

    /// Whether `some` of `all` is more.
    pub(super) fn is_below(self, some: u64, all: u64) -> bool {
        self.numerator * u128::from(all) < u128::from(some) * self.denominator
    }

    /// Whether any share can be above it.
    pub(super) fn is_below_one(self) -> bool {
        self.numerator < self.denominator
    }

    /// The nearest number that there is.
    pub(super) fn float(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "objectives have few digits")]
        let quotient = self.numerator as f64 / self.denominator as f64;
        quotient
    }
}

fn common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The decimal where there is one, else the decimal nearest to it that a float has.
impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for places in 0..=20 {
            let scale = 10_u128.pow(places);
            if let Some(scaled) = self.numerator.checked_mul(scale)
                && scaled.is_multiple_of(self.denominator)
            {
                return write!(f, "{}", Decimal::new(scaled / self.denominator, places));
            }
        }
        write!(f, "{}", self.float())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_prometheus_does_it() {
        for (minutes, text) in [
            (5, "5m"),
            (90, "1h30m"),
            (1440, "1d"),
            (4320, "3d"),
            (7 * 1440, "1w"),
            (28 * 1440, "4w"),
            (30 * 1440, "30d"),
            (365 * 1440, "1y"),
        ] {
            assert_eq!(Length(minutes).to_string(), text);
        }
        assert_eq!(Length::parse("4w"), Some(Length::days(28)));
        assert_eq!(Length::parse("720h"), Some(Length::days(30)));
        for text in ["", "0d", "d", "1M", "1.5d", "99999999999d", "30", "-1d"] {
            assert_eq!(Length::parse(text), None, "{text}");
        }
    }

    /// Of table 5-8 of the SRE workbook for 30 days; for 28 days by F = percent / 100 · period /
    /// long window.
    #[test]
    fn factors_are_those_of_the_tables() {
        let factors = |days| {
            let windows = AlertWindows::usual(Length::days(days));
            let pairs: Vec<Pair> = windows.page.into_iter().chain(windows.ticket).collect();
            pairs.iter().map(|it| windows.factor(it).to_string()).collect::<Vec<_>>()
        };
        assert_eq!(factors(30), ["14.4", "6", "3", "1"]);
        assert_eq!(factors(28), ["13.44", "5.6", "2.8", "0.9333333333333333"]);
        assert_eq!(factors(90), factors(30), "a quarter's alerts are about a month");
        assert_eq!(factors(7), factors(30));
    }

    #[test]
    fn thresholds_are_exact() {
        let at = |days, budget| {
            let windows = AlertWindows::usual(Length::days(days));
            let pairs: Vec<Pair> = windows.page.into_iter().chain(windows.ticket).collect();
            let thresholds = pairs.iter().map(|it| windows.factor(it).times(budget).to_string());
            thresholds.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(at(30, Decimal::new(1, 3)), "0.0144 0.006 0.003 0.001");
        assert_eq!(at(30, Decimal::new(5, 4)), "0.0072 0.003 0.0015 0.0005");
        assert_eq!(at(30, Decimal::new(1, 6)), "0.0000144 0.000006 0.000003 0.000001");
        assert_eq!(at(28, Decimal::new(1, 3)), "0.01344 0.0056 0.0028 0.0009333333333333333");
        assert_eq!(at(28, Decimal::new(15, 3)), "0.2016 0.084 0.042 0.014");
        assert_eq!(at(30, Decimal::new(0, 0)), "0 0 0 0");
    }

    #[test]
    fn what_can_never_be_is_seen() {
        let windows = AlertWindows::usual(Length::days(30));
        let fast = |budget| windows.threshold(budget, &windows.page[0]);
        assert!(fast(Decimal::new(69, 3)).is_some(), "14.4 × 0.069 < 1");
        assert_eq!(fast(Decimal::new(7, 2)), None, "14.4 × 0.07 > 1");
    }
}
