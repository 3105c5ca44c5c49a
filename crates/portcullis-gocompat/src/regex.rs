//! Regular expressions in the syntax of Go's `regexp`, run by the `regex` crate.
//!
//! The two engines agree on what a construct means (leftmost-first, linear time); they differ in what they read as one:
//! in Go `\d`, `\w`, `\s` and `\b` are ASCII, `{` and `[[a]&&[b]]` may be literal, `\Q..\E` quotes, and each has
//! constructs that the other refuses. So a pattern is read by Go's grammar and written anew in the crate's.

mod class;
mod kept;
mod size;
mod template;
mod translate;

use portcullis_value::{Budget, Exhausted};

pub use self::kept::KeptRegex;

/// The longest pattern that is compiled, in bytes.
const MOST_SOURCE: usize = 4 << 10;
/// The most memory that a compiled pattern takes, in bytes.
const MOST_COMPILED: usize = 1 << 20;
/// The deepest nesting of groups and repetitions.
const MOST_NESTING: u32 = 200;

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub struct Regex {
    compiled: ::regex::Regex,
    /// About how many places in the pattern a match may be at.
    size: u64,
    /// The names of the groups, by number; group 0 is the whole match.
    names: Box<[Option<Box<str>>]>,
}

/// Why a pattern is refused. Except for our limits the text is Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {kind}: `{part}`")]
pub struct Error {
    kind: ErrorKind,
    /// The part of the pattern that is at fault.
    part: Box<str>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    #[error("invalid character class range")]
    CharRange,
    #[error("invalid escape sequence")]
    Escape,
    #[error("invalid named capture")]
    NamedCapture,
    #[error("invalid or unsupported Perl syntax")]
    PerlSyntax,
    #[error("invalid nested repetition operator")]
    NestedRepetition,
    #[error("invalid repeat count")]
    RepeatCount,
    #[error("missing argument to repetition operator")]
    RepetitionArgument,
    #[error("missing closing ]")]
    MissingBracket,
    #[error("missing closing )")]
    MissingParenthesis,
    #[error("unexpected )")]
    UnexpectedParenthesis,
    #[error("trailing backslash at end of expression")]
    TrailingBackslash,
    #[error("expression nests too deeply")]
    Nesting,
    #[error("expression too large")]
    Size,
}

impl Error {
    fn new(kind: ErrorKind, part: &str) -> Error {
        Error { kind, part: part.into() }
    }

    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl Regex {
    /// Compiles `pattern`: at most 4 KiB of text, 1 MiB compiled.
    pub fn new(pattern: &str) -> Result<Regex, Error> {
        Regex::within(pattern, MOST_COMPILED)
    }

    fn within(pattern: &str, most_compiled: usize) -> Result<Regex, Error> {
        if pattern.len() > MOST_SOURCE {
            return Err(Error::new(ErrorKind::Size, pattern));
        }
        let translated = translate::translate(pattern)?;
        let compiled = ::regex::RegexBuilder::new(&translated.text)
            .size_limit(most_compiled)
            // States that are worked out while it matches; where they have no room, another engine goes on without.
            .dfa_size_limit(2 * most_compiled)
            .nest_limit(MOST_NESTING)
            .build()
            .map_err(|error| match error {
                ::regex::Error::Syntax(_) => Error::new(ErrorKind::Nesting, pattern),
                _ => Error::new(ErrorKind::Size, pattern),
            })?;
        let size = size::of(&translated.text);
        Ok(Regex { compiled, size, names: translated.names.into() })
    }

    /// The pattern in the syntax of the `regex` crate.
    pub fn translated(&self) -> &str {
        self.compiled.as_str()
    }

    /// What looking through `text` may take: its bytes times the size of the pattern, since a text may be made so that
    /// each of its characters is tried at every place of the pattern. Small patterns are not told apart.
    fn steps(&self, text: &str) -> u64 {
        (text.len() as u64).saturating_mul(1 + self.size / 64)
    }

    /// Whether some part of `text` matches.
    pub fn is_match(&self, text: &str, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
        budget.steps(self.steps(text))?;
        Ok(self.compiled.is_match(text))
    }

    /// `text` with each match replaced by `template`, in which `$1`, `${1}`, `$name` and `${name}` stand for what a group
    /// matched (nothing, if it did not or there is none such) and `$$` for `$`.
    ///
    /// Spends the bytes of the result.
    pub fn replace_all(
        &self,
        text: &str,
        template: &str,
        budget: &mut Budget<'_>,
    ) -> Result<String, Exhausted> {
        let template = template::parse(template, &self.names);
        let mut result = self.replaced(text, budget)?;
        for captures in self.compiled.captures_iter(text) {
            let Some(whole) = captures.get(0) else { continue };
            result.push_up_to(whole.range())?;
            for piece in &template {
                match piece {
                    template::Piece::Literal(literal) => result.push(literal)?,
                    template::Piece::Groups(groups) => {
                        let group = groups.iter().find_map(|group| captures.get(*group));
                        result.push(group.map_or("", |group| group.as_str()))?;
                    }
                }
            }
        }
        result.finish()
    }

    /// `text` with each match replaced by `replacement` as it stands. Spends the bytes of the result.
    pub fn replace_all_literal(
        &self,
        text: &str,
        replacement: &str,
        budget: &mut Budget<'_>,
    ) -> Result<String, Exhausted> {
        let mut result = self.replaced(text, budget)?;
        for found in self.compiled.find_iter(text) {
            result.push_up_to(found.range())?;
            result.push(replacement)?;
        }
        result.finish()
    }

    fn replaced<'t, 'b, 'c>(
        &self,
        text: &'t str,
        budget: &'b mut Budget<'c>,
    ) -> Result<Replaced<'t, 'b, 'c>, Exhausted> {
        let steps = self.steps(text);
        budget.steps(steps)?;
        Ok(Replaced { text, per_match: 1 + steps / 64, copied: 0, result: String::new(), budget })
    }
}

/// A text being rewritten.
struct Replaced<'t, 'b, 'c> {
    text: &'t str,
    /// The steps of a match. Looking for the next one may take as long as for the first: a pattern may need the whole text
    /// to tell that a match is short. Most do not, so that each pays a part of it.
    per_match: u64,
    /// What lies before this is done.
    copied: usize,
    result: String,
    budget: &'b mut Budget<'c>,
}

impl Replaced<'_, '_, '_> {
    fn push(&mut self, part: &str) -> Result<(), Exhausted> {
        self.budget.bytes(part.len())?;
        self.result.push_str(part);
        Ok(())
    }

    /// Copies what lies before the match at `range` and skips the match.
    fn push_up_to(&mut self, range: std::ops::Range<usize>) -> Result<(), Exhausted> {
        self.budget.steps(self.per_match)?;
        self.push(self.text.get(self.copied..range.start).unwrap_or_default())?;
        self.copied = range.end;
        Ok(())
    }

    fn finish(mut self) -> Result<String, Exhausted> {
        self.push(self.text.get(self.copied..).unwrap_or_default())?;
        Ok(self.result)
    }
}

#[cfg(test)]
mod tests;
