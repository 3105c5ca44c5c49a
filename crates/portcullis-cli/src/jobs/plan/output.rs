//! Where a plan is written: to no file that would be lost by it.

use std::io::BufRead as _;
use std::path::Path;

use anyhow::Result;
use portcullis_retention::Plan;

use crate::exit::hinted;
use crate::files::{self, Entry, FileError};
use crate::jobs::backup;
use crate::jobs::shell_word::shell_word;

/// Whether a plan may be written to `output`, which a run in `directory` names; `from` is the file that Jobs are read from.
///
/// # Errors
/// It may not: something is there that is still wanted.
pub(super) fn check(output: &Path, from: Option<&str>, directory: &Path) -> Result<()> {
    let path = directory.join(output);
    let refused = |why: &str, hint: String| {
        Err(hinted(format!("cannot write the plan to `{}`: {why}", output.display()), Some(hint)))
    };
    if output.as_os_str() == "-" {
        let hint = "`--format json` prints it to standard output; a file of this name is `./-`".to_owned();
        return refused("`-` stands for a stream", hint);
    }
    if output.to_str().is_none() {
        let hint = "name a file that can be written down, as `-o plan.json`".to_owned();
        return refused("its name is not UTF-8", hint);
    }
    if from.is_some_and(|from| files::is_same(&directory.join(from), &path)) {
        return refused("the Jobs are read from it", "name another file, as `-o plan.json`".to_owned());
    }
    let journal = backup::beside(&path);
    if backup::holds_journal(&journal) {
        let folder = format!("{}.applied", output.display());
        let hint = format!(
            "name another file; that folder is still wanted for `portcullis jobs undo {}`",
            shell_word(&folder)
        );
        return refused("a plan of this name was carried out, and its journal lies beside it", hint);
    }
    match files::entry(&path) {
        Ok(Entry::Folder) => {
            let hint = format!(
                "name a file in it: `-o {}`",
                shell_word(&output.join("plan.json").to_string_lossy())
            );
            refused("it is a folder", hint)
        }
        Ok(Entry::File) if !holds_plan(&path)? => {
            let hint = "name another file, or remove this one if nobody needs it any more".to_owned();
            refused("there is a file that is no plan", hint)
        }
        Ok(Entry::File) => Ok(()),
        Ok(Entry::OpenPipe) => refused("it is a pipe", "name a file, as `-o plan.json`".to_owned()),
        Err(FileError::Special { what, .. }) => {
            refused(&format!("it is {what}"), "name a file, as `-o plan.json`".to_owned())
        }
        // Nothing is there, or what is cannot be told: then writing fails too, and says why.
        Err(_) => Ok(()),
    }
}

/// Whether the file begins as a plan does, or is empty: then nothing is lost.
fn holds_plan(path: &Path) -> Result<bool> {
    let unreadable = |error: FileError| hinted(error.to_string(), error.hint());
    let mut file = match files::open(path) {
        Ok(file) => file,
        Err(FileError::NotText { .. }) => return Ok(false),
        Err(error) => return Err(unreadable(error)),
    };
    let start =
        file.fill_buf().map_err(|error| unreadable(FileError::Read { path: path.to_owned(), error }))?;
    Ok(start.is_empty() || Plan::is_begun_by(start))
}
