//! The arguments of `serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cluster::ClusterArguments;
use crate::installation::{exception_namespace, namespace_name};

/// Serve policies to a cluster, as its admission webhook.
///
/// In a cluster the API server calls the Service of this process. From outside it calls `--external-url`: a laptop can
/// serve a cluster. With `--policies` there is no cluster at all: what is posted to /validate and /mutate is answered.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ServeArguments {
    #[command(flatten)]
    pub cluster: ClusterArguments,

    /// The namespace of Portcullis: of its Service, its Leases and its configuration
    #[arg(
        short,
        long,
        value_name = "NAME",
        env = "PORTCULLIS_NAMESPACE",
        default_value = "portcullis",
        value_parser = namespace_name,
        help_heading = "Cluster"
    )]
    pub namespace: String,

    /// Serve the policies in these files or folders, without a cluster
    #[arg(
        long,
        value_name = "PATH",
        value_delimiter = ',',
        conflicts_with_all = [
            "kubeconfig", "context", "service", "service_port", "deployment", "webhook_names", "webhook_timeout",
            "exception_namespace", "allow_service",
        ],
        help_heading = "Without a cluster"
    )]
    pub policies: Vec<String>,

    /// The objects of a cluster, where there is none to ask: files or folders with the ConfigMaps and whatever else rules look
    /// up, Namespaces with their labels, and the ConfigMap of the configuration. What is not among them is not there
    #[arg(
        short,
        long,
        visible_alias = "resources",
        value_name = "PATH",
        value_delimiter = ',',
        requires = "policies",
        help_heading = "Without a cluster"
    )]
    pub resource: Vec<String>,

    /// The labels of namespaces, where there is no cluster to ask
    #[arg(long, value_name = "FILE", requires = "policies", help_heading = "Without a cluster")]
    pub values_file: Option<String>,

    /// The roles of the user, where there is no cluster to ask
    #[arg(long, value_name = "FILE", requires = "policies", help_heading = "Without a cluster")]
    pub userinfo: Option<String>,

    /// Where admission requests are taken, over TLS
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9443", value_parser = address, help_heading = "Server")]
    pub listen: SocketAddr,

    /// Where `/healthz`, `/readyz`, `/metrics` and `/decisions` are served, in plain text
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8000", value_parser = address, help_heading = "Server")]
    pub metrics_listen: SocketAddr,

    /// The certificate to serve with and its chain, as PEM, read again when it changes; without one, replicas of a Service
    /// share the Secret `portcullis-tls`, which they make and renew, and others make a certificate at start
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "Server")]
    pub tls_cert: Option<PathBuf>,

    /// The key of that certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "Server")]
    pub tls_key: Option<PathBuf>,

    /// The certificate of the authority that clients are to trust, as PEM; without it they trust the chain in --tls-cert
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "Server")]
    pub tls_ca: Option<PathBuf>,

    /// Where the API server reaches this process when no Service leads to it; webhooks are then removed on exit
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "policies",
        help_heading = "Webhooks",
        long_help = "Where the API server reaches this process when no Service leads to it, as `https://127.0.0.1:9443`.\n\n\
            Every webhook is then of failure policy Ignore with a timeout of 3 s, so that a laptop that is closed stops \
            nothing; they are removed on exit, and what a crash left is removed at the next start or by `portcullis disarm`."
    )]
    pub external_url: Option<String>,

    /// With --external-url: let webhooks fail requests as their policies say
    // What conflicts with an argument that is there is not required: `requires` alone would let `--policies` in.
    #[arg(long, requires = "external_url", conflicts_with = "policies", help_heading = "Webhooks")]
    pub allow_fail: bool,

    /// With --external-url: serve in the place of another Portcullis that serves the cluster
    #[arg(long, requires = "external_url", conflicts_with = "policies", help_heading = "Webhooks")]
    pub take_over: bool,

    /// The Service that leads to this process
    #[arg(
        long,
        value_name = "NAME",
        default_value = "portcullis",
        conflicts_with = "external_url",
        help_heading = "Webhooks"
    )]
    pub service: String,

    /// The port of that Service
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 443,
        conflicts_with = "external_url",
        help_heading = "Webhooks"
    )]
    pub service_port: u16,

    /// The Deployment of this process: webhooks are removed when it is deleted or scaled to zero, and stay when a replica ends
    #[arg(
        long,
        value_name = "NAME",
        default_value = "portcullis",
        conflicts_with = "external_url",
        help_heading = "Webhooks"
    )]
    pub deployment: String,

    /// Beside a Kyverno that serves the same policies: register no webhook and write no status, but judge and count what is in
    /// the cluster
    #[arg(long, conflicts_with_all = ["external_url", "policies"], help_heading = "Webhooks")]
    pub beside_kyverno: bool,

    /// With --beside-kyverno: how long after the end of a pass over the cluster the next one begins, in seconds, unless
    /// policies change
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 600,
        requires = "beside_kyverno",
        conflicts_with_all = ["external_url", "policies"],
        value_parser = clap::value_parser!(u64).range(1..=86_400),
        help_heading = "Webhooks"
    )]
    pub background_scan_interval: u64,

    /// Whose names the webhooks and their configurations have: `kyverno` for programs that look at them. Kyverno must not
    /// run then, and deploy/roles.yaml is to name these configurations
    #[arg(long, value_enum, default_value_t, value_name = "NAMES", help_heading = "Webhooks")]
    pub webhook_names: WebhookNames,

    /// Take the failure policy of every policy for Ignore
    #[arg(long, help_heading = "Webhooks")]
    pub force_failure_policy_ignore: bool,

    /// How long the API server waits, in seconds, where no policy asks for more
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u8).range(1..=30),
        help_heading = "Webhooks"
    )]
    pub webhook_timeout: u8,

    /// The ConfigMap with resource filters, excluded users and webhook selectors, followed as it changes; with --policies it is
    /// looked for among --resource
    #[arg(long, value_name = "NAME", default_value = "portcullis", help_heading = "Policies")]
    pub config_map: String,

    /// The namespace whose PolicyExceptions count, `*` for all of them; without it none does
    #[arg(long, value_name = "NAMESPACE", value_parser = exception_namespace, help_heading = "Policies")]
    pub exception_namespace: Option<String>,

    /// A service that rules may call (`apiCall.service`): a host, `*.` and a name for all below it, or an address; may be given
    /// again. Without it rules call none
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        value_delimiter = ',',
        value_parser = clap::builder::NonEmptyStringValueParser::new(),
        help_heading = "Policies"
    )]
    pub allow_service: Vec<String>,

    /// Where it is recorded which rule changed what
    #[arg(long, value_enum, default_value_t, value_name = "PLACE", help_heading = "Policies")]
    pub mutation_record: MutationRecord,

    /// What happens to a mutation that the API server would refuse, since the field cannot be changed any more
    #[arg(long, value_enum, default_value_t, value_name = "WAY", help_heading = "Policies")]
    pub immutable_fields: ImmutableFields,

    /// Set the TTL of finished Jobs as JobRetentions say; deploy/retention.yaml grants what that takes
    #[arg(long, conflicts_with = "policies", help_heading = "Retention of Jobs")]
    pub retention: bool,

    /// The form of the log, which goes to standard error
    #[arg(long, value_enum, default_value_t, value_name = "FORM", help_heading = "Log")]
    pub log_format: LogFormat,

    /// What is logged: error, warn, info, debug, trace, or `target=level` with commas between
    #[arg(long, value_name = "FILTER", env = "PORTCULLIS_LOG", default_value = "info", help_heading = "Log")]
    pub log: String,
}

/// `IP:PORT`.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write IP:PORT, as `127.0.0.1:9443`, or `0.0.0.0:9443` for every interface".to_owned())
}

const EXAMPLES: &str = "\
Examples:
  Serve a cluster from this machine:
      portcullis serve --external-url https://192.0.2.7:9443 --kubeconfig ~/.kube/config

  Serve policies from a folder and ask for a verdict:
      portcullis serve --policies policies/ --listen 127.0.0.1:9443 --metrics-listen 127.0.0.1:8000
      curl -k https://127.0.0.1:9443/validate -H 'Content-Type: application/json' -d @review.json

The process ends on SIGTERM or Ctrl-C, once the requests it has are answered. docs/serve.md is the guide.

Exit code: 0 when it was told to end, 1 when an argument, a policy, a certificate or the cluster cannot be used.";

/// Whose names webhook configurations, webhooks and paths have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WebhookNames {
    #[default]
    Portcullis,
    Kyverno,
}

/// Where it is recorded which rule changed what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum MutationRecord {
    /// On the object.
    #[default]
    Annotation,
    /// In the audit log of the API server.
    Audit,
    Off,
}

/// What happens to a mutation of a field that cannot be changed any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ImmutableFields {
    /// It is left out, and counted.
    #[default]
    Skip,
    /// It is asked for, and the API server refuses the request.
    AsWritten,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}
