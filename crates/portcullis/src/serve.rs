//! `serve`: the admission webhook, and with a cluster the controllers behind it.

mod announcer;
mod answer;
mod arenas;
mod certificate;
mod clock;
mod cluster;
mod collector;
mod decisions;
mod denial;
mod election;
mod farewell;
mod follower;
mod judge;
mod ledger;
mod masked;
mod not_enforced;
mod of_reference;
mod policies;
mod scan;
mod source;
mod webhook_settings;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use portcullis_cli::{
    ClusterArguments, Given, ImmutableFields, MutationRecord, ServeArguments, Surroundings,
};
use portcullis_cluster::Access;
use portcullis_controllers::ExceptionScope;
use portcullis_engine::Options;
use portcullis_kyverno::Lookups;
use portcullis_model::RecordMode;
use portcullis_webhook::health::Health;
use portcullis_webhook::{Lifecycle, Limits, Metrics, Server, worker_threads};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use self::announcer::Announcer;
use self::arenas::Arenas;
pub(crate) use self::certificate::SECRET;
use self::certificate::{Renewal, Served};
use self::decisions::Decisions;
pub(crate) use self::election::LEASES;
use self::judge::Judge;
use self::ledger::Ledger;
use self::policies::Policies;
use self::source::Source;
use crate::errors::not_listening;
use crate::log::{self, Log};
use crate::memory;

/// The type of what `/decisions` answers.
const JSON_LINES: &str = "application/jsonl; charset=utf-8";

/// Serves until the process is told to end.
///
/// # Errors
/// An address, a certificate, a policy or the cluster cannot be used.
pub(crate) fn serve(arguments: &ServeArguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
    let log = log::start(arguments.log_format, &arguments.log, surroundings.stderr.colour)?;
    install_crypto_provider();
    memory::never_dump();
    memory::limit_heaps();
    let given = match arguments.policies.is_empty() {
        true => None,
        false => Some(Given::read(arguments, surroundings)?),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(worker_threads()).enable_all().build()?;
    runtime.block_on(run(arguments, given, &log))
}

/// The one crypto provider of the process.
pub(crate) fn install_crypto_provider() {
    // It is installed already where a test does it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// How the cluster of `arguments` is reached.
pub(crate) fn access(arguments: &ClusterArguments) -> Access {
    match (&arguments.kubeconfig, &arguments.context) {
        (None, None) => Access::Infer,
        (file, context) => Access::Kubeconfig { file: file.clone(), context: context.clone() },
    }
}

/// What all parts of a server share.
struct Parts {
    metrics: Arc<Metrics>,
    /// Nothing until they are known.
    policies: Arc<ArcSwapOption<Policies>>,
    lifecycle: Lifecycle,
    limits: Limits,
    decisions: Decisions,
}

impl Parts {
    /// The pages beside the webhook: ready is what `ready` says, while the certificate has not expired.
    fn health(
        &self,
        served: &Served,
        ready: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Health {
        let (served, decisions) = (served.clone(), self.decisions.clone());
        let ready = move || served.is_usable().and_then(|()| ready());
        Health::new(ready, self.lifecycle.clone(), self.metrics.clone()).with_page(
            "/decisions",
            JSON_LINES,
            move |query: &str| decisions.text(query),
        )
    }
}

async fn run(arguments: &ServeArguments, given: Option<Given>, log: &Log) -> anyhow::Result<()> {
    let listener = bind(arguments.listen, "--listen").await?;
    let probes = bind(arguments.metrics_listen, "--metrics-listen").await?;
    let renewal = Renewal::new(arguments)?;
    let served = renewal.served();
    let parts = Parts {
        metrics: Metrics::new(env!("CARGO_PKG_VERSION")),
        policies: Arc::default(),
        lifecycle: Lifecycle::new(),
        limits: Limits::default(),
        decisions: Decisions::default(),
    };
    parts.metrics.register(|registry| {
        registry.register(
            "portcullis_log_lines_lost",
            "Lines of the log that were never written, since nobody read those before them",
            log.lost(),
        );
    });
    let told = told_to_end()?;
    let limits = drain_limits(arguments, &parts.limits);
    match given {
        Some(given) => {
            let source = Source::Files(Arc::new(given.facts));
            tokio::spawn(renewal.run(parts.metrics.clone(), None)?);
            let compiled: Vec<_> = given.policies.into_iter().map(Arc::new).collect();
            let policies = Policies::new(&compiled, given.settings, ignores_failures(arguments));
            parts.policies.store(Some(Arc::new(policies)));
            tracing::info!(policies = compiled.len(), "policies are in force, from files");
            not_enforced::tell(&compiled, lookups(arguments), &parts.metrics);
            drop(compiled);
            memory::give_back();
            let server = server(arguments, &parts, &served, source, None)?;
            let ready = parts.health(&served, || Ok(()));
            let drain = async {
                told.await;
                parts.lifecycle.drain(&limits).await;
            };
            answer_until_drained(listener, probes, ready, &server, drain).await?;
        }
        None => {
            let mut running = cluster::Running::start(arguments, &parts, &served).await?;
            let refused = running.refused();
            tokio::spawn(renewal.run(parts.metrics.clone(), Some(running.in_cluster(arguments)))?);
            let server = server(arguments, &parts, &served, running.source(), Some(running.announcer()))?;
            let ready = parts.health(&served, running.readiness());
            let drain = async {
                told.await;
                // While it is still answered: what calls us is gone before we are.
                running.leave(parts.lifecycle.drain(&limits)).await;
            };
            let ended = tokio::select! {
                ended = answer_until_drained(listener, probes, ready, &server, drain) => ended,
                error = refused => Err(error),
            };
            drop(server);
            running.end().await;
            ended?;
        }
    }
    Ok(())
}

/// Listens on an address. `[::]` stands for every address, those of IPv4 too; where the system knows no IPv6, for these alone.
async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let bound = match TcpListener::bind(address).await {
        Err(error)
            if address.ip() == Ipv6Addr::UNSPECIFIED && error.raw_os_error() == Some(libc::EAFNOSUPPORT) =>
        {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    };
    bound.map_err(|error| not_listening(address, flag, &error))
}

fn server(
    arguments: &ServeArguments,
    parts: &Parts,
    served: &Served,
    source: Source,
    announcer: Option<Announcer>,
) -> anyhow::Result<Server<Judge>> {
    let (ledger, keep) = Ledger::new(&parts.metrics, announcer, parts.decisions.clone());
    tokio::spawn(keep);
    let options = Options {
        record: match arguments.mutation_record {
            MutationRecord::Annotation => RecordMode::Annotation,
            MutationRecord::Audit => RecordMode::Audit,
            MutationRecord::Off => RecordMode::Off,
        },
        immutable_fields: match arguments.immutable_fields {
            ImmutableFields::Skip => portcullis_engine::ImmutableFields::Skip,
            ImmutableFields::AsWritten => portcullis_engine::ImmutableFields::AsWritten,
        },
        warn_of_not_executed: matches!(source, Source::Files(_)),
        ..Options::default()
    };
    let judge = Judge {
        policies: parts.policies.clone(),
        source,
        options,
        ledger,
        arenas: Arenas::new(worker_threads()),
        ignore_failures: ignores_failures(arguments),
        exceptions: exception_scope(arguments),
        lookups: lookups(arguments),
        started: Instant::now(),
    };
    let (limits, metrics, lifecycle) = (parts.limits.clone(), parts.metrics.clone(), parts.lifecycle.clone());
    Ok(Server::new(judge, served.certificates.clone(), None, limits, metrics, lifecycle)?)
}

/// Whether all failures are ignored, whatever policies say: a laptop that is closed must stop nothing.
fn ignores_failures(arguments: &ServeArguments) -> bool {
    arguments.force_failure_policy_ignore || (arguments.external_url.is_some() && !arguments.allow_fail)
}

/// Whose exceptions count.
fn exception_scope(arguments: &ServeArguments) -> ExceptionScope {
    ExceptionScope::named(arguments.exception_namespace.as_deref())
}

/// What is looked up for rules.
fn lookups(arguments: &ServeArguments) -> Lookups {
    Lookups { services: !arguments.allow_service.is_empty() }
}

/// Answers requests and probes; returns when the server has ended.
async fn answer_until_drained(
    listener: TcpListener,
    probes: TcpListener,
    health: Health,
    server: &Server<Judge>,
    drain: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    tracing::info!(address = %listener.local_addr()?, "taking admission requests");
    tracing::info!(address = %probes.local_addr()?, "serving /healthz, /readyz, /metrics and /decisions");
    // The server ends when it has no connection left, which may be long before draining gives up on the last.
    let drain = async {
        drain.await;
        std::future::pending().await
    };
    tokio::select! {
        () = server.serve(listener) => {}
        () = drain => {}
        () = health.serve(probes) => {}
    }
    tracing::info!("ended");
    Ok(())
}

/// Waits until the process is told to end.
fn told_to_end() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("told to end by SIGTERM"),
            _ = interrupt.recv() => tracing::info!("told to end by Ctrl-C"),
        }
    })
}

/// Behind a Service, connections come until everybody has heard that we leave. Where nothing stands between, they end
/// when we do.
fn drain_limits(arguments: &ServeArguments, limits: &Limits) -> Limits {
    match arguments.external_url.is_some() || !arguments.policies.is_empty() {
        true => Limits { drain_accept: Duration::ZERO, drain_close: Duration::ZERO, ..limits.clone() },
        false => limits.clone(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn who_listens_on_every_address_is_reached_by_ipv4_whether_there_is_ipv6_or_not() {
        let every = bind("[::]:0".parse().unwrap(), "--listen").await.unwrap();
        let port = every.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    }
}
