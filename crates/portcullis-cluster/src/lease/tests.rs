//! An election, its winner and its losers, by a clock that the test moves.

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::scripted::{self, Exchange, Scripted};

struct Election {
    server: Scripted,
    leadership: Leadership,
    shutdown: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Drop for Election {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn start() -> Election {
    let (connection, server) = scripted::connection();
    let noon = || Timestamp::from_second(1_800_000_000).unwrap();
    let candidate = Candidate::new(&connection, "portcullis", "leader", "me", noon);
    let leadership = candidate.leadership();
    let (shutdown, asked) = oneshot::channel::<()>();
    let task = tokio::spawn(candidate.run(async move {
        let _ = asked.await;
    }));
    Election { server, leadership, shutdown: Some(shutdown), task }
}

fn lease(holder: &str, version: &str, renewed: &str) -> Value {
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "leader", "namespace": "portcullis", "resourceVersion": version},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renewed, "leaseTransitions": 3}})
}

const LONG_AGO: &str = "2020-01-01T00:00:00.000000Z";
const NOT_YET: &str = "2099-01-01T00:00:00.000000Z";

impl Election {
    async fn next(&mut self, method: &str) -> Exchange {
        let exchange = self.server.next().await;
        assert_eq!(exchange.method, method, "{}", exchange.path);
        exchange
    }

    /// Until we hold the lease.
    async fn win(&mut self) {
        self.next("GET").await.fail(404, "no lease");
        let created = self.next("POST").await;
        let written = created.json();
        assert_eq!(written["spec"]["holderIdentity"], "me");
        created.reply(201, &lease("me", "1", LONG_AGO));
        assert!(self.leadership.gained().await);
    }
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_lease_makes_one_and_renews_it() {
    let mut election = start();
    election.win().await;
    for version in 1..5 {
        let renewed = election.next("PUT").await;
        assert_eq!(renewed.json()["metadata"]["resourceVersion"], version.to_string());
        assert_eq!(renewed.json()["spec"]["renewTime"], "2027-01-15T08:00:00.000000Z");
        renewed.reply(200, &lease("me", &(version + 1).to_string(), LONG_AGO));
    }
    assert!(election.leadership.is_leader());
    assert!(election.server.elapsed() < Duration::from_secs(10), "{:?}", election.server.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_lease_runs_out_by_our_clock_whatever_its_times_say() {
    for renewed in [LONG_AGO, NOT_YET] {
        let mut election = start();
        let first = election.next("GET").await;
        first.reply(200, &lease("other", "1", renewed));
        let seen = election.server.elapsed();
        let written = loop {
            let exchange = election.server.next().await;
            if exchange.method == "PUT" {
                break exchange;
            }
            exchange.reply(200, &lease("other", "1", renewed));
        };
        let waited = election.server.elapsed() - seen;
        assert!(waited >= Duration::from_secs(15) && waited < Duration::from_secs(20), "{waited:?}");
        assert_eq!(written.json()["spec"]["leaseTransitions"], 4);
        assert_eq!(written.json()["metadata"]["resourceVersion"], "1");
        assert!(!election.leadership.is_leader());
        written.reply(200, &lease("me", "2", LONG_AGO));
        assert!(election.leadership.gained().await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_is_never_taken() {
    let mut election = start();
    for version in 0..40 {
        let renewed = format!("2020-01-01T00:00:{:02}.000000Z", version % 60);
        election.next("GET").await.reply(200, &lease("other", "1", &renewed));
    }
    assert!(election.server.elapsed() > Duration::from_secs(60));
    assert!(!election.leadership.is_leader());
}

/// Claims a lease that is as `answers` say, one after the other, the last for ever; what is written, and what came of it.
async fn claim(take_over: bool, answers: &[Value]) -> (Option<Value>, Claim, Duration) {
    let (connection, mut server) = scripted::connection();
    let noon = || Timestamp::from_second(1_800_000_000).unwrap();
    let mut candidate = Candidate::new(&connection, "portcullis", "leader", "me", noon);
    let mut claimed = tokio::spawn(async move { candidate.claim(take_over).await.unwrap() });
    let (mut answers, mut written) = (answers.iter().peekable(), None);
    loop {
        let exchange = tokio::select! {
            exchange = server.next() => exchange,
            claimed = &mut claimed => return (written, claimed.unwrap(), server.elapsed()),
        };
        if exchange.method == "PUT" {
            written = Some(exchange.json());
            exchange.reply(200, &lease("me", "9", LONG_AGO));
            continue;
        }
        let answer = if answers.len() > 1 { answers.next() } else { answers.peek().copied() };
        exchange.reply(200, answer.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn who_must_be_alone_takes_a_lease_that_nobody_renews_and_leaves_one_that_is_renewed() {
    // Its own of an earlier run, and one that was given back: at once.
    for holder in ["me", ""] {
        let (written, claimed, waited) = claim(false, &[lease(holder, "1", NOT_YET)]).await;
        assert!(written.is_some() && claimed == Claim::Held && waited < Duration::from_secs(1), "{waited:?}");
    }
    // Of somebody who is gone: when it has run out.
    let (written, claimed, waited) = claim(false, &[lease("other", "1", NOT_YET)]).await;
    assert_eq!((written.unwrap()["spec"]["holderIdentity"].as_str(), claimed), (Some("me"), Claim::Held));
    assert!(waited >= Duration::from_secs(15) && waited < Duration::from_secs(20), "{waited:?}");
    // Of somebody who renews it: never, unless that is wanted.
    let renewed =
        [lease("other", "1", LONG_AGO), lease("other", "1", LONG_AGO), lease("other", "2", NOT_YET)];
    let (written, claimed, _) = claim(false, &renewed).await;
    assert_eq!((written, claimed), (None, Claim::HeldBy("other".to_owned())));
    let (written, claimed, waited) = claim(true, &renewed).await;
    assert!(written.is_some() && claimed == Claim::Held && waited < Duration::from_secs(1), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_within_the_deadline() {
    // The API server refuses, or does not answer at all.
    for answers in [true, false] {
        let mut election = start();
        election.win().await;
        let won = election.server.elapsed();
        let mut leadership = election.leadership.clone();
        let lost = tokio::spawn(async move {
            leadership.lost().await;
            Instant::now()
        });
        let mut silent = Vec::new();
        while !lost.is_finished() {
            let exchange = election.server.next().await;
            if answers {
                exchange.fail(500, "etcd is gone");
            } else {
                silent.push(exchange);
            }
        }
        lost.await.unwrap();
        let led = election.server.elapsed() - won;
        assert!(led < Duration::from_secs(15), "led for {led:?} without renewing");
        assert!(!election.leadership.is_leader());
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_finds_another_holder_steps_down() {
    let mut election = start();
    election.win().await;
    election.next("PUT").await.fail(409, "the object has been modified");
    assert!(election.leadership.is_leader(), "a conflict alone is no loss");
    election.next("GET").await.reply(200, &lease("other", "9", NOT_YET));
    election.leadership.lost().await;
    // It goes on as a candidate.
    election.next("GET").await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_given_back_is_taken_at_once() {
    let mut election = start();
    election.next("GET").await.reply(200, &lease("", "1", NOT_YET));
    let written = election.next("PUT").await;
    assert!(election.server.elapsed() < Duration::from_secs(1));
    written.reply(200, &lease("me", "2", NOT_YET));
    assert!(election.leadership.gained().await);
}

#[tokio::test(start_paused = true)]
async fn shutting_down_gives_the_lease_back() {
    let mut election = start();
    election.win().await;
    drop(election.shutdown.take());
    let released = election.next("PUT").await;
    assert!(!election.leadership.is_leader(), "stops leading before the lease is free");
    assert_eq!(released.json()["spec"]["holderIdentity"], "");
    assert_eq!(released.json()["metadata"]["resourceVersion"], "1");
    released.reply(200, &lease("", "2", LONG_AGO));
    (&mut election.task).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_being_renewed_is_given_back_as_it_is_then() {
    let mut election = start();
    election.win().await;
    let renewed = election.next("PUT").await;
    drop(election.shutdown.take());
    tokio::task::yield_now().await;
    renewed.reply(200, &lease("me", "2", LONG_AGO));
    let released = election.next("PUT").await;
    assert_eq!(released.json()["spec"]["holderIdentity"], "");
    assert_eq!(released.json()["metadata"]["resourceVersion"], "2");
    released.reply(200, &lease("", "3", LONG_AGO));
    (&mut election.task).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn shutting_down_does_not_wait_for_an_api_server_that_is_gone() {
    let mut election = start();
    election.win().await;
    let before = election.server.elapsed();
    drop(election.shutdown.take());
    let _silent = election.next("PUT").await;
    (&mut election.task).await.unwrap();
    assert!(election.server.elapsed() - before <= Duration::from_secs(5));
}
