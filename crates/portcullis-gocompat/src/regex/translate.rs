//! Reads a pattern by Go's grammar and writes it in the crate's.

use super::class::{bracket, consumed, escape, perl_class, unicode_class};
use super::{Error, ErrorKind};

/// The most times that nested repetitions with a count may repeat their innermost part.
const MOST_REPEATS: u32 = 1000;

/// A pattern in the crate's syntax.
pub(super) struct Translated {
    pub(super) text: String,
    /// The names of the groups by number. All groups of the text are nameless: Go's names need not begin with a letter.
    pub(super) names: Vec<Option<Box<str>>>,
}

pub(super) fn translate(pattern: &str) -> Result<Translated, Error> {
    let mut translator = Translator {
        pattern,
        flags: Flags::default(),
        groups: vec![Group::new("", Flags::default())],
        names: vec![None],
    };
    let mut rest = pattern;
    let mut last_repetition = None;
    while let Some(letter) = rest.chars().next() {
        let before = rest;
        let mut repetition = None;
        rest = match letter {
            '*' | '+' | '?' => {
                let after = skip(rest, 1);
                let after =
                    translator.repeat(before, after, consumed(before, after), None, last_repetition)?;
                repetition = Some(before);
                after
            }
            '{' => match parse_count(rest) {
                None => {
                    translator.literal(letter.into());
                    skip(rest, 1)
                }
                Some((count, after)) => {
                    let count =
                        count.ok_or_else(|| Error::new(ErrorKind::RepeatCount, consumed(before, after)))?;
                    let after = translator.repeat(
                        before,
                        after,
                        consumed(before, after),
                        Some(count),
                        last_repetition,
                    )?;
                    repetition = Some(before);
                    after
                }
            },
            '(' => translator.open(rest)?,
            ')' => {
                translator.close()?;
                skip(rest, 1)
            }
            '|' => {
                translator.group().end_alternative();
                skip(rest, 1)
            }
            '[' => {
                let (class, after) = bracket(rest)?;
                translator.class(&class);
                after
            }
            '^' => {
                let look = if translator.flags.multi_line { "(?m:^)" } else { r"\A" };
                translator.push(look.to_owned());
                skip(rest, 1)
            }
            '$' => {
                let look = if translator.flags.multi_line { "(?m:$)" } else { r"\z" };
                translator.push(look.to_owned());
                skip(rest, 1)
            }
            '.' => {
                let any = if translator.flags.dot_matches_newline { "(?s:.)" } else { "." };
                translator.push(any.to_owned());
                skip(rest, 1)
            }
            '\\' => translator.backslash(rest)?,
            _ => {
                translator.literal(letter.into());
                skip(rest, letter.len_utf8())
            }
        };
        last_repetition = repetition;
    }
    translator.finish()
}

fn skip(text: &str, bytes: usize) -> &str {
    text.get(bytes..).unwrap_or_default()
}

#[derive(Clone, Copy, Default)]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_matches_newline: bool,
    swap_greed: bool,
}

/// Something that can be repeated, in the crate's syntax.
struct Atom {
    text: String,
    /// How often the innermost part may be repeated by counts.
    repeats: u32,
}

/// A group whose closing parenthesis has not come.
struct Group {
    opening: &'static str,
    /// The flags outside.
    flags: Flags,
    alternatives: String,
    /// The atoms of the alternative that is being read.
    atoms: Vec<Atom>,
    repeats: u32,
}

impl Group {
    fn new(opening: &'static str, flags: Flags) -> Group {
        Group { opening, flags, alternatives: String::new(), atoms: Vec::new(), repeats: 1 }
    }

    fn end_alternative(&mut self) {
        self.flush();
        self.alternatives.push('|');
    }

    fn flush(&mut self) {
        for atom in self.atoms.drain(..) {
            self.alternatives.push_str(&atom.text);
            self.repeats = self.repeats.max(atom.repeats);
        }
    }
}

struct Translator<'p> {
    pattern: &'p str,
    flags: Flags,
    // INVARIANT: not empty; the first is the whole pattern.
    groups: Vec<Group>,
    names: Vec<Option<Box<str>>>,
}

impl<'p> Translator<'p> {
    fn group(&mut self) -> &mut Group {
        if self.groups.is_empty() {
            self.groups.push(Group::new("", Flags::default()));
        }
        let last = self.groups.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "one is there")]
        &mut self.groups[last]
    }

    fn push(&mut self, text: String) {
        self.group().atoms.push(Atom { text, repeats: 1 });
    }

    fn literal(&mut self, code: u32) {
        // A surrogate is in no text.
        let text = char::from_u32(code).map(|letter| ::regex::escape(letter.encode_utf8(&mut [0; 4])));
        let text = text.unwrap_or_else(|| "[a&&b]".to_owned());
        let text = if self.flags.fold_case { format!("(?i:{text})") } else { text };
        self.push(text);
    }

    fn class(&mut self, class: &str) {
        let text = if self.flags.fold_case { format!("(?i:{class})") } else { class.to_owned() };
        self.push(text);
    }

    /// Repeats the last atom. `before` starts with the operator, `after` with what follows it.
    fn repeat(
        &mut self,
        before: &'p str,
        after: &'p str,
        operator: &str,
        count: Option<Count>,
        last_repetition: Option<&str>,
    ) -> Result<&'p str, Error> {
        let lazy = after.starts_with('?');
        let after = if lazy { skip(after, 1) } else { after };
        if let Some(last) = last_repetition {
            return Err(Error::new(ErrorKind::NestedRepetition, consumed(last, after)));
        }
        let swap = lazy != self.flags.swap_greed;
        let part = consumed(before, after);
        let atom =
            self.group().atoms.last_mut().ok_or_else(|| Error::new(ErrorKind::RepetitionArgument, part))?;
        if let Some(count) = count {
            atom.repeats = atom.repeats.saturating_mul(count.weight());
            if atom.repeats > MOST_REPEATS && count.repeats() {
                return Err(Error::new(ErrorKind::RepeatCount, part));
            }
        }
        atom.text = format!("(?:{}){operator}{}", atom.text, if swap { "?" } else { "" });
        Ok(after)
    }

    /// Opens a group, or changes flags.
    fn open(&mut self, rest: &'p str) -> Result<&'p str, Error> {
        let Some(extension) = rest.strip_prefix("(?") else {
            self.names.push(None);
            self.groups.push(Group::new("(", self.flags));
            return Ok(skip(rest, 1));
        };
        // A name has at least one letter after it.
        let named = extension.strip_prefix("P<").or_else(|| extension.strip_prefix('<'));
        if let Some(name) = named.filter(|name| !name.is_empty()) {
            let Some((name, after)) = name.split_once('>') else {
                return Err(Error::new(ErrorKind::NamedCapture, rest));
            };
            if name.is_empty() || !name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {
                return Err(Error::new(ErrorKind::NamedCapture, consumed(rest, after)));
            }
            self.names.push(Some(name.into()));
            self.groups.push(Group::new("(", self.flags));
            return Ok(after);
        }
        self.open_with_flags(rest, extension)
    }

    fn open_with_flags(&mut self, rest: &'p str, extension: &'p str) -> Result<&'p str, Error> {
        let mut flags = self.flags;
        let (mut on, mut saw_flag) = (true, false);
        let mut letters = extension.chars();
        while let Some(letter) = letters.next() {
            let flag = match letter {
                'i' => &mut flags.fold_case,
                'm' => &mut flags.multi_line,
                's' => &mut flags.dot_matches_newline,
                'U' => &mut flags.swap_greed,
                '-' if on => {
                    (on, saw_flag) = (false, false);
                    continue;
                }
                ':' | ')' if on || saw_flag => {
                    if letter == ':' {
                        self.groups.push(Group::new("(?:", self.flags));
                    }
                    self.flags = flags;
                    return Ok(letters.as_str());
                }
                _ => break,
            };
            (*flag, saw_flag) = (on, true);
        }
        Err(Error::new(ErrorKind::PerlSyntax, consumed(rest, letters.as_str())))
    }

    fn close(&mut self) -> Result<(), Error> {
        if self.groups.len() < 2 {
            return Err(Error::new(ErrorKind::UnexpectedParenthesis, self.pattern));
        }
        if let Some(mut group) = self.groups.pop() {
            group.flush();
            self.flags = group.flags;
            let text = format!("{}{})", group.opening, group.alternatives);
            self.group().atoms.push(Atom { text, repeats: group.repeats });
        }
        Ok(())
    }

    /// An escape outside of brackets.
    fn backslash(&mut self, rest: &'p str) -> Result<&'p str, Error> {
        let after = skip(rest, 2);
        let look = match rest.chars().nth(1) {
            Some('A') => r"\A",
            Some('z') => r"\z",
            Some('b') => r"(?-u:\b)",
            Some('B') => r"(?-u:\B)",
            Some('Q') => {
                let (quoted, after) = after.split_once(r"\E").unwrap_or((after, ""));
                quoted.chars().for_each(|letter| self.literal(letter.into()));
                return Ok(after);
            }
            _ => {
                if let Some(parsed) = unicode_class(rest) {
                    let (class, after) = parsed?;
                    self.class(&class);
                    return Ok(after);
                }
                if let Some((class, after)) = perl_class(rest) {
                    self.class(class);
                    return Ok(after);
                }
                let (code, after) = escape(rest)?;
                self.literal(code);
                return Ok(after);
            }
        };
        self.push(look.to_owned());
        Ok(after)
    }

    fn finish(mut self) -> Result<Translated, Error> {
        if self.groups.len() != 1 {
            return Err(Error::new(ErrorKind::MissingParenthesis, self.pattern));
        }
        self.group().flush();
        let text = std::mem::take(&mut self.group().alternatives);
        Ok(Translated { text, names: self.names })
    }
}

/// `{min,max}`; without a maximum there is no limit.
#[derive(Clone, Copy)]
struct Count {
    min: u32,
    max: Option<u32>,
}

impl Count {
    /// What the count adds to nested repetitions.
    fn weight(self) -> u32 {
        match self.max {
            Some(max) => max,
            None => self.min.max(1),
        }
    }

    fn repeats(self) -> bool {
        self.min >= 2 || self.max.is_some_and(|max| max >= 2)
    }
}

/// Reads a count; the inner `None` is one that is too large or runs backwards. The outer `None` means that the brace is
/// literal.
fn parse_count(text: &str) -> Option<(Option<Count>, &str)> {
    let (min, rest) = parse_small(text.strip_prefix('{')?)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => parse_small(rest).map(|(max, rest)| (Some(max), rest))?,
    };
    let rest = rest.strip_prefix('}')?;
    let fits = min <= MOST_REPEATS && max.is_none_or(|max| (min..=MOST_REPEATS).contains(&max));
    Some((fits.then_some(Count { min, max }), rest))
}

/// Digits without a leading zero.
fn parse_small(text: &str) -> Option<(u32, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}
