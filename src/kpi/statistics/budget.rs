//! Error budgets: what was bad, and what may be (kpis.md 3.3, 3.4).

/// Events of a window, and its slices.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Events {
    /// Bad events, as they add up. Below zero where what is counted swings about nothing, and above
    /// all of them where it swings about everything: [`Self::net`] says what was bad.
    pub bad: f64,
    /// Of the bad events, those of each hour beyond the share by which counts may be off: no swing
    /// explains them, and nothing makes up for them.
    pub sure: f64,
    /// All events.
    pub total: f64,
    /// Slices in which there were events.
    pub valid: f64,
    /// Slices that met the objective.
    pub met: f64,
    /// Hours of which nobody knows how many slices met the objective: there was another one.
    pub unjudged: u64,
    /// Hours that said that more was bad than there was: they are in none of the numbers.
    pub contradictory: u64,
}

impl Events {
    /// Adds what another stretch of time had.
    pub fn add(&mut self, other: &Self) {
        self.bad += other.bad;
        self.sure += other.sure;
        self.total += other.total;
        self.valid += other.valid;
        self.met += other.met;
        self.unjudged += other.unjudged;
        self.contradictory += other.contradictory;
    }

    /// What was bad. Stretches of time that swing make up for each other, but less than nothing is no
    /// credit, for an outage neither, and no more can be bad than there was.
    pub fn net(&self) -> f64 {
        self.bad.max(self.sure).min(self.total).max(0.0)
    }

    /// The slices in the place of the events.
    #[must_use]
    pub fn by_slices(&self) -> Self {
        Self { bad: self.valid - self.met, sure: 0.0, total: self.valid, ..*self }
    }

    /// The share of what was bad; none without events.
    pub fn error_ratio(&self) -> Option<f64> {
        (self.total > 0.0).then(|| self.net() / self.total)
    }

    /// How many times faster than allowed the budget was spent. Without anything allowed, any bad
    /// event is infinitely fast.
    pub fn burn(&self, allowed: f64) -> Option<f64> {
        let ratio = self.error_ratio()?;
        Some(if ratio == 0.0 { 0.0 } else { ratio / allowed })
    }

    /// Whether no more was bad than allowed. Compared as counts, so that no subtraction from 1
    /// blurs it.
    pub fn meets(&self, allowed: f64) -> bool {
        // Sums of extrapolated counts are not exact to the last digit.
        self.net() <= self.total * allowed * (1.0 + 1e-9)
    }

    /// Whether there were so few events that ten bad ones would be more than allowed.
    pub fn is_low_traffic(&self, allowed: f64) -> bool {
        self.total * allowed < 10.0
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::super::vectors::{assert_close, assert_same, parse};
    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        tolerance: f64,
        cases: Vec<Case>,
        budget: Vec<Budget>,
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        slo: f64,
        good: f64,
        total: f64,
        sli: Option<f64>,
        error_ratio: Option<f64>,
        burn_rate: Option<f64>,
    }

    #[derive(Deserialize)]
    struct Budget {
        slo: f64,
        period_days: f64,
        burn_rate: f64,
        window_hours: f64,
        budget_consumed: f64,
    }

    fn vectors() -> Vectors {
        parse(include_str!("../../../tests/vectors/slo_burn.json"))
    }

    #[test]
    fn burns_are_those_of_the_vectors() {
        let file = vectors();
        assert_eq!(file.cases.len(), 7, "the vectors are all there");
        for case in file.cases {
            let events =
                Events { bad: case.total - case.good, total: case.total, ..Events::default() };
            let ratio = events.error_ratio();
            let what = &case.name;
            assert_same(what, ratio, case.error_ratio, file.tolerance);
            assert_same(what, ratio.map(|it| 1.0 - it), case.sli, file.tolerance);
            assert_same(what, events.burn(1.0 - case.slo), case.burn_rate, file.tolerance);
        }
    }

    #[test]
    fn what_a_window_consumes_is_its_share_of_the_period() {
        let file = vectors();
        for case in file.budget {
            // A day of even traffic, a million events an hour.
            let allowed = 1.0 - case.slo;
            let total = case.window_hours * 1e6;
            let burnt =
                Events { bad: total * allowed * case.burn_rate, total, ..Events::default() };
            assert_close("burn", burnt.burn(allowed).unwrap(), case.burn_rate, file.tolerance);
            let budget = case.period_days * 24.0 * 1e6 * allowed;
            assert_close("consumed", burnt.bad / budget, case.budget_consumed, file.tolerance);
        }
    }

    #[test]
    fn without_a_budget_one_bad_event_is_an_infinite_burn() {
        let events = |bad| Events { bad, total: 100.0, ..Events::default() };
        assert_eq!(events(0.0).burn(0.0), Some(0.0));
        assert_eq!(events(1.0).burn(0.0), Some(f64::INFINITY));
        assert!(events(0.0).meets(0.0) && !events(1.0).meets(0.0));
    }

    #[test]
    fn less_than_nothing_is_no_credit_and_makes_up_for_what_was_bad() {
        let stretch = |bad| Events { bad, total: 100.0, ..Events::default() };
        let mut sum = stretch(-1.0);
        assert_eq!((sum.net(), sum.error_ratio()), (0.0, Some(0.0)));
        sum.add(&stretch(3.0));
        assert_eq!((sum.net(), sum.error_ratio()), (2.0, Some(0.01)));
        sum.add(&Events { sure: 2.5, ..stretch(-1.0) });
        assert_eq!((sum.bad, sum.net()), (1.0, 2.5));
        assert_eq!(sum.by_slices().net(), 0.0);
        assert!(stretch(100.5).meets(1.0));
        assert_eq!((stretch(100.5).net(), stretch(100.5).error_ratio()), (100.0, Some(1.0)));
    }

    #[test]
    fn traffic_is_low_below_ten_bad_events_allowed() {
        let events = |total| Events { total, ..Events::default() };
        assert!(events(9_999.0).is_low_traffic(0.001));
        assert!(!events(10_000.0).is_low_traffic(0.001));
    }
}
