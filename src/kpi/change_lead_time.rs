//! How long a merged change takes to reach production, and what came before (kpis.md 3.11).

use super::item::elapsed;
use super::statistics::{count, real};
use super::view::changes::{ServiceChange, Shipping, is_bot};
use super::{
    Better, Distribution, Family, Item, ItemId, Kpi, Mark, Need, Outcome, PlacedBy, Placement,
    Reading, Slice, Stat, TargetRule, Unit, View,
};
use crate::domain::Instant;
use crate::domain::fact::Change;
use crate::domain::timeline::Shelf;

const LEAD_TIME: &str = "engkpi_change_lead_time_seconds";
const UNSHIPPED: &str = "engkpi_changes_unshipped";
const OLDEST_UNSHIPPED: &str = "engkpi_change_oldest_unshipped_seconds";

const FIRST_COMMIT_TO_OPEN: &str = "first_commit_to_open";
const OPEN_TO_REVIEW: &str = "open_to_review";
const REVIEW_TO_MERGE: &str = "review_to_merge";
const MERGE_TO_DEPLOY: &str = "merge_to_deploy";
const COMMIT_TO_DEPLOY: &str = "commit_to_deploy";

const FIRST_COMMIT_AT: &str = "first_commit_at";
const NEGATIVE: &str = "negative_duration";

/// The lead time of changes.
pub static KPI: Kpi = Kpi {
    id: "change_lead_time",
    title: "Lead time of changes",
    definition: "From the merge of a pull request to the first success of the first production deployment of the service whose \
        commit has the merge commit as ancestor, placed by the deployment (DORA). Bots are left out. What the first known \
        deployment already contained is left out, because nobody can say when it shipped. Merged and not yet shipped changes are \
        censored (Kaplan and Meier 1958). Other stages: first commit to opened, opened to the first review by another person, \
        review to merge, first commit to deployment. The target compares with the baseline by the Hodges-Lehmann ratio.",
    unit: Unit::Seconds,
    better: Better::Lower,
    default_window: "90d",
    target: TargetRule::Baseline { improvement: 0.15, good: Some(0.30) },
    target_stat: Some(Stat::Median),
    target_dimensions: &[("stage", MERGE_TO_DEPLOY)],
    aims: None,
    min_n: 10,
    min_coverage: None,
    provisional_days: 0,
    placed_by: PlacedBy::Either,
    lookback_days: 0,
    needs: &[Need::Changes, Need::Deployments],
    uses: &[],
    baseline_value: Some(MERGE_TO_DEPLOY),
    families: &[
        Family {
            name: LEAD_TIME,
            help: "Seconds that a stage of a change took, of changes deployed in the window.",
            dimensions: &["stage"],
            distribution: true,
            now: false,
            needs: &[],
        },
        Family {
            name: UNSHIPPED,
            help: "Merged changes that no production deployment contains yet.",
            dimensions: &[],
            distribution: false,
            now: true,
            needs: &[],
        },
        Family {
            name: OLDEST_UNSHIPPED,
            help: "Seconds since the merge of the oldest change that no production deployment contains yet.",
            dimensions: &[],
            distribution: false,
            now: true,
            needs: &[],
        },
    ],
    assess,
    by_window: true,
    measure,
};

fn assess(view: &View<'_>) -> Vec<Item> {
    let owned = view.changes.iter().map(|change| item(view, change));
    owned.chain(without_service(view)).collect()
}

/// An item for a merged change without what became of it.
fn merged(view: &View<'_>, change: &Change, merged_at: Instant, placement: Placement) -> Item {
    // Room for what may be added, and no more: there are hundreds of thousands.
    let mut times = Vec::with_capacity(if view.is_explained { 5 } else { 1 });
    times.extend(change.first_commit_at.map(|at| (FIRST_COMMIT_AT, at)));
    if view.is_explained {
        times.extend([("opened_at", change.created_at), ("merged_at", merged_at)]);
    }
    Item {
        id: ItemId::Change { repository: change.repository.clone(), number: change.number },
        placement,
        started_at: merged_at,
        completed_at: None,
        outcome: Outcome::Open,
        values: Vec::new(),
        marks: Vec::new(),
        times,
    }
}

fn item(view: &View<'_>, change: &ServiceChange<'_>) -> Item {
    let placement = Placement::of_services(&view.params.catalogue, [change.service]);
    let merged_at = change.change.merged_at.unwrap_or(view.as_of);
    let mut item = merged(view, change.change, merged_at, placement);
    item.outcome = match change.shipping {
        Shipping::Shipped(_) => Outcome::Counted,
        Shipping::Unshipped => Outcome::Open,
        Shipping::BeforeFirstDeployment => Outcome::Excluded("before_first_deployment"),
        Shipping::NoDeploymentSource => Outcome::Excluded("no_deployment_source"),
        Shipping::NotOnDefaultBranch => Outcome::Excluded("not_on_default_branch"),
        Shipping::NoMergeCommit => Outcome::Excluded("no_merge_commit"),
    };
    if let Shipping::Shipped(index) = change.shipping {
        let deployment = &view.deployments[index];
        item.completed_at = Some(deployment.finished_at);
        if view.is_explained {
            item.times.push(("deployed_at", deployment.finished_at));
            item.marks.push(Mark::new("deployment", deployment.native.clone()));
        }
    }
    if change.bot {
        item.outcome = Outcome::Excluded("bot");
    } else {
        time(&mut item, change.change, view);
    }
    item
}

/// Gives a counted item the durations of its stages, and an open one its ages.
fn time(item: &mut Item, change: &Change, view: &View<'_>) {
    let merged_at = item.started_at;
    let first_commit_at = change.first_commit_at;
    let end = item.completed_at.unwrap_or(view.as_of);
    let reviewed_at = first_review(change, view);
    if view.is_explained {
        item.times.extend(reviewed_at.map(|at| ("reviewed_at", at)));
    }
    let to_deploy = [
        (MERGE_TO_DEPLOY, Some(merged_at), Some(end)),
        (COMMIT_TO_DEPLOY, first_commit_at, Some(end)),
    ];
    let to_merge = [
        (FIRST_COMMIT_TO_OPEN, first_commit_at, Some(change.created_at)),
        (OPEN_TO_REVIEW, Some(change.created_at), reviewed_at),
        (REVIEW_TO_MERGE, reviewed_at, Some(merged_at)),
    ];
    let stages: Vec<_> = match item.outcome {
        Outcome::Counted => to_merge.into_iter().chain(to_deploy).collect(),
        Outcome::Open => to_deploy.to_vec(),
        Outcome::Censored(_) | Outcome::Excluded(_) => return,
    };
    item.values.reserve_exact(stages.len());
    for (stage, start, end) in stages {
        let (Some(start), Some(end)) = (start, end) else {
            continue;
        };
        match elapsed(start, end) {
            Ok(seconds) => item.values.push((stage, seconds)),
            Err(reason) if stage == MERGE_TO_DEPLOY => item.outcome = Outcome::Excluded(reason),
            // Author dates are set freely: one that is wrong spoils its own stages and no others.
            Err(reason) => item.marks.push(Mark::new(reason, stage)),
        }
    }
}

/// The first review before `as_of` by a person other than the author. A deleted account may have
/// been the author's, unless the author's still exists.
fn first_review(change: &Change, view: &View<'_>) -> Option<Instant> {
    let author = change.author.as_ref();
    let reviews = change.reviews.iter().filter(|review| match (&review.author, author) {
        (Some(reviewer), author) => {
            let same = author.is_some_and(|it| it.login.eq_ignore_ascii_case(&reviewer.login));
            !same && !is_bot(reviewer, &view.params.rules)
        }
        (None, author) => author.is_some(),
    });
    reviews.map(|review| review.submitted_at).filter(|at| *at < view.as_of).min()
}

/// Merged changes that no service of the catalogue has anything to do with. They are left out, and
/// counted as such for the organisation.
fn without_service(view: &View<'_>) -> impl Iterator<Item = Item> {
    // Where only some teams are looked at, nothing is said about the organisation.
    let all = view.is_whole.then(|| view.timeline.changes.values().flat_map(Shelf::iter));
    let all = all.into_iter().flatten();
    let others = all.filter_map(move |change| {
        let merged_at = change.merged_at.filter(|at| *at < view.as_of)?;
        (!view.ownership.has(change)).then_some((change, merged_at))
    });
    others.map(|(change, merged_at)| {
        let mut item = merged(view, change, merged_at, Placement::default());
        let bot = change.author.as_ref().is_some_and(|it| is_bot(it, &view.params.rules));
        item.outcome = Outcome::Excluded(if bot { "bot" } else { "no_deployment_source" });
        item
    })
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    let mut readings = Vec::new();
    for stage in [FIRST_COMMIT_TO_OPEN, OPEN_TO_REVIEW, REVIEW_TO_MERGE] {
        readings.extend(named(stage, durations(items, slice, stage).completed_readings(LEAD_TIME)));
    }
    for stage in [MERGE_TO_DEPLOY, COMMIT_TO_DEPLOY] {
        readings.extend(named(stage, durations(items, slice, stage).readings(LEAD_TIME)));
    }
    let unshipped: Vec<&Item> =
        items.iter().copied().filter(|item| item.outcome == Outcome::Open).collect();
    let ages = unshipped.iter().filter_map(|item| item.value(MERGE_TO_DEPLOY));
    let n = count(unshipped.len());
    readings.push(Reading::new(UNSHIPPED, Some(real(n)), n));
    readings.push(Reading::plain(OLDEST_UNSHIPPED, ages.reduce(f64::max)));
    readings
}

fn named(stage: &'static str, readings: Vec<Reading>) -> impl Iterator<Item = Reading> {
    readings.into_iter().map(move |reading| reading.with("stage", stage))
}

/// The durations of one stage. The cohort of the Kaplan-Meier median is what began in the window:
/// with the merge, or with the first commit where the stage begins there.
fn durations(items: &[&Item], slice: &Slice<'_>, stage: &'static str) -> Distribution {
    let window = slice.window;
    let mut distribution = Distribution::default();
    for item in items {
        let started_at = match stage {
            COMMIT_TO_DEPLOY => instant(item, FIRST_COMMIT_AT).unwrap_or(item.started_at),
            _ => item.started_at,
        };
        let placed = item.completed_at.unwrap_or(item.started_at);
        let negative = item.marks.iter().any(|mark| mark.name == NEGATIVE && mark.value == stage);
        match (&item.outcome, item.value(stage)) {
            (Outcome::Excluded(reason), _) if window.contains(placed) => {
                distribution.exclude(reason);
            }
            (Outcome::Counted, Some(seconds)) => {
                distribution.complete(window, started_at, item.completed_at, seconds);
            }
            (Outcome::Open, Some(age)) => distribution.leave_open(window, started_at, age),
            _ if negative && window.contains(placed) => distribution.exclude(NEGATIVE),
            _ => {}
        }
    }
    distribution
}

fn instant(item: &Item, name: &str) -> Option<Instant> {
    item.times.iter().find(|(it, _)| *it == name).map(|(_, at)| *at)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::KPI;
    use crate::kpi::testing::Story;

    /// A service that has been deployed before.
    const WEB: &str = "
        service web
        01T09:00 commit web c0
        01T10:00 deploy web c0 id 0
    ";

    #[test]
    fn from_merge_to_the_first_deployment_that_contains_it_with_every_stage() {
        let story = Story::told(&format!(
            "{WEB}
             04T12:00 merge web#1 written 02T12:00 opened 03T12:00 reviewed 03T13:00=alice,03T14:00=snyk[bot],03T18:00=bob
             04T15:00 deploy web c1 id 1
             05T12:00 merge web#2 written 05T10:00 opened 05T11:00
             05T13:00 deploy web c2 id 2"
        ));
        expect![[r#"
            web#1 counted 04T15:00 first_commit_to_open=1d open_to_review=6h review_to_merge=18h merge_to_deploy=3h commit_to_deploy=2d3h deployment=1
            web#2 counted 05T13:00 first_commit_to_open=1h merge_to_deploy=1h commit_to_deploy=3h deployment=2
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
        expect![[r#"
            change_lead_time_seconds first_commit_to_open median 12h30m n=2
            change_lead_time_seconds first_commit_to_open p90 21h42m [1h, -] n=2
            change_lead_time_seconds first_commit_to_open mean 12h30m n=2
            change_lead_time_seconds open_to_review median 6h n=1
            change_lead_time_seconds open_to_review p90 6h n=1
            change_lead_time_seconds open_to_review mean 6h n=1
            change_lead_time_seconds review_to_merge median 18h n=1
            change_lead_time_seconds review_to_merge p90 18h n=1
            change_lead_time_seconds review_to_merge mean 18h n=1
            change_lead_time_seconds merge_to_deploy median 2h n=2
            change_lead_time_seconds merge_to_deploy p90 2h48m [1h, -] n=2
            change_lead_time_seconds merge_to_deploy mean 2h n=2
            change_lead_time_seconds merge_to_deploy km_median 2h [1h, 3h] n=2
            change_lead_time_seconds commit_to_deploy median 1d3h n=2
            change_lead_time_seconds commit_to_deploy p90 1d22h12m [3h, -] n=2
            change_lead_time_seconds commit_to_deploy mean 1d3h n=2
            change_lead_time_seconds commit_to_deploy km_median 1d3h [3h, 2d3h] n=2
            changes_unshipped 0 n=0
            change_oldest_unshipped_seconds - n=0
        "#]]
        .assert_eq(&story.readings(&KPI, "org 90d"));
    }

    #[test]
    fn placed_by_the_deployment_in_a_half_open_window() {
        let story = Story::told(&format!(
            "{WEB}
             04T12:00 merge web#1
             05T00:00 deploy web c1 id 1
             05T12:00 merge web#2
             06T00:00 deploy web c2 id 2"
        ));
        let n =
            |window: &str| story.reading(&KPI, &format!("org {window}"), "merge_to_deploy median");
        expect!["change_lead_time_seconds merge_to_deploy median 12h n=1"]
            .assert_eq(&n("05T00:00..06T00:00"));
        expect!["change_lead_time_seconds merge_to_deploy median - n=0"]
            .assert_eq(&n("04T00:00..05T00:00"));
    }

    #[test]
    fn bots_are_out_and_counted_as_such() {
        let story = Story::told(&format!(
            "{WEB}
             04T12:00 merge web#1 by renovate[bot]
             04T13:00 deploy web c1 id 1
             05T13:00 merge web#2 by renovate[bot]"
        ));
        expect!["change_lead_time_seconds merge_to_deploy median - n=0 bot=2"]
            .assert_eq(&story.reading(&KPI, "org 90d", "merge_to_deploy median"));
        expect!["changes_unshipped 0 n=0"].assert_eq(&story.reading(
            &KPI,
            "org 90d",
            "unshipped 0",
        ));
    }

    #[test]
    fn unshipped_changes_are_censored_and_shown_with_their_age() {
        let story = Story::told(&format!(
            "{WEB}
             as_of 10T00:00
             02T12:00 merge web#1
             02T13:00 deploy web c1 id 1
             05T00:00 merge web#2 written 04T00:00
             09T00:00 merge web#3"
        ));
        expect![[r#"
            change_lead_time_seconds merge_to_deploy median 1h n=1 open=2
            change_lead_time_seconds merge_to_deploy p90 1h n=1 open=2
            change_lead_time_seconds merge_to_deploy mean 1h n=1 open=2
            change_lead_time_seconds merge_to_deploy km_median - [1h, -] n=3 open=2"#]]
        .assert_eq(&story.reading(&KPI, "org 90d", "merge_to_deploy"));
        expect![[r#"
            changes_unshipped 2 n=2
            change_oldest_unshipped_seconds 5d n=1"#]]
        .assert_eq(&story.reading(&KPI, "org 1d", "unshipped"));
        expect!["change_lead_time_seconds commit_to_deploy km_median - n=1 open=1"]
            .assert_eq(&story.reading(&KPI, "org 04T00:00..05T00:00", "commit_to_deploy km"));
    }

    #[test]
    fn the_cohort_of_the_kaplan_meier_median_is_what_was_merged_in_the_window() {
        let story = Story::told(&format!(
            "{WEB}
             03T12:00 merge web#1
             05T12:00 deploy web c1 id 1"
        ));
        let of = |window: &str, stat: &str| {
            story.reading(&KPI, &format!("org {window}"), &format!("merge_to_deploy {stat}"))
        };
        expect!["change_lead_time_seconds merge_to_deploy km_median 2d [2d, 2d] n=1"]
            .assert_eq(&of("03T00:00..04T00:00", "km_median"));
        expect!["change_lead_time_seconds merge_to_deploy km_median - n=0"]
            .assert_eq(&of("05T00:00..06T00:00", "km_median"));
        expect!["change_lead_time_seconds merge_to_deploy median 2d n=1"]
            .assert_eq(&of("05T00:00..06T00:00", "median"));
    }

    #[test]
    fn changes_without_any_deployed_service_are_left_out_and_counted() {
        let story = Story::told(&format!(
            "{WEB}
             service idle
             service api in mono paths api/**
             04T12:00 merge idle#1
             04T12:00 merge mono#1 touches README.md
             04T12:00 merge elsewhere#1
             04T12:00 merge elsewhere#2 by renovate[bot]"
        ));
        expect![[r#"
            elsewhere#1 excluded no_deployment_source
            elsewhere#2 excluded bot
            idle#1 excluded no_deployment_source
            mono#1 excluded no_deployment_source
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
        expect![[r#"
            idle#1 excluded no_deployment_source
        "#]]
        .assert_eq(&story.items(&KPI, "service idle"));
        expect![
            "change_lead_time_seconds merge_to_deploy median - n=0 bot=1 no_deployment_source=3"
        ]
        .assert_eq(&story.reading(&KPI, "org 90d", "merge_to_deploy median"));
    }

    #[test]
    fn a_change_of_several_services_is_one_change_at_its_earliest_deployment() {
        let story = Story::told(
            "service api in mono paths api/** to prod-api team blue
             service web in mono paths web/** to prod-web team blue
             service lib in mono paths lib/** to prod-lib team red
             service new in mono paths new/** to prod-new team red
             01T09:00 commit mono c0
             01T10:00 deploy mono c0 to prod-api id 0
             01T10:00 deploy mono c0 to prod-web id 1
             01T10:00 deploy mono c0 to prod-lib id 2
             04T12:00 merge mono#1 touches api/a,web/b,lib/c,new/d
             04T14:00 deploy mono c1 to prod-web id 3
             04T18:00 deploy mono c1 to prod-api id 4",
        );
        for (scope, expected) in [
            (
                "org",
                expect![[r#"
                mono#1 counted 04T14:00 merge_to_deploy=2h deployment=3
            "#]],
            ),
            (
                "team blue",
                expect![[r#"
                mono#1 counted 04T14:00 merge_to_deploy=2h deployment=3
            "#]],
            ),
            (
                "service api",
                expect![[r#"
                mono#1 counted 04T18:00 merge_to_deploy=6h deployment=4
            "#]],
            ),
            (
                "team red",
                expect![[r#"
                mono#1 open since 04T12:00 merge_to_deploy=27d12h
            "#]],
            ),
            (
                "service new",
                expect![[r#"
                mono#1 excluded no_deployment_source
            "#]],
            ),
        ] {
            expected.assert_eq(&story.items(&KPI, scope));
        }
    }

    #[test]
    fn what_the_first_known_deployment_already_contained_is_left_out() {
        let story = Story::told(
            "service web
             02T12:00 merge web#1
             03T12:00 merge web#2
             04T12:00 deploy web c2 id 1",
        );
        expect![[r#"
            web#1 excluded before_first_deployment
            web#2 counted 04T12:00 merge_to_deploy=1d deployment=1
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }

    #[test]
    fn a_deployment_up_to_a_minute_before_the_merge_took_no_time_and_an_earlier_one_is_left_out() {
        let story = Story::told(&format!(
            "{WEB}
             04T12:00 merge web#1
             04T11:59 deploy web c1 id 1
             05T12:00 merge web#2
             05T11:58:59 deploy web c2 id 2"
        ));
        expect![[r#"
            web#1 counted 04T11:59 merge_to_deploy=0s deployment=1
            web#2 excluded negative_duration deployment=2
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
        let median = |needle: &str| story.reading(&KPI, "org 90d", needle);
        expect!["change_lead_time_seconds merge_to_deploy median 0s n=1 negative_duration=1"]
            .assert_eq(&median("merge_to_deploy median"));
    }

    #[test]
    fn an_impossible_author_date_spoils_only_its_own_stages() {
        let story = Story::told(&format!(
            "{WEB}
             04T12:00 merge web#1 written 04T11:30 opened 04T11:00 reviewed 04T11:30=bob
             04T15:00 deploy web c1 id 1"
        ));
        expect![[r#"
            web#1 counted 04T15:00 open_to_review=30m review_to_merge=30m merge_to_deploy=3h commit_to_deploy=3h30m deployment=1 negative_duration=first_commit_to_open
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
        expect!["change_lead_time_seconds first_commit_to_open median - n=0 negative_duration=1"]
            .assert_eq(&story.reading(&KPI, "org 90d", "first_commit_to_open median"));
    }

    #[test]
    fn the_first_review_is_that_of_another_person_known_at_as_of() {
        let of = |reviews: &str, author: &str| {
            Story::told(&format!(
                "{WEB}
                 rule bots sonar
                 as_of 04T16:00
                 04T12:00 merge web#1 by {author} opened 04T10:00 reviewed {reviews}
                 04T15:00 deploy web c1 id 1"
            ))
            .reading(&KPI, "org 90d", "open_to_review median")
        };
        let none = "change_lead_time_seconds open_to_review median - n=0";
        let half_an_hour = "change_lead_time_seconds open_to_review median 30m n=1";
        assert_eq!(of("04T10:30=Alice,04T10:40=Sonar", "alice"), none);
        assert_eq!(of("04T10:50=carol,04T10:30=bob", "alice"), half_an_hour);
        assert_eq!(of("04T16:00=bob", "alice"), none);
        assert_eq!(of("04T10:30=ghost", "alice"), half_an_hour);
        assert_eq!(of("04T10:30=ghost", "ghost"), none);
    }
}
