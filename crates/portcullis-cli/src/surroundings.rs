//! The outside world as the command line sees it.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, Read, Write};
use std::path::PathBuf;

/// The width of a terminal that does not say how wide it is.
const UNKNOWN_WIDTH: usize = 80;

/// What a command reads and writes beside files. A test makes its own; the binary takes the process's.
pub struct Surroundings<'s> {
    /// Where relative paths start; empty for the folder of the process.
    pub directory: PathBuf,
    pub stdin: Box<dyn Read + 's>,
    pub stdin_is_terminal: bool,
    pub stdout: Stream<'s>,
    pub stderr: Stream<'s>,
    /// Nanoseconds since 1970-01-01 UTC.
    pub now: i64,
    /// Where pseudo-random functions of policies start.
    pub seed: u64,
}

/// A stream that is written to.
pub struct Stream<'s> {
    writer: Box<dyn Write + 's>,
    /// Whether colours are wanted on it.
    pub colour: bool,
    /// The width of the terminal it is; `None` where it is none.
    pub width: Option<usize>,
    /// Whether warnings are wanted on it; errors always are.
    pub warnings: bool,
}

impl<'s> Stream<'s> {
    /// A stream without colour that is no terminal.
    pub fn plain(writer: impl Write + 's) -> Self {
        Self { writer: Box::new(writer), colour: false, width: None, warnings: true }
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Surroundings<'static> {
    /// Those of this process: its folder, its streams, the clock.
    ///
    /// Colour follows the terminal and the environment (`NO_COLOR`, `CLICOLOR_FORCE`, `TERM`).
    #[expect(clippy::disallowed_methods, reason = "the command line gives the core its time")]
    pub fn of_process() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let wants_colour = |choice| choice != anstream::ColorChoice::Never;
        let size = terminal_size::terminal_size();
        let width = size.map_or(UNKNOWN_WIDTH, |(width, _)| usize::from(width.0));
        Self {
            // The process's own: paths stay as they were given, in messages too.
            directory: PathBuf::new(),
            stdin: Box::new(io::stdin()),
            stdin_is_terminal: io::stdin().is_terminal(),
            stdout: Stream {
                colour: wants_colour(anstream::AutoStream::choice(&stdout)),
                width: stdout.is_terminal().then_some(width),
                writer: Box::new(BufWriter::with_capacity(64 << 10, stdout)),
                warnings: true,
            },
            stderr: Stream {
                colour: wants_colour(anstream::AutoStream::choice(&stderr)),
                width: stderr.is_terminal().then_some(width),
                writer: Box::new(stderr),
                warnings: true,
            },
            now,
            seed: now.unsigned_abs(),
        }
    }
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl fmt::Debug for Stream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("colour", &self.colour)
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}
