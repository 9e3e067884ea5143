//! Dashboards and alerts ask for series that there are.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::everything::{Series, organisation};
use super::family_names;
use crate::output::rules::{self, Rule};

macro_rules! dashboard {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../dashboards/", $name, ".json")))
    };
}

const DASHBOARDS: [(&str, &str); 4] =
    [dashboard!("engkpi"), dashboard!("slo"), dashboard!("latency"), dashboard!("cost-and-people")];

/// What a variable stands for that nothing was chosen for.
const ANYTHING: &str = ".*";

/// The series that `metric{matchers}` selects.
struct Selector {
    metric: String,
    /// Of each label, whether it may be what the expression matches.
    matchers: Vec<(String, bool, Regex)>,
}

impl Selector {
    /// Those of the KPIs in a query.
    fn all(query: &str) -> Vec<Self> {
        static SELECTOR: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"(engkpi_\w+)(?:\{([^}]*)\})?").unwrap());
        static MATCHER: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r#"(\w+)(=~|!=|=)"([^"]*)""#).unwrap());
        let names: BTreeSet<String> = family_names().into_iter().collect();
        let matcher = |it: regex::Captures<'_>| {
            let text = if &it[2] == "=~" { it[3].to_owned() } else { regex::escape(&it[3]) };
            let text = Regex::new(&format!("^(?:{text})$")).unwrap();
            (it[1].to_owned(), &it[2] != "!=", text)
        };
        let selectors = SELECTOR.captures_iter(query).map(|found| {
            let matchers = MATCHER.captures_iter(found.get(2).map_or("", |it| it.as_str()));
            let matchers = matchers.filter(|it| &it[3] != ANYTHING).map(matcher).collect();
            Self { metric: found[1].to_owned(), matchers }
        });
        selectors.filter(|it| names.contains(&it.metric)).collect()
    }

    fn selects(&self, series: &Series) -> bool {
        series.metric == self.metric
            && self
                .matchers
                .iter()
                .all(|(label, is, text)| text.is_match(series.label(label)) == *is)
    }
}

/// Every query of a dashboard after the title of its panel.
fn queries(panels: &Value) -> Vec<(&str, &str)> {
    let mut queries = Vec::new();
    for panel in panels["panels"].as_array().into_iter().flatten() {
        let title = panel["title"].as_str().unwrap_or_default();
        let targets = panel["targets"].as_array().into_iter().flatten();
        queries.extend(targets.filter_map(|it| Some((title, it["expr"].as_str()?))));
        queries.extend(self::queries(panel));
    }
    queries
}

#[test]
fn panels_have_something_to_show_except_those_that_services_have_nothing_of() {
    let all = Series::all(&["web"]);
    let mut empty = String::new();
    let mut asked = 0;
    for (file, text) in DASHBOARDS {
        let dashboard: Value = serde_json::from_str(text).unwrap();
        for (title, query) in queries(&dashboard) {
            let scopes =
                if query.contains("$scope") { &["org", "team", "service"][..] } else { &[""] };
            for scope in scopes {
                let filled = query.replace("$scope", scope);
                let filled = filled.replace("$team", ANYTHING).replace("$service", ANYTHING);
                for selector in Selector::all(&filled) {
                    asked += 1;
                    if !all.iter().any(|it| selector.selects(it)) {
                        writeln!(empty, "{file}, {scope}: {title}").unwrap();
                    }
                }
            }
        }
    }
    assert!(asked > 300, "{asked}");
    expect_test::expect![[r#"
        engkpi, service: History
        engkpi, service: History
        engkpi, service: History
        engkpi, service: History
        engkpi, service: History
        engkpi, service: History
        engkpi, service: History
        engkpi, service: History
        engkpi, service: History
        engkpi, service: History
        engkpi, service: History
        engkpi, service: Decisions by outcome, month
        engkpi, service: Incidents by severity, quarter
        engkpi, service: Detection known by source, 90d
        engkpi, service: Failed deployments by reason, 90d
        cost-and-people, service: History
        cost-and-people, service: Days with both cost and demand, quarter
        cost-and-people, service: Score of the last wave, mean
        cost-and-people, service: Status
        cost-and-people, service: Score with its 95 % interval
        cost-and-people, service: Score with its 95 % interval
        cost-and-people, service: Response rate
        cost-and-people, service: n
        cost-and-people, service: Points above the baseline wave
        cost-and-people, service: Score of the last wave, median
        cost-and-people, service: Status
        cost-and-people, service: Score with its 95 % interval
        cost-and-people, service: Score with its 95 % interval
        cost-and-people, service: Response rate
        cost-and-people, service: n
        cost-and-people, service: Escalations, 90d
        cost-and-people, service: Escalations, last quarter against the one before
        cost-and-people, service: People who grew, 365d
        cost-and-people, service: Status
        cost-and-people, service: People, 365d
        cost-and-people, service: History
    "#]]
    .assert_eq(&empty);
}

#[test]
fn alerts_about_kpis_ask_for_series_that_there_are() {
    let (story, _) = organisation(&["web"]);
    let all = Series::all(&["web"]);
    let groups = rules::kpis(&story.params);
    let mut asked = 0;
    for rule in groups.iter().flat_map(|group| &group.rules) {
        let Rule::Alert { expr, .. } = rule else { continue };
        // Which state there is depends on the numbers.
        let any_state = expr.replace(r#"state="missed""#, r#"state=~".*""#);
        for selector in Selector::all(&any_state) {
            asked += 1;
            assert!(all.iter().any(|it| selector.selects(it)), "nothing is selected by {expr}");
        }
    }
    assert!(asked > 10, "{asked}");
}
