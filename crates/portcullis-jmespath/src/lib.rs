//! JMESPath in Kyverno's dialect: compiled once, evaluated on borrowed documents.
//!
//! [`Expression::compile`] makes a tree of the text; [`Expression::search`] walks it over a [`Value`] and answers with
//! a value that shares what it can with the document and the expression. A plain path allocates nothing.
//!
//! The language is that of 2015 (no `let`, no arithmetic operators) with the functions of [`functions()`]. What sets
//! the dialect apart is the missing key: a field that a map does not have is an outcome of its own
//! ([`Error::MissingKey`]), which some positions turn into null and others pass on.
//!
//! What is deliberately absent: no clock and no randomness but the caller's, no name resolution, no state that
//! outlives a search. Numbers are one type, compared as doubles, however they were written.
//!
//! Invariants:
//! - the tree of an expression is at most [`MAX_DEPTH`] high, so that whatever walks it may recurse;
//! - whatever an evaluation makes or looks at is charged to the [`Budget`], so that no expression on no document
//!   takes more than the budget allows; being out of budget is never swallowed.
//!
//! [`Value`]: portcullis_value::Value
//! [`Budget`]: portcullis_value::Budget

mod ast;
mod error;
mod evaluate;
mod expression;
mod functions;
mod inspect;
mod lexer;
mod parser;
mod text;
mod tree;
mod value;

pub use error::{Error, SyntaxError};
pub use evaluate::Context;
pub use expression::{Expression, MAX_SOURCE};
pub use functions::{Function, Parameter, Type, functions};
pub use inspect::Problem;
pub use parser::MAX_DEPTH;

/// The next 64 pseudo-random bits after `state` (SplitMix64, Steele, Lea and Flood 2014): what `random()` takes where
/// nothing depends on their being secret.
pub fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
