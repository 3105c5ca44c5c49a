//! The server through its public API: real TLS, over sockets or over streams in memory with a clock that jumps.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a helper of a test fails by panicking"
)]

mod certificates;
mod crowd;
mod drain;
mod garbage;
mod harness;
mod health;
mod http2;
mod refusals;
mod reviews;
mod time;
