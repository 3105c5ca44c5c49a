//! YAML as Kubernetes reads it (`sigs.k8s.io/yaml`), with the place of every node, and back.
//!
//! A document becomes a [`Value`](portcullis_value::Value): YAML 1.1 booleans and octal numbers, keys of every scalar type made
//! strings, aliases and merge keys resolved, the last of equal keys kept. [`read`] is the short way; a [`Source`]
//! also tells the duplicate keys, and where in the text each node stands.

mod compose;
mod documents;
mod error;
mod key_order;
mod marks;
mod print;
mod read;
mod scalar;
mod scan;
mod tag;
mod text;

pub use documents::{DocumentReader, Documents, StreamError, count_documents, documents};
pub use error::Error;
pub use key_order::key_order;
pub use marks::{Marks, Place};
pub use print::{to_string, write};
pub use read::{Document, Duplicate, MAX_ALIAS_NODES, MAX_DEPTH, MarkedDocument, Source, read};
