//! The way to the API server: where it is, who we are, and the clients that everybody uses.

mod bulk;
mod client;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use kube::Client;
use kube::config::{Config, InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};

use crate::error::system_reason;
use crate::limiter::{Class, Limited, Limiter};
use crate::queries::QueryCounts;

/// Where the address and the credentials come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// The service account of the Pod we run in; its token is read again as it is renewed.
    InCluster,
    /// A kubeconfig: the file given, else the one that `KUBECONFIG` names, else `~/.kube/config`.
    Kubeconfig { file: Option<PathBuf>, context: Option<String> },
    /// The kubeconfig if there is one, else the service account.
    #[default]
    Infer,
}

/// Why there is nothing to connect to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot use the kubeconfig{}: {reason}", .file.as_ref().map(|file| format!(" `{}`", file.display())).unwrap_or_default())]
    Kubeconfig { file: Option<PathBuf>, reason: String },
    #[error("not in a cluster: {reason}")]
    InCluster { reason: String },
    #[error(
        "no cluster is named: no kubeconfig ({kubeconfig}), and no Pod with a service account ({in_cluster})"
    )]
    Neither { kubeconfig: String, in_cluster: String },
    #[error("cannot build a client: {reason}")]
    Client { reason: String },
}

impl ConnectError {
    pub fn hint(&self) -> &'static str {
        match self {
            ConnectError::InCluster { .. } => "outside of a cluster, give `--kubeconfig FILE`",
            ConnectError::Neither { .. } => {
                "give `--kubeconfig FILE`, or run where `kubectl get namespaces` works"
            }
            ConnectError::Kubeconfig { .. } | ConnectError::Client { .. } => {
                "`kubectl config view` shows what kubectl makes of the same file"
            }
        }
    }
}

/// A connection to one API server. Cheap to clone; all clones share the limiter.
#[derive(Clone)]
pub struct Connection {
    server: Arc<str>,
    namespace: Arc<str>,
    admission: Client,
    background: Client,
    unlimited: Client,
    queries: Arc<QueryCounts>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Connection {
    /// Reads the configuration and builds the clients; asks the API server nothing yet.
    ///
    /// # Errors
    /// No usable kubeconfig or service account.
    pub async fn open(access: &Access) -> Result<Self, ConnectError> {
        Self::from_config(configuration(access).await?)
    }

    /// By a configuration that somebody else has read. Needs the runtime that the clients will live in.
    ///
    /// # Errors
    /// Credentials or certificates in it cannot be used.
    pub fn from_config(config: Config) -> Result<Self, ConnectError> {
        let server = config.cluster_url.to_string();
        let client =
            client::client(config).map_err(|error| ConnectError::Client { reason: error.to_string() })?;
        Ok(Self::over(&client, &server))
    }

    /// Over a client that exists; `server` names it in errors.
    pub fn over(client: &Client, server: &str) -> Self {
        let limiter = Arc::new(Limiter::default());
        let queries: Arc<QueryCounts> = Arc::default();
        let namespace = client.default_namespace().to_owned();
        let limited = |class| {
            let (client, limiter, queries) = (client.clone(), limiter.clone(), queries.clone());
            let service = Limited { client, limiter, class, queries };
            Client::new(service, namespace.clone())
        };
        Self {
            server: server.trim_end_matches('/').into(),
            admission: limited(Class::Admission),
            background: limited(Class::Background),
            unlimited: client.clone(),
            queries: queries.clone(),
            namespace: namespace.into(),
        }
    }

    /// The address of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The namespace of the service account, or that of the kubeconfig's context.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The client for what an admission review waits for.
    pub fn admission(&self) -> &Client {
        &self.admission
    }

    /// The client for everything else.
    pub fn background(&self) -> &Client {
        &self.background
    }

    /// How often what is asked.
    pub fn queries(&self) -> &Arc<QueryCounts> {
        &self.queries
    }

    /// The client of who paces himself and obeys the API server's pushback: nothing is held back or sent again.
    pub(crate) fn unlimited(&self) -> &Client {
        &self.unlimited
    }
}

async fn configuration(access: &Access) -> Result<Config, ConnectError> {
    match access {
        Access::InCluster => {
            Config::incluster().map_err(|error| ConnectError::InCluster { reason: outside(&error) })
        }
        Access::Kubeconfig { file, context } => {
            kubeconfig(file.clone(), context.clone()).await.map_err(|error| ConnectError::Kubeconfig {
                file: file.clone(),
                reason: unusable(&error, file.is_some()),
            })
        }
        Access::Infer => match kubeconfig(None, None).await {
            Ok(config) => Ok(config),
            Err(error) => Config::incluster().map_err(|in_cluster| ConnectError::Neither {
                kubeconfig: unusable(&error, false),
                in_cluster: outside(&in_cluster),
            }),
        },
    }
}

async fn kubeconfig(file: Option<PathBuf>, context: Option<String>) -> Result<Config, KubeconfigError> {
    let kubeconfig = match file {
        Some(file) => Kubeconfig::read_from(file)?,
        None => Kubeconfig::read()?,
    };
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(kubeconfig, &options).await
}

/// Why a kubeconfig is of no use. Its path is left out where `is_named` already.
fn unusable(error: &KubeconfigError, is_named: bool) -> String {
    match error {
        KubeconfigError::ReadConfig(error, _) if is_named => system_reason(error),
        KubeconfigError::ReadConfig(error, path) => format!("`{}`: {}", path.display(), system_reason(error)),
        KubeconfigError::CurrentContextNotSet => "it names no current context".to_owned(),
        KubeconfigError::LoadContext(name) => format!("it has no context `{name}`"),
        KubeconfigError::LoadClusterOfContext(name) => format!("it has no cluster `{name}`"),
        error => error.to_string(),
    }
}

/// Why there is no service account: most often, since this is no Pod.
fn outside(error: &InClusterError) -> String {
    match error {
        InClusterError::ReadEnvironmentVariable(_) => "`KUBERNETES_SERVICE_HOST` is not set".to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ApiError, Asked};

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_named() {
        let file = PathBuf::from("/nowhere/config");
        let access = Access::Kubeconfig { file: Some(file), context: None };
        let error = Connection::open(&access).await.unwrap_err();
        let message = "cannot use the kubeconfig `/nowhere/config`: no such file or directory";
        assert_eq!(error.to_string(), message);
    }

    #[tokio::test]
    async fn credentials_that_cannot_be_had_are_no_matter_of_the_network() {
        let mut config = Config::new("http://127.0.0.1:1".parse().unwrap());
        config.auth_info.token_file = Some("/nowhere/token".to_owned());
        let error = match Connection::from_config(config) {
            Ok(connection) => {
                let error = connection.background().apiserver_version().await.unwrap_err();
                let asked = Asked { verb: "get", resource: "version".to_owned() };
                ApiError::from_client(asked, connection.server(), &error).to_string()
            }
            Err(error) => error.to_string(),
        };
        assert!(error.contains("/nowhere/token"), "{error}");
        assert!(!error.contains("cannot reach"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_refuses_connections_is_named() {
        // A port that was free a moment ago.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let connection = Connection::from_config(Config::new(server.parse().unwrap())).unwrap();
        let error = connection.background().apiserver_version().await.unwrap_err();
        let asked = Asked { verb: "get", resource: "version".to_owned() };
        let error = ApiError::from_client(asked, connection.server(), &error);
        assert_eq!(
            error.to_string(),
            format!("cannot reach the API server at `{server}`: connection refused")
        );
        assert!(error.hint().unwrap().contains(&server));
    }
}
