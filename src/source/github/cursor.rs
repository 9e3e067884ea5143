//! Cursors: what each stream of a repository remembers, as JSON in the store.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::SourceName;
use crate::store::{Batch, Store, StoreError};

/// Reads the cursor of `stream`. One that cannot be read counts as none: the stream starts again,
/// which is slow and safe.
pub(super) async fn load<T: DeserializeOwned>(
    store: &dyn Store,
    source: &SourceName,
    stream: &str,
) -> Result<Option<T>, StoreError> {
    let Some(text) = store.cursor(source, stream).await? else { return Ok(None) };
    match serde_json::from_str(&text) {
        Ok(cursor) => Ok(Some(cursor)),
        Err(error) => {
            tracing::warn!(%source, stream, %error, "the cursor cannot be read; starting again");
            Ok(None)
        }
    }
}

/// Puts the cursor of `stream` into `batch`.
pub(super) fn save<T: Serialize>(batch: &mut Batch, stream: &str, cursor: &T) {
    #[expect(clippy::expect_used, reason = "cursors have text keys and no custom serialisation")]
    let text = serde_json::to_string(cursor).expect("a cursor is representable as JSON");
    batch.cursors.push((stream.to_owned(), text));
}
