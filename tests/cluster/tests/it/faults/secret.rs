//! The Secret with the certificate that replicas share.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{GetParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use portcullis_cluster_tests::{ClusterTest, Replicas, wait};
use portcullis_webhook::{Authority, Issued};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::time_provider::DefaultTimeProvider;
use serde_json::json;

use super::client::{Direct, review};
use super::replicated::refuse_bad_names;

pub(crate) const SECRET: &str = "portcullis-tls";
/// The configuration that says whom the API server is to trust.
pub(crate) const CONFIGURATION: &str = "portcullis-resource-validating";
const NAMES: [&str; 3] = ["portcullis", "portcullis.portcullis", "portcullis.portcullis.svc"];
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long ago: an authority is to be replaced after 243 days, a certificate after 100.
pub(crate) fn ago(time: Duration) -> SystemTime {
    SystemTime::from(Timestamp::now()) - time
}

pub(crate) fn issued(authority: &Authority, age: Duration) -> Result<Issued> {
    Ok(authority.issue_pem(&NAMES.map(str::to_owned), ago(age))?)
}

/// The Secret, and what its replicas do with it.
pub(crate) struct Shared<'a> {
    test: &'a ClusterTest,
    pub(crate) secrets: Api<Secret>,
}

impl Shared<'_> {
    pub(crate) fn of(test: &ClusterTest) -> Shared<'_> {
        Shared { test, secrets: Api::namespaced(test.client.clone(), "portcullis") }
    }

    /// Starts two replicas that share what was left long ago, and refuse bad names: this authority, and this of it.
    pub(crate) async fn start_two(&self, replicas: &mut Replicas<'_>) -> Result<(Authority, Issued)> {
        let authority = Authority::new(ago(50 * DAY))?;
        let leaf = issued(&authority, 20 * DAY)?;
        self.make(&authority, &leaf).await?;
        replicas.start(2).await?;
        refuse_bad_names(self.test).await?;
        Ok((authority, leaf))
    }

    /// Has the replicas announce the next authority beside `old`, and waits until the API server is told of it.
    pub(crate) async fn announce_next(&self, old: &Authority) -> Result<Entries> {
        // One that was announced long ago, and whose own time is nearly up.
        let over = Authority::new(ago(250 * DAY))?;
        let announced = format!("{}{}", old.bundle_pem(), over.bundle_pem());
        self.edit(&[("ca.crt", &announced), ("ca.key", &over.key_pem())]).await?;
        let is_next =
            |entries: &Entries| entries.authorities() == 2 && entries.authority_key != over.key_pem();
        let both = self.until("two authorities", is_next).await?;
        ensure!(both.authorities.starts_with(old.bundle_pem().trim()), "the old authority is gone");
        self.until_trusted(&both.authorities).await?;
        Ok(both)
    }

    /// Has the replicas take `old` away, as if they had served with a certificate of the next authority for eleven minutes.
    /// Returns that authority, the certificate, and what the Secret holds.
    pub(crate) async fn take_away(
        &self,
        old: &Authority,
        next: &Entries,
    ) -> Result<(Authority, Issued, Entries)> {
        let newest = next.authorities.strip_prefix(old.bundle_pem().trim()).context("the newest")?;
        let newest = Authority::from_pem(newest.trim_start(), &next.authority_key)?;
        let same = issued(&newest, Duration::from_secs(660))?;
        self.edit(&[("tls.crt", &same.certificate), ("tls.key", &same.key)]).await?;
        let alone = self.until("one authority", |entries| entries.authorities() == 1).await?;
        self.until_trusted(&alone.authorities).await?;
        Ok((newest, same, alone))
    }

    /// Makes the Secret, as it was left long ago.
    pub(crate) async fn make(&self, authority: &Authority, leaf: &Issued) -> Result<()> {
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
    pub(crate) async fn edit(&self, entries: &[(&str, &str)]) -> Result<()> {
        let entries: serde_json::Map<_, _> =
            entries.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
        let patch = Patch::Merge(json!({ "stringData": entries }));
        self.secrets.patch(SECRET, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    pub(crate) async fn entries(&self) -> Result<Entries> {
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
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Entries) -> bool) -> Result<Entries> {
        wait::until(what, async || Ok(Some(self.entries().await?).filter(&is_so))).await
    }

    /// What the API server is told to trust.
    pub(crate) async fn bundle(&self) -> Result<Vec<u8>> {
        bundle_of(&self.test.client, &GetParams::default()).await
    }

    pub(crate) async fn until_trusted(&self, authorities: &str) -> Result<()> {
        wait::until("the bundle of the webhooks", async || {
            Ok((self.bundle().await? == authorities.as_bytes()).then_some(()))
        })
        .await
    }

    /// Waits until each replica serves with this certificate to a client that trusts what the API server trusts, under the
    /// name of the Service. Whatever it serves with until then, that client trusts and is answered.
    pub(crate) async fn until_served(&self, replicas: &Replicas<'_>, certificate: &str) -> Result<()> {
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())?;
        for replica in &replicas.running {
            wait::until_unless_wrong(
                "a replica that serves with the certificate of the Secret",
                async || {
                    let direct =
                        Direct::new(replica.address, &self.bundle().await?, Arc::new(DefaultTimeProvider))?;
                    let mut connection = direct.named(NAMES[2])?.connect().await?;
                    let answer =
                        connection.review("/validate/fail", &review(&self.test.namespace, "any")).await?;
                    ensure!(answer["allowed"] == true, "{answer}");
                    let shown = connection.stream.get_ref().1.peer_certificates().context("a certificate")?;
                    Ok(shown.first().filter(|shown| **shown == certificate).map(drop))
                },
            )
            .await?;
        }
        Ok(())
    }
}

/// What the API server of this client says that it is told to trust.
pub(crate) async fn bundle_of(client: &Client, of: &GetParams) -> Result<Vec<u8>> {
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let configuration = configurations.get_with(CONFIGURATION, of).await?;
    let webhook = configuration.webhooks.into_iter().flatten().next().context("a webhook")?;
    Ok(webhook.client_config.ca_bundle.context("a CA bundle")?.0)
}

/// What the Secret holds.
#[derive(Debug, PartialEq)]
pub(crate) struct Entries {
    pub(crate) authorities: String,
    pub(crate) authority_key: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Entries {
    pub(crate) fn authorities(&self) -> usize {
        CertificateDer::pem_slice_iter(self.authorities.as_bytes()).count()
    }
}
