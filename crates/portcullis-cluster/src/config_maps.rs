//! The ConfigMaps that rules read, each followed by a watch of its own from the first time that one asks for it.
//!
//! All ConfigMaps of a cluster may be a great deal of memory, and which of them rules read is often known only when
//! their names are put together. Those that were not asked for in the longest time give way.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use portcullis_model::Answer;
use portcullis_value::{Arena, json};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::task::JoinHandle;

use crate::index::{Index, Published, fields};

/// How many are followed: each takes a connection to the API server.
const MOST_FOLLOWED: usize = 64;

/// Namespace and name.
pub(crate) type Key = (Box<str>, Box<str>);

/// What is known at one moment. Snapshots share the answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownConfigMaps {
    by_key: BTreeMap<Key, Known>,
    /// Counts what is asked.
    asked: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
struct Known {
    answer: Arc<Answer>,
    /// When it was asked for last, by the count.
    asked: Arc<AtomicU64>,
}

impl KnownConfigMaps {
    /// The answer to who asks for a ConfigMap; `None` where it is not followed, or was not listed yet.
    pub(crate) fn answer(&self, namespace: &str, name: &str) -> Option<Answer> {
        // A key is made for the look-up: there is no borrowed form of it.
        let known = self.by_key.get(&(Box::from(namespace), Box::from(name)))?;
        known.asked.store(self.asked.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        Some((*known.answer).clone())
    }
}

/// Those that are followed.
#[derive(Debug)]
pub(crate) struct ConfigMaps {
    followed: Mutex<BTreeMap<Key, Followed>>,
    known: Arc<Published<KnownConfigMaps>>,
}

#[derive(Debug)]
struct Followed {
    _watch: Task,
    /// `None` until it was listed.
    answer: Option<Arc<Answer>>,
    asked: Arc<AtomicU64>,
}

/// A task that ends when nobody holds it.
#[derive(Debug)]
struct Task(JoinHandle<Infallible>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ConfigMaps {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { followed: Mutex::default(), known: Published::new(KnownConfigMaps::default()) })
    }

    /// What is known at this moment.
    pub(crate) fn known(&self) -> Arc<KnownConfigMaps> {
        self.known.load()
    }

    /// Hears of all that becomes known after this call.
    #[cfg(test)]
    pub(crate) fn changes(&self) -> tokio::sync::watch::Receiver<()> {
        self.known.subscribe()
    }

    /// Follows a ConfigMap, unless it is followed already; `watch` starts to feed the index.
    pub(crate) fn follow(
        self: &Arc<Self>,
        namespace: &str,
        name: &str,
        watch: impl FnOnce(ConfigMapIndex) -> JoinHandle<Infallible>,
    ) {
        let key: Key = (namespace.into(), name.into());
        let mut followed = self.lock();
        if followed.contains_key(&key) {
            return;
        }
        while followed.len() >= MOST_FOLLOWED {
            let longest = followed.iter().min_by_key(|(_, map)| map.asked.load(Ordering::Relaxed));
            let Some(key) = longest.map(|(key, _)| key.clone()) else { break };
            followed.remove(&key);
        }
        let count = self.known.load().asked.fetch_add(1, Ordering::Relaxed) + 1;
        let asked = Arc::new(AtomicU64::new(count));
        let index = ConfigMapIndex {
            answer: missing(namespace, name),
            changed: true,
            key: key.clone(),
            asked: asked.clone(),
            maps: Arc::downgrade(self),
        };
        // What it publishes waits until we let go of the lock.
        followed.insert(key, Followed { _watch: Task(watch(index)), answer: None, asked });
        self.publish(&followed);
    }

    fn publish(&self, followed: &BTreeMap<Key, Followed>) {
        let by_key = followed.iter().filter_map(|(key, map)| {
            let known = Known { answer: map.answer.clone()?, asked: map.asked.clone() };
            Some((key.clone(), known))
        });
        self.known
            .store(KnownConfigMaps { by_key: by_key.collect(), asked: self.known.load().asked.clone() });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Followed>> {
        // Nothing in a critical section can leave the map half changed.
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows one ConfigMap, which the watch selects by name.
#[derive(Debug)]
pub(crate) struct ConfigMapIndex {
    answer: Answer,
    changed: bool,
    key: Key,
    /// Tells this index from one that follows the same ConfigMap later.
    asked: Arc<AtomicU64>,
    maps: Weak<ConfigMaps>,
}

impl Index for ConfigMapIndex {
    type Object = Box<RawValue>;

    fn read(&self, text: &str) -> Result<Box<RawValue>, String> {
        fields(text)
    }

    fn apply(&mut self, map: Box<RawValue>) {
        self.answer = answer(map.get().as_bytes());
        self.changed = true;
    }

    fn delete(&mut self, _: &Box<RawValue>) {
        self.reset(Vec::new());
    }

    fn reset(&mut self, maps: Vec<Box<RawValue>>) {
        let (namespace, name) = &self.key;
        let map = maps.into_iter().next();
        self.answer = map.map_or_else(|| missing(namespace, name), |map| answer(map.get().as_bytes()));
        self.changed = true;
    }

    fn publish(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let Some(maps) = self.maps.upgrade() else { return };
        let mut followed = maps.lock();
        // One that gave way, and may be followed anew by now, has nothing to say any more.
        if let Some(map) = followed.get_mut(&self.key).filter(|map| Arc::ptr_eq(&map.asked, &self.asked)) {
            map.answer = Some(Arc::new(self.answer.clone()));
            maps.publish(&followed);
        }
    }
}

/// What rules read of a ConfigMap, which is given as JSON.
pub(crate) fn answer(map: &[u8]) -> Answer {
    #[derive(Deserialize)]
    struct ConfigMap<'a> {
        #[serde(borrow)]
        data: Option<&'a RawValue>,
        #[serde(borrow)]
        metadata: Option<&'a RawValue>,
    }
    let read = |map: ConfigMap<'_>| -> Result<Answer, String> {
        let arena = Arena::new();
        let part =
            |part: Option<&RawValue>| json::read(&arena, arena.str(part.map_or("null", RawValue::get)));
        let [data, metadata] = [map.data, map.metadata].map(part);
        let mut parts = vec![
            ("data", data.map_err(|error| error.to_string())?),
            ("metadata", metadata.map_err(|error| error.to_string())?),
        ];
        Ok(Answer::value(arena.object(&mut parts)))
    };
    let map = serde_json::from_slice::<ConfigMap<'_>>(map).map_err(|error| error.to_string());
    map.and_then(read)
        .unwrap_or_else(|error| Answer::Failed(format!("the ConfigMap cannot be read: {error}")))
}

/// The answer where there is no such ConfigMap.
pub(crate) fn missing(namespace: &str, name: &str) -> Answer {
    failed(namespace, name, &format!("configmaps \"{name}\" not found"))
}

/// The answer where it cannot be had.
pub(crate) fn failed(namespace: &str, name: &str, reason: &str) -> Answer {
    Answer::Failed(format!("failed to get configmap {namespace}/{name} : {reason}"))
}
