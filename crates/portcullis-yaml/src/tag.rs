//! Tags: what `!!int "3"` and the like make of a scalar.

use base64::alphabet;
use base64::engine::{Engine, GeneralPurpose, GeneralPurposeConfig};
use portcullis_value::{Arena, Number};

use crate::scalar::{self, Scalar, is_timestamp};

/// A tag that means something for a scalar. On lists and maps tags mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Null,
    Bool,
    Int,
    Float,
    Binary,
    Timestamp,
    /// `!!merge`, and `!`: a string but for `<<`.
    Merge,
    /// `!!str` and all tags that are not known: a string.
    String,
}

/// What the handle `!!` stands for unless a directive says otherwise.
const YAML: &str = "tag:yaml.org,2002:";

/// Like Go's decoder, which does not mind what the unused bits of the last character are.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

impl Tag {
    /// The tag of `handle` and `suffix`, where `prefixes` are the declared handles; `None` if the handle is not.
    pub(crate) fn resolve(handle: &str, suffix: &str, prefixes: &[(&str, &str)]) -> Option<Self> {
        let prefix = match (handle, prefixes.iter().find(|known| known.0 == handle)) {
            (_, Some(known)) => known.1,
            ("", _) => "",
            ("!", _) => "!",
            ("!!", _) => YAML,
            _ => return None,
        };
        let tag = [prefix, suffix].concat();
        if tag == "!" {
            return Some(Tag::Merge);
        }
        Some(match tag.strip_prefix(YAML) {
            Some("null") => Tag::Null,
            Some("bool") => Tag::Bool,
            Some("int") => Tag::Int,
            Some("float") => Tag::Float,
            Some("binary") => Tag::Binary,
            Some("timestamp") => Tag::Timestamp,
            Some("merge") => Tag::Merge,
            _ => Tag::String,
        })
    }

    /// What `text` is under this tag, or what is wrong with it.
    pub(crate) fn apply<'a>(self, arena: &'a Arena, text: &'a str) -> Result<(Scalar, &'a str), String> {
        let scalar = match (self, scalar::resolve(text)) {
            (Tag::String, _) => Scalar::String,
            (Tag::Merge, Scalar::Merge) => Scalar::Merge,
            (Tag::Merge, _) => Scalar::String,
            (Tag::Binary, _) => return Ok((Scalar::String, decode(arena, text)?)),
            (Tag::Timestamp, _) if is_timestamp(text) => Scalar::String,
            (Tag::Null, scalar @ Scalar::Null)
            | (Tag::Bool, scalar @ Scalar::Bool(_))
            | (Tag::Int, scalar @ Scalar::Number(Number::Int(_) | Number::Uint(_)))
            | (Tag::Float, scalar @ (Scalar::NotFinite(_) | Scalar::Number(Number::Float(_)))) => scalar,
            (Tag::Float, Scalar::Number(number)) => Scalar::Number(Number::Float(number.as_f64())),
            _ => return Err(format!("`{text}` is not what its tag says")),
        };
        Ok((scalar, text))
    }
}

/// Base64 over one or more lines. Bytes that are not UTF-8 become U+FFFD one by one, as in Go's JSON.
fn decode<'a>(arena: &'a Arena, text: &str) -> Result<&'a str, String> {
    let bytes = BASE64
        .decode(text.replace(['\r', '\n'], ""))
        .map_err(|_| "value of a `!!binary` tag is not base64".to_owned())?;
    let mut decoded = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        decoded.push_str(chunk.valid());
        decoded.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Ok(arena.str(&decoded))
}
