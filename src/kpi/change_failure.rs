//! Which share of the production deployments failed (kpis.md 3.9).

use super::deployment_items;
use super::statistics::count;
use super::view::failures::REASONS;
use super::{
    Better, Family, Item, ItemId, Kpi, Mark, Need, Outcome, PlacedBy, Placement, Reading, Slice,
    TargetRule, Unit, View,
};

const RATIO: &str = "engkpi_change_failure_ratio";
const BY_REASON: &str = "engkpi_change_failure_deployments_by_reason";
const REWORK: &str = "engkpi_rework_ratio";
const UNLINKED: &str = "engkpi_incidents_unlinked";

const FAILED: &str = "failed";

/// The change failure rate.
pub static KPI: Kpi = Kpi {
    id: "change_failure",
    title: "Change failure rate",
    definition: "Failed production deployments / production deployments finished in the window (DORA), placed by the failed \
        deployment's finish. A deployment failed if an incident is linked to it by a field or note; if the next deployment of the \
        service within 24 h is a rollback; if a revert of something that first shipped in it ships within 7 d; if the next \
        deployment carries a hotfix; or, where switched on, if an incident on the service is detected within 60 min after it. A \
        rollback counts as a deployment and is never itself failed. A pipeline that failed never reached production. Interval: \
        Wilson (1927). Without incidents the figure is a lower bound.",
    unit: Unit::Ratio,
    better: Better::Lower,
    default_window: "90d",
    target: TargetRule::Value { target: 0.10, good: Some(0.05) },
    target_stat: None,
    target_dimensions: &[],
    aims: None,
    min_n: 10,
    min_coverage: None,
    provisional_days: 7,
    placed_by: PlacedBy::Start,
    lookback_days: 0,
    needs: &[Need::Deployments, Need::Changes],
    uses: &[Need::Incidents],
    baseline_value: None,
    families: &[
        Family {
            name: RATIO,
            help: "Failed production deployments / production deployments.",
            dimensions: &[],
            distribution: false,
            now: false,
            needs: &[],
        },
        Family {
            name: BY_REASON,
            help: "Failed production deployments by the rule that failed them; one that several rules fail counts under each.",
            dimensions: &["reason"],
            distribution: false,
            now: false,
            needs: &[],
        },
        Family {
            name: REWORK,
            help: "Production deployments made to repair (rollbacks and what follows them, reverts, hotfixes) / production deployments.",
            dimensions: &[],
            distribution: false,
            now: false,
            needs: &[],
        },
        Family {
            name: UNLINKED,
            help: "Incidents of any severity detected in the window that are linked to no deployment.",
            dimensions: &[],
            distribution: false,
            now: false,
            needs: &[Need::Incidents],
        },
    ],
    assess,
    by_window: true,
    measure,
};

fn assess(view: &View<'_>) -> Vec<Item> {
    let deployments = (0..view.deployments.len()).map(|index| deployment(view, index));
    deployments.chain(unlinked(view)).collect()
}

fn deployment(view: &View<'_>, index: usize) -> Item {
    let mut item = deployment_items::of(view, index);
    let verdict = &view.failures.verdicts[index];
    let reasons = verdict.reasons.iter();
    item.marks.extend(
        reasons
            .map(|it| Mark { evidence: Some(it.evidence.clone()), ..Mark::new(FAILED, it.reason) }),
    );
    if verdict.is_rollback {
        item.marks.push(Mark::new("rollback", "yes"));
    }
    if verdict.is_rework {
        item.marks.push(Mark::new(REWORKED, "yes"));
    }
    item.times.extend(verdict.recovered_at.map(|at| ("recovered_at", at)));
    item
}

const REWORKED: &str = "rework";

/// Incidents that are linked to no deployment, placed by their detection.
fn unlinked(view: &View<'_>) -> impl Iterator<Item = Item> {
    let episodes = view.incidents.iter().zip(&view.failures.linked);
    let unlinked = episodes.filter(|(episode, linked)| episode.counts() && linked.is_none());
    unlinked.map(|(episode, _)| Item {
        id: ItemId::Incident {
            source: episode.source.clone(),
            native: episode.incident.id.clone(),
            episode: episode.number,
        },
        placement: Placement::of_services(&view.params.catalogue, episode.services.iter().copied()),
        started_at: episode.detected_at,
        completed_at: episode.resolved_at,
        outcome: Outcome::Counted,
        values: Vec::new(),
        marks: vec![Mark::new("linked", "no")],
        times: vec![("detected_at", episode.detected_at)],
    })
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    let placed = items.iter().copied().filter(|item| slice.window.contains(item.started_at));
    let (deployments, incidents): (Vec<&Item>, Vec<&Item>) =
        placed.partition(|item| matches!(item.id, ItemId::Deployment { .. }));
    let n = count(deployments.len());
    let marked = |name| count(deployments.iter().filter(|item| item.mark(name).is_some()).count());
    let mut readings = vec![Reading::ratio(RATIO, marked(FAILED), n)];
    let proximity = slice.view.params.rules.proximity_window.is_some();
    let unfed = slice.view.lacks(Need::Incidents);
    let is_possible = |reason: &&str| match *reason {
        "incident" => !unfed,
        "proximity" => proximity && !unfed,
        _ => true,
    };
    for reason in REASONS.into_iter().filter(is_possible) {
        let failed = deployments.iter().filter(|item| failed_by(item, reason));
        let failed = Reading::count(BY_REASON, count(failed.count()));
        readings.push(failed.with("reason", reason));
    }
    readings.push(Reading::ratio(REWORK, marked(REWORKED), n));
    readings.push(Reading::count(UNLINKED, count(incidents.len())));
    readings
}

fn failed_by(item: &Item, reason: &str) -> bool {
    item.marks.iter().any(|mark| mark.name == FAILED && mark.value == reason)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::KPI;
    use crate::kpi::testing::Story;

    const STORY: &str = "
        service web incidents PWEB
        service api incidents PAPI team two
        01T09:00 commit web c0
        01T10:00 deploy web c0 id 0
        05T09:00 merge web#1
        05T10:00 deploy web c1 id 1
        05T11:00 deploy web c0 id 2
        05T10:30 incident i1 P3
        05T10:40 note i1 naming deployment:1
        06T09:00 merge web#2
        06T10:00 deploy web c2 id 3
        08T09:00 merge web#3 reverts c2 labels hotfix
        08T10:00 deploy web c3 id 4
        09T10:00 deploy api a1 id 5
        09T11:00 incident i2 P1 on PAPI
        09T12:00 incident i3 P5
        09T13:00 resolve i3 by timeout
    ";

    #[test]
    fn failed_deployments_of_the_deployments_finished_in_the_window() {
        expect![[r#"
            change_failure_ratio 0.3333 [0.0968, 0.7] n=6 numerator=2
            change_failure_deployments_by_reason incident 1 [0.0253, 5.5716] n=1
            change_failure_deployments_by_reason rollback 1 [0.0253, 5.5716] n=1
            change_failure_deployments_by_reason revert 1 [0.0253, 5.5716] n=1
            change_failure_deployments_by_reason hotfix 1 [0.0253, 5.5716] n=1
            rework_ratio 0.5 [0.1876, 0.8124] n=6 numerator=3
            incidents_unlinked 1 [0.0253, 5.5716] n=1
        "#]]
        .assert_eq(&Story::told(STORY).readings(&KPI, "org 90d"));
    }

    #[test]
    fn every_deployment_says_by_which_rule_it_failed() {
        expect![[r#"
            api:5 counted 09T10:00 environment=production commit=a1
            web:0 counted 01T10:00 environment=production commit=c0
            web:1 counted 05T10:00 environment=production commit=c1 failed=incident(i1) failed=rollback(2)
            web:2 counted 05T11:00 environment=production commit=c0 rollback=yes rework=yes
            web:3 counted 06T10:00 environment=production commit=c2 failed=revert(acme/web#3) failed=hotfix(acme/web#3) rework=yes
            web:4 counted 08T10:00 environment=production commit=c3 rework=yes
            i2 counted linked=no
        "#]]
        .assert_eq(&Story::told(STORY).items(&KPI, "org"));
    }

    #[test]
    fn a_failure_is_placed_by_the_finish_of_the_deployment_that_failed() {
        let story = Story::told(STORY);
        let of =
            |window: &str| story.reading(&KPI, &format!("org {window}"), "change_failure_ratio");
        expect!["change_failure_ratio 1 [0.2065, 1] n=1 numerator=1"]
            .assert_eq(&of("06T00:00..07T00:00"));
        expect!["change_failure_ratio 0 [0, 0.7935] n=1 numerator=0"]
            .assert_eq(&of("08T00:00..09T00:00"));
    }

    #[test]
    fn without_deployments_the_ratio_is_undefined_and_counts_are_zero() {
        expect![[r#"
            change_failure_ratio - n=0 numerator=0
            change_failure_deployments_by_reason incident 0 [0, 3.6889] n=0
            change_failure_deployments_by_reason rollback 0 [0, 3.6889] n=0
            change_failure_deployments_by_reason revert 0 [0, 3.6889] n=0
            change_failure_deployments_by_reason hotfix 0 [0, 3.6889] n=0
            change_failure_deployments_by_reason proximity 0 [0, 3.6889] n=0
            rework_ratio - n=0 numerator=0
            incidents_unlinked 0 [0, 3.6889] n=0
        "#]]
        .assert_eq(&Story::told("service web\nrule proximity 60").readings(&KPI, "org 90d"));
    }

    #[test]
    fn each_scope_is_computed_from_its_own_deployments_and_incidents() {
        let story = Story::told(STORY);
        let of = |scope: &str, what: &str| story.reading(&KPI, &format!("{scope} 90d"), what);
        expect!["change_failure_ratio 0 [0, 0.7935] n=1 numerator=0"]
            .assert_eq(&of("team two", "failure_ratio"));
        expect!["incidents_unlinked 1 [0.0253, 5.5716] n=1"].assert_eq(&of("team two", "unlinked"));
        expect!["incidents_unlinked 0 [0, 3.6889] n=0"].assert_eq(&of("service web", "unlinked"));
    }

    #[test]
    fn changes_of_bots_can_break_production_too() {
        let story = Story::told(
            "service web
             01T09:00 commit web c0
             01T10:00 deploy web c0 id 0
             05T09:00 merge web#1 by renovate[bot]
             05T10:00 deploy web c1 id 1
             05T10:30 merge web#2 by mergify[bot] reverts c1
             05T11:00 deploy web c2 id 2",
        );
        expect!["change_failure_ratio 0.3333 [0.0615, 0.7923] n=3 numerator=1"]
            .assert_eq(&story.reading(&KPI, "org 90d", "change_failure_ratio"));
    }
}
