//! Puts in force what the cluster says, and says what is to be written for it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use portcullis_cluster::discovery::Discovery;
use portcullis_cluster::{Cluster, Configuration, Pending};
use portcullis_controllers::in_force::{Compiler, InForce};
use portcullis_controllers::owner::{self, Owner};
use portcullis_controllers::webhooks::{self, Configurations, never_asked, policy_configuration};
use portcullis_controllers::writer::Wanted;
use portcullis_controllers::{ExceptionScope, Reconciles};
use portcullis_engine::{Problem, Settings};
use portcullis_kyverno::Lookups;
use portcullis_webhook::{Change, Metrics};
use tokio::sync::watch;
use tokio::time::timeout;

use super::policies::{Policies, plain_namespace, policy_labels};
use super::webhook_settings;
use crate::memory;

/// When nothing has changed for so long, what compiling has used is given back.
const SETTLED: Duration = Duration::from_secs(1);

/// Compiles what the cluster says and puts it in force.
pub(super) struct Follower {
    pub(super) cluster: Arc<Cluster>,
    pub(super) policies: Arc<ArcSwapOption<Policies>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) webhooks: webhooks::Settings,
    /// Whether they are registered. Beside Kyverno nobody asks us, and all that is there is read.
    pub(super) is_asked: bool,
    /// What webhooks go with.
    pub(super) owner: Owner,
    /// Whose exceptions count.
    pub(super) exceptions: ExceptionScope,
    /// What is looked up for rules.
    pub(super) lookups: Lookups,
    /// What `caBundle` holds: it goes with the certificate.
    pub(super) ca_bundle: watch::Receiver<Vec<u8>>,
    pub(super) wanted: watch::Sender<Option<Arc<Wanted>>>,
    pub(super) reconciles: Arc<Reconciles>,
}

impl Follower {
    /// Follows for ever; `first` is done when the first policies are in force.
    pub(super) async fn run(mut self, first: Pending) {
        let mut first = Some(first);
        let mut changes = [
            self.cluster.cluster_policies.subscribe(),
            self.cluster.policies.subscribe(),
            self.cluster.exceptions.subscribe(),
            self.cluster.configuration.subscribe(),
            self.cluster.discovery.subscribe(),
        ];
        self.cluster.readiness().ready().await;
        // Webhooks that nobody can be called by are not written. The sender is gone when the process ends.
        if self.ca_bundle.wait_for(|bundle| !bundle.is_empty()).await.is_err() {
            return;
        }
        let (mut compiler, mut known) = (Compiler::new(self.lookups), None);
        loop {
            for change in &mut changes {
                change.mark_unchanged();
            }
            let ca_bundle = self.ca_bundle.borrow_and_update().clone();
            if self.webhooks.ca_bundle != ca_bundle {
                self.webhooks.ca_bundle = ca_bundle;
                known = None;
            }
            let namespace = self.own_namespace();
            if self.webhooks.owner.is_none()
                && let Some(namespace) = &namespace
            {
                self.owner.look(namespace).await;
            }
            if self.webhooks.owner.as_ref() != self.owner.reference() {
                self.webhooks.owner = self.owner.reference().cloned();
                known = None;
            }
            // Compiling takes the processor: other work goes on meanwhile on another thread.
            tokio::task::block_in_place(|| self.put_in_force(&mut compiler, &mut known));
            self.reconciles.count(true);
            if let Some(first) = first.take() {
                memory::give_back();
                drop(first);
            }
            let [cluster_policies, policies, exceptions, configuration, discovery] = &mut changes;
            let mut changed = pin!(async {
                tokio::select! {
                    changed = cluster_policies.changed() => changed,
                    changed = policies.changed() => changed,
                    changed = exceptions.changed() => changed,
                    changed = configuration.changed() => changed,
                    changed = discovery.changed() => changed,
                    changed = self.ca_bundle.changed() => changed,
                    () = self.owner.changed(namespace.as_ref()) => Ok(()),
                }
            });
            // A sender that is gone is the end of the process.
            let changed = match timeout(SETTLED, &mut changed).await {
                Ok(changed) => changed,
                Err(_) => {
                    memory::give_back();
                    changed.await
                }
            };
            if changed.is_err() {
                return;
            }
        }
    }

    /// The namespace of Portcullis. A server outside of the cluster has none, and webhooks of it go with nothing.
    fn own_namespace(&self) -> Option<OwnerReference> {
        let namespaces = self.cluster.namespaces.load();
        let named = self.webhooks.namespace.as_deref().zip(namespaces.own_uid());
        named.map(|(name, uid)| owner::namespace(name, uid))
    }

    fn put_in_force(&self, compiler: &mut Compiler, known: &mut Option<Known>) {
        let (cluster_policies, policies) =
            (self.cluster.cluster_policies.load(), self.cluster.policies.load());
        let exceptions = self.cluster.exceptions.load();
        let now = Known {
            configuration: self.cluster.configuration.load(),
            discovery: self.cluster.discovery.load(),
        };
        let documents = cluster_policies.iter().chain(policies.iter());
        let counting =
            exceptions.iter().filter(|exception| self.exceptions.covers(&exception.metadata.namespace));
        let in_force = Arc::new(compiler.compile(documents, counting, &now.discovery));
        let before = self.wanted.borrow().clone();
        if let Some(before) = &before {
            self.count_changes(&before.in_force, &in_force);
        }
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
        let webhooks = webhook_settings::with(self.webhooks.clone(), &settings);
        let configurations =
            Arc::new(Configurations::of(in_force.webhook_needs(), &now.discovery, &webhooks));
        let never_asked = match self.is_asked {
            true => never_asked(in_force.asking(), &now.discovery, webhooks.ignore_failures),
            false => BTreeMap::new(),
        };
        let compiled: Vec<_> = in_force.compiled().cloned().collect();
        let next = Arc::new(Policies::new(&compiled, settings, self.webhooks.ignore_failures));
        self.policies.store(Some(next.clone()));
        self.metrics.retain_policies(|namespace, name| next.contains(namespace, name));
        tracing::info!(policies = compiled.len(), of = in_force.policies.len(), "policies are in force");
        let policy_configuration = policy_configuration(&webhooks);
        self.wanted.send_replace(Some(Arc::new(Wanted {
            configurations,
            policy_configuration,
            never_asked: Arc::new(never_asked),
            ca_bundle: webhooks.ca_bundle,
            in_force,
        })));
        *known = Some(now);
    }

    /// Counts the policies that have come, changed and gone. Those that are there at the start have not come.
    fn count_changes(&self, before: &InForce, now: &InForce) {
        let is_there = |namespace: &str, name: &str| now.contains(plain_namespace(namespace), name);
        for (was, is) in now.changes_since(before) {
            let change = match (was, is) {
                (None, _) => Change::Created,
                (Some(_), Some(_)) => Change::Updated,
                (Some(_), None) => Change::Deleted,
            };
            let written = is.or(was).and_then(|policy| policy.compiled.written());
            if let Some(policy) = written {
                self.metrics.policy_changed(policy_labels(policy), change, is_there);
            }
        }
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
