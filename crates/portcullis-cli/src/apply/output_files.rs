//! Mutated and generated resources in files.

use std::path::{Path, PathBuf};

use portcullis_model::Resource;
use portcullis_value::Value;

use crate::files::{self, Entry, FileError, NewFile, NewFiles};

/// Where `--output` leads: one file, or a folder with a file for each name.
///
/// Nothing is seen of it before all resources are judged: a run that fails leaves what was there.
#[derive(Debug)]
pub(crate) enum OutputFiles {
    File { file: NewFile, is_empty: bool },
    Folder(NewFiles),
}

impl OutputFiles {
    /// Begins to write to `path`: a file where it ends in `.yaml` or `.yml`, else a folder.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub(crate) fn create(path: &Path) -> Result<Self, FileError> {
        match files::target(path)? {
            (Entry::File, path) => Ok(OutputFiles::File { file: NewFile::create(&path)?, is_empty: true }),
            (_, path) => Ok(OutputFiles::Folder(NewFiles::create(&path)?)),
        }
    }

    /// Adds a mutated resource.
    pub(crate) fn add(&mut self, object: Value<'_>) -> Result<(), FileError> {
        let resource = Resource(object);
        let name = match (resource.name(), resource.generate_name()) {
            ("", "") => resource.kind(),
            ("", generated) => generated,
            (name, _) => name,
        };
        self.append(object, &file_name(name, "mutated"))
    }

    /// Adds a resource that `policy` generated.
    pub(crate) fn add_generated(&mut self, policy: &str, object: Value<'_>) -> Result<(), FileError> {
        self.append(object, &file_name(policy, "generated"))
    }

    fn append(&mut self, object: Value<'_>, name: &Path) -> Result<(), FileError> {
        let text = portcullis_yaml::to_string(object);
        match self {
            OutputFiles::File { file, is_empty } => {
                if !std::mem::take(is_empty) {
                    file.append("---\n")?;
                }
                file.append(&text)
            }
            OutputFiles::Folder(folder) => folder.append(name, &text),
        }
    }

    /// Puts the files in their places.
    pub(crate) fn finish(self) -> Result<(), FileError> {
        match self {
            OutputFiles::File { file, .. } => file.finish(),
            OutputFiles::Folder(folder) => folder.finish(),
        }
    }
}

/// `<name>-<what>.yaml`. Names are chosen by strangers: what could lead out of the folder is replaced.
fn file_name(name: &str, what: &str) -> PathBuf {
    let is_harmless = |character: char| !character.is_control() && character != '/' && character != '\\';
    let name: String =
        name.chars().map(|character| if is_harmless(character) { character } else { '_' }).collect();
    PathBuf::from(format!("{name}-{what}.yaml"))
}
