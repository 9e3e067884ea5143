//! How content stakeholders are (kpis.md 3.19).

use super::item::Item;
use super::params::SourceParams;
use super::register_items::placement;
use super::statistics::poisson::{Exposure, rate_ratio};
use super::statistics::{RateRatio, count};
use super::status::{self, Estimate};
use super::survey_items::{LEAST_RESPONSE, latest, of};
use super::window::{Cut, Window};
use super::{
    Better, Family, ItemId, Kpi, Mark, Need, Outcome, PlacedBy, Reading, Slice, Stat, State,
    TargetRule, Unit, View, WindowKind,
};

const SCORE: &str = "engkpi_stakeholder_satisfaction_score";
const ESCALATIONS: &str = "engkpi_stakeholder_escalations";
const ESCALATION_RATE: &str = "engkpi_stakeholder_escalations_quarter_ratio";

const ID: &str = "stakeholder_satisfaction";
const GROUP: &str = "group";

/// The scale for which the default target is meant.
const SCALE: (f64, f64) = (1.0, 5.0);
/// Of fewer escalations in two quarters nothing is said.
const FEW: u64 = 5;

/// Stakeholders' satisfaction by survey, and their escalations.
pub static KPI: Kpi = Kpi {
    id: ID,
    title: "Stakeholder satisfaction",
    definition: "Answers of stakeholders in the last closed wave of a survey, by group: median with its interval, and mean. The \
        target is a median of 4 of 5 together with escalations that do not rise from the quarter before last to the last \
        complete one, by the exact conditional rate ratio (Przyborowski and Wilenski 1940); the status is the worse of the two. \
        Cells of fewer than 5 respondents are not shown, and nor is any other from which they could be subtracted. Below a \
        response rate of 30 % there is no status, and none on another scale without a target for it.",
    unit: Unit::Points,
    better: Better::Higher,
    default_window: "wave",
    target: TargetRule::Value { target: 4.0, good: None },
    target_stat: Some(Stat::Median),
    target_dimensions: &[],
    aims: None,
    min_n: 5,
    min_coverage: Some(LEAST_RESPONSE),
    provisional_days: 0,
    placed_by: PlacedBy::Start,
    lookback_days: 0,
    needs: &[Need::StakeholderSurveys],
    uses: &[],
    baseline_value: None,
    families: &[
        Family {
            name: SCORE,
            help: "Score of the last wave in points of the survey's scale.",
            dimensions: &[GROUP],
            distribution: true,
            now: false,
            needs: &[],
        },
        Family {
            name: ESCALATIONS,
            help: "Escalations of stakeholders in the window.",
            dimensions: &[],
            distribution: false,
            now: false,
            needs: &[Need::Escalations],
        },
        Family {
            name: ESCALATION_RATE,
            help: "Escalations per day in the last complete quarter divided by those in the quarter before it.",
            dimensions: &[],
            distribution: false,
            now: false,
            needs: &[Need::Escalations],
        },
    ],
    assess,
    by_window: false,
    measure,
};

fn assess(view: &View<'_>) -> Vec<Item> {
    let mut items = of(view, ID);
    let entries = view.timeline.escalations.iter().filter(|(_, it)| it.at() < view.as_of);
    items.extend(entries.map(|((source, native), it)| Item {
        id: ItemId::Entry { source: source.clone(), native: native.clone() },
        placement: placement(view, it.service.as_deref(), it.team.as_deref()),
        started_at: it.at(),
        completed_at: Some(it.at()),
        outcome: Outcome::Counted,
        values: Vec::new(),
        marks: it.group.iter().map(|group| Mark::new(GROUP, group.clone())).collect(),
        times: Vec::new(),
    }));
    items
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    if slice.calendar != WindowKind::Wave {
        let inside = |it: &&&Item| is_escalation(it) && slice.window.contains(it.started_at);
        let escalations = count(items.iter().filter(inside).count());
        return vec![Reading::count(ESCALATIONS, escalations)];
    }
    let rate = escalation_rate(items, slice);
    let condition = rate.as_ref().and_then(condition);
    let mut readings = Vec::new();
    for score in latest(items, slice) {
        let group = score.question.group.clone();
        let other_scale = score.question.scale != Some(SCALE) && !has_own_target(slice);
        for reading in score.readings(SCORE, None) {
            let mut reading = reading.with(GROUP, &group);
            reading.condition = if other_scale { Some(State::NoTarget) } else { condition };
            readings.push(reading);
        }
    }
    if let Some(rate) = rate {
        // After a quarter without any there is no ratio, and the interval says how many it is at least.
        let ratio = rate.ratio.filter(|it| it.is_finite());
        let reading = Reading::new(ESCALATION_RATE, ratio, rate.n).bounds(rate.interval);
        readings.push(reading);
    }
    readings
}

fn is_escalation(item: &Item) -> bool {
    matches!(item.id, ItemId::Entry { .. })
}

/// Whether a target was configured: a number on whatever scale is meant.
fn has_own_target(slice: &Slice<'_>) -> bool {
    let set = |it: &super::params::KpiParams| it.target.is_some() || !it.team_targets.is_empty();
    slice.view.params.kpis.get(ID).is_some_and(set)
}

/// The last complete quarter against the one before it, where the sources cover both.
fn escalation_rate(items: &[&Item], slice: &Slice<'_>) -> Option<RateRatio> {
    let params = slice.view.params;
    let last = Window::PreviousQuarter.cut(slice.as_of, &params.calendar);
    let before = last.previous(slice.as_of, &params.calendar)?;
    let mut feeding = params.sources.iter().filter(|it| it.feeds.contains(&Need::Escalations));
    let covers = |it: &SourceParams| it.history_start <= before.span.start;
    let covered = params.sources.iter().any(|it| it.feeds.contains(&Need::Escalations));
    if !covered || !feeding.all(covers) {
        return None;
    }
    let exposure = |cut: &Cut| {
        let inside = |it: &&&Item| is_escalation(it) && cut.span.contains(it.started_at);
        Exposure { events: count(items.iter().filter(inside).count()), days: cut.span.days() }
    };
    Some(rate_ratio(exposure(&last), exposure(&before)))
}

/// What a change of escalations lets the status be at best.
fn condition(rate: &RateRatio) -> Option<State> {
    let state = status::judge(&Estimate::from(rate), 1.0, Better::Lower, FEW);
    (state <= State::Missed).then_some(state)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::KPI;
    use crate::kpi::testing::Story;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(slice: &str, story: &str, readings: Expect) {
        readings.assert_eq(&Story::told(story).readings(&KPI, slice));
    }

    #[test]
    fn every_group_has_its_score() {
        check(
            "org wave",
            "wave stakeholder_satisfaction w1 closed 02-01T00:00 each sales=10,legal=9
             answers w1 score group sales 4,4,5,5,3,4,5
             answers w1 score group Legal 2,3,3,2,2
             answers w1 score group ops 1,1,1,1",
            expect![[r#"
                stakeholder_satisfaction_score legal mean 2.4 n=5 coverage=0.56
                stakeholder_satisfaction_score legal median 2 n=5 coverage=0.56
                stakeholder_satisfaction_score ops mean - n=0 suppressed=1
                stakeholder_satisfaction_score ops median - n=0 suppressed=1
                stakeholder_satisfaction_score sales mean 4.2857 n=7 coverage=0.70
                stakeholder_satisfaction_score sales median 4 [3, 5] n=7 coverage=0.70
            "#]],
        );
    }

    #[test]
    fn without_groups_everybody_is_one() {
        check(
            "org wave",
            "wave stakeholder_satisfaction w1 closed 02-01T00:00 invited 14
             answers w1 score 4,4,5,5,3,4,5",
            expect![[r#"
                stakeholder_satisfaction_score all mean 4.2857 n=7 coverage=0.50
                stakeholder_satisfaction_score all median 4 [3, 5] n=7 coverage=0.50
            "#]],
        );
    }

    #[test]
    fn a_team_has_the_answers_about_it() {
        let story = Story::told(
            "service web team core
             service pay team money
             wave stakeholder_satisfaction w1 closed 02-01T00:00
             answers w1 score group sales team core 4,4,5,5,3
             answers w1 score group sales team money 1,1,1,1,1
             answers w1 score group legal team money 2,2,2,2",
        );
        expect![[r#"
            stakeholder_satisfaction_score legal mean - n=0 suppressed=2
            stakeholder_satisfaction_score legal median - n=0 suppressed=2
            stakeholder_satisfaction_score sales mean 2.6 [1.3292, 3.8708] n=10
            stakeholder_satisfaction_score sales median 2 [1, 5] n=10
        "#]]
        .assert_eq(&story.readings(&KPI, "org wave"));
        expect![[r#"
            stakeholder_satisfaction_score sales mean 4.2 n=5
            stakeholder_satisfaction_score sales median 4 n=5
        "#]]
        .assert_eq(&story.readings(&KPI, "team core wave"));
        expect![[r#"
            stakeholder_satisfaction_score legal mean - n=0 suppressed=1
            stakeholder_satisfaction_score legal median - n=0 suppressed=1
            stakeholder_satisfaction_score sales mean 1 n=5
            stakeholder_satisfaction_score sales median 1 n=5
        "#]]
        .assert_eq(&story.readings(&KPI, "team money wave"));
    }

    #[test]
    fn escalations_are_counted_in_every_other_window() {
        let story = Story::told(
            "service web team core
             service pay team money
             04T00:00 escalation e0 team core
             05T00:00 escalation e1 team core
             06T00:00 escalation e2 service pay
             07T00:00 escalation e3",
        );
        expect![[r#"
            stakeholder_escalations 2 [0.2422, 7.2247] n=2
        "#]]
        .assert_eq(&story.readings(&KPI, "org 05T00:00..07T00:00"));
        expect![[r#"
            stakeholder_escalations 1 [0.0253, 5.5716] n=1
        "#]]
        .assert_eq(&story.readings(&KPI, "team money 30d"));
        expect![[r#"
            stakeholder_escalations 4 [1.0899, 10.2416] n=4
        "#]]
        .assert_eq(&story.readings(&KPI, "org 30d"));
    }

    #[test]
    fn the_last_complete_quarter_is_compared_with_the_one_before() {
        let story = |from: &str| {
            let escalations: String = (1..=6)
                .map(|day| format!("01-0{day}T00:00 escalation a{day}\n2025-11-0{day}T00:00 escalation b{day}\n2025-12-0{day}T00:00 escalation c{day}\n"))
                .collect();
            let story = format!("feeds escalations from {from}\n{escalations}");
            Story::told(&story).readings(&KPI, "org wave")
        };
        expect![[r#"
            stakeholder_escalations_quarter_ratio 0.5111 [0.1574, 1.4715] n=18
        "#]]
        .assert_eq(&story("2025-10-01T00:00"));
        assert_eq!(story("2025-10-02T00:00"), "", "the quarter before is not covered");
    }

    #[test]
    fn after_a_quarter_without_escalations_there_is_no_ratio_and_a_lower_bound() {
        let story = Story::told(
            "feeds escalations from 2025-10-01T00:00
             01-05T00:00 escalation e1
             01-06T00:00 escalation e2",
        );
        expect![[r#"
            stakeholder_escalations_quarter_ratio - [0.192, -] n=2
        "#]]
        .assert_eq(&story.readings(&KPI, "org wave"));
    }

    use crate::kpi::evaluation::{self, Freshness, Plan, Scope, SourceFreshness};
    use crate::kpi::{State, Window};

    /// The verdicts on the organisation's last wave, by group.
    fn states(more: &str) -> Vec<(String, State)> {
        let story = Story::told(&format!(
            "feeds stakeholders from 2025-01-01T00:00
             feeds escalations from 2025-01-01T00:00
             wave stakeholder_satisfaction w1 closed 02-01T00:00 each sales=10,legal=90
             {more}"
        ));
        let fresh = SourceFreshness { last_success: story.as_of, data_through: story.as_of };
        let sources = story.params.sources.iter();
        let freshness: Freshness = sources.map(|it| (it.name.clone(), fresh)).collect();
        let mut plan = Plan::published(vec![Window::Wave], false);
        (plan.kpis, plan.scope) = (vec![&KPI], Some(Scope::Org));
        let timeline = story.timeline();
        let evaluation =
            evaluation::evaluate(&timeline, &story.params, &freshness, &plan, story.as_of);
        let of_wave = evaluation.statuses().filter(|it| it.window == "wave");
        of_wave.map(|it| (it.dimensions[0].1.clone(), it.state)).collect()
    }

    const CONTENT: &str = "answers w1 score group sales 5,5,4,5,5,4,5,5,5";

    #[test]
    fn a_median_of_four_is_asked_for_of_each_group_that_answered_often_enough() {
        let legal = "answers w1 score group legal 5,5,5,5,5,5";
        let expected = [("legal", State::Insufficient), ("sales", State::Met)];
        let expected: Vec<_> = expected.map(|(group, state)| (group.to_owned(), state)).into();
        assert_eq!(states(&format!("{CONTENT}\n{legal}")), expected, "6 of 90 answered");
        let low = CONTENT.replace(['4', '5'], "3");
        assert_eq!(states(&low), [("sales".to_owned(), State::Missed)]);
    }

    #[test]
    fn an_escalation_of_as_of_or_later_is_not_known() {
        let story = Story::told(
            "service web\nas_of 10T00:00\n09T00:00 escalation e1\n10T00:00 escalation e2",
        );
        expect![[r#"
            e1 counted 09T00:00
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }

    #[test]
    fn rising_escalations_spoil_the_verdict_and_few_do_not() {
        let escalations = |days: std::ops::RangeInclusive<u32>| -> String {
            days.map(|day| format!("02-{day:02}T00:00 escalation e{day}\n")).collect()
        };
        let state = |days| states(&format!("{CONTENT}\n{}", escalations(days)))[0].1;
        assert_eq!(state(1..=20), State::Missed, "20 after none");
        assert_eq!(state(1..=5), State::LikelyMissed, "5 after none may be chance");
        assert_eq!(state(1..=4), State::Met, "4 say nothing");
    }

    #[test]
    fn on_another_scale_four_is_no_target() {
        let answers = "answers w1 score group sales scale 0,10 5,5,4,5,5,4,5,5,5";
        assert_eq!(states(answers), [("sales".to_owned(), State::NoTarget)]);
    }
}
