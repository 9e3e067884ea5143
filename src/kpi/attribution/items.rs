//! What burnt of a budget, one item for each thing that was going on.

use chrono::TimeDelta;

use super::{Attribution, Burnt, Cause, During, Part, Rule};
use crate::domain::Instant;
use crate::kpi::params::{Slo, SloMethod};
use crate::kpi::statistics::budget::Events;
use crate::kpi::{Item, ItemId, Mark, Outcome, Placement, Span, View};

/// Every thing that was going on while the budget of `slo` burnt in `window`, and what is
/// unattributed. The values `consumed` add up to what the window consumed of the budget.
pub(in crate::kpi) fn items(
    slo: &Slo,
    view: &View<'_>,
    window: Span,
    counted: &Events,
) -> Vec<Item> {
    let Some(burnt) = view.burnt(slo) else { return Vec::new() };
    let found = Found { slo, view, burnt, budget: counted.total * slo.allowed };
    let Burnt { parts, unattributed } = burnt.burnt(window, counted.net());
    let mut items: Vec<Item> = parts.iter().map(|it| found.part(it)).collect();
    if unattributed > 0.0 {
        items.push(found.unattributed(unattributed, window));
    }
    items
}

struct Found<'a> {
    slo: &'a Slo,
    view: &'a View<'a>,
    burnt: &'a Attribution,
    budget: f64,
}

impl Found<'_> {
    fn item(&self, during: Option<ItemId>, bad: f64, (start, end): (Instant, Instant)) -> Item {
        let what = match self.slo.method {
            SloMethod::Events => "bad events",
            SloMethod::Slices => "bad slices",
            SloMethod::Ratios => "bad shares of slices",
        };
        let consumed = bad / self.budget;
        Item {
            id: ItemId::Burnt { slo: self.slo.id.clone(), during: during.map(Box::new) },
            placement: Placement::of_services(&self.view.params.catalogue, self.slo.service),
            started_at: start,
            completed_at: Some(end),
            outcome: Outcome::Counted,
            values: if consumed.is_finite() { vec![("consumed", consumed)] } else { Vec::new() },
            marks: vec![
                Mark::new("share of the budget", format!("{:.2} %", consumed * 100.0)),
                Mark::new(what, shown(bad)),
            ],
            times: vec![("first_hour", start)],
        }
    }

    fn part(&self, part: &Part) -> Item {
        let spell = &self.burnt.spells[part.spell];
        let id = match spell.during {
            During::Deployment(at) => self.deployment(at),
            During::Incident(at) => self.incident(at),
            During::Maintenance(at) => {
                ItemId::Maintenance { name: self.view.params.maintenance[at].name.clone() }
            }
        };
        let mut item = self.item(Some(id), part.bad, (part.first, part.last + TimeDelta::hours(1)));
        let made_up = shown(part.made_up);
        if made_up != "0" {
            item.marks.push(Mark::new("other hours make up for", made_up));
        }
        item.times.push(("began", spell.span.start));
        let rule = match spell.rule {
            Rule::Linked(at) => Mark {
                evidence: Some(self.view.incidents[at].incident.id.clone()),
                ..Mark::new("rule", "an incident is linked to it")
            },
            Rule::Incident => Mark::new("rule", "it was open"),
            Rule::ChangePoint(at) => {
                item.times.push(("rose", at));
                Mark::new("rule", "the share of bad events rose after it")
            }
            Rule::Maintenance => Mark::new("rule", "it was planned"),
        };
        item.marks.extend([
            Mark::new("cause", spell.during.cause().as_str()),
            rule,
            Mark::new("confidence", spell.confidence.as_str()),
            Mark::new("usual share of bad events", format!("{:.4} %", spell.baseline * 100.0)),
        ]);
        item
    }

    fn unattributed(&self, bad: f64, window: Span) -> Item {
        let mut item = self.item(None, bad, (window.start, window.end));
        item.marks.push(Mark::new("cause", Cause::Unattributed.as_str()));
        item
    }

    fn deployment(&self, at: usize) -> ItemId {
        let deployment = &self.view.deployments[at];
        ItemId::Deployment {
            service: self.view.params.catalogue.services[deployment.service].name.clone(),
            repository: deployment.repository.clone(),
            native: deployment.native.clone(),
        }
    }

    fn incident(&self, at: usize) -> ItemId {
        let episode = &self.view.incidents[at];
        ItemId::Incident {
            source: episode.source.clone(),
            native: episode.incident.id.clone(),
            episode: episode.number,
        }
    }
}

/// A count with as many decimals as anybody reads.
fn shown(count: f64) -> String {
    format!("{}", (count * 1000.0).round() / 1000.0)
}
