//! What must hold of every KPI in every organisation.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;
use proptest::prelude::*;
use proptest::sample::Index;

use super::evaluation::{Freshness, Plan, Scope, evaluate};
use super::testing::Story;
use super::testing::worlds::{World, worlds};
use super::{ALL, Cut, Item, ItemId, Kpi, Outcome, Placement, Reading, Slice, State, View, Window};
use crate::domain::Timeline;

/// Windows of every kind.
const WINDOWS: [&str; 6] = ["7d", "90d", "month", "quarter", "month:2026-01", "own"];

fn cuts(kpi: &Kpi, view: &View<'_>) -> Vec<Cut> {
    let own = kpi.own_window().filter(|own| own.is_state());
    let windows = WINDOWS.iter().map(|it| Window::parse(it).expect("a window"));
    let windows = windows.filter(|it| *it != Window::Own || kpi.has_own_windows());
    let windows = windows.filter(|_| !kpi.is_about_now());
    own.into_iter().chain(windows).map(|it| it.cut(view.as_of, &view.params.calendar)).collect()
}

fn scopes(story: &Story) -> Vec<(Scope, String)> {
    let catalogue = &story.params.catalogue;
    let name = |scope: Scope| match scope {
        Scope::Org => "org".to_owned(),
        Scope::Team(team) => format!("team {}", catalogue.teams[team]),
        Scope::Service(service) => format!("service {}", catalogue.services[service].name),
    };
    Scope::all(catalogue).map(|scope| (scope, name(scope))).collect()
}

/// A reading and whose it is, in which window.
type Measured = (Scope, String, Reading);

/// Everything that a KPI says about a story, from these items.
fn measured(kpi: &Kpi, story: &Story, view: &View<'_>, items: &[Item]) -> Vec<Measured> {
    let mut measured = Vec::new();
    for (scope, name) in scopes(story) {
        let of_scope = story.items_of(items, &name);
        for cut in cuts(kpi, view) {
            let slice =
                Slice { scope, window: cut.span, as_of: view.as_of, calendar: cut.kind, view };
            let readings = (kpi.measure)(&of_scope, &slice);
            measured.extend(readings.into_iter().map(|it| (scope, cut.label.to_string(), it)));
        }
    }
    measured
}

/// What a KPI says, item by item and number by number.
fn said(kpi: &Kpi, story: &Story, timeline: &Timeline) -> Vec<String> {
    let view = story.view(timeline);
    let mut items = (kpi.assess)(&view);
    items.sort_by(|a, b| (&a.id, &*a.placement.services).cmp(&(&b.id, &*b.placement.services)));
    let measured = measured(kpi, story, &view, &items);
    let items = items.iter().map(|it| format!("{it:?}"));
    items.chain(measured.iter().map(|it| format!("{it:?}"))).collect()
}

/// Both stories say the same about `kpi`; else only what differs is told.
fn same(kpi: &Kpi, before: &[String], after: &[String]) -> Result<(), TestCaseError> {
    if before == after {
        return Ok(());
    }
    let differs = |a: &[String], b: &[String]| -> Vec<String> {
        a.iter().filter(|it| !b.contains(it)).take(2).cloned().collect()
    };
    let (gone, new) = (differs(before, after), differs(after, before));
    prop_assert_eq!(gone, new, "{} says something else", kpi.id);
    prop_assert_eq!(before.len(), after.len(), "{} says more or less", kpi.id);
    Ok(())
}

fn find<'a>(all: &'a [Measured], scope: Scope, like: &Measured) -> Option<&'a Reading> {
    let (_, window, reading) = like;
    let same = |it: &&Measured| {
        it.0 == scope
            && it.1 == *window
            && (it.2.family, &it.2.dimensions, it.2.stat)
                == (reading.family, &reading.dimensions, reading.stat)
    };
    all.iter().find(same).map(|(_, _, reading)| reading)
}

/// KPIs of which the same item may complete earlier for the organisation than for a service: a
/// change is one, at its earliest deployment.
const MOVED_BY_SCOPE: [&str; 1] = ["change_lead_time"];

/// KPIs whose every item belongs to exactly one service.
const OF_ONE_SERVICE: [&str; 2] = ["deployment_frequency", "standard_adoption"];

/// KPIs of things whose whole history is dated.
const DATED: [&str; 4] =
    ["debt_retirement", "finding_closure", "deployment_frequency", "contract_coverage"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_order_of_arrival_and_duplicates_change_nothing(
        (world, order) in worlds(60).prop_flat_map(|world| {
            let facts = world.story().kept();
            let twice = [facts.clone(), facts].concat();
            (Just(world), Just(twice).prop_shuffle())
        })
    ) {
        let story = world.story();
        let (in_order, shuffled) = (story.known(story.kept()), story.known(order));
        for kpi in ALL {
            same(kpi, &said(kpi, &story, &in_order), &said(kpi, &story, &shuffled))?;
        }
    }

    #[test]
    fn ratios_lie_between_none_and_all_and_values_within_their_intervals(world in worlds(60)) {
        let story = world.story();
        let timeline = story.timeline();
        let view = story.view(&timeline);
        for kpi in ALL {
            let items = (kpi.assess)(&view);
            for (scope, window, it) in measured(kpi, &story, &view, &items) {
                let told = format!("{scope:?} {window} {it:?}");
                let within = |share: f64| (0.0..=1.0).contains(&share);
                prop_assert!(it.coverage.is_none_or(within), "coverage: {told}");
                if let Some(numerator) = it.numerator {
                    prop_assert!(numerator <= it.n, "{told}");
                    prop_assert!(it.value.is_none_or(within), "{told}");
                    for bound in [it.lower, it.upper].into_iter().flatten() {
                        prop_assert!(within(bound), "{told}");
                    }
                }
                if let Some(value) = it.value {
                    let low = it.lower.is_none_or(|lower| lower <= value + 1e-9);
                    let high = it.upper.is_none_or(|upper| value <= upper + 1e-9);
                    prop_assert!(value.is_finite() && low && high, "{told}");
                }
                prop_assert!(it.stat.is_none() || it.value.is_some() || it.numerator.is_none(), "{told}");
            }
        }
    }

    #[test]
    fn what_a_service_counts_its_team_counts_and_what_a_team_counts_the_organisation_does(
        world in worlds(60)
    ) {
        let story = world.story();
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let catalogue = &story.params.catalogue;
        for kpi in ALL {
            let items = (kpi.assess)(&view);
            for item in &items {
                let Placement { services, teams } = &item.placement;
                let owned = services.iter().all(|it| teams.contains(&catalogue.services[*it].team));
                prop_assert!(owned, "{}: a service has it and its team has not: {item:#?}", kpi.id);
            }
            if MOVED_BY_SCOPE.contains(&kpi.id) {
                continue;
            }
            let all = measured(kpi, &story, &view, &items);
            for it in &all {
                let above = match it.0 {
                    Scope::Org => continue,
                    Scope::Team(_) => Scope::Org,
                    Scope::Service(service) => Scope::Team(catalogue.services[service].team),
                };
                let reading = &it.2;
                if reading.value.is_none() {
                    continue;
                }
                let Some(whole) = find(&all, above, it) else {
                    // Other units and currencies are other numbers, and a wave with which the
                    // answers of one team can be compared may have had too few of all.
                    let own = ["engkpi_unit_cost", "engkpi_developer_experience_change_points"];
                    prop_assert!(own.contains(&reading.family), "nothing of {above:?} for {it:?}");
                    continue;
                };
                // What is about one number each way, such as a cost in two currencies.
                if whole.excluded.get("mixed_currencies").is_some() {
                    continue;
                }
                prop_assert!(whole.n >= reading.n, "{above:?} has {whole:?}\nand {it:?}");
                prop_assert!(whole.numerator >= reading.numerator, "{above:?} has {whole:?}\nand {it:?}");
            }
        }
    }

    #[test]
    fn the_organisation_is_the_sum_of_its_services_where_each_item_is_of_one(world in worlds(60)) {
        let story = world.story();
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let services = 0..story.params.catalogue.services.len();
        let teams = 0..story.params.catalogue.teams.len();
        for id in OF_ONE_SERVICE {
            let kpi = super::find(id).expect("a KPI of the registry");
            let items = (kpi.assess)(&view);
            let all = measured(kpi, &story, &view, &items);
            for whole in all.iter().filter(|it| it.0 == Scope::Org && it.2.stat.is_none()) {
                if kpi.families.iter().any(|it| it.name == whole.2.family && it.name.contains("last_")) {
                    continue;
                }
                let sum = |scopes: Vec<Scope>| -> (u64, u64) {
                    let parts = scopes.into_iter().filter_map(|scope| find(&all, scope, whole));
                    parts.fold((0, 0), |sum, it| (sum.0 + it.n, sum.1 + it.numerator.unwrap_or(0)))
                };
                let expected = (whole.2.n, whole.2.numerator.unwrap_or(0));
                prop_assert_eq!(sum(services.clone().map(Scope::Service).collect()), expected, "{:?}", whole);
                prop_assert_eq!(sum(teams.clone().map(Scope::Team).collect()), expected, "{:?}", whole);
            }
        }
    }

    /// An evaluation measures a window from what concerns it; that must not show.
    #[test]
    fn an_evaluation_says_what_is_measured_from_all_items(world in worlds(60)) {
        let story = world.story();
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let windows: Vec<Window> =
            WINDOWS.iter().map(|it| Window::parse(it).expect("a window")).collect();
        let plan = Plan { windows: windows.clone(), history: false, ..Plan::published(windows, false) };
        let evaluation = evaluate(&timeline, &story.params, &world.freshness(), &plan, story.as_of);
        for kpi in ALL {
            let items = (kpi.assess)(&view);
            let all = measured(kpi, &story, &view, &items);
            for it in evaluation.readings().filter(|it| it.kpi == *kpi) {
                let like = (it.scope, it.window.to_string(), it.reading.clone());
                // Each KPI's own window is there for services too.
                if WINDOWS.contains(&like.1.as_str()) || kpi.own_window().is_some_and(Window::is_state) {
                    prop_assert_eq!(find(&all, it.scope, &like), Some(&it.reading), "{}", kpi.id);
                }
            }
        }
    }

    /// Of what a register says nobody knows when it began to say so, and of a tool nobody knows
    /// since when it can be read; a severity and a cause are the final ones. All else is dated.
    #[test]
    fn what_happens_later_changes_no_number_of_an_earlier_instant(
        world in worlds(120), cut in any::<Index>()
    ) {
        let world = world.only(&[
            "issue", "label", "unlabel", "close_issue", "reopen_issue", "finding", "fix", "dismiss",
            "auto_dismiss", "back", "deploy", "run", "job",
        ]);
        prop_assume!(world.len() > 0);
        let known = cut.index(world.len());
        let of = |mut story: Story| {
            story.as_of = world.at(known);
            let of = |id| {
                let kpi = super::find(id).expect("a KPI of the registry");
                said(kpi, &story, &story.timeline())
            };
            DATED.map(of)
        };
        let (earlier, later) = (of(world.until(known)), of(world.story()));
        for (id, (earlier, later)) in DATED.iter().zip(earlier.iter().zip(&later)) {
            same(super::find(id).expect("a KPI of the registry"), earlier, later)?;
        }
    }
}

/// A world of every kind of event, always the same.
fn world() -> World {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    worlds(120).new_tree(&mut runner).expect("a world").current()
}

/// How many readings every KPI has of its own family, and its states, when its sources are changed in this way.
fn states(
    change: impl Fn(&mut Story, &mut Freshness),
) -> BTreeMap<&'static str, (usize, BTreeSet<State>)> {
    let world = world();
    let (mut story, mut freshness) = (world.story(), world.freshness());
    change(&mut story, &mut freshness);
    let windows: Vec<Window> =
        ["30d", "quarter"].iter().map(|it| Window::parse(it).expect("a window")).collect();
    let plan = Plan { windows: windows.clone(), history: false, ..Plan::published(windows, false) };
    let timeline = story.timeline();
    let evaluation = evaluate(&timeline, &story.params, &freshness, &plan, story.as_of);
    let mut said: BTreeMap<_, (usize, BTreeSet<State>)> =
        ALL.iter().map(|kpi| (kpi.id, Default::default())).collect();
    let own = evaluation.readings().filter(|it| it.kpi.is_headline(&it.reading));
    for it in own.filter(|it| it.window != "own") {
        said.entry(it.kpi.id).or_default().0 += 1;
    }
    for it in evaluation.statuses() {
        said.entry(it.kpi.id).or_default().1.insert(it.state);
    }
    said
}

#[test]
fn where_sources_cover_the_windows_and_are_fresh_there_are_numbers_and_nothing_is_stale() {
    // Not of every KPI something happens in this world.
    let mut numbers = 0;
    for (kpi, (readings, states)) in states(|_, _| {}) {
        // How far a ledger reaches, its hours say.
        let of_ledger = ["request_latency", "slo_compliance", "error_budget_burn"].contains(&kpi);
        let is_stale = states.contains(&State::Stale) && !of_ledger;
        assert!(!is_stale, "{kpi}: {states:?}");
        numbers += usize::from(readings > 0);
    }
    assert!(numbers > 15, "{numbers} KPIs have numbers");
}

#[test]
fn no_kpi_has_a_number_without_its_source() {
    for (kpi, (readings, states)) in states(|story, _| story.params.sources.clear()) {
        assert_eq!((readings, states), (0, [State::NoData].into()), "{kpi}");
    }
}

#[test]
fn no_kpi_has_a_number_of_a_window_before_the_coverage() {
    let from_now = |story: &mut Story, _: &mut Freshness| {
        for source in &mut story.params.sources {
            source.history_start = story.as_of;
        }
    };
    for (kpi, (readings, _)) in states(from_now) {
        // A state begins now.
        let is_state = super::find(kpi).is_some_and(Kpi::is_about_a_state);
        assert!(is_state || readings == 0, "{kpi}: {readings}");
    }
}

#[test]
fn every_kpi_of_a_stale_source_says_so_and_nothing_else() {
    let week_ago = |_: &mut Story, freshness: &mut Freshness| {
        for fresh in freshness.values_mut() {
            fresh.last_success -= Duration::days(7);
            fresh.data_through -= Duration::days(7);
        }
    };
    for (kpi, (readings, states)) in states(week_ago) {
        assert_eq!(readings, 0, "{kpi}");
        assert!(states.contains(&State::Stale), "{kpi}: {states:?}");
        let unknown = [State::Stale, State::NoData];
        assert!(states.iter().all(|it| unknown.contains(it)), "{kpi}: {states:?}");
    }
}

#[test]
fn no_kpi_makes_a_number_of_a_covered_window_in_which_nothing_happened_but_zero() {
    let mut story = world().story();
    story.facts.clear();
    let timeline = story.timeline();
    let view = story.view(&timeline);
    for kpi in ALL {
        let items = (kpi.assess)(&view);
        let measured = measured(kpi, &story, &view, &items).into_iter();
        for (_, _, reading) in measured.filter(|it| kpi.is_headline(&it.2)) {
            assert_eq!(reading.n, 0, "{}: {reading:?}", kpi.id);
            assert!(reading.value.is_none_or(|it| it == 0.0), "{}: {reading:?}", kpi.id);
            let ratio = reading.numerator.is_some() || reading.stat.is_some();
            assert!(!(ratio && reading.value.is_some()), "{}: {reading:?}", kpi.id);
        }
    }
}

/// The worlds are worth looking at: in some of them everything has a number.
#[test]
fn worlds_have_numbers_of_every_kpi() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut with_value = BTreeSet::new();
    let mut seen: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for _ in 0..40 {
        let world: World = worlds(80).new_tree(&mut runner).expect("a world").current();
        let story = world.story();
        let timeline = story.timeline();
        let view = story.view(&timeline);
        for kpi in ALL {
            let items = (kpi.assess)(&view);
            for (_, _, reading) in measured(kpi, &story, &view, &items) {
                if reading.value.is_some() {
                    with_value.insert(reading.family);
                }
            }
            for item in items {
                let seen = seen.entry(kpi.id).or_default();
                seen.insert(match item.outcome {
                    Outcome::Excluded(reason) | Outcome::Censored(reason) => reason.to_owned(),
                    Outcome::Counted if matches!(item.id, ItemId::FindingFeed { .. }) => continue,
                    other => format!("{other:?}"),
                });
            }
        }
    }
    let families = ALL.iter().flat_map(|kpi| kpi.families).map(|it| it.name);
    let missing: Vec<&str> = families.filter(|it| !with_value.contains(it)).collect();
    assert!(missing.is_empty(), "no world has a number of {missing:?}: let something happen there");
    for (kpi, outcome) in [
        ("incident_recurrence", "no_cause"),
        ("debt_retirement", "labelled_late"),
        ("debt_retirement", "not_planned"),
        ("debt_retirement", "Open"),
        ("finding_closure", "dismissed"),
        ("finding_closure", "unreadable"),
        ("finding_closure", "Open"),
        ("standard_adoption", "unknown"),
        ("standard_adoption", "archived"),
        ("contract_coverage", "unknown"),
    ] {
        assert!(seen[kpi].contains(outcome), "no world has {outcome} of {kpi}: {:?}", seen[kpi]);
    }
}
