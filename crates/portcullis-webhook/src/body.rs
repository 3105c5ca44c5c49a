//! Reading the body of a request within its limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, timeout, timeout_at};

use crate::service::Refusal;
use crate::slots::Room;

/// Allocated at once for a body that says how long it is; more is allocated as it arrives.
const TRUSTED_BYTES: usize = 64 << 10;

/// What a connection holds beside a body that comes in pieces, in the buffers of TLS and HTTP. It counts as part of the body:
/// otherwise a thousand bodies that never come whole would take as much memory again as there is room for.
pub(crate) const BESIDE_PIECES: usize = 48 << 10;

/// Reads `body`, which must have arrived by `due`.
///
/// # Errors
/// It is longer than `limit`, there is no room for it, it is late, or it does not end as HTTP has it.
pub(crate) async fn read(
    body: &mut Incoming,
    limit: usize,
    room: &mut Room,
    due: Instant,
) -> Result<Bytes, Refusal> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Refusal::TooLarge);
    }
    let mut read = BytesMut::new();
    loop {
        let frame = timeout_at(due, body.frame()).await.map_err(|_| Refusal::Late)?;
        let Some(frame) = frame else { return Ok(read.freeze()) };
        let frame = frame.map_err(|error| Refusal::Bad(format!("the body does not end: {error}")))?;
        // Trailers say nothing that a review needs.
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limit - read.len() {
            return Err(Refusal::TooLarge);
        }
        if !room.grow(data.len()) {
            return Err(Refusal::NoRoom);
        }
        if read.is_empty() {
            if data.len() == announced {
                return Ok(data);
            }
            if !room.grow(BESIDE_PIECES) {
                return Err(Refusal::NoRoom);
            }
            read.reserve(announced.clamp(data.len(), TRUSTED_BYTES.max(data.len())));
        }
        read.extend_from_slice(&data);
    }
}

/// Throws away what is left of `body`, which is refused: `limit` bytes at most, and for so long. All that it holds meanwhile is its
/// stream.
///
/// Where the rest is not read, HTTP/2's library sends the answer and resets the stream. That is how RFC 9113 (8.1) has it, but
/// clients that are still sending then may lose the answer.
pub(crate) async fn discard(mut body: Incoming, limit: usize, time: Duration) {
    let reading = async {
        let mut discarded = 0;
        while discarded < limit
            && let Some(Ok(frame)) = body.frame().await
        {
            discarded += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // Ended or not, nobody is left to be told.
    let _ = timeout(time, reading).await;
}
