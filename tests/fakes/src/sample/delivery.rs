//! How changes are made, shipped, and sometimes taken back.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::{Duration, Timelike};
use serde_json::json;

use super::{Calendar, Random, Service, TEAMS};
use crate::time::Instant;
use crate::world::{File, PullStory, Repository};

/// What a production deployment of a service is.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// A deployment; with `payload`, its payload names the service.
    Deployments {
        /// Where to.
        rollout: Rollout,
        /// The repository has several services.
        payload: bool,
    },
    /// A successful run of this workflow.
    Workflow {
        /// Its name.
        name: &'static str,
    },
    /// A release.
    Releases {
        /// Matches its tag.
        tag: &'static str,
    },
}

/// The environments of one rollout, in order.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the name says it")]
pub struct Rollout {
    pub environments: &'static [&'static str],
}

/// A service on its way to production.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) service: &'static Service,
}

impl Line {
    pub(super) fn new(service: &'static Service) -> Self {
        Self { service }
    }
}

/// A deployment that went wrong in a way that woke somebody.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    pub(super) service: &'static Service,
    /// What the incident's field will say: `deployment:ID`, or a commit.
    pub(super) cause: String,
    pub(super) at: Instant,
    pub(super) resolved_at: Instant,
}

/// A pull request that will be opened.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) opened_at: Instant,
    pub(super) title: String,
    pub(super) author: &'static str,
    pub(super) branch: String,
    pub(super) body: String,
    pub(super) labels: Vec<&'static str>,
    /// Indices of the lines that it touches.
    pub(super) lines: Vec<usize>,
    pub(super) commits: Vec<(Instant, Vec<File>)>,
    pub(super) message: Option<String>,
    pub(super) ready_at: Option<Instant>,
    pub(super) reviews: Vec<(Instant, &'static str)>,
    pub(super) outcome: Outcome,
}

/// How a pull request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Squashed(Instant),
    Merged(Instant),
    Closed(Instant),
}

pub(super) const PEOPLE: [&str; 9] =
    ["alice", "bruno", "chen", "dana", "emil", "farah", "goran", "hana", "ines"];

const VERBS: [&str; 8] =
    ["Add", "Fix", "Speed up", "Simplify", "Retry", "Log", "Cache", "Validate"];
const NOUNS: [&str; 8] = [
    "card tokens",
    "the stock lookup",
    "session refresh",
    "price rounding",
    "the address form",
    "webhook signatures",
    "index updates",
    "refund totals",
];

/// Everyday changes of every line.
pub(super) fn plans(lines: &[Line], calendar: &Calendar, random: &mut Random) -> Vec<Plan> {
    let mut found = Vec::new();
    for index in 0..lines.len() {
        for at in calendar.working_times(lines[index].service.changes, random) {
            // A growing organisation.
            if random.chance(0.7 + 0.3 * calendar.progress(at)) {
                found.push(change(lines, index, at, calendar, random));
            }
        }
        // All eight services together: something new every two minutes or so.
        for at in calendar.live_times(16.0, random) {
            found.push(live_change(lines, index, at, random));
        }
    }
    found
}

fn path(service: &Service, random: &mut Random) -> String {
    let folder = service.folder.unwrap_or("src");
    format!("{folder}/{}.rs", random.pick(&["api", "store", "model", "jobs", "routes"]))
}

fn title(random: &mut Random) -> String {
    format!("{} {}", random.pick(&VERBS), random.pick(&NOUNS))
}

/// The people of a team, and somebody to review.
fn people(team: &str, random: &mut Random) -> (&'static str, &'static str) {
    let first = 3 * TEAMS.iter().position(|known| *known == team).unwrap_or_default();
    let author = random.below(3);
    let reviewer = (author + 1 + random.below(2)) % 3;
    (PEOPLE[first + author], PEOPLE[first + reviewer])
}

fn change(
    lines: &[Line],
    index: usize,
    opened_at: Instant,
    calendar: &Calendar,
    random: &mut Random,
) -> Plan {
    let service = lines[index].service;
    let (author, reviewer) = people(service.team, random);
    let bot = random.chance(0.12);
    let better = 1.0 - 0.5 * calendar.progress(opened_at);
    let hours = |hours: f64| Duration::seconds((hours * 3600.0) as i64);
    let started = opened_at - random.about(hours(20.0 * better), 0.8);
    let mut commits = vec![(started, vec![File::from(path(service, random).as_str())])];
    for _ in 0..random.below(3) {
        let at = started + (opened_at - started) / 2;
        commits.push((at, vec![File::from(path(service, random).as_str())]));
    }
    let mut touched = vec![index];
    if lines.len() > 1 && random.chance(0.1) {
        let other = (index + 1) % lines.len();
        touched.push(other);
        commits[0].1.push(File::from(path(lines[other].service, random).as_str()));
    }
    let draft = random.chance(0.2);
    let ready_at = draft.then(|| opened_at + random.about(hours(6.0), 0.6));
    let reviewed = ready_at.unwrap_or(opened_at) + random.about(hours(5.0 * better), 0.9);
    let merged = reviewed + random.about(hours(3.0 * better), 0.9);
    let outcome = match random.unit() {
        share if share < 0.05 => Outcome::Closed(merged),
        share if share < 0.12 => Outcome::Merged(merged),
        _ => Outcome::Squashed(merged),
    };
    Plan {
        opened_at,
        title: if bot { "Bump serde from 1.0.1 to 1.0.2".to_owned() } else { title(random) },
        author: if bot { "renovate[bot]" } else { author },
        branch: format!("{}/{}", service.name, opened_at.timestamp()),
        body: String::new(),
        labels: Vec::new(),
        lines: touched,
        commits,
        message: None,
        ready_at,
        reviews: vec![(reviewed, reviewer)],
        outcome,
    }
}

fn live_change(lines: &[Line], index: usize, opened_at: Instant, random: &mut Random) -> Plan {
    let service = lines[index].service;
    let (author, reviewer) = people(service.team, random);
    let reviewed = opened_at + random.about(Duration::minutes(4), 0.4);
    let merged = reviewed + random.about(Duration::minutes(2), 0.4);
    Plan {
        opened_at,
        title: title(random),
        author,
        branch: format!("{}/{}", service.name, opened_at.timestamp()),
        body: String::new(),
        labels: Vec::new(),
        lines: vec![index],
        commits: vec![(
            opened_at - random.about(Duration::hours(2), 0.6),
            vec![File::from(path(service, random).as_str())],
        )],
        message: None,
        ready_at: None,
        reviews: vec![(reviewed, reviewer)],
        outcome: Outcome::Squashed(merged),
    }
}

/// What happens next in a repository. Ordered by time, then by the order of planning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Open(usize),
    Merge(usize),
    Deploy(usize),
    RollBack(usize),
}

/// What is live of a line.
#[derive(Clone, Debug, Default)]
struct Live {
    commit: String,
    /// What was live before.
    before: Option<String>,
    /// The change that shipped last: its number and its merge commit.
    change: Option<(u64, String)>,
    /// A deployment is on its way.
    pending: bool,
    releases: u64,
}

/// The history of a repository, told in order of time.
pub(super) struct History<'a> {
    repository: &'a mut Repository,
    lines: &'a [Line],
    calendar: &'a Calendar,
    random: &'a mut Random,
    queue: BinaryHeap<Reverse<(Instant, usize, Step)>>,
    plans: Vec<Plan>,
    numbers: Vec<u64>,
    live: Vec<Live>,
    failed: Vec<Failed>,
    steps: usize,
    next_number: u64,
}

impl<'a> History<'a> {
    pub(super) fn new(
        repository: &'a mut Repository,
        lines: &'a [Line],
        calendar: &'a Calendar,
        random: &'a mut Random,
    ) -> Self {
        repository.created_at = calendar.start - Duration::days(30);
        let first = calendar.start - Duration::days(20);
        repository.push(first, "Initial commit", &["README.md", "src/main.rs"]);
        Self {
            repository,
            lines,
            calendar,
            random,
            queue: BinaryHeap::new(),
            plans: Vec::new(),
            numbers: Vec::new(),
            live: vec![Live::default(); lines.len()],
            failed: Vec::new(),
            steps: 0,
            next_number: 1,
        }
    }

    /// Tells it all. Gives back the deployments that caused incidents.
    pub(super) fn tell(mut self, plans: Vec<Plan>) -> Vec<Failed> {
        for line in 0..self.lines.len() {
            self.schedule(self.calendar.start, Step::Deploy(line));
        }
        for plan in plans {
            self.plan(plan);
        }
        while let Some(Reverse((at, _, step))) = self.queue.pop() {
            match step {
                _ if at >= self.calendar.end => {}
                Step::Open(plan) => self.open(plan),
                Step::Merge(plan) => self.merge(plan, at),
                Step::Deploy(line) => self.deploy(line, at),
                Step::RollBack(line) => self.roll_back(line, at),
            }
        }
        self.repository.pulls.sort_by_key(|pull| pull.number);
        self.failed
    }

    fn schedule(&mut self, at: Instant, step: Step) {
        self.steps += 1;
        self.queue.push(Reverse((whole(at), self.steps, step)));
    }

    fn plan(&mut self, plan: Plan) {
        let index = self.plans.len();
        self.schedule(plan.opened_at, Step::Open(index));
        if let Outcome::Squashed(at) | Outcome::Merged(at) = plan.outcome {
            self.schedule(at, Step::Merge(index));
        }
        self.plans.push(plan);
        self.numbers.push(0);
    }

    fn open(&mut self, index: usize) {
        self.numbers[index] = self.next_number;
        self.next_number += 1;
        if matches!(self.plans[index].outcome, Outcome::Closed(_)) {
            self.write(index);
        }
    }

    fn write(&mut self, index: usize) -> String {
        let plan = self.plans[index].clone();
        self.repository.pull(self.numbers[index], whole(plan.opened_at), |pull| plan.tell(pull))
    }

    fn merge(&mut self, index: usize, at: Instant) {
        let sha = self.write(index);
        let urgent = !self.plans[index].labels.is_empty() || self.plans[index].message.is_some();
        for line in self.plans[index].lines.clone() {
            let live = &mut self.live[line];
            live.change = Some((self.numbers[index], sha.clone()));
            if !live.pending {
                live.pending = true;
                let delay = self.delay(at, urgent);
                self.schedule(at + delay, Step::Deploy(line));
            }
        }
        self.test_run(&sha, at);
    }

    /// How long a merged change waits for its deployment.
    fn delay(&mut self, at: Instant, urgent: bool) -> Duration {
        let (from, to) = self.calendar.live();
        if (from..to).contains(&at) {
            return self.random.about(Duration::minutes(3), 0.4);
        }
        let hours = if urgent { 0.4 } else { 30.0 - 22.0 * self.calendar.progress(at) };
        self.random.about(Duration::minutes((hours * 60.0) as i64), 0.7)
    }

    fn test_run(&mut self, sha: &str, at: Instant) {
        let minutes = 4 + self.random.below(8) as i64;
        let flaky = self.random.chance(0.1);
        self.repository.run("Test", sha, at, |run| {
            let end = at + Duration::minutes(minutes);
            run.attempt(at, end, if flaky { "failure" } else { "success" });
            if flaky {
                let again = end + Duration::minutes(5);
                run.attempt(again, again + Duration::minutes(minutes), "success");
            }
        });
    }

    fn deploy(&mut self, line: usize, at: Instant) {
        self.live[line].pending = false;
        let Some(head) = self.repository.pushes.last().map(|(_, sha)| sha.clone()) else { return };
        if self.random.chance(0.04) {
            self.ship(line, &head, at, "failure", None);
            let again = at + self.random.about(Duration::minutes(25), 0.4);
            self.live[line].pending = true;
            self.schedule(again, Step::Deploy(line));
            return;
        }
        let (finished, cause) = self.ship(line, &head, at, "success", None);
        let live = &mut self.live[line];
        let before = std::mem::replace(&mut live.commit, head);
        live.before = Some(before).filter(|before| !before.is_empty());
        let risk = 0.19 - 0.09 * self.calendar.progress(at);
        if live.before.is_some() && self.random.chance(risk) {
            self.go_wrong(line, finished, cause);
        }
    }

    fn go_wrong(&mut self, line: usize, finished: Instant, cause: String) {
        let service = self.lines[line].service;
        let detected = finished + self.random.about(Duration::minutes(15), 0.6);
        let releases = matches!(service.rule, Rule::Releases { .. });
        match self.random.unit() {
            share if share < 0.4 => {
                let better = 1.0 - 0.4 * self.calendar.progress(finished);
                let minutes = (70.0 * better) as i64;
                let resolved_at = detected + self.random.about(Duration::minutes(minutes), 0.8);
                self.failed.push(Failed { service, cause, at: detected, resolved_at });
                self.hotfix(line, detected, resolved_at - Duration::minutes(20));
            }
            share if share < 0.65 && !releases => {
                self.schedule(detected + Duration::minutes(10), Step::RollBack(line));
            }
            share if share < 0.85 => self.revert(line, detected),
            _ => self.hotfix(line, detected, detected + Duration::hours(3)),
        }
    }

    fn roll_back(&mut self, line: usize, at: Instant) {
        let live = self.live[line].clone();
        let Some(before) = live.before else { return };
        let said = self.random.chance(0.6).then_some("rollback to the version before");
        self.ship(line, &before, at, "success", said);
        self.live[line].before = None;
        self.live[line].commit = before;
    }

    fn revert(&mut self, line: usize, at: Instant) {
        let Some((number, sha)) = self.live[line].change.clone() else { return };
        let at = at + self.random.about(Duration::hours(3), 0.6);
        let service = self.lines[line].service;
        let (author, reviewer) = people(service.team, self.random);
        let touched = File::from(path(service, self.random).as_str());
        self.plan(Plan {
            opened_at: at,
            title: format!("Revert \"Change {number}\""),
            author,
            branch: format!("revert-{number}-{}", service.name),
            body: format!("Reverts acme/{}#{number}", service.repository),
            labels: Vec::new(),
            lines: vec![line],
            commits: vec![(at, vec![touched])],
            message: Some(format!("Revert \"Change {number}\"\n\nThis reverts commit {sha}.")),
            ready_at: None,
            reviews: vec![(at + Duration::minutes(8), reviewer)],
            outcome: Outcome::Squashed(at + Duration::minutes(15)),
        });
    }

    fn hotfix(&mut self, line: usize, at: Instant, merged: Instant) {
        let service = self.lines[line].service;
        let (author, reviewer) = people(service.team, self.random);
        let merged = merged.max(at + Duration::minutes(10));
        let touched = File::from(path(service, self.random).as_str());
        self.plan(Plan {
            opened_at: at + Duration::minutes(5),
            title: format!("Repair {}", service.name),
            author,
            branch: format!("hotfix/{}-{}", service.name, at.timestamp()),
            body: String::new(),
            labels: vec!["hotfix"],
            lines: vec![line],
            commits: vec![(at + Duration::minutes(3), vec![touched])],
            message: None,
            ready_at: None,
            reviews: vec![(merged - Duration::minutes(2), reviewer)],
            outcome: Outcome::Squashed(merged),
        });
    }

    /// Brings a commit to production, or fails to. Gives back when the first environment had it,
    /// and what an incident would name as its cause.
    fn ship(
        &mut self,
        line: usize,
        sha: &str,
        at: Instant,
        outcome: &str,
        said: Option<&str>,
    ) -> (Instant, String) {
        let service = self.lines[line].service;
        let took = self.random.about(Duration::minutes(5), 0.4);
        let finished = whole(at + took);
        match service.rule {
            Rule::Deployments { rollout, payload } => {
                let mut cause = String::new();
                for (nth, environment) in (0..).zip(rollout.environments) {
                    let later = Duration::minutes(9 * nth);
                    let id = self.repository.deployment(environment, sha, at + later, |it| {
                        it.status(at + later, "queued");
                        it.status(at + later + Duration::seconds(20), "in_progress");
                        it.status(finished + later, outcome);
                        if payload {
                            it.payload = json!({"service": service.name});
                        }
                        it.description = said.map(str::to_owned);
                    });
                    if cause.is_empty() {
                        cause = format!("deployment:{id}");
                    }
                }
                (finished, cause)
            }
            Rule::Workflow { name } => {
                self.repository.run(name, sha, at, |run| {
                    run.attempt(at, finished, outcome);
                });
                (finished, sha.to_owned())
            }
            Rule::Releases { .. } => {
                if outcome == "success" {
                    self.live[line].releases += 1;
                    let tag = format!("v1.{}.0", self.live[line].releases);
                    self.repository.release(&tag, sha, finished, |_| {});
                }
                (finished, sha.to_owned())
            }
        }
    }
}

impl Plan {
    fn tell(&self, pull: &mut PullStory<'_>) {
        pull.title(&self.title).author(self.author).branch(&self.branch).body(&self.body);
        for label in &self.labels {
            pull.label(label);
        }
        for (n, (at, files)) in self.commits.iter().enumerate() {
            let message = if n == 0 { self.title.clone() } else { format!("Review remarks {n}") };
            let at = whole((*at).min(self.opened_at));
            pull.commit_files(at, &message, files.clone());
        }
        if let Some(at) = self.ready_at {
            pull.draft().ready(whole(at));
        }
        for (at, reviewer) in &self.reviews {
            pull.review(whole(*at), reviewer).comment(whole(*at), reviewer);
        }
        match (self.outcome, &self.message) {
            (Outcome::Squashed(at), Some(message)) => pull.squash_with(whole(at), message),
            (Outcome::Squashed(at), None) => pull.squash(whole(at)),
            (Outcome::Merged(at), _) => pull.merge(whole(at)),
            (Outcome::Closed(at), _) => pull.close(whole(at)),
        };
    }
}

/// The vendors know whole seconds only.
fn whole(at: Instant) -> Instant {
    at.with_nanosecond(0).unwrap_or(at)
}
