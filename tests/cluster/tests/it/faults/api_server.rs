//! The API server restarts, or is away when Portcullis starts (threat 70).
//!
//! Paced because that is what a load is.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use portcullis_cluster_tests::wait;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::client::review;
use super::load::Load;
use super::paced::{Outcome, Pace, Requests, ensure_around, policy};
use super::site::{Asked, Site, while_serving};

/// Between two requests of each client that asks Portcullis itself. They are not to take the processors from an API server that
/// comes up.
const PACE: Duration = Duration::from_millis(10);

/// Fails unless the first answer of the API server is a refusal by this policy.
async fn ensure_refused(site: &Site<'_, '_, '_>, name: &str, words: &str) -> Result<()> {
    match site.try_create(name).await? {
        Asked::Refused(message) if message.contains(words) => Ok(()),
        asked => bail!("`{name}` is to be refused with `{words}`: {asked:?}"),
    }
}

#[test]
fn requests_are_judged_before_and_after_the_api_server_restarts_and_those_that_others_send_meanwhile()
-> Result<()> {
    while_serving(&[], async |site| {
        site.put_in_force(&[&policy("names", &site.test.namespace, "Fail")]).await?;
        site.until_refused("bad-probe", "a bad name").await?;
        let direct = site.direct().await?;
        let mut load = Load::new();
        for name in ["good-name", "bad-name"] {
            let mut connection = direct.connect().await?;
            let body = review(&site.test.namespace, name);
            let is_good = name == "good-name";
            let mut ticks = interval(PACE);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            load.client(async move |turns| {
                while turns.one_more() {
                    ticks.tick().await;
                    let response = connection.review("/validate/fail", &body).await?;
                    ensure!(response["allowed"] == is_good, "{name}: {response}");
                    turns.answered();
                }
                Ok(())
            });
        }
        let mut requests = Requests::start(site.test.api(), Pace::LIGHT);
        requests.more(40).await?;
        load.until_answered(100).await?;

        let stopping = Instant::now();
        site.test.control_plane.stop_api_server();
        let stopped = Instant::now();
        site.portcullis.serve.until_logged("watch fails, serving from memory").await?;
        load.until_answered(500).await?;
        requests.more(40).await?;
        ensure!(site.portcullis.is_ready().await?, "not ready while the API server is away");
        let starting = Instant::now();
        site.test.control_plane.start_api_server().await?;
        let started = Instant::now();
        // Whatever it answers from now on is right, although Portcullis has not seen it again yet.
        ensure_refused(site, "bad-probe", "a bad name").await?;
        requests.more(40).await?;
        load.until_answered(100).await?;
        load.stop().await?;
        // Its watches come back by themselves: what is written now is followed.
        site.write(&site.policy_refusing("late")).await?;
        site.until_refused("late", "refused by late").await?;
        let requests = requests.stop_although_away().await?;

        ensure_around(&requests, stopping, started)?;
        for request in &requests {
            let is_right = match request.outcome {
                Outcome::Judged => request.start < stopped || request.end > starting,
                Outcome::Away(_) => request.is_under_way(stopping, started),
                Outcome::Unjudged | Outcome::Failed(_) => false,
            };
            ensure!(is_right, "stopped at {stopping:?}, started again at {started:?}: {request:?}");
        }
        ensure!(requests.iter().any(|request| request.has_found_nobody()), "the API server was never away");
        Ok(())
    })
}

#[test]
fn a_server_that_starts_before_its_api_server_says_so_and_is_ready_when_that_comes() -> Result<()> {
    while_serving(&[], async |site| {
        site.put_in_force(&[&policy("names", &site.test.namespace, "Fail")]).await?;
        site.until_refused("bad-probe", "a bad name").await?;
        site.portcullis.serve.kill();
        site.test.control_plane.stop_api_server();
        let Err(_) = site.try_create("good-name").await else { bail!("the API server answers") };
        let before = site.portcullis.serve.log()?.len();
        site.portcullis.serve.start()?;
        let url = site.test.control_plane.config().await?.cluster_url.to_string();
        let said = format!("cannot reach the API server at `{}`", url.trim_end_matches('/'));
        let said = wait::until("a word of the API server", async || {
            let log = site.portcullis.serve.log()?;
            let log = log.get(before..).unwrap_or_default();
            Ok((log.contains("cannot list, trying again") && log.contains(&said)).then(|| log.to_owned()))
        })
        .await?;
        ensure!(said.contains("connection refused") && !said.contains("ERROR"), "{said}");
        let readiness = site.portcullis.readiness().await?;
        ensure!(readiness.contains("waiting for ") && readiness.contains("clusterpolicies"), "{readiness}");
        site.test.control_plane.start_api_server().await?;
        site.portcullis.until_ready().await?;
        site.until_refused("bad-probe", "a bad name").await
    })
}
