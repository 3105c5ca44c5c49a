//! Portcullis is killed while the API server calls it, and starts again.

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::paced::{Outcome, Pace, Request, Requests, ensure_around, policy};
use super::site::{Site, while_serving};

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
        let mut requests = Requests::start(site.test.api(), Pace::LOAD);
        requests.until(Instant::now(), 200).await?;
        let killed = Instant::now();
        site.portcullis.serve.kill();
        requests.until(killed, 20).await?;
        let started = Instant::now();
        site.portcullis.serve.start()?;
        site.portcullis.until_ready().await?;
        site.until_refused("bad-probe", "a bad name").await?;
        let back = Instant::now();
        requests.until(back, 200).await?;
        let requests = requests.stop().await?;
        ensure_around(&requests, killed, back)?;
        Ok(Crash { requests, killed, started, back })
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
        site.put_in_force(&[&policy("closed", &site.test.namespace, "Fail")]).await?;
        site.until_refused("bad-probe", "a bad name").await?;
        let crash = Crash::under_load(site).await?;
        ensure!(crash.lost() == 0, "{:?}", crash.requests);
        let failed = crash.count(|request| request.has_failed());
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
        site.put_in_force(&[&policy("open", &site.test.namespace, "Ignore")]).await?;
        site.until_refused("bad-probe", "a bad name").await?;
        let crash = Crash::under_load(site).await?;
        ensure!(crash.lost() == 0, "{:?}", crash.requests);
        ensure!(crash.count(|request| request.has_failed()) == 0, "{:?}", crash.requests);
        let passed = crash.count(|request| request.outcome == Outcome::Unjudged);
        ensure!(passed > 0, "nobody called a server that was not there");
        Ok(())
    })
}

#[test]
fn the_webhooks_that_a_crash_leaves_are_removed_by_disarm_and_by_the_next_start() -> Result<()> {
    while_serving(&[], async |site| {
        site.put_in_force(&[&policy("closed", &site.test.namespace, "Fail")]).await?;
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
