//! JSON in and out.

mod lists;
mod quick;
mod read;
mod scan;
mod write;

pub use lists::{Lists, Part, Stop};
pub use read::{Error, MAX_DEPTH, Seed, is_valid, read, read_unique};
pub use scan::{Scanner, Taken};
pub use write::{Writer, quote};
