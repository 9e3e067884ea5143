//! Durations of which some are still running (kpis.md 2.7).

use super::{Bounds, Z, count, real};

/// One thing that was followed: until it completed, or until now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Subject {
    /// How long it took, or has been open so far.
    pub duration: f64,
    /// Whether it completed; otherwise it is censored at `duration`.
    pub completed: bool,
}

/// The survival curve of Kaplan and Meier (1958) after a completion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// When.
    pub time: f64,
    /// How many were still followed just before.
    pub at_risk: u64,
    /// How many completed at this time.
    pub events: u64,
    /// Estimated share that takes longer than `time`.
    pub survival: f64,
    /// Greenwood's sum: the variance of `survival` by its square.
    pub variance: f64,
}

impl Step {
    /// The lower 95 % limit of `survival`, on the log(-log) scale, which keeps it within `[0, 1]`.
    pub fn lower(&self) -> f64 {
        self.limit(-1.0)
    }

    /// The upper 95 % limit of `survival`.
    pub fn upper(&self) -> f64 {
        self.limit(1.0)
    }

    fn limit(&self, side: f64) -> f64 {
        if self.survival <= 0.0 {
            return 0.0;
        }
        let spread = Z * self.variance.sqrt() / self.survival.ln();
        self.survival.powf((side * spread).exp())
    }
}

/// A fitted survival curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KaplanMeier {
    steps: Vec<Step>,
    followed: Option<f64>,
}

/// Survival is a product of fractions: one half is met when it is met up to rounding.
const HALF: f64 = 0.5 + 1e-12;

impl KaplanMeier {
    /// Fits the curve. At equal times completions come before censorings.
    pub fn fit(mut subjects: Vec<Subject>) -> Self {
        subjects.sort_unstable_by(|a, b| a.duration.total_cmp(&b.duration));
        let followed = subjects.last().map(|subject| subject.duration);
        let mut steps = Vec::new();
        let mut at_risk = count(subjects.len());
        let (mut survival, mut variance) = (1.0, 0.0);
        for same_time in subjects.chunk_by(|a, b| a.duration.total_cmp(&b.duration).is_eq()) {
            let events = count(same_time.iter().filter(|subject| subject.completed).count());
            if events > 0 {
                let (n, d) = (real(at_risk), real(events));
                survival *= 1.0 - d / n;
                variance += d / (n * (n - d));
                let time = same_time[0].duration;
                steps.push(Step { time, at_risk, events, survival, variance });
            }
            at_risk -= count(same_time.len());
        }
        Self { steps, followed }
    }

    /// The curve, one step for each time with a completion.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The longest time that anything was followed.
    pub fn followed(&self) -> Option<f64> {
        self.followed
    }

    /// The median. Where the curve is at exactly one half between two completions it is their
    /// midpoint, so that without open items it is the ordinary median. None = not reached.
    pub fn median(&self) -> Option<f64> {
        let at = self.steps.iter().position(|step| step.survival <= HALF)?;
        let step = &self.steps[at];
        let flat = step.survival >= 0.5 - (HALF - 0.5);
        match self.steps.get(at + 1) {
            Some(next) if flat => Some(f64::midpoint(step.time, next.time)),
            _ => Some(step.time),
        }
    }

    /// The 95 % interval of the median: where the limits of the curve pass one half.
    pub fn median_interval(&self) -> Bounds {
        let lower = self.steps.iter().find(|step| step.lower() <= 0.5);
        // The upper limit is never below the curve, so most need not be asked for.
        let upper = self.steps.iter().find(|step| step.survival <= HALF && step.upper() <= 0.5);
        Bounds { lower: lower.map(|step| step.time), upper: upper.map(|step| step.time) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::super::quantile::Sample;
    use super::super::vectors::{assert_close, assert_same, parse};
    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        tolerance: f64,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        durations: Vec<f64>,
        observed: Vec<u8>,
        steps: Vec<StepCase>,
        median_mid: Option<f64>,
        median_low: Option<f64>,
        median_high: Option<f64>,
    }

    #[derive(Deserialize)]
    struct StepCase {
        t: f64,
        at_risk: u64,
        events: u64,
        #[serde(rename = "S")]
        survival: f64,
        low: f64,
        high: f64,
    }

    fn subjects(durations: &[f64], observed: &[bool]) -> Vec<Subject> {
        let pairs = durations.iter().zip(observed);
        pairs.map(|(&duration, &completed)| Subject { duration, completed }).collect()
    }

    #[test]
    fn curves_and_medians_are_those_of_lifelines() {
        let file: Vectors = parse(include_str!("../../../tests/vectors/kaplan_meier.json"));
        assert!(file.cases.len() > 10, "the vectors are all there");
        for case in file.cases {
            let observed: Vec<bool> = case.observed.iter().map(|it| *it == 1).collect();
            let curve = KaplanMeier::fit(subjects(&case.durations, &observed));
            assert_eq!(curve.steps().len(), case.steps.len(), "{}", case.name);
            for (ours, theirs) in curve.steps().iter().zip(&case.steps) {
                let what = format!("{} at {}", case.name, theirs.t);
                assert_eq!((ours.at_risk, ours.events), (theirs.at_risk, theirs.events), "{what}");
                assert_close(&what, ours.time, theirs.t, file.tolerance);
                assert_close(&what, ours.survival, theirs.survival, file.tolerance);
                assert_close(&what, ours.lower(), theirs.low, file.tolerance);
                assert_close(&what, ours.upper(), theirs.high, file.tolerance);
            }
            let interval = curve.median_interval();
            assert_same(&case.name, curve.median(), case.median_mid, file.tolerance);
            assert_same(&case.name, interval.lower, case.median_low, file.tolerance);
            assert_same(&case.name, interval.upper, case.median_high, file.tolerance);
        }
    }

    proptest! {
        #[test]
        fn without_open_items_it_is_the_sample_median(
            durations in proptest::collection::vec(0_u32..50, 1..60),
        ) {
            let durations: Vec<f64> = durations.into_iter().map(f64::from).collect();
            let curve = KaplanMeier::fit(subjects(&durations, &vec![true; durations.len()]));
            let sample = Sample::new(durations);
            let (ours, theirs) = (curve.median().unwrap(), sample.quantile(0.5).unwrap());
            prop_assert!((ours - theirs).abs() < 1e-9, "{ours} is not {theirs}");
        }

        #[test]
        fn the_curve_falls_and_the_median_lies_in_its_interval(
            items in proptest::collection::vec((0_u32..50, any::<bool>()), 0..60),
        ) {
            let items = items.into_iter();
            let subjects: Vec<Subject> = items
                .map(|(it, completed)| Subject { duration: f64::from(it), completed })
                .collect();
            let curve = KaplanMeier::fit(subjects.clone());
            for step in curve.steps() {
                prop_assert!(0.0 <= step.lower() && step.lower() <= step.survival);
                prop_assert!(step.survival <= step.upper() && step.upper() <= 1.0);
            }
            prop_assert!(curve.steps().is_sorted_by(|a, b| a.survival > b.survival));
            let interval = curve.median_interval();
            if let Some(median) = curve.median() {
                prop_assert!(interval.lower.is_none_or(|lower| lower <= median));
                prop_assert!(interval.upper.is_none_or(|upper| median <= upper));
            } else {
                prop_assert_eq!(interval.upper, None, "not reached has no upper bound");
            }
            let open_longer = subjects.iter().map(|it| Subject {
                duration: if it.completed { it.duration } else { it.duration + 100.0 },
                completed: it.completed,
            });
            let later = KaplanMeier::fit(open_longer.collect()).median();
            prop_assert!(later.is_none_or(|later| curve.median().is_some_and(|it| it <= later)));
        }
    }
}
