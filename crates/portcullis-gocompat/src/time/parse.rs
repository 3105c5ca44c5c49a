//! Reading times by a layout.

use super::Time;
use super::calendar::{Date, SECONDS_PER_DAY, days_in, days_of, is_leap};
use super::layout::{Element, OffsetForm, Padding, first_chunk};
use crate::fmt::quote_ascii;

/// What `time.Parse` says of a text that does not follow the layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parsing time {0}")]
pub struct ParseError(Box<str>);

/// How an element fails.
enum Fault {
    /// It is not there, or not in its form.
    Form,
    /// It is there and means nothing: what is out of range.
    Range(&'static str),
}

type Parsed<T> = Result<T, Fault>;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

pub(super) fn parse(layout: &str, text: &str) -> Result<Time, ParseError> {
    let message = |what: &str| ParseError(format!("{}: {what}", quote_ascii(text.as_bytes())).into());
    let cannot_parse = |value: &[u8], element: &[u8]| {
        let (text, layout) = (quote_ascii(text.as_bytes()), quote_ascii(layout.as_bytes()));
        let (value, element) = (quote_ascii(value), quote_ascii(element));
        ParseError(format!("{text} as {layout}: cannot parse {value} as {element}").into())
    };
    let (mut parts, mut value, mut rest) = (Parts::default(), text.as_bytes(), layout.as_bytes());
    loop {
        let chunk = first_chunk(rest);
        value = skip(value, chunk.literal).map_err(|left| cannot_parse(left, chunk.literal))?;
        let Some((element, written)) = chunk.element else { break };
        rest = chunk.rest;
        let start = value;
        parts.read(element, &mut value, rest).map_err(|fault| match fault {
            Fault::Form => cannot_parse(start, written),
            Fault::Range(what) => message(&format!("{what} out of range")),
        })?;
    }
    if !value.is_empty() {
        return Err(message(&format!("extra text: {}", quote_ascii(value))));
    }
    parts.time().map_err(message)
}

/// Takes `literal` off the start, where any number of spaces is like one or none at the end; otherwise what is left
/// where it differs.
fn skip<'a>(mut value: &'a [u8], mut literal: &[u8]) -> Result<&'a [u8], &'a [u8]> {
    while let [first, literal_rest @ ..] = literal {
        match value {
            [other, ..] if *first == b' ' && *other != b' ' => return Err(value),
            _ if *first == b' ' => {
                literal = without_spaces(literal);
                value = without_spaces(value);
            }
            [same, value_rest @ ..] if same == first => (value, literal) = (value_rest, literal_rest),
            _ => return Err(value),
        }
    }
    Ok(value)
}

fn without_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|byte| **byte == b' ').count();
    text.get(spaces..).unwrap_or_default()
}

/// What has been read of a time.
#[derive(Default)]
struct Parts {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanoseconds: u32,
    /// Whether it says that the hour is one before noon, and that it is one after noon. It may say both.
    forenoon: bool,
    afternoon: bool,
    zone: Zone,
}

/// Of several, the latter kind counts less: UTC before an offset before a name.
#[derive(Default)]
struct Zone {
    utc: bool,
    offset: Option<i32>,
    /// The offset that a name like `GMT+3` has, 0 for other names.
    named_offset: i32,
}

impl Parts {
    /// Reads `element` from the start of `value`; `rest` is the layout behind it.
    fn read(&mut self, element: Element, value: &mut &[u8], rest: &[u8]) -> Parsed<()> {
        match element {
            Element::ShortYear => {
                let year = signed(take(value, 2)?).ok_or(Fault::Form)?;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
            }
            Element::Year => {
                let digits = take(value, 4)?;
                self.year = unsigned(digits).ok_or(Fault::Form)?;
            }
            Element::MonthName { long } => self.month = Some(name(value, &MONTHS, long)? + 1),
            Element::Month(padding) => self.month = Some(number(value, padding, "month", 1..=12)?),
            // Looked at and forgotten.
            Element::WeekdayName { long } => drop(name(value, &WEEKDAYS, long)?),
            // Which days there are is known at the end.
            Element::Day(padding) => self.day = Some(number(value, padding, "day", 0..=99)?),
            Element::DayOfYear(padding) => self.day_of_year = Some(day_of_year(value, padding)?),
            Element::Hour => self.hour = number(value, Padding::None, "hour", 0..=23)?,
            Element::Hour12(padding) => self.hour = number(value, padding, "hour", 0..=12)?,
            Element::Minute(padding) => self.minute = number(value, padding, "minute", 0..=59)?,
            Element::Second(padding) => {
                self.second = number(value, padding, "second", 0..=59)?;
                let next = first_chunk(rest).element.map(|(element, _)| element);
                if !matches!(next, Some(Element::Fraction(_) | Element::AnyFraction)) {
                    self.read_fraction_if_any(value)?;
                }
            }
            Element::UpperMeridiem => self.read_meridiem(value, b"AM", b"PM")?,
            Element::LowerMeridiem => self.read_meridiem(value, b"am", b"pm")?,
            Element::Offset { zulu: true, .. } if value.starts_with(b"Z") => {
                take(value, 1)?;
                self.zone.utc = true;
            }
            Element::Offset { form, .. } => self.zone.offset = Some(offset(value, form)?),
            Element::ZoneName if value.starts_with(b"UTC") => {
                take(value, 3)?;
                self.zone.utc = true;
            }
            Element::ZoneName => self.zone.named_offset = zone_name(value)?,
            Element::Fraction(digits) => self.nanoseconds = nanoseconds(take(value, 1 + digits)?)?,
            Element::AnyFraction => self.read_fraction_if_any(value)?,
        }
        Ok(())
    }

    fn read_fraction_if_any(&mut self, value: &mut &[u8]) -> Parsed<()> {
        if let [b'.' | b',', digits @ ..] = *value {
            let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if count > 0 {
                self.nanoseconds = nanoseconds(take(value, 1 + count)?)?;
            }
        }
        Ok(())
    }

    fn read_meridiem(&mut self, value: &mut &[u8], forenoon: &[u8], afternoon: &[u8]) -> Parsed<()> {
        match take(value, 2)? {
            name if name == forenoon => self.forenoon = true,
            name if name == afternoon => self.afternoon = true,
            _ => return Err(Fault::Form),
        }
        Ok(())
    }

    /// The time that the parts make.
    fn time(self) -> Result<Time, &'static str> {
        let hour = match self.hour {
            hour @ ..12 if self.afternoon => hour + 12,
            12 if self.forenoon && !self.afternoon => 0,
            hour => hour,
        };
        let (month, day) = self.month_and_day()?;
        if !(1..=days_in(self.year, month)).contains(&day) {
            return Err("day out of range");
        }
        let seconds =
            days_of(self.year, month, day) * SECONDS_PER_DAY + hour * 3600 + self.minute * 60 + self.second;
        // A name is no offset: the time is taken to be in UTC, and told in the offset of the name.
        let (ahead, offset) = match self.zone {
            Zone { utc: true, .. } => (0, 0),
            Zone { offset: Some(offset), .. } => (offset, offset),
            Zone { named_offset, .. } => (0, named_offset),
        };
        Ok(Time { seconds: seconds - i64::from(ahead), nanoseconds: self.nanoseconds, offset })
    }

    fn month_and_day(&self) -> Result<(i64, i64), &'static str> {
        let Some(day_of_year) = self.day_of_year else {
            return Ok((self.month.unwrap_or(1), self.day.unwrap_or(1)));
        };
        if !(1..=365 + i64::from(is_leap(self.year))).contains(&day_of_year) {
            return Err("day-of-year out of range");
        }
        let Date { month, day, .. } = Date::from_days(days_of(self.year, 1, 1) + day_of_year - 1);
        if self.month.is_some_and(|named| named != month) {
            return Err("day-of-year does not match month");
        }
        if self.day.is_some_and(|named| named != day) {
            return Err("day-of-year does not match day");
        }
        Ok((month, day))
    }
}

/// Takes `count` bytes off the start.
fn take<'a>(value: &mut &'a [u8], count: usize) -> Parsed<&'a [u8]> {
    let (taken, rest) = value.split_at_checked(count).ok_or(Fault::Form)?;
    *value = rest;
    Ok(taken)
}

/// The number that `digits` are.
fn unsigned(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The number that `text` is, with or without a sign.
fn signed(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => unsigned(digits).map(|number| -number),
        [b'+', digits @ ..] | digits => unsigned(digits),
    }
}

/// A number of one or two digits; with zeros as padding of two.
fn number(
    value: &mut &[u8],
    padding: Padding,
    what: &'static str,
    range: std::ops::RangeInclusive<i64>,
) -> Parsed<i64> {
    if padding == Padding::Spaces
        && let [b' ', rest @ ..] = *value
    {
        *value = rest;
    }
    let count = value.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 || count == 1 && padding == Padding::Zeros {
        return Err(Fault::Form);
    }
    let number = unsigned(take(value, count)?).ok_or(Fault::Form)?;
    if range.contains(&number) { Ok(number) } else { Err(Fault::Range(what)) }
}

/// A number of up to three digits; with zeros as padding of three.
fn day_of_year(value: &mut &[u8], padding: Padding) -> Parsed<i64> {
    if padding == Padding::Spaces {
        let spaces = value.iter().take(2).take_while(|byte| **byte == b' ').count();
        take(value, spaces)?;
    }
    let count = value.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 || count < 3 && padding == Padding::Zeros {
        return Err(Fault::Form);
    }
    unsigned(take(value, count)?).ok_or(Fault::Form)
}

/// The place in `names` of the one that is written there, in any case of letters; of short names three letters are.
fn name(value: &mut &[u8], names: &[&str], long: bool) -> Parsed<i64> {
    let lengths = names.iter().map(|name| if long { name.len() } else { 3 });
    for ((name, length), index) in names.iter().zip(lengths).zip(0..) {
        let is_there = value
            .get(..length)
            .zip(name.as_bytes().get(..length))
            .is_some_and(|(text, name)| text.eq_ignore_ascii_case(name));
        if is_there {
            take(value, length)?;
            return Ok(index);
        }
    }
    Err(Fault::Form)
}

/// Whether the second of `names` is written there; the other possibility is the first.
/// An offset from UTC in seconds.
fn offset(value: &mut &[u8], form: OffsetForm) -> Parsed<i32> {
    let (sign, digits): (&[u8], [&[u8]; 3]) = match form {
        OffsetForm::Hours => (take(value, 1)?, [take(value, 2)?, b"00", b"00"]),
        OffsetForm::Minutes => (take(value, 1)?, [take(value, 2)?, take(value, 2)?, b"00"]),
        OffsetForm::ColonMinutes => (take(value, 1)?, [take(value, 2)?, behind_colon(value)?, b"00"]),
        OffsetForm::Seconds => (take(value, 1)?, [take(value, 2)?, take(value, 2)?, take(value, 2)?]),
        OffsetForm::ColonSeconds => {
            (take(value, 1)?, [take(value, 2)?, behind_colon(value)?, behind_colon(value)?])
        }
    };
    // People do write offsets of 24 hours and 60 minutes.
    let limits =
        [(24, "time zone offset hour"), (60, "time zone offset minute"), (60, "time zone offset second")];
    let (mut seconds, mut excess) = (Some(0), None);
    for (digits, (most, what)) in digits.into_iter().zip(limits) {
        let part = seconds.and_then(|_| unsigned(digits)).and_then(|part| i32::try_from(part).ok());
        if part.is_some_and(|part| part > most) {
            excess = Some(what);
        }
        seconds = seconds.zip(part).map(|(seconds, part)| seconds * 60 + part);
    }
    match (excess, seconds, sign) {
        (Some(what), ..) => Err(Fault::Range(what)),
        (None, Some(seconds), b"+") => Ok(seconds),
        (None, Some(seconds), b"-") => Ok(-seconds),
        _ => Err(Fault::Form),
    }
}

fn behind_colon<'a>(value: &mut &'a [u8]) -> Parsed<&'a [u8]> {
    if take(value, 1)? == b":" { take(value, 2) } else { Err(Fault::Form) }
}

/// The abbreviation of a time zone. Only of `GMT+3` and the like the offset is known; it is returned in seconds.
fn zone_name(value: &mut &[u8]) -> Parsed<i32> {
    if value.len() < 3 {
        return Err(Fault::Form);
    }
    let upper = value.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
    let length = match *value {
        [b'C', b'h', b'S', b'T', ..] | [b'M', b'e', b'S', b'T', ..] => 4,
        [b'G', b'M', b'T', after @ ..] => 3 + signed_hours(after).map_or(0, |(length, _)| length),
        [b'+' | b'-', ..] => signed_hours(value).ok_or(Fault::Form)?.0,
        [_, _, _, _, b'T', ..] if upper == 5 => 5,
        [_, _, _, b'T', ..] if upper == 4 => 4,
        [b'W', b'I', b'T', b'A', ..] if upper == 4 => 4,
        _ if upper == 3 => 3,
        _ => return Err(Fault::Form),
    };
    let name = take(value, length)?;
    let hours = name.strip_prefix(b"GMT").and_then(signed_hours).map_or(0, |(_, hours)| hours);
    Ok(hours * 3600)
}

/// A signed number of at most 23 hours: its length and the hours.
fn signed_hours(text: &[u8]) -> Option<(usize, i32)> {
    let [sign @ (b'+' | b'-'), rest @ ..] = text else { return None };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let hours = unsigned(rest.get(..digits)?).filter(|hours| digits > 0 && *hours <= 23)?;
    let hours = i32::try_from(hours).ok()?;
    Some((1 + digits, if *sign == b'-' { -hours } else { hours }))
}

/// The fraction of a second behind a point or a comma; digits beyond the ninth are dropped.
fn nanoseconds(fraction: &[u8]) -> Parsed<u32> {
    let [b'.' | b',', digits @ ..] = fraction else { return Err(Fault::Form) };
    let digits = digits.get(..9).unwrap_or(digits);
    let number = signed(digits).ok_or(Fault::Form)?;
    let number = u32::try_from(number).map_err(|_| Fault::Range("fractional second"))?;
    Ok((digits.len()..9).fold(number, |number, _| number.saturating_mul(10)))
}
