//! `[kpis]` and `[baseline]`: known ids, teams and services; targets that make sense.

use std::collections::BTreeMap;

use super::{Checker, Targets};
use crate::config::path::KeyPath;
use crate::config::suggest;
use crate::config::targets::{KpiSettings, TargetSettings};
use crate::kpi::{self, Kpi, TargetRule};

pub(super) fn check(checker: &mut Checker<'_>) {
    let document = checker.document;
    for (id, settings) in &document.kpis {
        let path = KeyPath::root().key("kpis").key(id.as_str());
        let Some(kpi) = kpi::ALL.iter().find(|it| it.id == id) else {
            let fix = suggest::fix(id, kpi::ALL.iter().map(|it| it.id), "see `engkpi kpis`");
            checker.key(&path, "there is no such KPI", fix);
            continue;
        };
        if settings.min_n == Some(0) {
            checker.value(&path.key("min_n"), "0 is too few", "write 1 or more");
        }
        if let Some(wave) = &settings.baseline_wave {
            baseline_wave(checker, &path.key("baseline_wave"), kpi, wave);
        }
        if kpi.id == kpi::finding_closure::KPI.id && profile(checker, &path, settings) {
            continue;
        }
        let own = rule(checker, &path, kpi, &settings.target(), kpi.target);
        let base = own.unwrap_or(kpi.target);
        let targets = Targets {
            own,
            teams: overrides(checker, &path, "teams", kpi, &settings.teams, base),
            services: overrides(checker, &path, "services", kpi, &settings.services, base),
        };
        checker.checked.kpis.insert(id.clone(), targets);
    }
    baseline(checker);
}

/// A baseline wave must be a wave of a survey that feeds the KPI.
fn baseline_wave(checker: &mut Checker<'_>, path: &KeyPath, kpi: &Kpi, wave: &str) {
    if !matches!(kpi.target, TargetRule::Points { .. }) {
        let rule = format!("does not apply to {}", kpi.id);
        return checker.value(path, rule, "remove it; it is for KPIs from surveys");
    }
    let sources = KeyPath::root().key("sources");
    if checker.broken.iter().any(|it| sources.holds(it)) {
        return;
    }
    let document = checker.document;
    let surveys = document.sources.iter().flat_map(|(_, source)| source.surveys());
    let of_kpi = surveys.filter(|(_, it)| it.kpi.id() == kpi.id);
    let waves: Vec<&str> = of_kpi.flat_map(|(_, it)| it.waves.keys()).map(String::as_str).collect();
    if !waves.contains(&wave) {
        let otherwise = format!("name a wave of a survey with kpi = {:?}", kpi.id);
        let fix = suggest::fix(wave, waves.iter().copied(), &otherwise);
        checker.value(path, format!("there is no wave {wave:?}"), fix);
    }
}

/// Findings have a profile of targets, which also says when one of them is overdue. Whether
/// something else was tried.
fn profile(checker: &mut Checker<'_>, path: &KeyPath, settings: &KpiSettings) -> bool {
    let keys = ["target", "good", "low", "high", "ratio", "improvement", "teams", "services"];
    let given: Vec<KeyPath> = keys
        .into_iter()
        .map(|key| path.key(key))
        .filter(|key| checker.layers.get(key).is_some())
        .collect();
    for key in &given {
        let fix = "write the times in [rules.findings.sla], those of teams and services beside it";
        checker.key(key, "is not how findings are judged: each severity has its time", fix);
    }
    !given.is_empty() || settings.min_n == Some(0)
}

fn overrides(
    checker: &mut Checker<'_>,
    path: &KeyPath,
    section: &str,
    kpi: &Kpi,
    settings: &BTreeMap<String, TargetSettings>,
    base: TargetRule,
) -> BTreeMap<String, TargetRule> {
    let known = checker.names(section);
    let mut rules = BTreeMap::new();
    for (name, settings) in settings {
        let path = path.key(section).key(name.as_str());
        if !known.contains(name) && !checker.is_broken(section) {
            let what = section.trim_end_matches('s');
            let fix = suggest::fix(name, known.iter().map(String::as_str), "remove it");
            checker.key(&path, format!("there is no {what} {name:?}"), fix);
        }
        rules.extend(rule(checker, &path, kpi, settings, base).map(|rule| (name.clone(), rule)));
    }
    rules
}

fn rule(
    checker: &mut Checker<'_>,
    path: &KeyPath,
    kpi: &Kpi,
    settings: &TargetSettings,
    base: TargetRule,
) -> Option<TargetRule> {
    let rule = match settings.rule(kpi, base) {
        Ok(rule) => rule,
        Err(complaints) => {
            checker.complain(path, complaints);
            return None;
        }
    };
    let baseline = checker.document.baseline.as_ref();
    if matches!(rule, Some(TargetRule::Baseline { .. }))
        && baseline.is_some_and(|it| it.start.is_none() && it.end.is_none())
    {
        let key = if settings.improvement.is_some() { "improvement" } else { "good" };
        let fix = "add [baseline] with start and end, or give a target";
        checker.value(&path.key(key), "needs a baseline, and there is none", fix);
    }
    rule
}

fn baseline(checker: &mut Checker<'_>) {
    let Some(settings) = &checker.document.baseline else { return };
    let root = KeyPath::root().key("baseline");
    let (start, end) = match (settings.start, settings.end) {
        (Some(start), Some(end)) => (start.0, end.0),
        (None, None) => return,
        (start, _) => {
            let (there, missing) =
                if start.is_some() { ("start", "end") } else { ("end", "start") };
            let fix = format!("add `{missing} = …`: the baseline is a fixed interval");
            return checker.key(&root.key(missing), format!("is missing beside {there}"), fix);
        }
    };
    if start >= end {
        let fix = "write the first day, and the first day after the interval";
        checker.value(&root.key("end"), format!("is not after the start ({start})"), fix);
    }
    if end.and_time(chrono::NaiveTime::MIN).and_utc() > checker.now {
        let fix = "choose an interval that is over: a baseline never changes";
        checker.value(&root.key("end"), "lies in the future", fix);
    }
    let document = checker.document;
    let earliest = document.sources.iter().map(|(name, it)| (it.history_start().0, name)).min();
    if let Some((first, name)) = earliest
        && start.and_time(chrono::NaiveTime::MIN).and_utc() < first
        && start < end
    {
        let rule =
            format!("begins before any source has history (first: {name}, {})", first.date_naive());
        let fix = "move it, or set an earlier history_start";
        checker.value(&root.key("start"), rule, fix);
    }
}
