//! What a watch makes of an API server that misbehaves.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::Connection;
use crate::index::{Keeper, Kept, KeptIndex, Namespace, NamespaceIndex, Namespaces, Published, Read, fields};
use crate::readiness::Readiness;
use crate::scripted::{self, Scripted, namespace, page};

const NAMESPACES: Source = Source {
    name: "namespaces",
    resource: "namespaces",
    path: "/api/v1/namespaces",
    metadata_only: true,
    page: 2,
    is_needed: true,
};

/// A watch of namespaces and the API server it asks.
pub(super) struct Watched {
    pub(super) server: Scripted,
    pub(super) namespaces: Arc<Published<Namespaces>>,
    readiness: Readiness,
    states: WatchStates,
    kinds: watch::Sender<()>,
    task: JoinHandle<Infallible>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn start() -> Watched {
    let (connection, server) = scripted::connection();
    let namespaces = Published::new(Namespaces::default());
    let (readiness, states, kinds) = (Readiness::default(), WatchStates::default(), watch::Sender::new(()));
    let index = NamespaceIndex::new("portcullis", namespaces.clone());
    let pending = Some(readiness.wait_for("namespaces"));
    let watch = Watch { states: states.clone(), pending, ..watch_of(&connection, index, &kinds) };
    let task = tokio::spawn(watch.run());
    Watched { server, namespaces, readiness, states, kinds, task }
}

fn watch_of<I: Index>(connection: &Connection, index: I, kinds: &watch::Sender<()>) -> Watch<I> {
    Watch {
        reader: Reader::background(connection),
        source: NAMESPACES,
        path: NAMESPACES.path.into(),
        page: NAMESPACES.page,
        selector: String::new(),
        index,
        states: WatchStates::default(),
        pending: None,
        kinds: kinds.subscribe(),
    }
}

impl Watched {
    /// `name=team` of every namespace known.
    fn known(&self, names: &[&str]) -> String {
        let namespaces = self.namespaces.load();
        let team = |name: &&str| {
            let labels = namespaces.labels(name)?;
            Some(format!("{name}={}", labels.iter().map(|(_, team)| team.as_ref()).collect::<String>()))
        };
        let known: Vec<String> = names.iter().filter_map(team).collect();
        assert_eq!(known.len(), namespaces.len(), "there are others: {namespaces:?}");
        known.join(" ")
    }

    fn state(&self) -> WatchState {
        self.states.all().get("namespaces").cloned().unwrap_or(WatchState::Starting)
    }

    /// Answers the first list with `a` and the watch that follows with a stream.
    async fn settle(&mut self) -> scripted::Stream {
        let items = [namespace("a", 5, "red")];
        self.server.expect("limit=2").await.reply(200, &page(10, "", &items));
        self.server.expect("watch=true").await.stream()
    }

    /// Until the watch has asked for something else than it was told, it may still read what it was told.
    async fn changed(&mut self, changes: &mut watch::Receiver<()>) {
        tokio::time::timeout(Duration::from_secs(1), changes.changed())
            .await
            .expect("a new snapshot")
            .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_many_pages_is_published_once_and_whole() {
    let mut watched = start();
    let first = [namespace("a", 1, "red"), namespace("b", 2, "blue")];
    watched.server.expect("/api/v1/namespaces?limit=2").await.reply(200, &page(10, "to/ken=", &first));
    let second = watched.server.expect("continue=to%2Fken%3D").await;
    assert_eq!(watched.known(&[]), "", "half a list is no list");
    assert!(!watched.readiness.is_ready());
    second.reply(200, &page(10, "", &[namespace("c", 3, "green")]));
    watched.server.expect("resourceVersion=10&").await;
    assert_eq!(watched.known(&["a", "b", "c"]), "a=red b=blue c=green");
    assert!(watched.readiness.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_restarts_the_walk_and_the_old_list_stays() {
    for code in [500, 503, 410, 403] {
        let mut watched = start();
        let stream = watched.settle().await;
        stream.event("ERROR", &scripted::failure(410, "too old resource version"));
        watched.server.expect("limit=2").await.reply(200, &page(20, "next", &[namespace("b", 12, "blue")]));
        watched.server.expect("continue=next").await.fail(code, "etcd has fallen over");
        // The next walk begins with its first page.
        let walk = watched.server.expect("limit=2").await;
        assert!(!walk.path.contains("continue"), "{}", walk.path);
        assert_eq!(watched.known(&["a"]), "a=red", "after {code}");
        assert!(matches!(watched.state(), WatchState::Failing(_)), "{:?}", watched.state());
        walk.reply(200, &page(21, "", &[namespace("c", 21, "green")]));
        watched.server.expect("resourceVersion=21&").await;
        assert_eq!(watched.known(&["c"]), "c=green");
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_too_old_lists_anew_wherever_it_is_said() {
    for in_stream in [false, true] {
        let mut watched = start();
        let stream = watched.settle().await;
        drop(stream);
        let connect = watched.server.expect("resourceVersion=10&").await;
        if in_stream {
            connect.stream().event("ERROR", &scripted::failure(410, "too old resource version: 10 (99)"));
        } else {
            connect.fail(410, "too old resource version");
        }
        let list = watched.server.expect("limit=2").await;
        assert_eq!(watched.known(&["a"]), "a=red", "served from memory meanwhile");
        list.reply(200, &page(99, "", &[namespace("b", 98, "blue")]));
        watched.server.expect("resourceVersion=99&").await;
        assert_eq!(watched.known(&["b"]), "b=blue", "what is gone is gone");
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_applied_in_order_and_a_repeated_one_once() {
    let mut watched = start();
    let mut changes = watched.namespaces.subscribe();
    let stream = watched.settle().await;
    watched.changed(&mut changes).await;
    stream.event("ADDED", &namespace("b", 11, "blue"));
    stream.event("MODIFIED", &namespace("a", 12, "green"));
    stream.event("MODIFIED", &namespace("a", 12, "green"));
    stream.event("DELETED", &namespace("b", 13, "blue"));
    stream.event("BOOKMARK", &json!({"metadata": {"resourceVersion": "40"}}));
    drop(stream);
    watched.server.expect("resourceVersion=40&").await;
    assert_eq!(watched.known(&["a"]), "a=green");
    assert_eq!(watched.state(), WatchState::Live);
}

/// Keeps nothing of any object.
struct Nothing;

impl Keeper for Nothing {
    type Kept = ();

    fn read(&self, text: &str) -> Result<Read<()>, String> {
        let Identified { metadata } = fields(text)?;
        Ok(Read { uid: metadata.name.into(), kept: None })
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_is_counted_each_once() {
    let (connection, mut server) = scripted::connection();
    let (kept, kinds) = (Arc::new(Kept::default()), watch::Sender::new(()));
    let task = tokio::spawn(watch_of(&connection, KeptIndex::new(Nothing, kept.clone()), &kinds).run());
    let items = [namespace("a", 5, "red"), namespace("b", 6, "red")];
    server.expect("limit=2").await.reply(200, &page(10, "", &items));
    let stream = server.expect("watch=true").await.stream();
    for (kind, name, version) in [
        ("ADDED", "c", 11),
        ("ADDED", "c", 11),
        ("MODIFIED", "a", 12),
        ("DELETED", "b", 13),
        ("ADDED", "d", 14),
    ] {
        stream.event(kind, &namespace(name, version, "blue"));
    }
    stream.event("BOOKMARK", &json!({"metadata": {"resourceVersion": "40"}}));
    drop(stream);
    server.expect("resourceVersion=40&").await;
    assert_eq!(kept.total(), 3);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn events_that_go_back_in_time_are_not_believed() {
    let mut watched = start();
    let stream = watched.settle().await;
    stream.event("DELETED", &namespace("a", 15, "red"));
    stream.event("MODIFIED", &namespace("a", 14, "late"));
    let list = watched.server.expect("limit=2").await;
    assert_eq!(watched.known(&[]), "", "the deleted namespace did not come back");
    list.reply(200, &page(20, "", &[namespace("b", 16, "blue")]));
    watched.server.expect("resourceVersion=20&").await;
    assert_eq!(watched.known(&["b"]), "b=blue");
}

#[tokio::test(start_paused = true)]
async fn an_event_in_pieces_is_put_together() {
    let mut watched = start();
    let mut changes = watched.namespaces.subscribe();
    let stream = watched.settle().await;
    watched.changed(&mut changes).await;
    let event = json!({"type": "ADDED", "object": namespace("b", 11, "blue")}).to_string();
    let (head, tail) = event.split_at(event.len() / 2);
    stream.text(head);
    stream.text(&format!("{tail}\n{{\"type\":\"ADD"));
    watched.changed(&mut changes).await;
    assert_eq!(watched.known(&["a", "b"]), "a=red b=blue");
    // A line without an end is no event.
    drop(stream);
    watched.server.expect("resourceVersion=11&").await;
}

#[tokio::test(start_paused = true)]
async fn garbage_in_a_watch_lists_anew() {
    for garbage in [
        "<html>\n",
        "{\"type\":\"ADDED\"}\n",
        "{\"type\":\"MOVED\",\"object\":{\"metadata\":{\"resourceVersion\":\"11\"}}}\n",
    ] {
        let mut watched = start();
        let stream = watched.settle().await;
        stream.text(garbage);
        watched.server.expect("limit=2").await;
        assert_eq!(watched.known(&["a"]), "a=red");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_goes_on_from_the_last_version() {
    let mut watched = start();
    let stream = watched.settle().await;
    stream.event("ADDED", &namespace("b", 11, "blue"));
    stream.break_off();
    watched.server.expect("resourceVersion=11&").await.break_off(std::io::ErrorKind::ConnectionRefused);
    let again = watched.server.expect("resourceVersion=11&").await;
    let WatchState::Failing(why) = watched.state() else { panic!("{:?}", watched.state()) };
    assert_eq!(why, "cannot reach the API server at `https://scripted:6443`: connection refused");
    assert_eq!(watched.known(&["a", "b"]), "a=red b=blue");
    let stream = again.stream();
    stream.event("DELETED", &namespace("a", 12, "red"));
    drop(stream);
    watched.server.expect("resourceVersion=12&").await;
    assert_eq!(watched.known(&["b"]), "b=blue");
    assert!(watched.readiness.is_ready(), "readiness does not come back");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_down_is_asked_at_most_every_thirty_seconds() {
    let mut watched = start();
    let mut last = Duration::ZERO;
    for attempt in 0..12 {
        watched.server.expect("limit=2").await.fail(503, "starting");
        let delay = watched.server.elapsed() - last;
        last = watched.server.elapsed();
        assert!(delay <= Duration::from_secs(31), "attempt {attempt} after {delay:?}");
        assert!(attempt < 8 || delay >= Duration::from_secs(15), "attempt {attempt} after {delay:?}");
    }
    assert!(!watched.readiness.is_ready());
    watched.server.expect("limit=2").await.reply(200, &page(3, "", &[]));
    watched.server.expect("watch=true").await;
    assert!(watched.readiness.is_ready());
}

#[tokio::test(start_paused = true)]
async fn what_is_forbidden_says_verb_and_resource() {
    let mut watched = start();
    let refused = "namespaces is forbidden: User \"u\" cannot list resource \"namespaces\"";
    watched.server.expect("limit=2").await.fail(403, refused);
    watched.server.expect("limit=2").await;
    let WatchState::Failing(why) = watched.state() else { panic!("{:?}", watched.state()) };
    assert_eq!(why, format!("not allowed to list `namespaces`: {refused}"));
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_there_is_empty_and_comes_back_when_it_is_defined() {
    let mut watched = start();
    drop(watched.settle().await);
    watched.server.expect("watch=true").await.fail(404, "the server could not find the requested resource");
    watched.server.expect("limit=2").await.fail(404, "the server could not find the requested resource");
    let mut waited = Duration::ZERO;
    for _ in 0..8 {
        let before = watched.server.elapsed();
        watched.server.expect("limit=2").await.fail(404, "still not there");
        waited = watched.server.elapsed() - before;
    }
    assert_eq!(watched.state(), WatchState::Absent);
    assert_eq!(watched.known(&[]), "", "the feature is off");
    assert!(waited >= Duration::from_secs(15), "no crash loop: {waited:?}");
    // The watch waits for half a minute; the definition wakes it.
    assert!(watched.server.quiet_for(Duration::from_secs(1)).await);
    let before = watched.server.elapsed();
    watched.kinds.send_replace(());
    watched.server.expect("limit=2").await.reply(200, &page(50, "", &[namespace("a", 49, "red")]));
    assert!(watched.server.elapsed() - before <= Duration::from_secs(1));
    watched.server.expect("resourceVersion=50&").await;
    assert_eq!(watched.known(&["a"]), "a=red");
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_which_nothing_is_heard_is_given_up_and_one_that_sends_bookmarks_is_not() {
    let mut watched = start();
    let stream = watched.settle().await;
    for version in 11..16 {
        assert!(watched.server.quiet_for(Duration::from_secs(60)).await);
        stream.event("BOOKMARK", &json!({"metadata": {"resourceVersion": version.to_string()}}));
    }
    let before = watched.server.elapsed();
    watched.server.expect("resourceVersion=15&").await;
    assert_eq!((watched.server.elapsed() - before).as_secs(), SILENCE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_too_long_is_asked_for_in_smaller_ones() {
    let mut watched = start();
    let huge =
        json!({"metadata": {"name": "huge", "resourceVersion": "1"}, "spec": "x".repeat(LONGEST_PAGE)});
    watched.server.expect("limit=2").await.reply(200, &page(10, "", &[huge]));
    watched.server.expect("limit=1").await.reply(200, &page(10, "", &[namespace("a", 5, "red")]));
    watched.server.expect("resourceVersion=10&").await;
    assert_eq!(watched.known(&["a"]), "a=red");
}

#[tokio::test(start_paused = true)]
async fn watches_that_end_at_once_are_not_opened_in_a_tight_loop() {
    let mut watched = start();
    drop(watched.settle().await);
    for _ in 0..10 {
        drop(watched.server.expect("watch=true").await.stream());
    }
    assert!(watched.server.elapsed() > Duration::from_secs(60), "{:?}", watched.server.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_busy_api_server_is_asked_again_when_it_said() {
    let mut watched = start();
    let busy = scripted::failure(429, "too many requests");
    watched.server.expect("limit=2").await.reply_with(429, &[("retry-after", "7")], &busy);
    watched.server.expect("limit=2").await.reply(429, &busy);
    let waited = watched.server.elapsed();
    assert!(waited >= Duration::from_secs(7) && waited < Duration::from_secs(8), "{waited:?}");
    watched.server.expect("limit=2").await.reply(200, &page(3, "", &[]));
    let waited = watched.server.elapsed() - waited;
    assert!(waited >= Duration::from_millis(500) && waited <= Duration::from_secs(2), "{waited:?}");
    watched.server.expect("watch=true").await;
    assert!(watched.readiness.is_ready());
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_is_left_out_and_the_others_are_there() {
    let mut watched = start();
    let odd = json!({"metadata": {"name": "odd", "resourceVersion": "4", "labels": {"team": 7}}});
    watched.server.expect("limit=2").await.reply(200, &page(10, "", &[odd, namespace("a", 5, "red")]));
    watched.server.expect("watch=true").await;
    assert_eq!(watched.known(&["a"]), "a=red");
}

#[test]
fn tokens_are_encoded_for_the_query() {
    assert_eq!(encoded("a-b_c.d~0/+=&%ä"), "a-b_c.d~0%2F%2B%3D%26%25%C3%A4");
}

#[test]
fn an_index_takes_its_objects_from_what_is_sent() {
    let namespace: Namespace = serde_json::from_value(namespace("a", 1, "red")).unwrap();
    assert_eq!(namespace.into_labels().as_ref(), [("team".into(), "red".into())]);
}
