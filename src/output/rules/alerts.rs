//! When to alert about an SLO.

use std::collections::BTreeMap;

use super::document::{Group, Rule};
use super::recordings::{BY_IDS, EVALUATED, named};
use super::windows::{AlertWindows, Fraction, Length, Pair};
use super::{Alert, Slo};
use crate::domain::Decimal;

/// A burn above this for a week is too much, however little it is at any time.
const SUSTAINED: u128 = 2;
/// So many hours are a week.
const WEEK: u32 = 7 * 24;
/// In which it may lie where some of the time is without events.
const WEEKS: [&str; 6] = ["169h", "8d", "10d", "12d", "15d", "3w"];
/// Below this share of a day's evaluations nobody knows how the service is.
const COVERED: Decimal = Decimal::new(9, 1);

/// The name of burn alerts that have none of their own.
const USUAL_NAME: &str = "SLOErrorBudgetBurn";

/// How often is asked what changes slowly.
const SLOWLY: &str = "5m";

/// The groups with the alerts: about burns, and about states that last. None where the specification
/// wants none.
pub(super) fn of(slo: &Slo, windows: &AlertWindows, period: Length) -> Vec<Group> {
    let (page, ticket) = (&slo.alerting.page, &slo.alerting.ticket);
    let (mut burns, mut states) = (Vec::new(), Vec::new());
    if !page.disable {
        burns.extend(burn(slo, "page", page, windows, &windows.page));
    }
    if !ticket.disable {
        burns.extend(burn(slo, "ticket", ticket, windows, &windows.ticket));
        states.push(exhausted(slo, period));
        states.extend(sustained(slo));
        states.push(unknown(slo));
    }
    let group = |name: &str, interval, rules| Group {
        name: format!("sloth-slo-{name}-{}", slo.id),
        interval,
        rules,
    };
    let groups = [group("alerts", None, burns), group("states", Some(SLOWLY), states)];
    groups.into_iter().filter(|it| !it.rules.is_empty()).collect()
}

/// The alerts that the specification wants and that can never fire, because all events bad burn
/// slower.
pub(super) fn never(slo: &Slo, windows: &AlertWindows) -> Vec<String> {
    let text = |name: &str, pair: &Pair| {
        let Pair { short, long, .. } = pair;
        format!("the {name} at a burn of {} in {short} and {long}", windows.factor(pair))
    };
    let mut alerts = Vec::new();
    for (name, alert, pairs) in [
        ("page", &slo.alerting.page, &windows.page),
        ("ticket", &slo.alerting.ticket, &windows.ticket),
    ] {
        let pairs = pairs.iter().filter(|it| windows.threshold(slo.budget(), it).is_none());
        alerts.extend(pairs.filter(|_| !alert.disable).map(|pair| text(name, pair)));
    }
    if !slo.alerting.ticket.disable && sustained(slo).is_none() {
        alerts.push(format!("the ticket of a week at a burn of {SUSTAINED}"));
    }
    let most = 1.0 / slo.budget().float();
    let rule = |it| format!("{it} can never fire: all events bad are a burn of {most:.1}");
    alerts.into_iter().map(rule).collect()
}

/// The name of its burn alerts.
pub(super) fn name(slo: &Slo) -> &str {
    if slo.alerting.name.is_empty() { USUAL_NAME } else { &slo.alerting.name }
}

/// The burn alert of one severity. Pairs of windows that cannot both burn so fast, because all
/// events bad are slower, are left out; without any there is no alert.
fn burn(
    slo: &Slo,
    severity: &str,
    alert: &Alert,
    windows: &AlertWindows,
    pairs: &[Pair; 2],
) -> Option<Rule> {
    let possible: Vec<(&Pair, Fraction)> = pairs
        .iter()
        .filter_map(|pair| Some((pair, windows.threshold(slo.budget(), pair)?)))
        .collect();
    let exprs = possible.iter().map(|(pair, threshold)| {
        let above = |window: Length| {
            let series = slo.series(&format!("slo:sli_error:ratio_rate{window}"));
            format!("    max({series} > {threshold}) without (sloth_window)")
        };
        format!("(\n{}\n    and\n{}\n)", above(pair.short), above(pair.long))
    });
    let expr = exprs.collect::<Vec<_>>().join("\nor\n");
    let meanings = possible.iter().map(|(pair, _)| {
        let factor = windows.factor(pair);
        format!("more than {factor} times too fast in the last {} and {}", pair.short, pair.long)
    });
    let meaning = meanings.collect::<Vec<_>>().join(", or ");
    let what = "SLO error budget burn rate is too fast.";
    let rule = Texts {
        alert: name(slo),
        severity,
        what,
        description: format!("The error budget burns {meaning}."),
    };
    (!possible.is_empty()).then(|| rule.of(slo, alert, expr, None))
}

/// Of a window of which a part is unknown, because the server is young or forgets too early, it is
/// asked whether the budget of all of it would be gone had nothing been bad in that part.
fn exhausted(slo: &Slo, period: Length) -> Rule {
    let texts = Texts {
        alert: "SLOErrorBudgetExhausted",
        severity: "ticket",
        what: "SLO error budget is exhausted.",
        description: format!("Nothing is left of the error budget of the last {period}."),
    };
    let burn = slo.series("slo:period_burn_rate:ratio");
    let known = format!("sum {BY_IDS} (count_over_time({}[{period}]))", slo.series(EVALUATED));
    let known = format!("clamp_max({known} / {}, 1)", period.in_minutes());
    let expr = format!("{burn}\n* on(sloth_id, sloth_service, sloth_slo)\n{known}\n>= 1");
    texts.of(slo, &slo.alerting.ticket, expr, None)
}

/// A state that lasts is asked of what was recorded: `for: 1w` would begin anew with every restart
/// of the server. It is asked hour by hour; hours without events neither break the week nor count, so
/// it may last longer.
fn sustained(slo: &Slo) -> Option<Rule> {
    let texts = Texts {
        alert: "SLOErrorBudgetBurnSustained",
        severity: "ticket",
        what: "SLO error budget has burnt too fast for a week.",
        description: format!(
            "For more than a week, not counting time without events, the trailing day has burnt the error budget more than {SUSTAINED} times too fast."
        ),
    };
    let burn = slo.series("slo:daily_burn_rate:ratio");
    let within = |length: &str| {
        let least = format!("min {BY_IDS} (min_over_time({burn}[{length}:1h]))");
        let count = format!("sum {BY_IDS} (count_over_time({burn}[{length}:1h]))");
        format!("(\n  {least} > {SUSTAINED}\n  and\n  {count} > {WEEK}\n)")
    };
    let possible = Fraction::new(SUSTAINED, 1).times(slo.budget()).is_below_one();
    let expr = WEEKS.map(within).join("\nor\n");
    possible.then(|| texts.of(slo, &slo.alerting.ticket, expr, None))
}

fn unknown(slo: &Slo) -> Rule {
    let texts = Texts {
        alert: "SLOCoverageLow",
        severity: "ticket",
        what: "SLO has too little data.",
        description: format!(
            "There was something to count from in less than {} % of the last day. An idle service counts zero events and is not meant.",
            COVERED.hundredfold()
        ),
    };
    let coverage = slo.series("slo:sli_coverage:ratio1d");
    texts.of(slo, &slo.alerting.ticket, format!("{coverage} < {COVERED}"), Some("1h"))
}

/// What an alert says.
struct Texts<'a> {
    alert: &'a str,
    severity: &'a str,
    what: &'a str,
    description: String,
}

impl Texts<'_> {
    /// The specification's labels and annotations go over the usual ones, the more special over
    /// the more general.
    fn of(self, slo: &Slo, alert: &Alert, expr: String, lasting: Option<&'static str>) -> Rule {
        let mut labels = named(&slo.labels);
        labels.extend(named(&slo.alerting.labels));
        labels.extend(named(&alert.labels));
        // As in the series; here they also tell alerts of the same name apart.
        labels.extend(slo.ids());
        labels.insert("sloth_severity".to_owned(), self.severity.to_owned());
        let subject = "{{$labels.sloth_service}} {{$labels.sloth_slo}}";
        let title = format!("({}) {subject} {}", self.severity, self.what);
        let mut annotations: BTreeMap<String, String> =
            [("title", title.clone()), ("summary", title), ("description", self.description)]
                .map(|(name, text)| (name.to_owned(), text))
                .into();
        annotations.extend(named(&slo.alerting.annotations));
        annotations.extend(named(&alert.annotations));
        Rule::Alert { alert: self.alert.to_owned(), expr, lasting, labels, annotations }
    }
}
