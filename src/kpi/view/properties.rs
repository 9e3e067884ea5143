//! What must hold of every history, however wild.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::Duration;
use proptest::prelude::*;
use proptest::sample::Index;

use super::View;
use super::changes::Shipping;
use crate::domain::{CommitId, Instant, Timeline};
use crate::kpi::testing::Story;
use crate::kpi::{ALL, Slice, Span, WindowKind};

/// Something that happens. Indices choose among what happened before.
#[derive(Clone, Debug)]
enum Event {
    Merge {
        touches: u8,
        parents: (Index, Index),
        branch: bool,
        bot: bool,
        hotfix: bool,
        reverts: Option<Index>,
    },
    Deploy {
        commit: Index,
        to: usize,
        failed: bool,
        flagged: bool,
    },
    Incident {
        of: usize,
        commit: Index,
        deployment: Index,
        names: u8,
        resolved: bool,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let index = any::<Index>;
    let rarely = || prop::bool::weighted(0.2);
    prop_oneof![
        (0..16_u8, (index(), index()), rarely(), rarely(), rarely(), prop::option::of(index()))
            .prop_map(|(touches, parents, branch, bot, hotfix, reverts)| Event::Merge {
                touches,
                parents,
                branch,
                bot,
                hotfix,
                reverts
            }),
        (index(), 0..5_usize, rarely(), rarely()).prop_map(|(commit, to, failed, flagged)| {
            Event::Deploy { commit, to, failed, flagged }
        }),
        (0..3_usize, index(), index(), 0..4_u8, any::<bool>()).prop_map(
            |(of, commit, deployment, names, resolved)| Event::Incident {
                of,
                commit,
                deployment,
                names,
                resolved
            }
        ),
    ]
}

/// A repository with three services.
struct Place {
    repository: &'static str,
    /// The services as a story tells them.
    services: &'static str,
    /// Where deployments go; the last one is no production.
    environments: [&'static str; 5],
    incident_services: [&'static str; 3],
    /// Tells its incidents and deployments from those of other places.
    mark: &'static str,
}

const MONO: Place = Place {
    repository: "mono",
    services: "
            service api in mono paths api/** to api-eu,api-us incidents PAPI
            service web in mono paths web/** to web incidents PWEB,PAPI
            service rest in mono to api-eu,rest team two incidents PREST",
    environments: ["api-eu", "api-us", "web", "rest", "staging"],
    incident_services: ["PAPI", "PWEB", "PREST"],
    mark: "",
};

/// Of other teams, but one of its incident services is also that of a service in [`MONO`].
const POLY: Place = Place {
    repository: "poly",
    services: "
            service shop in poly paths api/** to shop-eu,shop-us team three incidents PSHOP
            service cart in poly paths web/** to cart team three incidents PCART,PREST
            service desk in poly to shop-eu,desk team four incidents PDESK",
    environments: ["shop-eu", "shop-us", "cart", "desk", "staging"],
    incident_services: ["PSHOP", "PCART", "PDESK"],
    mark: "9",
};

/// Three services of one repository and what happened to them.
pub(in crate::kpi) fn history() -> impl Strategy<Value = Story> {
    let events = prop::collection::vec((1..1500_i64, event()), 1..40);
    events.prop_map(|events| {
        let (text, now) = told(&MONO, events);
        let mut story = Story::told(&text);
        story.as_of = now + Duration::minutes(1);
        story
    })
}

/// Two repositories of five teams and what happened to them. Their commits have the same names.
pub(in crate::kpi) fn histories() -> impl Strategy<Value = Story> {
    let events = || prop::collection::vec((1..1500_i64, event()), 1..25);
    (events(), events()).prop_map(|(mono, poly)| {
        let ((mono, one), (poly, other)) = (told(&MONO, mono), told(&POLY, poly));
        let mut story = Story::told(&(mono + "\n" + &poly));
        story.as_of = one.max(other) + Duration::minutes(1);
        story
    })
}

/// The events of a place as a story, and when the last one happened.
fn told(place: &Place, events: Vec<(i64, Event)>) -> (String, Instant) {
    let Place { repository, services, mark, .. } = place;
    let mut text = format!("{services}\nrule proximity 60\n01-01T00:00 commit {repository} c0");
    let mut now: Instant = "2026-01-01T00:00:00Z".parse().expect("an instant");
    let (mut commits, mut deployments, mut changes) = (vec!["c0".to_owned()], 0, 0);
    for (minutes, event) in events {
        now += Duration::minutes(minutes);
        let at = now.format("%m-%dT%H:%M");
        writeln!(text).expect("writing to a string never fails");
        match event {
            Event::Merge { touches, parents, branch, bot, hotfix, reverts } => {
                changes += 1;
                let paths = ["api/a", "web/b", "README.md", "api/deep/c"];
                let paths = paths.iter().enumerate().filter(|(n, _)| touches & (1 << n) != 0);
                let paths: Vec<&str> = paths.map(|(_, path)| *path).collect();
                text += &format!("{at} merge {repository}#{changes} with b{changes}");
                let (one, other) = (parents.0.get(&commits), parents.1.get(&commits));
                let on = if branch { format!("{one},{other}") } else { one.clone() };
                text += &format!(" on {on}");
                if !paths.is_empty() {
                    text += &format!(" touches {}", paths.join(","));
                }
                text += if bot { " by renovate[bot]" } else { "" };
                text += if hotfix { " labels hotfix" } else { "" };
                if let Some(reverts) = reverts {
                    text += &format!(" reverts {}", reverts.get(&commits));
                }
                commits.push(format!("c{changes}"));
            }
            Event::Deploy { commit, to, failed, flagged } => {
                deployments += 1;
                let to = place.environments[to];
                let commit = commit.get(&commits);
                text +=
                    &format!("{at} deploy {repository} {commit} id {mark}{deployments} to {to}");
                text += if failed { " failed" } else { "" };
                text += if flagged { " task rollback" } else { "" };
            }
            Event::Incident { of, commit, deployment, names, resolved } => {
                let id = format!("i{mark}{}", text.len());
                let service = place.incident_services[of];
                text += &format!("{at} incident {id} P1 on {service}\n");
                let mut named = Vec::new();
                if names & 1 != 0 {
                    named.push(commit.get(&commits).clone());
                }
                if names & 2 != 0 {
                    named.push(format!("deployment:{mark}{}", deployment.index(deployments + 1)));
                }
                if !named.is_empty() {
                    text += &format!("{at} note {id} naming {}\n", named.join(","));
                }
                if resolved {
                    text += &format!("{at} resolve {id}");
                }
            }
        }
    }
    (text, now)
}

/// What a view says, without borrowing from its timeline.
fn said(view: &View<'_>) -> String {
    let View { deployments, changes, incidents, failures, .. } = view;
    format!("{deployments:#?}{changes:#?}{incidents:#?}{failures:#?}")
}

proptest! {
    #[test]
    fn the_order_of_arrival_and_duplicates_change_nothing(
        (story, shuffled) in history().prop_flat_map(|story| {
            let mut twice = story.facts.clone();
            twice.extend(story.facts.iter().cloned());
            (Just(story), Just(twice).prop_shuffle())
        })
    ) {
        let mut timeline = Timeline::default();
        for (source, fact) in shuffled {
            timeline.apply(&source, fact);
        }
        let in_order = story.timeline();
        prop_assert_eq!(said(&story.view(&in_order)), said(&story.view(&timeline)));
    }

    #[test]
    fn each_shipped_change_is_in_exactly_one_deployment_per_service_the_first_that_contains_it(
        story in history()
    ) {
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let graph = timeline.commits.values().next().expect("the story has a repository");
        let mut seen = BTreeSet::new();
        for change in &view.changes {
            prop_assert!(seen.insert((change.service, change.change.number)), "{:?}", change);
            let merge = change.change.merge_commit.as_ref().expect("stories name it");
            let contains =
                |commit: Option<&CommitId>| commit.is_some_and(|tip| graph.contains(tip, merge));
            let own: Vec<usize> = (0..view.deployments.len())
                .filter(|at| view.deployments[*at].service == change.service)
                .collect();
            let first = own.iter().copied().find(|at| contains(view.deployments[*at].commit));
            let expected = match (first, own.first()) {
                (_, None) => Shipping::NoDeploymentSource,
                (None, _) => Shipping::Unshipped,
                (Some(at), Some(&beginning)) if at == beginning => {
                    let deployment = &view.deployments[at];
                    let itself = deployment.commit == Some(merge);
                    let after = change.change.merged_at >= Some(deployment.finished_at);
                    if itself || after { Shipping::Shipped(at) } else { Shipping::BeforeFirstDeployment }
                }
                (Some(at), _) => Shipping::Shipped(at),
            };
            prop_assert_eq!(&change.shipping, &expected, "{:?}", change);
        }
    }

    #[test]
    fn rollbacks_never_fail_and_what_failed_has_a_reason_and_recovers_after_it_finished(
        story in history()
    ) {
        let timeline = story.timeline();
        let view = story.view(&timeline);
        prop_assert_eq!(view.failures.verdicts.len(), view.deployments.len());
        prop_assert_eq!(view.failures.linked.len(), view.incidents.len());
        for (deployment, verdict) in view.deployments.iter().zip(&view.failures.verdicts) {
            if verdict.is_rollback {
                prop_assert!(verdict.reasons.is_empty() && verdict.is_rework, "{:?}", verdict);
            }
            if verdict.reasons.is_empty() {
                prop_assert_eq!(verdict.recovered_at, None);
            }
            let by_incident = verdict.reasons.iter().any(|it| {
                matches!(it.reason, "incident" | "proximity")
            });
            if !verdict.reasons.is_empty() && !by_incident {
                prop_assert!(verdict.recovered_at > Some(deployment.finished_at), "{:?}", verdict);
            }
        }
    }

    #[test]
    fn shares_lie_between_none_and_all_in_every_scope(story in history(), days in 1..60_i64) {
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let window = Span { start: story.as_of - Duration::days(days), end: story.as_of };
        let slice = Slice {
            scope: crate::kpi::Scope::Org,
            window,
            as_of: story.as_of,
            calendar: WindowKind::Rolling,
            view: &view,
        };
        for kpi in ALL {
            let items = (kpi.assess)(&view);
            for scope in ["org", "team core", "team two", "service api", "service rest"] {
                for reading in (kpi.measure)(&story.items_of(&items, scope), &slice) {
                    if let (Some(numerator), Some(value)) = (reading.numerator, reading.value) {
                        prop_assert!(numerator <= reading.n, "{:?}", reading);
                        prop_assert!((0.0..=1.0).contains(&value), "{:?}", reading);
                    }
                    if let Some(value) = reading.value {
                        let low = reading.lower.is_none_or(|lower| lower <= value);
                        let high = reading.upper.is_none_or(|upper| value <= upper);
                        prop_assert!(value.is_finite() && low && high, "{:?}", reading);
                    }
                }
            }
        }
    }

    #[test]
    fn what_happens_later_takes_back_no_deployment_and_moves_no_shipped_change(
        story in history(),
        minutes in 1..40_000_i64
    ) {
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let before = story.as_of - Duration::minutes(minutes);
        let earlier = View::build(&timeline, &story.params, before);
        let names = |view: &View<'_>| -> Vec<_> {
            let known = view.deployments.iter().filter(|it| it.finished_at < before);
            known.map(|it| (it.service, it.native.clone(), it.finished_at)).collect()
        };
        prop_assert_eq!(names(&view), names(&earlier));
        let shipped = |view: &View<'_>| -> Vec<_> {
            let shipped = view.changes.iter().filter_map(|change| match change.shipping {
                Shipping::Shipped(at) => {
                    let deployment = &view.deployments[at];
                    Some((change.service, change.change.number, deployment.native.clone(), deployment.finished_at))
                }
                _ => None,
            });
            shipped.filter(|(_, _, _, at)| *at < before).collect()
        };
        prop_assert_eq!(shipped(&view), shipped(&earlier));
    }
}
