//! The verdict on one KPI in one scope and window (kpis.md 1.4, 1.5).

use super::{Goal, Judged, Scope};
use crate::kpi::params::Params;
use crate::kpi::statistics::poisson::Exposure;
use crate::kpi::statistics::{Comparison, Logarithms, compare_durations, rate_ratio};
use crate::kpi::status::{self, Estimate, State};
use crate::kpi::window::{Cut, Window, WindowKind};
use crate::kpi::{Aim, Kpi, Reading, TargetRule, Unit, View};

/// What a verdict is reached from.
pub(super) struct Verdict<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) kpi: &'static Kpi,
    pub(super) scope: Scope,
    pub(super) cut: &'a Cut,
    /// The durations in the window that a baseline target compares.
    pub(super) durations: Vec<f64>,
    pub(super) readings: &'a [Reading],
    /// The window before and its readings; `None` where the sources do not cover it.
    pub(super) previous: Option<(&'a [Reading], &'a Cut)>,
    /// Why the KPI cannot be computed at all.
    pub(super) unavailable: Option<State>,
    /// The durations of the baseline interval; `Err` where the sources do not cover it.
    pub(super) baseline: Result<Option<&'a Logarithms>, State>,
}

impl Verdict<'_> {
    /// One verdict for each value that has a target, and one where there is none.
    pub(super) fn judge(&self) -> Vec<Judged> {
        let comparison = self.comparison().as_ref().map(Estimate::from);
        let aims = match target(self.kpi, self.view.params, self.scope) {
            Some(rule) => self.aims(rule),
            None => Vec::new(),
        };
        if aims.is_empty() {
            let named = dimensions(self.kpi);
            let known = headline(self.kpi, self.readings, &named).is_some();
            let state = if known { State::NoTarget } else { State::Insufficient };
            return vec![self.judged(named, state, comparison.as_ref())];
        }
        aims.into_iter()
            .map(|aim| {
                let reading = headline(self.kpi, self.readings, &aim.dimensions);
                let change = reading.and_then(|it| it.change.as_deref().copied()).or(comparison);
                let state = reading.map_or(State::Insufficient, |reading| {
                    self.state(&aim, reading, change.as_ref())
                });
                self.judged(aim.dimensions, state, change.as_ref())
            })
            .collect()
    }

    /// The verdict on a window in which the KPI has no target.
    pub(super) fn without_target(&self) -> Judged {
        self.judged(dimensions(self.kpi), State::NoTarget, None)
    }

    fn judged(
        &self,
        dimensions: Vec<(&'static str, String)>,
        state: State,
        change: Option<&Estimate>,
    ) -> Judged {
        let lag = chrono::TimeDelta::days(self.kpi.provisional_days);
        let ratio = change.filter(|_| self.kpi.baseline_value.is_some());
        // What could not be measured at all is not known.
        let state = if self.readings.is_empty() { State::NoData } else { state };
        Judged {
            kpi: self.kpi,
            scope: self.scope,
            window: self.cut.label.clone(),
            period: self.cut.period.clone(),
            dimensions,
            state: self.unavailable.unwrap_or(state),
            baseline_ratio: ratio.and_then(|it| it.value),
            provisional: self.cut.span.end + lag > self.view.as_of,
        }
    }

    /// The values with a target: where that leaves dimensions open, each that was measured.
    fn aims(&self, rule: TargetRule) -> Vec<Aim> {
        if !self.kpi.is_open() {
            return aims(self.kpi, self.view.params, self.scope, rule);
        }
        let named = self.readings.iter().filter(|it| self.kpi.names(it));
        named.map(|it| Aim { dimensions: it.dimensions.clone(), rule }).collect()
    }

    fn state(&self, aim: &Aim, reading: &Reading, change: Option<&Estimate>) -> State {
        if let Some(state @ (State::NoData | State::Stale)) = reading.verdict {
            return state;
        }
        if let Some(least) = self.kpi.min_coverage
            && reading.coverage.is_none_or(|share| share < least)
        {
            return State::Insufficient;
        }
        let min_n = min_n(self.kpi, self.view.params, &aim.rule);
        if let Some(state) = reading.verdict.filter(|_| reading.n >= min_n) {
            return state;
        }
        let state = match aim.rule {
            // So many in a quarter say nothing about so many in a week.
            TargetRule::Value { .. } if is_count(self.kpi) && !self.is_of_default_length() => {
                State::NoTarget
            }
            TargetRule::Value { target, .. } if self.kpi.is_about_now() => {
                status::judge_census(&reading.into(), target, self.kpi.better, min_n)
            }
            TargetRule::Value { target, .. } => {
                status::judge(&reading.into(), target, self.kpi.better, min_n)
            }
            TargetRule::Band { low, .. } => match banded(self.kpi, self.cut) {
                Some(complete) => status::band(reading.value, low, complete),
                None => State::NoTarget,
            },
            TargetRule::RateRatio { ratio } => self.rate(reading, aim, ratio, min_n),
            TargetRule::Baseline { improvement, .. } => match self.baseline {
                Err(state) => state,
                Ok(None) => State::NoTarget,
                Ok(Some(_)) if change.is_none() => State::Insufficient,
                Ok(Some(_)) => status::baseline(change, improvement, self.kpi.better, min_n),
            },
            TargetRule::Points { improvement, .. } => match change {
                _ if !has_baseline_wave(self.kpi, self.view.params) => State::NoTarget,
                None => State::Insufficient,
                Some(change) => status::judge(change, improvement, self.kpi.better, min_n),
            },
            TargetRule::Own { .. } => State::NoTarget,
        };
        match reading.condition {
            Some(condition) if state <= State::Missed => state.max(condition),
            _ => state,
        }
    }

    /// Whether the window is as long as the KPI's default window.
    fn is_of_default_length(&self) -> bool {
        let Ok(default) = Window::parse(self.kpi.default_window) else { return false };
        let default = default.cut(self.view.as_of, &self.view.params.calendar);
        let same_kind =
            std::mem::discriminant(&default.kind) == std::mem::discriminant(&self.cut.kind);
        same_kind && (self.cut.kind != WindowKind::Rolling || default.label == self.cut.label)
    }

    fn rate(&self, reading: &Reading, aim: &Aim, ratio: f64, min_n: u64) -> State {
        let Some((earlier, earlier_cut)) = self.previous else { return State::NoData };
        let before = headline(self.kpi, earlier, &aim.dimensions).map_or(0, |it| it.n);
        let change = rate_ratio(
            Exposure { events: reading.n, days: self.cut.span.days() },
            Exposure { events: before, days: earlier_cut.span.days() },
        );
        status::judge(&Estimate::from(&change), ratio, self.kpi.better, min_n)
    }

    fn comparison(&self) -> Option<Comparison> {
        let then = self.baseline.ok().flatten()?;
        if self.unavailable.is_some() {
            return None;
        }
        compare_durations(then, &self.durations)
    }
}

/// Whether there is a wave of a survey that improvement in points is measured against.
fn has_baseline_wave(kpi: &Kpi, params: &Params) -> bool {
    params.kpis.get(kpi.id).is_some_and(|it| it.baseline_wave.is_some())
}

/// The reading with the given dimensions that a target of the KPI is about.
fn headline<'a>(
    kpi: &Kpi,
    readings: &'a [Reading],
    dimensions: &[(&'static str, String)],
) -> Option<&'a Reading> {
    let has_all = |reading: &&Reading| dimensions.iter().all(|(name, is)| reading.has(name, is));
    readings.iter().filter(|it| kpi.is_headline(it)).find(has_all)
}

/// The dimensions of the value that the KPI's target names.
fn dimensions(kpi: &Kpi) -> Vec<(&'static str, String)> {
    kpi.target_dimensions.iter().map(|(name, is)| (*name, (*is).to_owned())).collect()
}

/// The values with a target in a scope where that is `rule` in general.
fn aims(kpi: &Kpi, params: &Params, scope: Scope, rule: TargetRule) -> Vec<Aim> {
    match kpi.aims {
        Some(aims) => aims(params, scope, rule),
        None => vec![Aim { dimensions: dimensions(kpi), rule }],
    }
}

/// Whether a band is judged on this window, which has to be like the KPI's default one, and if so
/// whether it is complete.
fn banded(kpi: &Kpi, cut: &Cut) -> Option<bool> {
    match (Window::parse(kpi.default_window).ok()?, cut.kind) {
        (Window::Month, WindowKind::Month { complete })
        | (Window::Quarter, WindowKind::Quarter { complete })
        | (Window::Year, WindowKind::Year { complete }) => Some(complete),
        (Window::Rolling(_), WindowKind::Rolling) if cut.label == kpi.default_window => Some(true),
        _ => None,
    }
}

/// The target that holds in a scope. A band is a target of the organisation and of teams that
/// configure one (kpis.md 3.1).
fn target(kpi: &Kpi, params: &Params, scope: Scope) -> Option<TargetRule> {
    let configured = params.kpis.get(kpi.id);
    let of_team = |team: usize| configured.and_then(|it| it.team_targets.get(&team)).copied();
    // A band counts what a whole organisation or team decides.
    let inherited = |rule: &TargetRule| !matches!(rule, TargetRule::Band { .. });
    let own = match scope {
        Scope::Org => None,
        Scope::Team(team) => of_team(team),
        Scope::Service(service) => configured
            .and_then(|it| it.service_targets.get(&service))
            .copied()
            .or_else(|| of_team(params.catalogue.services[service].team).filter(inherited)),
    };
    let general = configured.and_then(|it| it.target).unwrap_or(kpi.target);
    match (own, general) {
        (None, TargetRule::Band { .. }) if scope != Scope::Org => None,
        (own, general) => Some(own.unwrap_or(general)),
    }
}

/// The smallest n with a status: as configured, else the KPI's own, else that of the kind of
/// target that was configured instead of the KPI's own (kpis.md section 2).
fn min_n(kpi: &Kpi, params: &Params, rule: &TargetRule) -> u64 {
    let configured = params.kpis.get(kpi.id).and_then(|it| it.min_n);
    configured.unwrap_or_else(|| match rule {
        _ if std::mem::discriminant(rule) == std::mem::discriminant(&kpi.target) => kpi.min_n,
        _ if matches!(kpi.target, TargetRule::Own { .. }) => kpi.min_n,
        TargetRule::Value { .. } => match (kpi.unit, kpi.target_stat) {
            (Unit::Ratio, _) => 10,
            (_, Some(stat)) => stat.min_n(),
            // A count is exact, and its interval says how much chance is in it.
            (_, None) => 0,
        },
        TargetRule::Band { .. } => 0,
        TargetRule::RateRatio { .. } => 5,
        TargetRule::Baseline { .. } => 10,
        TargetRule::Points { .. } => 5,
        TargetRule::Own { .. } => kpi.min_n,
    })
}

/// Whether the KPI's value grows with its window.
fn is_count(kpi: &Kpi) -> bool {
    matches!(kpi.unit, Unit::Incidents | Unit::Decisions | Unit::Items | Unit::People)
}

/// The targets of a KPI: those of the organisation, and those of teams and services that differ
/// from what is above them.
pub(super) fn goals(kpi: &'static Kpi, params: &Params) -> Vec<Goal> {
    let configured = params.kpis.get(kpi.id);
    let own = |scope: Scope| match scope {
        Scope::Org => true,
        Scope::Team(team) => configured.is_some_and(|it| it.team_targets.contains_key(&team)),
        Scope::Service(it) => configured.is_some_and(|set| set.service_targets.contains_key(&it)),
    };
    let of = |scope: Scope| -> Vec<Aim> {
        let rule = target(kpi, params, scope);
        rule.map_or_else(Vec::new, |rule| aims(kpi, params, scope, rule))
    };
    let mut goals = Vec::new();
    for scope in Scope::all(&params.catalogue) {
        // Only KPIs with several targets may have some that are set elsewhere.
        if !own(scope) && kpi.aims.is_none() {
            continue;
        }
        let above = match scope {
            Scope::Service(it) => of(Scope::Team(params.catalogue.services[it].team)),
            Scope::Team(_) => of(Scope::Org),
            Scope::Org => Vec::new(),
        };
        let differs = |aim: &Aim| own(scope) || !above.contains(aim);
        goals.extend(of(scope).into_iter().filter(differs).map(|aim| goal(kpi, scope, aim)));
    }
    goals
}

fn goal(kpi: &'static Kpi, scope: Scope, aim: Aim) -> Goal {
    let Aim { dimensions, rule } = aim;
    let (target, good) = match rule {
        TargetRule::Value { target, good } => (target, good),
        TargetRule::Own { .. } => (f64::NAN, None),
        TargetRule::Band { low, high } => (low, Some(high)),
        TargetRule::RateRatio { ratio } => (ratio, None),
        TargetRule::Baseline { improvement, good } => {
            (1.0 - improvement, good.map(|good| 1.0 - good))
        }
        TargetRule::Points { improvement, good } => (improvement, good),
    };
    Goal { kpi, scope, dimensions, rule, target, good }
}

/// The headline value divided by that of the window before; counts are compared per day, because a
/// running month is shorter than the one before.
pub(super) fn previous_ratio(
    kpi: &Kpi,
    reading: &Reading,
    cut: &Cut,
    earlier: &[Reading],
    earlier_cut: &Cut,
) -> Option<f64> {
    if !kpi.is_headline(reading) {
        return None;
    }
    let before = earlier
        .iter()
        .find(|it| kpi.is_headline(it) && it.dimensions == reading.dimensions)?
        .value?;
    let per_day = if is_count(kpi) { earlier_cut.span.days() / cut.span.days() } else { 1.0 };
    let ratio = reading.value? / before * per_day;
    ratio.is_finite().then_some(ratio)
}
