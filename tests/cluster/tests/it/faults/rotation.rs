//! The certificate that replicas share comes to its end, and so does its authority; the Secret is deleted and spoilt (threats
//! 63 and 64).

use anyhow::{Result, ensure};
use kube::api::DeleteParams;
use portcullis_webhook::Authority;
use tokio::time::Instant;

use super::paced::{Pace, Requests, ensure_all_judged, ensure_around};
use super::replicated::{refuse_bad_names, replicated};
use super::secret::{DAY, Entries, SECRET, Shared, ago, issued};

#[test]
fn authority_and_certificate_give_way_to_the_next_without_a_failed_request() -> Result<()> {
    replicated(async |test, replicas| {
        let shared = Shared::of(test);
        let (old, first) = shared.start_two(replicas).await?;
        shared.until_served(replicas, &first.certificate).await?;
        let mut requests = Requests::start(test.api(), Pace::LOAD);
        requests.more(200).await?;

        // The next authority is announced, and served with when the API server trusts it.
        let begun = Instant::now();
        let both = shared.announce_next(&old).await?;
        let next = shared.until("the next certificate", |e| e.certificate != first.certificate).await?;
        ensure!(next.authorities == both.authorities, "the old authority went before its certificate");
        shared.until_served(replicas, &next.certificate).await?;
        requests.more(200).await?;

        let (newest, same, alone) = shared.take_away(&old, &next).await?;
        shared.until_served(replicas, &same.certificate).await?;
        requests.more(200).await?;

        // A certificate that is due under an authority that is not.
        let due = issued(&newest, 101 * DAY)?;
        shared.edit(&[("tls.crt", &due.certificate), ("tls.key", &due.key)]).await?;
        let is_other =
            |entries: &Entries| ![&due.certificate, &same.certificate].contains(&&entries.certificate);
        let last = shared.until("a certificate in place of the due one", is_other).await?;
        ensure!(last.authorities == alone.authorities, "the authority was not due");
        shared.until_served(replicas, &last.certificate).await?;
        let done = Instant::now();
        requests.more(200).await?;
        let requests = requests.stop().await?;
        ensure_around(&requests, begun, done)?;
        ensure_all_judged(&requests)
    })
}

#[test]
fn a_secret_that_is_deleted_or_spoilt_is_put_back_and_no_request_fails() -> Result<()> {
    replicated(async |test, replicas| {
        let shared = Shared::of(test);
        replicas.start(2).await?;
        refuse_bad_names(test).await?;
        let made = shared.entries().await?;
        shared.until_served(replicas, &made.certificate).await?;
        let mut requests = Requests::start(test.api(), Pace::LOAD);
        requests.more(200).await?;
        let begun = Instant::now();
        shared.secrets.delete(SECRET, &DeleteParams::default()).await?;
        shared.until("the Secret", |entries| *entries == made).await?;

        let stranger = issued(&Authority::new(ago(DAY))?, DAY)?;
        let half: String = made.key.chars().take(99).collect();
        let by_stranger = [("tls.crt", &*stranger.certificate), ("tls.key", &*stranger.key)];
        for spoilt in [&[("tls.key", &*half)][..], &by_stranger, &[("ca.crt", "")]] {
            shared.edit(spoilt).await?;
            shared.until("the Secret as it was", |entries| *entries == made).await?;
            shared.until_served(replicas, &made.certificate).await?;
        }
        let done = Instant::now();
        requests.more(200).await?;
        let mut logs = String::new();
        for replica in &replicas.running {
            logs.push_str(&replica.process.log()?);
        }
        ensure!(logs.contains("the certificate in use stays"), "nothing was spoilt: {logs}");
        let requests = requests.stop().await?;
        ensure_around(&requests, begun, done)?;
        ensure_all_judged(&requests)
    })
}
