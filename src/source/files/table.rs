//! Rows of a table, whatever the format of its file, and what is wrong with them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use csv::ByteRecord;

/// What is wrong with a file as a whole: none of it can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileError {
    /// Where, if it is somewhere: line, and column where that is known.
    pub(super) at: Option<(u64, Option<u64>)>,
    pub(super) rule: String,
}

impl FileError {
    pub(super) fn new(rule: impl Into<String>) -> Self {
        Self { at: None, rule: rule.into() }
    }

    pub(super) fn at_line(line: u64, rule: impl Into<String>) -> Self {
        Self { at: Some((line, None)), rule: rule.into() }
    }

    /// For people: `FILE:LINE:COLUMN: RULE`.
    pub(super) fn of(&self, file: &str) -> String {
        match self.at {
            Some((line, Some(column))) => format!("{file}:{line}:{column}: {}", self.rule),
            Some((line, None)) => format!("{file}:{line}: {}", self.rule),
            None => format!("{file}: {}", self.rule),
        }
    }
}

/// What is wrong with one row: it is skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowError {
    /// The column, where it is about one.
    pub(super) column: Option<String>,
    pub(super) rule: String,
}

impl RowError {
    pub(super) fn new(rule: impl Into<String>) -> Self {
        Self { column: None, rule: rule.into() }
    }

    pub(super) fn of(column: &str, rule: impl Into<String>) -> Self {
        Self { column: Some(column.to_owned()), rule: rule.into() }
    }
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "{column}: {}", self.rule),
            None => f.write_str(&self.rule),
        }
    }
}

/// How a column is looked up: capitals, spaces and hyphens make no difference.
pub(super) fn key(column: &str) -> String {
    let same = |c: char| if c.is_whitespace() || c == '-' { '_' } else { c.to_ascii_lowercase() };
    column.trim().chars().map(same).collect()
}

/// The columns of a CSV file.
#[derive(Debug)]
pub(super) struct Header {
    names: Vec<String>,
    by_key: HashMap<String, usize>,
}

impl Header {
    pub(super) fn new(record: &ByteRecord, line: u64) -> Result<Self, FileError> {
        let mut header = Self { names: Vec::new(), by_key: HashMap::new() };
        for (index, field) in record.iter().enumerate() {
            let Ok(name) = std::str::from_utf8(field) else {
                let rule = format!("the name of column {} is not UTF-8", index + 1);
                return Err(FileError::at_line(line, rule));
            };
            let name = name.trim();
            if !name.is_empty() && header.by_key.insert(key(name), index).is_some() {
                return Err(FileError::at_line(line, format!("column {name:?} is there twice")));
            }
            header.names.push(name.to_owned());
        }
        Ok(header)
    }

    /// How many columns there are.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    fn has(&self, column: &str) -> bool {
        self.by_key.contains_key(&key(column))
    }

    /// Refuses a file without one of these columns.
    pub(super) fn require(&self, columns: &[&str], line: u64) -> Result<(), FileError> {
        let Some(missing) = columns.iter().find(|column| !self.has(column)) else { return Ok(()) };
        let there: Vec<String> =
            self.names.iter().take(12).map(|it| format!("{:?}", short(it))).collect();
        let more = if self.names.len() > 12 { ", …" } else { "" };
        let rule = format!("has no column {missing:?}; it has {}{more}", there.join(", "));
        Err(FileError::at_line(line, rule))
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Row<'a> {
    /// Of a CSV file.
    Record(&'a Header, &'a ByteRecord),
    /// Of a TOML file, by key.
    Table(&'a BTreeMap<String, String>),
}

impl<'a> Row<'a> {
    /// The text of a column without the spaces around it; `None` where it is empty or not there.
    pub(super) fn text(&self, column: &str) -> Result<Option<&'a str>, RowError> {
        let text = match self {
            Self::Record(header, record) => {
                let index = header.by_key.get(&key(column));
                let field = index.and_then(|index| record.get(*index)).unwrap_or_default();
                std::str::from_utf8(field).map_err(|_| RowError::of(column, "is not UTF-8"))?
            }
            Self::Table(table) => table.get(&key(column)).map_or("", String::as_str),
        };
        let text = text.trim();
        if text.contains('\0') {
            return Err(RowError::of(column, "contains a NUL character"));
        }
        if text.len() > LONGEST_TEXT {
            return Err(RowError::of(column, format!("is longer than {LONGEST_TEXT} bytes")));
        }
        Ok((!text.is_empty()).then_some(text))
    }

    /// The text of a column that must be there.
    pub(super) fn required(&self, column: &str) -> Result<&'a str, RowError> {
        self.text(column)?.ok_or_else(|| RowError::of(column, "is empty"))
    }

    /// The text of a column that may be there.
    pub(super) fn owned(&self, column: &str) -> Result<Option<String>, RowError> {
        match self.text(column)? {
            Some(text) if text.len() > LONGEST_KEPT => {
                Err(RowError::of(column, format!("is longer than {LONGEST_KEPT} bytes")))
            }
            text => Ok(text.map(str::to_owned)),
        }
    }
}

/// Longest text of a column that is looked at.
const LONGEST_TEXT: usize = 64 * 1024;
/// Longest text of a column that is kept.
const LONGEST_KEPT: usize = 2000;

/// A text as a message shows it.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
