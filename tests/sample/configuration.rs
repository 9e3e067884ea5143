//! The configuration of the sample organisation, written from its own catalogue.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use engkpi_fakes::sample::files::{self, Wave};
use engkpi_fakes::sample::metrics::{self, WATCHED};
use engkpi_fakes::sample::{ORGANISATION, RECORDS, Rule, SERVICES, Service, TEAMS};
use engkpi_fakes::{Fakes, GITHUB_TOKEN, Instant, PAGERDUTY_TOKEN, sample};

/// Writes the configuration and the secrets that it names into `folder`.
pub(crate) fn write(
    folder: &Path,
    fakes: &Fakes,
    now: Instant,
    listen: &str,
) -> io::Result<PathBuf> {
    let github = secret(folder, "github-token", GITHUB_TOKEN)?;
    let pagerduty = secret(folder, "pagerduty-token", PAGERDUTY_TOKEN)?;
    let start = (now - chrono::Duration::days(sample::HISTORY_DAYS - 1)).date_naive();
    let baseline_end = start + chrono::Duration::days(120);
    let mut text = format!(
        r#"# Written by `cargo run --example sample`.
[store]
sqlite = {store:?}

[web]
listen_address = {listen:?}

[evaluate]
interval = "15s"

[sources.github]
type = "github"
api_url = "{github_url}api/v3"
token = {{ file = {github:?} }}
organisation = "{ORGANISATION}"
history_start = {start}
poll_every = "20s"

[sources.pagerduty]
type = "pagerduty"
api_url = "{pagerduty_url}"
token = {{ file = {pagerduty:?} }}
history_start = {start}
poll_every = "20s"

[baseline]
start = {start}
end = {baseline_end}

[kpis.developer_experience]
baseline_wave = "{baseline_wave}"

[sources.prometheus]
type = "prometheus"
url = "{prometheus_url}"
history_start = {metrics_start}
poll_every = "20s"

[slos]
files = [{slos:?}]

{files}"#,
        baseline_wave = files::DEVELOPERS[0].name,
        files = files_table(folder, now, start)?,
        store = folder.join("engkpi.db"),
        slos = slos(folder)?,
        metrics_start = (now - chrono::Duration::days(metrics::RETENTION_DAYS - 1)).date_naive(),
        prometheus_url = fakes.prometheus.url(),
        github_url = fakes.github.url(),
        pagerduty_url = fakes.pagerduty.url(),
    );
    for team in TEAMS {
        let _ = write!(text, "\n[teams.{team}]\n");
    }
    for service in &SERVICES {
        text.push_str(&service_table(service));
    }
    for records in &RECORDS {
        let _ = write!(
            text,
            "\n[rules.decisions.\"{ORGANISATION}/{}\"]\nfolders = [{:?}]\n",
            records.repository, records.folder
        );
    }
    text.push_str(QUALITY);
    for service in SERVICES.iter().filter(|it| it.tier == 1) {
        let _ = write!(
            text,
            "\n[boundaries.{0}]\nservice = {0:?}\nworkflow = \"Contract tests\"\njob = \"contract\"\n",
            service.name
        );
    }
    text.push_str(&watched());
    let path = folder.join("engkpi.toml");
    fs::write(&path, text)?;
    Ok(path)
}

/// What the metric store counts: the latency of endpoints, and demand.
fn watched() -> String {
    let mut text = String::new();
    for it in &WATCHED {
        let _ = write!(
            text,
            "\n[endpoints.{0}]\nservice = {0:?}\nbuckets = '{1}'\nbudget = \"{2}ms\"\n",
            it.service,
            it.buckets(),
            it.budget_ms
        );
        let _ = write!(
            text,
            "\n[units.{0}]\nservice = {0:?}\ncounter = '{1}'\n",
            it.service,
            it.requests()
        );
    }
    text
}

/// Writes the objectives, as they are specified for sloth.
fn slos(folder: &Path) -> io::Result<PathBuf> {
    let folder = folder.join("slos");
    fs::create_dir(&folder)?;
    for it in &WATCHED {
        let text = format!(
            "version: prometheus/v1\nservice: {}\nslos:\n  - name: requests-availability\n    objective: {}\n    \
             sli:\n      events:\n        error_query: sum(increase({}[{{{{.window}}}}]))\n        \
             total_query: sum(increase({}[{{{{.window}}}}]))\n    alerting:\n      name: {}Errors\n",
            it.service,
            it.objective,
            it.failures(),
            it.requests(),
            it.service.replace('-', "")
        );
        fs::write(folder.join(format!("{}.yaml", it.service)), text)?;
    }
    Ok(folder)
}

/// Writes what the organisation keeps in files, and the source that reads them.
fn files_table(folder: &Path, now: Instant, start: chrono::NaiveDate) -> io::Result<String> {
    let folder = folder.join("files");
    fs::create_dir(&folder)?;
    for file in files::files(now) {
        fs::write(folder.join(file.name), file.text)?;
    }
    let path = |name: &str| folder.join(name);
    let mut text = format!(
        "[sources.files]\ntype = \"files\"\nhistory_start = {start}\npoll_every = \"20s\"\n"
    );
    for name in ["costs.csv", "units.csv", "mentorship.toml", "escalations.csv"] {
        let (register, _) = name.split_once('.').unwrap_or((name, ""));
        let _ = write!(text, "\n[sources.files.{register}]\nfiles = [{:?}]\n", path(name));
    }
    let wave = |survey: &str, wave: Wave| {
        let closed = (now - chrono::Duration::days(wave.closed_days_ago)).date_naive();
        let Wave { name, invited, .. } = wave;
        format!(
            "[sources.files.surveys.{survey}.waves.{name}]\nfiles = [{:?}]\nclosed = {closed}\ninvited = {invited}\n",
            path(name)
        )
    };
    text.push_str(
        "\n[sources.files.surveys.developers]\nkpi = \"developer_experience\"\nscale = [1, 5]\n\
         team = \"Team\"\nrespondent = \"Email\"\n\n[sources.files.surveys.developers.dimensions]\n",
    );
    for (dimension, question) in files::QUESTIONS {
        let _ = writeln!(text, "{dimension} = [{question:?}]");
    }
    for it in files::DEVELOPERS {
        text.push_str(&wave("developers", it));
    }
    let _ = write!(
        text,
        "\n[sources.files.surveys.stakeholders]\nkpi = \"stakeholder_satisfaction\"\nscale = [1, 5]\n\
         group = \"Department\"\nrespondent = \"Email\"\ndimensions = {{ overall = [{:?}] }}\n",
        files::CONTENT
    );
    text.push_str(&wave("stakeholders", files::STAKEHOLDERS));
    text.push_str("invited_by_group = { sales = 14, finance = 10, legal = 6 }\n");
    Ok(text)
}

/// What is debt, how soon findings are to be fixed, and what services are to adopt.
const QUALITY: &str = r#"
[rules.debt]

[rules.findings]
tools = ["dependabot", "code_scanning"]

[rules.findings.teams.payments]
critical = "5d"

[standards.readme]
checks = [{ file = "README.md" }]

[standards.lifecycle]
checks = [{ property = "lifecycle", values = ["production", "deprecated"] }]
"#;

fn service_table(service: &Service) -> String {
    let mut text = format!(
        "\n[services.{}]\nteam = {:?}\nrepository = \"{ORGANISATION}/{}\"\npagerduty = [{:?}]\ntier = {}\n",
        service.name, service.team, service.repository, service.pagerduty, service.tier
    );
    if let Some(folder) = service.folder {
        let _ = writeln!(text, "paths = [\"{folder}/**\"]");
    }
    let rule = match service.rule {
        Rule::Deployments { rollout, payload } => {
            let payload = if payload {
                format!(", payload = {{ service = {:?} }}", service.name)
            } else {
                String::new()
            };
            format!("{{ environments = {:?}{payload} }}", rollout.environments)
        }
        Rule::Workflow { name } => format!("{{ workflow = [{name:?}] }}"),
        Rule::Releases { tag } => format!("{{ releases = '{tag}' }}"),
    };
    let _ = writeln!(text, "deployments = {rule}");
    text
}

/// A file that only its owner can read, as the daemon demands.
fn secret(folder: &Path, name: &str, value: &str) -> io::Result<PathBuf> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = folder.join(name);
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(value.as_bytes())?;
    Ok(path)
}
