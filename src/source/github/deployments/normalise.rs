//! From GitHub's deployment to a [`Deployment`].

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::Value;

use crate::domain::fact::{Deployment, DeploymentState, DeploymentStatus};
use crate::domain::{Instant, RepositoryId};
use crate::source::github::graphql::Connection;
use crate::source::github::pulls::commit_id;

/// Longest text that is kept of a description or of a value of a payload, in characters.
const LONGEST: usize = 256;

/// Most keys that are kept of a payload.
const MOST_KEYS: usize = 64;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) database_id: u64,
    pub(super) created_at: Instant,
    commit_oid: String,
    #[serde(default)]
    environment: Option<String>,
    #[serde(default)]
    task: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    payload: Option<String>,
    pub(super) statuses: Option<Connection<Status>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    state: String,
    created_at: Instant,
}

impl Node {
    /// The fact, and whether its last status is final. Nothing if its commit is none.
    pub(super) fn normalise(
        self,
        repository: &RepositoryId,
        now: Instant,
    ) -> Option<(Deployment, bool)> {
        let statuses = self.statuses.map(|it| it.nodes).unwrap_or_default();
        let (statuses, torn_down) = history(statuses.into_iter().flatten().collect());
        let newest = statuses.last().map_or(self.created_at, |it| it.at);
        let deployment = Deployment {
            id: self.database_id.to_string().into(),
            repository: repository.clone(),
            commit: commit_id(&self.commit_oid)?,
            environment: self.environment.unwrap_or_default().into(),
            task: self.task.unwrap_or_else(|| "deploy".to_owned()).into(),
            description: self
                .description
                .filter(|it| !it.is_empty())
                .map(|it| shortened(&it))
                .map(Into::into),
            payload: payload(self.payload.as_deref().unwrap_or_default()).into(),
            created_at: self.created_at,
            // One from the future would win over every later correction.
            updated_at: if newest > now + TimeDelta::hours(24) { self.created_at } else { newest },
            statuses,
        };
        let is_final = torn_down || has_ended(&deployment);
        Some((deployment, is_final))
    }
}

/// Whether the last status that is known is one after which normally none comes.
pub(super) fn has_ended(deployment: &Deployment) -> bool {
    use DeploymentState::{Error, Failure, Success};
    deployment.statuses.last().is_some_and(|it| matches!(it.state, Success | Failure | Error))
}

/// The statuses in order without `inactive`, and whether there was one.
fn history(mut statuses: Vec<Status>) -> (Vec<DeploymentStatus>, bool) {
    // GitHub shows the newest first. Sorting is stable: turned around, equal instants are in order.
    let newest_first = statuses
        .first()
        .zip(statuses.last())
        .is_none_or(|(first, last)| first.created_at >= last.created_at);
    if newest_first {
        statuses.reverse();
    }
    statuses.sort_by_key(|it| it.created_at);
    let torn_down = statuses.iter().any(|it| it.state == "INACTIVE");
    let kept = statuses.into_iter().filter(|it| it.state != "INACTIVE");
    let kept = kept.map(|it| DeploymentStatus { state: state(&it.state), at: it.created_at });
    (kept.collect(), torn_down)
}

fn state(word: &str) -> DeploymentState {
    match word {
        "SUCCESS" => DeploymentState::Success,
        "FAILURE" => DeploymentState::Failure,
        "ERROR" => DeploymentState::Error,
        "IN_PROGRESS" => DeploymentState::InProgress,
        _ => DeploymentState::Pending,
    }
}

/// Top-level scalars of a payload, which is a JSON text and sometimes the JSON text of one.
fn payload(text: &str) -> BTreeMap<String, String> {
    let parsed = match serde_json::from_str(text) {
        Ok(Value::String(inner)) => serde_json::from_str(&inner).unwrap_or(Value::Null),
        Ok(value) => value,
        Err(_) => Value::Null,
    };
    let Value::Object(fields) = parsed else { return BTreeMap::new() };
    let scalars = fields.into_iter().filter_map(|(key, value)| {
        let value = match value {
            Value::String(text) => shortened(&text),
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some((shortened(&key), value))
    });
    scalars.take(MOST_KEYS).collect()
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Instant {
        format!("2026-03-01T{text}:00Z").parse().unwrap()
    }

    fn deployment(edit: impl FnOnce(&mut Value)) -> (Deployment, bool) {
        let mut payload = json!({
            "id": "DE_1", "databaseId": 12, "createdAt": "2026-03-01T09:00:00Z",
            "commitOid": "A".repeat(40), "environment": "production", "task": "deploy",
            "description": null, "payload": null, "statuses": {"nodes": []},
        });
        edit(&mut payload);
        let node: Node = serde_json::from_value(payload).unwrap();
        let now = "2026-11-22T00:00:00Z".parse().unwrap();
        node.normalise(&RepositoryId::new("github/1"), now).unwrap()
    }

    fn with_statuses(statuses: &[(&str, &str)]) -> (Deployment, bool) {
        let nodes: Vec<_> = statuses
            .iter()
            .map(|(state, time)| json!({"state": state, "createdAt": at(time)}))
            .collect();
        deployment(|it| it["statuses"]["nodes"] = json!(nodes))
    }

    #[test]
    fn statuses_are_in_order_whichever_way_they_come_and_inactive_is_not_one() {
        use DeploymentState::{InProgress, Pending, Success};
        let newest_first = [
            ("INACTIVE", "12:00"),
            ("SUCCESS", "09:05"),
            ("IN_PROGRESS", "09:01"),
            ("QUEUED", "09:01"),
        ];
        let oldest_first: Vec<_> = newest_first.iter().rev().copied().collect();
        for statuses in [&newest_first[..], &oldest_first] {
            let (it, is_final) = with_statuses(statuses);
            let states: Vec<_> = it.statuses.iter().map(|it| it.state).collect();
            assert_eq!(states, [Pending, InProgress, Success]);
            assert_eq!(it.updated_at, at("09:05"), "the automatic inactive is no news of it");
            assert!(is_final);
        }
    }

    #[test]
    fn it_is_followed_until_it_succeeds_fails_or_is_torn_down() {
        for (statuses, is_final) in [
            (&[][..], false),
            (&[("QUEUED", "09:00")], false),
            (&[("WAITING", "09:00")], false),
            (&[("IN_PROGRESS", "09:00")], false),
            (&[("SUCCESS", "09:00")], true),
            (&[("FAILURE", "09:00")], true),
            (&[("ERROR", "09:00")], true),
            (&[("INACTIVE", "09:00")], true),
            (&[("IN_PROGRESS", "10:00"), ("FAILURE", "09:00")], false),
        ] {
            assert_eq!(with_statuses(statuses).1, is_final, "{statuses:?}");
        }
    }

    #[test]
    fn a_payload_gives_its_scalars_however_often_it_was_encoded() {
        let object = json!({"service": "checkout", "rollback": true, "n": 3, "x": null, "y": [1]});
        let once = object.to_string();
        let twice = json!(once).to_string();
        for text in [once, twice] {
            let (it, _) = deployment(|it| it["payload"] = json!(text));
            let fields: Vec<_> = it.payload.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(fields, [("n", "3"), ("rollback", "true"), ("service", "checkout")]);
        }
        for odd in ["", "\"\"", "not json", "[1]", "\"{broken\""] {
            let (it, _) = deployment(|it| it["payload"] = json!(odd));
            assert!(it.payload.is_empty(), "{odd}");
        }
    }

    #[test]
    fn texts_are_cut_and_commits_written_alike() {
        let (it, _) = deployment(|it| it["description"] = json!("ä".repeat(1000)));
        assert_eq!(it.description.unwrap().chars().count(), LONGEST);
        assert_eq!(*it.commit.text(), "a".repeat(40));
        assert_eq!(deployment(|it| it["description"] = json!("")).0.description, None);
    }
}
