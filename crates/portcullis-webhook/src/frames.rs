//! The frames of HTTP/2, as far as it takes to know whether one is unfinished: the library waits for the rest of a frame, or of
//! headers that go on in the next frame, without end.

use tokio::time::Instant;

/// Bytes of what a client says before its first frame (RFC 9113, 3.4).
const PREFACE_BYTES: usize = 24;
/// Bytes of the header of a frame (RFC 9113, 4.1).
const HEADER_BYTES: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
/// The flag of a frame that ends a block of headers.
const END_HEADERS: u8 = 4;

/// Where a client is in its frames.
#[derive(Debug)]
pub(crate) struct Frames {
    /// The header of the frame at hand, as far as it came.
    header: [u8; HEADER_BYTES],
    came: usize,
    /// Bytes of the payload that are still to come.
    payload: usize,
    /// Whether a block of headers goes on in the next frame.
    continues: bool,
    /// Since when there is something unfinished.
    unfinished: Option<Instant>,
}

impl Frames {
    /// Before the preface.
    pub(crate) fn new() -> Self {
        Self {
            header: [0; HEADER_BYTES],
            came: 0,
            payload: PREFACE_BYTES,
            continues: false,
            unfinished: None,
        }
    }

    /// Follows what came.
    pub(crate) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = if self.payload > 0 { self.skip(bytes) } else { self.head(bytes) };
            bytes = bytes.get(taken..).unwrap_or_default();
            if self.is_whole() {
                self.unfinished = None;
            }
        }
        if !self.is_whole() {
            self.unfinished.get_or_insert_with(Instant::now);
        }
    }

    /// When the frame, or the block of headers, began that has not ended yet.
    pub(crate) fn unfinished(&self) -> Option<Instant> {
        self.unfinished
    }

    fn is_whole(&self) -> bool {
        self.came == 0 && self.payload == 0 && !self.continues
    }

    /// Skips what there is of a payload, and says how much that is.
    fn skip(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.payload);
        self.payload -= taken;
        taken
    }

    /// Takes what there is of the header of a frame, and says how much that is.
    fn head(&mut self, bytes: &[u8]) -> usize {
        let before = self.came;
        for (place, byte) in self.header.iter_mut().skip(before).zip(bytes) {
            *place = *byte;
            self.came += 1;
        }
        let taken = self.came - before;
        if self.came == HEADER_BYTES {
            let [high, middle, low, kind, flags, ..] = self.header;
            self.came = 0;
            self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            if matches!(kind, HEADERS | CONTINUATION) {
                self.continues = flags & END_HEADERS == 0;
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    const DATA: u8 = 0;
    const PING: u8 = 6;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let [.., high, middle, low] = payload.len().to_be_bytes();
        [&[high, middle, low, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// The frames of a client that has sent its preface.
    fn begun() -> Frames {
        let mut frames = Frames::new();
        frames.follow(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        assert!(frames.is_whole());
        frames
    }

    #[test]
    fn what_is_whole_is_told_however_it_is_cut() {
        let pieces = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            frame(4, 0, &[]),
            frame(HEADERS, END_HEADERS | 1, b"ab"),
            // No flag ends a block but that of its own frames.
            [frame(HEADERS, 0, b"a"), frame(CONTINUATION, 0, &[]), frame(CONTINUATION, END_HEADERS, b"b")]
                .concat(),
            [frame(HEADERS, 0, &[]), frame(CONTINUATION, END_HEADERS, &[])].concat(),
            frame(DATA, 0, &[HEADERS; 300]),
            frame(PING, 0, &[0; 8]),
        ];
        let all = pieces.concat();
        let mut ends = vec![0];
        for piece in &pieces {
            ends.push(ends[ends.len() - 1] + piece.len());
        }
        for cut in 1..all.len() {
            let mut frames = Frames::new();
            frames.follow(&all[..cut]);
            assert_eq!(frames.unfinished().is_none(), ends.contains(&cut), "{cut}");
            frames.follow(&all[cut..]);
            assert_eq!(frames.unfinished(), None, "{cut}");
        }
        let mut frames = Frames::new();
        for (at, byte) in all.iter().enumerate() {
            frames.follow(&[*byte]);
            assert_eq!(frames.unfinished().is_none(), ends.contains(&(at + 1)), "{at}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_unfinished_is_as_old_as_its_first_byte() {
        let mut frames = begun();
        let first = Instant::now();
        frames.follow(&frame(HEADERS, 0, b"a"));
        advance(Duration::from_secs(1)).await;
        frames.follow(&frame(CONTINUATION, 0, b"b"));
        assert_eq!(frames.unfinished(), Some(first), "the block goes on");
        let second = Instant::now();
        frames.follow(&[frame(CONTINUATION, END_HEADERS, b"c"), vec![0]].concat());
        assert_eq!(frames.unfinished(), Some(second), "the next frame has begun");
    }
}
