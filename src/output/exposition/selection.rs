//! Which series there are (docs/adr/0009): a large organisation stays within the series budget, and
//! what costs a reader least is left out first. All of it is in `/api/v1` and in `engkpi evaluate`.
//!
//! Where a value is shown, its n is shown.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use super::{About, is_own};
use crate::kpi::evaluation::{Evaluated, Evaluation, FactCount, Judged, Scope};
use crate::kpi::{Family, Kpi, Need, State, TargetRule, facts};

/// What of an evaluation is shown.
pub(super) struct Selection<'a> {
    evaluation: &'a Evaluation,
    /// Everything is.
    complete: bool,
    slos: OnceCell<HashMap<&'a str, Slo<'a>>>,
    bands: OnceCell<HashSet<(&'static str, Scope)>>,
}

/// What matters here of an SLO.
struct Slo<'a> {
    /// Empty where it is the organisation's.
    service: &'a str,
    /// The method that its target is for.
    method: &'a str,
}

/// How much there is of a value in its scope.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Of the organisation: every window and the history.
    Organisation,
    /// Of a team: every window and the history of the value that the target names; the others in
    /// the main windows.
    Team,
    /// Of a service: the value that the target names, and what is a single number beside it.
    Service,
    /// An objective or an endpoint belongs to one service, so its numbers are the same in every
    /// scope, and are shown once: the windows of services in the scope of the service,
    Home,
    /// calendar windows and history in that of its team,
    Above,
    /// and nothing but its status in that of the organisation.
    Elsewhere,
}

impl<'a> Selection<'a> {
    pub(super) fn of(evaluation: &'a Evaluation, complete: bool) -> Self {
        Self { evaluation, complete, slos: OnceCell::new(), bands: OnceCell::new() }
    }

    fn slo(&self, id: &str) -> Option<&Slo<'a>> {
        let slos = self.slos.get_or_init(|| {
            let known = self.evaluation.facts.iter().filter(|fact| fact.family == facts::SLO_INFO);
            let slo = |fact: &'a FactCount| {
                let label = |name| {
                    let found = fact.labels.iter().find(|(label, _)| *label == name);
                    found.map_or("", |(_, value)| value.as_str())
                };
                let slo = Slo { service: label("service"), method: label("budgeting") };
                (label("slo"), slo)
            };
            known.map(slo).collect()
        });
        slos.get(id)
    }

    /// Whether a target names the value; that of an SLO is for one of its methods.
    fn is_named(&self, it: &Evaluated) -> bool {
        let of = |name| {
            let found = it.reading.dimensions.iter().find(|(dimension, _)| *dimension == name);
            found.map(|(_, value)| value.as_str())
        };
        let slo = of("slo").and_then(|id| self.slo(id));
        let other = slo.is_some_and(|slo| of("method").is_some_and(|method| method != slo.method));
        it.kpi.names(&it.reading) && !other
    }

    fn extent(&self, scope: Scope, dimensions: &[(&'static str, String)]) -> Extent {
        let thing = dimensions.iter().find(|(name, _)| matches!(*name, "slo" | "endpoint"));
        match (thing, scope) {
            (None, Scope::Org) => Extent::Organisation,
            (None, Scope::Team(_)) => Extent::Team,
            (None, Scope::Service(_)) => Extent::Service,
            (Some(_), Scope::Service(_)) => Extent::Home,
            (Some(_), Scope::Team(_)) => Extent::Above,
            (Some((_, thing)), Scope::Org) => {
                let of_nobody = self.slo(thing).is_some_and(|slo| slo.service.is_empty());
                if of_nobody { Extent::Organisation } else { Extent::Elsewhere }
            }
        }
    }

    /// Whether a value is shown, and with it its n.
    pub(super) fn has_value(&self, it: &Evaluated, family: &Family) -> bool {
        if self.complete {
            return true;
        }
        let own = is_own(it.kpi, family);
        let named = self.is_named(it);
        let history = it.period.is_some();
        match self.extent(it.scope, &it.reading.dimensions) {
            Extent::Organisation => !history || own,
            Extent::Team => {
                // What is about a state has no main window for what is about a stretch of time.
                let main = is_main(it.kpi, &it.window) || it.kpi.is_about_a_state();
                named || (!history && (main || family.now))
            }
            Extent::Service if own || family.now => named || family.now,
            Extent::Service => {
                let target_stat =
                    it.reading.stat.is_none_or(|stat| Some(stat) == it.kpi.target_stat);
                it.window == it.kpi.default_window && target_stat && !is_breakdown(it.kpi, family)
            }
            Extent::Home => family.now || it.window == OWN || !is_breakdown(it.kpi, family),
            Extent::Above => {
                let budget = !history && family.dimensions == ["slo"];
                (named || budget) && is_of_calendar(&it.window)
            }
            Extent::Elsewhere => false,
        }
    }

    /// Whether the numerator of a ratio is shown with it; elsewhere it is the ratio times n.
    pub(super) fn has_numerator(&self, it: &Evaluated) -> bool {
        let extent = self.extent(it.scope, &it.reading.dimensions);
        let few = matches!(extent, Extent::Organisation | Extent::Team);
        self.complete || (few && it.period.is_none())
    }

    /// Whether something is said about a value of a KPI's own that is shown.
    pub(super) fn has_about(&self, about: About, it: &Evaluated) -> bool {
        if self.complete || about == About::Samples {
            return true;
        }
        let named = self.is_named(it);
        let history = it.period.is_some();
        let main = is_main(it.kpi, &it.window);
        let default = it.window == it.kpi.default_window;
        match (self.extent(it.scope, &it.reading.dimensions), about) {
            (Extent::Organisation, About::ConfidenceBound) => !history || named,
            (Extent::Organisation, _) => !history,
            (Extent::Team, About::ConfidenceBound | About::PreviousRatio) => named && !history,
            (Extent::Team, About::OpenItems) => named && main,
            (Extent::Team, _) => main,
            (Extent::Service, About::ConfidenceBound | About::OpenItems) => named && default,
            (Extent::Service, _) => false,
            // How much is known of an SLO's window has a family of its own.
            (Extent::Home, About::Coverage) => {
                !history && !it.kpi.needs.contains(&Need::Objectives)
            }
            (Extent::Home, _) => !history,
            (Extent::Above | Extent::Elsewhere, _) => false,
        }
    }

    /// Whether a part of a verdict is shown.
    pub(super) fn has_verdict(&self, about: About, it: &Judged) -> bool {
        let has_number = !matches!(it.state, State::NoData | State::Stale);
        if about == About::Provisional && !has_number {
            return false;
        }
        if self.complete {
            return true;
        }
        let history = it.period.is_some();
        let default = it.window == it.kpi.default_window;
        let late = it.kpi.provisional_days > 0;
        match (about, self.extent(it.scope, &it.dimensions)) {
            (About::Provisional, Extent::Organisation) => late || !history,
            (About::Provisional, Extent::Team) => it.provisional || (late && !history),
            // Windows that end now are always provisional where there is a lag.
            (About::Provisional, _) => false,
            (_, Extent::Organisation) => true,
            // A band is judged when its period is over, so what became of it is in the history.
            (About::Status, Extent::Team) => !history || self.has_band(it),
            (About::Status, Extent::Service) => default,
            // So that a query that picks one scope sees what is missed there.
            (About::Status, _) => is_main(it.kpi, &it.window),
            (_, Extent::Team) => !history,
            (_, Extent::Service) => default,
            (_, Extent::Home | Extent::Above | Extent::Elsewhere) => false,
        }
    }

    /// Whether the scope has a band of its own as target.
    fn has_band(&self, it: &Judged) -> bool {
        let bands = self.bands.get_or_init(|| {
            let goals = self.evaluation.goals.iter();
            let bands = goals.filter(|goal| matches!(goal.rule, TargetRule::Band { .. }));
            bands.map(|goal| (goal.kpi.id, goal.scope)).collect()
        });
        bands.contains(&(it.kpi.id, it.scope))
    }
}

/// The window of each SLO's specification.
const OWN: &str = "own";

/// The windows in which a team has everything.
fn is_main(kpi: &Kpi, window: &str) -> bool {
    window == kpi.default_window || matches!(window, "30d" | OWN)
}

fn is_of_calendar(window: &str) -> bool {
    matches!(window, "month" | "quarter" | "month_history" | "quarter_history")
}

/// Whether the values of a family are parts of something, as causes or reasons are; the values of a
/// KPI's own family are not.
fn is_breakdown(kpi: &Kpi, family: &Family) -> bool {
    let own = kpi.families.first().map_or(&[][..], |own| own.dimensions);
    family.dimensions.iter().any(|name| !own.contains(name))
}
