//! Decision records in three styles.

use chrono::Duration;

use super::delivery::{Outcome, PEOPLE, Plan};
use super::{Calendar, Random, Records};
use crate::time::Instant;
use crate::world::File;

const SUBJECTS: [&str; 12] = [
    "Use PostgreSQL for orders",
    "Sign webhooks",
    "Split the basket from checkout",
    "Keep events for ninety days",
    "Adopt OpenTelemetry",
    "Retire the XML feed",
    "Version the public API by date",
    "Cache prices at the edge",
    "Encrypt card data by field",
    "One queue per tenant",
    "Feature flags in configuration",
    "Ship from the main branch",
];

/// Pull requests that propose, decide and take back decisions.
pub(super) fn plans(records: &Records, calendar: &Calendar, random: &mut Random) -> Vec<Plan> {
    let mut found = vec![template(records, calendar)];
    for (n, at) in (1..).zip(calendar.working_times(0.38, random)) {
        let subject = random.pick(&SUBJECTS);
        let slug = subject.to_lowercase().replace(' ', "-");
        let path = format!("{}/{n:04}-{slug}.md", records.folder);
        let title = format!("{n}. {subject}");
        let days = 6.0 - 2.0 * calendar.progress(at);
        let hours = (days * 24.0) as i64;
        let decided = at + random.about(Duration::hours(hours), 0.6);
        let rejected = random.chance(0.15);
        match records.folder {
            "docs/adr" => {
                // Proposed in one pull request, decided by a second one.
                let merged = at + Duration::hours(5);
                let decided = decided.max(merged + Duration::hours(20));
                let text = front_matter(&title, "proposed");
                let files = vec![File::added(&path, &text)];
                found.push(plan(&title, at, files, Outcome::Squashed(merged), random));
                let status = if rejected { "rejected" } else { "accepted" };
                let files = vec![File::modified(&path, &front_matter(&title, status))];
                let opened = decided - Duration::hours(2);
                let title = format!("Decide: {title}");
                found.push(plan(&title, opened, files, Outcome::Squashed(decided), random));
            }
            "docs/decisions" => {
                let files = vec![File::added(&path, &nygard(&title, "Accepted"))];
                let outcome =
                    if rejected { Outcome::Closed(decided) } else { Outcome::Merged(decided) };
                found.push(plan(&title, at, files, outcome, random));
            }
            _ => {
                let text = format!("# {title}\n\nStatus: Accepted\n\nWhy and how.\n");
                let files = vec![File::added(&path, &text)];
                let outcome =
                    if rejected { Outcome::Closed(decided) } else { Outcome::Squashed(decided) };
                found.push(plan(&title, at, files, outcome, random));
            }
        }
    }
    found
}

/// A template is no decision.
fn template(records: &Records, calendar: &Calendar) -> Plan {
    let path = format!("{}/template.md", records.folder);
    let text = front_matter("Title", "{proposed | accepted | rejected}");
    let at = calendar.start - Duration::days(10);
    let files = vec![File::added(&path, &text)];
    let mut random = Random::seeded(1);
    plan("Add a template", at, files, Outcome::Squashed(at + Duration::hours(1)), &mut random)
}

fn plan(
    title: &str,
    opened_at: Instant,
    files: Vec<File>,
    outcome: Outcome,
    random: &mut Random,
) -> Plan {
    let author = PEOPLE[random.below(PEOPLE.len())];
    let reviewers = [PEOPLE[random.below(PEOPLE.len())], PEOPLE[random.below(PEOPLE.len())]];
    let ends_at = match outcome {
        Outcome::Squashed(at) | Outcome::Merged(at) | Outcome::Closed(at) => at,
    };
    let middle = opened_at + (ends_at - opened_at) / 2;
    Plan {
        opened_at,
        title: title.to_owned(),
        author,
        branch: format!("adr/{}", opened_at.timestamp()),
        body: String::new(),
        labels: Vec::new(),
        lines: Vec::new(),
        commits: vec![(opened_at - Duration::hours(1), files)],
        message: None,
        ready_at: None,
        reviews: vec![(middle, reviewers[0]), (middle + Duration::minutes(5), reviewers[1])],
        outcome,
    }
}

fn front_matter(title: &str, status: &str) -> String {
    format!("---\nstatus: \"{status}\"\n---\n\n# {title}\n\n## Context\n\nWhy.\n")
}

fn nygard(title: &str, status: &str) -> String {
    format!("# {title}\n\nDate: 2026-01-01\n\n## Status\n\n{status}\n\n## Context\n\nWhy.\n")
}
