//! Issues, alerts, contents, properties and jobs.

use chrono::Duration;
use engkpi::domain::Kind;
use engkpi::domain::fact::{
    ClosedAs, FileText, Finding, FindingEventKind, FindingFeed, Issue, IssueEventKind, WorkflowJob,
};
use engkpi_fakes::world::{File, Token};
use engkpi_fakes::{Fault, GITHUB_TOKEN};
use serde_json::json;

use super::*;

impl Site {
    async fn issues(&self) -> Vec<Issue> {
        let facts = self.facts(Kind::Issue).await.into_iter();
        facts.filter_map(|it| if let Fact::Issue(it) = it { Some(it) } else { None }).collect()
    }

    async fn findings(&self) -> Vec<Finding> {
        let facts = self.facts(Kind::Finding).await.into_iter();
        facts.filter_map(|it| if let Fact::Finding(it) = it { Some(it) } else { None }).collect()
    }

    async fn feeds(&self) -> Vec<(String, bool)> {
        let facts = self.facts(Kind::FindingFeed).await.into_iter();
        let feeds = facts.filter_map(|it| match it {
            Fact::FindingFeed(FindingFeed { tool, readable, .. }) => Some((tool, readable)),
            _ => None,
        });
        feeds.collect()
    }

    /// What is known of each pattern.
    async fn contents(&self) -> BTreeMap<String, BTreeMap<String, FileText>> {
        let facts = self.facts(Kind::Contents).await.into_iter();
        let contents = facts.filter_map(|it| match it {
            Fact::Contents(it) => Some((it.pattern, it.files)),
            _ => None,
        });
        contents.collect()
    }

    async fn jobs(&self) -> Vec<WorkflowJob> {
        let facts = self.facts(Kind::WorkflowJob).await.into_iter();
        facts
            .filter_map(|it| if let Fact::WorkflowJob(it) = it { Some(it) } else { None })
            .collect()
    }
}

fn labelled() -> Needs {
    let mut needs = Needs::default();
    needs.entry("acme/shop").issue_labels.insert("debt".to_owned());
    needs
}

fn watched(tools: &[&str]) -> Needs {
    let mut needs = Needs::default();
    needs.entry("acme/shop").finding_tools.extend(tools.iter().map(|&it| it.to_owned()));
    needs
}

fn holding(paths: &[(&str, bool)]) -> Needs {
    let mut needs = Needs::default();
    let contents = &mut needs.entry("acme/shop").contents;
    contents.extend(paths.iter().map(|&(path, text)| (path.to_owned(), text)));
    needs
}

const ORGANISATION: &str = "organisation = \"acme\"";

#[tokio::test]
async fn issues_come_with_what_became_of_their_labels_and_of_themselves() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    shop.issue(1, "2025-06-01 09:00", &["Debt", "major"], |issue| {
        issue
            .close("2026-02-01 09:00")
            .reopen("2026-02-02 09:00")
            .close_as("2026-03-01 09:00", "NOT_PLANNED")
            .unlabel("2026-03-02 09:00", "major");
    });
    shop.issue(2, "2026-02-01 09:00", &["bug"], |_| {});
    shop.issue(3, "2026-02-01 09:00", &["debt"], |issue| {
        issue.unlabel("2026-02-05 09:00", "debt");
    });
    shop.pull(4, "2026-02-01 09:00", |pull| {
        pull.label("debt");
    });
    let site = Site::with(world, labelled(), ORGANISATION).await;
    site.poll().await;
    let issues = site.issues().await;
    let numbers: Vec<_> = issues.iter().map(|it| it.number).collect();
    assert_eq!(numbers, [1, 3], "those that have or had the label, and no pull request");
    let issue = &issues[0];
    assert_eq!(issue.labels, ["Debt"]);
    assert_eq!(issue.closed_at, Some(at("2026-03-01 09:00")));
    assert_eq!(issue.closed_as, Some(ClosedAs::NotPlanned));
    let kinds: Vec<_> = issue.events.iter().map(|it| it.event.clone()).collect();
    assert_eq!(
        kinds,
        [
            IssueEventKind::Labeled("Debt".to_owned()),
            IssueEventKind::Labeled("major".to_owned()),
            IssueEventKind::Closed(ClosedAs::Completed),
            IssueEventKind::Reopened,
            IssueEventKind::Closed(ClosedAs::NotPlanned),
            IssueEventKind::Unlabeled("major".to_owned()),
        ]
    );
}

#[tokio::test]
async fn all_pages_of_issues_and_of_their_logs_are_read() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    for number in 1..=250_u32 {
        let at = at("2026-01-02 00:00") + Duration::hours(i64::from(number));
        shop.issue(u64::from(number), at, &["debt"], |_| {});
    }
    shop.issue(251, "2026-03-01 00:00", &["debt"], |issue| {
        for hour in 0..130 {
            issue.label(at("2026-03-01 01:00") + Duration::hours(hour), &format!("label-{hour}"));
        }
    });
    let site = Site::with(world, labelled(), ORGANISATION).await;
    site.poll().await;
    let issues = site.issues().await;
    assert_eq!(issues.len(), 251);
    let long = issues.iter().find(|it| it.number == 251).unwrap();
    assert_eq!((long.labels.len(), long.events.len()), (131, 131));
}

#[tokio::test]
async fn an_issue_that_changes_is_read_again_and_one_that_is_gone_goes_when_reconciling() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    for number in 1..=120_u32 {
        let at = at("2026-01-02 00:00") + Duration::hours(i64::from(number));
        shop.issue(u64::from(number), at, &["debt"], |_| {});
    }
    let site = Site::with(world, labelled(), ORGANISATION).await;
    site.poll().await;
    site.fakes.github.clear_requests();
    site.set_now("2026-04-01 13:00");
    site.poll().await;
    assert!(site.fakes.github.requests_to("Issues").is_empty(), "nothing moved");
    site.fakes.edit(|world| {
        let shop = world.repository_mut("shop");
        shop.issue_mut(3).close("2026-04-01 13:30");
        shop.issue_mut(7).deleted_at = Some(at("2026-04-01 13:30"));
    });
    site.set_now("2026-04-01 14:00");
    site.poll().await;
    assert_eq!(site.fakes.github.requests_to("Issues").len(), 1, "one page is enough");
    let issues = site.issues().await;
    let closed: Vec<_> = issues.iter().filter(|it| it.closed_as.is_some()).collect();
    assert_eq!((closed.len(), closed[0].number), (1, 3));
    assert_eq!(issues.len(), 120);
    site.reconcile().await;
    assert_eq!(site.issues().await.len(), 119);
}

#[tokio::test]
async fn a_label_that_is_asked_for_later_brings_its_issues() {
    let mut world = world();
    world.repository_mut("shop").issue(1, "2026-02-01 09:00", &["chore"], |_| {});
    let site = Site::with(world, labelled(), ORGANISATION).await;
    site.poll().await;
    assert!(site.issues().await.is_empty());
    let mut needs = labelled();
    needs.entry("acme/shop").issue_labels.insert("chore".to_owned());
    let now = at("2026-04-01 12:00");
    let Site { fakes, store, .. } = site;
    let site = Site { store, ..Site::on(fakes, now, needs, ORGANISATION) };
    site.poll().await;
    assert_eq!(site.issues().await.len(), 1);
}

#[tokio::test]
async fn issues_that_are_refused_are_unknown_and_switched_off_ones_are_told() {
    let with_issue = || {
        let mut world = world();
        world.repository_mut("shop").issue(1, "2026-02-01 09:00", &["debt"], |_| {});
        world
    };
    let denied = with_issue().github_token(Token::full(GITHUB_TOKEN).without("issues"));
    let site = Site::with(denied, labelled(), ORGANISATION).await;
    let warnings = site.poll().await.warnings;
    let hidden = "issues of acme/shop: hidden from this credential, so there is no debt_retirement of \
                  what they belong to";
    assert_eq!(warnings, [hidden]);
    let unknown = || site.facts(Kind::HiddenIssues);
    assert_eq!(unknown().await.len(), 1, "unknown is not empty");
    assert!(!site.facts(Kind::Commit).await.is_empty(), "all else is read");
    site.fakes.edit(|world| world.access.github = vec![Token::full(GITHUB_TOKEN)]);
    assert!(site.poll().await.warnings.is_empty());
    assert_eq!((unknown().await.len(), site.issues().await.len()), (0, 1), "known again");
    site.fakes.edit(|world| {
        world.access.github = vec![Token::full(GITHUB_TOKEN).without("issues")];
    });
    assert_eq!(site.poll().await.warnings, [hidden]);
    assert_eq!(unknown().await.len(), 1, "what was read before may have changed since");
    let denied = with_issue().github_token(Token::full(GITHUB_TOKEN).without("issues"));
    let site = Site::with(denied, Needs::default(), ORGANISATION).await;
    assert_eq!(site.poll().await, PollReport::default(), "no rule asks for them");
    let mut off = with_issue();
    off.repository_mut("shop").has_issues = false;
    let site = Site::with(off, labelled(), ORGANISATION).await;
    assert_eq!(site.poll().await.warnings, ["issues of acme/shop: switched off"]);
}

#[tokio::test]
async fn alerts_of_every_tool_are_findings() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    shop.alert("dependabot", Some("critical"), "2025-02-01 09:00", |alert| {
        alert.fix("2026-02-05 09:00");
    });
    shop.alert("dependabot", Some("low"), "2026-02-01 09:00", |alert| {
        alert.becomes("2026-02-05 09:00", "auto_dismissed");
    });
    shop.alert("code-scanning", Some("high"), "2026-02-01 09:00", |alert| {
        "api/main.rs".clone_into(&mut alert.path);
        alert.becomes("2026-02-05 09:00", "dismissed");
    });
    shop.alert("secret-scanning", None, "2026-02-01 09:00", |alert| {
        alert.becomes("2026-02-05 09:00", "revoked");
    });
    let tools = ["dependabot", "code_scanning", "secret_scanning"];
    let site = Site::with(world, watched(&tools), ORGANISATION).await;
    site.poll().await;
    let findings = site.findings().await;
    let told: Vec<_> = findings
        .iter()
        .map(|it| {
            let event = it.events.first().map(|it| it.event);
            (it.tool.as_str(), it.severity.as_deref(), it.file.as_deref(), event)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("code_scanning", Some("high"), Some("api/main.rs"), Some(FindingEventKind::Dismissed)),
            (
                "dependabot",
                Some("critical"),
                Some("package-lock.json"),
                Some(FindingEventKind::Fixed)
            ),
            (
                "dependabot",
                Some("low"),
                Some("package-lock.json"),
                Some(FindingEventKind::AutoDismissed)
            ),
            ("secret_scanning", None, None, Some(FindingEventKind::Fixed)),
        ]
    );
    assert!(site.feeds().await.iter().all(|(_, readable)| *readable));
    let secrets = site.fakes.github.requests_to("secret-scanning");
    assert!(secrets.iter().all(|it| it.parameter("hide_secret") == Some("true")));
}

#[tokio::test]
async fn pitfall_03_the_pages_of_alerts_are_followed_by_their_cursors() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    for tool in ["dependabot", "code-scanning"] {
        for number in 0..250 {
            let at = at("2026-01-02 00:00") + Duration::hours(number);
            shop.alert(tool, Some("high"), at, |_| {});
        }
    }
    let tools = ["dependabot", "code_scanning"];
    let site = Site::with(world, watched(&tools), ORGANISATION).await;
    site.poll().await;
    assert_eq!(site.findings().await.len(), 500);
    assert_eq!(site.fakes.github.requests_to("dependabot").len(), 3);
    for request in site.fakes.github.requests_to("dependabot") {
        assert_eq!(request.parameter("page"), None, "Dependabot has no pages with numbers");
    }
}

#[tokio::test]
async fn pitfall_20_a_tool_that_is_switched_off_or_refused_has_unknown_findings() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    shop.alerting.remove("code-scanning");
    shop.alert("dependabot", Some("high"), "2026-02-01 09:00", |_| {});
    let token = Token::full(GITHUB_TOKEN).without("secret_scanning_alerts");
    let tools = ["dependabot", "code_scanning", "secret_scanning"];
    let site = Site::with(world.github_token(token), watched(&tools), ORGANISATION).await;
    let report = site.poll().await;
    assert_eq!(
        report.warnings,
        [
            "code scanning alerts of acme/shop: not there, or not visible to this token",
            "secret scanning alerts of acme/shop: not there, or not visible to this token"
        ]
    );
    let feeds = site.feeds().await;
    let told: Vec<_> = feeds.iter().map(|(tool, readable)| (tool.as_str(), *readable)).collect();
    assert_eq!(told, [("code_scanning", false), ("dependabot", true), ("secret_scanning", false)]);
    assert_eq!(site.findings().await.len(), 1, "the rest is read");
    // A refusal is believed for a while: asking costs a request.
    site.fakes.github.clear_requests();
    site.set_now("2026-04-01 13:00");
    assert_eq!(site.poll().await.warnings.len(), 2, "and told all the same");
    assert!(site.fakes.github.requests_to("code-scanning").is_empty());
    site.fakes.edit(|world| {
        let shop = world.repository_mut("shop");
        shop.alerting.insert("code-scanning".to_owned());
        shop.alert("code-scanning", Some("high"), "2026-03-01 09:00", |_| {});
    });
    site.set_now("2026-04-01 19:00");
    site.poll().await;
    assert_eq!(site.findings().await.len(), 2, "it was switched on");
    assert!(site.feeds().await.contains(&("code_scanning".to_owned(), true)));
}

#[tokio::test]
async fn an_alert_that_changes_is_read_again_and_one_that_is_gone_goes_when_reconciling() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    for number in 0..120 {
        let at = at("2026-01-02 00:00") + Duration::hours(number);
        shop.alert("dependabot", Some("high"), at, |_| {});
    }
    let site = Site::with(world, watched(&["dependabot"]), ORGANISATION).await;
    site.poll().await;
    site.fakes.github.clear_requests();
    site.set_now("2026-04-01 13:00");
    site.poll().await;
    let idle = site.fakes.github.usage();
    assert_eq!(idle.by_status.get("304"), Some(&2), "alerts and runs: {idle:?}");
    site.fakes.edit(|world| {
        let shop = world.repository_mut("shop");
        shop.alert_mut("dependabot", 3).fix("2026-04-01 13:30");
        shop.alert_mut("dependabot", 7).deleted_at = Some(at("2026-04-01 13:30"));
    });
    site.fakes.github.clear_requests();
    site.set_now("2026-04-01 14:00");
    site.poll().await;
    assert_eq!(site.fakes.github.requests_to("dependabot").len(), 1, "down to what is known");
    let findings = site.findings().await;
    assert_eq!(findings.iter().filter(|it| !it.events.is_empty()).count(), 1);
    assert_eq!(findings.len(), 120);
    site.reconcile().await;
    assert_eq!(site.findings().await.len(), 119);
}

#[tokio::test]
async fn a_pass_over_alerts_that_breaks_off_is_read_again() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    for number in 0..250 {
        let at = at("2026-01-02 00:00") + Duration::hours(number);
        shop.alert("dependabot", Some("high"), at, |_| {});
    }
    let site = Site::with(world, watched(&["dependabot"]), ORGANISATION).await;
    site.fakes.github.fault(Fault::status(500).on("dependabot").after(1).times(8));
    site.try_poll().await.expect_err("the second page fails");
    assert!(site.feeds().await.is_empty(), "nobody knows whether that is all");
    site.fakes.github.clear_faults();
    site.poll().await;
    assert_eq!(site.findings().await.len(), 250);
}

#[tokio::test]
async fn an_alert_that_cannot_be_read_is_counted_and_the_others_are_kept() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    for hour in 0..3 {
        let at = at("2026-02-01 00:00") + Duration::hours(hour);
        shop.alert("dependabot", Some("high"), at, |_| {});
    }
    let site = Site::with(world, watched(&["dependabot"]), ORGANISATION).await;
    site.fakes.github.fault(Fault::replace("/1/state", json!("melted")).on("dependabot"));
    let report = site.poll().await;
    assert_eq!(report.rejected.get(&Kind::Finding), Some(&1));
    assert_eq!(site.findings().await.len(), 2);
}

#[tokio::test]
async fn files_and_their_texts_are_looked_at_by_the_tip() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    shop.push_files(
        "2026-03-01 09:00",
        "CI",
        vec![
            File::added("CODEOWNERS", "* @acme/shop"),
            File::added(".github/workflows/ci.yml", "uses: acme/ci@v1"),
            File::added(".github/workflows/notes.md", "nothing"),
        ],
    );
    let patterns = [
        ("CODEOWNERS", false),
        (".github/workflows/*.yml", true),
        ("docs/*.md", true),
        ("MISSING", true),
    ];
    let site = Site::with(world, holding(&patterns), ORGANISATION).await;
    site.poll().await;
    let contents = site.contents().await;
    assert_eq!(contents.len(), 4);
    assert_eq!(contents["CODEOWNERS"]["CODEOWNERS"], FileText::NotRead);
    let workflows = &contents[".github/workflows/*.yml"];
    let text = FileText::Text("uses: acme/ci@v1".to_owned());
    assert_eq!(workflows, &BTreeMap::from([(".github/workflows/ci.yml".to_owned(), text)]));
    assert!(contents["docs/*.md"].is_empty() && contents["MISSING"].is_empty(), "looked and none");
    site.fakes.github.clear_requests();
    site.poll().await;
    assert!(site.fakes.github.requests_to("Content").is_empty(), "the tip did not move");
    site.fakes.edit(|world| {
        let shop = world.repository_mut("shop");
        shop.push_files("2026-04-01 13:00", "More", vec![File::added("docs/a.md", "a")]);
    });
    site.set_now("2026-04-01 14:00");
    site.poll().await;
    assert_eq!(site.contents().await["docs/*.md"].len(), 1);
}

#[tokio::test]
async fn contents_that_are_refused_are_unknown_again() {
    let mut world = world();
    world.repository_mut("shop").push_files(
        "2026-03-01 09:00",
        "Owners",
        vec![File::added("CODEOWNERS", "x")],
    );
    let site = Site::with(world, holding(&[("CODEOWNERS", false)]), ORGANISATION).await;
    site.poll().await;
    assert_eq!(site.contents().await.len(), 1);
    site.fakes.edit(|world| {
        world.access.github = vec![Token::full(GITHUB_TOKEN).without("contents")];
    });
    let _ = site.try_poll().await;
    assert!(site.contents().await.is_empty(), "what was seen may have changed since");
}

#[tokio::test]
async fn an_empty_repository_holds_nothing() {
    let world = World::new("acme").at("2026-04-01 12:00").repository("shop", |_| {});
    let site = Site::with(world, holding(&[("CODEOWNERS", false)]), ORGANISATION).await;
    site.poll().await;
    assert!(site.contents().await["CODEOWNERS"].is_empty());
}

#[tokio::test]
async fn properties_are_read_when_they_change_and_unknown_where_they_are_refused() {
    let mut world = world();
    world
        .repository_mut("shop")
        .property("2026-01-02 09:00", "tier", "gold")
        .property("2026-01-02 09:00", "stacks", json!(["rust", "postgres"]))
        .property("2026-01-02 09:00", "unset", json!(null));
    let mut needs = Needs::default();
    needs.entry("acme/shop").properties = true;
    let site = Site::with(world, needs, ORGANISATION).await;
    site.poll().await;
    let known = site.facts(Kind::Properties).await;
    let [Fact::Properties(known)] = &known[..] else { panic!("{known:?}") };
    let values: Vec<_> = known.values.iter().map(|(name, it)| (name.as_str(), it.len())).collect();
    assert_eq!(values, [("stacks", 2), ("tier", 1)]);
    site.fakes.github.clear_requests();
    site.poll().await;
    assert_eq!(site.fakes.github.usage().by_status.get("304"), Some(&2), "and the runs");
    site.fakes.edit(|world| {
        let token = Token::full(GITHUB_TOKEN).without("repository_custom_properties");
        world.access.github = vec![token];
    });
    let report = site.poll().await;
    assert_eq!(
        report.warnings,
        ["custom properties of acme/shop: not there, or not visible to this token"]
    );
    assert_eq!(site.count(Kind::Properties).await, 0);
}

#[tokio::test]
async fn jobs_are_read_once_for_each_attempt_of_the_workflows_that_count() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    let run = shop.run("Contract", &sha, "2026-03-20 09:00", |run| {
        run.attempt("2026-03-20 09:00", "2026-03-20 09:10", "failure")
            .job("pact", "failure")
            .job("lint", "success");
    });
    shop.run("Contract", &sha, "2026-02-01 09:00", |run| {
        run.attempt("2026-02-01 09:00", "2026-02-01 09:10", "success").job("pact", "success");
    });
    shop.run("Deploy", &sha, "2026-03-20 09:00", |run| {
        run.attempt("2026-03-20 09:00", "2026-03-20 09:10", "success").job("ship", "success");
    });
    let mut needs = Needs::default();
    let entry = needs.entry("acme/shop");
    entry.workflows.insert("Contract".to_owned());
    entry.jobs.insert("Contract".to_owned(), Duration::days(30));
    let site = Site::with(world, needs, ORGANISATION).await;
    site.poll().await;
    let told = |jobs: Vec<WorkflowJob>| -> Vec<String> {
        jobs.into_iter().map(|it| format!("{} {}", it.name, it.conclusion)).collect()
    };
    assert_eq!(told(site.jobs().await), ["pact failure", "lint success"], "of the young run");
    site.fakes.github.clear_requests();
    site.poll().await;
    assert!(site.fakes.github.requests_to("/jobs").is_empty());
    site.fakes.edit(|world| {
        world
            .repository_mut("shop")
            .run_mut(run)
            .attempt("2026-04-01 13:00", "2026-04-01 13:10", "success")
            .job("pact", "success");
    });
    site.set_now("2026-04-01 14:00");
    site.poll().await;
    assert_eq!(site.fakes.github.requests_to("/jobs").len(), 1);
    assert!(told(site.jobs().await).contains(&"pact success".to_owned()));
}

/// Something of everything, told over three months.
fn lively() -> World {
    let mut world = world();
    let shop = world.repository_mut("shop");
    for number in 1..=60_u32 {
        let opened = at("2026-01-03 09:00") + Duration::hours(i64::from(number) * 34);
        let hours = |n| opened + Duration::hours(n);
        shop.issue(u64::from(number), opened, &["debt"], |issue| {
            issue.label(hours(30), "major");
            match number % 4 {
                0 => issue.close(hours(300)),
                1 => issue.close(hours(300)).reopen(hours(400)),
                2 => issue.unlabel(hours(100), "debt"),
                _ => issue,
            };
        });
        let tool = if number % 2 == 0 { "dependabot" } else { "code-scanning" };
        shop.alert(tool, Some("high"), opened, |alert| {
            match number % 3 {
                0 => alert.fix(hours(200)),
                1 => alert.becomes(hours(200), "dismissed").becomes(hours(300), "open"),
                _ => alert,
            };
        });
    }
    for day in 5..25 {
        let file = File::added(&format!("docs/{day}.md"), "text");
        let at = at("2026-03-01 10:00") + Duration::days(day - 5);
        shop.push_files(at, "Docs", vec![file]);
    }
    world
}

fn everything_wanted() -> Needs {
    let mut needs = labelled();
    let shop = needs.entry("acme/shop");
    shop.finding_tools.extend(["dependabot", "code_scanning"].map(str::to_owned));
    shop.contents.insert("docs/*.md".to_owned(), true);
    needs
}

#[tokio::test]
async fn forty_polls_on_the_way_leave_what_one_cold_sync_finds_at_the_end() {
    let cold = Site::with(lively(), everything_wanted(), ORGANISATION).await;
    cold.poll().await;
    let warm = Site::with(lively(), everything_wanted(), ORGANISATION).await;
    let (start, end) = (at("2026-01-01 00:00"), at("2026-04-01 12:00"));
    for step in 1..=40 {
        warm.set_now(start + (end - start) * step / 40);
        if step % 3 == 0 {
            let fault = Fault::status(502).on(["Issues", "alerts", "Content"][step as usize % 3]);
            warm.fakes.github.fault(fault.times(4));
        }
        // It may fail; the next one goes on.
        let _ = warm.try_poll().await;
        warm.fakes.github.clear_faults();
    }
    warm.poll().await;
    let differences = differences(&cold.everything().await, &warm.everything().await);
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
    assert_eq!((cold.issues().await.len(), cold.findings().await.len()), (60, 60));
}

#[tokio::test]
async fn an_idle_cycle_of_forty_repositories_costs_at_most_ten_points_with_all_of_it() {
    let mut world = World::new("acme").at("2026-04-01 12:00");
    let mut needs = Needs::default();
    for number in 0..40 {
        let name = format!("repo-{number}");
        world.add_repository(&name, |it| {
            let sha = it.push("2026-01-02 09:00", "Initial commit", &["README.md"]);
            it.run("CI", &sha, "2026-03-30 09:00", |run| {
                run.attempt("2026-03-30 09:00", "2026-03-30 09:10", "success")
                    .job("pact", "success");
            });
            it.issue(1, "2026-02-01 09:00", &["debt"], |_| {});
            it.alert("dependabot", Some("high"), "2026-02-01 09:00", |_| {});
            it.property("2026-02-01 09:00", "tier", "gold");
            if number % 2 == 0 {
                it.alerting.remove("code-scanning");
            }
        });
        let it = needs.entry(&format!("acme/{name}"));
        it.issue_labels.insert("debt".to_owned());
        let tools = ["dependabot", "code_scanning", "secret_scanning"];
        it.finding_tools.extend(tools.map(str::to_owned));
        it.contents.insert("README.md".to_owned(), true);
        it.properties = true;
        it.workflows.insert("CI".to_owned());
        it.tests = true;
        it.jobs.insert("CI".to_owned(), Duration::days(30));
    }
    let site = Site::with(world, needs, ORGANISATION).await;
    site.poll().await;
    assert_eq!(site.jobs().await.len(), 40);
    let before = site.everything().await;
    site.fakes.github.clear_requests();
    site.set_now("2026-04-01 12:05");
    site.poll().await;
    let usage = site.fakes.github.usage();
    assert!(usage.points() <= 10, "{usage:?}");
    assert_eq!(differences(&before, &site.everything().await), Vec::<String>::new());
}
