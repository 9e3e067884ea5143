use http::{HeaderName, HeaderValue};
use url::Url;

use super::OutboundError;

/// What to ask for. Paths are built from segments, so that no name can leave its place.
#[derive(Clone, Debug)]
pub struct Request {
    target: Target,
    query: Vec<(String, String)>,
    pub(super) accept: HeaderValue,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) resource: &'static str,
    pub(super) attempts: Option<u32>,
}

#[derive(Clone, Debug)]
enum Target {
    /// Segments below the base's path.
    BelowBase(Vec<String>),
    /// Segments below the root of the base's origin.
    AtOrigin(Vec<String>),
    /// An address that a server gave us, or that was stored.
    Absolute(Url),
}

impl Request {
    /// A request for `segments` below the base, for example `["repos", "acme", "shop", "pulls"]`.
    pub fn to<S: Into<String>>(segments: impl IntoIterator<Item = S>) -> Self {
        Self::of(Target::BelowBase(segments.into_iter().map(Into::into).collect()))
    }

    /// A request for `segments` below the root of the base's origin, whatever path the base has.
    pub fn at_origin<S: Into<String>>(segments: impl IntoIterator<Item = S>) -> Self {
        Self::of(Target::AtOrigin(segments.into_iter().map(Into::into).collect()))
    }

    /// A request for an address that a server gave us (a `next`). It is refused if it leaves the
    /// configured origin.
    pub fn follow(url: Url) -> Self {
        Self::of(Target::Absolute(url))
    }

    fn of(target: Target) -> Self {
        Self {
            target,
            query: Vec::new(),
            accept: HeaderValue::from_static("application/json"),
            headers: Vec::new(),
            resource: "core",
            attempts: None,
        }
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl ToString) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// The media type to accept; part of a validator's identity.
    #[must_use]
    pub fn accept(mut self, media_type: &'static str) -> Self {
        self.accept = HeaderValue::from_static(media_type);
        self
    }

    /// Adds a header, for example the API version. Not for credentials: those come from the
    /// [`super::Authenticator`].
    #[must_use]
    pub fn header(self, name: HeaderName, value: &'static str) -> Self {
        self.header_value(name, HeaderValue::from_static(value))
    }

    /// Adds a header whose value configuration gives, for example the tenant.
    #[must_use]
    pub fn header_value(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The budget that the vendor will charge, where one token has several: GitHub's `core`
    /// (the default), `graphql`, `search`.
    #[must_use]
    pub fn resource(mut self, resource: &'static str) -> Self {
        self.resource = resource;
        self
    }

    /// Attempts of this request when none brings a complete answer, instead of
    /// [`super::Limits::attempts`].
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// The same request (headers, media type, budget) for another page.
    #[must_use]
    pub(super) fn for_page(&self, url: Url) -> Self {
        Self { target: Target::Absolute(url), query: Vec::new(), ..self.clone() }
    }

    /// The address below `base`.
    pub(super) fn url(&self, base: &Url) -> Result<Url, OutboundError> {
        let mut url = match &self.target {
            Target::Absolute(url) => url.clone(),
            Target::BelowBase(segments) => join(base.clone(), segments)?,
            Target::AtOrigin(segments) => {
                let mut root = base.clone();
                root.set_path("/");
                join(root, segments)?
            }
        };
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url.set_fragment(None);
        Ok(url)
    }
}

/// Appends percent-encoded segments. `.` and `..`, which would climb, and empty ones are refused.
fn join(mut url: Url, segments: &[String]) -> Result<Url, OutboundError> {
    if let Some(bad) = segments.iter().find(|s| matches!(s.as_str(), "" | "." | "..")) {
        return Err(OutboundError::Unusable(format!("{bad:?} cannot be part of an address")));
    }
    url.path_segments_mut()
        .map_err(|()| OutboundError::Unusable("the base cannot have a path".into()))?
        .pop_if_empty()
        .extend(segments);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(base: &str, request: &Request) -> String {
        request.url(&Url::parse(base).unwrap()).unwrap().to_string()
    }

    #[test]
    fn segments_go_below_the_bases_path() {
        let request = Request::to(["repos", "acme", "shop"]).query("per_page", 100);
        assert_eq!(
            url("https://git.example/api/v3", &request),
            "https://git.example/api/v3/repos/acme/shop?per_page=100"
        );
        assert_eq!(
            url("https://git.example/api/v3/", &request),
            "https://git.example/api/v3/repos/acme/shop?per_page=100"
        );
    }

    #[test]
    fn at_origin_ignores_the_bases_path() {
        let request = Request::at_origin(["api", "graphql"]);
        assert_eq!(url("https://git.example/api/v3", &request), "https://git.example/api/graphql");
    }

    #[test]
    fn a_name_cannot_leave_its_segment() {
        let request = Request::to(["repos", "a/../../b?x=1#y", "%2e%2e"]);
        assert_eq!(
            url("https://git.example", &request),
            "https://git.example/repos/a%2F..%2F..%2Fb%3Fx=1%23y/%252e%252e"
        );
        for climbing in ["..", ".", ""] {
            let base = Url::parse("https://git.example").unwrap();
            assert!(Request::to(["repos", climbing]).url(&base).is_err(), "{climbing:?} climbed");
        }
    }
}
