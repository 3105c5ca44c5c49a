//! Encodings, digests, JSON and YAML.

use std::fmt::Write;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use portcullis_yaml::MAX_ALIAS_NODES;
use sha2::Digest;

use super::{Arguments, Function, STRING, Type};
use crate::error::Failure;
use crate::evaluate::{Evaluated, Evaluator};
use crate::text::read_json;
use crate::value::object_bytes;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "base64_decode",
        parameters: &[STRING],
        returns: Type::String,
        doc: "The text that a string holds in base64; bytes that are no text become U+FFFD.",
        example: ("base64_decode('aGVsbG8=')", r#""hello""#),
        call: base64_decode,
    },
    Function {
        name: "base64_encode",
        parameters: &[STRING],
        returns: Type::String,
        doc: "The string in base64.",
        example: ("base64_encode('hello')", r#""aGVsbG8=""#),
        call: base64_encode,
    },
    Function {
        name: "md5",
        parameters: &[STRING],
        returns: Type::String,
        doc: "The MD5 digest of a string, hexadecimal.",
        example: ("md5('a')", r#""0cc175b9c0f1b6a831c399e269772661""#),
        call: md5,
    },
    Function {
        name: "parse_json",
        parameters: &[STRING],
        returns: Type::Any,
        doc: "The value that a string holds as JSON.",
        example: (r#"parse_json('{"a": [1]}')"#, r#"{"a": [1]}"#),
        call: parse_json,
    },
    Function {
        name: "parse_yaml",
        parameters: &[STRING],
        returns: Type::Any,
        doc: "The value that a string holds as YAML 1.1; of several documents the first.",
        example: ("parse_yaml('a: [1, yes]')", r#"{"a": [1, true]}"#),
        call: parse_yaml,
    },
    Function {
        name: "sha1",
        parameters: &[STRING],
        returns: Type::String,
        doc: "The SHA-1 digest of a string, hexadecimal.",
        example: ("sha1('a')", r#""86f7e437faa5a7fce15d1ddcb9eaeaea377667b8""#),
        call: sha1,
    },
    Function {
        name: "sha256",
        parameters: &[STRING],
        returns: Type::String,
        doc: "The SHA-256 digest of a string, hexadecimal.",
        example: ("sha256('a')", r#""ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb""#),
        call: sha256,
    },
];

/// Go's standard encoding: padding is required, the bits that it fills up with are not looked at.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

fn base64_decode<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let text = arguments.string(0)?;
    evaluator.scan(text)?;
    evaluator.budget.bytes(text.len())?;
    let lines: Vec<_> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let bytes = BASE64.decode(&lines).map_err(|_| {
        let offset = corrupt_byte(text.as_bytes());
        Failure::runtime(format!("illegal base64 data at input byte {offset}"))
    })?;
    // One U+FFFD for each byte, as Go counts and prints them; Rust's own conversion makes one of several.
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    evaluator.string(&text)
}

/// The byte that Go's decoder complains of: the one that does not belong where it stands, or, where the text ends too
/// early, the first of the four that it ends in.
fn corrupt_byte(text: &[u8]) -> usize {
    let mut letters = text.iter().copied().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    let mut place = 0;
    while let Some((at, byte)) = letters.next() {
        match (byte, place) {
            (b'=', 2) => {
                return match letters.next() {
                    None => text.len(),
                    Some((_, b'=')) => letters.next().map_or(text.len(), |(at, _)| at),
                    Some((at, _)) => at - 1,
                };
            }
            (b'=', 3) => return letters.next().map_or(text.len(), |(at, _)| at),
            (b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/', _) => place = (place + 1) % 4,
            _ => return at,
        }
    }
    text.len() - place
}

fn base64_encode<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let text = arguments.string(0)?;
    evaluator.scan(text)?;
    evaluator.budget.bytes(text.len())?;
    evaluator.string(&BASE64.encode(text))
}

fn md5<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    digest::<md5::Md5>(evaluator, arguments)
}

fn sha1<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    digest::<sha1::Sha1>(evaluator, arguments)
}

fn sha256<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    digest::<sha2::Sha256>(evaluator, arguments)
}

fn digest<'a, D: Digest>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    arguments: Arguments<'a, '_>,
) -> Evaluated<'a> {
    let text = arguments.string(0)?;
    evaluator.scan(text)?;
    let mut hex = String::new();
    for byte in D::digest(text) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    evaluator.string(&hex)
}

fn parse_json<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let text = arguments.string(0)?;
    // Each element but the first of a list or map has a comma before it.
    charge_parsing(evaluator, text, b",[{", 0)?;
    read_json(evaluator.arena, text).map_err(Failure::runtime)
}

fn parse_yaml<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let text = arguments.string(0)?;
    let aliased = if text.contains('*') { MAX_ALIAS_NODES } else { 0 };
    charge_parsing(evaluator, text, b",[{:-?", aliased)?;
    portcullis_yaml::read(evaluator.arena, text).map_err(|error| Failure::runtime(error.to_string()))
}

/// Charges what `text` may become: at most one element for each of `marks` and `more`.
fn charge_parsing<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    text: &str,
    marks: &[u8],
    more: usize,
) -> Result<(), Failure<'a>> {
    evaluator.scan(text)?;
    let elements = text.bytes().filter(|byte| marks.contains(byte)).count().saturating_add(more);
    evaluator.steps(elements)?;
    evaluator.budget.bytes(text.len().saturating_add(object_bytes(elements)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::corrupt_byte;

    #[test]
    fn the_byte_is_named_that_go_stumbles_over() {
        for (text, byte) in [
            ("!!", 0),
            ("YQ", 0),
            ("YWJjYQ", 4),
            ("YQ=", 3),
            ("YQ==\nx", 5),
            ("YQ=x", 2),
            ("YWI=YWI=", 4),
            ("Y Q=", 1),
            ("=", 0),
        ] {
            assert_eq!(corrupt_byte(text.as_bytes()), byte, "{text}");
        }
    }
}
