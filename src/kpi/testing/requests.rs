//! Endpoints and SLOs, and what a metric store counted of them.
//!
//! ```text
//! endpoint pay of web budget 0.3               # in seconds, of the p95
//! endpoint pay of web budget 0.3 p99 ms        # of the p99; bounds are in milliseconds
//! 05T10:00 hour pay 0.1:90 0.3:95 +Inf:100     # how many took at most so long
//! 05T10:00 hour pay for 24 +Inf:100            # and in the 23 hours after it too
//! 05T10:00 hour pay covered 6 +Inf:100         # only half of its slices had data
//! 05T10:00 hour pay                            # asked for, and nothing was there
//! counts visits of web unit request            # a counter of demand; its hours hold `total:N`
//! 05T00:00 hour visits for 24 total:100
//! slo up of web objective 0.999                # judged by events; `slices`: by slices; `ratios`: of a ratio
//! slo up of web objective 0.999 window 1Q calendar in Europe/Berlin  # default: 30d, which roll
//! maintenance move from 05T10:00 to 05T12:00 of web  # without `of`: of every service
//! 05T10:00 hour up bad:1 total:900 valid:12 met:11
//! 05T10:00 hour up missed 0,11 bad:9 total:900 # the first and the last slice were bad
//! 05T10:30 burn up 5m:1/100 1h:2/500           # what short windows held: bad/all
//! 01T00:00 rule HighErrors takes 330           # an alerting rule fires after so many seconds; `?`: unknown
//! ```

use chrono::Duration;

use super::{Line, Story};
use crate::domain::fact::{AlertRule, Burn, BurnWindow, LedgerDay, LedgerHour};
use crate::domain::{Fact, Instant, SourceName};
use crate::kpi::Span;
use crate::kpi::Stat;
use crate::kpi::ledger::{Sli, met, missed};
use crate::kpi::params::{Demand, Endpoint, Length, Maintenance, Slo, SloMethod, SloWindow};

pub(crate) const SOURCE: &str = "prometheus";

/// Learns of an endpoint.
#[track_caller]
pub(super) fn endpoint(story: &mut Story, line: &mut Line) {
    let name = line.next("an endpoint");
    let service = line.after("of").expect("an endpoint is `of` a service");
    let mut services = story.params.catalogue.services.iter();
    let service = services.position(|it| it.name.as_str() == service).expect("a service told of");
    let budget = line.after("budget").expect("an endpoint has a `budget`");
    story.params.endpoints.push(Endpoint {
        buckets: format!("{name}_bucket"),
        name,
        service,
        source: SourceName::from(SOURCE),
        scale: if line.flag("ms") { 0.001 } else { 1.0 },
        budget: budget.parse().expect("seconds"),
        stat: if line.flag("p99") { Stat::P99 } else { Stat::P95 },
    });
}

/// Learns of a counter of demand.
#[track_caller]
pub(super) fn demand(story: &mut Story, line: &mut Line) {
    let name = line.next("a counter");
    let service = line.after("of").expect("a counter is `of` a service");
    let mut services = story.params.catalogue.services.iter();
    let service = services.position(|it| it.name.as_str() == service).expect("a service told of");
    let unit = line.after("unit").unwrap_or_else(|| "request".to_owned());
    let (counter, source) = (format!("{name}_total"), SourceName::from(SOURCE));
    story.params.demand.push(Demand { name, service, unit, source, counter });
}

/// Learns of an SLO.
#[track_caller]
pub(super) fn slo(story: &mut Story, line: &mut Line) {
    let id = line.next("an SLO");
    let service = line.after("of");
    let mut services = story.params.catalogue.services.iter();
    let service = service.and_then(|name| services.position(|it| it.name.as_str() == name));
    let objective = line.after("objective").expect("an SLO has an `objective`");
    let ratio: f64 = objective.parse().expect("a share");
    let places = objective.split_once('.').map_or(0, |(_, places)| places.len());
    let allowed: f64 = format!("{:.places$}", 1.0 - ratio).parse().expect("a share");
    let (slices, ratios) = (line.flag("slices"), line.flag("ratios"));
    let window = line.after("window");
    let length = Length::parse(window.as_deref().unwrap_or("30d")).expect("a length of time");
    let zone = line.after("in").map(|it| it.parse().expect("a time zone"));
    let calendar = line.flag("calendar");
    let own = match calendar {
        true => SloWindow::Calendar { length, zone, from: None },
        false => SloWindow::Rolling(length),
    };
    story.params.slos.push(Slo {
        id,
        service,
        source: SourceName::from(SOURCE),
        objective,
        ratio,
        allowed,
        slice_allowed: allowed,
        method: match (slices, ratios) {
            (true, _) => SloMethod::Slices,
            (false, true) => SloMethod::Ratios,
            (false, false) => SloMethod::Events,
        },
        sli: match ratios {
            true => Sli::Ratio { bad: "bad[{{.window}}]".to_owned(), there: None },
            false => {
                let [bad, total] = ["bad[{{.window}}]", "all[{{.window}}]"].map(str::to_owned);
                Sli::Bad { bad, total }
            }
        },
        window: window.unwrap_or_else(|| "30d".to_owned()),
        own,
    });
}

/// Learns of planned maintenance.
#[track_caller]
pub(super) fn maintenance(story: &mut Story, line: &mut Line) {
    let name = line.next("a name");
    let (from, to) = (line.time("from"), line.time("to"));
    let (start, end) = (from.expect("it is `from` a time"), to.expect("it is `to` a time"));
    let services = line.list("of").into_iter().map(|name| {
        let mut services = story.params.catalogue.services.iter();
        services.position(|it| it.name.as_str() == name).expect("a service told of")
    });
    let services = services.collect();
    story.params.maintenance.push(Maintenance { name, services, span: Span { start, end } });
}

#[track_caller]
fn burn(story: &mut Story, at: Instant, line: &mut Line) {
    let name = line.next("an SLO");
    let slo = story.params.slos.iter().find(|it| it.id == name).expect("an SLO told of");
    let id = slo.ledger();
    let window = |word: String| {
        let (window, counts) = word.split_once(':').expect("a window is WINDOW:BAD/ALL");
        let (bad, total) = counts.split_once('/').expect("counts are BAD/ALL");
        let number = |text: &str| text.parse().expect("a count");
        BurnWindow { window: window.to_owned(), bad: number(bad), total: number(total) }
    };
    let windows = line.rest().into_iter().map(window).collect();
    story.learn(SOURCE, Fact::Burn(Burn { id, at, windows }));
}

#[track_caller]
fn rule(story: &mut Story, at: Instant, line: &mut Line) {
    let source = line.after("in").unwrap_or_else(|| SOURCE.to_owned());
    let name = line.next("a rule");
    let rule = match line.flag("gone") {
        true => AlertRule::gone(name, at),
        false => {
            let delay = line.after("takes").expect("a rule `takes` seconds, or is `gone`");
            AlertRule::seen(name, at, delay.parse().ok())
        }
    };
    story.learn(&source, Fact::AlertRule(rule));
}

/// Takes in hours. False = the verb is another.
#[track_caller]
pub(super) fn happened(story: &mut Story, at: Instant, verb: &str, line: &mut Line) -> bool {
    match verb {
        "hour" => {}
        "burn" => {
            burn(story, at, line);
            return true;
        }
        "rule" => {
            rule(story, at, line);
            return true;
        }
        _ => return false,
    }
    let name = line.next("an endpoint");
    let hours: i64 = line.after("for").map_or(1, |it| it.parse().expect("hours"));
    let covered: Option<u8> = line.after("covered").map(|it| it.parse().expect("slices"));
    let bad_slices = line.list("missed").into_iter().map(|it| it.parse::<i32>().expect("a slice"));
    let bad_slices: f64 = bad_slices.map(|slice| 2_f64.powi(slice)).sum();
    let counts: Vec<(String, f64)> = line
        .rest()
        .into_iter()
        .map(|word| {
            let (bound, count) = word.split_once(':').expect("a count is BOUND:COUNT");
            (bound.to_owned(), count.parse().expect("a count"))
        })
        .collect();
    let covered = covered.unwrap_or(if counts.is_empty() { 0 } else { 12 });
    let endpoints = &story.params.endpoints;
    let endpoint = endpoints.iter().find(|it| it.name == name);
    let slo = story.params.slos.iter().find(|it| it.id == name);
    let demand = story.params.demand.iter().find(|it| it.name == name);
    let ledger = endpoint.map(Endpoint::ledger).or(slo.map(Slo::ledger));
    let ledger = ledger.or(demand.map(Demand::ledger));
    let ledger = ledger.expect("an endpoint, a counter or an SLO told of");
    let slices = slo.map(|it| met(&it.slice_allowed.to_string()));
    let named = |name: &str| match &slices {
        Some(met) if name == "met" => met.clone(),
        _ => name.to_owned(),
    };
    let mut counts: Vec<(String, f64)> =
        counts.into_iter().map(|(name, count)| (named(&name), count)).collect();
    if let Some(slo) = slo.filter(|_| bad_slices > 0.0) {
        counts.push((missed(&slo.slice_allowed.to_string()), bad_slices));
    }
    for hour in 0..hours {
        learn(story, &ledger, at + Duration::hours(hour), covered, &counts);
    }
    true
}

fn learn(story: &mut Story, ledger: &str, at: Instant, covered: u8, counts: &[(String, f64)]) {
    let id = LedgerDay::id_of(ledger, at.date_naive());
    let known = |fact: &Fact| matches!(fact, Fact::LedgerDay(day) if day.id == id);
    if !story.facts.iter().any(|(_, fact)| known(fact)) {
        let day = LedgerDay { id: id.clone(), layouts: Vec::new(), hours: Vec::new() };
        story.learn(SOURCE, Fact::LedgerDay(day));
    }
    let hour =
        u8::try_from((at - at.date_naive().and_hms_opt(0, 0, 0).unwrap().and_utc()).num_hours());
    for (_, fact) in &mut story.facts {
        if let Fact::LedgerDay(day) = fact
            && day.id == id
        {
            let layout = u8::try_from(day.layouts.len()).unwrap();
            day.layouts.push(counts.iter().map(|(bound, _)| bound.clone()).collect());
            let hour = hour.unwrap();
            day.hours.retain(|it| it.hour != hour);
            let values = counts.iter().map(|(_, count)| *count).collect();
            day.hours.push(LedgerHour { hour, covered, layout, values });
            day.hours.sort_by_key(|it| it.hour);
        }
    }
}
