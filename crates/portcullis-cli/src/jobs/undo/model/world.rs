//! The API server of the model, and what others do there; both are ruled by a script.

use std::collections::BTreeMap;

use http::Method;
use portcullis_retention::retention::NEVER;
use portcullis_retention::{FIELD_MANAGER, Mode, RESTORED_FROM};
use serde_json::{Value, json};

use super::Fault;
use crate::jobs::undo::Tally;

/// How many Jobs the sweep was about: each fate twice.
const ITEMS: usize = 14;

/// A Job of the sweep.
pub(super) struct Item {
    pub(super) name: String,
    pub(super) uid: String,
    /// What the journal says last.
    pub(super) fate: &'static str,
}

impl Item {
    pub(super) fn all() -> impl Iterator<Item = Item> {
        const FATES: [&str; 7] =
            ["done", "presumed", "intended", "unknown", "skipped", "refused", "withdrawn"];
        FATES.into_iter().cycle().take(ITEMS).enumerate().map(|(number, fate)| Item {
            name: format!("job-{number}"),
            uid: format!("old-{number}"),
            fate,
        })
    }

    /// Whether the sweep may have touched it.
    fn is_touched(&self) -> bool {
        ["done", "presumed", "intended", "unknown"].contains(&self.fate)
    }
}

/// A Job that is there.
#[derive(Clone, Debug)]
struct Stored {
    uid: String,
    version: u64,
    suspended: bool,
    /// It is being deleted, and stays until its Pods are gone.
    is_going: bool,
    has_our_ttl: bool,
    /// The one of ours that is never over.
    is_kept: bool,
    has_other_ttl: bool,
    restored_from: Option<String>,
}

/// A request.
#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    path: String,
    body: Value,
    /// Whether who sent it wants Jobs to run.
    run: bool,
}

/// What comes of a request.
pub(super) enum Taken {
    Reply(u16, Value),
    /// The connection breaks.
    Broken,
    /// The process that asked is killed.
    Killed,
}

pub(super) struct World {
    mode: Mode,
    script: std::vec::IntoIter<u8>,
    fault: Fault,
    jobs: BTreeMap<String, Stored>,
    uids: u64,
    /// What is carried out some time later.
    late: Vec<Asked>,
    /// The version at which each Job was shown last.
    shown: BTreeMap<String, u64>,
    /// Whether the process that runs wants Jobs to run.
    pub(super) run: bool,
    /// Whether a policy adds a TTL to each Job without one that is written to.
    has_policy: bool,
    /// How many Jobs it was told to have created.
    told_created: u64,
    pub(super) wrongs: Vec<String>,
}

impl World {
    pub(super) fn new(mode: Mode, script: Vec<u8>, fault: Fault) -> Self {
        let mut world = Self {
            mode,
            script: script.into_iter(),
            fault,
            jobs: BTreeMap::new(),
            uids: 0,
            late: Vec::new(),
            shown: BTreeMap::new(),
            run: false,
            has_policy: false,
            told_created: 0,
            wrongs: Vec::new(),
        };
        world.has_policy = mode == Mode::Ttl && world.chance() % 2 == 1;
        for (number, Item { name, uid, fate }) in Item::all().enumerate() {
            let was_answered = ["done", "presumed"].contains(&fate);
            // What was to be deleted and is not known of may still be there; a TTL may be over.
            let is_gone = match mode {
                Mode::Delete => was_answered || fate == "intended",
                Mode::Ttl => number >= ITEMS / 2 && was_answered,
            };
            let has_our_ttl = mode == Mode::Ttl && (was_answered || fate == "unknown");
            if !is_gone {
                world.jobs.insert(name, Stored { has_our_ttl, ..plain(uid) });
            }
        }
        world
    }

    fn chance(&mut self) -> u8 {
        self.script.next().unwrap_or_default()
    }

    /// A process starts; whether nothing bad happens to it.
    pub(super) fn begin(&mut self) -> bool {
        self.run = self.chance() % 2 == 1;
        self.told_created = 0;
        let is_last = self.script.len() == 0;
        if is_last {
            for asked in std::mem::take(&mut self.late) {
                self.execute(&asked);
            }
        }
        is_last
    }

    /// The process has come to its end, and says so, or was killed.
    pub(super) fn end(&mut self, tally: Option<&Tally>, is_last: bool) {
        let Some(tally) = tally else { return };
        if tally.restored != self.told_created {
            let (said, created) = (tally.restored, self.told_created);
            self.wrongs.push(format!("{said} Jobs are said to be created, and {created} were"));
        }
        if is_last {
            self.judge(tally);
        }
    }

    /// Whether all has come back that could, where nothing bad happened.
    fn judge(&mut self, tally: &Tally) {
        let touched: Vec<Item> = Item::all().filter(Item::is_touched).collect();
        let mut left = 0;
        for Item { name, uid, .. } in &touched {
            let is_taken = tally.names_taken.contains(&format!("team/{name}"));
            let wrong = match self.jobs.get(name) {
                None => Some("is not there again"),
                Some(job) if job.uid == *uid => {
                    left += usize::from(job.is_going || self.mode == Mode::Ttl && job.has_other_ttl);
                    (job.has_our_ttl && !job.is_going).then_some("still has the TTL")
                }
                Some(job) if job.restored_from.as_ref() == Some(uid) => {
                    left += usize::from(job.is_going);
                    (self.run && job.suspended && !job.is_going).then_some("does not run")
                }
                Some(_) => (!is_taken).then_some("is another one, and that is not said"),
            };
            self.wrongs.extend(wrong.map(|wrong| format!("{name} {wrong}")));
        }
        if (tally.total(), tally.failed.len()) != (touched.len() as u64, left) {
            self.wrongs
                .push(format!("{} were touched, and {left} cannot be mended: {tally:?}", touched.len()));
        }
    }

    /// Takes a request, and answers it, or does not.
    pub(super) fn take(&mut self, method: &Method, path: &str, body: &[u8]) -> Taken {
        self.meddle();
        let body = serde_json::from_slice(body).unwrap_or_default();
        let asked = Asked { method: method.clone(), path: path.to_owned(), body, run: self.run };
        match self.chance() % 24 {
            1 => {
                self.execute(&asked);
                self.lost()
            }
            2 => self.lost(),
            3 => {
                self.late.push(asked);
                self.lost()
            }
            4 => Taken::Reply(429, json!({})),
            5 => Taken::Reply(403, json!({"kind": "Status", "message": "forbidden", "code": 403})),
            6 => {
                self.execute(&asked);
                Taken::Broken
            }
            7 => Taken::Broken,
            8 => Taken::Killed,
            9 => {
                self.execute(&asked);
                Taken::Killed
            }
            10 => {
                self.late.push(asked);
                Taken::Killed
            }
            _ => {
                let (code, document) = self.execute(&asked);
                self.told_created += u64::from(asked.method == Method::POST && code == 201);
                Taken::Reply(code, document)
            }
        }
    }

    fn lost(&self) -> Taken {
        let code = if self.fault == Fault::LostTakenForDone { 200 } else { 500 };
        Taken::Reply(code, json!({}))
    }

    /// Does what was asked for.
    fn execute(&mut self, asked: &Asked) -> (u16, Value) {
        let Asked { method, path, body, .. } = asked;
        if *method == Method::POST {
            return self.create(asked);
        }
        let name = path.split(['/', '?']).find(|part| part.starts_with("job-")).unwrap_or_default();
        if *method == Method::GET {
            return self.show(name);
        }
        let is_touched = Item::all().any(|item| item.name == name && item.is_touched());
        if *method != Method::PATCH || !is_touched {
            self.wrongs.push(format!("{method} of {name}, which the sweep has not touched"));
        }
        if path.contains("force=false") {
            self.take_ttl(name, path, body)
        } else {
            self.unsuspend(name, asked)
        }
    }

    fn create(&mut self, asked: &Asked) -> (u16, Value) {
        let text =
            |path: &str| asked.body.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = text("/metadata/name");
        if self.jobs.contains_key(&name) {
            return (409, json!({}));
        }
        let annotation = format!("/metadata/annotations/{}", RESTORED_FROM.replace('/', "~1"));
        let from = text(&annotation);
        if !Item::all().any(|item| item.name == name && item.uid == from && item.is_touched()) {
            self.wrongs.push(format!("{name} is created, which the sweep has not touched"));
        }
        let suspended = asked.body.pointer("/spec/suspend") == Some(&Value::Bool(true));
        if suspended == asked.run {
            self.wrongs.push(format!("{name} is suspended: {suspended}, and to run: {}", asked.run));
        }
        let job = Stored { suspended, restored_from: Some(from), ..plain(self.uid()) };
        self.jobs.insert(name, job);
        (201, json!({}))
    }

    fn show(&mut self, name: &str) -> (u16, Value) {
        let Some(job) = self.jobs.get(name) else { return (404, json!({})) };
        self.shown.insert(name.to_owned(), job.version);
        let from = match self.fault {
            Fault::OthersTakenForOurs => Some(format!("old-{}", name.trim_start_matches("job-"))),
            _ => job.restored_from.clone(),
        };
        let annotations = from.map(|from| json!({RESTORED_FROM: from}));
        let metadata = json!({
            "name": name,
            "uid": job.uid,
            "resourceVersion": job.version.to_string(),
            "annotations": annotations,
            "deletionTimestamp": job.going(),
        });
        (200, json!({"metadata": metadata, "spec": {"suspend": job.suspended}}))
    }

    /// A server-side apply without the TTL, or with the one that is never over.
    fn take_ttl(&mut self, name: &str, path: &str, body: &Value) -> (u16, Value) {
        let uid = body.pointer("/metadata/uid").and_then(Value::as_str);
        let uid = uid.filter(|_| self.fault != Fault::UidNotSent);
        let Some(stored) = self.jobs.get_mut(name).filter(|job| uid.is_none_or(|uid| uid == job.uid)) else {
            return (409, json!({}));
        };
        if !stored.uid.starts_with("old-") {
            self.wrongs.push(format!("{name} is not the one that was given a TTL"));
        }
        let mut job = stored.clone();
        job.is_kept = body.pointer("/spec/ttlSecondsAfterFinished") == Some(&NEVER.into());
        job.version += u64::from(std::mem::take(&mut job.has_our_ttl));
        let is_added = self.has_policy && !job.is_kept && !job.has_other_ttl;
        let is_trial = path.contains("dryRun=All") && self.fault != Fault::NotTriedOut;
        if is_added && !is_trial && !job.is_going {
            self.wrongs.push(format!("{name} goes by the TTL of a policy"));
        }
        let ttl = match job.has_other_ttl || is_added {
            true => Some(900),
            false => job.is_kept.then_some(NEVER),
        };
        let managed = json!([{
            "manager": if job.has_other_ttl { "somebody" } else { FIELD_MANAGER }, "operation": "Apply",
            "fieldsV1": {"f:spec": {"f:ttlSecondsAfterFinished": {}}}
        }]);
        let metadata = json!({"deletionTimestamp": job.going(), "managedFields": managed});
        if !is_trial {
            *stored = job;
        }
        (200, json!({"metadata": metadata, "spec": {"ttlSecondsAfterFinished": ttl}}))
    }

    fn unsuspend(&mut self, name: &str, asked: &Asked) -> (u16, Value) {
        let version = asked.body.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        let version = version.filter(|_| self.fault != Fault::VersionNotSent);
        let uid = asked.body.pointer("/metadata/uid").and_then(Value::as_str);
        let Some(job) = self.jobs.get_mut(name) else { return (404, json!({})) };
        if uid.is_some_and(|uid| uid != job.uid) {
            return (422, json!({}));
        }
        if version.is_some_and(|version| version != job.version.to_string()) {
            return (409, json!({}));
        }
        if job.restored_from.is_none() {
            self.wrongs.push(format!("{name} was not created by an undo"));
        }
        if self.shown.get(name) != Some(&job.version) {
            self.wrongs.push(format!("{name} has changed since it was looked at"));
        }
        if !asked.run || asked.body.get("spec") != Some(&json!({"suspend": false})) {
            self.wrongs.push(format!("{name} is changed in another way: {}", asked.body));
        }
        job.suspended = false;
        job.version += 1;
        (200, json!({}))
    }

    /// Something happens that is none of our doing.
    fn meddle(&mut self) {
        let what = self.chance() % 48;
        if !(1..=9).contains(&what) {
            return;
        }
        let name = format!("job-{}", usize::from(self.chance()) % ITEMS);
        match (what, self.jobs.get_mut(&name)) {
            (1 | 2, None) => {
                let job = Stored { suspended: what == 1, ..plain(self.uid()) };
                self.jobs.insert(name, job);
            }
            (3, Some(_)) => drop(self.jobs.remove(&name)),
            (4 | 5, Some(job)) => job.version += 1,
            (6, Some(job)) => (job.has_other_ttl, job.version) = (true, job.version + 1),
            (7, Some(_)) => {
                let job = Stored { suspended: true, ..plain(self.uid()) };
                self.jobs.insert(name, job);
            }
            (9, Some(job)) => (job.is_going, job.version) = (true, job.version + 1),
            (8, _) if !self.late.is_empty() => {
                let asked = self.late.remove(0);
                self.execute(&asked);
            }
            _ => {}
        }
    }

    fn uid(&mut self) -> String {
        self.uids += 1;
        format!("new-{}", self.uids)
    }
}

impl Stored {
    /// Since when it is being deleted, if it is.
    fn going(&self) -> Option<&'static str> {
        self.is_going.then_some("2026-09-25T09:00:00Z")
    }
}

/// A Job that has nothing of ours.
fn plain(uid: String) -> Stored {
    Stored {
        uid,
        version: 1,
        suspended: false,
        is_going: false,
        has_our_ttl: false,
        is_kept: false,
        has_other_ttl: false,
        restored_from: None,
    }
}
