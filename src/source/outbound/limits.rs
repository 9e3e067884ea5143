use std::time::Duration;

use super::Dialect;

/// How long, how much and how often. Every field has a default by vendor ([`Limits::of`]).
#[derive(Clone, Debug)]
pub struct Limits {
    /// Until a connection stands, TLS included.
    pub connect_timeout: Duration,
    /// Between two pieces of an answer.
    pub read_timeout: Duration,
    /// One attempt from its start to the last byte of the body.
    pub total_timeout: Duration,
    /// Bytes of a body after decompression.
    pub max_body: usize,
    /// Pages of one listing.
    pub max_pages: u32,
    /// Redirects of one request, all within the origin.
    pub max_redirects: u32,
    /// Attempts of one request when none brings a complete answer.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles, with jitter.
    pub backoff_min: Duration,
    /// The longest pause between two attempts.
    pub backoff_max: Duration,
    /// A wait up to this long is slept inside the request; a longer one is returned as
    /// [`super::OutboundError::RateLimited`].
    pub max_sleep: Duration,
    /// No vendor makes us wait longer than this in one go, whatever it says.
    pub max_wait: Duration,
    /// The shortest wait after a limit, so that a `Retry-After: 0` is no invitation to hammer.
    pub min_wait: Duration,
    /// The wait after a limit that names no time; it doubles with every one in a row.
    pub unannounced_wait: Duration,
    /// How often one request may run into a limit before it gives up.
    pub limit_hits: u32,
    /// Requests in flight at a time, for all tasks that share the token.
    pub max_in_flight: usize,
    /// The vendor's published pace, kept before it has to remind us.
    pub pace: Option<Pace>,
    /// Lets the base be plain http on a host that is not loopback.
    pub allow_plain_http: bool,
}

/// At most this many requests in any interval of this length.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Requests.
    pub requests: u32,
    /// Length of the interval.
    pub per: Duration,
}

impl Limits {
    /// The limits that suit a vendor.
    ///
    /// GitHub publishes 900 points a minute (a GET is 1) and asks for few requests at a time;
    /// PagerDuty publishes 960 requests a minute and asks for serial requests. Both paces keep a
    /// margin, because a request is counted when it arrives and not when it is sent. Prometheus has
    /// no pace; few requests at a time leave its query slots to people.
    pub fn of(dialect: Dialect) -> Self {
        let a_minute = |requests| Some(Pace { requests, per: Duration::from_secs(60) });
        let (max_in_flight, pace) = match dialect {
            Dialect::GitHub => (4, a_minute(840)),
            Dialect::PagerDuty => (2, a_minute(900)),
            Dialect::Prometheus => (4, None),
        };
        Self {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(90),
            max_body: 16 << 20,
            max_pages: 5_000,
            max_redirects: 3,
            attempts: 4,
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(20),
            max_sleep: Duration::from_secs(120),
            max_wait: Duration::from_secs(3600),
            min_wait: Duration::from_secs(1),
            unannounced_wait: Duration::from_secs(60),
            limit_hits: 4,
            max_in_flight,
            pace,
            allow_plain_http: false,
        }
    }
}
