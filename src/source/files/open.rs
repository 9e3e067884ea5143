//! A file on its way: hashed, unpacked, and never more of it than is allowed.

use std::cell::Cell;
use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::rc::Rc;
use std::time::UNIX_EPOCH;

use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::find::reason;
use super::table::FileError;
use crate::domain::Instant;

/// Longest record of a table: beyond it a closing quote is missing.
const LONGEST_RECORD: u64 = 1024 * 1024;

/// What a file looks like from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Looks {
    pub(super) size: u64,
    /// Nanoseconds since the epoch.
    pub(super) modified: u64,
}

impl Looks {
    pub(super) fn of(path: &Path) -> Result<Self, FileError> {
        let metadata = std::fs::metadata(path).map_err(|error| FileError::new(reason(&error)))?;
        Self::in_metadata(&metadata)
    }

    fn in_metadata(metadata: &Metadata) -> Result<Self, FileError> {
        if !metadata.is_file() {
            return Err(FileError::new("is not a file"));
        }
        let modified = metadata.modified().ok();
        let since = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let modified = since.map_or(0, |it| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX));
        Ok(Self { size: metadata.len(), modified })
    }

    /// When it was last changed.
    pub(super) fn modified_at(&self) -> Instant {
        i64::try_from(self.modified).map_or(Instant::UNIX_EPOCH, Instant::from_timestamp_nanos)
    }

    /// Whether it was last changed before `at`.
    pub(super) fn is_older_than(&self, at: Instant) -> bool {
        let at = at.timestamp_nanos_opt().and_then(|it| u64::try_from(it).ok());
        at.is_some_and(|at| self.modified < at)
    }
}

/// An open file.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) looks: Looks,
    pub(super) meter: Meter,
    gzip: bool,
    file: File,
}

/// What has been read so far. Shared by the layers of a reader.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    record: Rc<Cell<u64>>,
}

impl Meter {
    /// A record is complete: the next one may be as long again.
    pub(super) fn record_ended(&self) {
        self.record.set(0);
    }
}

impl Opened {
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        let unreadable = |error: io::Error| FileError::new(reason(&error));
        // Asked before opening: opening a pipe would wait for ever.
        Looks::of(path)?;
        let file = File::open(path).map_err(unreadable)?;
        let looks = Looks::in_metadata(&file.metadata().map_err(unreadable)?)?;
        let name = path.to_string_lossy().to_lowercase();
        Ok(Self { looks, meter: Meter::default(), gzip: name.ends_with(".gz"), file })
    }

    /// Hands its unpacked content to `work`, at most `most` bytes of it, and returns what `work`
    /// made of it with the hash of the file.
    pub(super) fn read<T>(
        self,
        most: u64,
        work: impl FnOnce(&mut dyn Read, &Meter) -> Result<T, FileError>,
    ) -> Result<(T, String), FileError> {
        let Self { looks, meter, gzip, file } = self;
        let hash = Rc::new(std::cell::RefCell::new(Sha256::new()));
        let hashed = Hashed { inner: file, hash: Rc::clone(&hash) };
        let mut packed = BufReader::with_capacity(64 * 1024, hashed);
        let mut unpacked: Box<dyn Read + '_> =
            if gzip { Box::new(MultiGzDecoder::new(&mut packed)) } else { Box::new(&mut packed) };
        let mut metered = Metered { inner: &mut unpacked, left: most, most, meter: meter.clone() };
        let result = work(&mut metered, &meter)?;
        // Whatever follows the last row belongs to the file too.
        drain(&mut metered, &meter)?;
        drop(unpacked);
        drain(&mut packed, &meter)?;
        let after = packed.get_ref().inner.metadata();
        let after = after.map_err(|error| FileError::new(reason(&error)))?;
        if Looks::in_metadata(&after)? != looks {
            return Err(FileError::new("changed while it was read; it is read again"));
        }
        let digest = hash.borrow().clone().finalize();
        Ok((result, hex::encode(digest)))
    }
}

fn drain(reader: &mut dyn Read, meter: &Meter) -> Result<(), FileError> {
    let mut buffer = [0; 8192];
    loop {
        meter.record_ended();
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(of_io(&error)),
        }
    }
}

/// What a failed read means.
pub(super) fn of_io(error: &io::Error) -> FileError {
    match error.kind() {
        // Our own, below.
        io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded => {
            FileError::new(error.to_string())
        }
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            FileError::new(format!("is no complete gzip file: {error}"))
        }
        _ => FileError::new(reason(error)),
    }
}

struct Hashed<R> {
    inner: R,
    hash: Rc<std::cell::RefCell<Sha256>>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.borrow_mut().update(&buffer[..read]);
        Ok(read)
    }
}

struct Metered<'a> {
    inner: &'a mut dyn Read,
    left: u64,
    most: u64,
    meter: Meter,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let count = u64::try_from(read).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(count).ok_or_else(|| {
            let rule = format!("holds more than {} MiB", self.most / (1024 * 1024));
            io::Error::new(io::ErrorKind::FileTooLarge, rule)
        })?;
        let record = self.meter.record.get() + count;
        self.meter.record.set(record);
        if record > LONGEST_RECORD {
            let rule = "a record is longer than 1 MiB; a closing quote may be missing";
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, rule));
        }
        Ok(read)
    }
}
