//! The series of a group of scopes, family by family.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::LazyLock;

use super::labels::Labels;
use super::rendering::Block;
use super::selection::Selection;
use super::{About, Exposed, FAMILIES, is_own};
use crate::kpi::evaluation::{DEFINITION, Evaluated, Evaluation, Judged, Part, Scope};
use crate::kpi::statistics::real;
use crate::kpi::{self, Family, Kpi};
use crate::output::human;

/// Where the values of a family and what goes with them are in [`FAMILIES`], and what is said about
/// all.
static PLACES: LazyLock<Places> = LazyLock::new(|| {
    let mut places = Places::default();
    for (at, exposed) in FAMILIES.iter().enumerate() {
        match exposed {
            Exposed::Values(_, family) | Exposed::Facts(family) => {
                places.families.entry(family.name).or_default().values = at;
            }
            Exposed::Numerators(family) => {
                places.families.entry(family.name).or_default().numerators = Some(at);
            }
            Exposed::Samples(family) => {
                places.families.entry(family.name).or_default().samples = Some(at);
            }
            Exposed::About(about) => {
                places.about.insert(*about, at);
            }
        }
    }
    places
});

#[derive(Default)]
struct Places {
    families: HashMap<&'static str, FamilyPlaces>,
    about: HashMap<About, usize>,
}

#[derive(Default)]
struct FamilyPlaces {
    values: usize,
    numerators: Option<usize>,
    samples: Option<usize>,
}

/// The series of some scopes, by family, in no order and as they come.
pub(super) struct Draft<'a> {
    evaluation: &'a Evaluation,
    selection: Selection<'a>,
    families: Vec<Vec<Series<'a>>>,
}

/// One series.
struct Series<'a> {
    labels: Labels<'a>,
    value: f64,
}

impl<'a> Draft<'a> {
    pub(super) fn new(evaluation: &'a Evaluation, complete: bool) -> Self {
        let selection = Selection::of(evaluation, complete);
        Self { evaluation, selection, families: FAMILIES.iter().map(|_| Vec::new()).collect() }
    }

    /// Adds everything that is said about one KPI in one scope.
    pub(super) fn part(&mut self, part: &'a Part) {
        for it in part.readings.iter() {
            let Some(family) = it.kpi.families.iter().find(|own| own.name == it.reading.family)
            else {
                continue;
            };
            if self.selection.has_value(it, family) {
                self.reading(it, family);
            }
        }
        for judged in part.statuses.iter() {
            for about in [About::Status, About::BaselineRatio, About::Provisional] {
                self.judged(about, judged);
            }
        }
    }

    /// Adds what there is once for every KPI.
    pub(super) fn kpis(&mut self) {
        for kpi in kpi::ALL {
            self.info(kpi);
        }
        self.targets();
    }

    /// Adds the counts of facts.
    pub(super) fn facts(&mut self) {
        for fact in self.evaluation.facts.iter() {
            let mut labels = Labels::default();
            for (name, value) in &fact.labels {
                labels.push(name, value.as_str());
            }
            let series = Series { labels, value: real(fact.count) };
            self.families[PLACES.families[fact.family].values].push(series);
        }
    }

    /// The families as text, each series once and in order.
    pub(super) fn settle(self) -> Vec<Block> {
        let named = FAMILIES.iter().zip(self.families);
        named.map(|(family, series)| settle(&family.name(), series)).collect()
    }

    /// Adds a series unless it is undefined or `label` says that it is none.
    fn add(
        &mut self,
        family: usize,
        value: Option<f64>,
        label: impl FnOnce(&mut Labels<'a>) -> Option<Scope>,
    ) {
        let Some(value) = value.filter(|value| value.is_finite()) else { return };
        let mut labels = Labels::default();
        let Some(scope) = label(&mut labels) else { return };
        let (team, service) = self.evaluation.names.labels(scope);
        labels.push("scope", scope.as_str());
        labels.push("team", team);
        labels.push("service", service);
        // Adding 0 turns a negative zero into the positive one.
        self.families[family].push(Series { labels, value: value + 0.0 });
    }

    /// Adds a value and everything that goes with it.
    fn reading(&mut self, it: &'a Evaluated, family: &'static Family) {
        let reading = &it.reading;
        let places = &PLACES.families[family.name];
        self.add(places.values, reading.value, value_labels(it, family));
        if let Some(at) = places.numerators.filter(|_| self.selection.has_numerator(it)) {
            self.add(at, reading.numerator.map(real), value_labels(it, family));
        }
        let sampled = reading.numerator.is_some() || family.distribution;
        if let Some(at) = places.samples.filter(|_| sampled) {
            self.add(at, Some(real(reading.n)), value_labels(it, family));
        }
        if is_own(it.kpi, family) {
            self.about_reading(it);
        }
    }

    fn about_reading(&mut self, it: &'a Evaluated) {
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
        for about in About::ALL {
            if !self.selection.has_about(about, it) {
                continue;
            }
            let at = PLACES.about[&about];
            match about {
                About::Samples => self.add(at, Some(real(reading.n)), label(true, None)),
                About::OpenItems => self.add(at, reading.open.map(real), label(true, None)),
                About::Coverage => self.add(at, reading.coverage, label(false, None)),
                About::PreviousRatio => self.add(at, it.previous_ratio, label(false, None)),
                About::ConfidenceBound => {
                    self.add(at, reading.lower, label(true, Some(("bound", "lower"))));
                    self.add(at, reading.upper, label(true, Some(("bound", "upper"))));
                }
                About::ExcludedItems => {
                    for (reason, count) in reading.excluded.iter() {
                        let label = label(false, Some(("reason", reason)));
                        self.add(at, Some(real(count)), label);
                    }
                }
                About::Target
                | About::Status
                | About::BaselineRatio
                | About::Provisional
                | About::Info => {}
            }
        }
    }

    fn judged(&mut self, about: About, it: &'a Judged) {
        let state = (about == About::Status).then(|| it.state.as_str());
        let value = match about {
            About::BaselineRatio => it.baseline_ratio,
            About::Provisional => Some(if it.provisional { 1.0 } else { 0.0 }),
            _ => Some(1.0),
        };
        let value = value.filter(|_| self.selection.has_verdict(about, it));
        self.add(PLACES.about[&about], value, |labels| {
            labels.push("kpi", it.kpi.id);
            labels.window(&it.window, it.period.as_deref());
            labels.dimensions(&it.dimensions);
            labels.push("state", state.unwrap_or_default());
            Some(it.scope)
        });
    }

    fn targets(&mut self) {
        let at = PLACES.about[&About::Target];
        let evaluation = self.evaluation;
        for goal in &evaluation.goals {
            for (bound, value) in [("target", Some(goal.target)), ("good", goal.good)] {
                self.add(at, value, |labels| {
                    labels.push("kpi", goal.kpi.id);
                    labels.push("bound", bound);
                    labels.dimensions(&goal.dimensions);
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
        self.families[PLACES.about[&About::Info]].push(Series { labels, value: 1.0 });
    }
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

/// Puts the series in order, each label set once, and writes them.
fn settle(name: &str, mut all: Vec<Series<'_>>) -> Block {
    for series in &mut all {
        series.labels.sort();
    }
    all.sort_by(|a, b| a.labels.cmp(&b.labels).then(a.value.total_cmp(&b.value)));
    let mut block = Block::default();
    all.dedup_by(|later, first| {
        let equal = later.labels == first.labels;
        // Equal values are one thing said twice, as by families that have no window.
        block.dropped += u64::from(equal && later.value.total_cmp(&first.value).is_ne());
        equal
    });
    block.series = all.len();
    let mut text = Vec::new();
    for series in &all {
        text.extend_from_slice(name.as_bytes());
        series.labels.write(&mut text);
        writeln!(text, " {}", series.value).expect("writing to memory never fails");
    }
    text.shrink_to_fit();
    block.text = text.into();
    block
}
