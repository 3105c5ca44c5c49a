//! A file that grows at its end, and is on the disk when it has to be.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::{FileError, cannot_read, cannot_write};

/// A file that one process at a time writes to the end of; its owner alone can read it.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Opens the file, which is made where it is missing, and reads what is in it.
    ///
    /// # Errors
    /// It cannot be opened or read, or another process has it open so.
    pub(crate) fn open(path: &Path) -> Result<(Self, String), FileError> {
        let opened = File::options().read(true).append(true).create(true).mode(0o600).open(path);
        let mut file = opened.map_err(cannot_write(path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FileError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(cannot_write(path)(error)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(cannot_read(path))?;
        // Where power failed, the end may be anything; who reads it takes whole lines.
        let text = String::from_utf8(bytes).unwrap_or_else(|error| {
            let valid = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            bytes.truncate(valid);
            String::from_utf8(bytes).unwrap_or_default()
        });
        Ok((Self { path: path.to_owned(), file }, text))
    }

    /// Cuts off all but the first `length` bytes.
    pub(crate) fn truncate(&mut self, length: u64) -> Result<(), FileError> {
        let cut = self.file.set_len(length).and_then(|()| self.file.seek(SeekFrom::End(0)));
        cut.map(drop).map_err(cannot_write(&self.path))
    }

    /// Adds `text` to its end.
    pub(crate) fn append(&mut self, text: &str) -> Result<(), FileError> {
        self.file.write_all(text.as_bytes()).map_err(cannot_write(&self.path))
    }

    /// Returns when all that was written is on the disk.
    pub(crate) fn sync(&self) -> Result<(), FileError> {
        self.file.sync_data().map_err(cannot_write(&self.path))
    }
}
