//! The folder of a quarter: revisions that are there as a whole or not at all, and that nobody
//! changes.
//!
//! A revision is written under another name, brought to the disk and renamed. Beside its files lie
//! their sums, so that `sha256sum --check SHA256SUMS` can tell whether it is what was written.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use sha2::{Digest as _, Sha256};

use crate::output::snapshot::{self, Snapshot};

/// The sums of the files of a revision, as `sha256sum` writes them.
const SUMS: &str = "SHA256SUMS";

/// What a revision is called.
const REVISION: &str = "revision-";

/// What it is called while it is written.
const UNFINISHED: &str = ".revision-";

/// The folder of a quarter. While it is held no other process adds to it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    handle: File,
}

impl Folder {
    /// Opens the folder of `quarter` below `root`, waiting until nobody else writes there.
    pub(super) fn open(root: &Path, quarter: &str) -> anyhow::Result<Self> {
        let path = root.join(quarter);
        make(&path)?;
        let handle = File::open(&path).with_context(|| cannot("open", &path))?;
        handle.lock().with_context(|| cannot("lock", &path))?;
        Ok(Self { path, handle })
    }

    /// The last revision; every one is checked. What a run that was killed left behind is removed.
    pub(super) fn last(&self) -> anyhow::Result<Option<Snapshot>> {
        let mut last = None;
        for number in self.revisions()? {
            last = Some(self.revision(number)?);
        }
        Ok(last)
    }

    /// The numbers of the revisions that are there: all from 1 on.
    fn revisions(&self) -> anyhow::Result<BTreeSet<u32>> {
        let mut revisions = BTreeSet::new();
        for entry in fs::read_dir(&self.path).with_context(|| cannot("read", &self.path))? {
            let path = entry.with_context(|| cannot("read", &self.path))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let number = name.strip_prefix(REVISION).and_then(|it| it.parse().ok());
            match number.filter(|it| name == folder(*it)) {
                _ if name.starts_with(UNFINISHED) => {
                    fs::remove_dir_all(&path).with_context(|| cannot("remove", &path))?;
                }
                Some(number) => {
                    revisions.insert(number);
                }
                None if name.starts_with(REVISION) => bail!(
                    "{} is no revision: revisions are called {REVISION}1, {REVISION}2, …; move it elsewhere",
                    path.display()
                ),
                None => {
                    tracing::warn!("{} is not of a snapshot: it is left alone", path.display());
                }
            }
        }
        for (number, expected) in revisions.iter().zip(1..) {
            ensure!(
                *number == expected,
                "{} is missing: {}",
                self.path.join(folder(expected)).display(),
                self.mended()
            );
        }
        Ok(revisions)
    }

    fn revision(&self, number: u32) -> anyhow::Result<Snapshot> {
        let path = self.path.join(folder(number));
        let sums = self.text(&path.join(SUMS))?;
        let mut listed = BTreeSet::from([SUMS]);
        for line in sums.lines() {
            let Some((sum, name)) = line.split_once("  ").filter(|(_, it)| !it.contains('/'))
            else {
                bail!("{} is damaged: {}", path.join(SUMS).display(), self.mended());
            };
            let file = path.join(name);
            let text = self.text(&file)?;
            let same = hex::encode(Sha256::digest(&text)) == sum;
            ensure!(
                same,
                "{} is not what was written, by {SUMS}: {}",
                file.display(),
                self.mended()
            );
            listed.insert(name);
        }
        for entry in fs::read_dir(&path).with_context(|| cannot("read", &path))? {
            let entry = entry.with_context(|| cannot("read", &path))?;
            let known = entry.file_name().to_str().is_some_and(|it| listed.contains(it));
            let shown = entry.path();
            ensure!(known, "{} is not of the snapshot: move it elsewhere", shown.display());
        }
        let file = path.join("snapshot.json");
        let read = snapshot::read(&self.text(&file)?);
        let read = read.with_context(|| format!("{} cannot be read", file.display()))?;
        let of = self.path.file_name().unwrap_or_default();
        ensure!(
            read.revision == number && of == read.quarter.as_str(),
            "{} is revision {} of {}: {}",
            file.display(),
            read.revision,
            read.quarter,
            self.mended()
        );
        Ok(read)
    }

    fn text(&self, path: &Path) -> anyhow::Result<String> {
        fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read: {}", path.display(), self.mended()))
    }

    /// What to do about what is damaged.
    fn mended(&self) -> String {
        format!(
            "restore it from a copy, or move {} elsewhere to begin again at revision 1",
            self.path.display()
        )
    }

    /// Adds a revision, and says where it is. It is there as a whole or not at all.
    pub(super) fn add(&self, snapshot: &Snapshot) -> anyhow::Result<PathBuf> {
        let unfinished = self.path.join(format!("{UNFINISHED}{}", snapshot.revision));
        make(&unfinished)?;
        let mut sums = String::new();
        for (name, text) in snapshot.files() {
            sums += &format!("{}  {name}\n", hex::encode(Sha256::digest(&text)));
            write(&unfinished.join(name), &text)?;
        }
        write(&unfinished.join(SUMS), &sums)?;
        let opened = File::open(&unfinished).with_context(|| cannot("open", &unfinished))?;
        opened.sync_all().with_context(|| cannot("write", &unfinished))?;
        let path = self.path.join(folder(snapshot.revision));
        fs::rename(&unfinished, &path).with_context(|| cannot("make", &path))?;
        self.handle.sync_all().with_context(|| cannot("write", &self.path))?;
        Ok(path)
    }
}

fn folder(revision: u32) -> String {
    format!("{REVISION}{revision}")
}

fn make(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| cannot("make", path))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(|| cannot("make", path))?;
    file.write_all(text.as_bytes()).with_context(|| cannot("write", path))?;
    file.sync_all().with_context(|| cannot("write", path))
}

fn cannot(what: &str, path: &Path) -> String {
    format!("cannot {what} {}", path.display())
}
