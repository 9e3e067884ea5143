//! Files as a source: what is read, what is skipped, what changes and what is gone.

mod changes;
mod findings;
mod large;
mod malformed;
mod registers;

use std::sync::Arc;

use engkpi::domain::fact::{Cost, SurveyCell};
use engkpi::domain::{Fact, Instant, Kind, SourceName};
use engkpi::source::files::{Files, Settings};
use engkpi::source::{PollContext, PollReport, Progress, Source, SourceError};
use engkpi::store::Store;

use crate::store::memory::MemoryStore;

#[derive(Debug)]
struct Quiet;

impl Progress for Quiet {
    fn step(&self, _: &SourceName, _: &str, _: u64, _: Option<u64>) {}
}

/// A folder with files, and what has been read of it.
struct Scene {
    folder: tempfile::TempDir,
    source: Files,
    store: Arc<MemoryStore>,
    now: Instant,
}

impl Scene {
    /// A folder of which `settings` name files; `$` stands for it.
    fn of(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = source(&folder, settings);
        // Long after the files are made: they are settled.
        let now = "2126-04-01T00:00:00Z".parse().unwrap();
        Self { folder, source, store: Arc::default(), now }
    }

    /// Reads by other settings from now on.
    fn reconfigure(&mut self, settings: &str) {
        self.source = source(&self.folder, settings);
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.path().join(name)).unwrap();
    }

    fn context(&self) -> PollContext {
        PollContext { store: self.store.clone(), now: self.now, progress: Arc::new(Quiet) }
    }

    async fn try_poll(&self) -> Result<PollReport, SourceError> {
        self.source.poll(&self.context()).await
    }

    async fn poll(&self) -> PollReport {
        self.try_poll().await.unwrap()
    }

    /// What is said about the files, the folder left out.
    async fn said(&self) -> String {
        self.without_folder(&match self.try_poll().await {
            Ok(report) => report.warnings.join("\n"),
            Err(error) => error.to_string(),
        })
    }

    /// `text` without the folder, of which the name is random and may hold any short word.
    fn without_folder(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }

    async fn facts(&self, kind: Kind) -> Vec<Fact> {
        self.store.facts(self.source.name(), kind, None).await.unwrap()
    }

    /// All that is kept of a kind, to look for words in it.
    async fn stored(&self, kind: Kind) -> String {
        self.without_folder(&format!("{:?}", self.facts(kind).await))
    }

    async fn count(&self, kind: Kind) -> usize {
        self.facts(kind).await.len()
    }

    /// Every cost as `DAY TAG AMOUNT CURRENCY`.
    async fn costs(&self) -> Vec<String> {
        let mut costs: Vec<String> = self
            .facts(Kind::Cost)
            .await
            .into_iter()
            .map(|fact| {
                let Fact::Cost(Cost { day, tag, amount, currency, .. }) = fact else { panic!() };
                format!("{day} {} {amount} {currency}", tag.unwrap_or_else(|| "-".to_owned()))
            })
            .collect();
        costs.sort();
        costs
    }

    /// Every cell of a survey as `WAVE DIMENSION TEAM [SCORES]`.
    async fn cells(&self) -> Vec<String> {
        let mut cells: Vec<String> = self
            .facts(Kind::SurveyCell)
            .await
            .into_iter()
            .map(|fact| {
                let Fact::SurveyCell(SurveyCell { wave, dimension, team, scores, .. }) = fact
                else {
                    panic!()
                };
                format!("{wave} {dimension} {} {scores:?}", team.unwrap_or_default())
            })
            .collect();
        cells.sort();
        cells
    }
}

fn source(folder: &tempfile::TempDir, settings: &str) -> Files {
    let settings = settings.replace('$', &folder.path().display().to_string());
    let settings = format!("history_start = \"2020-01-01\"\n{settings}");
    let settings: Settings = toml::from_str(&settings).unwrap();
    assert_eq!(settings.check(), [], "the settings of a test are fine");
    Files::new("files".into(), &settings)
}

/// Settings of one register.
fn register(name: &str, files: &str) -> String {
    format!("[{name}]\nfiles = [\"$/{files}\"]")
}

const SURVEY: &str = r#"
[surveys.devex]
kpi = "developer_experience"
scale = [1, 5]
words = { Agree = 4, "Strongly agree" = 5 }
team = "Team"
respondent = "Email"
[surveys.devex.dimensions]
flow = ["I can focus", "I finish"]
feedback = ["Reviews are fast"]
[surveys.devex.waves.w1]
files = ["$/FILES"]
closed = "2026-01-31"
"#;

fn survey(files: &str) -> String {
    SURVEY.replace("FILES", files)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}
