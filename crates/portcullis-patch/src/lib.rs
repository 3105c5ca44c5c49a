//! Patches: strategic merge, JSON Patch (RFC 6902), JSON Merge Patch (RFC 7386), and the difference of two documents.
//!
//! All four take and give arena documents; what a patch does not touch is shared with the document it was applied to
//! (see [`Value::is_same`](portcullis_value::Value::is_same)). None changes a document halfway: the answer is a new
//! document or an error.
//!
//! What is deliberately absent: policies and their anchors, admission reviews, text formats.

pub mod diff;
mod fields;
pub mod json6902;
pub mod merge;
pub mod strategic;
