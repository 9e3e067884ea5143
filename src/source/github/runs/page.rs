//! Pages of the listing, mistrusted: items move between pages while they are read.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::normalise::Node;
use crate::domain::{Instant, Kind};
use crate::source::SourceError;
use crate::source::github::Visit;
use crate::source::outbound::{Answer, Page, Pages, Request};
use crate::store::Validator;

/// How far a run may be out of order: creation has whole seconds, and replicas differ.
const DISORDER: TimeDelta = TimeDelta::minutes(5);

/// One pass over the listing.
#[derive(Debug)]
pub(super) struct Pass {
    pages: Pages,
    seen: BTreeSet<u64>,
    /// Creation of the last run of the page before.
    last: Option<Instant>,
}

/// A page.
#[derive(Debug)]
pub(super) struct Sheet {
    /// Its address.
    pub(super) url: Url,
    /// The key of its validator.
    pub(super) key: String,
    /// What is on it; `None` if it did not change since its validator was stored.
    pub(super) runs: Option<Vec<Node>>,
    /// Creation of the oldest run on it.
    pub(super) oldest: Option<Instant>,
    /// What makes it conditional next time.
    pub(super) validator: Option<Validator>,
    /// Another page follows.
    pub(super) more: bool,
}

#[derive(Deserialize)]
struct Listing<'a> {
    #[serde(borrow, default)]
    workflow_runs: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Marker {
    id: u64,
}

impl Pass {
    /// A pass that starts with `first`.
    pub(super) fn new(visit: &Visit<'_>, first: Request) -> Result<Self, SourceError> {
        let pages = visit.shared.outbound.pages(first)?;
        Ok(Self { pages, seen: BTreeSet::new(), last: None })
    }

    /// Whether this run was on the pages so far, legible or not.
    pub(super) fn saw(&self, id: u64) -> bool {
        self.seen.contains(&id)
    }

    /// The next page. `oldest` tells what was on a page that did not change since its validator
    /// was stored; without it pages are asked for unconditionally.
    pub(super) async fn next(
        &mut self,
        visit: &mut Visit<'_>,
        oldest: Option<&BTreeMap<String, Option<Instant>>>,
    ) -> Result<Option<Sheet>, SourceError> {
        let Some(url) = self.pages.upcoming().cloned() else { return Ok(None) };
        let again = visit.dressed(Request::follow(url.clone()));
        let key = visit.shared.outbound.validator_key(&again)?;
        let known = oldest.and_then(|it| it.get(&key).copied());
        let store = known.is_some().then_some(visit.store);
        let Some(answer) = self.pages.next(store).await? else { return Ok(None) };
        let more = self.pages.upcoming().is_some();
        let page = match answer {
            Answer::NotModified { .. } => {
                let oldest = known.flatten();
                self.last = oldest.or(self.last);
                return Ok(Some(Sheet { url, key, runs: None, oldest, validator: None, more }));
            }
            Answer::Fresh(page) => page,
        };
        let (mut runs, mut ids) = decode(visit, &page)?;
        let mut validator = page.validator;
        if self.is_suspect(&runs, &ids, more) {
            // Once more, unconditionally: what both answers show is what there is.
            visit.gap("workflow runs", "a page does not follow the one before it");
            let second = visit.shared.outbound.get(&again).await?;
            let (others, other_ids) = decode(visit, &second)?;
            let trusted = !self.is_suspect(&others, &other_ids, more);
            validator = second.validator.clone().filter(|_| trusted);
            ids.extend(other_ids);
            let missing: Vec<_> = runs
                .into_iter()
                .filter(|it| others.iter().all(|other| other.id != it.id))
                .collect();
            runs = others;
            runs.extend(missing);
        }
        self.seen.extend(ids);
        let dates = runs.iter().map(|it| it.created_at);
        let oldest = dates.filter(|it| visit.is_possible(*it)).min();
        self.last = oldest.or(self.last);
        Ok(Some(Sheet { url, key, runs: Some(runs), oldest, validator, more }))
    }

    /// Whether a page cannot be what follows the pages before it: it is empty although others
    /// follow, shows what was seen already, or is out of order.
    fn is_suspect(&self, runs: &[Node], ids: &[u64], more: bool) -> bool {
        let mut last = self.last;
        let out_of_order = runs.iter().any(|run| {
            let wrong = last.is_some_and(|last| run.created_at > last + DISORDER);
            last = Some(run.created_at);
            wrong
        });
        let seen = ids.iter().any(|id| self.seen.contains(id));
        (ids.is_empty() && more) || seen || out_of_order
    }
}

/// Decodes the items of a page one by one: the legible ones, and the ids of all.
fn decode(visit: &mut Visit<'_>, page: &Page) -> Result<(Vec<Node>, Vec<u64>), SourceError> {
    let listing: Listing<'_> = page.json_ref()?;
    let mut runs = Vec::new();
    let mut ids = Vec::new();
    for item in listing.workflow_runs {
        let id = serde_json::from_str::<Marker>(item.get()).ok().map(|it| it.id);
        ids.extend(id);
        match serde_json::from_str::<Node>(item.get()) {
            Ok(run) => runs.push(run),
            Err(error) => visit.reject(Kind::WorkflowRun, id, &error),
        }
    }
    Ok((runs, ids))
}
