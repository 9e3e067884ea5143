//! Classic pagination, read so that nothing gets lost between two pages.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::Item;
use crate::source::PollReport;
use crate::source::outbound::{Outbound, OutboundError, Page, Request};

/// Most items of a page.
const PAGE: usize = 100;
/// `offset + limit` may not exceed it.
const REACH: usize = 10_000;
/// A listing that shifts while it is read is read again, so often in all.
const PASSES: usize = 4;
/// An empty page that has more behind it is asked for again, so often in all.
const EMPTY_PAGES: usize = 3;

/// How one pass over a listing ended.
enum Pass<T> {
    Whole {
        items: Vec<T>,
        rejected: Vec<Option<String>>,
    },
    /// Items moved between the pages, so one may have been pushed over the edge.
    Shifted,
    /// More than can be reached.
    TooMany,
}

/// Reads a whole listing. `None` if it has more items than can be reached: ask for less.
///
/// An item that cannot be read is counted and named in the log, and the others live. A page that
/// repeats an item, and a listing that gives fewer items than it announced, are a suspected gap:
/// it is counted and the listing is read again.
pub(super) async fn read<T: Item>(
    http: &Outbound,
    request: &Request,
    report: &mut PollReport,
) -> Result<Option<Vec<T>>, OutboundError> {
    let mut short = None;
    for _ in 0..PASSES {
        match pass::<T>(http, request, &mut short).await? {
            Pass::TooMany => return Ok(None),
            Pass::Whole { items, rejected } => {
                for id in rejected {
                    reject::<T>(id.as_deref(), report);
                }
                return Ok(Some(items));
            }
            Pass::Shifted => report.gaps += 1,
        }
    }
    Err(unsteady::<T>("kept shifting while it was read"))
}

/// Reads the items of one page.
pub(super) fn first_page<T: Item>(
    page: &Page,
    report: &mut PollReport,
) -> Result<Vec<T>, OutboundError> {
    let found = Found::of::<T>(page)?;
    let mut items = Vec::new();
    for raw in found.items {
        match serde_json::from_str(raw.get()) {
            Ok(item) => items.push(item),
            Err(_) => reject::<T>(id_of(raw).as_deref(), report),
        }
    }
    Ok(items)
}

fn reject<T: Item>(id: Option<&str>, report: &mut PollReport) {
    let id = id.unwrap_or("without a readable id");
    tracing::warn!(list = T::KEY, id, "an item cannot be read and is left out");
    report.reject(T::KIND);
}

fn unsteady<T: Item>(how: &str) -> OutboundError {
    OutboundError::Transient {
        request: format!("GET {}", T::KEY),
        status: None,
        reason: format!("the list {how}"),
    }
}

/// One pass. `short` remembers how many items an earlier one got that was shorter than announced.
async fn pass<T: Item>(
    http: &Outbound,
    request: &Request,
    short: &mut Option<usize>,
) -> Result<Pass<T>, OutboundError> {
    let (mut items, mut rejected) = (Vec::new(), Vec::new());
    let (mut seen, mut offset, mut empty) = (BTreeSet::new(), 0, 0);
    let mut announced = None;
    loop {
        let limit = PAGE.min(REACH - offset);
        let mut page_request = request.clone().query("limit", limit).query("offset", offset);
        if offset == 0 {
            page_request = page_request.query("total", true);
        }
        let page = http.get(&page_request).await?;
        let found = Found::of::<T>(&page)?;
        announced = announced.or(found.total);
        if announced.is_some_and(|total| total > REACH) {
            return Ok(Pass::TooMany);
        }
        for raw in &found.items {
            match serde_json::from_str::<T>(raw.get()) {
                Ok(item) if !seen.insert(item.id().to_owned()) => {
                    return Ok(Pass::Shifted);
                }
                Ok(item) => items.push(item),
                Err(_) => rejected.push(id_of(raw)),
            }
        }
        offset += found.items.len();
        if !found.more {
            break;
        }
        if offset >= REACH {
            return Ok(Pass::TooMany);
        }
        empty = if found.items.is_empty() { empty + 1 } else { 0 };
        if empty >= EMPTY_PAGES {
            return Err(unsteady::<T>("gives empty pages with more behind them"));
        }
    }
    // The same number again without a repetition: what was announced is wrong, not the pages.
    if announced.is_some_and(|total| offset < total) && short.replace(offset) != Some(offset) {
        return Ok(Pass::Shifted);
    }
    Ok(Pass::Whole { items, rejected })
}

/// What a page of a list holds.
struct Found<'a> {
    items: Vec<&'a RawValue>,
    more: bool,
    total: Option<usize>,
}

impl<'a> Found<'a> {
    fn of<T: Item>(page: &'a Page) -> Result<Self, OutboundError> {
        let mut parts: BTreeMap<Cow<'a, str>, &'a RawValue> = page.json_ref()?;
        let list = parts.remove(T::KEY).and_then(|raw| serde_json::from_str(raw.get()).ok());
        let items = list.ok_or_else(|| page.unexpected("it has no list of the expected name"))?;
        let part = |name: &str| parts.get(name).map(|raw| raw.get());
        // Only `more` ends a list; what the answer says about `limit` is not reliable.
        let more = part("more").and_then(|text| text.parse().ok());
        let more = more.ok_or_else(|| page.unexpected("it does not say whether there is more"))?;
        Ok(Self { items, more, total: part("total").and_then(|text| text.parse().ok()) })
    }
}

/// The id of an item that cannot be read, if that much can be.
fn id_of(raw: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Identified {
        id: super::wire::Id,
    }
    serde_json::from_str::<Identified>(raw.get()).ok().map(|item| item.id.0)
}
