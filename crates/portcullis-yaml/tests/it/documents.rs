//! Streams of documents.

use std::io::{self, BufReader, Read};

use portcullis_yaml::{DocumentReader, count_documents};

#[test]
fn documents_are_split_at_their_separators() {
    let mut reader = DocumentReader::new("a: 1\n---\nb: 2\n--- # c\n---\nd: 4".as_bytes());
    let mut got = Vec::new();
    while let Some(document) = reader.next_document() {
        let source = document.unwrap();
        got.push((source.line(), source.text().trim_start_matches("---").trim().to_owned()));
    }
    let texts: Vec<_> = got.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts.len(), 3, "{got:?}");
    assert_eq!((texts[0], texts[1]), ("a: 1", "b: 2"));
    assert!(texts[2].ends_with("d: 4"));
}

#[test]
fn a_document_beyond_the_limit_is_an_error_and_the_stream_goes_on() {
    let mut reader = DocumentReader::new("a: 12345678901234567890\n---\nb: 2\n".as_bytes()).limit(10);
    assert!(reader.next_document().unwrap().is_err());
    assert!(reader.next_document().unwrap().unwrap().text().contains("b: 2"));
    assert!(reader.next_document().is_none());
}

/// A gigabyte without a line break.
struct Endless(usize);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(self.0);
        buffer[..count].fill(b'a');
        self.0 -= count;
        Ok(count)
    }
}

#[test]
fn a_line_without_an_end_is_not_kept() {
    let mut reader = DocumentReader::new(BufReader::with_capacity(1 << 20, Endless(200 << 20))).limit(1000);
    let error = reader.next_document().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "line 1, column 1: document is larger than 1000 bytes");
    assert!(reader.next_document().is_none());
    assert_eq!(count_documents(BufReader::new(Endless(1 << 20))).unwrap(), 1);
}
