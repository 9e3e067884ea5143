//! What goes on while a pass is interrupted or runs.

use engkpi::domain::Kind;
use engkpi_fakes::Fault;

use super::*;

/// Four pages of runs, one a minute.
fn many_runs() -> World {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    for minute in 0..400 {
        let at = at("2026-02-03 00:00") + chrono::Duration::minutes(minute);
        shop.run("Test", &sha, at, |_| {});
    }
    world
}

/// A first pass over [`many_runs`] that broke off after its second page.
async fn after_two_pages_of_runs() -> Site {
    let site = Site::of(many_runs()).await;
    site.fakes.github.fault(Fault::status(500).on("/actions/runs?").after(2).times(8));
    site.try_poll().await.expect_err("the third page fails");
    site.fakes.github.clear_faults();
    site.fakes.github.clear_requests();
    assert_eq!(site.count(Kind::WorkflowRun).await, 200);
    site
}

/// How often the first page was asked for.
fn first_pages(site: &Site) -> usize {
    let asked = site.fakes.github.requests_to("/actions/runs?");
    asked.iter().filter(|it| it.parameter("page").is_none()).count()
}

#[tokio::test]
async fn runs_that_start_while_the_first_pass_is_interrupted_do_not_make_it_start_again() {
    for new in [1, 130] {
        let site = after_two_pages_of_runs().await;
        site.fakes.edit(|world| {
            let shop = world.repository_mut("shop");
            let sha = shop.pushes[0].1.clone();
            for minute in 0..new {
                let at = at("2026-04-01 12:01") + chrono::Duration::seconds(minute);
                shop.run("Test", &sha, at, |_| {});
            }
        });
        site.set_now("2026-04-01 12:30");
        let report = site.poll().await;
        assert_eq!(report.gaps, 0, "{new} new: nothing slipped past");
        assert_eq!(site.count(Kind::WorkflowRun).await, 400 + new as usize);
        assert_eq!(first_pages(&site), 1, "{new} new: for what is new, not for a new beginning");
    }
}

#[tokio::test]
async fn runs_that_are_deleted_while_the_first_pass_is_interrupted_make_it_start_again() {
    let site = after_two_pages_of_runs().await;
    site.fakes.edit(|world| {
        let gone = Some(at("2026-04-01 12:01"));
        let mut runs = world.repository_mut("shop").runs.iter_mut().collect::<Vec<_>>();
        runs.sort_by_key(|it| std::cmp::Reverse(it.created_at));
        // The last one that was read, and enough to let a page slip past.
        for run in runs.into_iter().skip(80).take(120) {
            run.deleted_at = gone;
        }
    });
    site.set_now("2026-04-01 12:30");
    let report = site.poll().await;
    assert_eq!(report.gaps, 1);
    let left = site.runs().await.iter().map(|it| it.created_at).min();
    assert_eq!(left, Some(at("2026-02-03 00:00")));
    assert_eq!(site.count(Kind::WorkflowRun).await, 400, "reconciling removes the deleted ones");
}
