//! How much major technical debt is paid back (kpis.md 3.14).

use std::collections::BTreeSet;
use std::fmt;

use chrono::TimeDelta;

use super::item::exclusions;
use super::params::{DebtRule, Service};
use super::register_items::placement;
use super::statistics::{count, real};
use super::{
    Better, Family, Item, ItemId, Kpi, Mark, Need, Outcome, PlacedBy, Placement, Reading, Scope,
    Slice, TargetRule, Unit, View,
};
use crate::domain::fact::{ClosedAs, DebtItem, Issue, IssueEvent, IssueEventKind};
use crate::domain::{Instant, SourceName};

const RETIRED: &str = "engkpi_debt_retired_items";
const OPENED: &str = "engkpi_debt_opened_items";
const OPEN: &str = "engkpi_debt_open_items";
const OLDEST: &str = "engkpi_debt_oldest_open_seconds";

const LABELLED: &str = "labelled_at";

/// How long an entry of a register must have been there when it is closed, if no rule says it.
const AGREED_FOR: TimeDelta = TimeDelta::days(7);

/// Debt items retired per period.
pub static KPI: Kpi = Kpi {
    id: "debt_retirement",
    title: "Technical debt retired",
    definition: "Issues labelled as debt and as major that were closed as completed in the window, had both labels for at least \
        7 days when they were closed, and were not re-opened within 30 days; and major entries of a register that were completed. Re-opened later it is a new item. An item was opened \
        when it had both labels. Where the issues of one of its repositories are hidden from the credential, a team or service has no number. The target is a band for a quarter; above it is met and shown as above.",
    unit: Unit::Items,
    better: Better::Band,
    default_window: "quarter",
    target: TargetRule::Band { low: 1.0, high: 3.0 },
    target_stat: None,
    target_dimensions: &[],
    aims: None,
    min_n: 0,
    min_coverage: None,
    provisional_days: 30,
    placed_by: PlacedBy::Either,
    lookback_days: 0,
    needs: &[Need::Debt],
    uses: &[],
    baseline_value: None,
    families: &[
        Family {
            name: RETIRED,
            help: "Major technical debt items retired in the window.",
            dimensions: &[],
            distribution: false,
            now: false,
            needs: &[],
        },
        Family {
            name: OPENED,
            help: "Major technical debt items that were agreed on in the window.",
            dimensions: &[],
            distribution: false,
            now: false,
            needs: &[],
        },
        Family {
            name: OPEN,
            help: "Major technical debt items that are open now.",
            dimensions: &[],
            distribution: false,
            now: true,
            needs: &[],
        },
        Family {
            name: OLDEST,
            help: "Seconds since the oldest open major technical debt item was agreed on.",
            dimensions: &[],
            distribution: false,
            now: true,
            needs: &[],
        },
    ],
    assess,
    by_window: false,
    measure,
};

fn assess(view: &View<'_>) -> Vec<Item> {
    let registered = view.timeline.debt_items.iter();
    let registered = registered.filter_map(|((source, id), it)| entry(view, source, id, it));
    issues(view).into_iter().chain(registered).collect()
}

/// The item of an entry of a register. What the register does not call major is none.
fn entry(view: &View<'_>, source: &SourceName, id: &str, entry: &DebtItem) -> Option<Item> {
    let calendar = &view.params.calendar;
    let opened_at = calendar.start_of(entry.opened_on);
    if !entry.major || opened_at >= view.as_of {
        return None;
    }
    let closed_at = entry.closed_on.map(|day| calendar.start_of(day));
    let closed_at = closed_at.filter(|at| *at < view.as_of);
    let agreed_for = view.params.rules.debt.as_ref().map_or(AGREED_FOR, |it| it.labelled_for);
    let outcome = match closed_at {
        None => Outcome::Open,
        Some(_) if !entry.completed => Outcome::Excluded("not_planned"),
        Some(at) if at - opened_at < agreed_for => Outcome::Excluded("labelled_late"),
        Some(_) => Outcome::Counted,
    };
    let mut times = vec![(LABELLED, opened_at)];
    times.extend(closed_at.map(|at| ("closed_at", at)));
    Some(Item {
        id: ItemId::Entry { source: source.clone(), native: id.to_owned() },
        placement: placement(view, entry.service.as_deref(), entry.team.as_deref()),
        started_at: opened_at,
        completed_at: closed_at,
        outcome,
        values: Vec::new(),
        marks: vec![Mark::new("register", entry.file.clone())],
        times,
    })
}

fn issues(view: &View<'_>) -> Vec<Item> {
    let Some(rule) = &view.params.rules.debt else { return Vec::new() };
    view.timeline
        .issues
        .values()
        .filter(|issue| issue.created_at < view.as_of)
        .flat_map(|issue| {
            let owners = view.ownership.repository(&issue.repository).iter().copied();
            let placement = Placement::of_whole_repository(&view.params.catalogue, owners);
            let lives = lives(issue, rule, view.as_of).into_iter().zip(0..);
            lives.filter_map(move |(life, number)| {
                Some(Item { placement: placement.clone(), ..item(issue, rule, &life, number)? })
            })
        })
        .collect()
}

/// One life of an issue: from its opening to the closing that stood.
#[derive(Clone, Debug)]
struct Life {
    opened_at: Instant,
    closed: Option<(Instant, ClosedAs)>,
    /// Since when it had both labels, when it was closed or at `as_of`.
    labelled_at: Option<Instant>,
    /// Since when it has both labels at `as_of`, if it was closed without.
    labelled_later: bool,
    /// Its labels that the rule asks for, when it was closed or at `as_of`.
    labels: String,
}

/// Follows an issue through its log.
fn lives(issue: &Issue, rule: &DebtRule, as_of: Instant) -> Vec<Life> {
    let mut labels = Labels::at_creation(issue, rule);
    let mut life = Life {
        opened_at: issue.created_at,
        closed: None,
        labelled_at: None,
        labelled_later: false,
        labels: String::new(),
    };
    let mut lives = Vec::new();
    let mut known: Vec<&IssueEvent> = issue.events.iter().filter(|it| it.at < as_of).collect();
    known.sort_by_key(|it| it.at);
    for IssueEvent { at, event } in known {
        match event {
            IssueEventKind::Labeled(label) => labels.add(label, *at),
            IssueEventKind::Unlabeled(label) => labels.remove(label),
            IssueEventKind::Closed(reason) => {
                if life.closed.is_none() {
                    life.closed = Some((*at, *reason));
                    life.labelled_at = labels.both_since();
                    life.labels = labels.to_string();
                }
            }
            IssueEventKind::Reopened => match life.closed {
                Some((closed_at, _)) if *at - closed_at > rule.reopen_window => {
                    let next = Life { opened_at: *at, closed: None, ..life.clone() };
                    lives.push(std::mem::replace(&mut life, next));
                }
                _ => life.closed = None,
            },
        }
    }
    // What the log leaves out, the issue itself says.
    if life.closed.is_none()
        && let (Some(at), Some(reason)) = (issue.closed_at, issue.closed_as)
        && at < as_of
        && issue.events.iter().all(|it| it.at <= at || it.event != IssueEventKind::Reopened)
    {
        life.closed = Some((at, reason));
        life.labelled_at = labels.both_since().filter(|since| *since <= at);
        life.labels = labels.to_string();
    }
    if life.closed.is_none() {
        life.labelled_at = labels.both_since();
        life.labels = labels.to_string();
    } else if life.labelled_at.is_none() && labels.both_since().is_some() {
        life.labelled_later = true;
        life.labels = labels.to_string();
    }
    lives.push(life);
    lives
}

/// Whether an issue has labels of both kinds, and since when.
#[derive(Debug)]
struct Labels<'a> {
    debt: Kind<'a>,
    major: Kind<'a>,
}

/// Labels that mean the same.
#[derive(Debug)]
struct Kind<'a> {
    wanted: &'a BTreeSet<String>,
    there: BTreeSet<String>,
    /// Since when there is one without a gap.
    since: Option<Instant>,
}

impl<'a> Labels<'a> {
    /// A label of which the log says nothing was there from the beginning, and so was one of which
    /// it says first that it was taken off.
    fn at_creation(issue: &Issue, rule: &'a DebtRule) -> Self {
        let kind = |wanted| Kind { wanted, there: BTreeSet::new(), since: None };
        let mut labels = Self { debt: kind(&rule.labels), major: kind(&rule.major_labels) };
        let mut log: Vec<&IssueEvent> = issue.events.iter().collect();
        log.sort_by_key(|it| it.at);
        let mut logged: BTreeSet<String> = BTreeSet::new();
        for IssueEvent { event, .. } in log {
            match event {
                IssueEventKind::Labeled(label) => {
                    logged.insert(label.to_lowercase());
                }
                IssueEventKind::Unlabeled(label) => {
                    if logged.insert(label.to_lowercase()) {
                        labels.add(label, issue.created_at);
                    }
                }
                IssueEventKind::Closed(_) | IssueEventKind::Reopened => {}
            }
        }
        for label in issue.labels.iter().filter(|it| !logged.contains(&it.to_lowercase())) {
            labels.add(label, issue.created_at);
        }
        labels
    }

    fn add(&mut self, label: &str, at: Instant) {
        let label = label.to_lowercase();
        for kind in [&mut self.debt, &mut self.major] {
            if kind.wanted.contains(&label) {
                kind.there.insert(label.clone());
                kind.since.get_or_insert(at);
            }
        }
    }

    fn remove(&mut self, label: &str) {
        let label = label.to_lowercase();
        for kind in [&mut self.debt, &mut self.major] {
            kind.there.remove(&label);
            kind.since = kind.since.filter(|_| !kind.there.is_empty());
        }
    }

    /// Since when it has one label of each kind.
    fn both_since(&self) -> Option<Instant> {
        Some(self.debt.since?.max(self.major.since?))
    }
}

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there: BTreeSet<&str> =
            self.debt.there.iter().chain(&self.major.there).map(String::as_str).collect();
        f.write_str(&there.into_iter().collect::<Vec<_>>().join(", "))
    }
}

/// The item of one life; nothing if it was no debt then.
fn item(issue: &Issue, rule: &DebtRule, life: &Life, number: u32) -> Option<Item> {
    let closed_at = life.closed.map(|(at, _)| at);
    let outcome = match (life.closed, life.labelled_at) {
        (None, Some(_)) => Outcome::Open,
        (Some((closed_at, reason)), Some(labelled_at)) => {
            if reason == ClosedAs::NotPlanned {
                Outcome::Excluded("not_planned")
            } else if closed_at - labelled_at < rule.labelled_for {
                Outcome::Excluded("labelled_late")
            } else {
                Outcome::Counted
            }
        }
        (Some(_), None) if life.labelled_later => Outcome::Excluded("labelled_late"),
        (_, None) => return None,
    };
    // A later life is debt again from its re-opening on.
    let started_at = life.labelled_at.unwrap_or(life.opened_at).max(life.opened_at);
    let mut times = vec![("opened_at", life.opened_at)];
    times.extend(life.labelled_at.map(|at| (LABELLED, at)));
    times.extend(closed_at.map(|at| ("closed_at", at)));
    Some(Item {
        id: ItemId::Issue {
            repository: issue.repository.clone(),
            number: issue.number,
            life: number,
        },
        placement: Placement::default(),
        started_at,
        completed_at: closed_at,
        outcome,
        values: Vec::new(),
        marks: vec![Mark::new("labels", life.labels.clone())],
        times,
    })
}

/// Whether nobody can tell what became of some of a scope's issues.
fn is_hidden(slice: &Slice<'_>) -> bool {
    let hidden = &slice.view.timeline.hidden_issues;
    let services = slice.view.params.catalogue.services.iter().enumerate();
    let mut of_scope = services.filter(|(index, service)| match slice.scope {
        Scope::Org => true,
        Scope::Team(team) => service.team == team,
        Scope::Service(only) => *index == only,
    });
    let is_hidden = |service: &Service| {
        let repository = slice.view.timeline.repository_named(&service.repository);
        repository.is_some_and(|it| hidden.contains_key(&it.id))
    };
    !hidden.is_empty() && of_scope.any(|(_, service)| is_hidden(service))
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    if is_hidden(slice) {
        return Vec::new();
    }
    let retired = items.iter().filter(|it| it.counted());
    let retired = retired.filter(|it| it.completed_at.is_some_and(|at| slice.window.contains(at)));
    let open: Vec<&&Item> = items.iter().filter(|it| it.outcome == Outcome::Open).collect();
    // What was labelled after it was closed was never agreed on.
    let agreed = items.iter().filter(|it| it.times.iter().any(|(name, _)| *name == LABELLED));
    let opened = agreed.filter(|it| slice.window.contains(it.started_at));
    let waits = open.iter().map(|it| (slice.as_of - it.started_at).as_seconds_f64());
    let waiting = count(open.len());
    let mut total = Reading::count(RETIRED, count(retired.count()));
    total.open = Some(waiting);
    total.excluded = exclusions(items, slice.window);
    vec![
        total,
        Reading::count(OPENED, count(opened.count())),
        Reading::new(OPEN, Some(real(waiting)), waiting),
        Reading::plain(OLDEST, waits.reduce(f64::max)),
    ]
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::KPI;
    use crate::kpi::testing::Story;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(slice: &str, story: &str, readings: Expect) {
        readings.assert_eq(&Story::told(&format!("debt\n{story}")).readings(&KPI, slice));
    }

    #[test]
    fn without_issues_the_counts_are_zero() {
        check(
            "org 30d",
            "service web",
            expect![[r#"
            debt_retired_items 0 [0, 3.6889] n=0
            debt_opened_items 0 [0, 3.6889] n=0
            debt_open_items 0 n=0
            debt_oldest_open_seconds - n=0
        "#]],
        );
    }

    #[test]
    fn closed_as_completed_it_is_retired_and_otherwise_not() {
        check(
            "org 30d",
            "01T10:00 issue web#1 labels debt,major
             20T10:00 close_issue web#1
             01T10:00 issue web#2 labels debt,major
             20T10:00 close_issue web#2 unplanned
             01T10:00 issue web#3 labels Tech-Debt,MAJOR
             01T10:00 issue web#4 labels debt
             20T10:00 close_issue web#4
             01T10:00 issue web#5 labels major
             20T10:00 close_issue web#5",
            expect![[r#"
                debt_retired_items 1 [0.0253, 5.5716] n=1 open=1 not_planned=1
                debt_opened_items 0 [0, 3.6889] n=0
                debt_open_items 1 n=1
                debt_oldest_open_seconds 30d14h n=1
            "#]],
        );
    }

    #[test]
    fn the_window_holds_its_start_and_not_its_end() {
        check(
            "org 20T00:00..21T00:00",
            "01T10:00 issue web#1 labels debt,major
             19T23:59:59 close_issue web#1
             01T10:00 issue web#2 labels debt,major
             20T00:00 close_issue web#2
             20T00:00 issue web#3 labels debt,major
             21T00:00 issue web#4 labels debt,major
             01T10:00 issue web#5 labels debt,major
             21T00:00 close_issue web#5",
            expect![[r#"
                debt_retired_items 1 [0.0253, 5.5716] n=1 open=2
                debt_opened_items 1 [0.0253, 5.5716] n=1
                debt_open_items 2 n=2
                debt_oldest_open_seconds 12d n=1
            "#]],
        );
    }

    #[test]
    fn labelled_at_least_seven_days_before_it_was_closed() {
        check(
            "org 30d",
            "02T10:00 issue web#1 labels debt
             05T10:00 label web#1 major
             12T10:00 close_issue web#1
             02T10:00 issue web#2 labels debt
             05T10:00:01 label web#2 major
             12T10:00 close_issue web#2
             02T10:00 issue web#3 labels debt,major
             10T10:00 unlabel web#3 major
             11T10:00 label web#3 major
             12T10:00 close_issue web#3
             02T10:00 issue web#4
             12T10:00 close_issue web#4
             13T10:00 label web#4 debt
             13T10:00 label web#4 major",
            expect![[r#"
                debt_retired_items 1 [0.0253, 5.5716] n=1 labelled_late=3
                debt_opened_items 3 [0.6187, 8.7673] n=3
                debt_open_items 0 n=0
                debt_oldest_open_seconds - n=0
            "#]],
        );
    }

    #[test]
    fn a_label_that_the_log_only_sees_go_was_there_from_the_beginning() {
        check(
            "org 30d",
            "02T10:00 issue web#1 labels debt,major silent
             12T10:00 close_issue web#1
             13T10:00 unlabel web#1 major
             02T10:00 issue web#2 labels debt,major silent
             10T10:00 unlabel web#2 major
             12T10:00 close_issue web#2",
            expect![[r#"
                debt_retired_items 1 [0.0253, 5.5716] n=1
                debt_opened_items 1 [0.0253, 5.5716] n=1
                debt_open_items 0 n=0
                debt_oldest_open_seconds - n=0
            "#]],
        );
    }

    #[test]
    fn one_of_several_labels_may_replace_another() {
        check(
            "org 30d",
            "02T10:00 issue web#1 labels debt,major
             09T10:00 label web#1 tech-debt
             09T10:01 unlabel web#1 debt
             12T10:00 close_issue web#1",
            expect![[r#"
                debt_retired_items 1 [0.0253, 5.5716] n=1
                debt_opened_items 1 [0.0253, 5.5716] n=1
                debt_open_items 0 n=0
                debt_oldest_open_seconds - n=0
            "#]],
        );
    }

    #[test]
    fn re_opened_within_thirty_days_it_was_not_retired_and_later_it_is_a_new_item() {
        check(
            "org 365d",
            "01-01T10:00 issue web#1 labels debt,major
             01-20T10:00 close_issue web#1
             02-19T10:00 reopen_issue web#1
             01-01T10:00 issue web#2 labels debt,major
             01-20T10:00 close_issue web#2
             02-19T10:00:01 reopen_issue web#2
             01-01T10:00 issue web#3 labels debt,major
             01-20T10:00 close_issue web#3
             01-22T10:00 reopen_issue web#3
             03-01T10:00 close_issue web#3
             01-01T10:00 issue web#4 labels debt,major
             01-20T10:00 close_issue web#4
             02-25T10:00 reopen_issue web#4
             03-02T10:00 close_issue web#4",
            expect![[r#"
                debt_retired_items 4 [1.0899, 10.2416] n=4 open=2
                debt_opened_items 6 [2.2019, 13.0595] n=6
                debt_open_items 2 n=2
                debt_oldest_open_seconds 89d14h n=1
            "#]],
        );
    }

    #[test]
    fn what_happened_at_as_of_or_later_is_not_known() {
        check(
            "org 90d",
            "as_of 20T10:00
             01T10:00 issue web#1 labels debt,major
             20T10:00 close_issue web#1
             01T10:00 issue web#2 labels debt,major
             15T10:00 close_issue web#2
             20T10:00 reopen_issue web#2
             20T10:00 issue web#3 labels debt,major
             20T10:00 issue web#4 labels debt,major silent",
            expect![[r#"
                debt_retired_items 1 [0.0253, 5.5716] n=1 open=1
                debt_opened_items 2 [0.2422, 7.2247] n=2
                debt_open_items 1 n=1
                debt_oldest_open_seconds 19d n=1
            "#]],
        );
    }

    #[test]
    fn a_closing_that_the_log_leaves_out_is_taken_from_the_issue() {
        check(
            "org 30d",
            "01T10:00 issue web#1 labels debt,major silent
             20T10:00 close_issue web#1 silent",
            expect![[r#"
                debt_retired_items 1 [0.0253, 5.5716] n=1
                debt_opened_items 0 [0, 3.6889] n=0
                debt_open_items 0 n=0
                debt_oldest_open_seconds - n=0
            "#]],
        );
    }

    #[test]
    fn a_team_has_the_issues_of_the_repositories_that_are_wholly_its_own() {
        let story = Story::told(
            "debt
             service web team shop
             service api in mono paths api/** team shop
             service pay in mono paths pay/** team money
             01T10:00 issue web#1 labels debt,major
             20T10:00 close_issue web#1
             01T10:00 issue mono#1 labels debt,major
             20T10:00 close_issue mono#1",
        );
        let retired = |scope: &str| story.reading(&KPI, &format!("{scope} 30d"), "retired");
        for (scope, reading) in [
            ("org", expect!["debt_retired_items 2 [0.2422, 7.2247] n=2"]),
            ("team shop", expect!["debt_retired_items 1 [0.0253, 5.5716] n=1"]),
            ("service web", expect!["debt_retired_items 1 [0.0253, 5.5716] n=1"]),
            ("service api", expect!["debt_retired_items 0 [0, 3.6889] n=0"]),
        ] {
            reading.assert_eq(&retired(scope));
        }
    }

    #[test]
    fn major_entries_of_a_register_count_too() {
        let story = Story::told(
            "service web team shop
             as_of 31T10:00
             01T00:00 owes d1 service web closed 12T00:00
             01T00:00 owes d2 closed 12T00:00 dropped
             01T00:00 owes d3 closed 12T00:00 minor
             10T00:00 owes d4 closed 12T00:00
             05T00:00 owes d7 closed 12T00:00
             05T00:00 owes d5 team shop
             05T00:00 owes d6 closed 31T12:00",
        );
        expect![[r#"
            d1 counted 12T00:00 register=debt.csv
            d2 excluded not_planned register=debt.csv
            d4 excluded labelled_late register=debt.csv
            d5 open since 05T00:00 register=debt.csv
            d6 counted 31T00:00 register=debt.csv
            d7 counted 12T00:00 register=debt.csv
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
        expect![[r#"
            debt_retired_items 1 [0.0253, 5.5716] n=1 open=1
            debt_opened_items 1 [0.0253, 5.5716] n=1
            debt_open_items 1 n=1
            debt_oldest_open_seconds 26d10h n=1
        "#]]
        .assert_eq(&story.readings(&KPI, "team shop 30d"));
    }

    #[test]
    fn hidden_issues_are_unknown_for_the_scopes_that_have_them() {
        let story = Story::told(
            "debt
             service web team shop
             service pay team money
             01T10:00 issue web#1 labels debt,major
             20T10:00 close_issue web#1
             01T10:00 hide_issues pay",
        );
        for scope in ["org", "team money", "service pay"] {
            assert_eq!(story.readings(&KPI, &format!("{scope} 30d")), "", "{scope}");
        }
        expect!["debt_retired_items 1 [0.0253, 5.5716] n=1"].assert_eq(&story.reading(
            &KPI,
            "team shop 30d",
            "retired",
        ));
    }

    #[test]
    fn without_a_rule_there_is_no_debt() {
        let story = Story::told("01T10:00 issue web#1 labels debt,major");
        assert_eq!(story.items(&KPI, "org"), "");
    }

    #[test]
    fn explain_shows_each_issue_with_its_labels() {
        let story = Story::told(
            "debt
             01T10:00 issue web#1 labels debt,major
             20T10:00 close_issue web#1
             03T10:00 issue web#2 labels debt
             09T10:00 label web#2 major
             01T10:00 issue web#3 labels debt,major
             20T10:00 close_issue web#3 unplanned",
        );
        expect![[r#"
            web#1 counted 20T10:00 labels=debt, major
            web#2 open since 09T10:00 labels=debt, major
            web#3 excluded not_planned labels=debt, major
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }
}
