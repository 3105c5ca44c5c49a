//! Whatever an API server does in between, the index ends up with what the server holds.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::tests::{Watched, start};
use crate::scripted::{Exchange, Stream, failure, namespace, page};

/// What happens at the server.
#[derive(Clone, Debug)]
enum Step {
    Apply {
        name: u8,
        team: u8,
    },
    Delete {
        name: u8,
    },
    /// The next event never reaches the watch: the connection breaks before it.
    BreakBeforeNext,
    /// The next event is sent twice.
    RepeatNext,
    /// The next event is sent after the one that follows it.
    SwapNext,
    /// Everything up to now is forgotten; open watches hear of it.
    Compact,
    /// Everything up to now is forgotten, and open watches break.
    CompactAndBreak,
    Break,
    Bookmark,
    /// The next answers are failures with this status.
    Fail {
        code: u16,
        times: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6_u8, 0..3_u8).prop_map(|(name, team)| Step::Apply { name, team }),
        3 => (0..6_u8).prop_map(|name| Step::Delete { name }),
        1 => Just(Step::BreakBeforeNext),
        1 => Just(Step::RepeatNext),
        1 => Just(Step::SwapNext),
        1 => Just(Step::Compact),
        1 => Just(Step::CompactAndBreak),
        1 => Just(Step::Break),
        1 => Just(Step::Bookmark),
        1 => (prop_oneof![Just(410_u16), Just(429), Just(500), Just(503), Just(403)], 1..4_u8)
            .prop_map(|(code, times)| Step::Fail { code, times }),
    ]
}

/// An API server of one kind.
#[derive(Default)]
struct Server {
    version: u64,
    objects: BTreeMap<String, (String, u64)>,
    log: Vec<(u64, &'static str, Value)>,
    forgotten: u64,
    watch: Option<Stream>,
    /// What tokens of lists stand for.
    walks: BTreeMap<u64, Vec<Value>>,
    failures: Vec<u16>,
    mangle: Option<Step>,
    held_back: Option<(&'static str, Value)>,
}

impl Server {
    fn perform(&mut self, step: &Step) {
        match step {
            Step::Apply { name, team } => {
                let (name, team) = (format!("n{name}"), format!("t{team}"));
                self.version += 1;
                let kind = if self.objects.contains_key(&name) { "MODIFIED" } else { "ADDED" };
                let object = namespace(&name, self.version, &team);
                self.objects.insert(name, (team, self.version));
                self.happened(kind, object);
            }
            Step::Delete { name } => {
                let name = format!("n{name}");
                if let Some((team, _)) = self.objects.remove(&name) {
                    self.version += 1;
                    self.happened("DELETED", namespace(&name, self.version, &team));
                }
            }
            Step::BreakBeforeNext | Step::RepeatNext | Step::SwapNext => self.mangle = Some(step.clone()),
            Step::Compact => {
                self.forget();
                if let Some(watch) = self.watch.take() {
                    watch.event("ERROR", &failure(410, "too old resource version"));
                }
            }
            Step::CompactAndBreak => {
                self.forget();
                self.watch = None;
            }
            Step::Break => {
                if let Some(watch) = self.watch.take() {
                    watch.break_off();
                }
            }
            Step::Bookmark => {
                let bookmark = serde_json::json!({"metadata": {"resourceVersion": self.version.to_string()}});
                // A bookmark says that everything before it was sent.
                if let (Some(watch), None) = (&self.watch, &self.held_back) {
                    watch.event("BOOKMARK", &bookmark);
                }
            }
            Step::Fail { code, times } => {
                self.failures = std::iter::repeat_n(*code, usize::from(*times)).collect();
                self.watch = None;
            }
        }
    }

    fn forget(&mut self) {
        self.forgotten = self.version;
        self.walks.clear();
    }

    fn happened(&mut self, kind: &'static str, object: Value) {
        self.log.push((self.version, kind, object.clone()));
        if matches!(self.mangle, Some(Step::BreakBeforeNext)) {
            self.mangle = None;
            self.watch = None;
        }
        if self.watch.is_none() {
            self.held_back = None;
            return;
        }
        if matches!(self.mangle, Some(Step::SwapNext)) {
            self.mangle = None;
            self.held_back = Some((kind, object));
            return;
        }
        let Some(watch) = &self.watch else { return };
        watch.event(kind, &object);
        if matches!(self.mangle.take(), Some(Step::RepeatNext)) {
            watch.event(kind, &object);
        }
        if let Some((kind, object)) = self.held_back.take() {
            watch.event(kind, &object);
        }
    }

    fn answer(&mut self, exchange: Exchange) {
        if let Some(code) = self.failures.pop() {
            return exchange.fail(code, "told to fail");
        }
        match parameter(&exchange.path, "resourceVersion") {
            Some(version) => self.answer_watch(exchange, version),
            None => self.answer_list(exchange),
        }
    }

    fn answer_watch(&mut self, exchange: Exchange, from: u64) {
        if from < self.forgotten {
            return exchange.fail(410, "too old resource version");
        }
        let watch = exchange.stream();
        for (_, kind, object) in self.log.iter().filter(|(version, ..)| *version > from) {
            watch.event(kind, object);
        }
        self.held_back = None;
        self.watch = Some(watch);
    }

    fn answer_list(&mut self, exchange: Exchange) {
        let (version, start) = match parameter(&exchange.path, "continue") {
            // A token is the version of the walk and where it goes on.
            Some(token) => (token / 100, usize::try_from(token % 100).unwrap()),
            None => {
                let object =
                    |(name, (team, version)): (&String, &(String, u64))| namespace(name, *version, team);
                self.walks.insert(self.version, self.objects.iter().map(object).collect());
                (self.version, 0)
            }
        };
        let Some(objects) = self.walks.get(&version) else {
            return exchange.fail(410, "the provided continue parameter is too old");
        };
        let end = (start + 2).min(objects.len());
        let token =
            if end < objects.len() { (version * 100 + end as u64).to_string() } else { String::new() };
        exchange.reply(200, &page(version, &token, &objects[start..end]));
    }
}

fn parameter(path: &str, name: &str) -> Option<u64> {
    path.split(['?', '&']).find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?.parse().ok()
}

/// Answers until the client has nothing more to ask.
async fn settle(server: &mut Server, watched: &mut Watched) {
    // Longer than any delay, shorter than a watch.
    while let Ok(exchange) = tokio::time::timeout(Duration::from_secs(40), watched.server.next()).await {
        server.answer(exchange);
    }
}

async fn run(steps: Vec<(Step, bool)>) {
    let (mut server, mut watched) = (Server { version: 1, ..Server::default() }, start());
    for (step, settles) in steps {
        server.perform(&step);
        if settles {
            settle(&mut server, &mut watched).await;
        }
    }
    // What was held back is sent by a server that comes to itself.
    server.watch = None;
    settle(&mut server, &mut watched).await;
    let namespaces = watched.namespaces.load();
    assert_eq!(namespaces.len(), server.objects.len(), "{namespaces:?}");
    for (name, (team, _)) in &server.objects {
        assert_eq!(namespaces.labels(name).unwrap()[0].1.as_ref(), team, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_ends_up_with_what_the_server_holds(
        steps in prop::collection::vec((step(), any::<bool>()), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(steps));
    }
}
