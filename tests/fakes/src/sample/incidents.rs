//! Incidents: those that deployments caused, and those that came by themselves.

use chrono::{Duration, SecondsFormat, Timelike};

use super::delivery::Failed;
use super::{Calendar, Random, SERVICES, Service, TEAMS};
use crate::time::Instant;
use crate::world::{Incident, PagerDuty};

const CAUSES: [&str; 7] = [
    "expired-certificate",
    "full-disk",
    "slow-query",
    "bad-configuration",
    "third-party",
    "cache-stampede",
    "thread-pool",
];

/// How an incident comes about.
struct Seed {
    service: &'static Service,
    at: Instant,
    resolved_at: Option<Instant>,
    severity: usize,
    cause: Option<String>,
}

/// Writes the whole account.
pub(super) fn tell(
    account: &mut PagerDuty,
    failures: Vec<Failed>,
    calendar: &Calendar,
    random: &mut Random,
) {
    account.subdomain = super::ORGANISATION.to_owned();
    account.priorities(&["SEV1", "SEV2", "SEV3", "SEV4"]);
    account.fields(&["fault_started_at", "root_cause", "caused_by"]);
    for team in TEAMS {
        account.team(&format!("PT{}", team.to_uppercase()), team);
    }
    for service in &SERVICES {
        let team = format!("PT{}", service.team.to_uppercase());
        account.service_of(service.pagerduty, service.name, &[&team]);
    }
    let mut seeds: Vec<Seed> = failures
        .into_iter()
        .map(|failed| Seed {
            service: failed.service,
            at: failed.at,
            resolved_at: Some(failed.resolved_at),
            severity: 1 + random.below(3),
            cause: Some(failed.cause),
        })
        .collect();
    for service in &SERVICES {
        for at in anytime(service.incidents, calendar, random) {
            seeds.push(background(service, at, calendar, random));
        }
    }
    for at in calendar.live_times(25.0, random) {
        let resolved_at = at + random.about(Duration::minutes(9), 0.5);
        let service = random.pick(&SERVICES);
        let severity = if random.chance(0.2) { 2 } else { 3 };
        seeds.push(Seed { service, at, resolved_at: Some(resolved_at), severity, cause: None });
    }
    let open = calendar.now - Duration::hours(50);
    seeds.push(Seed {
        service: &SERVICES[2],
        at: open,
        resolved_at: None,
        severity: 3,
        cause: None,
    });
    seeds.retain(|seed| seed.at < calendar.end);
    seeds.sort_by_key(|seed| seed.at);
    for (n, seed) in (1..).zip(seeds) {
        write(account, n, &seed, random);
    }
}

/// Faults keep no working hours.
fn anytime(a_month: f64, calendar: &Calendar, random: &mut Random) -> Vec<Instant> {
    let mut found = Vec::new();
    let mut at = calendar.start;
    let (from, to) = calendar.live();
    while at < calendar.end {
        let rate = a_month * (1.3 - 0.6 * calendar.progress(at));
        let days = -random.unit().max(1e-9).ln() * 30.0 / rate;
        at += Duration::seconds((days * 86_400.0) as i64);
        if !(from..to).contains(&at) {
            found.push(at);
        }
    }
    found
}

fn background(
    service: &'static Service,
    at: Instant,
    calendar: &Calendar,
    random: &mut Random,
) -> Seed {
    let severity = match random.unit() {
        share if share < 0.06 => 1,
        share if share < 0.3 => 2,
        share if share < 0.75 => 3,
        _ => 4,
    };
    let minutes = (110.0 * (1.0 - 0.4 * calendar.progress(at))) as i64;
    let resolved_at = Some(at + random.about(Duration::minutes(minutes), 0.9));
    Seed { service, at, resolved_at, severity, cause: None }
}

fn write(account: &mut PagerDuty, n: u64, seed: &Seed, random: &mut Random) {
    let at = whole(seed.at);
    let id = format!("PINC{n:04}");
    let earlier = (n > 1 && random.chance(0.04)).then(|| format!("PINC{:04}", n - 1));
    account.incident(&id, seed.service.pagerduty, at, |incident| {
        incident.title(&format!("{} is unhappy", seed.service.name));
        incident.alert(at - Duration::seconds(20));
        incident.priority_at(at + Duration::minutes(2), &format!("SEV{}", seed.severity));
        let answered = whole(at + random.about(Duration::minutes(4), 0.7));
        let Some(resolved_at) = seed.resolved_at.map(whole) else {
            incident.acknowledge(answered);
            return;
        };
        if let Some(earlier) = earlier {
            incident.merge_into(answered, &earlier);
            return;
        }
        if answered < resolved_at && random.chance(0.93) {
            incident.acknowledge(answered);
        }
        end(incident, seed, resolved_at, random);
        learn(incident, seed, resolved_at, random);
    });
}

fn end(incident: &mut Incident, seed: &Seed, resolved_at: Instant, random: &mut Random) {
    match random.unit() {
        share if share < 0.06 && seed.severity > 2 => incident.time_out(resolved_at),
        share if share < 0.3 => incident.recover(resolved_at),
        share if share < 0.36 => {
            let again = resolved_at + Duration::hours(2);
            incident.resolve(resolved_at).reopen(again).resolve(again + Duration::minutes(40))
        }
        _ => incident.resolve(resolved_at),
    };
}

/// The review after the incident fills in what was found.
fn learn(incident: &mut Incident, seed: &Seed, resolved_at: Instant, random: &mut Random) {
    let review = whole(resolved_at + random.about(Duration::hours(20), 0.5));
    if random.chance(0.7) {
        let began = seed.at - random.about(Duration::minutes(8), 0.8);
        let began = began.to_rfc3339_opts(SecondsFormat::Secs, true);
        incident.field(review, "fault_started_at", &began);
    }
    if random.chance(0.8) {
        // Nobody writes down a cause that every team has.
        let cause = CAUSES[random.below(CAUSES.len())];
        incident.field(review, "root_cause", &format!("{}-{cause}", seed.service.name));
    }
    if let Some(cause) = &seed.cause {
        incident.field(review, "caused_by", cause);
    }
}

fn whole(at: Instant) -> Instant {
    at.with_nanosecond(0).unwrap_or(at)
}
