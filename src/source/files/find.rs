//! Which files a list of files, folders and patterns means.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::kpi::view::ownership::matches;

/// Folders are looked into so deep.
const DEEPEST: usize = 16;
/// So many files are read of one list.
const MOST: usize = 10_000;
/// Longest path of a file: it is part of what is stored.
const LONGEST_PATH: usize = 500;
/// What is read of a folder.
const ENDINGS: [&str; 3] = [".csv", ".csv.gz", ".toml"];

/// What a list of files means.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The files by the name that people know them by. No file is there under two names.
    pub(super) files: BTreeMap<String, PathBuf>,
    /// Why the list may mean more than that.
    pub(super) errors: Vec<String>,
    /// What was left out on purpose.
    pub(super) warnings: Vec<String>,
}

/// Finds the files that `patterns` mean.
pub(super) fn files(patterns: &[String]) -> Found {
    let mut search = Search::default();
    for pattern in patterns {
        if let Err(error) = search.pattern(pattern) {
            search.found.errors.push(error);
        }
    }
    search.found
}

#[derive(Debug, Default)]
struct Search {
    found: Found,
    /// By the place where a file really is.
    seen: BTreeMap<PathBuf, String>,
    /// Folders on the way to where the search is: a link back to one is a circle.
    way: Vec<PathBuf>,
}

impl Search {
    fn pattern(&mut self, pattern: &str) -> Result<(), String> {
        let (folder, wild) = split(pattern);
        let unreadable = |error: io::Error| format!("{}: {}", folder.display(), reason(&error));
        let metadata = std::fs::metadata(&folder).map_err(unreadable)?;
        if wild.is_none() && metadata.is_file() {
            return self.take(&folder);
        }
        if !metadata.is_dir() {
            return Err(format!("{}: is neither a file nor a folder", folder.display()));
        }
        let root = std::fs::canonicalize(&folder).map_err(unreadable)?;
        self.way = vec![root.clone()];
        let deepest = match &wild {
            Some(wild) if wild.contains("**") => DEEPEST,
            Some(wild) => wild.matches('/').count() + 1,
            None => 1,
        };
        let mut matched = 0;
        self.walk(&folder, "", &root, deepest, &mut |path| {
            let wanted = match &wild {
                Some(wild) => matches(wild, path),
                None => ENDINGS.iter().any(|ending| path.to_lowercase().ends_with(ending)),
            };
            matched += usize::from(wanted);
            wanted
        })?;
        if matched == 0 {
            return Err(match wild {
                Some(_) => format!("{pattern}: no file matches"),
                None => format!("{pattern}: holds no {} file", ENDINGS.join(", ")),
            });
        }
        Ok(())
    }

    fn walk(
        &mut self,
        folder: &Path,
        below: &str,
        root: &Path,
        deeper: usize,
        wanted: &mut dyn FnMut(&str) -> bool,
    ) -> Result<(), String> {
        let unreadable = |error: io::Error| format!("{}: {}", folder.display(), reason(&error));
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            names.push(entry.map_err(unreadable)?.file_name());
        }
        names.sort();
        for name in names {
            let path = folder.join(&name);
            let Some(name) = name.to_str() else {
                let warning = format!("{}: its name is not UTF-8, it is not read", path.display());
                self.found.warnings.push(warning);
                continue;
            };
            // Hidden: what editors and mounts put beside the files.
            if name.starts_with('.') {
                continue;
            }
            let relative =
                if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
            let Ok(real) = std::fs::canonicalize(&path) else {
                let warning = format!("{}: is a link to nothing", path.display());
                self.found.warnings.push(warning);
                continue;
            };
            if !real.starts_with(root) {
                if wanted(&relative) {
                    let (path, root) = (path.display(), root.display());
                    let warning = format!("{path}: is a link out of {root}, it is not read");
                    self.found.warnings.push(warning);
                }
            } else if real.is_dir() {
                if deeper > 1 && !self.way.contains(&real) {
                    self.way.push(real);
                    self.walk(&path, &relative, root, deeper - 1, wanted)?;
                    self.way.pop();
                }
            } else if real.is_file() && wanted(&relative) {
                self.take(&path)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, path: &Path) -> Result<(), String> {
        let name = path.display().to_string();
        if name.len() > LONGEST_PATH {
            return Err(format!("{name}: its path is longer than {LONGEST_PATH} bytes"));
        }
        if path.to_str().is_none() {
            return Err(format!("{name}: its path is not UTF-8"));
        }
        let real =
            std::fs::canonicalize(path).map_err(|error| format!("{name}: {}", reason(&error)))?;
        if self.seen.insert(real, name.clone()).is_none() {
            self.found.files.insert(name, path.to_owned());
        }
        if self.found.files.len() > MOST {
            return Err(format!("more than {MOST} files are named"));
        }
        Ok(())
    }
}

/// The folder (or file) before the first wildcard, and the pattern of what is below it.
fn split(pattern: &str) -> (PathBuf, Option<String>) {
    let is_wild = |part: &Component<'_>| part.as_os_str().to_string_lossy().contains('*');
    let parts: Vec<Component<'_>> = Path::new(pattern).components().collect();
    let fixed = parts.iter().position(is_wild).unwrap_or(parts.len());
    let folder: PathBuf = parts[..fixed].iter().collect();
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    let wild: Vec<_> = parts[fixed..].iter().map(|it| it.as_os_str().to_string_lossy()).collect();
    (folder, (!wild.is_empty()).then(|| wild.join("/")))
}

/// Why something cannot be read, in words that do not depend on the system.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "is not there".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read: mend its mode or owner".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}
