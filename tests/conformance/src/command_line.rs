//! The command line, called as a function.

use std::io;
use std::path::Path;

use portcullis_cli::{Offline, Stream, Surroundings};

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) exit: u8,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `portcullis` with `arguments` in `folder`.
pub(crate) fn run(arguments: &[String], folder: &Path) -> Left {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut surroundings = Surroundings {
        directory: folder.to_owned(),
        stdin: Box::new(io::empty()),
        stdin_is_terminal: false,
        stdout: Stream::plain(&mut stdout),
        stderr: Stream::plain(&mut stderr),
        // Long after the policies and resources were written, as when the answers were recorded.
        now: 1_795_000_000_000_000_000,
        seed: 1,
    };
    let arguments = std::iter::once("portcullis").chain(arguments.iter().map(String::as_str));
    let exit = portcullis_cli::run(arguments.map(Into::into), &mut surroundings, &Offline);
    drop(surroundings);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Left { exit: exit.0, stdout: text(stdout), stderr: text(stderr) }
}
