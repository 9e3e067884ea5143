//! Alerts about the KPIs and about their sources.

use std::collections::BTreeMap;

use super::document::{Group, Rule, quoted};
use crate::kpi::{self, Kpi, Params, TargetRule, Window};

/// Rules for every KPI that the configured sources can feed, and for these sources.
pub fn kpis(params: &Params) -> Vec<Group> {
    let fed = |kpi: &Kpi| {
        let mut needs = kpi.needs.iter();
        needs.all(|need| params.sources.iter().any(|source| source.feeds.contains(need)))
    };
    let judged = kpi::ALL.iter().filter(|kpi| fed(kpi) && can_be_missed(kpi));
    let missed: Vec<Rule> = judged.map(|kpi| missed(kpi)).collect();
    let groups = [("engkpi-kpis", missed), ("engkpi-sources", sources(params))];
    let groups = groups.into_iter().filter(|(_, rules)| !rules.is_empty());
    groups.map(|(name, rules)| Group { name: name.to_owned(), interval: None, rules }).collect()
}

/// A band is judged when its month or quarter is over, and the default window is the running one.
fn can_be_missed(kpi: &Kpi) -> bool {
    let band = matches!(kpi.target, TargetRule::Band { .. });
    !band || matches!(kpi.own_window(), Some(Window::Rolling(_)))
}

/// Services are left out: what a team missed is its own to look into.
fn missed(kpi: &Kpi) -> Rule {
    // The windows of a burn are its own, and only one of them is judged.
    let own = kpi.families.iter().take(1).any(|family| family.dimensions.contains(&"window"));
    let window = match own {
        true => String::new(),
        false => format!(", window={}", quoted(kpi.default_window)),
    };
    let expr = format!(
        "engkpi_kpi_status{{kpi={}, scope=~\"org|team\", state=\"missed\"{window}}} == 1",
        quoted(kpi.id),
    );
    let whose = "{{if eq $labels.scope \"team\"}} of {{$labels.team}}{{end}}";
    let title = format!("{}{whose} misses its target", kpi.title);
    let description = format!("{} `engkpi explain {}` lists the items.", kpi.definition, kpi.id);
    alert(("EngkpiKpiMissed", Some(("kpi", kpi.id))), &expr, Some("1h"), title, description)
}

fn sources(params: &Params) -> Vec<Rule> {
    if params.sources.is_empty() {
        return Vec::new();
    }
    let success = "engkpi_source_last_success_timestamp_seconds";
    let mut rules = vec![
        alert(
            ("EngkpiDown", None),
            "absent(engkpi_build_info)",
            Some("15m"),
            "engkpi is not scraped".to_owned(),
            "No KPI has a value while it is down. It goes on where it was.".to_owned(),
        ),
        alert(
            ("EngkpiSourceFailing", None),
            "engkpi_source_up == 0",
            Some("1h"),
            "{{$labels.source}} cannot be collected".to_owned(),
            "Every poll of the last hour failed; the log says why, and so does `engkpi check`."
                .to_owned(),
        ),
        // A counter that begins with its first gap does not increase.
        alert(
            ("EngkpiSourceGapSuspected", None),
            "increase(engkpi_source_gap_suspected_total[1h]) > 0\nor\n\
             (engkpi_source_gap_suspected_total unless engkpi_source_gap_suspected_total offset 1h) > 0",
            None,
            "{{$labels.source}} may have missed something".to_owned(),
            "The last poll did not see what the one before had seen last. The interval is read again."
                .to_owned(),
        ),
    ];
    for source in &params.sources {
        let (name, seconds) = (source.name.as_str(), source.stale_after.num_seconds());
        rules.push(alert(
            ("EngkpiSourceStale", Some(("source", name))),
            &format!("time() - {success}{{source={}}} > {seconds}", quoted(name)),
            None,
            "{{$labels.source}} is stale, and so are its KPIs".to_owned(),
            format!("There was no complete poll for longer than its stale_after of {seconds} s."),
        ));
    }
    rules
}

/// An alert. `about` is a label that its series have too; here it tells it from others of the name.
fn alert(
    (name, about): (&str, Option<(&str, &str)>),
    expr: &str,
    lasting: Option<&'static str>,
    title: String,
    description: String,
) -> Rule {
    let text = |name: &str, text: String| (name.to_owned(), text);
    let labels = [("severity", "ticket")].into_iter().chain(about);
    Rule::Alert {
        alert: name.to_owned(),
        expr: expr.to_owned(),
        lasting,
        labels: labels.map(|(name, value)| text(name, value.to_owned())).collect(),
        annotations: BTreeMap::from([text("title", title), text("description", description)]),
    }
}
