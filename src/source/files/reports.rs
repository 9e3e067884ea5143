//! Reports of security scanners: SARIF 2.1.0 and Trivy's JSON. A report is all that a tool found;
//! when something was found first and when it was gone follows from successive reports, told apart
//! by a key that does not change when lines move.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::open::Meter;
use super::rows::whole;
use super::table::FileError;
use super::value::parse_instant;
use crate::domain::Instant;

/// What one tool found at one time.
#[derive(Debug, PartialEq)]
pub(super) struct Report {
    /// The name of the tool, in lower case.
    pub(super) tool: String,
    /// When, if the report says so.
    pub(super) at: Option<Instant>,
    /// By key.
    pub(super) found: BTreeMap<String, Found>,
}

/// Something that a tool found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The tool's word for how severe it is.
    pub(super) severity: Option<String>,
    /// Somebody decided that it will not be fixed, or is none.
    pub(super) suppressed: bool,
}

/// Reads the reports of a file: one for each tool.
pub(super) fn read(reader: &mut dyn Read, meter: &Meter) -> Result<Vec<Report>, FileError> {
    let text = whole(reader, meter)?;
    let json: Json =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
            let number = |it: usize| u64::try_from(it).unwrap_or(u64::MAX);
            let at = Some((number(error.line()), Some(number(error.column()))));
            FileError { at, rule: "is no JSON".to_owned() }
        })?;
    let wrong = |error: serde_json::Error| FileError::new(format!("is no report: {error}"));
    if json.get("runs").is_some() {
        let sarif: Sarif = serde_json::from_value(json).map_err(wrong)?;
        return sarif.runs.into_iter().map(Run::report).collect();
    }
    if json.is_array() || json.get("Results").is_some() || json.get("ArtifactName").is_some() {
        // Before its version 0.20 it wrote the results alone.
        let json = if json.is_array() { serde_json::json!({ "Results": json }) } else { json };
        let trivy: Trivy = serde_json::from_value(json).map_err(wrong)?;
        return Ok(vec![trivy.report()]);
    }
    Err(FileError::new("is neither SARIF nor a report of Trivy"))
}

/// A key that is the same for ever; of two findings that nothing tells apart the second has another.
fn insert(found: &mut BTreeMap<String, Found>, parts: &[&str], it: Found) {
    let key = hex::encode(&Sha256::digest(parts.join("\u{0}"))[..12]);
    let mut unique = key.clone();
    let mut copies = 1;
    while found.contains_key(&unique) {
        copies += 1;
        unique = format!("{key}-{copies}");
    }
    found.insert(unique, it);
}

#[derive(Deserialize)]
struct Sarif {
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    tool: Tool,
    #[serde(default)]
    results: Option<Vec<SarifResult>>,
    #[serde(default)]
    invocations: Vec<Invocation>,
}

#[derive(Deserialize)]
struct Tool {
    driver: Driver,
}

#[derive(Deserialize)]
struct Driver {
    name: String,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    id: String,
    #[serde(default)]
    properties: BTreeMap<String, Json>,
    #[serde(default, rename = "defaultConfiguration")]
    default: Option<Configuration>,
}

#[derive(Deserialize)]
struct Configuration {
    level: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: Option<bool>,
    end_time_utc: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: Option<String>,
    level: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    message: BTreeMap<String, Json>,
    #[serde(default)]
    locations: Vec<Json>,
    #[serde(default)]
    partial_fingerprints: BTreeMap<String, String>,
    #[serde(default)]
    suppressions: Option<Vec<Json>>,
    baseline_state: Option<String>,
}

impl Run {
    fn report(self) -> Result<Report, FileError> {
        let Driver { name, rules } = self.tool.driver;
        let failed = self.invocations.iter().any(|it| it.execution_successful == Some(false));
        let Some(results) = self.results.filter(|_| !failed) else {
            let rule =
                format!("tells of a scan by {name:?} that failed: what there is stays unknown");
            return Err(FileError::new(rule));
        };
        let rules: BTreeMap<&str, &Rule> = rules.iter().map(|it| (it.id.as_str(), it)).collect();
        let mut found = BTreeMap::new();
        for result in &results {
            let gone = result.baseline_state.as_deref() == Some("absent");
            let fine = matches!(result.kind.as_deref(), Some("pass" | "notApplicable"));
            if gone || fine {
                continue;
            }
            let rule = result.rule_id.as_deref().unwrap_or_default();
            let at = |path: &str| {
                let first = result.locations.first()?;
                first.pointer(&format!("/physicalLocation/{path}"))?.as_str()
            };
            let message = result.message.get("text").and_then(Json::as_str);
            let prints = result.partial_fingerprints.values().next().map(String::as_str);
            let what = prints.or_else(|| at("region/snippet/text")).or(message).unwrap_or_default();
            let place = at("artifactLocation/uri").unwrap_or_default();
            let it = Found {
                severity: result.severity(rules.get(rule).copied()),
                suppressed: result.is_suppressed(),
            };
            insert(&mut found, &[rule, place, what.trim()], it);
        }
        let ends = self.invocations.iter().filter_map(|it| it.end_time_utc.as_deref());
        let at = ends.filter_map(parse_instant).max();
        Ok(Report { tool: name.to_lowercase(), at, found })
    }
}

impl SarifResult {
    /// By the rule's score where it has one, else by the level, which is a warning unless it is
    /// said.
    fn severity(&self, rule: Option<&Rule>) -> Option<String> {
        let score = rule.and_then(|it| it.properties.get("security-severity"));
        let score = score.and_then(|it| it.as_f64().or_else(|| it.as_str()?.parse().ok()));
        let word = match score {
            Some(score) if score >= 9.0 => "critical",
            Some(score) if score >= 7.0 => "high",
            Some(score) if score >= 4.0 => "medium",
            Some(_) => "low",
            None => {
                let of_rule = rule.and_then(|it| it.default.as_ref()?.level.as_deref());
                self.level.as_deref().or(of_rule).unwrap_or("warning")
            }
        };
        Some(word.to_owned())
    }

    fn is_suppressed(&self) -> bool {
        let accepted = |it: &Json| {
            it.get("status").and_then(Json::as_str).is_none_or(|status| status == "accepted")
        };
        self.suppressions.iter().flatten().any(accepted)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Trivy {
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    results: Option<Vec<TrivyResult>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TrivyResult {
    #[serde(default)]
    target: String,
    #[serde(default)]
    class: String,
    #[serde(default)]
    vulnerabilities: Option<Vec<Vulnerability>>,
}

#[derive(Deserialize)]
struct Vulnerability {
    #[serde(rename = "VulnerabilityID")]
    id: String,
    #[serde(rename = "PkgName", default)]
    package: String,
    #[serde(rename = "PkgPath", default)]
    path: String,
    #[serde(rename = "Severity")]
    severity: Option<String>,
}

impl Trivy {
    fn report(self) -> Report {
        let mut found = BTreeMap::new();
        for result in self.results.unwrap_or_default() {
            // The target of an image's own packages has its tag in it, which every build changes.
            let of_system = result.class == "os-pkgs" || result.target.contains(" (");
            let target = if of_system { "system" } else { &result.target };
            for it in result.vulnerabilities.iter().flatten() {
                let severity = it.severity.as_deref().map(str::to_lowercase);
                let parts = [it.id.as_str(), target, &it.package, &it.path];
                insert(&mut found, &parts, Found { severity, suppressed: false });
            }
        }
        let at = self.created_at.as_deref().and_then(parse_instant);
        Report { tool: "trivy".to_owned(), at, found }
    }
}
