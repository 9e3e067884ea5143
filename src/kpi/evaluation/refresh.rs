//! Evaluates again only what something that landed is about.

use std::collections::BTreeMap;

use super::measure::Measuring;
use super::{Evaluation, Freshness, Plan, Scope};
use crate::domain::{Instant, Timeline};
use crate::kpi::view::reach::Landed;
use crate::kpi::{Params, View};

/// The evaluation after `before` in which only the teams and services that `landed` is about are
/// evaluated again: their numbers are those of a whole evaluation, all others stay as they were.
/// `None` where it cannot be said whom it is about.
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
    evaluation.as_of = as_of;
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
    use crate::domain::SourceName;
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
                    for (refreshed, whole) in said(&refreshed, scope).iter().zip(said(&whole, scope)) {
                        prop_assert_eq!(refreshed, &whole);
                    }
                }
            }
        }
    }
}
