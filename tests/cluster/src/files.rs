//! Files of a control plane; every error names the path.
#![expect(clippy::disallowed_methods, reason = "the one module of the harness that touches files")]

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use anyhow::{Context as _, Result};

pub(crate) fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    // A log is cut where it is read, which may be within a character.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What stands in a file after so many bytes.
pub(crate) fn read_from(path: &Path, start: u64) -> Result<String> {
    let read = || {
        let mut file = fs::File::open(path)?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        std::io::Result::Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().with_context(|| format!("cannot read `{}`", path.display()))
}

/// How many bytes a file holds.
pub(crate) fn length(path: &Path) -> Result<u64> {
    let metadata = fs::metadata(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(metadata.len())
}

pub(crate) fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| format!("cannot remove `{}`", path.display()))
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make `{}`", path.display()))
}

pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

/// Writes a file that can be run.
pub(crate) fn write_executable(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    write(path, text)?;
    let changed = fs::set_permissions(path, fs::Permissions::from_mode(0o755));
    changed.with_context(|| format!("cannot make `{}` executable", path.display()))
}

/// Opens a file for more at its end, and makes it when it is not there.
pub(crate) fn append(path: &Path) -> Result<fs::File> {
    let opened = fs::File::options().create(true).append(true).open(path);
    opened.with_context(|| format!("cannot open `{}`", path.display()))
}

/// The names of what lies in a folder.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>> {
    let read = || -> std::io::Result<Vec<String>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    read().with_context(|| format!("cannot list `{}`", folder.display()))
}
