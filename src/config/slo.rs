//! `[slos]`: service level objectives, specified in files of sloth's and `OpenSLO`'s formats.

mod openslo;
mod queries;
mod sloth;
mod spec;
#[cfg(test)]
mod tests;
mod windows;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use super::path::KeyPath;
use super::problem::{Place, Problem, Problems};
use crate::domain::Decimal;
use crate::kpi::Span;
use crate::kpi::ledger::Sli;
use crate::kpi::params::{Catalogue, Length, Maintenance, SloMethod, SloWindow};
use crate::output::rules;
use crate::setting::Moment;
use openslo::Indicators;
use sloth::Head;
use spec::{Document, Indicator, IndicatorSpec, Labels, Text};

/// Service level objectives: `[slos]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SloSettings {
    /// Files with specifications, folders of such files (`*.yaml`, `*.yml`), or patterns in which
    /// `*` is any text of a name and `**` any number of folders: sloth's `prometheus/v1`, `OpenSLO` v1, SLOs of `OpenSLO` v1alpha.
    pub files: Vec<String>,
    /// The Prometheus source that is asked. Needed only where there are several.
    pub source: Option<String>,
    /// The window of specifications that name none, as sloth's: a length that rolls (`30d`, `4w`),
    /// or `week`, `month`, `quarter` or `year` of the calendar. Default: 30d.
    pub window: Option<String>,
    /// Of services that are called otherwise in the specifications, the name of the
    /// `[services.NAME]`.
    pub services: BTreeMap<String, String>,
    /// Maintenance that is or was planned. It still spends budgets, and explains what it spent.
    pub maintenance: Vec<MaintenanceSettings>,
}

/// Planned maintenance: one of `slos.maintenance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceSettings {
    /// What people call it.
    pub name: String,
    /// When it begins.
    pub start: Moment,
    /// When it is over.
    pub end: Moment,
    /// The services that it is of. Default: all.
    #[serde(default)]
    pub services: Vec<String>,
}

impl SloSettings {
    /// The window of specifications that name none, as it is written and what it is. `Err` if it
    /// is none.
    pub(super) fn window(&self) -> Result<Option<(String, SloWindow)>, &str> {
        let Some(text) = self.window.as_deref() else { return Ok(None) };
        let calendar = |length| SloWindow::Calendar { length, zone: None, from: None };
        let rolls = |it: &Length| it.is_sensible() && rolling(text).is_some();
        let rolling = || Length::parse(text).filter(rolls).map(SloWindow::Rolling);
        let window = match text {
            "week" => Some(calendar(Length::Days(7))),
            "month" => Some(calendar(Length::Months(1))),
            "quarter" => Some(calendar(Length::Months(3))),
            "year" => Some(calendar(Length::Months(12))),
            _ => rolling(),
        };
        window.map(|it| Some((text.to_owned(), it))).ok_or(text)
    }
}

impl MaintenanceSettings {
    /// The rule that it is.
    pub(super) fn rule(&self, catalogue: &Catalogue) -> Maintenance {
        let position = |name: &String| {
            catalogue.services.iter().position(|it| it.name.as_str() == name.as_str())
        };
        Maintenance {
            name: self.name.clone(),
            services: self.services.iter().filter_map(position).collect(),
            span: Span { start: self.start.0, end: self.end.0 },
        }
    }
}

/// The length of a window that rolls, in rules. Prometheus knows no months: one has 30 days there, a
/// quarter 90 and a year 365. `None` for what is longer than ten years.
pub(super) fn rolling(text: &str) -> Option<rules::Length> {
    let days = [('M', 30), ('Q', 90), ('Y', 365)].into_iter().find_map(|(letter, days)| {
        let number: u32 = text.strip_suffix(letter)?.parse().ok()?;
        Some(format!("{}d", number.checked_mul(days)?))
    });
    rules::Length::parse(days.as_deref().unwrap_or(text))
}

/// An SLO as it was found in a file.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) id: String,
    pub(super) service: String,
    /// Its own name, without the service's.
    name: String,
    format: &'static str,
    /// The length of its rolling window, where the file says it.
    period: Option<rules::Length>,
    labels: BTreeMap<String, String>,
    alerting: rules::Alerting,
    objective: Decimal,
    /// The share of good events in a good slice, where the file says it.
    slice: Option<Decimal>,
    objective_place: Place,
    pub(super) method: SloMethod,
    pub(super) sli: Sli,
    /// The window as it was written.
    pub(super) window: String,
    pub(super) own: SloWindow,
}

impl Found {
    /// The objective as text, as a number, and what it allows to be bad.
    pub(super) fn objective(&self) -> (String, f64, f64) {
        let allowed = self.objective.rest().map_or(0.0, Decimal::float);
        (self.objective.to_string(), self.objective.float(), allowed)
    }

    /// What rules are made of.
    pub(super) fn rules(&self) -> rules::Slo {
        let by_slices = self.method == SloMethod::Slices;
        rules::Slo {
            id: self.id.clone(),
            service: self.service.clone(),
            name: self.name.clone(),
            format: self.format,
            objective: self.objective,
            slice: by_slices.then(|| self.slice.unwrap_or(self.objective).rest()).flatten(),
            sli: self.sli.clone(),
            period: self.period,
            labels: self.labels.clone(),
            alerting: self.alerting.clone(),
        }
    }

    /// What a good slice allows to be bad.
    pub(super) fn slice_allowed(&self) -> f64 {
        let rest = self.slice.unwrap_or(self.objective).rest();
        rest.map_or(0.0, Decimal::float)
    }
}

/// Something that works and may not be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub rule: String,
}

/// What the files of `[slos]` say.
#[derive(Debug)]
pub(super) struct Specifications {
    /// That of specifications which name none.
    window: (String, SloWindow),
    pub(super) found: Vec<Found>,
    /// Windows of burn alerts.
    pub(super) windows: Vec<Windows>,
    pub(super) problems: Vec<Problem>,
    pub(super) notices: Vec<Notice>,
}

/// Windows of burn alerts that take the place of the usual ones.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    /// Where the period is whose SLOs they are for.
    place: Place,
    windows: rules::AlertWindows,
}

/// What rules are made of.
#[derive(Clone, Debug, Default)]
pub struct Objectives {
    /// The SLOs in the order in which they were found, each with the place of its objective.
    slos: Vec<(Place, rules::Slo)>,
    windows: Vec<Windows>,
    /// The window of those that name none, where the configuration says it and it rolls.
    period: Option<rules::Length>,
}

impl Objectives {
    pub(super) fn new(
        found: &[Found],
        windows: Vec<Windows>,
        period: Option<rules::Length>,
    ) -> Self {
        let slos = found.iter().map(|it| (it.objective_place.clone(), it.rules()));
        Self { slos: slos.collect(), windows, period }
    }

    /// Reads the specifications that `patterns` name, as `[slos]` would; with what works and may
    /// not be meant.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn read(patterns: &[String]) -> Result<(Self, Vec<Notice>), Problems> {
        let (mut all, missing) = Specifications::read(patterns, None);
        for (index, rule) in missing {
            let place = Place::File { file: patterns[index].clone() };
            all.problems.push(Problem::new(place, &KeyPath::root(), rule, "mend the path"));
        }
        all.problems.sort();
        // One indicator may be of several objectives.
        all.problems.dedup();
        if !all.problems.is_empty() {
            return Err(Problems(all.problems));
        }
        Ok((Self::new(&all.found, all.windows, None), all.notices))
    }

    /// The SLOs, in the order in which they were found.
    pub fn slos(&self) -> Vec<&rules::Slo> {
        self.slos.iter().map(|(_, slo)| slo).collect()
    }

    /// How rules of them are made. SLOs that name no window that rolls have `period`, if there is
    /// one, else what the configuration says, else 30 days.
    pub fn options(&self, period: Option<rules::Length>) -> rules::Options {
        rules::Options {
            period: period.or(self.period).unwrap_or_default(),
            windows: self.windows.iter().map(|it| it.windows.clone()).collect(),
        }
    }

    /// Which alerts can never fire, and which windows of alerts are of no SLO.
    pub fn notices(&self, options: &rules::Options) -> Vec<Notice> {
        let never = self.slos.iter().flat_map(|(place, slo)| {
            slo.never(options).into_iter().map(|rule| Notice { place: place.clone(), rule })
        });
        let unused = self
            .windows
            .iter()
            .filter(|it| self.slos.iter().all(|(_, slo)| options.period(slo) != it.windows.period));
        let unused = unused.map(|it| Notice {
            place: it.place.clone(),
            rule: format!("no SLO has a window of {}: nobody uses these", it.windows.period),
        });
        never.chain(unused).collect()
    }
}

impl Specifications {
    /// Nothing yet. Specifications that name no window have `window`, or 30 days.
    fn new(window: Option<(String, SloWindow)>) -> Self {
        let usual = || ("30d".to_owned(), SloWindow::Rolling(Length::Days(30)));
        Self {
            window: window.unwrap_or_else(usual),
            found: Vec::new(),
            windows: Vec::new(),
            problems: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// Reads every file that `patterns` name; the second is where a pattern names none.
    pub(super) fn read(
        patterns: &[String],
        window: Option<(String, SloWindow)>,
    ) -> (Self, Vec<(usize, String)>) {
        let mut all = Self::new(window);
        let (mut texts, mut missing) = (Vec::new(), Vec::new());
        for (index, pattern) in patterns.iter().enumerate() {
            match files(pattern) {
                Ok(files) => texts.extend(files.iter().filter_map(|file| all.text(file))),
                Err(rule) => missing.push((index, rule)),
            }
        }
        all.read_texts(&texts);
        (all, missing)
    }

    /// The name and the text of a file.
    fn text(&mut self, path: &Path) -> Option<(String, String)> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Some((file, text)),
            Err(error) => {
                let rule = format!("cannot be read: {error}");
                let place = Place::File { file };
                self.problems.push(Problem::new(place, &KeyPath::root(), rule, "mend its mode"));
                None
            }
        }
    }

    /// Reads the texts of files, each after the file's name. An SLO may refer to an indicator in any
    /// of them.
    fn read_texts(&mut self, texts: &[(String, String)]) {
        let files: Vec<(&str, Vec<Document>)> =
            texts.iter().map(|(file, text)| (file.as_str(), self.documents(file, text))).collect();
        let indicators = self.indicators(&files);
        for (file, documents) in &files {
            Reader { file, all: self }.read(documents, &indicators);
        }
        self.compare();
    }

    /// The documents of a file; none if it cannot be read, which is said.
    fn documents(&mut self, file: &str, text: &str) -> Vec<Document> {
        let mut reader = Reader { file, all: self };
        match serde_saphyr::from_multiple::<Document>(text) {
            Ok(documents) => {
                if documents.is_empty() {
                    reader.file_problem("holds no specification", "remove it from the list");
                }
                documents
            }
            Err(error) => {
                let place = error.location().map(|at| (at.line(), at.column()));
                // The first line says what is wrong, the rest draws it.
                let words = error.to_string();
                let words = words.lines().next().unwrap_or_default().to_owned();
                let place = reader.at(place.unwrap_or((1, 1)));
                reader.push(place, format!("cannot be taken apart: {words}"), "mend the YAML");
                Vec::new()
            }
        }
    }

    /// The indicators of all files that have names of their own.
    fn indicators(&mut self, files: &[(&str, Vec<Document>)]) -> Indicators {
        let mut all = Indicators::new();
        for (file, documents) in files {
            let mut reader = Reader { file, all: self };
            for (name, indicator) in documents.iter().filter_map(indicator) {
                let place = reader.place(name);
                if let Some(first) = all.get(&name.value) {
                    let rule = format!("the SLI {} is at {} already", name.value, first.place);
                    reader.problem(name, rule, "rename one of them");
                    continue;
                }
                let file = (*file).to_owned();
                all.insert(name.value.clone(), openslo::Named { file, place, indicator });
            }
        }
        all
    }

    /// What only all files together show: an id that two SLOs have.
    fn compare(&mut self) {
        let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
        for found in &self.found {
            if let Some(other) = first.insert(&found.id, &found.place) {
                let rule = format!("the SLO {} is at {other} already", found.id);
                let problem =
                    Problem::new(found.place.clone(), &KeyPath::root(), rule, "rename one of them");
                self.problems.push(problem);
            }
        }
    }
}

/// One file while it is read.
#[derive(Debug)]
struct Reader<'a> {
    file: &'a str,
    all: &'a mut Specifications,
}

impl Reader<'_> {
    fn read(&mut self, documents: &[Document], indicators: &Indicators) {
        for document in documents {
            let version = document.version.as_ref().map(|it| it.value.as_str());
            let api = document.api_version.as_ref().map(|it| it.value.as_str());
            let kind = document.kind.as_ref().map(|it| it.value.as_str());
            match (version, api, kind, &document.spec) {
                (Some("prometheus/v1"), None, ..) => {
                    let slos = document.slos.as_deref().unwrap_or_default();
                    let (service, labels) = (document.service.as_ref(), document.labels.as_ref());
                    sloth::read(self, &Head { format: "prometheus/v1", service, labels }, slos);
                }
                (None, Some("sloth.slok.dev/v1"), Some("PrometheusServiceLevel"), Some(spec)) => {
                    let slos = spec.value.slos.as_deref().unwrap_or_default();
                    let service = spec.value.service.as_ref();
                    let labels = spec.value.labels.as_ref();
                    sloth::read(self, &Head { format: "sloth.slok.dev/v1", service, labels }, slos);
                }
                (None, Some("sloth.slok.dev/v1"), Some("AlertWindows"), Some(spec)) => {
                    windows::read(self, spec);
                }
                (None, Some("openslo/v1"), Some("SLO"), Some(spec)) => {
                    let head = ("openslo/v1", document.metadata.as_ref());
                    openslo::read(self, head, spec, indicators);
                }
                (None, Some("openslo/v1alpha"), Some("SLO"), Some(spec)) => {
                    let head = ("openslo/v1alpha", document.metadata.as_ref());
                    openslo::read(self, head, spec, indicators);
                }
                (None, Some("openslo/v1" | "openslo/v1alpha"), Some(kind), _)
                    if kind == "SLI" || openslo::OTHERS.contains(&kind) => {}
                (None, None, None, None) if document.slos.is_none() => {
                    self.file_problem(
                        "has a document that is no specification",
                        "begin it with version: prometheus/v1 or apiVersion: openslo/v1",
                    );
                }
                _ => self.unknown(document),
            }
        }
    }

    fn unknown(&mut self, document: &Document) {
        let fix = "known are version: prometheus/v1, apiVersion: openslo/v1 and openslo/v1alpha";
        let named = document.version.as_ref().or(document.api_version.as_ref());
        match (named, &document.kind) {
            (_, Some(kind)) if document.spec.is_some() => {
                let api = named.map_or("", |it| it.value.as_str());
                self.problem(kind, format!("{api} has no kind {:?} that is read", kind.value), fix);
            }
            (Some(named), _) => {
                self.problem(named, format!("{:?} is no format that is read", named.value), fix);
            }
            (None, _) => self.file_problem("does not say which format it has", fix),
        }
    }

    /// Takes an SLO in, and says what it cannot mean.
    fn found(&mut self, found: Found) {
        if found.objective().2 == 0.0 {
            let rule = "an objective of 100 % leaves no budget: one bad event is an infinite burn";
            self.all
                .notices
                .push(Notice { place: found.objective_place.clone(), rule: rule.to_owned() });
        }
        self.all.found.push(found);
    }

    /// Whether a text can be a name, by sloth's rule; says so if it cannot.
    fn name(&mut self, name: &Text, what: &str) -> bool {
        let text = name.value.as_str();
        let ends = |it: Option<char>| it.is_some_and(|it| it.is_ascii_alphanumeric());
        let inner = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
        let valid = text.len() > 1
            && ends(text.chars().next())
            && ends(text.chars().next_back())
            && text.chars().all(inner);
        if !valid {
            let rule = format!("{text:?} cannot be the name of {what}");
            let fix =
                "use letters, digits, - _ and ., two at least, with a letter or digit at both ends";
            self.problem(name, rule, fix);
        }
        valid
    }

    /// Labels or annotations with the names that they have in rules; says which ones can have none.
    fn labels(&mut self, labels: Option<&Labels>) -> BTreeMap<String, String> {
        let mut named = BTreeMap::new();
        let mut first: BTreeMap<String, &str> = BTreeMap::new();
        for (written, value) in labels.into_iter().flatten() {
            let name = rules::label_name(written);
            if name.is_empty() {
                self.problem(value, "is of a label without a name", "name it");
            } else if name.starts_with("__") {
                let rule = format!("{written:?} is no name: those with __ are of Prometheus's own");
                self.problem(value, rule, "rename the label");
            } else if let Some(other) = first.insert(name.clone(), written) {
                let rule = format!("{written:?} and {other:?} are the same label {name} in rules");
                self.problem(value, rule, "rename one of them");
            }
            named.insert(name, value.value.0.clone());
        }
        named
    }

    /// Labels or annotations of an alert, which are templates; says which ones have no end.
    fn templates(&mut self, labels: Option<&Labels>) -> BTreeMap<String, String> {
        for (name, value) in labels.into_iter().flatten() {
            let opened = value.value.0.rsplit_once("{{");
            if opened.is_some_and(|(_, rest)| !rest.contains("}}")) {
                let rule = format!("{name:?} has a template without an end");
                self.problem(value, rule, "write }} where it ends");
            }
        }
        self.strict_labels(labels)
    }

    /// Labels or annotations of a format that has no other names: says which ones are changed.
    fn strict_labels(&mut self, labels: Option<&Labels>) -> BTreeMap<String, String> {
        for (written, value) in labels.into_iter().flatten() {
            let name = rules::label_name(written);
            if name != *written && !name.starts_with("__") {
                self.warn(value, format!("{written:?} is called {name} in rules"));
            }
        }
        self.labels(labels)
    }

    fn at(&self, (line, column): (u64, u64)) -> Place {
        let number = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
        // After every layer of the configuration itself.
        let (line, column) = (number(line), number(column));
        Place::Text { layer: usize::MAX, file: self.file.to_owned(), line, column }
    }

    fn place<T>(&self, value: &Spanned<T>) -> Place {
        self.at((value.referenced.line(), value.referenced.column()))
    }

    fn problem<T>(&mut self, at: &Spanned<T>, rule: impl Into<String>, fix: impl Into<String>) {
        let place = self.place(at);
        self.push(place, rule, fix);
    }

    fn file_problem(&mut self, rule: &str, fix: &str) {
        self.push(Place::File { file: self.file.to_owned() }, rule, fix);
    }

    fn push(&mut self, place: Place, rule: impl Into<String>, fix: impl Into<String>) {
        self.all.problems.push(Problem::new(place, &KeyPath::root(), rule, fix));
    }

    fn warn<T>(&mut self, at: &Spanned<T>, rule: String) {
        let place = self.place(at);
        self.all.notices.push(Notice { place, rule });
    }
}

/// The indicator that a document is, after its name.
fn indicator(document: &Document) -> Option<(&Text, Spanned<Indicator>)> {
    let kind = document.kind.as_ref()?;
    let name = document.metadata.as_ref()?.name.as_ref()?;
    let spec = document.spec.as_ref().filter(|_| kind.value == "SLI")?;
    let inner = IndicatorSpec {
        ratio_metric: spec.value.ratio_metric.clone(),
        threshold_metric: spec.value.threshold_metric.clone(),
    };
    let indicator = Indicator { spec: Some(inner), threshold_metric: None };
    Some((name, Spanned::new(indicator, spec.referenced, spec.defined)))
}

/// The files that a pattern names, in the order of their names.
fn files(pattern: &str) -> Result<Vec<PathBuf>, String> {
    let path = Path::new(pattern);
    if !pattern.contains('*') {
        return match path {
            _ if path.is_dir() => some(pattern, in_folder(path, pattern, &is_specification)?),
            _ if path.is_file() => Ok(vec![path.to_owned()]),
            _ => Err(format!("there is no file {pattern:?}")),
        };
    }
    let parts: Vec<Component<'_>> = path.components().collect();
    let is_pattern = |it: &Component<'_>| it.as_os_str().to_string_lossy().contains('*');
    let fixed = parts.iter().position(is_pattern).unwrap_or(parts.len());
    let (start, rest) = parts.split_at(fixed);
    let start: PathBuf = start.iter().collect();
    let rest: Vec<String> =
        rest.iter().map(|it| it.as_os_str().to_string_lossy().into_owned()).collect();
    let start = if start.as_os_str().is_empty() { PathBuf::from(".") } else { start };
    let mut files = BTreeSet::new();
    walk(&start, &rest, pattern, &mut files)?;
    some(pattern, files.into_iter().collect())
}

fn some(pattern: &str, files: Vec<PathBuf>) -> Result<Vec<PathBuf>, String> {
    if files.is_empty() { Err(format!("{pattern:?} names no file")) } else { Ok(files) }
}

fn is_specification(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

/// Finds the files below `folder` that the rest of a pattern names: `*` is any text of a name, and a
/// part `**` any number of folders.
fn walk(
    folder: &Path,
    rest: &[String],
    pattern: &str,
    found: &mut BTreeSet<PathBuf>,
) -> Result<(), String> {
    let Some((part, rest)) = rest.split_first() else { return Ok(()) };
    if part == "**" {
        // A pattern that ends so means the specifications at any depth.
        match rest {
            [] => found.extend(in_folder(folder, pattern, &is_specification)?),
            rest => walk(folder, rest, pattern, found)?,
        }
        for inner in folders(folder, pattern)? {
            let again: Vec<String> = std::iter::once(part).chain(rest).cloned().collect();
            walk(&inner, &again, pattern, found)?;
        }
        return Ok(());
    }
    let fits = |name: &str| matches(part, name);
    if rest.is_empty() {
        found.extend(in_folder(folder, pattern, &fits)?);
        return Ok(());
    }
    let named = |path: &Path| path.file_name().and_then(|it| it.to_str()).is_some_and(fits);
    for inner in folders(folder, pattern)?.into_iter().filter(|it| named(it)) {
        walk(&inner, rest, pattern, found)?;
    }
    Ok(())
}

/// The files of a folder whose names fit.
fn in_folder(
    folder: &Path,
    pattern: &str,
    fits: &dyn Fn(&str) -> bool,
) -> Result<Vec<PathBuf>, String> {
    let named = |path: &PathBuf| path.file_name().and_then(|it| it.to_str()).is_some_and(fits);
    let mut files = entries(folder, pattern)?;
    files.retain(|path| path.is_file() && named(path));
    Ok(files)
}

/// The folders in a folder. Links are not followed, as they may lead back.
fn folders(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let mut folders = entries(folder, pattern)?;
    folders.retain(|path| path.is_dir() && !path.is_symlink());
    Ok(folders)
}

fn entries(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| format!("{pattern:?} cannot be read: {error}"))?;
    let mut entries: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    Ok(entries)
}

/// Whether a name fits a pattern in which `*` is any text.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len())
                .filter(|at| name.is_char_boundary(*at))
                .any(|at| matches(rest, &name[at..]))
        }),
    }
}
