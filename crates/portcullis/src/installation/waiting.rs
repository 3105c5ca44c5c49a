//! Waiting for what others do to an object, by an API server that may be away for a moment.

use std::fmt::Debug;
use std::pin::pin;

use futures::StreamExt as _;
use kube::runtime::wait::Condition;
use kube::runtime::watcher::{self, watch_object};
use kube::{Api, Resource};
use portcullis_cluster::Backoff;
use serde::de::DeserializeOwned;

use super::Site;

impl Site {
    /// Waits until `condition` holds of the object of this name. Says whether it came to hold in time.
    ///
    /// # Errors
    /// Whoever runs the command may not watch such objects.
    pub(super) async fn comes_true<K>(
        &self,
        api: Api<K>,
        name: &str,
        condition: impl Condition<K>,
    ) -> anyhow::Result<bool>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let holds = async {
            let mut backoff = Backoff::standard();
            let mut seen = pin!(watch_object(api, name));
            while let Some(seen) = seen.next().await {
                match seen {
                    Ok(object) if condition.matches_object(object.as_ref()) => break,
                    Ok(_) => backoff.reset(),
                    Err(error) => match refusal(&error) {
                        Some(refusal) => return Err(self.told("watch", &K::plural(&()), refusal)),
                        None => backoff.wait().await,
                    },
                }
            }
            Ok(())
        };
        // What does not hold after that time may hold later, but nobody waits for ever.
        tokio::time::timeout(self.patience, holds).await.map_or(Ok(false), |held| held.map(|()| true))
    }
}

/// What will not be otherwise a moment later.
fn refusal(error: &watcher::Error) -> Option<&kube::Error> {
    let (watcher::Error::InitialListFailed(error)
    | watcher::Error::WatchStartFailed(error)
    | watcher::Error::WatchFailed(error)) = error
    else {
        return None;
    };
    matches!(error, kube::Error::Api(status) if [401, 403].contains(&status.code)).then_some(error)
}
