//! The public surface of the crate.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod conditions;
mod exceptions;
mod explain;
mod foreach;
mod limits;
mod manifests;
mod pattern_comparison;
mod patterns;
mod pod_security;
mod policies;
mod policy_comparison;
mod report_properties;
mod side_effects;
mod slow;
mod substitution;
