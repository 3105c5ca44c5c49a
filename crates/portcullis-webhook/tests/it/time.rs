//! Slow and silent clients lose their connections in the times of the limits, and nobody else does.

use std::time::Duration;

use portcullis_webhook::Limits;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, advance};

use crate::harness::{Client, LOCAL, Site, jump_to, post, review};

const SECOND: Duration = Duration::from_secs(1);

/// Sends a byte each second until the connection is closed, and says how long that took.
async fn drip<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(client: &mut Client<S>) -> Duration {
    let start = Instant::now();
    let mut byte = [0];
    loop {
        tokio::select! {
            biased;
            read = client.stream.read(&mut byte) => match read {
                Ok(0) | Err(_) => return start.elapsed(),
                Ok(_) => {}
            },
            () = advance(SECOND) => { let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, b"x").await; }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_five_seconds() {
    let site = Site::admitting(Limits::default());
    let start = Instant::now();
    let mut stream = site.open(LOCAL);
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(site.metric("portcullis_webhook_connections_closed_total{reason=\"handshake_timeout\"}"), 1);
}

#[tokio::test(start_paused = true)]
async fn headers_have_five_seconds_however_they_drip() {
    let site = Site::admitting(Limits::default());
    let mut client = site.client().await;
    client.send("POST /validate HTTP/1.1\r\nX: ").await;
    let took = drip(&mut client).await.as_secs();
    assert!((5..=6).contains(&took), "{took}");
    // The same for the second request of a connection.
    let mut client = site.client().await;
    assert_eq!(client.ask(post("/validate", &review("u"))).await.status, 200);
    advance(30 * SECOND).await;
    client.send("POST /validate HTTP/1.1\r\nX: ").await;
    let took = drip(&mut client).await.as_secs();
    assert!((5..=6).contains(&took), "{took}");
    assert_eq!(site.metric("portcullis_webhook_connections_closed_total{reason=\"headers_timeout\"}"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_body_has_ten_seconds_and_no_longer_than_the_review() {
    let site = Site::admitting(Limits { review: 60 * SECOND, ..Limits::default() });
    let check = async |path: &str, want: u64| {
        let mut client = site.client().await;
        let start = Instant::now();
        client.send(post(path, &"x".repeat(99)).strip_suffix("x").unwrap()).await;
        assert_eq!(client.answer().await.unwrap().status, 408);
        client.closed().await;
        assert_eq!(start.elapsed().as_millis(), u128::from(want), "{path}");
    };
    check("/validate", 10_000).await;
    check("/validate?timeout=2s", 1_800).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_longer_than_clients_keep_it() {
    let site = Site::admitting(Limits::default());
    let start = Instant::now();
    site.client().await.closed().await;
    assert_eq!(start.elapsed().as_secs(), 180, "one that was never used");
    let mut used = site.client().await;
    for _ in 0..5 {
        assert_eq!(used.ask(post("/validate", &review("u"))).await.status, 200);
        advance(100 * SECOND).await;
    }
    let start = Instant::now();
    used.closed().await;
    assert_eq!(start.elapsed().as_secs(), 80);
}

#[tokio::test(start_paused = true)]
async fn while_places_are_scarce_a_new_connection_must_be_used_at_once() {
    let site = Site::admitting(Limits { connections: 4, ..Limits::default() });
    let mut used = site.client().await;
    assert_eq!(used.ask(post("/validate", &review("u"))).await.status, 200);
    let mut first = site.client().await;
    // The server takes part in a handshake while the clock stands still; then it moves.
    tokio::task::yield_now().await;
    let start = Instant::now();
    advance(2 * SECOND).await;
    let mut second = site.client().await;
    first.closed().await;
    assert_eq!(start.elapsed().as_secs(), 5);
    drop(first);
    assert_eq!(used.ask(post("/validate", &review("u"))).await.status, 200);
    // Now half of the places are free, and the second may stay.
    second.closed().await;
    assert_eq!(start.elapsed().as_secs(), 182);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_answers_has_ten_seconds() {
    let site = Site::judging(Limits::default(), |_, _, _| portcullis_webhook::Verdict {
        patch: Some(vec![b' '; 1 << 20]),
        ..portcullis_webhook::Verdict::allowed()
    });
    let mut client = site.client().await;
    client.send(post("/mutate", &review("u"))).await;
    jump_to(Instant::now() + 11 * SECOND).await;
    assert_eq!(site.metric("portcullis_webhook_connections_closed_total{reason=\"response_timeout\"}"), 1);
    assert_eq!(client.answer().await, None, "the answer is not whole");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_close_is_waited_for_one_second() {
    let site = Site::admitting(Limits { connections: 1, ..Limits::default() });
    let mut client = site.client().await;
    assert_eq!(client.ask(post("/nowhere", "")).await.status, 404);
    let start = Instant::now();
    client.closed().await;
    assert_eq!(start.elapsed().as_millis(), 0, "the answer closes at once");
    // It goes on sending, and holds its place until the second is over.
    client.send("x").await;
    assert!(site.try_secure(site.open(LOCAL)).await.is_err());
    jump_to(start + SECOND + Duration::from_millis(2)).await;
    assert!(site.try_secure(site.open(LOCAL)).await.is_ok());
}
