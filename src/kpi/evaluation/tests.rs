//! What an evaluation promises whatever the KPI: scopes, coverage, staleness, comparison, explanation.

use chrono::{Duration, TimeDelta};

use super::*;
use crate::domain::SourceName;
use crate::kpi::params::{KpiParams, SourceParams};
use crate::kpi::testing::Story;
use crate::kpi::{Better, Family, ItemId, Need, Outcome, PlacedBy, Placement, Slice, Unit};

const FAMILY: &str = "engkpi_test_merges";

/// Counts merged changes; uses incidents where there is a source of them.
static MERGES: Kpi = Kpi {
    id: "merges",
    title: "Merges",
    definition: "Merged changes.",
    unit: Unit::Incidents,
    better: Better::Lower,
    default_window: "30d",
    target: TargetRule::RateRatio { ratio: 1.0 },
    target_stat: None,
    target_dimensions: &[],
    aims: None,
    min_n: 1,
    min_coverage: None,
    provisional_days: 7,
    placed_by: PlacedBy::Start,
    lookback_days: 0,
    needs: &[Need::Changes],
    uses: &[Need::Incidents],
    baseline_value: None,
    families: &[Family {
        name: FAMILY,
        help: "Merged changes.",
        dimensions: &[],
        distribution: false,
        now: false,
        needs: &[],
    }],
    assess: |view| {
        let merged = view.changes.iter().filter_map(|it| Some((it, it.change.merged_at?)));
        merged
            .map(|(it, merged_at)| Item {
                id: ItemId::Change {
                    repository: it.change.repository.clone(),
                    number: it.change.number,
                },
                placement: Placement::of_services(&view.params.catalogue, [it.service]),
                started_at: it.change.created_at,
                completed_at: Some(merged_at),
                outcome: Outcome::Counted,
                values: Vec::new(),
                marks: Vec::new(),
                times: Vec::new(),
            })
            .collect()
    },
    by_window: true,
    measure: |items, slice: &Slice<'_>| {
        let inside = |item: &&&Item| item.completed_at.is_some_and(|at| slice.window.contains(at));
        vec![Reading::count(FAMILY, items.iter().filter(inside).count() as u64)]
    },
};

/// Three merges in March, one of them into the services of two teams; two in February.
const STORY: &str = "
service api in mono paths api/** team red
service web in mono paths web/** team blue
service www in mono paths www/** team blue
02-10T10:00 merge mono#1 touches api/a
02-11T10:00 merge mono#2 touches web/a
03-10T10:00 merge mono#3 touches api/a
03-11T10:00 merge mono#4 touches api/a,web/a,www/a
03-12T10:00 merge mono#5 touches web/a
as_of 04-01T00:00";

/// A source whose history starts `days` before the story's end.
fn source(story: &Story, name: &str, feeds: &[Need], days: i64) -> SourceParams {
    SourceParams {
        name: SourceName::from(name),
        feeds: feeds.to_vec(),
        history_start: story.as_of - Duration::days(days),
        parts: [].into(),
        stale_after: Duration::hours(1),
        web_base: "https://example.org".parse().expect("a URL"),
    }
}

fn fresh(story: &Story, sources: &[(&str, TimeDelta)]) -> Freshness {
    let at = |ago: &TimeDelta| story.as_of - *ago;
    sources
        .iter()
        .map(|(name, ago)| {
            let fresh = SourceFreshness { last_success: at(ago), data_through: at(ago) };
            (SourceName::from(*name), fresh)
        })
        .collect()
}

/// A story with a year of history of code, all of it fresh.
fn told() -> (Story, Freshness) {
    let mut story = Story::told(STORY);
    story.params.sources.push(source(&story, "git", &[Need::Changes, Need::Deployments], 365));
    let freshness = fresh(&story, &[("git", TimeDelta::zero())]);
    (story, freshness)
}

fn evaluated(story: &Story, freshness: &Freshness, window: &str) -> Evaluation {
    evaluated_of(&MERGES, story, freshness, window)
}

fn evaluated_of(
    kpi: &'static Kpi,
    story: &Story,
    freshness: &Freshness,
    window: &str,
) -> Evaluation {
    let window = Window::parse(window).expect("a window");
    let plan = Plan {
        kpis: vec![kpi],
        windows: vec![window],
        service_windows: vec![window],
        service_defaults: false,
        history: false,
        service_history: false,
        scope: None,
    };
    evaluate(&story.timeline(), &story.params, freshness, &plan, story.as_of)
}

fn value(evaluation: &Evaluation, scope: Scope) -> Option<f64> {
    evaluation.readings().find(|it| it.scope == scope)?.reading.value
}

fn state(evaluation: &Evaluation, scope: Scope) -> State {
    let status = evaluation.statuses().find(|it| it.scope == scope);
    status.expect("every scope has a status").state
}

#[test]
fn a_change_of_three_services_counts_once_in_each_scope_that_has_it() {
    let (story, freshness) = told();
    let evaluation = evaluated(&story, &freshness, "month:2026-03");
    let named = |team: Option<&str>, service: Option<&str>| {
        value(&evaluation, evaluation.names.scope(team, service).expect("it is in the catalogue"))
    };
    assert_eq!(named(None, None), Some(3.0), "the organisation");
    assert_eq!(named(Some("red"), None), Some(2.0));
    assert_eq!(named(Some("blue"), None), Some(2.0), "#4 touches two services of one team");
    assert_eq!(named(None, Some("api")), Some(2.0));
    assert_eq!(named(None, Some("www")), Some(1.0));
}

#[test]
fn counts_are_compared_with_the_window_before_per_day() {
    let (story, freshness) = told();
    let evaluation = evaluated(&story, &freshness, "month:2026-03");
    let ratio =
        evaluation.readings().next().unwrap().previous_ratio.expect("both months are covered");
    assert!((ratio - 3.0 / 31.0 / (2.0 / 28.0)).abs() < 1e-12, "{ratio}");
    assert_eq!(state(&evaluation, Scope::Org), State::LikelyMissed);
}

#[test]
fn a_window_that_starts_before_the_history_has_no_series() {
    let (mut story, freshness) = told();
    story.params.sources[0].history_start = story.as_of - Duration::days(60);
    let covered = evaluated(&story, &freshness, "30d");
    assert_eq!(value(&covered, Scope::Org), Some(3.0));
    let cut = evaluated(&story, &freshness, "90d");
    assert!(cut.readings().next().is_none(), "{cut:?}");
    assert_eq!(state(&cut, Scope::Org), State::NoData);
}

#[test]
fn what_is_compared_with_earlier_items_needs_the_time_before_its_window_too() {
    let mut story = Story::told(
        "service web incidents PWEB
         02-10T10:00 incident i1 P1
         02-10T10:00 field i1 root_cause dns
         as_of 03-01T00:00",
    );
    let freshness = fresh(&story, &[("tool", TimeDelta::zero())]);
    let mut known = |days| {
        story.params.sources = vec![source(&story, "tool", &[Need::Incidents], days)];
        let recurrence = &crate::kpi::incident_recurrence::KPI;
        evaluated_of(recurrence, &story, &freshness, "30d").readings().count() > 0
    };
    assert!(known(120), "thirty days and ninety before them");
    assert!(!known(119));
}

#[test]
fn a_baseline_that_the_sources_do_not_cover_is_none() {
    let mut text = "service web incidents PWEB\nas_of 03-01T00:00\n".to_owned();
    for day in 1..=28 {
        text +=
            &format!("02-{day:02}T10:00 incident i{day} P1\n02-{day:02}T11:00 resolve i{day}\n");
        let then = format!("2025-02-{day:02}");
        text += &format!("{then}T10:00 incident o{day} P1\n{then}T12:00 resolve o{day}\n");
    }
    let mut story = Story::told(&text);
    let (start, end) = ("2025-02-01T00:00:00Z", "2025-03-01T00:00:00Z");
    let baseline = crate::kpi::Span { start: start.parse().unwrap(), end: end.parse().unwrap() };
    let freshness = fresh(&story, &[("tool", TimeDelta::zero())]);
    let mut state_of = |baseline, days| {
        story.params.baseline = baseline;
        story.params.sources = vec![source(&story, "tool", &[Need::Incidents], days)];
        let recovery = &crate::kpi::incident_recovery_time::KPI;
        state(&evaluated_of(recovery, &story, &freshness, "90d"), Scope::Org)
    };
    assert_eq!(state_of(Some(baseline), 393), State::Met, "an hour instead of two");
    assert_eq!(state_of(Some(baseline), 392), State::NoData);
    assert_eq!(state_of(None, 393), State::NoTarget);
}

#[test]
fn half_of_the_faults_known_are_enough_for_a_status_and_fewer_are_not() {
    let state_of = |unknown: u32| {
        let mut text = "service web incidents PWEB\nas_of 03-01T00:00\n".to_owned();
        for day in 1..=5 {
            text += &format!(
                "02-{day:02}T10:02 incident i{day} P1
                 02-{day:02}T10:02 field i{day} fault_started_at 2026-02-{day:02}T10:00:00Z\n"
            );
        }
        for day in 1..=unknown {
            text += &format!("02-{:02}T10:00 incident u{day} P1\n", day + 10);
        }
        let mut story = Story::told(&text);
        story.params.sources = vec![source(&story, "tool", &[Need::Incidents], 400)];
        let freshness = fresh(&story, &[("tool", TimeDelta::zero())]);
        let detection = &crate::kpi::incident_detection_time::KPI;
        state(&evaluated_of(detection, &story, &freshness, "90d"), Scope::Org)
    };
    assert_eq!(state_of(5), State::LikelyMet);
    assert_eq!(state_of(6), State::Insufficient);
}

#[test]
fn a_comparison_with_an_uncovered_window_shows_the_value_and_judges_nothing() {
    let (mut story, freshness) = told();
    story.params.sources[0].history_start = story.as_of - Duration::days(45);
    let evaluation = evaluated(&story, &freshness, "30d");
    assert_eq!(value(&evaluation, Scope::Org), Some(3.0));
    assert_eq!(evaluation.readings().next().unwrap().previous_ratio, None);
    assert_eq!(state(&evaluation, Scope::Org), State::NoData);
}

#[test]
fn a_period_that_has_not_begun_has_no_value_and_no_zero() {
    let (story, freshness) = told();
    for window in ["month:2026-05", "quarter:2026-Q3"] {
        let evaluation = evaluated(&story, &freshness, window);
        assert!(evaluation.readings().next().is_none(), "{window}: {evaluation:?}");
        assert_eq!(state(&evaluation, Scope::Org), State::NoData, "{window}");
    }
}

#[test]
fn nothing_collected_yet_is_no_data_and_not_zero() {
    let (story, _) = told();
    let evaluation = evaluated(&story, &Freshness::new(), "30d");
    assert!(evaluation.readings().next().is_none());
    assert_eq!(state(&evaluation, Scope::Org), State::NoData);
}

#[test]
fn without_a_source_there_is_no_data() {
    let (mut story, freshness) = told();
    story.params.sources.clear();
    let evaluation = evaluated(&story, &freshness, "30d");
    assert!(evaluation.readings().next().is_none());
    assert_eq!(state(&evaluation, Scope::Org), State::NoData);
}

#[test]
fn a_stale_source_shows_nothing_but_that_it_is_stale() {
    let (story, _) = told();
    let at_the_limit = fresh(&story, &[("git", TimeDelta::hours(1))]);
    assert_eq!(value(&evaluated(&story, &at_the_limit, "30d"), Scope::Org), Some(3.0));
    let stale = fresh(&story, &[("git", TimeDelta::minutes(61))]);
    let evaluation = evaluated(&story, &stale, "30d");
    assert!(evaluation.readings().next().is_none());
    assert_eq!(state(&evaluation, Scope::Org), State::Stale);
    assert!(evaluation.sources[0].stale);
}

#[test]
fn what_only_sharpens_a_number_counts_where_it_is_configured() {
    let (mut story, freshness) = told();
    assert_eq!(value(&evaluated(&story, &freshness, "30d"), Scope::Org), Some(3.0));
    story.params.sources.push(source(&story, "pager", &[Need::Incidents], 365));
    let pager_stale = fresh(&story, &[("git", TimeDelta::zero()), ("pager", TimeDelta::days(7))]);
    assert_eq!(state(&evaluated(&story, &pager_stale, "30d"), Scope::Org), State::Stale);
}

#[test]
fn a_source_that_nothing_uses_changes_nothing() {
    let (mut story, freshness) = told();
    let before = format!("{:?}", evaluated(&story, &freshness, "30d").parts);
    story.params.sources.push(source(&story, "adr", &[Need::Decisions], 1));
    let after = format!("{:?}", evaluated(&story, &freshness, "30d").parts);
    assert_eq!(before, after);
}

#[test]
fn the_items_of_an_explanation_give_its_value_again() {
    let (story, freshness) = told();
    let window = Window::parse("month:2026-03").expect("a window");
    let timeline = story.timeline();
    let blue = Scope::Team(1);
    let explanation =
        explain(&timeline, &story.params, &freshness, (&MERGES, blue, window), story.as_of);
    let span = explanation.window.span;
    let inside = |it: &&Explained| it.item.completed_at.is_some_and(|at| span.contains(at));
    let count = explanation.items.iter().filter(inside).count();
    assert_eq!(value(&explanation.evaluation, blue), Some(count as f64));
    assert_eq!(explanation.evaluation.readings().count(), 1, "only what was asked for");
}

#[test]
fn a_target_of_a_team_holds_for_its_services() {
    let (mut story, freshness) = told();
    let generous = TargetRule::Value { target: 100.0, good: None };
    let strict = TargetRule::Value { target: 0.0, good: None };
    let configured = KpiParams {
        target: Some(strict),
        team_targets: [(1, generous)].into(),
        ..KpiParams::default()
    };
    story.params.kpis.insert(MERGES.id.to_owned(), configured);
    let evaluation = evaluated(&story, &freshness, "30d");
    assert_eq!(state(&evaluation, Scope::Org), State::Missed);
    assert_eq!(state(&evaluation, Scope::Team(0)), State::Missed);
    assert_eq!(state(&evaluation, Scope::Team(1)), State::Met);
    let web = evaluation.names.scope(None, Some("web")).expect("a service");
    assert_eq!(state(&evaluation, web), State::Met);
    let goals: Vec<Scope> = evaluation.goals.iter().map(|it| it.scope).collect();
    assert_eq!(goals, [Scope::Org, Scope::Team(1)]);
}

#[test]
fn a_window_is_provisional_until_late_knowledge_has_had_its_time() {
    let (mut story, _) = told();
    story.as_of += Duration::days(7);
    let freshness = fresh(&story, &[("git", TimeDelta::zero())]);
    let provisional = |story: &Story| {
        evaluated(story, &freshness, "month:2026-03").statuses().next().unwrap().provisional
    };
    assert!(!provisional(&story), "seven days after its end");
    story.as_of -= Duration::seconds(1);
    assert!(provisional(&story), "a second before");
}

/// A story in which code and incidents are collected, fresh and with a year of history.
fn collected(text: &str) -> (Story, Freshness) {
    let mut story = Story::told(text);
    let git = [Need::Changes, Need::Deployments, Need::Decisions];
    story.params.sources.push(source(&story, "git", &git, 365));
    story.params.sources.push(source(&story, "pager", &[Need::Incidents], 365));
    let freshness = fresh(&story, &[("git", TimeDelta::zero()), ("pager", TimeDelta::zero())]);
    (story, freshness)
}

#[test]
fn nothing_is_known_about_the_incidents_of_a_service_that_no_incident_service_is_mapped_to() {
    let (story, freshness) = collected(
        "service web incidents PWEB
         service api team two
         service batch team two
         05T10:00 incident i1 P1
         06T10:00 incident i2 P1 on PELSEWHERE",
    );
    let kpi = &crate::kpi::incident_frequency::KPI;
    let evaluation = evaluated_of(kpi, &story, &freshness, "30d");
    let of = |team, service| evaluation.names.scope(team, service).expect("in the catalogue");
    assert_eq!(value(&evaluation, Scope::Org), Some(2.0), "every incident, mapped or not");
    assert_eq!(value(&evaluation, of(None, Some("web"))), Some(1.0));
    for scope in [of(None, Some("api")), of(Some("two"), None)] {
        assert_eq!(value(&evaluation, scope), None, "{scope:?} has no zero");
        assert_eq!(state(&evaluation, scope), State::NoData);
    }
}

#[test]
fn without_a_source_of_incidents_no_deployment_is_said_to_have_caused_none() {
    let (mut story, freshness) = collected(
        "service web
         01T10:00 deploy web c0
         05T10:00 deploy web c1",
    );
    let reasons = |story: &Story| {
        let kpi = &crate::kpi::change_failure::KPI;
        let evaluation = evaluated_of(kpi, story, &freshness, "30d");
        let org = evaluation.readings().filter(|it| it.scope == Scope::Org);
        let reasons = org.flat_map(|it| it.reading.dimensions.clone()).map(|(_, value)| value);
        reasons.collect::<Vec<_>>()
    };
    assert_eq!(reasons(&story), ["incident", "rollback", "revert", "hotfix"]);
    story.params.sources.pop();
    assert_eq!(reasons(&story), ["rollback", "revert", "hotfix"]);
}

#[test]
fn a_band_of_a_team_is_no_band_of_its_services() {
    let (mut story, freshness) = collected("service web team two\nas_of 04-01T00:00");
    let band = TargetRule::Band { low: 4.0, high: 8.0 };
    let kpi = &crate::kpi::architecture_throughput::KPI;
    let configured = KpiParams { team_targets: [(0, band)].into(), ..KpiParams::default() };
    story.params.kpis.insert(kpi.id.to_owned(), configured);
    let evaluation = evaluated_of(kpi, &story, &freshness, "month:2026-03");
    assert_eq!(state(&evaluation, Scope::Team(0)), State::Missed);
    assert_eq!(state(&evaluation, Scope::Service(0)), State::NoTarget);
    let mut statuses = evaluation.statuses();
    let of_service = statuses.find(|it| it.scope == Scope::Service(0)).expect("a status");
    assert!(evaluation.goal(of_service).is_none());
}

#[test]
fn the_smallest_n_is_that_of_the_kind_of_target() {
    let mut text = String::from("service web incidents PWEB\n");
    for day in 10..15 {
        text.push_str(&format!("{day}T10:00 incident i{day} P1\n{day}T10:30 resolve i{day}\n"));
    }
    let (mut story, freshness) = collected(&text);
    let kpi = &crate::kpi::incident_recovery_time::KPI;
    assert_eq!(state(&evaluated_of(kpi, &story, &freshness, "90d"), Scope::Org), State::NoTarget);
    let target = Some(TargetRule::Value { target: 3600.0, good: None });
    let configured = KpiParams { target, ..KpiParams::default() };
    story.params.kpis.insert(kpi.id.to_owned(), configured);
    let judged = evaluated_of(kpi, &story, &freshness, "90d");
    assert_eq!(state(&judged, Scope::Org), State::LikelyMet, "five suffice for a median");
}

#[test]
fn a_target_for_a_count_is_one_for_windows_of_one_length() {
    let (mut story, freshness) = told();
    let target = Some(TargetRule::Value { target: 9.0, good: None });
    let configured = KpiParams { target, ..KpiParams::default() };
    story.params.kpis.insert(MERGES.id.to_owned(), configured);
    let of = |window| state(&evaluated(&story, &freshness, window), Scope::Org);
    assert_eq!(of("30d"), State::Met, "3 [0.6, 8.8] and at most 9");
    assert_eq!(of("90d"), State::NoTarget, "9 in 30 days say nothing about 90");
    assert_eq!(of("month:2026-03"), State::NoTarget);
}

#[test]
fn what_belongs_to_several_services_is_one_in_the_totals_and_what_belongs_to_none_is_in_them() {
    let (mut story, freshness) = told();
    story.params.catalogue.services.pop();
    let evaluation = evaluated(&story, &freshness, "30d");
    let by_service: Vec<(String, u64)> = evaluation
        .facts
        .iter()
        .filter(|it| it.family == "engkpi_changes_merged")
        .map(|it| (it.labels[0].1.clone(), it.count))
        .collect();
    assert_eq!(by_service, [("api".to_owned(), 3), ("web".to_owned(), 3)]);
    assert!(evaluation.totals.contains(&("engkpi_changes_merged", 5)), "{:?}", evaluation.totals);
}
