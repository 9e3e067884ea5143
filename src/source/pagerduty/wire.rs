//! What PagerDuty sends, read tolerantly: an item needs its identity and its times, everything
//! else may be missing, null or of another shape.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::domain::{Instant, Kind};

/// An item of a list.
pub(super) trait Item: DeserializeOwned + Send {
    /// The key of the list in the answer.
    const KEY: &'static str;
    /// What it becomes, for counting those that cannot be read.
    const KIND: Kind;

    /// The vendor's id.
    fn id(&self) -> &str;
}

/// An incident, in a list or alone.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Incident {
    pub(super) id: Id,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) incident_number: Option<u64>,
    pub(super) created_at: Instant,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) updated_at: Option<Instant>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) last_status_change_at: Option<Instant>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) resolved_at: Option<Instant>,
    pub(super) status: Status,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) service: Option<Reference>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) priority: Option<Named>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) resolve_reason: Option<Typed>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) html_url: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) alert_counts: Option<AlertCounts>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) custom_fields: Option<Vec<serde_json::Value>>,
}

/// An id: text that is not empty.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Id(pub(super) String);

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let fine = (1..=64).contains(&text.len()) && text.chars().all(plain);
        if fine { Ok(Self(text)) } else { Err("not an id") }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Triggered,
    Acknowledged,
    Resolved,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Reference {
    pub(super) id: Id,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Named {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) summary: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Typed {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct AlertCounts {
    pub(super) all: u64,
}

/// The value of a custom field.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct FieldValue {
    pub(super) name: String,
    #[serde(default)]
    pub(super) value: serde_json::Value,
}

/// An entry of an incident's log.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct LogEntry {
    pub(super) id: Id,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) created_at: Instant,
    pub(super) incident: Reference,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) summary: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) note: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) channel: Option<Channel>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Channel {
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    pub(super) kind: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) summary: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) content: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) changeset: Option<Changeset>,
}

/// What a change of fields changed: those of the tool (`application_fields`), not custom ones.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Changeset {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) application_fields: Option<Vec<Named>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Alert {
    pub(super) id: Id,
    pub(super) created_at: Instant,
    /// What the monitor said, in a shape of its own, which may be any.
    #[serde(default)]
    pub(super) body: Option<Box<serde_json::value::RawValue>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Service {
    pub(super) id: Id,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) summary: Option<String>,
    pub(super) created_at: Instant,
}

macro_rules! item {
    ($item:ty, $key:literal, $kind:expr) => {
        impl Item for $item {
            const KEY: &'static str = $key;
            const KIND: Kind = $kind;

            fn id(&self) -> &str {
                &self.id.0
            }
        }
    };
}

item!(Incident, "incidents", Kind::Incident);
item!(LogEntry, "log_entries", Kind::IncidentEvent);
item!(Alert, "alerts", Kind::IncidentAlert);
item!(Service, "services", Kind::IncidentService);

/// A value, or nothing where it is missing, null or of another shape.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}
