//! Files that people and other programs keep: cost exports, surveys, registers.
//!
//! Each file is looked at in every poll and read when its size, its time of change or what is
//! asked of it changed; its rows and its hash are committed in one transaction, and what is not in
//! it any more is removed. A bad row is named by file, line and column and skipped. A file that
//! cannot be used fails the poll and leaves what was known of it.

mod costs;
mod find;
mod history;
mod open;
mod registers;
mod reports;
mod role;
mod rows;
mod settings;
mod surveys;
mod table;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::TimeDelta;

pub use settings::{
    CostSettings, FindingSettings, RegisterSettings, Settings, SurveyKpi, SurveySettings,
    WaveSettings,
};

use super::probe::Probe;
use super::{PollContext, PollReport, Source, SourceError};
use crate::domain::fact::{FindingFeed, FindingPlace};
use crate::domain::{Fact, FactKey, Instant, Kind, SourceName};
use crate::store::Batch;
use find::Found;
use open::Looks;
use role::{Index, Parsed, Place, Role, Stamp};
use table::FileError;

/// A file that changed so lately may have changed again within the same tick of its clock.
const SETTLED: TimeDelta = TimeDelta::seconds(3);
/// The stream in which the known files are listed.
const INDEX: &str = "files";

/// Files as a source.
#[derive(Debug)]
pub struct Files {
    name: SourceName,
    settings: Arc<Settings>,
    /// Files that could not be used, by prefix: how they looked then, and why.
    bad: Mutex<BTreeMap<String, (Looks, FileError)>>,
    /// Skipped rows of files that were committed while another one failed the poll.
    skipped: Mutex<BTreeMap<Kind, u64>>,
}

/// How thoroughly the files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// What seems unchanged is not read.
    Changed,
    /// Everything is read.
    All,
}

impl Files {
    /// The files that `settings` name.
    pub fn new(name: SourceName, settings: &Settings) -> Self {
        Self {
            name,
            settings: Arc::new(settings.clone()),
            bad: Mutex::default(),
            skipped: Mutex::default(),
        }
    }

    /// Reads every file and stores nothing.
    ///
    /// # Errors
    /// What is wrong with the files as a whole.
    pub async fn probe(&self) -> Result<Probe, SourceError> {
        let mut probe = Probe::default();
        let mut errors = Vec::new();
        let mut count = 0;
        for (role, patterns) in Role::all(&self.settings) {
            let found = blocking(move || find::files(&patterns)).await?;
            errors.extend(found.errors);
            probe.warnings.extend(found.warnings);
            count += found.files.len();
            for (file, path) in found.files {
                let place = Place::of(&role, &file);
                match self.read(&role, &place, &path).await? {
                    Ok((parsed, stamp)) => {
                        probe.warnings.extend(stamp.warnings);
                        parsed.facts.iter().for_each(|it| probe.saw(Some(it.occurred_at())));
                    }
                    Err(error) => errors.push(error.of(&file)),
                }
            }
        }
        probe.credential = format!("{count} file{}", if count == 1 { "" } else { "s" });
        if errors.is_empty() { Ok(probe) } else { Err(SourceError::Unusable(errors.join("; "))) }
    }

    async fn pass(&self, cx: &PollContext, look: Look) -> Result<PollReport, SourceError> {
        let mut report = PollReport::default();
        let mut errors = Vec::new();
        let mut index = self.index(cx).await?;
        // Lists of which it is not known what they mean: their files are not taken as gone.
        let mut unsure: BTreeSet<String> = BTreeSet::new();
        let mut found = Vec::new();
        for (role, patterns) in Role::all(&self.settings) {
            let Found { files, errors: wrong, warnings } =
                blocking(move || find::files(&patterns)).await?;
            report.warnings.extend(warnings);
            if !wrong.is_empty() {
                let is_of_role = |(prefix, (_, file)): &(&String, &(Kind, String))| {
                    Place::of(&role, file).prefix == **prefix
                };
                unsure.extend(index.iter().filter(is_of_role).map(|(prefix, _)| prefix.clone()));
                errors.extend(wrong);
            }
            found.extend(
                files.into_iter().map(|(file, path)| (role.clone(), Place::of(&role, &file), path)),
            );
        }
        self.forget_findings(cx).await?;
        self.extend_index(cx, &mut index, &found).await?;
        let total = u64::try_from(found.len()).ok();
        for (done, (role, place, path)) in (0..).zip(&found) {
            cx.progress.step(&self.name, "files", done, total);
            match self.file(cx, look, role, place, path).await? {
                Ok(warnings) => report.warnings.extend(warnings),
                Err(error) => errors.push(error.of(&place.file)),
            }
        }
        let present: BTreeSet<&str> = found.iter().map(|(_, it, _)| it.prefix.as_str()).collect();
        let is_gone =
            |prefix: &String| !present.contains(prefix.as_str()) && !unsure.contains(prefix);
        let gone: Vec<String> = index.keys().filter(|prefix| is_gone(prefix)).cloned().collect();
        self.forget(cx, &mut index, gone).await?;
        if !errors.is_empty() {
            return Err(SourceError::Unusable(errors.join("; ")));
        }
        let skipped = std::mem::take(&mut *lock(&self.skipped));
        report.rejected.extend(skipped);
        Ok(report)
    }

    async fn index(&self, cx: &PollContext) -> Result<Index, SourceError> {
        let stored = cx.store.cursor(&self.name, INDEX).await?;
        Ok(stored.and_then(|it| serde_json::from_str(&it).ok()).unwrap_or_default())
    }

    /// Notes which files are about to be read, before anything of them is stored.
    async fn extend_index(
        &self,
        cx: &PollContext,
        index: &mut Index,
        found: &[(Role, Place, PathBuf)],
    ) -> Result<(), SourceError> {
        let before = index.len();
        for (role, place, _) in found {
            index.insert(place.prefix.clone(), (role.kind(), place.file.clone()));
        }
        if index.len() > before {
            let batch = Batch { cursors: vec![index_cursor(index)], ..Batch::default() };
            cx.store.commit(&self.name, batch).await?;
        }
        Ok(())
    }

    /// Reads one file if that is due, and commits what is in it. Returns its bad rows.
    async fn file(
        &self,
        cx: &PollContext,
        look: Look,
        role: &Role,
        place: &Place,
        path: &Path,
    ) -> Result<Result<Vec<String>, FileError>, SourceError> {
        let stream = stream(&place.prefix);
        let stored = cx.store.cursor(&self.name, &stream).await?;
        let stored: Option<Stamp> = stored.and_then(|it| serde_json::from_str(&it).ok());
        let looks = {
            let path = path.to_owned();
            blocking(move || Looks::of(&path)).await?
        };
        let looks = match looks {
            Ok(looks) => looks,
            Err(error) => return Ok(Err(error)),
        };
        let settled = looks.is_older_than(cx.now - SETTLED);
        if look == Look::Changed && settled {
            if let Some((then, why)) = lock(&self.bad).get(&place.prefix)
                && *then == looks
            {
                return Ok(Err(why.clone()));
            }
            if let Some(stamp) = &stored
                && stamp.looks == looks
                && stamp.asked == role.asked(&self.settings)
            {
                return Ok(Ok(stamp.warnings.clone()));
            }
        }
        let (parsed, stamp) = match self.read(role, place, path).await? {
            Ok(read) => read,
            Err(error) => {
                lock(&self.bad).insert(place.prefix.clone(), (looks, error.clone()));
                return Ok(Err(error));
            }
        };
        lock(&self.bad).remove(&place.prefix);
        for warning in &stamp.warnings {
            tracing::debug!(source = %self.name, "{warning}");
        }
        let changed = stored.is_none_or(|it| it.hash != stamp.hash || it.asked != stamp.asked);
        if changed && parsed.skipped > 0 {
            *lock(&self.skipped).entry(role.kind()).or_default() += parsed.skipped;
        }
        let warnings = stamp.warnings.clone();
        match role {
            Role::Findings { name } => self.findings(cx, name, place, (parsed, stamp)).await?,
            _ => self.commit(cx, role, place, (parsed, stamp)).await?,
        }
        Ok(Ok(warnings))
    }

    /// Stores what changes with the reports of a file. One that is older than what was read of its
    /// tool says nothing new.
    async fn findings(
        &self,
        cx: &PollContext,
        name: &str,
        place: &Place,
        (parsed, stamp): (Parsed, Stamp),
    ) -> Result<(), SourceError> {
        let Some(settings) = self.settings.findings.get(name) else { return Ok(()) };
        let where_found = settings.place();
        let mut batch = Batch::default();
        for report in parsed.reports {
            let at = report.at.unwrap_or_else(|| stamp.looks.modified_at()).min(cx.now);
            let prefix = role::findings_prefix(name, &report.tool);
            let stream = format!("report/{prefix}");
            let last = cx.store.cursor(&self.name, &stream).await?;
            let last: Option<Instant> = last.and_then(|it| it.parse().ok());
            if last.is_some_and(|last| at < last) {
                continue;
            }
            let begins = format!("{prefix}/");
            let known = cx.store.facts(&self.name, Kind::Finding, None).await?;
            let known = known.into_iter().filter_map(|fact| match fact {
                Fact::Finding(it) if it.id.starts_with(&begins) => Some((it.id.clone(), it)),
                _ => None,
            });
            let known = known.collect();
            if last.is_none() {
                batch.facts.push(Fact::FindingFeed(FindingFeed {
                    id: prefix.clone(),
                    place: where_found.clone(),
                    tool: report.tool.clone(),
                    readable: true,
                    since: at,
                }));
            }
            batch.facts.extend(history::changes(&prefix, &where_found, &report, at, known));
            batch.cursors.push((stream, at.to_rfc3339()));
        }
        batch.cursors.push((self::stream(&place.prefix), stamp_text(&stamp)));
        cx.store.commit(&self.name, batch).await?;
        Ok(())
    }

    /// Removes the findings of reports that are not configured any more.
    async fn forget_findings(&self, cx: &PollContext) -> Result<(), SourceError> {
        let names = self.settings.findings.iter();
        let places: Vec<_> = names.map(|(name, it)| (name, it.place())).collect();
        let mut batch = Batch::default();
        for feed in cx.store.facts(&self.name, Kind::FindingFeed, None).await? {
            let Fact::FindingFeed(feed) = feed else { continue };
            let is_its = |(name, place): &(&String, FindingPlace)| {
                role::findings_prefix(name, &feed.tool) == feed.id && *place == feed.place
            };
            if places.iter().any(is_its) {
                continue;
            }
            let key = |kind, id| FactKey { source: self.name.clone(), kind, id };
            let ids = cx.store.ids(&self.name, Kind::Finding, None).await?;
            let begins = format!("{}/", feed.id);
            let own = ids.into_iter().filter(|id| id.starts_with(&begins));
            batch.removed.extend(own.map(|id| key(Kind::Finding, id)));
            batch.forgotten_cursors.push(format!("report/{}", feed.id));
            batch.removed.push(key(Kind::FindingFeed, feed.id));
        }
        if !batch.removed.is_empty() {
            cx.store.commit(&self.name, batch).await?;
        }
        Ok(())
    }

    /// Stores what is in a file and removes what is not in it any more.
    async fn commit(
        &self,
        cx: &PollContext,
        role: &Role,
        place: &Place,
        (parsed, stamp): (Parsed, Stamp),
    ) -> Result<(), SourceError> {
        let kept: BTreeSet<String> = parsed.facts.iter().map(Fact::id).collect();
        let mut removed = self.stored(cx, role.kind(), place).await?;
        removed.retain(|key| !kept.contains(&key.id));
        let cursor = stamp_text(&stamp);
        let batch = Batch {
            facts: parsed.facts,
            removed,
            cursors: vec![(stream(&place.prefix), cursor)],
            ..Batch::default()
        };
        cx.store.commit(&self.name, batch).await?;
        Ok(())
    }

    /// What is stored of a file.
    async fn stored(
        &self,
        cx: &PollContext,
        kind: Kind,
        place: &Place,
    ) -> Result<Vec<FactKey>, SourceError> {
        let ids = cx.store.ids(&self.name, kind, Some(&place.file)).await?;
        let begins = format!("{}/", place.prefix);
        let own = ids.into_iter().filter(|id| id.starts_with(&begins));
        Ok(own.map(|id| FactKey { source: self.name.clone(), kind, id }).collect())
    }

    /// Removes what is stored of files that are gone.
    async fn forget(
        &self,
        cx: &PollContext,
        index: &mut Index,
        gone: Vec<String>,
    ) -> Result<(), SourceError> {
        for prefix in gone {
            let Some((kind, file)) = index.remove(&prefix) else { continue };
            let place = Place { file, prefix };
            let batch = Batch {
                removed: self.stored(cx, kind, &place).await?,
                cursors: vec![index_cursor(index)],
                forgotten_cursors: vec![stream(&place.prefix)],
                ..Batch::default()
            };
            cx.store.commit(&self.name, batch).await?;
            tracing::info!(source = %self.name, "{}: is gone, and what was in it", place.file);
        }
        Ok(())
    }

    async fn read(
        &self,
        role: &Role,
        place: &Place,
        path: &Path,
    ) -> Result<Result<(Parsed, Stamp), FileError>, SourceError> {
        let (role, place, path) = (role.clone(), place.clone(), path.to_owned());
        let settings = Arc::clone(&self.settings);
        blocking(move || role.read(&settings, &place, &path)).await
    }
}

/// Runs what waits for a disk beside the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SourceError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panic| SourceError::Transient(format!("reading a file failed: {panic}")))
}

fn stamp_text(stamp: &Stamp) -> String {
    #[expect(clippy::expect_used, reason = "a struct of texts and numbers")]
    serde_json::to_string(stamp).expect("a stamp can be written as JSON")
}

fn stream(prefix: &str) -> String {
    format!("file/{prefix}")
}

fn index_cursor(index: &Index) -> (String, String) {
    #[expect(clippy::expect_used, reason = "a map of texts")]
    let text = serde_json::to_string(index).expect("the index can be written as JSON");
    (INDEX.to_owned(), text)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Source for Files {
    fn name(&self) -> &SourceName {
        &self.name
    }

    async fn poll(&self, cx: &PollContext) -> Result<PollReport, SourceError> {
        self.pass(cx, Look::Changed).await
    }

    async fn reconcile(&self, cx: &PollContext) -> Result<PollReport, SourceError> {
        self.pass(cx, Look::All).await
    }
}
