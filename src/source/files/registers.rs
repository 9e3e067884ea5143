//! Registers: one entry a row, each a fact.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::role::{Parsed, Place};
use super::rows::Visitor;
use super::table::{FileError, Row, RowError};
use super::value::{day, day_if_any, flag, instant_if_any, number};
use crate::domain::fact::{Boundary, DebtItem, Escalation, IncidentNote, Mentoring, Units};
use crate::domain::{Fact, Kind};

/// So many entries are read of one file.
const MOST: usize = 200_000;

/// A kind of register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Register {
    Units,
    Mentorship,
    Escalations,
    Boundaries,
    Debt,
    Incidents,
}

impl Register {
    /// The key of its settings, which is also the name of its tables in TOML.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Units => "units",
            Self::Mentorship => "mentorship",
            Self::Escalations => "escalations",
            Self::Boundaries => "boundaries",
            Self::Debt => "debt",
            Self::Incidents => "incidents",
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Units => Kind::Units,
            Self::Mentorship => Kind::Mentoring,
            Self::Escalations => Kind::Escalation,
            Self::Boundaries => Kind::Boundary,
            Self::Debt => Kind::DebtItem,
            Self::Incidents => Kind::IncidentNote,
        }
    }

    fn required(self) -> &'static [&'static str] {
        match self {
            Self::Units => &["date", "service", "unit", "count"],
            Self::Mentorship => &["date", "person"],
            Self::Escalations => &["date"],
            Self::Boundaries => &["name"],
            Self::Debt => &["opened"],
            Self::Incidents => &["incident"],
        }
    }

    /// The fact of a row, and what identifies it within its file: `None` = its content.
    #[expect(clippy::too_many_lines, reason = "one arm for each register")]
    fn fact(self, row: &Row<'_>, file: &str) -> Result<(Fact, Option<String>), RowError> {
        let file = file.to_owned();
        let id = String::new();
        let own_id = row.owned("id")?;
        let entry = match self {
            Self::Units => {
                let count = number(row, "count")?;
                if count < 0.0 {
                    return Err(RowError::of("count", "is negative"));
                }
                let day = day(row, "date")?;
                let service = row.required("service")?.to_owned();
                let unit = unit(row)?;
                let identity = format!("{day} {} {unit}", service.to_lowercase());
                let fact = Units { id, file: Some(file), day, service, unit, count };
                return Ok((Fact::Units(fact), Some(identity)));
            }
            Self::Mentorship => Fact::Mentoring(Mentoring {
                id,
                file,
                day: day(row, "date")?,
                person: pseudonym(row.required("person")?),
                team: row.owned("team")?,
                what: row.owned("what")?,
                evidence: row.owned("evidence")?,
            }),
            Self::Escalations => Fact::Escalation(Escalation {
                id,
                file,
                day: day(row, "date")?,
                team: row.owned("team")?,
                service: row.owned("service")?,
                group: row.owned("group")?,
                link: row.owned("link")?,
            }),
            Self::Boundaries => {
                let (since, until) = (day_if_any(row, "since")?, day_if_any(row, "until")?);
                in_order(since, until, "until", "since")?;
                let name = row.required("name")?.to_owned();
                let identity = own_id.unwrap_or_else(|| name.to_lowercase());
                let fact = Boundary {
                    id,
                    file,
                    name,
                    service: row.owned("service")?,
                    repository: row.owned("repository")?,
                    test: row.owned("test")?,
                    since,
                    until,
                };
                return Ok((Fact::Boundary(fact), Some(identity)));
            }
            Self::Debt => {
                let opened_on = day(row, "opened")?;
                let closed_on = day_if_any(row, "closed")?;
                in_order(Some(opened_on), closed_on, "closed", "opened")?;
                Fact::DebtItem(DebtItem {
                    id,
                    file,
                    service: row.owned("service")?,
                    team: row.owned("team")?,
                    opened_on,
                    closed_on,
                    completed: completed(row)?,
                    major: flag(row, "major", true)?,
                    link: row.owned("link")?,
                })
            }
            Self::Incidents => {
                let incident = row.required("incident")?.trim_start_matches('#').to_owned();
                let identity = incident.clone();
                let fact = IncidentNote {
                    id,
                    file,
                    incident,
                    fault_at: instant_if_any(row, "fault_at")?,
                    root_cause: row.owned("root_cause")?,
                    problem: row.owned("problem")?,
                    category: row.owned("category")?,
                    customer_impact: row.owned("customer_impact")?,
                    link: row.owned("link")?,
                };
                return Ok((Fact::IncidentNote(fact), Some(identity)));
            }
        };
        Ok((entry, own_id))
    }
}

fn in_order<T: PartialOrd + std::fmt::Display>(
    first: Option<T>,
    then: Option<T>,
    column: &str,
    other: &str,
) -> Result<(), RowError> {
    match (first, then) {
        (Some(first), Some(then)) if then < first => {
            Err(RowError::of(column, format!("{then} is before {other} ({first})")))
        }
        _ => Ok(()),
    }
}

/// How a debt was closed: by doing it, unless the register says that it was given up.
fn completed(row: &Row<'_>) -> Result<bool, RowError> {
    match row.text("outcome")?.map(str::to_lowercase).as_deref() {
        None | Some("completed" | "done" | "fixed") => Ok(true),
        Some("dropped" | "not planned" | "not_planned" | "duplicate" | "won't do") => Ok(false),
        Some(other) => {
            let rule = format!("{other:?} is neither \"completed\" nor \"dropped\"");
            Err(RowError::of("outcome", rule))
        }
    }
}

/// A unit becomes a label: short, and the same however it is capitalised.
fn unit(row: &Row<'_>) -> Result<String, RowError> {
    let unit = row.required("unit")?.to_lowercase();
    if unit.chars().count() > 40 || unit.chars().any(char::is_control) {
        return Err(RowError::of("unit", "is no short name; write for example request"));
    }
    Ok(unit)
}

/// Tells people apart without naming them.
fn pseudonym(person: &str) -> String {
    let name = person.to_lowercase();
    hex::encode(&Sha256::digest(format!("engkpi mentorship {name}"))[..8])
}

/// Reads one file of a register.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    register: Register,
    place: &'a Place,
    parsed: Parsed,
    identities: BTreeSet<String>,
    /// How often an entry without an identity of its own was met, by its content.
    copies: BTreeMap<String, u32>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(register: Register, place: &'a Place) -> Self {
        Self {
            register,
            place,
            parsed: Parsed::default(),
            identities: BTreeSet::new(),
            copies: BTreeMap::new(),
        }
    }

    pub(super) fn done(self) -> Parsed {
        self.parsed
    }

    /// Two entries with the same content are two entries, wherever in the file they stand.
    fn by_content(&mut self, fact: &Fact) -> Result<String, RowError> {
        let json = serde_json::to_vec(fact).map_err(|error| RowError::new(error.to_string()))?;
        let content = hex::encode(&Sha256::digest(json)[..12]);
        let copies = self.copies.entry(content.clone()).or_default();
        *copies += 1;
        Ok(if *copies == 1 { content } else { format!("{content}-{copies}") })
    }
}

impl Visitor for Entries<'_> {
    fn required(&self) -> Vec<&str> {
        self.register.required().to_vec()
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        let (mut fact, identity) = self.register.fact(row, &self.place.file)?;
        let identity = match identity {
            Some(identity) if identity.len() > 200 => {
                return Err(RowError::new("what identifies it is longer than 200 bytes"));
            }
            Some(identity) if !self.identities.insert(identity.clone()) => {
                return Err(RowError::new(format!("{identity} is there twice")));
            }
            Some(identity) => identity,
            None => self.by_content(&fact)?,
        };
        set_id(&mut fact, self.place.id(&identity));
        self.parsed.facts.push(fact);
        Ok(())
    }

    fn skipped(&mut self, line: u64, error: &RowError) {
        self.parsed.skip(self.place, line, error);
    }

    fn full(&self) -> Option<FileError> {
        (self.parsed.facts.len() > MOST)
            .then(|| FileError::new(format!("holds more than {MOST} entries")))
    }
}

fn set_id(fact: &mut Fact, id: String) {
    match fact {
        Fact::Units(fact) => fact.id = id,
        Fact::Mentoring(fact) => fact.id = id,
        Fact::Escalation(fact) => fact.id = id,
        Fact::Boundary(fact) => fact.id = id,
        Fact::DebtItem(fact) => fact.id = id,
        Fact::IncidentNote(fact) => fact.id = id,
        _ => {}
    }
}
