//! The public surface of the crate.
#![allow(clippy::unwrap_used, reason = "tests")]

mod arbitrary;
mod diff;
mod json6902;
mod slow;
mod strategic;
mod strategic_comparison;

use portcullis_value::{Arena, Value, json};

/// Reads `text`, which is JSON.
fn read<'a>(arena: &'a Arena, text: &'a str) -> Value<'a> {
    json::read(arena, text).unwrap()
}
