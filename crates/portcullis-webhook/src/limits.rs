//! How much a client may have of the server.

use std::thread::available_parallelism;
use std::time::Duration;

/// The standing limits of the server. Exceeding one is an answer or a closed connection, never a slower server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once. One more is closed as soon as it is accepted.
    pub connections: usize,
    /// Connections at once from one source address.
    pub connections_per_source: usize,
    /// Streams at once in one HTTP/2 connection. Each takes memory while its answer is not taken; an API server that has more
    /// to ask opens another connection.
    pub streams: u32,
    /// Bytes of the header block. More is answered by 431.
    pub header_bytes: usize,
    /// Bytes of the path and query. More is answered by 414.
    pub path_bytes: usize,
    /// Bytes of a body. More is answered by 413 as soon as it is known.
    pub body_bytes: usize,
    /// Bytes of bodies held at once by all requests, with what the values of large ones take, and of answers that were not taken
    /// yet. More is answered by 429, and what could never be held by 413.
    pub bodies_in_flight: usize,
    /// Bytes of bodies held at once by the requests of one source address, so that one cannot spend what is for all.
    pub bodies_in_flight_per_source: usize,
    /// Reviews at work at once. One more is answered by 429 before any work is done for it.
    pub reviews: usize,
    /// Reviews that run at once; the others of those at work wait for their turn. One that takes long lets the next begin.
    pub seats: usize,
    /// Bytes of a body from which its review is taken to be long: its values are weighed, and it leaves its worker to others.
    pub long_review_bytes: usize,
    /// From the accepted connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its headers; in HTTP/2 also of any frame while no request is at work.
    /// While more than half of the connections are in use it is also how long a new connection may stay silent.
    pub headers: Duration,
    /// From the end of the headers to the end of the body.
    pub body: Duration,
    /// From the answer to its last byte in the socket; the time a client has to take it.
    pub response: Duration,
    /// A connection without a request. Longer than the 90 s of Kubernetes' own clients, so that it is they who close it:
    /// a connection that the server closes may have a request on its way.
    pub idle: Duration,
    /// After the last answer of a connection, how long the server waits for the client to close it before it does.
    /// Closing at once would reset the connection, and the answer could be lost. In HTTP/2 it is how long what a refused
    /// request still brings is taken.
    pub linger: Duration,
    /// The time of a review whose request names none (`?timeout=10s`), and the most that one can have.
    pub review: Duration,
    /// After the server became unready, how long it goes on as before: until every client has heard of it.
    pub drain_accept: Duration,
    /// After that, how long a connection is kept for one more request, whose answer closes it. To close a connection at
    /// once could lose a request that is on its way.
    pub drain_close: Duration,
    /// From the start of draining to the end of the server, whatever is still at work.
    pub drain_grace: Duration,
}

/// The cores that the process may use.
pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_source: 512,
            streams: 16,
            header_bytes: 16 << 10,
            path_bytes: 8 << 10,
            body_bytes: 10 << 20,
            bodies_in_flight: 64 << 20,
            bodies_in_flight_per_source: 32 << 20,
            reviews: 64,
            seats: cores(),
            long_review_bytes: 256 << 10,
            handshake: Duration::from_secs(5),
            headers: Duration::from_secs(5),
            body: Duration::from_secs(10),
            response: Duration::from_secs(10),
            idle: Duration::from_secs(180),
            linger: Duration::from_secs(1),
            review: Duration::from_secs(9),
            drain_accept: Duration::from_secs(20),
            drain_close: Duration::from_secs(3),
            drain_grace: Duration::from_secs(29),
        }
    }
}
