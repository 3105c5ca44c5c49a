//! JSON Pointer (RFC 6901).

use std::borrow::Cow;
use std::fmt;

use crate::Value;

/// A path into a document: `/spec/containers/0/image`.
///
/// Tokens are kept unescaped. The empty pointer names the whole document.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    tokens: Vec<Box<str>>,
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
        Some(Self { tokens: rest.split('/').map(|token| unescape_token(token).into()).collect() })
    }

    /// The unescaped tokens, outermost first.
    pub fn tokens(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.tokens.iter().map(|token| &**token)
    }

    pub fn is_root(&self) -> bool {
        self.tokens.is_empty()
    }

    pub fn push(&mut self, token: &str) {
        self.tokens.push(token.into());
    }

    /// Puts `token` before all others: the same place, seen from one level further out.
    pub fn push_front(&mut self, token: &str) {
        self.tokens.insert(0, token.into());
    }

    pub fn pop(&mut self) -> Option<Box<str>> {
        self.tokens.pop()
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
impl<T: Into<Box<str>>> FromIterator<T> for Pointer {
    fn from_iter<I: IntoIterator<Item = T>>(tokens: I) -> Self {
        Self { tokens: tokens.into_iter().map(Into::into).collect() }
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
