//! How many architectural decisions are made (kpis.md 3.1).

use super::decision_items::{ACCEPTED, OUTCOME, REJECTED, TEAMS, of};
use super::item::exclusions;
use super::statistics::{count, real};
use super::{
    Better, Family, Item, Kpi, Need, Outcome, PlacedBy, Reading, Slice, TargetRule, Unit, View,
};

const DECISIONS: &str = "engkpi_architecture_throughput_decisions";
const BY_OUTCOME: &str = "engkpi_architecture_throughput_decisions_by_outcome";
const PENDING: &str = "engkpi_decisions_pending";
const OLDEST_PENDING: &str = "engkpi_decision_oldest_pending_seconds";
const CROSS_TEAM: &str = "engkpi_decisions_cross_team";

/// Decisions per period.
pub static KPI: Kpi = Kpi {
    id: "architecture_throughput",
    title: "Architecture decisions",
    definition: "Decision records accepted or rejected in the window, by the time of the decision. Four or more records first \
        seen in one commit are a bulk import and left out. A record counts once: that another one supersedes it later is no \
        decision about it. The target is a band for a calendar month; above it is met and shown as above.",
    unit: Unit::Decisions,
    better: Better::Band,
    default_window: "month",
    target: TargetRule::Band { low: 4.0, high: 8.0 },
    target_stat: None,
    target_dimensions: &[],
    aims: None,
    min_n: 0,
    min_coverage: None,
    provisional_days: 0,
    placed_by: PlacedBy::Completion,
    lookback_days: 0,
    needs: &[Need::Decisions],
    uses: &[],
    baseline_value: None,
    families: &[
        Family {
            name: DECISIONS,
            help: "Decision records accepted or rejected in the window.",
            dimensions: &[],
            distribution: false,
            now: false,
            needs: &[],
        },
        Family {
            name: BY_OUTCOME,
            help: "Decision records decided in the window, by how they were decided.",
            dimensions: &[OUTCOME],
            distribution: false,
            now: false,
            needs: &[],
        },
        Family {
            name: PENDING,
            help: "Decision records that wait for a decision now.",
            dimensions: &[],
            distribution: false,
            now: true,
            needs: &[],
        },
        Family {
            name: OLDEST_PENDING,
            help: "Seconds since the proposal of the decision record that has waited longest.",
            dimensions: &[],
            distribution: false,
            now: true,
            needs: &[],
        },
        Family {
            name: CROSS_TEAM,
            help: "Decision records decided in the window whose proposal touches services of two or more teams.",
            dimensions: &[],
            distribution: false,
            now: false,
            needs: &[],
        },
    ],
    assess,
    by_window: true,
    measure,
};

fn assess(view: &View<'_>) -> Vec<Item> {
    view.records.iter().map(of).collect()
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    let placed = |it: &&&Item| slice.window.contains(it.completed_at.unwrap_or(it.started_at));
    let decided: Vec<&Item> =
        items.iter().filter(|it| it.counted()).filter(placed).copied().collect();
    let pending: Vec<&Item> =
        items.iter().filter(|it| it.outcome == Outcome::Open).copied().collect();

    let mut total = Reading::count(DECISIONS, count(decided.len()));
    total.open = Some(count(pending.len()));
    total.excluded = exclusions(items, slice.window);

    let by_outcome = [ACCEPTED, REJECTED].map(|outcome| {
        let is = |it: &&&Item| it.mark(OUTCOME).is_some_and(|mark| mark.value == outcome);
        Reading::count(BY_OUTCOME, count(decided.iter().filter(is).count())).with(OUTCOME, outcome)
    });
    let waiting = count(pending.len());
    let waited = pending.iter().map(|it| (slice.as_of - it.started_at).as_seconds_f64());
    let cross_team = decided.iter().filter(|it| touches_teams(it)).count();
    let mut readings = vec![total];
    readings.extend(by_outcome);
    readings.push(Reading::new(PENDING, Some(real(waiting)), waiting));
    readings.push(Reading::plain(OLDEST_PENDING, waited.reduce(f64::max)));
    readings.push(Reading::count(CROSS_TEAM, count(cross_team)));
    readings
}

/// Whether a record's proposal touches services of two or more teams.
fn touches_teams(item: &Item) -> bool {
    let teams = item.mark(TEAMS).and_then(|mark| mark.value.parse::<usize>().ok());
    teams.is_some_and(|teams| teams >= 2)
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
    fn without_records_the_counts_are_zero() {
        check(
            "org 30d",
            "records web docs/adr",
            expect![[r#"
            architecture_throughput_decisions 0 [0, 3.6889] n=0
            architecture_throughput_decisions_by_outcome accepted 0 [0, 3.6889] n=0
            architecture_throughput_decisions_by_outcome rejected 0 [0, 3.6889] n=0
            decisions_pending 0 n=0
            decision_oldest_pending_seconds - n=0
            decisions_cross_team 0 [0, 3.6889] n=0
        "#]],
        );
    }

    #[test]
    fn accepted_and_rejected_records_count_by_the_decision() {
        check(
            "org 30d",
            "records web docs/adr
             05T10:00 propose web#1 adds docs/adr/1.md
             08T10:00 land web#1 as c1
             08T10:00 record web c1 docs/adr/1.md Accepted
             05T10:00 propose web#2 adds docs/adr/2.md
             09T10:00 close web#2
             06T10:00 propose web#3 adds docs/adr/3.md
             04T10:00 record web c4 docs/adr/4.md Accepted
             07T10:00 record web c5 docs/adr/5.md -",
            expect![[r#"
                architecture_throughput_decisions 3 [0.6187, 8.7673] n=3 open=1 unknown_outcome=1
                architecture_throughput_decisions_by_outcome accepted 2 [0.2422, 7.2247] n=2
                architecture_throughput_decisions_by_outcome rejected 1 [0.0253, 5.5716] n=1
                decisions_pending 1 n=1
                decision_oldest_pending_seconds 25d14h n=1
                decisions_cross_team 0 [0, 3.6889] n=0
            "#]],
        );
    }

    #[test]
    fn the_window_holds_its_start_and_not_its_end() {
        check(
            "org 05T00:00..06T00:00",
            "records web docs/adr
             04T23:59:59 record web c1 docs/adr/1.md Accepted
             05T00:00 record web c2 docs/adr/2.md Accepted
             05T23:59:59 record web c3 docs/adr/3.md Accepted
             06T00:00 record web c4 docs/adr/4.md Accepted",
            expect![[r#"
                architecture_throughput_decisions 2 [0.2422, 7.2247] n=2
                architecture_throughput_decisions_by_outcome accepted 2 [0.2422, 7.2247] n=2
                architecture_throughput_decisions_by_outcome rejected 0 [0, 3.6889] n=0
                decisions_pending 0 n=0
                decision_oldest_pending_seconds - n=0
                decisions_cross_team 0 [0, 3.6889] n=0
            "#]],
        );
    }

    #[test]
    fn a_bulk_import_is_left_out_and_shown() {
        check(
            "org 30d",
            "records web docs/adr
             05T10:00 record web c1 docs/adr/1.md Accepted
             05T10:00 record web c1 docs/adr/2.md Rejected
             05T10:00 record web c1 docs/adr/3.md Proposed
             05T10:00 record web c1 docs/adr/4.md Accepted
             06T10:00 record web c2 docs/adr/5.md Accepted
             06T10:00 record web c2 docs/adr/6.md Accepted
             06T10:00 record web c2 docs/adr/7.md Accepted",
            expect![[r#"
                architecture_throughput_decisions 3 [0.6187, 8.7673] n=3 bulk_import=4
                architecture_throughput_decisions_by_outcome accepted 3 [0.6187, 8.7673] n=3
                architecture_throughput_decisions_by_outcome rejected 0 [0, 3.6889] n=0
                decisions_pending 0 n=0
                decision_oldest_pending_seconds - n=0
                decisions_cross_team 0 [0, 3.6889] n=0
            "#]],
        );
    }

    #[test]
    fn superseding_and_superseded_count_when_each_was_decided() {
        check(
            "org 05T00:00..10T00:00",
            "records web docs/adr
             02T10:00 record web c1 docs/adr/1.md Accepted
             06T10:00 record web c2 docs/adr/1.md Superseded~by~ADR-2
             06T10:00 record web c2 docs/adr/2.md Accepted",
            expect![[r#"
                architecture_throughput_decisions 1 [0.0253, 5.5716] n=1
                architecture_throughput_decisions_by_outcome accepted 1 [0.0253, 5.5716] n=1
                architecture_throughput_decisions_by_outcome rejected 0 [0, 3.6889] n=0
                decisions_pending 0 n=0
                decision_oldest_pending_seconds - n=0
                decisions_cross_team 0 [0, 3.6889] n=0
            "#]],
        );
    }

    #[test]
    fn the_queue_is_what_waits_now_whatever_the_window() {
        let story = Story::told(
            "records web docs/adr
             as_of 11T00:00
             01T00:00 record web c1 docs/adr/1.md Proposed
             03T00:00 propose web#2 adds docs/adr/2.md
             04T00:00 propose web#3 adds docs/adr/3.md draft
             05T00:00 record web c4 docs/adr/4.md Deferred
             06T00:00 record web c5 docs/adr/4.md Accepted
             11T00:00 record web c6 docs/adr/1.md Accepted",
        );
        let queue = |slice: &str| story.reading(&KPI, slice, "pending");
        expect![[r#"
            decisions_pending 2 n=2
            decision_oldest_pending_seconds 10d n=1"#]]
        .assert_eq(&queue("org 30d"));
        assert_eq!(queue("org 01T00:00..02T00:00"), queue("org 30d"));
    }

    #[test]
    fn a_proposal_that_touches_services_of_two_teams_is_cross_team() {
        let story = Story::told(
            "service api in mono paths api/** team shop
             service web in mono paths web/** team shop
             service pay in mono paths pay/** team money
             records mono docs/adr
             02T10:00 propose mono#1 adds docs/adr/1.md touches api/a.rs,pay/b.rs
             05T10:00 land mono#1 as c1
             05T10:00 record mono c1 docs/adr/1.md Accepted
             02T10:00 propose mono#2 adds docs/adr/2.md touches api/a.rs,web/b.rs
             05T11:00 land mono#2 as c2
             05T11:00 record mono c2 docs/adr/2.md Accepted
             02T10:00 propose mono#3 adds docs/adr/3.md touches api/a.rs,pay/b.rs",
        );
        expect!["decisions_cross_team 1 [0.0253, 5.5716] n=1"].assert_eq(&story.reading(
            &KPI,
            "org 30d",
            "cross_team",
        ));
    }

    #[test]
    fn a_team_has_the_records_of_the_repositories_that_are_wholly_its_own() {
        let story = Story::told(
            "service web team shop
             service api in mono paths api/** team shop
             service lib in mono paths lib/** team shop
             service pay in bank paths pay/** team money
             service tax in bank paths tax/** team state
             records web docs/adr
             records mono docs/adr
             records bank docs/adr
             05T10:00 record web c1 docs/adr/1.md Accepted
             05T10:00 record mono c1 docs/adr/1.md Accepted
             05T10:00 record bank c1 docs/adr/1.md Accepted",
        );
        let total = |scope: &str| story.reading(&KPI, &format!("{scope} 30d"), "decisions ");
        for (scope, reading) in [
            ("org", expect!["architecture_throughput_decisions 3 [0.6187, 8.7673] n=3"]),
            ("team shop", expect!["architecture_throughput_decisions 2 [0.2422, 7.2247] n=2"]),
            ("team money", expect!["architecture_throughput_decisions 0 [0, 3.6889] n=0"]),
            ("service web", expect!["architecture_throughput_decisions 1 [0.0253, 5.5716] n=1"]),
            ("service api", expect!["architecture_throughput_decisions 0 [0, 3.6889] n=0"]),
        ] {
            reading.assert_eq(&total(scope));
        }
    }

    #[test]
    fn explain_shows_which_rules_decided_each_record() {
        let story = Story::told(
            "records web docs/adr
             02T10:00 propose web#1 adds docs/adr/1.md comments 7
             05T10:00 land web#1 as c1
             05T10:00 record web c1 docs/adr/1.md Accepted
             03T10:00 record web c2 docs/adr/2.md Proposed
             06T10:00 record web c3 docs/adr/2.md Rejected
             07T10:00 record web c4 docs/adr/3.md -
             07T10:00 propose web#4 adds docs/adr/4.md",
        );
        expect![[r#"
            web:docs/adr/1.md counted 05T10:00 outcome=accepted proposed_by=pull_request(#1) decided_by=merge comments=7
            web:docs/adr/2.md counted 06T10:00 outcome=rejected proposed_by=first_commit decided_by=status
            web:docs/adr/3.md excluded unknown_outcome proposed_by=unknown decided_by=undecided
            web:docs/adr/4.md open since 07T10:00 proposed_by=pull_request(#4) decided_by=undecided comments=0
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }
}
