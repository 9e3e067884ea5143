use http::StatusCode;

use crate::domain::Instant;
use crate::source::SourceError;
use crate::store::StoreError;

/// Why a request gave no answer to use.
///
/// No variant contains a token or a query string.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The vendor said no in a way that asking again does not mend.
    #[error("{request}: {status}{}", explained(.message))]
    Status {
        /// The status of the answer.
        status: StatusCode,
        /// Method and path.
        request: String,
        /// What the vendor says about it, shortened; may be empty.
        message: String,
    },
    /// The vendor wants us to wait for longer than a request may sleep.
    #[error("rate limited until {until}")]
    RateLimited {
        /// When to ask again.
        until: Instant,
    },
    /// No complete answer came, after the retries: the network, a deadline or a 5xx.
    #[error("{request}: {reason}")]
    Transient {
        /// Method and path.
        request: String,
        /// The last status, if one came.
        status: Option<StatusCode>,
        /// What went wrong.
        reason: String,
    },
    /// The answer is not what an API of this vendor gives: not JSON, too large, a `next` that
    /// loops.
    #[error("{request}: {reason}")]
    Malformed {
        /// Method and path.
        request: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server pointed to an address outside the configured origin. Nothing was sent there and
    /// nothing of the answer is used.
    #[error("{request}: the server points to another origin ({to}); refused")]
    Refused {
        /// Method and path.
        request: String,
        /// Scheme, host and port of that address.
        to: String,
    },
    /// The client was asked for something that cannot be sent: a base that is not https, a token
    /// with a line break.
    #[error("{0}")]
    Unusable(String),
    /// The store failed while a validator was looked up.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OutboundError {
    /// The status that the vendor answered with, if one came.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            Self::Transient { status, .. } => *status,
            _ => None,
        }
    }
}

fn explained(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(" ({message})") }
}

impl From<OutboundError> for SourceError {
    fn from(error: OutboundError) -> Self {
        let text = error.to_string();
        match error {
            OutboundError::Status { status, .. } => match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::Unauthorized(text),
                StatusCode::NOT_FOUND | StatusCode::GONE => Self::NotFound(text),
                _ => Self::Malformed(text),
            },
            OutboundError::RateLimited { until } => Self::RateLimited { until },
            OutboundError::Transient { .. } => Self::Transient(text),
            OutboundError::Malformed { .. }
            | OutboundError::Refused { .. }
            | OutboundError::Unusable(_) => Self::Malformed(text),
            OutboundError::Store(error) => Self::Store(error),
        }
    }
}
