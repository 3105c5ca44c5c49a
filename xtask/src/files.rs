//! Files and folders of the repository; every error names the path.
#![expect(clippy::disallowed_methods, reason = "the one module of the tasks that touches files")]

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use anyhow::{Context as _, Result};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    variable("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// A variable of the environment, when it is set and not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// The text of a file, or nothing when it is not UTF-8.
pub(crate) fn read_if_text(path: &Path) -> Result<Option<String>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(String::from_utf8(bytes).ok())
}

/// The bytes of a file.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// Writes a file that everybody may run, and the folders above it.
pub(crate) fn write_executable(path: &Path, contents: &[u8]) -> Result<()> {
    write(path, contents)?;
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(path, permissions).with_context(|| format!("cannot change `{}`", path.display()))
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, contents: &[u8]) -> Result<()> {
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, contents)
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))
}

/// Begins a file, and makes the folders above it.
pub(crate) fn writer(path: &Path) -> Result<io::BufWriter<fs::File>> {
    make_folder(path.parent().unwrap_or(path))?;
    let file = fs::File::create(path).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(io::BufWriter::new(file))
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make `{}`", path.display()))
}

/// Removes a folder and all that is in it, if it is there.
pub(crate) fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", path.display()))
        }
        _ => Ok(()),
    }
}

/// The names of what lies in a folder, sorted.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>> {
    let read = || {
        let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        let mut names: Vec<_> =
            entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        std::io::Result::Ok(names)
    };
    read().with_context(|| format!("cannot list `{}`", folder.display()))
}
