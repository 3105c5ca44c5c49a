//! Who holds how many connections and bytes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::Limits;

/// The connections of the server, by source address, and the bytes of their bodies.
#[derive(Debug)]
pub(crate) struct Slots {
    connections: usize,
    connections_per_source: usize,
    bodies: usize,
    bodies_per_source: usize,
    sources: Mutex<HashMap<IpAddr, Arc<Source>>>,
    /// How many connections are open.
    open: watch::Sender<usize>,
    bodies_in_flight: AtomicUsize,
}

/// What one source address holds.
#[derive(Debug, Default)]
struct Source {
    connections: AtomicUsize,
    bodies_in_flight: AtomicUsize,
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// All of them are in use.
    Server,
    /// The source address has its share.
    Source,
}

impl Full {
    /// The label of the metric.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Full::Server => "connections",
            Full::Source => "connections_per_source",
        }
    }
}

impl Slots {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            connections: limits.connections,
            connections_per_source: limits.connections_per_source,
            bodies: limits.bodies_in_flight,
            bodies_per_source: limits.bodies_in_flight_per_source,
            sources: Mutex::default(),
            open: watch::Sender::new(0),
            bodies_in_flight: AtomicUsize::new(0),
        })
    }

    /// A place for a connection from `peer`, held until it is dropped.
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Slot, Full> {
        // An IPv4 client of an IPv6 socket is the IPv4 client.
        let peer = peer.to_canonical();
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if *self.open.borrow() >= self.connections {
            return Err(Full::Server);
        }
        let source = sources.entry(peer).or_default();
        if source.connections.load(Relaxed) >= self.connections_per_source {
            return Err(Full::Source);
        }
        source.connections.fetch_add(1, Relaxed);
        self.open.send_modify(|open| *open += 1);
        Ok(Slot { source: source.clone(), peer, slots: self.clone() })
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        *self.open.borrow()
    }

    /// Whether more than half of the connections are in use.
    pub(crate) fn crowded(&self) -> bool {
        self.open() > self.connections / 2
    }

    /// Waits until no connection is open.
    pub(crate) async fn emptied(&self) {
        // The sender is a field of `self`: it cannot be gone.
        let _ = self.open.subscribe().wait_for(|&open| open == 0).await;
    }
}

/// The place of one connection.
#[derive(Debug)]
pub(crate) struct Slot {
    source: Arc<Source>,
    peer: IpAddr,
    slots: Arc<Slots>,
}

impl Slot {
    /// Whether more than half of the connections are in use.
    pub(crate) fn crowded(&self) -> bool {
        self.slots.crowded()
    }

    /// Room for a body or an answer, none at first.
    pub(crate) fn room(self: &Arc<Self>) -> Room {
        Room { slot: self.clone(), bytes: 0 }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut sources = self.slots.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if self.source.connections.fetch_sub(1, Relaxed) == 1
            && let Entry::Occupied(entry) = sources.entry(self.peer)
        {
            entry.remove();
        }
        self.slots.open.send_modify(|open| *open -= 1);
    }
}

/// The bytes of one body, or of the answer to it, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    slot: Arc<Slot>,
    bytes: usize,
}

impl Room {
    /// Takes `bytes` more, as they arrive: what a client only announces takes nothing. `false` is no room.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let (all, own) = (&self.slot.slots.bodies_in_flight, &self.slot.source.bodies_in_flight);
        self.bytes += bytes;
        let all = all.fetch_add(bytes, Relaxed) + bytes;
        let own = own.fetch_add(bytes, Relaxed) + bytes;
        all <= self.slot.slots.bodies && own <= self.slot.slots.bodies_per_source
    }

    /// Takes `bytes` in place of what it has: what was read is gone, and this is the answer to it. `false` is no room.
    pub(crate) fn hold_instead(&mut self, bytes: usize) -> bool {
        let surplus = self.bytes.saturating_sub(bytes);
        self.give_back(surplus);
        let missing = bytes - self.bytes;
        missing == 0 || self.grow(missing)
    }

    fn give_back(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.slot.slots.bodies_in_flight.fetch_sub(bytes, Relaxed);
        self.slot.source.bodies_in_flight.fetch_sub(bytes, Relaxed);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots() -> Arc<Slots> {
        Slots::new(&Limits {
            connections: 3,
            connections_per_source: 2,
            bodies_in_flight: 100,
            bodies_in_flight_per_source: 60,
            ..Limits::default()
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_has_its_share_and_all_have_the_rest() {
        let slots = slots();
        let first = slots.take(ip("10.0.0.1")).unwrap();
        let second = slots.take(ip("::ffff:10.0.0.1")).unwrap();
        assert_eq!(slots.take(ip("10.0.0.1")).unwrap_err(), Full::Source);
        let third = slots.take(ip("10.0.0.2")).unwrap();
        assert_eq!(slots.take(ip("10.0.0.3")).unwrap_err(), Full::Server);
        drop(first);
        let fourth = slots.take(ip("10.0.0.3")).unwrap();
        drop((second, third, fourth));
        assert_eq!(slots.open(), 0);
        assert!(slots.sources.lock().unwrap().is_empty(), "an address that is gone is forgotten");
    }

    #[test]
    fn bodies_have_room_together_and_by_source() {
        let slots = slots();
        let first = Arc::new(slots.take(ip("10.0.0.1")).unwrap());
        let second = Arc::new(slots.take(ip("10.0.0.2")).unwrap());
        let mut one = first.room();
        assert!(one.grow(60));
        assert!(!first.room().grow(1), "the source has its share");
        assert!(second.room().grow(40));
        assert!(!second.room().grow(41), "all have the rest");
        assert!(one.hold_instead(20), "the answer takes the place of the body");
        assert!(first.room().grow(40));
        assert!(!one.hold_instead(61), "and has no more room than bodies have");
        drop(one);
        assert!(second.room().grow(41));
        assert_eq!(slots.bodies_in_flight.load(Relaxed), 0);
    }
}
