//! From GitHub's alerts to [`Finding`]s.

use chrono::TimeDelta;
use serde::Deserialize;

use crate::domain::fact::{Finding, FindingEvent, FindingEventKind, FindingPlace};
use crate::domain::{Instant, RepositoryId};

/// A tool of GitHub that raises alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Dependabot,
    CodeScanning,
    SecretScanning,
}

/// What a listing says about an alert even if the rest of it cannot be read.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Marker {
    pub(super) number: u64,
    pub(super) updated_at: Instant,
}

/// What all alerts have.
#[derive(Debug, Deserialize)]
struct Alert {
    number: u64,
    state: String,
    created_at: Instant,
    #[serde(default)]
    updated_at: Option<Instant>,
    #[serde(default)]
    fixed_at: Option<Instant>,
    #[serde(default)]
    dismissed_at: Option<Instant>,
    #[serde(default)]
    auto_dismissed_at: Option<Instant>,
    #[serde(default)]
    resolved_at: Option<Instant>,
    #[serde(default)]
    resolution: Option<String>,
    #[serde(default)]
    security_vulnerability: Option<Severe>,
    #[serde(default)]
    security_advisory: Option<Severe>,
    #[serde(default)]
    dependency: Option<Dependency>,
    #[serde(default)]
    rule: Option<Rule>,
    #[serde(default)]
    most_recent_instance: Option<Occurrence>,
}

#[derive(Debug, Deserialize)]
struct Severe {
    #[serde(default)]
    severity: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    #[serde(default)]
    manifest_path: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    /// Of security rules only; `severity` beside it says how bad a note is.
    #[serde(default)]
    security_severity_level: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Occurrence {
    #[serde(default)]
    location: Option<Location>,
}

#[derive(Debug, Deserialize)]
struct Location {
    #[serde(default)]
    path: Option<String>,
}

impl Tool {
    pub(super) const ALL: [Self; 3] = [Self::Dependabot, Self::CodeScanning, Self::SecretScanning];

    /// The name that facts and configuration use.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Dependabot => "dependabot",
            Self::CodeScanning => "code_scanning",
            Self::SecretScanning => "secret_scanning",
        }
    }

    /// The segment of addresses, of the API and of pages.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Dependabot => "dependabot",
            Self::CodeScanning => "code-scanning",
            Self::SecretScanning => "secret-scanning",
        }
    }

    /// What messages call its alerts.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Dependabot => "Dependabot alerts",
            Self::CodeScanning => "code scanning alerts",
            Self::SecretScanning => "secret scanning alerts",
        }
    }

    /// The number in the id of a finding.
    pub(super) fn number(self, id: &str) -> Option<u64> {
        id.rsplit_once(':')?.1.parse().ok()
    }

    pub(super) fn normalise(
        self,
        json: &str,
        repository: &RepositoryId,
        now: Instant,
    ) -> Result<Finding, String> {
        let alert: Alert = serde_json::from_str(json).map_err(|error| error.to_string())?;
        // One from the future would win over every later correction.
        let possible = |at: &Instant| *at <= now + TimeDelta::hours(24);
        let updated_at = alert.updated_at.filter(possible).unwrap_or(alert.created_at);
        let event = self.event(&alert, updated_at)?;
        let severity = match self {
            Self::Dependabot => {
                let of = |it: Option<Severe>| it.and_then(|it| it.severity);
                of(alert.security_vulnerability).or_else(|| of(alert.security_advisory))
            }
            // A rule that is not about security has none, and so its findings are none of ours.
            Self::CodeScanning => Some(
                alert.rule.and_then(|it| it.security_severity_level).unwrap_or("none".to_owned()),
            ),
            Self::SecretScanning => None,
        };
        let location = alert.most_recent_instance.and_then(|it| it.location?.path);
        let manifest = alert.dependency.and_then(|it| it.manifest_path);
        let number = alert.number;
        Ok(Finding {
            id: format!("{repository}:{}:{number}", self.name()),
            place: FindingPlace::Repository(repository.clone()),
            tool: self.name().to_owned(),
            severity,
            detected_at: alert.created_at,
            updated_at,
            events: event.into_iter().collect(),
            file: manifest.or(location).filter(|it| !it.is_empty()),
            page: Some(format!("security/{}/{number}", self.path())),
        })
    }

    /// What became of it. A state that nobody knows cannot be taken for open.
    fn event(self, alert: &Alert, updated_at: Instant) -> Result<Option<FindingEvent>, String> {
        use FindingEventKind::{AutoDismissed, Dismissed, Fixed};
        let (event, at) = match alert.state.as_str() {
            "open" => return Ok(None),
            "fixed" => (Fixed, alert.fixed_at),
            "dismissed" => (Dismissed, alert.dismissed_at),
            "auto_dismissed" => (AutoDismissed, alert.auto_dismissed_at),
            // A secret is out of the world when it is revoked, and by no other decision.
            "resolved" if alert.resolution.as_deref() == Some("revoked") => {
                (Fixed, alert.resolved_at)
            }
            "resolved" => (Dismissed, alert.resolved_at),
            _ => return Err("its state is unknown".to_owned()),
        };
        Ok(Some(FindingEvent { at: at.unwrap_or(updated_at), event }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn finding(tool: Tool, edit: impl FnOnce(&mut Value)) -> Result<Finding, String> {
        let mut alert = json!({
            "number": 5, "state": "open", "created_at": "2026-03-01T09:00:00Z",
            "updated_at": "2026-03-02T09:00:00Z", "fixed_at": null, "dismissed_at": null,
        });
        edit(&mut alert);
        let now = "2026-04-01T00:00:00Z".parse().unwrap();
        tool.normalise(&alert.to_string(), &RepositoryId::new("github/7"), now)
    }

    #[test]
    fn a_dependabot_alert_has_its_severity_manifest_and_end() {
        let it = finding(Tool::Dependabot, |it| {
            it["state"] = json!("fixed");
            it["fixed_at"] = json!("2026-03-02T08:00:00Z");
            it["security_advisory"] = json!({"severity": "high", "ghsa_id": "GHSA-x"});
            it["dependency"] = json!({"manifest_path": "web/package-lock.json"});
        })
        .unwrap();
        assert_eq!(it.id, "github/7:dependabot:5");
        assert_eq!(it.severity.as_deref(), Some("high"));
        assert_eq!(it.file.as_deref(), Some("web/package-lock.json"));
        assert_eq!(it.page.as_deref(), Some("security/dependabot/5"));
        let at = "2026-03-02T08:00:00Z".parse().unwrap();
        assert_eq!(it.events, [FindingEvent { at, event: FindingEventKind::Fixed }]);
    }

    #[test]
    fn what_was_dismissed_is_not_fixed() {
        for (state, key, kind) in [
            ("dismissed", "dismissed_at", FindingEventKind::Dismissed),
            ("auto_dismissed", "auto_dismissed_at", FindingEventKind::AutoDismissed),
        ] {
            let it = finding(Tool::Dependabot, |it| {
                it["state"] = json!(state);
                it[key] = json!("2026-03-02T08:00:00Z");
            });
            assert_eq!(it.unwrap().events[0].event, kind);
        }
    }

    #[test]
    fn a_code_scanning_alert_without_a_security_severity_is_none_of_ours() {
        let it = finding(Tool::CodeScanning, |it| {
            it["rule"] = json!({"severity": "error", "security_severity_level": "critical"});
            it["most_recent_instance"] = json!({"location": {"path": "api/a.rs"}});
        })
        .unwrap();
        assert_eq!(
            (it.severity.as_deref(), it.file.as_deref()),
            (Some("critical"), Some("api/a.rs"))
        );
        let style = finding(Tool::CodeScanning, |it| it["rule"] = json!({"severity": "warning"}));
        assert_eq!(style.unwrap().severity.as_deref(), Some("none"));
    }

    #[test]
    fn a_secret_is_fixed_when_it_is_revoked() {
        let end = |resolution: &str| {
            let it = finding(Tool::SecretScanning, |it| {
                it["state"] = json!("resolved");
                it["resolution"] = json!(resolution);
                it["resolved_at"] = json!("2026-03-03T08:00:00Z");
            });
            it.unwrap().events[0].event
        };
        assert_eq!(end("revoked"), FindingEventKind::Fixed);
        assert_eq!(end("false_positive"), FindingEventKind::Dismissed);
        assert_eq!(end("wont_fix"), FindingEventKind::Dismissed);
        assert_eq!(finding(Tool::SecretScanning, |_| {}).unwrap().severity, None);
    }

    #[test]
    fn a_state_that_nobody_knows_is_refused_and_a_missing_time_is_the_last_update() {
        assert!(finding(Tool::Dependabot, |it| it["state"] = json!("melted")).is_err());
        let it = finding(Tool::Dependabot, |it| it["state"] = json!("fixed")).unwrap();
        assert_eq!(it.events[0].at, it.updated_at);
    }

    #[test]
    fn a_version_from_the_future_is_none() {
        let it = finding(Tool::Dependabot, |it| it["updated_at"] = json!("2099-01-01T00:00:00Z"));
        let it = it.unwrap();
        assert_eq!(it.updated_at, it.detected_at);
    }
}
