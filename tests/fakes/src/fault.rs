//! Faults: chosen requests fail in chosen ways.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::log::Request;
use crate::server::Reply;

/// A rule that spoils the answers to some requests. By default it hits the first request that
/// matches and no other.
#[derive(Clone, Debug)]
pub struct Fault {
    pattern: String,
    naming: Option<String>,
    above: Option<u64>,
    skip: u64,
    times: Option<u64>,
    seen: u64,
    pub(crate) action: Action,
}

type Edit = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// What happens to a request that is hit.
#[derive(Clone)]
pub(crate) enum Action {
    Answer { status: u16, headers: Vec<(String, String)>, body: Value },
    Raw { status: u16, content_type: String, body: Vec<u8> },
    Headers(Vec<(String, String)>),
    Delay(Duration),
    Truncate(usize),
    Reset,
    GzipBomb(usize),
    LinkTo(String),
    LoopNext,
    Shift(usize),
    DuplicatePage,
    EmptyPage,
    Edit(Edit),
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edit(_) => f.write_str("Edit"),
            Self::Answer { status, .. } | Self::Raw { status, .. } => write!(f, "Answer({status})"),
            Self::Headers(headers) => write!(f, "Headers({headers:?})"),
            Self::Delay(time) => write!(f, "Delay({time:?})"),
            Self::Truncate(at) => write!(f, "Truncate({at})"),
            Self::Reset => f.write_str("Reset"),
            Self::GzipBomb(size) => write!(f, "GzipBomb({size})"),
            Self::LinkTo(url) => write!(f, "LinkTo({url})"),
            Self::LoopNext => f.write_str("LoopNext"),
            Self::Shift(count) => write!(f, "Shift({count})"),
            Self::DuplicatePage => f.write_str("DuplicatePage"),
            Self::EmptyPage => f.write_str("EmptyPage"),
        }
    }
}

impl Fault {
    fn new(action: Action) -> Self {
        let (pattern, naming, above) = (String::new(), None, None);
        Self { pattern, naming, above, skip: 0, times: Some(1), seen: 0, action }
    }

    /// This status with a vendor-like error body instead of the answer.
    pub fn status(status: u16) -> Self {
        Self::new(Action::Answer {
            status,
            headers: Vec::new(),
            body: json!({"message": "Server Error"}),
        })
    }

    /// GitHub's secondary rate limit: 403 with its message, and `retry-after` if given.
    pub fn secondary_limit(status: u16, retry_after: Option<u64>) -> Self {
        let message = "You have exceeded a secondary rate limit. Please wait a few minutes.";
        let docs = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits";
        let fault =
            Self::status(status).body(json!({"message": message, "documentation_url": docs}));
        match retry_after {
            Some(seconds) => fault.header("retry-after", &seconds.to_string()),
            None => fault,
        }
    }

    /// A body of this content type and a 200.
    pub fn raw(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let content_type = content_type.to_owned();
        Self::new(Action::Raw { status: 200, content_type, body: body.into() })
    }

    /// A login page with a 200, as a captive portal gives.
    pub fn html() -> Self {
        Self::raw("text/html", "<!DOCTYPE html><html><body>Please sign in</body></html>")
    }

    /// The answer, later.
    pub fn delay(time: Duration) -> Self {
        Self::new(Action::Delay(time))
    }

    /// The whole length is announced, this many bytes are sent, the connection is closed.
    pub fn truncate_at(bytes: usize) -> Self {
        Self::new(Action::Truncate(bytes))
    }

    /// The connection is reset.
    pub fn reset() -> Self {
        Self::new(Action::Reset)
    }

    /// A small gzip body that unpacks to at least this many bytes of white space in a JSON array.
    pub fn gzip_bomb(bytes: usize) -> Self {
        Self::new(Action::GzipBomb(bytes))
    }

    /// A redirect to `url`.
    pub fn redirect_to(url: &str) -> Self {
        Self::status(302).header("location", url)
    }

    /// The answer, with `url` as the next page.
    pub fn link_to(url: &str) -> Self {
        Self::new(Action::LinkTo(url.to_owned()))
    }

    /// The answer, with itself as the next page.
    pub fn loop_next() -> Self {
        Self::new(Action::LoopNext)
    }

    /// `count` items were inserted between two pages: the last ones of the page before come again
    /// and push others out.
    pub fn shift(count: usize) -> Self {
        Self::new(Action::Shift(count))
    }

    /// The page before of this path comes again.
    pub fn duplicate_page() -> Self {
        Self::new(Action::DuplicatePage)
    }

    /// No items, but the normal next page.
    pub fn empty_page() -> Self {
        Self::new(Action::EmptyPage)
    }

    /// The answer, changed by `edit`.
    pub fn edit(edit: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::new(Action::Edit(Arc::new(edit)))
    }

    /// The answer with this value at this place in it (a JSON pointer), for example
    /// `/workflow_runs/0/created_at`.
    pub fn replace(pointer: &str, value: Value) -> Self {
        let pointer = pointer.to_owned();
        Self::edit(move |body| {
            if let Some(place) = body.pointer_mut(&pointer) {
                place.clone_from(&value);
            }
        })
    }

    /// The answer with this item of its list replaced by one that no client can read.
    pub fn malformed_item(index: usize) -> Self {
        Self::edit(move |body| {
            if let Some(item) = items(body).and_then(|items| items.get_mut(index)) {
                *item = json!({"id": {"not": "an id"}, "created_at": "yesterday"});
            }
        })
    }

    /// The answer with these headers.
    pub fn headers(headers: &[(&str, &str)]) -> Self {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        Self::new(Action::Headers(headers.iter().map(owned).collect()))
    }

    /// Replaces the body of a [`Fault::status`].
    #[must_use]
    pub fn body(mut self, value: Value) -> Self {
        if let Action::Answer { body, .. } = &mut self.action {
            *body = value;
        }
        self
    }

    /// Adds a header to a [`Fault::status`].
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Action::Answer { headers, .. } = &mut self.action {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Only requests whose `METHOD /path?query Operation` contains this text.
    #[must_use]
    pub fn on(mut self, pattern: &str) -> Self {
        pattern.clone_into(&mut self.pattern);
        self
    }

    /// Only GraphQL requests with this text in their variables, as JSON writes them.
    #[must_use]
    pub fn naming(mut self, text: &str) -> Self {
        self.naming = Some(text.to_owned());
        self
    }

    /// Only GraphQL requests for pages of more than `items`.
    #[must_use]
    pub fn above(mut self, items: u64) -> Self {
        self.above = Some(items);
        self
    }

    /// The first `count` matching requests pass.
    #[must_use]
    pub fn after(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// `count` requests are hit.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.times = Some(count);
        self
    }

    /// Every further request is hit.
    #[must_use]
    pub fn forever(mut self) -> Self {
        self.times = None;
        self
    }

    fn hits(&mut self, request: &Request) -> bool {
        let variables = &request.variables;
        let named = |text: &String| variables.to_string().contains(text);
        let larger = |items: u64| variables["first"].as_u64().is_some_and(|first| first > items);
        if !request.target().contains(&self.pattern)
            || !self.naming.as_ref().is_none_or(named)
            || !self.above.is_none_or(larger)
        {
            return false;
        }
        self.seen += 1;
        self.seen > self.skip && self.times.is_none_or(|times| self.seen <= self.skip + times)
    }
}

/// The faults that are armed, with the pages that they repeat.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) rules: Vec<Fault>,
    pages: HashMap<String, Vec<Value>>,
}

impl Faults {
    /// What happens to the request, if anything. The first rule that hits wins.
    pub(crate) fn find(&mut self, request: &Request) -> Option<Action> {
        let rule = self.rules.iter_mut().find_map(|rule| rule.hits(request).then_some(rule))?;
        Some(rule.action.clone())
    }

    /// Remembers the items of an answer for [`Fault::shift`] and [`Fault::duplicate_page`].
    pub(crate) fn remember(&mut self, path: &str, reply: &mut Reply) {
        if !self.rules.is_empty()
            && let Some(found) = reply.body.as_mut().and_then(items)
        {
            self.pages.insert(path.to_owned(), found.clone());
        }
    }

    /// Spoils a finished answer. `url` is the request's own address, `cursor` the one it used.
    pub(crate) fn change(
        &self,
        action: &Action,
        reply: &mut Reply,
        path: &str,
        url: &str,
        cursor: Option<&str>,
    ) {
        let before = self.pages.get(path);
        let body = reply.body.as_mut();
        match action {
            Action::LinkTo(next) => reply.set_header("link", format!("<{next}>; rel=\"next\"")),
            Action::LoopNext => {
                if let Some(page) = body.and_then(outermost_page_info) {
                    page["hasNextPage"] = json!(true);
                    page["endCursor"] =
                        json!(cursor.map_or_else(|| crate::graphql::cursor(0), str::to_owned));
                } else {
                    reply.set_header("link", format!("<{url}>; rel=\"next\""));
                }
            }
            Action::Shift(count) => {
                if let (Some(items), Some(before)) = (body.and_then(items), before) {
                    let length = items.len();
                    let again = before.iter().rev().take(*count).rev().cloned();
                    *items = again.chain(std::mem::take(items)).take(length).collect();
                }
            }
            Action::DuplicatePage => {
                if let (Some(items), Some(before)) = (body.and_then(items), before) {
                    items.clone_from(before);
                }
            }
            Action::EmptyPage => {
                if let Some(items) = body.and_then(items) {
                    items.clear();
                }
            }
            Action::Edit(edit) => {
                if let Some(body) = body {
                    edit(body);
                }
            }
            Action::Headers(headers) => {
                for (name, value) in headers {
                    reply.set_header(name, value.clone());
                }
            }
            _ => {}
        }
    }
}

const LIST_KEYS: [&str; 10] = [
    "workflow_runs",
    "repositories",
    "environments",
    "items",
    "incidents",
    "log_entries",
    "alerts",
    "services",
    "teams",
    "priorities",
];

/// The list that an answer is about: its array, its well-known key, or the outermost `nodes`.
fn items(body: &mut Value) -> Option<&mut Vec<Value>> {
    if body.is_array() {
        return body.as_array_mut();
    }
    if let Some(key) = LIST_KEYS.iter().find(|key| body.get(**key).is_some_and(Value::is_array)) {
        return body.get_mut(*key)?.as_array_mut();
    }
    let path = outermost(body.get("data")?, "nodes")?;
    body.pointer_mut(&format!("/data{path}"))?.as_array_mut()
}

fn outermost_page_info(body: &mut Value) -> Option<&mut Value> {
    let path = outermost(body.get("data")?, "pageInfo")?;
    body.pointer_mut(&format!("/data{path}"))
}

/// JSON pointer to the value under `key` that is nested least.
fn outermost(data: &Value, key: &str) -> Option<String> {
    let mut level = vec![(String::new(), data)];
    while !level.is_empty() {
        if let Some((path, _)) = level.iter().find(|(_, value)| value.get(key).is_some()) {
            return Some(format!("{path}/{key}"));
        }
        let children = level.iter().flat_map(|(path, value)| {
            let fields = value.as_object().into_iter().flatten();
            fields.map(move |(name, child)| (format!("{path}/{name}"), child))
        });
        level = children.collect();
    }
    None
}
