//! What somebody keeps of each object of a kind, changed in place: there may be a hundred thousand of them, so that a
//! snapshot is made only for who asks for one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::index::Index;

/// Says what is kept of an object.
pub trait Keeper: Send + Sync + 'static {
    /// What is kept: a few words, whatever the object holds.
    type Kept: Send + Sync + 'static;

    /// Reads an object as JSON.
    ///
    /// # Errors
    /// It cannot be read.
    fn read(&self, text: &str) -> Result<Read<Self::Kept>, String>;
}

/// An object that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read<T> {
    pub uid: Arc<str>,
    /// Nothing where the object does not matter.
    pub kept: Option<T>,
}

/// What is kept of the objects of a kind, by their uids.
#[derive(Debug)]
pub struct Kept<T> {
    by_uid: Mutex<BTreeMap<Arc<str>, Arc<T>>>,
    /// How many objects there are, those of which nothing is kept included.
    total: AtomicU64,
    changes: watch::Sender<()>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { by_uid: Mutex::default(), total: AtomicU64::new(0), changes: watch::Sender::new(()) }
    }
}

impl<T> Kept<T> {
    /// All of them with their uids, in the order of these. The watch waits no longer than it takes to count them.
    pub fn all(&self) -> Vec<(Arc<str>, Arc<T>)> {
        self.lock().iter().map(|(uid, kept)| (uid.clone(), kept.clone())).collect()
    }

    /// How many objects there are, whether something is kept of them or not.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Takes in what the API server has answered to a write, before the watch tells of it: where what is kept `is_older`. What
    /// the watch has brought meanwhile is newer, and what it has taken away is gone.
    pub fn replace(&self, read: Read<T>, is_older: impl FnOnce(&T) -> bool) {
        let mut by_uid = self.lock();
        if by_uid.get(&read.uid).is_none_or(|kept| !is_older(kept)) {
            return;
        }
        match read.kept {
            Some(kept) => by_uid.insert(read.uid, Arc::new(kept)),
            None => by_uid.remove(&read.uid),
        };
    }

    fn put(&self, read: Read<T>) {
        match read.kept {
            Some(kept) => self.lock().insert(read.uid, Arc::new(kept)),
            None => self.lock().remove(&read.uid),
        };
    }

    /// Hears of every change that the watch brings after this call; several in a row may be heard of once.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<T>>> {
        // Nothing in a critical section can leave the map half changed.
        self.by_uid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Feeds what is kept.
#[derive(Debug)]
pub(crate) struct KeptIndex<K: Keeper> {
    keeper: K,
    kept: Arc<Kept<K::Kept>>,
    changed: bool,
}

impl<K: Keeper> KeptIndex<K> {
    pub(crate) fn new(keeper: K, kept: Arc<Kept<K::Kept>>) -> Self {
        Self { keeper, kept, changed: true }
    }
}

impl<K: Keeper> Index for KeptIndex<K> {
    type Object = Read<K::Kept>;

    fn read(&self, text: &str) -> Result<Self::Object, String> {
        self.keeper.read(text)
    }

    fn apply(&mut self, object: Self::Object) {
        self.kept.put(object);
        self.changed = true;
    }

    fn add(&mut self, object: Self::Object) {
        self.kept.total.fetch_add(1, Ordering::Relaxed);
        self.apply(object);
    }

    fn delete(&mut self, object: &Self::Object) {
        let fewer = |total: u64| Some(total.saturating_sub(1));
        let _ = self.kept.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        self.changed |= self.kept.lock().remove(&object.uid).is_some();
    }

    fn reset(&mut self, objects: Vec<Self::Object>) {
        self.kept.total.store(objects.len() as u64, Ordering::Relaxed);
        let kept = objects.into_iter().filter_map(|object| Some((object.uid, Arc::new(object.kept?))));
        *self.kept.lock() = kept.collect();
        self.changed = true;
    }

    fn publish(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.kept.changes.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps the names of objects that have one.
    struct Names;

    impl Keeper for Names {
        type Kept = String;

        fn read(&self, text: &str) -> Result<Read<String>, String> {
            let (uid, name) = text.split_once(' ').ok_or("no object")?;
            Ok(Read { uid: uid.into(), kept: (!name.is_empty()).then(|| name.to_owned()) })
        }
    }

    #[test]
    fn what_does_not_matter_any_more_is_not_kept_and_every_batch_is_heard_of_once() {
        let kept = Arc::new(Kept::default());
        let mut index = KeptIndex::new(Names, kept.clone());
        let mut changes = kept.subscribe();
        let read = |text| Names.read(text).unwrap();
        let names = || {
            let all = kept.all();
            all.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(" ")
        };

        index.reset(["1 a", "2 b", "3 ", "4 d"].map(read).into());
        index.publish();
        assert_eq!(names(), "a b d");
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        for text in ["1 ", "2 c"] {
            index.apply(read(text));
        }
        index.delete(&read("4 d"));
        index.publish();
        assert_eq!(names(), "c");
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        index.delete(&read("5 e"));
        index.publish();
        assert!(!changes.has_changed().unwrap(), "what was not kept is no loss");
    }

    #[test]
    fn of_what_is_not_kept_the_number_is_known() {
        let kept = Arc::new(Kept::default());
        let mut index = KeptIndex::new(Names, kept.clone());
        let read = |text| Names.read(text).unwrap();
        index.reset(["1 a", "2 ", "3 "].map(read).into());
        let mut totals = vec![kept.total()];
        for step in ["add 4 ", "apply 2 b", "apply 1 ", "delete 3 ", "delete 1 "] {
            match step.split_once(' ') {
                Some(("add", object)) => index.add(read(object)),
                Some(("apply", object)) => index.apply(read(object)),
                Some((_, object)) => index.delete(&read(object)),
                None => {}
            }
            totals.push(kept.total());
        }
        // What the API server answers to a write is told by the watch once more.
        kept.replace(read("2 c"), |before| before == "b");
        totals.push(kept.total());
        assert_eq!(*kept.all()[0].1, "c");
        kept.replace(read("2 d"), |before| before == "b");
        kept.replace(read("9 d"), |_| true);
        assert_eq!((kept.all().len(), &**kept.all()[0].1), (1, "c"));
        assert!(kept.all().iter().all(|(uid, _)| &**uid != "9"), "what is gone stays gone");
        index.reset(vec![read("5 ")]);
        totals.push(kept.total());
        assert_eq!(totals, [3, 4, 4, 4, 3, 2, 2, 1]);
    }
}
