//! How facts look in a table.
//!
//! A body is the JSON of the fact's own struct; what kind of struct is in the column beside it.

use std::collections::BTreeMap;

use chrono::{TimeZone, Utc};

use super::{Delta, SourceState, StoreError};
use crate::domain::{Extent, Fact, FactKey, Instant, Kind, SourceName};

/// Ids of at most this many bytes are stored: an index of PostgreSQL takes no more than 2.7 kB.
const MAX_ID_BYTES: usize = 1024;

/// A fact as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) parent: Option<String>,
    /// Milliseconds since the epoch.
    pub(super) occurred_at: i64,
    /// Milliseconds since the epoch.
    pub(super) updated_at: i64,
    pub(super) body: String,
}

impl Row {
    pub(super) fn of(fact: &Fact) -> Result<Self, RowError> {
        let row = Self {
            kind: fact.kind(),
            id: fact.id(),
            parent: fact.parent().map(str::to_owned),
            occurred_at: fact.occurred_at().timestamp_millis(),
            updated_at: fact.updated_at().timestamp_millis(),
            body: encode(fact)?,
        };
        for name in std::iter::once(&row.id).chain(&row.parent) {
            if name.len() > MAX_ID_BYTES {
                return Err(RowError::TooLong);
            }
            if name.contains('\0') {
                return Err(RowError::Nul);
            }
        }
        Ok(row)
    }
}

/// Why a fact cannot be stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    #[error("its id is longer than {MAX_ID_BYTES} bytes")]
    TooLong,
    #[error("its id contains a NUL character")]
    Nul,
    #[error("it cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

macro_rules! bodies {
    ($($kind:ident),* $(,)?) => {
        fn encode(fact: &Fact) -> serde_json::Result<String> {
            match fact {
                $(Fact::$kind(body) => serde_json::to_string(body),)*
            }
        }

        fn decode(kind: Kind, body: &str) -> serde_json::Result<Fact> {
            Ok(match kind {
                $(Kind::$kind => Fact::$kind(serde_json::from_str(body)?),)*
            })
        }
    };
}

bodies!(
    Repository,
    Change,
    Commit,
    Deployment,
    WorkflowRun,
    Release,
    DecisionRevision,
    IncidentService,
    Incident,
    IncidentEvent,
    IncidentAlert,
    Issue,
    HiddenIssues,
    Finding,
    FindingFeed,
    Contents,
    Properties,
    WorkflowJob,
    Cost,
    Units,
    SurveyCell,
    Mentoring,
    Escalation,
    Boundary,
    DebtItem,
    IncidentNote,
    LedgerDay,
    Burn,
    AlertRule,
);

/// The kind that a row names.
fn kind(text: &str) -> Result<Kind, StoreError> {
    Kind::parse(text).ok_or_else(|| {
        StoreError::Unusable(format!(
            "it holds facts of the kind `{text}`, which this version does not know; \
             run the version that wrote it, or a newer one"
        ))
    })
}

/// The fact in a row.
pub(super) fn fact(
    source: &SourceName,
    kind: Kind,
    id: &str,
    body: &str,
) -> Result<Fact, StoreError> {
    decode(kind, body).map_err(|error| unreadable(source, kind, id, &error))
}

fn unreadable(
    source: &SourceName,
    kind: Kind,
    id: impl std::fmt::Display,
    error: &serde_json::Error,
) -> StoreError {
    StoreError::Unusable(format!(
        "the {} {id} of {source} cannot be read back: {error}",
        kind.as_str()
    ))
}

/// A row of the changes: revision, source, kind, and either the id of what was removed or the body
/// of what is there.
pub(super) type Change = (i64, String, String, Option<String>, Option<String>);

/// A page of changes after `since`, with the revision that it leads to.
pub(super) fn deltas(since: i64, rows: Vec<Change>) -> Result<(Vec<Delta>, i64), StoreError> {
    let reached = rows.last().map_or(since, |row| row.0);
    let delta = |(revision, source, text, removed, body): Change| {
        let source = SourceName::new(source);
        let kind = kind(&text)?;
        match (removed, body) {
            (_, Some(body)) => {
                let fact = decode(kind, &body)
                    .map_err(|error| unreadable(&source, kind, format!("@{revision}"), &error))?;
                Ok(Delta::Present(source, Box::new(fact)))
            }
            (id, None) => Ok(Delta::Removed(FactKey { source, kind, id: id.unwrap_or_default() })),
        }
    };
    Ok((rows.into_iter().map(delta).collect::<Result<_, StoreError>>()?, reached))
}

/// How many rows there are of each kind.
pub(super) fn counts(rows: Vec<(String, i64)>) -> Result<BTreeMap<Kind, u64>, StoreError> {
    let count = |(text, count): (String, i64)| Ok((kind(&text)?, count.unsigned_abs()));
    rows.into_iter().map(count).collect()
}

/// A row of last success, data through, last reconciliation and extent.
pub(super) type StateRow = (Option<i64>, Option<i64>, Option<i64>, Option<String>);

/// The state in a row. An extent that cannot be read counts as none: the next pass tells it again.
pub(super) fn source_state(row: Option<StateRow>) -> SourceState {
    let (last_success, data_through, last_reconciled, extent) = row.unwrap_or_default();
    SourceState {
        last_success: instant(last_success),
        data_through: instant(data_through),
        last_reconciled: instant(last_reconciled),
        extent: extent.and_then(|text| serde_json::from_str(&text).ok()),
    }
}

/// An extent for a column.
pub(super) fn extent_text(extent: Option<&Extent>) -> Option<String> {
    #[expect(clippy::expect_used, reason = "an instant and a set of texts")]
    extent.map(|it| serde_json::to_string(it).expect("an extent is representable as JSON"))
}

/// An instant for a column: milliseconds since the epoch.
pub(super) fn millis(instant: Option<Instant>) -> Option<i64> {
    instant.map(|instant| instant.timestamp_millis())
}

/// The instant in a column.
fn instant(millis: Option<i64>) -> Option<Instant> {
    millis.and_then(|millis| Utc.timestamp_millis_opt(millis).single())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RepositoryId;
    use crate::domain::fact::{DecisionRevision, IncidentService, RevisionKind};

    fn service(id: &str) -> Fact {
        Fact::IncidentService(IncidentService {
            id: id.into(),
            name: "Checkout".into(),
            created_at: Utc.timestamp_millis_opt(1_700_000_000_123).unwrap(),
        })
    }

    #[test]
    fn a_fact_comes_back_as_it_was() {
        let stored = Row::of(&service("PX1")).unwrap();
        assert_eq!(stored.occurred_at, 1_700_000_000_123);
        assert_eq!(
            fact(&"pagerduty".into(), stored.kind, &stored.id, &stored.body).unwrap(),
            service("PX1")
        );
    }

    #[test]
    fn the_kind_is_in_its_own_column_and_not_in_the_body() {
        assert!(!Row::of(&service("PX1")).unwrap().body.contains("incident_service"));
    }

    #[test]
    fn a_row_that_cannot_be_read_back_is_named() {
        let error = fact(&"pagerduty".into(), Kind::Incident, "Q9", "{}").unwrap_err();
        assert!(matches!(error, StoreError::Unusable(_)));
        assert!(error.to_string().contains("the incident Q9 of pagerduty"), "{error}");
    }

    #[test]
    fn ids_that_no_backend_could_index_are_refused() {
        let path = "deep/".repeat(300);
        let revision = Fact::DecisionRevision(DecisionRevision {
            repository: RepositoryId::of(&"github".into(), 1),
            path: path.into(),
            commit: "0123".into(),
            authored_at: Utc.timestamp_opt(0, 0).unwrap(),
            committed_at: Utc.timestamp_opt(0, 0).unwrap(),
            revision: RevisionKind::Added,
            status: None,
            front_matter: crate::domain::Attributes::default(),
        });
        assert!(matches!(Row::of(&revision), Err(RowError::TooLong)));
        assert!(matches!(Row::of(&service("P\0")), Err(RowError::Nul)));
    }
}
