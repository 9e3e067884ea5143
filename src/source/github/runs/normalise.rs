//! From GitHub's workflow run to a [`WorkflowRun`].

use chrono::TimeDelta;
use serde::Deserialize;

use crate::domain::fact::{RunAttempt, WorkflowRun};
use crate::domain::{Instant, RepositoryId};
use crate::source::github::pulls::commit_id;

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Node {
    pub(super) id: u64,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    event: Option<String>,
    #[serde(default)]
    pub(super) head_branch: Option<String>,
    head_sha: String,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    conclusion: Option<String>,
    pub(super) created_at: Instant,
    updated_at: Instant,
    #[serde(default)]
    run_started_at: Option<Instant>,
    #[serde(default)]
    run_attempt: Option<u64>,
}

impl Node {
    /// The workflow's name, or its file where GitHub gives none.
    pub(super) fn workflow(&self) -> &str {
        let file = || {
            let path = self.path.as_deref()?;
            // `.github/workflows/deploy.yml@main`
            let path = path.split_once('@').map_or(path, |(path, _)| path);
            path.rsplit('/').next()
        };
        self.name.as_deref().filter(|it| !it.is_empty()).or_else(file).unwrap_or_default()
    }

    /// The number of its latest attempt.
    pub(super) fn attempts(&self) -> u64 {
        self.run_attempt.unwrap_or(1).max(1)
    }

    /// Whether it will not change by itself.
    pub(super) fn has_ended(&self) -> bool {
        self.status.as_deref() == Some("completed")
    }

    /// The attempt that this answer is about.
    pub(super) fn attempt(&self) -> RunAttempt {
        let ended = self.has_ended();
        RunAttempt {
            number: self.attempts(),
            started_at: self.run_started_at.unwrap_or(self.created_at),
            // GitHub has no time of completion; it is the last thing that happens to an attempt.
            completed_at: ended.then_some(self.updated_at),
            conclusion: self.conclusion.clone().filter(|_| ended).map(Into::into),
        }
    }

    /// The fact, with the attempts before the latest one. Nothing if its commit is none.
    pub(super) fn normalise(
        &self,
        repository: &RepositoryId,
        mut attempts: Vec<RunAttempt>,
        now: Instant,
    ) -> Option<WorkflowRun> {
        attempts.push(self.attempt());
        attempts.sort_by_key(|it| it.number);
        Some(WorkflowRun {
            id: self.id.to_string().into(),
            repository: repository.clone(),
            workflow: self.workflow().into(),
            event: self.event.clone().unwrap_or_default().into(),
            branch: self.head_branch.clone().map(Into::into),
            commit: commit_id(&self.head_sha)?,
            created_at: self.created_at,
            // One from the future would win over every later correction.
            updated_at: if self.updated_at > now + TimeDelta::hours(24) {
                self.created_at
            } else {
                self.updated_at
            },
            attempts,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(edit: impl FnOnce(&mut Value)) -> Node {
        let mut payload = json!({
            "id": 5, "name": "Deploy", "path": ".github/workflows/deploy.yml", "event": "push",
            "head_branch": "main", "head_sha": "a".repeat(40), "status": "completed",
            "conclusion": "success", "created_at": "2026-03-01T09:00:00Z",
            "updated_at": "2026-03-01T09:10:00Z", "run_started_at": "2026-03-01T09:01:00Z",
            "run_attempt": 1, "repository": {"id": 1}, "head_commit": null,
        });
        edit(&mut payload);
        serde_json::from_value(payload).unwrap()
    }

    fn run(edit: impl FnOnce(&mut Value)) -> WorkflowRun {
        let now = "2026-11-22T00:00:00Z".parse().unwrap();
        node(edit).normalise(&RepositoryId::new("github/1"), Vec::new(), now).unwrap()
    }

    #[test]
    fn an_attempt_ends_when_its_run_is_completed() {
        let attempt = &run(|_| {}).attempts[0];
        assert_eq!(attempt.conclusion.as_deref(), Some("success"));
        assert_eq!(attempt.completed_at, Some("2026-03-01T09:10:00Z".parse().unwrap()));
        let running = run(|it| {
            it["status"] = json!("in_progress");
            it["conclusion"] = Value::Null;
        });
        assert_eq!(running.attempts[0].completed_at, None);
        assert_eq!(running.attempts[0].conclusion, None);
    }

    #[test]
    fn a_run_without_a_name_goes_by_its_file() {
        let nameless = |path: Value| {
            run(|it| {
                it["name"] = Value::Null;
                it["path"] = path;
            })
            .workflow
        };
        assert_eq!(nameless(json!(".github/workflows/deploy.yml")), "deploy.yml");
        assert_eq!(nameless(json!(".github/workflows/deploy.yml@refs/heads/main")), "deploy.yml");
        assert_eq!(nameless(Value::Null), "");
    }

    #[test]
    fn what_github_may_leave_out_is_no_error() {
        let it = run(|it| {
            for key in ["head_branch", "run_started_at", "run_attempt", "event"] {
                it[key] = Value::Null;
            }
        });
        assert_eq!(it.branch, None);
        assert_eq!(it.attempts[0].number, 1);
        assert_eq!(it.attempts[0].started_at, it.created_at);
    }

    #[test]
    fn the_earlier_attempts_come_first() {
        let now = "2026-11-22T00:00:00Z".parse().unwrap();
        let second = node(|it| it["run_attempt"] = json!(2));
        let first = node(|it| it["conclusion"] = json!("failure")).attempt();
        let run = second.normalise(&RepositoryId::new("github/1"), vec![first], now).unwrap();
        let words: Vec<_> = run.attempts.iter().map(|it| it.conclusion.as_deref()).collect();
        assert_eq!(words, [Some("failure"), Some("success")]);
    }
}
