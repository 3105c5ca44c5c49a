//! An undo held to its promises by a model: an API server that fails, is late, and that others write to, and a process that is
//! killed between any two requests.

mod world;

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

use portcullis_cluster::Connection;
use portcullis_retention::{Header, Journal, Mode, Plan};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::sync::Notify;

use self::world::{Item, Taken, World};
use super::restore::Restorer;
use super::{Tally, may_be_gone, take_back};
use crate::jobs::backup::Backup;
use crate::jobs::progress::Progress;
use crate::surroundings::Stream;

/// What is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Whose TTL is taken away is not said.
    UidNotSent,
    /// Nor what the Job was when it was looked at.
    VersionNotSent,
    /// Whether an undo has created the Job is not looked at.
    OthersTakenForOurs,
    /// An answer that was lost is taken for a good one.
    LostTakenForDone,
    /// A trial is no trial.
    NotTriedOut,
}

/// The folder that a sweep has left.
struct Swept {
    backup: Backup,
    journal: Journal,
    _folder: TempDir,
}

impl Swept {
    fn new(mode: Mode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut backup = Backup::open(folder.path()).unwrap();
        let mut tombstones = backup.keep().unwrap();
        let plan = Plan::new(mode, Default::default(), Default::default()).computed_digest();
        backup.begin(Header { at: 0, cluster: "c".to_owned(), mode, plan }).unwrap();
        for Item { name, uid, fate } in Item::all() {
            let manifest = serde_json::json!({
                "metadata": {"namespace": "team", "name": name, "uid": uid}, "spec": {"template": {}}
            });
            tombstones.add(&manifest.to_string()).unwrap();
            let line = serde_json::json!({
                "at": "2026-09-25T09:00:01Z", "fate": fate, "name": name, "namespace": "team", "uid": uid
            });
            backup.append(&format!("{line}\n"), false).unwrap();
        }
        tombstones.finish().unwrap();
        drop(backup);
        let (backup, journal) = Backup::of_sweep(folder.path()).unwrap();
        Self { backup, journal, _folder: folder }
    }

    /// Undoes it until nothing bad happens any more; gives what went wrong.
    fn undone(&self, script: Vec<u8>, fault: Fault) -> Vec<String> {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = Arc::new(Mutex::new(World::new(self.journal.header.mode, script, fault)));
            // Each run takes some of the script.
            for _ in 0..2_000 {
                let is_last = world.lock().unwrap().begin();
                let tally = self.run(&world).await;
                let mut world = world.lock().unwrap();
                world.end(tally.as_ref(), is_last);
                if is_last {
                    return std::mem::take(&mut world.wrongs);
                }
            }
            vec!["it does not come to an end".to_owned()]
        })
    }

    /// One process, to its end or until it is killed.
    async fn run(&self, world: &Arc<Mutex<World>>) -> Option<Tally> {
        let killed = Arc::new(Notify::new());
        let run = world.lock().unwrap().run;
        let connection = connection(world.clone(), killed.clone());
        let touched: BTreeSet<&str> =
            self.journal.entries().filter(|(_, entry)| may_be_gone(entry)).map(|(uid, _)| uid).collect();
        let mut stderr = Stream::plain(io::sink());
        let restorer = Restorer::new(&connection, 1_000, run);
        let undo = take_back(restorer, &self.backup, &self.journal, &touched, Progress::on(&mut stderr));
        tokio::select! {
            tally = undo => Some(tally.unwrap()),
            () = killed.notified() => None,
        }
    }
}

/// A connection to `world`.
fn connection(world: Arc<Mutex<World>>, killed: Arc<Notify>) -> Connection {
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let (world, killed) = (world.clone(), killed.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await.map_err(io::Error::other)?;
            let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
            let taken = world.lock().unwrap().take(&parts.method, &path, &body);
            let (code, document) = match taken {
                Taken::Reply(code, document) => (code, document),
                Taken::Broken => return Err(io::Error::other("the connection broke")),
                Taken::Killed => {
                    killed.notify_one();
                    return std::future::pending().await;
                }
            };
            let mut response = http::Response::builder().status(code);
            if code == 429 {
                response = response.header("retry-after", "7");
            }
            let body = kube::client::Body::from(document.to_string().into_bytes());
            response.body(body).map_err(io::Error::other)
        }
    });
    Connection::over(&kube::Client::new(service, "default"), "https://model:6443")
}

/// What happens: bytes that are taken for decisions, and when they are at their end nothing bad happens any more.
fn scripts() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..400)
}

/// So many scripts are tried.
const CASES: u32 = 100;

/// What goes wrong with an undo that is broken so, of a sweep of `mode`: nothing, or the first of it that holds `words`.
fn says(mode: Mode, fault: Fault, words: &str) -> Result<(), String> {
    let swept = Swept::new(mode);
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let config = Config { max_shrink_iters: 0, failure_persistence: None, ..Config::with_cases(CASES) };
    let outcome = TestRunner::new_with_rng(config, random).run(&scripts(), |script| {
        let wrongs = swept.undone(script, fault);
        prop_assert!(!wrongs.iter().any(|wrong| wrong.contains(words)), "{}", wrongs.join("; "));
        Ok(())
    });
    outcome.map_err(|error| error.to_string())
}

#[test]
fn whatever_happens_all_of_it_comes_back_and_nothing_else_is_touched() {
    for mode in [Mode::Delete, Mode::Ttl] {
        assert_eq!(says(mode, Fault::None, ""), Ok(()), "{mode:?}");
    }
}

#[track_caller]
fn finds(mode: Mode, fault: Fault, words: &str) {
    assert!(says(mode, fault, words).is_err(), "{mode:?}: no script in which a Job {words}");
}

#[test]
fn the_model_finds_out_that_it_is_not_said_whose_ttl_is_taken_away() {
    finds(Mode::Ttl, Fault::UidNotSent, "is not the one that was given a TTL");
}

#[test]
fn the_model_finds_out_that_a_job_is_unsuspended_that_has_changed() {
    finds(Mode::Delete, Fault::VersionNotSent, "has changed since it was looked at");
}

#[test]
fn the_model_finds_out_that_the_job_of_somebody_else_is_unsuspended() {
    finds(Mode::Delete, Fault::OthersTakenForOurs, "was not created by an undo");
    finds(Mode::Ttl, Fault::OthersTakenForOurs, "was not created by an undo");
}

#[test]
fn the_model_finds_out_that_the_ttl_of_a_policy_is_not_looked_for() {
    finds(Mode::Ttl, Fault::NotTriedOut, "goes by the TTL of a policy");
}

#[test]
fn the_model_finds_out_that_a_lost_answer_is_taken_for_a_good_one() {
    finds(Mode::Delete, Fault::LostTakenForDone, "are said to be created");
    finds(Mode::Ttl, Fault::LostTakenForDone, "are said to be created");
}
