//! A disk that can be filled.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A small disk of its own, where the operating system lets us have one.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    /// Mounts a disk of this size (`2m`). Says so and returns `None` where that is not allowed.
    pub(crate) fn mount(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "engkpi-test"]);
        let mounted = mount.arg(directory.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(directory));
        }
        // Not `eprintln!`, which the test runner would swallow.
        let _ = writeln!(io::stderr(), "\nSKIPPED: a full disk needs the right to mount one.\n");
        None
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves so many bytes free.
    pub(crate) fn fill(&self, free: u64) {
        let path = self.path().join("ballast");
        let mut ballast = File::create(&path).unwrap();
        while ballast.write_all(&[0; 4096]).is_ok() {}
        let size = ballast.metadata().unwrap().len();
        ballast.set_len(size.saturating_sub(free)).unwrap();
    }

    pub(crate) fn make_room(&self) {
        std::fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}
