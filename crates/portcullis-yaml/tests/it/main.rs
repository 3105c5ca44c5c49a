//! Tests of the crate's surface.

#![allow(clippy::unwrap_used, reason = "tests")]

mod print;
mod read;
