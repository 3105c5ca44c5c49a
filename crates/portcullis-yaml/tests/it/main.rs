//! Tests of the crate's surface.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod documents;
mod print;
mod read;
