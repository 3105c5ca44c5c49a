//! Portcullis is killed while the API server calls it, and starts again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use portcullis_cluster_tests::wait;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::site::{Asked, Site, try_create, while_serving};

/// Between two requests: 200 a second.
const PACE: Duration = Duration::from_millis(5);
/// Requests at once, where the machine does not keep the pace.
const AT_ONCE: usize = 100;

/// A policy by which ConfigMaps of a bad name are refused.
fn policy(name: &str, site: &Site<'_, '_, '_>, failure_policy: &str) -> String {
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
    match: {{any: [{{resources: {{kinds: [ConfigMap], namespaces: [{}], names: [bad-*]}}}}]}}
    validate: {{failureAction: Enforce, message: a bad name, deny: {{}}}}
",
        site.test.namespace
    )
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// It is answered as the policy says.
    Judged,
    /// A ConfigMap of a bad name is admitted.
    Unjudged,
    /// The API server has refused it, since it could not call the webhook.
    Failed,
}

/// A request, and when it was under way.
#[derive(Debug)]
struct Request {
    start: Instant,
    end: Instant,
    outcome: Outcome,
}

/// Asks for ConfigMaps of good and of bad names in turn, at its pace, until it is told to stop. What came of each
/// request is sent to `requests`.
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
                Asked::Refused(message) if message.contains("failed calling webhook") => Outcome::Failed,
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

/// The requests that a test hears of.
struct Heard {
    requests: mpsc::UnboundedReceiver<Request>,
    all: Vec<Request>,
}

impl Heard {
    /// Waits until so many requests that began after `start` have ended.
    async fn until(&mut self, start: Instant, count: usize) -> Result<()> {
        let mut ended = 0;
        while ended < count {
            let next = tokio::time::timeout(wait::PATIENCE, self.requests.recv()).await;
            let request = next.context("no request ends")?.context("nobody asks any more")?;
            ended += usize::from(request.start >= start);
            self.all.push(request);
        }
        Ok(())
    }
}

/// All requests around a crash, and its moments.
struct Crash {
    requests: Vec<Request>,
    killed: Instant,
    started: Instant,
    /// When it was at work again.
    back: Instant,
}

impl Crash {
    /// Kills and starts Portcullis under requests that come at their pace.
    async fn under_load(site: &mut Site<'_, '_, '_>) -> Result<Crash> {
        let (sender, requests) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let asking = tokio::spawn(ask(site.test.api(), sender, stopped));
        let mut heard = Heard { requests, all: Vec::new() };
        heard.until(Instant::now(), 200).await?;
        let killed = Instant::now();
        site.portcullis.serve.kill();
        heard.until(killed, 20).await?;
        let started = Instant::now();
        site.portcullis.serve.start()?;
        site.portcullis.until_ready().await?;
        site.until_refused("bad-probe", "a bad name").await?;
        let back = Instant::now();
        heard.until(back, 200).await?;
        stop.send_replace(true);
        asking.await??;
        while let Ok(request) = heard.requests.try_recv() {
            heard.all.push(request);
        }
        Ok(Crash { requests: heard.all, killed, started, back })
    }

    fn count(&self, which: impl Fn(&Request) -> bool) -> usize {
        self.requests.iter().filter(|request| which(request)).count()
    }

    /// How many were not judged though Portcullis was at work all the time that they were under way.
    fn lost(&self) -> usize {
        self.count(|request| {
            request.outcome != Outcome::Judged && (request.end < self.killed || request.start > self.back)
        })
    }
}

#[test]
fn requests_fail_closed_from_the_moment_of_a_crash_to_the_next_start_and_none_before_or_after() -> Result<()>
{
    while_serving(&[], async |site| {
        site.put_in_force(&[&policy("closed", site, "Fail")]).await?;
        site.until_refused("bad-probe", "a bad name").await?;
        let crash = Crash::under_load(site).await?;
        ensure!(crash.lost() == 0, "{:?}", crash.requests);
        let failed = crash.count(|request| request.outcome == Outcome::Failed);
        ensure!(failed > 0, "nobody called a server that was not there");
        // The next start removes what nobody answers, and only then something can pass unjudged.
        let passed = |request: &Request| request.outcome == Outcome::Unjudged && request.end < crash.started;
        ensure!(crash.count(passed) == 0, "{:?}", crash.requests);
        Ok(())
    })
}

#[test]
fn no_request_fails_by_a_crash_where_failures_are_ignored_and_all_are_judged_again_afterwards() -> Result<()>
{
    while_serving(&[], async |site| {
        site.put_in_force(&[&policy("open", site, "Ignore")]).await?;
        site.until_refused("bad-probe", "a bad name").await?;
        let crash = Crash::under_load(site).await?;
        ensure!(crash.lost() == 0, "{:?}", crash.requests);
        ensure!(crash.count(|request| request.outcome == Outcome::Failed) == 0, "{:?}", crash.requests);
        let passed = crash.count(|request| request.outcome == Outcome::Unjudged);
        ensure!(passed > 0, "nobody called a server that was not there");
        Ok(())
    })
}

#[test]
fn the_webhooks_that_a_crash_leaves_are_removed_by_disarm_and_by_the_next_start() -> Result<()> {
    while_serving(&[], async |site| {
        site.put_in_force(&[&policy("closed", site, "Fail")]).await?;
        site.until_refused("bad-probe", "a bad name").await?;
        site.portcullis.serve.kill();
        site.until_refused("bad-probe", "failed calling webhook").await?;
        let said = site.portcullis.command(&["disarm"]).await?;
        ensure!(said.contains("portcullis-resource-validating removed"), "{said}");
        site.until_admitted("bad-probe").await?;

        site.portcullis.serve.start()?;
        site.until_refused("bad-probe", "a bad name").await?;
        site.portcullis.serve.kill();
        site.until_refused("bad-probe", "failed calling webhook").await?;
        site.portcullis.serve.start()?;
        site.portcullis
            .serve
            .until_logged("removed a webhook configuration that an earlier run left")
            .await?;
        site.until_refused("bad-probe", "a bad name").await
    })
}
