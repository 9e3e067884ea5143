//! How developers find their work (kpis.md 3.18).

use super::survey_items::{LEAST_RESPONSE, latest, of};
use super::{
    Better, Family, Item, Kpi, Need, PlacedBy, Reading, Slice, Stat, TargetRule, Unit, View,
    WindowKind,
};

const SCORE: &str = "engkpi_developer_experience_score";
const CHANGE: &str = "engkpi_developer_experience_change_points";

const ID: &str = "developer_experience";
const DIMENSION: &str = "dimension";

/// Developer experience by survey.
pub static KPI: Kpi = Kpi {
    id: ID,
    title: "Developer experience",
    definition: "Answers of developers in the last closed wave of a survey, by dimension (such as feedback loops, cognitive load, \
        flow): mean with Student's interval from 10 answers on, and median. The target compares the mean with that of the \
        baseline wave on the same scale, by Welch's interval. Cells of fewer than 5 respondents are not shown, and nor is any \
        other from which they could be subtracted: what is not shown is part of the organisation's number and of no team's. \
        Below a response rate of 30 % there is no status.",
    unit: Unit::Points,
    better: Better::Higher,
    default_window: "wave",
    target: TargetRule::Points { improvement: 1.0, good: Some(2.0) },
    target_stat: Some(Stat::Mean),
    target_dimensions: &[],
    aims: None,
    min_n: 5,
    min_coverage: Some(LEAST_RESPONSE),
    provisional_days: 0,
    placed_by: PlacedBy::Completion,
    lookback_days: 0,
    needs: &[Need::DeveloperSurveys],
    uses: &[],
    baseline_value: None,
    families: &[
        Family {
            name: SCORE,
            help: "Score of the last wave in points of the survey's scale.",
            dimensions: &[DIMENSION],
            distribution: true,
            now: false,
            needs: &[],
        },
        Family {
            name: CHANGE,
            help: "Mean score of the last wave less that of the baseline wave, in points of the same scale.",
            dimensions: &[DIMENSION],
            distribution: false,
            now: false,
            needs: &[],
        },
    ],
    assess,
    by_window: false,
    measure,
};

fn assess(view: &View<'_>) -> Vec<Item> {
    of(view, ID)
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    if slice.calendar != WindowKind::Wave {
        return Vec::new();
    }
    let baseline = slice.view.params.kpis.get(ID).and_then(|it| it.baseline_wave.as_deref());
    let mut readings = Vec::new();
    for score in latest(items, slice) {
        let dimension = score.question.dimension;
        let change = baseline.and_then(|wave| score.since(wave, items, slice));
        readings.extend(
            score.readings(SCORE, change).into_iter().map(|it| it.with(DIMENSION, dimension)),
        );
        if let Some(change) = change {
            let reading = Reading::new(CHANGE, change.value, change.n).bounds(change.interval);
            readings.push(reading.with(DIMENSION, dimension));
        }
    }
    readings
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{DIMENSION, KPI};
    use crate::kpi::testing::Story;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(slice: &str, story: &str, readings: Expect) {
        readings.assert_eq(&Story::told(story).readings(&KPI, slice));
    }

    const TEAMS: &str = "service web team core
         service pay team money
         service sdk team tools
         ";

    #[test]
    fn without_answers_there_is_no_score() {
        check("org wave", "wave developer_experience w1 closed 02-01T00:00", expect![[""]]);
    }

    #[test]
    fn the_score_is_the_mean_and_the_median_of_each_dimension() {
        check(
            "org wave",
            "wave developer_experience w1 closed 02-01T00:00 invited 20
             answers w1 flow 3,4,4,5,2
             answers w1 feedback 1,2,3,3,4,4,5,5,5,5",
            expect![[r#"
                developer_experience_score feedback mean 3.7 [2.6855, 4.7145] n=10 coverage=0.50
                developer_experience_score feedback median 4 [2, 5] n=10 coverage=0.50
                developer_experience_score flow mean 3.6 n=5 coverage=0.25
                developer_experience_score flow median 4 n=5 coverage=0.25
            "#]],
        );
    }

    #[test]
    fn only_the_last_closed_wave_counts_and_one_counts_once_it_is_closed() {
        let story = |as_of: &str| {
            let story = Story::told(&format!(
                "wave developer_experience w1 closed 02-01T00:00
                 wave developer_experience w2 closed 03-01T00:00
                 wave developer_experience w3 closed 05-01T00:00
                 answers w1 flow 1,1,1,1,1
                 answers w2 flow 2,2,2,2,2
                 answers w3 flow 3,3,3,3,3
                 as_of {as_of}"
            ));
            story.readings(&KPI, "org wave")
        };
        expect![[r#"
            developer_experience_score flow mean 2 n=5
            developer_experience_score flow median 2 n=5
        "#]]
        .assert_eq(&story("04-01T00:00"));
        expect![[r#"
            developer_experience_score flow mean 1 n=5
            developer_experience_score flow median 1 n=5
        "#]]
        .assert_eq(&story("03-01T00:00"));
        assert_eq!(story("02-01T00:00"), "", "w1 closes at this very instant");
    }

    #[test]
    fn in_a_stretch_of_time_there_is_nothing() {
        check(
            "org 90d",
            "wave developer_experience w1 closed 02-01T00:00
             answers w1 flow 3,4,4,5,2",
            expect![[""]],
        );
    }

    #[test]
    fn of_fewer_than_five_respondents_nothing_is_shown() {
        check(
            "org wave",
            "wave developer_experience w1 closed 02-01T00:00
             answers w1 flow 3,4,4,5",
            expect![[r#"
                developer_experience_score flow mean - n=0 suppressed=1
                developer_experience_score flow median - n=0 suppressed=1
            "#]],
        );
    }

    #[test]
    fn a_team_of_four_is_hidden_and_so_is_the_one_that_it_could_be_subtracted_with() {
        let story = Story::told(&format!(
            "{TEAMS}wave developer_experience w1 closed 02-01T00:00 invited 30 each core=8,money=8,tools=9
             answers w1 flow team core 5,5,5,5,5,5,5,5
             answers w1 flow team money 3,3,3,3,3,3
             answers w1 flow team tools 1,1,1,1"
        ));
        let of = |scope: &str| story.readings(&KPI, &format!("{scope} wave"));
        expect![[r#"
            developer_experience_score flow mean 3.4444 [2.6404, 4.2485] n=18 suppressed=2 coverage=0.60
            developer_experience_score flow median 3 [3, 5] n=18 suppressed=2 coverage=0.60
        "#]].assert_eq(&of("org"));
        expect![[r#"
            developer_experience_score flow mean 5 n=8 coverage=1.00
            developer_experience_score flow median 5 [5, 5] n=8 coverage=1.00
        "#]]
        .assert_eq(&of("team core"));
        expect![[r#"
            developer_experience_score flow mean - n=0 suppressed=1
            developer_experience_score flow median - n=0 suppressed=1
        "#]]
        .assert_eq(&of("team money"));
        expect![[r#"
            developer_experience_score flow mean - n=0 suppressed=1
            developer_experience_score flow median - n=0 suppressed=1
        "#]]
        .assert_eq(&of("team tools"));
        expect![[r#"
            w1 flow all rest counted 2026-02-01T00:00 mean=2.2 answers=10 scores=4 × 1, 6 × 3
            w1 flow all core counted 2026-02-01T00:00 mean=5 answers=8 scores=8 × 5
            w1 flow all money excluded suppressed
            w1 flow all tools excluded suppressed
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }

    #[test]
    fn people_of_no_known_team_count_for_the_organisation() {
        let story = Story::told(&format!(
            "{TEAMS}wave developer_experience w1 closed 02-01T00:00
             answers w1 flow team core 4,4,4,4,4
             answers w1 flow team unheard-of 2,2,2,2,2
             answers w1 flow 3,3,3,3,3"
        ));
        expect![[r#"
            developer_experience_score flow mean 3 [2.532, 3.468] n=15
            developer_experience_score flow median 3 [2, 4] n=15
        "#]]
        .assert_eq(&story.readings(&KPI, "org wave"));
        expect![[r#"
            developer_experience_score flow mean 4 n=5
            developer_experience_score flow median 4 n=5
        "#]]
        .assert_eq(&story.readings(&KPI, "team core wave"));
    }

    #[test]
    fn the_response_rate_is_shown_as_coverage() {
        check(
            "org wave",
            "wave developer_experience w1 closed 02-01T00:00 invited 50
             answers w1 flow 3,4,4,5,2",
            expect![[r#"
                developer_experience_score flow mean 3.6 n=5 coverage=0.10
                developer_experience_score flow median 4 n=5 coverage=0.10
            "#]],
        );
    }

    #[test]
    fn the_change_is_that_since_the_baseline_wave_with_welchs_interval() {
        check(
            "org wave",
            "wave developer_experience w0 closed 2025-06-01T00:00 invited 20
             wave developer_experience w1 closed 2025-12-01T00:00 invited 20
             wave developer_experience w2 closed 03-01T00:00 invited 20
             baseline wave developer_experience w0
             answers w0 flow 2,2,3,3,2,3,2,3,2,3
             answers w1 flow 1,1,1,1,1,1,1,1,1,1
             answers w2 flow 4,4,5,4,4,5,4,4,3,4",
            expect![[r#"
                developer_experience_score flow mean 4.1 [3.6939, 4.5061] n=10 coverage=0.50
                developer_experience_score flow median 4 [4, 5] n=10 coverage=0.50
                developer_experience_change_points flow 1.6 [1.0852, 2.1148] n=10
            "#]],
        );
    }

    #[test]
    fn another_scale_or_too_few_who_answered_is_not_compared() {
        let story = |then: &str| {
            Story::told(&format!(
                "wave developer_experience w0 closed 2025-06-01T00:00 invited 20
                 wave developer_experience w2 closed 03-01T00:00 invited 20
                 baseline wave developer_experience w0
                 answers w2 flow 4,4,5,4,4,5,4,4,3,4
                 answers w0 {then}"
            ))
            .readings(&KPI, "org wave")
        };
        assert!(story("flow 2,2,3,3,2,3,2,3,2,3").contains("change_points"));
        assert!(!story("flow scale 0,10 2,2,3,3,2,3,2,3,2,3").contains("change_points"));
        assert!(story("flow 2,2,3,3,2,3").contains("change_points"), "30 % answered");
        assert!(!story("flow 2,2,3,3,2").contains("change_points"), "25 % answered");
        assert!(!story("other 2,2,3,3,2,3,2,3,2,3").contains("change_points"));
    }

    #[test]
    fn a_score_never_has_an_interval_beyond_the_scale() {
        check(
            "org wave",
            "wave developer_experience w1 closed 02-01T00:00
             answers w1 flow 5,5,5,5,5,5,5,5,5,1",
            expect![[r#"
                developer_experience_score flow mean 4.6 [3.6951, 5] n=10
                developer_experience_score flow median 5 [5, 5] n=10
            "#]],
        );
    }

    use proptest::prelude::*;

    use crate::kpi::evaluation::{self, Freshness, Plan, Scope, SourceFreshness};
    use crate::kpi::{Outcome, State, Window};

    /// A story in which surveys are read and fresh.
    fn evaluated(story: &Story, scope: Option<Scope>) -> evaluation::Evaluation {
        let fresh = SourceFreshness { last_success: story.as_of, data_through: story.as_of };
        let name = story.params.sources[0].name.clone();
        let freshness = Freshness::from([(name, fresh)]);
        let mut plan = Plan::published(vec![Window::parse("30d").expect("a window")], true);
        plan.kpis = vec![&KPI];
        plan.scope = scope;
        evaluation::evaluate(&story.timeline(), &story.params, &freshness, &plan, story.as_of)
    }

    #[test]
    fn a_survey_has_one_window_no_history_and_no_services() {
        let story = Story::told(
            "service web team core
             feeds surveys from 2025-01-01T00:00
             wave developer_experience w1 closed 02-01T00:00 invited 20 each core=20
             answers w1 flow team core 3,4,4,5,2,3,4,4,5,2
             answers w1 load team core 3,4,4,5,2",
        );
        let evaluation = evaluated(&story, None);
        let windows: Vec<&str> = evaluation.readings().map(|it| it.window.as_str()).collect();
        assert!(!windows.is_empty() && windows.iter().all(|it| *it == "wave"), "{windows:?}");
        assert!(evaluation.readings().all(|it| it.period.is_none()));
        let mut statuses = evaluation.statuses();
        assert!(statuses.all(|it| it.window == "wave" && !matches!(it.scope, Scope::Service(_))));
    }

    #[test]
    fn each_dimension_has_its_verdict_by_the_points_since_the_baseline_wave() {
        let states = |more: &str| {
            let story = Story::told(&format!(
                "service web team core
                 feeds surveys from 2025-01-01T00:00
                 wave developer_experience w0 closed 2025-06-01T00:00 invited 20
                 wave developer_experience w1 closed 02-01T00:00 invited 20
                 answers w0 flow 2,2,2,2,3,2,2,2,2,2
                 answers w0 load 3,3,3,4,3,3,3,3,3,3
                 answers w1 flow 4,4,4,4,4,4,4,5,4,4
                 answers w1 load 3,3,3,4,3,3,4,3,3,3
                 answers w1 tools 3,4,4,5,2
                 {more}"
            ));
            let evaluation = evaluated(&story, Some(Scope::Org));
            let state = |it: &evaluation::Judged| (it.dimensions[0].1.clone(), it.state);
            evaluation.statuses().map(state).collect::<Vec<_>>()
        };
        let named = |flow, load, tools| {
            vec![("flow".to_owned(), flow), ("load".to_owned(), load), ("tools".to_owned(), tools)]
        };
        assert_eq!(
            states("baseline wave developer_experience w0"),
            // Nobody was asked about tools before; 5 of 20 are fewer than 30 % besides.
            named(State::Met, State::Missed, State::Insufficient)
        );
        assert_eq!(states(""), named(State::NoTarget, State::NoTarget, State::Insufficient));
    }

    fn worlds() -> impl Strategy<Value = Vec<(usize, usize, u8)>> {
        // Team (the fourth is unknown), dimension and score of each answer.
        prop::collection::vec((0..4_usize, 0..2_usize, 1..6_u8), 0..40)
    }

    fn world(answers: &[(usize, usize, u8)]) -> Story {
        let mut text = format!(
            "{TEAMS}feeds surveys from 2025-01-01T00:00\nwave developer_experience w1 closed 02-01T00:00\n"
        );
        for (team, name) in ["core", "money", "tools", "unheard-of"].iter().enumerate() {
            for (dimension, about) in ["flow", "load"].iter().enumerate() {
                let scores: Vec<String> = answers
                    .iter()
                    .filter(|it| (it.0, it.1) == (team, dimension))
                    .map(|it| it.2.to_string())
                    .collect();
                if !scores.is_empty() {
                    text += &format!("answers w1 {about} team {name} {}\n", scores.join(","));
                }
            }
        }
        Story::told(&text)
    }

    proptest! {
        /// By brute force over what the readings and the explanation say: no number of theirs, and
        /// no difference of the organisation's and any teams', is about one to four people.
        #[test]
        fn nothing_that_is_said_can_be_subtracted_to_fewer_than_five(answers in worlds()) {
            let story = world(&answers);
            let evaluation = evaluated(&story, None);
            for dimension in ["flow", "load"] {
                let n = |scope: Scope| {
                    let of = evaluation.readings().filter(|it| it.scope == scope);
                    of.filter(|it| it.reading.has(DIMENSION, dimension) && it.reading.value.is_some())
                        .map(|it| it.reading.n)
                        .max()
                };
                let teams: Vec<u64> = (0..3).filter_map(|team| n(Scope::Team(team))).collect();
                prop_assert!(teams.iter().all(|n| *n >= 5), "{teams:?}");
                let Some(all) = n(Scope::Org) else {
                    prop_assert!(teams.is_empty(), "teams are shown and the organisation is not");
                    continue;
                };
                for chosen in 0..1_u32 << teams.len() {
                    let chosen = teams.iter().enumerate().filter(|(it, _)| chosen >> it & 1 == 1);
                    let left = all - chosen.map(|(_, n)| n).sum::<u64>();
                    prop_assert!(left == 0 || left >= 5, "{left} of {all} are left of {teams:?}");
                }
            }
            let timeline = story.timeline();
            let view = story.view(&timeline);
            for item in (KPI.assess)(&view) {
                let answers = item.mark("answers").map(|it| it.value.parse::<u64>().unwrap());
                match item.outcome {
                    Outcome::Excluded(_) => prop_assert!(answers.is_none() && item.values.is_empty()),
                    _ => prop_assert!(answers.is_some_and(|it| it >= 5)),
                }
            }
        }

        /// The organisation's number is made of everybody, whatever is hidden from the teams.
        #[test]
        fn the_organisation_has_every_answer_or_no_number(answers in worlds()) {
            let story = world(&answers);
            let evaluation = evaluated(&story, Some(Scope::Org));
            for (index, dimension) in ["flow", "load"].into_iter().enumerate() {
                let all = answers.iter().filter(|it| it.1 == index).count() as u64;
                let n = evaluation.readings().find(|it| it.reading.has(DIMENSION, dimension));
                prop_assert_eq!(n.map_or(0, |it| it.reading.n), if all < 5 { 0 } else { all });
            }
        }
    }
}
