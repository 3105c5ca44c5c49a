//! Escapes and character classes, which occur inside brackets and outside.

use std::fmt::Write;
use std::ops::RangeInclusive;

use super::{Error, ErrorKind};

/// A part of a pattern and what follows it.
type Parsed<'p, T> = Result<(T, &'p str), Error>;

/// The text of `before` that is no longer in `after`, its tail.
pub(super) fn consumed<'p>(before: &'p str, after: &str) -> &'p str {
    before.get(..before.len().saturating_sub(after.len())).unwrap_or_default()
}

fn next(text: &str) -> Option<(char, &str)> {
    let mut letters = text.chars();
    letters.next().map(|letter| (letter, letters.as_str()))
}

/// The classes `\d`, `\s`, `\w` and their negations as items of a bracket.
pub(super) fn perl_class(pattern: &str) -> Option<(&'static str, &str)> {
    let (letter, rest) = next(pattern.strip_prefix('\\')?)?;
    let class = match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        // Without the vertical tab.
        's' => r"[\t\n\f\r ]",
        'S' => r"[^\t\n\f\r ]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    };
    Some((class, rest))
}

/// A Unicode class `\pL`, `\p{Greek}`, `\P{^Lu}` as an item of a bracket; `None` if `pattern` starts with none.
pub(super) fn unicode_class(pattern: &str) -> Option<Parsed<'_, String>> {
    let (letter, rest) = next(pattern.strip_prefix('\\')?)?;
    let outer = match letter {
        'p' => true,
        'P' => false,
        _ => return None,
    };
    Some(unicode_class_name(pattern, rest, outer))
}

fn unicode_class_name<'p>(pattern: &'p str, rest: &'p str, outer: bool) -> Parsed<'p, String> {
    let invalid = |part: &str| Error::new(ErrorKind::CharRange, part);
    let (name, rest) = match rest.strip_prefix('{') {
        Some(braced) => braced.split_once('}').ok_or_else(|| invalid(pattern))?,
        None => {
            let (_, after) = next(rest).ok_or_else(|| invalid(pattern))?;
            (consumed(rest, after), after)
        }
    };
    let part = consumed(pattern, rest);
    let (inner, name) = name.strip_prefix('^').map_or((true, name), |name| (false, name));
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | ' ');
    if name.is_empty() || !name.chars().all(plain) {
        return Err(invalid(part));
    }
    // The crate knows more properties; Go has general categories and scripts.
    let sign = if inner == outer { 'p' } else { 'P' };
    ["gc", "sc"]
        .iter()
        .map(|property| format!("\\{sign}{{{property}={name}}}"))
        .find(|class| ::regex::Regex::new(class).is_ok())
        .map(|class| (class, rest))
        .ok_or_else(|| invalid(part))
}

/// The code point that an escape stands for, which `pattern` starts with.
pub(super) fn escape(pattern: &str) -> Parsed<'_, u32> {
    let Some((letter, rest)) = pattern.strip_prefix('\\').and_then(next) else {
        return Err(Error::new(ErrorKind::TrailingBackslash, ""));
    };
    let invalid = |rest: &str| Error::new(ErrorKind::Escape, consumed(pattern, rest));
    let code = match letter {
        '0'..='7' => {
            let follows = rest.starts_with(|next: char| next.is_digit(8));
            return if letter == '0' || follows { Ok(octal(pattern)) } else { Err(invalid(rest)) };
        }
        'x' => return hexadecimal(rest).map_err(invalid),
        'a' => 0x07,
        'f' => 0x0c,
        'n' => 0x0a,
        'r' => 0x0d,
        't' => 0x09,
        'v' => 0x0b,
        _ if letter.is_ascii() && !letter.is_ascii_alphanumeric() => u32::from(letter),
        _ => return Err(invalid(rest)),
    };
    Ok((code, rest))
}

/// Up to three octal digits after the backslash.
fn octal(pattern: &str) -> (u32, &str) {
    let digits = pattern.get(1..).unwrap_or_default();
    let count = digits.chars().take(3).take_while(|letter| letter.is_digit(8)).count();
    let (digits, rest) = digits.split_at_checked(count).unwrap_or_default();
    (u32::from_str_radix(digits, 8).unwrap_or_default(), rest)
}

/// `41` or `{1F600}` after `\x`; the error is what follows the letter at fault.
fn hexadecimal(text: &str) -> Result<(u32, &str), &str> {
    let Some(mut rest) = text.strip_prefix('{') else {
        let (first, after_first) = next(text).ok_or(text)?;
        let (second, rest) = next(after_first).ok_or(after_first)?;
        let digits = first.to_digit(16).zip(second.to_digit(16)).ok_or(rest)?;
        return Ok((digits.0 * 16 + digits.1, rest));
    };
    let (mut code, mut digits) = (0, 0);
    loop {
        let (letter, after) = next(rest).ok_or(rest)?;
        rest = after;
        if letter == '}' {
            return if digits > 0 { Ok((code, rest)) } else { Err(rest) };
        }
        code = code * 16 + letter.to_digit(16).ok_or(rest)?;
        if code > u32::from(char::MAX) {
            return Err(rest);
        }
        digits += 1;
    }
}

/// A class in brackets, which `pattern` starts with, as the crate writes it.
pub(super) fn bracket(pattern: &str) -> Parsed<'_, String> {
    let unclosed = || Error::new(ErrorKind::MissingBracket, pattern);
    let mut rest = pattern.strip_prefix('[').unwrap_or(pattern);
    let mut class = String::from("[");
    if let Some(after) = rest.strip_prefix('^') {
        class.push('^');
        rest = after;
    }
    let start = rest;
    loop {
        // A bracket right at the start is a member.
        if let Some(after) = rest.strip_prefix(']').filter(|_| rest.len() < start.len()) {
            // Nothing the crate takes for an empty class stands in it: a range of surrogates leaves a hole.
            class.push(']');
            return Ok((class, after));
        }
        if let Some((name, after)) = posix_class(rest)? {
            class.push_str(name);
            rest = after;
            continue;
        }
        if let Some(parsed) = unicode_class(rest) {
            let (item, after) = parsed?;
            class.push_str(&item);
            rest = after;
            continue;
        }
        if let Some((item, after)) = perl_class(rest) {
            class.push_str(item);
            rest = after;
            continue;
        }
        let range = rest;
        let (low, after) = member(rest).ok_or_else(unclosed)??;
        rest = after;
        let mut high = low;
        // A dash before the closing bracket is a member.
        if let Some(after) =
            rest.strip_prefix('-').filter(|after| !after.is_empty() && !after.starts_with(']'))
        {
            let (end, after) = member(after).ok_or_else(unclosed)??;
            if end < low {
                return Err(Error::new(ErrorKind::CharRange, consumed(range, after)));
            }
            (high, rest) = (end, after);
        }
        push_range(&mut class, low..=high);
    }
}

/// `[:alpha:]` or `[:^alpha:]`, which the crate writes the same way.
fn posix_class(text: &str) -> Result<Option<(&str, &str)>, Error> {
    const NAMES: [&str; 14] = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
        "upper", "word", "xdigit",
    ];
    let Some((name, rest)) = text.strip_prefix("[:").and_then(|after| after.split_once(":]")) else {
        return Ok(None);
    };
    let class = consumed(text, rest);
    if NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
        Ok(Some((class, rest)))
    } else {
        Err(Error::new(ErrorKind::CharRange, class))
    }
}

/// One character of a bracket; `None` at the end of the pattern.
fn member(text: &str) -> Option<Parsed<'_, u32>> {
    if text.starts_with('\\') {
        return Some(escape(text));
    }
    next(text).map(|(letter, rest)| Ok((u32::from(letter), rest)))
}

/// Adds a range without the surrogates, which no text has and the crate does not name.
fn push_range(class: &mut String, range: RangeInclusive<u32>) {
    let low = if (0xd800..0xe000).contains(range.start()) { 0xe000 } else { *range.start() };
    let high = if (0xd800..0xe000).contains(range.end()) { 0xd7ff } else { *range.end() };
    // An item that adds nothing keeps the brackets from being empty.
    // Writing to a string cannot fail.
    let _ =
        if low > high { write!(class, "[a&&b]") } else { write!(class, "\\x{{{low:x}}}-\\x{{{high:x}}}") };
}
