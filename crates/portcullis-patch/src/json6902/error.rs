//! Why a JSON Patch cannot be read or applied, in the words of `evanphx/json-patch` v5.

use portcullis_value::{Exhausted, Kind};

use super::{MAX_OPERATIONS, go_kind};

/// Why a document is no patch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("json: cannot unmarshal {} into Go value of type jsonpatch.Patch", go_kind(*.0))]
    NotAList(Kind),
    #[error("json: cannot unmarshal {} into Go value of type jsonpatch.Operation", go_kind(*.0))]
    NotAMap(Kind),
    #[error("invalid operation {operation}: {problem}")]
    Invalid { operation: String, problem: &'static str },
    #[error("{0} operations are more than the {MAX_OPERATIONS} allowed")]
    TooLong(usize),
}

/// Why a patch cannot be applied to a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A map or list on the way to `path` is missing. `field` says which path of the operation.
    #[error("{operation} operation does not apply: {field}: {path}: missing value")]
    MissingPath { operation: &'static str, field: &'static str, path: String },
    #[error("{context}: {problem}")]
    Child { context: String, problem: ChildError },
    #[error("testing value {0} failed: test failed")]
    TestFailed(String),
    /// Something that is neither map nor list would need children, or be the whole document.
    #[error("invalid state detected")]
    NotAContainer,
    #[error("replace operation value must be object or array")]
    ScalarDocument,
    #[error("unable to move entire document to another path: invalid state detected")]
    MoveDocument,
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

/// Why a map or list has no such child.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChildError {
    #[error("unable to get nonexistent key: {0}: missing value")]
    NoKey(String),
    #[error("Unable to access invalid index: {0}: invalid index referenced")]
    NoIndex(i64),
    #[error("strconv.Atoi: parsing {0:?}: invalid syntax")]
    NotAnIndex(String),
    #[error("value was not a proper array index: '{0}': strconv.Atoi: parsing {0:?}: invalid syntax")]
    NotAPlace(String),
}
