//! The body of an answer, which counts until it is written.

use bytes::Bytes;
use http_body_util::Full;

use crate::pulse::Untaken;
use crate::slots::Room;

/// What an answer holds until its last byte is written or its client has given it up. In HTTP/2 a client may ask, and then
/// take nothing of any stream.
struct Held {
    bytes: Bytes,
    _untaken: Untaken,
    _room: Option<Room>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body of an answer that its client has not taken yet, and whose bytes have `room`.
pub(crate) fn body(bytes: Bytes, untaken: Untaken, room: Option<Room>) -> Full<Bytes> {
    Full::new(Bytes::from_owner(Held { bytes, _untaken: untaken, _room: room }))
}
