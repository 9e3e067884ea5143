//! The sample organisation is worth looking at.

use engkpi_fakes::{When, sample};

#[test]
fn it_has_what_the_kpis_are_about() {
    let now = "2026-11-20 12:00".instant();
    let world = sample::organisation(now);
    let (mut pulls, mut merged, mut deployments, mut runs, mut releases) = (0, 0, 0, 0, 0);
    for repository in &world.repositories {
        pulls += repository.pulls.iter().filter(|pull| pull.created_at < now).count();
        merged +=
            repository.pulls.iter().filter(|it| it.merged_at.is_some_and(|at| at < now)).count();
        deployments += repository.deployments.iter().filter(|it| it.created_at < now).count();
        runs += repository.runs.iter().filter(|it| it.created_at < now).count();
        releases += repository.releases.len();
    }
    let incidents = world.pagerduty.incidents.iter().filter(|it| it.created_at < now).count();
    assert!(merged > 800 && merged < pulls);
    assert!(deployments > 500 && runs > 500 && releases > 20);
    assert!((80..400).contains(&incidents));
    let reverts = |pull: &&engkpi_fakes::world::Pull| pull.body.starts_with("Reverts acme/");
    assert!(world.repositories.iter().flat_map(|it| &it.pulls).filter(reverts).count() > 5);
    let soon = now + chrono::Duration::minutes(30);
    let later = world.repositories.iter().flat_map(|it| &it.pulls).filter_map(|it| it.merged_at);
    assert!(later.filter(|at| now < *at && *at < soon).count() > 5, "one can watch it live");
}

#[test]
fn it_is_the_same_every_time() {
    let now = "2026-11-20 12:00".instant();
    let (one, two) = (sample::organisation(now), sample::organisation(now));
    assert_eq!(format!("{:?}", one.pagerduty.incidents), format!("{:?}", two.pagerduty.incidents));
    for (one, two) in one.repositories.iter().zip(&two.repositories) {
        assert_eq!(format!("{:?}", one.deployments), format!("{:?}", two.deployments));
        assert_eq!(format!("{:?}", one.pulls), format!("{:?}", two.pulls));
    }
}
