//! How old Jobs are, as bars.

use std::io::{self, Write as _};

use crate::numbers::{counted, thousands};
use crate::paint::Paint;
use crate::surroundings::Stream;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// The bars: what each is called, and the age in seconds that ends it.
const BARS: [(&str, i64); 7] = [
    ("under 1h", HOUR),
    ("1h to 1d", DAY),
    ("1d to 7d", 7 * DAY),
    ("7d to 30d", 30 * DAY),
    ("30d to 90d", 90 * DAY),
    ("90d to 1y", 365 * DAY),
    ("over 1y", i64::MAX),
];

/// The letters of the longest bar.
const LONGEST: u64 = 40;

/// How many Jobs there are of each age.
#[derive(Debug, Default)]
pub(super) struct Ages([u64; BARS.len()]);

impl Ages {
    /// One more, whose age is in seconds.
    pub(super) fn add(&mut self, age: i64) {
        let bar = BARS.iter().zip(&mut self.0).find(|((_, end), _)| age < *end);
        if let Some((_, count)) = bar {
            *count += 1;
        }
    }

    /// Prints the bars, those without Jobs at either end left out.
    pub(super) fn print(&self, stdout: &mut Stream<'_>) -> io::Result<()> {
        let paint = Paint::on(stdout);
        let all: u64 = self.0.iter().sum();
        let most = self.0.iter().copied().max().unwrap_or_default();
        let Some((first, last)) = self.ends() else { return Ok(()) };
        writeln!(
            stdout,
            "\n{}",
            paint.strong(format!("AGE OF {}", counted(all, "FINISHED JOB", "FINISHED JOBS")))
        )?;
        for ((name, _), count) in BARS.iter().zip(self.0).take(last + 1).skip(first) {
            // A bar that stands for anything is seen.
            let length = (count * LONGEST).div_ceil(most.max(1));
            let bar = "█".repeat(usize::try_from(length).unwrap_or_default());
            let gap = if count == 0 { "" } else { " " };
            writeln!(stdout, "{name:>10}  {}{gap}{}", paint.hint(bar), thousands(count))?;
        }
        Ok(())
    }

    /// The first and the last bar that stand for any.
    fn ends(&self) -> Option<(usize, usize)> {
        let first = self.0.iter().position(|count| *count > 0)?;
        Some((first, self.0.iter().rposition(|count| *count > 0)?))
    }
}
