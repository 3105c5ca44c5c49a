//! Ports of loopback for servers.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};

/// Below the ports that the system gives to outgoing connections: a client that tries again and again to reach a
/// server that is being restarted must not be given the server's own port.
const RANGE: Range<u16> = 20_000..32_000;

/// How many are tried before giving up; one is enough almost always.
const ATTEMPTS: usize = 100;

/// Those that were given away: who has one may not listen yet, or not at the moment.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that nobody listens on and that was not given away before. Another program may take it before it is used.
///
/// # Errors
/// When none is found.
pub fn free_port() -> Result<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let is_free =
        |port: &u16| !given.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let free = std::iter::repeat_with(any_port).take(ATTEMPTS).find(is_free);
    let free = free.context("cannot find a free port")?;
    given.insert(free);
    Ok(free)
}

fn any_port() -> u16 {
    // Each state is seeded anew.
    let number = RandomState::new().hash_one(());
    let offset = number % u64::from(RANGE.end - RANGE.start);
    RANGE.start + u16::try_from(offset).unwrap_or_default()
}
