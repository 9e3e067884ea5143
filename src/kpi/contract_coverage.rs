//! How many critical API boundaries have a test that passes (kpis.md 3.17).

use std::collections::{BTreeSet, HashMap};

use chrono::TimeDelta;

use super::params::Boundary;
use super::statistics::{count, real};
use super::{
    Better, Exclusions, Family, Item, ItemId, Kpi, Mark, Need, Outcome, PlacedBy, Placement,
    Reading, Slice, TargetRule, Unit, View,
};
use crate::domain::fact::WorkflowRun;
use crate::domain::{Instant, RepositoryId, SourceName};

const COVERAGE: &str = "engkpi_contract_coverage_ratio";

const COVERED: &str = "covered";
const UNKNOWN: &str = "unknown";
/// How long the test of an entry of a register passes for.
const PASSES_FOR: TimeDelta = TimeDelta::days(30);
/// The conclusion of what passed.
const PASSED: &str = "success";

/// Critical API boundaries that are tested.
pub static KPI: Kpi = Kpi {
    id: "contract_coverage",
    title: "Contract test coverage",
    definition: "Share of the registered critical API boundaries with a contract or integration test that passed on the default \
        branch in the last 30 days. A boundary whose test passed longer ago is not covered. All of them are counted, so there is \
        no sampling error; where nobody can tell whether a test ran, the bounds are what the share is if every such test failed \
        or passed.",
    unit: Unit::Ratio,
    better: Better::Higher,
    default_window: "now",
    target: TargetRule::Value { target: 1.0, good: None },
    target_stat: None,
    target_dimensions: &[],
    aims: None,
    min_n: 1,
    min_coverage: None,
    provisional_days: 0,
    placed_by: PlacedBy::Start,
    lookback_days: 0,
    needs: &[Need::Boundaries],
    uses: &[Need::Deployments],
    baseline_value: None,
    families: &[Family {
        name: COVERAGE,
        help: "Share of the registered critical API boundaries whose test passed in the last 30 days.",
        dimensions: &[],
        distribution: false,
        now: true,
        needs: &[],
    }],
    assess,
    by_window: false,
    measure,
};

fn assess(view: &View<'_>) -> Vec<Item> {
    let boundaries = boundaries(view);
    let tests = Tests::of(view, &boundaries);
    boundaries.iter().map(|(id, boundary)| item(view, id.clone(), boundary, &tests)).collect()
}

/// Those of the configuration, and those of registers that count now. A register names a workflow.
fn boundaries(view: &View<'_>) -> Vec<(ItemId, Boundary)> {
    let configured = view.params.boundaries.iter();
    let configured = configured.map(|it| (ItemId::Boundary { name: it.name.clone() }, it.clone()));
    let today = view.params.calendar.date(view.as_of);
    let registered = view.timeline.boundaries.iter().filter(|(_, it)| {
        it.since.is_none_or(|since| since <= today) && it.until.is_none_or(|until| today < until)
    });
    let registered = registered.map(|((source, id), it)| {
        let catalogue = &view.params.catalogue;
        let service = it.service.as_deref().and_then(|name| catalogue.service_called(name));
        let own = service.map(|index| catalogue.services[index].repository.clone());
        let boundary = Boundary {
            name: it.name.clone(),
            service,
            repository: it.repository.clone().or(own).unwrap_or_default(),
            workflow: it.test.clone().unwrap_or_default(),
            job: None,
            passes_for: PASSES_FOR,
        };
        (ItemId::Entry { source: source.clone(), native: id.clone() }, boundary)
    });
    configured.chain(registered).collect()
}

/// A test: a repository, a workflow, and a job of it.
type Test<'a> = (&'a RepositoryId, &'a str, Option<&'a str>);

/// When each test passed last, and in which run.
struct Tests<'a>(HashMap<Test<'a>, (Instant, &'a str)>);

impl<'a> Tests<'a> {
    /// What is known of the default branches' runs.
    fn of(view: &View<'a>, boundaries: &[(ItemId, Boundary)]) -> Self {
        let mut tests = Self(HashMap::new());
        if boundaries.is_empty() {
            return tests;
        }
        let workflows: BTreeSet<&str> =
            boundaries.iter().map(|(_, it)| it.workflow.as_str()).collect();
        let mut runs: HashMap<(&SourceName, &str), &WorkflowRun> = HashMap::new();
        let known = view.timeline.runs.iter();
        let known = known.flat_map(|((_, source), runs)| runs.iter().map(move |it| (source, it)));
        let known = known.filter(|(_, run)| workflows.contains(run.workflow.as_str()));
        for (source, run) in known {
            let id = run.id.as_str();
            let repository = view.timeline.repositories.get(&run.repository);
            let of_default = repository.is_some_and(|it| run.is_of(it.default_branch.as_deref()));
            if !of_default {
                continue;
            }
            runs.insert((source, id), run);
            for attempt in &run.attempts {
                let passed = attempt.conclusion.as_deref() == Some(PASSED);
                if let Some(at) = attempt.completed_at.filter(|at| passed && *at < view.as_of) {
                    tests.passed((&run.repository, &run.workflow, None), at, id);
                }
            }
        }
        for ((source, _), job) in &view.timeline.jobs {
            if let Some(run) = runs.get(&(source, job.run.as_str()))
                && job.conclusion == PASSED
                && job.completed_at < view.as_of
            {
                let test = (&run.repository, run.workflow.as_str(), Some(job.name.as_str()));
                tests.passed(test, job.completed_at, &job.run);
            }
        }
        tests
    }

    fn passed(&mut self, test: Test<'a>, at: Instant, run: &'a str) {
        let last = self.0.entry(test).or_insert((at, run));
        *last = (*last).max((at, run));
    }
}

fn item(view: &View<'_>, id: ItemId, boundary: &Boundary, tests: &Tests<'_>) -> Item {
    let catalogue = &view.params.catalogue;
    let repository = view.timeline.repository_named(&boundary.repository);
    let placement = match (boundary.service, repository) {
        (Some(service), _) => Placement::of_services(catalogue, [service]),
        (None, Some(repository)) => {
            let owners = view.ownership.repository(&repository.id).iter().copied();
            Placement::of_whole_repository(catalogue, owners)
        }
        (None, None) => Placement::default(),
    };
    let test = match &boundary.job {
        Some(job) => format!("{} / {job}", boundary.workflow),
        None => boundary.workflow.clone(),
    };
    let mut item = Item {
        id,
        placement,
        started_at: view.as_of,
        completed_at: None,
        outcome: Outcome::Counted,
        values: Vec::new(),
        marks: vec![Mark::new("test", test)],
        times: Vec::new(),
    };
    let Some(repository) = repository else {
        item.outcome = Outcome::Excluded(UNKNOWN);
        return item;
    };
    let test = (&repository.id, boundary.workflow.as_str(), boundary.job.as_deref());
    let passed = tests.0.get(&test);
    item.times.extend(passed.map(|(at, _)| ("passed_at", *at)));
    let fresh = passed.filter(|(at, _)| view.as_of - *at <= boundary.passes_for);
    item.marks.push(match fresh {
        Some((at, run)) => Mark {
            evidence: Some(format!("run {run}").into()),
            at: Some(*at),
            ..Mark::new(COVERED, "yes")
        },
        None => Mark::new(
            "not_covered",
            format!("no run passed in {} d", boundary.passes_for.num_days()),
        ),
    });
    item
}

fn measure(items: &[&Item], _slice: &Slice<'_>) -> Vec<Reading> {
    let known = items.iter().filter(|it| it.counted());
    let covered = count(known.clone().filter(|it| it.mark(COVERED).is_some()).count());
    let known = count(known.count());
    let all = count(items.len());
    let mut reading = Reading::census(COVERAGE, covered, known);
    let unknown = all - known;
    if unknown > 0 {
        reading.lower = Some(real(covered) / real(all));
        reading.upper = Some(real(covered + unknown) / real(all));
        reading.excluded = Exclusions::from_iter([(UNKNOWN, unknown)]);
    }
    reading.coverage = (all > 0).then(|| real(known) / real(all));
    vec![reading]
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::KPI;
    use crate::kpi::testing::Story;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(story: &str, readings: Expect) {
        let story = format!("service web\nboundary orders of web workflow Contract\n{story}");
        readings.assert_eq(&Story::told(&story).readings(&KPI, "org 30d"));
    }

    #[test]
    fn without_boundaries_there_is_no_ratio() {
        let story = Story::told("service web");
        expect![[r#"
            contract_coverage_ratio - n=0 numerator=0
        "#]]
        .assert_eq(&story.readings(&KPI, "org 30d"));
    }

    #[test]
    fn a_test_that_passed_covers_its_boundary() {
        check(
            "20T10:00 run web Contract c1 finished 20T10:10",
            expect![[r#"
            contract_coverage_ratio 1 n=1 numerator=1 coverage=1.00
        "#]],
        );
        check(
            "20T10:00 run web Contract c1 finished 20T10:10 conclusion failure",
            expect![[r#"
            contract_coverage_ratio 0 n=1 numerator=0 coverage=1.00
        "#]],
        );
        check(
            "20T10:00 run web Deploy c1 finished 20T10:10",
            expect![[r#"
            contract_coverage_ratio 0 n=1 numerator=0 coverage=1.00
        "#]],
        );
        check(
            "",
            expect![[r#"
            contract_coverage_ratio 0 n=1 numerator=0 coverage=1.00
        "#]],
        );
    }

    #[test]
    fn a_flaky_test_covers_and_one_on_another_branch_does_not() {
        check(
            "20T10:00 run web Contract c1 finished 20T10:10 conclusion failure rerun 20T12:00=success
             21T10:00 run web Contract c2 finished 21T10:10 conclusion failure",
            expect![[r#"
                contract_coverage_ratio 1 n=1 numerator=1 coverage=1.00
            "#]],
        );
        check(
            "20T10:00 run web Contract c1 event pull_request finished 20T10:10",
            expect![[r#"
            contract_coverage_ratio 0 n=1 numerator=0 coverage=1.00
        "#]],
        );
        check(
            "20T10:00 run web Contract c1 branch topic finished 20T10:10",
            expect![[r#"
            contract_coverage_ratio 0 n=1 numerator=0 coverage=1.00
        "#]],
        );
    }

    #[test]
    fn it_counts_for_thirty_days_and_not_a_second_longer() {
        let story =
            |at: &str| format!("as_of 31T10:00\n01T09:00 run web Contract c1 finished {at}");
        check(
            &story("01T10:00"),
            expect![[r#"
            contract_coverage_ratio 1 n=1 numerator=1 coverage=1.00
        "#]],
        );
        check(
            &story("01T09:59:59"),
            expect![[r#"
            contract_coverage_ratio 0 n=1 numerator=0 coverage=1.00
        "#]],
        );
    }

    #[test]
    fn the_last_run_that_passed_counts_whatever_its_number() {
        for (early, late) in [(1, 2), (2, 1)] {
            check(
                &format!(
                    "as_of 31T10:00
                     25T09:00 run web Contract c2 id {late} finished 25T10:00
                     01T09:00 run web Contract c1 id {early} finished 01T09:10"
                ),
                expect![[r#"
                    contract_coverage_ratio 1 n=1 numerator=1 coverage=1.00
                "#]],
            );
        }
    }

    #[test]
    fn a_job_may_be_the_test() {
        let story = |job: &str| {
            format!(
                "service web\nboundary orders of web workflow CI job pact
                 20T10:00 run web CI c1 id 7 finished 20T10:30 conclusion failure
                 20T10:10 job web 7 {job}"
            )
        };
        let of = |job: &str| Story::told(&story(job)).readings(&KPI, "org 30d");
        expect![[r#"
            contract_coverage_ratio 1 n=1 numerator=1 coverage=1.00
        "#]]
        .assert_eq(&of("pact success"));
        expect![[r#"
            contract_coverage_ratio 0 n=1 numerator=0 coverage=1.00
        "#]]
        .assert_eq(&of("pact failure"));
        expect![[r#"
            contract_coverage_ratio 0 n=1 numerator=0 coverage=1.00
        "#]]
        .assert_eq(&of("lint success"));
    }

    #[test]
    fn a_repository_that_nobody_has_seen_is_unknown() {
        check(
            "boundary users in nowhere workflow Contract
             20T10:00 run web Contract c1 finished 20T10:10",
            expect![[r#"
                contract_coverage_ratio 1 [0.5, 1] n=1 numerator=1 unknown=1 coverage=0.50
            "#]],
        );
    }

    #[test]
    fn what_ends_at_as_of_or_later_is_not_known() {
        check(
            "as_of 20T10:10\n20T10:00 run web Contract c1 finished 20T10:10",
            expect![[r#"
            contract_coverage_ratio 0 n=1 numerator=0 coverage=1.00
        "#]],
        );
    }

    #[test]
    fn a_job_that_ends_at_as_of_or_later_is_not_known() {
        let of = |as_of: &str| {
            Story::told(&format!(
                "service web\nboundary orders of web workflow CI job pact\nas_of {as_of}
                 20T10:00 run web CI c1 id 7 finished 20T10:30 conclusion failure
                 20T10:10 job web 7 pact success"
            ))
            .readings(&KPI, "org 30d")
        };
        assert!(of("20T10:10").starts_with("contract_coverage_ratio 0 n=1"), "{}", of("20T10:10"));
        let later = of("20T10:10:01");
        assert!(later.starts_with("contract_coverage_ratio 1 n=1"), "{later}");
    }

    #[test]
    fn a_boundary_belongs_to_the_service_that_offers_it() {
        let story = Story::told(
            "service web team shop
             service pay team money
             boundary orders of web workflow Contract
             boundary rates of pay in web workflow Contract
             20T10:00 run web Contract c1 finished 20T10:10",
        );
        for (scope, reading) in [
            (
                "org",
                expect![[r#"
                contract_coverage_ratio 1 n=2 numerator=2 coverage=1.00
            "#]],
            ),
            (
                "team shop",
                expect![[r#"
                contract_coverage_ratio 1 n=1 numerator=1 coverage=1.00
            "#]],
            ),
            (
                "service pay",
                expect![[r#"
                contract_coverage_ratio 1 n=1 numerator=1 coverage=1.00
            "#]],
            ),
        ] {
            reading.assert_eq(&story.readings(&KPI, &format!("{scope} 30d")));
        }
    }

    #[test]
    fn a_register_may_name_boundaries_and_for_how_long_they_count() {
        let story = Story::told(
            "service web
             as_of 25T00:00
             01T00:00 exposes b1 service web test Contract
             01T00:00 exposes b2 service web test Other
             01T00:00 exposes b3 service web
             01T00:00 exposes b4 service web test Contract until 25T00:00
             25T00:00 exposes b7 service web test Contract
             26T00:00 exposes b5 service web test Contract
             01T00:00 exposes b6 test Contract
             20T10:10 run web Contract c1 id 7 finished 20T10:10",
        );
        expect![[r#"
            b1 counted test=Contract covered=yes(run 7)
            b2 counted test=Other not_covered=no run passed in 30 d
            b3 counted test= not_covered=no run passed in 30 d
            b6 excluded unknown test=Contract
            b7 counted test=Contract covered=yes(run 7)
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
        expect![[r#"
            contract_coverage_ratio 0.5 [0.4, 0.6] n=4 numerator=2 unknown=1 coverage=0.80
        "#]]
        .assert_eq(&story.readings(&KPI, "org 30d"));
    }

    #[test]
    fn explain_shows_the_test_and_the_run() {
        let story = Story::told(
            "service web
             boundary orders of web workflow Contract
             boundary users of web workflow CI job pact
             boundary other in nowhere workflow CI
             20T10:00 run web Contract c1 id 7 finished 20T10:10",
        );
        expect![[r#"
            orders counted test=Contract covered=yes(run 7)
            other excluded unknown test=CI
            users counted test=CI / pact not_covered=no run passed in 30 d
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }
}
