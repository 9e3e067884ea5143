//! Surveys: one respondent a row. Only the scores of whole cells leave this file: who answered,
//! in which order, and what the same person answered elsewhere is not kept.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};

use super::role::{Parsed, Place};
use super::rows::Visitor;
use super::settings::SurveySettings;
use super::table::{FileError, Row, RowError, short};
use super::value::parse_number;
use crate::domain::fact::SurveyCell;
use crate::domain::{Fact, Instant};

/// So many respondents are read of one file.
const MOST: usize = 200_000;

/// Reads one file of a wave.
#[derive(Debug)]
pub(super) struct Answers<'a> {
    place: &'a Place,
    survey: (&'a str, &'a SurveySettings),
    wave: &'a str,
    closed_at: Instant,
    scale: (f64, f64),
    words: HashMap<String, f64>,
    respondents: Vec<Respondent>,
    /// Where a respondent is in the list, by a hash.
    known: HashMap<[u8; 32], usize>,
    parsed: Parsed,
}

#[derive(Debug)]
struct Respondent {
    team: Option<String>,
    group: Option<String>,
    scores: BTreeMap<String, f64>,
}

impl<'a> Answers<'a> {
    /// `None` if the survey has no such wave.
    pub(super) fn new(
        survey: (&'a str, &'a SurveySettings),
        wave: &'a str,
        place: &'a Place,
    ) -> Option<Self> {
        let settings = survey.1.waves.get(wave)?;
        let words = survey.1.words.iter();
        Some(Self {
            place,
            survey,
            wave,
            closed_at: settings.closed.0,
            scale: survey.1.scale_of(settings),
            words: words.map(|(word, score)| (word.trim().to_lowercase(), *score)).collect(),
            respondents: Vec::new(),
            known: HashMap::new(),
            parsed: Parsed::default(),
        })
    }

    pub(super) fn done(self) -> Parsed {
        let mut cells: BTreeMap<_, Vec<f64>> = BTreeMap::new();
        for it in self.respondents {
            for (dimension, score) in it.scores {
                let cell = (it.team.clone(), it.group.clone(), dimension);
                cells.entry(cell).or_default().push(score);
            }
        }
        let mut parsed = self.parsed;
        let cells = cells.into_iter().map(|((team, group, dimension), mut scores)| {
            scores.sort_unstable_by(f64::total_cmp);
            let identity = format!("{:?} {:?} {dimension}", team, group);
            let identity = hex::encode(&Sha256::digest(identity)[..12]);
            Fact::SurveyCell(SurveyCell {
                id: self.place.id(&identity),
                file: self.place.file.clone(),
                survey: self.survey.0.to_owned(),
                wave: self.wave.to_owned(),
                closed_at: self.closed_at,
                team,
                group,
                dimension,
                scale: self.scale,
                scores,
            })
        });
        parsed.facts = cells.collect();
        parsed
    }

    /// The mean of the answered questions of a dimension.
    fn score(&self, row: &Row<'_>, columns: &[String]) -> Result<Option<f64>, RowError> {
        let mut sum = 0.0;
        let mut answered = 0.0;
        for column in columns {
            let Some(text) = row.text(column)? else { continue };
            let word = self.words.get(&text.to_lowercase()).copied();
            let score = word.or_else(|| parse_number(text)).ok_or_else(|| {
                RowError::of(&short(column), format!("{:?} is no answer", short(text)))
            })?;
            let (low, high) = self.scale;
            if !(low..=high).contains(&score) {
                let rule = format!("{score} is not on the scale {low} to {high}");
                return Err(RowError::of(&short(column), rule));
            }
            sum += score;
            answered += 1.0;
        }
        Ok((answered > 0.0).then(|| sum / answered))
    }
}

impl Visitor for Answers<'_> {
    fn required(&self) -> Vec<&str> {
        let settings = self.survey.1;
        let named = [&settings.team, &settings.group, &settings.respondent];
        let named = named.into_iter().flatten();
        let columns = settings.dimensions.values().flatten();
        named.chain(columns).map(String::as_str).collect()
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        let settings = self.survey.1;
        let named = |column: &Option<String>| match column {
            Some(column) => row.owned(column),
            None => Ok(None),
        };
        let mut respondent = Respondent {
            team: named(&settings.team)?,
            group: named(&settings.group)?,
            scores: BTreeMap::new(),
        };
        for (dimension, columns) in &settings.dimensions {
            if let Some(score) = self.score(row, columns)? {
                respondent.scores.insert(dimension.clone(), score);
            }
        }
        if respondent.scores.is_empty() {
            return Err(RowError::new("answers nothing"));
        }
        match &settings.respondent {
            None => self.respondents.push(respondent),
            Some(column) => {
                let who: [u8; 32] = Sha256::digest(row.required(column)?.to_lowercase()).into();
                match self.known.get(&who) {
                    Some(earlier) => self.respondents[*earlier] = respondent,
                    None => {
                        self.known.insert(who, self.respondents.len());
                        self.respondents.push(respondent);
                    }
                }
            }
        }
        Ok(())
    }

    fn skipped(&mut self, line: u64, error: &RowError) {
        self.parsed.skip(self.place, line, error);
    }

    fn full(&self) -> Option<FileError> {
        (self.respondents.len() > MOST)
            .then(|| FileError::new(format!("holds more than {MOST} respondents")))
    }
}
