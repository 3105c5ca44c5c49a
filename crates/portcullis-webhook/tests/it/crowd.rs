//! More clients, bytes and reviews than may be.

use std::future::pending;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use portcullis_webhook::{Limits, Verdict};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::harness::{Site, post, review};

/// As much as a body takes beside its bytes when it comes in pieces.
const BESIDE_PIECES: usize = 48 << 10;

fn source(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

#[tokio::test]
async fn connections_over_the_caps_are_closed_at_once_and_the_others_live() {
    let site = Site::admitting(Limits { connections: 5, connections_per_source: 2, ..Limits::default() });
    let mut first = site.secure(site.open(source(1))).await;
    let second = site.secure(site.open(source(1))).await;
    assert_eq!(site.open(source(1)).read(&mut [0]).await.unwrap(), 0, "the source has its share");
    let others = [site.secure(site.open(source(2))).await, site.secure(site.open(source(3))).await];
    let last = site.secure(site.open(source(4))).await;
    assert_eq!(site.open(source(5)).read(&mut [0]).await.unwrap(), 0, "all places are taken");
    assert_eq!(
        site.metric("portcullis_webhook_connections_closed_total{reason=\"connections_per_source\"}"),
        1
    );
    assert_eq!(site.metric("portcullis_webhook_connections_closed_total{reason=\"connections\"}"), 1);
    assert_eq!(first.ask(post("/validate", &review("u"))).await.status, 200);
    // A place is free again as soon as the server has noticed that its client is gone.
    drop((second, others, last));
    while site.try_secure(site.open(source(6))).await.is_err() {}
}

#[tokio::test]
async fn bodies_over_the_cap_are_refused_and_those_in_flight_are_not() {
    let body = review("u");
    let room = BESIDE_PIECES + body.len() + 10;
    let site = Site::admitting(Limits { bodies_in_flight: room, ..Limits::default() });
    let mut first = site.client().await;
    let request = post("/validate", &body);
    let (start, end) = request.split_at(request.len() - 1);
    first.send(start).await;
    let mut second = site.client().await;
    // Until the first body is there, the second has room.
    let refused = loop {
        let answer = second.ask(&request).await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(refused.status, 429);
    assert!(refused.head.contains("retry-after: 1"), "{refused:?}");
    assert_eq!(first.ask(end).await.status, 200);
    assert_eq!(site.client().await.ask(&request).await.status, 200, "the room is given back");
}

#[tokio::test]
async fn bodies_that_do_not_come_whole_take_room_for_the_buffers_of_their_connections() {
    let request = post("/validate", &review("u"));
    let (start, end) = request.split_at(request.len() - 1);
    let whole = post("/validate", &review("u").replace("\"pi\"", &format!("\"{}\"", "x".repeat(5000))));
    // There would be room for all of their bytes.
    let room = 2 * BESIDE_PIECES + 5000;
    let site = Site::admitting(Limits { bodies_in_flight: room, ..Limits::default() });
    let mut held = [site.client().await, site.client().await];
    for client in &mut held {
        client.send(start).await;
    }
    // Until both have begun, there is room for one that comes whole.
    let mut other = site.client().await;
    let mut asked = 0;
    while other.ask(&whole).await.status == 200 {
        asked += 1;
        assert!(asked < 1000, "there is room for all of it");
    }
    for client in &mut held {
        assert_eq!(client.ask(end).await.status, 200);
    }
    assert_eq!(site.client().await.ask(&whole).await.status, 200, "the room is given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn reviews_over_the_cap_are_refused_before_any_work() {
    // Two reviews wait for each other and for the test, so that a third comes while they are at work.
    let barrier = Arc::new(Barrier::new(3));
    let in_review = barrier.clone();
    let site = Site::judging(
        Limits { reviews: 2, seats: 2, long_review_bytes: 0, ..Limits::default() },
        move |_, _, _| {
            in_review.wait();
            in_review.wait();
            Verdict::allowed()
        },
    );
    let (address, _) = site.listen().await;
    let mut clients = [site.connect(address).await, site.connect(address).await];
    for client in &mut clients {
        client.send(post("/validate", &review("u"))).await;
    }
    let waiting = barrier.clone();
    tokio::task::spawn_blocking(move || waiting.wait()).await.unwrap();
    let refused = site.connect(address).await.ask(post("/validate", &review("u"))).await;
    assert_eq!(refused.status, 429);
    assert!(refused.head.contains("retry-after: 1"), "{refused:?}");
    tokio::task::spawn_blocking(move || barrier.wait()).await.unwrap();
    for client in &mut clients {
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn http_without_tls_is_told_so() {
    let site = Site::admitting(Limits::default());
    let (address, _) = site.listen().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(post("/validate", &review("u")).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 400 Bad Request\r\n"), "{answer}");
    assert!(answer.ends_with("this port speaks HTTPS\n"), "{answer}");
    // Whoever says nothing of sense is one connection less, and nobody else's.
    assert_eq!(site.connect(address).await.ask(post("/validate", &review("u"))).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn reviews_that_never_end_leave_their_workers_to_the_others() {
    // A review of `stuck` goes on until the test has had its answers, asking for its deadline as it should.
    let (started, mut starts) = mpsc::unbounded_channel();
    let released = Arc::new(AtomicBool::new(false));
    let in_review = released.clone();
    let site = Site::judging(Limits::default(), move |_, review, deadline| {
        if review.request.uid == "stuck" {
            // Only a review that has run for a while shows that it is long.
            let long = Instant::now() + Duration::from_millis(1);
            while Instant::now() < long {
                std::thread::yield_now();
            }
            started.send(()).unwrap();
            while !in_review.load(Relaxed) && !deadline.expired() {
                std::thread::yield_now();
            }
        }
        Verdict::allowed()
    });
    let (address, _) = site.listen().await;
    let mut stuck = Vec::new();
    for _ in 0..6 {
        let mut client = site.connect(address).await;
        client.send(post("/validate", &review("stuck"))).await;
        starts.recv().await.unwrap();
        stuck.push(client);
    }
    let mut other = site.connect(address).await;
    for _ in 0..100 {
        assert_eq!(other.ask(post("/validate", &review("u"))).await.status, 200);
    }
    released.store(true, Relaxed);
    for client in &mut stuck {
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviews_that_wait_for_something_leave_their_workers_to_the_others() {
    let (tell, told) = watch::channel(false);
    let site = Site::judging(Limits::default(), move |_, review, deadline| match &*review.request.uid {
        "waiting" => {
            let mut told = told.clone();
            let heard = deadline.wait(async { told.wait_for(|&told| told).await.is_ok() });
            Verdict::denied(format!("{heard:?}"))
        }
        "in vain" => Verdict::denied(format!("{:?} {}", deadline.wait(pending::<()>()), deadline.expired())),
        _ => Verdict::allowed(),
    });
    let (address, _) = site.listen().await;
    let mut waiting = Vec::new();
    for _ in 0..6 {
        let mut client = site.connect(address).await;
        client.send(post("/validate", &review("waiting"))).await;
        waiting.push(client);
    }
    let mut other = site.connect(address).await;
    for _ in 0..100 {
        assert_eq!(other.ask(post("/validate", &review("u"))).await.status, 200);
    }
    let late = other.ask(post("/validate?timeout=20ms", &review("in vain"))).await.json();
    assert_eq!(late["response"]["status"]["message"], "None true");
    tell.send(true).unwrap();
    for client in &mut waiting {
        let answer = client.answer().await.unwrap().json();
        assert_eq!(answer["response"]["status"]["message"], "Some(true)");
    }
}
