//! Every sentence of kpis.md 3.9, and the deployment half of 3.6, as a story.

use expect_test::{Expect, expect};

use crate::kpi::testing::{Story, told};

/// Checks what became of each deployment and what each incident is linked to.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
fn check(story: &str, verdicts: Expect) {
    check_story(&Story::told(story), &verdicts);
}

#[track_caller]
fn check_story(story: &Story, verdicts: &Expect) {
    let timeline = story.timeline();
    let view = story.view(&timeline);
    let name = |at: usize| {
        let deployment = &view.deployments[at];
        let service = &story.params.catalogue.services[deployment.service].name;
        format!("{service}:{}", deployment.native)
    };
    let mut text = String::new();
    for (at, verdict) in view.failures.verdicts.iter().enumerate() {
        text += &name(at);
        for reason in &verdict.reasons {
            text += &format!(" {}({})", reason.reason, reason.evidence);
        }
        if !verdict.reasons.is_empty() {
            let recovered = verdict.recovered_at.map_or("still open".to_owned(), told);
            text += &format!(" recovered {recovered}");
        }
        text += if verdict.is_rollback { " is a rollback" } else { "" };
        text += if verdict.is_rework && !verdict.is_rollback { " is rework" } else { "" };
        text += "\n";
    }
    for (episode, linked) in view.incidents.iter().zip(&view.failures.linked) {
        let linked = linked.map_or("nothing".to_owned(), name);
        text += &format!("{} is linked to {linked}\n", episode.incident.id);
    }
    verdicts.assert_eq(&text);
}

/// A service with three commits, deployed one after the other.
const WEB: &str = "
    service web incidents PWEB
    01T09:00 commit web c0
    01T10:00 deploy web c0 id 0
    05T09:00 merge web#1
    05T10:00 deploy web c1 id 1
    06T09:00 merge web#2
    06T10:00 deploy web c2 id 2
";

#[test]
fn a_an_incident_of_any_severity_that_names_a_deployment_fails_that_one() {
    check(
        &format!(
            "{WEB}
             06T11:00 incident i1 P5
             06T11:10 field i1 caused_by deployment:1
             06T12:00 resolve i1
             06T13:00 incident i2 -
             06T13:10 note i2 naming deployment:2"
        ),
        expect![[r#"
            web:0
            web:1 incident(i1) recovered 06T12:00
            web:2 incident(i2) recovered still open
            i1 is linked to web:1
            i2 is linked to web:2
        "#]],
    );
}

#[test]
fn a_a_deployment_may_be_named_by_any_region_of_its_rollout_and_by_its_restart() {
    check(
        "service web to eu,us incidents PWEB
         05T10:00 deploy web c1 id 1 to eu
         05T10:10 deploy web c1 id 2 to us
         05T20:00 deploy web c1 id 3 to us
         05T21:00 incident i1 P1
         05T21:00 note i1 naming deployment:2
         05T22:00 incident i2 P1
         05T22:00 note i2 naming deployment:3
         05T23:00 incident i3 P1
         05T23:00 note i3 naming deployment:4",
        expect![[r#"
            web:1 incident(i1) incident(i2) recovered still open
            i1 is linked to web:1
            i2 is linked to web:1
            i3 is linked to nothing
        "#]],
    );
}

#[test]
fn a_a_named_commit_means_the_deployment_of_that_commit() {
    check(
        &format!(
            "{}
             06T11:00 incident i1 P1
             06T11:10 field i1 caused_by c1c1c1c
             06T12:00 resolve i1",
            WEB.replace("merge web#1", "merge web#1 as c1c1c1c").replace("web c1", "web c1c1c1c")
        ),
        expect![[r#"
            web:0
            web:1 incident(i1) recovered 06T12:00
            web:2
            i1 is linked to web:1
        "#]],
    );
}

#[test]
fn a_else_the_deployment_that_first_shipped_the_named_commit() {
    check(
        "service web incidents PWEB
         01T09:00 commit web c0
         01T10:00 deploy web c0 id 0
         05T09:00 merge web#1
         05T09:10 merge web#2 with b2
         05T10:00 deploy web c2 id 1
         05T10:30 merge web#3 with b3
         05T11:00 deploy web c3 id 2
         05T12:00 incident i1 P1
         05T12:00 note i1 naming c1
         05T12:00 incident i2 P1
         05T12:00 note i2 naming b3  # a commit that the squash left behind",
        expect![[r#"
            web:0
            web:1 incident(i1) recovered still open
            web:2 incident(i2) recovered still open
            i1 is linked to web:1
            i2 is linked to web:2
        "#]],
    );
}

#[test]
fn a_the_first_deployment_ever_is_never_taken_to_have_shipped_a_commit() {
    check(
        "service web incidents PWEB
         01T09:00 merge web#1 with b1
         01T09:10 merge web#2 with b2
         01T10:00 deploy web c2 id 0
         05T10:00 incident i1 P1
         05T10:00 note i1 naming c1
         05T10:00 incident i2 P1
         05T10:00 note i2 naming b2
         05T10:00 incident i3 P1
         05T10:00 note i3 naming c2",
        expect![[r#"
            web:0 incident(i3) recovered still open
            i1 is linked to nothing
            i2 is linked to nothing
            i3 is linked to web:0
        "#]],
    );
}

#[test]
fn a_a_commit_may_be_abbreviated_to_seven_digits() {
    check(
        "service web incidents PWEB
         05T10:00 commit web 1234567890abcdef1234567890abcdef12345678
         05T10:00 deploy web 1234567890abcdef1234567890abcdef12345678 id 1
         05T11:00 incident i1 P1
         05T11:00 note i1 naming 1234567
         05T12:00 incident i2 P1
         05T12:00 note i2 naming 123456",
        expect![[r#"
            web:1 incident(i1) recovered still open
            i1 is linked to web:1
            i2 is linked to nothing
        "#]],
    );
}

#[test]
fn a_the_incidents_own_services_are_preferred() {
    check(
        "service api in mono paths api/** to prod-api incidents PAPI
         service web in mono paths web/** to prod-web incidents PWEB
         service old in mono paths old/** to prod-old incidents POLD
         05T09:00 commit mono c1
         05T10:00 deploy mono c1 to prod-api id 1
         05T10:10 deploy mono c1 to prod-web id 2
         05T11:00 incident i1 P1 on PAPI
         05T11:00 note i1 naming c1
         05T12:00 incident i2 P1 on PWEB
         05T12:00 note i2 naming c1
         05T13:00 incident i3 P1 on POLD
         05T13:00 note i3 naming c1",
        expect![[r#"
            api:1 incident(i1) recovered still open
            web:2 incident(i2) incident(i3) recovered still open
            i1 is linked to api:1
            i2 is linked to web:2
            i3 is linked to web:2
        "#]],
    );
}

#[test]
fn a_what_first_shipped_it_in_the_incidents_own_service_goes_before_its_deployment_elsewhere() {
    check(
        "service api in mono paths api/** to prod-api incidents PAPI
         service web in mono paths web/** to prod-web incidents PWEB
         04T09:00 commit mono c0
         04T10:00 deploy mono c0 to prod-api id 1
         05T09:00 commit mono c1
         05T09:10 commit mono c2
         05T10:00 deploy mono c1 to prod-web id 2
         05T10:10 deploy mono c2 to prod-api id 3
         05T11:00 incident i1 P1 on PAPI
         05T11:00 note i1 naming c1",
        expect![[r#"
            api:1
            api:3 incident(i1) recovered still open
            web:2
            i1 is linked to api:3
        "#]],
    );
}

#[test]
fn a_one_upstream_deployment_of_several_services_fails_in_those_of_the_incident() {
    let told = "service api in mono paths api/** incidents PSHOP
         service web in mono paths web/** incidents PSHOP
         service lib in mono paths lib/** incidents PLIB
         05T10:00 deploy mono c1 id 1
         05T11:00 incident i1 P1 on PLACE
         05T11:00 note i1 naming";
    let two = expect![[r#"
        api:1 incident(i1) recovered still open
        web:1 incident(i1) recovered still open
        lib:1
        i1 is linked to api:1
    "#]];
    for name in ["deployment:1", "c1"] {
        check_story(&Story::told(&format!("{told} {name}").replace("PLACE", "PSHOP")), &two);
    }
    check(
        &format!("{told} deployment:1").replace("PLACE", "PNOBODY"),
        expect![[r#"
            api:1 incident(i1) recovered still open
            web:1 incident(i1) recovered still open
            lib:1 incident(i1) recovered still open
            i1 is linked to api:1
        "#]],
    );
}

#[test]
fn a_of_several_deployments_of_the_commit_the_last_one_not_after_the_detection_is_meant() {
    check(
        &format!(
            "{WEB}
             07T10:00 deploy web c1 id 3
             08T10:00 deploy web c2 id 4
             09T10:00 deploy web c1 id 5
             07T10:00 incident i1 P1
             07T11:00 note i1 naming c1
             07T12:00 resolve i1
             04T10:00 incident i2 P1
             07T11:00 note i2 naming c1
             07T11:00 resolve i2"
        ),
        expect![[r#"
            web:0
            web:1 incident(i2) recovered 07T11:00
            web:2 rollback(3) recovered 07T10:00
            web:3 is a rollback
            web:4 rollback(5) recovered 09T10:00 is rework
            web:5 is a rollback
            i2 is linked to web:1
            i1 is linked to web:3
        "#]],
    );
}

#[test]
fn a_of_the_cause_and_the_repair_that_a_note_names_the_cause_is_meant() {
    check(
        &format!(
            "{WEB}
             06T10:30 incident i1 P1
             06T10:40 field i1 caused_by deployment:2
             06T11:00 merge web#3
             06T11:30 deploy web c3 id 3
             06T11:40 note i1 naming c3,deployment:3
             06T11:40 resolve i1"
        ),
        expect![[r#"
            web:0
            web:1
            web:2 incident(i1) recovered 06T11:40
            web:3
            i1 is linked to web:2
        "#]],
    );
}

#[test]
fn a_with_several_incidents_it_recovered_when_the_last_one_was_resolved() {
    let told = format!(
        "{WEB}
         06T10:30 incident i1 P1
         06T10:30 note i1 naming c2
         06T10:40 incident i2 P3
         06T10:40 note i2 naming c2
         06T11:00 resolve i2
         06T12:00 resolve i1"
    );
    check(
        &told,
        expect![[r#"
            web:0
            web:1
            web:2 incident(i1) incident(i2) recovered 06T12:00
            i1 is linked to web:2
            i2 is linked to web:2
        "#]],
    );
    check(
        &format!("{told}\nas_of 06T12:00"),
        expect![[r#"
            web:0
            web:1
            web:2 incident(i1) incident(i2) recovered still open
            i1 is linked to web:2
            i2 is linked to web:2
        "#]],
    );
}

#[test]
fn a_noise_and_incidents_merged_into_another_fail_nothing() {
    check(
        &format!(
            "{WEB}
             06T10:30 incident i1 P1
             06T10:30 note i1 naming c2
             06T11:00 fold i1
             06T10:40 incident i2 P1
             06T10:40 note i2 naming c2
             06T14:40 resolve i2 by timeout"
        ),
        expect![[r#"
            web:0
            web:1
            web:2
            i1 is linked to nothing
            i2 is linked to nothing
        "#]],
    );
}

#[test]
fn a_what_the_tool_closed_by_itself_and_people_reopened_keeps_its_cause() {
    check(
        &format!(
            "{WEB}
             06T10:30 incident i1 P1
             06T14:30 resolve i1 by timeout
             08T10:00 reopen i1
             08T11:00 resolve i1
             09T10:00 field i1 caused_by deployment:2
             10T12:00 reopen i1"
        ),
        expect![[r#"
            web:0
            web:1
            web:2 incident(i1) recovered 08T11:00
            i1 is linked to nothing
            i1 is linked to web:2
            i1 is linked to nothing
        "#]],
    );
}

#[test]
fn a_what_is_learned_late_about_the_past_restates_it() {
    check(
        &format!(
            "{WEB}
             06T11:00 incident i1 P1
             06T12:00 resolve i1
             25T09:00 field i1 caused_by deployment:2"
        ),
        expect![[r#"
            web:0
            web:1
            web:2 incident(i1) recovered 06T12:00
            i1 is linked to web:2
        "#]],
    );
}

#[test]
fn b_a_deployment_is_rolled_back_by_going_back_to_an_ancestor_that_had_been_live_there() {
    check(
        &format!("{WEB}\n07T10:00 deploy web c1 id 3"),
        expect![[r#"
            web:0
            web:1
            web:2 rollback(3) recovered 07T10:00
            web:3 is a rollback
        "#]],
    );
}

#[test]
fn b_a_rollback_may_skip_over_several_deployments_and_fails_only_the_last() {
    check(
        &format!("{WEB}\n06T10:30 deploy web c0 id 3"),
        expect![[r#"
            web:0
            web:1
            web:2 rollback(3) recovered 06T10:30
            web:3 is a rollback
        "#]],
    );
}

#[test]
fn b_more_than_a_day_later_it_is_still_a_rollback_but_fails_nothing() {
    check(
        &format!("{WEB}\n07T10:00:01 deploy web c1 id 3"),
        expect![[r#"
            web:0
            web:1
            web:2
            web:3 is a rollback
        "#]],
    );
}

#[test]
fn b_an_older_commit_that_never_was_live_is_a_build_that_finished_out_of_order() {
    check(
        "service web
         01T09:00 commit web c0
         01T10:00 deploy web c0 id 0
         05T09:00 merge web#1
         05T09:01 merge web#2
         05T10:00 deploy web c2 id 1
         05T10:02 deploy web c1 id 2",
        expect![[r#"
            web:0
            web:1
            web:2
        "#]],
    );
}

#[test]
fn b_a_commit_that_the_last_one_does_not_contain_is_no_rollback() {
    check(
        "service web
         01T09:00 commit web c0
         01T10:00 deploy web c0 id 0
         05T09:00 commit web x1 on c0 aside
         05T09:00 commit web y1 on c0 aside
         05T10:00 deploy web x1 id 1
         05T11:00 deploy web y1 id 2
         05T12:00 deploy web x1 id 3",
        expect![[r#"
            web:0
            web:1
            web:2
            web:3
        "#]],
    );
}

#[test]
fn b_a_flagged_rollback_fails_the_deployment_before_it_whatever_it_deploys() {
    check(
        &format!(
            "{WEB}
             06T11:00 merge web#3
             06T12:00 deploy web c3 id 3 saying automatic-rollback
             09T12:00 deploy web c0 id 4 task rollback"
        ),
        expect![[r#"
            web:0
            web:1
            web:2 rollback(3) recovered 06T12:00
            web:3 is a rollback
            web:4 is a rollback
        "#]],
    );
}

#[test]
fn b_a_rollback_is_never_itself_failed() {
    check(
        &format!(
            "{WEB}
             06T11:00 deploy web c1 id 3
             06T12:00 deploy web c0 id 4
             06T12:30 incident i1 P1
             06T12:40 note i1 naming deployment:3
             06T13:00 merge web#3 labels hotfix reverts c2
             06T14:00 deploy web c3 id 5"
        ),
        expect![[r#"
            web:0
            web:1
            web:2 rollback(3) revert(acme/web#3) recovered 06T11:00
            web:3 is a rollback
            web:4 is a rollback
            web:5 is rework
            i1 is linked to web:3
        "#]],
    );
}

#[test]
fn b_the_late_region_of_a_rollout_is_no_rollback_and_going_back_in_one_region_is() {
    check(
        "service web to eu,us
         01T09:00 commit web c0
         01T10:00 deploy web c0 to eu id 0
         05T09:00 merge web#1
         05T09:10 merge web#2
         05T10:00 deploy web c1 to eu id 1
         05T10:05 deploy web c2 to eu id 2
         05T10:06 deploy web c1 to us id 3
         05T10:10 deploy web c2 to us id 4
         05T10:30 deploy web c1 to us id 5",
        expect![[r#"
            web:0
            web:1
            web:2 rollback(5) recovered 05T10:30
            web:5 is a rollback
        "#]],
    );
}

#[test]
fn b_a_failed_pipeline_never_reached_production_and_is_no_change_failure() {
    check(
        &format!(
            "{WEB}
             06T11:00 merge web#3
             06T11:10 deploy web c3 id 3 failed
             06T11:20 deploy web c2 id 4 task rollback"
        ),
        expect![[r#"
            web:0
            web:1
            web:2
        "#]],
    );
}

#[test]
fn c_a_commit_that_says_this_reverts_commit_fails_what_first_shipped_it() {
    check(
        &format!("{WEB}\n07T09:00 commit web r1 reverts c1\n07T10:00 deploy web r1 id 3"),
        expect![[r#"
            web:0
            web:1 revert(r1) recovered 07T10:00
            web:2
            web:3 is rework
        "#]],
    );
}

#[test]
fn c_a_branch_of_the_revert_button_fails_what_first_shipped_its_change() {
    check(
        &format!(
            "{WEB}
             07T09:00 merge web#3 branch revert-1-topic-1
             07T10:00 deploy web c3 id 3"
        ),
        expect![[r#"
            web:0
            web:1 revert(acme/web#3) recovered 07T10:00
            web:2
            web:3 is rework
        "#]],
    );
}

#[test]
fn c_other_branches_that_begin_with_revert_mean_nothing() {
    check(
        &format!(
            "{WEB}
             07T09:00 merge web#3 branch revert-login
             07T09:00 merge web#4 branch revert-1
             07T09:00 merge web#5 branch revert-99-gone
             07T10:00 deploy web c5 id 3"
        ),
        expect![[r#"
            web:0
            web:1
            web:2
            web:3
        "#]],
    );
}

#[test]
fn c_a_body_that_reverts_a_pull_request_of_this_repository_fails_what_first_shipped_it() {
    check(
        &format!(
            "{WEB}
             service api
             07T09:00 merge web#3 reverts web#1,api#2,nowhere#2
             07T10:00 deploy web c3 id 3"
        ),
        expect![[r#"
            web:0
            web:1 revert(acme/web#3) recovered 07T10:00
            web:2
            web:3 is rework
        "#]],
    );
}

#[test]
fn c_branch_commits_are_told_apart_after_a_squash() {
    check(
        "service web
         01T09:00 commit web c0
         01T10:00 deploy web c0 id 0
         05T09:00 merge web#1 with b1,b2
         05T10:00 deploy web c1 id 1
         05T11:00 merge web#2 with r1 reverts b2
         05T12:00 deploy web c2 id 2",
        expect![[r#"
            web:0
            web:1 revert(acme/web#2) recovered 05T12:00
            web:2 is rework
        "#]],
    );
}

#[test]
fn c_reverting_the_merge_commit_or_a_commit_of_the_branch_is_the_same_after_a_merge() {
    for target in ["b1", "m1"] {
        check(
            &format!(
                "service web
                 01T09:00 commit web c0
                 01T10:00 deploy web c0 id 0
                 05T08:00 commit web b1 on c0 aside
                 05T09:00 merge web#1 with b1 as m1 on c0,b1
                 05T10:00 deploy web m1 id 1
                 05T10:30 commit web r1 on m1 aside reverts {target}
                 05T11:00 merge web#2 with r1 as m2 on m1,r1 reverts {target}
                 05T12:00 deploy web m2 id 2"
            ),
            expect![[r#"
                web:0
                web:1 revert(acme/web#2) recovered 05T12:00
                web:2 is rework
            "#]],
        );
    }
}

#[test]
fn c_the_revert_must_ship_within_seven_days_of_the_finish() {
    let told =
        |at: &str| format!("{WEB}\n07T09:00 merge web#3 reverts c1\n{at} deploy web c3 id 3");
    check(
        &told("12T10:00"),
        expect![[r#"
            web:0
            web:1 revert(acme/web#3) recovered 12T10:00
            web:2
            web:3 is rework
        "#]],
    );
    check(
        &told("12T10:00:01"),
        expect![[r#"
            web:0
            web:1
            web:2
            web:3 is rework
        "#]],
    );
}

#[test]
fn c_what_was_reverted_before_it_shipped_never_failed() {
    check(
        "service web
         01T09:00 commit web c0
         01T10:00 deploy web c0 id 0
         05T09:00 merge web#1
         05T09:30 merge web#2 reverts c1
         05T10:00 deploy web c2 id 1",
        expect![[r#"
            web:0
            web:1
        "#]],
    );
}

#[test]
fn c_a_revert_of_a_revert_fails_nothing() {
    let told = |second: &str, third: &str| {
        format!(
            "service web
             01T09:00 commit web c0
             01T10:00 deploy web c0 id 0
             05T09:00 merge web#1
             05T10:00 deploy web c1 id 1
             06T09:00 merge web#2 {second}
             06T10:00 deploy web c2 id 2
             07T09:00 merge web#3 {third}
             07T10:00 deploy web c3 id 3"
        )
    };
    for (second, third) in [
        ("reverts c1", "reverts c2"),
        ("reverts web#1", "reverts web#2"),
        ("branch revert-1-x", "branch revert-2-revert-1-x"),
        ("with r1 reverts c1", "with r2 reverts r1"),
        ("branch revert-1-x", "reverts c2"),
    ] {
        check(
            &told(second, third),
            expect![[r#"
                web:0
                web:1 revert(acme/web#2) recovered 06T10:00
                web:2 is rework
                web:3
            "#]],
        );
    }
}

#[test]
fn c_a_change_with_one_reverting_commit_among_many_is_no_revert_itself() {
    check(
        "service web
         01T09:00 commit web c0
         01T10:00 deploy web c0 id 0
         05T09:00 merge web#1 with b1,b2,b3 reverts b1
         05T10:00 deploy web c1 id 1
         06T09:00 merge web#2 branch revert-1-x
         06T10:00 deploy web c2 id 2",
        expect![[r#"
            web:0
            web:1 revert(acme/web#2) recovered 06T10:00
            web:2 is rework
        "#]],
    );
}

#[test]
fn c_nobody_can_say_that_it_first_shipped_in_the_first_deployment() {
    check(
        "service web
         05T09:00 merge web#1
         05T09:10 merge web#2
         05T10:00 deploy web c2 id 1
         06T09:00 merge web#3 reverts c1
         06T10:00 deploy web c3 id 2
         06T11:00 merge web#4 reverts c2
         06T12:00 deploy web c4 id 3",
        expect![[r#"
            web:1 revert(acme/web#4) recovered 06T12:00
            web:2 is rework
            web:3 is rework
        "#]],
    );
}

#[test]
fn c_a_revert_that_has_not_shipped_fails_nothing_yet() {
    check(
        &format!("{WEB}\n07T09:00 merge web#3 reverts c2"),
        expect![[r#"
            web:0
            web:1
            web:2
        "#]],
    );
}

#[test]
fn d_a_hotfix_fails_the_deployment_before_the_one_that_carries_it_however_much_later() {
    check(
        &format!(
            "{WEB}
             20T09:00 merge web#3 labels hotfix
             20T10:00 deploy web c3 id 3
             21T09:00 merge web#4 branch hotfix/x
             21T09:10 merge web#5
             21T10:00 deploy web c5 id 4"
        ),
        expect![[r#"
            web:0
            web:1
            web:2 hotfix(acme/web#3) recovered 20T10:00
            web:3 hotfix(acme/web#4) recovered 21T10:00 is rework
            web:4 is rework
        "#]],
    );
}

#[test]
fn d_a_hotfix_in_the_first_deployment_fails_nothing() {
    check(
        "service web
         05T09:00 merge web#1 labels hotfix
         05T10:00 deploy web c1 id 1",
        expect![[r#"
            web:1 is rework
        "#]],
    );
    check(
        "service api
         service web
         04T10:00 deploy api a1 id 9
         05T10:00 merge web#1 labels hotfix
         05T10:00 deploy web c1 id 1",
        expect![[r#"
            api:9
            web:1 is rework
        "#]],
    );
}

const MONO: &str = "
    service api in mono paths api/**
    service web in mono paths web/**
    01T09:00 commit mono c0
    01T10:00 deploy mono c0 id 0
    05T09:00 merge mono#1 touches api/a.rs
    05T10:00 deploy mono c1 id 1
";

#[test]
fn c_and_d_fail_only_the_services_that_the_change_touches() {
    check(
        &format!(
            "{MONO}
             05T11:00 merge mono#2 touches api/a.rs reverts c1
             05T12:00 deploy mono c2 id 2
             05T13:00 merge mono#3 touches web/b.rs labels hotfix
             05T14:00 deploy mono c3 id 3"
        ),
        expect![[r#"
            api:0
            api:1 revert(acme/mono#2) recovered 05T12:00
            api:2 is rework
            api:3
            web:0
            web:1
            web:2 hotfix(acme/mono#3) recovered 05T14:00
            web:3 is rework
        "#]],
    );
}

#[test]
fn c_a_revert_that_came_without_a_change_touches_what_the_reverted_change_touched() {
    check(
        &format!(
            "{MONO}
             05T11:00 commit mono r1 reverts c1
             05T12:00 deploy mono r1 id 2
             05T13:00 commit mono p1
             05T14:00 deploy mono p1 id 3
             05T15:00 commit mono r2 reverts p1  # nothing says whom these two touch
             05T16:00 deploy mono r2 id 4"
        ),
        expect![[r#"
            api:0
            api:1 revert(r1) recovered 05T12:00
            api:2 is rework
            api:3
            api:4
            web:0
            web:1
            web:2
            web:3
            web:4
        "#]],
    );
}

#[test]
fn e_proximity_is_off_by_default() {
    check(
        &format!("{WEB}\n06T10:05 incident i1 P1"),
        expect![[r#"
            web:0
            web:1
            web:2
            i1 is linked to nothing
        "#]],
    );
}

#[test]
fn e_an_incident_soon_after_the_latest_deployment_of_its_service_fails_that_one() {
    check(
        &format!(
            "{WEB}
             rule proximity 60
             service api incidents PAPI
             06T10:59 deploy api a1 id 9
             06T11:00 incident i1 P4
             06T11:30 resolve i1
             06T11:00:01 incident i2 P1
             06T10:10 incident i3 P1
             06T10:20 note i3 naming c1
             06T10:30 incident i4 P1 on PNOBODY"
        ),
        expect![[r#"
            web:0
            web:1 incident(i3) recovered still open
            web:2 proximity(i1) recovered 06T11:30
            api:9
            i3 is linked to web:1
            i4 is linked to nothing
            i1 is linked to web:2
            i2 is linked to nothing
        "#]],
    );
}

#[test]
fn e_noise_after_a_deployment_fails_nothing() {
    check(
        &format!(
            "{WEB}
             rule proximity 60
             06T10:10 incident i1 P1
             06T14:10 resolve i1 by timeout
             06T10:20 incident i2 P1
             06T10:30 fold i2"
        ),
        expect![[r#"
            web:0
            web:1
            web:2
            i1 is linked to nothing
            i2 is linked to nothing
        "#]],
    );
}

#[test]
fn e_the_latest_deployment_only_and_never_a_rollback() {
    check(
        &format!(
            "{WEB}
             rule proximity 60
             06T10:30 deploy web c1 id 3
             06T10:40 incident i1 P1"
        ),
        expect![[r#"
            web:0
            web:1
            web:2 rollback(3) recovered 06T10:30
            web:3 is a rollback
            i1 is linked to nothing
        "#]],
    );
}

#[test]
fn a_failed_deployment_recovers_with_its_incident_else_with_the_first_repair() {
    check(
        &format!(
            "{WEB}
             06T10:30 incident i1 P1
             06T10:30 note i1 naming c2
             06T10:50 deploy web c1 id 3
             06T11:00 resolve i1
             07T09:00 merge web#3 reverts c2
             07T10:00 deploy web c3 id 4"
        ),
        expect![[r#"
            web:0
            web:1
            web:2 incident(i1) rollback(3) revert(acme/web#3) recovered 06T11:00
            web:3 is a rollback
            web:4 is rework
            i1 is linked to web:2
        "#]],
    );
}

#[test]
fn the_deployment_that_comes_forward_again_after_a_rollback_is_rework() {
    check(
        &format!(
            "{WEB}
             06T11:00 deploy web c1 id 3
             07T09:00 merge web#3
             07T10:00 deploy web c3 id 4
             08T09:00 merge web#4
             08T10:00 deploy web c4 id 5"
        ),
        expect![[r#"
            web:0
            web:1
            web:2 rollback(3) recovered 06T11:00
            web:3 is a rollback
            web:4 is rework
            web:5
        "#]],
    );
}
