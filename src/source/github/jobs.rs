//! Jobs of the runs of which a rule names a job, once for each attempt that ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Visit, cursor};
use crate::domain::fact::{WorkflowJob, WorkflowRun};
use crate::domain::{Fact, Instant, Kind};
use crate::source::SourceError;
use crate::source::outbound::{Answer, OutboundError};
use crate::store::Batch;

/// Of which runs jobs were read: the attempt, by the run's id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cursor {
    attempts: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Listing<'a> {
    #[serde(borrow, default)]
    jobs: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Node {
    id: u64,
    name: String,
    #[serde(default)]
    started_at: Option<Instant>,
    #[serde(default)]
    completed_at: Option<Instant>,
    #[serde(default)]
    conclusion: Option<String>,
}

fn stream(visit: &Visit<'_>) -> String {
    format!("jobs:{}", visit.repository.native)
}

/// Reads the jobs of the runs that ended since the last poll.
pub(super) async fn poll(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    if visit.repository.needs.jobs.is_empty() {
        return Ok(());
    }
    let known: Option<Cursor> =
        cursor::load(visit.store, &visit.shared.source, &stream(visit)).await?;
    let known = known.unwrap_or_default();
    let mut cursor = Cursor::default();
    for run in wanted(visit).await? {
        let attempt = run.attempts.last().map_or(1, |it| it.number);
        if known.attempts.get(run.id.as_str()) != Some(&attempt) {
            read(visit, &run).await?;
        }
        cursor.attempts.insert(run.id.into(), attempt);
    }
    if cursor == known {
        return Ok(());
    }
    let mut batch = Batch::default();
    cursor::save(&mut batch, &stream(visit), &cursor);
    visit.commit(batch).await
}

/// Runs on the default branch of a workflow of which a job counts, that ended and are young enough
/// to count.
async fn wanted(visit: &Visit<'_>) -> Result<Vec<WorkflowRun>, SourceError> {
    let id = visit.repository.fact.id.as_str();
    let facts = visit.store.facts(&visit.shared.source, Kind::WorkflowRun, Some(id)).await?;
    let runs = facts.into_iter().filter_map(|fact| match fact {
        Fact::WorkflowRun(run) => Some(run),
        _ => None,
    });
    let counts = |run: &WorkflowRun| {
        let ended = run.attempts.last().and_then(|it| it.completed_at);
        let longest = visit.repository.needs.jobs.get(run.workflow.as_str());
        run.branch.as_deref() == visit.repository.fact.default_branch.as_deref()
            && ended.zip(longest).is_some_and(|(at, longest)| visit.now - at <= *longest)
    };
    Ok(runs.filter(counts).collect())
}

async fn read(visit: &mut Visit<'_>, run: &WorkflowRun) -> Result<(), SourceError> {
    let request = visit.rest(&["actions", "runs", &run.id, "jobs"]).query("per_page", 100);
    let mut pages = visit.shared.outbound.pages(request)?;
    let mut batch = Batch::default();
    loop {
        let page = match pages.next(None).await {
            Ok(Some(Answer::Fresh(page))) => page,
            Ok(Some(Answer::NotModified { .. }) | None) => break,
            Err(OutboundError::Status { status, .. }) if matches!(status.as_u16(), 404 | 410) => {
                tracing::debug!(run = %run.id, "its jobs are not kept any more");
                break;
            }
            Err(error) => return Err(error.into()),
        };
        let listing: Listing<'_> = page.json_ref()?;
        for item in listing.jobs {
            match serde_json::from_str::<Node>(item.get()) {
                Ok(node) => batch.facts.extend(normalise(run, node).map(Fact::WorkflowJob)),
                Err(error) => visit.reject(Kind::WorkflowJob, None, &error),
            }
        }
    }
    visit.commit(batch).await
}

/// A job that did not end says nothing.
fn normalise(run: &WorkflowRun, node: Node) -> Option<WorkflowJob> {
    let completed_at = node.completed_at?;
    Some(WorkflowJob {
        id: node.id.to_string(),
        repository: run.repository.clone(),
        run: run.id.to_string(),
        name: node.name,
        started_at: node.started_at.unwrap_or(run.created_at),
        completed_at,
        conclusion: node.conclusion?,
    })
}
