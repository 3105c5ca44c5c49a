//! Leaving without losing a request.

use std::sync::Arc;
use std::time::Duration;

use portcullis_webhook::{Limits, Stage};
use tokio::net::TcpStream;

use crate::harness::{Site, jump_to, post, review};

fn limits() -> Limits {
    Limits {
        drain_accept: Duration::from_millis(60),
        drain_close: Duration::from_secs(1),
        drain_grace: Duration::from_secs(20),
        ..Limits::default()
    }
}

/// Sends reviews over one connection after the other until the port is closed; says how many were answered.
async fn keep_asking(site: &Site, address: std::net::SocketAddr) -> usize {
    let mut answered = 0;
    while let Ok(stream) = TcpStream::connect(address).await {
        let Ok(mut client) = site.try_secure(stream).await else {
            // Accepted by the system, not by the server, which had stopped: nothing was asked.
            return answered;
        };
        loop {
            let answer = client.ask(post("/validate", &review("u"))).await;
            assert_eq!(answer.status, 200);
            answered += 1;
            if answer.closes() {
                client.closed().await;
                break;
            }
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_under_load_loses_no_request() {
    let site = Arc::new(Site::admitting(limits()));
    let (address, served) = site.listen().await;
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let site = site.clone();
            tokio::spawn(async move { keep_asking(&site, address).await })
        })
        .collect();
    // Idle connections do not keep the server from ending.
    let mut idle = site.connect(address).await;
    assert_eq!(idle.ask(post("/validate", &review("u"))).await.status, 200);
    let mut silent = site.connect(address).await;
    let lifecycle = site.lifecycle.clone();
    let drained = tokio::spawn(async move { lifecycle.drain(&limits()).await });
    served.await.unwrap();
    assert!(site.lifecycle.stage() < Stage::Ended, "it ended by itself");
    drained.abort();
    idle.closed().await;
    silent.closed().await;
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_stages_follow_each_other_in_their_times() {
    let site = Site::admitting(Limits::default());
    let lifecycle = site.lifecycle.clone();
    let start = tokio::time::Instant::now();
    let drained = tokio::spawn(async move { lifecycle.drain(&Limits::default()).await });
    let at = async |seconds: u64| {
        jump_to(start + Duration::from_secs(seconds) + Duration::from_millis(1)).await;
        site.lifecycle.stage()
    };
    assert_eq!(at(0).await, Stage::Unready);
    assert_eq!(at(19).await, Stage::Unready);
    assert_eq!(at(20).await, Stage::Closing);
    assert_eq!(at(28).await, Stage::Closing);
    assert_eq!(at(29).await, Stage::Ended);
    drained.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn while_unready_nothing_changes_and_while_closing_each_answer_closes() {
    let site = Site::admitting(Limits::default());
    let mut client = site.client().await;
    let mut idle = site.client().await;
    assert_eq!(idle.ask(post("/validate", &review("u"))).await.status, 200);
    let lifecycle = site.lifecycle.clone();
    let start = tokio::time::Instant::now();
    tokio::spawn(async move { lifecycle.drain(&Limits::default()).await });
    jump_to(start + Duration::from_secs(10)).await;
    assert!(!client.ask(post("/validate", &review("u"))).await.closes());
    jump_to(start + Duration::from_secs(21)).await;
    let last = client.ask(post("/validate", &review("u"))).await;
    assert!(last.status == 200 && last.closes(), "{last:?}");
    client.closed().await;
    idle.closed().await;
    assert_eq!(start.elapsed().as_secs(), 23, "a connection is kept for one more request, but not forever");
}

#[tokio::test(start_paused = true)]
async fn what_is_still_at_work_at_the_end_is_cut_off() {
    let site = Site::admitting(Limits {
        body: Duration::from_secs(99),
        review: Duration::from_secs(99),
        ..Limits::default()
    });
    let mut client = site.client().await;
    client.send(post("/validate", "xx").strip_suffix("x").unwrap()).await;
    let start = tokio::time::Instant::now();
    site.lifecycle.drain(&Limits::default()).await;
    client.closed().await;
    assert_eq!(start.elapsed().as_secs(), 29);
}
