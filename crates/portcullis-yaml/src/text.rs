//! Characters: which ones a YAML text may hold, and what they mean to the scanner.

/// A blank: space or tab.
pub(crate) const BLANK: u8 = 1;
/// A line break, or the end of the text (which reads as NUL).
pub(crate) const BREAK: u8 = 2;
/// The first byte of a character that may be a line break: U+0085, U+2028, U+2029.
pub(crate) const WIDE: u8 = 4;
pub(crate) const COLON: u8 = 8;
/// Ends a plain scalar within `[]` and `{}`.
pub(crate) const FLOW: u8 = 16;
/// Ends a stretch of a quoted scalar.
pub(crate) const QUOTE: u8 = 32;

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0u8;
    loop {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse it")]
        {
            classes[byte as usize] = classify(byte);
        }
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};

const fn classify(byte: u8) -> u8 {
    match byte {
        b' ' | b'\t' => BLANK,
        b'\n' | b'\r' | 0 => BREAK,
        0xc2 | 0xe2 => WIDE,
        b':' => COLON,
        b',' | b'?' | b'[' | b']' | b'{' | b'}' => FLOW,
        b'\'' | b'"' | b'\\' => QUOTE,
        _ => 0,
    }
}

/// What `byte` is: one of the constants above, or 0.
pub(crate) fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(0)
}

/// Whether `text` is ASCII, or the offset of the first character that YAML does not allow.
pub(crate) fn inspect(text: &str) -> Result<bool, usize> {
    let bytes = text.as_bytes();
    let mut ascii = true;
    for (index, chunk) in bytes.chunks(64).enumerate() {
        let unusual = |byte: &u8| !(0x20..0x7f).contains(byte) & !matches!(byte, b'\t' | b'\n' | b'\r');
        // A fold without an early end is what the compiler turns into vector instructions.
        if !chunk.iter().fold(false, |found, byte| found | unusual(byte)) {
            continue;
        }
        for (offset, byte) in chunk.iter().enumerate().filter(|(_, byte)| unusual(byte)) {
            let position = index * 64 + offset;
            ascii &= byte.is_ascii();
            let allowed = match (byte, bytes.get(position + 1), bytes.get(position + 2)) {
                (0xc2, Some(0x85), _) => true,
                (0xc2, Some(0x80..0xa0), _) => false,
                (0xef, Some(0xbf), Some(0xbe | 0xbf)) => false,
                _ => !byte.is_ascii(),
            };
            if !allowed {
                return Err(position);
            }
        }
    }
    Ok(ascii)
}

/// The line break at the beginning of `bytes`: its length, and what it reads as.
pub(crate) fn line_break(bytes: &[u8]) -> Option<(usize, &'static str)> {
    match bytes {
        [b'\r', b'\n', ..] | [0xc2, 0x85, ..] => Some((2, "\n")),
        [b'\n' | b'\r', ..] => Some((1, "\n")),
        [0xe2, 0x80, 0xa8, ..] => Some((3, "\u{2028}")),
        [0xe2, 0x80, 0xa9, ..] => Some((3, "\u{2029}")),
        _ => None,
    }
}

/// How many characters `bytes`, a piece of UTF-8 text, holds.
pub(crate) fn count_chars(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}
