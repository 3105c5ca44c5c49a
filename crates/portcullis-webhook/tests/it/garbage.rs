//! Whatever bytes come, the server answers or closes, in time, and goes on.

use portcullis_webhook::Limits;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Duration, Instant};

use crate::harness::{LOCAL, Site, post, review};
use crate::http2::{self, PREFACE, frame, headers};

/// Pieces of requests, whole and broken, and of nothing.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let body = review("u");
    let known = [
        post("/validate", &body),
        post("/validate", "{}"),
        "POST /validate HTTP/1.1\r\n".to_owned(),
        "GET /health/liveness HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "Host: x\r\n".to_owned(),
        "Content-Type: application/json\r\n".to_owned(),
        "Content-Length: 4\r\n".to_owned(),
        "Content-Length: 18446744073709551616\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\n".to_owned(),
        "Transfer-Encoding: gzip, chunked\r\n".to_owned(),
        "Expect: 100-continue\r\n".to_owned(),
        "Upgrade: h2c\r\nConnection: Upgrade\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\r\n".to_owned(),
        "4\r\n{}{}\r\n".to_owned(),
        "ffffffffffffffff\r\n".to_owned(),
        "0\r\n\r\n".to_owned(),
        body,
    ];
    prop_oneof![
        4 => prop::sample::select(known.map(String::into_bytes).to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..64),
    ]
}

/// Frames of HTTP/2 that mean something and frames that mean nothing, some of which do not end.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let block = headers("POST", "/validate", &[("content-type", "application/json")]);
    let payload = prop_oneof![
        Just(block),
        Just(review("u").into_bytes()),
        prop::collection::vec(any::<u8>(), 0..40),
        Just(Vec::new()),
    ];
    let known = (0_u8..11, 0_u8..64, 0_u32..6, payload, 0_usize..60);
    known.prop_map(|(kind, flags, stream, payload, end)| {
        let mut frame = frame(kind, flags, stream, &payload);
        // Most are whole.
        frame.truncate(if end < 20 { end } else { frame.len() });
        frame
    })
}

/// Sends `bytes` and reads to the end, which the server must reach in the time of its limits.
async fn send(site: &Site, bytes: &[u8], encrypted: bool) {
    let start = Instant::now();
    let mut answers = Vec::new();
    if encrypted {
        let mut stream = site.client().await.stream;
        // The server may close before it has read everything.
        let _ = stream.write_all(bytes).await;
        let _ = stream.read_to_end(&mut answers).await;
    } else {
        let mut stream = site.open(LOCAL);
        let _ = stream.write_all(bytes).await;
        let _ = stream.read_to_end(&mut answers).await;
    }
    assert!(start.elapsed() < Duration::from_secs(200), "{:?}", start.elapsed());
    let text = String::from_utf8_lossy(&answers);
    assert!(!encrypted || text.is_empty() || text.starts_with("HTTP/1."), "{text}");
}

/// Runs a test with a clock that jumps.
fn paused(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_end_in_an_answer_or_a_closed_connection(
        pieces in prop::collection::vec(piece(), 1..12),
        encrypted: bool,
    ) {
        paused(async {
            let site = Site::admitting(Limits::default());
            send(&site, &pieces.concat(), encrypted).await;
            let answer = site.client().await.ask(post("/validate", &review("after"))).await;
            assert_eq!(answer.status, 200);
            assert_eq!(site.metric("portcullis_webhook_panics_total"), 0);
        });
    }

    #[test]
    fn any_frames_end_in_a_closed_connection(pieces in prop::collection::vec(frames(), 1..12)) {
        paused(async {
            let site = Site::admitting(Limits::default());
            let start = Instant::now();
            let mut stream = http2::Client::silent(&site).await.stream;
            let _ = stream.write_all(&[PREFACE, &pieces.concat()].concat()).await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
            assert!(start.elapsed() < Duration::from_secs(200), "{:?}", start.elapsed());
            http2::Client::new(&site).await.ask(1).await;
            assert_eq!(site.metric("portcullis_webhook_panics_total"), 0);
        });
    }
}
