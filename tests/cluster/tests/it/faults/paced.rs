//! Requests to the API server that come at their pace, and what came of each.
//!
//! Paced because that is what a load is.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use portcullis_cluster_tests::wait;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, interval_at, timeout};

use super::site::{Asked, try_create};

/// How fast requests come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Between two requests.
    interval: Duration,
    /// Requests at once, where the machine does not keep the pace: the others follow as soon as there is a place.
    at_once: usize,
}

impl Pace {
    /// 200 a second.
    pub(crate) const LOAD: Pace = Pace { interval: Duration::from_millis(5), at_once: 100 };
    /// 20 a second. An API server that comes up asks itself for its roles, one after another, and each of these requests
    /// waits its turn among all others: behind a hundred of them it takes minutes on a busy machine.
    pub(crate) const LIGHT: Pace = Pace { interval: Duration::from_millis(50), at_once: 4 };
}

/// What an API server says that has just begun.
const NOT_READY: &str = "not yet ready to handle request";

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
    /// The API server itself does not answer, or not yet: why.
    Away(String),
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

    pub(crate) fn has_found_nobody(&self) -> bool {
        matches!(self.outcome, Outcome::Away(_))
    }

    /// Whether it was, at some moment between these.
    pub(crate) fn is_under_way(&self, from: Instant, to: Instant) -> bool {
        self.start <= to && self.end >= from
    }
}

/// Requests for ConfigMaps of good and of bad names in turn, which a policy refuses as `a bad name`. They leave no trace.
pub(crate) struct Requests {
    asking: JoinHandle<Result<()>>,
    pace: Pace,
    begun: Instant,
    /// When the last one is due.
    stop: watch::Sender<Option<Instant>>,
    ended: mpsc::UnboundedReceiver<Request>,
    all: Vec<Request>,
}

impl Requests {
    /// Asks until it is told to stop.
    pub(crate) fn start(maps: Api<ConfigMap>, pace: Pace) -> Requests {
        let (sender, ended) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(None);
        let begun = Instant::now();
        let asking = tokio::spawn(ask(maps, pace, begun, sender, stopped));
        Requests { asking, pace, begun, stop, ended, all: Vec::new() }
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

    /// Ends them, and returns them all: as many as were due. The API server has answered each of them.
    pub(crate) async fn stop(self) -> Result<Vec<Request>> {
        let all = self.stop_although_away().await?;
        let away = all.iter().find(|request| request.has_found_nobody());
        ensure!(away.is_none(), "the API server does not answer: {away:?}");
        Ok(all)
    }

    /// The same where the API server was away meanwhile.
    pub(crate) async fn stop_although_away(mut self) -> Result<Vec<Request>> {
        let end = Instant::now();
        self.stop.send_replace(Some(end));
        self.asking.await??;
        while let Ok(request) = self.ended.try_recv() {
            self.all.push(request);
        }
        let due = (end - self.begun).as_nanos() / self.pace.interval.as_nanos() + 1;
        ensure!(
            self.all.len() as u128 == due,
            "{} requests were made of {due} that were due",
            self.all.len()
        );
        Ok(self.all)
    }
}

/// That what went wrong between these moments did so under load: some requests had ended before, some were under way, and some
/// began afterwards.
pub(crate) fn ensure_around(requests: &[Request], from: Instant, to: Instant) -> Result<()> {
    let count = |which: &dyn Fn(&Request) -> bool| requests.iter().filter(|&request| which(request)).count();
    let before = count(&|request| request.end < from);
    let during = count(&|request| request.is_under_way(from, to));
    let after = count(&|request| request.start > to);
    ensure!(before > 0 && during > 0 && after > 0, "{before} before, {during} during and {after} after");
    Ok(())
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
    pace: Pace,
    begun: Instant,
    requests: mpsc::UnboundedSender<Request>,
    stop: watch::Receiver<Option<Instant>>,
) -> Result<()> {
    // Those that were missed come at once.
    let mut ticks = interval_at(begun, pace.interval);
    let places = Arc::new(Semaphore::new(pace.at_once));
    let mut asked = JoinSet::new();
    for number in 0_u64.. {
        let due = ticks.tick().await;
        if stop.borrow().is_some_and(|end| due > end) {
            break;
        }
        let place = places.clone().acquire_owned().await?;
        let (maps, requests) = (maps.clone(), requests.clone());
        asked.spawn(async move {
            let start = Instant::now();
            let outcome = outcome(&maps, number % 2 == 1).await?;
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

/// Asks for one ConfigMap. An answer that is none of these outcomes is an error.
async fn outcome(maps: &Api<ConfigMap>, is_bad: bool) -> Result<Outcome> {
    let asked = match try_create(maps, if is_bad { "bad-name" } else { "good-name" }).await {
        Ok(asked) => asked,
        Err(error) => return Ok(Outcome::Away(format!("{error:#}"))),
    };
    Ok(match asked {
        Asked::Refused(message) if message.contains("failed calling webhook") => Outcome::Failed(message),
        Asked::Refused(message) if message.contains(NOT_READY) => Outcome::Away(message),
        Asked::Refused(message) if is_bad && message.contains("a bad name") => Outcome::Judged,
        Asked::Refused(message) => bail!("refused with: {message}"),
        Asked::Admitted(_) if is_bad => Outcome::Unjudged,
        Asked::Admitted(_) => Outcome::Judged,
    })
}
