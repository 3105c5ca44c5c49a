//! Clients that ask and ask again while something goes wrong.

use anyhow::{Context as _, Result};
use portcullis_cluster_tests::wait::PATIENCE;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Tasks that run until they are told to stop.
pub(crate) struct Load {
    tasks: JoinSet<Result<()>>,
    stop: watch::Sender<bool>,
    answered: watch::Sender<usize>,
}

impl Load {
    pub(crate) fn new() -> Load {
        Load { tasks: JoinSet::new(), stop: watch::channel(false).0, answered: watch::channel(0).0 }
    }

    /// One more client: `work` asks for as long as it is given turns. Its first error is that of the test.
    pub(crate) fn client<F>(&mut self, work: impl FnOnce(Turns) -> F)
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.tasks.spawn(work(Turns { stop: self.stop.subscribe(), answered: self.answered.clone() }));
    }

    /// Waits until so many more requests have been answered.
    pub(crate) async fn until_answered(&mut self, more: usize) -> Result<()> {
        let mut answered = self.answered.subscribe();
        let wanted = *answered.borrow() + more;
        self.until("the clients are not answered", answered.wait_for(|count| *count >= wanted)).await
    }

    /// Waits for `news`, unless a client fails before: then its error is told, and not that nothing came.
    pub(crate) async fn until<T, E: std::error::Error + Send + Sync + 'static>(
        &mut self,
        none: &str,
        news: impl Future<Output = Result<T, E>>,
    ) -> Result<()> {
        tokio::select! {
            waited = timeout(PATIENCE, news) => waited.with_context(|| none.to_owned())?.map(drop).map_err(Into::into),
            Some(ended) = self.tasks.join_next() => ended?,
        }
    }

    /// Ends all clients, and returns how many requests were answered.
    pub(crate) async fn stop(mut self) -> Result<usize> {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(*self.answered.borrow())
    }
}

/// When a client is to go on.
pub(crate) struct Turns {
    stop: watch::Receiver<bool>,
    answered: watch::Sender<usize>,
}

impl Turns {
    /// Whether there is to be one more request.
    pub(crate) fn one_more(&self) -> bool {
        !*self.stop.borrow()
    }

    /// Counts a request that was answered.
    pub(crate) fn answered(&self) {
        self.answered.send_modify(|count| *count += 1);
    }
}
