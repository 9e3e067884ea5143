//! What is left of an error budget, and while what it was spent (kpis.md 3.4).

mod exhaustion;
#[cfg(test)]
mod swings;

use chrono::Months;

use super::attribution::Cause;
use super::ledger::Ledger;
use super::params::{Params, Slo};
use super::statistics::budget::Events;
use super::statistics::histogram::whole;
use super::{Need, Reading, Slice, Span, WindowKind};

pub(super) const REMAINING: &str = "engkpi_error_budget_remaining_ratio";
pub(super) const PROJECTED: &str = "engkpi_error_budget_projected_remaining_ratio";
pub(super) const EXHAUSTION: &str = "engkpi_error_budget_exhaustion_seconds";
pub(super) const CONSUMED: &str = "engkpi_error_budget_consumed_ratio";

/// A window of an SLO, as far as it is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub(super) window: Span,
    /// All that it will be, of a calendar window that is running.
    whole: Option<Span>,
}

impl Stretch {
    /// The window of `slice`; where each SLO has its own, that of `slo`.
    pub(super) fn of(slo: &Slo, slice: &Slice<'_>) -> Self {
        let calendar = &slice.view.params.calendar;
        if slice.calendar == WindowKind::Own {
            let (window, whole) = slo.own.cut(slice.as_of, calendar);
            return Self { window, whole };
        }
        let months = match slice.calendar {
            WindowKind::Month { complete: false } => Some(1),
            WindowKind::Quarter { complete: false } => Some(3),
            WindowKind::Year { complete: false } => Some(12),
            _ => None,
        };
        let start = slice.window.start;
        let end = months.and_then(|it| calendar.date(start).checked_add_months(Months::new(it)));
        let whole = end.map(|it| Span { start, end: calendar.start_of(it) });
        Self { window: slice.window, whole: whole.filter(|it| slice.window.end <= it.end) }
    }

    /// Which share of a running calendar window is over.
    fn elapsed(&self) -> Option<f64> {
        self.whole.map(|whole| self.window.days() / whole.days())
    }
}

/// The budget of a window in which `events` were counted, by the method of the objective.
pub(super) fn readings(
    slo: &Slo,
    slice: &Slice<'_>,
    stretch: &Stretch,
    ledger: &Ledger<'_>,
    events: &Events,
) -> Vec<Reading> {
    // Of hours with another objective of slices nobody knows what they spent.
    let counted = match slo.is_unjudged(events) {
        true => Events::default(),
        false => slo.budgeted(events),
    };
    let burn = counted.burn(slo.allowed);
    let reading = |family, value: Option<f64>| {
        Reading::new(family, value.filter(|it| it.is_finite()), whole(counted.total))
            .with("slo", slo.id.as_str())
    };
    // At the edge of a calendar, before any hour is over, nothing is spent.
    let begins = stretch.whole.is_some() && ledger.coverage(stretch.window).is_none();
    let burn = burn.or(begins.then_some(0.0));
    let mut readings = vec![reading(REMAINING, burn.map(|burn| 1.0 - burn))];
    if let Some(elapsed) = stretch.elapsed() {
        let projected = burn.map(|burn| 1.0 - burn * elapsed);
        readings.push(reading(PROJECTED, projected));
    }
    // When it will be gone is asked of the window that the budget is for.
    if slice.calendar == WindowKind::Own && counted.total > 0.0 {
        let seconds = exhaustion::exhaustion(slo, stretch, ledger, slice.as_of);
        readings.push(reading(EXHAUSTION, seconds));
    }
    readings.extend(consumed(slo, slice, stretch.window, &counted));
    readings
}

/// The budget consumed, by what was going on. Causes that nobody collects have no part.
fn consumed(slo: &Slo, slice: &Slice<'_>, window: Span, counted: &Events) -> Vec<Reading> {
    let budget = counted.total * slo.allowed;
    let causes = [Need::Deployments, Need::Incidents];
    let mut sources = slice.view.params.sources.iter();
    // What is not known of one cause would be in another one's part.
    let unknown = sources.any(|it| {
        causes.iter().any(|need| it.feeds.contains(need)) && window.start < it.history_start
    });
    let burnt = slice.view.burnt(slo).filter(|_| budget > 0.0 && !unknown);
    let Some(burnt) = burnt else { return Vec::new() };
    let known = |cause: &Cause| match cause {
        Cause::Deployment => slo.service.is_some() && !slice.view.lacks(Need::Deployments),
        Cause::Incident => {
            has_incidents(slo, slice.view.params) && !slice.view.lacks(Need::Incidents)
        }
        Cause::Maintenance => slo.service.is_some(),
        Cause::Unattributed => true,
    };
    let parts = burnt.by_cause(window, counted.net()).into_iter();
    parts
        .filter(|(cause, _)| known(cause))
        .map(|(cause, bad)| {
            let mut reading = Reading::new(CONSUMED, Some(bad / budget), whole(counted.total))
                .with("slo", slo.id.as_str())
                .with("cause", cause.as_str());
            reading.uses = &[Need::Deployments, Need::Incidents];
            reading
        })
        .collect()
}

/// Whether incidents can be of the service of an SLO.
fn has_incidents(slo: &Slo, params: &Params) -> bool {
    let services = &params.catalogue.services;
    slo.service.is_some_and(|it| !services[it].incident_services.is_empty())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::SourceName;
    use crate::kpi::evaluation::{Freshness, Plan, SourceFreshness, evaluate};
    use crate::kpi::testing::{Story, instant, source};
    use crate::kpi::{Window, slo_compliance};

    /// Ten days, and on the fifth a deployment with errors and an incident without one.
    const STORY: &str = "service web incidents PWEB
        slo up of web objective 0.999
        as_of 31T00:00
        02-01T00:00 hour up for 1392 bad:10 total:100000 valid:12 met:12
        05T10:10 deploy web c1
        05T10:00 hour up for 2 bad:5010 total:100000 valid:12 met:0
        06T10:00 incident i1 P2
        06T10:00 hour up bad:5010 total:100000 valid:12 met:0
        06T10:59 resolve i1";

    fn consumed(story: &Story) -> String {
        story.reading(&slo_compliance::KPI, "service web 30d", "consumed")
    }

    #[test]
    fn the_parts_of_a_budget_add_up_to_what_does_not_remain() {
        let story = Story::told(STORY);
        expect![[r#"
            error_budget_consumed_ratio up deployment 0.1389 n=72000000 coverage=1.00
            error_budget_consumed_ratio up incident 0.0682 n=72000000 coverage=1.00
            error_budget_consumed_ratio up maintenance 0 n=72000000 coverage=1.00
            error_budget_consumed_ratio up unattributed 0.1013 n=72000000 coverage=1.00"#]]
        .assert_eq(&consumed(&story));
        let remaining = story.reading(&slo_compliance::KPI, "service web 30d", "remaining");
        expect!["error_budget_remaining_ratio up 0.6917 n=72000000 coverage=1.00"]
            .assert_eq(&remaining);
    }

    #[test]
    fn what_nobody_collects_has_no_part() {
        let mut story = Story::told(STORY);
        story.params.sources = vec![source(
            "prometheus",
            &[Need::Objectives, Need::Deployments],
            instant("02-01T00:00"),
        )];
        expect![[r#"
            error_budget_consumed_ratio up deployment 0.1389 n=72000000 coverage=1.00
            error_budget_consumed_ratio up maintenance 0 n=72000000 coverage=1.00
            error_budget_consumed_ratio up unattributed 0.1013 n=72000000 coverage=1.00"#]]
        .assert_eq(&consumed(&story));
        let unmapped = Story::told(&STORY.replace(" incidents PWEB", ""));
        expect![[r#"
            error_budget_consumed_ratio up deployment 0.1389 n=72000000 coverage=1.00
            error_budget_consumed_ratio up maintenance 0 n=72000000 coverage=1.00
            error_budget_consumed_ratio up unattributed 0.1694 n=72000000 coverage=1.00"#]]
        .assert_eq(&consumed(&unmapped));
    }

    /// How many readings say what was consumed of the last 30 days.
    fn known(story: &Story, sources: &[(&str, &[Need], &str)]) -> usize {
        let mut story = story.clone();
        let mut freshness = Freshness::new();
        for (name, feeds, at) in sources {
            story.params.sources.push(source(name, feeds, instant("02-01T00:00")));
            let at = instant(at);
            let fresh = SourceFreshness { last_success: at, data_through: at };
            freshness.insert(SourceName::from(*name), fresh);
        }
        let window = Window::parse("30d").unwrap();
        let plan = Plan { history: false, ..Plan::published(vec![window], false) };
        let timeline = story.timeline();
        let evaluation = evaluate(&timeline, &story.params, &freshness, &plan, story.as_of);
        let readings = evaluation.readings();
        readings.filter(|it| it.reading.family == CONSUMED && it.window == "30d").count()
    }

    #[test]
    fn while_one_of_the_causes_is_not_up_to_date_nobody_knows_the_parts() {
        let story = Story::told(STORY);
        let ours: (&str, &[Need], &str) = ("prometheus", &[Need::Objectives], "31T00:00");
        let causes: &[Need] = &[Need::Deployments, Need::Incidents];
        let parts = 3 * 4;
        assert_eq!(known(&story, &[ours, ("github", causes, "31T00:00")]), parts);
        assert_eq!(known(&story, &[ours, ("github", causes, "30T22:00")]), 0);
        assert_eq!(known(&story, &[ours]), 3 * 2, "neither is collected");
    }

    /// A quarter in Berlin that began on the 30th of September at 22:00.
    fn berlin(as_of: &str) -> Story {
        Story::told(&format!(
            "service web
             slo up of web objective 0.999 window 1Q calendar in Europe/Berlin
             as_of {as_of}
             06-01T00:00 hour up for 2926 bad:900 total:100000 valid:12 met:0
             09-30T22:00 hour up for 100 bad:10 total:100000 valid:12 met:12"
        ))
    }

    fn own(story: &Story) -> String {
        story.reading(&slo_compliance::KPI, "service web own", "error_budget_")
    }

    #[test]
    fn a_budget_begins_at_100_percent_at_the_edge_of_its_calendar() {
        expect![[r#"
            error_budget_remaining_ratio up -8 n=220700000 coverage=1.00
            error_budget_projected_remaining_ratio up -7.9999 n=220700000 coverage=1.00
            error_budget_exhaustion_seconds up 0s n=220700000 coverage=1.00
            error_budget_consumed_ratio up deployment 0 n=220700000 coverage=1.00
            error_budget_consumed_ratio up maintenance 0 n=220700000 coverage=1.00
            error_budget_consumed_ratio up unattributed 9 n=220700000 coverage=1.00"#]]
        .assert_eq(&own(&berlin("09-30T21:59")));
        expect![[r#"
            error_budget_remaining_ratio up 1 n=0
            error_budget_projected_remaining_ratio up 1 n=0"#]]
        .assert_eq(&own(&berlin("09-30T22:00")));
        expect![[r#"
            error_budget_remaining_ratio up 1 n=0
            error_budget_projected_remaining_ratio up 1 n=0"#]]
        .assert_eq(&own(&berlin("09-30T22:59")));
        expect![[r#"
            error_budget_remaining_ratio up 0.9 n=100000 coverage=1.00
            error_budget_projected_remaining_ratio up 1 n=100000 coverage=1.00
            error_budget_exhaustion_seconds up 10d15h58m50s468ms n=100000 coverage=1.00
            error_budget_consumed_ratio up deployment 0 n=100000 coverage=1.00
            error_budget_consumed_ratio up maintenance 0 n=100000 coverage=1.00
            error_budget_consumed_ratio up unattributed 0.1 n=100000 coverage=1.00"#]]
        .assert_eq(&own(&berlin("09-30T23:00")));
        expect![[r#"
            error_budget_remaining_ratio up 0.9 n=2400000 coverage=1.00
            error_budget_projected_remaining_ratio up 0.9989 n=2400000 coverage=1.00
            error_budget_exhaustion_seconds up - n=2400000 coverage=1.00
            error_budget_consumed_ratio up deployment 0 n=2400000 coverage=1.00
            error_budget_consumed_ratio up maintenance 0 n=2400000 coverage=1.00
            error_budget_consumed_ratio up unattributed 0.1 n=2400000 coverage=1.00"#]]
        .assert_eq(&own(&berlin("10-01T22:00")));
    }

    #[test]
    fn what_rolls_and_has_thirty_days_is_the_window_of_30d() {
        let story = Story::told(STORY);
        let of = |window: &str| {
            let readings = story.readings(&slo_compliance::KPI, &format!("org {window}"));
            let common = readings.lines().filter(|it| !it.contains("exhaustion"));
            common.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(of("own"), of("30d"));
        let longer = Story::told(&STORY.replace("0.999", "0.999 window 36h"));
        let longer = longer.reading(&slo_compliance::KPI, "org own", "events");
        expect!["slo_compliance_ratio up events 0.9999 n=3600000 numerator=3599640 coverage=1.00"]
            .assert_eq(&longer);
    }

    #[test]
    fn only_what_is_about_objectives_has_windows_of_its_own() {
        let mut story = Story::told(STORY);
        story.params.sources.push(source(
            "prometheus",
            &[Need::Objectives, Need::Incidents],
            instant("02-01T00:00"),
        ));
        let at = story.as_of;
        let fresh = SourceFreshness { last_success: at, data_through: at };
        let freshness = Freshness::from([(SourceName::from("prometheus"), fresh)]);
        let timeline = story.timeline();
        let plan = Plan::published(Vec::new(), false);
        let evaluation = evaluate(&timeline, &story.params, &freshness, &plan, story.as_of);
        let info = evaluation.facts.iter().find(|it| it.family == "engkpi_slo_info").unwrap();
        let labels: Vec<&str> = info.labels.iter().map(|(_, it)| it.as_str()).collect();
        assert_eq!(labels, ["web", "core", "up", "0.999", "30d", "events"]);
        let scopes = |kpi: &str| {
            let own =
                evaluation.readings().filter(|it| it.kpi.id == kpi && it.window.as_str() == "own");
            own.map(|it| it.scope.as_str()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(Vec::from_iter(scopes("slo_compliance")), ["org", "service", "team"]);
        assert!(scopes("error_budget_burn").is_empty() && scopes("incident_frequency").is_empty());
        let judged = evaluation.statuses().filter(|it| it.window.as_str() == "own");
        assert_eq!(judged.filter(|it| it.state == crate::kpi::State::Met).count(), 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_rolls_and_what_a_calendar_cuts_agree_on_the_same_time(
            hours in prop::collection::vec((-20_i32..50, 1_i32..5_000), 31 * 24),
            over in 1_usize..31 * 24,
        ) {
            let as_of = instant("01T00:00") + chrono::TimeDelta::hours(i64::try_from(over).unwrap());
            let told = |window: &str| {
                let mut story = format!(
                    "service web\nslo up of web objective 0.999 window {window}\nas_of {}\n",
                    crate::kpi::testing::told(as_of)
                );
                for (hour, (bad, total)) in hours.iter().enumerate() {
                    let (day, hour, bad) = (1 + hour / 24, hour % 24, bad.min(total));
                    story += &format!("{day:02}T{hour:02}:00 hour up bad:{bad} total:{total} valid:12 met:6\n");
                }
                let readings = Story::told(&story).readings(&slo_compliance::KPI, "service web own");
                // A calendar has a whole budget, which lasts longer than that of so far.
                let common = readings
                    .lines()
                    .filter(|it| !it.contains("projected") && !it.contains("exhaustion"));
                common.map(str::to_owned).collect::<Vec<_>>()
            };
            prop_assume!(over >= 24);
            prop_assert_eq!(told("1M calendar"), told(&format!("{over}h")));
        }
    }
}
