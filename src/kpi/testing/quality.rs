//! What happens to technical debt and to findings, what repositories hold, and what tests them.
//!
//! ```text
//! debt                                          # issues labelled debt and major are collected
//! 05T10:00 issue web#7 labels debt,major silent # `silent` = the log does not tell
//! 06T10:00 label web#7 major
//! 06T10:00 unlabel web#7 major
//! 07T10:00 close_issue web#7 unplanned silent
//! 08T10:00 reopen_issue web#7
//! 01T10:00 hide_issues web                      # the credential may not read them
//!
//! findings                                      # critical ones are due after 7 d, high ones after 30 d
//! 01T00:00 feed web dependabot off              # `acme/web` = by name, `@web` = the service
//! 05T10:00 finding web 1 critical tool dependabot in package.json
//! 06T10:00 fix 1 | dismiss 1 | auto_dismiss 1 | back 1
//!
//! standard ci file CODEOWNERS optional          # a check a line; `matches` asks for the text
//! standard ci uses acme/ci tiers 1,2 except api
//! standard ci property tier values gold,silver
//! 05T10:00 holds web CODEOWNERS file CODEOWNERS says text unreadable   # `^` ends a line
//! 05T10:00 properties web tier=gold
//! 05T10:00 archive web
//! boundary orders of web in repo workflow Contract job pact
//! 05T10:10 job web 7 pact success               # of the run 7
//!
//! 05T00:00 owes d1 service web team core closed 07T00:00 dropped minor   # a register's debt
//! 05T00:00 exposes b1 service web test Contract until 07T00:00           # its boundary
//! ```

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;

use super::{Line, Story, delivery, scene};
use crate::domain::fact::{
    ClosedAs, Contents, DebtItem, FileText, Finding, FindingEvent, FindingEventKind, FindingFeed,
    FindingPlace, HiddenIssues, Issue, IssueEvent, IssueEventKind, Properties, WorkflowJob,
};
use crate::domain::{Fact, Instant, ServiceName};
use crate::kpi::params::{
    Boundary, Check, CheckRule, DebtRule, FindingRule, FindingSeverity, Sla, Standard,
};

/// Takes in a rule. False = the verb is none of these.
#[track_caller]
pub(super) fn rule(story: &mut Story, verb: &str, line: &mut Line) -> bool {
    match verb {
        "standard" => standard(story, line),
        "boundary" => boundary(story, line),
        "debt" => {
            story.params.rules.debt = Some(DebtRule {
                labels: ["debt", "tech-debt"].map(str::to_owned).into(),
                major_labels: BTreeSet::from(["major".to_owned()]),
                labelled_for: Duration::days(7),
                reopen_window: Duration::days(30),
            });
        }
        "findings" => {
            story.params.rules.findings = Some(FindingRule {
                tools: BTreeSet::from(["dependabot".to_owned()]),
                severity_by_tool: BTreeMap::from([(
                    "secret_scanning".to_owned(),
                    FindingSeverity::Critical,
                )]),
                sla: Sla::from([
                    (FindingSeverity::Critical, Duration::days(7)),
                    (FindingSeverity::High, Duration::days(30)),
                ]),
                team_sla: BTreeMap::new(),
                service_sla: BTreeMap::new(),
            });
        }
        _ => return false,
    }
    true
}

/// Takes in an event. False = the verb is none of these.
#[track_caller]
pub(super) fn happened(story: &mut Story, at: Instant, verb: &str, line: &mut Line) -> bool {
    match verb {
        "issue" => open(story, at, line),
        "label" | "unlabel" => {
            let issue = issue(story, line);
            let label = line.next("a label");
            issue.updated_at = at;
            let labels = issue.labels.iter().filter(|it| **it != label).cloned();
            issue.labels = labels.collect();
            let event = if verb == "label" {
                issue.labels.push(label.clone());
                IssueEventKind::Labeled(label)
            } else {
                IssueEventKind::Unlabeled(label)
            };
            issue.events.push(IssueEvent { at, event });
        }
        "close_issue" => {
            let issue = issue(story, line);
            let unplanned = line.flag("unplanned");
            issue.updated_at = at;
            let reason = if unplanned { ClosedAs::NotPlanned } else { ClosedAs::Completed };
            (issue.closed_at, issue.closed_as) = (Some(at), Some(reason));
            if !line.flag("silent") {
                issue.events.push(IssueEvent { at, event: IssueEventKind::Closed(reason) });
            }
        }
        "reopen_issue" => {
            let issue = issue(story, line);
            (issue.closed_at, issue.closed_as) = (None, None);
            issue.updated_at = at;
            issue.events.push(IssueEvent { at, event: IssueEventKind::Reopened });
        }
        "hide_issues" => {
            let name = line.next("a repository");
            scene::know_repository(story, &name);
            let repository = Story::repository(&name).0;
            story.learn("github", Fact::HiddenIssues(HiddenIssues { repository, since: at }));
        }
        "holds" => holds(story, at, line),
        "properties" => properties(story, at, line),
        "archive" => {
            let full = scene::know_repository(story, &line.next("a repository"));
            for (_, fact) in &mut story.facts {
                if let Fact::Repository(repository) = fact
                    && repository.name == full
                {
                    repository.archived = true;
                }
            }
        }
        "job" => job(story, at, line),
        "owes" => owes(story, at, line),
        "exposes" => exposes(story, at, line),
        "feed" => feed(story, at, line),
        "finding" => detect(story, at, line),
        "fix" => happens(story, at, FindingEventKind::Fixed, line),
        "dismiss" => happens(story, at, FindingEventKind::Dismissed, line),
        "auto_dismiss" => happens(story, at, FindingEventKind::AutoDismissed, line),
        "back" => happens(story, at, FindingEventKind::Reopened, line),
        _ => return false,
    }
    true
}

#[track_caller]
fn open(story: &mut Story, at: Instant, line: &mut Line) {
    let (name, number) = delivery::pull(&line.next("an issue"));
    scene::know_repository(story, &name);
    let labels = line.list("labels");
    let events = labels
        .iter()
        .filter(|_| !line.text.contains("silent"))
        .map(|label| IssueEvent { at, event: IssueEventKind::Labeled(label.clone()) })
        .collect();
    line.flag("silent");
    let issue = Issue {
        repository: Story::repository(&name).0,
        number,
        created_at: at,
        updated_at: at,
        closed_at: None,
        closed_as: None,
        labels,
        events,
    };
    story.learn("github", Fact::Issue(issue));
}

#[track_caller]
fn issue<'a>(story: &'a mut Story, line: &mut Line) -> &'a mut Issue {
    let (name, number) = delivery::pull(&line.next("an issue"));
    let repository = Story::repository(&name).0;
    let mut issues = story.facts.iter_mut().rev().filter_map(|(_, fact)| match fact {
        Fact::Issue(issue) => Some(issue),
        _ => None,
    });
    issues
        .find(|it| it.repository == repository && it.number == number)
        .unwrap_or_else(|| panic!("no issue {name}#{number} was told of"))
}

#[track_caller]
fn place(story: &mut Story, line: &mut Line) -> FindingPlace {
    let word = line.next("a place");
    match word.strip_prefix('@') {
        Some(service) => FindingPlace::Service(ServiceName::new(service)),
        None if word.contains('/') => FindingPlace::Named(word),
        None => {
            scene::know_repository(story, &word);
            FindingPlace::Repository(Story::repository(&word).0)
        }
    }
}

#[track_caller]
fn feed(story: &mut Story, at: Instant, line: &mut Line) {
    let word = line.words.first().cloned().unwrap_or_default();
    let place = place(story, line);
    let tool = line.next("a tool");
    let feed = FindingFeed {
        id: format!("{tool} of {word}"),
        place,
        tool,
        readable: !line.flag("off"),
        since: at,
    };
    story.learn("github", Fact::FindingFeed(feed));
}

#[track_caller]
fn detect(story: &mut Story, at: Instant, line: &mut Line) {
    let place = place(story, line);
    let id = line.next("an id");
    let severity = line.next("a severity, or `-` for none");
    let finding = Finding {
        id,
        place,
        tool: line.after("tool").unwrap_or_else(|| "dependabot".to_owned()),
        severity: (severity != "-").then_some(severity),
        detected_at: at,
        updated_at: at,
        events: Vec::new(),
        file: line.after("in"),
        page: None,
    };
    story.learn("github", Fact::Finding(finding));
}

#[track_caller]
fn happens(story: &mut Story, at: Instant, event: FindingEventKind, line: &mut Line) {
    let id = line.next("a finding");
    let mut findings = story.facts.iter_mut().rev().filter_map(|(_, fact)| match fact {
        Fact::Finding(finding) => Some(finding),
        _ => None,
    });
    let finding = findings.find(|it| it.id == id);
    let finding = finding.unwrap_or_else(|| panic!("no finding {id} was told of"));
    finding.events.push(FindingEvent { at, event });
    finding.updated_at = at;
}

#[track_caller]
fn standard(story: &mut Story, line: &mut Line) {
    let name = line.next("a standard");
    let rule = if let Some(action) = line.after("uses") {
        CheckRule::Uses { action }
    } else if let Some(name) = line.after("property") {
        CheckRule::Property { name, values: line.list("values") }
    } else {
        let path = line.after("file").expect("a check is of a file, a use or a property");
        match line.after("matches") {
            Some(text) => {
                let pattern = regex::Regex::new(&text).expect("a regular expression");
                CheckRule::Matches { path, pattern }
            }
            None => CheckRule::File { path },
        }
    };
    let what = match &rule {
        CheckRule::File { path } | CheckRule::Matches { path, .. } => path.clone(),
        CheckRule::Uses { action: name } | CheckRule::Property { name, .. } => name.clone(),
    };
    let check = Check { name: what, mandatory: !line.flag("optional"), rule };
    let tiers = line.list("tiers").iter().map(|it| it.parse().expect("a tier")).collect();
    let services = story.params.catalogue.services.iter().enumerate();
    let excepted = line.list("except");
    let except = services
        .filter(|(_, service)| excepted.iter().any(|name| name == service.name.as_str()))
        .map(|(index, _)| index)
        .collect();
    let standards = &mut story.params.standards;
    match standards.iter_mut().find(|it| it.name == name) {
        Some(standard) => standard.checks.push(check),
        None => standards.push(Standard { name, tiers, except, checks: vec![check] }),
    }
}

#[track_caller]
fn boundary(story: &mut Story, line: &mut Line) {
    let name = line.next("a boundary");
    let service = line.after("of");
    let repository = line.after("in").or_else(|| service.clone()).expect("`of` or `in`");
    let services = &story.params.catalogue.services;
    let boundary = Boundary {
        name,
        service: service.and_then(|name| services.iter().position(|it| it.name.as_str() == name)),
        repository: format!("acme/{repository}"),
        workflow: line.after("workflow").expect("a workflow"),
        job: line.after("job"),
        passes_for: Duration::days(30),
    };
    story.params.boundaries.push(boundary);
}

/// A pattern of which nothing is told holds no file; each line adds one.
#[track_caller]
fn holds(story: &mut Story, at: Instant, line: &mut Line) {
    let name = line.next("a repository");
    scene::know_repository(story, &name);
    let repository = Story::repository(&name).0;
    let pattern = line.next("a pattern");
    let before = story.facts.iter().rev().find_map(|(_, fact)| match fact {
        Fact::Contents(it) if it.repository == repository && it.pattern == pattern => {
            Some(it.files.clone())
        }
        _ => None,
    });
    let mut files = before.unwrap_or_default();
    if let Some(path) = line.after("file") {
        let text = line.after("says").map(|it| it.replace('~', " ").replace('^', "\n"));
        let text = match text {
            _ if line.flag("unreadable") => FileText::Unreadable,
            Some(text) => FileText::Text(text),
            None => FileText::NotRead,
        };
        files.insert(path, text);
    }
    let contents = Contents { repository, pattern, since: at, files };
    story.learn("github", Fact::Contents(contents));
}

#[track_caller]
fn properties(story: &mut Story, at: Instant, line: &mut Line) {
    let name = line.next("a repository");
    scene::know_repository(story, &name);
    let values = std::mem::take(&mut line.words).into_iter().map(|pair| {
        let (name, value) = pair.split_once('=').expect("a property is name=value");
        (name.to_owned(), vec![value.to_owned()])
    });
    let properties =
        Properties { repository: Story::repository(&name).0, since: at, values: values.collect() };
    story.learn("github", Fact::Properties(properties));
}

#[track_caller]
fn job(story: &mut Story, at: Instant, line: &mut Line) {
    let name = line.next("a repository");
    let job = WorkflowJob {
        id: format!("j{}", story.facts.len()),
        repository: Story::repository(&name).0,
        run: line.next("a run"),
        name: line.next("a job"),
        started_at: at,
        completed_at: at,
        conclusion: line.next("a conclusion"),
    };
    story.learn("github", Fact::WorkflowJob(job));
}

#[track_caller]
fn owes(story: &mut Story, at: Instant, line: &mut Line) {
    let item = DebtItem {
        id: line.next("an id"),
        file: "debt.csv".to_owned(),
        service: line.after("service"),
        team: line.after("team"),
        opened_on: at.date_naive(),
        closed_on: line.time("closed").map(|at| at.date_naive()),
        completed: !line.flag("dropped"),
        major: !line.flag("minor"),
        link: None,
    };
    story.learn("files", Fact::DebtItem(item));
}

#[track_caller]
fn exposes(story: &mut Story, at: Instant, line: &mut Line) {
    let id = line.next("an id");
    let boundary = crate::domain::fact::Boundary {
        name: format!("boundary {id}"),
        id,
        file: "boundaries.csv".to_owned(),
        service: line.after("service"),
        repository: None,
        test: line.after("test"),
        since: Some(at.date_naive()),
        until: line.time("until").map(|at| at.date_naive()),
    };
    story.learn("files", Fact::Boundary(boundary));
}
