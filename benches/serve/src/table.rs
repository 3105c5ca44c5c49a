//! The table of what was measured beside its limits.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};

/// One limit and what it was held against.
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) measured: Measure,
    pub(crate) limit: Limit,
    /// What else the run showed.
    pub(crate) note: String,
}

/// The side on which a measure has to stay.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    AtMost(Measure),
    AtLeast(Measure),
}

/// A number with its unit; both of a line have the same.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(crate) enum Measure {
    /// Microseconds of processor time for a review.
    Micros(f64),
    Millis(Duration),
    Kibibytes(f64),
    Mebibytes(f64),
    Percent(f64),
    /// So many times of something.
    Times(f64),
}

impl Line {
    pub(crate) fn is_met(&self) -> bool {
        match self.limit {
            Limit::AtMost(limit) => self.measured <= limit,
            Limit::AtLeast(limit) => self.measured >= limit,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (side, measure) = match self {
            Limit::AtMost(measure) => ("most", measure),
            Limit::AtLeast(measure) => ("least", measure),
        };
        f.pad(&format!("at {side} {measure}"))
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Measure::Micros(micros) => format!("{micros:.1} us"),
            Measure::Millis(time) => format!("{:.2} ms", time.as_secs_f64() * 1e3),
            Measure::Kibibytes(kibibytes) => format!("{kibibytes:.1} KiB"),
            Measure::Mebibytes(mebibytes) => format!("{mebibytes:.1} MiB"),
            Measure::Percent(percent) => format!("{percent:.0} %"),
            Measure::Times(times) => format!("{times:.1} times"),
        };
        f.pad(&text)
    }
}

/// The table, printed line by line: what was measured is not lost when the next row fails.
#[derive(Default)]
pub(crate) struct Table {
    limits: usize,
    broken: usize,
}

impl Table {
    pub(crate) fn add(&mut self, line: &Line) {
        if self.limits == 0 {
            println!("\n  {:38}  {:>10}  {:>17}", "", "measured", "limit");
        }
        self.limits += 1;
        self.broken += usize::from(!line.is_met());
        let met = if line.is_met() { "met" } else { "not met" };
        let row =
            format!("  {:38}  {:>10}  {:>17}  {met:9}  {}", line.what, line.measured, line.limit, line.note);
        println!("{}", row.trim_end());
    }

    /// Ends it.
    ///
    /// # Errors
    /// A limit is not met.
    pub(crate) fn end(&self) -> Result<()> {
        println!(
            "\n  us: of processor time of the server for one review, the least of several runs, or of a command for one Job"
        );
        ensure!(self.broken == 0, "{} of {} limits are not met", self.broken, self.limits);
        Ok(())
    }
}
