//! Measures the items of one KPI in every scope and window that a plan asks for.

use std::collections::HashMap;
use std::sync::Arc;

use super::coverage::{Availability, Freshness};
use super::judge;
use super::scope::{Partition, Scope};
use super::{Evaluated, Judged, Part, Plan};
use crate::kpi::params::Service;
use crate::kpi::statistics::Logarithms;
use crate::kpi::status::State;
use crate::kpi::window::{Cut, Span, Window};
use crate::kpi::{Item, Kpi, Need, Outcome, Reading, Slice, View, WindowKind, parallel};

/// Runs one KPI over the scopes and windows of a plan.
pub(super) struct Measuring<'a> {
    view: &'a View<'a>,
    kpi: &'static Kpi,
    availability: Availability<'a>,
    /// The windows of services, and those of teams and the organisation; each with the one before.
    service_cuts: Vec<Compared>,
    cuts: Vec<Compared>,
    baseline: Result<Option<Span>, State>,
}

/// A window and the one that it is compared with; `None` where the sources do not cover that.
struct Compared {
    cut: Cut,
    previous: Option<Cut>,
    unavailable: Option<State>,
}

impl<'a> Measuring<'a> {
    pub(super) fn of(
        view: &'a View<'a>,
        freshness: &'a Freshness,
        plan: &Plan,
        kpi: &'static Kpi,
    ) -> Self {
        let params = view.params;
        let availability = Availability::of(kpi, params, freshness, view.as_of);
        let mut service_windows = plan.service_windows.clone();
        if plan.service_defaults {
            service_windows.extend(kpi.own_window());
            service_windows.push(Window::Own);
        }
        let baseline = match params.baseline {
            None => Ok(None),
            Some(span) => availability.kpi(span.start).map_or(Ok(Some(span)), Err),
        };
        let mut measuring =
            Self { view, kpi, availability, service_cuts: Vec::new(), cuts: Vec::new(), baseline };
        measuring.service_cuts = measuring.compared(service_windows, plan.service_history);
        measuring.cuts = measuring.compared(plan.windows.clone(), plan.history);
        measuring
    }

    fn compared(&self, mut windows: Vec<Window>, history: bool) -> Vec<Compared> {
        let (as_of, calendar) = (self.view.as_of, &self.view.params.calendar);
        let own = self.kpi.own_window();
        let each = windows.contains(&Window::Own) && self.kpi.has_own_windows();
        windows.retain(|window| !window.is_state());
        windows.extend(each.then_some(Window::Own));
        windows.extend(own.filter(|own| own.is_state()));
        windows.sort();
        windows.dedup();
        if self.kpi.is_about_now() {
            windows = vec![Window::Now];
        }
        let mut cuts: Vec<Cut> = windows.into_iter().map(|it| it.cut(as_of, calendar)).collect();
        if history && !self.kpi.is_about_now() {
            cuts.extend(Cut::month_history(as_of, calendar));
            cuts.extend(Cut::quarter_history(as_of, calendar));
        }
        let compared = |cut: Cut| {
            let start = cut.span.start;
            // A period that has not begun has no zero in it: nothing can have happened yet.
            let unbegun = (start > as_of).then_some(State::NoData);
            let previous = cut.previous(as_of, calendar);
            Compared {
                unavailable: unbegun.or_else(|| self.availability.kpi(start)),
                previous: previous.filter(|it| self.availability.kpi(it.span.start).is_none()),
                cut,
            }
        };
        cuts.into_iter().map(compared).collect()
    }

    /// The parts of `scopes`, in their order, which hold what those in `before` do where they say the
    /// same. As many at a time as the machine can do.
    pub(super) fn run(
        &self,
        items: &[Item],
        scopes: &[Scope],
        before: &HashMap<(&str, Scope), &Part>,
    ) -> Vec<Arc<Part>> {
        let partition = Partition::of(items, &self.view.params.catalogue);
        let scopes = self.measured(scopes);
        parallel::map(scopes.len(), |at| self.one(scopes[at], &partition, before))
    }

    /// Those of `scopes` that it is measured for: what is about people is not about services.
    pub(super) fn measured(&self, scopes: &[Scope]) -> Vec<Scope> {
        let of_people = self.kpi.needs.iter().any(|need| need.is_about_people());
        let is_of_scope = |scope: &Scope| !(of_people && matches!(scope, Scope::Service(_)));
        scopes.iter().copied().filter(is_of_scope).collect()
    }

    /// The part of a scope.
    pub(super) fn one(
        &self,
        scope: Scope,
        partition: &Partition<'_>,
        before: &HashMap<(&str, Scope), &Part>,
    ) -> Arc<Part> {
        let mut part = self.part(scope, partition.scope(scope));
        if let Some(earlier) = before.get(&(self.kpi.id, scope)) {
            part.share(earlier);
        }
        Arc::new(part)
    }

    fn part(&self, scope: Scope, items: Vec<&Item>) -> Part {
        let compared = match scope {
            Scope::Service(_) => &self.service_cuts,
            Scope::Org | Scope::Team(_) => &self.cuts,
        };
        let (mut readings, mut statuses) = (Vec::new(), Vec::new());
        let mut measured = Measured::of(self, scope, items);
        let unseen = self.unseen(scope);
        for window in compared {
            self.window(window, unseen, &mut measured, (&mut readings, &mut statuses));
        }
        Part {
            kpi: self.kpi,
            scope,
            as_of: self.view.as_of,
            readings: readings.into(),
            statuses: statuses.into(),
        }
    }

    fn window(
        &self,
        compared: &Compared,
        unseen: Option<State>,
        measured: &mut Measured<'_, '_>,
        (values, statuses): (&mut Vec<Evaluated>, &mut Vec<Judged>),
    ) {
        let cut = &compared.cut;
        let unavailable = compared.unavailable.or(unseen);
        let (readings, previous) = match unavailable {
            None => {
                let readings = measured.readings(cut);
                let previous = compared.previous.as_ref();
                (readings, previous.map(|it| (measured.readings(it), it)))
            }
            Some(_) => (Arc::default(), None),
        };
        let verdict = judge::Verdict {
            view: self.view,
            kpi: self.kpi,
            scope: measured.scope,
            cut,
            durations: if unavailable.is_none() {
                measured.durations(cut.span)
            } else {
                Vec::new()
            },
            readings: &readings,
            previous: previous.as_ref().map(|(readings, cut)| (readings.as_slice(), *cut)),
            unavailable,
            baseline: self.baseline.map(|_| measured.baseline.as_ref()),
        };
        // Of a state nothing is judged in a stretch of time.
        if cut.kind.is_state() || !self.kpi.is_about_a_state() {
            statuses.extend(verdict.judge());
        } else if !readings.is_empty() {
            statuses.push(verdict.without_target());
        }
        for reading in readings.iter() {
            let previous_ratio = previous.as_ref().and_then(|(earlier, earlier_cut)| {
                judge::previous_ratio(self.kpi, reading, cut, earlier, earlier_cut)
            });
            values.push(Evaluated {
                kpi: self.kpi,
                scope: measured.scope,
                window: cut.label.clone(),
                period: cut.period.clone(),
                reading: reading.clone(),
                previous_ratio,
            });
        }
    }

    /// A scope that nothing can be known about has no data, however fresh the sources are: none of
    /// its repositories was ever seen (misspelt, or not for this token), or no incident service is
    /// mapped to any of its services. The organisation has the incidents of all services, mapped
    /// or not.
    fn unseen(&self, scope: Scope) -> Option<State> {
        let is_seen = |need: &Need, (index, service): (usize, &Service)| match need {
            Need::Debt if self.view.params.rules.debt.is_none() => true,
            Need::Deployments | Need::Changes | Need::Debt => self.view.seen[index],
            Need::Incidents => scope == Scope::Org || !service.incident_services.is_empty(),
            // Of these nothing says for which services they are collected.
            _ => true,
        };
        let services = self.view.params.catalogue.services.iter().enumerate();
        let services: Vec<(usize, &Service)> = services
            .filter(|(index, service)| match scope {
                Scope::Org => true,
                Scope::Team(team) => service.team == team,
                Scope::Service(only) => *index == only,
            })
            .collect();
        let unseen = |need: &Need| !services.iter().any(|service| is_seen(need, *service));
        (!services.is_empty() && self.kpi.needs.iter().any(unseen)).then_some(State::NoData)
    }
}

/// The items of one scope, and what was measured of them.
struct Measured<'m, 'i> {
    measuring: &'m Measuring<'m>,
    scope: Scope,
    items: Vec<&'i Item>,
    /// For each item the stretch of time in which anything of it lies; open ones have no end.
    extents: Vec<(i64, i64)>,
    /// What is about the present is the same in every window, and is made of all items.
    present: Option<Vec<Reading>>,
    /// A month of history is also the one before its successor.
    known: Vec<(Span, WindowKind, Arc<Vec<Reading>>)>,
    baseline: Option<Logarithms>,
}

impl<'m, 'i> Measured<'m, 'i> {
    fn of(measuring: &'m Measuring<'m>, scope: Scope, items: Vec<&'i Item>) -> Self {
        let extents = items.iter().map(|item| extent(measuring.kpi, item)).collect();
        let (present, known) = (None, Vec::new());
        let mut measured =
            Self { measuring, scope, items, extents, present, known, baseline: None };
        if let Ok(Some(span)) = measuring.baseline {
            measured.baseline = Some(Logarithms::of(&measured.durations(span)));
        }
        measured
    }

    /// The items of which anything lies in `span`, and the open ones, in the order of their ids.
    fn concerned(&self, span: Span) -> impl Iterator<Item = &'i Item> {
        let concerned = self.items.iter().zip(&self.extents);
        let concerned = concerned.filter(move |(_, extent)| concerns(span, **extent));
        concerned.map(|(item, _)| *item)
    }

    /// The durations that a baseline target compares.
    fn durations(&self, span: Span) -> Vec<f64> {
        let Some(name) = self.measuring.kpi.baseline_value else { return Vec::new() };
        let counted = self
            .concerned(span)
            .filter(|item| item.counted() && item.completed_at.is_some_and(|at| span.contains(at)));
        counted.filter_map(|item| item.value(name)).collect()
    }

    /// The readings of the families whose own needs are covered.
    fn readings(&mut self, cut: &Cut) -> Arc<Vec<Reading>> {
        let same =
            |(span, kind, _): &&(Span, WindowKind, _)| (*span, *kind) == (cut.span, cut.kind);
        if let Some((_, _, readings)) = self.known.iter().find(same) {
            return Arc::clone(readings);
        }
        let measuring = self.measuring;
        let slice = Slice {
            scope: self.scope,
            window: cut.span,
            as_of: measuring.view.as_of,
            calendar: cut.kind,
            view: measuring.view,
        };
        let measure = measuring.kpi.measure;
        let family = |reading: &Reading| {
            measuring.kpi.families.iter().find(|family| family.name == reading.family)
        };
        let is_present = |it: &Reading| family(it).is_some_and(|it| it.now);
        let concerned: Vec<&Item> = self.concerned(cut.span).collect();
        let mut readings = measure(&concerned, &slice);
        if measuring.kpi.families.iter().any(|family| family.now) {
            let present = self.present.get_or_insert_with(|| {
                let mut present = measure(&self.items, &slice);
                present.retain(is_present);
                present
            });
            readings.retain(|reading| !is_present(reading));
            readings.extend(present.iter().cloned());
        }
        readings.retain(|reading| {
            let start = cut.span.start;
            let known = measuring.availability.reading(reading, start).is_none();
            known
                && family(reading)
                    .is_some_and(|it| measuring.availability.family(it, start).is_none())
        });
        let readings = Arc::new(readings);
        self.known.push((cut.span, cut.kind, Arc::clone(&readings)));
        readings
    }
}

/// Whether any of a stretch of time lies in a window.
fn concerns(window: Span, (first, last): (i64, i64)) -> bool {
    first <= window.end.timestamp_micros() && window.start.timestamp_micros() <= last
}

/// The stretch of time in which an item's instants lie, in microseconds since 1970; without end
/// where the KPI measures a window from all items.
fn extent(kpi: &Kpi, item: &Item) -> (i64, i64) {
    let instants = item.completed_at.iter().chain(item.times.iter().map(|(_, at)| at));
    let instants = instants.chain(item.marks.iter().filter_map(|mark| mark.at.as_ref()));
    let instants = instants.chain([&item.started_at]).map(|at| at.timestamp_micros());
    let (first, last) =
        instants.fold((i64::MAX, i64::MIN), |(first, last), at| (first.min(at), last.max(at)));
    let open = item.outcome == Outcome::Open || item.completed_at.is_none();
    if open || !kpi.by_window { (i64::MIN, i64::MAX) } else { (first, last) }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use proptest::prelude::*;

    use super::*;
    use crate::kpi::ALL;
    use crate::kpi::view::properties::history;

    proptest! {
        #[test]
        fn what_lies_outside_a_window_changes_nothing_in_it_and_the_present_is_the_same_in_every_window(
            story in history(), ago in 0..40_i64, days in 1..40_i64,
        ) {
            let timeline = story.timeline();
            let view = View::build(&timeline, &story.params, story.as_of);
            let read = story.view(&timeline);
            let end = story.as_of - Duration::days(ago);
            let window = Span { start: end - Duration::days(days), end };
            let of = |window| Slice {
                scope: Scope::Org,
                window,
                as_of: story.as_of,
                calendar: WindowKind::Rolling,
                view: &view,
            };
            let now = Span { start: story.as_of, end: story.as_of };
            for kpi in ALL {
                let items = (kpi.assess)(&view);
                let read = (kpi.assess)(&read);
                let is_present = |it: &Reading| {
                    kpi.families.iter().any(|family| family.now && family.name == it.family)
                };
                for scope in ["org", "team core", "service api", "service rest"] {
                    let items = story.items_of(&items, scope);
                    let read = (kpi.measure)(&story.items_of(&read, scope), &of(window));
                    let measured = (kpi.measure)(&items, &of(window));
                    prop_assert_eq!(read, measured, "{} of {}: see View::is_explained", kpi.id, scope);
                    let mut concerned = items.clone();
                    concerned.retain(|item| concerns(window, extent(kpi, item)));
                    let (present, inside): (Vec<_>, Vec<_>) =
                        (kpi.measure)(&items, &of(window)).into_iter().partition(is_present);
                    let mut measured = (kpi.measure)(&concerned, &of(window));
                    measured.retain(|it| !is_present(it));
                    prop_assert_eq!(&measured, &inside, "{} of {}: see Kpi::measure", kpi.id, scope);
                    let mut elsewhere = (kpi.measure)(&items, &of(now));
                    elsewhere.retain(is_present);
                    prop_assert_eq!(&elsewhere, &present, "{} of {}: see Family::now", kpi.id, scope);
                }
            }
        }
    }
}
