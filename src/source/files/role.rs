//! What a file is for, and so how it is read.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::costs::Costs;
use super::open::{Looks, Meter, Opened};
use super::registers::{Entries, Register};
use super::reports::{self, Report};
use super::rows::{self, Visitor};
use super::settings::Settings;
use super::surveys::Answers;
use super::table::{FileError, RowError};
use crate::domain::{Fact, Kind};

/// Largest cost export, unpacked.
const LARGEST_EXPORT: u64 = 64 * 1024 * 1024 * 1024;
/// Largest other file, unpacked.
const LARGEST: u64 = 64 * 1024 * 1024;
/// So many bad rows of a file are named.
const NAMED: usize = 20;

/// What a list of files is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Costs,
    Register(Register),
    Wave { survey: String, wave: String },
    Findings { name: String },
}

/// Where a fact comes from.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The name of the file as people know it.
    pub(super) file: String,
    /// Begins the ids of what is in it: the same file may be read for two purposes.
    pub(super) prefix: String,
}

impl Place {
    pub(super) fn of(role: &Role, file: &str) -> Self {
        let prefix = hex::encode(&Sha256::digest(format!("{role:?} {file}"))[..8]);
        Self { file: file.to_owned(), prefix }
    }

    /// The id of what is identified by `identity` within the file.
    pub(super) fn id(&self, identity: &str) -> String {
        format!("{}/{identity}", self.prefix)
    }
}

/// What was read of a file.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) facts: Vec<Fact>,
    /// How many rows are skipped.
    pub(super) skipped: u64,
    /// The first of them.
    pub(super) named: Vec<String>,
    /// What scanners found, instead of facts: those follow from what was known before.
    pub(super) reports: Vec<Report>,
}

impl Parsed {
    pub(super) fn skip(&mut self, place: &Place, line: u64, error: &RowError) {
        self.skipped += 1;
        if self.named.len() < NAMED {
            self.named.push(format!("{}:{line}: {error}", place.file));
        }
    }

    /// The skipped rows for people: the first ones, and how many there are beside.
    fn warnings(&self, place: &Place) -> Vec<String> {
        let mut warnings = self.named.clone();
        let named = u64::try_from(warnings.len()).unwrap_or(u64::MAX);
        if self.skipped > named {
            let more = self.skipped - named;
            warnings.push(format!("{}: {more} more rows are skipped", place.file));
        }
        warnings
    }
}

/// What is remembered of a file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub(super) looks: Looks,
    /// SHA-256 of its bytes.
    pub(super) hash: String,
    /// SHA-256 of what was asked of it: other settings read it again.
    pub(super) asked: String,
    /// Bad rows, which stay bad while it does not change.
    pub(super) warnings: Vec<String>,
}

impl Role {
    /// Every list of files of `settings`.
    pub(super) fn all(settings: &Settings) -> Vec<(Self, Vec<String>)> {
        let costs = settings.costs.iter().map(|it| (Self::Costs, it.files.clone()));
        let registers = [
            (Register::Units, &settings.units),
            (Register::Mentorship, &settings.mentorship),
            (Register::Escalations, &settings.escalations),
            (Register::Boundaries, &settings.boundaries),
            (Register::Debt, &settings.debt),
            (Register::Incidents, &settings.incidents),
        ];
        let registers = registers.into_iter().filter_map(|(register, settings)| {
            Some((Self::Register(register), settings.as_ref()?.files.clone()))
        });
        let waves = settings.surveys.iter().flat_map(|(survey, it)| {
            it.waves.iter().map(move |(wave, it)| {
                let (survey, wave) = (survey.clone(), wave.clone());
                (Self::Wave { survey, wave }, it.files.clone())
            })
        });
        let findings = settings.findings.iter();
        let findings =
            findings.map(|(name, it)| (Self::Findings { name: name.clone() }, it.files.clone()));
        costs.chain(registers).chain(waves).chain(findings).collect()
    }

    /// What its files are read into.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Costs => Kind::Cost,
            Self::Register(register) => register.kind(),
            Self::Wave { .. } => Kind::SurveyCell,
            Self::Findings { .. } => Kind::Finding,
        }
    }

    /// A hash of everything that decides how a file is read.
    pub(super) fn asked(&self, settings: &Settings) -> String {
        let settings = match self {
            Self::Costs => serde_json::to_string(&settings.costs),
            Self::Register(_) => Ok(String::new()),
            Self::Findings { name } => serde_json::to_string(&settings.findings.get(name)),
            Self::Wave { survey, .. } => serde_json::to_string(&settings.surveys.get(survey)),
        };
        // The number: a release that reads files otherwise reads them again.
        hex::encode(Sha256::digest(format!("1 {self:?} {}", settings.unwrap_or_default())))
    }

    /// Reads a file to its end.
    pub(super) fn read(
        &self,
        settings: &Settings,
        place: &Place,
        path: &Path,
    ) -> Result<(Parsed, Stamp), FileError> {
        let opened = Opened::open(path)?;
        let looks = opened.looks.clone();
        let largest = if *self == Self::Costs { LARGEST_EXPORT } else { LARGEST };
        let (parsed, hash) = opened
            .read(largest, |reader, meter| self.parse(settings, place, path, reader, meter))?;
        let (asked, warnings) = (self.asked(settings), parsed.warnings(place));
        Ok((parsed, Stamp { looks, hash, asked, warnings }))
    }

    fn parse(
        &self,
        settings: &Settings,
        place: &Place,
        path: &Path,
        reader: &mut dyn Read,
        meter: &Meter,
    ) -> Result<Parsed, FileError> {
        let unknown = || FileError::new("is not configured");
        let is_toml = path.extension().is_some_and(|it| it.eq_ignore_ascii_case("toml"));
        let mut csv = |visitor: &mut dyn Visitor| match is_toml {
            true => Err(FileError::new("is TOML; only registers are read from that")),
            false => rows::csv(&mut *reader, meter, visitor),
        };
        match self {
            Self::Costs => {
                let mut costs = Costs::new(settings.costs.as_ref().ok_or_else(unknown)?, place);
                csv(&mut costs)?;
                Ok(costs.done())
            }
            Self::Wave { survey, wave } => {
                let settings = settings.surveys.get(survey).ok_or_else(unknown)?;
                let answers = Answers::new((survey, settings), wave, place);
                let mut answers = answers.ok_or_else(unknown)?;
                csv(&mut answers)?;
                Ok(answers.done())
            }
            Self::Findings { .. } => {
                let reports = reports::read(reader, meter)?;
                Ok(Parsed { reports, ..Parsed::default() })
            }
            Self::Register(register) => {
                let mut entries = Entries::new(*register, place);
                if is_toml {
                    rows::toml(reader, meter, register.name(), &mut entries)?;
                } else {
                    csv(&mut entries)?;
                }
                Ok(entries.done())
            }
        }
    }
}

/// Begins the ids of what a tool found in the place that reports are configured for.
pub(super) fn findings_prefix(name: &str, tool: &str) -> String {
    hex::encode(&Sha256::digest(format!("findings {name} {tool}"))[..8])
}

/// The files that are known, by the prefix of what is in them.
pub(super) type Index = BTreeMap<String, (Kind, String)>;
