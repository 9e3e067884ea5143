//! One thing lands after the other, and the index is kept from each to the next.

use std::collections::BTreeSet;
use std::vec::IntoIter;

use proptest::prelude::*;
use proptest::sample::Index as Choice;

use super::refresh;
use super::tests::{Late, is_anything, reached, said};
use crate::domain::fact::{Commit, Deployment, Incident, IncidentEvent, IncidentEventKind};
use crate::domain::{CommitId, Fact, Instant, RepositoryId, SourceName, Text, Timeline};
use crate::kpi::evaluation::{Plan, Scope, evaluate};
use crate::kpi::testing::Story;
use crate::kpi::view::View;
use crate::kpi::view::index::Index;
use crate::kpi::view::reach::{Landed, Reach};
use crate::kpi::{Need, Window};

/// Three teams. So little happens that what lands often meets it.
const SCENE: &str = "
    service web in web team one incidents PWEB
    service api in api team one incidents PAPI
    service shop in shop team two incidents PSHOP,PAPI
    service cart in cart team three incidents PCART
    rule proximity 60
    02T09:00 commit nobodys n0
    02T09:00 commit web w0
    02T09:00 commit shop s0
    02T09:00 commit cart k0
    02T10:00 deploy web w0 id 1
    02T10:00 deploy shop s0 id 2
    02T10:00 deploy cart k0 id 3
    02T11:00 incident i1 P1 on PSHOP
    03T09:00 merge web#1 with b1
    03T10:00 deploy web c1 id 4
    03T10:30 incident i2 P2 on PWEB
    04T09:00 merge shop#2
    04T10:00 deploy shop c2 id 5
    04T10:20 incident i3 P1 on PCART
    04T12:00 resolve i3
    05T10:00 deploy web w0 id 6
    05T10:30 incident i4 P1 on PAPI";

/// Where incidents are; nobody has the last one.
const SERVICES: [&str; 5] = ["PWEB", "PAPI", "PSHOP", "PCART", "PNOBODYS"];

/// What can be named as a cause: what is deployed, what is on a branch, and what is not there yet.
const CAUSES: [&str; 8] =
    ["w0", "c1", "b1", "deployment:2", "deployment:5", "k0", "abcdef0", "abcdef1"];

/// What the news bring.
const MAY_LAND: [Need; 3] = [Need::Deployments, Need::Changes, Need::Incidents];

/// Something that lands or goes. A cause is none where that is not chosen.
#[derive(Clone, Debug)]
enum News {
    /// The next of what was held back.
    Told,
    /// An incident is on another service, or on none, and its field names another cause.
    Changed { incident: Choice, service: Option<Choice>, cause: Option<Choice> },
    /// The only note of an incident names something, whatever it named before.
    Noted { incident: Choice, cause: Option<Choice> },
    /// One of two deployments is of one of the commits that were not there.
    Corrected { deployment: Choice, commit: bool },
    /// A commit lands in a repository that has no services.
    Nobodys { commit: Choice },
    /// An incident is gone.
    Gone { incident: Choice },
}

fn news() -> impl Strategy<Value = News> {
    let choice = any::<Choice>;
    let rarely_none = || prop::option::weighted(0.7, choice());
    let changed = (choice(), rarely_none(), rarely_none());
    prop_oneof![
        4 => Just(News::Told),
        4 => changed.prop_map(|(incident, service, cause)| {
            News::Changed { incident, service, cause }
        }),
        4 => (choice(), rarely_none()).prop_map(|(incident, cause)| News::Noted { incident, cause }),
        4 => (choice(), any::<bool>()).prop_map(|(deployment, commit)| {
            News::Corrected { deployment, commit }
        }),
        2 => choice().prop_map(|commit| News::Nobodys { commit }),
        1 => choice().prop_map(|incident| News::Gone { incident }),
    ]
}

/// A timeline in which things land.
struct Landing {
    timeline: Timeline,
    held: IntoIter<(SourceName, Fact)>,
}

impl Landing {
    /// Holds back the facts of `story` from `first` on that are about somebody.
    fn of(story: &Story, first: Choice) -> Self {
        let (early, late) = story.facts.split_at(first.index(story.facts.len() + 1));
        let (anything, held): (Vec<_>, Vec<_>) = late.iter().cloned().partition(is_anything);
        let timeline = story.known(early.iter().cloned().chain(anything).collect());
        Self { timeline, held: held.into_iter() }
    }

    /// Takes `news` in as it would be loaded.
    fn land(&mut self, news: &News, landed: &mut Landed) {
        if let News::Gone { incident } = news {
            if let Some((source, incident)) = self.incident(incident) {
                landed.note_anything();
                self.timeline.remove(&Fact::Incident(incident).key(&source));
            }
        } else if let Some((source, fact)) = self.fact(news) {
            landed.note(&self.timeline, &source, &fact);
            self.timeline.apply(&source, fact);
        }
    }

    fn fact(&mut self, news: &News) -> Option<(SourceName, Fact)> {
        let named = |cause: &Option<Choice>| cause.map(|it| Text::from(*it.get(&CAUSES)));
        match news {
            News::Told => self.held.next(),
            News::Changed { incident, service, cause } => {
                let (source, mut incident) = self.incident(incident)?;
                incident.service = service.map(|it| (*it.get(&SERVICES)).into());
                incident.fields.insert("caused_by", named(cause).unwrap_or_default());
                Some((source, Fact::Incident(incident)))
            }
            News::Noted { incident, cause } => {
                let (source, of) = self.incident(incident)?;
                let note = IncidentEvent {
                    id: format!("note of {}", of.id).into(),
                    incident: of.id,
                    at: of.created_at,
                    event: IncidentEventKind::Note,
                    channel: None,
                    mentions: named(cause).into_iter().collect(),
                };
                Some((source, Fact::IncidentEvent(note)))
            }
            News::Corrected { deployment, commit } => {
                let known = self.timeline.deployments.iter();
                let known = known.flat_map(|((_, of), all)| all.iter().map(move |it| (of, it)));
                let known: Vec<(&SourceName, &Deployment)> = known.take(2).collect();
                let (source, deployment) = *chosen(&known, deployment)?;
                let commit = CommitId::new(if *commit { "abcdef0" } else { "abcdef1" });
                let corrected = Deployment { commit, ..deployment.clone() };
                Some((source.clone(), Fact::Deployment(corrected)))
            }
            News::Nobodys { commit } => {
                let source = SourceName::from("github");
                let commit = Commit {
                    repository: RepositoryId::of(&source, "nobodys"),
                    id: CommitId::new(*commit.get(&CAUSES)),
                    parents: Vec::new(),
                    authored_at: Instant::UNIX_EPOCH,
                    committed_at: Instant::UNIX_EPOCH,
                    reverts: Vec::new(),
                };
                Some((source, Fact::Commit(commit)))
            }
            News::Gone { .. } => None,
        }
    }

    fn incident(&self, choice: &Choice) -> Option<(SourceName, Incident)> {
        let known: Vec<_> = self.timeline.incidents.iter().collect();
        let ((source, _), incident) = chosen(&known, choice)?;
        Some((source.clone(), Incident::clone(incident)))
    }
}

fn chosen<'a, T>(all: &'a [T], choice: &Choice) -> Option<&'a T> {
    (!all.is_empty()).then(|| choice.get(all))
}

/// Whom `landed` is about by an index that is kept; it must be as by an index of everything.
fn reached_by(
    index: &mut Index,
    story: &Story,
    timeline: &Timeline,
    landed: &Landed,
) -> Result<Option<Reach>, TestCaseError> {
    let view = View::of_landed(timeline, &story.params, story.as_of, landed, index);
    let reach = view.map(|(_, reach)| reach);
    prop_assert_eq!(&reach, &reached(story, timeline, landed), "see Index::update");
    Ok(reach)
}

#[test]
fn what_a_repository_no_longer_knows_leads_there_no_more() {
    let text = "06T10:00 deploy web abcdef0 id 7\n06T11:00 note i1 naming abcdef0";
    let story = Story::told(&format!("{SCENE}\n{text}"));
    let mut timeline = story.timeline();
    let mut index = Index::of(&timeline, &story.params.rules);
    let mut knows_web = |timeline: &Timeline, landed: &Landed| {
        let reach = reached_by(&mut index, &story, timeline, landed).expect("what is so");
        let of = reach.expect("it is about a team").repositories;
        of.iter().any(|it| timeline.repositories[it].name == "acme/web")
    };
    let landed = |timeline: &Timeline, fact: &Fact| {
        let mut landed = Landed::default();
        landed.note(timeline, &SourceName::from("github"), fact);
        landed
    };
    let shop = timeline.repository_named("acme/shop").expect("the story has it");
    let of_shop = landed(&timeline, &Fact::Repository(shop.clone()));
    assert!(knows_web(&timeline, &of_shop), "an incident of the shop names what it had deployed");

    let deployed = story.facts.iter().find_map(|(source, fact)| match fact {
        Fact::Deployment(it) if it.id == "7" => Some((source, it)),
        _ => None,
    });
    let (source, deployed) = deployed.expect("the story has it");
    let corrected = Deployment { commit: CommitId::new("w0"), ..deployed.clone() };
    let corrected = Fact::Deployment(corrected);
    let of_web = landed(&timeline, &corrected);
    timeline.apply(source, corrected);
    knows_web(&timeline, &of_web);
    assert!(!knows_web(&timeline, &of_shop), "it was of another commit");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn an_index_that_took_in_one_landing_after_the_other_says_what_one_of_everything_does(
        first in any::<Choice>(),
        landings in prop::collection::vec(prop::collection::vec(news(), 1..4), 2..8),
    ) {
        let Late { story, freshness, .. } = Late::of(Story::told(SCENE), BTreeSet::new());
        let windows = vec![Window::parse("30d").expect("a window")];
        let published = Plan::published(windows.clone(), false);
        let mut plan = Plan { windows, history: false, service_defaults: false, ..published };
        plan.kpis.retain(|it| it.needs.iter().chain(it.uses).any(|it| MAY_LAND.contains(it)));
        let (params, as_of) = (&story.params, story.as_of);
        let mut landing = Landing::of(&story, first);
        let whole = |timeline: &Timeline| evaluate(timeline, params, &freshness, &plan, as_of);
        let mut before = whole(&landing.timeline);
        // Each takes everything in once, as that of a daemon does.
        let mut index = Index::of(&landing.timeline, &params.rules);
        let mut other = Index::of(&landing.timeline, &params.rules);
        for news in landings {
            let mut landed = Landed::default();
            news.iter().for_each(|it| landing.land(it, &mut landed));
            let timeline = &landing.timeline;
            let reach = reached_by(&mut other, &story, timeline, &landed)?;
            let (news, facts) = ((&landed, &mut index), (timeline, params));
            let refreshed = refresh(&before, news, facts, &freshness, &plan, as_of);
            prop_assert_eq!(refreshed.is_some(), reach.is_some());
            let after = whole(timeline);
            for (refreshed, reach) in refreshed.iter().zip(&reach) {
                let teams = reach.teams.iter().copied().map(Scope::Team);
                let services = reach.services.iter().copied().map(Scope::Service);
                for scope in teams.chain(services) {
                    prop_assert_eq!(said(refreshed, scope), said(&after, scope));
                }
            }
            before = after;
        }
        // Nobody asked for everything that the index says.
        for repository in landing.timeline.repositories.values() {
            let pushed = Fact::Repository(repository.clone());
            let mut landed = Landed::default();
            landed.note(&landing.timeline, &SourceName::from("github"), &pushed);
            reached_by(&mut other, &story, &landing.timeline, &landed)?;
        }
    }
}
