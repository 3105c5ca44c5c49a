//! From serving to the end, without losing a request.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::Limits;

/// How far the server has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Serving.
    Serving,
    /// Serving as before but not ready, until every client has heard of it.
    Unready,
    /// Accepting no connection; every answer closes its connection, and so does silence for a while.
    Closing,
    /// Whatever is left is cut off.
    Ended,
}

/// The stage that the server, its connections and the readiness probe share.
#[derive(Clone, Debug)]
pub struct Lifecycle(Arc<watch::Sender<Stage>>);

impl Lifecycle {
    /// Serving.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Stage::Serving)))
    }

    /// Where it is.
    pub fn stage(&self) -> Stage {
        *self.0.borrow()
    }

    /// Changes of the stage.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Stage> {
        self.0.subscribe()
    }

    /// Waits for `stage` or a later one.
    pub(crate) async fn reached(&self, stage: Stage) {
        // The sender is a field of `self`: it cannot be gone.
        let _ = self.0.subscribe().wait_for(|&now| now >= stage).await;
    }

    /// Goes through the stages to the end in the times that `limits` gives. [`Server::serve`](crate::Server::serve)
    /// returns as soon as no connection is left: wait for that, not for this.
    pub async fn drain(&self, limits: &Limits) {
        let start = Instant::now();
        self.0.send_replace(Stage::Unready);
        sleep_until(start + limits.drain_accept).await;
        self.0.send_replace(Stage::Closing);
        sleep_until(start + limits.drain_grace).await;
        self.0.send_replace(Stage::Ended);
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}
