//! Requests to the API server that come at their pace, and what came of each.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use portcullis_cluster_tests::wait;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, interval, timeout};

use super::site::{Asked, try_create};

/// Between two requests: 200 a second.
const PACE: Duration = Duration::from_millis(5);
/// Requests at once, where the machine does not keep the pace.
const AT_ONCE: usize = 100;

/// A policy of this name by which ConfigMaps of a bad name are refused.
pub(crate) fn policy(name: &str, namespace: &str, failure_policy: &str) -> String {
    format!(
        "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: {name}
spec:
  failurePolicy: {failure_policy}
  rules:
  - name: r
    match: {{any: [{{resources: {{kinds: [ConfigMap], namespaces: [{namespace}], names: [bad-*]}}}}]}}
    validate: {{failureAction: Enforce, message: a bad name, deny: {{}}}}
"
    )
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// It is answered as the policy says.
    Judged,
    /// A ConfigMap of a bad name is admitted.
    Unjudged,
    /// The API server has refused it, since it could not call the webhook: its words.
    Failed(String),
}

/// A request, and when it was under way.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) start: Instant,
    pub(crate) end: Instant,
    pub(crate) outcome: Outcome,
}

impl Request {
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }
}

/// Requests for ConfigMaps of good and of bad names in turn, which a policy refuses as `a bad name`. They leave no trace.
pub(crate) struct Requests {
    asking: JoinHandle<Result<()>>,
    stop: watch::Sender<bool>,
    ended: mpsc::UnboundedReceiver<Request>,
    all: Vec<Request>,
}

impl Requests {
    /// Asks until it is told to stop.
    pub(crate) fn start(maps: Api<ConfigMap>) -> Requests {
        let (sender, ended) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let asking = tokio::spawn(ask(maps, sender, stopped));
        Requests { asking, stop, ended, all: Vec::new() }
    }

    /// Waits until so many requests that began after `start` have ended.
    pub(crate) async fn until(&mut self, start: Instant, count: usize) -> Result<()> {
        let mut ended = self.all.iter().filter(|request| request.start >= start).count();
        while ended < count {
            let request = timeout(wait::PATIENCE, self.ended.recv()).await;
            let Some(request) = request.context("the API server does not answer")? else {
                (&mut self.asking).await??;
                bail!("nobody asks any more");
            };
            ended += usize::from(request.start >= start);
            self.all.push(request);
        }
        Ok(())
    }

    /// Waits for so many more requests.
    pub(crate) async fn more(&mut self, count: usize) -> Result<()> {
        self.until(Instant::now(), count).await
    }

    /// Ends them, and returns them all.
    pub(crate) async fn stop(mut self) -> Result<Vec<Request>> {
        self.stop.send_replace(true);
        self.asking.await??;
        while let Ok(request) = self.ended.try_recv() {
            self.all.push(request);
        }
        Ok(self.all)
    }
}

/// That every one was judged.
pub(crate) fn ensure_all_judged(requests: &[Request]) -> Result<()> {
    let mut lost = requests.iter().filter(|request| request.outcome != Outcome::Judged);
    let first = lost.next();
    ensure!(first.is_none(), "of {} requests {} were lost: {first:?}", requests.len(), lost.count() + 1);
    Ok(())
}

async fn ask(
    maps: Api<ConfigMap>,
    requests: mpsc::UnboundedSender<Request>,
    stop: watch::Receiver<bool>,
) -> Result<()> {
    let mut ticks = interval(PACE);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut asked = JoinSet::new();
    for number in 0_u64.. {
        if *stop.borrow() {
            break;
        }
        ticks.tick().await;
        let place = places.clone().acquire_owned().await?;
        let (maps, requests) = (maps.clone(), requests.clone());
        asked.spawn(async move {
            let start = Instant::now();
            let is_bad = number % 2 == 1;
            let asked = try_create(&maps, if is_bad { "bad-name" } else { "good-name" }).await?;
            let outcome = match asked {
                Asked::Refused(message) if message.contains("failed calling webhook") => {
                    Outcome::Failed(message)
                }
                Asked::Refused(message) if is_bad && message.contains("a bad name") => Outcome::Judged,
                Asked::Refused(message) => anyhow::bail!("refused with: {message}"),
                Asked::Admitted(_) if is_bad => Outcome::Unjudged,
                Asked::Admitted(_) => Outcome::Judged,
            };
            // Nobody listens once all is known.
            let _ = requests.send(Request { start, end: Instant::now(), outcome });
            drop(place);
            anyhow::Ok(())
        });
        while let Some(ended) = asked.try_join_next() {
            ended??;
        }
    }
    while let Some(ended) = asked.join_next().await {
        ended??;
    }
    Ok(())
}
