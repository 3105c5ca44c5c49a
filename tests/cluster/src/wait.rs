//! Waiting for conditions, never for time to pass.
//!
//! Paced because what tells nobody when it changes is looked at again and again.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use kube::runtime::wait::{Condition, await_condition};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::{self, MissedTickBehavior};

/// When to give up. Only a failure takes so long, so it is generous: the machine may be busy with a build.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How long a command may run: one that hangs is to fail its test, and not hold up all of them.
pub(crate) const LONGEST_COMMAND: Duration = Duration::from_mins(10);

/// How long between two looks at what tells nobody when it changes.
const INTERVAL: Duration = Duration::from_millis(50);

/// Waits until an object meets a condition, by a watch, and returns it; `None` when the condition is that it is gone.
///
/// # Errors
/// When that does not come to be, with what was waited for.
pub async fn until_object<K>(
    api: &Api<K>,
    name: &str,
    what: &str,
    condition: impl Condition<K>,
) -> Result<Option<K>>
where
    K: Clone + Debug + Send + DeserializeOwned + Resource + 'static,
{
    let waited = time::timeout(PATIENCE, await_condition(api.clone(), name, condition)).await;
    waited
        .map_err(|_| anyhow!("waited {} s in vain for: {what}", PATIENCE.as_secs()))?
        .with_context(|| format!("cannot wait for: {what}"))
}

/// Asks again and again until there is an answer: for what cannot be watched, as a log or an endpoint.
/// An error is asked again too, and told when there is no more time.
///
/// # Errors
/// When no answer comes, with what was waited for and the last error.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let mut ticks = time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    let asking = async {
        loop {
            ticks.tick().await;
            match ask().await {
                Ok(Some(answer)) => return answer,
                Ok(None) => last = None,
                Err(error) => last = Some(error),
            }
        }
    };
    if let Ok(answer) = time::timeout(PATIENCE, asking).await {
        return Ok(answer);
    }
    let message = format!("waited {} s in vain for: {what}", PATIENCE.as_secs());
    Err(last.map_or_else(|| anyhow!(message.clone()), |error| error.context(message.clone())))
}

/// The same where no answer may be wrong: an error is not asked again.
///
/// # Errors
/// The first error, and when no answer comes.
pub async fn until_unless_wrong<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    until(what, async || Ok(ask().await.transpose())).await?
}
