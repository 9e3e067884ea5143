//! An evaluation: every KPI for every scope and window, from one view.
//!
//! Pure and total. What it returns is immutable and says of every number its n, its interval and
//! its status; whatever shows numbers to people or machines renders an [`Evaluation`].

mod coverage;
mod judge;
mod measure;
mod parts;
mod refresh;
mod scope;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

pub use coverage::{Freshness, SourceFreshness, SourceHealth};
pub use parts::{Parts, Section};
pub use refresh::refresh;
pub use scope::Scope;

use measure::Measuring;
use scope::Partition;

use super::link::Link;
use super::status::State;
use super::window::{Cut, Window};
use super::{Item, Kpi, Need, Params, Reading, TargetRule, View};
use crate::domain::{Instant, Text, Timeline};

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
    /// One KPI in one window, for the organisation.
    pub fn of_org(kpi: &'static Kpi, window: Window) -> Self {
        Self {
            kpis: vec![kpi],
            windows: vec![window],
            service_windows: Vec::new(),
            service_defaults: false,
            history: false,
            service_history: false,
            scope: Some(Scope::Org),
        }
    }

    /// What /metrics shows: every window at org and team scope; at service scope each KPI's
    /// default window and `30d`.
    pub fn published(service_windows: Vec<Window>, service_history: bool) -> Self {
        Self {
            kpis: super::ALL.to_vec(),
            windows: Window::PUBLISHED.into_iter().chain([Window::Own]).collect(),
            service_windows,
            service_defaults: true,
            history: true,
            service_history,
            scope: None,
        }
    }
}

/// What there is to say about one KPI in one scope.
#[derive(Clone, Debug)]
pub struct Part {
    /// The KPI.
    pub kpi: &'static Kpi,
    /// Whose.
    pub scope: Scope,
    /// The instant that its windows end at.
    pub as_of: Instant,
    /// The values by window.
    pub readings: Arc<[Evaluated]>,
    /// The verdicts by window.
    pub statuses: Arc<[Judged]>,
}

impl Part {
    /// What it is found by among those of an evaluation, and itself.
    fn place(&self) -> ((&'static str, Scope), &Self) {
        ((self.kpi.id, self.scope), self)
    }

    /// Lets it hold what an earlier part of the same KPI and scope holds, where that says the same.
    fn share(&mut self, earlier: &Self) {
        if self.readings == earlier.readings {
            self.readings = Arc::clone(&earlier.readings);
        }
        if self.statuses == earlier.statuses {
            self.statuses = Arc::clone(&earlier.statuses);
        }
    }
}

/// One value with everything that must be known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// The KPI.
    pub kpi: &'static Kpi,
    /// Whose value.
    pub scope: Scope,
    /// The `window` label, for example `90d` or `month_history`.
    pub window: Text,
    /// The `period` label of calendar history, for example `2026-09`.
    pub period: Option<Text>,
    /// The value with n, interval and exclusions.
    pub reading: Reading,
    /// The value divided by that of the previous window (counts per day).
    pub previous_ratio: Option<f64>,
}

/// How a KPI stands in one scope and window.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The KPI.
    pub kpi: &'static Kpi,
    /// Whose status.
    pub scope: Scope,
    /// The `window` label.
    pub window: Text,
    /// The `period` label of calendar history.
    pub period: Option<Text>,
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
#[derive(Clone, Debug, PartialEq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub names: Arc<Names>,
    /// The values and verdicts.
    pub parts: Parts,
    /// The targets.
    pub goals: Vec<Goal>,
    /// Facts by kind and label.
    pub facts: Arc<Vec<FactCount>>,
    /// The same by family alone, each counted once however many services it belongs to.
    pub totals: Vec<(&'static str, u64)>,
    /// How fresh each source is.
    pub sources: Vec<SourceHealth>,
}

impl Evaluation {
    /// The values, by KPI, scope and window. Undefined ones are there too, with `value: None` and
    /// their n.
    pub fn readings(&self) -> impl Iterator<Item = &Evaluated> {
        self.parts.by_kpi().into_iter().flat_map(|part| part.readings.iter())
    }

    /// The instant that the numbers of a KPI in a scope are of.
    pub fn as_of_part(&self, kpi: &Kpi, scope: Scope) -> Instant {
        let part = self.parts.of_scope(scope).find(|it| it.kpi.id == kpi.id);
        part.map_or(self.as_of, |it| it.as_of)
    }

    /// The verdicts, by KPI, scope and window.
    pub fn statuses(&self) -> impl Iterator<Item = &Judged> {
        self.parts.by_kpi().into_iter().flat_map(|part| part.statuses.iter())
    }

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    evaluate_after(None, (timeline, params), freshness, plan, as_of)
}

/// The same; what says the same as in `before` is kept once for both.
pub fn evaluate_after(
    before: Option<&Evaluation>,
    (timeline, params): (&Timeline, &Params),
    freshness: &Freshness,
    plan: &Plan,
    as_of: Instant,
) -> Evaluation {
    let view = View::build(timeline, params, as_of);
    let mut evaluation = empty(&view, freshness);
    let before: HashMap<(&str, Scope), &Part> =
        before.iter().flat_map(|it| it.parts.iter()).map(|it| it.place()).collect();
    let scopes: Vec<Scope> = Scope::all(&params.catalogue)
        .filter(|scope| plan.scope.is_none_or(|only| only == *scope))
        .collect();
    evaluation.goals = plan.kpis.iter().flat_map(|kpi| judge::goals(kpi, params)).collect();
    // Those of the most items first: what they take is gone when the parts of all others are there.
    let mut order: Vec<usize> = (0..plan.kpis.len()).collect();
    let has_few = |at: &usize, need| !plan.kpis[*at].needs.contains(&need);
    order.sort_by_key(|at| (has_few(at, Need::Changes), has_few(at, Need::Deployments)));
    let mut parts = vec![Vec::new(); plan.kpis.len()];
    for at in order {
        let kpi = plan.kpis[at];
        let items = (kpi.assess)(&view);
        let measuring = Measuring::of(&view, freshness, plan, kpi);
        parts[at] = measuring.run(&items, &scopes, &before);
    }
    evaluation.parts = Parts::of(&evaluation.names, parts.into_iter().flatten());
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
    explain_in(&View::build(timeline, params, as_of).explained(), freshness, (kpi, scope, window))
}

/// The same from a view for people who read the items.
pub fn explain_in(
    view: &View<'_>,
    freshness: &Freshness,
    (kpi, scope, window): (&'static Kpi, Scope, Window),
) -> Explanation {
    let View { timeline, params, as_of, .. } = *view;
    // A window that the KPI does not have means its own.
    let own = kpi.own_window().filter(|own| own.is_state() || window.is_state());
    let each = window == Window::Own && kpi.has_own_windows();
    let window = own.filter(|_| !each).unwrap_or(window);
    let plan = Plan {
        kpis: vec![kpi],
        windows: vec![window],
        service_windows: vec![window],
        service_defaults: false,
        history: false,
        service_history: false,
        scope: Some(scope),
    };
    let items = (kpi.assess)(view);
    let mut evaluation = empty(view, freshness);
    evaluation.goals.extend(judge::goals(kpi, params));
    let parts = Measuring::of(view, freshness, &plan, kpi).run(&items, &[scope], &HashMap::new());
    evaluation.parts = Parts::of(&evaluation.names, parts);
    let items = Partition::of(&items, &params.catalogue).scope(scope);
    let cut = window.cut(as_of, &params.calendar);
    Explanation {
        kpi,
        evaluation,
        items: items
            .into_iter()
            .flat_map(|item| super::ledger_items::unfold(view, item, &cut))
            .map(|item| Explained { link: Link::of(&item.id, timeline, params), item })
            .collect(),
        window: cut,
    }
}

fn empty(view: &View<'_>, freshness: &Freshness) -> Evaluation {
    Evaluation {
        as_of: view.as_of,
        names: Names::of(view.params).into(),
        parts: Parts::default(),
        goals: Vec::new(),
        facts: super::facts::count(view).into(),
        totals: super::facts::totals(view),
        sources: coverage::health(view.params, freshness, view.as_of),
    }
}
