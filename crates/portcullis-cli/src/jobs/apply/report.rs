//! What came of a sweep.

use std::io::{self, Write as _};
use std::path::Path;

use portcullis_retention::{Fate, Mode, Stop, Tally, format_age};

use crate::exit::Exit;
use crate::numbers::{counted, thousands};
use crate::paint::Paint;
use crate::surroundings::{Stream, Surroundings};

/// Some Jobs were left alone, since they are not what was planned any more, or are protected.
pub(super) const SKIPPED: Exit = Exit(2);
/// Of some Jobs the API server refused, or did not say, what was asked.
pub(super) const ERRORS: Exit = Exit(3);
/// It ended early, and the same command goes on.
pub(super) const STOPPED: Exit = Exit(4);

/// A sweep that has ended.
pub(super) struct Report<'r> {
    pub(super) tally: &'r Tally,
    /// How many Jobs went, or got their TTL, in this run.
    pub(super) this_run: u64,
    /// How long it took, in milliseconds.
    pub(super) took: u64,
    pub(super) mode: Mode,
    pub(super) stopped: Option<Stop>,
    /// Why nothing more could be done, where that is so.
    pub(super) broken_off: Option<anyhow::Error>,
    /// How many items the caps leave for another time.
    pub(super) beyond_caps: u64,
    pub(super) backup: &'r Path,
}

impl Report<'_> {
    /// Prints it.
    pub(super) fn print(&self, surroundings: &mut Surroundings<'_>) -> io::Result<()> {
        let stdout = &mut surroundings.stdout;
        let paint = Paint::on(stdout);
        let done = match self.mode {
            Mode::Delete => "deleted",
            Mode::Ttl => "given a TTL",
        };
        writeln!(stdout, "{} {done}", paint.good(counted(self.tally.ours(), "Job", "Jobs")))?;
        if self.tally.of(Fate::Presumed) > 0 {
            writeln!(
                stdout,
                "  of {} the answer was lost, and they were so when looked at",
                thousands(self.tally.of(Fate::Presumed))
            )?;
        }
        for (fate, what) in [
            (Fate::Gone, "gone before"),
            (Fate::Skipped, "left alone"),
            (Fate::Guarded, "left alone, as they are protected"),
            (Fate::Waiting, "left for the next run"),
            (Fate::Refused, "refused by the API server"),
            (Fate::Unknown, "of which it is not known: no answer came"),
        ] {
            let count = self.tally.of(fate);
            if count == 0 {
                continue;
            }
            writeln!(stdout, "{} {what}", counted(count, "Job", "Jobs"))?;
            for (_, why, count) in self.tally.reasons().filter(|(of, _, _)| *of == fate) {
                writeln!(stdout, "  {}: {}", thousands(count), crate::printable::line(why))?;
            }
        }
        let left = self.tally.total().saturating_sub(self.tally.settled());
        if left > 0 {
            writeln!(stdout, "{} not touched", counted(left, "Job", "Jobs"))?;
        }
        if self.beyond_caps > 0 {
            say_beyond_caps(self.beyond_caps, stdout)?;
        }
        if self.this_run > 0 {
            let took = format_age(i64::try_from(self.took / 1_000).unwrap_or(i64::MAX));
            let rate = self.this_run as f64 * 1_000.0 / self.took.max(1) as f64;
            writeln!(stdout, "{}", paint.quiet(format!("took {took}, at {rate:.1} Jobs a second")))?;
        }
        writeln!(stdout, "{}", paint.quiet(format!("journal and definitions: {}", self.backup.display())))?;
        if self.tally.ours() > 0 {
            let until = match self.mode {
                Mode::Delete => "creates the Jobs again, without results, Pods and logs",
                Mode::Ttl => "takes the TTLs away, until Kubernetes has deleted the Jobs",
            };
            writeln!(
                stdout,
                "{}",
                paint.quiet(format!("`portcullis jobs undo {}` {until}", self.backup.display()))
            )?;
        }
        self.say_what_to_do(surroundings)
    }

    fn say_what_to_do(&self, surroundings: &mut Surroundings<'_>) -> io::Result<()> {
        let why = match (&self.broken_off, self.stopped) {
            (Some(error), _) => format!("broken off: {error:#}"),
            (None, None) => return Ok(()),
            (None, Some(Stop::Asked)) => "stopped before its end".to_owned(),
            (None, Some(Stop::Errors)) => {
                "stopped, since there were too many errors (`--max-errors`)".to_owned()
            }
        };
        let stderr = &mut surroundings.stderr;
        let paint = Paint::on(stderr);
        writeln!(stderr, "{} {}", paint.error("error:"), crate::printable::line(&why))?;
        writeln!(stderr, "{} the same command goes on where this one ended", paint.hint("hint:"))
    }

    /// The exit code.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Report { stopped: Some(_), .. } | Report { broken_off: Some(_), .. } => STOPPED,
            Report { tally, .. } if tally.errors() + tally.of(Fate::Waiting) > 0 => ERRORS,
            Report { tally, .. } if tally.of(Fate::Skipped) + tally.of(Fate::Guarded) > 0 => SKIPPED,
            _ => Exit::SUCCESS,
        }
    }
}

/// Says that nothing is done: the plan holds no Jobs, or the caps leave none of so many.
pub(super) fn nothing_to_do(planned: u64, stdout: &mut Stream<'_>) -> io::Result<()> {
    let none = Paint::on(stdout).strong("nothing to do:");
    if planned == 0 {
        return writeln!(stdout, "{none} the plan holds no Jobs");
    }
    writeln!(stdout, "{none} the caps leave no Jobs of the plan")?;
    say_beyond_caps(planned, stdout)
}

fn say_beyond_caps(jobs: u64, stdout: &mut Stream<'_>) -> io::Result<()> {
    let beyond = counted(jobs, "Job is", "Jobs are");
    writeln!(stdout, "{beyond} beyond the caps: the same command with larger ones goes on")
}
