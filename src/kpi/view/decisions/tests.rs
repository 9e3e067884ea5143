use expect_test::{Expect, expect};

use super::{Decision, Record, names_record};
use crate::kpi::testing::{Story, told};

/// What the records of a story amount to, one a line.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
fn check(story: &str, records: Expect) {
    records.assert_eq(&shown(&Story::told(story)));
}

fn shown(story: &Story) -> String {
    let timeline = story.timeline();
    story.view(&timeline).records.iter().map(line).collect()
}

fn line(it: &Record) -> String {
    let how = match it.decision {
        Decision::Pending => "pending",
        Decision::Accepted => "accepted",
        Decision::Rejected => "rejected",
        Decision::Unknown => "unknown",
    };
    let time = |at: Option<_>| at.map_or_else(|| "?".to_owned(), told);
    let name = it.path.rsplit('/').next().unwrap_or_default();
    let (proposed, decided) = (time(it.proposed_at), time(it.decided_at));
    let mut text =
        format!("{name} {how} {proposed} {} .. {decided} {}", it.proposed_by, it.decided_by);
    text += &it.proposed_in.map(|number| format!(" #{number}")).unwrap_or_default();
    if it.bulk_import {
        text += " bulk";
    }
    text + "\n"
}

/// Four records without a status, which make a repository one of retro-fitted statuses.
const STATUSLESS: &str = "
    01T10:00 record web s1 docs/adr/s1.md -
    01T11:00 record web s2 docs/adr/s2.md -
    01T12:00 record web s3 docs/adr/s3.md -
    01T13:00 record web s4 docs/adr/s4.md -";

#[test]
fn a_record_that_arrives_decided_was_decided_by_its_merge() {
    check(
        "records web docs/adr
         02T10:00 propose web#1 adds docs/adr/1.md
         06T10:00 land web#1 as c1
         06T10:00 record web c1 docs/adr/1.md Accepted
         02T10:00 propose web#2 adds docs/adr/2.md
         06T10:00 land web#2 as c2
         06T10:00 record web c2 docs/adr/2.md -
         02T10:00 propose web#3 adds docs/adr/3.md
         06T10:00 land web#3 as c3
         06T10:00 record web c3 docs/adr/3.md Rejected
         02T10:00 propose web#4 adds docs/adr/4.md
         06T10:00 land web#4 as c4
         06T10:00 record web c4 docs/adr/4.md Superseded~by~ADR-9",
        expect![[r#"
            1.md accepted 02T10:00 pull_request .. 06T10:00 merge #1
            2.md accepted 02T10:00 pull_request .. 06T10:00 merge #2
            3.md rejected 02T10:00 pull_request .. 06T10:00 merge #3
            4.md accepted 02T10:00 pull_request .. 06T10:00 merge #4
        "#]],
    );
}

#[test]
fn a_draft_is_proposed_when_it_is_first_ready_for_review() {
    check(
        "records web docs/adr
         02T10:00 propose web#1 adds docs/adr/1.md draft ready 04T09:00
         06T10:00 land web#1 as c1
         06T10:00 record web c1 docs/adr/1.md Accepted
         02T10:00 propose web#2 adds docs/adr/2.md ready 04T09:00
         06T10:00 land web#2 as c2
         06T10:00 record web c2 docs/adr/2.md Accepted
         02T10:00 propose web#3 adds docs/adr/3.md draft
         02T10:00 propose web#4 adds docs/adr/4.md draft
         05T10:00 close web#4
         02T10:00 propose web#5 adds docs/adr/5.md draft
         06T10:00 land web#5 as c5
         06T10:00 record web c5 docs/adr/5.md Accepted",
        expect![[r#"
            1.md accepted 04T09:00 ready_for_review .. 06T10:00 merge #1
            2.md accepted 02T10:00 pull_request .. 06T10:00 merge #2
            5.md accepted 02T10:00 pull_request .. 06T10:00 merge #5
        "#]],
    );
}

#[test]
fn pending_on_the_default_branch_it_is_decided_by_its_status() {
    check(
        "records web docs/adr
         02T10:00 propose web#1 adds docs/adr/1.md
         04T10:00 land web#1 as c1
         04T10:00 record web c1 docs/adr/1.md Proposed
         09T10:00 record web c9 docs/adr/1.md Accepted
         12T10:00 record web c12 docs/adr/1.md Superseded~by~ADR-2
         02T10:00 propose web#2 adds docs/adr/2.md
         04T10:00 land web#2 as c2
         04T10:00 record web c2 docs/adr/2.md Draft
         02T10:00 propose web#3 adds docs/adr/3.md
         04T10:00 land web#3 as c3
         04T10:00 record web c3 docs/adr/3.md Proposed
         05T10:00 record web c5 docs/adr/3.md Withdrawn
         06T10:00 record web c6 docs/adr/3.md Accepted",
        expect![[r#"
            1.md accepted 02T10:00 pull_request .. 09T10:00 status #1
            2.md pending 02T10:00 pull_request .. ? undecided #2
            3.md rejected 02T10:00 pull_request .. 05T10:00 status #3
        "#]],
    );
}

#[test]
fn the_commit_that_accepts_it_counts_from_the_merge_that_brought_it() {
    check(
        "records web docs/adr
         02T10:00 propose web#1 adds docs/adr/1.md
         04T10:00 land web#1 as c1
         04T10:00 record web c1 docs/adr/1.md Proposed
         07T09:00 propose web#2 touches docs/adr/1.md with b1
         07T08:00 record web b1 docs/adr/1.md Accepted
         09T10:00 land web#2 as c2",
        expect![[r#"
            1.md accepted 02T10:00 pull_request .. 09T10:00 status #1
        "#]],
    );
}

#[test]
fn what_a_branch_went_through_was_never_on_the_default_branch() {
    check(
        "records web docs/adr
         02T10:00 propose web#1 adds docs/adr/1.md with b1,b2
         02T09:00 record web b1 docs/adr/1.md Proposed
         05T09:00 record web b2 docs/adr/1.md Accepted
         06T10:00 land web#1 as c1
         03T10:00 propose web#2 adds docs/adr/2.md with b3,b4
         03T09:00 record web b3 docs/adr/2.md Proposed
         05T09:00 record web b4 docs/adr/2.md Accepted
         06T10:00 land web#2 as c2
         06T10:00 record web c2 docs/adr/2.md Accepted anew",
        expect![[r#"
            1.md accepted 02T10:00 pull_request .. 06T10:00 merge #1
            2.md accepted 03T10:00 pull_request .. 06T10:00 merge #2
        "#]],
    );
}

#[test]
fn a_status_filled_in_long_after_the_merge_is_a_retrofit_where_records_have_no_status() {
    let late = "records web docs/adr
        2025-11-02T10:00 propose web#1 adds docs/adr/1.md
        2025-11-04T10:00 land web#1 as c1
        2025-11-04T10:00 record web c1 docs/adr/1.md Proposed
        02T10:00:01 record web c9 docs/adr/1.md Accepted
        2025-12-02T10:00 propose web#2 adds docs/adr/2.md
        2025-12-02T10:00 land web#2 as c2
        2025-12-02T10:00 record web c2 docs/adr/2.md Proposed
        02T10:00 record web c8 docs/adr/2.md Rejected";
    check(
        late,
        expect![[r#"
        1.md accepted 2025-11-02T10:00 pull_request .. 02T10:00:01 status #1
        2.md rejected 2025-12-02T10:00 pull_request .. 02T10:00 status #2
    "#]],
    );
    let half: Vec<&str> = STATUSLESS.lines().take(3).collect();
    check(
        &format!("{late}{}", half.join("\n")),
        expect![[r#"
        1.md accepted 2025-11-02T10:00 pull_request .. 2025-11-04T10:00 merge #1
        2.md rejected 2025-12-02T10:00 pull_request .. 02T10:00 status #2
        s1.md unknown ? unknown .. ? undecided
        s2.md unknown ? unknown .. ? undecided
    "#]],
    );
    check(
        &format!("{late}{STATUSLESS}"),
        expect![[r#"
        1.md accepted 2025-11-02T10:00 pull_request .. 2025-11-04T10:00 merge #1
        2.md rejected 2025-12-02T10:00 pull_request .. 02T10:00 status #2
        s1.md unknown ? unknown .. ? undecided
        s2.md unknown ? unknown .. ? undecided
        s3.md unknown ? unknown .. ? undecided
        s4.md unknown ? unknown .. ? undecided
    "#]],
    );
}

#[test]
fn a_closed_proposal_is_rejected_and_an_open_one_is_pending() {
    check(
        "records web docs/adr
         02T10:00 propose web#1 adds docs/adr/1.md
         06T10:00 close web#1
         03T10:00 propose web#2 adds docs/adr/2.md touches docs/adr/9.md
         04T10:00 propose web#3 touches docs/adr/1.md",
        expect![[r#"
            1.md rejected 02T10:00 pull_request .. 06T10:00 close #1
            2.md pending 03T10:00 pull_request .. ? undecided #2
        "#]],
    );
}

#[test]
fn what_happened_at_as_of_or_later_is_not_known() {
    check(
        "records web docs/adr
         as_of 06T00:00
         02T10:00 propose web#1 adds docs/adr/1.md
         06T00:00 land web#1 as c1
         06T00:00 record web c1 docs/adr/1.md Accepted
         02T10:00 propose web#2 adds docs/adr/2.md
         06T00:00 close web#2
         06T00:00 propose web#3 adds docs/adr/3.md
         02T10:00 propose web#4 adds docs/adr/4.md draft ready 06T00:00
         02T10:00 propose web#5 adds docs/adr/5.md with b5
         03T10:00 record web b5 docs/adr/5.md Accepted
         06T09:00 land web#5 as c5
         02T10:00 record web c6 docs/adr/6.md Proposed
         06T00:00 record web c7 docs/adr/6.md Accepted",
        expect![[r#"
            1.md pending 02T10:00 pull_request .. ? undecided #1
            2.md pending 02T10:00 pull_request .. ? undecided #2
            5.md pending 02T10:00 pull_request .. ? undecided #5
            6.md pending 02T10:00 first_commit .. ? undecided
        "#]],
    );
}

#[test]
fn proposed_again_it_is_one_record_and_the_attempt_before_was_no_decision() {
    check(
        "records web docs/adr
         02T10:00 propose web#1 adds docs/adr/1.md
         03T10:00 close web#1
         04T10:00 propose web#2 adds docs/adr/1.md
         09T10:00 land web#2 as c2
         09T10:00 record web c2 docs/adr/1.md Accepted
         02T10:00 propose web#3 adds docs/adr/3.md
         03T10:00 close web#3
         04T10:00 propose web#4 adds docs/adr/3.md
         02T10:00 propose web#5 adds docs/adr/5.md
         03T10:00 close web#5
         04T10:00 propose web#6 adds docs/adr/5.md
         05T10:00 close web#6",
        expect![[r#"
            1.md accepted 04T10:00 pull_request .. 09T10:00 merge #2
            3.md pending 04T10:00 pull_request .. ? undecided #4
            5.md rejected 04T10:00 pull_request .. 05T10:00 close #6
        "#]],
    );
}

#[test]
fn without_a_pull_request_it_is_timed_only_if_it_was_pending_first() {
    check(
        "records web docs/adr
         02T10:00 record web c1 docs/adr/1.md Proposed
         05T10:00 record web c2 docs/adr/1.md Accepted
         03T10:00 record web c3 docs/adr/3.md Accepted
         04T10:00 record web c4 docs/adr/4.md Proposed
         05T10:00 record web c5 docs/adr/5.md -
         06T10:00 record web c6 docs/adr/6.md -
         07T10:00 record web c7 docs/adr/6.md Accepted
         08T10:00 record web c8 docs/adr/8.md Rejected written 01T10:00",
        expect![[r#"
            1.md accepted 02T10:00 first_commit .. 05T10:00 status
            3.md accepted ? unknown .. 03T10:00 first_commit
            4.md pending 04T10:00 first_commit .. ? undecided
            5.md unknown ? unknown .. ? undecided
            6.md accepted ? unknown .. 07T10:00 first_commit
            8.md rejected ? unknown .. 08T10:00 first_commit
        "#]],
    );
}

#[test]
fn merged_without_a_pull_request_it_is_proposed_by_its_first_branch_commit() {
    check(
        "records web docs/adr
         01T10:00 commit web c0
         02T10:00 commit web b1 on c0 aside
         03T10:00 commit web b2 on b1 aside
         06T10:00 commit web m1 on c0,b2
         09T10:00 commit web c9
         02T10:00 record web b1 docs/adr/1.md Draft written 01T15:00
         03T10:00 record web b2 docs/adr/1.md Proposed
         09T10:00 record web c9 docs/adr/1.md Accepted
         02T10:00 record web b1 docs/adr/2.md Draft
         03T10:00 record web b2 docs/adr/2.md Accepted",
        expect![[r#"
            1.md accepted 01T15:00 branch_commit .. 09T10:00 status
            2.md accepted ? unknown .. 06T10:00 first_commit
        "#]],
    );
}

#[test]
fn a_rebased_or_queued_pull_request_is_found_by_the_path_that_it_adds() {
    check(
        "records web docs/adr
         02T10:00 propose web#1 adds docs/adr/1.md with b1,b2,b3
         06T10:00 record web r1 docs/adr/1.md Proposed written 02T09:00
         06T10:00 record web r2 docs/adr/1.md In~review written 03T09:00
         06T10:00:01 record web r3 docs/adr/1.md Accepted written 04T09:00
         06T10:00:01 land web#1 as r3
         02T10:00 propose web#2 adds docs/adr/2.md
         06T08:00 record web q2 docs/adr/2.md Accepted
         06T10:00 land web#2
         02T10:00 propose web#3 adds docs/adr/3.md
         06T10:00 record web q3 docs/adr/3.md Accepted
         06T10:05 close web#3
         02T10:00 propose web#4 adds docs/adr/4.md
         04T10:00 close web#4
         06T10:00 record web q4 docs/adr/4.md Accepted",
        expect![[r#"
            1.md accepted 02T10:00 pull_request .. 06T10:00:01 merge #1
            2.md accepted 02T10:00 pull_request .. 06T10:00 merge #2
            3.md accepted 02T10:00 pull_request .. 06T10:00 merge #3
            4.md accepted ? unknown .. 06T10:00 first_commit
        "#]],
    );
}

#[test]
fn a_commit_in_two_pull_requests_came_with_the_one_into_the_default_branch() {
    check(
        "records web docs/adr
         02T10:00 propose web#1 adds docs/adr/1.md with b1 into feature
         02T09:00 record web b1 docs/adr/1.md Accepted
         03T10:00 land web#1 as f1
         04T10:00 propose web#2 adds docs/adr/1.md with b1,f1
         06T10:00 land web#2 as c2",
        expect![[r#"
            1.md accepted 04T10:00 pull_request .. 06T10:00 merge #2
        "#]],
    );
}

#[test]
fn a_pull_request_into_a_release_branch_names_commits_that_it_did_not_bring() {
    check(
        "records web docs/adr
         01T10:00 commit web c0
         02T10:00 commit web c1
         02T10:00 record web c1 docs/adr/1.md Proposed
         03T10:00 commit web c2
         03T10:00 record web c2 docs/adr/1.md Accepted
         04T10:00 propose web#9 into production with c1,c2 adds docs/adr/1.md
         05T10:00 land web#9 as p1",
        expect![[r#"
            1.md accepted 02T10:00 first_commit .. 03T10:00 status
        "#]],
    );
}

#[test]
fn a_pull_request_from_before_the_default_branch_was_renamed_brought_what_it_merged() {
    check(
        "records web docs/adr
         01T10:00 commit web c0
         02T10:00 propose web#1 into master adds docs/adr/1.md
         04T10:00 commit web c1
         04T10:00 record web c1 docs/adr/1.md Accepted
         04T10:00 land web#1 as c1",
        expect![[r#"
            1.md accepted 02T10:00 pull_request .. 04T10:00 merge #1
        "#]],
    );
}

#[test]
fn a_record_that_moved_in_from_elsewhere_was_not_proposed_by_the_move() {
    check(
        "records web docs/adr
         02T10:00 propose web#1 touches docs/adr/1.md
         04T10:00 land web#1 as c1
         04T10:00 record web c1 docs/adr/1.md Accepted from wiki/1.md",
        expect![[r#"
            1.md accepted ? unknown .. 04T10:00 first_commit
        "#]],
    );
}

#[test]
fn a_record_stays_itself_through_renames() {
    check(
        "records web docs/adr
         02T10:00 propose web#1 adds doc/adr/1-a.md
         03T10:00 land web#1 as c1
         03T10:00 record web c1 doc/adr/1-a.md Proposed
         04T10:00 record web c2 docs/adr/1-b.md Proposed from doc/adr/1-a.md
         05T10:00 propose web#5 with b5
         05T10:00 record web b5 docs/adr/1-c.md Proposed from docs/adr/1-b.md
         06T10:00 land web#5 as c5
         06T10:00 record web c5 docs/adr/1-c.md Proposed from docs/adr/1-b.md
         09T10:00 record web c9 docs/adr/1-c.md Accepted",
        expect![[r#"
            1-c.md accepted 02T10:00 pull_request .. 09T10:00 status #1
        "#]],
    );
}

#[test]
fn four_records_first_seen_in_one_commit_are_a_bulk_import() {
    check(
        "records web docs/adr
         02T10:00 propose web#1 adds docs/adr/1.md,docs/adr/2.md,docs/adr/3.md,docs/adr/4.md
         03T10:00 land web#1 as c1
         03T10:00 record web c1 docs/adr/1.md Accepted
         03T10:00 record web c1 docs/adr/2.md Accepted
         03T10:00 record web c1 docs/adr/3.md Proposed
         03T10:00 record web c1 docs/adr/4.md -
         05T10:00 record web c5 docs/adr/3.md Accepted
         05T10:00 record web c5 docs/adr/5.md Accepted
         05T10:00 record web c5 docs/adr/6.md Accepted
         05T10:00 record web c5 docs/adr/7.md Accepted
         05T10:00 record web c5 docs/adr/README.md -",
        expect![[r#"
            1.md accepted 02T10:00 pull_request .. 03T10:00 merge #1 bulk
            2.md accepted 02T10:00 pull_request .. 03T10:00 merge #1 bulk
            3.md accepted 02T10:00 pull_request .. 05T10:00 status #1 bulk
            4.md accepted 02T10:00 pull_request .. 03T10:00 merge #1 bulk
            5.md accepted ? unknown .. 05T10:00 first_commit
            6.md accepted ? unknown .. 05T10:00 first_commit
            7.md accepted ? unknown .. 05T10:00 first_commit
        "#]],
    );
}

#[test]
fn moved_together_they_are_no_bulk_import() {
    check(
        "records web docs/adr
         02T10:00 record web c1 doc/adr/1.md Accepted
         02T11:00 record web c2 doc/adr/2.md Accepted
         02T12:00 record web c3 doc/adr/3.md Accepted
         02T13:00 record web c4 doc/adr/4.md Accepted
         05T10:00 record web c5 docs/adr/1.md Accepted from doc/adr/1.md
         05T10:00 record web c5 docs/adr/2.md Accepted from doc/adr/2.md
         05T10:00 record web c5 docs/adr/3.md Accepted from doc/adr/3.md
         05T10:00 record web c5 docs/adr/4.md Accepted from doc/adr/4.md",
        expect![[r#"
            1.md accepted ? unknown .. 02T10:00 first_commit
            2.md accepted ? unknown .. 02T11:00 first_commit
            3.md accepted ? unknown .. 02T12:00 first_commit
            4.md accepted ? unknown .. 02T13:00 first_commit
        "#]],
    );
}

#[test]
fn one_pull_request_is_one_commit_however_it_is_merged() {
    check(
        "records web docs/adr
         02T10:00 propose web#1 adds docs/adr/1.md,docs/adr/2.md,docs/adr/3.md,docs/adr/4.md with b1,b2
         02T10:00 record web b1 docs/adr/1.md Accepted
         02T10:00 record web b1 docs/adr/2.md Accepted
         02T11:00 record web b2 docs/adr/3.md Accepted
         02T11:00 record web b2 docs/adr/4.md Accepted
         03T10:00 land web#1 as c1
         02T10:00 propose web#2 adds docs/adr/5.md,docs/adr/6.md,docs/adr/7.md,docs/adr/8.md
         02T10:00 propose web#3 adds docs/adr/a.md,docs/adr/b.md,docs/adr/c.md,docs/adr/d.md
         04T10:00 record web r1 docs/adr/a.md Accepted
         04T10:00 record web r1 docs/adr/b.md Accepted
         04T10:00 record web r2 docs/adr/c.md Accepted
         04T10:00 record web r2 docs/adr/d.md Accepted
         04T10:00 land web#3 as r2",
        expect![[r#"
            1.md accepted 02T10:00 pull_request .. 03T10:00 merge #1 bulk
            2.md accepted 02T10:00 pull_request .. 03T10:00 merge #1 bulk
            3.md accepted 02T10:00 pull_request .. 03T10:00 merge #1 bulk
            4.md accepted 02T10:00 pull_request .. 03T10:00 merge #1 bulk
            5.md pending 02T10:00 pull_request .. ? undecided #2 bulk
            6.md pending 02T10:00 pull_request .. ? undecided #2 bulk
            7.md pending 02T10:00 pull_request .. ? undecided #2 bulk
            8.md pending 02T10:00 pull_request .. ? undecided #2 bulk
            a.md accepted 02T10:00 pull_request .. 04T10:00 merge #3 bulk
            b.md accepted 02T10:00 pull_request .. 04T10:00 merge #3 bulk
            c.md accepted 02T10:00 pull_request .. 04T10:00 merge #3 bulk
            d.md accepted 02T10:00 pull_request .. 04T10:00 merge #3 bulk
        "#]],
    );
}

#[test]
fn a_superseding_record_and_the_superseded_one_count_once_each() {
    check(
        "records web docs/adr
         02T10:00 propose web#1 adds docs/adr/1.md
         03T10:00 land web#1 as c1
         03T10:00 record web c1 docs/adr/1.md Accepted
         05T10:00 propose web#2 adds docs/adr/2.md touches docs/adr/1.md
         06T10:00 land web#2 as c2
         06T10:00 record web c2 docs/adr/1.md Superseded~by~ADR-2
         06T10:00 record web c2 docs/adr/2.md Accepted",
        expect![[r#"
            1.md accepted 02T10:00 pull_request .. 03T10:00 merge #1
            2.md accepted 05T10:00 pull_request .. 06T10:00 merge #2
        "#]],
    );
}

#[test]
fn removed_while_pending_nobody_knows_and_removed_later_changes_nothing() {
    check(
        "records web docs/adr
         02T10:00 record web c1 docs/adr/1.md Proposed
         03T10:00 record web c2 docs/adr/1.md - gone
         02T10:00 propose web#2 adds docs/adr/2.md
         03T10:00 land web#2 as c3
         03T10:00 record web c3 docs/adr/2.md Accepted
         05T10:00 record web c4 docs/adr/2.md - gone
         02T10:00 record web c5 docs/adr/3.md Proposed
         03T10:00 record web c6 docs/adr/3.md - gone
         04T10:00 record web c7 docs/adr/3.md Accepted anew
         05T10:00 record web c8 docs/adr/4.md - gone",
        expect![[r#"
            1.md unknown 02T10:00 first_commit .. ? undecided
            2.md accepted 02T10:00 pull_request .. 03T10:00 merge #2
            3.md accepted 02T10:00 first_commit .. 04T10:00 status
        "#]],
    );
}

#[test]
fn by_the_merge_rule_the_merge_decides_whatever_the_status() {
    check(
        "records web docs/adr event merge
         02T10:00 propose web#1 adds docs/adr/1.md
         04T10:00 land web#1 as c1
         04T10:00 record web c1 docs/adr/1.md Proposed
         09T10:00 record web c9 docs/adr/1.md Accepted
         02T10:00 propose web#2 adds docs/adr/2.md
         04T10:00 land web#2 as c2
         04T10:00 record web c2 docs/adr/2.md Rejected
         02T10:00 propose web#3 adds docs/adr/3.md
         04T10:00 close web#3
         02T10:00 propose web#4 adds docs/adr/4.md
         02T10:00 record web c5 docs/adr/5.md Proposed
         09T10:00 record web c6 docs/adr/5.md Accepted",
        expect![[r#"
            1.md accepted 02T10:00 pull_request .. 04T10:00 merge #1
            2.md rejected 02T10:00 pull_request .. 04T10:00 merge #2
            3.md rejected 02T10:00 pull_request .. 04T10:00 close #3
            4.md pending 02T10:00 pull_request .. ? undecided #4
            5.md accepted ? unknown .. 02T10:00 first_commit
        "#]],
    );
}

#[test]
fn by_the_status_rule_only_a_status_decides() {
    check(
        "records web docs/adr event status
         02T10:00 propose web#1 adds docs/adr/1.md
         04T10:00 land web#1 as c1
         04T10:00 record web c1 docs/adr/1.md {proposed|accepted}
         09T10:00 record web c9 docs/adr/1.md Accepted
         02T10:00 propose web#2 adds docs/adr/2.md
         04T10:00 land web#2 as c2
         04T10:00 record web c2 docs/adr/2.md -
         02T10:00 propose web#3 adds docs/adr/3.md
         04T10:00 land web#3 as c3
         04T10:00 record web c3 docs/adr/3.md Accepted
         02T10:00 propose web#4 adds docs/adr/4.md
         04T10:00 close web#4
         05T10:00 record web c5 docs/adr/5.md Accepted
         05T10:00 record web c6 docs/adr/6.md -",
        expect![[r#"
            1.md accepted 02T10:00 pull_request .. 09T10:00 status #1
            2.md pending 02T10:00 pull_request .. ? undecided #2
            3.md accepted 02T10:00 pull_request .. 04T10:00 status #3
            4.md rejected 02T10:00 pull_request .. 04T10:00 close #4
            5.md accepted ? unknown .. 05T10:00 first_commit
            6.md unknown ? unknown .. ? undecided
        "#]],
    );
}

#[test]
fn explicit_dates_speak_where_no_pull_request_does() {
    check(
        "records web docs/adr proposed_field proposed decided_field date
         05T10:00 record web c1 docs/adr/1.md Accepted front proposed=2026-03-02,date=2026-03-04
         05T10:00 record web c2 docs/adr/2.md Accepted front date=2026-03-05T08:00:00Z
         06T10:00 record web c3 docs/adr/3.md Proposed front proposed=2026-03-02T08:00:00Z
         09T10:00 record web c4 docs/adr/3.md Accepted front date=2026-03-08
         06T11:00 record web c5 docs/adr/4.md - front date=2026-03-03
         06T12:00 record web c6 docs/adr/5.md Accepted front date=2026-03-06
         06T13:00 record web c7 docs/adr/6.md Accepted front date=1970-01-01,proposed=2099-01-01
         02T10:00 propose web#7 adds docs/adr/7.md
         07T10:00 land web#7 as c8
         07T10:00 record web c8 docs/adr/7.md Accepted front proposed=2026-03-01,date=2026-03-04",
        expect![[r#"
            1.md accepted 02T00:00 field .. 05T00:00 field
            2.md accepted ? unknown .. 05T08:00 field
            3.md accepted 02T08:00 field .. 09T10:00 status
            4.md accepted ? unknown .. 04T00:00 field
            5.md accepted ? unknown .. 06T12:00 field
            6.md accepted ? unknown .. 06T13:00 first_commit
            7.md accepted 02T10:00 pull_request .. 07T10:00 merge #7
        "#]],
    );
}

#[test]
fn impossible_commit_dates_do_not_make_a_record_old() {
    check(
        "records web docs/adr
         1970-01-01T00:00 record web c1 docs/adr/1.md Proposed written 05T10:00
         1970-01-01T00:00 record web c2 docs/adr/2.md Proposed
         02T10:00 propose web#3 adds docs/adr/3.md
         03T10:00 land web#3 as c3
         1970-01-01T00:00 record web c3 docs/adr/3.md Accepted",
        expect![[r#"
            1.md pending 05T10:00 first_commit .. ? undecided
            3.md accepted 02T10:00 pull_request .. 03T10:00 merge #3
        "#]],
    );
}

#[test]
fn pages_beside_the_records_and_templates_are_no_records() {
    for path in [
        "docs/adr/0001-use-a-queue.md",
        "docs/adr/payments/0001-use-a-queue.MD",
        "docs/adr/0012-choose-a-template.md",
        "docs/adr/0013-template-engine.markdown",
        "docs/adr/index-of-everything.md",
    ] {
        assert!(names_record(path), "{path} is a record");
    }
    for path in [
        "docs/adr/README.md",
        "docs/adr/index.md",
        "docs/adr/template.md",
        "docs/adr/adr-template.md",
        "docs/adr/0000-adr-template.md",
        "docs/adr/ODH-ADR-0000-template.md",
        "docs/adr/templates/short.md",
        "docs/adr/queue.png",
        "docs/adr/0001-use-a-queue.txt",
    ] {
        assert!(!names_record(path), "{path} is no record");
    }
}

#[test]
fn only_configured_folders_hold_records() {
    check(
        "records web ./docs/adr/,.github/rfc
         02T10:00 record web c1 docs/adr/1.md Accepted
         02T11:00 record web c2 docs/adrian/2.md Accepted
         02T12:00 record web c3 docs/3.md Accepted
         02T13:00 record web c4 .github/rfc/deep/4.md Accepted
         02T14:00 record api c5 docs/adr/5.md Accepted",
        expect![[r#"
            4.md accepted ? unknown .. 02T13:00 first_commit
            1.md accepted ? unknown .. 02T10:00 first_commit
        "#]],
    );
}

#[test]
fn a_record_belongs_to_whoever_owns_the_whole_repository() {
    let story = Story::told(
        "service web team shop
         service api in mono paths api/** team shop
         service lib in mono paths lib/** team shop
         service pay in bank paths pay/** team money
         service tax in bank paths tax/** team state
         records web docs/adr
         records mono docs/adr
         records bank docs/adr
         records paper docs/adr
         02T10:00 record bank c1 docs/adr/1.md Accepted
         02T10:00 record mono c1 docs/adr/1.md Accepted
         02T10:00 record paper c1 docs/adr/1.md Accepted
         02T10:00 record web c1 docs/adr/1.md Accepted
         02T10:00 propose bank#1 adds docs/adr/2.md touches pay/a.rs,tax/b.rs comments 4
         02T10:00 propose mono#1 adds docs/adr/2.md touches api/a.rs,lib/b.rs",
    );
    let timeline = story.timeline();
    let view = story.view(&timeline);
    let lines = view.records.iter().map(|it| {
        let (services, teams) = (&it.placement.services, &it.placement.teams);
        format!(
            "{} {} services={services:?} teams={teams:?} touched={}\n",
            it.repository, it.path, it.teams_touched
        )
    });
    expect![[r#"
        github/bank docs/adr/1.md services=[] teams=[] touched=0
        github/bank docs/adr/2.md services=[] teams=[] touched=2
        github/mono docs/adr/1.md services=[] teams=[0] touched=0
        github/mono docs/adr/2.md services=[] teams=[0] touched=1
        github/paper docs/adr/1.md services=[] teams=[] touched=0
        github/web docs/adr/1.md services=[0] teams=[0] touched=0
    "#]]
    .assert_eq(&lines.collect::<String>());
}
