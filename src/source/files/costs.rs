//! Cost exports in the FOCUS format, summed per day, tag and currency while they are read: an
//! export of any size takes as much memory as it has sums.

use std::collections::{BTreeMap, HashMap};

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};

use super::role::{Parsed, Place};
use super::rows::Visitor;
use super::settings::CostSettings;
use super::table::{FileError, Row, RowError, short};
use super::value::{instant, number};
use crate::domain::fact::Cost;
use crate::domain::{Fact, Instant};

/// So many sums are kept of one file.
const MOST: usize = 500_000;
/// Longest charge period that is spread over its days.
const LONGEST: TimeDelta = TimeDelta::days(400);
/// Sums are kept in whole parts of this size, so that the order of rows makes no difference.
const PARTS_PER_UNIT: f64 = 1e12;

const CATEGORY: &str = "ChargeCategory";
const START: &str = "ChargePeriodStart";
const END: &str = "ChargePeriodEnd";
const COST: &str = "EffectiveCost";
const CURRENCY: &str = "BillingCurrency";
const TAGS: &str = "Tags";

/// Which tag or column names the service.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Naming {
    Tag(String),
    Column(String),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct SumKey {
    day: NaiveDate,
    /// Index of the tag and of the currency.
    tag: Option<u32>,
    currency: u32,
}

/// Reads one cost export.
#[derive(Debug)]
pub(super) struct Costs<'a> {
    place: &'a Place,
    naming: Naming,
    sums: HashMap<SumKey, i128>,
    tags: Texts,
    currencies: Texts,
    parsed: Parsed,
}

/// Texts by number.
#[derive(Debug, Default)]
struct Texts {
    numbers: BTreeMap<String, u32>,
}

impl Texts {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        self.numbers.insert(text.to_owned(), number);
        number
    }

    fn by_number(self) -> HashMap<u32, String> {
        self.numbers.into_iter().map(|(text, number)| (number, text)).collect()
    }
}

impl<'a> Costs<'a> {
    pub(super) fn new(settings: &CostSettings, place: &'a Place) -> Self {
        let naming = match (&settings.service_column, &settings.service_tag) {
            (Some(column), _) => Naming::Column(column.clone()),
            (None, Some(tag)) => Naming::Tag(tag.clone()),
            (None, None) => Naming::Tag("service".to_owned()),
        };
        Self {
            place,
            naming,
            sums: HashMap::new(),
            tags: Texts::default(),
            currencies: Texts::default(),
            parsed: Parsed::default(),
        }
    }

    pub(super) fn done(self) -> Parsed {
        let Self { place, sums, tags, currencies, mut parsed, .. } = self;
        let (tags, currencies) = (tags.by_number(), currencies.by_number());
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_unstable();
        parsed.facts = sums
            .into_iter()
            .map(|(key, parts)| {
                let tag = key.tag.and_then(|tag| tags.get(&tag)).cloned();
                let currency = currencies.get(&key.currency).cloned().unwrap_or_default();
                let name = tag.as_deref().map_or(String::new(), |tag| format!("={tag}"));
                let id = place.id(&format!("{} {currency} tag{name}", key.day));
                #[expect(clippy::cast_precision_loss, reason = "money needs no 16th digit")]
                let amount = parts as f64 / PARTS_PER_UNIT;
                let file = place.file.clone();
                Fact::Cost(Cost { id, file, day: key.day, tag, currency, amount })
            })
            .collect();
        parsed
    }

    fn add(&mut self, day: NaiveDate, tag: Option<u32>, currency: u32, amount: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be below 1e15 units")]
        let parts = (amount * PARTS_PER_UNIT).round() as i128;
        *self.sums.entry(SumKey { day, tag, currency }).or_default() += parts;
    }

    fn tag(&mut self, row: &Row<'_>) -> Result<Option<u32>, RowError> {
        let value = match &self.naming {
            Naming::Column(column) => row.owned(column)?,
            Naming::Tag(tag) => tag_value(row, tag)?,
        };
        let Some(value) = value else { return Ok(None) };
        if value.len() > 200 {
            return Err(RowError::of(TAGS, "names a service of more than 200 bytes"));
        }
        Ok(Some(self.tags.number(&value)))
    }
}

/// The value of a tag. Providers put their own prefix before user tags.
fn tag_value(row: &Row<'_>, tag: &str) -> Result<Option<String>, RowError> {
    let Some(text) = row.text(TAGS)? else { return Ok(None) };
    let tags: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)
        .map_err(|_| RowError::of(TAGS, format!("{:?} is no JSON object", short(text))))?;
    let is_tag = |name: &str| {
        name.eq_ignore_ascii_case(tag)
            || name.rsplit(['/', ':']).next().is_some_and(|it| it.eq_ignore_ascii_case(tag))
    };
    let exact = tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(tag));
    let found = exact.or_else(|| tags.iter().find(|(name, _)| is_tag(name)));
    Ok(found.and_then(|(_, value)| {
        let value = value.as_str()?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }))
}

impl Visitor for Costs<'_> {
    fn required(&self) -> Vec<&str> {
        let naming = match &self.naming {
            Naming::Tag(_) => TAGS,
            Naming::Column(column) => column,
        };
        vec![CATEGORY, START, COST, CURRENCY, naming]
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        match row.required(CATEGORY)? {
            "Usage" => {}
            "Purchase" | "Tax" | "Credit" | "Adjustment" | "Refund" => return Ok(()),
            other => {
                let rule = format!("{:?} is no charge category of FOCUS", short(other));
                return Err(RowError::of(CATEGORY, rule));
            }
        }
        let start = period_end(row, START)?.ok_or_else(|| RowError::of(START, "is empty"))?;
        let end = period_end(row, END)?;
        let amount = number(row, COST)?;
        if amount.abs() >= 1e15 {
            return Err(RowError::of(COST, "is larger than any bill"));
        }
        let currency = row.required(CURRENCY)?;
        if currency.len() != 3 || !currency.bytes().all(|it| it.is_ascii_uppercase()) {
            let rule = format!("{:?} is no currency; write for example EUR", short(currency));
            return Err(RowError::of(CURRENCY, rule));
        }
        let shares = shares(start, end)?;
        let currency = self.currencies.number(currency);
        let tag = self.tag(row)?;
        for (day, share) in shares {
            self.add(day, tag, currency, amount * share);
        }
        Ok(())
    }

    fn skipped(&mut self, line: u64, error: &RowError) {
        self.parsed.skip(self.place, line, error);
    }

    fn full(&self) -> Option<FileError> {
        (self.sums.len() > MOST)
            .then(|| FileError::new(format!("holds more than {MOST} sums of a day and a tag")))
    }
}

/// An end of a charge period. Exports by day may write a day.
fn period_end(row: &Row<'_>, column: &str) -> Result<Option<Instant>, RowError> {
    match row.text(column)?.map(str::parse::<NaiveDate>) {
        None => Ok(None),
        Some(Ok(day)) => Ok(Some(day.and_time(NaiveTime::MIN).and_utc())),
        Some(Err(_)) => instant(row, column).map(Some),
    }
}

/// The UTC days of a charge period, each with its share of it. Hours and days are of one day.
fn shares(start: Instant, end: Option<Instant>) -> Result<Vec<(NaiveDate, f64)>, RowError> {
    let first = start.date_naive();
    let Some(end) = end else { return Ok(vec![(first, 1.0)]) };
    if end <= start {
        return Err(RowError::of(END, format!("{end} is not after {START} ({start})")));
    }
    let length = end - start;
    if length > LONGEST {
        return Err(RowError::of(END, format!("is more than 400 days after {START}")));
    }
    let mut shares = Vec::new();
    let (mut day, mut from) = (first, start);
    while from < end {
        let Some(next) = day.checked_add_days(Days::new(1)) else { break };
        let to = next.and_time(NaiveTime::MIN).and_utc().min(end);
        shares.push((day, (to - from).as_seconds_f64() / length.as_seconds_f64()));
        (day, from) = (next, to);
    }
    Ok(shares)
}
