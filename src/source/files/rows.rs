//! The rows of a CSV or TOML file, one after the other.

use std::collections::BTreeMap;
use std::io::Read;

use csv::ByteRecord;
use toml::de::{DeTable, DeValue};

use super::open::{Meter, of_io};
use super::table::{FileError, Header, Row, RowError, key, short};

/// The names that a TOML file may give its tables, beside the one that is read: one file may hold
/// several registers.
const TABLES: [&str; 6] = ["units", "mentorship", "escalations", "boundaries", "debt", "incidents"];

/// What is told the rows of a file.
pub(super) trait Visitor {
    /// Columns without which a file makes no sense.
    fn required(&self) -> Vec<&str>;

    /// Takes one row in, or says why not.
    fn row(&mut self, row: &Row<'_>) -> Result<(), RowError>;

    /// Hears why the row in a line is skipped.
    fn skipped(&mut self, line: u64, error: &RowError);

    /// Whether no more can be taken in, and why.
    fn full(&self) -> Option<FileError>;
}

/// Tells `visitor` the rows of a CSV file.
pub(super) fn csv(
    reader: &mut dyn Read,
    meter: &Meter,
    visitor: &mut dyn Visitor,
) -> Result<(), FileError> {
    let (start, delimiter) = beginning(reader)?;
    meter.record_ended();
    let mut csv = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(start.as_slice().chain(reader));
    let mut record = ByteRecord::new();
    if !next(&mut csv, meter, &mut record)? {
        return Err(FileError::new("is empty; the first line must name the columns"));
    }
    let line = line_of(&record);
    let header = Header::new(&record, line)?;
    header.require(&visitor.required(), line)?;
    while next(&mut csv, meter, &mut record)? {
        let line = line_of(&record);
        if record.iter().all(|field| field.trim_ascii().is_empty()) {
            continue;
        }
        let fits = record.len() == header.len();
        let result = if fits {
            visitor.row(&Row::Record(&header, &record))
        } else {
            let (there, expected) = (record.len(), header.len());
            Err(RowError::new(format!("has {there} fields, and the first line has {expected}")))
        };
        if let Err(error) = result {
            visitor.skipped(line, &error);
        }
        if let Some(error) = visitor.full() {
            return Err(error);
        }
    }
    Ok(())
}

fn next<R: Read>(
    csv: &mut csv::Reader<R>,
    meter: &Meter,
    record: &mut ByteRecord,
) -> Result<bool, FileError> {
    let line = csv.position().line();
    let read = csv.read_byte_record(record);
    meter.record_ended();
    read.map_err(|error| match error.into_kind() {
        csv::ErrorKind::Io(error) => FileError { at: Some((line, None)), ..of_io(&error) },
        other => FileError::at_line(line, format!("cannot be read: {other:?}")),
    })
}

fn line_of(record: &ByteRecord) -> u64 {
    record.position().map_or(1, csv::Position::line)
}

/// The first bytes of a file without a byte order mark, and the delimiter that they use.
fn beginning(reader: &mut dyn Read) -> Result<(Vec<u8>, u8), FileError> {
    let mut start = Vec::new();
    reader.take(64 * 1024).read_to_end(&mut start).map_err(|error| of_io(&error))?;
    if start.starts_with(b"PAR1") {
        return Err(FileError::new("is Parquet; export it as CSV or CSV.gz"));
    }
    if start.starts_with(b"PK\x03\x04") {
        return Err(FileError::new("is a spreadsheet or a zip archive; save it as CSV"));
    }
    if start.starts_with(b"\x1f\x8b") {
        return Err(FileError::new("is gzip; its name must end in .gz"));
    }
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return Err(FileError::new("is UTF-16; save it as UTF-8"));
    }
    if start.starts_with(b"\xef\xbb\xbf") {
        start.drain(..3);
    }
    let line = start.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for byte in line {
        quoted ^= *byte == b'"';
        for (delimiter, count) in &mut counts {
            *count += usize::from(!quoted && byte == delimiter);
        }
    }
    // Of equal counts the first, which is the comma.
    let best = counts.iter().rev().max_by_key(|(_, count)| *count);
    Ok((start, best.map_or(b',', |(delimiter, _)| *delimiter)))
}

/// Tells `visitor` the entries `[[table]]` of a TOML file.
pub(super) fn toml(
    reader: &mut dyn Read,
    meter: &Meter,
    table: &str,
    visitor: &mut dyn Visitor,
) -> Result<(), FileError> {
    let text = whole(reader, meter)?;
    let place = |offset: usize| Place::of(&text, offset);
    let document = DeTable::parse(&text).map_err(|error| {
        let at = place(error.span().map_or(0, |span| span.start));
        at.error(format!("is no TOML: {}", error.message().replace('\n', ", ")))
    })?;
    for (name, value) in document.get_ref() {
        let at = place(name.span().start);
        let name = name.get_ref().as_ref();
        let entries = match value.get_ref() {
            DeValue::Array(entries) if name == table => entries,
            DeValue::Array(_) if TABLES.contains(&name) => continue,
            _ if name == table => {
                return Err(at.error(format!("{name:?} is no list; write [[{table}]]")));
            }
            _ => return Err(at.error(format!("{:?} is not [[{table}]]", short(name)))),
        };
        for entry in entries.iter() {
            let line = place(entry.span().start).line;
            let result = fields(entry.get_ref()).and_then(|fields| {
                let row = Row::Table(&fields);
                visitor.required().into_iter().try_for_each(|it| row.required(it).map(|_| ()))?;
                visitor.row(&row)
            });
            if let Err(error) = result {
                // Where the key stands, if the entry has it.
                let key = error.column.as_deref().and_then(|it| key_span(entry.get_ref(), it));
                visitor.skipped(key.map_or(line, |offset| place(offset).line), &error);
            }
            if let Some(error) = visitor.full() {
                return Err(error);
            }
        }
    }
    Ok(())
}

pub(super) fn whole(reader: &mut dyn Read, meter: &Meter) -> Result<String, FileError> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        meter.record_ended();
        match reader.read(&mut buffer).map_err(|error| of_io(&error))? {
            0 => break,
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        FileError::at_line(u64::try_from(line).unwrap_or(u64::MAX), "is not UTF-8")
    })
}

/// The scalars of an entry as texts.
fn fields(entry: &DeValue<'_>) -> Result<BTreeMap<String, String>, RowError> {
    let DeValue::Table(table) = entry else {
        return Err(RowError::new("is no table"));
    };
    let mut fields = BTreeMap::new();
    for (name, value) in table {
        let name = name.get_ref().as_ref();
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Datetime(value) => value.to_string(),
            DeValue::Integer(value) => value.as_str().to_owned(),
            DeValue::Float(value) => value.as_str().to_owned(),
            DeValue::Array(_) | DeValue::Table(_) => {
                return Err(RowError::of(name, "is a list or a table; write one value"));
            }
        };
        fields.insert(key(name), text);
    }
    Ok(fields)
}

fn key_span(entry: &DeValue<'_>, column: &str) -> Option<usize> {
    let DeValue::Table(table) = entry else { return None };
    let (name, _) = table.iter().find(|(name, _)| key(name.get_ref()) == key(column))?;
    Some(name.span().start)
}

struct Place {
    line: u64,
    column: u64,
}

impl Place {
    fn of(text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Self {
            line: number(before.matches('\n').count() + 1),
            column: number(before[start..].chars().count() + 1),
        }
    }

    fn error(&self, rule: String) -> FileError {
        FileError { at: Some((self.line, Some(self.column))), rule }
    }
}
