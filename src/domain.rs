//! The vocabulary: what happened, named the way the field names it.
//!
//! Nothing in here performs IO, is asynchronous, reads a clock or knows JSON beyond the derived
//! (de)serialisation of facts. No rule of any KPI lives here: a fact says what happened, never
//! what it means.

pub mod calendar;
mod commit_id;
pub mod decimal;
pub mod extent;
pub mod fact;
pub mod graph;
pub mod name;
pub mod text;
pub mod timeline;

pub use calendar::Calendar;
pub use commit_id::{CommitId, CommitText};
pub use decimal::Decimal;
pub use extent::Extent;
pub use fact::{Fact, FactKey, Kind};
pub use name::{RepositoryId, ServiceName, SourceName, TeamName};
pub use text::{Attributes, Text};
pub use timeline::Timeline;

/// An instant. Every instant in the program is UTC; zones appear only where calendar windows are cut.
pub type Instant = chrono::DateTime<chrono::Utc>;
