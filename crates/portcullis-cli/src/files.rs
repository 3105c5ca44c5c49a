//! Files and folders: opened, walked and written here alone, by functions whose errors name the path.
//!
//! Paths come from a person or from a repository that a build was pointed at. A folder is walked without leaving it:
//! links to folders are not followed, links to files only where they stay below the folder that was named. Pipes and
//! devices are not opened, as they may never end.

mod log;

use std::fs::{self, File, FileType};
use std::io::{self, BufRead, BufReader, Read, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use portcullis_cluster::system_reason;
use tempfile::{NamedTempFile, SpooledTempFile};

pub(crate) use self::log::Log;

/// How deep a folder is walked.
const MAX_DEPTH: usize = 64;

/// How many entries of a folder are looked at.
const MAX_ENTRIES: usize = 1_000_000;

/// Standard input is kept in memory up to this size, in a temporary file beyond.
const SPOOL_IN_MEMORY: usize = 1 << 20;

/// How much of a file is looked at to tell text from other data.
const BUFFER: usize = 64 << 10;

/// Why a path cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("cannot read `{}`: {}", path.display(), system_reason(error))]
    Read { path: PathBuf, error: io::Error },
    #[error("cannot write `{}`: {}", path.display(), system_reason(error))]
    Write { path: PathBuf, error: io::Error },
    #[error("cannot write `{}`: it is {what}", path.display())]
    NoTarget { path: PathBuf, what: &'static str },
    #[error("cannot read standard input: {}", system_reason(.0))]
    Stdin(io::Error),
    #[error("`{}` is {what}, not a file or folder", path.display())]
    Special { path: PathBuf, what: &'static str },
    #[error("`{}` is not text: {what}", path.display())]
    NotText { path: PathBuf, what: &'static str },
    #[error("`{}` holds more than {MAX_ENTRIES} entries", path.display())]
    TooMany { path: PathBuf },
    #[error("`{}` is larger than {limit} bytes", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("`{}` is written to by another process", path.display())]
    InUse { path: PathBuf },
    #[error("everybody may write into the folder `{}`", path.display())]
    OpenToAll { path: PathBuf },
}

impl FileError {
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            FileError::Read { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                Some("relative paths start in the folder that the command runs in")
            }
            FileError::Read { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => {
                Some("whoever runs the command is not allowed to read it")
            }
            FileError::Write { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                Some("the folder that it is to lie in has to be there")
            }
            FileError::Write { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => {
                Some("whoever runs the command is not allowed to write into its folder")
            }
            FileError::OpenToAll { .. } => {
                Some("`chmod o-w` it, once you know who has put what there, or name another")
            }
            FileError::NoTarget { .. } => Some(
                "give a file that ends in `.yaml` or `.yml`, or a folder, which is made where it is missing",
            ),
            FileError::Special { .. } => {
                Some("to read from a pipe, give `-` and connect it to standard input")
            }
            FileError::NotText { .. } => Some("policies and resources are YAML or JSON, in UTF-8"),
            _ => None,
        }
    }
}

fn cannot_read(path: &Path) -> impl FnOnce(io::Error) -> FileError + '_ {
    |error| FileError::Read { path: path.to_owned(), error }
}

fn cannot_write(path: &Path) -> impl FnOnce(io::Error) -> FileError + '_ {
    |error| FileError::Write { path: path.to_owned(), error }
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    File,
    Folder,
    /// A pipe that is open in this process: `/dev/stdin`, or what a shell makes of `<(command)`.
    OpenPipe,
}

/// What `path` names, links followed.
///
/// # Errors
/// Nothing is there, or it is a pipe, a socket or a device.
pub(crate) fn entry(path: &Path) -> Result<Entry, FileError> {
    let kind = fs::metadata(path).map_err(cannot_read(path))?.file_type();
    if kind.is_dir() {
        Ok(Entry::Folder)
    } else if kind.is_file() {
        Ok(Entry::File)
    } else if kind.is_fifo() && (path.starts_with("/dev/fd") || path == Path::new("/dev/stdin")) {
        Ok(Entry::OpenPipe)
    } else {
        Err(FileError::Special { path: path.to_owned(), what: special(kind) })
    }
}

fn special(kind: FileType) -> &'static str {
    match () {
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

/// Where to write what is to stand at `path`: a file where the name ends in `.yaml` or `.yml`, else a folder.
///
/// A link to a file is followed, so that the file is written and the link stays.
///
/// # Errors
/// Something else is there already.
pub(crate) fn target(path: &Path) -> Result<(Entry, PathBuf), FileError> {
    let no_target = |what| FileError::NoTarget { path: path.to_owned(), what };
    match fs::metadata(path).map(|metadata| metadata.file_type()) {
        Ok(kind) if kind.is_dir() => Ok((Entry::Folder, path.to_owned())),
        Ok(kind) if !kind.is_file() => Err(no_target(special(kind))),
        Ok(_) if is_yaml(path) && path.is_symlink() => {
            Ok((Entry::File, fs::canonicalize(path).map_err(cannot_write(path))?))
        }
        Ok(_) if is_yaml(path) => Ok((Entry::File, path.to_owned())),
        Ok(_) => Err(no_target("a file whose name ends neither in `.yaml` nor in `.yml`")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot_write(path)(error)),
        Err(_) => Ok((if is_yaml(path) { Entry::File } else { Entry::Folder }, path.to_owned())),
    }
}

/// Whether two paths lead to the same file or folder, links followed.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    real(one).is_some_and(|one| Some(one) == real(other))
}

/// Opens a text file for reading.
///
/// # Errors
/// It cannot be opened, or does not begin as text.
pub(crate) fn open(path: &Path) -> Result<BufReader<File>, FileError> {
    let file = File::open(path).map_err(cannot_read(path))?;
    let mut reader = BufReader::with_capacity(BUFFER, file);
    let start = reader.fill_buf().map_err(cannot_read(path))?;
    match not_text(start) {
        Some(what) => Err(FileError::NotText { path: path.to_owned(), what }),
        None => Ok(reader),
    }
}

/// What speaks against `start` being the start of a text in UTF-8.
pub(crate) fn not_text(start: &[u8]) -> Option<&'static str> {
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return Some("it is in UTF-16");
    }
    start.contains(&0).then_some("it holds NUL bytes")
}

/// Reads a whole text file of at most `limit` bytes.
///
/// # Errors
/// It cannot be read, is larger, or is no text.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String, FileError> {
    entry(path)?;
    let mut text = String::new();
    let taken = open(path)?.take(limit + 1).read_to_string(&mut text);
    match taken {
        Ok(bytes) if bytes as u64 > limit => Err(FileError::TooLarge { path: path.to_owned(), limit }),
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(FileError::NotText { path: path.to_owned(), what: "it is not UTF-8" })
        }
        Err(error) => Err(cannot_read(path)(error)),
    }
}

/// Input that can be read only once, kept so that it can be read again.
pub(crate) fn spool(reader: &mut dyn Read) -> Result<SpooledTempFile, FileError> {
    let mut spooled = SpooledTempFile::new(SPOOL_IN_MEMORY);
    io::copy(reader, &mut spooled).map_err(FileError::Stdin)?;
    Ok(spooled)
}

/// Starts reading spooled input from its beginning.
pub(crate) fn rewind(spooled: &mut SpooledTempFile) -> Result<BufReader<&mut SpooledTempFile>, FileError> {
    spooled.rewind().map_err(FileError::Stdin)?;
    let mut reader = BufReader::with_capacity(BUFFER, spooled);
    match not_text(reader.fill_buf().map_err(FileError::Stdin)?) {
        Some(what) => Err(FileError::NotText { path: PathBuf::from("-"), what }),
        None => Ok(reader),
    }
}

/// What a walk through a folder found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The files, in the order of their names.
    pub(crate) files: Vec<PathBuf>,
    /// Files that were passed over because they lie outside the folder, with the reason.
    pub(crate) passed_over: Vec<(PathBuf, &'static str)>,
}

/// The YAML files below `folder`, in the folders inside it too where `recursive`; hidden ones are left out.
///
/// # Errors
/// A folder cannot be read, or holds too much.
pub(crate) fn yaml_files(folder: &Path, recursive: bool) -> Result<Found, FileError> {
    walk(folder, recursive, &|path| !is_hidden(path), &is_yaml)
}

/// The files named `name` below `folder` and in the folders inside it, hidden ones too.
///
/// # Errors
/// A folder cannot be read, or holds too much.
pub(crate) fn files_named(folder: &Path, name: &str) -> Result<Found, FileError> {
    walk(folder, true, &|_| true, &|path| path.file_name().is_some_and(|found| found == name))
}

/// Whether the last part of `path` begins with a dot, where `.` and `..` are parts if nothing comes before them.
pub(crate) fn is_dotted(path: &str) -> bool {
    let mut parts = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(parts.last(), Some(Component::Normal(_))) => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    match parts.last() {
        Some(Component::Normal(name)) => name.as_encoded_bytes().starts_with(b"."),
        Some(Component::ParentDir) | None => true,
        _ => false,
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn walk(
    folder: &Path,
    recursive: bool,
    is_looked_at: &dyn Fn(&Path) -> bool,
    is_wanted: &dyn Fn(&Path) -> bool,
) -> Result<Found, FileError> {
    let root = fs::canonicalize(folder).map_err(cannot_read(folder))?;
    let mut walk = Walk { root, entries: 0, recursive, is_looked_at, is_wanted, found: Found::default() };
    walk.folder(folder, 0)?;
    Ok(walk.found)
}

struct Walk<'w> {
    root: PathBuf,
    entries: usize,
    recursive: bool,
    is_looked_at: &'w dyn Fn(&Path) -> bool,
    is_wanted: &'w dyn Fn(&Path) -> bool,
    found: Found,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), FileError> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(cannot_read(folder))? {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(FileError::TooMany { path: self.root.clone() });
            }
            entries.push(entry.map_err(cannot_read(folder))?.path());
        }
        entries.sort();
        for path in entries {
            if !(self.is_looked_at)(&path) {
                continue;
            }
            let kind = fs::symlink_metadata(&path).map_err(cannot_read(&path))?.file_type();
            if kind.is_dir() {
                match () {
                    () if !self.recursive => {}
                    () if depth < MAX_DEPTH => self.folder(&path, depth + 1)?,
                    () => self.found.passed_over.push((path, "folders are nested too deeply")),
                }
            } else if (self.is_wanted)(&path) {
                self.file(path, kind);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: PathBuf, kind: FileType) {
        if kind.is_symlink() {
            match fs::canonicalize(&path) {
                Ok(target) if !target.starts_with(&self.root) => {
                    self.found.passed_over.push((path, "the link leads out of the folder"));
                }
                Ok(target) if target.is_file() => self.found.files.push(path),
                Ok(_) => {}
                Err(_) => self.found.passed_over.push((path, "the link leads nowhere")),
            }
        } else if kind.is_file() {
            self.found.files.push(path);
        } else {
            self.found.passed_over.push((path, special(kind)));
        }
    }
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// A file that appears under its name when it is complete: readable by its owner alone, or by whom the one was that it takes
/// the place of.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    writer: io::BufWriter<NamedTempFile>,
    is_private: bool,
}

impl NewFile {
    /// Begins the file `path`.
    ///
    /// # Errors
    /// Nothing can be written into its folder.
    pub(crate) fn create(path: &Path) -> Result<Self, FileError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = NamedTempFile::new_in(folder).map_err(cannot_write(path))?;
        Ok(Self { path: path.to_owned(), writer: io::BufWriter::new(file), is_private: false })
    }

    /// The same for a file that its owner alone reads, whatever was there before.
    ///
    /// # Errors
    /// Nothing can be written into its folder.
    pub(crate) fn private(path: &Path) -> Result<Self, FileError> {
        Ok(Self { is_private: true, ..Self::create(path)? })
    }

    /// Adds `text` to its end.
    pub(crate) fn append(&mut self, text: &str) -> Result<(), FileError> {
        self.writer.write_all(text.as_bytes()).map_err(cannot_write(&self.path))
    }

    /// Puts the file in its place.
    pub(crate) fn finish(self) -> Result<(), FileError> {
        let Self { path, writer, is_private } = self;
        let file = writer.into_inner().map_err(|error| cannot_write(&path)(error.into_error()))?;
        // Some file systems notice only here that they are full.
        file.as_file().sync_all().map_err(cannot_write(&path))?;
        if let Ok(before) = fs::metadata(&path)
            && !is_private
        {
            file.as_file().set_permissions(before.permissions()).map_err(cannot_write(&path))?;
        }
        file.persist(&path).map_err(|error| cannot_write(&path)(error.error))?;
        Ok(())
    }
}

impl io::Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Of the mode of a folder.
const WRITABLE_BY_ALL: u32 = 0o002;

/// Makes a folder that its owner alone can look into, unless it is there. That it was made is on the disk then.
///
/// # Errors
/// It cannot be made, or everybody may write into the one that is there.
pub(crate) fn make_private_folder(path: &Path) -> Result<(), FileError> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(cannot_write(path))?;
    for made in missing {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match File::open(above).and_then(|above| above.sync_all()) {
            // Who may write into a folder need not be able to read it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced.map_err(cannot_write(above))?,
        }
    }
    let mode = fs::metadata(path).map_err(cannot_read(path))?.permissions().mode();
    if mode & WRITABLE_BY_ALL != 0 {
        return Err(FileError::OpenToAll { path: path.to_owned() });
    }
    Ok(())
}

/// A folder of files that appear when all of them are complete.
#[derive(Debug)]
pub(crate) struct NewFiles {
    folder: PathBuf,
    staged: tempfile::TempDir,
}

impl NewFiles {
    /// Begins to fill `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub(crate) fn create(folder: &Path) -> Result<Self, FileError> {
        fs::create_dir_all(folder).map_err(cannot_write(folder))?;
        let staged = tempfile::Builder::new()
            .prefix(".portcullis-")
            .tempdir_in(folder)
            .map_err(cannot_write(folder))?;
        Ok(Self { folder: folder.to_owned(), staged })
    }

    /// Adds the document `text` to the end of the file `name`.
    pub(crate) fn append(&self, name: &Path, text: &str) -> Result<(), FileError> {
        let path = self.staged.path().join(name);
        let opened = File::options().append(true).create(true).mode(0o600).open(&path);
        opened
            .and_then(|mut file| {
                if file.metadata()?.len() > 0 {
                    file.write_all(b"---\n")?;
                }
                file.write_all(text.as_bytes())
            })
            .map_err(cannot_write(&self.folder.join(name)))
    }

    /// Puts the files in their places.
    pub(crate) fn finish(self) -> Result<(), FileError> {
        for entry in fs::read_dir(self.staged.path()).map_err(cannot_write(&self.folder))? {
            let entry = entry.map_err(cannot_write(&self.folder))?;
            let place = self.folder.join(entry.file_name());
            fs::rename(entry.path(), &place).map_err(cannot_write(&place))?;
        }
        Ok(())
    }
}
