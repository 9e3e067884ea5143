//! The organisation that the benchmark evaluates: facts as sources normalise them, and the
//! configuration that goes with them. The same in every run.

use std::fmt::Write as _;

use chrono::Duration;
use engkpi::domain::fact::{
    Actor, Change, ChangedPath, Commit, DecisionRevision, Deployment, DeploymentState,
    DeploymentStatus, Incident, IncidentAlert, IncidentEvent, IncidentEventKind, IncidentService,
    IncidentStatus, PathChange, Repository, Review, RevisionKind, RunAttempt, WorkflowRun,
};
use engkpi::domain::{Attributes, CommitId, Fact, Instant, RepositoryId, SourceName};

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) services: u64,
    pub(crate) teams: u64,
}

impl Size {
    /// A thousand facts a service.
    pub(crate) const FULL: Self = Self { services: 1_000, teams: 50 };

    /// A twentieth of it, for a quick look.
    pub(crate) const SHORT: Self = Self { services: 50, teams: 5 };
}

// What one service leaves behind in three years.
const CHANGES: u64 = 180;
const DEPLOYMENTS: u64 = 220;
const RUNS: u64 = 186;
const INCIDENTS: u64 = 20;
/// Decision records of the first service of every team.
const RECORDS: u64 = 30;
const DAYS: i64 = 3 * 365;

/// Every service from this one on lives in a repository of twenty.
const SHARING: u64 = 940;
const SHARED_BY: u64 = 20;

/// Three years that end now. The clock of the benchmark starts here.
pub(crate) fn now() -> Instant {
    "2026-11-18T10:00:00Z".parse().expect("an instant")
}

fn start() -> Instant {
    now() - Duration::days(DAYS)
}

/// The source of everything about code.
pub(crate) fn code() -> SourceName {
    SourceName::from("github")
}

/// The source of incidents.
pub(crate) fn incidents() -> SourceName {
    SourceName::from("pagerduty")
}

pub(crate) fn service_name(service: u64) -> String {
    format!("service-{service:04}")
}

/// The number of the repository that a service lives in.
fn repository_of(service: u64) -> u64 {
    if service < SHARING { service } else { SHARING + (service - SHARING) / SHARED_BY }
}

fn repository_id(service: u64) -> RepositoryId {
    RepositoryId::of(&code(), 700_000_000 + repository_of(service))
}

fn repository_name(service: u64) -> String {
    match repository_of(service) {
        own if own < SHARING => format!("acme/{}", service_name(service)),
        shared => format!("acme/shared-{shared}"),
    }
}

/// Where a service's files are.
fn folder(service: u64) -> String {
    if service < SHARING { "src".to_owned() } else { format!("services/{}", service_name(service)) }
}

/// The configuration with which the facts are judged.
pub(crate) fn configuration(size: Size) -> String {
    let history_start = start().date_naive();
    let mut text = format!(
        "[sources.github]\ntype = \"github\"\norganisation = \"acme\"\n\
         token = {{ env = \"BENCH\" }}\nhistory_start = {history_start}\n\
         [sources.pagerduty]\ntype = \"pagerduty\"\ntoken = {{ env = \"BENCH\" }}\n\
         history_start = {history_start}\n\
         [baseline]\nstart = {}\nend = {}\n",
        history_start + Duration::days(10),
        history_start + Duration::days(190),
    );
    for team in 0..size.teams {
        let _ = writeln!(text, "[teams.team-{team:02}]");
        let repository = repository_name(team);
        let _ = writeln!(text, "[rules.decisions.\"{repository}\"]\nfolders = [\"docs/adr\"]");
    }
    for service in 0..size.services {
        let name = service_name(service);
        let _ = writeln!(
            text,
            "[services.{name}]\nteam = \"team-{:02}\"\nrepository = \"{}\"\n\
             pagerduty = [\"{}\"]",
            service % size.teams,
            repository_name(service),
            incident_service(service)
        );
        if service >= SHARING {
            let _ = writeln!(
                text,
                "paths = [\"{}/**\"]\n\
                 deployments = {{ environments = [\"production\"], payload = {{ service = \"{name}\" }} }}",
                folder(service)
            );
        } else if regions(service).len() > 1 {
            let _ = writeln!(text, "deployments = {{ environments = [\"eu\", \"us\"] }}");
        }
    }
    text
}

fn incident_service(service: u64) -> String {
    format!("PSVC{service:05}")
}

/// The environments of a service; every third has two.
fn regions(service: u64) -> &'static [&'static str] {
    if service < SHARING && service.is_multiple_of(3) { &["eu", "us"] } else { &["production"] }
}

/// Forty hexadecimal digits that look like chance.
fn sha(repository: u64, number: u64) -> CommitId {
    let mix = |salt: u64| {
        let mut z = (repository << 40 ^ number << 8 ^ salt).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    CommitId::new(format!("{:016x}{:016x}{:08x}", mix(1), mix(2), mix(3) & 0xffff_ffff))
}

/// The commit that merged a change.
fn merge_commit(service: u64, change: u64) -> CommitId {
    sha(service, change * 8)
}

/// When the change of this number was merged.
fn merged_at(service: u64, change: u64) -> Instant {
    let step = Duration::days(DAYS - 1).num_seconds() / CHANGES as i64;
    let shift = (service * 7919 + change * 104_729) % 40_000;
    start() + Duration::seconds(step * change as i64 + shift as i64)
}

fn person(number: u64) -> Actor {
    Actor { login: format!("engineer-{:03}", number % 600).into(), bot: number.is_multiple_of(41) }
}

/// All facts of one service and its source; a shared repository comes with its first service.
pub(crate) fn facts(service: u64, size: Size) -> Vec<(SourceName, Fact)> {
    let first = service < SHARING || (service - SHARING).is_multiple_of(SHARED_BY);
    let mut facts = Vec::new();
    if first {
        facts.push(Fact::Repository(repository(service)));
    }
    for change in 0..CHANGES {
        facts.push(Fact::Change(self::change(service, change)));
        facts.extend(commits(service, change).map(Fact::Commit));
    }
    facts.extend((0..DEPLOYMENTS).map(|number| Fact::Deployment(deployment(service, number))));
    facts.extend((0..RUNS).map(|number| Fact::WorkflowRun(run(service, number))));
    if service < size.teams {
        facts.extend((0..RECORDS).flat_map(|number| record(service, number)));
    }
    let mut facts: Vec<_> = facts.into_iter().map(|fact| (code(), fact)).collect();
    facts.push((
        incidents(),
        Fact::IncidentService(IncidentService {
            id: incident_service(service).into(),
            name: service_name(service).into(),
            created_at: start() - Duration::days(30),
        }),
    ));
    for number in 0..INCIDENTS {
        facts.extend(incident(service, number, size).into_iter().map(|it| (incidents(), it)));
    }
    facts
}

fn repository(service: u64) -> Repository {
    Repository {
        id: repository_id(service),
        name: repository_name(service),
        former_names: Vec::new(),
        default_branch: Some("main".to_owned()),
        head: Some(merge_commit(service, CHANGES - 1)),
        archived: false,
        created_at: start() - Duration::days(100),
        updated_at: now() - Duration::hours(3),
    }
}

/// The number of a change in its repository.
fn number(service: u64, change: u64) -> u64 {
    service % SHARED_BY * 100_000 + change + 1
}

/// Every fifth change is merged with its branch, the others are squashed.
fn keeps_branch(change: u64) -> bool {
    change.is_multiple_of(5)
}

fn change(service: u64, change: u64) -> Change {
    let merged_at = merged_at(service, change);
    let created_at = merged_at - Duration::hours(4 + (service + change) as i64 % 50);
    let file = |name: &str| ChangedPath {
        path: format!("{}/{name}_{}.rs", folder(service), change % 37).into(),
        change: PathChange::Modified,
    };
    Change {
        repository: repository_id(service),
        number: number(service, change),
        author: Some(person(service + change)),
        created_at,
        updated_at: merged_at + Duration::minutes(3),
        created_as_draft: change.is_multiple_of(6),
        ready_for_review_at: change.is_multiple_of(6).then(|| created_at + Duration::hours(1)),
        merged_at: Some(merged_at),
        closed_at: Some(merged_at),
        merge_commit: Some(merge_commit(service, change)),
        head_branch: format!("feature/ticket-{}", service * CHANGES + change).into(),
        base_branch: "main".into(),
        labels: match change % 50 {
            0 => ["hotfix".into()].into(),
            1..20 => ["enhancement".into(), "backend".into()].into(),
            _ => Box::default(),
        },
        commits: (1..=1 + change % 4).map(|n| sha(service, change * 8 + n)).collect(),
        first_commit_at: Some(created_at - Duration::hours(5)),
        reviews: [Review {
            author: Some(person(service + change + 7)),
            submitted_at: created_at + Duration::hours(2),
        }]
        .into(),
        comments: change % 9,
        paths: (!(50..SHARING).contains(&service))
            .then(|| [file("handler"), file("store"), file("handler_test")].into()),
        reverts_commits: if change % 60 == 59 {
            [merge_commit(service, change - 1)].into()
        } else {
            Box::default()
        },
        reverts_changes: Box::default(),
    }
}

fn commits(service: u64, change: u64) -> impl Iterator<Item = Commit> {
    let at = merged_at(service, change);
    let before = (change > 0).then(|| merge_commit(service, change - 1));
    let branch = if keeps_branch(change) { 1 + change % 4 } else { 0 };
    let commit = move |id, parents, at| Commit {
        repository: repository_id(service),
        id,
        parents,
        authored_at: at - Duration::minutes(20),
        committed_at: at,
        reverts: Vec::new(),
    };
    let tip = (branch > 0).then(|| sha(service, change * 8 + branch));
    let base = before.clone();
    let on_branch = (1..=branch).map(move |n| {
        let parent = if n == 1 { base.clone() } else { Some(sha(service, change * 8 + n - 1)) };
        let at = at - Duration::hours(i64::try_from(branch - n).unwrap_or(0) + 1);
        commit(sha(service, change * 8 + n), parent.into_iter().collect(), at)
    });
    let merge = commit(merge_commit(service, change), before.into_iter().chain(tip).collect(), at);
    on_branch.chain([merge])
}

/// A deployment of the newest change at its time. A region follows ten minutes after the other.
fn deployment(service: u64, number: u64) -> Deployment {
    let regions = regions(service);
    let region = number % regions.len() as u64;
    let rollout = number / regions.len() as u64;
    let rollouts = DEPLOYMENTS / regions.len() as u64;
    // The last changes wait.
    let change = rollout * (CHANGES - 3) / rollouts;
    let turn = rollout - (change * rollouts).div_ceil(CHANGES - 3);
    let at =
        merged_at(service, change) + Duration::minutes(25 + 10 * region as i64 + 90 * turn as i64);
    // Now and then the commit before comes back.
    let deployed = if rollout % 40 == 39 { change.saturating_sub(1) } else { change };
    deployed_at(service, deployed, regions[region as usize], number, at)
}

/// A deployment that succeeded a minute before `at`… as seen in the vendor's answer.
fn deployed_at(
    service: u64,
    change: u64,
    environment: &str,
    number: u64,
    at: Instant,
) -> Deployment {
    let failed = number % 25 == 24;
    let end = if failed { DeploymentState::Failure } else { DeploymentState::Success };
    let status =
        |state, minutes: i64| DeploymentStatus { state, at: at - Duration::minutes(minutes) };
    Deployment {
        id: (3_000_000_000 + service * 10_000 + number).to_string().into(),
        repository: repository_id(service),
        commit: merge_commit(service, change),
        environment: environment.into(),
        task: "deploy".into(),
        description: Some("Deploy from the main pipeline".into()),
        payload: Attributes::from([("service", service_name(service))]),
        created_at: at - Duration::minutes(7),
        updated_at: at - Duration::minutes(1),
        statuses: vec![
            status(DeploymentState::Pending, 7),
            status(DeploymentState::InProgress, 6),
            status(end, 1),
        ],
    }
}

/// A deployment that was not there before and finished at `at`, of the change that waits longest.
pub(crate) fn news(service: u64, at: Instant) -> Fact {
    let number = DEPLOYMENTS + 2;
    let mut new = deployed_at(service, CHANGES - 2, regions(service)[0], number, at);
    for status in &mut new.statuses {
        status.at += Duration::minutes(1);
    }
    new.updated_at = at;
    Fact::Deployment(new)
}

fn run(service: u64, number: u64) -> WorkflowRun {
    let change = number * CHANGES / RUNS;
    let at = merged_at(service, change) + Duration::minutes(1);
    WorkflowRun {
        id: (7_000_000_000 + service * 10_000 + number).to_string().into(),
        repository: repository_id(service),
        workflow: "Build and test".into(),
        event: "push".into(),
        branch: Some("main".into()),
        commit: merge_commit(service, change),
        created_at: at,
        updated_at: at + Duration::minutes(9),
        attempts: vec![RunAttempt {
            number: 1,
            started_at: at,
            completed_at: Some(at + Duration::minutes(9)),
            conclusion: Some(if number % 8 == 7 { "failure" } else { "success" }.into()),
        }],
    }
}

fn record(service: u64, number: u64) -> [Fact; 2] {
    let at = start() + Duration::days(30 * number as i64 + 9);
    let revision = |n: u64, revision, status: &str| {
        let committed_at = at + Duration::days(8 * n as i64);
        Fact::DecisionRevision(DecisionRevision {
            repository: repository_id(service),
            path: format!("docs/adr/{number:04}-decision.md").into(),
            commit: sha(service, 900_000 + number * 2 + n),
            authored_at: committed_at,
            committed_at,
            revision,
            status: Some(status.into()),
            front_matter: Attributes::from([("status", status)]),
        })
    };
    [revision(0, RevisionKind::Added, "proposed"), revision(1, RevisionKind::Modified, "accepted")]
}

/// An incident with its log and its alert. Every fourth has a note that names a commit, every
/// eighth the commit of another service.
fn incident(service: u64, number: u64, size: Size) -> Vec<Fact> {
    let step = Duration::days(DAYS - 2) / INCIDENTS as i32;
    let at = start() + step * number as i32 + Duration::minutes((service * 37 % 2000) as i64);
    let id = format!("Q{service:05}{number:04}");
    let open = number == INCIDENTS - 1 && service.is_multiple_of(40);
    let resolved_at = (!open).then(|| at + Duration::minutes(30 + (service + number) as i64 % 300));
    let cause = match number % 8 {
        0 => Some((service + 17) % size.services),
        4 => Some(service),
        _ => None,
    };
    let mut facts = vec![
        Fact::Incident(Incident {
            id: id.clone().into(),
            number: service * INCIDENTS + number,
            service: Some(incident_service(service).into()),
            created_at: at,
            updated_at: resolved_at.unwrap_or(at),
            status: if open { IncidentStatus::Triggered } else { IncidentStatus::Resolved },
            resolved_at,
            priority: Some(format!("P{}", 1 + (service + number) % 5).into()),
            merged: false,
            fields: if number.is_multiple_of(3) {
                Attributes::from([("root_cause", format!("cause-{}", service % 90))])
            } else {
                Attributes::default()
            },
            url: Some(format!("https://acme.pagerduty.com/incidents/{id}").into()),
        }),
        Fact::IncidentAlert(IncidentAlert {
            id: format!("A{id}").into(),
            incident: id.clone().into(),
            created_at: at - Duration::seconds(30),
            rule: None,
        }),
    ];
    let mut log = vec![
        (IncidentEventKind::Trigger, 0),
        (IncidentEventKind::PriorityChange, 2),
        (IncidentEventKind::Acknowledge, 4),
        (IncidentEventKind::Note, 12),
    ];
    if resolved_at.is_some() {
        log.push((IncidentEventKind::Resolve, 30 + (service + number) as i64 % 300));
    }
    facts.extend(log.into_iter().map(|(event, minutes)| {
        let mentions = match (event, cause) {
            (IncidentEventKind::Note, Some(cause)) => {
                let change = number * (CHANGES - 3) / INCIDENTS;
                vec![merge_commit(cause, change).to_string()]
            }
            _ => Vec::new(),
        };
        Fact::IncidentEvent(IncidentEvent {
            id: format!("R{id}{minutes:03}{}", event as u8).into(),
            incident: id.clone().into(),
            at: at + Duration::minutes(minutes),
            event,
            channel: Some("website".into()),
            mentions: mentions.into_iter().map(Into::into).collect(),
        })
    }));
    facts
}
