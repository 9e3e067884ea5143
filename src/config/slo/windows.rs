//! sloth's `AlertWindows`: which windows burn alerts look at.

use serde_saphyr::Spanned;

use super::spec::{Severity, Spec, Text, WindowPair};
use super::{Reader, Windows};
use crate::domain::Decimal;
use crate::output::rules::{AlertWindows, Length, Pair};

/// Reads an object of the kind `AlertWindows`.
pub(super) fn read(reader: &mut Reader<'_>, spec: &Spanned<Spec>) {
    let period = spec.value.slo_period.as_ref();
    if period.is_none() {
        reader.problem(spec, "has no `sloPeriod`", "add sloPeriod: 30d");
    }
    let length = period.and_then(|it| length(reader, it));
    let page = severity(reader, spec, spec.value.page.as_ref(), "page");
    let ticket = severity(reader, spec, spec.value.ticket.as_ref(), "ticket");
    let Some((written, period)) = period.zip(length) else { return };
    if reader.all.windows.iter().any(|it| it.windows.period == period) {
        let rule = format!("there are windows for a period of {period} already");
        return reader.problem(written, rule, "keep one of them");
    }
    if let (Some(page), Some(ticket)) = (page, ticket) {
        let windows = AlertWindows { period, page, ticket };
        reader.all.windows.push(Windows { place: reader.place(written), windows });
    }
}

fn severity(
    reader: &mut Reader<'_>,
    spec: &Spanned<Spec>,
    severity: Option<&Severity>,
    name: &str,
) -> Option<[Pair; 2]> {
    let quick = severity.and_then(|it| it.quick.as_ref());
    let slow = severity.and_then(|it| it.slow.as_ref());
    let (Some(quick), Some(slow)) = (quick, slow) else {
        let rule = format!("`{name}` has not both of `quick` and `slow`");
        reader.problem(spec, rule, "add the windows");
        return None;
    };
    let (quick, slow) = (pair(reader, quick), pair(reader, slow));
    Some([quick?, slow?])
}

fn pair(reader: &mut Reader<'_>, pair: &Spanned<WindowPair>) -> Option<Pair> {
    let WindowPair { error_budget_percent: Some(percent), short_window, long_window } = &pair.value
    else {
        reader.problem(pair, "has no `errorBudgetPercent`", "add errorBudgetPercent: 2");
        return None;
    };
    let (Some(short), Some(long)) = (short_window, long_window) else {
        let fix = "add shortWindow: 5m and longWindow: 1h";
        reader.problem(pair, "has not both windows", fix);
        return None;
    };
    let (from, to) = (length(reader, short), length(reader, long));
    let (from, to) = (from?, to?);
    if from >= to {
        let rule = format!("a long window of {to} is not longer than the short one of {from}");
        reader.problem(long, rule, "write the shorter one under shortWindow");
        return None;
    }
    let Some(of_budget) = Decimal::of(percent.value).filter(|it| !it.is_zero()) else {
        let rule = format!("{} is no share of a budget", percent.value);
        reader.problem(percent, rule, "write a percentage above 0");
        return None;
    };
    Some(Pair { short: from, long: to, percent: of_budget })
}

fn length(reader: &mut Reader<'_>, written: &Text) -> Option<Length> {
    let length = Length::parse(&written.value);
    if length.is_none() {
        let rule = format!("{:?} is no length of time", written.value);
        reader.problem(written, rule, "write for example 5m, 6h or 30d");
    }
    length
}
