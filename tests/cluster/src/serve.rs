//! `portcullis serve` beside the control plane, as it runs in a cluster: with the token of its own service account.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use anyhow::{Context as _, Result, anyhow, ensure};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::kubeconfig::Credentials;
use crate::process::{Process, Start};
use crate::refusals::Refusals;
use crate::{ControlPlane, files, objects, wait};

/// The namespace and the service account that Portcullis is installed with.
pub(crate) const NAMESPACE: &str = "portcullis";
const ACCOUNT: &str = "portcullis";
/// What its log is named.
const LOG: &str = "portcullis";

/// What the API server calls it.
pub(crate) const USER: &str = "system:serviceaccount:portcullis:portcullis";

/// What to run.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The binary.
    pub program: PathBuf,
    /// Its arguments, `serve` first. It finds its kubeconfig in the variable `KUBECONFIG`.
    pub arguments: Vec<String>,
    /// The roles of the installation: a file of ClusterRoles and Roles, each of which is bound to the account.
    pub roles: PathBuf,
    /// The definitions of its custom resources, where it needs them.
    pub definitions: Option<String>,
}

/// A running `portcullis serve`.
#[derive(Debug)]
pub struct Serve<'a> {
    pub(crate) control_plane: &'a ControlPlane,
    options: ServeOptions,
    token: String,
    kubeconfig: PathBuf,
    process: Process,
    /// Where its part of the log begins: others have run before it.
    log_since: u64,
    refusals: Refusals<'a>,
}

impl Serve<'_> {
    /// Starts Portcullis, runs `body`, and stops it with SIGTERM. Then it must have ended with 0, and neither its log
    /// nor the audit log of the API server may hold a request that was refused to it, but for those of
    /// [`Serve::expect_refused`] and of the moments in which the API server starts anew: it knows no roles then.
    ///
    /// # Errors
    /// What Portcullis lacked, and the error of the body.
    pub async fn during(
        control_plane: &ControlPlane,
        options: ServeOptions,
        body: impl AsyncFnOnce(&mut Serve<'_>) -> Result<()>,
    ) -> Result<()> {
        let refusals = Refusals::of(control_plane, USER)?;
        let token = install(control_plane, &options).await?;
        let kubeconfig = control_plane.site().write_kubeconfig("portcullis", &Credentials::Token(&token))?;
        let log_since = files::length(&control_plane.site().log(LOG)).unwrap_or_default();
        let process = start(control_plane, &options, &kubeconfig)?;
        let mut serve = Serve { control_plane, options, token, kubeconfig, process, log_since, refusals };
        let mut outcome = body(&mut serve).await;
        if outcome.is_ok() {
            outcome = serve.stop().await;
        }
        let lacking = serve.refusals.unforgiven(&serve.log()?)?;
        if lacking.is_empty() {
            outcome?;
            let missed = serve.refusals.missed()?;
            ensure!(missed.is_empty(), "nobody refused what was to be refused: {}", missed.join("; "));
            return Ok(());
        }
        // What is missing explains why a body failed.
        let lacking = format!("portcullis lacks permissions: {}", lacking.join("; "));
        outcome.and_then(|()| Err(anyhow!("all else went well"))).context(lacking)
    }

    /// Everything it has printed.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        files::read_from(&self.control_plane.site().log(LOG), self.log_since)
    }

    /// Everything that it has written to the cluster, as [`ControlPlane::writes`] tells it; what earlier ones wrote too.
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub fn writes(&self) -> Result<Vec<String>> {
        self.control_plane.writes(USER)
    }

    /// Waits until the log holds a text.
    ///
    /// # Errors
    /// When it does not come, with the log.
    pub async fn until_logged(&self, text: &str) -> Result<()> {
        let holds = async || Ok(self.log()?.contains(text).then_some(()));
        wait::until(&format!("`{text}` in the log of portcullis"), holds).await
    }

    /// How it ended, if it has, as [`Process::ended`].
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.ended()
    }

    /// Has it read its certificate again, by SIGHUP.
    ///
    /// # Errors
    /// When it has ended.
    pub fn hang_up(&mut self) -> Result<()> {
        self.process.signal("SIGHUP")
    }

    /// The number of its process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn process_id(&self) -> Result<u32> {
        self.process.id()
    }

    /// Kills it with SIGKILL. [`Serve::start`] starts it again.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// From its next start on, it takes the server at this URL for the API server.
    ///
    /// # Errors
    /// When its kubeconfig cannot be written.
    pub fn connect_to(&mut self, server: &str) -> Result<()> {
        let credentials = Credentials::Token(&self.token);
        self.kubeconfig =
            self.control_plane.site().write_kubeconfig_for(server, "portcullis", &credentials)?;
        Ok(())
    }

    /// Starts it again after it was stopped or killed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self) -> Result<()> {
        self.process = start(self.control_plane, &self.options, &self.kubeconfig)?;
        Ok(())
    }

    /// Stops it with SIGTERM and waits for its end; it may have been stopped or killed before.
    ///
    /// # Errors
    /// When it does not end, or not with 0.
    pub async fn stop(&mut self) -> Result<()> {
        if self.process.is_killed() {
            return Ok(());
        }
        self.process.signal("SIGTERM")?;
        let status = wait::until("the end of portcullis", async || self.process.ended()).await?;
        self.process.kill();
        ensure!(status.success(), "portcullis ended with {status} after SIGTERM");
        Ok(())
    }

    /// Requests of this verb for this resource (`list`, `services`) are to be refused: the test has taken that right away, or
    /// never given it. Should none be refused, the test fails.
    pub fn expect_refused(&mut self, verb: &str, resource: &str) {
        self.refusals.expect(verb, resource);
    }
}

/// Makes namespace, account and roles, and returns a token of the account.
pub(crate) async fn install(control_plane: &ControlPlane, options: &ServeOptions) -> Result<String> {
    let client = control_plane.client().await?;
    if let Some(definitions) = &options.definitions {
        control_plane.define(&client, definitions).await?;
    }
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": ACCOUNT } });
    objects::apply(&client, NAMESPACE, &[namespace, account]).await?;
    let roles = objects::documents(&files::read(&options.roles)?)?;
    objects::apply(&client, NAMESPACE, &roles).await?;
    let bindings: Vec<Value> = roles.iter().map(binding).collect::<Result<_>>()?;
    objects::apply(&client, NAMESPACE, &bindings).await?;
    objects::until_granted(&client, NAMESPACE, ACCOUNT, &roles).await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client, NAMESPACE);
    let day = serde_json::from_value(json!({ "spec": { "audiences": [], "expirationSeconds": 86400 } }))?;
    let granted = accounts.create_token_request(ACCOUNT, &PostParams::default(), &day).await?;
    Ok(granted.status.context("no token")?.token)
}

/// Removes what Portcullis and a test with it leave for the whole cluster, and for the next one in its namespace: webhooks,
/// policies, the Leases and what else belongs to an installation of replicas.
pub(crate) async fn clear(control_plane: &ControlPlane) -> Result<()> {
    let client = control_plane.client().await?;
    // An API server calls webhooks for a moment after they are gone, and refuses when nobody answers.
    wait::until("the removal of what a test leaves", async || remove_all(&client).await.map(Some)).await
}

async fn remove_all(client: &Client) -> Result<()> {
    for kind in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
        let ours = "labelSelector=app.kubernetes.io/managed-by=portcullis";
        objects::remove(client, &format!("/apis/admissionregistration.k8s.io/v1/{kind}?{ours}")).await?;
    }
    objects::remove(client, "/apis/portcullis.dev/v1alpha1/jobretentions").await?;
    // The next one is to have the rights that it is started with, and no more.
    let right = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/portcullis-retention";
    objects::remove(client, right).await?;
    for kind in ["v1/policies", "v2/policyexceptions"] {
        let (version, plural) = kind.split_once('/').context("a kind")?;
        let all = objects::get(client, &format!("/apis/kyverno.io/{kind}")).await?.unwrap_or_default();
        for object in all.pointer("/items").and_then(Value::as_array).into_iter().flatten() {
            let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
            let path = format!("/apis/kyverno.io/{version}/namespaces/{namespace}/{plural}");
            objects::remove(client, &path).await?;
        }
    }
    for path in [
        "/apis/kyverno.io/v1/clusterpolicies",
        "/apis/portcullis.dev/v1alpha1/jobretentions",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/portcullis-retention",
        "/apis/coordination.k8s.io/v1/namespaces/portcullis/leases/portcullis-webhooks",
        "/apis/coordination.k8s.io/v1/namespaces/portcullis/leases/portcullis-retention",
        "/apis/coordination.k8s.io/v1/namespaces/portcullis/leases/portcullis-scan",
        "/apis/apps/v1/namespaces/portcullis/deployments/portcullis",
        "/api/v1/namespaces/portcullis/services/portcullis",
        "/api/v1/namespaces/portcullis/secrets/portcullis-tls",
        "/api/v1/namespaces/portcullis/configmaps/portcullis",
    ] {
        objects::remove(client, path).await?;
    }
    Ok(())
}

/// The binding of a role to the account.
fn binding(role: &Value) -> Result<Value> {
    let kind = role.get("kind").and_then(Value::as_str).unwrap_or_default();
    let name = objects::name(role)?;
    ensure!(
        ["ClusterRole", "Role"].contains(&kind),
        "`{name}` is no role, and the file of the roles is to hold nothing else"
    );
    Ok(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": format!("{kind}Binding"),
        "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name },
        "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE }],
    }))
}

fn start(control_plane: &ControlPlane, options: &ServeOptions, kubeconfig: &Path) -> Result<Process> {
    let site = control_plane.site();
    let start = Start {
        program: &options.program,
        arguments: &options.arguments,
        environment: &[("KUBECONFIG", kubeconfig.as_os_str())],
        log: site.log(LOG),
        remove: None,
    };
    Process::start(&site.programs, &start)
}
