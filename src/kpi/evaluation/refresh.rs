//! Evaluates again only what something that landed is about.

use std::collections::HashMap;

use super::measure::Measuring;
use super::scope::Partition;
use super::{Evaluation, Freshness, Part, Plan, Scope};
use crate::domain::{Instant, Timeline};
use crate::kpi::view::index::Index;
use crate::kpi::view::reach::Landed;
use crate::kpi::{Kpi, Params, View, parallel};

/// The evaluation after `before` in which only the teams and services that `landed` is about are
/// evaluated again: their numbers are those of a whole evaluation, all others stay as they were.
/// `None` where it cannot be said whom it is about. The evaluation stays one of the instant that
/// most of it is of; the parts that are newer say so. `index` takes in what landed.
pub fn refresh(
    before: &Evaluation,
    (landed, index): (&Landed, &mut Index),
    (timeline, params): (&Timeline, &Params),
    freshness: &Freshness,
    plan: &Plan,
    as_of: Instant,
) -> Option<Evaluation> {
    let (view, reach) = View::of_landed(timeline, params, as_of, landed, index)?;
    let teams = reach.teams.iter().copied().map(Scope::Team);
    let services = reach.services.iter().copied().map(Scope::Service);
    let scopes: Vec<Scope> = teams.chain(services).collect();
    let earlier = scopes.iter().flat_map(|it| before.parts.of_scope(*it));
    let earlier: HashMap<(&str, Scope), &Part> = earlier.map(|it| it.place()).collect();

    let kpis: Vec<&'static Kpi> =
        plan.kpis.iter().copied().filter(|kpi| landed.concerns(kpi)).collect();
    let items = parallel::map(kpis.len(), |at| (kpis[at].assess)(&view));
    let measurings = parallel::map(kpis.len(), |at| {
        let measuring = Measuring::of(&view, freshness, plan, kpis[at]);
        (measuring, Partition::of(&items[at], &params.catalogue))
    });
    // Those of the teams go first: they take longest.
    let mut work: Vec<(Scope, usize)> = (0..kpis.len())
        .flat_map(|at| measurings[at].0.measured(&scopes).into_iter().map(move |it| (it, at)))
        .collect();
    work.sort();
    let parts = parallel::map(work.len(), |at| {
        let (scope, kpi) = work[at];
        let (measuring, partition) = &measurings[kpi];
        measuring.one(scope, partition, &earlier)
    });
    let mut evaluation = before.clone();
    evaluation.parts.replace(parts);
    Some(evaluation)
}

#[cfg(test)]
mod landings;
#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::Duration;
    use proptest::prelude::*;
    use proptest::sample::Index as Choice;

    use super::*;
    use crate::domain::fact::{IncidentAlert, Repository};
    use crate::domain::{Fact, SourceName};
    use crate::kpi::evaluation::{SourceFreshness, evaluate};
    use crate::kpi::params::SourceParams;
    use crate::kpi::testing::Story;
    use crate::kpi::testing::worlds::worlds;
    use crate::kpi::view::properties::histories;
    use crate::kpi::view::reach::Reach;
    use crate::kpi::{Need, Window};

    /// The facts of a story of which some land late.
    pub(super) struct Late {
        pub(super) story: Story,
        pub(super) freshness: Freshness,
        /// The positions of those that do.
        late: BTreeSet<usize>,
    }

    impl Late {
        /// One source saw all of the story.
        pub(super) fn of(mut story: Story, late: BTreeSet<usize>) -> Self {
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
            let windows = vec![Window::parse("7d").expect("a window"), Window::Month, Window::Own];
            let published = Plan::published(windows.clone(), false);
            let plan = Plan { windows, history: false, ..published };
            let all = |timeline: &Timeline| {
                evaluate(timeline, &story.params, freshness, &plan, story.as_of)
            };
            let facts = || story.facts.iter().cloned().enumerate();
            let early = facts().filter(|(at, _)| !late.contains(at)).map(|(_, fact)| fact);
            let mut timeline = story.known(early.collect());
            let before = all(&timeline);
            let mut index = Index::of(&timeline, &story.params.rules);
            let mut landed = Landed::default();
            for (_, (source, fact)) in facts().filter(|(at, _)| late.contains(at)) {
                landed.note(&timeline, &source, &fact);
                timeline.apply(&source, fact);
            }
            let timeline = story.timeline();
            let facts = (&timeline, &story.params);
            let news = (&landed, &mut index);
            let refreshed = refresh(&before, news, facts, freshness, &plan, story.as_of)?;
            let (_, reach) =
                View::of_landed(&timeline, &story.params, story.as_of, &landed, &mut index)?;
            assert_eq!(reach, reached(story, &timeline, &landed)?, "see Index::update");
            let teams = reach.teams.iter().copied().map(Scope::Team);
            let services = reach.services.iter().copied().map(Scope::Service);
            Some((all(&timeline), refreshed, teams.chain(services).collect()))
        }

        /// Holds what is brought up to date to what a whole evaluation says.
        fn check(&self) -> Result<(), TestCaseError> {
            let Some((whole, refreshed, scopes)) = self.evaluated() else { return Ok(()) };
            for scope in scopes {
                prop_assert_eq!(said(&refreshed, scope), said(&whole, scope));
            }
            Ok(())
        }
    }

    /// Whom `landed` is about, by an index of everything in `timeline`.
    pub(super) fn reached(story: &Story, timeline: &Timeline, landed: &Landed) -> Option<Reach> {
        let index = &mut Index::of(timeline, &story.params.rules);
        Some(View::of_landed(timeline, &story.params, story.as_of, landed, index)?.1)
    }

    /// Some of the facts of a story that are about somebody.
    fn some(story: &Story, chosen: &[Choice]) -> BTreeSet<usize> {
        let facts = story.facts.iter().enumerate().filter(|(_, fact)| !is_anything(fact));
        let facts: Vec<usize> = facts.map(|(at, _)| at).collect();
        chosen.iter().filter(|_| !facts.is_empty()).map(|it| *it.get(&facts)).collect()
    }

    /// Whether a fact that was not known before may change anybody's numbers.
    pub(super) fn is_anything((source, fact): &(SourceName, Fact)) -> bool {
        let mut landed = Landed::default();
        landed.note(&Timeline::default(), source, fact);
        let mut anything = Landed::default();
        anything.note_anything();
        landed == anything
    }

    /// An alert that was filed under one incident and, as the story's last fact, under another.
    fn move_alert(story: &mut Story, (from, to): (Choice, Choice)) {
        let incidents = story.facts.iter().filter_map(|(source, fact)| match fact {
            Fact::Incident(it) => Some((source.clone(), it.id.clone(), it.created_at)),
            _ => None,
        });
        let incidents: Vec<_> = incidents.collect();
        if incidents.is_empty() {
            return;
        }
        let (source, _, created_at) = to.get(&incidents).clone();
        let created_at = created_at - Duration::minutes(7);
        for (_, incident, _) in [from, to].map(|it| it.get(&incidents).clone()) {
            let alert = IncidentAlert { id: "moved".into(), incident, created_at, rule: None };
            story.facts.push((source.clone(), Fact::IncidentAlert(alert)));
        }
    }

    /// What an evaluation says about a scope, a number or verdict a line.
    pub(super) fn said(evaluation: &Evaluation, scope: Scope) -> Vec<String> {
        let parts = || evaluation.parts.of_scope(scope);
        let readings = parts().flat_map(|part| part.readings.iter()).map(|it| format!("{it:?}"));
        let statuses = parts().flat_map(|part| part.statuses.iter()).map(|it| format!("{it:?}"));
        readings.chain(statuses).collect()
    }

    /// The teams and services that are evaluated again when the last facts of a story land, with the
    /// numbers of a whole evaluation.
    #[track_caller]
    fn evaluated_again(story: &str, late: usize) -> Option<String> {
        let story = Story::told(story);
        let names = crate::kpi::evaluation::Names::of(&story.params);
        let all = story.facts.len();
        let late = Late::of(story, (all - late..all).collect());
        late.check().expect("the numbers of a whole evaluation");
        let (_, _, scopes) = late.evaluated()?;
        let name = |scope: &Scope| match names.labels(*scope) {
            (team, "") => team.to_owned(),
            (_, service) => service.to_owned(),
        };
        Some(scopes.iter().map(name).collect::<Vec<_>>().join(" "))
    }

    /// Whose repositories are looked at when the last fact of a story lands.
    fn looked_at(story: &str) -> Option<String> {
        let story = Story::told(story);
        let (source, last) = story.facts.last().expect("the story has facts");
        let timeline = story.timeline();
        let mut landed = Landed::default();
        landed.note(&timeline, source, last);
        let reach = reached(&story, &timeline, &landed)?;
        let name = |it| timeline.repositories[it].name.trim_start_matches("acme/").to_owned();
        let names: BTreeSet<String> = reach.repositories.iter().map(name).collect();
        Some(names.into_iter().collect::<Vec<_>>().join(" "))
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
    fn an_incident_of_another_team_that_names_what_is_ours_takes_everything_else_that_it_names() {
        let told = |named: &str| {
            format!("{TWO_TEAMS}\n02T11:00 note i1 naming {named}\n03T10:00 deploy web w0 id 3")
        };
        assert_eq!(evaluated_again(&told("w0"), 1).as_deref(), Some("one web api"));
        assert_eq!(looked_at(&told("w0")).as_deref(), Some("api web"));
        assert_eq!(evaluated_again(&told("w0,s0"), 1).as_deref(), Some("one web api"));
        assert_eq!(looked_at(&told("w0,s0")).as_deref(), Some("api shop web"));
        assert_eq!(looked_at(&told("deployment:1,deployment:2")).as_deref(), Some("api shop web"));
        assert_eq!(looked_at(&told("s0,deployment:2")).as_deref(), Some("api web"));
    }

    #[test]
    fn an_incident_of_ours_takes_whatever_it_names_and_what_nobody_knows_is_no_matter() {
        let told = |named: &str| {
            format!("{TWO_TEAMS}\n02T11:00 note i1 naming {named}\n03T10:00 deploy shop s0 id 3")
        };
        assert_eq!(evaluated_again(&told("w0"), 1).as_deref(), Some("two shop"));
        assert_eq!(looked_at(&told("w0")).as_deref(), Some("shop web"));
        assert_eq!(looked_at(&told("deployment:1")).as_deref(), Some("shop web"));
        assert_eq!(evaluated_again(&told("unheard,deployment:99"), 1).as_deref(), Some("two shop"));
        assert_eq!(looked_at(&told("unheard,deployment:99")).as_deref(), Some("shop"));
    }

    #[test]
    fn a_commit_that_only_a_squashed_branch_had_is_known_and_so_is_one_that_nothing_but_a_deployment_has()
     {
        let told = |named: &str| {
            format!(
                "{TWO_TEAMS}
                 02T10:30 merge web#1 with branch1 as squashed
                 02T10:40 deploy web elsewhere id 4
                 02T11:00 note i1 naming {named}
                 03T10:00 deploy shop s0 id 3"
            )
        };
        for named in ["branch1", "squashed", "elsewhere"] {
            assert_eq!(looked_at(&told(named)).as_deref(), Some("shop web"), "{named}");
            assert_eq!(evaluated_again(&told(named), 1).as_deref(), Some("two shop"), "{named}");
        }
    }

    #[test]
    fn a_repository_with_another_name_takes_a_whole_evaluation_and_one_that_moved_on_does_not() {
        let story = Story::told(TWO_TEAMS);
        let timeline = story.timeline();
        let known = timeline.repository_named("acme/web").expect("the story has it").clone();
        let is_about = |repository: Repository| {
            let mut landed = Landed::default();
            landed.note(&timeline, &SourceName::from("git"), &Fact::Repository(repository));
            reached(&story, &timeline, &landed).map(|it| it.teams)
        };
        let later = known.updated_at + Duration::hours(1);
        assert!(is_about(Repository { updated_at: later, ..known.clone() }).is_some());
        assert_eq!(is_about(Repository { name: "acme/shop2".to_owned(), ..known }), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn whom_something_that_landed_is_about_has_the_numbers_of_a_whole_evaluation(
            mut story in histories(), chosen in prop::collection::vec(any::<Choice>(), 1..4),
            moved in prop::option::of(any::<(Choice, Choice)>()),
        ) {
            let mut late = some(&story, &chosen);
            if let Some(moved) = moved {
                move_alert(&mut story, moved);
                late.insert(story.facts.len() - 1);
            }
            Late::of(story, late).check()?;
        }

        #[test]
        fn so_it_has_in_worlds_where_everything_happens_that_a_kpi_is_made_of(
            world in worlds(80), chosen in prop::collection::vec(any::<Choice>(), 1..4),
            moved in prop::option::of(any::<(Choice, Choice)>()),
        ) {
            let mut story = world.story();
            let mut late = some(&story, &chosen);
            if let Some(moved) = moved {
                move_alert(&mut story, moved);
                late.insert(story.facts.len() - 1);
            }
            Late { story, freshness: world.freshness(), late }.check()?;
        }
    }
}
