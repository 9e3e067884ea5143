//! Which addresses a token may go to.

use std::net::IpAddr;

use url::{Host, Url};

use super::OutboundError;

/// Checks a configured base URL.
pub(super) fn check_base(base: &Url, allow_plain_http: bool) -> Result<(), OutboundError> {
    let problem = if base.host().is_none() {
        Some("has no host")
    } else if !base.username().is_empty() || base.password().is_some() {
        Some("has a user name or password; give the token as a secret instead")
    } else if base.query().is_some() || base.fragment().is_some() {
        Some("has a query or a fragment")
    } else {
        match base.scheme() {
            "https" => None,
            "http" if allow_plain_http || is_loopback(base) => None,
            _ => Some("is not https"),
        }
    };
    problem.map_or(Ok(()), |problem| {
        Err(OutboundError::Unusable(format!("the base URL {} {problem}", shown(base))))
    })
}

/// Whether a token for `base` may go to `url`: same scheme, host and port, no userinfo.
pub(super) fn is_within(base: &Url, url: &Url) -> bool {
    url.scheme() == base.scheme()
        && url.host() == base.host()
        && url.host().is_some()
        && url.port_or_known_default() == base.port_or_known_default()
        && url.username().is_empty()
        && url.password().is_none()
}

/// Scheme, host and port, for messages: never userinfo, path or query.
pub(super) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}
