//! What is written of a flood of notices, and what is not.

use serde_json::Value;

use super::*;
use crate::scripted::{self, Exchange, Scripted};

fn noon() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn start() -> (EventSender, Scripted) {
    let (connection, server) = scripted::connection();
    let (sender, writer) = events(&connection, "portcullis", "portcullis-0", noon);
    tokio::spawn(writer.run());
    (sender, server)
}

fn notice(name: &str, note: &str) -> Notice {
    let regarding = Regarding {
        api_version: "batch/v1".to_owned(),
        kind: "Job".to_owned(),
        namespace: "team".to_owned(),
        name: name.to_owned(),
        uid: String::new(),
    };
    Notice {
        regarding,
        related: None,
        warning: true,
        reason: "PolicyViolation".to_owned(),
        action: "Resource Passed".to_owned(),
        note: note.to_owned(),
    }
}

/// Answers a create as the API server does.
fn created(exchange: Exchange) -> Value {
    assert_eq!(exchange.method, "POST");
    let event = exchange.json();
    exchange.reply(201, &event);
    event
}

#[tokio::test(start_paused = true)]
async fn a_notice_becomes_an_event_beside_its_object() {
    let (sender, mut server) = start();
    sender.send(notice("pi", "no TTL"));
    let exchange = server.next().await;
    assert!(exchange.path.starts_with("/apis/events.k8s.io/v1/namespaces/team/events?"), "{}", exchange.path);
    let event = created(exchange);
    assert_eq!(event["regarding"]["name"], "pi");
    assert_eq!((&event["type"], &event["note"]), (&"Warning".into(), &"no TTL".into()));
    assert_eq!(event["eventTime"], "2027-01-15T08:00:00.000000Z");
    assert!(event["metadata"]["name"].as_str().unwrap().starts_with("pi."));
}

#[tokio::test(start_paused = true)]
async fn a_repeated_notice_is_counted_and_written_once_a_minute() {
    let (sender, mut server) = start();
    for _ in 0..50 {
        sender.send(notice("pi", "no TTL"));
    }
    let event = created(server.next().await);
    let counted = server.next().await;
    assert_eq!(counted.method, "PATCH");
    assert!(counted.path.contains(event["metadata"]["name"].as_str().unwrap()), "{}", counted.path);
    assert_eq!(counted.json()["series"]["count"], 50);
    let elapsed = server.elapsed();
    assert!(elapsed >= FLUSH && elapsed < FLUSH * 2, "{elapsed:?}");
    counted.reply(200, &event);
    assert!(server.quiet_for(FLUSH * 3).await, "nothing new, nothing written");
    assert_eq!(
        (sender.counts().written(), sender.counts().repeated(), sender.counts().dropped()),
        (1, 49, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_count_whose_event_has_expired_makes_room_for_a_new_one() {
    let (sender, mut server) = start();
    sender.send(notice("pi", "no TTL"));
    sender.send(notice("pi", "no TTL"));
    created(server.next().await);
    server.next().await.fail(404, "events expire after an hour");
    assert!(server.quiet_for(Duration::from_secs(1)).await);
    sender.send(notice("pi", "no TTL"));
    created(server.next().await);
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_limited_and_what_is_dropped_is_counted() {
    let (sender, mut server) = start();
    for i in 0..QUEUE + 500 {
        sender.send(notice(&format!("pi-{i}"), "no TTL"));
    }
    assert_eq!(sender.counts().dropped(), 500, "the queue holds no more, and nobody waits");
    for _ in 0..BURST {
        created(server.next().await);
    }
    assert!(server.quiet_for(Duration::from_secs(1)).await);
    assert_eq!(sender.counts().dropped(), 500 + u64::try_from(QUEUE).unwrap() - u64::from(BURST));
    sender.send(notice("later", "no TTL"));
    created(server.next().await);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_costs_events_and_nothing_else() {
    let (sender, mut server) = start();
    sender.send(notice("pi", "no TTL"));
    server.next().await.break_off(std::io::ErrorKind::ConnectionRefused);
    sender.send(notice("rho", "no TTL"));
    created(server.next().await);
    assert!(server.quiet_for(FLUSH * 2).await);
    assert_eq!((sender.counts().written(), sender.counts().dropped()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_counts_are_written_when_the_senders_are_gone() {
    let (sender, mut server) = start();
    sender.send(notice("pi", "no TTL"));
    sender.send(notice("pi", "no TTL"));
    drop(sender);
    created(server.next().await);
    assert_eq!(server.next().await.json()["series"]["count"], 2);
    assert!(server.elapsed() < FLUSH);
}

#[test]
fn texts_are_cut_between_characters_and_lose_control_characters() {
    assert_eq!(cut("a\u{1b}[31mb\nc", 100), "a[31mb\nc");
    assert_eq!(cut("ääää", 7), "ää...");
    assert_eq!(cut("ääää", 8), "ääää");
    assert!(cut(&"x".repeat(5000), LONGEST_NOTE).len() <= LONGEST_NOTE);
}

#[test]
fn the_name_of_an_event_is_a_dns_name() {
    for name in ["pi", "system:node", "-Up.Per-", "", "ä"] {
        let name = event_name(name, noon());
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        assert!(name.chars().all(allowed) && !name.starts_with(['-', '.']) && !name.contains("-."), "{name}");
    }
}
