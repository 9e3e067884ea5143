//! The document: every section as typed settings, as far as they could be decoded.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::Value as Json;

use super::calendar::CalendarSettings;
use super::catalogue::{ServiceSettings, TeamSettings};
use super::decode::Decoder;
use super::endpoints::EndpointSettings;
use super::path::KeyPath;
use super::rules::RulesSettings;
use super::slo::SloSettings;
use super::sources::{self, SourceSettings};
use super::standards::{BoundarySettings, StandardSettings};
use super::suggest;
use super::targets::{BaselineSettings, KpiSettings};
use super::text::Aim;
use super::units::UnitSettings;
use crate::{evaluate, http, store};

/// Every section. A section that could not be decoded is absent, as are such entries of a table.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) store: Option<store::Settings>,
    pub(super) sources: Vec<(String, SourceSettings)>,
    pub(super) evaluate: Option<evaluate::Settings>,
    pub(super) web: Option<http::Settings>,
    pub(super) calendar: Option<CalendarSettings>,
    pub(super) teams: Vec<(String, TeamSettings)>,
    pub(super) services: Vec<(String, ServiceSettings)>,
    pub(super) endpoints: Vec<(String, EndpointSettings)>,
    pub(super) units: Vec<(String, UnitSettings)>,
    pub(super) slos: Option<SloSettings>,
    pub(super) rules: Option<RulesSettings>,
    pub(super) standards: Vec<(String, StandardSettings)>,
    pub(super) boundaries: Vec<(String, BoundarySettings)>,
    pub(super) kpis: Vec<(String, KpiSettings)>,
    pub(super) baseline: Option<BaselineSettings>,
}

/// The configuration of engkpi. The same document for the JSON Schema.
#[derive(JsonSchema)]
#[schemars(title = "engkpi configuration", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used; `Document` is what is decoded")]
pub(super) struct Layout {
    /// Where facts are kept.
    store: store::Settings,
    /// Whom to ask, by a name of your choice: `[sources.NAME]`.
    sources: BTreeMap<String, SourceSettings>,
    /// When and what to evaluate.
    evaluate: evaluate::Settings,
    /// Where to listen.
    web: http::Settings,
    /// Where months and quarters are cut, and which days are not business days.
    calendar: CalendarSettings,
    /// Teams: `[teams.NAME]`.
    teams: BTreeMap<String, TeamSettings>,
    /// Services: `[services.NAME]`.
    services: BTreeMap<String, ServiceSettings>,
    /// Endpoints whose latency is watched: `[endpoints.NAME]`.
    endpoints: BTreeMap<String, EndpointSettings>,
    /// Demand that a metric store counts: `[units.NAME]`.
    units: BTreeMap<String, UnitSettings>,
    /// Service level objectives.
    slos: SloSettings,
    /// How facts are judged.
    rules: RulesSettings,
    /// Standards that services are to adopt: `[standards.NAME]`.
    standards: BTreeMap<String, StandardSettings>,
    /// Critical API boundaries that are to be tested: `[boundaries.NAME]`.
    boundaries: BTreeMap<String, BoundarySettings>,
    /// Targets by KPI id: `[kpis.ID]`.
    kpis: BTreeMap<String, KpiSettings>,
    /// The interval that improvement is measured against.
    baseline: BaselineSettings,
}

/// The sections, in the order in which people read them.
pub const SECTIONS: [&str; 15] = [
    "store",
    "sources",
    "evaluate",
    "web",
    "calendar",
    "teams",
    "services",
    "endpoints",
    "units",
    "slos",
    "rules",
    "standards",
    "boundaries",
    "kpis",
    "baseline",
];

impl Document {
    /// Decodes every section; what is wrong stays with the decoder.
    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Self {
        for key in decoder.table_keys(&KeyPath::root()) {
            if !SECTIONS.contains(&key.as_str()) {
                let fix = suggest::fix(&key, SECTIONS, "remove it");
                let what = match decoder.value(&KeyPath::root().key(key.as_str())) {
                    Some(Json::Object(_)) => "is not a section",
                    _ => "is not a setting",
                };
                decoder.refuse(&KeyPath::root().key(key), Aim::Key, what, fix);
            }
        }
        let at = |section: &str| KeyPath::root().key(section);
        let names = decoder.table_keys(&at("sources"));
        let mut sources = Vec::new();
        for name in names {
            let path = at("sources").key(name.as_str());
            sources.extend(sources::decode(decoder, &path).map(|it| (name, it)));
        }
        Self {
            store: decoder.section(&at("store")),
            sources,
            evaluate: decoder.section(&at("evaluate")),
            web: decoder.section(&at("web")),
            calendar: decoder.section(&at("calendar")),
            teams: decoder.entries(&at("teams")),
            services: decoder.entries(&at("services")),
            endpoints: decoder.entries(&at("endpoints")),
            units: decoder.entries(&at("units")),
            slos: decoder.section(&at("slos")),
            rules: decoder.section(&at("rules")),
            standards: decoder.entries(&at("standards")),
            boundaries: decoder.entries(&at("boundaries")),
            kpis: decoder.entries(&at("kpis")),
            baseline: decoder.section(&at("baseline")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::super::layers::Layers;
    use super::*;
    use crate::kpi::params::default_statuses;

    /// What the code uses where nothing is set, as TOML would say it.
    fn by_code<T: Default + Serialize>() -> Json {
        let mut value = serde_json::to_value(T::default()).unwrap();
        if let Some(table) = value.as_object_mut() {
            table.retain(|_, value| !value.is_null());
        }
        value
    }

    #[test]
    fn default_toml_says_what_the_code_does() {
        let (layers, problems) = Layers::merge(&[], []);
        assert_eq!(problems, []);
        let written = |section: &str| layers.get(&KeyPath::root().key(section)).cloned().unwrap();
        assert_eq!(written("evaluate"), by_code::<evaluate::Settings>());
        assert_eq!(written("web"), by_code::<http::Settings>());
        assert_eq!(written("calendar"), by_code::<CalendarSettings>());
        let mut rules = by_code::<RulesSettings>();
        let table = rules.as_object_mut().unwrap();
        table.remove("decisions");
        // These two are nowhere but in default.toml.
        table.insert("severity".to_owned(), written("rules")["severity"].clone());
        table.insert("statuses".to_owned(), written("rules")["statuses"].clone());
        assert_eq!(normal(written("rules")), normal(rules));
    }

    /// Lengths of time in one notation.
    fn normal(mut rules: Json) -> Json {
        for value in rules.as_object_mut().unwrap().values_mut() {
            if let Some(Ok(period)) = value.as_str().map(str::parse::<crate::setting::Period>) {
                *value = period.to_string().into();
            }
        }
        rules
    }

    #[test]
    fn the_status_words_of_default_toml_are_those_of_the_definition() {
        let (layers, _) = Layers::merge(&[], []);
        let mut decoder = Decoder::new(&layers);
        let document = Document::decode(&mut decoder);
        let words: BTreeMap<_, _> = document
            .rules
            .unwrap()
            .statuses
            .into_iter()
            .map(|(word, it)| (word, it.into()))
            .collect();
        assert_eq!(words, default_statuses());
    }
}
