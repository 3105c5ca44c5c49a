//! What a body becomes once its values are read.

/// Bytes that a value takes: as much again while the list that it is in is read.
const PER_VALUE: usize = 2 * 24;
/// Bytes that a key takes beside its value, likewise.
const PER_KEY: usize = 2 * 16;

/// About how many bytes the values of the JSON text `body` take in memory, strings not counted: a list of small numbers takes
/// far more than its text. What is no JSON has some weight or other.
pub(crate) fn weight(body: &[u8]) -> usize {
    let mut weight = 0_usize;
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b',' | b'[' | b'{' => weight += PER_VALUE,
            b':' => weight += PER_KEY,
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    weight
}

/// Takes the rest of a string whose quote was taken.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_keys_weigh_and_what_stands_in_strings_does_not() {
        for (body, values, keys) in [
            ("", 0, 0),
            ("1", 0, 0),
            ("[1,2,3]", 3, 0),
            (r#"{"a":[],"b":{}}"#, 4, 2),
            (r#"{"a,:[{\",":"\\","b":",,,"}"#, 2, 2),
            (r#"["unfinished,,,"#, 1, 0),
            (r#"["\"#, 1, 0),
        ] {
            assert_eq!(weight(body.as_bytes()), values * PER_VALUE + keys * PER_KEY, "{body}");
        }
    }
}
