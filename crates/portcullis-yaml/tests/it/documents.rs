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
fn a_document_of_comments_alone_hides_none_after_it() {
    let text = "a: 1\n---\n# a heading\n---\nb: 2\n";
    let want = ["a: 1", "---\nb: 2"];
    let mut reader = DocumentReader::new(text.as_bytes());
    let mut lines = Vec::new();
    for want in want {
        let source = reader.next_document().unwrap().unwrap();
        assert_eq!(source.text().trim_end(), want);
        lines.push(source.line());
    }
    let split: Vec<_> = portcullis_yaml::documents(text).map(Result::unwrap).collect();
    assert_eq!(lines, [1, 4]);
    assert_eq!(split.iter().map(|source| source.line()).collect::<Vec<_>>(), lines);
    assert_eq!(split[1].text().trim_end(), want[1]);
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
