//! Configuration: TOML files and `ENGKPI__…` variables into checked values.
//!
//! Built-in defaults, the given files and the environment are layered in this order. Every module
//! owns its `Settings`; this one composes them, and owns what belongs to no other layer: the
//! catalogue, the rules, the targets and the calendar. Whatever is wrong is reported in one run,
//! each problem with its place, its key, the rule that it breaks and the fix.

mod calendar;
mod catalogue;
mod check;
mod debt;
mod decode;
mod document;
mod endpoints;
mod findings;
mod layers;
mod params;
mod path;
mod problem;
mod rules;
mod schema;
mod secrets;
mod slo;
mod sources;
mod standards;
pub mod suggest;
mod targets;
mod text;
mod units;
mod value;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use calendar::CalendarSettings;
pub use catalogue::{DeploymentSettings, ServiceSettings, TeamSettings};
pub use debt::DebtSettings;
pub use document::SECTIONS;
pub use endpoints::{EndpointSettings, Latency, LatencyUnit, Quantile};
pub use findings::{FindingSettings, Severity, SlaSettings, Tool};
pub use path::KeyPath;
pub use problem::{Place, Problem, Problems};
pub use rules::{DecisionSettings, Event, FieldSettings, Meaning, RulesSettings};
pub use schema::schema;
pub use slo::{Notice, Objectives, SloSettings};
pub use sources::SourceSettings;
pub use standards::{BoundarySettings, CheckSettings, StandardSettings};
pub use targets::{BaselineSettings, KpiSettings, TargetSettings};
pub use units::UnitSettings;
pub use value::{Amount, Day, Glob, Pattern, RepositoryName, Selector, Zone};

use crate::domain::{Instant, SourceName};
use crate::kpi::Params;
use crate::{evaluate, http, store};
use decode::Decoder;
use document::Document;
use layers::Layers;
use secrets::Referred;

/// A configuration in which nothing is wrong.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where facts are kept.
    pub store: store::Settings,
    /// Whom to ask, in the order in which they are written.
    pub sources: Vec<(SourceName, SourceSettings)>,
    /// When and what to evaluate.
    pub evaluate: evaluate::Settings,
    /// Where to listen.
    pub web: http::Settings,
    /// Everything that decides about the numbers.
    pub params: Params,
    secrets: Vec<Referred>,
    /// What works and may not be meant.
    pub notices: Vec<Notice>,
    /// The SLOs as rules of Prometheus are made of them.
    pub objectives: Objectives,
}

impl Config {
    /// Reads `files`, the later over the earlier, and `environment` over them. `now` tells the past
    /// from the future.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(
        files: &[PathBuf],
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        now: Instant,
    ) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut texts = Vec::new();
        for path in files {
            match read(path) {
                Ok(text) => texts.push((path.display().to_string(), text)),
                Err(problem) => problems.push(problem),
            }
        }
        // What a missing file may have said cannot be judged.
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        Self::parse(&texts, environment, now)
    }

    /// The same from texts with their names.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn parse(
        texts: &[(String, String)],
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        now: Instant,
    ) -> Result<Self, Problems> {
        let (layers, mut problems) = Layers::merge(texts, environment);
        let mut decoder = Decoder::new(&layers);
        let document = Document::decode(&mut decoder);
        let (wrong, broken) = decoder.finish();
        problems.extend(wrong);
        let mut checked = check::all(&layers, &document, &broken, now);
        problems.append(&mut checked.problems);
        problems.sort();
        // One indicator may be of several objectives.
        problems.dedup();
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        #[expect(clippy::expect_used, reason = "what could not be decoded is a problem")]
        Ok(params::assemble(&layers, document, checked)
            .expect("without problems every section is there"))
    }

    /// Tries every secret that is referred to, and says which cannot be had now.
    pub fn check_secrets(&self) -> Vec<Problem> {
        self.secrets.iter().filter_map(Referred::check).collect()
    }
}

fn read(path: &Path) -> Result<String, Problem> {
    let bytes = std::fs::read(path).map_err(|error| {
        let rule = format!("cannot be read: {error}");
        Problem::of_file(path, rule, "mend the path or its mode")
    })?;
    String::from_utf8(bytes)
        .map_err(|_not_text| Problem::of_file(path, "is not UTF-8", "save it as UTF-8"))
}
