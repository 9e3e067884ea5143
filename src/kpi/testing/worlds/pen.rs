//! Who tells of what happens in a world.

use chrono::{DurationRound, TimeDelta};

use super::Event;
use crate::domain::Instant;

/// Who tells of an event, in no particular order; what happens often is there more than once.
pub(super) const WRITERS: [fn(&mut Pen, Event); 26] = [
    merge,
    merge,
    deploy,
    deploy,
    deploy,
    run,
    run,
    incident,
    incident,
    happen,
    happen,
    happen,
    learn,
    issue,
    follow,
    follow,
    finding,
    follow_finding,
    hold,
    propose,
    record,
    register,
    answer,
    answer,
    cost,
    count,
];

/// What there is so far.
#[derive(Debug, Default)]
pub(super) struct Pen {
    pub(super) lines: Vec<String>,
    pub(super) scene: usize,
    pub(super) now: Instant,
    /// Commits of each repository.
    commits: [Vec<String>; 3],
    changes: usize,
    runs: usize,
    incidents: usize,
    issues: usize,
    /// The labels that each issue has.
    labels: Vec<Vec<String>>,
    findings: usize,
    proposals: Vec<(usize, bool)>,
    answered: Vec<String>,
}

const REPOSITORIES: [&str; 3] = ["mono", "pay", "sdk"];
const FIRST: [&str; 3] = ["m0", "p0", "s0"];

impl Pen {
    pub(super) fn new(scene: Vec<String>, now: Instant) -> Self {
        Self { scene: scene.len(), lines: scene, now, ..Self::default() }
    }

    fn write(&mut self, text: &str) {
        self.lines.push(format!("{} {text}", self.now.format("%Y-%m-%dT%H:%M:%S")));
    }

    /// The same at the beginning of the day or of the hour.
    fn write_at_start(&mut self, of: TimeDelta, text: &str) {
        let at = self.now.duration_trunc(of).expect("a day and an hour are short");
        self.lines.push(format!("{} {text}", at.format("%Y-%m-%dT%H:%M:%S")));
    }

    fn commit(&self, repository: usize, of: usize) -> String {
        let commits = &self.commits[repository];
        let known = [FIRST[repository].to_owned()];
        commits
            .iter()
            .rev()
            .chain(&known)
            .nth(of % (commits.len() + 1))
            .cloned()
            .unwrap_or_default()
    }
}

fn pick<'a>(from: &[&'a str], index: usize) -> &'a str {
    from[index % from.len()]
}

fn merge(pen: &mut Pen, it: Event) {
    let repository = it.of % 3;
    pen.changes += 1;
    let number = pen.changes;
    let touched = pick(&["api/a", "web/b", "api/a,web/b", "README.md", "web/deep/c"], it.how);
    let by = pick(&["alice", "bob", "renovate[bot]", "carol"], it.more);
    let written = (pen.now - TimeDelta::hours(30)).format("%Y-%m-%dT%H:%M");
    let reviewed = (pen.now - TimeDelta::minutes(20)).format("%Y-%m-%dT%H:%M");
    let more = match it.of / 3 {
        0 => " labels hotfix".to_owned(),
        1 => format!(" reverts {}", pen.commit(repository, it.how)),
        2 | 3 => format!(" written {written}"),
        4 => format!(" reviewed {reviewed}=dave"),
        _ => String::new(),
    };
    let text = format!(
        "merge {}#{number} as k{number} by {by} touches {touched}{more}",
        REPOSITORIES[repository]
    );
    pen.write(&text);
    pen.commits[repository].push(format!("k{number}"));
}

fn deploy(pen: &mut Pen, it: Event) {
    let repository = it.of % 2;
    let commit = pen.commit(repository, it.how % 4);
    let to = pick(&["production", "production", "production", "staging"], it.more);
    let how = pick(&["", "", "", "failed", "task rollback", "stuck"], it.of / 2);
    let id = pen.lines.len();
    pen.write(&format!("deploy {} {commit} id d{id} to {to} {how}", REPOSITORIES[repository]));
}

fn run(pen: &mut Pen, it: Event) {
    pen.runs += 1;
    let (run, ended) = (pen.runs, (pen.now + TimeDelta::minutes(9)).format("%Y-%m-%dT%H:%M"));
    let (repository, workflow) = [(2, "Deploy"), (0, "Contract"), (1, "CI")][it.of % 3];
    let commit = pen.commit(repository, it.how % 3);
    let conclusion = pick(&["success", "success", "failure"], it.more);
    let branch = pick(&["main", "main", "topic"], it.how / 3);
    let name = REPOSITORIES[repository];
    pen.write(&format!(
        "run {name} {workflow} {commit} id r{run} branch {branch} finished {ended} conclusion {conclusion}"
    ));
    if repository == 1 {
        let passed = pick(&["success", "failure"], it.more / 3);
        pen.write(&format!("job pay r{run} pact {passed}"));
    }
}

fn incident(pen: &mut Pen, it: Event) {
    pen.incidents += 1;
    let id = pen.incidents;
    let priority = pick(&["P1", "P2", "P3", "P1", "-"], it.of);
    let service = pick(&["PAPI", "PWEB", "PPAY", "PSDK", "PNOBODY"], it.how);
    pen.write(&format!("incident i{id} {priority} on {service}"));
    if !it.more.is_multiple_of(3) {
        let cause = pick(&["dns", "db~pool", "config"], it.more / 3);
        pen.write(&format!("field i{id} root_cause {cause}"));
    } else if it.how.is_multiple_of(2) {
        pen.write(&format!("field i{id} problem PROB-{}", it.of % 3));
    }
}

fn happen(pen: &mut Pen, it: Event) {
    if pen.incidents == 0 {
        return incident(pen, it);
    }
    let id = pen.incidents - it.of % pen.incidents.min(4);
    let verb = pick(
        &[
            "resolve",
            "resolve",
            "ack",
            "reopen",
            "alert",
            "resolve by timeout",
            "fold",
            "priority",
            "note",
        ],
        it.how,
    );
    let (verb, rest) = verb.split_once(' ').unwrap_or((verb, ""));
    let rest = match verb {
        "priority" => pick(&["P1", "P4", "-"], it.more).to_owned(),
        "note" => format!("naming {}", pen.commit(it.more % 2, it.more / 2)),
        "alert" => pick(&["", "of Slow", "of Quick", "of Unseen"], it.more).to_owned(),
        _ => rest.to_owned(),
    };
    pen.write(&format!("{verb} i{id} {rest}"));
}

fn rule(pen: &mut Pen, it: Event) {
    let name = pick(&["Slow", "Quick"], it.of);
    let seconds = pick(&["30", "330", "3700", "?"], it.how);
    pen.write(&format!("rule {name} takes {seconds}"));
}

fn learn(pen: &mut Pen, it: Event) {
    if pen.incidents == 0 {
        return incident(pen, it);
    }
    let id = pen.incidents - it.of % pen.incidents;
    let fault = (pen.now - TimeDelta::hours(1 << (it.more / 2))).format("%Y-%m-%dT%H:%M");
    let what = pick(&["cause dns", "category network", "impact few", ""], it.how);
    let fault = if it.more.is_multiple_of(2) { format!("fault {fault}") } else { String::new() };
    pen.write(&format!("learnt i{id} {what} {fault}"));
}

fn issue(pen: &mut Pen, it: Event) {
    pen.issues += 1;
    let labels = pick(&["debt,major", "debt", "major", "debt,major", "bug"], it.how);
    let silent = pick(&["", "", "silent"], it.more);
    let name = REPOSITORIES[pen.issues % 3];
    let number = pen.issues;
    pen.labels.push(labels.split(',').map(str::to_owned).collect());
    pen.write(&format!("issue {name}#{number} labels {labels} {silent}"));
}

fn follow(pen: &mut Pen, it: Event) {
    if pen.issues == 0 {
        return issue(pen, it);
    }
    let number = pen.issues - it.of % pen.issues.min(4);
    let name = REPOSITORIES[number % 3];
    let what = pick(
        &["close_issue", "close_issue", "reopen_issue", "label", "unlabel", "close_issue"],
        it.how,
    );
    let label = pick(&["major", "debt", "tech-debt"], it.more);
    let labels = &mut pen.labels[number - 1];
    let has = labels.iter().position(|it| it == label);
    let rest = match (what, has) {
        // Nothing is put on or taken off twice.
        ("label", Some(_)) | ("unlabel", None) => return,
        ("label", None) => {
            labels.push(label.to_owned());
            label
        }
        ("unlabel", Some(at)) => {
            labels.remove(at);
            label
        }
        ("close_issue", _) => pick(&["", "", "unplanned"], it.more),
        _ => "",
    };
    pen.write(&format!("{what} {name}#{number} {rest}"));
}

fn finding(pen: &mut Pen, it: Event) {
    pen.findings += 1;
    let place = pick(&["mono", "pay", "acme/sdk", "@web", "mono"], it.of);
    let severity = pick(&["critical", "high", "moderate", "low", "critical", "-"], it.how);
    let tool = pick(&["", "", "tool trivy", "tool secret_scanning"], it.more);
    let file = pick(&["", "in api/x", "in web/y", "in z"], it.more / 4);
    let number = pen.findings;
    pen.write(&format!("finding {place} f{number} {severity} {tool} {file}"));
}

fn follow_finding(pen: &mut Pen, it: Event) {
    if pen.findings == 0 || it.more == 0 {
        let off = pick(&["", "off"], it.how);
        let place = pick(&["mono", "pay", "sdk"], it.of);
        return pen.write(&format!(
            "feed {place} {} {off}",
            pick(&["trivy", "code_scanning"], it.of / 3)
        ));
    }
    let number = pen.findings - it.of % pen.findings.min(4);
    let verb = pick(&["fix", "fix", "dismiss", "auto_dismiss", "back"], it.how);
    pen.write(&format!("{verb} f{number}"));
}

fn hold(pen: &mut Pen, it: Event) {
    let name = pick(&REPOSITORIES, it.of);
    let text = match it.how % 8 {
        0 => format!("holds {name} CODEOWNERS file CODEOWNERS"),
        1 => format!("holds {name} CODEOWNERS"),
        2 => format!("holds {name} LICENSE* file LICENSE says Apache"),
        3 => format!("holds {name} LICENSE* file LICENSE unreadable"),
        4 => format!(
            "holds {name} .github/workflows/*.yml file .github/workflows/ci.yml says uses:~acme/ci@v1"
        ),
        5 => format!("holds {name} .github/workflows/*.yaml"),
        6 => format!("properties {name} tier={}", pick(&["gold", "iron"], it.more)),
        _ => format!("archive {name}"),
    };
    pen.write(&text);
}

fn propose(pen: &mut Pen, it: Event) {
    match pen.proposals.iter().position(|(_, ended)| !ended) {
        Some(open) if !it.how.is_multiple_of(3) => {
            let number = pen.proposals[open].0;
            pen.proposals[open].1 = true;
            if it.how % 3 == 1 {
                return pen.write(&format!("close mono#{number}"));
            }
            pen.write(&format!("land mono#{number} as l{number}"));
            let status = pick(&["Accepted", "Rejected", "Proposed", "-"], it.more);
            pen.write(&format!("record mono l{number} docs/adr/{number}.md {status}"));
        }
        _ => {
            let number = 10_000 + pen.proposals.len();
            pen.proposals.push((number, false));
            let touches = pick(&["", "touches api/a,web/b", "touches web/b"], it.of);
            pen.write(&format!(
                "propose mono#{number} adds docs/adr/{number}.md {touches} comments 2"
            ));
        }
    }
}

fn record(pen: &mut Pen, it: Event) {
    let at = pen.lines.len();
    let status = pick(&["Proposed", "Draft", "Accepted", "Rejected", "Accepted"], it.how);
    let name = pick(&["pay", "mono"], it.of);
    pen.write(&format!("record {name} e{at} docs/adr/{}.md {status}", it.more % 5));
}

fn register(pen: &mut Pen, it: Event) {
    let at = pen.lines.len();
    let day = TimeDelta::days(1);
    let whose = pick(&["service web", "service pay", "team money", "team core", ""], it.of);
    match it.how % 4 {
        0 => {
            let closed = (pen.now + TimeDelta::days(1 + it.more as i64)).format("%Y-%m-%dT00:00");
            let how = pick(&["", "dropped", "minor"], it.more);
            let closed =
                if it.more.is_multiple_of(4) { String::new() } else { format!("closed {closed}") };
            pen.write_at_start(day, &format!("owes o{at} {whose} {closed} {how}"));
        }
        1 => {
            let service = pick(&["service web", "service pay", "service api"], it.of);
            let test = pick(&["test Contract", "test CI", ""], it.more);
            pen.write_at_start(day, &format!("exposes b{at} {service} {test}"));
        }
        2 => {
            let ago = TimeDelta::days(7 * it.more as i64);
            let at_day = (pen.now - ago).format("%Y-%m-%dT00:00:00");
            pen.lines.push(format!("{at_day} escalation x{at} {whose}"));
        }
        _ => {
            let person = pick(&["alice", "bob", "carol"], it.more);
            let evidence = pick(&["", "evidence https://wiki.example/talk"], it.of / 5);
            let team = pick(&["team core", "team money", ""], it.of);
            pen.write_at_start(day, &format!("grew g{at} {person} {evidence} {team}"));
        }
    }
}

/// A cell of a survey. One cell is answered once.
fn answer(pen: &mut Pen, it: Event) {
    let (wave, about) =
        [("w0", "flow"), ("w1", "flow"), ("w1", "load"), ("s1", "score")][it.of % 4];
    let who = match wave {
        "s1" => pick(&["group sales", "group ops", "group sales team core"], it.of / 4),
        _ => pick(&["team core", "team money", "team tools", "team elsewhere"], it.of / 4),
    };
    let cell = format!("answers {wave} {about} {who}");
    if pen.answered.contains(&cell) {
        return;
    }
    let scores = (0..3 + it.more % 9).map(|n| (1 + (n * it.how + it.more) % 5).to_string());
    let scores: Vec<String> = scores.collect();
    // What sets the scene has no time.
    pen.lines.push(format!("{cell} {}", scores.join(",")));
    pen.answered.push(cell);
}

fn cost(pen: &mut Pen, it: Event) {
    let day = TimeDelta::days(1);
    let tag = pick(&["web", "pay", "-", "api", "unheard-of"], it.of);
    let currency = if it.more == 23 { "USD" } else { "EUR" };
    pen.write_at_start(day, &format!("cost {tag} {}.5 {currency}", 1 + it.how));
    let service = pick(&["web", "pay", "api"], it.more);
    let unit = pick(&["request", "request", "order"], it.how);
    pen.write_at_start(day, &format!("units {service} {unit} {}", 100 * it.more));
}

pub(super) fn count(pen: &mut Pen, it: Event) {
    let hour = TimeDelta::hours(1);
    let hours = pick(&["", "for 30", "for 200", "covered 5"], it.more);
    let (some, all) = (it.of * 4, 100 + it.how * 40);
    if it.more.is_multiple_of(5) {
        rule(pen, it);
    }
    let text = match it.of % 7 {
        0 => {
            format!("hour checkout {hours} 0.1:{some} 0.3:{} 1:{all} +Inf:{all}", some.max(all / 2))
        }
        1 => format!("hour search {hours} 0.5:{some} 1:{all} +Inf:{}", all + it.more),
        2 => {
            let missed = pick(&["", "missed 0", "missed 4,6", "missed 9,10,11"], it.how);
            let bad = swinging(it, it.more);
            let counts = format!("bad:{bad} total:{all} valid:12 met:{}", it.how % 13);
            format!("hour up {hours} {missed} {counts}")
        }
        3 => format!("hour tick {hours} bad:{} total:{all} valid:12 met:{}", it.how, it.more % 13),
        5 => format!("hour visits {hours} total:{all}"),
        4 => format!("hour all {hours} bad:{} total:{all} valid:6 met:6", swinging(it, it.how)),
        _ => {
            let slo = pick(&["up", "tick", "all"], it.more);
            return pen.write(&format!("burn {slo} 5m:{}/{all} 1h:{}/{all}", it.how % 3, it.how));
        }
    };
    pen.write_at_start(hour, &text);
}

/// So many bad events, or in every third hour slightly less than none.
fn swinging(it: Event, bad: usize) -> String {
    if it.more % 3 == 2 { "-0.5".to_owned() } else { bad.to_string() }
}
