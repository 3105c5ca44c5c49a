//! What an API server answers at once: read as it came, which may be packed.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use http::{HeaderMap, HeaderValue, header};
use portcullis_value::{Arena, Value, json};

use crate::error::{ApiError, Asked};

/// How an answer may be packed (RFC 1952).
pub(crate) const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// An answer of the API server.
#[derive(Clone, Debug)]
pub struct Answer {
    /// As it came.
    bytes: Vec<u8>,
    is_packed: bool,
    /// When it was given, by the API server's clock, in seconds since 1970-01-01 UTC.
    pub date: Option<i64>,
}

impl Answer {
    /// The answer of these headers and this body.
    pub(crate) fn new(headers: &HeaderMap, bytes: Vec<u8>) -> Self {
        let is_packed = headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding == GZIP);
        Self { bytes, is_packed, date: date(headers) }
    }

    /// How many bytes it has, unpacked: as it says itself, modulo 4 GiB.
    pub(crate) fn length(&self) -> usize {
        let said =
            if self.is_packed { self.bytes.last_chunk().copied().map(u32::from_le_bytes) } else { None };
        said.and_then(|length| length.try_into().ok()).unwrap_or(self.bytes.len())
    }

    /// What it says, piece by piece: so it is never in memory whole where it came packed.
    pub fn reader(&self) -> Box<dyn Read + '_> {
        if self.is_packed { Box::new(GzDecoder::new(&*self.bytes)) } else { Box::new(&*self.bytes) }
    }

    /// What it says, of which nothing behind the length that it says is read.
    fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        if !self.is_packed {
            return Ok(Cow::Borrowed(&self.bytes));
        }
        let length = self.length();
        let mut bytes = Vec::with_capacity(length);
        let limit = u64::try_from(length).unwrap_or(u64::MAX);
        self.reader().take(limit).read_to_end(&mut bytes)?;
        Ok(Cow::Owned(bytes))
    }

    /// The document that it is, to who asked for `asked`.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn document<'a>(&self, arena: &'a Arena, asked: Asked) -> Result<Value<'a>, ApiError> {
        self.read(arena).map_err(|reason| ApiError::Unreadable { asked, reason })
    }

    fn read<'a>(&self, arena: &'a Arena) -> Result<Value<'a>, String> {
        let bytes = self.bytes().map_err(|error| error.to_string())?;
        let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string())?;
        json::read(arena, arena.str(text)).map_err(|error| error.to_string())
    }
}

/// The time of a `Date` header, `Tue, 29 Sep 2026 08:00:00 GMT`, in seconds since 1970-01-01 UTC.
pub(crate) fn date(headers: &HeaderMap) -> Option<i64> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn answer(bytes: Vec<u8>) -> Answer {
        Answer::new(&HeaderMap::from_iter([(header::CONTENT_ENCODING, GZIP)]), bytes)
    }

    fn kind(answer: &Answer) -> Result<String, String> {
        let asked = Asked { verb: "list", resource: "jobs.batch".to_owned() };
        let arena = Arena::new();
        let document = answer.document(&arena, asked).map_err(|error| error.to_string())?;
        Ok(document.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    #[test]
    fn a_packed_answer_says_what_was_packed() {
        let text = r#"{"kind": "JobList"}"#;
        let answer = answer(packed(text));
        assert_eq!(answer.length(), text.len());
        assert_eq!(io::read_to_string(answer.reader()).unwrap(), text);
        assert_eq!(kind(&answer), Ok("JobList".to_owned()));
    }

    #[test]
    fn one_that_is_cut_short_or_longer_than_it_says_is_an_error_and_takes_no_memory() {
        let text = format!(r#"{{"kind": "JobList"{}}}"#, " ".repeat(1 << 20));
        let packed = packed(&text);
        let (content, length) = packed.split_at(packed.len() - 4);
        let reason = |parts: [&[u8]; 2]| kind(&answer(parts.concat())).unwrap_err();
        assert!(reason([&content[..content.len() / 2], length]).ends_with("incomplete deflate stream"));
        assert!(reason([content, &9_u32.to_le_bytes()]).ends_with("EOF while parsing a value"));
    }
}
