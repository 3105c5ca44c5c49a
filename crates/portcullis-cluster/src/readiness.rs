//! Readiness: everything that must be known once before the first request is answered.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

/// What is still waited for. Clones look at the same list.
#[derive(Clone, Debug)]
pub struct Readiness {
    pending: Arc<watch::Sender<BTreeSet<&'static str>>>,
}

/// Held by what is not yet known; released once, by [`Pending::done`] or by dropping it.
///
/// It never comes back: what was known once is served from memory when the API server is away.
#[derive(Debug)]
pub struct Pending {
    what: &'static str,
    pending: Arc<watch::Sender<BTreeSet<&'static str>>>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { pending: Arc::new(watch::Sender::new(BTreeSet::new())) }
    }
}

impl Readiness {
    /// Waits for one more thing; `what` names it for people.
    pub fn wait_for(&self, what: &'static str) -> Pending {
        self.pending.send_modify(|pending| {
            pending.insert(what);
        });
        Pending { what, pending: self.pending.clone() }
    }

    pub fn is_ready(&self) -> bool {
        self.pending.borrow().is_empty()
    }

    /// What is still waited for, by name.
    pub fn pending(&self) -> Vec<&'static str> {
        self.pending.borrow().iter().copied().collect()
    }

    /// Returns once nothing is waited for.
    pub async fn ready(&self) {
        let mut pending = self.pending.subscribe();
        // The sender lives as long as `self`, so that waiting cannot fail.
        let _ = pending.wait_for(BTreeSet::is_empty).await;
    }
}

impl Pending {
    /// It is known now.
    pub fn done(self) {}
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.pending.send_modify(|pending| {
            pending.remove(self.what);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_when_everything_was_known_once() {
        let readiness = Readiness::default();
        let (policies, namespaces) = (readiness.wait_for("policies"), readiness.wait_for("namespaces"));
        assert_eq!(readiness.pending(), ["namespaces", "policies"]);
        policies.done();
        assert!(!readiness.is_ready());
        let waiting = tokio::spawn({
            let readiness = readiness.clone();
            async move { readiness.ready().await }
        });
        namespaces.done();
        waiting.await.unwrap();
        assert!(readiness.is_ready());
    }
}
