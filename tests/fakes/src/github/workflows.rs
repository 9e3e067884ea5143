//! REST: workflow runs.

use chrono::{DateTime, Duration, NaiveDate};
use serde_json::{Value, json};

use super::rest::Answer;
use super::{Rest, error, not_found};
use crate::server::Reply;
use crate::time::{Instant, text};
use crate::world::{Repository, WorkflowRun};

impl<'a> Rest<'a> {
    /// Everything below `…/actions`.
    pub(super) fn actions(&self, repository: &'a Repository, rest: &[&str]) -> Answer {
        match rest {
            ["runs"] => self.runs(repository, |_| true, "runs"),
            ["runs", id] => {
                let run = self.run(repository, id)?;
                Ok(Reply::json(200, self.run_view(repository, run, None)))
            }
            ["runs", id, "jobs"] => {
                let run = self.run(repository, id)?;
                let jobs = self.jobs(run);
                let link = format!("{}/actions/runs/{id}/jobs", self.by_id(repository));
                Ok(self.page(&jobs, &link, Some("jobs"), None, Value::clone))
            }
            ["runs", id, "attempts", number] => {
                let run = self.run(repository, id)?;
                let number: usize = number.parse().map_err(|_| not_found())?;
                if number == 0 || number > run.started(self.now()) {
                    return Err(not_found());
                }
                Ok(Reply::json(200, self.run_view(repository, run, Some(number))))
            }
            ["workflows"] => {
                let names = workflows(repository);
                let link = format!("{}/actions/workflows", self.by_id(repository));
                Ok(self.page(&names, &link, Some("workflows"), None, |name| {
                    json!({"id": workflow_id(name), "name": name, "path": path_of(name),
                        "state": "active"})
                }))
            }
            ["workflows", key, "runs"] => {
                let names = workflows(repository);
                let mut named = names.into_iter();
                let name = named
                    .find(|name| {
                        workflow_id(name).to_string() == *key || path_of(name).ends_with(key)
                    })
                    .ok_or_else(not_found)?;
                let link = format!("workflows/{key}/runs");
                self.runs(repository, |run| run.workflow == name, &link)
            }
            _ => Err(not_found()),
        }
    }

    fn by_id(&self, repository: &Repository) -> String {
        format!("{}/repositories/{}", self.call.base, repository.id)
    }

    fn run(&self, repository: &'a Repository, id: &str) -> Result<&'a WorkflowRun, Reply> {
        let mut runs = repository.runs.iter();
        runs.find(|it| it.visible(self.now()) && it.id.to_string() == id).ok_or_else(not_found)
    }

    fn runs(
        &self,
        repository: &'a Repository,
        keep: impl Fn(&WorkflowRun) -> bool,
        link: &str,
    ) -> Answer {
        let created = self.call.get("created").map(created_range);
        let created = match created {
            Some(None) => return Err(error(422, "Invalid date range")),
            Some(range) => range,
            None => None,
        };
        let filters =
            ["actor", "branch", "check_suite_id", "created", "event", "head_sha", "status"];
        let filtered = filters.iter().any(|name| self.call.get(name).is_some());
        let same = |name: &str, value: &str| self.call.get(name).is_none_or(|it| it == value);
        let mut found: Vec<&WorkflowRun> = repository
            .runs
            .iter()
            .filter(|run| run.visible(self.now()) && keep(run))
            .filter(|run| same("branch", &run.branch) && same("event", &run.event))
            .filter(|run| same("head_sha", &run.commit))
            .filter(|run| {
                let (status, conclusion) = self.outcome(run, run.started(self.now()));
                self.call
                    .get("status")
                    .is_none_or(|wanted| wanted == status || conclusion.as_deref() == Some(wanted))
            })
            .filter(|run| {
                created.is_none_or(|(from, to)| from <= run.created_at && run.created_at <= to)
            })
            .collect();
        found.sort_by_key(|run| std::cmp::Reverse((run.created_at, run.id)));
        let cap = filtered.then_some(self.call.settings.runs_cap);
        let link = format!("{}/actions/{link}", self.by_id(repository));
        Ok(self.page(&found, &link, Some("workflow_runs"), cap, |run| {
            self.run_view(repository, run, None)
        }))
    }

    /// The jobs of the latest attempt that has started.
    fn jobs(&self, run: &WorkflowRun) -> Vec<Value> {
        let number = run.started(self.now());
        let Some(attempt) = number.checked_sub(1).and_then(|n| run.attempts.get(n)) else {
            return Vec::new();
        };
        let ended = attempt.completed.as_ref().map(|(at, _)| *at).filter(|at| *at <= self.now());
        let jobs = attempt.jobs.iter().zip(1_u64..);
        jobs.map(|((name, conclusion), index)| {
            json!({
                "id": run.id * 1_000 + number as u64 * 100 + index, "run_id": run.id,
                "name": name, "started_at": text(attempt.started_at),
                "status": if ended.is_some() { "completed" } else { "in_progress" },
                "completed_at": ended.map(text), "conclusion": ended.map(|_| conclusion),
            })
        })
        .collect()
    }

    /// Status and conclusion of an attempt at `now`.
    fn outcome(&self, run: &WorkflowRun, attempt: usize) -> (&'static str, Option<String>) {
        let Some(attempt) = attempt.checked_sub(1).and_then(|n| run.attempts.get(n)) else {
            return ("queued", None);
        };
        match &attempt.completed {
            Some((at, conclusion)) if *at <= self.now() => ("completed", Some(conclusion.clone())),
            _ => ("in_progress", None),
        }
    }

    fn run_view(
        &self,
        repository: &Repository,
        run: &WorkflowRun,
        attempt: Option<usize>,
    ) -> Value {
        let number = attempt.unwrap_or_else(|| run.started(self.now()));
        let (status, conclusion) = self.outcome(run, number);
        let shown = number.checked_sub(1).and_then(|n| run.attempts.get(n));
        let started = shown.map_or(run.created_at, |attempt| attempt.started_at);
        let ended = shown.and_then(|it| it.completed.as_ref()).map(|(at, _)| *at);
        let updated = ended.filter(|at| *at <= self.now()).unwrap_or(started);
        let one = format!("{}/actions/runs/{}", self.address(repository), run.id);
        json!({
            "id": run.id, "name": run.workflow, "node_id": format!("WFR_{}", run.id),
            "head_branch": run.branch, "head_sha": run.commit, "path": path_of(&run.workflow),
            "run_number": run.number, "event": run.event, "display_title": run.workflow,
            "status": status, "conclusion": conclusion, "workflow_id": workflow_id(&run.workflow),
            "url": one, "created_at": text(run.created_at), "updated_at": text(updated),
            "run_started_at": text(started), "run_attempt": number.max(1),
            "previous_attempt_url":
                (number > 1).then(|| format!("{one}/attempts/{}", number - 1)),
            "pull_requests": [], "actor": {"login": "alice", "type": "User"},
            "repository": {"id": repository.id},
        })
    }
}

fn workflows(repository: &Repository) -> Vec<String> {
    let mut names: Vec<String> = repository.runs.iter().map(|run| run.workflow.clone()).collect();
    names.sort();
    names.dedup();
    names
}

fn workflow_id(name: &str) -> u64 {
    name.bytes().fold(17_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 100_000_007)
}

fn path_of(name: &str) -> String {
    format!(".github/workflows/{}.yml", name.to_lowercase().replace(' ', "-"))
}

/// GitHub's search range (`2026-01-01..2026-01-31`, `>=X`, `<X`, `X`), both ends inclusive.
fn created_range(given: &str) -> Option<(Instant, Instant)> {
    let second = Duration::seconds(1);
    let (least, most) = (Instant::MIN_UTC, Instant::MAX_UTC);
    if let Some((from, to)) = given.split_once("..") {
        let from = if from == "*" { least } else { edge(from, false)? };
        let to = if to == "*" { most } else { edge(to, true)? };
        return Some((from, to));
    }
    if let Some(from) = given.strip_prefix(">=") {
        return Some((edge(from, false)?, most));
    }
    if let Some(to) = given.strip_prefix("<=") {
        return Some((least, edge(to, true)?));
    }
    if let Some(from) = given.strip_prefix('>') {
        return Some((edge(from, true)? + second, most));
    }
    if let Some(to) = given.strip_prefix('<') {
        return Some((least, edge(to, false)? - second));
    }
    Some((edge(given, false)?, edge(given, true)?))
}

fn edge(given: &str, end: bool) -> Option<Instant> {
    if let Ok(day) = NaiveDate::parse_from_str(given, "%Y-%m-%d") {
        let start = day.and_hms_opt(0, 0, 0)?.and_utc();
        return Some(if end { start + Duration::seconds(86_399) } else { start });
    }
    DateTime::parse_from_rfc3339(&given.replace(' ', "+")).ok().map(|at| at.to_utc())
}
