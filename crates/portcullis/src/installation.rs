//! Putting Portcullis into a cluster, taking it out, and stopping it in between.

mod definitions;
mod disarm;
mod guards;
mod install;
mod kyverno;
mod objects;
mod server_side;
mod take_over;
mod uninstall;
mod waiting;
mod workload;

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, ResourceExt};
use portcullis_cli::{ClusterArguments, Reach, hinted};
use portcullis_cluster::{ApiError, Asked, Connection};

pub(crate) use self::disarm::{disarm, rearm};
pub(crate) use self::install::install;
pub(crate) use self::uninstall::uninstall;

/// The name of everything that there is one of.
const NAME: &str = "portcullis";

/// Who writes, in `metadata.managedFields`.
const FIELD_MANAGER: &str = "portcullis-install";

/// The cluster that is worked on, and where Portcullis is in it.
struct Site {
    connection: Connection,
    namespace: String,
    /// How long Pods may take.
    patience: Duration,
}

impl Site {
    /// The objects of a kind in the namespace of Portcullis.
    fn namespaced<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.connection.background().clone(), &self.namespace)
    }

    /// The objects of a kind in the whole cluster.
    fn all<K: kube::Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.connection.background().clone())
    }

    /// The namespace of Portcullis, if it is there.
    async fn own_namespace(&self) -> anyhow::Result<Option<Namespace>> {
        let namespace = self.all::<Namespace>().get_opt(&self.namespace).await;
        namespace.map_err(|error| self.told("get", &format!("namespace/{}", self.namespace), &error))
    }

    /// The namespace that Portcullis is installed in, if it is not this one.
    async fn elsewhere(&self) -> anyhow::Result<Option<String>> {
        let ours = ListParams::default().labels("app.kubernetes.io/name=portcullis");
        let found = self.all::<Deployment>().list(&ours.fields("metadata.name=portcullis")).await;
        let found = found.map_err(|error| self.told("list", "deployments", &error))?;
        let mut namespaces: Vec<_> = found.iter().filter_map(ResourceExt::namespace).collect();
        match namespaces.contains(&self.namespace) {
            true => Ok(None),
            false => Ok(namespaces.pop()),
        }
    }

    /// `error`, which came of asking to `verb` the `resource`, for people.
    fn told(&self, verb: &'static str, resource: &str, error: &kube::Error) -> anyhow::Error {
        let asked = Asked { verb, resource: resource.to_owned() };
        let error = ApiError::from_client(asked, self.connection.server(), error);
        let hint = match calls_nobody(&error.said()) {
            true => Some(CALLS_NOBODY.to_owned()),
            false => error.hint(),
        };
        hinted(format!("cannot {verb} {resource}: {error}"), hint)
    }
}

/// What to do where a webhook of ours is asked and calls nobody.
const CALLS_NOBODY: &str =
    "nobody answers for portcullis: `portcullis disarm` first, which takes its webhooks out of the way";

/// Whether an API server says that it has refused a request since a webhook of Portcullis did not answer, as in
/// `failed calling webhook "validate.portcullis.svc-fail": ...`.
fn calls_nobody(said: &str) -> bool {
    let webhook = said.split_once("failed calling webhook \"").and_then(|(_, rest)| rest.split_once('"'));
    // Those that have Kyverno's names call a Service of ours.
    webhook.is_some_and(|(name, reason)| name.contains(NAME) || reason.contains("https://portcullis."))
}

/// Runs `work` on a cluster.
fn at<T>(
    cluster: &ClusterArguments,
    namespace: &str,
    timeout: u64,
    work: impl AsyncFnOnce(&Site) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let Reach { runtime, connection } = crate::reach(cluster)?;
    let site = Site { connection, namespace: namespace.to_owned(), patience: Duration::from_secs(timeout) };
    runtime.block_on(work(&site))
}

/// What `found` holds; nothing where the object or its whole kind is not there.
fn if_there<T>(found: Result<T, kube::Error>) -> Result<Option<T>, kube::Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        // A kind that is not served any more is told of in no status of its own.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::calls_nobody;

    #[test]
    fn a_webhook_of_ours_that_calls_nobody_is_told_from_those_of_others() {
        let failed = |webhook: &str, service: &str| {
            format!(
                "Internal error occurred: failed calling webhook \"{webhook}\": failed to call webhook: Post \
                 \"https://{service}.svc:443/validate/fail?timeout=10s\": connection refused"
            )
        };
        assert!(calls_nobody(&failed("validate.portcullis.svc-fail", "portcullis.guard")));
        assert!(calls_nobody(&failed("validate.kyverno.svc-fail", "portcullis.portcullis")));
        assert!(!calls_nobody(&failed("validate.kyverno.svc-fail", "kyverno-svc.kyverno")));
        assert!(!calls_nobody("admission webhook \"validate.portcullis.svc-fail\" denied the request: no"));
    }
}
