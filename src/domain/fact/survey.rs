use serde::{Deserialize, Serialize};

use crate::domain::Instant;

/// The answers of one cell of a survey: everybody of one team and one group about one dimension.
/// Answers of one person to two dimensions cannot be told to belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurveyCell {
    /// Unique within the source.
    pub id: String,
    /// The file that it was read from.
    pub file: String,
    /// The survey's configured name.
    pub survey: String,
    /// The wave's configured name.
    pub wave: String,
    /// When the wave closed.
    pub closed_at: Instant,
    /// The team as the file names it; `None` where it names none.
    pub team: Option<String>,
    /// The group of stakeholders as the file names it; `None` where it names none.
    pub group: Option<String>,
    /// What was asked about.
    pub dimension: String,
    /// The lowest and the highest answer possible.
    pub scale: (f64, f64),
    /// One score per respondent in ascending order, so that their order says nothing.
    pub scores: Vec<f64>,
}
