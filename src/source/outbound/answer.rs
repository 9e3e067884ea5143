use bytes::Bytes;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use url::Url;

use super::OutboundError;
use crate::store::Validator;

/// A complete answer to a GET that may have been conditional.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A body.
    Fresh(Box<Page>),
    /// Nothing changed since the validator was stored: the rows of it are in the store.
    NotModified {
        /// The page after it.
        next: Option<Url>,
    },
}

impl Answer {
    /// The page after this one.
    pub fn next(&self) -> Option<&Url> {
        match self {
            Self::Fresh(page) => page.next.as_ref(),
            Self::NotModified { next } => next.as_ref(),
        }
    }
}

/// A complete answer with status 2xx whose body is JSON.
#[derive(Clone)]
pub struct Page {
    /// The body, decompressed.
    pub body: Bytes,
    /// The page after it (`Link: rel="next"`), within the origin.
    pub next: Option<Url>,
    /// What makes the same request conditional next time. Commit it with the rows of this page.
    pub validator: Option<Validator>,
    /// The headers of the answer.
    pub headers: HeaderMap,
    pub(super) request: String,
}

impl Page {
    /// Decodes the body.
    ///
    /// Decode lists as `Vec<&RawValue>` and their items one by one, so that a bad item is counted
    /// and the page lives.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, OutboundError> {
        serde_json::from_slice(&self.body).map_err(|error| self.malformed(&error))
    }

    /// Decodes the body into something that borrows from it.
    pub fn json_ref<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, OutboundError> {
        serde_json::from_slice(&self.body).map_err(|error| self.malformed(&error))
    }

    /// The text of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// An error about this answer: `what` says why it is not what the API promises, without
    /// quoting it.
    pub fn unexpected(&self, what: &str) -> OutboundError {
        OutboundError::Malformed { request: self.request.clone(), reason: what.to_owned() }
    }

    fn malformed(&self, error: &serde_json::Error) -> OutboundError {
        OutboundError::Malformed { request: self.request.clone(), reason: where_it_fails(error) }
    }
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page")
            .field("request", &self.request)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Says where a body fails to decode without quoting it.
pub(super) fn where_it_fails(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends early",
        serde_json::error::Category::Syntax => "the body is not JSON",
        serde_json::error::Category::Data => "the JSON has another shape than expected",
        serde_json::error::Category::Io => "the body cannot be read",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// Whether the body failed to decode because it ends early, as a cut-off one does.
///
/// A cut inside a number (`1.` of `1.5`) is no end of input for the parser but bad syntax at the
/// last byte.
pub(super) fn ends_early(body: &[u8], error: &serde_json::Error) -> bool {
    let last_line = body.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let lines = body.iter().filter(|byte| **byte == b'\n').count() + 1;
    error.is_eof() || (error.line() == lines && error.column() >= last_line.len())
}

/// The address of `rel="next"` in a `Link` header (RFC 8288), as the server wrote it. Whatever is
/// not text becomes an address that is refused: to pass over it would lose the pages behind it.
pub(super) fn next_link(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(http::header::LINK)
        .iter()
        .find_map(|value| next_in(&String::from_utf8_lossy(value.as_bytes())))
}

fn next_in(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some(open) = rest.find('<') {
        let close = open + rest[open..].find('>')?;
        let (target, after) = (&rest[open + 1..close], &rest[close + 1..]);
        let (parameters, others) = split_outside_quotes(after, ',');
        let mut parameters = Some(parameters);
        while let Some(text) = parameters {
            let (parameter, more) = split_outside_quotes(text, ';');
            if is_rel_next(parameter) {
                return Some(target.to_owned());
            }
            parameters = more;
        }
        rest = others.unwrap_or_default();
    }
    None
}

/// What stands before the first `delimiter` outside quotes, and what stands after it.
fn split_outside_quotes(text: &str, delimiter: char) -> (&str, Option<&str>) {
    let mut quoted = false;
    let found = text.find(|c| {
        quoted ^= c == '"';
        c == delimiter && !quoted
    });
    match found {
        Some(at) => (&text[..at], Some(&text[at + delimiter.len_utf8()..])),
        None => (text, None),
    }
}

fn is_rel_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    name.trim().eq_ignore_ascii_case("rel")
        && value
            .trim()
            .trim_matches('"')
            .split_ascii_whitespace()
            .any(|relation| relation.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_is_found_in_every_legal_spelling_of_a_link_header() {
        for (header, next) in [
            (
                r#"<https://a/x?page=2>; rel="next", <https://a/x?page=9>; rel="last""#,
                Some("https://a/x?page=2"),
            ),
            (r#"<https://a/1>; rel="prev", <https://a/3>; rel="next""#, Some("https://a/3")),
            ("<https://a/2>;rel=next", Some("https://a/2")),
            (r#"<https://a/2>; title="a, b; c"; REL="Next first""#, Some("https://a/2")),
            (r#"<https://a/2>; title="; rel=next; ""#, None),
            (r#"<https://a/x?q=1,2>; rel="next""#, Some("https://a/x?q=1,2")),
            (r#"<https://a/2>; rel="prefetch""#, None),
            (r#"<https://a/2>; title="next""#, None),
            ("https://a/2; rel=next", None),
            ("<https://a/2", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::LINK, header.parse().unwrap());
            assert_eq!(next_link(&headers).as_deref(), next, "{header}");
        }
    }
}
