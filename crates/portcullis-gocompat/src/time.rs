//! Points in time as Go's `time.Time`.

mod calendar;
mod layout;
mod parse;

use std::fmt;

use crate::Duration;
use calendar::{SECONDS_PER_DAY, days_of};

pub use calendar::Date;
pub use parse::ParseError;

/// The layout of RFC 3339, as `time.RFC3339`.
pub const RFC_3339: &str = "2006-01-02T15:04:05Z07:00";

/// A point in time and the offset from UTC that it is told in.
///
/// Two that differ in the offset alone are not equal; compare [`Time::instant`] for what comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970 in UTC.
    ///
    /// INVARIANT: less than [`LIMIT`] from 0, so that nothing here overflows.
    seconds: i64,
    /// From 0 to 999,999,999.
    nanoseconds: u32,
    /// Seconds east of UTC.
    offset: i32,
}

/// What is more than 146 billion years from 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time is out of range")]
pub struct OutOfRange;

/// In seconds.
const LIMIT: i64 = 1 << 62;

const NANOSECONDS: i128 = 1_000_000_000;

impl Time {
    /// Reads `text` by a layout of Go, that is by the form in which it writes the time 2006-01-02 15:04:05 MST.
    ///
    /// What the layout leaves out is that of 0000-01-01 00:00:00 UTC. A fraction may follow the seconds where the
    /// layout has none.
    ///
    /// # Errors
    /// A text of another form, or parts out of their range; in the words of `time.Parse`.
    pub fn parse(layout: &str, text: &str) -> Result<Time, ParseError> {
        parse::parse(layout, text)
    }

    /// Reads `text` by [`RFC_3339`].
    pub fn parse_rfc3339(text: &str) -> Result<Time, ParseError> {
        Time::parse(RFC_3339, text)
    }

    /// So many seconds since 1970, told in UTC.
    pub fn from_unix_seconds(seconds: i64) -> Result<Time, OutOfRange> {
        Time::from_unix_nanoseconds(i128::from(seconds) * NANOSECONDS)
    }

    /// So many nanoseconds since 1970, told in UTC.
    pub fn from_unix_nanoseconds(nanoseconds: i128) -> Result<Time, OutOfRange> {
        let seconds = i64::try_from(nanoseconds.div_euclid(NANOSECONDS)).map_err(|_| OutOfRange)?;
        let nanoseconds = u32::try_from(nanoseconds.rem_euclid(NANOSECONDS)).map_err(|_| OutOfRange)?;
        if seconds.unsigned_abs() < LIMIT.unsigned_abs() {
            Ok(Time { seconds, nanoseconds, offset: 0 })
        } else {
            Err(OutOfRange)
        }
    }

    /// Nanoseconds since 1970: the point in time without its offset.
    pub fn instant(self) -> i128 {
        i128::from(self.seconds) * NANOSECONDS + i128::from(self.nanoseconds)
    }

    /// The same point in time, told in UTC.
    pub fn utc(self) -> Time {
        Time { offset: 0, ..self }
    }

    /// The time later by `duration`, with the same offset.
    pub fn checked_add(self, duration: Duration) -> Result<Time, OutOfRange> {
        let time = Time::from_unix_nanoseconds(self.instant() + i128::from(duration.0))?;
        Ok(Time { offset: self.offset, ..time })
    }

    /// How long after `earlier` this time is, clamped to what a duration holds, as `Time.Sub`.
    pub fn since(self, earlier: Time) -> Duration {
        let difference = self.instant() - earlier.instant();
        let clamped = difference.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        Duration(i64::try_from(clamped).unwrap_or_default())
    }

    /// The last multiple of `step` since the year 1 in UTC that is not after this time, as `Time.Truncate`; the time
    /// itself for a step of 0 or less.
    pub fn truncate(self, step: Duration) -> Result<Time, OutOfRange> {
        const YEAR_ONE: i128 = days_of(1, 1, 1) as i128 * SECONDS_PER_DAY as i128 * NANOSECONDS;
        if step.0 <= 0 {
            return Ok(self);
        }
        let rest = (self.instant() - YEAR_ONE).rem_euclid(i128::from(step.0));
        let time = Time::from_unix_nanoseconds(self.instant() - rest)?;
        Ok(Time { offset: self.offset, ..time })
    }

    /// The date in the time's own offset.
    pub fn date(self) -> Date {
        Date::from_days(self.local_seconds().div_euclid(SECONDS_PER_DAY))
    }

    /// Hour, minute and second of the day in the time's own offset.
    pub fn clock(self) -> (i64, i64, i64) {
        let second = self.local_seconds().rem_euclid(SECONDS_PER_DAY);
        (second / 3600, second / 60 % 60, second % 60)
    }

    /// Seconds since 1970 that a clock with the time's offset has counted.
    fn local_seconds(self) -> i64 {
        self.seconds + i64::from(self.offset)
    }
}

/// Prints by [`RFC_3339`], without the fraction of the second.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date { year, month, day, .. } = self.date();
        let (hour, minute, second) = self.clock();
        let minus = if year < 0 { "-" } else { "" };
        let year = year.unsigned_abs();
        write!(f, "{minus}{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        // Seconds of the offset are not told.
        let (sign, minutes) = (if self.offset <= -60 { '-' } else { '+' }, self.offset.unsigned_abs() / 60);
        match self.offset {
            0 => f.write_str("Z"),
            _ => write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60),
        }
    }
}

#[cfg(test)]
mod tests;
