//! The definitions once more, over the items of an explanation's JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::domain::Instant;

const DAY: f64 = 86_400.0;
/// An hour that ends now is over.
const TICK: chrono::TimeDelta = chrono::TimeDelta::microseconds(1);

/// An explanation as a reader of the JSON has it.
pub(super) struct Explained {
    as_of: Instant,
    start: Instant,
    end: Instant,
    window: String,
    items: Vec<Item>,
}

struct Item(Value);

fn instant(value: &Value) -> Option<Instant> {
    value.as_str().map(|text| text.parse().expect("an instant"))
}

fn seconds(from: Instant, to: Instant) -> f64 {
    (to - from).as_seconds_f64()
}

impl Item {
    fn outcome(&self) -> &str {
        self.0["outcome"].as_str().expect("every item has an outcome")
    }

    fn counted(&self) -> bool {
        self.outcome() == "counted"
    }

    fn open(&self) -> bool {
        self.outcome() == "open"
    }

    fn started_at(&self) -> Instant {
        instant(&self.0["started_at"]).expect("every item began")
    }

    fn completed_at(&self) -> Option<Instant> {
        instant(&self.0["completed_at"])
    }

    fn time(&self, name: &str) -> Option<Instant> {
        instant(&self.0["times"][name])
    }

    fn value(&self, name: &str) -> Option<f64> {
        self.0["values"][name].as_f64()
    }

    fn marks<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        let marks = self.0["marks"].as_array().expect("marks").iter();
        marks.filter(move |it| it["name"] == name)
    }

    fn mark(&self, name: &str) -> Option<&str> {
        let mut marks = self.0["marks"].as_array().expect("marks").iter();
        marks.find(|it| it["name"] == name).and_then(|it| it["value"].as_str())
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.marks(name).any(|it| it["value"] == value)
    }

    fn name(&self) -> &str {
        self.0["name"].as_str().expect("every item has a name")
    }

    /// A number within the text of a mark.
    fn number(&self, name: &str) -> Option<f64> {
        self.mark(name).and_then(|it| it.parse().ok())
    }
}

/// A quantile by linear interpolation (type 7).
fn quantile(mut sample: Vec<f64>, q: f64) -> Option<f64> {
    sample.sort_by(f64::total_cmp);
    let last = sample.len().checked_sub(1)? as f64;
    let (low, high) = ((last * q).floor(), (last * q).ceil());
    let (a, b) = (sample[low as usize], sample[high as usize]);
    Some(a + (b - a) * (last * q - low))
}

fn mean(sample: &[f64]) -> Option<f64> {
    (!sample.is_empty()).then(|| sample.iter().sum::<f64>() / sample.len() as f64)
}

/// Kaplan and Meier's median with the midpoint convention: where the curve runs along one half, the
/// middle of that stretch.
fn kaplan_meier(mut cohort: Vec<(f64, bool)>) -> Option<f64> {
    cohort.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut times: Vec<f64> =
        cohort.iter().filter(|(_, completed)| *completed).map(|(time, _)| *time).collect();
    times.dedup();
    let mut survival = 1.0_f64;
    let mut at_half: Option<f64> = None;
    for time in times {
        let at_risk = cohort.iter().filter(|(it, _)| *it >= time).count() as f64;
        let ended = cohort.iter().filter(|(it, done)| *it == time && *done).count() as f64;
        if let Some(from) = at_half {
            return Some((from + time) / 2.0);
        }
        survival *= 1.0 - ended / at_risk;
        if survival < 0.5 - 1e-12 {
            return Some(time);
        }
        if (survival - 0.5).abs() <= 1e-12 {
            at_half = Some(time);
        }
    }
    at_half
}

fn ratio(some: usize, all: usize) -> Option<f64> {
    (all > 0).then(|| some as f64 / all as f64)
}

impl Explained {
    pub(super) fn of(body: &Value) -> Self {
        let at = |value: &Value| instant(value).expect("an instant");
        let items = body["items"].as_array().expect("items").iter().cloned().map(Item);
        let (as_of, window) = (at(&body["as_of"]), &body["window"]);
        let name = window["name"].as_str().expect("a name");
        // The specifications of these SLOs ask for 30 days.
        let own = (name == "own").then(|| as_of - chrono::TimeDelta::days(30));
        Self {
            as_of,
            start: own.unwrap_or_else(|| at(&window["start"])),
            end: at(&window["end"]),
            window: name.to_owned(),
            items: items.collect(),
        }
    }

    fn inside(&self, at: Instant) -> bool {
        self.start <= at && at < self.end
    }

    fn days(&self) -> f64 {
        seconds(self.start, self.end) / DAY
    }

    fn count(&self, which: impl Fn(&Item) -> bool) -> usize {
        self.items.iter().filter(|it| which(it)).count()
    }

    fn started(&self, item: &Item) -> bool {
        self.inside(item.started_at())
    }

    fn completed(&self, item: &Item) -> bool {
        item.completed_at().is_some_and(|at| self.inside(at))
    }

    fn age(&self, item: &Item) -> f64 {
        seconds(item.started_at(), self.as_of)
    }

    fn oldest(&self, which: impl Fn(&Item) -> bool) -> Option<f64> {
        let ages = self.items.iter().filter(|it| which(it)).map(|it| self.age(it));
        ages.reduce(f64::max)
    }

    /// One statistic of the durations called `name` of the items that are of it: when each began,
    /// when it ended, how long it took and whether it completed.
    fn statistic(&self, stat: &str, of: Vec<(Instant, Option<Instant>, f64, bool)>) -> Option<f64> {
        if stat == "km_median" {
            let cohort = of.into_iter().filter(|(started, ..)| self.inside(*started));
            return kaplan_meier(cohort.map(|(_, _, time, done)| (time, done)).collect());
        }
        let done = of
            .into_iter()
            .filter(|(_, ended, _, done)| *done && ended.is_some_and(|at| self.inside(at)));
        let sample: Vec<f64> = done.map(|(_, _, time, _)| time).collect();
        match stat {
            "median" => quantile(sample, 0.5),
            "p90" => quantile(sample, 0.9),
            "mean" => mean(&sample),
            other => panic!("nothing is said of the statistic {other}"),
        }
    }

    fn durations(&self, stat: &str, name: &str, which: impl Fn(&Item) -> bool) -> Option<f64> {
        let of = self.items.iter().filter(|it| it.outcome() != "excluded" && which(it));
        let of = of.filter_map(|it| {
            Some((it.started_at(), it.completed_at(), it.value(name)?, it.counted()))
        });
        self.statistic(stat, of.collect())
    }

    /// The value of a reading, from the items alone.
    pub(super) fn value(&self, reading: &Value) -> Option<f64> {
        let family = reading["family"].as_str().expect("a family");
        let family = family.strip_prefix("engkpi_").expect("families begin with engkpi_");
        let label = |name: &str| reading["labels"][name].as_str().unwrap_or_default();
        let stat = reading["stat"].as_str().unwrap_or_default();
        match reading["kpi"].as_str().expect("a KPI") {
            "architecture_throughput" => self.decisions(family, label("outcome")),
            "decision_time" => self.durations(stat, "decision", |_| true),
            "incident_frequency" => self.incidents(family, label("severity")),
            "incident_recovery_time" => self.recovery(family, stat, label("severity")),
            "incident_detection_time" => self.detection(family, stat, label("fault_source")),
            "incident_recurrence" => {
                self.share(|it| self.started(it), |it| it.mark("recurred").is_some())
            }
            "change_failure" => self.failures(family, label("reason")),
            "deployment_frequency" => self.deployments(family, label("environment")),
            "change_lead_time" => self.lead_time(family, stat, label("stage")),
            "unit_cost" => self.costs(family, label("per"), label("currency")),
            "debt_retirement" => self.debt(family),
            "finding_closure" => self.findings(family, stat, label("severity")),
            "standard_adoption" => {
                let of = format!(": {}", label("standard"));
                self.share(|it| it.name().ends_with(&of), |it| it.is("adopted", "yes"))
            }
            "contract_coverage" => self.share(|_| true, |it| it.is("covered", "yes")),
            "developer_experience" => self.answers(family, stat, label("dimension"), "all"),
            "stakeholder_satisfaction" => match family {
                "stakeholder_escalations_quarter_ratio" => self.escalations(),
                _ => self.answers(family, stat, "score", label("group")),
            },
            "mentorship" => {
                let entries = self.items.iter().filter(|it| it.counted() && self.started(it));
                let people: BTreeSet<&str> = entries.filter_map(|it| it.mark("person")).collect();
                Some(people.len() as f64)
            }
            "request_latency" => self.requests(family, stat, label("endpoint")),
            "slo_compliance" => {
                self.compliance(family, label("slo"), label("method"), label("cause"))
            }
            "error_budget_burn" if family == "slo_objective_ratio" => {
                Some(1.0 - objective(label("slo")))
            }
            "error_budget_burn" => self.burn(label("slo"), label("window")),
            other => panic!("write down how a reader calculates {other} again"),
        }
    }

    /// The share of `some` among the counted items that are `of` it.
    fn share(&self, of: impl Fn(&Item) -> bool, some: impl Fn(&Item) -> bool) -> Option<f64> {
        let all = |it: &Item| it.counted() && of(it);
        ratio(self.count(|it| all(it) && some(it)), self.count(all))
    }

    fn decisions(&self, family: &str, outcome: &str) -> Option<f64> {
        let decided = |it: &Item| it.counted() && self.completed(it);
        let teams = |it: &Item| it.number("teams").is_some_and(|teams| teams >= 2.0);
        let count = match family {
            "architecture_throughput_decisions" => self.count(decided),
            "architecture_throughput_decisions_by_outcome" => {
                self.count(|it| decided(it) && it.is("outcome", outcome))
            }
            "decisions_pending" => self.count(Item::open),
            "decisions_cross_team" => self.count(|it| decided(it) && teams(it)),
            _ => return self.oldest(Item::open),
        };
        Some(count as f64)
    }

    fn incidents(&self, family: &str, severity: &str) -> Option<f64> {
        if family == "incident_severity_changes" {
            let of = self.items.iter().filter(|it| it.counted() && self.started(it));
            let changes = of.filter_map(|it| it.mark("severity_changes"));
            return Some(changes.filter_map(|it| it.parse::<f64>().ok()).sum());
        }
        let of = |it: &Item| match severity {
            "" => it.is("severity", "1") || it.is("severity", "2"),
            one => it.is("severity", one),
        };
        Some(self.count(|it| it.counted() && self.started(it) && of(it)) as f64)
    }

    fn recovery(&self, family: &str, stat: &str, severity: &str) -> Option<f64> {
        let severe = |it: &Item| it.is("severity", "1") || it.is("severity", "2");
        match family {
            "incident_recovery_time_seconds" => self.durations(stat, "recovery", severe),
            "failed_deployment_recovery_time_seconds" => {
                self.durations(stat, "failed_deployment_recovery", |_| true)
            }
            "incident_acknowledge_time_seconds" => {
                let of = self.items.iter().filter(|it| severe(it) && it.outcome() != "excluded");
                let of = of.filter_map(|it| match it.value("acknowledge") {
                    Some(time) => Some((it.started_at(), it.time("acknowledged_at"), time, true)),
                    None if it.open() && it.time("acknowledged_at").is_none() => {
                        Some((it.started_at(), None, self.age(it), false))
                    }
                    None => None,
                });
                self.statistic(stat, of.collect())
            }
            "incidents_open" => {
                Some(self.count(|it| it.open() && it.is("severity", severity)) as f64)
            }
            _ => self.oldest(|it| it.open() && severe(it)),
        }
    }

    fn detection(&self, family: &str, stat: &str, source: &str) -> Option<f64> {
        match family {
            "incident_detection_time_seconds" => self.durations(stat, "detection", |_| true),
            _ => {
                let of = |it: &Item| it.counted() && self.completed(it);
                Some(self.count(|it| of(it) && it.is("fault_source", source)) as f64)
            }
        }
    }

    fn failures(&self, family: &str, reason: &str) -> Option<f64> {
        let deployed = |it: &Item| it.mark("linked").is_none() && self.started(it);
        let count = match family {
            "change_failure_ratio" => {
                return self.share(deployed, |it| it.mark("failed").is_some());
            }
            "rework_ratio" => return self.share(deployed, |it| it.is("rework", "yes")),
            "incidents_unlinked" => self.count(|it| it.is("linked", "no") && self.started(it)),
            _ => self.count(|it| deployed(it) && it.is("failed", reason)),
        };
        Some(count as f64)
    }

    fn deployments(&self, family: &str, environment: &str) -> Option<f64> {
        let deployed = || self.items.iter().filter(|it| self.completed(it));
        match family {
            "deployment_frequency_per_day" => {
                (self.days() > 0.0).then(|| deployed().count() as f64 / self.days())
            }
            "deployment_days_per_week" => {
                let days: BTreeSet<_> =
                    deployed().filter_map(Item::completed_at).map(|at| at.date_naive()).collect();
                Some((days.len() as f64 / (self.days().max(1.0) / 7.0)).min(7.0))
            }
            _ => {
                let reached = self.items.iter().flat_map(|it| {
                    let marks = it.marks("environment").filter(|mark| mark["value"] == environment);
                    marks.filter_map(|mark| instant(&mark["at"]).or(it.completed_at()))
                });
                reached.max().map(|at| at.timestamp_micros() as f64 / 1e6)
            }
        }
    }

    fn lead_time(&self, family: &str, stat: &str, stage: &str) -> Option<f64> {
        match family {
            "changes_unshipped" => Some(self.count(Item::open) as f64),
            "change_oldest_unshipped_seconds" => {
                let ages = self.items.iter().filter(|it| it.open());
                ages.filter_map(|it| it.value("merge_to_deploy")).reduce(f64::max)
            }
            _ => {
                let of = self.items.iter().filter(|it| it.counted() || it.open());
                let of = of.filter_map(|it| {
                    let first = it.time("first_commit_at").filter(|_| stage == "commit_to_deploy");
                    let started_at = first.unwrap_or(it.started_at());
                    Some((started_at, it.completed_at(), it.value(stage)?, it.counted()))
                });
                self.statistic(stat, of.collect())
            }
        }
    }

    fn costs(&self, family: &str, per: &str, currency: &str) -> Option<f64> {
        let inside: Vec<&Item> = self.items.iter().filter(|it| self.started(it)).collect();
        if currency == "mixed" {
            return None;
        }
        if family == "unit_cost" {
            let of = inside.iter().filter(|it| it.counted() && it.is("per", per));
            let (cost, units) = of.fold((0.0, 0.0), |(cost, units), it| {
                (cost + it.value("cost").unwrap_or(0.0), units + it.value("units").unwrap_or(0.0))
            });
            return (units > 0.0).then(|| cost / units);
        }
        // A day of a service is there once for each unit.
        let mut days: BTreeMap<(Instant, &str), (bool, f64)> = BTreeMap::new();
        for it in &inside {
            let service = it.0["services"][0].as_str();
            if let Some(cost) = it.value("cost") {
                let day = (it.started_at(), service.unwrap_or_default());
                days.insert(day, (service.is_some(), cost));
            }
        }
        let sum = |known: bool| -> f64 {
            days.values().filter(|it| it.0 == known).fold(0.0, |sum, it| sum + it.1)
        };
        let (known, none) = (sum(true), sum(false));
        (known >= 0.0 && none >= 0.0 && known + none > 0.0).then(|| none / (known + none))
    }

    fn debt(&self, family: &str) -> Option<f64> {
        let labelled = |it: &Item| it.time("labelled_at").is_some();
        let count = match family {
            "debt_retired_items" => self.count(|it| it.counted() && self.completed(it)),
            "debt_opened_items" => self.count(|it| labelled(it) && self.started(it)),
            "debt_open_items" => self.count(Item::open),
            _ => return self.oldest(Item::open),
        };
        Some(count as f64)
    }

    fn findings(&self, family: &str, stat: &str, severity: &str) -> Option<f64> {
        let of = |it: &Item| it.is("severity", severity) && it.outcome() != "excluded";
        match family {
            "finding_closure_time_seconds" => self.durations(stat, "closure", of),
            "findings_overdue" => {
                let late = |it: &Item| it.value("sla").is_some_and(|due| self.age(it) > due);
                Some(self.count(|it| of(it) && it.open() && late(it)) as f64)
            }
            _ => {
                let due = self
                    .items
                    .iter()
                    .filter(|it| of(it))
                    .filter_map(|it| Some((it, it.value("sla")?)));
                let (mut in_time, mut all) = (0, 0);
                for (it, due) in due {
                    let fixed = it.counted() && self.completed(it);
                    let open = it.completed_at().is_none_or(|at| at >= self.end);
                    let late = open && seconds(it.started_at(), self.end) > due;
                    all += usize::from(fixed || late);
                    in_time +=
                        usize::from(fixed && it.value("closure").is_some_and(|it| it <= due));
                }
                ratio(in_time, all)
            }
        }
    }

    /// The scores of a question in the last wave that has answers, or in the wave before it.
    fn scores(&self, dimension: &str, group: &str, wave: Option<&str>) -> (String, Vec<f64>) {
        let about = format!(": {dimension}, {group}, ");
        let of = self.items.iter().filter(|it| it.name().contains(&about));
        let of: Vec<&Item> = of.collect();
        let name = |it: &Item| it.name().split(':').next().unwrap_or_default().to_owned();
        let last = of.iter().max_by_key(|it| it.started_at()).map(|it| name(it));
        let wave = wave.map(str::to_owned).or(last).unwrap_or_default();
        let tallies = of.iter().filter(|it| it.counted() && name(it) == wave);
        let scores = tallies.filter_map(|it| it.mark("scores")).flat_map(|it| it.split(", "));
        let scores = scores.flat_map(|run| {
            let (times, score) = run.split_once(" × ").expect("a run of scores");
            let times: usize = times.parse().expect("how often");
            std::iter::repeat_n(score.parse::<f64>().expect("a score"), times)
        });
        let scores = scores.collect();
        (wave, scores)
    }

    fn answers(&self, family: &str, stat: &str, dimension: &str, group: &str) -> Option<f64> {
        let (wave, scores) = self.scores(dimension, group, None);
        if family.ends_with("change_points") {
            let survey = wave.rsplit_once(' ').map_or("", |(survey, _)| survey);
            let (_, then) = self.scores(dimension, group, Some(&format!("{survey} w0")));
            return Some(mean(&scores)? - mean(&then)?);
        }
        if stat == "mean" { mean(&scores) } else { quantile(scores, 0.5) }
    }

    /// Of the last complete quarter and the one before it, which begins a year's quarter earlier.
    fn escalations(&self) -> Option<f64> {
        use chrono::{Datelike, Months, NaiveDate};
        let today = self.as_of.date_naive();
        let first = NaiveDate::from_ymd_opt(today.year(), today.month0() / 3 * 3 + 1, 1)?;
        let start = |months| {
            let day = first.checked_sub_months(Months::new(months)).expect("a day");
            day.and_time(chrono::NaiveTime::MIN).and_utc()
        };
        let per_day = |from: Instant, to: Instant| {
            let of = |it: &Item| {
                it.name().starts_with("escalation")
                    && from <= it.started_at()
                    && it.started_at() < to
            };
            self.count(of) as f64 / (seconds(from, to) / DAY)
        };
        let ratio = per_day(start(3), start(0)) / per_day(start(6), start(3));
        ratio.is_finite().then_some(ratio)
    }

    /// The days of a ledger.
    fn days_of<'a>(&'a self, name: &str) -> Vec<&'a Item> {
        let prefix = format!("{name} on ");
        self.items.iter().filter(|it| it.name().starts_with(&prefix)).collect()
    }

    fn requests(&self, family: &str, stat: &str, endpoint: &str) -> Option<f64> {
        let mut sums: BTreeMap<String, f64> = BTreeMap::new();
        for day in self.days_of(endpoint) {
            let buckets = day.mark("requests by bound").unwrap_or_default();
            for bucket in buckets.split(", ").filter(|it| !it.is_empty()) {
                let (bound, count) = bucket.split_once(": ").expect("a bucket");
                *sums.entry(bound.to_owned()).or_default() +=
                    count.parse::<f64>().expect("a count");
            }
        }
        let mut buckets: Vec<(f64, f64)> = sums
            .into_iter()
            .map(|(bound, count)| (bound.parse().expect("a bound"), count))
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total = buckets.last().map(|it| it.1).filter(|total| *total > 0.0)?;
        let (_, budget) =
            [("checkout", 0.3), ("search", 1.0)].into_iter().find(|it| it.0 == endpoint)?;
        let within = |at: f64| buckets.iter().find(|it| it.0 >= at).map_or(total, |it| it.1);
        if family == "request_within_budget_ratio" {
            return Some(within(budget) / total);
        }
        let q = if stat == "p95" { 0.95 } else { 0.99 };
        let rank = q * total;
        let at = buckets.iter().position(|it| it.1 >= rank)?;
        let (low, below) = at.checked_sub(1).map_or((0.0, 0.0), |it| buckets[it]);
        let (high, count) = buckets[at];
        if high.is_infinite() {
            return Some(low);
        }
        Some(low + (high - low) * (rank - below) / (count - below))
    }

    /// Bad events and all of them, or of a ratio the shares that were bad and all slices; and the same
    /// of slices that met the objective or not.
    fn events(&self, slo: &str, since: Instant) -> ((f64, f64), (f64, f64)) {
        let mut sums = ((0.0, 0.0), (0.0, 0.0));
        let mut sure = 0.0;
        for day in self.days_of(slo).into_iter().filter(|it| it.started_at() >= since) {
            let (bad, all) = match slo {
                "all" => ("bad shares of slices", "slices"),
                _ => ("bad events", "events"),
            };
            sums.0.0 += day.number(bad).unwrap_or(0.0);
            sure += day.number("beyond 1 % of an hour").unwrap_or(0.0);
            sums.0.1 += day.number(all).unwrap_or(0.0);
            let slices = day.mark("good slices").unwrap_or_default();
            if let Some((good, all)) = slices.split_once(" of ")
                && let (Ok(good), Ok(all)) = (good.parse::<f64>(), all.parse::<f64>())
            {
                sums.1.0 += all - good;
                sums.1.1 += all;
            }
        }
        sums.0.0 = f64::max(sums.0.0, sure);
        sums
    }

    /// What its budget is spent on, and all of it.
    fn budgeted(&self, slo: &str, since: Instant) -> (f64, f64) {
        let (events, slices) = self.events(slo, since);
        if slo == "tick" { slices } else { events }
    }

    fn compliance(&self, family: &str, slo: &str, method: &str, cause: &str) -> Option<f64> {
        let (events, slices) = self.events(slo, self.start);
        let allowed = objective(slo);
        let own = self.budgeted(slo, self.start);
        match family {
            "slo_compliance_ratio" => {
                share(if method == "slices" { slices } else { events }).map(|it| 1.0 - it)
            }
            "error_budget_remaining_ratio" => share(own).map(|it| 1.0 - it / allowed),
            "error_budget_consumed_ratio" => {
                let of = self.items.iter().filter(|it| it.name().starts_with(&format!("{slo}: ")));
                let parts =
                    of.filter(|it| it.is("cause", cause)).filter_map(|it| it.value("consumed"));
                Some(parts.sum())
            }
            "slo_window_coverage_ratio" => self.known(slo),
            "slo_low_traffic" => Some(f64::from(u8::from(events.1 * allowed < 10.0 - 1e-9))),
            // Of a running month or quarter.
            _ => {
                use chrono::{Months, NaiveTime};
                let months = if self.window.starts_with("month") { 1 } else { 3 };
                let end = self.start.date_naive().checked_add_months(Months::new(months))?;
                let whole = seconds(self.start, end.and_time(NaiveTime::MIN).and_utc());
                let elapsed = seconds(self.start, self.end) / whole;
                share(own).map(|it| 1.0 - it / allowed * elapsed)
            }
        }
    }

    /// The share of the slices of the window's complete hours of which anything is known.
    fn known(&self, slo: &str) -> Option<f64> {
        let hour = |at: Instant| (seconds(Instant::UNIX_EPOCH, at) / 3600.0).ceil();
        let hours = hour(self.end.min(self.as_of - chrono::TimeDelta::hours(1) + TICK));
        let hours = hours - hour(self.start);
        let days = self.days_of(slo).into_iter();
        let covered = days.filter_map(|it| {
            it.mark("slices with data")?.split_once(" of ")?.0.parse::<f64>().ok()
        });
        (hours > 0.0).then(|| covered.sum::<f64>() / (hours * 12.0))
    }

    /// By the days of the last 30 or 7 days, or by what the metric store said of a shorter window.
    fn burn(&self, slo: &str, window: &str) -> Option<f64> {
        let allowed = objective(slo);
        let days = match window {
            "7d" => 7,
            "30d" => 30,
            short => {
                let asked = self.items.iter().filter(|it| it.name() == slo);
                let mut said = asked.flat_map(|it| it.marks("asked for the last"));
                let said = said.find(|it| it["evidence"] == short)?["value"].as_str()?;
                let (bad, all) = said.split_once(" bad of ").expect("counts");
                let (bad, all): (f64, f64) = (bad.parse().ok()?, all.parse().ok()?);
                return (all > 0.0).then(|| bad / all / allowed);
            }
        };
        let since = self.as_of - chrono::TimeDelta::days(days);
        share(self.budgeted(slo, since)).map(|it| it / allowed)
    }
}

/// The share of what was bad. What single days have too little makes up for others.
fn share((bad, all): (f64, f64)) -> Option<f64> {
    (all > 0.0).then(|| (bad / all).clamp(0.0, 1.0))
}

/// Which share may be bad.
fn objective(slo: &str) -> f64 {
    match slo {
        "up" => 0.01,
        "tick" => 0.1,
        _ => 0.05,
    }
}
