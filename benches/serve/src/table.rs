//! The table of what was measured beside its limits.

use std::fmt;
use std::time::Duration;

/// One limit and what it was held against.
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) measured: Measure,
    pub(crate) limit: Measure,
    /// What else the run showed.
    pub(crate) note: String,
}

/// A number with its unit; both of a line have the same.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(crate) enum Measure {
    /// Microseconds of processor time for a review.
    Micros(f64),
    Millis(Duration),
    Mebibytes(f64),
}

impl Line {
    pub(crate) fn is_met(&self) -> bool {
        self.measured <= self.limit
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Measure::Micros(micros) => format!("{micros:.1} us"),
            Measure::Millis(time) => format!("{:.2} ms", time.as_secs_f64() * 1e3),
            Measure::Mebibytes(mebibytes) => format!("{mebibytes:.1} MiB"),
        };
        f.pad(&text)
    }
}

pub(crate) fn print(lines: &[Line]) {
    println!("\n  {:38}  {:>10}  {:>10}  {:9}", "", "measured", "at most", "");
    for line in lines {
        let met = if line.is_met() { "met" } else { "not met" };
        let row =
            format!("  {:38}  {:>10}  {:>10}  {met:9}  {}", line.what, line.measured, line.limit, line.note);
        println!("{}", row.trim_end());
    }
    println!("\n  us: of processor time of the server for one review, the least of several runs");
}
