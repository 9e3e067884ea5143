//! `[sources.NAME]`: whom to ask. The vendors own their settings; `type` tells which.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde_json::Value as Json;

use super::decode::Decoder;
use super::path::KeyPath;
use super::suggest;
use super::text::Aim;
use crate::domain::SourceName;
use crate::kpi::params::{SourceParams, SurveyParams, WaveParams};
use crate::kpi::{Need, Params};
use crate::secret::SecretRef;
use crate::setting::{Complaint, Moment};
use crate::source::{files, github, pagerduty, prometheus};

/// A source: `[sources.NAME]`.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(tag = "type", rename_all = "lowercase")]
pub enum SourceSettings {
    /// GitHub: repositories, pull requests, commits, deployments, runs, releases, decision records.
    GitHub(Box<github::Settings>),
    /// PagerDuty: incidents with their log and alerts.
    PagerDuty(Box<pagerduty::Settings>),
    /// Files: cost exports, surveys and registers. A list of `files` names files, folders (of which
    /// the `.csv`, `.csv.gz` and `.toml` files are read) and patterns (`*` is any text in a name,
    /// `**` any folders); each must match something.
    Files(Box<files::Settings>),
    /// Prometheus, Mimir, Thanos or `VictoriaMetrics`: latency histograms, events of SLOs.
    Prometheus(Box<prometheus::Settings>),
}

/// The kinds of sources, as `type` names them.
pub(super) const TYPES: [&str; 4] = ["github", "pagerduty", "files", "prometheus"];

impl SourceSettings {
    /// What the source's own module has to say against them.
    pub(super) fn check(&self) -> Vec<Complaint> {
        match self {
            Self::GitHub(settings) => settings.check(),
            Self::PagerDuty(settings) => settings.check(),
            Self::Files(settings) => settings.check(),
            Self::Prometheus(settings) => settings.check(),
        }
    }

    /// The surveys that it reads, by name.
    pub(super) fn surveys(&self) -> impl Iterator<Item = (&String, &files::SurveySettings)> {
        let files = match self {
            Self::Files(settings) => Some(settings),
            Self::GitHub(_) | Self::PagerDuty(_) | Self::Prometheus(_) => None,
        };
        files.into_iter().flat_map(|it| &it.surveys)
    }

    /// Whether it brings alerts that a metric store may have raised.
    pub(super) fn has_alerts(&self) -> bool {
        matches!(self, Self::PagerDuty(settings) if settings.alerts)
    }

    /// Since when everything is collected.
    pub fn history_start(&self) -> Moment {
        match self {
            Self::GitHub(settings) => settings.history_start,
            Self::PagerDuty(settings) => settings.history_start,
            Self::Files(settings) => settings.history_start,
            Self::Prometheus(settings) => settings.history_start,
        }
    }

    /// What it is asked for, as [`crate::domain::Extent`] wants it, when everything else is known.
    pub(super) fn parts(&self, params: &Params) -> BTreeSet<String> {
        match self {
            Self::GitHub(settings) => settings.parts(&github::Needs::of(params)),
            Self::PagerDuty(settings) => settings.parts(),
            Self::Files(settings) => settings.parts(),
            // Each ledger says itself since when it is known.
            Self::Prometheus(_) => BTreeSet::new(),
        }
    }

    /// The secrets that it refers to, by their keys.
    pub(super) fn secrets(&self) -> Vec<(&'static str, &SecretRef)> {
        match self {
            Self::GitHub(settings) => settings.secrets(),
            Self::PagerDuty(settings) => settings.secrets(),
            Self::Files(_) => Vec::new(),
            Self::Prometheus(settings) => settings.secrets(),
        }
    }

    /// What it covers; of what a rule has to ask for, only what is `wanted`.
    pub(super) fn params(&self, name: &SourceName, wanted: &[Need]) -> SourceParams {
        let (mut feeds, stale_after, web_base) = match self {
            Self::GitHub(settings) => {
                (vec![Need::Deployments, Need::Changes], settings.stale_after, settings.web_base())
            }
            Self::PagerDuty(settings) => {
                (vec![Need::Incidents], settings.stale_after, settings.web_base())
            }
            Self::Files(settings) => {
                (settings.feeds(), settings.stale_after, files::Settings::web_base())
            }
            Self::Prometheus(settings) => {
                // What it is asked decides what it feeds.
                (Vec::new(), settings.stale_after, settings.web_base())
            }
        };
        if matches!(self, Self::GitHub(_)) {
            feeds.extend(wanted);
        }
        SourceParams {
            name: name.clone(),
            feeds,
            history_start: self.history_start().0,
            parts: BTreeSet::new(),
            stale_after: stale_after.chrono(),
            web_base,
        }
    }
}

/// The surveys of a source. Names of teams in them are those of the catalogue.
pub(super) fn surveys(
    name: &SourceName,
    settings: &SourceSettings,
    team: impl Fn(&str) -> Option<usize>,
) -> Vec<SurveyParams> {
    let SourceSettings::Files(settings) = settings else { return Vec::new() };
    let wave = |it: &files::WaveSettings| WaveParams {
        closed_at: it.closed.0,
        invited: it.invited,
        invited_by_team: it
            .invited_by_team
            .iter()
            .filter_map(|(name, invited)| Some((team(name)?, *invited)))
            .collect(),
        invited_by_group: it
            .invited_by_group
            .iter()
            .map(|(name, invited)| (name.trim().to_lowercase(), *invited))
            .collect(),
    };
    let surveys = settings.surveys.iter().map(|(survey, it)| SurveyParams {
        source: name.clone(),
        name: survey.clone(),
        kpi: it.kpi.id(),
        waves: it.waves.iter().map(|(name, it)| (name.clone(), wave(it))).collect(),
    });
    surveys.collect()
}

/// Decodes `[sources.NAME]` by its `type`. Done by hand because serde loses the path of an error
/// below a tag.
pub(super) fn decode(decoder: &mut Decoder<'_>, path: &KeyPath) -> Option<SourceSettings> {
    let mut value = decoder.value(path)?.clone();
    let Some(table) = value.as_object_mut() else {
        decoder.refuse(path, Aim::Value, "must be a table", "write a section: [sources.NAME]");
        return None;
    };
    let at = path.key("type");
    match table.remove("type") {
        None => {
            let fix = format!("add `type = …`: {}", suggest::list(&TYPES));
            decoder.refuse(&at, Aim::Key, "is missing", fix);
            None
        }
        Some(Json::String(kind)) if kind == "github" => {
            decoder.decode(path, value).map(|it| SourceSettings::GitHub(Box::new(it)))
        }
        Some(Json::String(kind)) if kind == "pagerduty" => {
            decoder.decode(path, value).map(|it| SourceSettings::PagerDuty(Box::new(it)))
        }
        Some(Json::String(kind)) if kind == "files" => {
            decoder.decode(path, value).map(|it| SourceSettings::Files(Box::new(it)))
        }
        Some(Json::String(kind)) if kind == "prometheus" => {
            decoder.decode(path, value).map(|it| SourceSettings::Prometheus(Box::new(it)))
        }
        Some(other) => {
            let kind = other.as_str().unwrap_or_default();
            let fix = suggest::fix(kind, TYPES, "write one of its kinds");
            decoder.refuse(&at, Aim::Value, format!("{other} is not a kind of source"), fix);
            None
        }
    }
}
