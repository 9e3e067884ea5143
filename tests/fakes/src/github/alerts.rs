//! REST: alerts of security tools, and custom properties.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::rest::Answer;
use super::{Rest, error};
use crate::server::Reply;
use crate::time::text;
use crate::world::{Repository, SecurityAlert};

impl<'a> Rest<'a> {
    /// The alerts of a tool. Dependabot's have cursors and no pages: `page` is ignored.
    pub(super) fn alerts(&self, repository: &'a Repository, tool: &str) -> Answer {
        let permission = match tool {
            "dependabot" => "vulnerability_alerts",
            "code-scanning" => "security_events",
            _ => "secret_scanning_alerts",
        };
        self.need(permission)?;
        if !repository.alerting.contains(tool) {
            return Err(match tool {
                "dependabot" => error(403, "Dependabot alerts are disabled for this repository."),
                "code-scanning" => error(404, "no analysis found"),
                _ => error(404, "Secret scanning is disabled on this repository."),
            });
        }
        let now = self.now();
        let updated = self.call.get("sort") == Some("updated");
        let mut all: Vec<&SecurityAlert> = repository
            .alerts
            .iter()
            .filter(|alert| alert.tool == tool && alert.visible(now))
            .collect();
        all.sort_by_key(|alert| {
            let at = if updated { alert.state(now).1 } else { alert.created_at };
            (at, alert.number)
        });
        if self.call.get("direction") != Some("asc") {
            all.reverse();
        }
        let link = format!("{}/repositories/{}/{tool}/alerts", self.call.base, repository.id);
        if tool == "dependabot" {
            return Ok(self.by_cursor(&all, &link));
        }
        Ok(self.page(&all, &link, None, None, |alert| self.alert(alert)))
    }

    /// A page that only its cursor leads to.
    fn by_cursor(&self, all: &[&SecurityAlert], link: &str) -> Reply {
        let size = self.call.get("per_page").and_then(|it| it.parse().ok()).unwrap_or(30_usize);
        let size = size.clamp(1, self.call.settings.max_per_page);
        let after = self.call.get("after").and_then(|it| it.strip_prefix("cursor-")?.parse().ok());
        let start = after.unwrap_or(0_usize).min(all.len());
        let end = (start + size).min(all.len());
        let shown: Vec<Value> = all[start..end].iter().map(|alert| self.alert(alert)).collect();
        let reply = Reply::json(200, Value::Array(shown));
        if end == all.len() {
            return reply;
        }
        let mut query = self.call.query.clone();
        query.retain(|(name, _)| name != "after");
        query.push(("after".to_owned(), format!("cursor-{end}")));
        let mut written = url::form_urlencoded::Serializer::new(String::new());
        written.extend_pairs(&query);
        reply.with_header("link", format!("<{link}?{}>; rel=\"next\"", written.finish()))
    }

    fn alert(&self, alert: &SecurityAlert) -> Value {
        let (state, since) = alert.state(self.now());
        let when = |wanted: &str| (state == wanted).then(|| text(since));
        let mut view = json!({
            "number": alert.number, "state": state, "created_at": text(alert.created_at),
            "updated_at": text(since), "fixed_at": when("fixed"),
            "dismissed_at": when("dismissed"),
        });
        match alert.tool {
            "dependabot" => {
                view["auto_dismissed_at"] = json!(when("auto_dismissed"));
                view["dependency"] = json!({"manifest_path": alert.path});
                view["security_vulnerability"] = json!({"severity": alert.severity});
                view["security_advisory"] = json!({"severity": alert.severity});
            }
            "code-scanning" => {
                view["rule"] =
                    json!({"severity": "error", "security_severity_level": alert.severity});
                view["most_recent_instance"] = json!({"location": {"path": alert.path}});
                view["tool"] = json!({"name": "CodeQL"});
            }
            _ => {
                let open = state == "open";
                view["state"] = json!(if open { "open" } else { "resolved" });
                view["resolution"] = json!((!open).then_some(state));
                view["resolved_at"] = json!((!open).then(|| text(since)));
                if self.call.get("hide_secret") != Some("true") {
                    view["secret"] = json!("a secret that nobody may read");
                }
            }
        }
        view
    }

    /// The custom properties at `now`.
    pub(super) fn properties(&self, repository: &'a Repository) -> Answer {
        self.need("repository_custom_properties")?;
        let known = repository.properties.iter().filter(|(at, ..)| *at <= self.now());
        let values: BTreeMap<&str, &Value> =
            known.map(|(_, name, value)| (name.as_str(), value)).collect();
        let view = |(name, value)| json!({"property_name": name, "value": value});
        Ok(Reply::json(200, Value::Array(values.into_iter().map(view).collect())))
    }
}
