//! What is particular to HTTP/2, by a client that writes frames.

use std::time::Duration;

use portcullis_webhook::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::{Instant, advance};
use tokio_rustls::client::TlsStream;

use crate::harness::{LOCAL, NAME, Site, handshake, jump_to, review};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes that a client may send before it is told otherwise (RFC 9113, 6.9.2).
const WINDOW: usize = 65_535;
/// Bytes of the largest frame that a server takes without saying so.
const FRAME: usize = 16 << 10;

// The types of frames, flags and codes of errors of RFC 9113.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;

/// A frame that came.
#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// The number that a payload begins with.
    fn number(&self) -> u32 {
        u32::from_be_bytes(self.payload[..4].try_into().unwrap())
    }

    /// What resets which stream.
    fn reset(&self) -> Option<(u32, u32)> {
        (self.kind == RST_STREAM).then(|| (self.stream, self.number()))
    }

    fn ends(&self, stream: u32) -> bool {
        self.stream == stream && matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// A frame to send.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [.., high, middle, low] = payload.len().to_be_bytes();
    [&[high, middle, low, kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

/// The headers of a request, as literals (RFC 7541, 6.2.2).
pub(crate) fn headers(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    let request = [(":method", method), (":scheme", "https"), (":authority", "x"), (":path", path)];
    for (name, value) in request.iter().chain(more) {
        let length = |text: &str| u8::try_from(text.len()).unwrap();
        block.extend([0, length(name)].iter().chain(name.as_bytes()));
        block.extend([length(value)].iter().chain(value.as_bytes()));
    }
    block
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// A client that writes frames, and never more than it may.
pub(crate) struct Client {
    pub(crate) stream: TlsStream<DuplexStream>,
    read: Vec<u8>,
    /// Bytes that may be sent on the connection, and on its only stream with a body.
    windows: [usize; 2],
}

impl Client {
    /// A client after the handshake of TLS.
    pub(crate) async fn silent(site: &Site) -> Self {
        let mut config = site.trusting().with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = handshake(config, NAME, site.open(LOCAL)).await.unwrap();
        Self { stream, read: Vec::new(), windows: [WINDOW; 2] }
    }

    /// A client that may ask.
    pub(crate) async fn new(site: &Site) -> Self {
        let mut client = Self::silent(site).await;
        client.send([PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        client
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next frame, or `None` when the connection was closed instead.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let [0, middle, low, kind, flags, _, _, _, _, rest @ ..] = &self.read[..]
                && let Some(payload) = rest.get(..usize::from(*middle) << 8 | usize::from(*low))
            {
                let stream = u32::from_be_bytes(self.read[5..9].try_into().unwrap());
                let frame = Frame { kind: *kind, flags: *flags, stream, payload: payload.to_vec() };
                self.read.drain(..9 + frame.payload.len());
                self.note(&frame).await;
                return Some(frame);
            }
            if self.stream.read_buf(&mut self.read).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Takes note of what the server lets be sent, and acknowledges its settings.
    async fn note(&mut self, frame: &Frame) {
        match frame.kind {
            WINDOW_UPDATE => self.windows[usize::from(frame.stream > 0)] += frame.number() as usize,
            SETTINGS if frame.flags & ACK == 0 => {
                for setting in frame.payload.chunks(6) {
                    if setting[..2] == [0, 4] {
                        let window = u32::from_be_bytes(setting[2..].try_into().unwrap());
                        self.windows[1] = self.windows[1] + window as usize - WINDOW;
                    }
                }
                self.send(self::frame(SETTINGS, ACK, 0, &[])).await;
            }
            _ => {}
        }
    }

    /// Begins a request with a body on a stream.
    async fn begin(&mut self, stream: u32, path: &str, more: &[(&str, &str)]) {
        self.send(frame(HEADERS, END_HEADERS, stream, &headers("POST", path, more))).await;
    }

    /// Sends some of the body, as fast as the server lets it; what comes meanwhile must not be the end of a stream.
    async fn pour(&mut self, stream: u32, mut bytes: usize) {
        while bytes > 0 {
            let now = bytes.min(FRAME);
            while self.windows.iter().any(|window| *window < now) {
                let frame = self.next().await.expect("a window");
                assert!(!matches!(frame.kind, RST_STREAM | GOAWAY), "{frame:?}");
            }
            self.windows = self.windows.map(|window| window - now);
            self.send(frame(DATA, 0, stream, &vec![b'x'; now])).await;
            bytes -= now;
        }
    }

    /// Reads an answer, and returns the frame that ends it.
    async fn answer(&mut self, stream: u32) -> Frame {
        loop {
            let frame = self.next().await.expect("an answer");
            assert_eq!(frame.reset(), None);
            if frame.ends(stream) {
                return frame;
            }
        }
    }

    /// Asks for an answer to a ping, and says what came before it.
    async fn until_pong(&mut self) -> Vec<Frame> {
        self.send(frame(PING, 0, 0, &[7; 8])).await;
        let mut came = Vec::new();
        loop {
            match self.next().await.expect("a pong") {
                Frame { kind: PING, flags: ACK, .. } => return came,
                frame => came.push(frame),
            }
        }
    }

    /// Asks for a review on a stream, and has its answer.
    pub(crate) async fn ask(&mut self, stream: u32) {
        self.begin(stream, "/validate", &[JSON]).await;
        self.send(frame(DATA, END_STREAM, stream, review("u").as_bytes())).await;
        let answer = self.answer(stream).await.payload;
        assert!(answer.starts_with(b"{"), "{}", String::from_utf8_lossy(&answer));
    }

    /// Reads until the server closes.
    async fn closed(&mut self) {
        while self.next().await.is_some() {}
    }

    /// Has a second go by before each piece is sent and after the last, until the server closes, and says how long that took.
    async fn drip(&mut self, pieces: impl IntoIterator<Item = Vec<u8>>) -> u64 {
        let start = Instant::now();
        let mut pieces = pieces.into_iter();
        loop {
            tokio::select! {
                biased;
                read = self.stream.read_buf(&mut self.read) => {
                    if read.unwrap_or(0) == 0 {
                        return start.elapsed().as_secs();
                    }
                }
                () = jump_to(Instant::now() + SECOND) => {
                    let _ = self.stream.write_all(&pieces.next().unwrap_or_default()).await;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_comes_at_once_and_does_not_reset_who_is_still_sending() {
    let site = Site::admitting(Limits { body_bytes: 1 << 20, ..Limits::default() });
    for (path, more, want) in [
        ("/unknown", &[JSON][..], "nothing is served"),
        ("/validate", &[], "the content type must be"),
        ("/validate", &[JSON, ("content-length", "2000000")], "larger than is accepted"),
    ] {
        let mut client = Client::new(&site).await;
        client.begin(1, path, more).await;
        let answer = String::from_utf8(client.answer(1).await.payload).unwrap();
        assert!(answer.contains(want), "{answer}");
        // More than there are windows for: the server has to take it.
        client.pour(1, 2_000_000).await;
        client.send(frame(DATA, END_STREAM, 1, &[])).await;
        let resets: Vec<_> = client.until_pong().await.iter().filter_map(Frame::reset).collect();
        assert_eq!(resets, [], "{path} {more:?}");
        client.ask(3).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_refused_request_still_brings_has_a_second_and_a_stream() {
    let site = Site::admitting(Limits { streams: 2, ..Limits::default() });
    let mut client = Client::new(&site).await;
    let start = Instant::now();
    for stream in [1, 3] {
        client.begin(stream, "/unknown", &[]).await;
        client.answer(stream).await;
    }
    client.begin(5, "/unknown", &[]).await;
    let reset = async |client: &mut Client| loop {
        if let Some(reset) = client.next().await.unwrap().reset() {
            return reset;
        }
    };
    assert_eq!(reset(&mut client).await, (5, REFUSED_STREAM));
    assert_eq!(start.elapsed().as_millis(), 0);
    let mut late = [reset(&mut client).await, reset(&mut client).await];
    late.sort_unstable();
    assert_eq!(late, [(1, NO_ERROR), (3, NO_ERROR)]);
    assert_eq!(start.elapsed().as_secs(), 1);
    client.ask(7).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_is_taken_of_a_refused_body_than_twice_what_is_accepted() {
    let site = Site::admitting(Limits { body_bytes: 8 << 10, ..Limits::default() });
    let mut client = Client::new(&site).await;
    let start = Instant::now();
    client.begin(1, "/unknown", &[]).await;
    client.answer(1).await;
    client.pour(1, (16 << 10) - 1).await;
    assert!(client.until_pong().await.iter().all(|frame| frame.reset().is_none()));
    client.pour(1, 1).await;
    while client.next().await.unwrap().reset() != Some((1, NO_ERROR)) {}
    assert_eq!(start.elapsed().as_millis(), 0, "its time was not over");
    client.ask(3).await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_and_a_block_of_headers_have_five_seconds_however_they_drip() {
    let site = Site::admitting(Limits::default());
    let block = headers("POST", "/validate", &[JSON]);
    let byte = |byte: &u8| vec![*byte];
    let ping = frame(PING, 0, 0, &[0; 8]);
    let data = frame(DATA, 0, 1, &[b'x'; 99]);
    let fragment = |byte: &u8| frame(CONTINUATION, 0, 1, &[*byte]);
    let cases = [
        ("headers, and silence", frame(HEADERS, 0, 1, &block), vec![]),
        ("headers that go on", frame(HEADERS, 0, 1, &[]), block.iter().map(fragment).collect()),
        ("half of a header of a frame", ping[..5].to_vec(), vec![]),
        ("half of a payload", ping[..12].to_vec(), vec![]),
        ("a frame that drips", data[..1].to_vec(), data[1..].iter().map(byte).collect()),
        ("half of the preface", PREFACE[..1].to_vec(), PREFACE[1..12].iter().map(byte).collect()),
    ];
    for (index, (case, begun, pieces)) in cases.into_iter().enumerate() {
        let is_preface = case == "half of the preface";
        let mut client = if is_preface { Client::silent(&site).await } else { Client::new(&site).await };
        if !is_preface {
            // The same behind a request as on a new connection.
            if index % 2 == 0 {
                client.ask(3).await;
            }
            client.until_pong().await;
            advance(30 * SECOND).await;
        }
        client.send(begun).await;
        let took = client.drip(pieces).await;
        assert_eq!(took, 5, "{case}");
        let closed = site.metric("portcullis_webhook_connections_closed_total{reason=\"headers_timeout\"}");
        assert_eq!(closed, index as u64 + 1, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn whole_frames_neither_close_an_idle_connection_nor_keep_it() {
    let site = Site::admitting(Limits::default());
    let mut client = Client::new(&site).await;
    client.ask(1).await;
    let start = Instant::now();
    for _ in 0..5 {
        jump_to(Instant::now() + 30 * SECOND).await;
        client.send(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])).await;
        client.send(frame(SETTINGS, 0, 0, &[])).await;
        // Part by part, within their time.
        let ping = frame(PING, 0, 0, &[0; 8]);
        client.send(&ping[..3]).await;
        advance(SECOND).await;
        client.send(&ping[3..]).await;
        assert!(client.until_pong().await.iter().all(|frame| frame.kind != GOAWAY));
    }
    client.closed().await;
    let took = start.elapsed().as_secs();
    assert!((180..185).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_began_during_a_review_has_its_five_seconds_behind_it() {
    let site = Site::admitting(Limits::default());
    let mut client = Client::new(&site).await;
    let start = Instant::now();
    client.begin(1, "/validate", &[JSON]).await;
    client.send(&frame(DATA, 0, 1, &[b'x'; 99])[..50]).await;
    let answer = client.answer(1).await.payload;
    assert!(answer.starts_with(b"the body did not arrive in time"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(start.elapsed().as_secs(), 9);
    client.closed().await;
    assert_eq!(start.elapsed().as_secs(), 14);
}
