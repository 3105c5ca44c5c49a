//! All that is known of a cluster, kept up to date by watches.

use std::net::SocketAddr;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use portcullis_model::Answer;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::task::JoinSet;

use crate::config_maps::{ConfigMaps, KnownConfigMaps};
use crate::connection::Connection;
use crate::discovery::Discovery;
use crate::error::{ApiError, Asked};
use crate::index::{
    BindingIndex, Bindings, Configuration, ConfigurationIndex, DocumentIndex, Documents, Index, JobIndex,
    Keeper, Kept, KeptIndex, KindIndex, KnownSecret, Labels, Namespace, NamespaceIndex, Namespaces,
    Published, SecretIndex, UserRoles,
};
use crate::reader::{Query, Reader};
use crate::readiness::Readiness;
use crate::served::DiscoveryRefresh;
use crate::services::{AllowedService, Services};
use crate::watch::{Source, Watch, WatchState, WatchStates, encoded};

/// What to watch beside policies.
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespace and the name of the ConfigMap that configures the engine.
    pub configuration: (String, String),
    /// The namespace and the name of the Secret that replicas share their certificate in, where they do.
    pub secret: Option<(String, String)>,
    /// Whether finished Jobs that nobody removes are counted.
    pub jobs: bool,
    /// Whether JobRetentions are followed.
    pub retention: bool,
    /// The services that rules may call.
    pub services: Vec<AllowedService>,
    /// Where the API server listens beside where it is connected to: it is no such service.
    pub api_servers: Vec<SocketAddr>,
}

/// All that is known of a cluster. Dropping it ends the watches.
#[derive(Debug)]
pub struct Cluster {
    pub cluster_policies: Arc<Published<Documents>>,
    /// Of all namespaces.
    pub policies: Arc<Published<Documents>>,
    /// Of all namespaces: whose exceptions count is not decided here.
    pub exceptions: Arc<Published<Documents>>,
    pub namespaces: Arc<Published<Namespaces>>,
    pub configuration: Arc<Published<Configuration>>,
    /// Unknown for ever where none is followed.
    pub secret: Arc<Published<KnownSecret>>,
    pub discovery: Arc<Published<Discovery>>,
    /// How many finished Jobs have neither a TTL nor an owner.
    pub dangling_jobs: Arc<Published<usize>>,
    /// None where they are not followed, were not listed yet, or are a kind that is not there.
    pub job_retentions: Arc<Published<Documents>>,
    /// `None` until the bindings were listed once.
    role_bindings: Arc<Published<Option<Bindings>>>,
    cluster_role_bindings: Arc<Published<Option<Bindings>>>,
    pub(crate) config_maps: Arc<ConfigMaps>,
    connection: Connection,
    readiness: Readiness,
    states: WatchStates,
    lookups: Semaphore,
    pub(crate) services: Services,
    kinds: watch::Sender<()>,
    tasks: JoinSet<std::convert::Infallible>,
}

/// How many things are looked up at once.
const LOOKUPS: usize = 16;
/// The most bytes of what is looked up.
const LONGEST_OBJECT: usize = 10 << 20;

const fn documents(name: &'static str, resource: &'static str, path: &'static str) -> Source {
    Source { name, resource, path, metadata_only: false, page: 250, is_needed: true }
}

const CLUSTER_POLICIES: Source =
    documents("clusterpolicies", "clusterpolicies.kyverno.io", "/apis/kyverno.io/v1/clusterpolicies");
const POLICIES: Source = documents("policies", "policies.kyverno.io", "/apis/kyverno.io/v1/policies");
const EXCEPTIONS: Source = Source {
    is_needed: false,
    ..documents("policyexceptions", "policyexceptions.kyverno.io", "/apis/kyverno.io/v2/policyexceptions")
};
const NAMESPACES: Source = Source {
    name: "namespaces",
    resource: "namespaces",
    path: "/api/v1/namespaces",
    metadata_only: true,
    page: 500,
    is_needed: true,
};
const ROLE_BINDINGS: Source = Source {
    name: "rolebindings",
    resource: "rolebindings.rbac.authorization.k8s.io",
    path: "/apis/rbac.authorization.k8s.io/v1/rolebindings",
    metadata_only: false,
    page: 500,
    is_needed: true,
};
const CLUSTER_ROLE_BINDINGS: Source = Source {
    name: "clusterrolebindings",
    resource: "clusterrolebindings.rbac.authorization.k8s.io",
    path: "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    metadata_only: false,
    page: 500,
    is_needed: true,
};
const CONFIG_MAPS: Source = Source {
    name: "configuration",
    resource: "configmaps",
    path: "/api/v1/configmaps",
    metadata_only: false,
    page: 50,
    is_needed: true,
};
const SECRETS: Source = Source {
    name: "certificate",
    resource: "secrets",
    path: "/api/v1/secrets",
    metadata_only: false,
    page: 1,
    is_needed: true,
};
/// One that rules read.
const READ_CONFIG_MAP: Source =
    Source { name: "a ConfigMap that rules read", page: 1, is_needed: false, ..CONFIG_MAPS };
const JOBS: Source = Source {
    name: "jobs",
    resource: "jobs.batch",
    path: "/apis/batch/v1/jobs",
    metadata_only: false,
    page: 100,
    is_needed: true,
};
/// Those of which something is kept.
const KEPT_JOBS: Source = Source { name: "kept jobs", ..JOBS };
const KEPT_VOLUME_CLAIMS: Source = Source {
    name: "kept persistentvolumeclaims",
    resource: "persistentvolumeclaims",
    path: "/api/v1/persistentvolumeclaims",
    metadata_only: true,
    page: 500,
    is_needed: false,
};
const KEPT_WORKLOADS: Source = Source {
    name: "kept workloads",
    resource: "workloads.kueue.x-k8s.io",
    path: "/apis/kueue.x-k8s.io/v1beta1/workloads",
    ..KEPT_VOLUME_CLAIMS
};
const JOB_RETENTIONS: Source = Source {
    is_needed: false,
    ..documents(
        "jobretentions",
        "jobretentions.portcullis.dev",
        "/apis/portcullis.dev/v1alpha1/jobretentions",
    )
};
const KINDS: Source = Source {
    name: "customresourcedefinitions",
    resource: "customresourcedefinitions.apiextensions.k8s.io",
    path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    metadata_only: true,
    page: 100,
    is_needed: true,
};

impl Cluster {
    /// Starts the watches. Returns at once; [`Cluster::readiness`] tells when everything was listed.
    pub fn start(connection: Connection, options: &Options) -> Self {
        let mut cluster = Self {
            cluster_policies: Published::new(Documents::default()),
            policies: Published::new(Documents::default()),
            exceptions: Published::new(Documents::default()),
            namespaces: Published::new(Namespaces::default()),
            configuration: Published::new(Configuration::default()),
            secret: Published::new(KnownSecret::default()),
            discovery: Published::new(Discovery::default()),
            dangling_jobs: Published::new(0),
            job_retentions: Published::new(Documents::default()),
            role_bindings: Published::new(None),
            cluster_role_bindings: Published::new(None),
            config_maps: ConfigMaps::new(),
            services: Services::new(options.services.clone(), &connection, options.api_servers.clone()),
            connection,
            readiness: Readiness::default(),
            states: WatchStates::default(),
            lookups: Semaphore::new(LOOKUPS),
            kinds: watch::Sender::new(()),
            tasks: JoinSet::new(),
        };
        cluster.refresh_discovery();
        cluster.watch(KINDS, KindIndex::new(cluster.kinds.clone()));
        cluster.watch(CLUSTER_POLICIES, DocumentIndex::new(cluster.cluster_policies.clone()));
        cluster.watch(POLICIES, DocumentIndex::new(cluster.policies.clone()));
        cluster.watch(EXCEPTIONS, DocumentIndex::new(cluster.exceptions.clone()));
        cluster.watch(NAMESPACES, NamespaceIndex::new(&options.configuration.0, cluster.namespaces.clone()));
        cluster.watch(ROLE_BINDINGS, BindingIndex::new(cluster.role_bindings.clone()));
        cluster.watch(CLUSTER_ROLE_BINDINGS, BindingIndex::new(cluster.cluster_role_bindings.clone()));
        cluster.watch_configuration(options);
        if let Some((namespace, name)) = &options.secret {
            let index = SecretIndex::new(cluster.secret.clone());
            let watch = cluster.watch_of(SECRETS, index);
            let (path, selector) = by_name("secrets", namespace, name);
            cluster.tasks.spawn(Watch { path, selector, ..watch }.run());
        }
        if options.jobs {
            // A count for people: nothing waits for it.
            let index = JobIndex::new(cluster.dangling_jobs.clone());
            let watch = Watch { pending: None, ..cluster.watch_of(JOBS, index) };
            cluster.tasks.spawn(watch.run());
        }
        if options.retention {
            // Reviews do not wait for it.
            let index = DocumentIndex::new(cluster.job_retentions.clone());
            let watch = Watch { pending: None, ..cluster.watch_of(JOB_RETENTIONS, index) };
            cluster.tasks.spawn(watch.run());
        }
        cluster
    }

    fn refresh_discovery(&mut self) {
        let refresh = DiscoveryRefresh {
            reader: Reader::background(&self.connection),
            discovery: self.discovery.clone(),
            pending: Some(self.readiness.wait_for("discovery")),
            kinds: self.kinds.subscribe(),
        };
        self.tasks.spawn(refresh.run());
    }

    fn watch_configuration(&mut self, options: &Options) {
        let (namespace, name) = &options.configuration;
        let index = ConfigurationIndex::new(self.configuration.clone());
        let watch = self.watch_of(CONFIG_MAPS, index);
        let (path, selector) = by_name("configmaps", namespace, name);
        self.tasks.spawn(Watch { path, selector, ..watch }.run());
    }

    /// Follows a ConfigMap that a rule reads.
    pub(crate) fn follow_config_map(&self, namespace: &str, name: &str) {
        self.config_maps.follow(namespace, name, |index| {
            let watch = self.watch_of(READ_CONFIG_MAP, index);
            let (path, selector) = by_name("configmaps", namespace, name);
            // It holds nothing up, and is one of many of its kind.
            let states = WatchStates::default();
            tokio::spawn(Watch { path, selector, states, pending: None, ..watch }.run())
        });
    }

    /// Follows all Jobs, and keeps of each what `keeper` says.
    pub fn follow_jobs<K: Keeper>(&self, keeper: K) -> Followed<K::Kept> {
        self.follow(KEPT_JOBS, KEPT_JOBS.path, keeper)
    }

    /// Follows the metadata of all PersistentVolumeClaims, and keeps of each what `keeper` says.
    pub fn follow_volume_claims<K: Keeper>(&self, keeper: K) -> Followed<K::Kept> {
        self.follow(KEPT_VOLUME_CLAIMS, KEPT_VOLUME_CLAIMS.path, keeper)
    }

    /// Follows the metadata of all Workloads of Kueue, which are listed at `path`, and keeps of each what `keeper` says.
    pub fn follow_workloads<K: Keeper>(&self, path: &str, keeper: K) -> Followed<K::Kept> {
        self.follow(KEPT_WORKLOADS, path, keeper)
    }

    fn follow<K: Keeper>(&self, source: Source, path: &str, keeper: K) -> Followed<K::Kept> {
        let kept = Arc::new(Kept::default());
        let listed = Readiness::default();
        let pending = Some(listed.wait_for(source.name));
        let index = KeptIndex::new(keeper, kept.clone());
        let watch = Watch { path: path.into(), pending, ..self.watch_of(source, index) };
        let mut task = JoinSet::new();
        task.spawn(watch.run());
        Followed { kept, listed, source, states: self.states.clone(), _task: task }
    }

    fn watch<I: Index>(&mut self, source: Source, index: I) {
        let watch = self.watch_of(source, index);
        self.tasks.spawn(watch.run());
    }

    fn watch_of<I: Index>(&self, source: Source, index: I) -> Watch<I> {
        Watch {
            reader: Reader::background(&self.connection),
            source,
            path: source.path.into(),
            page: source.page,
            selector: String::new(),
            index,
            states: self.states.clone(),
            pending: Some(self.readiness.wait_for(source.name)),
            kinds: self.kinds.subscribe(),
        }
    }

    /// Ready when everything was listed once. It stays ready when the API server goes away.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// How the watches are doing, for conditions, metrics and people.
    pub fn watches(&self) -> &WatchStates {
        &self.states
    }

    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What is known at this moment. A request takes one view and keeps it.
    pub fn view(&self) -> View {
        View {
            namespaces: self.namespaces.load(),
            role_bindings: self.role_bindings.load(),
            cluster_role_bindings: self.cluster_role_bindings.load(),
            discovery: self.discovery.load(),
            config_maps: self.config_maps.known(),
        }
    }

    /// The right to look something up, once it is our turn.
    pub(crate) async fn lookup_permit(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed, so that a permit always comes.
        self.lookups.acquire().await.ok()
    }

    /// The labels of a namespace that the view does not know, asked of the API server: it may have been created a
    /// moment ago. The caller sets the time it is willing to wait, and evaluates again with [`View::with_namespace`].
    ///
    /// # Errors
    /// The namespace does not exist, or the API server cannot be asked.
    pub async fn look_up_namespace(&self, name: &str) -> Result<Labels, ApiError> {
        let _permit = self.lookup_permit().await;
        // The watch may have been quicker while we waited.
        if let Some(labels) = self.namespaces.load().labels(name) {
            return Ok(labels.clone());
        }
        let path = format!("{}/{}", NAMESPACES.path, encoded(name));
        let accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        self.look_up::<Namespace>(NAMESPACES.resource, path, accept).await.map(Namespace::into_labels)
    }

    /// What one version of a group serves at this moment: its definition may be newer than [`Cluster::discovery`].
    ///
    /// # Errors
    /// There is no such version, or the API server cannot be asked.
    pub(crate) async fn look_up_resources(
        &self,
        group: &str,
        version: &str,
    ) -> Result<APIResourceList, ApiError> {
        let _permit = self.lookup_permit().await;
        let path = match group {
            "" => format!("/api/{}", encoded(version)),
            _ => format!("/apis/{}/{}", encoded(group), encoded(version)),
        };
        self.look_up(&path, path.clone(), "application/json").await
    }

    async fn look_up<T: DeserializeOwned>(
        &self,
        resource: &str,
        path: String,
        accept: &'static str,
    ) -> Result<T, ApiError> {
        let asked = Asked { verb: "get", resource: resource.to_owned() };
        let query = Query { asked, path, accept, limit: LONGEST_OBJECT };
        let body = Reader::admission(&self.connection).read(&query).await?;
        serde_json::from_slice(&body)
            .map_err(|error| ApiError::Unreadable { asked: query.asked, reason: error.to_string() })
    }
}

/// Objects that are followed until this is dropped.
#[derive(Debug)]
pub struct Followed<T> {
    pub kept: Arc<Kept<T>>,
    /// Ready when they were listed once.
    pub listed: Readiness,
    source: Source,
    states: WatchStates,
    _task: JoinSet<std::convert::Infallible>,
}

impl<T> Followed<T> {
    /// The plural name of the kind, with its group.
    pub fn resource(&self) -> &'static str {
        self.source.resource
    }

    /// Why what is kept may not be what there is, if it may not.
    pub fn gap(&self) -> Option<String> {
        match self.states.of(self.source.name)? {
            WatchState::Live | WatchState::Absent => None,
            WatchState::Starting => Some("they were not listed yet".to_owned()),
            WatchState::Failing(error) => Some(error),
        }
    }
}

impl<T> Drop for Followed<T> {
    fn drop(&mut self) {
        self.states.forget(self.source.name);
    }
}

/// The path of a kind in a namespace, and what selects the one of this name.
fn by_name(resource: &str, namespace: &str, name: &str) -> (Box<str>, String) {
    let path = format!("/api/v1/namespaces/{}/{resource}", encoded(namespace));
    let selector = format!("&fieldSelector={}", encoded(&format!("metadata.name={name}")));
    (path.into(), selector)
}

/// What is known of the cluster at one moment.
#[derive(Clone, Debug)]
pub struct View {
    namespaces: Arc<Namespaces>,
    role_bindings: Arc<Option<Bindings>>,
    cluster_role_bindings: Arc<Option<Bindings>>,
    discovery: Arc<Discovery>,
    config_maps: Arc<KnownConfigMaps>,
}

impl View {
    /// The answer to who asks for a ConfigMap; `None` where it is not followed.
    pub(crate) fn config_map(&self, namespace: &str, name: &str) -> Option<Answer> {
        self.config_maps.answer(namespace, name)
    }

    /// The labels of a namespace; `None` when it is not known, which does not mean that it has none.
    pub fn namespace_labels(&self, name: &str) -> Option<&Labels> {
        self.namespaces.labels(name)
    }

    /// The roles of a user whose request is about `namespace`; `None` when the bindings are not known yet.
    pub fn roles_of(&self, username: &str, groups: &[&str], namespace: &str) -> Option<UserRoles> {
        let role_bindings = self.role_bindings.as_ref().as_ref()?;
        let cluster_role_bindings = self.cluster_role_bindings.as_ref().as_ref()?;
        Some(UserRoles::of(role_bindings, cluster_role_bindings, username, groups, namespace))
    }

    /// The kind of a resource (`deployments` of `apps`, `v1`).
    pub fn kind(&self, group: &str, version: &str, resource: &str) -> Option<&str> {
        // Sorted by group and version first.
        let served = self.discovery.resources();
        let start = served.partition_point(|served| (&*served.group, &*served.version) < (group, version));
        let of_version = served.iter().skip(start);
        let mut of_version =
            of_version.take_while(|served| (&*served.group, &*served.version) == (group, version));
        of_version.find(|served| &*served.resource == resource).map(|served| &*served.kind)
    }

    /// This view, and the labels of a namespace that was looked up.
    pub fn with_namespace(mut self, name: &str, labels: Labels) -> Self {
        self.namespaces = Arc::new(self.namespaces.with(name, labels));
        self
    }
}

#[cfg(test)]
pub(crate) mod tests;
