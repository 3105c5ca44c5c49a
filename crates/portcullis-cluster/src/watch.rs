//! Following the objects of one kind: list all pages, then watch, and start over when the trail is lost.
//!
//! - A list replaces what the index holds only when every page of it came (a part is never taken for the whole).
//! - The watch goes on from the last version seen. When the API server has forgotten that version (410, as the status
//!   of the answer, as an ERROR event or in the middle of the pages), or when events go back in time, everything is
//!   listed anew.
//! - Failures wait with a growing delay; the index keeps what it has, so that the engine serves from memory.
//! - A kind that is not there (404) is an empty index, and is asked for again when the definitions of kinds change.
//!   Nobody is ready before the kinds of policies are there: who cannot see policies must not say that none is broken.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::backoff::{Backoff, random_part};
use crate::error::{ApiError, Asked};
use crate::index::{Identified, Index};
use crate::reader::{Lines, Query, Reader};
use crate::readiness::Pending;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The name of this watch for people and metrics.
    pub(crate) name: &'static str,
    /// With group: `policies.kyverno.io`.
    pub(crate) resource: &'static str,
    /// `/apis/kyverno.io/v1/policies`.
    pub(crate) path: &'static str,
    /// Only the metadata of objects is sent.
    pub(crate) metadata_only: bool,
    /// Objects in one page of a list, to begin with.
    pub(crate) page: u32,
    /// Whether nothing can be judged without the kind. Another may be absent.
    pub(crate) is_needed: bool,
}

/// How a watch is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchState {
    /// The first list has not come yet.
    Starting,
    /// Listed, and following.
    Live,
    /// The API server does not know the kind: what needs it is off.
    Absent,
    /// It fails for now; what was known stays in force.
    Failing(String),
}

/// The states of all watches, by name.
#[derive(Clone, Debug, Default)]
pub struct WatchStates(Arc<Mutex<BTreeMap<&'static str, WatchState>>>);

impl WatchStates {
    /// The states of this moment.
    pub fn all(&self) -> BTreeMap<&'static str, WatchState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The state of one watch.
    pub(crate) fn of(&self, name: &str) -> Option<WatchState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Forgets a watch that has ended.
    pub(crate) fn forget(&self, name: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    fn set(&self, name: &'static str, state: WatchState) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if states.get(name) == Some(&state) {
            return;
        }
        match &state {
            WatchState::Failing(error) if matches!(states.get(name), None | Some(WatchState::Starting)) => {
                tracing::warn!(watch = name, error, "cannot list, trying again")
            }
            WatchState::Failing(error) => {
                tracing::warn!(watch = name, error, "watch fails, serving from memory")
            }
            WatchState::Live if matches!(states.get(name), Some(WatchState::Failing(_))) => {
                tracing::info!(watch = name, "watch works again")
            }
            // The kinds that may be absent are those that we define.
            WatchState::Absent => tracing::warn!(
                watch = name,
                "the API server does not serve this kind yet, waiting for it; hint: {DEFINE_KINDS}"
            ),
            WatchState::Starting | WatchState::Live => tracing::debug!(watch = name, ?state, "watch"),
        }
        states.insert(name, state);
    }
}

/// What defines the kinds of policies.
pub const DEFINE_KINDS: &str = "portcullis crds | kubectl apply --server-side -f -";

/// The most bytes of one page of a list. Where a page is longer, fewer objects are asked for at a time.
const LONGEST_PAGE: usize = 32 << 20;
/// The server ends a watch after between this time and a fifth more, so that they do not all end together.
const WATCH_TIME: Duration = Duration::from_secs(240);
/// A watch of which nothing was heard for so long is dead: servers send a bookmark about every minute.
const SILENCE: Duration = Duration::from_secs(150);
/// A watch that lived this long was a success, even if nothing happened.
const HEALTHY: Duration = Duration::from_secs(10);

/// One watch: where it reads, what it feeds, whom it tells.
pub(crate) struct Watch<I> {
    pub(crate) reader: Reader,
    pub(crate) source: Source,
    /// The path of the source, or that of one namespace.
    pub(crate) path: Box<str>,
    /// Objects in one page of a list.
    pub(crate) page: u32,
    /// A field selector, in the form of a query string.
    pub(crate) selector: String,
    pub(crate) index: I,
    pub(crate) states: WatchStates,
    /// Released by the first list.
    pub(crate) pending: Option<Pending>,
    /// Changes when kinds come and go.
    pub(crate) kinds: watch::Receiver<()>,
}

/// Why a watch ended.
enum Ended {
    /// As it should: go on from the version.
    Regularly,
    /// The version is lost: list anew.
    Lost(&'static str),
    /// Try again from the version after a delay.
    Failed(ApiError),
}

impl<I: Index> Watch<I> {
    /// Follows for ever; dropping the future ends it.
    pub(crate) async fn run(mut self) -> Infallible {
        let mut backoff = Backoff::standard();
        self.states.set(self.source.name, WatchState::Starting);
        loop {
            match self.list().await {
                Ok(version) => self.follow(version, &mut backoff).await,
                Err(ApiError::NotFound { .. }) => {
                    self.index.reset(Vec::new());
                    self.index.publish();
                    if !self.source.is_needed {
                        self.pending = None;
                    }
                    self.states.set(self.source.name, WatchState::Absent);
                    self.wait_for_kind(&mut backoff).await;
                }
                Err(ApiError::TooLong { .. }) if self.page > 1 => self.page = (self.page / 4).max(1),
                Err(error) => self.wait_after(&error, &mut backoff).await,
            }
        }
    }

    /// Replaces what the index holds by a walk over all pages. The version to watch from.
    async fn list(&mut self) -> Result<String, ApiError> {
        let mut objects = Vec::new();
        let mut token = String::new();
        loop {
            let query = self.list_query(&token);
            let body = self.reader.read(&query).await?;
            let page: Page<'_> = serde_json::from_slice(&body)
                .map_err(|error| self.unreadable(&query, &format!("no list: {error}")))?;
            objects.extend(page.items.iter().filter_map(|item| self.object(item)));
            if page.metadata.r#continue.is_empty() {
                let version = page.metadata.resource_version.into_owned();
                if version.is_empty() {
                    return Err(self.unreadable(&query, "the list has no resource version"));
                }
                tracing::debug!(watch = self.source.name, objects = objects.len(), version, "listed");
                self.index.reset(objects);
                self.index.publish();
                self.pending = None;
                self.states.set(self.source.name, WatchState::Live);
                return Ok(version);
            }
            token = page.metadata.r#continue.into_owned();
        }
    }

    /// Watches from `version` until the trail is lost.
    async fn follow(&mut self, mut version: String, backoff: &mut Backoff) {
        let listed = Instant::now();
        loop {
            let started = Instant::now();
            let from = version.clone();
            let ended = self.watch(&mut version).await;
            if from != version || started.elapsed() >= HEALTHY {
                backoff.reset();
            }
            match ended {
                // A server that ends every watch at once is not asked in a tight loop.
                Ended::Regularly if started.elapsed() < HEALTHY => {
                    backoff.wait().await;
                }
                Ended::Regularly => {}
                Ended::Lost(reason) => {
                    tracing::info!(watch = self.source.name, version, reason, "listing anew");
                    // A trail that is lost as soon as it is found is not looked for in a tight loop.
                    if listed.elapsed() < HEALTHY {
                        backoff.wait().await;
                    }
                    return;
                }
                Ended::Failed(error) => self.wait_after(&error, backoff).await,
            }
        }
    }

    /// One watch, from `version`, which goes along.
    async fn watch(&mut self, version: &mut String) -> Ended {
        let time = WATCH_TIME + random_part(WATCH_TIME / 5);
        let query = self.watch_query(version, time);
        let mut lines = match self.reader.watch(query).await {
            Ok(lines) => lines,
            Err(ApiError::Expired { .. }) => return Ended::Lost("the version is too old to watch from"),
            Err(ApiError::NotFound { .. }) => return Ended::Lost("the kind is not there any more"),
            Err(error) => return Ended::Failed(error),
        };
        self.states.set(self.source.name, WatchState::Live);
        let ended = self.events(&mut lines, version).await;
        self.index.publish();
        ended
    }

    async fn events(&mut self, lines: &mut Lines, version: &mut String) -> Ended {
        loop {
            let Ok(line) = tokio::time::timeout(SILENCE, lines.next()).await else {
                return Ended::Regularly;
            };
            match line {
                Ok(Some(line)) => {
                    if let Err(ended) = self.event(line, version) {
                        return ended;
                    }
                }
                Ok(None) => return Ended::Regularly,
                Err(error) => return Ended::Failed(error),
            }
            if !lines.has_line() {
                self.index.publish();
            }
        }
    }

    /// Takes one event into the index, unless it ends the watch.
    fn event(&mut self, line: &[u8], version: &mut String) -> Result<(), Ended> {
        let Ok(event) = serde_json::from_slice::<Event<'_>>(line) else {
            return Err(Ended::Lost("an event could not be read"));
        };
        if event.kind == "ERROR" {
            return Err(self.error_event(event.object));
        }
        let Ok(Identified { metadata }) = serde_json::from_str(event.object.get()) else {
            return Err(Ended::Lost("an event has no object"));
        };
        match order(version, &metadata.resource_version) {
            Order::Newer => {}
            Order::Same => return Ok(()),
            Order::Older => return Err(Ended::Lost("events went back in time")),
        }
        match event.kind.as_ref() {
            "ADDED" => {
                if let Some(object) = self.object(event.object) {
                    self.index.add(object);
                }
            }
            "MODIFIED" => {
                if let Some(object) = self.object(event.object) {
                    self.index.apply(object);
                }
            }
            "DELETED" => {
                if let Some(object) = self.object(event.object) {
                    self.index.delete(&object);
                }
            }
            "BOOKMARK" => {}
            _ => return Err(Ended::Lost("an event of an unknown type")),
        }
        *version = metadata.resource_version.into();
        Ok(())
    }

    fn error_event(&self, object: &RawValue) -> Ended {
        let status: kube::core::Status = serde_json::from_str(object.get()).unwrap_or_default();
        let asked = self.asked("watch");
        match ApiError::from_status(asked, 500, &status) {
            ApiError::Expired { .. } => Ended::Lost("the version is too old to watch from"),
            error => Ended::Failed(error),
        }
    }

    /// The fields that the index keeps. An object without them is left out, loudly.
    fn object(&self, raw: &RawValue) -> Option<I::Object> {
        self.index
            .read(raw.get())
            .map_err(|error| {
                let object: Identified = serde_json::from_str(raw.get()).unwrap_or_default();
                let (namespace, name) = (&object.metadata.namespace, &object.metadata.name);
                tracing::error!(watch = self.source.name, %namespace, %name, error, "object cannot be read, left out");
            })
            .ok()
    }

    async fn wait_after(&mut self, error: &ApiError, backoff: &mut Backoff) {
        self.states.set(self.source.name, WatchState::Failing(error.to_string()));
        backoff.wait().await;
    }

    /// Until the kind may be there: kinds have changed, or some time has passed.
    async fn wait_for_kind(&mut self, backoff: &mut Backoff) {
        tokio::select! {
            changed = self.kinds.changed() => match changed {
                // The kind is served a moment after its definition is there.
                Ok(()) => {
                    backoff.reset();
                    backoff.wait().await;
                }
                Err(_) => backoff.wait().await,
            },
            () = backoff.wait() => {}
        }
    }

    fn list_query(&self, token: &str) -> Query {
        let mut path = format!("{}?limit={}{}", self.path, self.page, self.selector);
        if !token.is_empty() {
            path.push_str("&continue=");
            path.push_str(&encoded(token));
        }
        let accept = match self.source.metadata_only {
            true => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            false => "application/json",
        };
        Query { asked: self.asked("list"), path, accept, limit: LONGEST_PAGE }
    }

    fn watch_query(&self, version: &str, time: Duration) -> Query {
        let path = format!(
            "{}?watch=true&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}{}",
            self.path,
            encoded(version),
            time.as_secs(),
            self.selector
        );
        let accept = match self.source.metadata_only {
            true => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
            false => "application/json",
        };
        Query { asked: self.asked("watch"), path, accept, limit: LONGEST_PAGE }
    }

    fn asked(&self, verb: &'static str) -> Asked {
        Asked { verb, resource: self.source.resource.to_owned() }
    }

    fn unreadable(&self, query: &Query, reason: &str) -> ApiError {
        ApiError::Unreadable { asked: query.asked.clone(), reason: reason.to_owned() }
    }
}

/// One page of a list; its objects stay text until the index says what it keeps.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, default)]
    metadata: PageMetadata<'a>,
    #[serde(borrow, default, deserialize_with = "null_is_empty")]
    items: Vec<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PageMetadata<'a> {
    #[serde(borrow)]
    resource_version: Cow<'a, str>,
    #[serde(borrow)]
    r#continue: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<&'de RawValue>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

enum Order {
    Newer,
    Same,
    Older,
}

/// How the version of an event stands to the last one seen. Versions are numbers that grow with every write to the
/// kind; should a server have others, events are believed as they come.
fn order(last: &str, next: &str) -> Order {
    match (last.parse::<u64>(), next.parse::<u64>()) {
        (Ok(last), Ok(next)) if next < last => Order::Older,
        (Ok(last), Ok(next)) if next == last => Order::Same,
        _ => Order::Newer,
    }
}

/// `text` as a value in a query string.
pub fn encoded(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte))
            }
            // Writing to a string cannot fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
