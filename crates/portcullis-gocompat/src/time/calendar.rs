//! The Gregorian calendar, carried on to all years before and after, as Go has it.

pub(super) const SECONDS_PER_DAY: i64 = 86_400;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// The year 0 is before the year 1.
    pub year: i64,
    /// From 1 to 12.
    pub month: i64,
    /// From 1 to 31.
    pub day: i64,
    /// From 0, which is Sunday, to 6.
    pub weekday: i64,
}

/// Days of 400 years, after which the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;

/// From 0000-03-01, where the eras below begin, to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

/// The days from 1970-01-01 to a date.
pub(super) const fn days_of(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the day that leap years have more is their last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    // Five months from March on have 153 days together, and so on.
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * DAYS_PER_ERA + year * 365 + year / 4 - year / 100 + day_of_year - DAYS_TO_1970
}

impl Date {
    /// The date so many days after 1970-01-01.
    pub(super) fn from_days(days: i64) -> Date {
        let since_start = days + DAYS_TO_1970;
        let (era, day) = (since_start.div_euclid(DAYS_PER_ERA), since_start.rem_euclid(DAYS_PER_ERA));
        // Without the last day of each leap year, a year has 365 days.
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (year * 365 + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
        // 1970 began on a Thursday.
        Date { year: era * 400 + year, month, day, weekday: (days + 4).rem_euclid(7) }
    }
}

pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The days of a month; 0 for what is none.
pub(super) fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}
