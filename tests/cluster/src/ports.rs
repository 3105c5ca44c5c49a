//! Ports of loopback for servers.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use anyhow::{Context as _, Result};

/// Below the ports that the system gives to outgoing connections: a client that tries again and again to reach a
/// server that is being restarted must not be given the server's own port.
const RANGE: Range<u16> = 20_000..32_000;

/// How many are tried before giving up; one is enough almost always.
const ATTEMPTS: usize = 100;

/// A port that nobody listens on. Another process may take it before it is used.
///
/// # Errors
/// When none is found.
pub fn free_port() -> Result<u16> {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    std::iter::repeat_with(any_port).take(ATTEMPTS).find(is_free).context("cannot find a free port")
}

fn any_port() -> u16 {
    // Each state is seeded anew.
    let number = RandomState::new().hash_one(());
    let offset = number % u64::from(RANGE.end - RANGE.start);
    RANGE.start + u16::try_from(offset).unwrap_or_default()
}
