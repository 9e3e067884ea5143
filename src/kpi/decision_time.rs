//! How long an architectural decision takes (kpis.md 3.2).

use super::decision_items::of;
use super::incident_items::elapsed;
use super::view::decisions::Record;
use super::{
    Better, Distribution, Family, Item, Kpi, Need, Outcome, PlacedBy, Reading, Slice, Stat,
    TargetRule, Unit, View,
};

const DECISION_TIME: &str = "engkpi_decision_business_time_seconds";

const DECISION: &str = "decision";

/// Ten business days.
const TARGET: f64 = 10.0 * 86_400.0;

/// Time to decide.
pub static KPI: Kpi = Kpi {
    id: "decision_time",
    title: "Time to decide",
    definition: "Business time from the proposal of a decision record to its decision; 86,400 s are one business day (Monday to \
        Friday without holidays, in the configured zone). A record is proposed when its pull request is first ready for review and \
        decided by the first default-branch commit that decides its status if it was pending there, else by the merge or the \
        close. Pending records are censored (Kaplan and Meier 1958), not dropped; bulk imports and records that nobody saw \
        pending are left out.",
    unit: Unit::BusinessSeconds,
    better: Better::Lower,
    default_window: "90d",
    target: TargetRule::Value { target: TARGET, good: None },
    target_stat: Some(Stat::KmMedian),
    target_dimensions: &[],
    aims: None,
    min_n: 5,
    min_coverage: None,
    provisional_days: 0,
    placed_by: PlacedBy::Either,
    lookback_days: 0,
    needs: &[Need::Decisions],
    uses: &[],
    baseline_value: None,
    families: &[Family {
        name: DECISION_TIME,
        help: "Business seconds from the proposal to the decision of a decision record; 86,400 are one business day.",
        dimensions: &[],
        distribution: true,
        now: false,
        needs: &[],
    }],
    assess,
    by_window: true,
    measure,
};

fn assess(view: &View<'_>) -> Vec<Item> {
    view.records.iter().map(|record| item(view, record)).collect()
}

fn item(view: &View<'_>, record: &Record) -> Item {
    let mut item = of(record);
    if matches!(item.outcome, Outcome::Excluded(_)) {
        return item;
    }
    let Some(proposed_at) = record.proposed_at else {
        item.outcome = Outcome::Excluded("no_proposal_time");
        return item;
    };
    let end = record.decided_at.unwrap_or(view.as_of);
    match elapsed(proposed_at, end) {
        Ok(_) => {
            let business = view.params.calendar.business_seconds(proposed_at, end);
            item.values.push((DECISION, business));
        }
        Err(reason) => item.outcome = Outcome::Excluded(reason),
    }
    item
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    Distribution::of(items, slice, DECISION).readings(DECISION_TIME)
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
    fn without_records_there_is_no_duration() {
        check(
            "org 30d",
            "records web docs/adr",
            expect![[r#"
            decision_business_time_seconds median - n=0
            decision_business_time_seconds p90 - n=0
            decision_business_time_seconds mean - n=0
            decision_business_time_seconds km_median - n=0
        "#]],
        );
    }

    #[test]
    fn only_business_days_count() {
        // The 6th of March 2026 is a Friday.
        check(
            "org 30d",
            "records web docs/adr
             06T12:00 propose web#1 adds docs/adr/1.md
             09T12:00 land web#1 as c1
             09T12:00 record web c1 docs/adr/1.md Accepted
             07T10:00 propose web#2 adds docs/adr/2.md
             08T10:00 land web#2 as c2
             08T10:00 record web c2 docs/adr/2.md Accepted
             09T10:00 propose web#3 adds docs/adr/3.md
             23T10:00 land web#3 as c3
             23T10:00 record web c3 docs/adr/3.md Rejected",
            expect![[r#"
                decision_business_time_seconds median 1d n=3
                decision_business_time_seconds p90 8d4h48m [0s, -] n=3
                decision_business_time_seconds mean 3d16h n=3
                decision_business_time_seconds km_median 1d [0s, 10d] n=3
            "#]],
        );
    }

    #[test]
    fn holidays_and_the_configured_zone_count() {
        // From a Friday evening to a Sunday: an hour less of the Friday is left in Berlin.
        let mut story = Story::told(
            "records web docs/adr
             06T22:00 propose web#1 adds docs/adr/1.md
             08T12:00 land web#1 as c1
             08T12:00 record web c1 docs/adr/1.md Accepted",
        );
        let median = |story: &Story| story.reading(&KPI, "org 30d", " median");
        expect!["decision_business_time_seconds median 2h n=1"].assert_eq(&median(&story));
        story.params.calendar.zone = chrono_tz::Europe::Berlin;
        expect!["decision_business_time_seconds median 1h n=1"].assert_eq(&median(&story));
        story.params.calendar.holidays.extend("2026-03-06".parse::<chrono::NaiveDate>());
        expect!["decision_business_time_seconds median 0s n=1"].assert_eq(&median(&story));
    }

    #[test]
    fn a_decision_is_placed_by_itself_and_its_cohort_by_the_proposal() {
        check(
            "org 09T00:00..14T00:00",
            "records web docs/adr
             04T00:00 propose web#1 adds docs/adr/1.md
             09T00:00 land web#1 as c1
             09T00:00 record web c1 docs/adr/1.md Accepted
             12T00:00 propose web#2 adds docs/adr/2.md
             16T00:00 land web#2 as c2
             16T00:00 record web c2 docs/adr/2.md Accepted
             09T00:00 propose web#3 adds docs/adr/3.md
             10T00:00 land web#3 as c3
             10T00:00 record web c3 docs/adr/3.md Accepted
             13T23:59 propose web#4 adds docs/adr/4.md
             14T00:00 land web#4 as c4
             14T00:00 record web c4 docs/adr/4.md Accepted",
            expect![[r#"
                decision_business_time_seconds median 2d n=2
                decision_business_time_seconds p90 2d19h12m [1d, -] n=2
                decision_business_time_seconds mean 2d n=2
                decision_business_time_seconds km_median 1d [1m, 2d] n=3
            "#]],
        );
    }

    #[test]
    fn pending_records_are_censored_and_keep_the_median_honest() {
        let story = |last: &str| {
            format!(
                "records web docs/adr
                 02T00:00 propose web#1 adds docs/adr/1.md
                 03T00:00 land web#1 as c1
                 03T00:00 record web c1 docs/adr/1.md Accepted
                 03T00:00 propose web#2 adds docs/adr/2.md
                 05T00:00 land web#2 as c2
                 05T00:00 record web c2 docs/adr/2.md Accepted
                 03T00:00 propose web#3 adds docs/adr/3.md
                 02T00:00 record web c4 docs/adr/4.md Draft
                 2025-12-01T00:00 record web c5 docs/adr/5.md Proposed
                 {last}"
            )
        };
        check(
            "org 30d",
            &story("as_of 31T00:00"),
            expect![[r#"
            decision_business_time_seconds median 1d12h n=2 open=3
            decision_business_time_seconds p90 1d21h36m [1d, -] n=2 open=3
            decision_business_time_seconds mean 1d12h n=2 open=3
            decision_business_time_seconds km_median 2d [1d, -] n=4 open=2
        "#]],
        );
        check(
            "org 365d",
            &story("as_of 31T00:00"),
            expect![[r#"
            decision_business_time_seconds median 1d12h n=2 open=3
            decision_business_time_seconds p90 1d21h36m [1d, -] n=2 open=3
            decision_business_time_seconds mean 1d12h n=2 open=3
            decision_business_time_seconds km_median - [1d, -] n=5 open=3
        "#]],
        );
    }

    #[test]
    fn what_nobody_saw_pending_and_bulk_imports_are_left_out() {
        check(
            "org 30d",
            "records web docs/adr
             05T10:00 record web c1 docs/adr/1.md Accepted
             05T11:00 record web c2 docs/adr/2.md -
             06T10:00 record web c3 docs/adr/3.md Accepted
             06T10:00 record web c3 docs/adr/4.md Accepted
             06T10:00 record web c3 docs/adr/5.md Proposed
             06T10:00 record web c3 docs/adr/6.md Rejected
             09T10:00 record web c4 docs/adr/5.md Accepted",
            expect![[r#"
                decision_business_time_seconds median - n=0 bulk_import=4 no_proposal_time=1 unknown_outcome=1
                decision_business_time_seconds p90 - n=0 bulk_import=4 no_proposal_time=1 unknown_outcome=1
                decision_business_time_seconds mean - n=0 bulk_import=4 no_proposal_time=1 unknown_outcome=1
                decision_business_time_seconds km_median - n=0 bulk_import=4 no_proposal_time=1 unknown_outcome=1
            "#]],
        );
    }

    #[test]
    fn a_decision_before_its_proposal_is_left_out_beyond_a_minute() {
        check(
            "org 30d",
            "records web docs/adr
             05T10:01 propose web#1 adds docs/adr/1.md
             05T10:00 land web#1 as c1
             05T10:00 record web c1 docs/adr/1.md Accepted
             05T10:01:01 propose web#2 adds docs/adr/2.md
             05T10:00 land web#2 as c2
             05T10:00 record web c2 docs/adr/2.md Accepted",
            expect![[r#"
                decision_business_time_seconds median 0s n=1 negative_duration=1
                decision_business_time_seconds p90 0s n=1 negative_duration=1
                decision_business_time_seconds mean 0s n=1 negative_duration=1
                decision_business_time_seconds km_median 0s [0s, 0s] n=1 negative_duration=1
            "#]],
        );
    }

    #[test]
    fn what_happened_at_as_of_or_later_is_pending() {
        check(
            "org 30d",
            "records web docs/adr
             as_of 06T00:00
             05T00:00 propose web#1 adds docs/adr/1.md
             06T00:00 land web#1 as c1
             06T00:00 record web c1 docs/adr/1.md Accepted",
            expect![[r#"
                decision_business_time_seconds median - n=0 open=1
                decision_business_time_seconds p90 - n=0 open=1
                decision_business_time_seconds mean - n=0 open=1
                decision_business_time_seconds km_median - n=1 open=1
            "#]],
        );
    }

    #[test]
    fn explain_shows_both_ends_and_the_rules_behind_them() {
        let story = Story::told(
            "records web docs/adr
             02T10:00 propose web#1 adds docs/adr/1.md draft ready 03T10:00
             05T10:00 land web#1 as c1
             05T10:00 record web c1 docs/adr/1.md Accepted
             03T10:00 record web c2 docs/adr/2.md Accepted
             25T00:00 propose web#3 adds docs/adr/3.md",
        );
        expect![[r#"
            web:docs/adr/1.md counted 05T10:00 decision=2d outcome=accepted proposed_by=ready_for_review(#1) decided_by=merge comments=0
            web:docs/adr/2.md excluded no_proposal_time outcome=accepted proposed_by=unknown decided_by=first_commit
            web:docs/adr/3.md open since 25T00:00 decision=5d proposed_by=pull_request(#3) decided_by=undecided comments=0
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }
}
