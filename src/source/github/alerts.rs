//! Alerts of Dependabot, code scanning and secret scanning, in the order of their last update.
//!
//! The first page is asked for conditionally: an idle poll costs nothing. Pages are followed by
//! their links only; Dependabot's have no numbers. A tool that is switched off, or refused to this
//! token, has unknown findings: that is stored beside the findings, and the rest of the repository
//! is read on.

mod normalise;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use normalise::{Marker, Tool};

use super::{Visit, cursor};
use crate::domain::fact::{FindingFeed, FindingPlace};
use crate::domain::{Fact, Instant, Kind};
use crate::source::SourceError;
use crate::source::outbound::{Answer, Page, Request};
use crate::store::{Batch, Validator};

/// A pass goes this far beyond what is known: replicas may lag behind each other.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// How long a refusal is believed: asking costs a request.
const REFUSAL_HOLDS: TimeDelta = TimeDelta::hours(6);

/// What is known about the alerts of one tool in a repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cursor {
    /// Everything was read once.
    complete: bool,
    /// The last update that is in the store.
    through: Option<Instant>,
    /// When they were refused, if they were when they were last asked for.
    refused: Option<Instant>,
}

/// Where the alerts of each of the `wanted` tools are listed, and what people call them.
pub(super) fn listings(wanted: &BTreeSet<String>) -> Vec<(&'static str, &'static str)> {
    let tools = Tool::ALL.into_iter().filter(|it| wanted.contains(it.name()));
    tools.map(|it| (it.path(), it.words())).collect()
}

fn stream(visit: &Visit<'_>, tool: Tool) -> String {
    format!("alerts:{}:{}", visit.repository.native, tool.name())
}

/// Reads what changed since the last pass, of every tool that a rule asks for.
pub(super) async fn poll(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    for tool in wanted(visit) {
        let known: Option<Cursor> =
            cursor::load(visit.store, &visit.shared.source, &stream(visit, tool)).await?;
        let mut cursor = known.unwrap_or_default();
        let believed = |at: Instant| at <= visit.now && visit.now < at + REFUSAL_HOLDS;
        if cursor.refused.is_some_and(believed) {
            visit.refused(tool.words(), false);
            continue;
        }
        let floor = cursor.through.filter(|_| cursor.complete).map(|it| it - OVERLAP);
        let conditionally = cursor.complete && cursor.refused.is_none();
        match read(visit, tool, &mut cursor, floor, conditionally).await {
            // The token was good enough for the overview: it is this feature that is refused.
            Err(SourceError::NotFound(_) | SourceError::Unauthorized(_)) => {
                refuse(visit, tool, &mut cursor).await?;
            }
            other => {
                other?;
            }
        }
    }
    Ok(())
}

fn wanted(visit: &Visit<'_>) -> Vec<Tool> {
    let tools = &visit.repository.needs.finding_tools;
    Tool::ALL.into_iter().filter(|it| tools.contains(it.name())).collect()
}

async fn refuse(visit: &mut Visit<'_>, tool: Tool, cursor: &mut Cursor) -> Result<(), SourceError> {
    visit.refused(tool.words(), false);
    cursor.refused = Some(visit.now);
    let mut batch = Batch { facts: vec![feed(visit, tool, false)], ..Batch::default() };
    cursor::save(&mut batch, &stream(visit, tool), cursor);
    visit.commit(batch).await
}

fn feed(visit: &Visit<'_>, tool: Tool, readable: bool) -> Fact {
    let repository = &visit.repository.fact;
    Fact::FindingFeed(FindingFeed {
        id: format!("{}:{}", repository.id, tool.name()),
        place: FindingPlace::Repository(repository.id.clone()),
        tool: tool.name().to_owned(),
        readable,
        since: repository.created_at,
    })
}

fn listing(visit: &Visit<'_>, tool: Tool) -> Request {
    let request = visit
        .rest(&[tool.path(), "alerts"])
        .query("per_page", 100)
        .query("sort", "updated")
        .query("direction", "desc");
    // What was found is nobody's business here.
    if tool == Tool::SecretScanning { request.query("hide_secret", "true") } else { request }
}

/// What a pass saw.
#[derive(Debug, Default)]
struct Seen {
    numbers: BTreeSet<u64>,
    /// Some had no number: what is not among the numbers may be there.
    holes: bool,
}

/// Reads down to `floor`. Nothing if nothing changed.
async fn read(
    visit: &mut Visit<'_>,
    tool: Tool,
    cursor: &mut Cursor,
    floor: Option<Instant>,
    conditionally: bool,
) -> Result<Option<Seen>, SourceError> {
    let mut pages = visit.shared.outbound.pages(listing(visit, tool))?;
    let mut seen = Seen::default();
    let mut top = cursor.through;
    let mut first: Option<Validator> = None;
    let mut is_first = true;
    loop {
        let store = (is_first && conditionally).then_some(visit.store);
        let page = match pages.next(store).await? {
            Some(Answer::Fresh(page)) => page,
            Some(Answer::NotModified { .. }) => return Ok(None),
            None => break,
        };
        if is_first {
            first.clone_from(&page.validator);
        }
        is_first = false;
        let mut batch = Batch::default();
        let mut oldest = None;
        let (markers, holes) = take(visit, tool, &page, &mut batch)?;
        seen.holes |= holes;
        for Marker { number, updated_at } in markers {
            seen.numbers.insert(number);
            if updated_at <= visit.now {
                top = top.max(Some(updated_at));
            }
            if visit.is_possible(updated_at) {
                oldest = Some(updated_at);
            }
        }
        // The cursor moves when the pass is over: a pass that breaks off is read again.
        visit.commit(batch).await?;
        if oldest.is_some_and(|oldest| floor.is_some_and(|floor| oldest < floor)) {
            break;
        }
    }
    *cursor = Cursor { complete: true, through: top, refused: None };
    let mut batch = Batch { facts: vec![feed(visit, tool, true)], ..Batch::default() };
    batch.validators.extend(first);
    cursor::save(&mut batch, &stream(visit, tool), cursor);
    visit.commit(batch).await?;
    Ok(Some(seen))
}

/// Decodes the alerts of a page one by one. Tells whether some had no number.
fn take(
    visit: &mut Visit<'_>,
    tool: Tool,
    page: &Page,
    batch: &mut Batch,
) -> Result<(Vec<Marker>, bool), SourceError> {
    let items: Vec<&RawValue> = page.json_ref()?;
    let count = items.len();
    let mut markers = Vec::new();
    for item in items {
        let marker: Option<Marker> = serde_json::from_str(item.get()).ok();
        let number = marker.as_ref().map(|it| it.number);
        markers.extend(marker);
        match tool.normalise(item.get(), &visit.repository.fact.id, visit.now) {
            Ok(finding) => batch.facts.push(Fact::Finding(finding)),
            Err(error) => visit.reject(Kind::Finding, number, &error),
        }
    }
    let holes = markers.len() < count;
    Ok((markers, holes))
}

/// Reads every alert anew, and removes what GitHub does not have any more.
pub(super) async fn reconcile(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    for tool in wanted(visit) {
        let mut cursor = Cursor::default();
        let seen = match read(visit, tool, &mut cursor, None, false).await {
            Err(SourceError::NotFound(_) | SourceError::Unauthorized(_)) => {
                refuse(visit, tool, &mut cursor).await?;
                continue;
            }
            other => other?.unwrap_or_default(),
        };
        if seen.holes {
            continue;
        }
        let id = visit.repository.fact.id.as_str();
        let mut batch = Batch::default();
        for fact in visit.store.facts(&visit.shared.source, Kind::Finding, Some(id)).await? {
            if let Fact::Finding(it) = &fact
                && it.tool == tool.name()
                && !tool.number(&it.id).is_some_and(|number| seen.numbers.contains(&number))
            {
                batch.removed.push(fact.key(&visit.shared.source));
            }
        }
        visit.commit(batch).await?;
    }
    Ok(())
}
