//! A sample organisation: three teams, eight services, fourteen months of believable history that
//! ends now, and a busy day ahead, so that whoever watches sees things happen.
//!
//! It follows from one seed and the present, so that two runs tell the same story.

mod decisions;
mod delivery;
pub mod files;
mod incidents;
pub mod metrics;
mod quality;
mod random;

use chrono::{Datelike, Duration, NaiveDate, Weekday};

use crate::time::{Instant, Now};
use crate::world::World;
use delivery::Line;
pub use delivery::{Rollout, Rule};
use random::Random;

/// A service of the sample organisation.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its name in the catalogue.
    pub name: &'static str,
    /// The team that owns it.
    pub team: &'static str,
    /// The repository's name, without the owner.
    pub repository: &'static str,
    /// The folder of a monorepo that it lives in.
    pub folder: Option<&'static str>,
    /// What a production deployment of it is.
    pub rule: Rule,
    /// The id of its service in PagerDuty.
    pub pagerduty: &'static str,
    /// 1 is the most important.
    pub tier: u8,
    /// Merged changes a week.
    pub(crate) changes: f64,
    /// Incidents a month that no deployment caused.
    pub(crate) incidents: f64,
}

/// A folder of decision records.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Records {
    pub repository: &'static str,
    pub folder: &'static str,
}

/// The login of the organisation.
pub const ORGANISATION: &str = "acme";

/// The teams.
pub const TEAMS: [&str; 3] = ["payments", "storefront", "platform"];

/// Where decision records live, each in a style of its own.
pub const RECORDS: [Records; 3] = [
    Records { repository: "shop", folder: "docs/adr" },
    Records { repository: "ledger", folder: "docs/decisions" },
    Records { repository: "handbook", folder: "decisions" },
];

const ONE: Rollout = Rollout { environments: &["production"] };
const TWO_REGIONS: Rollout = Rollout { environments: &["production-eu", "production-us"] };

/// The services. The first three share a monorepo.
pub const SERVICES: [Service; 8] = [
    Service {
        name: "checkout",
        team: "payments",
        repository: "shop",
        folder: Some("services/checkout"),
        rule: Rule::Deployments { rollout: ONE, payload: true },
        pagerduty: "PCHKOUT",
        tier: 1,
        changes: 3.4,
        incidents: 1.8,
    },
    Service {
        name: "basket",
        team: "storefront",
        repository: "shop",
        folder: Some("services/basket"),
        rule: Rule::Deployments { rollout: ONE, payload: true },
        pagerduty: "PBASKET",
        tier: 2,
        changes: 2.9,
        incidents: 1.2,
    },
    Service {
        name: "search",
        team: "storefront",
        repository: "shop",
        folder: Some("services/search"),
        rule: Rule::Deployments { rollout: ONE, payload: true },
        pagerduty: "PSEARCH",
        tier: 2,
        changes: 2.3,
        incidents: 1.4,
    },
    Service {
        name: "ledger",
        team: "payments",
        repository: "ledger",
        folder: None,
        rule: Rule::Deployments { rollout: TWO_REGIONS, payload: false },
        pagerduty: "PLEDGER",
        tier: 1,
        changes: 2.9,
        incidents: 1.0,
    },
    Service {
        name: "billing",
        team: "payments",
        repository: "billing",
        folder: None,
        rule: Rule::Workflow { name: "Deploy to production" },
        pagerduty: "PBILLING",
        tier: 2,
        changes: 2.3,
        incidents: 1.2,
    },
    Service {
        name: "mobile-api",
        team: "storefront",
        repository: "mobile-api",
        folder: None,
        rule: Rule::Deployments { rollout: ONE, payload: false },
        pagerduty: "PMOBILE",
        tier: 1,
        changes: 3.4,
        incidents: 1.8,
    },
    Service {
        name: "identity",
        team: "platform",
        repository: "identity",
        folder: None,
        rule: Rule::Deployments { rollout: ONE, payload: false },
        pagerduty: "PIDENT",
        tier: 1,
        changes: 2.1,
        incidents: 1.0,
    },
    Service {
        name: "build-agent",
        team: "platform",
        repository: "build-agent",
        folder: None,
        rule: Rule::Releases { tag: "^v[0-9]" },
        pagerduty: "PBUILD",
        tier: 3,
        changes: 1.7,
        incidents: 0.6,
    },
];

/// How long the history is, in days.
pub const HISTORY_DAYS: i64 = 425;

/// The organisation as it is at `now`, and as it will be for a week.
pub fn organisation(now: Instant) -> World {
    let calendar =
        Calendar { start: now - Duration::days(HISTORY_DAYS), now, end: now + Duration::days(7) };
    let mut world = World::new(ORGANISATION);
    world.now = Now::Wall;
    let mut random = Random::seeded(20_260_122);
    let mut failures = Vec::new();
    for name in ["shop", "ledger", "billing", "mobile-api", "identity", "build-agent", "handbook"] {
        let services = SERVICES.iter().filter(|service| service.repository == name);
        let lines: Vec<Line> = services.map(Line::new).collect();
        let records = RECORDS.iter().find(|records| records.repository == name);
        let decided = records.map(|records| decisions::plans(records, &calendar, &mut random));
        let plans = delivery::plans(&lines, &calendar, &mut random);
        let plans = plans.into_iter().chain(decided.into_iter().flatten()).collect();
        world.add_repository(name, |repository| {
            let history = delivery::History::new(repository, &lines, &calendar, &mut random);
            failures.extend(history.tell(plans));
            quality::tell(repository, &calendar);
        });
    }
    incidents::tell(&mut world.pagerduty, failures, &calendar, &mut random);
    metrics::tell(&mut world.metrics, &world.pagerduty, &calendar);
    world
}

/// The time that the story is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calendar {
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) end: Instant,
}

impl Calendar {
    /// How far the organisation has come at `at`: 0 at the start, 1 now. It gets better.
    pub(crate) fn progress(&self, at: Instant) -> f64 {
        let part = (at - self.start).as_seconds_f64() / (self.now - self.start).as_seconds_f64();
        part.clamp(0.0, 1.0)
    }

    /// The first hours after now, in which so much happens that one can watch it.
    pub(crate) fn live(&self) -> (Instant, Instant) {
        (self.now, self.now + Duration::hours(12))
    }

    /// Instants in working hours, `a_week` of them in a week on average.
    pub(crate) fn working_times(&self, a_week: f64, random: &mut Random) -> Vec<Instant> {
        let mut found = Vec::new();
        let mut day = self.start.date_naive();
        while day <= self.end.date_naive() {
            let daily = if is_weekend(day) { a_week / 70.0 } else { a_week * 0.98 / 5.0 };
            for _ in 0..random.poisson(daily) {
                found.push(random.working_time(day));
            }
            day += Duration::days(1);
        }
        let live = self.live();
        found.retain(|at| self.start <= *at && *at < self.end);
        found.retain(|at| *at < live.0 || live.1 <= *at);
        found.sort();
        found
    }

    /// Instants of the busy day ahead, one every `minutes` or so.
    pub(crate) fn live_times(&self, minutes: f64, random: &mut Random) -> Vec<Instant> {
        let (mut at, end) = self.live();
        let mut found = Vec::new();
        loop {
            at += random.about(Duration::seconds((minutes * 60.0) as i64), 0.4);
            if at >= end {
                return found;
            }
            found.push(at);
        }
    }
}

fn is_weekend(day: NaiveDate) -> bool {
    matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}
