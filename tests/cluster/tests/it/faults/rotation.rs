//! The certificate that replicas share comes to its end, and so does its authority; the Secret is deleted and spoilt (threats
//! 63 and 64).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use portcullis_cluster_tests::{ClusterTest, Replicas, wait};
use portcullis_webhook::{Authority, Issued};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::time_provider::DefaultTimeProvider;
use serde_json::json;

use super::client::{Direct, review};
use super::paced::{Requests, ensure_all_judged};
use super::replicated::{refuse_bad_names, replicated};

const SECRET: &str = "portcullis-tls";
const NAMES: [&str; 3] = ["portcullis", "portcullis.portcullis", "portcullis.portcullis.svc"];
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long ago: an authority is to be replaced after 243 days, a certificate after 100.
fn ago(time: Duration) -> SystemTime {
    SystemTime::from(Timestamp::now()) - time
}

fn issued(authority: &Authority, age: Duration) -> Result<Issued> {
    Ok(authority.issue_pem(&NAMES.map(str::to_owned), ago(age))?)
}

/// The Secret, and what its replicas do with it.
struct Shared<'a> {
    test: &'a ClusterTest,
    secrets: Api<Secret>,
}

impl Shared<'_> {
    fn of(test: &ClusterTest) -> Shared<'_> {
        Shared { test, secrets: Api::namespaced(test.client.clone(), "portcullis") }
    }

    /// Makes the Secret, as it was left long ago.
    async fn make(&self, authority: &Authority, leaf: &Issued) -> Result<()> {
        let secret = serde_json::from_value(json!({
            "metadata": { "name": SECRET },
            "type": "kubernetes.io/tls",
            "stringData": {
                "ca.crt": authority.bundle_pem(), "ca.key": authority.key_pem(),
                "tls.crt": leaf.certificate, "tls.key": leaf.key,
            },
        }))?;
        self.secrets.create(&PostParams::default(), &secret).await?;
        Ok(())
    }

    /// Writes some entries.
    async fn edit(&self, entries: &[(&str, &str)]) -> Result<()> {
        let entries: serde_json::Map<_, _> =
            entries.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
        let patch = Patch::Merge(json!({ "stringData": entries }));
        self.secrets.patch(SECRET, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    async fn entries(&self) -> Result<Entries> {
        let data = self.secrets.get(SECRET).await?.data.context("entries")?;
        let text = |name: &str| -> Result<String> {
            let ByteString(bytes) = data.get(name).with_context(|| format!("no `{name}`"))?;
            Ok(String::from_utf8(bytes.clone())?)
        };
        Ok(Entries {
            authorities: text("ca.crt")?,
            authority_key: text("ca.key")?,
            certificate: text("tls.crt")?,
            key: text("tls.key")?,
        })
    }

    /// Waits until the Secret is so.
    async fn until(&self, what: &str, is_so: impl Fn(&Entries) -> bool) -> Result<Entries> {
        wait::until(what, async || Ok(Some(self.entries().await?).filter(&is_so))).await
    }

    /// What the API server is told to trust.
    async fn bundle(&self) -> Result<Vec<u8>> {
        let configurations: Api<ValidatingWebhookConfiguration> = Api::all(self.test.client.clone());
        let configuration = configurations.get("portcullis-resource-validating").await?;
        let webhook = configuration.webhooks.into_iter().flatten().next().context("a webhook")?;
        Ok(webhook.client_config.ca_bundle.context("a CA bundle")?.0)
    }

    async fn until_trusted(&self, authorities: &str) -> Result<()> {
        wait::until("the bundle of the webhooks", async || {
            Ok((self.bundle().await? == authorities.as_bytes()).then_some(()))
        })
        .await
    }

    /// Waits until each replica serves with this certificate to a client that trusts what the API server trusts, under the
    /// name of the Service.
    async fn until_served(&self, replicas: &Replicas<'_>, certificate: &str) -> Result<()> {
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())?;
        for replica in &replicas.running {
            wait::until("a replica that serves with the certificate of the Secret", async || {
                let direct =
                    Direct::new(replica.address, &self.bundle().await?, Arc::new(DefaultTimeProvider))?;
                let mut connection = direct.named(NAMES[2])?.connect().await?;
                let answer =
                    connection.review("/validate/fail", &review(&self.test.namespace, "any")).await?;
                ensure!(answer["allowed"] == true, "{answer}");
                let shown = connection.stream.get_ref().1.peer_certificates().context("a certificate")?;
                Ok(shown.first().filter(|shown| **shown == certificate).map(drop))
            })
            .await?;
        }
        Ok(())
    }
}

/// What the Secret holds.
#[derive(Debug, PartialEq)]
struct Entries {
    authorities: String,
    authority_key: String,
    certificate: String,
    key: String,
}

impl Entries {
    fn authorities(&self) -> usize {
        CertificateDer::pem_slice_iter(self.authorities.as_bytes()).count()
    }
}

#[test]
fn authority_and_certificate_give_way_to_the_next_without_a_failed_request() -> Result<()> {
    replicated(async |test, replicas| {
        let shared = Shared::of(test);
        let old = Authority::new(ago(250 * DAY))?;
        let first = issued(&old, 20 * DAY)?;
        shared.make(&old, &first).await?;
        replicas.start(2).await?;
        refuse_bad_names(test).await?;
        let mut requests = Requests::start(test.api());

        // The next authority is announced, and served with when the API server trusts it.
        let both = shared.until("two authorities", |entries| entries.authorities() == 2).await?;
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
        requests.more(200).await?;
        ensure_all_judged(&requests.stop().await?)
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
        requests.more(200).await?;
        let mut logs = String::new();
        for replica in &replicas.running {
            logs.push_str(&replica.process.log()?);
        }
        ensure!(logs.contains("the certificate in use stays"), "nothing was spoilt: {logs}");
        ensure_all_judged(&requests.stop().await?)
    })
}
