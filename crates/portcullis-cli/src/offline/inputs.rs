//! The files behind the paths of the command line, in order.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use tempfile::SpooledTempFile;

use crate::diagnostics;
use crate::files::{self, Entry, FileError};
use crate::surroundings::Surroundings;

/// One file, or standard input. It can be read more than once.
#[derive(Debug)]
pub(crate) struct Input {
    /// The path as messages name it.
    pub(crate) name: String,
    /// Whether it was named itself, not found in a folder.
    pub(crate) is_named: bool,
    content: Content,
}

#[derive(Debug)]
enum Content {
    File(PathBuf),
    Spooled(SpooledTempFile),
}

impl Input {
    /// Starts reading from the beginning.
    ///
    /// # Errors
    /// The file cannot be opened, or is no text.
    pub(crate) fn open(&mut self) -> Result<Box<dyn BufRead + '_>, FileError> {
        match &mut self.content {
            Content::File(path) => Ok(Box::new(files::open(path)?)),
            Content::Spooled(spooled) => Ok(Box::new(files::rewind(spooled)?)),
        }
    }
}

/// The inputs that could be found, and how many of the paths could not.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    pub(crate) inputs: Vec<Input>,
    pub(crate) errors: usize,
}

impl Inputs {
    /// What `paths` name: folders stand for the YAML files in them (in the folders below too where `recursive`), `-`
    /// for standard input. What cannot be used is told and counted.
    pub(crate) fn find(paths: &[String], recursive: bool, surroundings: &mut Surroundings<'_>) -> Self {
        let mut found = Self::default();
        for path in paths {
            if let Err(error) = found.add(path, recursive, surroundings) {
                found.errors += 1;
                diagnostics::file_error(&mut surroundings.stderr, &error);
            }
        }
        found
    }

    fn add(
        &mut self,
        path: &str,
        recursive: bool,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<(), FileError> {
        if path == "-" {
            let spooled = if surroundings.stdin_is_terminal {
                // COMPAT(kyverno): a terminal is nobody's pipe; it is not waited for.
                diagnostics::warning(
                    &mut surroundings.stderr,
                    "standard input is a terminal: nothing is read from it",
                );
                files::spool(&mut std::io::empty())?
            } else {
                files::spool(&mut surroundings.stdin)?
            };
            self.push("standard input", Content::Spooled(spooled), true);
            return Ok(());
        }
        let place = surroundings.directory.join(path);
        match files::entry(&place)? {
            Entry::File => self.push(path, Content::File(place), true),
            Entry::OpenPipe => {
                let mut pipe = files::open(&place)?;
                self.push(path, Content::Spooled(files::spool(&mut pipe)?), true);
            }
            Entry::Folder => {
                let found = files::yaml_files(&place, recursive)?;
                let named = |file: &Path| {
                    let below = file.strip_prefix(&place).unwrap_or(file);
                    Path::new(path).join(below).display().to_string()
                };
                for (file, reason) in &found.passed_over {
                    let message = format!("`{}` is passed over: {reason}", named(file));
                    diagnostics::warning(&mut surroundings.stderr, &message);
                }
                if found.files.is_empty() {
                    let message = format!("folder `{path}` holds no `.yaml` or `.yml` file");
                    diagnostics::warning(&mut surroundings.stderr, &message);
                }
                for file in found.files {
                    let name = named(&file);
                    self.push(&name, Content::File(file), false);
                }
            }
        }
        Ok(())
    }

    /// Adds documents that were collected, under a name for messages.
    pub(crate) fn add_spooled(&mut self, name: &str, spooled: SpooledTempFile) {
        self.push(name, Content::Spooled(spooled), false);
    }

    fn push(&mut self, name: &str, content: Content, is_named: bool) {
        self.inputs.push(Input { name: name.to_owned(), is_named, content });
    }
}
