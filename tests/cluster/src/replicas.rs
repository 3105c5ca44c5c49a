//! Portcullis as it is installed: replicas of a Deployment behind a Service, which the API server calls by its name.
//!
//! The Deployment is there, and so are its Pods, which KWOK plays. The replicas are processes, and the Service is of type
//! ExternalName: it leads to the [`Balancer`], which gives connections to those that are ready.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::json;
use tokio::process::Command;

use crate::commands::{binary, run};
use crate::kubeconfig::Credentials;
use crate::plain_http::get;
use crate::portcullis::{metric, roles};
use crate::process::{Process, Start};
use crate::refusals::Refusals;
use crate::serve::{NAMESPACE, USER, clear, install};
use crate::{Balancer, ControlPlane, Kubectl, ServeOptions, free_port, objects, wait};

/// The replicas on a control plane.
#[derive(Debug)]
pub struct Replicas<'a> {
    pub balancer: Balancer,
    /// Those that are to run, the oldest first.
    pub running: Vec<Replica>,
    /// Those that were told to end.
    leaving: Vec<Replica>,
    control_plane: &'a ControlPlane,
    /// What new replicas run.
    program: PathBuf,
    arguments: Vec<String>,
    kubeconfig: PathBuf,
    started: usize,
    refusals: Refusals<'a>,
}

/// One `portcullis serve`.
#[derive(Debug)]
pub struct Replica {
    name: String,
    pub process: Process,
    /// Where it takes admission requests.
    pub address: SocketAddr,
    probes: SocketAddr,
}

impl Replicas<'_> {
    /// Installs Portcullis without a running replica, with these arguments for each, and runs `body`. Afterwards all are
    /// killed, and when all went well nothing is left of it but the namespace. No request may have been refused to it.
    ///
    /// # Errors
    /// What was refused, and the error of the body.
    pub async fn during(
        control_plane: &ControlPlane,
        arguments: &[&str],
        body: impl AsyncFnOnce(&mut Replicas<'_>) -> Result<()>,
    ) -> Result<()> {
        let program = binary()?;
        let options = ServeOptions {
            program: program.clone(),
            arguments: Vec::new(),
            roles: roles(control_plane, arguments)?,
            definitions: Some(control_plane.definitions().await?.to_owned()),
        };
        let refusals = Refusals::of(control_plane, USER)?;
        let token = install(control_plane, &options).await?;
        let site = control_plane.site();
        let mut replicas = Replicas {
            balancer: Balancer::start().await?,
            running: Vec::new(),
            leaving: Vec::new(),
            control_plane,
            program,
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            kubeconfig: site.write_kubeconfig("replicas", &Credentials::Token(&token))?,
            started: 0,
            refusals,
        };
        replicas.deploy().await?;
        let mut outcome = body(&mut replicas).await;
        let refused = replicas.refusals.unforgiven("")?;
        if !refused.is_empty() {
            outcome = outcome.and(Err(anyhow!("all else went well")));
            outcome = outcome.context(format!("portcullis lacks permissions: {}", refused.join("; ")));
        }
        replicas.kill_all();
        outcome?;
        clear(control_plane).await
    }

    /// Starts so many more replicas, and waits until the API server reaches them.
    ///
    /// # Errors
    /// One cannot be started, or does not become ready.
    pub async fn start(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let replica = self.start_one()?;
            self.let_in(replica);
        }
        for replica in &self.running {
            self.balancer.until_ready_is(replica.address, true).await?;
        }
        Ok(())
    }

    /// Starts one more replica, and waits until it is ready. The API server does not reach it before it is let in.
    ///
    /// # Errors
    /// It cannot be started, or does not become ready.
    pub async fn start_aside(&mut self) -> Result<Replica> {
        let replica = self.start_one()?;
        wait::until("a replica that is ready", async || {
            let answer = get(replica.probes, "/readyz").await?;
            ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            Ok(Some(()))
        })
        .await?;
        Ok(replica)
    }

    /// The API server reaches this replica from its next probe on.
    pub fn let_in(&mut self, replica: Replica) {
        self.balancer.add(replica.address, replica.probes);
        self.running.push(replica);
    }

    /// From now on everything may be refused to them: the test takes all their rights away.
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub fn expect_all_refused(&mut self) -> Result<()> {
        self.refusals.expect_all()
    }

    /// Everything that replicas have written to the cluster, as [`ControlPlane::writes`] tells it.
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub fn writes(&self) -> Result<Vec<String>> {
        self.control_plane.writes(USER)
    }

    /// Which of the running replicas writes webhooks, if one does.
    ///
    /// # Errors
    /// When the Lease cannot be read.
    pub async fn leader(&self) -> Result<Option<usize>> {
        self.holder("portcullis-webhooks").await
    }

    /// Which of the running replicas holds this Lease, if one does.
    ///
    /// # Errors
    /// When the Lease cannot be read.
    pub async fn holder(&self, lease: &str) -> Result<Option<usize>> {
        let holder = ["get", "lease", lease, "--ignore-not-found", "-o", "jsonpath={.spec.holderIdentity}"];
        let holder = self.kubectl().run(&holder).await?.succeeded()?;
        Ok(self.running.iter().position(|replica| holder.contains(&replica.name)))
    }

    /// What new replicas run.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// New replicas run this program from now on.
    pub fn run_program(&mut self, program: &Path) {
        program.clone_into(&mut self.program);
    }

    /// Where files of the replicas may lie: it goes with the control plane.
    pub(crate) fn folder(&self) -> &Path {
        self.control_plane.folder()
    }

    /// A copy of the program under test that has another version number, which is returned, too.
    ///
    /// # Errors
    /// It cannot be made, or does not run.
    pub async fn other_version(&self) -> Result<(PathBuf, String)> {
        let version = env!("CARGO_PKG_VERSION");
        let other = format!("{}9", version.get(..version.len() - 1).unwrap_or_default());
        let copy = self.control_plane.site().path("portcullis-of-another-version");
        // A text in the program, which stays as long as it is.
        let replace = format!("s/{}/{other}/g", version.replace('.', "\\."));
        let script = "sed \"$1\" \"$2\" > \"$3\" && chmod +x \"$3\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", &replace]).arg(binary()?).arg(&copy).env("LC_ALL", "C");
        ensure!(command.status().await?.success(), "cannot copy the program");
        let said = run(Command::new(&copy), "portcullis", &["--version"]).await?.succeeded()?;
        ensure!(said.trim() == format!("portcullis {other}"), "{said}");
        Ok((copy, other))
    }

    /// Takes the place of the oldest replica by a new one, as a Deployment does that may have none too few: the new one is
    /// ready before the old one is told to end.
    ///
    /// # Errors
    /// The new one does not become ready.
    pub async fn roll_oldest(&mut self) -> Result<()> {
        self.start(1).await?;
        self.terminate_oldest()
    }

    /// Tells the oldest replica to end.
    ///
    /// # Errors
    /// There is none, or it has ended.
    pub fn terminate_oldest(&mut self) -> Result<()> {
        ensure!(!self.running.is_empty(), "no replica runs");
        let mut oldest = self.running.remove(0);
        oldest.process.signal("SIGTERM")?;
        self.leaving.push(oldest);
        Ok(())
    }

    /// Waits until all that were told to end have ended, each with 0.
    ///
    /// # Errors
    /// One does not.
    pub async fn until_left(&mut self) -> Result<()> {
        for mut replica in self.leaving.drain(..) {
            let ended = wait::until("the end of a replica", async || replica.process.ended()).await?;
            ensure!(ended.success(), "a replica ended with {ended}: {}", replica.process.log()?);
        }
        Ok(())
    }

    /// Those that were told to end, and have not been waited for.
    pub fn leaving(&self) -> &[Replica] {
        &self.leaving
    }

    /// The same, to see whether they have ended.
    pub fn leaving_mut(&mut self) -> &mut [Replica] {
        &mut self.leaving
    }

    /// Kills this one of the running replicas, and waits until all its connections are closed.
    ///
    /// # Errors
    /// There is none, or connections stay.
    pub async fn kill(&mut self, index: usize) -> Result<Replica> {
        ensure!(index < self.running.len(), "no such replica");
        let mut killed = self.running.remove(index);
        killed.process.kill();
        self.balancer.until_closed(killed.address).await?;
        Ok(killed)
    }

    /// Kills all of them, those that are leaving too.
    pub fn kill_all(&mut self) {
        self.running.clear();
        self.leaving.clear();
    }

    /// kubectl as administrator, in the namespace of Portcullis.
    pub fn kubectl(&self) -> Kubectl {
        self.control_plane.kubectl(NAMESPACE)
    }

    fn start_one(&mut self) -> Result<Replica> {
        self.started += 1;
        let (listen, probes) = (free_port()?, free_port()?);
        let site = self.control_plane.site();
        let own = [
            "serve".to_owned(),
            format!("--listen=127.0.0.1:{listen}"),
            format!("--metrics-listen=127.0.0.1:{probes}"),
            format!("--service-port={}", self.balancer.address().port()),
        ];
        let arguments = [&own[..], &self.arguments].concat();
        let name = format!("replica-{}", self.started);
        let start = Start {
            program: &self.program,
            arguments: &arguments,
            environment: &[("KUBECONFIG", self.kubeconfig.as_os_str()), ("HOSTNAME", name.as_ref())],
            log: site.log(&name),
            remove: None,
        };
        let process = Process::start(&site.programs, &start)?;
        let [address, probes] = [listen, probes].map(|port| (Ipv4Addr::LOCALHOST, port).into());
        Ok(Replica { name, process, address, probes })
    }

    /// Makes the Service and the Deployment.
    async fn deploy(&self) -> Result<()> {
        let metadata = json!({ "name": "portcullis" });
        let labels = json!({ "app.kubernetes.io/name": "portcullis" });
        let service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": { "type": "ExternalName", "externalName": "localhost" },
        });
        let container = json!({ "name": "portcullis", "image": "registry.example.com/portcullis:1.0.0" });
        let deployment = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": 2,
                "selector": { "matchLabels": labels },
                "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } },
            },
        });
        let client = self.control_plane.client().await?;
        objects::apply(&client, NAMESPACE, &[service, deployment]).await.map(drop)
    }
}

impl Replica {
    /// The name by which it stands for Leases.
    ///
    /// # Errors
    /// When it does not run.
    pub fn identity(&self) -> Result<String> {
        Ok(format!("{}_{}", self.name, self.process.id()?))
    }

    /// The sum of a metric over all labels that hold each of `labels`.
    ///
    /// # Errors
    /// The metrics cannot be read.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        metric(self.probes, name, labels).await
    }
}
