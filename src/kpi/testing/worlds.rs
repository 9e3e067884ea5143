//! Random organisations in which everything happens that a KPI is computed from, for properties
//! that must hold of every KPI.
//!
//! A world is a list of lines, so that a failing one can be read, and cut off anywhere, so that what
//! was known half-way is known too.

mod pen;

use chrono::{Duration, TimeDelta};
use proptest::prelude::*;

use self::pen::{Pen, WRITERS, count};
use super::{Story, instant, source};
use crate::domain::{Instant, SourceName};
use crate::kpi::Need;
use crate::kpi::evaluation::{Freshness, SourceFreshness};
use crate::kpi::params::SourceParams;

/// Three teams. Two services and a path of nobody share a repository; each of the others has one.
pub(crate) const SCENE: &str = "
service api in mono paths api/** team core incidents PAPI tier 1
service web in mono paths web/** team core incidents PWEB,PAPI
service pay team money incidents PPAY tier 2
service sdk team tools workflow Deploy incidents PSDK
records mono docs/adr event auto
records pay docs/adr event status
rule proximity 60
debt
findings
standard owners file CODEOWNERS
standard owners uses acme/ci except sdk
standard license file LICENSE* matches Apache
standard tiered property tier values gold tiers 1,2
boundary orders of api in mono workflow Contract
boundary rates of pay workflow CI job pact
boundary ledger in pay workflow CI
boundary lost in nowhere workflow CI
endpoint checkout of web budget 0.3
endpoint search of api budget 1 p99
counts visits of web
slo up of web objective 0.99
slo tick of pay objective 0.9 slices
slo all objective 0.95 ratios
wave developer_experience w0 closed 01-05T00:00 invited 24 each core=10,money=8
wave developer_experience w1 closed 02-01T00:00 invited 24 each core=10,money=8
wave stakeholder_satisfaction s1 closed 01-20T00:00 invited 16 each sales=8
baseline wave developer_experience w0
baseline 01-01T00:00 01-20T00:00
01-01T00:00 commit mono m0
01-01T00:00 commit pay p0
01-01T00:00 commit sdk s0
01-01T00:00 feed mono dependabot
01-01T00:00 feed pay dependabot
2025-12-20T00:00 hour checkout 0.1:90 0.3:95 1:100 +Inf:100
2025-12-20T00:00 hour search 0.5:90 1:99 +Inf:100
2025-12-20T00:00 hour up bad:1 total:900 valid:12 met:11
2025-12-20T00:00 hour tick bad:1 total:900 valid:12 met:12
2025-12-20T00:00 hour all bad:1 total:900 valid:12 met:12
";

/// What each source of a world brings.
const SOURCES: [(&str, &[Need]); 4] = [
    (
        "github",
        &[
            Need::Deployments,
            Need::Changes,
            Need::Decisions,
            Need::Debt,
            Need::Findings,
            Need::Standards,
            Need::Boundaries,
        ],
    ),
    ("pagerduty", &[Need::Incidents]),
    (
        "files",
        &[
            Need::Costs,
            Need::Units,
            Need::DeveloperSurveys,
            Need::StakeholderSurveys,
            Need::Escalations,
            Need::Mentorship,
            Need::IncidentNotes,
        ],
    ),
    ("prometheus", &[Need::Requests, Need::Objectives, Need::Units, Need::AlertRules]),
];

/// A random organisation.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// The scene, and then what happened, in order of time.
    lines: Vec<String>,
    /// How many of them are the scene.
    scene: usize,
    /// When the last of it had happened.
    pub(crate) as_of: Instant,
}

impl World {
    /// All of it.
    pub(crate) fn story(&self) -> Story {
        self.until(usize::MAX)
    }

    /// What was known after the first `events` of what happened.
    pub(crate) fn until(&self, events: usize) -> Story {
        let lines = self.lines.len().min(self.scene.saturating_add(events));
        let mut story = Story::told(&self.lines[..lines].join("\n"));
        story.as_of = self.as_of;
        for (name, feeds) in SOURCES {
            story.params.sources.push(SourceParams {
                stale_after: Duration::hours(6),
                ..source(name, feeds, instant("2024-01-01T00:00"))
            });
        }
        story
    }

    /// When the event after the first `events` of what happened begins to be known, or the end.
    pub(crate) fn at(&self, events: usize) -> Instant {
        let mut later = self.lines[self.scene + events..].iter();
        let time =
            later.find_map(|it| it.starts_with("2026").then(|| it.split(' ').next())).flatten();
        time.map_or(self.as_of, instant)
    }

    /// The same without what is told with another verb than one of these.
    pub(crate) fn only(&self, verbs: &[&str]) -> Self {
        let is_one =
            |line: &&String| line.split(' ').nth(1).is_some_and(|verb| verbs.contains(&verb));
        let happened = self.lines[self.scene..].iter().filter(is_one);
        let lines = self.lines[..self.scene].iter().chain(happened).cloned().collect();
        Self { lines, ..self.clone() }
    }

    /// How many things happened.
    pub(crate) fn len(&self) -> usize {
        self.lines.len() - self.scene
    }

    /// Every source saw everything until just now.
    pub(crate) fn freshness(&self) -> Freshness {
        let fresh = SourceFreshness { last_success: self.as_of, data_through: self.as_of };
        SOURCES.iter().map(|(name, _)| (SourceName::from(*name), fresh)).collect()
    }
}

/// Something that happens: what, to which of the things that are there, and how.
#[derive(Clone, Copy, Debug)]
struct Event {
    minutes: i64,
    what: usize,
    of: usize,
    how: usize,
    more: usize,
}

/// Organisations with up to `size` events.
pub(crate) fn worlds(size: usize) -> impl Strategy<Value = World> {
    let event = (1..3000_i64, 0..WRITERS.len(), 0..24_usize, 0..24_usize, 0..24_usize);
    let event =
        event.prop_map(|(minutes, what, of, how, more)| Event { minutes, what, of, how, more });
    prop::collection::vec(event, 1..size).prop_map(|events| {
        let scene: Vec<String> = SCENE.lines().map(str::to_owned).collect();
        let mut pen = Pen::new(scene, instant("01-01T01:00"));
        for event in &events {
            pen.now += TimeDelta::minutes(event.minutes);
            WRITERS[event.what](&mut pen, *event);
        }
        // Half of the metric stores are fresh.
        if events.len() % 2 == 0 {
            (0..5).for_each(|of| count(&mut pen, Event { of, ..events[0] }));
        }
        World { as_of: pen.now + TimeDelta::hours(2), lines: pen.lines, scene: pen.scene }
    })
}
