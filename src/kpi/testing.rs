//! Stories for tests: what happened, one event a line, and what a KPI makes of it.
//!
//! ```text
//! service web                                  # repository acme/web, one environment: production
//! 05T10:00 merge web#12 by alice               # makes the squash commit c12 on the default branch
//! 05T11:00 deploy web c12                      # a deployment that succeeds at once
//! ```
//!
//! `DDTHH:MM[:SS]` is a day of March 2026, `MM-DDTHH:MM[:SS]` a day of 2026. A line without a time
//! sets the scene. Everything after `#` and a space is a remark. A word that nothing understands
//! fails the test, so that a slip of the pen cannot make a story mean nothing. The verbs are in the
//! submodules.

mod decisions;
mod delivery;
mod incidents;
mod quality;
mod registers;
pub(crate) mod requests;
mod scene;
pub(crate) mod worlds;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use chrono::{Duration, NaiveDate, NaiveDateTime};

use super::evaluation::Names;
use super::params::SourceParams;
use super::{Item, Kpi, Need, Outcome, Params, Reading, Slice, Span, View, WindowKind};
use crate::domain::{CommitId, Fact, Instant, RepositoryId, SourceName, Timeline};

/// A source that is complete from `history_start` on and stale after an hour without a success.
pub(crate) fn source(name: &str, feeds: &[Need], history_start: Instant) -> SourceParams {
    SourceParams {
        name: SourceName::from(name),
        feeds: feeds.to_vec(),
        history_start,
        parts: BTreeSet::new(),
        stale_after: Duration::hours(1),
        web_base: format!("https://{name}.example").parse().expect("an address"),
    }
}

/// A story told in lines.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    /// The facts in the order in which they were told.
    pub(crate) facts: Vec<(SourceName, Fact)>,
    /// The rules, with every default of the product.
    pub(crate) params: Params,
    /// When the story is looked at; the first instant of April 2026 unless it says otherwise.
    pub(crate) as_of: Instant,
    /// The commit at the tip of each repository's default branch.
    tips: HashMap<String, CommitId>,
}

impl Story {
    /// Reads a story.
    #[track_caller]
    pub(crate) fn told(text: &str) -> Self {
        let mut story = Self {
            facts: Vec::new(),
            params: scene::params(),
            as_of: instant("04-01T00:00"),
            tips: HashMap::new(),
        };
        for text in text.lines() {
            let line = Line::of(text);
            if !line.words.is_empty() {
                story.hear(line);
            }
        }
        story
    }

    #[track_caller]
    fn hear(&mut self, mut line: Line) {
        let verb = line.next("a verb");
        let known = match line.at {
            None => scene::set(self, &verb, &mut line),
            Some(at) => {
                delivery::happened(self, at, &verb, &mut line)
                    || incidents::happened(self, at, &verb, &mut line)
                    || decisions::happened(self, at, &verb, &mut line)
                    || registers::happened(self, at, &verb, &mut line)
                    || requests::happened(self, at, &verb, &mut line)
                    || quality::happened(self, at, &verb, &mut line)
            }
        };
        assert!(known, "no story verb is called {verb:?}: {}", line.text);
        line.end();
    }

    /// Adds a fact of the source `source`.
    pub(crate) fn learn(&mut self, source: &str, fact: Fact) {
        self.facts.push((SourceName::from(source), fact));
    }

    /// What is known when every fact has arrived.
    pub(crate) fn timeline(&self) -> Timeline {
        self.known(self.facts.clone())
    }

    /// The last version of each fact, as a store keeps it.
    pub(crate) fn kept(&self) -> Vec<(SourceName, Fact)> {
        let mut kept = BTreeMap::new();
        for (source, fact) in &self.facts {
            kept.insert(fact.key(source), (source.clone(), fact.clone()));
        }
        kept.into_values().collect()
    }

    /// What is known when these of its facts have arrived, in this order.
    pub(crate) fn known(&self, facts: Vec<(SourceName, Fact)>) -> Timeline {
        let mut timeline = Timeline::default();
        for (source, fact) in facts {
            timeline.apply(&source, fact);
        }
        for (name, tip) in &self.tips {
            if let Some(repository) = timeline.repositories.get_mut(&Self::repository(name).0) {
                repository.head = Some(tip.clone());
            }
        }
        timeline
    }

    /// The facts of `timeline` judged by the story's rules.
    pub(crate) fn view<'a>(&'a self, timeline: &'a Timeline) -> View<'a> {
        View::build(timeline, &self.params, self.as_of).explained()
    }

    /// The readings of `kpi`, one a line, for a slice such as `org 90d`, `team core 30d` or
    /// `service web 01T00:00..08T00:00`.
    #[track_caller]
    pub(crate) fn readings(&self, kpi: &Kpi, slice: &str) -> String {
        let timeline = self.timeline();
        let view = View::build(&timeline, &self.params, self.as_of);
        let items = (kpi.assess)(&view);
        let (scope, window) = slice.rsplit_once(' ').expect("a slice is a scope and a window");
        let items = self.items_of(&items, scope);
        let slice = Slice {
            scope: Names::of(&self.params)
                .scope(scope.strip_prefix("team "), scope.strip_prefix("service "))
                .expect("a scope of the story"),
            window: self.window(window),
            as_of: self.as_of,
            calendar: match window {
                "wave" => WindowKind::Wave,
                "own" => WindowKind::Own,
                _ => WindowKind::Rolling,
            },
            view: &view,
        };
        let mut text = String::new();
        for reading in (kpi.measure)(&items, &slice) {
            let known = kpi.families.iter().any(|family| family.name == reading.family);
            assert!(known, "{} does not declare {}: add it to `families`", kpi.id, reading.family);
            writeln!(text, "{}", shown(&reading)).expect("writing to a string never fails");
        }
        text
    }

    /// The same, only the lines that hold `needle`.
    #[track_caller]
    pub(crate) fn reading(&self, kpi: &Kpi, slice: &str, needle: &str) -> String {
        let readings = self.readings(kpi, slice);
        let lines: Vec<&str> = readings.lines().filter(|line| line.contains(needle)).collect();
        assert!(!lines.is_empty(), "no reading of {} mentions {needle:?}:\n{readings}", kpi.id);
        lines.join("\n")
    }

    /// The items of `kpi` in a scope such as `org` or `service web`, one a line.
    #[track_caller]
    pub(crate) fn items(&self, kpi: &Kpi, scope: &str) -> String {
        let timeline = self.timeline();
        let items = (kpi.assess)(&self.view(&timeline));
        let mut text = String::new();
        for item in self.items_of(&items, scope) {
            writeln!(text, "{}", described(item)).expect("writing to a string never fails");
        }
        text
    }

    /// The items of one scope, each id once: the one that completed first, else one that is open.
    pub(crate) fn items_of<'a>(&self, items: &'a [Item], scope: &str) -> Vec<&'a Item> {
        let catalogue = &self.params.catalogue;
        let belongs = |item: &Item| match scope.split_once(' ') {
            Some(("service", name)) => item
                .placement
                .services
                .iter()
                .any(|&it| catalogue.services[it].name.as_str() == name),
            Some(("team", name)) => {
                item.placement.teams.iter().any(|&it| catalogue.teams[it].as_str() == name)
            }
            _ => {
                assert_eq!(scope, "org", "a scope is `org`, `team NAME` or `service NAME`");
                true
            }
        };
        let rank = |item: &Item| match item.outcome {
            Outcome::Counted => (0, item.completed_at),
            Outcome::Open => (1, None),
            Outcome::Censored(_) => (2, item.completed_at),
            Outcome::Excluded(_) => (3, item.completed_at),
        };
        let mut once: BTreeMap<_, &Item> = BTreeMap::new();
        for item in items.iter().filter(|item| belongs(item)) {
            let kept = once.entry(&item.id).or_insert(item);
            if rank(item) < rank(kept) {
                *kept = item;
            }
        }
        once.into_values().collect()
    }

    fn window(&self, text: &str) -> Span {
        if let Some((start, end)) = text.split_once("..") {
            return Span { start: instant(start), end: instant(end) };
        }
        if matches!(text, "wave" | "own") {
            return Span { start: self.as_of, end: self.as_of };
        }
        let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
        let days = days.expect("a window is `30d` or `START..END`");
        Span { start: self.as_of - Duration::days(days), end: self.as_of }
    }

    /// The id under which a repository `name` of the story is known, and its full name.
    fn repository(name: &str) -> (RepositoryId, String) {
        (RepositoryId::of(&SourceName::from("github"), name), format!("acme/{name}"))
    }
}

/// One line of a story.
pub(crate) struct Line {
    text: String,
    at: Option<Instant>,
    words: Vec<String>,
}

impl Line {
    #[track_caller]
    fn of(text: &str) -> Self {
        let told = text.split("# ").next().unwrap_or_default();
        let mut words: Vec<String> = told.split_whitespace().map(str::to_owned).collect();
        let timed =
            words.first().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let at = timed.then(|| instant(&words.remove(0)));
        Self { text: text.trim().to_owned(), at, words }
    }

    /// The next word, which must be there.
    #[track_caller]
    pub(crate) fn next(&mut self, what: &str) -> String {
        assert!(!self.words.is_empty(), "expected {what}: {}", self.text);
        self.words.remove(0)
    }

    /// The word after `keyword`, wherever that is in the rest of the line.
    #[track_caller]
    pub(crate) fn after(&mut self, keyword: &str) -> Option<String> {
        let position = self.words.iter().position(|word| word == keyword)?;
        self.words.remove(position);
        assert!(position < self.words.len(), "expected a word after {keyword:?}: {}", self.text);
        Some(self.words.remove(position))
    }

    /// The comma-separated list after `keyword`; empty without the keyword.
    #[track_caller]
    pub(crate) fn list(&mut self, keyword: &str) -> Vec<String> {
        let list = self.after(keyword).unwrap_or_default();
        list.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect()
    }

    /// The instant after `keyword`.
    #[track_caller]
    pub(crate) fn time(&mut self, keyword: &str) -> Option<Instant> {
        self.after(keyword).map(|word| instant(&word))
    }

    /// Whether the line has the word `flag`.
    pub(crate) fn flag(&mut self, flag: &str) -> bool {
        let position = self.words.iter().position(|word| word == flag);
        position.map(|position| self.words.remove(position)).is_some()
    }

    /// All the other words.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::mem::take(&mut self.words)
    }

    #[track_caller]
    fn end(&self) {
        assert!(self.words.is_empty(), "nothing understands {:?}: {}", self.words, self.text);
    }
}

/// `05T10:00`, `04-05T10:00` or `2025-12-05T10:00`, each with or without seconds.
#[track_caller]
pub(crate) fn instant(text: &str) -> Instant {
    let (day, time) = text.split_once('T').unwrap_or_else(|| panic!("{text:?} is no story time"));
    let date = match day.split('-').collect::<Vec<_>>()[..] {
        [day] => format!("2026-03-{day}"),
        [month, day] => format!("2026-{month}-{day}"),
        _ => day.to_owned(),
    };
    let seconds = if time.len() > 5 { "" } else { ":00" };
    NaiveDateTime::parse_from_str(&format!("{date}T{time}{seconds}"), "%Y-%m-%dT%H:%M:%S")
        .unwrap_or_else(|error| panic!("{text:?} is no story time: {error}"))
        .and_utc()
}

/// An instant the way stories write it.
pub(crate) fn told(at: Instant) -> String {
    let march = NaiveDate::from_ymd_opt(2026, 3, 1).expect("the first of March exists");
    let day = at.date_naive();
    let days = day.signed_duration_since(march).num_days();
    let date = if (0..31).contains(&days) { "%d" } else { "%Y-%m-%d" };
    let seconds = if at.timestamp() % 60 == 0 { "" } else { ":%S" };
    at.format(&format!("{date}T%H:%M{seconds}")).to_string()
}

/// Seconds for people: `2d03h`, `1h05m`, `40s`.
fn duration(seconds: f64) -> String {
    let whole = Duration::milliseconds((seconds * 1000.0).round() as i64);
    let parts = [
        (whole.num_days(), "d"),
        (whole.num_hours() % 24, "h"),
        (whole.num_minutes() % 60, "m"),
        (whole.num_seconds() % 60, "s"),
        (whole.num_milliseconds() % 1000, "ms"),
    ];
    let text: String =
        parts.iter().filter(|(n, _)| *n != 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn number(family: &str, value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if family.ends_with("_timestamp_seconds") => {
            Instant::from_timestamp(value as i64, 0).map_or_else(String::new, told)
        }
        Some(value) if family.ends_with("_seconds") => duration(value),
        Some(value) => format!("{}", (value * 10_000.0).round() / 10_000.0),
    }
}

fn shown(reading: &Reading) -> String {
    let name = reading.family;
    let mut text = name.strip_prefix("engkpi_").expect("families start with engkpi_").to_owned();
    for (_, value) in &reading.dimensions {
        write!(text, " {value}").expect("writing to a string never fails");
    }
    if let Some(stat) = reading.stat {
        write!(text, " {}", stat.as_str()).expect("writing to a string never fails");
    }
    write!(text, " {}", number(name, reading.value)).expect("writing to a string never fails");
    if reading.lower.is_some() || reading.upper.is_some() {
        let (lower, upper) = (number(name, reading.lower), number(name, reading.upper));
        write!(text, " [{lower}, {upper}]").expect("writing to a string never fails");
    }
    write!(text, " n={}", reading.n).expect("writing to a string never fails");
    let counts = [("numerator", reading.numerator), ("open", reading.open.filter(|&it| it > 0))];
    for (what, count) in counts {
        if let Some(count) = count {
            write!(text, " {what}={count}").expect("writing to a string never fails");
        }
    }
    for (reason, count) in reading.excluded.iter() {
        write!(text, " {reason}={count}").expect("writing to a string never fails");
    }
    if let Some(coverage) = reading.coverage {
        write!(text, " coverage={coverage:.2}").expect("writing to a string never fails");
    }
    text
}

fn named(id: &super::ItemId) -> String {
    match id {
        super::ItemId::Change { repository, number } => {
            format!("{}#{number}", short(repository))
        }
        super::ItemId::Deployment { service, native, .. } => format!("{service}:{native}"),
        super::ItemId::Incident { native, episode: 0, .. } => native.to_string(),
        super::ItemId::Incident { native, episode, .. } => format!("{native}/{episode}"),
        super::ItemId::Burnt { slo, during: None } => format!("{slo}: unattributed"),
        super::ItemId::Burnt { slo, during: Some(during) } => {
            format!("{slo}: burnt while {}", named(during))
        }
        super::ItemId::Maintenance { name } => name.clone(),
        super::ItemId::Ledger { name, day: None, .. } => name.clone(),
        super::ItemId::Ledger { name, day: Some(day), .. } => format!("{name}@{day}"),
        super::ItemId::Issue { repository, number, life: 0 } => {
            format!("{}#{number}", short(repository))
        }
        super::ItemId::Issue { repository, number, life } => {
            format!("{}#{number}/{life}", short(repository))
        }
        super::ItemId::Finding { native, .. } | super::ItemId::FindingFeed { native, .. } => {
            native.clone()
        }
        super::ItemId::Adoption { standard, service } => format!("{standard}:{service}"),
        super::ItemId::Boundary { name } => name.clone(),
        super::ItemId::Decision { repository, path } => format!("{}:{path}", short(repository)),
        super::ItemId::Answers(it) => {
            let super::item::Answers { wave, dimension, group, team, .. } = &**it;
            let team = team.as_ref().map_or("rest", |team| team.as_str());
            format!("{wave} {dimension} {group} {team}")
        }
        super::ItemId::Entry { native, .. } => native.clone(),
        super::ItemId::CostDay { service, unit, day } => {
            let service = service.as_ref().map_or("-", |service| service.as_str());
            format!("{service} {day} {unit}").trim_end().to_owned()
        }
    }
}

pub(crate) fn described(item: &Item) -> String {
    let mut text = named(&item.id);
    match (&item.outcome, item.completed_at) {
        (Outcome::Counted, Some(at)) => write!(text, " counted {}", told(at)),
        (Outcome::Counted, None) => write!(text, " counted"),
        (Outcome::Open, _) => write!(text, " open since {}", told(item.started_at)),
        (Outcome::Excluded(reason), _) => write!(text, " excluded {reason}"),
        (Outcome::Censored(reason), Some(at)) => write!(text, " {reason} {}", told(at)),
        (Outcome::Censored(reason), None) => write!(text, " {reason}"),
    }
    .expect("writing to a string never fails");
    for (name, value) in &item.values {
        let value = match item.id {
            super::ItemId::CostDay { .. }
            | super::ItemId::Answers(_)
            | super::ItemId::Burnt { .. } => number("", Some(*value)),
            _ => duration(*value),
        };
        write!(text, " {name}={value}").expect("writing to a string never fails");
    }
    for mark in &item.marks {
        write!(text, " {}={}", mark.name, mark.value).expect("writing to a string never fails");
        if let Some(evidence) = &mark.evidence {
            write!(text, "({evidence})").expect("writing to a string never fails");
        }
    }
    text
}

fn short(repository: &RepositoryId) -> &str {
    repository.as_str().rsplit('/').next().unwrap_or_default()
}
