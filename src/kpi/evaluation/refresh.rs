//! Evaluates again only what something that landed is about.

use std::collections::BTreeMap;

use super::measure::Measuring;
use super::{Evaluation, Freshness, Plan, Scope};
use crate::domain::{Instant, Timeline};
use crate::kpi::view::reach::Landed;
use crate::kpi::{Params, View};

/// The evaluation after `before` in which only the teams and services that `landed` is about are
/// evaluated again: their numbers are those of a whole evaluation, all others stay as they were.
/// `None` where it cannot be said whom it is about. The evaluation stays one of the instant that
/// most of it is of; the parts that are newer say so.
pub fn refresh(
    before: &Evaluation,
    landed: &Landed,
    (timeline, params): (&Timeline, &Params),
    freshness: &Freshness,
    plan: &Plan,
    as_of: Instant,
) -> Option<Evaluation> {
    let (view, reach) = View::of_landed(timeline, params, as_of, landed)?;
    let teams = reach.teams.iter().copied().map(Scope::Team);
    let services = reach.services.iter().copied().map(Scope::Service);
    let scopes: Vec<Scope> = teams.chain(services).collect();
    let mut parts = BTreeMap::new();
    for kpi in plan.kpis.iter().filter(|kpi| landed.concerns(kpi)) {
        let items = (kpi.assess)(&view);
        let measured = Measuring::of(&view, freshness, plan, kpi).run(&items, &scopes);
        parts.extend(measured.into_iter().map(|part| ((part.kpi.id, part.scope), part)));
    }
    let mut evaluation = before.clone();
    for part in &mut evaluation.parts {
        if let Some(newer) = parts.remove(&(part.kpi.id, part.scope)) {
            *part = newer;
        }
    }
    Some(evaluation)
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::domain::fact::Repository;
    use crate::domain::{Fact, SourceName};
    use crate::kpi::evaluation::{SourceFreshness, evaluate};
    use crate::kpi::params::SourceParams;
    use crate::kpi::testing::Story;
    use crate::kpi::view::properties::histories;
    use crate::kpi::{Need, Window};

    /// The facts of a story of which some land late.
    struct Late {
        story: Story,
        freshness: Freshness,
        late: std::ops::Range<usize>,
    }

    impl Late {
        fn of(mut story: Story, late: std::ops::Range<usize>) -> Self {
            let name = SourceName::from("all");
            story.params.sources = vec![SourceParams {
                name: name.clone(),
                feeds: vec![Need::Deployments, Need::Changes, Need::Incidents, Need::Decisions],
                history_start: story.as_of - Duration::days(1200),
                parts: [].into(),
                stale_after: Duration::hours(1),
                web_base: "https://all.example".parse().expect("an address"),
            }];
            let fresh = SourceFreshness { last_success: story.as_of, data_through: story.as_of };
            Self { story, freshness: [(name, fresh)].into(), late }
        }

        /// A whole evaluation of everything, and one of what was there before brought up to date;
        /// with the teams that were.
        fn evaluated(&self) -> Option<(Evaluation, Evaluation, Vec<Scope>)> {
            let Self { story, freshness, late } = self;
            let windows = vec![Window::parse("7d").expect("a window"), Window::Month];
            let published = Plan::published(windows.clone(), false);
            let plan = Plan { windows, history: false, ..published };
            let all = |timeline: &Timeline| {
                evaluate(timeline, &story.params, freshness, &plan, story.as_of)
            };
            let mut early = story.clone();
            let landing: Vec<_> = early.facts.drain(late.clone()).collect();
            let mut timeline = early.timeline();
            let before = all(&timeline);
            let mut landed = Landed::default();
            for (source, fact) in landing {
                landed.note(&timeline, &source, &fact);
                timeline.apply(&source, fact);
            }
            let timeline = story.timeline();
            let facts = (&timeline, &story.params);
            let refreshed = refresh(&before, &landed, facts, freshness, &plan, story.as_of)?;
            let (_, reach) = View::of_landed(&timeline, &story.params, story.as_of, &landed)?;
            let teams = reach.teams.iter().copied().map(Scope::Team);
            let services = reach.services.iter().copied().map(Scope::Service);
            Some((all(&timeline), refreshed, teams.chain(services).collect()))
        }
    }

    /// What an evaluation says about a scope, a number or verdict a line.
    fn said(evaluation: &Evaluation, scope: Scope) -> Vec<String> {
        let parts = || evaluation.parts.iter().filter(|part| part.scope == scope);
        let readings = parts().flat_map(|part| &part.readings).map(|it| format!("{it:?}"));
        let statuses = parts().flat_map(|part| &part.statuses).map(|it| format!("{it:?}"));
        readings.chain(statuses).collect()
    }

    /// The teams and services that are evaluated again when the last facts of a story land.
    fn evaluated_again(story: &str, late: usize) -> Option<String> {
        let story = Story::told(story);
        let names = crate::kpi::evaluation::Names::of(&story.params);
        let all = story.facts.len();
        let (_, _, scopes) = Late::of(story, all - late..all).evaluated()?;
        let name = |scope: &Scope| match names.labels(*scope) {
            (team, "") => team.to_owned(),
            (_, service) => service.to_owned(),
        };
        Some(scopes.iter().map(name).collect::<Vec<_>>().join(" "))
    }

    const TWO_TEAMS: &str = "
        service web in web team one incidents PWEB
        service api in api team one incidents PAPI
        service shop in shop team two incidents PSHOP
        01T09:00 commit web w0
        01T09:00 commit shop s0
        01T10:00 deploy web w0 id 1
        01T10:00 deploy shop s0 id 2
        02T10:00 incident i1 P1 on PSHOP";

    #[test]
    fn a_deployment_is_about_the_team_whose_repository_it_is_of() {
        let story = format!("{TWO_TEAMS}\n03T10:00 deploy web w0 id 3");
        assert_eq!(evaluated_again(&story, 1).as_deref(), Some("one web api"));
    }

    #[test]
    fn an_incident_is_about_the_team_on_whose_service_it_is() {
        assert_eq!(evaluated_again(TWO_TEAMS, 1).as_deref(), Some("two shop"));
    }

    #[test]
    fn an_incident_of_another_team_that_names_what_is_ours_takes_a_whole_evaluation() {
        let named = format!("{TWO_TEAMS}\n02T11:00 note i1 naming w0");
        let story = format!("{named}\n03T10:00 deploy web w0 id 3");
        assert_eq!(evaluated_again(&story, 1), None);
        let story = format!("{TWO_TEAMS}\n02T11:00 note i1 naming s0");
        let story = format!("{story}\n03T10:00 deploy web w0 id 3");
        assert_eq!(evaluated_again(&story, 1).as_deref(), Some("one web api"));
    }

    #[test]
    fn an_incident_of_ours_that_names_what_we_do_not_have_takes_a_whole_evaluation() {
        let story = format!("{TWO_TEAMS}\n02T11:00 note i1 naming w0");
        let story = format!("{story}\n03T10:00 deploy shop s0 id 3");
        assert_eq!(evaluated_again(&story, 1), None);
    }

    #[test]
    fn a_repository_with_another_name_takes_a_whole_evaluation_and_one_that_moved_on_does_not() {
        let story = Story::told(TWO_TEAMS);
        let timeline = story.timeline();
        let known = timeline.repository_named("acme/web").expect("the story has it").clone();
        let is_about = |repository: Repository| {
            let mut landed = Landed::default();
            landed.note(&timeline, &SourceName::from("git"), &Fact::Repository(repository));
            View::of_landed(&timeline, &story.params, story.as_of, &landed).map(|it| it.1.teams)
        };
        let later = known.updated_at + Duration::hours(1);
        assert!(is_about(Repository { updated_at: later, ..known.clone() }).is_some());
        assert_eq!(is_about(Repository { name: "acme/shop2".to_owned(), ..known }), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn whom_something_that_landed_is_about_has_the_numbers_of_a_whole_evaluation(
            story in histories(), first in any::<Index>(), number in 1..4_usize,
        ) {
            let first = first.index(story.facts.len());
            let late = first..(first + number).min(story.facts.len());
            if let Some((whole, refreshed, scopes)) = Late::of(story, late).evaluated() {
                for scope in scopes {
                    prop_assert_eq!(said(&refreshed, scope), said(&whole, scope));
                }
            }
        }
    }
}
