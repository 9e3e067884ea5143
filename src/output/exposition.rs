//! An evaluation in Prometheus's text format.
//!
//! Every evaluation is rendered from nothing, so a series whose label set went away cannot linger,
//! and each family is deduplicated before it is written, so a scrape cannot be refused.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use prometheus::proto::{Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use super::human;
use crate::kpi::evaluation::{DEFINITION, Evaluated, Evaluation, Judged, Scope};
use crate::kpi::statistics::real;
use crate::kpi::{self, Family, Kpi, Reading, State, facts};

/// How to render.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How often evaluations happen at least; HELP says it.
    pub every: Duration,
    /// The most series that one family may have.
    pub max_series: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { every: Duration::from_secs(60), max_series: 100_000 }
    }
}

/// A rendered evaluation.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// The text.
    pub text: Vec<u8>,
    /// How many series it has.
    pub series: usize,
    /// Families of which series were left out, and how many: those over the cap, and those that
    /// became equal to another when their labels were cleaned.
    pub dropped: Vec<(String, u64)>,
}

/// The longest label value, in characters.
const MAX_LABEL: usize = 256;

/// Renders `evaluation`, families by name and series by label.
pub fn render(evaluation: &Evaluation, options: &Options) -> Rendered {
    let mut rendered = Rendered::default();
    for family in sorted_families() {
        let drafted = family.draft(evaluation);
        let kept = drafted.settle(options.max_series);
        if kept.dropped > 0 {
            rendered.dropped.push((family.name().into_owned(), kept.dropped));
        }
        if !kept.series.is_empty() {
            rendered.series += kept.series.len();
            let help = family.help(options);
            write(&mut rendered.text, family.name().into_owned(), help, kept.series);
        }
    }
    rendered
}

fn write(text: &mut Vec<u8>, name: String, help: String, series: Vec<Series<'_>>) {
    let mut family = MetricFamily::default();
    family.set_name(name);
    family.set_help(help);
    family.set_field_type(MetricType::GAUGE);
    family.set_metric(series.into_iter().map(Series::metric).collect());
    TextEncoder::new()
        .encode(&[family], text)
        .expect("a family with a name and with series can be written to memory");
}

/// Everything that is exposed about KPIs.
#[derive(Clone, Copy, Debug)]
enum Exposed {
    /// The values of a family that a KPI names.
    Values(&'static Kpi, &'static Family),
    /// The numerators of such a family of ratios.
    Numerators(&'static Kpi, &'static Family),
    /// Something about every KPI.
    About(About),
    /// Facts counted by label.
    Facts(&'static Family),
}

/// What is said about every KPI beside its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Samples,
    OpenItems,
    ExcludedItems,
    Coverage,
    ConfidenceBound,
    Target,
    Status,
    PreviousRatio,
    BaselineRatio,
    Provisional,
    Info,
}

impl About {
    const ALL: [Self; 11] = [
        Self::Samples,
        Self::OpenItems,
        Self::ExcludedItems,
        Self::Coverage,
        Self::ConfidenceBound,
        Self::Target,
        Self::Status,
        Self::PreviousRatio,
        Self::BaselineRatio,
        Self::Provisional,
        Self::Info,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Samples => "engkpi_kpi_samples",
            Self::OpenItems => "engkpi_kpi_open_items",
            Self::ExcludedItems => "engkpi_kpi_excluded_items",
            Self::Coverage => "engkpi_kpi_coverage_ratio",
            Self::ConfidenceBound => "engkpi_kpi_confidence_bound",
            Self::Target => "engkpi_kpi_target",
            Self::Status => "engkpi_kpi_status",
            Self::PreviousRatio => "engkpi_kpi_previous_ratio",
            Self::BaselineRatio => "engkpi_kpi_baseline_ratio",
            Self::Provisional => "engkpi_kpi_provisional",
            Self::Info => "engkpi_kpi_info",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Samples => "Items that the KPI's value is made of; the denominator of a ratio.",
            Self::OpenItems => {
                "Items still open in the scope; for km_median the censored items of its cohort."
            }
            Self::ExcludedItems => "Items of the window that are in no statistic, by reason.",
            Self::Coverage => "Share of the relevant items that carry what the definition needs.",
            Self::ConfidenceBound => "Ends of the value's 95 % interval, in the value's unit.",
            Self::Target => "The target that decides the status, and a second line for charts.",
            Self::Status => "1 for the present state of the KPI against its target.",
            Self::PreviousRatio => {
                "The value divided by that of the window before; counts are compared per day."
            }
            Self::BaselineRatio => {
                "Hodges-Lehmann ratio of the durations to those of the baseline interval."
            }
            Self::Provisional => "1 while late knowledge may still change the window.",
            Self::Info => "1, labelled with what the KPI is and the version of its definition.",
        }
    }
}

fn sorted_families() -> Vec<Exposed> {
    let of_kpi = |kpi: &'static Kpi| {
        kpi.families.iter().flat_map(move |family| {
            [Exposed::Values(kpi, family)]
                .into_iter()
                .chain(numerator_name(family).map(|_| Exposed::Numerators(kpi, family)))
        })
    };
    let mut families: Vec<Exposed> = kpi::ALL.iter().copied().flat_map(of_kpi).collect();
    families.extend(About::ALL.map(Exposed::About));
    families.extend(facts::FAMILIES.iter().map(Exposed::Facts));
    families.sort_by(|a, b| a.name().cmp(&b.name()));
    families
}

/// Every family that may be exposed about KPIs and facts, by name.
pub fn family_names() -> Vec<String> {
    sorted_families().into_iter().map(|family| family.name().into_owned()).collect()
}

fn numerator_name(family: &Family) -> Option<String> {
    family.name.strip_suffix("_ratio").map(|stem| format!("{stem}_numerator_items"))
}

impl Exposed {
    fn name(self) -> Cow<'static, str> {
        match self {
            Self::Values(_, family) | Self::Facts(family) => family.name.into(),
            Self::Numerators(_, family) => {
                numerator_name(family).map_or(family.name.into(), Cow::Owned)
            }
            Self::About(about) => about.name().into(),
        }
    }

    fn help(self, options: &Options) -> String {
        let cached = format!("(cached; evaluated every {})", human::every(options.every));
        match self {
            Self::Values(kpi, family) if is_own(kpi, family) => {
                format!("{} {} {cached}", family.help, kpi.definition)
            }
            Self::Values(_, family) | Self::Facts(family) => format!("{} {cached}", family.help),
            Self::Numerators(_, family) => {
                format!("How many items are in the numerator of {}. {cached}", family.name)
            }
            Self::About(about) => format!("{} {cached}", about.help()),
        }
    }

    fn draft(self, evaluation: &Evaluation) -> Draft<'_> {
        let mut draft = Draft { evaluation, series: Vec::new() };
        match self {
            Self::Values(kpi, family) => {
                for it in readings(evaluation, kpi, family) {
                    draft.add(it.reading.value, value_labels(it, family));
                }
            }
            Self::Numerators(kpi, family) => {
                for it in readings(evaluation, kpi, family) {
                    draft.add(it.reading.numerator.map(real), value_labels(it, family));
                }
            }
            Self::About(about) => draft.about(about),
            Self::Facts(family) => {
                for fact in evaluation.facts.iter().filter(|it| it.family == family.name) {
                    let mut labels = Labels::default();
                    for (name, value) in &fact.labels {
                        labels.push(name, value.as_str());
                    }
                    draft.series.push(Series { rank: 0, labels, value: real(fact.count) });
                }
            }
        }
        draft
    }
}

fn is_own(kpi: &Kpi, family: &Family) -> bool {
    kpi.families.first().is_some_and(|own| own.name == family.name)
}

fn readings<'a>(
    evaluation: &'a Evaluation,
    kpi: &'static Kpi,
    family: &'static Family,
) -> impl Iterator<Item = &'a Evaluated> {
    evaluation
        .readings
        .iter()
        .filter(move |it| std::ptr::eq(it.kpi, kpi) && it.reading.family == family.name)
}

/// The labels of a value beside its scope.
fn value_labels<'a>(
    it: &'a Evaluated,
    family: &Family,
) -> impl FnOnce(&mut Labels<'a>) -> Option<Scope> {
    let now = family.now;
    move |labels| {
        if now {
            // The same in every window.
            it.period.is_none().then_some(())?;
        } else {
            labels.window(&it.window, it.period.as_deref());
        }
        labels.stat(&it.reading);
        labels.dimensions(&it.reading.dimensions);
        Some(it.scope)
    }
}

/// The series of one family, in no order and as they come.
struct Draft<'a> {
    evaluation: &'a Evaluation,
    series: Vec<Series<'a>>,
}

impl<'a> Draft<'a> {
    /// Adds a series unless it is undefined or `label` says that it is none.
    fn add(&mut self, value: Option<f64>, label: impl FnOnce(&mut Labels<'a>) -> Option<Scope>) {
        let Some(value) = value.filter(|value| value.is_finite()) else { return };
        let mut labels = Labels::default();
        let Some(scope) = label(&mut labels) else { return };
        let (team, service) = self.evaluation.names.labels(scope);
        labels.push("scope", scope.as_str());
        labels.push("team", team);
        labels.push("service", service);
        // Adding 0 turns a negative zero into the positive one.
        self.series.push(Series { rank: rank(scope), labels, value: value + 0.0 });
    }

    fn about(&mut self, about: About) {
        let evaluation = self.evaluation;
        match about {
            About::Info => kpi::ALL.iter().for_each(|kpi| self.info(kpi)),
            About::Target => self.targets(),
            About::Status | About::BaselineRatio | About::Provisional => {
                evaluation.statuses.iter().for_each(|judged| self.judged(about, judged));
            }
            _ => {
                for it in &evaluation.readings {
                    if it.kpi.families.first().is_some_and(|own| own.name == it.reading.family) {
                        self.about_reading(about, it);
                    }
                }
            }
        }
    }

    fn about_reading(&mut self, about: About, it: &'a Evaluated) {
        if !is_exposed(about, it.scope, it.period.is_some()) {
            return;
        }
        let reading = &it.reading;
        let label = |stat: bool, extra: Option<(&'static str, &'static str)>| {
            move |labels: &mut Labels<'a>| {
                labels.push("kpi", it.kpi.id);
                labels.window(&it.window, it.period.as_deref());
                labels.dimensions(&reading.dimensions);
                if stat {
                    labels.stat(reading);
                }
                if let Some((name, value)) = extra {
                    labels.push(name, value);
                }
                Some(it.scope)
            }
        };
        match about {
            About::Samples => self.add(Some(real(reading.n)), label(true, None)),
            About::OpenItems => self.add(reading.open.map(real), label(true, None)),
            About::Coverage => self.add(reading.coverage, label(false, None)),
            About::PreviousRatio => self.add(it.previous_ratio, label(false, None)),
            About::ConfidenceBound => {
                self.add(reading.lower, label(true, Some(("bound", "lower"))));
                self.add(reading.upper, label(true, Some(("bound", "upper"))));
            }
            About::ExcludedItems => {
                for (reason, count) in &reading.excluded {
                    self.add(Some(real(*count)), label(false, Some(("reason", reason))));
                }
            }
            _ => {}
        }
    }

    fn judged(&mut self, about: About, it: &'a Judged) {
        let state = (about == About::Status).then(|| it.state.as_str());
        let value = match about {
            About::BaselineRatio => it.baseline_ratio,
            About::Provisional if has_number(it.state) => {
                Some(if it.provisional { 1.0 } else { 0.0 })
            }
            About::Status => Some(1.0),
            _ => None,
        };
        self.add(value, |labels| {
            labels.push("kpi", it.kpi.id);
            labels.window(&it.window, it.period.as_deref());
            labels.dimensions(&it.dimensions);
            labels.push("state", state.unwrap_or_default());
            Some(it.scope)
        });
    }

    fn targets(&mut self) {
        for goal in &self.evaluation.goals {
            for (bound, value) in [("target", Some(goal.target)), ("good", goal.good)] {
                self.add(value, |labels| {
                    labels.push("kpi", goal.kpi.id);
                    labels.push("bound", bound);
                    for (name, value) in goal.kpi.target_dimensions {
                        labels.push(name, *value);
                    }
                    Some(goal.scope)
                });
            }
        }
    }

    fn info(&mut self, kpi: &'static Kpi) {
        let mut labels = Labels::default();
        labels.push("kpi", kpi.id);
        labels.push("title", kpi.title);
        labels.push("unit", human::unit(kpi.unit));
        labels.push("better", human::better(kpi.better));
        labels.push("definition", DEFINITION);
        self.series.push(Series { rank: 0, labels, value: 1.0 });
    }

    /// Puts the series in order, each label set once, and no more than `max` of them: those of the
    /// organisation go first, then those of teams.
    fn settle(mut self, max: usize) -> Settled<'a> {
        for series in &mut self.series {
            series.labels.0.sort_unstable_by_key(|(name, _)| *name);
        }
        self.series.sort_by(|a, b| (a.rank, &a.labels).cmp(&(b.rank, &b.labels)));
        let mut dropped = 0;
        self.series.dedup_by(|later, first| {
            let equal = later.labels == first.labels;
            // Equal values are one thing said twice, as by families that have no window.
            dropped += u64::from(equal && later.value.total_cmp(&first.value).is_ne());
            equal
        });
        let over = self.series.len().saturating_sub(max);
        self.series.truncate(max);
        Settled { series: self.series, dropped: dropped + kpi::statistics::count(over) }
    }
}

/// The series of one family in order, each label set once.
struct Settled<'a> {
    series: Vec<Series<'a>>,
    dropped: u64,
}

/// Whether a state is that of a number, rather than of its absence.
fn has_number(state: State) -> bool {
    !matches!(state, State::NoData | State::Stale)
}

/// The series budget: services have only what a status needs, and history leaves out what is about
/// the present or stands in the period beside it.
fn is_exposed(about: About, scope: Scope, history: bool) -> bool {
    let costly = matches!(about, About::PreviousRatio | About::Coverage | About::ExcludedItems);
    let of_service = matches!(scope, Scope::Service(_));
    !(costly && (of_service || history) || about == About::OpenItems && history)
}

fn rank(scope: Scope) -> u8 {
    match scope {
        Scope::Org => 0,
        Scope::Team(_) => 1,
        Scope::Service(_) => 2,
    }
}

/// One series.
struct Series<'a> {
    rank: u8,
    labels: Labels<'a>,
    value: f64,
}

impl Series<'_> {
    fn metric(self) -> Metric {
        let pairs = self.labels.0.into_iter().map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.to_owned());
            pair.set_value(value.into_owned());
            pair
        });
        let mut metric = Metric::from_label(pairs.collect());
        let mut gauge = Gauge::default();
        gauge.set_value(self.value);
        metric.set_gauge(gauge);
        metric
    }
}

/// Labels of one series. An empty value is no label.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Labels<'a>(Vec<(&'static str, Cow<'a, str>)>);

impl<'a> Labels<'a> {
    fn push(&mut self, name: &'static str, value: impl Into<Cow<'a, str>>) {
        let value = clean(value.into());
        if !value.is_empty() {
            self.0.push((name, value));
        }
    }

    fn window(&mut self, window: &'a str, period: Option<&'a str>) {
        self.push("window", window);
        self.push("period", period.unwrap_or_default());
    }

    fn stat(&mut self, reading: &Reading) {
        self.push("stat", reading.stat.map_or("", |stat| stat.as_str()));
    }

    fn dimensions(&mut self, dimensions: &'a [(&'static str, String)]) {
        for (name, value) in dimensions {
            self.push(name, value.as_str());
        }
    }
}

/// A value without control characters and of at most [`MAX_LABEL`] characters.
fn clean(value: Cow<'_, str>) -> Cow<'_, str> {
    if value.chars().any(char::is_control) || value.chars().nth(MAX_LABEL).is_some() {
        let kept = value.chars().filter(|it| !it.is_control()).take(MAX_LABEL);
        Cow::Owned(kept.collect())
    } else {
        value
    }
}

/// Label names of every family about KPIs, for those who check queries against them.
pub fn label_names() -> BTreeSet<&'static str> {
    let common = [
        "kpi",
        "scope",
        "team",
        "service",
        "window",
        "period",
        "stat",
        "bound",
        "state",
        "reason",
        "title",
        "unit",
        "better",
        "definition",
    ];
    let own = kpi::ALL.iter().flat_map(|kpi| kpi.families).flat_map(|it| it.dimensions);
    common.into_iter().chain(own.copied()).collect()
}
