//! The folder of a sweep: its journal, and what is kept of the Jobs that go.
//!
//! `journal.jsonl` says what was done to which Job; `tombstones.jsonl.gz` holds the manifest of each as it was, one a line
//! (`zcat` shows them). Both are for their owner's eyes: manifests hold what people put into environment variables.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use portcullis_retention::{Header, Journal};

use crate::exit::hinted;
use crate::files::{self, Entry, FileError, Log, NewFile};

/// The longest manifest that is read again.
const LONGEST_MANIFEST: u64 = 64 << 20;

/// The journal in the folder of a sweep.
const JOURNAL: &str = "journal.jsonl";

/// The folder of the sweep that carries `plan` out, where no other is named: it lies beside it.
pub(super) fn beside(plan: &Path) -> PathBuf {
    let mut name = plan.as_os_str().to_owned();
    name.push(".applied");
    PathBuf::from(name)
}

/// Whether a sweep was begun with `folder`.
pub(super) fn holds_journal(folder: &Path) -> bool {
    std::fs::metadata(folder.join(JOURNAL)).is_ok_and(|journal| journal.len() > 0)
}

/// The folder of one sweep.
#[derive(Debug)]
pub(super) struct Backup {
    folder: PathBuf,
    log: Log,
    journal: Option<Journal>,
}

impl Backup {
    /// Opens the folder, which is made where it is missing. Nobody else can until it is dropped.
    ///
    /// # Errors
    /// It cannot be used, another process uses it, or its journal cannot be read.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        files::make_private_folder(folder)?;
        let path = folder.join(JOURNAL);
        let (log, text) = Log::open(&path)?;
        let journal = Journal::read(&text).map_err(|error| {
            let hint = "what was done to which Job is not known: name another folder with `--backup DIR`, and keep this one";
            hinted(format!("cannot use `{}`: {error}", path.display()), Some(hint))
        })?;
        Ok(Self { folder: folder.to_owned(), log, journal })
    }

    /// Opens the folder of a sweep that was begun.
    ///
    /// # Errors
    /// There is none, or as [`Backup::open`].
    pub(super) fn of_sweep(folder: &Path) -> Result<(Self, Journal)> {
        let none = || {
            let hint = "give the folder that `portcullis jobs apply` names at its end";
            hinted(format!("no sweep was carried out with `{}`", folder.display()), Some(hint))
        };
        if !folder.join(JOURNAL).exists() {
            return Err(none());
        }
        let backup = Self::open(folder)?;
        let journal = backup.journal.clone().ok_or_else(none)?;
        Ok((backup, journal))
    }

    /// What an earlier run has written, if it began.
    pub(super) fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// Begins the journal, or goes on with it: half a line at its end is cut off.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn begin(&mut self, header: Header) -> Result<Journal> {
        if let Some(journal) = &self.journal {
            self.log.truncate(journal.length as u64)?;
            return Ok(journal.clone());
        }
        self.log.truncate(0)?;
        self.append(&header.to_line()?, true)?;
        // The names of both files are in the folder, which is on the disk when it says so.
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| FileError::Write { path: self.folder.clone(), error })?;
        Ok(Journal::new(header))
    }

    /// Adds to the journal; what is `durable` is on the disk when this returns.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn append(&mut self, text: &str, durable: bool) -> Result<(), FileError> {
        self.log.append(text)?;
        if durable { self.log.sync() } else { Ok(()) }
    }

    fn tombstones(&self) -> PathBuf {
        self.folder.join("tombstones.jsonl.gz")
    }

    /// Begins to keep manifests; they are in their place when all are there.
    ///
    /// # Errors
    /// The file cannot be made.
    pub(super) fn keep(&self) -> Result<Tombstones, FileError> {
        let file = NewFile::private(&self.tombstones())?;
        Ok(Tombstones { path: self.tombstones(), encoder: GzEncoder::new(file, Compression::fast()) })
    }

    /// The manifests that were kept, one after the other.
    ///
    /// # Errors
    /// There is no file of them, or, later, it cannot be read.
    pub(super) fn kept(&self) -> Result<impl Iterator<Item = Result<String>>> {
        let path = self.tombstones();
        self.check_kept()?;
        let file = File::open(&path).map_err(|error| FileError::Read { path: path.clone(), error })?;
        let mut lines = BufReader::new(GzDecoder::new(BufReader::new(file)));
        Ok(std::iter::from_fn(move || {
            let mut line = String::new();
            match io::Read::take(&mut lines, LONGEST_MANIFEST).read_line(&mut line) {
                Ok(0) => None,
                Ok(_) => Some(Ok(line.trim_end().to_owned())),
                Err(error) => Some(Err(FileError::Read { path: path.clone(), error }.into())),
            }
        }))
    }

    /// Whether there is a file of the manifests.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn check_kept(&self) -> Result<()> {
        let path = self.tombstones();
        if files::entry(&path).ok() == Some(Entry::File) {
            return Ok(());
        }
        let hint = "put it back, or begin anew with another folder (`--backup DIR`): without it nothing could be undone";
        Err(hinted(
            format!("the manifests of the Jobs are gone: there is no file `{}`", path.display()),
            Some(hint),
        ))
    }
}

/// Manifests that are being kept.
#[derive(Debug)]
pub(super) struct Tombstones {
    path: PathBuf,
    encoder: GzEncoder<NewFile>,
}

impl Tombstones {
    /// Keeps a manifest, which is JSON.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn add(&mut self, manifest: &str) -> Result<(), FileError> {
        // Between tokens only can a line end stand.
        let mut lines = manifest.lines();
        let written = lines.try_for_each(|line| self.encoder.write_all(line.as_bytes()));
        written.and_then(|()| self.encoder.write_all(b"\n")).map_err(|error| self.failed(error))
    }

    /// Puts the file in its place, on the disk.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn finish(self) -> Result<(), FileError> {
        let path = self.path;
        self.encoder.finish().map_err(|error| FileError::Write { path, error })?.finish()
    }

    fn failed(&self, error: io::Error) -> FileError {
        FileError::Write { path: self.path.clone(), error }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use portcullis_retention::{Mode, Plan};

    use super::*;

    fn header() -> Header {
        let plan = Plan::new(Mode::Delete, Default::default(), Default::default());
        Header { at: 0, cluster: "c".to_owned(), mode: Mode::Delete, plan: plan.computed_digest() }
    }

    #[test]
    fn what_is_kept_is_read_again_and_nobody_else_can() {
        let folder = tempfile::tempdir().unwrap();
        let backup = Backup::open(folder.path()).unwrap();
        let mut tombstones = backup.keep().unwrap();
        for manifest in [r#"{"a": 1}"#, "{\n  \"b\":\n 2}"] {
            tombstones.add(manifest).unwrap();
        }
        assert!(!backup.tombstones().exists());
        tombstones.finish().unwrap();
        let kept: Vec<_> = backup.kept().unwrap().map(Result::unwrap).collect();
        assert_eq!(kept, [r#"{"a": 1}"#, r#"{  "b": 2}"#]);
        let mode = |name: &str| folder.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!([mode("journal.jsonl"), mode("tombstones.jsonl.gz")], [0o600; 2]);
    }

    #[test]
    fn a_folder_is_of_one_process_and_half_a_line_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut backup = Backup::open(folder.path()).unwrap();
        assert!(Backup::open(folder.path()).unwrap_err().to_string().contains("another process"));
        backup.begin(header()).unwrap();
        backup.append("{\"at\":\"2026-", true).unwrap();
        drop(backup);
        let mut backup = Backup::open(folder.path()).unwrap();
        let journal = backup.begin(header()).unwrap();
        assert_eq!(journal.header, header());
        drop(backup);
        let (_, journal) = Backup::of_sweep(folder.path()).unwrap();
        assert_eq!(journal.entries().count(), 0);
    }
}
