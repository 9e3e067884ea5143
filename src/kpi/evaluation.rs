//! An evaluation: every KPI for every scope and window, from one view.
//!
//! Pure and total. What it returns is immutable and says of every number its n, its interval and
//! its status; whatever shows numbers to people or machines renders an [`Evaluation`].

mod coverage;
mod judge;
mod scope;
#[cfg(test)]
mod tests;

pub use coverage::{Freshness, SourceFreshness, SourceHealth};
pub use scope::Scope;

use coverage::Availability;
use scope::Partition;

use super::link::Link;
use super::params::Service;
use super::status::State;
use super::window::{Cut, Window};
use super::{Item, Kpi, Need, Params, Reading, Slice, TargetRule, View};
use crate::domain::{Instant, Timeline};

/// The version of the written definitions that the numbers follow.
pub const DEFINITION: &str = "1";

/// What to evaluate.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which KPIs, in registry order.
    pub kpis: Vec<&'static Kpi>,
    /// Windows at org and team scope.
    pub windows: Vec<Window>,
    /// Windows at service scope.
    pub service_windows: Vec<Window>,
    /// Each KPI's default window at service scope too.
    pub service_defaults: bool,
    /// Calendar history at org and team scope.
    pub history: bool,
    /// Calendar history at service scope too.
    pub service_history: bool,
    /// Only this scope; `None` = all.
    pub scope: Option<Scope>,
}

impl Plan {
    /// What /metrics shows: every window at org and team scope; at service scope each KPI's
    /// default window and `30d`.
    pub fn published(service_windows: Vec<Window>, service_history: bool) -> Self {
        Self {
            kpis: super::ALL.to_vec(),
            windows: Window::PUBLISHED.to_vec(),
            service_windows,
            service_defaults: true,
            history: true,
            service_history,
            scope: None,
        }
    }
}

/// One value with everything that must be known about it.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The KPI.
    pub kpi: &'static Kpi,
    /// Whose value.
    pub scope: Scope,
    /// The `window` label, for example `90d` or `month_history`.
    pub window: String,
    /// The `period` label of calendar history, for example `2026-09`.
    pub period: Option<String>,
    /// The value with n, interval and exclusions.
    pub reading: Reading,
    /// The value divided by that of the previous window (counts per day).
    pub previous_ratio: Option<f64>,
}

/// How a KPI stands in one scope and window.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The KPI.
    pub kpi: &'static Kpi,
    /// Whose status.
    pub scope: Scope,
    /// The `window` label.
    pub window: String,
    /// The `period` label of calendar history.
    pub period: Option<String>,
    /// The KPI's own dimensions of the value that its target names.
    pub dimensions: Vec<(&'static str, String)>,
    /// The verdict.
    pub state: State,
    /// The Hodges-Lehmann ratio to the baseline, where the target is a baseline target.
    pub baseline_ratio: Option<f64>,
    /// Late knowledge may still change the window.
    pub provisional: bool,
}

/// A target as configured, for the whole organisation, a team or a service.
#[derive(Clone, Debug)]
pub struct Goal {
    /// The KPI.
    pub kpi: &'static Kpi,
    /// Whose target.
    pub scope: Scope,
    /// The KPI's own dimensions of the value that it is about.
    pub dimensions: Vec<(&'static str, String)>,
    /// How the status is decided.
    pub rule: TargetRule,
    /// Decides the status; the lower end of a band.
    pub target: f64,
    /// The second line on the chart; the upper end of a band.
    pub good: Option<f64>,
}

/// Facts counted for people who write their own queries.
#[derive(Clone, Debug, PartialEq)]
pub struct FactCount {
    /// The family's full name.
    pub family: &'static str,
    /// Its labels.
    pub labels: Vec<(&'static str, String)>,
    /// How many are known.
    pub count: u64,
}

/// Every KPI for every scope and window at one instant. Immutable.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Nothing at or after it is known.
    pub as_of: Instant,
    /// Names of teams and services, which [`Scope`] indexes.
    pub names: Names,
    /// The values. Undefined ones are there too, with `value: None` and their n.
    pub readings: Vec<Evaluated>,
    /// The verdicts.
    pub statuses: Vec<Judged>,
    /// The targets.
    pub goals: Vec<Goal>,
    /// Facts by kind and label.
    pub facts: Vec<FactCount>,
    /// The same by family alone, each counted once however many services it belongs to.
    pub totals: Vec<(&'static str, u64)>,
    /// How fresh each source is.
    pub sources: Vec<SourceHealth>,
}

impl Evaluation {
    /// The target that a verdict is about: the scope's own, else that of its team, else that of the
    /// organisation. A band is a target only of those that have it as their own.
    pub fn goal(&self, judged: &Judged) -> Option<&Goal> {
        let Judged { kpi, scope, dimensions, .. } = judged;
        let scope = *scope;
        let team = match scope {
            Scope::Service(service) => Some(Scope::Team(self.names.services[service].1)),
            Scope::Org | Scope::Team(_) => None,
        };
        let of = |scope| {
            let mut goals = self.goals.iter().filter(|it| it.kpi.id == kpi.id);
            let about = |it: &Goal| it.dimensions.iter().all(|it| dimensions.contains(it));
            goals.find(|it| it.scope == scope && about(it))
        };
        let inherited = |goal: &&Goal| !matches!(goal.rule, TargetRule::Band { .. });
        let of_team = || team.and_then(of).filter(inherited);
        let of_org = || of(Scope::Org).filter(inherited);
        of(scope).or_else(of_team).or_else(of_org)
    }
}

/// Names of teams and services by index.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Team names.
    pub teams: Vec<String>,
    /// Service names and the index of their team.
    pub services: Vec<(String, usize)>,
}

impl Names {
    /// The names of a catalogue.
    pub fn of(params: &Params) -> Self {
        let catalogue = &params.catalogue;
        Self {
            teams: catalogue.teams.iter().map(ToString::to_string).collect(),
            services: catalogue.services.iter().map(|it| (it.name.to_string(), it.team)).collect(),
        }
    }

    /// The scope that a team or a service name means; neither means the organisation.
    ///
    /// # Errors
    /// When nothing has that name, or both are given and the service is not the team's.
    pub fn scope(&self, team: Option<&str>, service: Option<&str>) -> Result<Scope, String> {
        let team = team.map(|name| {
            let found = self.teams.iter().position(|it| it == name);
            found.ok_or_else(|| format!("no team is called `{name}`"))
        });
        let service = service.map(|name| {
            let found = self.services.iter().position(|(it, _)| it == name);
            found.ok_or_else(|| format!("no service is called `{name}`"))
        });
        match (team.transpose()?, service.transpose()?) {
            (None, None) => Ok(Scope::Org),
            (Some(team), None) => Ok(Scope::Team(team)),
            (None, Some(service)) => Ok(Scope::Service(service)),
            (Some(team), Some(service)) if self.services[service].1 == team => {
                Ok(Scope::Service(service))
            }
            (Some(_), Some(_)) => Err("the service belongs to another team".to_owned()),
        }
    }

    /// The labels of a scope: its team and its service, empty where it has none.
    pub fn labels(&self, scope: Scope) -> (&str, &str) {
        match scope {
            Scope::Org => ("", ""),
            Scope::Team(team) => (&self.teams[team], ""),
            Scope::Service(service) => {
                let (name, team) = &self.services[service];
                (&self.teams[*team], name)
            }
        }
    }
}

/// An item with what people need to find it.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The item.
    pub item: Item,
    /// What people call it and where it can be looked at.
    pub link: Link,
}

/// A number and the items that it was made of.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The KPI that was asked for.
    pub kpi: &'static Kpi,
    /// The evaluation of just this KPI, scope and window.
    pub evaluation: Evaluation,
    /// Every item of the scope, each once.
    pub items: Vec<Explained>,
    /// The window that was asked for.
    pub window: Cut,
}

/// Evaluates `plan` on the facts as they were known to have happened before `as_of`.
pub fn evaluate(
    timeline: &Timeline,
    params: &Params,
    freshness: &Freshness,
    plan: &Plan,
    as_of: Instant,
) -> Evaluation {
    let view = View::build(timeline, params, as_of);
    let mut evaluation = empty(&view, freshness);
    for kpi in &plan.kpis {
        let items = (kpi.assess)(&view);
        Evaluator { view: &view, freshness, plan, kpi }.run(&items, &mut evaluation);
    }
    evaluation
}

/// Evaluates one KPI in one scope and window and returns the items behind it.
pub fn explain(
    timeline: &Timeline,
    params: &Params,
    freshness: &Freshness,
    (kpi, scope, window): (&'static Kpi, Scope, Window),
    as_of: Instant,
) -> Explanation {
    let view = View::build(timeline, params, as_of);
    // A window that the KPI does not have means its own.
    let own = kpi.own_window().filter(|own| own.is_state() || window.is_state());
    let window = own.unwrap_or(window);
    let plan = Plan {
        kpis: vec![kpi],
        windows: vec![window],
        service_windows: vec![window],
        service_defaults: false,
        history: false,
        service_history: false,
        scope: Some(scope),
    };
    let items = (kpi.assess)(&view);
    let mut evaluation = empty(&view, freshness);
    Evaluator { view: &view, freshness, plan: &plan, kpi }.run(&items, &mut evaluation);
    let items = Partition::of(&items, &params.catalogue).scope(scope);
    let cut = window.cut(as_of, &params.calendar);
    Explanation {
        kpi,
        evaluation,
        items: items
            .into_iter()
            .flat_map(|item| super::ledger_items::unfold(&view, item, cut.span))
            .map(|item| Explained { link: Link::of(&item.id, timeline, params), item })
            .collect(),
        window: cut,
    }
}

fn empty(view: &View<'_>, freshness: &Freshness) -> Evaluation {
    Evaluation {
        as_of: view.as_of,
        names: Names::of(view.params),
        readings: Vec::new(),
        statuses: Vec::new(),
        goals: Vec::new(),
        facts: super::facts::count(view),
        totals: super::facts::totals(view),
        sources: coverage::health(view.params, freshness, view.as_of),
    }
}

/// Runs one KPI over the scopes and windows of a plan.
struct Evaluator<'a> {
    view: &'a View<'a>,
    freshness: &'a Freshness,
    plan: &'a Plan,
    kpi: &'static Kpi,
}

impl Evaluator<'_> {
    fn run(&self, items: &[Item], evaluation: &mut Evaluation) {
        evaluation.goals.extend(judge::goals(self.kpi, self.view.params));
        let partition = Partition::of(items, &self.view.params.catalogue);
        let of_people = self.kpi.needs.iter().any(|need| need.is_about_people());
        for scope in Scope::all(&self.view.params.catalogue) {
            let is_of_scope = !(of_people && matches!(scope, Scope::Service(_)));
            if is_of_scope && self.plan.scope.is_none_or(|only| only == scope) {
                let items = partition.scope(scope);
                for cut in self.cuts(scope) {
                    self.measure(scope, &cut, &items, evaluation);
                }
            }
        }
    }

    fn cuts(&self, scope: Scope) -> Vec<Cut> {
        let calendar = &self.view.params.calendar;
        let mut windows: Vec<Window> = match scope {
            Scope::Service(_) => {
                let mut windows = self.plan.service_windows.clone();
                if self.plan.service_defaults {
                    windows.extend(self.kpi.own_window());
                }
                windows
            }
            Scope::Org | Scope::Team(_) => self.plan.windows.clone(),
        };
        if self.kpi.is_about_now() {
            return vec![Window::Now.cut(self.view.as_of, calendar)];
        }
        windows.retain(|window| !window.is_state());
        windows.extend(self.kpi.own_window().filter(|own| own.is_state()));
        windows.sort();
        windows.dedup();
        let mut cuts: Vec<Cut> =
            windows.into_iter().map(|window| window.cut(self.view.as_of, calendar)).collect();
        let history = match scope {
            Scope::Service(_) => self.plan.service_history,
            Scope::Org | Scope::Team(_) => self.plan.history,
        };
        if history {
            cuts.extend(Cut::month_history(self.view.as_of, calendar));
            cuts.extend(Cut::quarter_history(self.view.as_of, calendar));
        }
        cuts
    }

    fn measure(&self, scope: Scope, cut: &Cut, items: &[&Item], evaluation: &mut Evaluation) {
        let availability =
            Availability::of(self.kpi, self.view.params, self.freshness, self.view.as_of);
        let start = cut.span.start;
        // Of a state nothing is judged in a stretch of time.
        let is_judged = cut.kind.is_state() || !self.kpi.is_about_a_state();
        // A period that has not begun has no zero in it: nothing can have happened yet.
        let unavailable = (start > self.view.as_of)
            .then_some(State::NoData)
            .or_else(|| availability.kpi(start))
            .or_else(|| self.unseen(scope));
        let (readings, previous) = match unavailable {
            None => {
                let readings = self.available(&availability, scope, cut, items);
                let previous = cut.previous(self.view.as_of, &self.view.params.calendar);
                let previous = previous
                    .filter(|it| availability.kpi(it.span.start).is_none())
                    .map(|it| (self.available(&availability, scope, &it, items), it));
                (readings, previous)
            }
            Some(_) => (Vec::new(), None),
        };
        let verdict = judge::Verdict {
            view: self.view,
            kpi: self.kpi,
            scope,
            cut,
            items,
            readings: &readings,
            previous: previous.as_ref().map(|(readings, cut)| (readings.as_slice(), cut)),
            unavailable,
            baseline: match self.view.params.baseline {
                None => Ok(None),
                Some(span) => availability.kpi(span.start).map_or(Ok(Some(span)), Err),
            },
        };
        if is_judged {
            evaluation.statuses.extend(verdict.judge());
        } else if !readings.is_empty() {
            evaluation.statuses.push(verdict.without_target());
        }
        for reading in readings {
            let previous_ratio = previous.as_ref().and_then(|(earlier, earlier_cut)| {
                judge::previous_ratio(self.kpi, &reading, cut, earlier, earlier_cut)
            });
            evaluation.readings.push(Evaluated {
                kpi: self.kpi,
                scope,
                window: cut.label.clone(),
                period: cut.period.clone(),
                reading,
                previous_ratio,
            });
        }
    }

    /// A scope that nothing can be known about has no data, however fresh the sources are: none of
    /// its repositories was ever seen (misspelt, or not for this token), or no incident service is
    /// mapped to any of its services. The organisation has the incidents of all services, mapped
    /// or not.
    fn unseen(&self, scope: Scope) -> Option<State> {
        let timeline = self.view.timeline;
        let is_seen = |need: &Need, service: &Service| match need {
            Need::Debt if self.view.params.rules.debt.is_none() => true,
            Need::Deployments | Need::Changes | Need::Debt => {
                timeline.repository_named(&service.repository).is_some()
            }
            Need::Incidents => scope == Scope::Org || !service.incident_services.is_empty(),
            // Of these nothing says for which services they are collected.
            _ => true,
        };
        let services = self.view.params.catalogue.services.iter().enumerate();
        let services: Vec<&Service> = services
            .filter(|(index, service)| match scope {
                Scope::Org => true,
                Scope::Team(team) => service.team == team,
                Scope::Service(only) => *index == only,
            })
            .map(|(_, service)| service)
            .collect();
        let unseen = |need: &Need| !services.iter().any(|service| is_seen(need, service));
        (!services.is_empty() && self.kpi.needs.iter().any(unseen)).then_some(State::NoData)
    }

    /// The readings of the families whose own needs are covered.
    fn available(
        &self,
        availability: &Availability<'_>,
        scope: Scope,
        cut: &Cut,
        items: &[&Item],
    ) -> Vec<Reading> {
        let slice = Slice {
            scope,
            window: cut.span,
            as_of: self.view.as_of,
            calendar: cut.kind,
            view: self.view,
        };
        let mut readings = (self.kpi.measure)(items, &slice);
        readings.retain(|reading| {
            self.kpi
                .families
                .iter()
                .find(|family| family.name == reading.family)
                .is_some_and(|family| availability.family(family, cut.span.start).is_none())
        });
        readings
    }
}
