//! What successive reports of a scanner say about a finding.

use std::collections::BTreeMap;

use super::reports::{Found, Report};
use crate::domain::fact::{Finding, FindingEvent, FindingEventKind, FindingPlace};
use crate::domain::{Fact, Instant};

/// The facts that change with a report of `at`, given what was known. `prefix` begins the ids of
/// what this tool found in this place.
pub(super) fn changes(
    prefix: &str,
    place: &FindingPlace,
    report: &Report,
    at: Instant,
    mut known: BTreeMap<String, Finding>,
) -> Vec<Fact> {
    let mut changed = Vec::new();
    for (key, found) in &report.found {
        let id = format!("{prefix}/{key}");
        match known.remove(&id) {
            Some(finding) => changed.extend(seen_again(finding, found, at)),
            // What is suppressed from the start is none.
            None if found.suppressed => {}
            None => changed.push(Finding {
                id,
                place: place.clone(),
                tool: report.tool.clone(),
                severity: found.severity.clone(),
                detected_at: at,
                updated_at: at,
                events: Vec::new(),
                file: None,
                page: None,
            }),
        }
    }
    let gone = known.into_values().filter(is_open);
    changed.extend(gone.map(|finding| happened(finding, FindingEventKind::Fixed, at)));
    changed.into_iter().map(Fact::Finding).collect()
}

/// What changes about a finding that is in the report again; `None` = nothing.
fn seen_again(mut finding: Finding, found: &Found, at: Instant) -> Option<Finding> {
    let same = finding.severity == found.severity;
    finding.severity.clone_from(&found.severity);
    match (is_open(&finding), found.suppressed) {
        (true, true) => Some(happened(finding, FindingEventKind::Dismissed, at)),
        (false, false) => Some(happened(finding, FindingEventKind::Reopened, at)),
        _ if same => None,
        _ => Some(Finding { updated_at: at.max(finding.updated_at), ..finding }),
    }
}

fn is_open(finding: &Finding) -> bool {
    let last = finding.events.last().map(|it| it.event);
    matches!(last, None | Some(FindingEventKind::Reopened))
}

fn happened(mut finding: Finding, event: FindingEventKind, at: Instant) -> Finding {
    finding.events.push(FindingEvent { at, event });
    finding.updated_at = at;
    finding
}
