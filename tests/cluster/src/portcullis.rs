//! The Portcullis of this repository at work on a control plane.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::commands::{binary, repository};
use crate::plain_http::get;
use crate::process::{Process, Start};
use crate::serve::clear;
use crate::{CommandOutput, ControlPlane, Kubectl, Serve, ServeOptions, files, free_port, wait};

/// The namespace that Portcullis is installed in.
const NAMESPACE: &str = "portcullis";

/// `portcullis serve` with the roles of the installation, reached by its address: the API server of a test is no Pod,
/// so that no Service leads from it to anywhere.
#[expect(missing_debug_implementations, reason = "what it does is in its log")]
pub struct Portcullis<'s, 'a> {
    pub serve: &'s mut Serve<'a>,
    address: SocketAddr,
    probes: SocketAddr,
}

impl Portcullis<'_, '_> {
    /// Installs the definitions of policies, starts Portcullis with these further arguments, waits until it is ready and asked about
    /// policies, and runs `body`. When that went well, no policy, configuration or webhook is left for the next test.
    ///
    /// # Errors
    /// As [`Serve::during`].
    pub async fn during(
        control_plane: &ControlPlane,
        arguments: &[&str],
        body: impl AsyncFnOnce(&mut Portcullis<'_, '_>) -> Result<()>,
    ) -> Result<()> {
        Self::from_laptop(control_plane, &[&["--allow-fail"], arguments].concat(), body).await
    }

    /// The same as on a laptop, where webhooks ignore failures unless `--allow-fail` is among the arguments.
    ///
    /// # Errors
    /// As [`Serve::during`].
    pub async fn from_laptop(
        control_plane: &ControlPlane,
        arguments: &[&str],
        body: impl AsyncFnOnce(&mut Portcullis<'_, '_>) -> Result<()>,
    ) -> Result<()> {
        let definitions = Some(control_plane.definitions().await?.to_owned());
        start(control_plane, arguments, definitions, async |portcullis| {
            portcullis.until_ready().await?;
            control_plane.until_mistaken_policies_are_refused().await?;
            body(portcullis).await
        })
        .await
    }

    /// The same without the definitions, so that it is not ready.
    ///
    /// # Errors
    /// As [`Serve::during`].
    pub async fn before_definitions(
        control_plane: &ControlPlane,
        body: impl AsyncFnOnce(&mut Portcullis<'_, '_>) -> Result<()>,
    ) -> Result<()> {
        start(control_plane, &[], None, body).await
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// When it does not become so, with what it waits for.
    pub async fn until_ready(&mut self) -> Result<()> {
        let Portcullis { serve, probes, .. } = self;
        let ready = wait::until("a portcullis that is ready", async || {
            if let Some(status) = serve.ended()? {
                return Ok(Some(Err(anyhow!("portcullis has ended ({status}): {}", serve.log()?))));
            }
            let answer = get(*probes, "/readyz").await?;
            ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            Ok(Some(Ok(())))
        });
        ready.await?
    }

    /// Where the API server calls it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it says that it is ready.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn is_ready(&self) -> Result<bool> {
        Ok(self.readiness().await?.starts_with("HTTP/1.1 200 "))
    }

    /// What it says of being ready: the whole answer, with the status.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn readiness(&self) -> Result<String> {
        get(self.probes, "/readyz").await
    }

    /// Stores the cluster-wide policies in `documents`, as administrator, and waits until all that are there are ready.
    ///
    /// # Errors
    /// One is refused or does not become ready.
    pub async fn put_in_force(&self, documents: &str) -> Result<CommandOutput> {
        let applied = self.kubectl().run_with(&["apply", "-f", "-"], documents).await?;
        if applied.code == 0 {
            self.serve.control_plane.until_policies_are_ready().await?;
        }
        Ok(applied)
    }

    /// The sum of a metric over all labels that hold each of `labels`, as `policy_name="p"`.
    ///
    /// # Errors
    /// The metrics cannot be read.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        metric(self.probes, name, labels).await
    }

    /// Waits until a sum of a metric, as [`Portcullis::metric`] tells it, is this.
    ///
    /// # Errors
    /// It does not become so.
    pub async fn until_metric_is(&self, name: &str, labels: &[&str], wanted: f64) -> Result<()> {
        wait::until(&format!("`{name}` to be {wanted}"), async || {
            let found = self.metric(name, labels).await?;
            ensure!(found == wanted, "it is {found}");
            Ok(Some(()))
        })
        .await
    }

    /// All metrics, as text.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn metrics(&self) -> Result<String> {
        get(self.probes, "/metrics").await
    }

    /// The newest decisions, a line of JSON each.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn decisions(&self) -> Result<String> {
        let answer = get(self.probes, "/decisions?limit=1000").await?;
        Ok(answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, lines)| lines.to_owned()))
    }

    /// Runs `portcullis` with these arguments as administrator.
    ///
    /// # Errors
    /// It fails.
    pub async fn command(&self, arguments: &[&str]) -> Result<String> {
        self.serve.control_plane.portcullis(arguments).await?.succeeded()
    }

    /// Starts `portcullis serve` with these arguments as administrator, beside whoever serves the cluster. It has a log of
    /// this name.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_beside(control_plane: &ControlPlane, name: &str, arguments: &[&str]) -> Result<Process> {
        let arguments: Vec<String> = ["serve"].iter().chain(arguments).map(ToString::to_string).collect();
        let (kubeconfig, site) = (control_plane.kubeconfig(), control_plane.site());
        let start = Start {
            program: &binary()?,
            arguments: &arguments,
            environment: &[("KUBECONFIG", kubeconfig.as_os_str())],
            log: site.log(name),
            remove: None,
        };
        Process::start(&site.programs, &start)
    }

    /// kubectl as administrator, in the namespace of Portcullis.
    pub fn kubectl(&self) -> Kubectl {
        self.serve.control_plane.kubectl(NAMESPACE)
    }
}

/// The sum of a metric over all labels that hold each of `labels`.
pub(crate) async fn metric(probes: SocketAddr, name: &str, labels: &[&str]) -> Result<f64> {
    let text = get(probes, "/metrics").await?;
    let of_name = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (head, value) = rest.rsplit_once(' ')?;
        let is_whole_name = head.is_empty() || head.starts_with('{');
        (is_whole_name && labels.iter().all(|label| head.contains(label))).then_some(value)
    });
    of_name.map(|value| value.parse::<f64>().with_context(|| format!("`{value}` of {name}"))).sum()
}

/// Starts Portcullis for as long as `body` takes, and removes what is left when that went well.
async fn start(
    control_plane: &ControlPlane,
    arguments: &[&str],
    definitions: Option<String>,
    body: impl AsyncFnOnce(&mut Portcullis<'_, '_>) -> Result<()>,
) -> Result<()> {
    let program = binary()?;
    let (port, probes) = (free_port()?, free_port()?);
    let options = ServeOptions {
        program,
        arguments: command_line(port, probes, arguments),
        roles: roles(control_plane, arguments)?,
        definitions,
    };
    let (address, probes) = ((Ipv4Addr::LOCALHOST, port).into(), (Ipv4Addr::LOCALHOST, probes).into());
    Serve::during(control_plane, options, async |serve| {
        body(&mut Portcullis { serve, address, probes }).await
    })
    .await?;
    clear(control_plane).await
}

fn command_line(port: u16, probes: u16, further: &[&str]) -> Vec<String> {
    let mut arguments = vec![
        "serve".to_owned(),
        format!("--external-url=https://127.0.0.1:{port}"),
        format!("--listen=127.0.0.1:{port}"),
        format!("--metrics-listen=127.0.0.1:{probes}"),
    ];
    arguments.extend(further.iter().map(|&argument| argument.to_owned()));
    arguments
}

/// A file with the roles of the installation that these arguments lead to.
pub(crate) fn roles(control_plane: &ControlPlane, arguments: &[&str]) -> Result<PathBuf> {
    let mut roles = files::read(&repository().join("deploy/roles.yaml"))?;
    if arguments.contains(&"--webhook-names=kyverno") {
        for part in ["resource-mutating", "resource-validating", "policy-validating"] {
            roles = roles.replace(&format!("portcullis-{part}"), &format!("kyverno-{part}-webhook-cfg"));
        }
    }
    if arguments.contains(&"--retention") {
        let retention = files::read(&repository().join("deploy/retention.yaml"))?;
        // The harness makes bindings itself.
        let is_role = |document: &&str| document.contains("\nkind: ClusterRole\n");
        retention.split("---\n").filter(is_role).for_each(|role| roles.push_str(&format!("---\n{role}")));
    }
    let path = control_plane.folder().join("roles.yaml");
    files::write(&path, &roles)?;
    Ok(path)
}
