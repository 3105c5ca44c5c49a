//! The public surface of the crate.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod certificates;
mod functions;
mod language;
mod limits;
mod model;
mod properties;

use portcullis_jmespath::{Context, Error, Expression};
use portcullis_value::{Arena, Budget, Limits, json};

/// The JSON of `source` on the JSON `document`, or the text of the error, whichever kind.
fn answer(source: &str, document: &str) -> Result<String, String> {
    let expression = Expression::compile(source).map_err(|error| error.to_string())?;
    search(&expression, document, Limits::default()).map_err(|error| error.to_string())
}

/// The JSON of the value of `expression` on `document` within `limits`.
fn search(expression: &Expression, document: &str, limits: Limits) -> Result<String, Error> {
    let arena = Arena::new();
    let root = json::read(&arena, document).unwrap();
    let mut budget = Budget::new(limits, &|| false);
    let mut state = 0_u64;
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (state ^ (state >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    };
    let now = "2024-03-01T10:00:00Z".parse::<jiff::Timestamp>().unwrap().as_nanosecond();
    let mut context =
        Context { arena: &arena, budget: &mut budget, now: now.try_into().unwrap(), random: &mut random };
    expression.search(root, &mut context).map(|value| value.to_string())
}

/// Asserts what `source` gives on `document`: JSON, or the text of an error.
#[track_caller]
fn check(document: &str, source: &str, want: &str) {
    let answer = answer(source, document).unwrap_or_else(|error| error);
    assert_eq!(answer, want, "{source}");
}
