//! Anchors: keys such as `(name)` or `X(name)` that say how the key is to be judged.

use std::fmt;

/// What an anchor makes of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnchorKind {
    /// `(key)`: what stands beside it applies only where this holds.
    Condition,
    /// `<(key)`: the whole pattern applies only where this holds.
    Global,
    /// `X(key)`: the key must not be there.
    Negation,
    /// `=(key)`: if the key is there, it must hold.
    Equality,
    /// `^(key)`: if the key is there, it is a list and one element must hold.
    Existence,
    /// `+(key)`: a mutation adds the key if it is not there.
    AddIfAbsent,
}

impl AnchorKind {
    /// The text before the parenthesis.
    pub fn prefix(self) -> &'static str {
        match self {
            AnchorKind::Condition => "",
            AnchorKind::Global => "<",
            AnchorKind::Negation => "X",
            AnchorKind::Equality => "=",
            AnchorKind::Existence => "^",
            AnchorKind::AddIfAbsent => "+",
        }
    }
}

/// A key with an anchor. Prints as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor<'k> {
    pub kind: AnchorKind,
    /// The key inside the parentheses, as it stands.
    pub key: &'k str,
}

impl<'k> Anchor<'k> {
    /// The anchor that `key` is, white space around it aside; `None` for an ordinary key.
    ///
    /// An ordinary key is also what looks like an anchor and is none: `x(key)`, `()`, a key of several lines.
    pub fn parse(key: &'k str) -> Option<Self> {
        let text = key.trim();
        let (kind, rest) = match text.split_at_checked(1)? {
            ("(", _) => (AnchorKind::Condition, text),
            ("<", rest) => (AnchorKind::Global, rest),
            ("X", rest) => (AnchorKind::Negation, rest),
            ("=", rest) => (AnchorKind::Equality, rest),
            ("^", rest) => (AnchorKind::Existence, rest),
            ("+", rest) => (AnchorKind::AddIfAbsent, rest),
            _ => return None,
        };
        let key = rest.strip_prefix('(')?.strip_suffix(')')?;
        (!key.is_empty() && !key.contains('\n')).then_some(Self { kind, key })
    }
}

impl fmt::Display for Anchor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.kind.prefix(), self.key)
    }
}

/// `key` without its anchor, if it has one.
pub fn bare_key(key: &str) -> &str {
    Anchor::parse(key).map_or(key, |anchor| anchor.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, want: Option<(AnchorKind, &str)>) {
        assert_eq!(Anchor::parse(key).map(|anchor| (anchor.kind, anchor.key)), want, "`{key}`");
    }

    #[test]
    fn a_sign_and_parentheses_make_an_anchor() {
        check("(name)", Some((AnchorKind::Condition, "name")));
        check("<(name)", Some((AnchorKind::Global, "name")));
        check("X(name)", Some((AnchorKind::Negation, "name")));
        check("=(name)", Some((AnchorKind::Equality, "name")));
        check("^(name)", Some((AnchorKind::Existence, "name")));
        check("+(name)", Some((AnchorKind::AddIfAbsent, "name")));
        check(" =( a b ) ", Some((AnchorKind::Equality, " a b ")));
        check("(a)(b)", Some((AnchorKind::Condition, "a)(b")));
    }

    #[test]
    fn all_else_is_an_ordinary_key() {
        for key in
            ["", "name", "()", "X()", "(", ")", "x(name)", "= (name)", "(name", "name)", "(a\nb)", "é(a)"]
        {
            check(key, None);
            assert_eq!(bare_key(key), key);
        }
    }

    #[test]
    fn an_anchor_prints_as_it_is_written() {
        for key in ["(a)", "<(a)", "X(a)", "=(a)", "^(a)", "+(a)"] {
            assert_eq!(Anchor::parse(key).unwrap().to_string(), key);
            assert_eq!(bare_key(key), "a");
        }
    }
}
