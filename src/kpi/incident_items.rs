//! What the KPIs about incidents have in common.

pub(super) use super::item::elapsed;
use super::view::incidents::Episode;
use super::{Item, ItemId, Mark, Outcome, Placement, View};
use crate::domain::Text;

/// Severities that the metrics name.
pub(super) const SEVERITIES: std::ops::RangeInclusive<u8> = 1..=5;

const SEVERITY: &str = "severity";
const CHANGES: &str = "severity_changes";

/// An item for an episode from its detection to its resolve, counted or open, without values.
pub(super) fn of(view: &View<'_>, episode: &Episode<'_>) -> Item {
    let mut marks = Vec::new();
    if let Some(severity) = episode.severity {
        marks.push(Mark::new(SEVERITY, severity.to_string()));
    }
    if episode.severity_changes > 0 {
        marks.push(Mark::new(CHANGES, episode.severity_changes.to_string()));
    }
    if let Some(note) = episode.note
        && let Some(impact) = &note.customer_impact
    {
        let evidence = note.link.as_ref().map(Text::from);
        marks.push(Mark { evidence, ..Mark::new("customer_impact", impact.clone()) });
    }
    Item {
        id: ItemId::Incident {
            source: episode.source.clone(),
            native: episode.incident.id.clone(),
            episode: episode.number,
        },
        placement: Placement::of_services(&view.params.catalogue, episode.services.iter().copied()),
        started_at: episode.detected_at,
        completed_at: episode.resolved_at,
        outcome: outcome(episode),
        values: Vec::new(),
        marks,
        times: vec![("detected_at", episode.detected_at)],
    }
}

/// Merged children and noise are no incidents. One whose priority is missing or not mapped may be
/// a Sev1 or not: it is left out, and shown as such.
fn outcome(episode: &Episode<'_>) -> Outcome {
    if episode.merged {
        Outcome::Excluded("merged")
    } else if episode.auto_resolved {
        Outcome::Excluded("auto_resolved")
    } else if episode.severity.is_none() {
        Outcome::Excluded("no_severity")
    } else if episode.resolved_at.is_none() {
        Outcome::Open
    } else {
        Outcome::Counted
    }
}

/// The severity of an incident's item.
pub(super) fn severity(item: &Item) -> Option<u8> {
    item.mark(SEVERITY).and_then(|mark| mark.value.parse().ok())
}

/// How often the severity of an incident's item was changed after it was set first.
pub(super) fn severity_changes(item: &Item) -> u64 {
    item.mark(CHANGES).and_then(|mark| mark.value.parse().ok()).unwrap_or(0)
}

/// Whether an item is an incident that is, or may be, a Sev1 or Sev2.
pub(super) fn may_be_major(item: &&Item) -> bool {
    matches!(item.id, ItemId::Incident { .. }) && severity(item).is_none_or(|it| it <= 2)
}
