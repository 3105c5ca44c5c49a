//! The public surface of the crate.
#![allow(clippy::unwrap_used, reason = "tests")]

mod document;
mod json;
mod lists;
