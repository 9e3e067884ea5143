//! Numbers as the decimals that people write: 99.9 % is 0.999 and leaves exactly 0.001.

use std::fmt;

/// A decimal number from 0 on: `digits` with the point so many places from the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: u128,
    places: u32,
}

impl Decimal {
    /// The number that a float was written as: the shortest decimal that means it. `None` if it is
    /// negative, no number, or has more than 18 digits.
    pub fn of(value: f64) -> Option<Self> {
        if !value.is_finite() || value < 0.0 {
            return None;
        }
        let text = format!("{value}");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits = format!("{whole}{fraction}");
        let places = u32::try_from(fraction.len()).ok()?;
        (digits.len() <= 18)
            .then(|| digits.parse().ok())
            .flatten()
            .map(|digits| Self { digits, places })
    }

    /// A hundredth of it.
    #[must_use]
    pub fn percent(self) -> Self {
        Self { places: self.places + 2, ..self }
    }

    /// `digits` with the point `places` from the right: `new(144, 1)` is 14.4.
    pub const fn new(digits: u128, places: u32) -> Self {
        Self { digits, places }
    }

    /// A hundred of it.
    #[must_use]
    pub fn hundredfold(self) -> Self {
        match self.places.checked_sub(2) {
            Some(places) => Self { places, ..self },
            None => Self { digits: self.digits * 10_u128.pow(2 - self.places), places: 0 },
        }
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// A numerator and a denominator that it is the quotient of.
    pub fn fraction(self) -> (u128, u128) {
        (self.digits, 10_u128.saturating_pow(self.places))
    }

    /// What is missing to 1; `None` if nothing can be, because it is more.
    pub fn rest(self) -> Option<Self> {
        let one = 10_u128.checked_pow(self.places)?;
        Some(Self { digits: one.checked_sub(self.digits)?, ..self })
    }

    /// As a float: the nearest one.
    pub fn float(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.places as usize;
        let digits = format!("{:0>width$}", self.digits, width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        match fraction.trim_end_matches('0') {
            "" => f.write_str(whole),
            fraction => write!(f, "{whole}.{fraction}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_to_binary_fractions() {
        for (percent, ratio, rest) in [
            (99.9, "0.999", "0.001"),
            (99.95, "0.9995", "0.0005"),
            (99.99, "0.9999", "0.0001"),
            (95.0, "0.95", "0.05"),
            (100.0, "1", "0"),
            (0.5, "0.005", "0.995"),
            (99.999_999, "0.99999999", "0.00000001"),
        ] {
            let objective = Decimal::of(percent).unwrap().percent();
            assert_eq!(objective.to_string(), ratio);
            assert_eq!(objective.rest().unwrap().to_string(), rest);
        }
        assert_eq!(Decimal::of(99.9).unwrap().percent().rest().unwrap().float(), 0.001);
        for (ratio, percent) in [(0.999, "99.9"), (1.0, "100"), (0.5, "50"), (0.99995, "99.995")] {
            assert_eq!(Decimal::of(ratio).unwrap().hundredfold().to_string(), percent);
        }
        assert_eq!(Decimal::of(100.1).unwrap().percent().rest(), None);
        assert_eq!(Decimal::of(-1.0), None);
        assert_eq!(Decimal::of(f64::NAN), None);
    }
}
