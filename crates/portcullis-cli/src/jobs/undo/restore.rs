//! One Job taken back; of many, each at its turn.

use std::time::Duration;

use http::Method;
use portcullis_cluster::{Connection, RawRequest, Reply, encoded};
use portcullis_retention::retention::NEVER;
use portcullis_retention::{FIELD_MANAGER, RESTORED_FROM, Restored, TtlOwner};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use crate::jobs::apply::{job_path, server_side_apply};

/// How often something is asked in all.
const ATTEMPTS: u32 = 6;
/// A longer `Retry-After` is taken for this.
const LONGEST_ASKED: Duration = Duration::from_secs(300);
/// Why a Job cannot be taken back yet.
const STILL_GOING: &str = "it is still being deleted: the same command creates it once it is gone";

/// What came of it.
#[derive(Debug)]
pub(super) enum Came {
    Created,
    /// It was created by an earlier undo, and runs now.
    Unsuspended,
    /// It is still there, and has nothing of ours any more that would delete it.
    Kept,
    /// It is still there, with a TTL that is never over: without one a policy would add its own.
    KeptByTtl,
    /// It was never gone, or an earlier undo has created it.
    There,
    /// It is gone.
    Gone,
    /// There is another Job of its name.
    NameTaken,
    Failed(String),
}

/// Takes Jobs back.
pub(super) struct Restorer<'c> {
    connection: &'c Connection,
    pace: Mutex<Pace>,
    pub(super) run: bool,
}

/// When the next request is sent.
struct Pace {
    interval: Interval,
    /// The API server asked for a pause, or did not answer.
    paused_until: Instant,
}

impl<'c> Restorer<'c> {
    /// At so many requests a second; with `run` the Jobs run.
    pub(super) fn new(connection: &'c Connection, per_second: u32, run: bool) -> Self {
        let mut interval = interval(Duration::from_secs(1) / per_second.max(1));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let pace = Mutex::new(Pace { interval, paused_until: Instant::now() });
        Self { connection, pace, run }
    }

    /// Takes the TTL away that the sweep wrote, as long as the Job is there.
    ///
    /// It is tried out first: a policy may add a TTL to a Job without one whenever that is written to, and of a Job that has
    /// finished long ago it would be over.
    pub(super) async fn remove_ttl(&self, namespace: &str, name: &str, uid: &str) -> Came {
        // What a field manager does not apply any more is removed, unless somebody else owns it too.
        let apply = async |ttl: Option<i32>, is_trial: bool| {
            let job = json!({
                "apiVersion": "batch/v1", "kind": "Job",
                "metadata": {"namespace": namespace, "name": name, "uid": uid},
                "spec": ttl.map_or_else(|| json!({}), |ttl| json!({"ttlSecondsAfterFinished": ttl}))
            });
            let mut request = server_side_apply(&job_path(namespace, name), job.to_string());
            if is_trial {
                request.path.push_str("&dryRun=All");
            }
            match self.ask(request).await {
                Ok(Reply { code: 200..=299, body, .. }) => Ok(document(&body)),
                // With its uid it would have to be created, or is another one.
                Ok(Reply { code: 404 | 409, .. }) => Err(Came::Gone),
                Ok(reply) => Err(Came::Failed(reply.message())),
                Err(why) => Err(Came::Failed(why)),
            }
        };
        let trial = match apply(None, true).await {
            Ok(trial) => trial,
            Err(came) => return came,
        };
        let wanted = match ttl(&trial) {
            // Kubernetes has begun, and is not to be held up.
            _ if is_going(&trial) => return Came::Failed(STILL_GOING.to_owned()),
            Some(_) if !is_of_another(&trial) => Some(NEVER),
            _ => None,
        };
        match apply(wanted, false).await {
            Err(came) => came,
            Ok(job) if is_going(&job) => Came::Failed(STILL_GOING.to_owned()),
            Ok(job) => match (ttl(&job), wanted) {
                (None, _) => Came::Kept,
                (Some(found), Some(wanted)) if found == i64::from(wanted) => Came::KeptByTtl,
                (Some(_), _) => Came::Failed("somebody else has set its TTL too".to_owned()),
            },
        }
    }

    /// Creates the Job again; where that was done already, has it run if it is to. One that changes meanwhile, as its
    /// controller writes its status, is looked at again.
    pub(super) async fn create(&self, restored: &Restored) -> Came {
        for _ in 1..ATTEMPTS {
            if let Some(came) = self.create_or_look(restored).await {
                return came;
            }
        }
        Came::Failed("it changes again and again".to_owned())
    }

    /// What came of it; `None` where that is another matter by now.
    async fn create_or_look(&self, restored: &Restored) -> Option<Came> {
        let request = RawRequest {
            method: Method::POST,
            path: format!(
                "/apis/batch/v1/namespaces/{}/jobs?fieldManager={FIELD_MANAGER}",
                encoded(&restored.namespace)
            ),
            content_type: "application/json",
            body: restored.definition.to_string().into_bytes(),
        };
        match self.ask(request).await {
            Ok(Reply { code: 200..=299, .. }) => Some(Came::Created),
            Ok(Reply { code: 409, .. }) => self.look(restored).await,
            Ok(reply) => Some(Came::Failed(reply.message())),
            Err(why) => Some(Came::Failed(why)),
        }
    }

    /// What became of a Job of that name; `None` where it is gone, or has changed since it was looked at.
    async fn look(&self, restored: &Restored) -> Option<Came> {
        let path = job_path(&restored.namespace, &restored.name);
        let get = RawRequest { method: Method::GET, path: path.clone(), content_type: "", body: Vec::new() };
        let found = match self.ask(get).await {
            Ok(Reply { code: 200..=299, body, .. }) => document(&body),
            Ok(Reply { code: 404, .. }) => return None,
            Ok(reply) => return Some(Came::Failed(reply.message())),
            Err(why) => return Some(Came::Failed(why)),
        };
        let metadata = found.get("metadata").unwrap_or(&Value::Null);
        let uid = Some(&*restored.uid);
        let was_never_gone = metadata.get("uid").and_then(Value::as_str) == uid;
        let is_ours =
            metadata.get("annotations").and_then(|annotations| annotations.get(RESTORED_FROM)?.as_str())
                == uid;
        if !was_never_gone && !is_ours {
            return Some(Came::NameTaken);
        }
        if is_going(&found) {
            return Some(Came::Failed(STILL_GOING.to_owned()));
        }
        if was_never_gone || !self.run || found.pointer("/spec/suspend") != Some(&Value::Bool(true)) {
            return Some(Came::There);
        }
        // Nothing says that the versions of two Jobs differ.
        let [uid, version] = ["uid", "resourceVersion"].map(|key| metadata.get(key));
        let patch = json!({"metadata": {"uid": uid, "resourceVersion": version}, "spec": {"suspend": false}});
        let request = RawRequest {
            method: Method::PATCH,
            path: format!("{path}?fieldManager={FIELD_MANAGER}"),
            content_type: "application/merge-patch+json",
            body: patch.to_string().into_bytes(),
        };
        match self.ask(request).await {
            Ok(Reply { code: 200..=299, .. }) => Some(Came::Unsuspended),
            Ok(Reply { code: 409, .. }) => None,
            Ok(reply) => Some(Came::Failed(reply.message())),
            Err(why) => Some(Came::Failed(why)),
        }
    }

    /// Sends a request that may be sent twice, until it is answered.
    async fn ask(&self, request: RawRequest) -> Result<Reply, String> {
        let mut delay = Duration::from_secs(1);
        let mut attempt = 1;
        loop {
            self.turn().await;
            let reply = self.connection.send_once(request.clone()).await.map_err(|error| error.to_string());
            let (wait, why) = match reply {
                Ok(reply) if reply.code != 429 && reply.code < 500 => return Ok(reply),
                Ok(reply) => {
                    let asked = reply.retry_after.unwrap_or_default().min(LONGEST_ASKED);
                    (asked.max(delay), reply.message())
                }
                Err(why) => (delay, why),
            };
            if attempt == ATTEMPTS {
                return Err(why);
            }
            attempt += 1;
            let mut pace = self.pace.lock().await;
            pace.paused_until = pace.paused_until.max(Instant::now() + wait);
            delay *= 2;
        }
    }

    /// Returns when a request may be sent.
    async fn turn(&self) {
        let mut pace = self.pace.lock().await;
        sleep_until(pace.paused_until).await;
        pace.interval.tick().await;
    }
}

fn document(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

/// The TTL of the Job, in seconds.
fn ttl(job: &Value) -> Option<i64> {
    job.pointer("/spec/ttlSecondsAfterFinished")?.as_i64()
}

/// Whether another field manager owns the TTL of the Job.
fn is_of_another(job: &Value) -> bool {
    let managed = job.pointer("/metadata/managedFields").map(Value::to_string).unwrap_or_default();
    matches!(TtlOwner::read(&managed, FIELD_MANAGER), TtlOwner::Other(_))
}

/// Whether the Job is being deleted.
fn is_going(job: &Value) -> bool {
    job.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::scripted::{Script, scripted};

    #[tokio::test]
    async fn a_job_that_changes_before_it_is_unsuspended_is_looked_at_again() {
        let suspended = json!({
            "metadata": {"annotations": {RESTORED_FROM: "u"}, "resourceVersion": "7"}, "spec": {"suspend": true}
        });
        let there = || (200, suspended.to_string());
        let (changed, done) = ((409, "{}".to_owned()), (200, "{}".to_owned()));
        let script = Script::from([
            ("/jobs?", vec![changed.clone(), changed.clone()]),
            ("/jobs/pi", vec![there(), changed, there(), done]),
        ]);
        let (connection, asked) = scripted(script);
        let restored = Restored {
            namespace: "a".to_owned(),
            name: "pi".to_owned(),
            uid: "u".to_owned(),
            definition: Value::Null,
        };
        let came = Restorer::new(&connection, 1_000, true).create(&restored).await;
        assert!(matches!(came, Came::Unsuspended), "{came:?}");
        assert_eq!(asked.lock().unwrap().len(), 6);
    }
}
