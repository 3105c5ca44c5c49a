//! Clocks that disagree: ours, the API server's, that of another replica (threats 65 and 75).

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};
use portcullis_cluster::{Candidate, Clock, Connection, LeaseTimes};
use portcullis_cluster_tests::wait::{PATIENCE, until_object};
use portcullis_cluster_tests::{ClusterTest, Replica, cluster_test};
use portcullis_webhook::Authority;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::client::review;
use super::paced::{Pace, Requests, ensure_all_judged, policy};
use super::replicated::{put_in_force, refuse_bad_names, replicated};
use super::secret::{DAY, Entries, Shared, issued};
use super::site::while_serving;
use crate::story::{is_finished, job};

/// How far clocks may be apart.
const HOUR: u64 = 3600;
/// How far they are apart where Portcullis runs by one that is wrong.
const TEN_MINUTES: i64 = 600;

/// A clock that is so many seconds late or early.
#[derive(Debug)]
enum Skewed {
    Late(u64),
    Early(u64),
}

impl TimeProvider for Skewed {
    fn current_time(&self) -> Option<UnixTime> {
        let now = UnixTime::now().as_secs();
        let seconds = match self {
            Skewed::Late(seconds) => now.checked_sub(*seconds)?,
            Skewed::Early(seconds) => now.checked_add(*seconds)?,
        };
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

#[test]
fn a_certificate_that_was_just_made_is_trusted_by_whose_clock_is_an_hour_late_or_early() -> Result<()> {
    while_serving(&[], async |site| {
        let body = review(&site.test.namespace, "any");
        // A moment has passed since the certificate was made.
        for clock in [Skewed::Late(HOUR), Skewed::Early(HOUR)] {
            let told = format!("{clock:?}");
            let mut connection = site.direct_by(Arc::new(clock)).await?.connect().await.context(told)?;
            let answer = connection.review("/validate/fail", &body).await?;
            ensure!(answer["allowed"] == true, "{answer}");
        }
        // A clock that is further off shows that these are looked at.
        let refused = site.direct_by(Arc::new(Skewed::Late(2 * HOUR))).await?.connect().await.err();
        let refused = format!("{:#}", refused.context("a certificate of tomorrow is trusted")?);
        ensure!(refused.contains("not valid yet"), "{refused}");
        Ok(())
    })
}

/// Long enough for a busy machine to renew in time.
const TIMES: LeaseTimes = LeaseTimes {
    duration: Duration::from_secs(6),
    renew_deadline: Duration::from_secs(5),
    retry: Duration::from_millis(250),
};

fn an_hour_late() -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(1)
}

fn an_hour_early() -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(1)
}

/// One leads by its clock; the other must leave it the lease for as long as it is renewed, and take it when it is not.
async fn hand_over(test: &ClusterTest, lease: &str, first: Clock, second: Clock) -> Result<()> {
    let connection = Connection::from_config(test.control_plane.config().await?)?;
    let candidate = |identity: &str, clock: Clock| {
        Candidate::new(&connection, &test.namespace, lease, identity, clock).with_times(TIMES)
    };
    let (first, second) = (candidate("first", first), candidate("second", second));
    let (mut first_leads, mut second_leads) = (first.leadership(), second.leadership());
    let first = tokio::spawn(first.run(std::future::pending()));
    ensure!(timeout(PATIENCE, first_leads.gained()).await?, "nobody leads");
    let second = tokio::spawn(second.run(std::future::pending()));

    // The holder renews for longer than the time after which a lease runs out.
    let renewed = |lease: Option<&Lease>| {
        let spec = lease.and_then(|lease| lease.spec.as_ref());
        let times =
            spec.and_then(|spec| Some((&spec.acquire_time.as_ref()?.0, &spec.renew_time.as_ref()?.0)));
        let long = SignedDuration::from_secs(9);
        times.is_some_and(|(acquired, renewed)| renewed.duration_since(*acquired) > long)
    };
    let leases = test.api::<Lease>();
    tokio::select! {
        renewed = until_object(&leases, lease, "a lease that is renewed again and again", renewed) => drop(renewed?),
        _ = second_leads.gained() => anyhow::bail!("a lease that is renewed was taken"),
    }

    // It dies without a word.
    first.abort();
    let dead = Instant::now();
    let taken = timeout(PATIENCE, second_leads.gained()).await.context("nobody takes the lease");
    let waited = dead.elapsed();
    second.abort();
    ensure!(taken?, "nobody takes the lease");
    // The other saw the last renewal some attempts before, or earlier where the API server is slow.
    ensure!(waited >= TIMES.duration / 2, "the lease was taken after {waited:?}");
    Ok(())
}

#[test]
fn a_lease_is_kept_and_handed_over_between_replicas_whose_clocks_are_two_hours_apart() -> Result<()> {
    cluster_test(async |test| {
        tokio::try_join!(
            hand_over(test, "of-the-late", an_hour_late, an_hour_early),
            hand_over(test, "of-the-early", an_hour_early, an_hour_late)
        )?;
        Ok(())
    })
}

/// How far the clock of a replica is early, by the first line of its log.
fn ahead(replica: &Replica) -> Result<SignedDuration> {
    let log = replica.process.log()?;
    let told: Timestamp = log.split_whitespace().next().context("an empty log")?.parse()?;
    Ok(told.duration_since(Timestamp::now()))
}

/// Two replicas, the first of which makes the certificate and leads until it is killed, by clocks that are wrong by so many
/// seconds.
fn serve_by_clocks(first: i64, second: i64) -> Result<()> {
    replicated(async |test, replicas| {
        let shared = Shared::of(test);
        for seconds in [first, second] {
            replicas.run_by_clock(seconds).await?;
            replicas.start(1).await?;
            let ahead = ahead(&replicas.running[replicas.running.len() - 1])?;
            // The line is some seconds old.
            ensure!(
                (ahead.as_secs() - seconds).abs() < TEN_MINUTES / 2,
                "it is early by {ahead:?}, not {seconds} s"
            );
        }
        refuse_bad_names(test).await?;
        let made = shared.entries().await?;
        shared.until_served(replicas, &made.certificate).await?;
        let mut requests = Requests::start(test.api(), Pace::LOAD);
        requests.more(200).await?;
        ensure!(replicas.leader().await? == Some(0), "the first replica does not lead");
        ensure_all_judged(&requests.stop().await?)?;

        // The other takes the Lease, whose times are those of the first, and goes on with what that has made.
        replicas.kill(0).await?;
        put_in_force(test, &policy("late", &test.namespace, "Fail")).await?;
        ensure!(replicas.leader().await? == Some(0), "the second replica does not lead");
        let mut requests = Requests::start(test.api(), Pace::LOAD);
        requests.more(200).await?;
        let authority = Authority::from_pem(&made.authorities, &made.authority_key)?;
        let due = issued(&authority, 101 * DAY)?;
        shared.edit(&[("tls.crt", &due.certificate), ("tls.key", &due.key)]).await?;
        let is_other =
            |entries: &Entries| ![&due.certificate, &made.certificate].contains(&&entries.certificate);
        let renewed = shared.until("a certificate in place of the due one", is_other).await?;
        ensure!(renewed.authorities == made.authorities, "the authority was not due");
        shared.until_served(replicas, &renewed.certificate).await?;
        requests.more(200).await?;
        ensure_all_judged(&requests.stop().await?)
    })
}

#[test]
fn a_replica_whose_clock_is_ten_minutes_early_gives_way_to_one_that_is_as_late() -> Result<()> {
    serve_by_clocks(TEN_MINUTES, -TEN_MINUTES)
}

#[test]
fn a_replica_whose_clock_is_ten_minutes_late_gives_way_to_one_that_is_as_early() -> Result<()> {
    serve_by_clocks(-TEN_MINUTES, TEN_MINUTES)
}

#[test]
fn jobs_are_as_old_as_the_api_server_says_by_a_clock_that_is_ten_minutes_late_or_early() -> Result<()> {
    cluster_test(async |test| {
        // A clock that is late finds neither of them older than two hours, and one that is early both.
        for (name, minutes) in [("older", 125), ("younger", 115)] {
            test.apply(&job(name, "")).await?.succeeded()?;
            until_object(&test.api::<Job>(), name, "the end of the Job", is_finished).await?;
            let mut status = test.api::<Job>().get(name).await?.status.context("a status")?;
            for condition in status.conditions.iter_mut().flatten() {
                if let Some(time) = &mut condition.last_transition_time {
                    time.0 = time.0.checked_sub(SignedDuration::from_mins(minutes))?;
                }
            }
            let conditions = Patch::Merge(json!({ "status": { "conditions": status.conditions } }));
            test.api::<Job>().patch_status(name, &PatchParams::default(), &conditions).await?;
        }
        for seconds in [-TEN_MINUTES, 0, TEN_MINUTES] {
            let arguments = ["jobs", "plan", "-n", &test.namespace, "--older-than", "2h", "--format", "json"];
            let plan = test.control_plane.portcullis_by_clock(seconds, &arguments).await?.succeeded()?;
            let plan: Value = serde_json::from_str(&plan)?;
            let items = plan["items"].as_array().context("no items")?;
            ensure!(items.len() == 1 && items[0]["name"] == "older", "by {seconds} s: {plan:#}");
        }
        Ok(())
    })
}
