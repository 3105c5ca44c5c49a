//! JSON documents in an arena: what every evaluator of Portcullis borrows from.
//!
//! A [`Value`] is 24 bytes and `Copy`. Its strings, lists and maps lie in an [`Arena`] (or in the text that was
//! read), so that passing a value on costs nothing, a changed document shares all but the changed path with the
//! original, and everything a review made is freed at once. [`OwnedValue`] is the form that outlives an arena:
//! compiled policies are made of it.
//!
//! What is deliberately absent: no I/O, no clock, no key order but the sorted one (Kubernetes prints keys sorted,
//! so nothing can depend on another), no arbitrary precision (numbers are what Go's decoder makes of them).
//!
//! Invariants:
//! - the keys of an [`Object`] are unique and sorted bytewise;
//! - [`Number::Uint`] holds only what does not fit an `i64`; [`Number::Float`] is what was written with a fraction
//!   or an exponent, or does not fit 64 bits.

mod arena;
mod budget;
pub mod json;
mod number;
mod object;
mod owned;
mod pointer;
mod value;

pub use arena::{Arena, ArenaVec};
pub use budget::{Budget, Exhausted, Limits};
pub use number::Number;
pub use object::Object;
pub use owned::OwnedValue;
pub use pointer::{Pointer, escape_token};
pub use value::{Kind, Value};
