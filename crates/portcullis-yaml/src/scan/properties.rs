//! What stands before a node or a document: anchors, aliases, tags, directives.

use super::{Kind, Scanner};
use crate::tag::Tag;
use crate::{Error, Place};

impl<'a> Scanner<'a> {
    /// `&name` or `*name`.
    pub(super) fn fetch_anchor(&mut self, start: Place) -> Result<(), Error> {
        self.save_candidate(start)?;
        self.key_allowed = false;
        let is_alias = self.byte(self.position) == b'*';
        self.position += 1;
        let name = self.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        let ends = self.is_gap(self.position) || b"?:,]}%@`".contains(&self.byte(self.position));
        if name.is_empty() || !ends {
            let error = self.error("a name of letters, digits, `_` and `-` must follow `*` or `&`");
            return Err(error.with_hint("put a value that begins with `*` or `&` in quotes"));
        }
        self.push(if is_alias { Kind::Alias(name) } else { Kind::Anchor(name) }, start);
        Ok(())
    }

    /// `!<uri>`, `!`, `!suffix`, `!!suffix` or `!handle!suffix`.
    pub(super) fn fetch_tag(&mut self, start: Place) -> Result<(), Error> {
        self.save_candidate(start)?;
        self.key_allowed = false;
        let (handle, suffix) = if self.byte(self.position + 1) == b'<' {
            self.position += 2;
            let uri = self.uri("")?;
            if self.byte(self.position) != b'>' || uri.is_empty() {
                return Err(self.error("a tag `!<...>` does not end"));
            }
            self.position += 1;
            ("", uri)
        } else {
            let handle = self.tag_handle();
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.uri("")?;
                if suffix.is_empty() {
                    return Err(self.error("a tag has no name"));
                }
                (handle, suffix)
            } else {
                match self.uri(handle.get(1..).unwrap_or_default())? {
                    "" => ("", "!"),
                    suffix => ("!", suffix),
                }
            }
        };
        if !self.is_gap(self.position) {
            return Err(self
                .error("a blank must follow a tag")
                .with_hint("put a value that begins with `!` in quotes"));
        }
        let tag = Tag::resolve(handle, suffix, &self.prefixes);
        self.push(Kind::Tag(tag), start);
        Ok(())
    }

    /// `%YAML 1.1` or `%TAG !handle! prefix`.
    pub(super) fn fetch_directive(&mut self, start: Place) -> Result<(), Error> {
        self.unroll(0);
        self.drop_candidate()?;
        self.key_allowed = false;
        self.position += 1;
        let name = self.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        let separated = self.is_gap(self.position);
        self.skip_blanks();
        match name {
            "YAML" if separated => {
                let major = self.take_while(|byte| byte.is_ascii_digit());
                let dot = self.byte(self.position) == b'.';
                self.position += usize::from(dot);
                let minor = self.take_while(|byte| byte.is_ascii_digit());
                let is_one = |text: &str| text.len() < 10 && text.parse() == Ok(1);
                if !dot || !is_one(major) || !is_one(minor) || self.versioned {
                    return Err(self.error("a document can have one `%YAML` directive, for version 1.1"));
                }
                self.versioned = true;
            }
            "TAG" if separated => {
                let handle = self.tag_handle();
                if handle != "!" && (handle.len() < 2 || !handle.ends_with('!')) {
                    return Err(self.error("`%TAG` needs a handle such as `!e!`"));
                }
                let separated = self.skip_blanks();
                let prefix = self.uri("")?;
                if !separated || prefix.is_empty() || !self.is_gap(self.position) {
                    return Err(self.error("`%TAG` needs a prefix after the handle"));
                }
                if self.prefixes.iter().any(|known| known.0 == handle) {
                    return Err(self.error(format!("the tag handle `{handle}` is declared twice")));
                }
                self.prefixes.push((handle, prefix));
            }
            _ => {
                let error = self.error("unknown directive");
                return Err(error.with_hint("put a value that begins with `%` in quotes"));
            }
        }
        self.push(Kind::Directive, start);
        self.skip_blanks();
        if self.byte(self.position) == b'#' {
            self.skip_line_rest();
        }
        if !self.is_break(self.position) {
            return Err(self.error("only a comment may follow a directive on its line"));
        }
        self.take_break();
        Ok(())
    }

    /// `!`, letters, digits, `_`, `-`, and another `!` if there is one.
    fn tag_handle(&mut self) -> &'a str {
        let start = self.position;
        if self.byte(start) != b'!' {
            return "";
        }
        self.position += 1;
        self.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if self.byte(self.position) == b'!' {
            self.position += 1;
        }
        self.slice(start, self.position)
    }

    /// `head` and the characters of a URI that follow, `%41` decoded.
    fn uri(&mut self, head: &'a str) -> Result<&'a str, Error> {
        let start = self.position - head.len();
        self.take_while(is_uri);
        if self.byte(self.position) != b'%' {
            return Ok(self.slice(start, self.position));
        }
        let mut decoded = self.slice(start, self.position).as_bytes().to_vec();
        loop {
            decoded.extend_from_slice(self.take_while(is_uri).as_bytes());
            if self.byte(self.position) != b'%' {
                break;
            }
            let digits = self.slice(self.position + 1, self.position + 3);
            let octet = if digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                u8::from_str_radix(digits, 16).ok()
            } else {
                None
            };
            decoded.push(octet.ok_or_else(|| self.error("`%` in a tag needs two hexadecimal digits"))?);
            self.position += 3;
        }
        match std::str::from_utf8(&decoded) {
            Ok(text) => Ok(self.arena.str(text)),
            Err(_) => Err(self.error("a tag is not UTF-8")),
        }
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let start = self.position;
        while accept(self.byte(self.position)) {
            self.position += 1;
        }
        self.slice(start, self.position)
    }

    fn skip_blanks(&mut self) -> bool {
        !self.take_while(|byte| matches!(byte, b' ' | b'\t')).is_empty()
    }
}

fn is_uri(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_;/?:@&=+$,.!~*'()[]".contains(&byte)
}
