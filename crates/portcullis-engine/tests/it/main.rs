//! The engine through its public interface.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod immutable;
mod judge;
mod known_attacks;
mod record;
mod review;
mod set;
mod settings;
mod support;
