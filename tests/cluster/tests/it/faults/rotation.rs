//! The certificate that replicas share comes to its end, and so does its authority; the Secret is deleted and spoilt (threats
//! 63 and 64).

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kube::api::DeleteParams;
use portcullis_webhook::Authority;
use tokio::time::Instant;

use super::paced::{Requests, ensure_all_judged, ensure_around};
use super::replicated::{refuse_bad_names, replicated};
use super::secret::{DAY, Entries, SECRET, Shared, ago, issued};

#[test]
fn authority_and_certificate_give_way_to_the_next_without_a_failed_request() -> Result<()> {
    replicated(async |test, replicas| {
        let shared = Shared::of(test);
        let old = Authority::new(ago(50 * DAY))?;
        let first = issued(&old, 20 * DAY)?;
        shared.make(&old, &first).await?;
        replicas.start(2).await?;
        refuse_bad_names(test).await?;
        shared.until_served(replicas, &first.certificate).await?;
        let mut requests = Requests::start(test.api());
        requests.more(200).await?;

        // One that was announced long ago, and whose own time is nearly up.
        let begun = Instant::now();
        let over = Authority::new(ago(250 * DAY))?;
        let announced = format!("{}{}", old.bundle_pem(), over.bundle_pem());
        shared.edit(&[("ca.crt", &announced), ("ca.key", &over.key_pem())]).await?;
        // The next authority is announced, and served with when the API server trusts it.
        let is_next =
            |entries: &Entries| entries.authorities() == 2 && entries.authority_key != over.key_pem();
        let both = shared.until("two authorities", is_next).await?;
        ensure!(both.authorities.starts_with(old.bundle_pem().trim()), "the old authority is gone");
        shared.until_trusted(&both.authorities).await?;
        let next = shared.until("the next certificate", |e| e.certificate != first.certificate).await?;
        ensure!(next.authorities == both.authorities, "the old authority went before its certificate");
        shared.until_served(replicas, &next.certificate).await?;
        requests.more(200).await?;

        // As if that had been eleven minutes ago.
        let newest = next.authorities.strip_prefix(old.bundle_pem().trim()).context("the newest")?;
        let newest = Authority::from_pem(newest.trim_start(), &next.authority_key)?;
        let same = issued(&newest, Duration::from_secs(660))?;
        shared.edit(&[("tls.crt", &same.certificate), ("tls.key", &same.key)]).await?;
        let alone = shared.until("one authority", |entries| entries.authorities() == 1).await?;
        shared.until_trusted(&alone.authorities).await?;
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
        let mut requests = Requests::start(test.api());
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
