//! Pages for people: what is collected and what the KPIs say, and the items behind a number.
//!
//! Everything is readable without scripts, and every text is escaped. The stylesheet is a file of
//! its own, so that pages can forbid everything else.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::Serialize;
use url::form_urlencoded;

use super::human;
use super::shown::{self, Shown};
use crate::kpi::evaluation::{Evaluation, Explained, Explanation, Scope, SourceHealth};
use crate::kpi::{Kpi, Outcome, State, Window};

/// The stylesheet of every page, at `style.css` below the root.
pub const STYLE: &str = include_str!("templates/style.css");

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let templates = [
        ("layout.html", include_str!("templates/layout.html")),
        ("landing.html", include_str!("templates/landing.html")),
        ("explain.html", include_str!("templates/explain.html")),
        ("snapshot.html", include_str!("templates/snapshot.html")),
    ];
    for (name, source) in templates {
        environment.add_template(name, source).expect("the templates are part of the program");
    }
    environment
});

/// The page inside the common frame. `root` leads from the page to the root.
fn page(template: &str, title: &str, root: &str, content: &impl Serialize) -> String {
    let body = Value::from_safe_string(render(template, Value::from(Serde(content))));
    let version = env!("CARGO_PKG_VERSION");
    render("layout.html", context! { title, root, body, version })
}

/// One of the templates with what it says.
pub(super) fn render(name: &str, context: Value) -> String {
    let template = TEMPLATES.get_template(name).expect("every template is listed");
    template.render(context).expect("tests render every template with every variable")
}

/// What the landing page says.
#[derive(Debug, Serialize)]
struct Landing<'a> {
    ready: Option<Ready<'a>>,
}

#[derive(Debug, Serialize)]
struct Ready<'a> {
    as_of: String,
    org: Vec<Row>,
    teams: Vec<Team<'a>>,
    sources: Vec<Source>,
    facts: Vec<Collected>,
}

/// `/`: what is collected and how fresh it is, what the KPIs say, and where to go on. Without an
/// evaluation it says that the stored data is being loaded.
pub fn landing(evaluation: Option<&Evaluation>) -> String {
    let ready = evaluation.map(|evaluation| {
        let shown = shown::headlines(evaluation);
        Ready {
            as_of: human::instant(evaluation.as_of),
            org: rows(evaluation, &shown, Scope::Org),
            teams: teams(evaluation, &shown),
            sources: sources(evaluation),
            facts: collected(evaluation),
        }
    });
    page("landing.html", "engkpi", "./", &Landing { ready })
}

/// One KPI of a scope.
#[derive(Debug, Serialize)]
struct Row {
    title: &'static str,
    definition: &'static str,
    href: String,
    window: String,
    value: String,
    stat: String,
    interval: String,
    n: String,
    open: String,
    target: String,
    change: String,
    state: &'static str,
    sign: &'static str,
    verdict: String,
}

impl Row {
    fn of(evaluation: &Evaluation, line: &Shown<'_>) -> Self {
        let goal = line.judged.and_then(|it| evaluation.goal(it));
        let state = line.judged.map_or(State::NoData, |it| it.state);
        let provisional = line.reading.is_some() && line.provisional == Some(true);
        Self {
            title: line.kpi.title,
            definition: line.kpi.definition,
            href: explain_address(evaluation, line.kpi, line.scope, line.window),
            window: line.window.to_owned(),
            value: line.value(),
            stat: described(line),
            interval: line.interval(),
            n: line.n(),
            open: line.open(),
            target: goal.map_or_else(String::new, |it| human::target(line.kpi, &it.rule)),
            change: line.previous_ratio.map_or_else(String::new, change),
            state: state.as_str(),
            sign: human::sign(state),
            verdict: format!(
                "{}{}",
                human::state(state),
                if provisional { ", provisional" } else { "" }
            ),
        }
    }
}

/// Which of the values of a family a line is: its statistic and its dimensions.
fn described(line: &Shown<'_>) -> String {
    let stat = line.stat.map(|stat| spaced(stat.as_str()));
    let own = line.dimensions.iter().map(|(name, value)| spaced(&format!("{name} {value}")));
    stat.into_iter().chain(own).collect::<Vec<_>>().join(", ")
}

/// A ratio to the window before as a change.
pub(super) fn change(ratio: f64) -> String {
    let percent = ((ratio - 1.0) * 100.0).round();
    match percent {
        0.0 => "no change".to_owned(),
        more if more > 0.0 => format!("+{more} %"),
        less => format!("−{} %", -less),
    }
}

fn rows(evaluation: &Evaluation, shown: &[Shown<'_>], scope: Scope) -> Vec<Row> {
    shown.iter().filter(|line| line.scope == scope).map(|line| Row::of(evaluation, line)).collect()
}

/// A team with its services.
#[derive(Debug, Serialize)]
struct Team<'a> {
    name: &'a str,
    tally: Vec<Tally>,
    rows: Vec<Row>,
    titles: Vec<&'static str>,
    services: Vec<ServiceRow<'a>>,
}

/// How many KPIs are in a state.
#[derive(Debug, Serialize)]
struct Tally {
    state: &'static str,
    verdict: &'static str,
    count: usize,
}

/// A service with one cell for each KPI.
#[derive(Debug, Serialize)]
struct ServiceRow<'a> {
    name: &'a str,
    cells: Vec<Row>,
}

fn teams<'a>(evaluation: &'a Evaluation, shown: &[Shown<'_>]) -> Vec<Team<'a>> {
    let mut by_scope: BTreeMap<Scope, Vec<&Shown<'_>>> = BTreeMap::new();
    for line in shown {
        by_scope.entry(line.scope).or_default().push(line);
    }
    let rows_of = |scope: Scope| -> Vec<Row> {
        let lines = by_scope.get(&scope).into_iter().flatten();
        lines.map(|line| Row::of(evaluation, line)).collect()
    };
    let team = |(index, name): (usize, &'a String)| {
        let lines = by_scope.get(&Scope::Team(index)).map_or(&[][..], Vec::as_slice);
        let services = evaluation.names.services.iter().enumerate();
        let services = services.filter(|(_, (_, team))| *team == index);
        Team {
            name,
            tally: tally(lines),
            rows: rows_of(Scope::Team(index)),
            titles: lines.iter().map(|line| line.kpi.title).collect(),
            services: services
                .map(|(service, (name, _))| ServiceRow {
                    name,
                    cells: rows_of(Scope::Service(service)),
                })
                .collect(),
        }
    };
    evaluation.names.teams.iter().enumerate().map(team).collect()
}

fn tally(lines: &[&Shown<'_>]) -> Vec<Tally> {
    let of = |state: State| {
        let is = |line: &&&Shown<'_>| line.judged.is_some_and(|judged| judged.state == state);
        Tally {
            state: state.as_str(),
            verdict: human::state(state),
            count: lines.iter().filter(is).count(),
        }
    };
    State::ALL.into_iter().map(of).filter(|tally| tally.count > 0).collect()
}

/// A source as people want to see it.
#[derive(Debug, Serialize)]
struct Source {
    name: String,
    since: String,
    last_success: String,
    data_through: String,
    state: &'static str,
    verdict: &'static str,
}

fn sources(evaluation: &Evaluation) -> Vec<Source> {
    let now = evaluation.as_of;
    let source = |source: &SourceHealth| {
        let (state, verdict) = match (source.freshness, source.stale) {
            (None, _) => ("no_data", "no complete pass yet"),
            (Some(_), true) => ("stale", "stale"),
            (Some(_), false) => ("met", "fresh"),
        };
        let instant = |at: Option<_>| {
            at.map_or_else(
                || "never".to_owned(),
                |at| format!("{} ({})", human::instant(at), human::ago(at, now)),
            )
        };
        Source {
            name: source.name.to_string(),
            since: human::instant(source.history_start),
            last_success: instant(source.freshness.map(|it| it.last_success)),
            data_through: instant(source.freshness.map(|it| it.data_through)),
            state,
            verdict,
        }
    };
    evaluation.sources.iter().map(source).collect()
}

/// How many facts of a kind are known.
#[derive(Debug, Serialize)]
struct Collected {
    what: String,
    count: u64,
}

fn collected(evaluation: &Evaluation) -> Vec<Collected> {
    let of = |(family, count): &(&str, u64)| {
        let name = family.strip_prefix("engkpi_").unwrap_or(family);
        Collected { what: spaced(name), count: *count }
    };
    evaluation.totals.iter().map(of).collect()
}

/// What an explanation says.
#[derive(Debug, Serialize)]
struct Explain<'a> {
    title: &'static str,
    definition: &'static str,
    team: &'a str,
    service: &'a str,
    window: &'a str,
    span: String,
    as_of: String,
    windows: Vec<Elsewhere>,
    own: Row,
    readings: Vec<Reading>,
    names: Vec<String>,
    items: Vec<ItemRow<'a>>,
}

/// `/kpis/{kpi}/explain`: a number, how it stands, and every item that has to do with it.
pub fn explanation(explanation: &Explanation) -> String {
    let evaluation = &explanation.evaluation;
    let lines = shown::all(evaluation);
    let own = lines.iter().find(|line| line.judged.is_some());
    let own = own.expect("every evaluated window has a verdict");
    let (team, service) = evaluation.names.labels(own.scope);
    let items = shown::items(explanation);
    let names = value_names(&items);
    let content = Explain {
        title: own.kpi.title,
        definition: own.kpi.definition,
        team,
        service,
        window: &explanation.window.label,
        span: human::window(&explanation.window),
        as_of: human::instant(evaluation.as_of),
        windows: windows(evaluation, own.kpi, own.scope),
        own: Row::of(evaluation, own),
        readings: lines.iter().map(Reading::of).collect(),
        names: names.iter().map(|name| spaced(name)).collect(),
        items: items.iter().map(|it| ItemRow::of(own.kpi, it, &names)).collect(),
    };
    page("explain.html", own.kpi.title, "../../", &content)
}

/// One value of an explained KPI.
#[derive(Debug, Serialize)]
struct Reading {
    metric: &'static str,
    help: &'static str,
    which: String,
    value: String,
    interval: String,
    n: String,
    open: String,
    excluded: String,
    named: bool,
}

impl Reading {
    fn of(line: &Shown<'_>) -> Self {
        let excluded = line.reading.into_iter().flat_map(|it| it.excluded.iter());
        let excluded = excluded.map(|(reason, count)| format!("{count} {}", spaced(reason)));
        Self {
            metric: line.family.name,
            help: line.family.help,
            which: described(line),
            value: line.value(),
            interval: line.interval(),
            n: line.n(),
            open: line.open(),
            excluded: excluded.collect::<Vec<_>>().join(", "),
            named: line.judged.is_some(),
        }
    }
}

/// The other windows of a number.
#[derive(Debug, Serialize)]
struct Elsewhere {
    window: String,
    href: String,
}

fn windows(evaluation: &Evaluation, kpi: &Kpi, scope: Scope) -> Vec<Elsewhere> {
    let all = Window::PUBLISHED.into_iter().chain([Window::PreviousMonth, Window::PreviousQuarter]);
    all.map(|window| {
        let window = window.to_string();
        let href = explain_address(evaluation, kpi, scope, &window);
        Elsewhere { href, window }
    })
    .collect()
}

/// The address of an explanation, relative to the root.
fn explain_address(evaluation: &Evaluation, kpi: &Kpi, scope: Scope, window: &str) -> String {
    let (team, service) = evaluation.names.labels(scope);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("window", window);
    for (name, value) in [("team", team), ("service", service)] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    format!("kpis/{}/explain?{}", kpi.id, query.finish())
}

/// One item of an explanation.
#[derive(Debug, Serialize)]
struct ItemRow<'a> {
    name: &'a str,
    url: Option<&'a str>,
    outcome: &'static str,
    reason: String,
    started_at: String,
    completed_at: String,
    /// In the order of [`value_names`]; empty where the item has none.
    values: Vec<String>,
    why: String,
    times: String,
}

impl<'a> ItemRow<'a> {
    fn of(kpi: &Kpi, explained: &'a Explained, names: &[&'static str]) -> Self {
        let item = &explained.item;
        let (outcome, reason) = match item.outcome {
            Outcome::Counted => ("counted", String::new()),
            Outcome::Open => ("open", String::new()),
            Outcome::Excluded(reason) => ("left out", spaced(reason)),
            Outcome::Censored(reason) => ("ended otherwise", spaced(reason)),
        };
        let value = |name: &&'static str| {
            let own = kpi.families.first();
            match (item.value(name), own) {
                (Some(value), Some(own)) => human::value(kpi, own, Some(value)),
                _ => String::new(),
            }
        };
        let times = item.times.iter();
        let times = times.map(|(name, at)| format!("{}: {}", spaced(name), human::instant(*at)));
        Self {
            name: &explained.link.name,
            url: explained.link.url.as_ref().map(url::Url::as_str),
            outcome,
            reason,
            started_at: human::instant(item.started_at),
            completed_at: item.completed_at.map_or_else(String::new, human::instant),
            values: names.iter().map(value).collect(),
            why: human::why(item),
            times: times.collect::<Vec<_>>().join("; "),
        }
    }
}

/// The names of the numbers that any of the items has, in the order of their first appearance.
fn value_names(items: &[&Explained]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for explained in items {
        for (name, _) in &explained.item.values {
            if !names.contains(name) {
                names.push(*name);
            }
        }
    }
    names
}

pub(super) fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{STORY, explained, published};
    use super::*;

    /// What a page may not contain: its policy forbids everything but our stylesheet.
    fn assert_harmless(page: &str) {
        for forbidden in ["<script", "<style", "style=", "onclick", "onload", "<img", "http-equiv"]
        {
            assert!(!page.contains(forbidden), "{forbidden} in\n{page}");
        }
        assert!(page.contains("style.css"), "the stylesheet is linked");
    }

    #[test]
    fn before_the_first_evaluation_the_page_says_so() {
        let page = landing(None);
        assert!(page.contains("Not evaluated yet"));
        assert_harmless(&page);
    }

    #[test]
    fn the_landing_page_shows_value_n_interval_target_and_status() {
        let page = landing(Some(&published(STORY)));
        for needed in [
            "As of 2026-04-01 00:00 UTC",
            "window=quarter",
            "no higher than the rate of the window before",
            "too few items",
            "2026-03-31 23:55 UTC (5 min ago)",
            "incidents detected",
        ] {
            assert!(page.contains(needed), "{needed:?} is missing in\n{page}");
        }
        assert_harmless(&page);
    }

    #[test]
    fn names_are_escaped_wherever_they_stand() {
        let page = landing(Some(&published(STORY)));
        assert!(page.contains("&lt;b&gt;api&lt;&#x2f;b&gt;"), "{page}");
        assert!(!page.contains("<b>api"), "{page}");
        assert!(!page.contains("\"\"red"), "{page}");
        assert!(page.contains("service=%3Cb%3Eapi%3C%2Fb%3E"), "addresses are encoded: {page}");
    }

    #[test]
    fn every_team_has_its_services() {
        let page = landing(Some(&published(STORY)));
        assert_eq!(page.matches("<details>").count(), 2);
        for service in ["web", "www"] {
            assert!(page.contains(&format!("<th scope=\"row\">{service}</th>")), "{page}");
        }
    }

    #[test]
    fn an_explanation_shows_the_definition_and_each_item_with_its_link() {
        let explained = explained(STORY, "incident_recovery_time", Some("blue"), "30d");
        let page = explanation(&explained);
        let kpi = crate::kpi::find("incident_recovery_time").unwrap();
        for needed in [
            kpi.title,
            "team blue",
            "2026-03-02 00:00 UTC",
            "<a href=\"https:&#x2f;&#x2f;pagerduty.example&#x2f;incidents&#x2f;i2\">",
            "2 h",
            "Items <small>2</small>",
            "<strong>30d</strong>",
            "window=previous_quarter&amp;team=blue",
        ] {
            assert!(page.contains(needed), "{needed:?} is missing in\n{page}");
        }
        assert_harmless(&page);
    }

    #[test]
    fn what_a_vendor_wrote_stays_text() {
        let mut explained = explained(STORY, "incident_recovery_time", None, "30d");
        explained.items[0].link.name = "<script>alert(1)</script>".to_owned();
        explained.items[0].item.marks.push(crate::kpi::Mark {
            name: "cause",
            value: "\"><img src=x>".into(),
            at: None,
            evidence: Some("<i>".into()),
        });
        assert_harmless(&explanation(&explained));
    }

    #[test]
    fn an_empty_window_is_said_in_words() {
        let page = explanation(&explained(STORY, "incident_recovery_time", None, "month:2025-01"));
        assert!(page.contains("2025-01-01 00:00 UTC"), "{page}");
        assert_harmless(&page);
    }

    #[test]
    fn changes_are_signed_percentages() {
        assert_eq!(change(1.0), "no change");
        assert_eq!(change(1.254), "+25 %");
        assert_eq!(change(0.5), "−50 %");
    }
}
