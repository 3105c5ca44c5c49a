//! Functions of strings.

use std::cmp::Ordering;
use std::collections::HashSet;

use portcullis_value::{Number, Value};

use super::{Arguments, Function, NUMBER, STRING, Type};
use crate::error::Failure;
use crate::evaluate::{Evaluated, Evaluator};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "compare",
        parameters: &[STRING, STRING],
        returns: Type::Number,
        doc: "-1, 0 or 1: how the first string stands to the second bytewise.",
        example: ("compare('a', 'b')", "-1"),
        call: compare,
    },
    Function {
        name: "ends_with",
        parameters: &[STRING, STRING],
        returns: Type::Bool,
        doc: "Whether the first string ends with the second.",
        example: ("ends_with('image:latest', ':latest')", "true"),
        call: ends_with,
    },
    Function {
        name: "equal_fold",
        parameters: &[STRING, STRING],
        returns: Type::Bool,
        doc: "Whether the strings are equal but for the case of letters.",
        example: ("equal_fold('Go', 'GO')", "true"),
        call: equal_fold,
    },
    Function {
        name: "replace",
        parameters: &[STRING, STRING, STRING, NUMBER],
        returns: Type::String,
        doc: "The first string with the second replaced by the third, at most so many times; always if negative.",
        example: ("replace('aaa', 'a', 'b', `2`)", r#""bba""#),
        call: replace,
    },
    Function {
        name: "replace_all",
        parameters: &[STRING, STRING, STRING],
        returns: Type::String,
        doc: "The first string with the second replaced by the third throughout.",
        example: ("replace_all('aaa', 'a', 'b')", r#""bbb""#),
        call: replace_all,
    },
    Function {
        name: "split",
        parameters: &[STRING, STRING],
        returns: Type::Array,
        doc: "The parts of the first string between occurrences of the second; its characters if that is empty.",
        example: ("split('a,b', ',')", r#"["a", "b"]"#),
        call: split,
    },
    Function {
        name: "starts_with",
        parameters: &[STRING, STRING],
        returns: Type::Bool,
        doc: "Whether the first string starts with the second.",
        example: ("starts_with('kube-system', 'kube-')", "true"),
        call: starts_with,
    },
    Function {
        name: "to_lower",
        parameters: &[STRING],
        returns: Type::String,
        doc: "The string in lower case.",
        example: ("to_lower('AbÄ')", r#""abä""#),
        call: to_lower,
    },
    Function {
        name: "to_upper",
        parameters: &[STRING],
        returns: Type::String,
        doc: "The string in upper case, character by character.",
        example: ("to_upper('abß')", r#""ABß""#),
        call: to_upper,
    },
    Function {
        name: "trim",
        parameters: &[STRING, STRING],
        returns: Type::String,
        doc: "The first string without characters of the second at both ends.",
        example: ("trim('--a-b-', '-')", r#""a-b""#),
        call: trim,
    },
    Function {
        name: "trim_prefix",
        parameters: &[STRING, STRING],
        returns: Type::String,
        doc: "The first string without the second at its start.",
        example: ("trim_prefix('v1.2', 'v')", r#""1.2""#),
        call: trim_prefix,
    },
    Function {
        name: "truncate",
        parameters: &[STRING, NUMBER],
        returns: Type::String,
        doc: "The first characters of a string, so many.",
        example: ("truncate('Löremx', `2`)", r#""Lö""#),
        call: truncate,
    },
];

fn compare<'a>(_: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    Ok(Value::from(match arguments.string(0)?.cmp(arguments.string(1)?) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1_i64,
    }))
}

fn ends_with<'a>(_: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    Ok(Value::Bool(arguments.string(0)?.ends_with(arguments.string(1)?)))
}

fn starts_with<'a>(_: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    Ok(Value::Bool(arguments.string(0)?.starts_with(arguments.string(1)?)))
}

fn equal_fold<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (left, right) = (arguments.string(0)?, arguments.string(1)?);
    evaluator.scan(left)?;
    Ok(Value::Bool(left.chars().map(fold).eq(right.chars().map(fold))))
}

fn replace<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let count = arguments.number(3)?;
    let count = if count <= Number::Int(-1) { usize::MAX } else { whole(count) };
    replace_first(evaluator, arguments, count)
}

fn replace_all<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    replace_first(evaluator, arguments, usize::MAX)
}

fn replace_first<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    arguments: Arguments<'a, '_>,
    count: usize,
) -> Evaluated<'a> {
    let (text, old, new) = (arguments.string(0)?, arguments.string(1)?, arguments.string(2)?);
    evaluator.scan(text)?;
    // Counted first, so that what is too large is never made.
    let found = text.matches(old).take(count).count();
    if found == 0 {
        return Ok(Value::String(text));
    }
    evaluator.budget.bytes(found.saturating_mul(new.len()))?;
    evaluator.string(&text.replacen(old, new, found))
}

fn split<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (text, separator) = (arguments.string(0)?, arguments.string(1)?);
    evaluator.scan(text)?;
    let is_by_character = separator.is_empty();
    // Counted first, so that what is too large is never made.
    let count = if is_by_character { text.chars().count() } else { 1 + text.matches(separator).count() };
    evaluator.steps(count)?;
    let parts: Vec<_> = if is_by_character {
        text.split_inclusive(|_| true).map(Value::String).collect()
    } else {
        text.split(separator).map(Value::String).collect()
    };
    evaluator.array(&parts)
}

fn to_lower<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    map_characters(evaluator, arguments, lower)
}

fn to_upper<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    map_characters(evaluator, arguments, upper)
}

fn map_characters<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    arguments: Arguments<'a, '_>,
    map: fn(char) -> char,
) -> Evaluated<'a> {
    let text = arguments.string(0)?;
    evaluator.scan(text)?;
    let mapped: String = text.chars().map(map).collect();
    evaluator.string(&mapped)
}

fn trim<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (text, characters) = (arguments.string(0)?, arguments.string(1)?);
    evaluator.scan(text)?;
    evaluator.scan(characters)?;
    // Both may be long: a set keeps it linear.
    let characters: HashSet<char> = characters.chars().collect();
    let trimmed = text.trim_matches(|char| characters.contains(&char));
    evaluator.steps(text.len() - trimmed.len())?;
    Ok(Value::String(trimmed))
}

fn trim_prefix<'a>(_: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (text, prefix) = (arguments.string(0)?, arguments.string(1)?);
    Ok(Value::String(text.strip_prefix(prefix).unwrap_or(text)))
}

fn truncate<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (text, count) = (arguments.string(0)?, whole(arguments.number(1)?));
    evaluator.scan(text)?;
    let end = text.char_indices().nth(count).map_or(text.len(), |(index, _)| index);
    Ok(Value::String(text.get(..end).unwrap_or_default()))
}

/// A count: fractions cut off, nothing below zero, clamped to what there can be.
fn whole(number: Number) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast clamps")]
    let count = number.as_f64() as usize;
    count
}

/// The one lower-case letter of `char`, if there is one.
fn lower(char: char) -> char {
    match char {
        // Of two characters in the full mapping that Rust has; the simple one is this.
        'İ' => 'i',
        _ => single(char, char.to_lowercase()),
    }
}

/// The one upper-case letter of `char`, if there is one.
fn upper(char: char) -> char {
    let code = u32::from(char);
    match code {
        // Greek with iota below: Rust's full mapping has two characters, the simple one is the title-case letter.
        0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7 => char::from_u32(code + 8).unwrap_or(char),
        0x1fb3 | 0x1fc3 | 0x1ff3 => char::from_u32(code + 9).unwrap_or(char),
        _ => single(char, char.to_uppercase()),
    }
}

/// The character of `mapped`, or `char` if there are several.
fn single(char: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(mapped), None) => mapped,
        _ => char,
    }
}

/// One character for all that differ by case only. Turkish i's stand for themselves, as Unicode's simple folding has
/// it.
fn fold(char: char) -> char {
    match char {
        'İ' | 'ı' => char,
        _ => lower(upper(char)),
    }
}

impl<'a> Evaluator<'a, '_, '_> {
    /// A text in the arena, charged.
    pub(super) fn text(&mut self, text: &str) -> Result<&'a str, Failure<'a>> {
        self.budget.bytes(text.len())?;
        Ok(self.arena.str(text))
    }
}
