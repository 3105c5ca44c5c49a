//! JSON in and out.

mod read;
mod write;

pub use read::{Error, MAX_DEPTH, Seed, is_valid, read};
pub use write::{Writer, quote};
