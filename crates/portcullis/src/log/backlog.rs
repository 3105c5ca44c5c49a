//! The lines of a log that are not written yet.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

/// How many bytes wait; a line beyond is lost. A burst of several hundred records of denials has room.
const ROOM: usize = 1 << 20;
/// A buffer that has grown larger than this is not kept, in bytes.
const LARGEST_KEPT: usize = 64 << 10;

/// Takes lines without ever waiting, and has a thread of its own write them: where nobody reads what the process says, as on a
/// node whose disk is full, a write blocks for good, and no review may wait for that.
#[derive(Clone, Debug, Default)]
pub(super) struct Backlog(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Told of each change of what is waiting.
    changed: Condvar,
    lost: Counter,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// How many lines have been lost since the last that were taken to be written.
    lost: u64,
    /// Whether lines that were taken are not written yet.
    writing: bool,
}

impl Backlog {
    /// Starts the thread that writes to `out` whatever comes.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(super) fn write_to(&self, mut out: impl Write + Send + 'static) -> io::Result<()> {
        let backlog = self.clone();
        let write = move || {
            loop {
                let lost = backlog.write_next(&mut out);
                if lost > 0 {
                    tracing::warn!(lines = lost, "lines of the log are lost: nobody read them in time");
                }
            }
        };
        thread::Builder::new().name("log".to_owned()).spawn(write).map(drop)
    }

    /// How many lines there was no room for.
    pub(super) fn lost(&self) -> Counter {
        self.0.lost.clone()
    }

    /// Waits until everything is written, `patience` at most.
    pub(super) fn flush(&self, patience: Duration) {
        let unwritten = |waiting: &mut Waiting| waiting.writing || !waiting.lines.is_empty();
        // What is not written by then is given up.
        let _ = self.0.changed.wait_timeout_while(self.waiting(), patience, unwritten);
    }

    /// Writes what is waiting, once there is something. Returns how many lines were lost before.
    fn write_next(&self, out: &mut impl Write) -> u64 {
        let nothing = |waiting: &mut Waiting| waiting.lines.is_empty();
        let mut waiting =
            self.0.changed.wait_while(self.waiting(), nothing).unwrap_or_else(PoisonError::into_inner);
        let mut lines = mem::take(&mut waiting.lines);
        let lost = mem::take(&mut waiting.lost);
        waiting.writing = true;
        drop(waiting);
        // A log that cannot be written has nowhere to say so.
        let _ = out.write_all(&lines).and_then(|()| out.flush());
        lines.clear();
        let mut waiting = self.waiting();
        waiting.writing = false;
        if waiting.lines.is_empty() && lines.capacity() <= LARGEST_KEPT {
            waiting.lines = lines;
        }
        drop(waiting);
        self.0.changed.notify_all();
        lost
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each write is a line, as the subscriber makes it.
impl Write for Backlog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.waiting();
        if waiting.lines.len() + line.len() > ROOM {
            waiting.lost += 1;
            self.0.lost.inc();
        } else {
            waiting.lines.extend_from_slice(line);
        }
        drop(waiting);
        self.0.changed.notify_all();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_in_their_order() {
        let backlog = Backlog::default();
        let mut out = Vec::new();
        for line in ["one\n", "two\n"] {
            backlog.clone().write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(backlog.write_next(&mut out), 0);
        backlog.clone().write_all(b"three\n").unwrap();
        backlog.write_next(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "one\ntwo\nthree\n");
        backlog.flush(Duration::MAX);
    }

    #[test]
    fn what_there_is_no_room_for_is_lost_and_counted_and_later_lines_are_written() {
        let backlog = Backlog::default();
        let line = [b'x'; ROOM / 4];
        for _ in 0..6 {
            backlog.clone().write_all(&line).unwrap();
        }
        let mut out = Vec::new();
        assert_eq!(backlog.write_next(&mut out), 2);
        assert_eq!((out.len(), backlog.lost().get()), (ROOM, 2));
        backlog.clone().write_all(b"later\n").unwrap();
        assert_eq!(backlog.write_next(&mut out), 0);
        assert!(out.ends_with(b"xlater\n"));
    }

    #[test]
    fn who_flushes_waits_for_what_was_taken_and_is_not_written() {
        let backlog = Backlog::default();
        let (read, written) = io::pipe().unwrap();
        backlog.write_to(written).unwrap();
        backlog.clone().write_all(b"last words\n").unwrap();
        backlog.flush(Duration::MAX);
        let line = io::BufRead::lines(io::BufReader::new(read)).next().unwrap();
        assert_eq!(line.unwrap(), "last words");
    }
}
