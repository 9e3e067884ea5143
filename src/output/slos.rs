//! Service level objectives for people: how each stands, and while what its budget burnt.

use std::collections::BTreeMap;

use comfy_table::{Cell, CellAlignment};
use serde::Serialize;

use super::human;
use super::table::{new, trimmed};
use crate::domain::Instant;
use crate::kpi::evaluation::{DEFINITION, Evaluation, Explained, Explanation, FactCount};
use crate::kpi::{Item, ItemId, Reading, State};

/// Every SLO of a scope. Undefined numbers are `null`.
#[derive(Debug, Serialize)]
pub struct SlosBody<'a> {
    as_of: Instant,
    definition: &'static str,
    /// `own` = the window of each SLO's specification.
    window: &'a str,
    slos: Vec<SloBody<'a>>,
}

#[derive(Debug, Serialize)]
struct SloBody<'a> {
    slo: &'a str,
    service: Option<&'a str>,
    team: Option<&'a str>,
    objective: &'a str,
    /// The window of its specification.
    window: &'a str,
    /// What the objective is about: `events` or `slices`.
    budgeting: &'a str,
    compliance: Option<f64>,
    /// Share of the budget that is left.
    remaining: Option<f64>,
    projected_remaining: Option<f64>,
    exhaustion_seconds: Option<f64>,
    coverage: Option<f64>,
    low_traffic: Option<bool>,
    /// By window.
    burn: BTreeMap<&'a str, f64>,
    sustained_seconds: Option<f64>,
    status: Option<&'static str>,
    burn_status: Option<&'static str>,
    /// Share of the budget, by what was going on.
    consumed: BTreeMap<&'a str, f64>,
    burnt_while: Vec<BurntBody<'a>>,
    #[serde(skip)]
    states: (Option<State>, Option<State>),
}

/// What burnt of a budget while one thing was going on.
#[derive(Debug, Serialize)]
struct BurntBody<'a> {
    name: &'a str,
    url: Option<&'a str>,
    cause: &'a str,
    rule: Option<&'a str>,
    confidence: Option<&'a str>,
    consumed: Option<f64>,
    started_at: Instant,
    completed_at: Option<Instant>,
}

/// What an explanation of `slo_compliance` and an evaluation of `error_budget_burn` say about every
/// SLO of the team or the service, if one is named.
pub fn slos<'a>(
    compliance: &'a Explanation,
    burn: &'a Evaluation,
    (team, service): (Option<&str>, Option<&str>),
) -> SlosBody<'a> {
    let evaluation = &compliance.evaluation;
    let known = evaluation.facts.iter().filter(|it| it.family == "engkpi_slo_info");
    let wanted = |name: Option<&str>, of: &FactCount, key: &str| {
        name.is_none_or(|name| label(of, key) == Some(name))
    };
    let known = known.filter(|it| wanted(team, it, "team") && wanted(service, it, "service"));
    SlosBody {
        as_of: evaluation.as_of,
        definition: DEFINITION,
        window: &compliance.window.label,
        slos: known.map(|info| slo(info, compliance, burn)).collect(),
    }
}

fn label<'a>(info: &'a FactCount, name: &str) -> Option<&'a str> {
    let found = info.labels.iter().find(|(it, _)| *it == name);
    found.map(|(_, value)| value.as_str()).filter(|it| !it.is_empty())
}

fn slo<'a>(info: &'a FactCount, compliance: &'a Explanation, burn: &'a Evaluation) -> SloBody<'a> {
    let id = label(info, "slo").unwrap_or_default();
    let budgeting = label(info, "budgeting").unwrap_or_default();
    let of = |it: &&Reading| it.has("slo", id);
    let readings: Vec<&Reading> =
        compliance.evaluation.readings().map(|it| &it.reading).filter(of).collect();
    let burns: Vec<&Reading> = burn.readings().map(|it| &it.reading).filter(of).collect();
    let value = |all: &[&Reading], family: &str| {
        all.iter().find(|it| it.family == family).and_then(|it| it.value)
    };
    let by_method = readings.iter().find(|it| it.has("method", budgeting));
    let dimension = |reading: &'a Reading, name: &str| {
        let found = reading.dimensions.iter().find(|(it, _)| *it == name);
        found.map(|(_, value)| value.as_str())
    };
    let each = |all: &[&'a Reading], family: &str, name: &str| {
        let all = all.iter().filter(|it| it.family == family);
        all.filter_map(|it| Some((dimension(it, name)?, it.value?))).collect()
    };
    let state = |evaluation: &Evaluation| {
        let mut statuses = evaluation.statuses();
        let about = |name: &str, value: &str, of: &[(&'static str, String)]| {
            of.iter().any(|(it, is)| *it == name && is == value)
        };
        statuses.find(|it| about("slo", id, &it.dimensions)).map(|it| it.state)
    };
    let states = (state(&compliance.evaluation), state(burn));
    SloBody {
        slo: id,
        service: label(info, "service"),
        team: label(info, "team"),
        objective: label(info, "objective").unwrap_or_default(),
        window: label(info, "window").unwrap_or_default(),
        budgeting,
        compliance: by_method.and_then(|it| it.value),
        remaining: value(&readings, "engkpi_error_budget_remaining_ratio"),
        projected_remaining: value(&readings, "engkpi_error_budget_projected_remaining_ratio"),
        exhaustion_seconds: value(&readings, "engkpi_error_budget_exhaustion_seconds"),
        coverage: value(&readings, "engkpi_slo_window_coverage_ratio"),
        low_traffic: value(&readings, "engkpi_slo_low_traffic").map(|it| it > 0.0),
        burn: each(&burns, "engkpi_error_budget_burn_ratio", "window"),
        sustained_seconds: value(&burns, "engkpi_error_budget_burn_sustained_seconds"),
        status: states.0.map(State::as_str),
        burn_status: states.1.map(State::as_str),
        consumed: each(&readings, "engkpi_error_budget_consumed_ratio", "cause"),
        burnt_while: burnt_while(compliance, id),
        states,
    }
}

/// What was going on while the budget burnt, the largest part first.
fn burnt_while<'a>(compliance: &'a Explanation, slo: &str) -> Vec<BurntBody<'a>> {
    let of = |it: &&Explained| matches!(&it.item.id, ItemId::Burnt { slo: it, .. } if it == slo);
    let mark = |item: &'a Item, name: &str| item.mark(name).map(|it| &*it.value);
    let burnt = compliance.items.iter().filter(of).map(|it| BurntBody {
        name: &it.link.name,
        url: it.link.url.as_ref().map(url::Url::as_str),
        cause: mark(&it.item, "cause").unwrap_or_default(),
        rule: mark(&it.item, "rule"),
        confidence: mark(&it.item, "confidence"),
        consumed: it.item.value("consumed"),
        started_at: it.item.started_at,
        completed_at: it.item.completed_at,
    });
    let mut burnt: Vec<BurntBody<'_>> = burnt.collect();
    let size = |it: &BurntBody<'_>| it.consumed.unwrap_or_default();
    burnt.sort_by(|a, b| size(b).total_cmp(&size(a)));
    burnt
}

/// Windows of burn that fit a terminal.
const BURNS: [&str; 3] = ["1h", "1d", "7d"];

/// How every SLO stands as a table, and below it while what budgets burnt.
pub fn table(body: &SlosBody<'_>, width: Option<u16>) -> String {
    let mut text = format!("as of {}\n\n", human::instant(body.as_of));
    if body.slos.is_empty() {
        return text + "no SLO is specified: see [slos] in the configuration\n";
    }
    let header = [
        "SLO",
        "SERVICE",
        "OBJECTIVE",
        "WINDOW",
        "COMPLIANCE",
        "BUDGET LEFT",
        "GONE IN",
        "BURN 1h",
        "1d",
        "7d",
        "KNOWN",
        "STATUS",
    ];
    let mut table = new(&header, width);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    for slo in &body.slos {
        let mut row = vec![
            Cell::new(slo.slo),
            Cell::new(slo.service.unwrap_or("–")),
            right(slo.objective.parse().map_or_else(|_| "–".to_owned(), human::share)),
            Cell::new(if body.window == "own" { slo.window } else { body.window }),
            right(shown(slo.compliance, human::share)),
            right(shown(slo.remaining, human::share)),
            right(shown(slo.exhaustion_seconds, gone_in)),
        ];
        row.extend(BURNS.map(|it| right(shown(slo.burn.get(it).copied(), human::number))));
        row.push(right(shown(slo.coverage, human::share)));
        row.push(Cell::new(status(slo)));
        table.add_row(row);
    }
    text += &trimmed(&table);
    text += "\n";
    let mut causes =
        new(&["SLO", "BURNT WHILE", "OF THE BUDGET", "CONFIDENCE", "FROM", "TO", "LINK"], width);
    for slo in &body.slos {
        for it in &slo.burnt_while {
            let name = it.name.strip_prefix(slo.slo).and_then(|it| it.strip_prefix(": "));
            let name = name.unwrap_or(it.name);
            causes.add_row([
                Cell::new(slo.slo),
                Cell::new(name.strip_prefix("burnt while ").unwrap_or(name)),
                right(shown(it.consumed, human::share)),
                Cell::new(it.confidence.unwrap_or_default()),
                Cell::new(human::instant(it.started_at)),
                Cell::new(it.completed_at.map_or_else(String::new, human::instant)),
                Cell::new(it.url.unwrap_or_default()),
            ]);
        }
    }
    if body.slos.iter().all(|it| it.burnt_while.is_empty()) {
        return text + "no budget burnt\n";
    }
    text + &trimmed(&causes)
}

fn shown(value: Option<f64>, say: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), say)
}

fn gone_in(seconds: f64) -> String {
    if seconds <= 0.0 { "gone".to_owned() } else { human::duration(seconds) }
}

/// How the SLO stands, and how its burn does where that is worse.
fn status(slo: &SloBody<'_>) -> String {
    let said = |it: State| format!("{} {}", human::sign(it), human::state(it));
    let (compliance, burn) = slo.states;
    let mut text = compliance.map_or_else(|| "?".to_owned(), said);
    if slo.low_traffic == Some(true) {
        text += ", low traffic";
    }
    if let Some(burn) = burn.filter(|it| matches!(it, State::Missed | State::LikelyMissed)) {
        text += &format!("; burn {}", human::state(burn));
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::domain::SourceName;
    use crate::kpi::evaluation::{Freshness, Plan, Scope, SourceFreshness, evaluate, explain};
    use crate::kpi::testing::{Story, instant, source};
    use crate::kpi::{Need, Window, find};

    const STORY: &str = "service web incidents PWEB team shop
        service api team core
        slo web-up of web objective 0.999 window 28d
        slo api-fast of api objective 0.99 window 1M calendar
        slo web-new of web objective 0.9
        as_of 31T00:00
        02-01T00:00 hour web-up for 1392 bad:10 total:100000 valid:12 met:12
        02-01T00:00 hour api-fast for 1392 bad:0 total:1000 valid:12 met:12
        30T12:00 hour api-fast for 12 bad:100 total:1000 valid:12 met:0
        05T10:10 deploy web c1
        05T10:00 hour web-up for 2 bad:5010 total:100000 valid:12 met:0
        06T10:00 incident i1 P2
        06T10:00 hour web-up bad:5010 total:100000 valid:12 met:0
        06T10:59 resolve i1
        30T23:55 burn web-up 1h:10/100000 1d:240/2400000";

    fn with(story: &str, window: &str, look: impl Fn(&Explanation, &Evaluation)) {
        let mut story = Story::told(story);
        let feeds = [Need::Objectives, Need::Deployments, Need::Incidents];
        story.params.sources.push(source("prometheus", &feeds, instant("02-01T00:00")));
        let fresh = SourceFreshness { last_success: story.as_of, data_through: story.as_of };
        let freshness = Freshness::from([(SourceName::from("prometheus"), fresh)]);
        let timeline = story.timeline();
        let kpi = find("slo_compliance").unwrap();
        let what = (kpi, Scope::Org, Window::parse(window).unwrap());
        let compliance = explain(&timeline, &story.params, &freshness, what, story.as_of);
        let plan = Plan::of_org(find("error_budget_burn").unwrap(), Window::Now);
        let burn = evaluate(&timeline, &story.params, &freshness, &plan, story.as_of);
        look(&compliance, &burn);
    }

    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(window: &str, of: (Option<&str>, Option<&str>), said: Expect) {
        with(STORY, window, |compliance, burn| {
            said.assert_eq(&table(&slos(compliance, burn, of), None));
        });
    }

    #[test]
    fn every_slo_is_listed_with_its_budget_and_while_what_that_burnt() {
        check(
            "own",
            (None, None),
            expect![[r#"
                as of 2026-03-31 00:00 UTC

                 SLO       SERVICE  OBJECTIVE  WINDOW  COMPLIANCE  BUDGET LEFT  GONE IN  BURN 1h  1d   7d     KNOWN  STATUS
                 api-fast  api           99 %  1M         99.83 %       83.3 %        –        –    –  0.714  100 %  ✔ met
                 web-new   web           90 %  30d              –            –        –        –    –      –    0 %  ? no data
                 web-up    web         99.9 %  28d       99.968 %       67.7 %        –      0.1  0.1    0.1  100 %  ✔ met

                 SLO       BURNT WHILE                            OF THE BUDGET  CONFIDENCE  FROM                  TO                    LINK
                 api-fast  unattributed                                  16.7 %              2026-03-01 00:00 UTC  2026-03-31 00:00 UTC
                 web-up    web: deployment d118 of c1 (acme/web)         14.9 %  high        2026-03-05 10:00 UTC  2026-03-05 12:00 UTC
                 web-up    unattributed                                  10.1 %              2026-03-03 00:00 UTC  2026-03-31 00:00 UTC
                 web-up    incident #1                                   7.31 %  high        2026-03-06 10:00 UTC  2026-03-06 11:00 UTC
            "#]],
        );
    }

    #[test]
    fn those_of_one_service_or_team_are_listed_alone_and_for_another_window() {
        check(
            "30d",
            (None, Some("api")),
            expect![[r#"
            as of 2026-03-31 00:00 UTC

             SLO       SERVICE  OBJECTIVE  WINDOW  COMPLIANCE  BUDGET LEFT  GONE IN  BURN 1h  1d  7d     KNOWN  STATUS
             api-fast  api           99 %  30d        99.83 %       83.3 %        –        –   –  0.714  100 %  ✔ met

             SLO       BURNT WHILE   OF THE BUDGET  CONFIDENCE  FROM                  TO                    LINK
             api-fast  unattributed         16.7 %              2026-03-01 00:00 UTC  2026-03-31 00:00 UTC
        "#]],
        );
        check(
            "own",
            (Some("shop"), None),
            expect![[r#"
                as of 2026-03-31 00:00 UTC

                 SLO      SERVICE  OBJECTIVE  WINDOW  COMPLIANCE  BUDGET LEFT  GONE IN  BURN 1h  1d   7d   KNOWN  STATUS
                 web-new  web           90 %  30d              –            –        –        –    –    –    0 %  ? no data
                 web-up   web         99.9 %  28d       99.968 %       67.7 %        –      0.1  0.1  0.1  100 %  ✔ met

                 SLO     BURNT WHILE                            OF THE BUDGET  CONFIDENCE  FROM                  TO                    LINK
                 web-up  web: deployment d118 of c1 (acme/web)         14.9 %  high        2026-03-05 10:00 UTC  2026-03-05 12:00 UTC
                 web-up  unattributed                                  10.1 %              2026-03-03 00:00 UTC  2026-03-31 00:00 UTC
                 web-up  incident #1                                   7.31 %  high        2026-03-06 10:00 UTC  2026-03-06 11:00 UTC
            "#]],
        );
    }

    #[test]
    fn without_an_slo_it_is_said_where_they_are_specified() {
        with("service web\nas_of 31T00:00", "own", |compliance, burn| {
            let text = table(&slos(compliance, burn, (None, None)), None);
            assert!(text.contains("see [slos]"), "{text}");
        });
    }

    #[test]
    fn the_same_is_there_for_programs() {
        with(STORY, "own", |compliance, burn| {
            let body = serde_json::to_value(slos(compliance, burn, (None, None))).unwrap();
            let slo = &body["slos"].as_array().unwrap()[2];
            assert_eq!(slo["slo"], "web-up");
            assert_eq!((&slo["window"], &slo["objective"]), (&"28d".into(), &"0.999".into()));
            assert_eq!(slo["burnt_while"][0]["cause"], "deployment");
            let parts: f64 =
                slo["consumed"].as_object().unwrap().values().map(|it| it.as_f64().unwrap()).sum();
            let remaining = slo["remaining"].as_f64().unwrap();
            assert!((parts + remaining - 1.0).abs() < 1e-9, "{slo:#}");
            assert_eq!(body["slos"][1]["compliance"], serde_json::Value::Null, "nothing is known");
        });
    }
}
