//! What is left of an error budget, and while what it was spent (kpis.md 3.4).

use chrono::Months;

use super::attribution::Cause;
use super::params::{Params, Slo};
use super::statistics::budget::Events;
use super::statistics::histogram::whole;
use super::{Need, Reading, Slice, Span, WindowKind};

pub(super) const REMAINING: &str = "engkpi_error_budget_remaining_ratio";
pub(super) const PROJECTED: &str = "engkpi_error_budget_projected_remaining_ratio";
pub(super) const CONSUMED: &str = "engkpi_error_budget_consumed_ratio";

/// The budget of a window in which `events` were counted, by the method of the objective.
pub(super) fn readings(slo: &Slo, slice: &Slice<'_>, events: &Events) -> Vec<Reading> {
    let counted = slo.budgeted(events);
    let remaining = counted.burn(slo.allowed).map(|burn| 1.0 - burn);
    let reading = |family, value: Option<f64>| {
        Reading::new(family, value.filter(|it| it.is_finite()), whole(counted.total))
            .with("slo", slo.id.as_str())
    };
    let mut readings = vec![reading(REMAINING, remaining)];
    if let Some(elapsed) = elapsed(slice) {
        let projected = counted.burn(slo.allowed).map(|burn| 1.0 - burn * elapsed);
        readings.push(reading(PROJECTED, projected));
    }
    readings.extend(consumed(slo, slice, &counted));
    readings
}

/// The budget consumed, by what was going on. Causes that nobody collects have no part.
fn consumed(slo: &Slo, slice: &Slice<'_>, counted: &Events) -> Vec<Reading> {
    let budget = counted.total * slo.allowed;
    let Some(burnt) = slice.view.burnt(slo).filter(|_| budget > 0.0) else { return Vec::new() };
    let known = |cause: &Cause| match cause {
        Cause::Deployment => slo.service.is_some() && !slice.view.lacks(Need::Deployments),
        Cause::Incident => {
            has_incidents(slo, slice.view.params) && !slice.view.lacks(Need::Incidents)
        }
        Cause::Maintenance => slo.service.is_some(),
        Cause::Unattributed => true,
    };
    let parts = burnt.by_cause(slice.window, counted.bad).into_iter();
    parts
        .filter(|(cause, _)| known(cause))
        .map(|(cause, bad)| {
            let mut reading = Reading::new(CONSUMED, Some(bad / budget), whole(counted.total))
                .with("slo", slo.id.as_str())
                .with("cause", cause.as_str());
            // What is not known of one cause would be in another one's part.
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

/// Which share of a running calendar window is over.
fn elapsed(slice: &Slice<'_>) -> Option<f64> {
    let months = match slice.calendar {
        WindowKind::Month { complete: false } => 1,
        WindowKind::Quarter { complete: false } => 3,
        WindowKind::Year { complete: false } => 12,
        _ => return None,
    };
    let calendar = &slice.view.params.calendar;
    let start = slice.window.start;
    let end = calendar.date(start).checked_add_months(Months::new(months))?;
    let whole = Span { start, end: calendar.start_of(end) };
    let share = slice.window.days() / whole.days();
    (0.0..=1.0).contains(&share).then_some(share)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::domain::SourceName;
    use crate::kpi::evaluation::{Freshness, Plan, SourceFreshness, evaluate};
    use crate::kpi::params::SourceParams;
    use crate::kpi::testing::{Story, instant};
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
        story.params.sources = vec![source("prometheus", &[Need::Objectives, Need::Deployments])];
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

    fn source(name: &str, feeds: &[Need]) -> SourceParams {
        SourceParams {
            name: SourceName::from(name),
            feeds: feeds.to_vec(),
            history_start: instant("02-01T00:00"),
            parts: [].into(),
            stale_after: chrono::Duration::hours(1),
            web_base: "https://example.com".parse().unwrap(),
        }
    }

    /// How many readings say what was consumed of the last 30 days.
    fn known(story: &Story, sources: &[(&str, &[Need], &str)]) -> usize {
        let mut story = story.clone();
        let mut freshness = Freshness::new();
        for (name, feeds, at) in sources {
            story.params.sources.push(source(name, feeds));
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
}
