//! How the program ends, and the exit code of each ending. docs/cli.md has the table.

use std::io::{self, Write as _};

use portcullis_cluster::{ApiError, system_reason};

use crate::files::FileError;
use crate::paint::Paint;
use crate::surroundings::Surroundings;

/// The exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    pub const SUCCESS: Exit = Exit(0);
    /// A rule failed or could not be judged, an input could not be read, an argument is wrong.
    pub const FAILURE: Exit = Exit(1);
}

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The answer is out: nothing more is to be said.
    Done(Exit),
    /// The user is told why.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Ended {
    fn from(error: E) -> Self {
        Ended::Failed(error.into())
    }
}

/// What to do about an error, told on a line of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Hinted {
    /// What went wrong, as errors say it.
    pub message: String,
    pub hint: String,
}

/// An error with what to do about it, where there is something to do.
pub fn hinted(message: String, hint: Option<impl Into<String>>) -> anyhow::Error {
    match hint {
        Some(hint) => Hinted { message, hint: hint.into() }.into(),
        None => anyhow::Error::msg(message),
    }
}

/// The API server did not do what it was asked, which was to `what`.
pub fn cannot(what: &str, error: &ApiError) -> anyhow::Error {
    hinted(format!("cannot {what}: {error}"), error.hint())
}

/// Tells how a command ended, where that is left to tell.
///
/// A reader that went away (`| head`) has seen what it wanted: that is success, said to nobody.
pub(crate) fn conclude(finished: Result<Exit, Ended>, surroundings: &mut Surroundings<'_>) -> Exit {
    let finished = finished.and_then(|exit| {
        surroundings.stdout.flush().map_err(standard_output)?;
        Ok(exit)
    });
    match finished {
        Ok(exit) | Err(Ended::Done(exit)) => exit,
        Err(Ended::Failed(error)) if is_broken_pipe(&error) => Exit::SUCCESS,
        Err(Ended::Failed(error)) => {
            tell(&error, surroundings);
            Exit::FAILURE
        }
    }
}

fn tell(error: &anyhow::Error, surroundings: &mut Surroundings<'_>) {
    let stderr = &mut surroundings.stderr;
    let paint = Paint::on(stderr);
    // When standard error cannot be written there is nobody left to tell.
    let _ = writeln!(stderr, "{} {}", paint.error("error:"), crate::printable::line(&format!("{error:#}")));
    let of_argument = error.downcast_ref::<Hinted>().map(|hinted| hinted.hint.as_str());
    let of_file = error.downcast_ref::<FileError>().and_then(FileError::hint);
    if let Some(hint) = of_argument.or(of_file) {
        let _ = writeln!(stderr, "{} {}", paint.hint("hint:"), crate::printable::line(hint));
    }
    let _ = stderr.flush();
}

/// An error of standard output, named as such unless its reader went away.
pub(crate) fn standard_output(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => error.into(),
        _ => anyhow::anyhow!("cannot write to standard output: {}", system_reason(&error)),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_broken = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(is_broken)
}
