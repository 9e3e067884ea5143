//! Facts to store.

use std::collections::BTreeMap;

use chrono::{TimeZone, Utc};
use engkpi::domain::fact::*;
use engkpi::domain::{Attributes, Fact, FactKey, Instant, Kind, RepositoryId, SourceName};

pub(crate) fn source() -> SourceName {
    "github".into()
}

pub(crate) fn repository() -> RepositoryId {
    RepositoryId::of(&source(), 7)
}

/// So many seconds into the year 2026.
pub(crate) fn at(seconds: i64) -> Instant {
    Utc.timestamp_opt(1_767_225_600 + seconds, 0).unwrap()
}

/// An incident: the smallest fact that has versions.
pub(crate) fn incident(id: &str, updated: i64, priority: &str) -> Fact {
    Fact::Incident(Incident {
        id: id.into(),
        number: 1,
        service: Some("PSVC".into()),
        created_at: at(0),
        updated_at: at(updated),
        status: IncidentStatus::Triggered,
        resolved_at: None,
        priority: Some(priority.into()),
        merged: false,
        fields: Attributes::default(),
        url: None,
    })
}

/// An entry of an incident's log: the smallest fact that has a parent.
pub(crate) fn event(id: &str, incident: &str) -> Fact {
    Fact::IncidentEvent(IncidentEvent {
        id: id.into(),
        incident: incident.into(),
        at: at(5),
        event: IncidentEventKind::Note,
        channel: None,
        mentions: Vec::new(),
    })
}

pub(crate) fn key(kind: Kind, id: &str) -> FactKey {
    FactKey { source: source(), kind, id: id.to_owned() }
}

/// One fact of every kind, every attribute set, with texts that try what they can.
#[expect(clippy::too_many_lines, reason = "a list of facts, one of each kind")]
pub(crate) fn one_of_each() -> Vec<Fact> {
    let odd = "naïve ☃ 'quoted' \"twice\" \\back\\ %s $1 ?1 ; DROP TABLE facts; -- \u{0} \u{1f}\n";
    let actor = Actor { login: odd.into(), bot: true };
    let millis = Utc.timestamp_millis_opt(1_767_225_600_123).unwrap();
    vec![
        Fact::Repository(Repository {
            id: repository(),
            name: "acme/shop".to_owned(),
            former_names: vec![odd.to_owned()],
            default_branch: Some("main".to_owned()),
            head: Some("c0ffee".into()),
            archived: true,
            created_at: at(0),
            updated_at: millis,
        }),
        Fact::Change(Change {
            repository: repository(),
            number: 12,
            author: Some(actor.clone()),
            created_at: at(1),
            updated_at: at(9),
            created_as_draft: true,
            ready_for_review_at: Some(at(2)),
            merged_at: Some(at(8)),
            closed_at: Some(at(8)),
            merge_commit: Some("c0ffee".into()),
            head_branch: odd.into(),
            base_branch: "main".into(),
            labels: [odd.into()].into(),
            commits: ["beef".into()].into(),
            first_commit_at: Some(at(0)),
            reviews: [Review { author: Some(actor), submitted_at: at(4) }].into(),
            comments: u64::from(u32::MAX) + 1,
            paths: Some([ChangedPath { path: odd.into(), change: PathChange::Renamed }].into()),
            reverts_commits: ["dead".into()].into(),
            reverts_changes: [PullReference { repository: "acme/shop".to_owned(), number: 11 }]
                .into(),
        }),
        Fact::Commit(Commit {
            repository: repository(),
            id: "c0ffee".into(),
            parents: vec!["beef".into(), "dead".into()],
            authored_at: Utc.timestamp_opt(0, 0).unwrap(),
            committed_at: Utc.timestamp_opt(4_102_444_800, 0).unwrap(),
            reverts: vec!["dead".into()],
        }),
        Fact::Deployment(Deployment {
            id: "D1".into(),
            repository: repository(),
            commit: "c0ffee".into(),
            environment: "production".into(),
            task: "deploy".into(),
            description: Some(odd.into()),
            payload: Attributes::from([("rollback", "true")]),
            created_at: at(10),
            updated_at: at(11),
            statuses: vec![DeploymentStatus { state: DeploymentState::Success, at: at(11) }],
        }),
        Fact::WorkflowRun(WorkflowRun {
            id: "R1".into(),
            repository: repository(),
            workflow: odd.into(),
            event: "push".into(),
            branch: Some("main".into()),
            commit: "c0ffee".into(),
            created_at: at(10),
            updated_at: at(12),
            attempts: vec![RunAttempt {
                number: 1,
                started_at: at(10),
                completed_at: Some(at(12)),
                conclusion: Some("success".into()),
            }],
        }),
        Fact::Release(Release {
            id: "L1".into(),
            repository: repository(),
            tag: "v1".into(),
            commit: Some("c0ffee".into()),
            draft: false,
            prerelease: true,
            created_at: at(10),
            published_at: Some(at(13)),
        }),
        Fact::DecisionRevision(DecisionRevision {
            repository: repository(),
            path: "docs/adr/0001-ünïcode@v2:final.md".into(),
            commit: "c0ffee".into(),
            authored_at: at(3),
            committed_at: at(8),
            revision: RevisionKind::RenamedFrom("docs/adr/0001.md".into()),
            status: Some(odd.into()),
            front_matter: Attributes::from([("status", odd)]),
        }),
        Fact::IncidentService(IncidentService {
            id: "PSVC".into(),
            name: odd.into(),
            created_at: at(0),
        }),
        incident("Q1", 3, odd),
        event("E1", "Q1"),
        Fact::IncidentAlert(IncidentAlert {
            id: "A1".into(),
            incident: "Q1".into(),
            created_at: at(1),
            rule: Some(odd.into()),
        }),
        Fact::Issue(Issue {
            repository: repository(),
            number: 5,
            created_at: at(0),
            updated_at: millis,
            closed_at: Some(at(9)),
            closed_as: Some(ClosedAs::NotPlanned),
            labels: vec![odd.to_owned()],
            events: vec![
                IssueEvent { at: at(1), event: IssueEventKind::Labeled(odd.to_owned()) },
                IssueEvent { at: at(2), event: IssueEventKind::Unlabeled(odd.to_owned()) },
                IssueEvent { at: at(3), event: IssueEventKind::Closed(ClosedAs::Completed) },
                IssueEvent { at: at(4), event: IssueEventKind::Reopened },
            ],
        }),
        Fact::HiddenIssues(HiddenIssues { repository: repository(), since: at(0) }),
        Fact::Finding(Finding {
            id: "github/7:dependabot:5".to_owned(),
            place: FindingPlace::Repository(repository()),
            tool: odd.to_owned(),
            severity: Some(odd.to_owned()),
            detected_at: at(0),
            updated_at: millis,
            events: [
                FindingEventKind::Fixed,
                FindingEventKind::Dismissed,
                FindingEventKind::AutoDismissed,
                FindingEventKind::Reopened,
            ]
            .map(|event| FindingEvent { at: at(1), event })
            .to_vec(),
            file: Some("package-lock.json".to_owned()),
            page: Some("security/dependabot/5".to_owned()),
        }),
        Fact::FindingFeed(FindingFeed {
            id: "trivy:acme/shop".to_owned(),
            place: FindingPlace::Named("acme/shop".to_owned()),
            tool: odd.to_owned(),
            readable: true,
            since: at(0),
        }),
        Fact::Contents(Contents {
            repository: repository(),
            pattern: ".github/workflows/*.yml".to_owned(),
            since: at(0),
            files: BTreeMap::from([
                ("a.yml".to_owned(), FileText::Text(odd.to_owned())),
                ("b.yml".to_owned(), FileText::NotRead),
                ("c.yml".to_owned(), FileText::Unreadable),
            ]),
        }),
        Fact::Properties(Properties {
            repository: repository(),
            since: at(0),
            values: BTreeMap::from([(odd.to_owned(), vec![odd.to_owned()])]),
        }),
        Fact::WorkflowJob(WorkflowJob {
            id: "77".to_owned(),
            repository: repository(),
            run: "7".to_owned(),
            name: odd.to_owned(),
            started_at: at(0),
            completed_at: millis,
            conclusion: odd.to_owned(),
        }),
        Fact::Cost(Cost {
            id: "f/cost".to_owned(),
            file: odd.replace('\0', ""),
            day: at(0).date_naive(),
            tag: Some(odd.to_owned()),
            currency: "EUR".to_owned(),
            amount: -0.1,
        }),
        Fact::Units(Units {
            id: "f/units".to_owned(),
            file: None,
            day: at(0).date_naive(),
            service: odd.to_owned(),
            unit: "request".to_owned(),
            count: 1e9,
        }),
        Fact::SurveyCell(SurveyCell {
            id: "f/cell".to_owned(),
            file: "survey.csv".to_owned(),
            survey: odd.to_owned(),
            wave: odd.to_owned(),
            closed_at: at(0),
            team: Some(odd.to_owned()),
            group: Some(odd.to_owned()),
            dimension: odd.to_owned(),
            scale: (1.0, 5.0),
            scores: vec![1.5, 4.0],
        }),
        Fact::Mentoring(Mentoring {
            id: "f/mentoring".to_owned(),
            file: "register.csv".to_owned(),
            day: at(0).date_naive(),
            person: "0123".to_owned(),
            team: Some(odd.to_owned()),
            what: Some(odd.to_owned()),
            evidence: Some(odd.to_owned()),
        }),
        Fact::Escalation(Escalation {
            id: "f/escalation".to_owned(),
            file: "register.csv".to_owned(),
            day: at(0).date_naive(),
            team: Some(odd.to_owned()),
            service: Some(odd.to_owned()),
            group: Some(odd.to_owned()),
            link: Some(odd.to_owned()),
        }),
        Fact::Boundary(Boundary {
            id: "f/boundary".to_owned(),
            file: "register.csv".to_owned(),
            name: odd.to_owned(),
            service: Some(odd.to_owned()),
            repository: Some(odd.to_owned()),
            test: Some(odd.to_owned()),
            since: Some(at(0).date_naive()),
            until: Some(at(0).date_naive()),
        }),
        Fact::DebtItem(DebtItem {
            id: "f/debt".to_owned(),
            file: "register.csv".to_owned(),
            service: Some(odd.to_owned()),
            team: Some(odd.to_owned()),
            opened_on: at(0).date_naive(),
            closed_on: Some(at(0).date_naive()),
            completed: true,
            major: true,
            link: Some(odd.to_owned()),
        }),
        Fact::IncidentNote(IncidentNote {
            id: "f/note".to_owned(),
            file: "register.csv".to_owned(),
            incident: "Q1".to_owned(),
            fault_at: Some(millis),
            root_cause: Some(odd.to_owned()),
            problem: Some(odd.to_owned()),
            category: Some(odd.to_owned()),
            customer_impact: Some(odd.to_owned()),
            link: Some(odd.to_owned()),
        }),
        Fact::LedgerDay(LedgerDay {
            id: "endpoint/pay/0a1b/2026-01-01".to_owned(),
            layouts: vec![vec!["0.1".to_owned(), "+Inf".to_owned()]],
            hours: vec![LedgerHour { hour: 3, covered: 11, layout: 0, values: vec![0.1, 1e12] }],
        }),
        Fact::Burn(Burn {
            id: "slo/pay/0a1b".to_owned(),
            at: millis,
            windows: vec![BurnWindow { window: "5m".to_owned(), bad: 0.1, total: 1e12 }],
        }),
        Fact::AlertRule(AlertRule {
            id: "HighErrors@1767225600".to_owned(),
            name: odd.to_owned(),
            since: millis,
            delay_seconds: Some(330),
            gone: true,
        }),
    ]
}
