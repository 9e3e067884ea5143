//! Technical debt, security findings, standards and contract tests of a repository.

use chrono::Duration;

use super::Calendar;
use super::random::Random;
use crate::world::Repository;

/// Issues begin with this number: pull requests have those below.
const FIRST_ISSUE: u64 = 50_000;

/// Severities of findings, the rare ones first, with the days after which most are fixed.
const SEVERITIES: [(&str, f64); 4] =
    [("critical", 4.0), ("high", 16.0), ("medium", 40.0), ("low", 90.0)];

/// Tells what became of the repository's debt and findings, and what it holds.
pub(super) fn tell(repository: &mut Repository, calendar: &Calendar) {
    // Of its own, so that nothing else in the story changes with it.
    let mut random = Random::seeded(repository.id);
    debt(repository, calendar, &mut random);
    findings(repository, calendar, &mut random);
    contract_tests(repository, calendar, &mut random);
    let lifecycle = if repository.name == "build-agent" { "experimental" } else { "production" };
    repository.property(calendar.start, "lifecycle", lifecycle);
}

fn debt(repository: &mut Repository, calendar: &Calendar, random: &mut Random) {
    let opened = calendar.working_times(0.12, random);
    for (number, at) in (FIRST_ISSUE..).zip(opened) {
        let worked_on = random.about(Duration::days(70), 0.5);
        let done = random.chance(0.8);
        repository.issue(number, at, &["tech-debt"], |issue| {
            issue.label(at + Duration::hours(3), "major");
            if done {
                issue.close(at + worked_on);
            } else {
                issue.close_as(at + worked_on, "NOT_PLANNED");
            }
        });
    }
}

fn findings(repository: &mut Repository, calendar: &Calendar, random: &mut Random) {
    for (tool, a_week) in [("dependabot", 0.8), ("code-scanning", 0.25)] {
        for at in calendar.working_times(a_week, random) {
            let rank = usize::from(random.chance(0.8)) + usize::from(random.chance(0.6));
            let (severity, days) = SEVERITIES[rank + usize::from(random.chance(0.4))];
            // It takes less and less time.
            let days = days * (1.4 - 0.7 * calendar.progress(at));
            let taken = random.about(Duration::minutes((days * 1440.0) as i64), 0.6);
            let end = if random.chance(0.1) { "dismissed" } else { "fixed" };
            repository.alert(tool, Some(severity), at, |alert| {
                alert.becomes(at + taken, end);
            });
        }
    }
}

/// Every night on the default branch; it fails now and then, and in one repository always.
fn contract_tests(repository: &mut Repository, calendar: &Calendar, random: &mut Random) {
    let always_fails = repository.name == "identity";
    let mut at = calendar.now - Duration::days(60);
    while at < calendar.end {
        let Some(sha) = repository.tip(&repository.default_branch.clone(), at) else { return };
        let fails = always_fails || random.chance(0.1);
        repository.run("Contract tests", &sha, at, |run| {
            let conclusion = if fails { "failure" } else { "success" };
            run.attempt(at, at + Duration::minutes(9), conclusion).job("contract", conclusion);
        });
        at += Duration::days(1);
    }
}
