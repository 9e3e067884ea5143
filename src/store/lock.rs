//! Keeps a second writer away from a SQLite file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::StoreError;

/// Held for as long as this process may write. The operating system lets go of it when the process
/// ends, however it ends, so a stale lock cannot be left behind.
#[derive(Debug)]
pub(super) struct WriterLock {
    _file: File,
}

impl WriterLock {
    /// Takes the lock of the database at `path`, which must be free of symbolic links.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let lock = lock_path(path);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock)
            .map_err(|error| super::sqlite::cannot_open(&lock, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path, &mut file)),
            Err(TryLockError::Error(error)) => {
                return Err(StoreError::Unusable(format!(
                    "{} cannot be locked ({error}); keep the store on a local disk",
                    lock.display()
                )));
            }
        }
        // Only for the message above: a lock without it protects as well.
        let _ = file
            .set_len(0)
            .and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
        Ok(Self { _file: file })
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    lock.into()
}

fn in_use(path: &Path, file: &mut File) -> StoreError {
    let mut holder = String::new();
    let _ = file.read_to_string(&mut holder);
    let process = if holder.is_empty() { String::new() } else { format!(", process {holder}") };
    StoreError::Unusable(format!(
        "{} is in use by another engkpi{process}; stop it first (`evaluate` and `explain` work \
         beside it)",
        path.display()
    ))
}
