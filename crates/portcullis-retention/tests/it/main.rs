//! The crate through its public interface.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod jobs;
mod judge;
mod plan;
mod read;
mod retention;
