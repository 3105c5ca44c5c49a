//! Kubernetes Events: what happened, where people look first.
//!
//! Whoever has something to say puts it into a bounded queue and goes on. One writer takes it from there: a notice that
//! repeats another is counted, and the count is written once a minute; notices beyond the rate are dropped. Whatever is
//! dropped is counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::connection::Connection;
use crate::error::{ApiError, Asked};
use crate::lease::Clock;

/// How many notices wait to be written.
const QUEUE: usize = 1000;
/// How many different Events are written at once, and how many a second in the long run.
const BURST: u32 = 100;
const PER_SECOND: u32 = 10;
/// A notice that repeats one of this time is counted instead of written.
const MEMORY: Duration = Duration::from_secs(600);
/// How many notices are remembered.
const REMEMBERED: usize = 1000;
/// How often counts are written.
const FLUSH: Duration = Duration::from_secs(60);
/// The API server's limit, in bytes.
const LONGEST_NOTE: usize = 1024;

/// The object that an Event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Regarding {
    pub api_version: String,
    pub kind: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    pub name: String,
    /// Empty where it is not known: objects that were refused have none.
    pub uid: String,
}

/// Something to say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice {
    pub regarding: Regarding,
    pub related: Option<Regarding>,
    /// `Warning` rather than `Normal`.
    pub warning: bool,
    /// Why, in one word: `PolicyViolation`.
    pub reason: String,
    /// What was done: `Resource Blocked`.
    pub action: String,
    /// The text for people. Control characters are taken out, and what is too long is cut.
    pub note: String,
}

/// What became of the notices so far.
#[derive(Debug, Default)]
pub struct EventCounts {
    written: AtomicU64,
    repeated: AtomicU64,
    dropped: AtomicU64,
}

impl EventCounts {
    /// Notices that became an Event.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Notices that were counted in an Event that was there.
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// Notices that nobody will read: the queue was full, the rate exceeded, or the API server refused.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Takes notices; cheap to clone.
#[derive(Clone, Debug)]
pub struct EventSender {
    queue: mpsc::Sender<Notice>,
    counts: Arc<EventCounts>,
}

impl EventSender {
    /// Queues the notice, or counts it as dropped. Never waits.
    pub fn send(&self, notice: Notice) {
        if self.queue.try_send(notice).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn counts(&self) -> &Arc<EventCounts> {
        &self.counts
    }
}

/// Writes what senders queue.
pub struct EventWriter {
    client: kube::Client,
    server: Box<str>,
    controller: String,
    instance: String,
    clock: Clock,
    queue: mpsc::Receiver<Notice>,
    counts: Arc<EventCounts>,
    written: BTreeMap<Notice, Written>,
    /// When the next Event would be due if no burst were allowed.
    due: Instant,
}

impl std::fmt::Debug for EventWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventWriter").field("controller", &self.controller).finish_non_exhaustive()
    }
}

/// An Event that is there.
#[derive(Debug)]
struct Written {
    name: String,
    last: Instant,
    last_time: Timestamp,
    count: i32,
    /// Whether `count` is not yet written.
    pending: bool,
}

/// A queue and its writer. `controller` names the program (`portcullis`), `instance` the replica.
pub fn events(
    connection: &Connection,
    controller: &str,
    instance: &str,
    clock: Clock,
) -> (EventSender, EventWriter) {
    let (sender, queue) = mpsc::channel(QUEUE);
    let counts = Arc::new(EventCounts::default());
    let writer = EventWriter {
        client: connection.background().clone(),
        server: connection.server().into(),
        controller: controller.to_owned(),
        instance: instance.to_owned(),
        clock,
        queue,
        counts: counts.clone(),
        written: BTreeMap::new(),
        due: Instant::now(),
    };
    (EventSender { queue: sender, counts }, writer)
}

impl EventWriter {
    /// Writes until all senders are gone, and then what is still counted.
    pub async fn run(mut self) {
        let mut flush = tokio::time::interval_at(Instant::now() + FLUSH, FLUSH);
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                notice = self.queue.recv() => match notice {
                    Some(notice) => self.take(notice).await,
                    None => break,
                },
                _ = flush.tick() => self.flush().await,
            }
        }
        self.flush().await;
    }

    async fn take(&mut self, notice: Notice) {
        let (now, time) = (Instant::now(), (self.clock)());
        if let Some(written) = self.written.get_mut(&notice)
            && now - written.last < MEMORY
        {
            written.last = now;
            written.last_time = time;
            written.count = written.count.saturating_add(1);
            written.pending = true;
            self.counts.repeated.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if !self.within_rate(now) {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match self.create(&notice, time).await {
            Ok(name) => {
                self.counts.written.fetch_add(1, Ordering::Relaxed);
                self.make_room(now);
                let written = Written { name, last: now, last_time: time, count: 1, pending: false };
                self.written.insert(notice, written);
            }
            Err(error) => {
                // A namespace that is being deleted takes no Events; that is nobody's fault.
                tracing::debug!(%error, reason = notice.reason, "event not written");
                self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn within_rate(&mut self, now: Instant) -> bool {
        let interval = Duration::from_secs(1) / PER_SECOND;
        let due = self.due.max(now);
        if due - now > interval * (BURST - 1) {
            return false;
        }
        self.due = due + interval;
        true
    }

    /// Forgets what is old, and the oldest where that is not enough.
    fn make_room(&mut self, now: Instant) {
        if self.written.len() < REMEMBERED {
            return;
        }
        self.written.retain(|_, written| now - written.last < MEMORY);
        while self.written.len() >= REMEMBERED {
            let oldest = self.written.iter().min_by_key(|(_, written)| written.last);
            let Some(oldest) = oldest.map(|(notice, _)| notice.clone()) else { return };
            self.written.remove(&oldest);
        }
    }

    async fn create(&self, notice: &Notice, time: Timestamp) -> Result<String, ApiError> {
        let name = event_name(&notice.regarding.name, time);
        let event = Event {
            metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
            event_time: Some(MicroTime(time)),
            reporting_controller: Some(self.controller.clone()),
            reporting_instance: Some(cut(&self.instance, 128)),
            type_: Some(if notice.warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(cut(&notice.reason, 128)),
            action: Some(cut(&notice.action, 128)),
            note: Some(cut(&notice.note, LONGEST_NOTE)),
            regarding: Some(reference(&notice.regarding)),
            related: notice.related.as_ref().map(reference),
            ..Event::default()
        };
        let created = self.api(notice).create(&PostParams::default(), &event).await;
        created.map_err(|error| self.failed("create", &error))?;
        Ok(name)
    }

    /// Writes the counts that have changed.
    async fn flush(&mut self) {
        let mut written = std::mem::take(&mut self.written);
        for (notice, event) in written.iter_mut().filter(|(_, event)| event.pending) {
            event.pending = false;
            let last_observed_time = MicroTime(event.last_time);
            let series = EventSeries { count: event.count, last_observed_time };
            let patch = Patch::Merge(json!({"series": series}));
            let patched = self.api(notice).patch(&event.name, &PatchParams::default(), &patch).await;
            if let Err(error) = patched {
                let error = self.failed("patch", &error);
                tracing::debug!(%error, reason = notice.reason, "count of an event not written");
                // It is gone: the next notice of this kind makes a new one.
                if matches!(error, ApiError::NotFound { .. }) {
                    event.last = Instant::now().checked_sub(MEMORY).unwrap_or(event.last);
                }
            }
        }
        let now = Instant::now();
        written.retain(|_, event| now - event.last < MEMORY);
        self.written = written;
    }

    fn api(&self, notice: &Notice) -> Api<Event> {
        Api::namespaced(self.client.clone(), event_namespace(&notice.regarding))
    }

    fn failed(&self, verb: &'static str, error: &kube::Error) -> ApiError {
        let asked = Asked { verb, resource: "events.events.k8s.io".to_owned() };
        ApiError::from_client(asked, &self.server, error)
    }
}

/// Events about cluster-scoped objects live in `default`.
fn event_namespace(regarding: &Regarding) -> &str {
    if regarding.namespace.is_empty() { "default" } else { &regarding.namespace }
}

/// The object's name, as far as it fits a DNS name, and the time in nanoseconds.
fn event_name(name: &str, time: Timestamp) -> String {
    let allowed = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' { c } else { '-' };
    let name: String = name.chars().take(200).map(allowed).collect();
    let name = name.trim_matches('-');
    let name = if name.is_empty() { "unnamed" } else { name };
    let random = crate::backoff::random_part(Duration::from_secs(1)).subsec_nanos();
    format!("{name}.{:x}{random:08x}", time.as_microsecond())
}

fn reference(regarding: &Regarding) -> ObjectReference {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    ObjectReference {
        api_version: given(&regarding.api_version),
        kind: given(&regarding.kind),
        namespace: given(&regarding.namespace),
        name: given(&regarding.name),
        uid: given(&regarding.uid),
        ..ObjectReference::default()
    }
}

/// `text` without control characters, and not longer than `limit` bytes.
fn cut(text: &str, limit: usize) -> String {
    const MARK: &str = "...";
    let mut kept: String = text.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    if kept.len() > limit {
        kept.truncate(kept.floor_char_boundary(limit.saturating_sub(MARK.len())));
        kept.push_str(MARK);
    }
    kept
}

#[cfg(test)]
mod tests;
