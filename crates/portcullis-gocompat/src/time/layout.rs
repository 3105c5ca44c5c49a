//! The layouts of Go: how the time 2006-01-02 15:04:05 MST looks.

/// How a number may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    None,
    Zeros,
    Spaces,
}

/// The digits of an offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OffsetForm {
    /// `07`
    Hours,
    /// `0700`
    Minutes,
    /// `07:00`
    ColonMinutes,
    /// `070000`
    Seconds,
    /// `07:00:00`
    ColonSeconds,
}

/// A part of a layout that stands for a part of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// `06`
    ShortYear,
    /// `2006`
    Year,
    MonthName {
        long: bool,
    },
    Month(Padding),
    WeekdayName {
        long: bool,
    },
    Day(Padding),
    DayOfYear(Padding),
    /// `15`
    Hour,
    /// `03`
    Hour12(Padding),
    Minute(Padding),
    Second(Padding),
    /// `PM`
    UpperMeridiem,
    /// `pm`
    LowerMeridiem,
    /// `-0700`, or `Z0700`, which is `Z` for UTC.
    Offset {
        form: OffsetForm,
        zulu: bool,
    },
    /// `MST`
    ZoneName,
    /// `.000`: so many digits.
    Fraction(usize),
    /// `.999`: any number of digits, or none.
    AnyFraction,
}

/// A layout up to and with its first element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk<'a> {
    /// What stands for itself, before the element.
    pub(super) literal: &'a [u8],
    /// The element and how it is written; absent at the end of the layout.
    pub(super) element: Option<(Element, &'a [u8])>,
    pub(super) rest: &'a [u8],
}

use Element::*;
use Padding::{None as Plain, Spaces, Zeros};

/// The elements, each before those that it begins with.
const ELEMENTS: &[(&str, Element)] = &[
    ("January", MonthName { long: true }),
    ("Jan", MonthName { long: false }),
    ("Monday", WeekdayName { long: true }),
    ("Mon", WeekdayName { long: false }),
    ("MST", ZoneName),
    ("01", Month(Zeros)),
    ("002", DayOfYear(Zeros)),
    ("02", Day(Zeros)),
    ("03", Hour12(Zeros)),
    ("04", Minute(Zeros)),
    ("05", Second(Zeros)),
    ("06", ShortYear),
    ("15", Hour),
    ("1", Month(Plain)),
    ("2006", Year),
    ("2", Day(Plain)),
    ("__2", DayOfYear(Spaces)),
    ("_2", Day(Spaces)),
    ("3", Hour12(Plain)),
    ("4", Minute(Plain)),
    ("5", Second(Plain)),
    ("PM", UpperMeridiem),
    ("pm", LowerMeridiem),
    ("-07:00:00", Offset { form: OffsetForm::ColonSeconds, zulu: false }),
    ("-070000", Offset { form: OffsetForm::Seconds, zulu: false }),
    ("-07:00", Offset { form: OffsetForm::ColonMinutes, zulu: false }),
    ("-0700", Offset { form: OffsetForm::Minutes, zulu: false }),
    ("-07", Offset { form: OffsetForm::Hours, zulu: false }),
    ("Z07:00:00", Offset { form: OffsetForm::ColonSeconds, zulu: true }),
    ("Z070000", Offset { form: OffsetForm::Seconds, zulu: true }),
    ("Z07:00", Offset { form: OffsetForm::ColonMinutes, zulu: true }),
    ("Z0700", Offset { form: OffsetForm::Minutes, zulu: true }),
    ("Z07", Offset { form: OffsetForm::Hours, zulu: true }),
];

/// The first element of `layout` and what is around it.
pub(super) fn first_chunk(layout: &[u8]) -> Chunk<'_> {
    for index in 0..layout.len() {
        let Some((literal, from)) = layout.split_at_checked(index) else { break };
        if let Some((element, length)) = element_at(from)
            && let Some((text, rest)) = from.split_at_checked(length)
        {
            return Chunk { literal, element: Some((element, text)), rest };
        }
    }
    Chunk { literal: layout, element: None, rest: &[] }
}

/// The element that `layout` begins with, and its length.
fn element_at(layout: &[u8]) -> Option<(Element, usize)> {
    if let [b'.' | b',', digit @ (b'0' | b'9'), ..] = layout {
        return fraction_at(layout, *digit);
    }
    // A year behind an underscore, not a padded day.
    if layout.starts_with(b"_2006") {
        return None;
    }
    let (text, element) = ELEMENTS.iter().find(|(text, _)| layout.starts_with(text.as_bytes()))?;
    let is_word = matches!(element, MonthName { long: false } | WeekdayName { long: false })
        && layout.get(text.len()).is_some_and(u8::is_ascii_lowercase);
    if is_word { None } else { Some((*element, text.len())) }
}

/// The fraction of repeated `digit`s that `layout` begins with, unless other digits follow.
fn fraction_at(layout: &[u8], digit: u8) -> Option<(Element, usize)> {
    let digits = layout.iter().skip(1).take_while(|byte| **byte == digit).count();
    if layout.get(1 + digits).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((if digit == b'0' { Fraction(digits) } else { AnyFraction }, 1 + digits))
}
