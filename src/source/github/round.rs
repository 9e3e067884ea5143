//! A round of reconciliation: which repositories it has compared, so that one which is interrupted
//! goes on and a large organisation comes to an end.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{Shared, cursor};
use crate::domain::Instant;
use crate::source::{PollContext, SourceError};
use crate::store::Batch;

const STREAM: &str = "reconciliation";

/// How long a repository counts as compared while others of its round are not.
const HOLDS: TimeDelta = TimeDelta::days(7);

/// What a round has come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Round {
    /// When each repository was compared, by its number.
    compared: BTreeMap<u64, Instant>,
}

impl Round {
    /// The round that was not finished, or a new one.
    pub(super) async fn load(shared: &Shared, cx: &PollContext) -> Result<Self, SourceError> {
        let known: Option<Self> = cursor::load(&*cx.store, &shared.source, STREAM).await?;
        let mut round = known.unwrap_or_default();
        round.compared.retain(|_, at| *at <= cx.now && cx.now - *at < HOLDS);
        Ok(round)
    }

    /// Whether the repository of this number was compared in this round.
    pub(super) fn has(&self, native: u64) -> bool {
        self.compared.contains_key(&native)
    }

    /// Remembers that it was.
    pub(super) async fn compared(
        &mut self,
        shared: &Shared,
        cx: &PollContext,
        native: u64,
    ) -> Result<(), SourceError> {
        self.compared.insert(native, cx.now);
        let mut batch = Batch::default();
        cursor::save(&mut batch, STREAM, self);
        shared.commit(cx, batch).await
    }

    /// Everything was compared: the next round begins anew.
    pub(super) async fn finish(shared: &Shared, cx: &PollContext) -> Result<(), SourceError> {
        let forgotten_cursors = vec![STREAM.to_owned()];
        shared.commit(cx, Batch { forgotten_cursors, ..Batch::default() }).await
    }
}
