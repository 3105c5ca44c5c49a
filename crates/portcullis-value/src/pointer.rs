//! JSON Pointer (RFC 6901).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use crate::Value;

/// A path into a document: `/spec/containers/0/image`.
///
/// Tokens are kept unescaped. The empty pointer names the whole document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pointer {
    /// The tokens side by side, so that one more takes no memory of its own.
    text: String,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Pointer {
    /// The pointer to the whole document.
    pub fn root() -> Self {
        Self::default()
    }

    /// Parses `text`. Returns `None` unless it is empty or starts with `/`.
    ///
    /// `~1` is `/` and `~0` is `~`; any other `~` is kept as it stands.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::root());
        }
        let rest = text.strip_prefix('/')?;
        Some(rest.split('/').map(unescape_token).collect())
    }

    /// The unescaped tokens, outermost first.
    pub fn tokens(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        (0..self.ends.len()).map(|index| self.token(index))
    }

    fn token(&self, index: usize) -> &str {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before));
        let end = self.ends.get(index);
        self.text.get(start.copied().unwrap_or(0)..end.copied().unwrap_or(0)).unwrap_or_default()
    }

    pub fn is_root(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn push(&mut self, token: &str) {
        self.text.push_str(token);
        self.ends.push(self.text.len());
    }

    /// Puts `token` before all others: the same place, seen from one level further out.
    pub fn push_front(&mut self, token: &str) {
        *self = std::iter::once(token).chain(self.tokens()).collect();
    }

    /// Takes the last token off, if there is one.
    pub fn pop(&mut self) {
        self.ends.pop();
        self.text.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// What the pointer names in `document`; list elements by plain decimal index.
    pub fn resolve<'a>(&self, document: Value<'a>) -> Option<Value<'a>> {
        self.tokens().try_fold(document, |value, token| match value {
            Value::Object(object) => object.get(token),
            Value::Array(items) => items.get(token.parse::<usize>().ok()?).copied(),
            _ => None,
        })
    }
}

/// The pointer of these tokens, outermost first.
impl<T: AsRef<str>> FromIterator<T> for Pointer {
    fn from_iter<I: IntoIterator<Item = T>>(tokens: I) -> Self {
        let mut pointer = Self::root();
        tokens.into_iter().for_each(|token| pointer.push(token.as_ref()));
        pointer
    }
}

/// Token by token.
impl Ord for Pointer {
    fn cmp(&self, other: &Self) -> Ordering {
        self.tokens().cmp(other.tokens())
    }
}

impl PartialOrd for Pointer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tokens().try_for_each(|token| write!(f, "/{}", escape_token(token)))
    }
}

/// `token` with `~` as `~0` and `/` as `~1`.
pub fn escape_token(token: &str) -> Cow<'_, str> {
    if token.contains(['~', '/']) {
        Cow::Owned(token.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(token)
    }
}

fn unescape_token(token: &str) -> Cow<'_, str> {
    if token.contains('~') {
        Cow::Owned(token.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(token)
    }
}
