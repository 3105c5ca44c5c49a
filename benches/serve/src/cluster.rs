//! What is measured on a control plane: `portcullis serve` with its own service account, called by the API server.
//!
//! All parts and the clients share all cores here. What others do on the machine disturbs the rates: runs with and
//! without webhooks take turns, and the best of each is taken.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::client::ConfigExt as _;
use kube::{Api, Client};
use portcullis_cluster_tests::{ControlPlane, Portcullis, Programs, Propagation, wait};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, interval};

use crate::documents::Documents;
use crate::load::{self, Clients, Target, Times};
use crate::process::Process;
use crate::server::share_all_cores;
use crate::table::{Limit, Line, Measure, Table};
use crate::{CONNECTIONS, REPEATED, VALIDATE};

/// What these rows are chosen by.
pub(crate) const NAME: &str = "cluster";

/// Creates of one run.
const CREATES: usize = 4000;
/// Reviews before memory is looked at.
const REVIEWS: usize = 2000;
/// How often a policy is written to see how soon it is in force.
const WRITES: usize = 8;

/// Starts a control plane and measures, unless there are no programs to start.
pub(crate) async fn measure(documents: &Documents, table: &mut Table) -> Result<()> {
    let Some(programs) = Programs::find()? else { return Ok(()) };
    share_all_cores()?;
    let control_plane = ControlPlane::start(&programs).await?;
    let client = control_plane.client().await?;
    Portcullis::during(&control_plane, &[], async |portcullis| {
        let site = Site { control_plane: &control_plane, client, documents };
        site.force(portcullis, &fs::read_to_string(documents.pod_security()?)?).await?;
        table.add(&site.start(portcullis).await?);
        let idle = Process::new(portcullis.serve.process_id()?)?.resident()?;
        table.add(&mebibytes("memory, idle, with watches", idle, 12.0));
        for line in site.creates(portcullis).await? {
            table.add(&line);
        }
        table.add(&site.propagation().await?);
        site.force(portcullis, &fs::read_to_string(documents.matching(1000)?)?).await?;
        let written = site.until_settled(portcullis).await?;
        let loaded = site.memory_under_load(portcullis).await?;
        let note = format!("{written:.1} MiB when they had just been written");
        table.add(&Line { note, ..mebibytes("memory, 1000 policies, with watches", loaded, 25.0) });
        Ok(())
    })
    .await
}

struct Site<'a> {
    control_plane: &'a ControlPlane,
    client: Client,
    documents: &'a Documents,
}

/// Creates of one run.
struct Run {
    times: Times,
    /// Microseconds of processor time for each.
    engine: f64,
    api_server: f64,
}

impl Site<'_> {
    async fn force(&self, portcullis: &Portcullis<'_, '_>, policies: &str) -> Result<()> {
        portcullis.put_in_force(policies).await?.succeeded()?;
        self.until_called(true).await
    }

    /// Removes all policies and waits until the API server calls nobody for a Pod.
    async fn release(&self, portcullis: &Portcullis<'_, '_>, creates: &mut Clients) -> Result<()> {
        let delete = ["delete", "clusterpolicies", "--all"];
        portcullis.kubectl().run(&delete).await?.succeeded()?;
        self.until_called(false).await?;
        wait::until("creates that nobody is asked about", async || {
            let before = reviews(portcullis).await?;
            creates.ask_once().await?;
            Ok((reviews(portcullis).await? == before).then_some(()))
        })
        .await
    }

    /// Waits until the webhook configuration calls somebody, or nobody.
    async fn until_called(&self, wanted: bool) -> Result<()> {
        let calls = |configuration: Option<&ValidatingWebhookConfiguration>| {
            let webhooks = configuration.and_then(|configuration| configuration.webhooks.as_ref());
            webhooks.is_some_and(|webhooks| !webhooks.is_empty()) == wanted
        };
        let configurations = Api::all(self.client.clone());
        let name = "portcullis-resource-validating";
        wait::until_object(&configurations, name, "the webhook configuration", calls).await?;
        Ok(())
    }

    /// From the start of the process until it is ready: everything is listed and the policies are in force.
    async fn start(&self, portcullis: &mut Portcullis<'_, '_>) -> Result<Line> {
        let mut least = Duration::MAX;
        for _ in 0..REPEATED {
            portcullis.serve.stop().await?;
            portcullis.serve.start()?;
            let started = Instant::now();
            let mut ticks = interval(Duration::from_millis(2));
            // Before it listens it does not answer.
            while !portcullis.is_ready().await.unwrap_or(false) {
                ensure!(started.elapsed() < wait::PATIENCE, "it does not become ready");
                ticks.tick().await;
            }
            least = least.min(started.elapsed());
        }
        self.until_called(true).await?;
        Ok(Line {
            what: "start to ready, with a cluster".to_owned(),
            measured: Measure::Millis(least),
            limit: Limit::AtMost(Measure::Millis(Duration::from_secs(1))),
            note: "the least of several; the policies in force".to_owned(),
        })
    }

    /// Dry-run creates of a Pod, with the policies in force and without any, in turn.
    async fn creates(&self, portcullis: &Portcullis<'_, '_>) -> Result<[Line; 3]> {
        let policies = fs::read_to_string(self.documents.pod_security()?)?;
        let path = "/api/v1/namespaces/default/pods?dryRun=All";
        let request = load::request(path, &self.documents.pod_to_create()?);
        let mut clients = Clients::connect(&self.api_server().await?, request, CONNECTIONS).await?;
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..REPEATED {
            let before = reviews(portcullis).await?;
            with.push(self.run(portcullis, &mut clients).await?);
            let reviewed = reviews(portcullis).await? - before;
            ensure!(reviewed >= CREATES as f64, "{reviewed} reviews of {CREATES} creates");
            self.release(portcullis, &mut clients).await?;
            let before = reviews(portcullis).await?;
            without.push(self.run(portcullis, &mut clients).await?);
            ensure!(reviews(portcullis).await? == before, "creates were reviewed without a policy");
            self.force(portcullis, &policies).await?;
        }
        self.release(portcullis, &mut clients).await?;
        let least = |runs: &[Run], of: fn(&Run) -> f64| runs.iter().map(of).fold(f64::INFINITY, f64::min);
        let best = |runs: &[Run]| -> Result<String> {
            let best = runs.iter().max_by(|a, b| a.times.per_second().total_cmp(&b.times.per_second()));
            Ok(best.context("no run")?.times.to_string())
        };
        // The least time for a create is the most creates a second.
        let pace = |run: &Run| 1.0 / run.times.per_second();
        let p99 = |run: &Run| run.times.at(990).as_secs_f64();
        let api_servers = |runs| least(runs, |run| run.api_server);
        let line = |what: &str, measured, limit, note| Line { what: what.to_owned(), measured, limit, note };
        Ok([
            line(
                "dry-run create, the engine's share",
                Measure::Micros(least(&with, |run| run.engine)),
                Limit::AtMost(Measure::Micros(60.0)),
                format!(
                    "the API server's: {:.0} us, without webhooks {:.0} us",
                    api_servers(&with),
                    api_servers(&without)
                ),
            ),
            line(
                "creates a second, of those unasked",
                Measure::Percent(100.0 * least(&without, pace) / least(&with, pace)),
                Limit::AtLeast(Measure::Percent(45.0)),
                format!("with policies {}", best(&with)?),
            ),
            line(
                "their p99, of that unasked",
                Measure::Times(least(&with, p99) / least(&without, p99)),
                Limit::AtMost(Measure::Times(2.0)),
                format!("without webhooks {}", best(&without)?),
            ),
        ])
    }

    async fn run(&self, portcullis: &Portcullis<'_, '_>, clients: &mut Clients) -> Result<Run> {
        clients.closed_loop(CREATES / 4).await?;
        let engine = Process::new(portcullis.serve.process_id()?)?;
        let api_server = Process::new(self.control_plane.api_server_process_id()?)?;
        let before = (engine.processor_time()?, api_server.processor_time()?);
        let times = clients.closed_loop(CREATES).await?;
        let micros = |spent: Duration| spent.as_secs_f64() * 1e6 / times.count() as f64;
        let engine = micros(engine.processor_time()? - before.0);
        let api_server = micros(api_server.processor_time()? - before.1);
        Ok(Run { times, engine, api_server })
    }

    /// How soon a policy is in force, the first of its kind.
    async fn propagation(&self) -> Result<Line> {
        let (mut configured, mut judged) = (Vec::new(), Vec::new());
        for _ in 0..WRITES {
            let times = Propagation::measure(&self.client).await?;
            configured.push(times.configured);
            judged.push(times.judged);
        }
        configured.sort_unstable();
        judged.sort_unstable();
        let middle = |times: &[Duration]| times.get(WRITES / 2).copied().context("nothing is measured");
        Ok(Line {
            what: "write of a policy to its first verdict".to_owned(),
            measured: Measure::Millis(middle(&judged)?),
            limit: Limit::AtMost(Measure::Millis(Duration::from_millis(200))),
            note: format!("the median of {WRITES}; {judged:.0?}, webhook configuration {configured:.0?}"),
        })
    }

    /// Waits until the engine has given back the memory that it took to put policies in force, as it does when they have
    /// stayed the same for some seconds; tells how many MiB it had.
    async fn until_settled(&self, portcullis: &Portcullis<'_, '_>) -> Result<f64> {
        let process = Process::new(portcullis.serve.process_id()?)?;
        let mut most = process.resident()?;
        wait::until("memory that is given back", async || {
            let now = process.resident()?;
            most = most.max(now);
            Ok((now < 0.9 * most).then_some(()))
        })
        .await?;
        Ok(most)
    }

    /// MiB after reviews over many connections, which the clients ask of the engine itself.
    async fn memory_under_load(&self, portcullis: &Portcullis<'_, '_>) -> Result<f64> {
        let request = load::request(VALIDATE, &self.documents.pod()?);
        let mut clients = Clients::connect(&self.engine(portcullis).await?, request, CONNECTIONS).await?;
        let answer = clients.ask_once().await?;
        ensure!(answer.contains(r#""allowed":true"#), "{answer}");
        clients.closed_loop(REVIEWS).await?;
        Process::new(portcullis.serve.process_id()?)?.resident()
    }

    /// The API server, for its administrator.
    async fn api_server(&self) -> Result<Target> {
        let config = self.control_plane.config().await?;
        let url = config.cluster_url.to_string();
        let address = url.trim_start_matches("https://").trim_end_matches('/').parse()?;
        Ok(Target::new(address, ServerName::try_from("localhost")?, config.rustls_client_config()?))
    }

    /// The engine, for whoever trusts what the API server is told to trust.
    async fn engine(&self, portcullis: &Portcullis<'_, '_>) -> Result<Target> {
        let configurations: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        let configuration = configurations.get("portcullis-resource-validating").await?;
        let webhook = configuration.webhooks.into_iter().flatten().next().context("no webhook")?;
        let bundle = webhook.client_config.ca_bundle.context("no CA bundle")?.0;
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(&bundle) {
            roots.add(authority?)?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let address = portcullis.address();
        Ok(Target::new(address, ServerName::from(address.ip()), config))
    }
}

/// How many reviews the engine has been asked for.
async fn reviews(portcullis: &Portcullis<'_, '_>) -> Result<f64> {
    portcullis.metric("kyverno_admission_requests_total", &[]).await
}

fn mebibytes(what: &str, measured: f64, limit: f64) -> Line {
    Line {
        what: what.to_owned(),
        measured: Measure::Mebibytes(measured),
        limit: Limit::AtMost(Measure::Mebibytes(limit)),
        note: String::new(),
    }
}
