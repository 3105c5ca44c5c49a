//! Serving a cluster: its policies are followed, compiled and swapped; webhooks and statuses follow them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis_cli::ServeArguments;
use portcullis_cluster::{
    AllowedService, Backoff, Cluster, Connection, DEFINE_KINDS, EventSender, Leadership, Options, Readiness,
    WatchState, events,
};
use portcullis_controllers::Reconciles;
use portcullis_controllers::arming;
use portcullis_controllers::departure::Home;
use portcullis_controllers::owner::Owner;
use portcullis_controllers::retention::Retention;
use portcullis_controllers::writer::{Writer, Written};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::announcer::Announcer;
use super::certificate::{InCluster, SECRET, Served, is_shared};
use super::clock::timestamp;
use super::collector::Counts;
use super::election::Election;
use super::farewell::{Farewell, GOODBYE};
use super::follower::Follower;
use super::of_reference::{OfReference, PolicyStates};
use super::scan::{LastPass, Scanner};
use super::source::Source;
use super::webhook_settings;
use super::{Parts, access, exception_scope, lookups};
use crate::errors::connect;

/// A server of a cluster, with everything that runs beside it.
pub(crate) struct Running {
    cluster: Arc<Cluster>,
    events: EventSender,
    /// Whether the first policies are in force.
    in_force: Readiness,
    tasks: JoinSet<()>,
    writer: JoinHandle<()>,
    /// Writes to Jobs, where that is wanted.
    retention: JoinSet<Infallible>,
    /// What is in the cluster.
    written: watch::Receiver<Written>,
    event_writer: JoinHandle<()>,
    election: Election,
    farewell: Farewell,
}

impl Running {
    /// Starts to follow the cluster.
    ///
    /// # Errors
    /// There is no way to a cluster.
    pub(crate) async fn start(
        arguments: &ServeArguments,
        parts: &Parts,
        served: &Served,
    ) -> anyhow::Result<Self> {
        let connection = connect(&access(&arguments.cluster)).await?;
        tracing::info!(server = connection.server(), "serving a cluster");
        let identity = identity();
        let cluster = Arc::new(Cluster::start(connection.clone(), &options(arguments)?));
        let (events, event_writer) = events(&connection, "portcullis", &identity, timestamp);
        let event_writer = tokio::spawn(event_writer.run());
        let mut tasks = JoinSet::new();
        let farewell = Farewell::new(&connection, &events, home(arguments), &mut tasks);
        let election = Election::start(&connection, arguments, &identity);
        let (wanted, wanted_now) = watch::channel(None);
        let (written, written_now) = watch::channel(Written::default());

        let retention_counts = Arc::default();
        let counts = Counts {
            retention: Arc::clone(&retention_counts),
            events: events.counts().clone(),
            watches: cluster.watches().clone(),
            wanted: wanted_now.clone(),
            written: written_now.clone(),
            disarmed: farewell.disarmed(),
            leases: election.leases(),
        };
        counts.register(&parts.metrics);
        let [of_policies, of_webhooks, of_retention] = <[Arc<Reconciles>; 3]>::default();
        let mut controllers = vec![("policies", of_policies.clone()), ("webhooks", of_webhooks.clone())];
        if arguments.retention {
            controllers.push(("retention", of_retention.clone()));
        }
        let of_reference = OfReference {
            cluster: cluster.clone(),
            events: events.counts().clone(),
            controllers,
            policies: PolicyStates { wanted: wanted_now.clone(), written: written_now.clone() },
        };
        of_reference.register(&parts.metrics);
        let mut retention = JoinSet::new();
        if let Some(leadership) = election.retention.clone() {
            let of_jobs = Retention {
                cluster: cluster.clone(),
                own_namespace: arguments.namespace.clone(),
                leadership,
                events: events.clone(),
                counts: retention_counts,
                reconciles: of_retention,
                clock: timestamp,
            };
            retention.spawn(of_jobs.run());
        }
        let writer = Writer {
            connection: connection.clone(),
            wanted: wanted_now,
            leadership: election.webhooks.clone(),
            written,
            reconciles: of_webhooks,
            clock: timestamp,
        };
        let scanner =
            election.scan.clone().map(|leadership| scanner(arguments, parts, &cluster, &writer, leadership));
        let writer = tokio::spawn(write(writer, scanner, arguments.external_url.is_some()));

        let in_force = Readiness::default();
        let follower = Follower {
            cluster: cluster.clone(),
            policies: parts.policies.clone(),
            metrics: parts.metrics.clone(),
            webhooks: webhook_settings::of(arguments, served),
            is_asked: !arguments.beside_kyverno,
            owner: Owner::new(&connection),
            exceptions: exception_scope(arguments),
            lookups: lookups(arguments),
            ca_bundle: served.ca_bundle.subscribe(),
            wanted,
            reconciles: of_policies,
        };
        tasks.spawn(follower.run(in_force.wait_for("policies in force")));
        Ok(Self {
            cluster,
            events,
            in_force,
            tasks,
            writer,
            retention,
            written: written_now,
            event_writer,
            election,
            farewell,
        })
    }

    /// What the certificate has to do with.
    pub(crate) fn in_cluster(&self, arguments: &ServeArguments) -> InCluster {
        InCluster {
            cluster: self.cluster.clone(),
            namespace: arguments.namespace.clone(),
            leadership: self.election.webhooks.clone(),
            written: self.written.clone(),
        }
    }

    /// Returns why this process must not serve, should that be so.
    pub(crate) fn refused(&mut self) -> impl Future<Output = anyhow::Error> + use<> {
        self.election.refused()
    }

    pub(crate) fn source(&self) -> Source {
        Source::Cluster(self.cluster.clone())
    }

    pub(crate) fn announcer(&self) -> Announcer {
        Announcer { events: self.events.clone(), cluster: self.cluster.clone() }
    }

    /// Says whether requests can be judged.
    pub(crate) fn readiness(&self) -> impl Fn() -> Result<(), String> + Send + Sync + 'static {
        let in_force = self.in_force.clone();
        let cluster = self.cluster.clone();
        move || match in_force.is_ready() {
            true => Ok(()),
            false => {
                let watches = cluster.watches().all();
                let mut pending = cluster.readiness().pending();
                pending.extend(in_force.pending());
                let told = pending.into_iter().map(|what| match watches.get(what) {
                    Some(WatchState::Absent) => format!("{what} (not served yet; hint: {DEFINE_KINDS})"),
                    _ => what.to_owned(),
                });
                Err(format!("waiting for {}", told.collect::<Vec<_>>().join(", ")))
            }
        }
    }

    /// Writes nothing any more, and answers until `drained`. Where others go on, one of them writes from now on. Else the
    /// webhooks that would call nobody are removed, and the Leases are kept from replicas that have yet to be told to end,
    /// which would put them back: until those that come next are to do just that.
    pub(crate) async fn leave(&mut self, drained: impl Future<Output = ()>) {
        self.writer.abort();
        self.retention.shutdown().await;
        // A write that was under way has ended by then, or the API server does not take it.
        let _ = (&mut self.writer).await;
        let leaves = self.farewell.leaves_for_good(self.election.webhooks.is_leader()).await;
        let resigned = async {
            if leaves {
                self.farewell.until_back().await;
            }
            self.election.resign();
        };
        tokio::join!(resigned, drained);
    }

    /// Writes the last Events and gives the leases back. Whoever else sends Events is gone by now.
    pub(crate) async fn end(mut self) {
        self.tasks.abort_all();
        self.retention.shutdown().await;
        drop((self.events, self.farewell));
        // What is not written by then is lost.
        let _ = timeout(GOODBYE, self.event_writer).await;
        self.election.end(GOODBYE).await;
    }
}

/// What is followed of the cluster.
///
/// # Errors
/// A service that rules may call is misspelt.
fn options(arguments: &ServeArguments) -> anyhow::Result<Options> {
    Ok(Options {
        configuration: (arguments.namespace.clone(), arguments.config_map.clone()),
        secret: is_shared(arguments).then(|| (arguments.namespace.clone(), SECRET.to_owned())),
        jobs: true,
        retention: arguments.retention,
        services: services(&arguments.allow_service)?,
        api_servers: api_server_service().into_iter().collect(),
    })
}

/// The address of the Service `kubernetes`, which a Pod knows by its environment whatever it connects to.
fn api_server_service() -> Option<SocketAddr> {
    #[expect(clippy::disallowed_methods, reason = "the binary knows its environment")]
    let variable = |name: &str| std::env::var(name).ok();
    let host = variable("KUBERNETES_SERVICE_HOST")?.parse().ok()?;
    Some(SocketAddr::new(host, variable("KUBERNETES_SERVICE_PORT")?.parse().ok()?))
}

/// The Deployment that this process is of: none for a server outside of the cluster.
fn home(arguments: &ServeArguments) -> Option<Home> {
    arguments
        .external_url
        .is_none()
        .then(|| Home { namespace: arguments.namespace.clone(), deployment: arguments.deployment.clone() })
}

/// What judges beside Kyverno, in place of `writer`.
fn scanner(
    arguments: &ServeArguments,
    parts: &Parts,
    cluster: &Arc<Cluster>,
    writer: &Writer,
    leadership: Leadership,
) -> Scanner {
    let last_pass = LastPass::default();
    last_pass.register(&parts.metrics);
    Scanner {
        connection: writer.connection.clone(),
        cluster: cluster.clone(),
        metrics: parts.metrics.clone(),
        wanted: writer.wanted.clone(),
        leadership,
        interval: Duration::from_secs(arguments.background_scan_interval),
        last_pass,
    }
}

/// Writes what the policies in force call for; where there is a `scanner`, nothing is written and that is run instead.
async fn write(writer: Writer, scanner: Option<Scanner>, is_external: bool) {
    // What an earlier run wrote would call nobody, or beside Kyverno somebody who is not to be asked.
    let removes = is_external || scanner.is_some();
    let leftovers = async {
        if removes && writer.leadership.clone().gained().await {
            remove_leftovers(&writer.connection).await;
        }
    };
    let Some(scanner) = scanner else {
        leftovers.await;
        match writer.run().await {}
    };
    tracing::info!("beside Kyverno: no webhook is registered, and no status is written");
    tokio::join!(leftovers, scanner.run());
}

/// Removes what an earlier run left when it crashed, and what would call a process that is not there. Waits for an API
/// server that is away.
async fn remove_leftovers(connection: &Connection) {
    let mut backoff = Backoff::standard();
    // Said once, not every time.
    let mut failure = None;
    let removed = loop {
        let error = match arming::disarm(connection).await {
            Ok(removed) => break removed,
            Err(error) => error,
        };
        let (said, hint) = (error.to_string(), error.hint());
        if failure.as_ref() != Some(&said) {
            tracing::warn!(
                error = said,
                hint,
                "cannot look for webhook configurations of an earlier run, trying again"
            );
        }
        failure = Some(said);
        backoff.wait().await;
    };
    for name in removed {
        tracing::info!(name, "removed a webhook configuration that an earlier run left");
    }
}

/// The name of this replica: that of its Pod, which is its host name.
fn identity() -> String {
    #[expect(clippy::disallowed_methods, reason = "the binary knows its environment")]
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "portcullis".to_owned());
    format!("{host}_{}", std::process::id())
}

/// The services that rules may call, as the command line names them.
fn services(named: &[String]) -> anyhow::Result<Vec<AllowedService>> {
    let read = |named: &String| {
        named.parse().map_err(|reason| anyhow::anyhow!("cannot use `--allow-service {named}`: {reason}"))
    };
    named.iter().map(read).collect()
}
