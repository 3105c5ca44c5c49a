//! Clocks that disagree by an hour: ours, the API server's, that of another replica (threats 65 and 75).

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use portcullis_cluster::{Candidate, Clock, Connection, LeaseTimes};
use portcullis_cluster_tests::wait::{PATIENCE, until_object};
use portcullis_cluster_tests::{ClusterTest, cluster_test};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use tokio::time::{Instant, timeout};

use super::client::review;
use super::site::while_serving;

/// How far clocks may be apart.
const HOUR: u64 = 3600;

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
    // The last renewal was at most some attempts before.
    ensure!(waited >= TIMES.duration - 4 * TIMES.retry, "the lease was taken after {waited:?}");
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
