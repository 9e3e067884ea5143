//! How fast security findings are fixed (kpis.md 3.16).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::item::elapsed;
use super::params::{FindingRule, FindingSeverity, Params, Sla};
use super::statistics::{count, real};
use super::{
    Aim, Better, Distribution, Family, Item, ItemId, Kpi, Mark, Need, Outcome, PlacedBy, Placement,
    Reading, Scope, Slice, Stat, TargetRule, Unit, View,
};
use crate::domain::fact::{Finding, FindingEventKind, FindingFeed, FindingPlace};
use crate::domain::{Instant, SourceName};

const CLOSURE: &str = "engkpi_finding_closure_time_seconds";
const OVERDUE: &str = "engkpi_findings_overdue";
const SLA_RATIO: &str = "engkpi_finding_sla_ratio";

const SEVERITY: &str = "severity";
/// The value with the time from the detection to the fix, to another end, or to `as_of`.
const TIME: &str = "closure";
/// The value with the time within which it is to be fixed.
const DUE: &str = "sla";
/// The mark of a tool whose findings can be read in a place, or cannot.
const FEED: &str = "feed";
const UNREADABLE: &str = "unreadable";

/// Time from the detection of a finding to its fix.
pub static KPI: Kpi = Kpi {
    id: "finding_closure",
    title: "Security findings closed",
    definition: "Time from the first detection of a security finding to its fix, placed by the fix. Re-opened it is open again \
        since it was detected first. Findings that were dismissed, by people or by a rule, are not fixed: they are censored then. \
        The target is a profile: the median of each severity against its time. A finding is overdue when it is open for longer; \
        the SLA ratio is what was fixed in time out of what was fixed or was open and overdue at the window's end. Coverage is \
        the share of tools and repositories whose findings can be read: a tool that is switched off has unknown findings.",
    unit: Unit::Seconds,
    better: Better::Lower,
    default_window: "90d",
    target: TargetRule::Value { target: 7.0 * 86_400.0, good: None },
    target_stat: Some(Stat::Median),
    target_dimensions: &[(SEVERITY, "critical")],
    aims: Some(aims),
    min_n: 5,
    min_coverage: None,
    provisional_days: 0,
    placed_by: PlacedBy::Either,
    lookback_days: 0,
    needs: &[Need::Findings],
    uses: &[],
    baseline_value: None,
    families: &[
        Family {
            name: CLOSURE,
            help: "Seconds from the first detection of findings to their fix.",
            dimensions: &[SEVERITY],
            distribution: true,
            now: false,
            needs: &[],
        },
        Family {
            name: OVERDUE,
            help: "Findings that are open for longer than their severity's time now.",
            dimensions: &[SEVERITY],
            distribution: false,
            now: true,
            needs: &[],
        },
        Family {
            name: SLA_RATIO,
            help: "Share of the findings that were fixed in time, out of those fixed in the window or overdue at its end.",
            dimensions: &[SEVERITY],
            distribution: false,
            now: false,
            needs: &[],
        },
    ],
    assess,
    by_window: false,
    measure,
};

/// The rules, or what holds without any.
fn rule(params: &Params) -> &FindingRule {
    static USUAL: LazyLock<FindingRule> = LazyLock::new(FindingRule::default);
    params.rules.findings.as_ref().unwrap_or(&USUAL)
}

/// The profile that holds in a scope.
fn sla(params: &Params, scope: Scope) -> &Sla {
    let rule = rule(params);
    let of_team = |team: usize| rule.team_sla.get(&team).unwrap_or(&rule.sla);
    match scope {
        Scope::Org => &rule.sla,
        Scope::Team(team) => of_team(team),
        Scope::Service(service) => rule
            .service_sla
            .get(&service)
            .unwrap_or_else(|| of_team(params.catalogue.services[service].team)),
    }
}

fn aims(params: &Params, scope: Scope, _general: TargetRule) -> Vec<Aim> {
    // Where no findings are collected there is nothing to aim at.
    let fed = params.sources.iter().any(|it| it.feeds.contains(&Need::Findings));
    let profile = Some(sla(params, scope)).filter(|_| fed || params.rules.findings.is_some());
    profile
        .into_iter()
        .flatten()
        .map(|(severity, time)| Aim {
            dimensions: vec![(SEVERITY, severity.as_str().to_owned())],
            rule: TargetRule::Value { target: time.as_seconds_f64(), good: None },
        })
        .collect()
}

fn assess(view: &View<'_>) -> Vec<Item> {
    let feeds = view.timeline.finding_feeds.iter();
    let unreadable: BTreeSet<_> = feeds
        .clone()
        .filter(|(_, feed)| !feed.readable)
        .map(|((source, _), feed)| (source, &feed.place, &feed.tool))
        .collect();
    let findings = view.timeline.findings.iter();
    let findings = findings.filter(|(_, it)| it.detected_at < view.as_of).map(|(key, it)| {
        let (source, native) = key;
        let mut item = finding(view, source, native, it);
        // Nobody can tell what became of it.
        if unreadable.contains(&(source, &it.place, &it.tool)) {
            item.outcome = Outcome::Excluded(UNREADABLE);
        }
        item
    });
    findings.chain(feeds.map(|((source, native), it)| feed(view, source, native, it))).collect()
}

fn feed(view: &View<'_>, source: &SourceName, native: &str, feed: &FindingFeed) -> Item {
    let services = match &feed.place {
        FindingPlace::Service(_) => services(view, &feed.place),
        _ => repository(view, &feed.place),
    };
    Item {
        id: ItemId::FindingFeed { source: source.clone(), native: native.to_owned() },
        placement: Placement::of_services(&view.params.catalogue, services),
        started_at: feed.since,
        completed_at: None,
        outcome: if feed.readable { Outcome::Counted } else { Outcome::Excluded(UNREADABLE) },
        values: Vec::new(),
        marks: vec![Mark::new(FEED, feed.tool.clone())],
        times: Vec::new(),
    }
}

/// The services of the repository of a place.
fn repository(view: &View<'_>, place: &FindingPlace) -> Vec<usize> {
    let id = match place {
        FindingPlace::Repository(id) => Some(id),
        FindingPlace::Named(name) => view.timeline.repository_named(name).map(|it| &it.id),
        FindingPlace::Service(_) => None,
    };
    id.map_or_else(Vec::new, |id| view.ownership.repository(id).to_vec())
}

fn services(view: &View<'_>, place: &FindingPlace) -> Vec<usize> {
    let FindingPlace::Service(name) = place else { return repository(view, place) };
    let services = view.params.catalogue.services.iter();
    services.enumerate().filter(|(_, it)| it.name == *name).map(|(index, _)| index).collect()
}

/// A finding in a file belongs to the services that have the file; another one to what has the
/// whole repository (kpis.md 1.9).
fn place(view: &View<'_>, finding: &Finding) -> Placement {
    let catalogue = &view.params.catalogue;
    let id = match &finding.place {
        FindingPlace::Repository(id) => Some(id),
        FindingPlace::Named(name) => view.timeline.repository_named(name).map(|it| &it.id),
        FindingPlace::Service(_) => {
            return Placement::of_services(catalogue, services(view, &finding.place));
        }
    };
    let owners = id.zip(finding.file.as_deref());
    match owners.map(|(id, file)| view.ownership.path(id, file)) {
        Some(owners) if !owners.is_empty() => Placement::of_services(catalogue, owners),
        _ => Placement::of_whole_repository(catalogue, services(view, &finding.place)),
    }
}

fn finding(view: &View<'_>, source: &SourceName, native: &str, finding: &Finding) -> Item {
    let placement = place(view, finding);
    let mut item = Item {
        id: ItemId::Finding { source: source.clone(), native: native.to_owned() },
        started_at: finding.detected_at,
        completed_at: None,
        outcome: Outcome::Open,
        values: Vec::new(),
        marks: vec![Mark::new("tool", finding.tool.clone())],
        times: vec![("detected_at", finding.detected_at)],
        placement,
    };
    let ended = state(finding, view.as_of);
    item.completed_at = ended.map(|(at, _)| at);
    item.times.extend(ended.map(|(at, outcome)| (outcome.unwrap_or("fixed_at"), at)));
    item.outcome = match ended {
        None => Outcome::Open,
        Some((_, None)) => Outcome::Counted,
        Some((_, Some(reason))) => Outcome::Censored(reason),
    };
    let Some(severity) = severity(view.params, finding) else {
        item.outcome = Outcome::Excluded("no_severity");
        return item;
    };
    item.marks.push(Mark::new(SEVERITY, severity.as_str()));
    match elapsed(finding.detected_at, item.completed_at.unwrap_or(view.as_of)) {
        Ok(seconds) => item.values.push((TIME, seconds)),
        Err(reason) => item.outcome = Outcome::Excluded(reason),
    }
    let scope = match (&*item.placement.services, &*item.placement.teams) {
        ([service], _) => Scope::Service(*service),
        (_, [team]) => Scope::Team(*team),
        _ => Scope::Org,
    };
    let due = sla(view.params, scope).get(&severity);
    item.values.extend(due.map(|it| (DUE, it.as_seconds_f64())));
    item
}

/// When it ended, and how if it was not fixed; nothing while it is open.
fn state(finding: &Finding, as_of: Instant) -> Option<(Instant, Option<&'static str>)> {
    let mut known: Vec<_> = finding.events.iter().filter(|it| it.at < as_of).collect();
    known.sort_by_key(|it| it.at);
    let last = known.last()?;
    match last.event {
        FindingEventKind::Fixed => Some((last.at, None)),
        FindingEventKind::Dismissed => Some((last.at, Some("dismissed"))),
        FindingEventKind::AutoDismissed => Some((last.at, Some("auto_dismissed"))),
        FindingEventKind::Reopened => None,
    }
}

/// What the tool says, else what the rules say about the tool.
pub(super) fn severity(params: &Params, finding: &Finding) -> Option<FindingSeverity> {
    if let Some(word) = &finding.severity {
        return FindingSeverity::parse(word);
    }
    rule(params).severity_by_tool.get(&finding.tool.to_lowercase()).copied()
}

/// The word for how a finding stands.
pub(super) fn stands(finding: &Finding, as_of: Instant) -> &'static str {
    match state(finding, as_of) {
        None => "open",
        Some((_, None)) => "fixed",
        Some((_, Some(reason))) => reason,
    }
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    let (feeds, findings): (Vec<&Item>, Vec<&Item>) =
        items.iter().partition(|it| it.mark(FEED).is_some());
    let readable = feeds.iter().filter(|it| it.counted()).count();
    // Nobody can look, or nobody looked: that there are none is not known.
    if readable == 0 && (!feeds.is_empty() || findings.is_empty()) {
        return Vec::new();
    }
    let coverage = (!feeds.is_empty()).then(|| real(count(readable)) / real(count(feeds.len())));
    let mut by_severity: BTreeMap<FindingSeverity, Vec<&Item>> =
        FindingSeverity::ALL.map(|it| (it, Vec::new())).into();
    for item in findings {
        let severity = item.mark(SEVERITY).and_then(|it| FindingSeverity::parse(&it.value));
        if let Some(items) = severity.and_then(|it| by_severity.get_mut(&it)) {
            items.push(item);
        }
    }
    let of_severity = |(severity, items): (FindingSeverity, Vec<&Item>)| {
        let mut readings =
            Distribution::of(&items, slice, TIME).with_coverage(coverage).readings(CLOSURE);
        let has_target = sla(slice.view.params, slice.scope).contains_key(&severity);
        for reading in &mut readings {
            reading.aimed_at = Some(has_target && reading.stat == KPI.target_stat);
        }
        // What is never due cannot be late.
        let is_due = rule(slice.view.params).sla.contains_key(&severity);
        if is_due || items.iter().any(|it| it.value(DUE).is_some()) {
            readings.push(overdue(&items));
            readings.push(in_time(&items, slice));
        }
        readings.into_iter().map(move |it| it.with(SEVERITY, severity.as_str()))
    };
    by_severity.into_iter().flat_map(of_severity).collect()
}

fn overdue(items: &[&Item]) -> Reading {
    let open = items.iter().filter(|it| it.outcome == Outcome::Open);
    let late = open.filter(|it| it.value(TIME) > it.value(DUE) && it.value(DUE).is_some());
    let late = count(late.count());
    Reading::new(OVERDUE, Some(real(late)), late)
}

/// What was fixed in time, out of what was fixed in the window or was overdue when it ended.
fn in_time(items: &[&Item], slice: &Slice<'_>) -> Reading {
    let (mut fixed_in_time, mut all) = (0, 0);
    for item in items.iter().filter(|it| !matches!(it.outcome, Outcome::Excluded(_))) {
        let Some(due) = item.value(DUE) else { continue };
        let fixed_at = item.completed_at.filter(|_| item.counted());
        let fixed = fixed_at.is_some_and(|at| slice.window.contains(at));
        let open = item.completed_at.is_none_or(|at| at >= slice.window.end);
        let age = (slice.window.end - item.started_at).as_seconds_f64();
        if fixed || (open && age > due) {
            all += 1;
        }
        if fixed && item.value(TIME).is_some_and(|it| it <= due) {
            fixed_in_time += 1;
        }
    }
    Reading::ratio(SLA_RATIO, fixed_in_time, all)
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use expect_test::{Expect, expect};

    use super::KPI;
    use crate::kpi::params::{FindingSeverity, Sla};
    use crate::kpi::testing::Story;

    /// A story with findings of acme/web, all of whose tools can be read.
    fn told(story: &str) -> Story {
        Story::told(&format!("service web\nfindings\n01T00:00 feed web dependabot\n{story}"))
    }

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(slice: &str, needle: &str, story: &str, readings: Expect) {
        readings.assert_eq(&told(story).reading(&KPI, slice, needle));
    }

    #[test]
    fn without_findings_nothing_is_timed_and_nothing_is_overdue() {
        let story = told("");
        expect![[r#"
            finding_closure_time_seconds critical median - n=0 coverage=1.00
            finding_closure_time_seconds critical p90 - n=0 coverage=1.00
            finding_closure_time_seconds critical mean - n=0 coverage=1.00
            finding_closure_time_seconds critical km_median - n=0 coverage=1.00
            findings_overdue critical 0 n=0
            finding_sla_ratio critical - n=0 numerator=0
            finding_closure_time_seconds high median - n=0 coverage=1.00
            finding_closure_time_seconds high p90 - n=0 coverage=1.00
            finding_closure_time_seconds high mean - n=0 coverage=1.00
            finding_closure_time_seconds high km_median - n=0 coverage=1.00
            findings_overdue high 0 n=0
            finding_sla_ratio high - n=0 numerator=0
            finding_closure_time_seconds medium median - n=0 coverage=1.00
            finding_closure_time_seconds medium p90 - n=0 coverage=1.00
            finding_closure_time_seconds medium mean - n=0 coverage=1.00
            finding_closure_time_seconds medium km_median - n=0 coverage=1.00
            finding_closure_time_seconds low median - n=0 coverage=1.00
            finding_closure_time_seconds low p90 - n=0 coverage=1.00
            finding_closure_time_seconds low mean - n=0 coverage=1.00
            finding_closure_time_seconds low km_median - n=0 coverage=1.00
        "#]]
        .assert_eq(&story.readings(&KPI, "org 30d"));
    }

    #[test]
    fn from_the_first_detection_to_the_fix_by_severity() {
        check(
            "org 30d",
            "median",
            "01T00:00 finding web 1 critical
             04T00:00 fix 1
             01T00:00 finding web 2 CRITICAL
             10T00:00 fix 2
             01T00:00 finding web 3 moderate
             02T00:00 fix 3",
            expect![[r#"
                finding_closure_time_seconds critical median 6d n=2 coverage=1.00
                finding_closure_time_seconds critical km_median - n=0 coverage=1.00
                finding_closure_time_seconds high median - n=0 coverage=1.00
                finding_closure_time_seconds high km_median - n=0 coverage=1.00
                finding_closure_time_seconds medium median 1d n=1 coverage=1.00
                finding_closure_time_seconds medium km_median - n=0 coverage=1.00
                finding_closure_time_seconds low median - n=0 coverage=1.00
                finding_closure_time_seconds low km_median - n=0 coverage=1.00"#]],
        );
    }

    #[test]
    fn the_window_holds_its_start_and_not_its_end() {
        check(
            "org 05T00:00..06T00:00",
            "critical",
            "01T00:00 finding web 1 critical
             04T23:59:59 fix 1
             01T00:00 finding web 2 critical
             05T00:00 fix 2
             01T00:00 finding web 3 critical
             05T23:59:59 fix 3
             01T00:00 finding web 4 critical
             06T00:00 fix 4",
            expect![[r#"
                finding_closure_time_seconds critical median 4d11h59m59s500ms n=2 coverage=1.00
                finding_closure_time_seconds critical p90 4d21h35m59s100ms [4d, -] n=2 coverage=1.00
                finding_closure_time_seconds critical mean 4d11h59m59s500ms n=2 coverage=1.00
                finding_closure_time_seconds critical km_median - n=0 coverage=1.00
                findings_overdue critical 0 n=0
                finding_sla_ratio critical 1 [0.3424, 1] n=2 numerator=2"#]],
        );
    }

    #[test]
    fn dismissed_ones_are_censored_and_neither_fixed_nor_open() {
        check(
            "org 31d",
            "critical",
            "01T00:00 finding web 1 critical
             02T00:00 fix 1
             01T00:00 finding web 2 critical
             03T00:00 dismiss 2
             01T00:00 finding web 3 critical
             03T00:00 auto_dismiss 3
             01T00:00 finding web 4 critical",
            expect![[r#"
                finding_closure_time_seconds critical median 1d n=1 open=1 coverage=1.00
                finding_closure_time_seconds critical p90 1d n=1 open=1 coverage=1.00
                finding_closure_time_seconds critical mean 1d n=1 open=1 coverage=1.00
                finding_closure_time_seconds critical km_median - [1d, -] n=4 open=3 coverage=1.00
                findings_overdue critical 1 n=1
                finding_sla_ratio critical 0.5 [0.0945, 0.9055] n=2 numerator=1"#]],
        );
    }

    #[test]
    fn re_opened_it_is_open_since_it_was_detected_first() {
        check(
            "org 31d",
            "critical median",
            "01T00:00 finding web 1 critical
             02T00:00 fix 1
             05T00:00 back 1
             08T00:00 fix 1
             01T00:00 finding web 2 critical
             02T00:00 dismiss 2
             09T00:00 back 2",
            expect!["finding_closure_time_seconds critical median 7d n=1 open=1 coverage=1.00"],
        );
    }

    #[test]
    fn fixed_in_time_out_of_what_was_fixed_or_is_overdue() {
        check(
            "org 30d",
            "sla_ratio critical",
            "02T00:00 finding web 1 critical
             09T00:00 fix 1
             02T00:00 finding web 2 critical
             09T00:00:01 fix 2
             02T00:00 finding web 3 critical
             30T00:00 finding web 4 critical
             02T00:00 finding web 5 critical
             20T00:00 dismiss 5",
            expect!["finding_sla_ratio critical 0.3333 [0.0615, 0.7923] n=3 numerator=1"],
        );
    }

    #[test]
    fn the_ratio_of_a_window_that_is_over_knows_what_was_overdue_at_its_end() {
        let story = told(
            "02T00:00 finding web 1 critical
             20T00:00 fix 1
             02T00:00 finding web 2 critical
             20T00:00 dismiss 2",
        );
        let of = |slice: &str| story.reading(&KPI, slice, "sla_ratio critical");
        expect!["finding_sla_ratio critical - n=0 numerator=0"]
            .assert_eq(&of("org 01T00:00..09T00:00"));
        expect!["finding_sla_ratio critical 0 [0, 0.6576] n=2 numerator=0"]
            .assert_eq(&of("org 01T00:00..10T00:00"));
        expect!["finding_sla_ratio critical 0 [0, 0.7935] n=1 numerator=0"]
            .assert_eq(&of("org 10T00:00..21T00:00"));
        // What ends at the very end of a window was open in all of it.
        expect!["finding_sla_ratio critical 0 [0, 0.6576] n=2 numerator=0"]
            .assert_eq(&of("org 10T00:00..20T00:00"));
    }

    #[test]
    fn overdue_is_what_is_open_for_too_long_now_whatever_the_window() {
        let story = told(
            "02T00:00 finding web 1 critical
             25T00:00 finding web 2 critical
             25T00:00:01 finding web 3 critical
             02T00:00 finding web 4 high
             02T00:00 finding web 5 low",
        );
        expect![[r#"
            findings_overdue critical 1 n=1
            findings_overdue high 0 n=0"#]]
        .assert_eq(&story.reading(&KPI, "org 30d", "overdue"));
        expect![[r#"
            findings_overdue critical 1 n=1
            findings_overdue high 0 n=0"#]]
        .assert_eq(&story.reading(&KPI, "org 01T00:00..02T00:00", "overdue"));
    }

    #[test]
    fn a_tool_without_severities_has_that_of_the_rules_and_unknown_ones_are_left_out() {
        let story = told(
            "01T00:00 feed web secret_scanning
             02T00:00 finding web 1 - tool secret_scanning
             02T00:00 finding web 2 -
             02T00:00 finding web 3 warning",
        );
        expect![[r#"
            1 open since 02T00:00 closure=30d sla=7d tool=secret_scanning severity=critical
            2 excluded no_severity tool=dependabot
            3 excluded no_severity tool=dependabot
            dependabot of web counted feed=dependabot
            secret_scanning of web counted feed=secret_scanning
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }

    #[test]
    fn a_tool_that_cannot_be_read_has_unknown_findings() {
        let half = told(
            "01T00:00 feed web code_scanning off
             02T00:00 finding web 1 critical
             03T00:00 fix 1
             02T00:00 finding web 2 critical tool code_scanning",
        );
        expect![[r#"
            finding_closure_time_seconds critical median 1d n=1 unreadable=1 coverage=0.50
            finding_closure_time_seconds critical p90 1d n=1 unreadable=1 coverage=0.50
            finding_closure_time_seconds critical mean 1d n=1 unreadable=1 coverage=0.50
            finding_closure_time_seconds critical km_median 1d [1d, 1d] n=1 unreadable=1 coverage=0.50
            findings_overdue critical 0 n=0
            finding_sla_ratio critical 1 [0.2065, 1] n=1 numerator=1"#]].assert_eq(&half.reading(&KPI, "org 30d", "critical"));
        let none = Story::told("service web\nfindings\n01T00:00 feed web dependabot off");
        assert_eq!(none.readings(&KPI, "org 30d"), "", "unknown is not zero");
        let unseen = Story::told("service web\nfindings");
        assert_eq!(unseen.readings(&KPI, "org 30d"), "", "nobody looked");
    }

    #[test]
    fn a_finding_belongs_to_who_has_its_file_else_the_whole_repository() {
        let story = Story::told(
            "service api in mono paths api/** team shop
             service pay in mono paths pay/** team money
             service web team shop
             findings
             01T00:00 feed mono dependabot
             01T00:00 feed web dependabot
             02T00:00 finding mono 1 critical in api/package.json
             02T00:00 finding mono 2 critical in package.json
             02T00:00 finding web 3 critical in package.json
             02T00:00 finding web 4 critical",
        );
        let of = |scope: &str| story.reading(&KPI, &format!("{scope} 30d"), "overdue critical");
        for (scope, reading) in [
            ("org", expect!["findings_overdue critical 4 n=4"]),
            ("team shop", expect!["findings_overdue critical 3 n=3"]),
            ("team money", expect!["findings_overdue critical 0 n=0"]),
            ("service api", expect!["findings_overdue critical 1 n=1"]),
            ("service web", expect!["findings_overdue critical 2 n=2"]),
        ] {
            reading.assert_eq(&of(scope));
        }
    }

    #[test]
    fn teams_and_services_may_have_times_of_their_own() {
        let mut story = told("20T00:00 finding web 1 critical");
        let of = |story: &Story| story.reading(&KPI, "org 30d", "overdue critical");
        expect!["findings_overdue critical 1 n=1"].assert_eq(&of(&story));
        let rule = story.params.rules.findings.as_mut().unwrap();
        let times = |days| Sla::from([(FindingSeverity::Critical, Duration::days(days))]);
        rule.team_sla.insert(0, times(14));
        expect!["findings_overdue critical 0 n=0"].assert_eq(&of(&story));
        let rule = story.params.rules.findings.as_mut().unwrap();
        rule.service_sla.insert(0, times(10));
        expect!["findings_overdue critical 1 n=1"].assert_eq(&of(&story));
        // Of several services it is the team's.
        let mut shared = Story::told(
            "service web in mono paths web/**
             service api in mono paths api/**
             findings
             01T00:00 feed mono dependabot
             20T00:00 finding mono 1 critical",
        );
        let rule = shared.params.rules.findings.as_mut().unwrap();
        rule.team_sla.insert(0, times(14));
        rule.service_sla.insert(0, times(10));
        expect!["findings_overdue critical 0 n=0"].assert_eq(&of(&shared));
    }

    #[test]
    fn without_rules_the_findings_of_files_have_the_usual_times() {
        let story = Story::told(
            "service web
             01T00:00 feed acme/web trivy
             02T00:00 finding acme/web 1 CRITICAL tool trivy
             02T00:00 finding acme/web 2 HIGH tool trivy
             02T00:00 finding acme/web 3 LOW tool trivy
             02T00:00 finding acme/web 4 - tool secret_scanning",
        );
        expect![[r#"
            1 open since 02T00:00 closure=30d sla=7d tool=trivy severity=critical
            2 open since 02T00:00 closure=30d sla=30d tool=trivy severity=high
            3 open since 02T00:00 closure=30d tool=trivy severity=low
            4 open since 02T00:00 closure=30d sla=7d tool=secret_scanning severity=critical
            trivy of acme/web counted feed=trivy
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
        expect![[r#"
            findings_overdue critical 2 n=2
            findings_overdue high 0 n=0"#]]
        .assert_eq(&story.reading(&KPI, "org 30d", "overdue"));
    }

    #[test]
    fn a_scanner_s_report_names_the_repository_or_the_service() {
        let story = Story::told(
            "service web
             findings
             01T00:00 feed acme/web trivy
             02T00:00 finding acme/web 1 CRITICAL tool trivy
             03T00:00 fix 1
             02T00:00 finding @web 2 HIGH tool trivy",
        );
        expect![[r#"
            1 counted 03T00:00 closure=1d sla=7d tool=trivy severity=critical
            2 open since 02T00:00 closure=30d sla=30d tool=trivy severity=high
            trivy of acme/web counted feed=trivy
        "#]]
        .assert_eq(&story.items(&KPI, "service web"));
    }

    #[test]
    fn what_happened_at_as_of_or_later_is_not_known_and_clocks_may_differ_by_a_minute() {
        let story = told(
            "as_of 20T00:00
             02T00:00 finding web 1 critical
             20T00:00 fix 1
             20T00:00 finding web 2 critical
             10T00:01 finding web 3 critical
             10T00:00 fix 3
             10T00:01:01 finding web 4 critical
             10T00:00 fix 4",
        );
        expect![[r#"
            1 open since 02T00:00 closure=18d sla=7d tool=dependabot severity=critical
            3 counted 10T00:00 closure=0s sla=7d tool=dependabot severity=critical
            4 excluded negative_duration sla=7d tool=dependabot severity=critical
            dependabot of web counted feed=dependabot
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }
}
