//! `portcullis serve` on the control plane for faults, called by its API server and by the tests themselves.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context as _, Result, bail, ensure};
use http::Request;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;
use portcullis_cluster_tests::{ClusterTest, Serve, ServeOptions, fault_test, free_port, wait};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::Direct;
use crate::crds;

/// A server and what a test needs of it.
pub(crate) struct Site<'a, 's> {
    pub(crate) test: &'a ClusterTest,
    pub(crate) serve: &'a mut Serve<'s>,
    address: SocketAddr,
    probes: SocketAddr,
}

/// Runs a test while Portcullis serves the cluster from outside of it, with webhooks that fail as policies say, and
/// without any policy. It is given these further arguments.
pub(crate) fn while_serving(
    further: &[&str],
    test: impl AsyncFnOnce(&mut Site<'_, '_>) -> Result<()>,
) -> Result<()> {
    fault_test(async |cluster| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let probes = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        crds::define(&cluster.control_plane.kubectl(&cluster.namespace)).await?;
        let options = options(address, probes, further)?;
        Serve::during(cluster.control_plane, options, async |serve| {
            let mut site = Site { test: cluster, serve, address, probes };
            site.until_ready().await?;
            // What a test that failed has left.
            cluster.kubectl(&["delete", "clusterpolicies", "--all"]).await?.succeeded()?;
            test(&mut site).await
        })
        .await
    })
}

fn options(address: SocketAddr, probes: SocketAddr, further: &[&str]) -> Result<ServeOptions> {
    let mut arguments = vec![
        "serve".to_owned(),
        format!("--listen={address}"),
        format!("--metrics-listen={probes}"),
        format!("--external-url=https://{address}"),
        "--allow-fail".to_owned(),
    ];
    arguments.extend(further.iter().map(|&argument| argument.to_owned()));
    let roles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/roles.yaml");
    Ok(ServeOptions { program: binary()?, arguments, roles, definitions: None })
}

/// The path of the binary, which is built by the first test that asks.
pub(crate) fn binary() -> Result<PathBuf> {
    static BUILT: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| build().map_err(|e| format!("{e:#}")));
    BUILT.clone().map_err(anyhow::Error::msg)
}

fn build() -> Result<PathBuf> {
    let built = std::process::Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "portcullis"])
        .status()
        .context("cannot run cargo")?;
    ensure!(built.success(), "cannot build portcullis: cargo ended with {built}");
    // This program is `target/debug/deps/it-...`.
    let this = std::env::current_exe().context("cannot tell where this test lies")?;
    let folder = this.parent().and_then(Path::parent).context("this test lies in no folder")?;
    Ok(folder.join("portcullis"))
}

impl Site<'_, '_> {
    /// Waits until it says that it is ready.
    pub(crate) async fn until_ready(&self) -> Result<()> {
        wait::until("portcullis is ready", async || Ok(self.is_ready().await?.then_some(()))).await
    }

    pub(crate) async fn is_ready(&self) -> Result<bool> {
        Ok(self.probe("/readyz").await?.starts_with("HTTP/1.1 200"))
    }

    /// What the metric is whose line begins so: name and labels. 0 where there is none.
    pub(crate) async fn metric(&self, series: &str) -> Result<u64> {
        let text = self.probe("/metrics").await?;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(Ok(0), |value| value.parse().with_context(|| format!("`{series} {value}` is no number")))
    }

    async fn probe(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.probes).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }

    /// A client that calls the webhook as the API server does, and trusts what the API server is told to trust.
    pub(crate) async fn direct(&self) -> Result<Direct> {
        let configurations: Api<ValidatingWebhookConfiguration> = Api::all(self.test.client.clone());
        let name = "portcullis-policy-validating";
        let configuration =
            wait::until("the webhook for policies", async || Ok(configurations.get_opt(name).await?)).await?;
        let webhook = configuration.webhooks.into_iter().flatten().next().context("a webhook")?;
        Direct::new(self.address, &webhook.client_config.ca_bundle.context("a CA bundle")?.0)
    }

    /// Writes a policy, whether it is there or not.
    pub(crate) async fn write(&self, policy: &str) -> Result<()> {
        let arena = portcullis_value::Arena::new();
        let document: Value = serde_json::from_str(&portcullis_yaml::read(&arena, policy)?.to_string())?;
        let name = document.pointer("/metadata/name").and_then(Value::as_str).context("a name")?;
        let path = format!("/apis/kyverno.io/v1/clusterpolicies/{name}?fieldManager=tests&force=true");
        let request = Request::patch(path)
            .header("content-type", "application/apply-patch+yaml")
            .body(serde_json::to_vec(&document)?)?;
        self.test.client.request::<Value>(request).await?;
        Ok(())
    }

    /// Writes policies and waits until their statuses say that they are in force.
    pub(crate) async fn put_in_force(&self, policies: &[&str]) -> Result<()> {
        for policy in policies {
            self.write(policy).await?;
        }
        let wait = ["wait", "--for=condition=Ready", "--timeout=60s", "clusterpolicies", "--all"];
        self.test.kubectl(&wait).await?.succeeded()?;
        Ok(())
    }

    /// Asks the API server to create a ConfigMap, without a trace.
    pub(crate) async fn try_create(&self, name: &str) -> Result<Asked> {
        try_create(&self.test.api(), name).await
    }

    /// Waits until the API server admits a ConfigMap of this name.
    pub(crate) async fn until_admitted(&self, name: &str) -> Result<()> {
        wait::until(&format!("`{name}` is admitted"), async || match self.try_create(name).await? {
            Asked::Admitted(_) => Ok(Some(())),
            Asked::Refused(message) => bail!("{message}"),
        })
        .await
    }

    /// Waits until the API server refuses a ConfigMap of this name with these words.
    pub(crate) async fn until_refused(&self, name: &str, words: &str) -> Result<()> {
        wait::until(&format!("`{name}` is refused with `{words}`"), async || {
            match self.try_create(name).await? {
                Asked::Refused(message) if message.contains(words) => Ok(Some(())),
                other => bail!("{other:?}"),
            }
        })
        .await
    }
}

/// What came of asking the API server.
#[derive(Debug)]
pub(crate) enum Asked {
    Admitted(Box<ConfigMap>),
    /// With the message.
    Refused(String),
}

/// Asks the API server to create a ConfigMap, without a trace.
pub(crate) async fn try_create(maps: &Api<ConfigMap>, name: &str) -> Result<Asked> {
    let map = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    outcome(maps.create(&dry_run, &map).await)
}

/// What came of an answer of the API server.
///
/// # Errors
/// There was no answer.
pub(crate) fn outcome(created: kube::Result<ConfigMap>) -> Result<Asked> {
    match created {
        Ok(map) => Ok(Asked::Admitted(Box::new(map))),
        Err(kube::Error::Api(status)) => Ok(Asked::Refused(status.message.clone())),
        Err(error) => Err(error.into()),
    }
}
