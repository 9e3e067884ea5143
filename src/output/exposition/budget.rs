//! The series budget (docs/adr/0009), counted from one of each of what an organisation has many of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::everything::Series;
use super::{Options, is_own};
use crate::kpi;

/// The most series of a large organisation: a thousand services in fifty teams.
const BUDGET: usize = 300_000;

/// What there are many of. What it has of each is all alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Each {
    Organisation,
    Team,
    Service,
    /// A repository with decision records.
    Records,
    Endpoint,
    Slo,
}

impl Each {
    /// How many series it has at most, as docs/metrics.md says.
    fn at_most(self) -> usize {
        match self {
            Self::Organisation => 6500,
            Self::Team => 1700,
            Self::Service => 150,
            Self::Records => 25,
            Self::Endpoint => 80,
            Self::Slo => 110,
        }
    }

    /// How many there are of it, except SLOs.
    fn count(self) -> usize {
        match self {
            Self::Organisation => 1,
            Self::Team => 50,
            Self::Service => 1000,
            Self::Records | Self::Endpoint => 100,
            Self::Slo => 0,
        }
    }
}

impl Series {
    fn each(&self) -> Each {
        let has = |name| self.labels.contains_key(name);
        let kpi = format!("{} {}", self.metric, self.label("kpi"));
        let of_records = ["decision", "architecture"].iter().any(|it| kpi.contains(it));
        match () {
            () if has("slo") => Each::Slo,
            () if has("endpoint") => Each::Endpoint,
            () if has("repository") || (has("service") && of_records) => Each::Records,
            () if has("service") => Each::Service,
            () if has("team") => Each::Team,
            () => Each::Organisation,
        }
    }

    /// What it is counted as when one looks for what costs most.
    fn kind(&self) -> String {
        let labels = ["kpi", "scope", "window", "stat"].map(|name| self.label(name));
        format!("{} {}", self.metric, labels.join(" "))
    }
}

/// How many series there are of each, by what they are counted as.
fn costs(all: &[Series]) -> BTreeMap<Each, BTreeMap<String, usize>> {
    let mut costs: BTreeMap<Each, BTreeMap<String, usize>> = BTreeMap::new();
    for series in all {
        *costs.entry(series.each()).or_default().entry(series.kind()).or_default() += 1;
    }
    costs
}

/// The costs of a large organisation, the highest first: series, metric, KPI, scope, window and
/// statistic.
fn table(costs: &BTreeMap<Each, BTreeMap<String, usize>>) -> String {
    let rows = costs.iter().flat_map(|(each, kinds)| {
        kinds.iter().map(move |(kind, count)| (count * each.count().max(1), kind))
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by(|a, b| b.cmp(a));
    rows.iter().fold(String::new(), |mut text, (count, kind)| {
        writeln!(text, "{count:>7} {kind}").unwrap();
        text
    })
}

fn total(costs: &BTreeMap<Each, BTreeMap<String, usize>>) -> usize {
    costs.iter().map(|(each, kinds)| each.count() * kinds.values().sum::<usize>()).sum()
}

/// With `--nocapture` it prints what costs how much.
#[test]
#[expect(clippy::print_stdout, reason = "cuts are chosen by figures")]
fn a_large_organisation_stays_within_the_series_budget() {
    let all = Series::all(&[]);
    let (costs, slo) = (costs(&all), of_slos(&["web"]));
    println!("{} series and {slo} for each SLO\n{}", total(&costs), table(&costs));
    for (each, kinds) in &costs {
        let count: usize = kinds.values().sum();
        assert!(count <= each.at_most(), "{each:?} has {count}: see docs/metrics.md");
    }
    assert!(slo <= Each::Slo.at_most(), "an SLO has {slo}: see docs/metrics.md");
    // One service in ten has an SLO.
    let total = total(&costs) + 100 * slo;
    assert!(total < BUDGET, "{total} series:\n{}", table(&costs));
}

#[test]
fn no_family_of_a_large_organisation_meets_its_cap() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for series in Series::all(&["web"]) {
        let times = if series.each() == Each::Slo { 1000 } else { series.each().count() };
        *counts.entry(series.metric).or_default() += times;
    }
    let cap = Options::default().max_series;
    let over: Vec<_> = counts.iter().filter(|(_, count)| **count > cap).collect();
    assert!(over.is_empty(), "a family may have {cap} series: {over:?}");
}

#[test]
fn something_happens_of_which_every_family_tells() {
    let families = kpi::ALL.iter().flat_map(|kpi| kpi.families).map(|family| family.name);
    let known: BTreeSet<_> = Series::all(&["web"]).into_iter().map(|it| it.metric).collect();
    let unknown: Vec<_> = families.filter(|name| !known.contains(*name)).collect();
    assert!(unknown.is_empty(), "let something happen in everything.rs that makes {unknown:?}");
}

/// The series with SLOs of these services that there are not without.
fn of_slos(services: &[&str]) -> usize {
    Series::all(services).iter().filter(|it| it.each() == Each::Slo).count()
}

#[test]
fn slos_cost_the_same_wherever_they_are() {
    let one = of_slos(&["web"]);
    assert_eq!(of_slos(&["web", "web"]), 2 * one, "in one team");
    assert_eq!(of_slos(&["web", "api"]), 2 * one, "in two teams");
    assert!(1000 * one < BUDGET / 2, "a thousand SLOs have {} series", 1000 * one);
}

#[test]
fn the_numbers_of_an_slo_are_in_one_scope() {
    let all = Series::all(&["web", ""]);
    let of = |slo: &str, scope: &str, window: &str| {
        let compliance = all.iter().filter(|it| it.metric == "engkpi_slo_compliance_ratio");
        let mut here = compliance.filter(|it| it.label("slo") == slo && it.label("scope") == scope);
        here.any(|it| it.label("window") == window)
    };
    let windows = ["30d", "own", "quarter", "month_history"];
    let scopes =
        |slo| windows.map(|window| ["org", "team", "service"].map(|it| of(slo, it, window)));
    let (org, team, service) = ([true, false, false], [false, true, false], [false, false, true]);
    assert_eq!(scopes("slo0"), [service, service, team, team]);
    assert_eq!(scopes("slo1"), [org; 4], "it is of no service");
    for scope in ["org", "team", "service"] {
        let status = |it: &&Series| {
            it.metric == "engkpi_kpi_status"
                && it.label("slo") == "slo0"
                && it.label("scope") == scope
        };
        assert_eq!(
            all.iter().filter(status).count(),
            3,
            "{scope}: in 30d and own, and of the burn"
        );
    }
}

/// Every ratio and every distribution says how many items it is made of, and so does everything
/// that a target may be about.
#[test]
fn no_value_is_shown_without_its_n() {
    let all = Series::all(&["web"]);
    let known: BTreeSet<_> = all.iter().map(|it| (it.metric.as_str(), &it.labels)).collect();
    let mut checked = 0;
    for kpi in kpi::ALL {
        for family in kpi.families {
            let samples = family.name.trim_end_matches("_ratio").trim_end_matches("_seconds");
            let samples = format!("{samples}_samples");
            let counted = all.iter().any(|it| it.metric == samples);
            for series in all.iter().filter(|it| it.metric == family.name) {
                let mut labels = series.labels.clone();
                let metric = if is_own(kpi, family) {
                    labels.insert("kpi".to_owned(), kpi.id.to_owned());
                    labels.entry("window".to_owned()).or_insert("now".to_owned());
                    "engkpi_kpi_samples"
                } else if family.distribution || counted {
                    &samples
                } else {
                    continue;
                };
                assert!(known.contains(&(metric, &labels)), "no {metric} with {labels:?}");
                checked += 1;
            }
        }
    }
    assert!(checked > 1000, "{checked}");
}
