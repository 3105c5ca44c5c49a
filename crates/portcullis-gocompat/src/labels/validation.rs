//! What the API server accepts as the key and the value of a label.

use std::fmt;

/// What is wrong with a key or value, in the API server's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidLabel {
    // INVARIANT: not empty.
    problems: Vec<&'static str>,
}

impl fmt::Display for InvalidLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("; "))
    }
}

impl std::error::Error for InvalidLabel {}

const MOST_NAME: usize = 63;
const MOST_PREFIX: usize = 253;

const KEY_SLASHES: &str = "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
const NAME_EMPTY: &str = "name part must be non-empty";
const NAME_LENGTH: &str = "name part must be no more than 63 bytes";
const NAME_LETTERS: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const PREFIX_EMPTY: &str = "prefix part must be non-empty";
const PREFIX_LENGTH: &str = "prefix part must be no more than 253 bytes";
const PREFIX_LETTERS: &str = r"prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const VALUE_LENGTH: &str = "must be no more than 63 bytes";
const VALUE_LETTERS: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// Whether `key` is a label key: a name of at most 63 bytes, perhaps after a DNS subdomain and `/`.
pub fn validate_key(key: &str) -> Result<(), InvalidLabel> {
    let mut problems = Vec::new();
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if name.contains('/') {
        return Err(InvalidLabel { problems: vec![KEY_SLASHES] });
    }
    if let Some(prefix) = prefix {
        if prefix.is_empty() {
            problems.push(PREFIX_EMPTY);
        } else {
            problems.extend((prefix.len() > MOST_PREFIX).then_some(PREFIX_LENGTH));
            problems.extend((!is_subdomain(prefix)).then_some(PREFIX_LETTERS));
        }
    }
    problems.extend(name.is_empty().then_some(NAME_EMPTY));
    problems.extend((name.len() > MOST_NAME).then_some(NAME_LENGTH));
    problems.extend((!is_name(name)).then_some(NAME_LETTERS));
    result(problems)
}

/// Whether `value` is a label value: empty or a name of at most 63 bytes.
pub fn validate_value(value: &str) -> Result<(), InvalidLabel> {
    let mut problems = Vec::new();
    problems.extend((value.len() > MOST_NAME).then_some(VALUE_LENGTH));
    problems.extend((!value.is_empty() && !is_name(value)).then_some(VALUE_LETTERS));
    result(problems)
}

fn result(problems: Vec<&'static str>) -> Result<(), InvalidLabel> {
    if problems.is_empty() { Ok(()) } else { Err(InvalidLabel { problems }) }
}

/// Letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn is_name(text: &str) -> bool {
    has_ends(text, |byte| byte.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Labels of lower-case letters, digits and inner `-`, parted by dots.
fn is_subdomain(text: &str) -> bool {
    let is_end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.split('.')
        .all(|label| has_ends(label, is_end) && label.bytes().all(|byte| is_end(byte) || byte == b'-'))
}

fn has_ends(text: &str, is_end: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|byte| is_end(*byte)) && bytes.last().is_some_and(|byte| is_end(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn key(key: &str, want: &[&str]) {
        assert_eq!(
            validate_key(key).map_or_else(|invalid| invalid.problems, |()| Vec::new()),
            want,
            "`{key}`"
        );
    }

    #[test]
    fn keys_are_names_with_an_optional_subdomain() {
        for good in ["a", "App", "a.b", "a_b-c", "app.kubernetes.io/name", "0/0", &"x".repeat(63)] {
            key(good, &[]);
        }
        key("", &[NAME_EMPTY, NAME_LETTERS]);
        key("bad key", &[NAME_LETTERS]);
        key("a/b/c", &[KEY_SLASHES]);
        key("/b", &[PREFIX_EMPTY]);
        key("a/", &[NAME_EMPTY, NAME_LETTERS]);
        key("A/b", &[PREFIX_LETTERS]);
        key("a..b/c", &[PREFIX_LETTERS]);
        key(&"x".repeat(64), &[NAME_LENGTH]);
        key(&format!("{}/a", "x".repeat(254)), &[PREFIX_LENGTH]);
    }

    #[test]
    fn values_are_names_or_empty() {
        for good in ["", "a", "A_b.c-1", &"x".repeat(63)] {
            assert_eq!(validate_value(good), Ok(()));
        }
        for bad in ["-", "a-", "*", "é", "a b", &"x".repeat(64)] {
            assert!(validate_value(bad).is_err(), "`{bad}`");
        }
    }
}
