//! Files of a control plane; every error names the path.
#![expect(clippy::disallowed_methods, reason = "the one module of the harness that touches files")]

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

pub(crate) fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    // A log is cut where it is read, which may be within a character.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
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
