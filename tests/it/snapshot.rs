//! `engkpi snapshot`, as people and schedulers run it: what is in its folder, and what never changes
//! there.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use chrono::Duration;
use engkpi::config::Config;
use engkpi::domain::fact::{Incident, IncidentStatus};
use engkpi::domain::{Attributes, Fact, Instant, SourceName};
use engkpi::store::{Access, Batch, SourceState, Store as _, sqlite::SqliteStore};
use tempfile::TempDir;

const CONFIG: &str = r#"
[store]
sqlite = "engkpi.db"
[sources.github]
type = "github"
token = { env = "GITHUB_TOKEN" }
organisation = "acme"
history_start = 2025-01-01
[sources.pagerduty]
type = "pagerduty"
token = { env = "PAGERDUTY_TOKEN" }
history_start = 2025-01-01
[calendar]
zone = "Europe/Berlin"
[teams.payments]
[services.checkout]
team = "payments"
repository = "acme/shop"
pagerduty = ["PSHOP"]
"#;

const FILES: [&str; 5] =
    ["SHA256SUMS", "snapshot.csv", "snapshot.html", "snapshot.json", "snapshot.md"];

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

/// A folder with a configuration and a store that knows of some incidents.
struct Site(TempDir);

impl Site {
    async fn with(incidents: &[&str]) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        fs::write(site.path("engkpi.toml"), CONFIG).unwrap();
        site.learn(incidents).await;
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Severe incidents that lasted an hour, in this order.
    async fn learn(&self, incidents: &[&str]) {
        let incident = |detected_at: &&str| {
            let created_at = at(detected_at);
            Fact::Incident(Incident {
                id: format!("P{}", created_at.timestamp()).into(),
                number: created_at.timestamp().unsigned_abs(),
                service: Some("PSHOP".into()),
                created_at,
                updated_at: created_at + Duration::hours(1),
                status: IncidentStatus::Resolved,
                resolved_at: Some(created_at + Duration::hours(1)),
                priority: Some("P1".into()),
                merged: false,
                fields: Attributes::default(),
                url: None,
            })
        };
        let store = SqliteStore::open(&self.path("engkpi.db"), Access::Write).await.unwrap();
        let pagerduty = SourceName::from("pagerduty");
        for incident in incidents.iter().map(incident) {
            let batch = Batch { facts: vec![incident], ..Batch::default() };
            store.commit(&pagerduty, batch).await.unwrap();
        }
        let read = at("2026-11-22T00:00:00Z");
        let config = Config::load(&[self.path("engkpi.toml")], [], read).unwrap();
        for source in &config.params.sources {
            let state = SourceState {
                last_success: Some(read),
                data_through: Some(read),
                extent: Some(source.extent()),
                ..SourceState::default()
            };
            store.set_source_state(&source.name, &state).await.unwrap();
        }
        store.close().await;
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_engkpi"));
        command.args(["snapshot", "--config", "engkpi.toml"]).args(arguments);
        command.current_dir(self.0.path()).env_clear().stdin(Stdio::null());
        command
    }

    /// The exit code, stdout and stderr.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// Takes a snapshot that has to succeed.
    #[track_caller]
    fn take(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.run(arguments);
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        stdout
    }

    /// Every file below the folder of snapshots.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.path("snapshots"), &mut files);
        let shown = |path: PathBuf| path.strip_prefix(self.0.path()).unwrap().display().to_string();
        files.into_iter().map(|(path, bytes)| (shown(path), bytes)).collect()
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.insert(path.clone(), fs::read(path).unwrap());
        }
    }
}

/// Two in the third quarter of 2026, by the clocks of Berlin, and one in the second.
const INCIDENTS: [&str; 3] =
    ["2026-06-30T21:59:59Z", "2026-06-30T22:00:00Z", "2026-09-30T21:59:59Z"];

#[tokio::test]
async fn one_command_writes_the_last_quarter_that_is_over() {
    let site = Site::with(&INCIDENTS).await;
    let said = site.take(&["--as-of", "2026-11-22"]);
    assert_eq!(said, "snapshots/2026-Q3/revision-1: written, as of 2026-10-30 22:00 UTC\n");
    let files = site.files();
    let expected = FILES.map(|it| format!("snapshots/2026-Q3/revision-1/{it}"));
    assert_eq!(files.keys().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
    for name in &expected {
        let mode = fs::metadata(site.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let json: serde_json::Value = serde_json::from_slice(&files[&expected[3]]).unwrap();
    let number = json["readings"].as_array().unwrap().iter();
    let number = number.clone().find(|it| it["kpi"] == "incident_frequency").unwrap();
    assert_eq!((&number["value"], &number["previous_value"]), (&2.0.into(), &1.0.into()));
    for (name, bytes) in &files {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains(site.0.path().to_str().unwrap()), "{name} says where it was made");
    }
    let mut sums = Command::new("sha256sum");
    sums.args(["--check", "--strict", "SHA256SUMS"]).stdout(Stdio::null());
    match sums.current_dir(site.path("snapshots/2026-Q3/revision-1")).status() {
        Ok(status) => assert!(status.success(), "the sums are those that sha256sum knows"),
        Err(error) => eprintln!("SKIPPED: sha256sum cannot be run ({error})"),
    }
}

#[tokio::test]
async fn another_machine_another_order_another_zone_and_another_day_give_the_same_bytes() {
    let site = Site::with(&INCIDENTS).await;
    site.take(&["--as-of", "2026-11-22"]);
    let mut backwards = INCIDENTS;
    backwards.reverse();
    let other = Site::with(&backwards).await;
    let mut command =
        other.command(&["--quarter", "2026-Q3", "--as-of", "2027-03-01T12:34:56.789Z"]);
    command.env("TZ", "Asia/Kathmandu").env("LANG", "de_DE.UTF-8").env("LC_ALL", "de_DE.UTF-8");
    assert!(command.status().unwrap().success());
    assert_eq!(other.files(), site.files());
}

#[tokio::test]
async fn a_second_run_that_says_the_same_writes_nothing() {
    let site = Site::with(&INCIDENTS).await;
    site.take(&["--as-of", "2026-11-22"]);
    let written = |site: &Site| {
        let folder = fs::metadata(site.path("snapshots/2026-Q3")).unwrap();
        (site.files(), folder.modified().unwrap())
    };
    let before = written(&site);
    let said = site.take(&["--as-of", "2026-11-23"]);
    assert_eq!(said, "2026-Q3: revision 1 stands, nothing differs\n");
    assert_eq!(written(&site), before);
}

#[tokio::test]
async fn a_late_incident_makes_revision_2_and_revision_1_stays_as_it_was() {
    let site = Site::with(&INCIDENTS).await;
    site.take(&["--as-of", "2026-11-22"]);
    let first = site.files();
    site.learn(&["2026-08-15T10:00:00Z"]).await;
    let said = site.take(&["--as-of", "2026-11-23"]);
    assert!(said.starts_with("snapshots/2026-Q3/revision-2: written"), "{said}");
    assert!(said.contains("numbers: facts changed, in change_failure, incident_"), "{said}");
    let second = site.files();
    for (name, bytes) in &first {
        assert_eq!(&second[name], bytes, "{name} was changed");
    }
    let page = String::from_utf8_lossy(&second["snapshots/2026-Q3/revision-2/snapshot.md"]);
    let changed = page.lines().find(|it| it.starts_with("| Severe incidents | organisation"));
    assert!(changed.is_some_and(|it| it.contains("| 2, n 2 | 3, n 3 |")), "{page}");
    assert_eq!(
        site.take(&["--as-of", "2026-11-24"]),
        "2026-Q3: revision 2 stands, nothing differs\n"
    );
    fs::write(site.path("engkpi.toml"), CONFIG.to_owned() + "[rules.severity]\nP1 = 3\n").unwrap();
    let said = site.take(&["--as-of", "2026-11-24"]);
    assert!(said.starts_with("snapshots/2026-Q3/revision-3: written"), "{said}");
    assert!(said.contains("the configuration changed"), "{said}");
}

#[tokio::test]
async fn until_nothing_can_be_learned_late_it_is_provisional() {
    let site = Site::with(&INCIDENTS).await;
    let said = site.take(&["--as-of", "2026-10-05"]);
    let until =
        "provisional: what is learned until 2026-10-30 22:00 UTC still belongs to the quarter\n";
    assert!(said.ends_with(until), "{said}");
    let said = site.take(&["--as-of", "2026-10-06"]);
    assert_eq!(said, "2026-Q3: revision 1 stands, nothing differs\n");
    let said = site.take(&["--as-of", "2026-11-22"]);
    assert!(
        said.contains("corrects revision 1") && said.contains("not provisional any more"),
        "{said}"
    );
}

#[tokio::test]
async fn a_quarter_that_is_not_over_is_refused_with_what_to_do() {
    let site = Site::with(&INCIDENTS).await;
    let (code, _, stderr) = site.run(&["--quarter", "2026-Q4", "--as-of", "2026-11-22"]);
    assert_eq!(code, 64);
    assert_eq!(
        stderr,
        "error: 2026-Q4 is not over before 2026-12-31 23:00 UTC: take its snapshot then, or look at it \
         now with `engkpi evaluate --window quarter:2026-Q4`\n"
    );
    let (code, _, stderr) = site.run(&["--quarter", "2026-Q5"]);
    assert!(code == 64 && stderr.contains("write it like 2026-Q3"), "{stderr}");
    assert!(!site.path("snapshots").exists(), "nothing was written");
    let fiscal = CONFIG.replace("[calendar]", "[calendar]\nfiscal_year_start_month = 2");
    fs::write(site.path("engkpi.toml"), fiscal).unwrap();
    let said = site.take(&["--as-of", "2026-11-22"]);
    assert!(said.starts_with("snapshots/2026-Q3/revision-1: written"), "{said}");
    let page = fs::read_to_string(site.path("snapshots/2026-Q3/revision-1/snapshot.md")).unwrap();
    assert!(page.contains("2026-08-01 to 2026-10-31, Europe/Berlin"), "{page}");
}

/// What somebody does to the folder of a quarter.
type Damage<'a> = &'a dyn Fn(&Path);

#[tokio::test]
async fn what_is_damaged_is_named_with_what_to_do_and_left_as_it_is() {
    let site = Site::with(&INCIDENTS).await;
    site.take(&["--as-of", "2026-11-22"]);
    site.learn(&["2026-08-15T10:00:00Z"]).await;
    let whole = site.path("snapshots/2026-Q3");
    let damage: [(&str, Damage<'_>, &str); 6] = [
        (
            "an edited number",
            &|folder| {
                let file = folder.join("revision-1/snapshot.csv");
                let text = fs::read_to_string(&file).unwrap();
                fs::write(file, text.replacen(",2,2,", ",1,1,", 1)).unwrap();
            },
            "revision-1/snapshot.csv is not what was written, by SHA256SUMS: restore it from a copy",
        ),
        (
            "a file that is gone",
            &|folder| fs::remove_file(folder.join("revision-1/snapshot.json")).unwrap(),
            "revision-1/snapshot.json cannot be read: restore it from a copy, or move",
        ),
        (
            "a file that was cut off",
            &|folder| fs::write(folder.join("revision-1/SHA256SUMS"), "8d9").unwrap(),
            "revision-1/SHA256SUMS is damaged: restore it",
        ),
        (
            "a foreign file",
            &|folder| fs::write(folder.join("revision-1/notes.md"), "to do").unwrap(),
            "revision-1/notes.md is not of the snapshot: move it elsewhere",
        ),
        (
            "a revision that is gone",
            &|folder| fs::rename(folder.join("revision-1"), folder.join("revision-2")).unwrap(),
            "revision-1 is missing: restore it",
        ),
        (
            "something else by that name",
            &|folder| fs::create_dir(folder.join("revision-final")).unwrap(),
            "revision-final is no revision: revisions are called revision-1, revision-2, …; move it elsewhere",
        ),
    ];
    let kept = site.path("kept");
    let copy = |from: &Path, to: &Path| {
        let copied = Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap();
        assert!(copied.success());
    };
    copy(&whole, &kept);
    for (what, damaged, message) in damage {
        damaged(&whole);
        let before = site.files();
        let (code, stdout, stderr) = site.run(&["--as-of", "2026-11-22"]);
        assert_eq!((code, stdout.as_str()), (1, ""), "{what}: {stderr}");
        assert!(stderr.contains(message), "{what}: {stderr}");
        assert_eq!(site.files(), before, "{what}: nothing is written over it");
        fs::remove_dir_all(&whole).unwrap();
        copy(&kept, &whole);
    }
    assert!(site.take(&["--as-of", "2026-11-22"]).contains("revision-2: written"));
}

#[tokio::test]
async fn beside_the_revisions_other_files_are_left_alone() {
    let site = Site::with(&INCIDENTS).await;
    site.take(&["--as-of", "2026-11-22"]);
    fs::write(site.path("snapshots/2026-Q3/minutes.md"), "agreed").unwrap();
    let (code, stdout, stderr) = site.run(&["--as-of", "2026-11-22"]);
    assert_eq!((code, stdout.as_str()), (0, "2026-Q3: revision 1 stands, nothing differs\n"));
    assert!(stderr.contains("snapshots/2026-Q3/minutes.md is not of a snapshot: it is left alone"));
}

#[tokio::test]
async fn a_kill_leaves_a_whole_revision_or_none_and_the_next_run_goes_on() {
    let site = Site::with(&INCIDENTS).await;
    let folder = site.path("snapshots/2026-Q3");
    // What a kill between two files leaves.
    fs::create_dir_all(folder.join(".revision-1")).unwrap();
    fs::write(folder.join(".revision-1/snapshot.json"), "{\"for").unwrap();
    site.take(&["--as-of", "2026-11-22"]);
    assert_eq!(site.files().len(), FILES.len(), "what was left is gone");
    let whole = site.files();
    let started = std::time::Instant::now();
    site.take(&["--as-of", "2026-11-22", "--folder", "measured"]);
    let took = started.elapsed();
    let (mut killed, mut ended) = (0, 0);
    for step in 0..24 {
        let _ = fs::remove_dir_all(site.path("snapshots"));
        let mut run = site.command(&["--as-of", "2026-11-22"]);
        let mut child = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // From its very start to after its end, and most often near the end, which is where it writes.
        std::thread::sleep(took * if step < 4 { 10 * step } else { 28 + 4 * step } / 100);
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            ended += 1
        } else {
            killed += 1
        }
        if folder.join("revision-1").exists() {
            let written = site.files();
            assert!(whole.iter().all(|(name, bytes)| written.get(name) == Some(bytes)));
        }
        site.take(&["--as-of", "2026-11-22"]);
        assert_eq!(site.files(), whole);
    }
    assert!(killed > 0, "{killed} runs were killed, {ended} had ended before");
}

#[tokio::test]
async fn two_at_the_same_time_write_one_revision() {
    let site = Site::with(&INCIDENTS).await;
    let start = || {
        let mut command = site.command(&["--as-of", "2026-11-22"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let running = [start(), start(), start()];
    let said: Vec<String> = running
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        })
        .collect();
    let written = said.iter().filter(|it| it.contains("revision-1: written")).count();
    let stands = said.iter().filter(|it| it.contains("revision 1 stands")).count();
    assert_eq!((written, stands), (1, 2), "{said:?}");
    assert_eq!(site.files().len(), FILES.len());
}
