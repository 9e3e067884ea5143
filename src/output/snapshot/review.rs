//! A snapshot as people read it: what Markdown and HTML have in common.

use serde::Serialize;
use serde_json::{Map, Value};

use super::changes::Changed;
use super::{Missing, Number, Reached, Snapshot};
use crate::kpi::{self, Family, Kpi, Reading, Scope, State};
use crate::output::human;
use crate::output::page::{change, spaced};

/// Everything that is said.
#[derive(Debug, Serialize)]
pub(super) struct Review<'a> {
    pub(super) quarter: &'a str,
    pub(super) previous: &'a str,
    pub(super) days: String,
    pub(super) as_of: String,
    pub(super) revision: u32,
    pub(super) provisional: &'a [String],
    /// What one must know to read the tables.
    pub(super) guide: String,
    pub(super) org: Vec<Row>,
    pub(super) teams: Vec<Team<'a>>,
    pub(super) missing: Vec<Gap<'a>>,
    pub(super) sources: Vec<SourceRow<'a>>,
    pub(super) correction: Option<Correction<'a>>,
    /// What decides whether two snapshots are of the same.
    pub(super) made_from: [(&'static str, &'a str); 3],
}

/// A team with its KPIs.
#[derive(Debug, Serialize)]
pub(super) struct Team<'a> {
    pub(super) name: &'a str,
    pub(super) rows: Vec<Row>,
}

/// One KPI of a scope.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) title: String,
    /// Which of the values it is, and of when where that is not the quarter.
    pub(super) which: String,
    pub(super) value: String,
    pub(super) interval: String,
    pub(super) n: String,
    pub(super) open: String,
    pub(super) target: String,
    pub(super) before: String,
    pub(super) change: String,
    pub(super) state: &'static str,
    pub(super) sign: &'static str,
    pub(super) verdict: String,
}

/// A KPI without a verdict.
#[derive(Debug, Serialize)]
pub(super) struct Gap<'a> {
    pub(super) title: String,
    pub(super) verdict: &'static str,
    pub(super) why: &'a str,
}

/// A source and how far it was read.
#[derive(Debug, Serialize)]
pub(super) struct SourceRow<'a> {
    pub(super) name: &'a str,
    pub(super) since: String,
    pub(super) state: &'static str,
}

/// What a later revision corrects.
#[derive(Debug, Serialize)]
pub(super) struct Correction<'a> {
    pub(super) since: u32,
    pub(super) because: &'a [String],
    pub(super) rows: Vec<CorrectionRow>,
}

/// A number that was another one.
#[derive(Debug, Serialize)]
pub(super) struct CorrectionRow {
    pub(super) title: String,
    pub(super) of: String,
    pub(super) which: String,
    pub(super) was: String,
    pub(super) is: String,
}

impl<'a> Review<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let in_scope = |scope: Scope| {
            let scope = scope.as_str();
            snapshot.readings.iter().filter(move |it| it.scope == scope && it.is_headline())
        };
        let rows =
            |numbers: &mut dyn Iterator<Item = &'a Number>| numbers.filter_map(Row::of).collect();
        let mut names: Vec<&str> = Vec::new();
        for name in in_scope(Scope::Team(0)).filter_map(|it| it.team.as_deref()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let team = |name: &'a str| Team {
            name,
            rows: rows(&mut in_scope(Scope::Team(0)).filter(|it| it.team.as_deref() == Some(name))),
        };
        Self {
            quarter: &snapshot.quarter,
            previous: &snapshot.previous_quarter,
            days: snapshot.days(),
            as_of: snapshot.looked_at(),
            revision: snapshot.revision,
            provisional: &snapshot.provisional_because,
            guide: guide(snapshot),
            org: rows(&mut in_scope(Scope::Org)),
            teams: names.into_iter().map(team).collect(),
            missing: snapshot.missing.iter().map(Gap::of).collect(),
            sources: snapshot
                .sources
                .iter()
                .map(|it| SourceRow {
                    name: &it.name,
                    since: human::instant(it.history_start),
                    state: reached(it.state),
                })
                .collect(),
            correction: snapshot.changes.as_ref().map(|changes| Correction {
                since: changes.since,
                because: changes.because(),
                rows: changes.readings.iter().map(CorrectionRow::of).collect(),
            }),
            made_from: [
                ("definition", &snapshot.definition),
                ("configuration", &snapshot.configuration),
                ("input", &snapshot.input),
            ],
        }
    }
}

fn guide(snapshot: &Snapshot) -> String {
    let mut guide = format!(
        "A status says no more than the 95 % interval of the number allows. A change is against {}, \
         counts per day. What is undefined is –, never 0.",
        snapshot.previous_quarter
    );
    if snapshot.readings.iter().any(|it| it.as_collected && it.n.is_some()) {
        guide += " \"As collected\": of what stands in repositories no history is kept, so this is \
                  what was there when it was last read.";
    }
    for id in &snapshot.held {
        guide += &format!(
            " {} stays as in the revision before: fewer than five answers differ, and the difference \
             would tell what they were.",
            title(id)
        );
    }
    guide
}

fn reached(state: Reached) -> &'static str {
    match state {
        Reached::Complete => "complete",
        Reached::Behind => "not read that far",
        Reached::Stale => "stale",
        Reached::Never => "never read to its end",
    }
}

/// The KPI and the family with these names, if they are still called so.
fn known(kpi: &str, family: &str) -> Option<(&'static Kpi, &'static Family)> {
    let kpi = kpi::find(kpi)?;
    Some((kpi, kpi.families.iter().find(|it| it.name == family)?))
}

fn title(id: &str) -> String {
    kpi::find(id).map_or_else(|| id.to_owned(), |it| it.title.to_owned())
}

/// Which of the values of a family: its statistic and its dimensions.
fn which<'a>(
    stat: Option<&str>,
    labels: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Vec<String> {
    let stat = stat.map(spaced);
    let labels = labels.into_iter().map(|(name, is)| spaced(&format!("{name} {is}")));
    stat.into_iter().chain(labels).collect()
}

impl Row {
    fn of(number: &Number) -> Option<Self> {
        let (kpi, family) = known(&number.kpi, &number.family)?;
        let state = State::named(number.status.as_deref()?)?;
        let mut reading = Reading::new(family.name, number.value, number.n.unwrap_or(0));
        (reading.lower, reading.upper, reading.beyond) =
            (number.lower, number.upper, number.beyond);
        let mut which = which(number.stat.as_deref(), &number.labels);
        which.extend(match number.window.as_str() {
            _ if number.as_collected => Some("as collected".to_owned()),
            "now" => Some("at that time".to_owned()),
            "wave" => Some("last wave".to_owned()),
            _ => None,
        });
        let shown = number.n.is_some();
        let provisional = shown && number.provisional == Some(true);
        let count = |it: Option<u64>| it.map_or_else(String::new, |it| it.to_string());
        Some(Self {
            title: kpi.title.to_owned(),
            which: which.join(", "),
            value: human::reading(kpi, family, &reading),
            interval: human::interval(kpi, family, &reading),
            n: count(number.n),
            open: count(number.open),
            target: number.target_in_words.clone().unwrap_or_default(),
            before: human::value(kpi, family, number.previous_value),
            change: number.previous_ratio.map_or_else(|| "–".to_owned(), change),
            state: state.as_str(),
            sign: human::sign(state),
            verdict: human::state(state).to_owned()
                + if provisional { ", provisional" } else { "" },
        })
    }
}

impl<'a> Gap<'a> {
    fn of(missing: &'a Missing) -> Self {
        let state = State::named(&missing.status);
        let labels = which(None, &missing.labels).join(", ");
        let of = if labels.is_empty() { labels } else { format!(" ({labels})") };
        Self {
            title: title(&missing.kpi) + &of,
            verdict: state.map_or("", human::state),
            why: &missing.why,
        }
    }
}

/// What of a number is shown when it changed, in this order; the rest of it follows from these.
const SHOWN: [&str; 9] = [
    "value",
    "n",
    "open",
    "coverage",
    "status",
    "target_in_words",
    "excluded",
    "previous_value",
    "previous_n",
];

impl CorrectionRow {
    fn of(changed: &Changed) -> Self {
        let said = |values: &Map<String, Value>| {
            let first = SHOWN.iter().filter(|key| values.contains_key(**key)).copied();
            let mut keys: Vec<&str> = first.collect();
            if !SHOWN.iter().any(|it| changed.was.contains_key(*it) || changed.is.contains_key(*it))
            {
                keys = values.keys().map(String::as_str).collect();
            }
            let said = keys.into_iter().map(|key| said(changed, key, &values[key]));
            let said = said.collect::<Vec<_>>().join(", ");
            if said.is_empty() { "–".to_owned() } else { said }
        };
        let own = known(&changed.kpi, &changed.family);
        let secondary = own.filter(|(kpi, family)| kpi.families[0].name != family.name);
        let mut which = which(changed.stat.as_deref(), &changed.labels);
        which.extend(secondary.map(|(_, family)| family.name.to_owned()));
        Self {
            title: title(&changed.kpi),
            of: match (&changed.team, &changed.service) {
                (_, Some(service)) => format!("service {service}"),
                (Some(team), None) => format!("team {team}"),
                (None, None) => "organisation".to_owned(),
            },
            which: which.join(", "),
            was: said(&changed.was),
            is: said(&changed.is),
        }
    }
}

/// One property of a number, as `n 4`; the value alone.
fn said(of: &Changed, key: &str, value: &Value) -> String {
    let measured = |it: f64| match known(&of.kpi, &of.family) {
        Some((kpi, family)) => human::value(kpi, family, Some(it)),
        None => it.to_string(),
    };
    let text = match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => spaced(text),
        Value::Object(counts) if counts.is_empty() => "none".to_owned(),
        Value::Object(counts) => {
            let counts = counts.iter().map(|(reason, count)| format!("{count} {}", spaced(reason)));
            counts.collect::<Vec<_>>().join(" and ")
        }
        it => match (key, it.as_f64()) {
            ("value" | "previous_value" | "lower" | "upper" | "beyond", Some(it)) => measured(it),
            ("coverage", Some(it)) => human::share(it),
            _ => it.to_string(),
        },
    };
    match key {
        "value" | "status" => text,
        "previous_value" => format!("the quarter before {text}"),
        "target_in_words" => format!("target {text}"),
        "excluded" => format!("left out {text}"),
        _ => format!("{} {text}", spaced(key)),
    }
}
