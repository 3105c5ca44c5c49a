//! The public surface of the crate.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod cluster;
mod properties;
mod webhooks;
