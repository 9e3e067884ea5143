//! `[calendar]`: the month that exists, the file that can be read.

use super::Checker;
use crate::config::calendar::read_holidays;
use crate::config::path::KeyPath;

pub(super) fn check(checker: &mut Checker<'_>) {
    let Some(settings) = &checker.document.calendar else { return };
    let root = KeyPath::root().key("calendar");
    let month = settings.fiscal_year_start_month;
    if !(1..=12).contains(&month) {
        let fix = "write 1 for January to 12 for December";
        checker.value(&root.key("fiscal_year_start_month"), format!("{month} is not a month"), fix);
    }
    checker.checked.holidays.extend(settings.holidays.iter().map(|day| day.0));
    if let Some(file) = &settings.holidays_file {
        match read_holidays(file) {
            Ok(days) => checker.checked.holidays.extend(days),
            Err(message) => {
                let (rule, fix) = message.split_once("; ").unwrap_or((&message, ""));
                checker.value(&root.key("holidays_file"), rule, fix);
            }
        }
    }
}
