//! `[kpis.ID]` and `[baseline]`: what is aimed at.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Amount, Day};
use crate::kpi::{Better, Kpi, TargetRule, Unit};
use crate::setting::Complaint;

/// A KPI: `[kpis.ID]`. What is absent keeps the definition's default.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KpiSettings {
    /// Decides the status: a number in the KPI's unit (a share from 0 to 1, seconds, a count) or a
    /// length of time such as `15m`.
    pub target: Option<Amount>,
    /// A second, better line on the chart.
    pub good: Option<Amount>,
    /// Of a KPI with a band: the lowest count that meets it.
    pub low: Option<f64>,
    /// Of a KPI with a band: above it is shown as above.
    pub high: Option<f64>,
    /// Of a KPI that is compared with the window before: the largest (or smallest) ratio to it.
    pub ratio: Option<f64>,
    /// Of a KPI that is compared with `[baseline]`: the improvement asked for, 0.2 = 20 % better. Of
    /// one that is compared with `baseline_wave`: points of the scale.
    pub improvement: Option<f64>,
    /// The smallest number of items with a status.
    #[schemars(range(min = 1))]
    pub min_n: Option<u64>,
    /// Of a KPI from surveys: the wave that improvement is measured against.
    pub baseline_wave: Option<String>,
    /// Targets of single teams: `[kpis.ID.teams.NAME]`.
    pub teams: BTreeMap<String, TargetSettings>,
    /// Targets of single services: `[kpis.ID.services.NAME]`.
    pub services: BTreeMap<String, TargetSettings>,
}

/// A target: `[kpis.ID.teams.NAME]` or `[kpis.ID.services.NAME]`, with the keys of `[kpis.ID]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TargetSettings {
    /// Decides the status, as in `[kpis.ID]`.
    pub target: Option<Amount>,
    /// A second, better line, as in `[kpis.ID]`.
    pub good: Option<Amount>,
    /// The lowest count of a band that meets it, as in `[kpis.ID]`.
    pub low: Option<f64>,
    /// The upper end of a band, as in `[kpis.ID]`.
    pub high: Option<f64>,
    /// The ratio to the window before, as in `[kpis.ID]`.
    pub ratio: Option<f64>,
    /// The improvement on the baseline, as in `[kpis.ID]`.
    pub improvement: Option<f64>,
}

/// The interval that improvement is measured against: `[baseline]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BaselineSettings {
    /// Its first day, in the calendar's zone.
    pub start: Option<Day>,
    /// The first day after it.
    pub end: Option<Day>,
}

impl KpiSettings {
    pub(super) fn target(&self) -> TargetSettings {
        let Self { target, good, low, high, ratio, improvement, .. } = *self;
        TargetSettings { target, good, low, high, ratio, improvement }
    }
}

impl TargetSettings {
    /// The target of `kpi` that these settings state over `base`; `None` if they state nothing.
    pub(super) fn rule(
        &self,
        kpi: &Kpi,
        base: TargetRule,
    ) -> Result<Option<TargetRule>, Vec<Complaint>> {
        let kinds = self.kinds();
        if let [first, second, ..] = kinds.as_slice() {
            return Err(vec![Complaint::new(
                second.key(),
                format!("excludes {}", first.key()),
                format!("keep one of them; {} is judged by {}", kpi.id, by(kpi)),
            )]);
        }
        let rule = match (kinds.first(), base) {
            (None, _) if self.good.is_none() => return Ok(None),
            (Some(Kind::Target), _) => self.with_target(kpi, base)?,
            (Some(Kind::Improvement), TargetRule::Points { .. }) => {
                self.points(self.improvement.unwrap_or_default())?
            }
            (Some(Kind::Improvement), _) => {
                self.baseline(kpi, self.improvement.unwrap_or_default())?
            }
            (None, TargetRule::Points { improvement, .. }) => self.points(improvement)?,
            (None, TargetRule::Value { target, .. }) => self.value(kpi, target)?,
            (None, TargetRule::Baseline { improvement, .. }) => self.baseline(kpi, improvement)?,
            _ if self.good.is_some() => {
                let rule = "is for a target or an improvement only";
                return Err(vec![Complaint::new("good", rule, "remove it")]);
            }
            (Some(Kind::Ratio), _) => self.rate_ratio(kpi)?,
            (Some(Kind::Band) | None, _) => self.band(kpi, base)?,
        };
        Ok(Some(rule))
    }

    fn points(&self, improvement: f64) -> Result<TargetRule, Vec<Complaint>> {
        let points = |key: &str, value: f64| {
            if value.is_finite() && value > 0.0 {
                return Ok(value);
            }
            let fix = "write points of the survey's scale, for example 1";
            Err(vec![Complaint::new(key, "must be above 0", fix)])
        };
        let improvement = points("improvement", improvement)?;
        let good = match self.good {
            Some(Amount::Number(good)) => Some(points("good", good)?),
            Some(Amount::Time(_)) => Some(points("good", -1.0)?),
            None => None,
        };
        match good {
            Some(good) if good <= improvement => Err(vec![Complaint::new(
                "good",
                format!("is no better than the improvement asked for ({improvement})"),
                "make it larger",
            )]),
            good => Ok(TargetRule::Points { improvement, good }),
        }
    }

    fn kinds(&self) -> Vec<Kind> {
        [
            (Kind::Target, self.target.is_some()),
            (Kind::Band, self.low.is_some() || self.high.is_some()),
            (Kind::Ratio, self.ratio.is_some()),
            (Kind::Improvement, self.improvement.is_some()),
        ]
        .into_iter()
        .filter_map(|(kind, given)| given.then_some(kind))
        .collect()
    }

    fn with_target(&self, kpi: &Kpi, base: TargetRule) -> Result<TargetRule, Vec<Complaint>> {
        if kpi.better == Better::Band {
            return Err(vec![wrong_kind("target", kpi)]);
        }
        let target = self.target.map_or(Ok(0.0), |it| number("target", it, kpi))?;
        let mut rule = self.value(kpi, target)?;
        if let (TargetRule::Value { good, .. }, TargetRule::Value { good: before, .. }) =
            (&mut rule, base)
        {
            *good = good.or(before.filter(|it| is_better(kpi, *it, target)));
        }
        Ok(rule)
    }

    fn value(&self, kpi: &Kpi, target: f64) -> Result<TargetRule, Vec<Complaint>> {
        let good = self.good.map(|it| number("good", it, kpi)).transpose()?;
        match good {
            Some(good) if !is_better(kpi, good, target) => {
                let side = if kpi.better == Better::Lower { "below" } else { "above" };
                Err(vec![Complaint::new(
                    "good",
                    format!("is no better than the target ({target})"),
                    format!("of {}, good lies {side} it", kpi.id),
                )])
            }
            good => Ok(TargetRule::Value { target, good }),
        }
    }

    fn band(&self, kpi: &Kpi, base: TargetRule) -> Result<TargetRule, Vec<Complaint>> {
        let TargetRule::Band { low, high } = base else {
            return Err(vec![wrong_kind(if self.low.is_some() { "low" } else { "high" }, kpi)]);
        };
        let (low, high) = (self.low.unwrap_or(low), self.high.unwrap_or(high));
        if low < 0.0 || low > high {
            let key = if self.low.is_some() { "low" } else { "high" };
            let rule = format!("makes no band: {low} to {high}");
            return Err(vec![Complaint::new(key, rule, "write 0 <= low <= high")]);
        }
        Ok(TargetRule::Band { low, high })
    }

    fn rate_ratio(&self, kpi: &Kpi) -> Result<TargetRule, Vec<Complaint>> {
        if !matches!(kpi.target, TargetRule::RateRatio { .. }) {
            return Err(vec![wrong_kind("ratio", kpi)]);
        }
        match self.ratio {
            Some(ratio) if ratio.is_finite() && ratio > 0.0 => Ok(TargetRule::RateRatio { ratio }),
            _ => Err(vec![Complaint::new("ratio", "must be above 0", "1 asks for no change")]),
        }
    }

    fn baseline(&self, kpi: &Kpi, improvement: f64) -> Result<TargetRule, Vec<Complaint>> {
        if kpi.baseline_value.is_none() {
            return Err(vec![wrong_kind("improvement", kpi)]);
        }
        let share = |key: &str, value: f64| {
            let rule = "must lie between 0 and 1";
            let fix = "0.2 asks for 20 % better than the baseline";
            if value > 0.0 && value < 1.0 {
                Ok(value)
            } else {
                Err(vec![Complaint::new(key, rule, fix)])
            }
        };
        let improvement = share("improvement", improvement)?;
        let good = match self.good {
            Some(Amount::Number(good)) => Some(share("good", good)?),
            Some(Amount::Time(_)) => Some(share("good", -1.0)?),
            None => None,
        };
        match good {
            Some(good) if good <= improvement => Err(vec![Complaint::new(
                "good",
                format!("is no better than the improvement asked for ({improvement})"),
                "make it larger",
            )]),
            good => Ok(TargetRule::Baseline { improvement, good }),
        }
    }
}

/// The ways to state a target. They exclude each other.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Target,
    Band,
    Ratio,
    Improvement,
}

impl Kind {
    fn key(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Band => "low",
            Self::Ratio => "ratio",
            Self::Improvement => "improvement",
        }
    }
}

/// What `kpi` is judged by, for people.
fn by(kpi: &Kpi) -> &'static str {
    match kpi.target {
        TargetRule::Value { .. } => "target",
        TargetRule::Band { .. } => "low and high",
        TargetRule::RateRatio { .. } => "target or ratio",
        TargetRule::Baseline { .. } | TargetRule::Points { .. } => "target or improvement",
        TargetRule::Own { what } => what,
    }
}

fn wrong_kind(key: &str, kpi: &Kpi) -> Complaint {
    Complaint::new(
        key,
        format!("does not apply to {}", kpi.id),
        format!("it is judged by {}", by(kpi)),
    )
}

fn is_better(kpi: &Kpi, good: f64, target: f64) -> bool {
    if kpi.better == Better::Lower { good <= target } else { good >= target }
}

fn number(key: &str, amount: Amount, kpi: &Kpi) -> Result<f64, Vec<Complaint>> {
    let complaint = |rule: &str, fix: &str| Err(vec![Complaint::new(key, rule, fix)]);
    match (amount, kpi.unit) {
        (Amount::Time(period), Unit::Seconds | Unit::BusinessSeconds) => {
            Ok(f64::from(period.seconds()))
        }
        (Amount::Time(_), _) => {
            complaint("is a length of time, and the KPI is not", "write a number")
        }
        (Amount::Number(number), Unit::Ratio) if number > 1.0 => {
            complaint("is a share above 1", "write 10 % as 0.1")
        }
        (Amount::Number(number), Unit::Seconds | Unit::BusinessSeconds) if number < 1.0 => {
            complaint("is shorter than a second", "write seconds, or for example \"15m\"")
        }
        (Amount::Number(number), _) => Ok(number),
    }
}
