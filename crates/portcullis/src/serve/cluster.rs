//! Serving a cluster: its policies are followed, compiled and swapped; webhooks and statuses follow them.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use k8s_openapi::api::admissionregistration::v1::MatchCondition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use portcullis_cli::{ServeArguments, WebhookNames};
use portcullis_cluster::discovery::Discovery;
use portcullis_cluster::{
    Backoff, Cluster, Configuration, Connection, DEFINE_KINDS, EventSender, Options, Readiness, WatchState,
    events,
};
use portcullis_controllers::arming;
use portcullis_controllers::in_force::Compiler;
use portcullis_controllers::webhooks::{self, Configurations, Reach, policy_configuration};
use portcullis_controllers::writer::{Wanted, Writer, Written};
use portcullis_engine::{Problem, Settings};
use portcullis_value::{Arena, OwnedValue, json};
use portcullis_webhook::Metrics;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::certificate::{Served, Trust};
use super::clock::timestamp;
use super::collector::Counts;
use super::election::Election;
use super::policies::Policies;
use super::source::Source;
use super::{Parts, access, ignores_failures};
use crate::told::connect;

/// The port of the Service.
const SERVICE_PORT: u16 = 443;
/// How long an API server waits for a process outside of the cluster, in seconds.
const EXTERNAL_TIMEOUT: i32 = 3;
/// How long the way out may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// A server of a cluster, with everything that runs beside it.
pub(crate) struct Running {
    cluster: Arc<Cluster>,
    events: EventSender,
    /// Whether the first policies are in force.
    in_force: Readiness,
    tasks: JoinSet<()>,
    writer: JoinHandle<()>,
    /// What is in the cluster.
    written: watch::Receiver<Written>,
    event_writer: JoinHandle<()>,
    election: Election,
    is_external: bool,
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
        let is_external = arguments.external_url.is_some();
        let identity = identity();
        let configuration = (arguments.namespace.clone(), arguments.config_map.clone());
        let cluster = Arc::new(Cluster::start(connection.clone(), &Options { configuration, jobs: true }));
        let (events, event_writer) = events(&connection, "portcullis", &identity, timestamp);
        let (wanted, wanted_now) = watch::channel(None);
        let (written, written_now) = watch::channel(Written::default());
        let counts = Counts {
            events: events.counts().clone(),
            watches: cluster.watches().clone(),
            wanted: wanted_now.clone(),
            written: written_now.clone(),
        };
        counts.register(&parts.metrics);
        let mut tasks = JoinSet::new();
        let event_writer = tokio::spawn(event_writer.run());

        let election = Election::start(&connection, arguments, &identity);
        let writer = Writer {
            connection,
            wanted: wanted_now,
            leadership: election.leadership.clone(),
            written,
            clock: timestamp,
        };
        let writer = tokio::spawn(async move {
            if is_external && writer.leadership.clone().gained().await {
                remove_leftovers(&writer.connection).await;
            }
            writer.run().await;
        });
        let in_force = Readiness::default();
        let first = in_force.wait_for("policies in force");
        let follower = Follower {
            cluster: cluster.clone(),
            policies: parts.policies.clone(),
            metrics: parts.metrics.clone(),
            webhooks: webhook_settings(arguments, served),
            ca_bundle: served.ca_bundle.subscribe(),
            wanted,
        };
        tasks.spawn(async move { follower.run(first).await });
        Ok(Self {
            cluster,
            events,
            in_force,
            tasks,
            writer,
            written: written_now,
            event_writer,
            election,
            is_external,
        })
    }

    /// What is known of whom the API server trusts.
    pub(crate) fn trust(&self) -> impl Fn() -> Trust + Send + 'static {
        let (written, leadership) = (self.written.clone(), self.election.leadership.clone());
        move || match leadership.is_leader() {
            true => Trust::Written(written.borrow().ca_bundle.clone()),
            false => Trust::ByOther,
        }
    }

    /// Returns why this process must not serve, should that be so.
    pub(crate) fn refused(&mut self) -> impl Future<Output = anyhow::Error> + use<> {
        self.election.refused()
    }

    pub(crate) fn source(&self) -> Source {
        Source::Cluster(self.cluster.clone())
    }

    pub(crate) fn events(&self) -> EventSender {
        self.events.clone()
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

    /// Writes nothing any more. A server outside of the cluster removes the webhooks that would call nobody.
    pub(crate) async fn stop_writing(&mut self) {
        self.writer.abort();
        // What another server has written is its own.
        if !self.is_external || !self.election.leadership.is_leader() {
            return;
        }
        // A write that was under way has ended by then, or the API server does not take it.
        let _ = (&mut self.writer).await;
        match timeout(GOODBYE, arming::disarm(self.cluster.connection())).await {
            Ok(Ok(removed)) => {
                tracing::info!(configurations = removed.len(), "webhook configurations removed")
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "cannot remove the webhook configurations; hint: portcullis disarm");
            }
            Err(_) => tracing::error!("the API server does not answer; hint: portcullis disarm"),
        }
    }

    /// Writes the last Events and gives the lease back. Whoever else sends Events is gone by now.
    pub(crate) async fn end(mut self) {
        self.tasks.abort_all();
        drop(self.events);
        // What is not written by then is lost.
        let _ = timeout(GOODBYE, self.event_writer).await;
        self.election.end(GOODBYE).await;
    }
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

/// Compiles what the cluster says and puts it in force.
struct Follower {
    cluster: Arc<Cluster>,
    policies: Arc<ArcSwapOption<Policies>>,
    metrics: Arc<Metrics>,
    webhooks: webhooks::Settings,
    /// What `caBundle` holds: it goes with the certificate.
    ca_bundle: watch::Receiver<Vec<u8>>,
    wanted: watch::Sender<Option<Arc<Wanted>>>,
}

impl Follower {
    async fn run(mut self, first: portcullis_cluster::Pending) {
        let mut first = Some(first);
        let mut changes = [
            self.cluster.cluster_policies.subscribe(),
            self.cluster.policies.subscribe(),
            self.cluster.configuration.subscribe(),
            self.cluster.discovery.subscribe(),
        ];
        self.cluster.readiness().ready().await;
        let (mut compiler, mut known) = (Compiler::default(), None);
        loop {
            for change in &mut changes {
                change.mark_unchanged();
            }
            let ca_bundle = self.ca_bundle.borrow_and_update().clone();
            if self.webhooks.ca_bundle != ca_bundle {
                self.webhooks.ca_bundle = ca_bundle;
                known = None;
            }
            // Compiling takes the processor: other work goes on meanwhile on another thread.
            tokio::task::block_in_place(|| self.put_in_force(&mut compiler, &mut known));
            drop(first.take());
            let [cluster_policies, policies, configuration, discovery] = &mut changes;
            // A sender that is gone is the end of the process.
            let changed = tokio::select! {
                changed = cluster_policies.changed() => changed,
                changed = policies.changed() => changed,
                changed = configuration.changed() => changed,
                changed = discovery.changed() => changed,
                changed = self.ca_bundle.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
        }
    }

    fn put_in_force(&self, compiler: &mut Compiler, known: &mut Option<Known>) {
        let (cluster_policies, policies) =
            (self.cluster.cluster_policies.load(), self.cluster.policies.load());
        let now = Known {
            configuration: self.cluster.configuration.load(),
            discovery: self.cluster.discovery.load(),
        };
        let documents = cluster_policies.iter().chain(policies.iter());
        let in_force = Arc::new(compiler.compile(documents, &now.discovery));
        let before = self.wanted.borrow().clone();
        // Most changes are of a status, and many of those are ours.
        if let (Some(before), true) = (before, known.as_ref().is_some_and(|known| known.is_same_as(&now)))
            && before.in_force.is_same_as(&in_force)
        {
            self.wanted.send_replace(Some(Arc::new(Wanted { in_force, ..(*before).clone() })));
            return;
        }
        let (settings, problems) = read_settings(&now.configuration);
        let is_known = |known: &Known| Arc::ptr_eq(&known.configuration, &now.configuration);
        if !known.as_ref().is_some_and(is_known) {
            for problem in problems {
                tracing::warn!(%problem, "in the configuration");
            }
        }
        let webhooks = with_settings(self.webhooks.clone(), &settings);
        let configurations = Configurations::of(in_force.webhook_needs(), &now.discovery, &webhooks);
        let compiled: Vec<_> = in_force.compiled().cloned().collect();
        let next = Arc::new(Policies::new(&compiled, settings, self.webhooks.ignore_failures));
        self.policies.store(Some(next.clone()));
        self.metrics.retain_policies(|namespace, name| next.contains(namespace, name));
        tracing::info!(policies = compiled.len(), of = in_force.policies.len(), "policies are in force");
        let policy_configuration = policy_configuration(&webhooks);
        self.wanted.send_replace(Some(Arc::new(Wanted {
            configurations,
            policy_configuration,
            ca_bundle: webhooks.ca_bundle,
            in_force,
        })));
        *known = Some(now);
    }
}

/// What policies are put in force with.
struct Known {
    configuration: Arc<Configuration>,
    discovery: Arc<Discovery>,
}

impl Known {
    fn is_same_as(&self, other: &Known) -> bool {
        Arc::ptr_eq(&self.configuration, &other.configuration)
            && Arc::ptr_eq(&self.discovery, &other.discovery)
    }
}

fn read_settings(configuration: &Configuration) -> (Settings, Vec<Problem>) {
    Settings::read(configuration.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())))
}

/// What the arguments decide of webhooks.
fn webhook_settings(arguments: &ServeArguments, served: &Served) -> webhooks::Settings {
    let reach = match &arguments.external_url {
        Some(url) => Reach::Url(url.clone()),
        None => Reach::Service {
            namespace: arguments.namespace.clone(),
            name: arguments.service.clone(),
            port: SERVICE_PORT,
        },
    };
    let mut settings = webhooks::Settings::new(reach, served.ca_bundle.borrow().clone());
    settings.names = match arguments.webhook_names {
        WebhookNames::Portcullis => webhooks::WebhookNames::Portcullis,
        WebhookNames::Kyverno => webhooks::WebhookNames::Kyverno,
    };
    settings.timeout_seconds = i32::from(arguments.webhook_timeout);
    settings.ignore_failures = ignores_failures(arguments);
    if arguments.external_url.is_some() && !arguments.allow_fail {
        settings.longest_timeout_seconds = EXTERNAL_TIMEOUT;
    }
    settings
}

/// `webhooks` with what the ConfigMap decides of them.
fn with_settings(webhooks: webhooks::Settings, settings: &Settings) -> webhooks::Settings {
    let conditions = settings.match_conditions.iter().filter_map(typed::<MatchCondition>);
    webhooks::Settings {
        namespace_selector: typed::<LabelSelector>(&settings.namespace_selector),
        object_selector: typed::<LabelSelector>(&settings.object_selector),
        match_conditions: conditions.collect(),
        labels: settings.webhook_labels.iter().cloned().collect(),
        annotations: settings.webhook_annotations.iter().cloned().collect(),
        ..webhooks
    }
}

/// `value` as a type of the API; null is none.
fn typed<T: serde::de::DeserializeOwned>(value: &OwnedValue) -> Option<T> {
    let arena = Arena::new();
    let value = value.borrow(&arena);
    if value.is_null() {
        return None;
    }
    let read = serde_json::from_str(&json::Writer::compact().to_string(value));
    read.inspect_err(
        |error| tracing::warn!(%error, "a selector or condition of the configuration is not used"),
    )
    .ok()
}

/// The name of this replica: that of its Pod, which is its host name.
fn identity() -> String {
    #[expect(clippy::disallowed_methods, reason = "the binary knows its environment")]
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "portcullis".to_owned());
    format!("{host}_{}", std::process::id())
}
