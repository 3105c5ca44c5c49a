//! The engine: one object through all policies, and the record of what they changed.
//!
//! [`judge`] runs the mutate rules of every policy in order, each on what the one before left, and then all other rules
//! on the final object. It answers questions through its [`Host`], keeps each policy inside its budget, and turns a
//! panic of one policy into an error outcome of that policy.
//!
//! What is deliberately absent: I/O, clocks, Kubernetes clients. The host has them.

mod judge;
pub mod record;

pub use judge::{Host, Judgement, Response, judge};
