//! A small organisation for the tests of renderers.

use chrono::Duration;

use crate::domain::SourceName;
use crate::kpi::evaluation::{self, Evaluation, Explanation, Freshness, Plan, SourceFreshness};
use crate::kpi::testing::{Story, source};
use crate::kpi::{self, Need, Window};

/// Two teams, three services, incidents of both; the first team's names try to break out.
pub(super) const STORY: &str = r#"
service <b>api</b> in mono paths api/** team "red"\ incidents PAPI
service web in mono paths web/** team blue incidents PWEB
service www team blue incidents PWWW
02-10T10:00 incident i0 P1 on PAPI
02-10T12:00 resolve i0
03-05T10:00 incident i1 P1 on PAPI
03-05T10:30 resolve i1
03-06T10:00 incident i2 P2 on PWEB
03-06T10:05 ack i2
03-06T12:00 resolve i2
03-30T10:00 incident i3 P2 on PWEB
as_of 04-01T00:00"#;

/// A story with sources of everything, fresh and with two years of history.
pub(super) fn told(text: &str) -> (Story, Freshness) {
    let mut story = Story::told(text);
    let sources = [
        ("github", &[Need::Deployments, Need::Changes, Need::Decisions][..]),
        ("pagerduty", &[Need::Incidents]),
    ];
    let mut freshness = Freshness::new();
    for (name, feeds) in sources {
        story.params.sources.push(source(name, feeds, story.as_of - Duration::days(1200)));
        let at = story.as_of - Duration::minutes(5);
        let fresh = SourceFreshness { last_success: at, data_through: at };
        freshness.insert(SourceName::from(name), fresh);
    }
    (story, freshness)
}

/// The story as /metrics shows it.
pub(super) fn published(text: &str) -> Evaluation {
    let (story, freshness) = told(text);
    let window = Window::parse("30d").expect("a window");
    let plan = Plan::published(vec![window], false);
    evaluation::evaluate(&story.timeline(), &story.params, &freshness, &plan, story.as_of)
}

/// One number of the story, for a team or for the organisation.
pub(super) fn explained(text: &str, id: &str, team: Option<&str>, window: &str) -> Explanation {
    let (story, freshness) = told(text);
    let timeline = story.timeline();
    let kpi = kpi::find(id).expect("a KPI of the registry");
    let window = Window::parse(window).expect("a window");
    let scope = published(text).names.scope(team, None).expect("a team of the story");
    evaluation::explain(&timeline, &story.params, &freshness, (kpi, scope, window), story.as_of)
}
