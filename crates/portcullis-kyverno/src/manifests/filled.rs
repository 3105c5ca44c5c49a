//! The fields that the API server fills in, which nobody could have signed.
//!
//! COMPAT(kyverno): the reference ignores such fields whatever they hold. Here a field that has a default must hold it:
//! a manifest that says nothing of `imagePullPolicy` does not vouch for `Never`.

use portcullis_model::Resource;
use portcullis_value::Value;

use super::difference::PathPart;
use Filled::{Assigned, Empty, Flag, LikeLimit, LikeSibling, Number, OneOf, StartsWith, Text};

/// What a field may hold that was not signed.
#[derive(Clone, Copy, Debug)]
enum Filled {
    Text(&'static str),
    OneOf(&'static [&'static str]),
    StartsWith(&'static str),
    Number(i64),
    Flag(bool),
    /// An empty map.
    Empty,
    /// What stands beside it under this key.
    LikeSibling(&'static str),
    /// What `limits` says of the same resource.
    LikeLimit,
    /// Anything: the API server, or a controller, makes it up.
    Assigned,
}

/// A field below some place, and what it may hold. `*` stands for a key or an index, `**` for all that follows.
type Field = (&'static str, Filled);

/// Fields below a place in an object.
type Place = (&'static str, &'static [Field]);

/// Fields of every object.
const OF_ALL: &[Field] = &[
    ("metadata.annotations", Empty),
    ("metadata.creationTimestamp", Assigned),
    ("metadata.deletionGracePeriodSeconds", Assigned),
    ("metadata.deletionTimestamp", Assigned),
    ("metadata.finalizers.*", Assigned),
    ("metadata.generation", Assigned),
    ("metadata.managedFields.**", Assigned),
    ("metadata.namespace", Assigned),
    ("metadata.resourceVersion", Assigned),
    ("metadata.uid", Assigned),
    ("status", Empty),
    ("status.**", Assigned),
];

/// Annotations of every object.
const ANNOTATIONS: &[&str] = &[
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "kubectl.kubernetes.io/last-applied-configuration",
    "policies.kyverno.io/last-applied-patches",
];

const SERVICE: &[Field] = &[
    ("allocateLoadBalancerNodePorts", Flag(true)),
    ("clusterIP", Assigned),
    ("clusterIPs.*", Assigned),
    ("externalTrafficPolicy", Text("Cluster")),
    ("healthCheckNodePort", Assigned),
    ("internalTrafficPolicy", Text("Cluster")),
    ("ipFamilies.*", Assigned),
    ("ipFamilyPolicy", Text("SingleStack")),
    ("ports.*.nodePort", Assigned),
    ("ports.*.protocol", Text("TCP")),
    ("ports.*.targetPort", LikeSibling("port")),
    ("sessionAffinity", Text("None")),
    ("sessionAffinityConfig.clientIP.timeoutSeconds", Number(10_800)),
    ("type", Text("ClusterIP")),
];

const DEPLOYMENT: &[Field] = &[
    ("progressDeadlineSeconds", Number(600)),
    ("replicas", Number(1)),
    ("revisionHistoryLimit", Number(10)),
    ("strategy.rollingUpdate.maxSurge", Text("25%")),
    ("strategy.rollingUpdate.maxUnavailable", Text("25%")),
    ("strategy.type", Text("RollingUpdate")),
];

const DAEMON_SET: &[Field] = &[
    ("revisionHistoryLimit", Number(10)),
    ("updateStrategy.rollingUpdate.maxSurge", Number(0)),
    ("updateStrategy.rollingUpdate.maxUnavailable", Number(1)),
    ("updateStrategy.type", Text("RollingUpdate")),
];

const STATEFUL_SET: &[Field] = &[
    ("persistentVolumeClaimRetentionPolicy.whenDeleted", Text("Retain")),
    ("persistentVolumeClaimRetentionPolicy.whenScaled", Text("Retain")),
    ("podManagementPolicy", Text("OrderedReady")),
    ("replicas", Number(1)),
    ("revisionHistoryLimit", Number(10)),
    ("serviceName", Text("")),
    ("updateStrategy.rollingUpdate.partition", Number(0)),
    ("updateStrategy.type", Text("RollingUpdate")),
    ("volumeClaimTemplates.*.apiVersion", Text("v1")),
    ("volumeClaimTemplates.*.kind", Text("PersistentVolumeClaim")),
    ("volumeClaimTemplates.*.spec.volumeMode", Text("Filesystem")),
    ("volumeClaimTemplates.*.status.phase", Text("Pending")),
];

const REPLICAS: &[Field] = &[("replicas", Number(1))];

const JOB: &[Field] = &[
    ("selector.matchLabels.batch.kubernetes.io/controller-uid", Assigned),
    ("template.metadata", Empty),
    ("template.metadata.labels.batch.kubernetes.io/controller-uid", Assigned),
    ("template.metadata.labels.batch.kubernetes.io/job-name", Assigned),
    ("template.metadata.labels.controller-uid", Assigned),
    ("template.metadata.labels.job-name", Assigned),
    ("backoffLimit", Number(6)),
    ("completionMode", Text("NonIndexed")),
    ("completions", Number(1)),
    ("manualSelector", Flag(false)),
    ("parallelism", Number(1)),
    ("podReplacementPolicy", Text("TerminatingOrFailed")),
    ("suspend", Flag(false)),
];

const CRON_JOB: &[Field] = &[
    ("concurrencyPolicy", Text("Allow")),
    ("failedJobsHistoryLimit", Number(1)),
    ("jobTemplate.metadata", Empty),
    ("successfulJobsHistoryLimit", Number(3)),
    ("suspend", Flag(false)),
];

const CLAIM: &[Field] =
    &[("storageClassName", Assigned), ("volumeMode", Text("Filesystem")), ("volumeName", Assigned)];

const NETWORK_POLICY: &[Field] = &[
    ("egress.*.ports.*.protocol", Text("TCP")),
    ("ingress.*.ports.*.protocol", Text("TCP")),
    ("policyTypes.*", OneOf(&["Ingress", "Egress"])),
];

const INGRESS: &[Field] = &[("ingressClassName", Assigned)];

const AUTOSCALER: &[Field] = &[
    ("metrics.*.resource.name", Text("cpu")),
    ("metrics.*.resource.target.averageUtilization", Number(80)),
    ("metrics.*.resource.target.type", Text("Utilization")),
    ("metrics.*.type", Text("Resource")),
    ("minReplicas", Number(1)),
];

const SECRET: &[Field] = &[("type", Text("Opaque"))];

const BINDING: &[Field] = &[
    ("roleRef.apiGroup", Text("rbac.authorization.k8s.io")),
    ("subjects.*.apiGroup", Text("rbac.authorization.k8s.io")),
];

const POD: &[Field] = &[
    ("dnsPolicy", Text("ClusterFirst")),
    ("enableServiceLinks", Flag(true)),
    ("preemptionPolicy", Text("PreemptLowerPriority")),
    ("priority", Number(0)),
    ("restartPolicy", Text("Always")),
    ("schedulerName", Text("default-scheduler")),
    ("securityContext", Empty),
    ("serviceAccount", LikeSibling("serviceAccountName")),
    ("serviceAccountName", Text("default")),
    ("terminationGracePeriodSeconds", Number(30)),
    ("tolerations.*.effect", Text("NoExecute")),
    ("tolerations.*.key", OneOf(&["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"])),
    ("tolerations.*.operator", Text("Exists")),
    ("tolerations.*.tolerationSeconds", Number(300)),
    ("volumes.*.configMap.defaultMode", Number(0o644)),
    ("volumes.*.downwardAPI.defaultMode", Number(0o644)),
    ("volumes.*.downwardAPI.items.*.fieldRef.apiVersion", Text("v1")),
    ("volumes.*.emptyDir", Empty),
    ("volumes.*.hostPath.type", Text("")),
    ("volumes.*.projected.defaultMode", Number(0o644)),
    ("volumes.*.projected.sources.*.downwardAPI.items.*.fieldRef.apiVersion", Text("v1")),
    ("volumes.*.projected.sources.*.serviceAccountToken.expirationSeconds", Number(3_600)),
    ("volumes.*.secret.defaultMode", Number(0o644)),
    // The token of the service account.
    ("volumes.*.name", StartsWith("kube-api-access-")),
    ("volumes.*.projected.sources.*.configMap.items.*.key", Text("ca.crt")),
    ("volumes.*.projected.sources.*.configMap.items.*.path", Text("ca.crt")),
    ("volumes.*.projected.sources.*.configMap.name", Text("kube-root-ca.crt")),
    ("volumes.*.projected.sources.*.downwardAPI.items.*.fieldRef.fieldPath", Text("metadata.namespace")),
    ("volumes.*.projected.sources.*.downwardAPI.items.*.path", Text("namespace")),
    ("volumes.*.projected.sources.*.serviceAccountToken.expirationSeconds", Number(3_607)),
    ("volumes.*.projected.sources.*.serviceAccountToken.path", Text("token")),
];

const CONTAINER: &[Field] = &[
    ("env.*.valueFrom.fieldRef.apiVersion", Text("v1")),
    ("imagePullPolicy", OneOf(&["Always", "IfNotPresent"])),
    ("lifecycle.postStart.httpGet.path", Text("/")),
    ("lifecycle.postStart.httpGet.scheme", Text("HTTP")),
    ("lifecycle.preStop.httpGet.path", Text("/")),
    ("lifecycle.preStop.httpGet.scheme", Text("HTTP")),
    ("ports.*.protocol", Text("TCP")),
    ("resources", Empty),
    ("resources.requests.*", LikeLimit),
    ("securityContext", Empty),
    ("terminationMessagePath", Text("/dev/termination-log")),
    ("terminationMessagePolicy", Text("File")),
    // The token of the service account.
    ("volumeMounts.*.mountPath", Text("/var/run/secrets/kubernetes.io/serviceaccount")),
    ("volumeMounts.*.name", StartsWith("kube-api-access-")),
    ("volumeMounts.*.readOnly", Flag(true)),
];

const PROBE: &[Field] = &[
    ("failureThreshold", Number(3)),
    ("grpc.service", Text("")),
    ("httpGet.path", Text("/")),
    ("httpGet.scheme", Text("HTTP")),
    ("periodSeconds", Number(10)),
    ("successThreshold", Number(1)),
    ("timeoutSeconds", Number(1)),
];

const NAMESPACE: &[Field] =
    &[("metadata.labels.kubernetes.io/metadata.name", Assigned), ("spec.finalizers.*", Text("kubernetes"))];

const SERVICE_ACCOUNT: &[Field] = &[("imagePullSecrets.*.name", Assigned), ("secrets.*.name", Assigned)];

const STORAGE_CLASS: &[Field] =
    &[("reclaimPolicy", Text("Delete")), ("volumeBindingMode", Text("Immediate"))];

/// The fields of a kind, and where they stand.
const OF_KINDS: &[(&str, &[Place])] = &[
    ("ClusterRoleBinding", &[("", BINDING)]),
    ("CronJob", &[("spec", CRON_JOB), ("spec.jobTemplate.spec", JOB)]),
    ("DaemonSet", &[("spec", DAEMON_SET)]),
    ("Deployment", &[("spec", DEPLOYMENT)]),
    ("HorizontalPodAutoscaler", &[("spec", AUTOSCALER)]),
    ("Ingress", &[("spec", INGRESS)]),
    ("Job", &[("spec", JOB)]),
    ("Namespace", &[("", NAMESPACE)]),
    ("NetworkPolicy", &[("spec", NETWORK_POLICY)]),
    ("PersistentVolumeClaim", &[("spec", CLAIM)]),
    ("ReplicaSet", &[("spec", REPLICAS)]),
    ("ReplicationController", &[("spec", REPLICAS)]),
    ("RoleBinding", &[("", BINDING)]),
    ("Secret", &[("", SECRET)]),
    ("Service", &[("spec", SERVICE)]),
    ("ServiceAccount", &[("", SERVICE_ACCOUNT)]),
    ("StatefulSet", &[("spec", STATEFUL_SET)]),
    ("StorageClass", &[("", STORAGE_CLASS)]),
];

/// Where the specification of a Pod stands in an object of a kind.
const PODS: &[(&str, &str)] = &[
    ("CronJob", "spec.jobTemplate.spec.template.spec"),
    ("DaemonSet", "spec.template.spec"),
    ("Deployment", "spec.template.spec"),
    ("Job", "spec.template.spec"),
    ("Pod", "spec"),
    ("ReplicaSet", "spec.template.spec"),
    ("ReplicationController", "spec.template.spec"),
    ("StatefulSet", "spec.template.spec"),
];

/// Where containers stand in the specification of a Pod.
const CONTAINERS: &[&str] = &["containers.*", "ephemeralContainers.*", "initContainers.*"];

const PROBES: &[&str] = &["livenessProbe", "readinessProbe", "startupProbe"];

/// Knows which fields of one object are filled in.
pub(super) struct Filler<'a, 'p> {
    object: Value<'a>,
    domain: &'p str,
    /// The groups of Kubernetes' own kinds are not told apart: no two of them share a name.
    of_kind: &'static [Place],
    pod: Option<&'static str>,
}

impl<'a, 'p> Filler<'a, 'p> {
    /// For `object`, whose annotations below `domain` hold message and signatures.
    pub(super) fn new(object: Resource<'a>, domain: &'p str) -> Self {
        let kind = object.kind();
        Self {
            object: object.0,
            domain,
            of_kind: OF_KINDS.iter().find(|(name, _)| *name == kind).map_or(&[], |(_, fields)| fields),
            pod: PODS.iter().find(|(name, _)| *name == kind).map(|(_, place)| *place),
        }
    }

    /// Whether the field at `path`, which was signed as `before`, may be `after`.
    pub(super) fn fills(
        &self,
        path: &[PathPart<'_>],
        before: Option<Value<'a>>,
        after: Option<Value<'a>>,
    ) -> bool {
        if self.is_annotation(path) {
            return true;
        }
        let (None, Some(after)) = (before, after) else { return false };
        let allows = |fields: &[Field], rest: &[PathPart<'_>]| {
            fields.iter().any(|(field, filled)| is_at(field, rest) && self.allows(*filled, path, after))
        };
        let own = || {
            self.of_kind
                .iter()
                .any(|(place, fields)| below(place, path).is_some_and(|rest| allows(fields, rest)))
        };
        let pod = || {
            self.pod.and_then(|place| below(place, path)).is_some_and(|rest| {
                let containers = CONTAINERS.iter().filter_map(|place| below(place, rest));
                allows(POD, rest)
                    || containers.into_iter().any(|rest| {
                        let probes = PROBES.iter().filter_map(|probe| below(probe, rest));
                        allows(CONTAINER, rest) || probes.into_iter().any(|rest| allows(PROBE, rest))
                    })
            })
        };
        allows(OF_ALL, path) || own() || pod()
    }

    /// Whether `path` is an annotation that is not part of what is signed.
    fn is_annotation(&self, path: &[PathPart<'_>]) -> bool {
        let [PathPart::Key("metadata"), PathPart::Key("annotations"), rest @ ..] = path else { return false };
        match rest {
            [PathPart::Key(key), ..] => {
                let own = key.strip_prefix(self.domain).is_some_and(|rest| rest.starts_with('/'));
                own || ANNOTATIONS.contains(key)
            }
            _ => false,
        }
    }

    fn allows(&self, filled: Filled, path: &[PathPart<'_>], after: Value<'a>) -> bool {
        match filled {
            Text(text) => after == Value::String(text),
            OneOf(texts) => after.as_str().is_some_and(|after| texts.contains(&after)),
            StartsWith(prefix) => after.as_str().is_some_and(|after| after.starts_with(prefix)),
            Number(number) => after.as_i64() == Some(number),
            Flag(flag) => after == Value::Bool(flag),
            Empty => after.as_object().is_some_and(|object| object.is_empty()),
            LikeSibling(key) => match path {
                [parent @ .., _] => self.at(parent).and_then(|parent| parent.get(key)) == Some(after),
                [] => false,
            },
            LikeLimit => match path {
                [resources @ .., _, PathPart::Key(name)] => {
                    let resources = self.at(resources);
                    resources.and_then(|resources| resources.path(&["limits", name])) == Some(after)
                }
                _ => false,
            },
            Assigned => true,
        }
    }

    /// What the object holds at `path`.
    fn at(&self, path: &[PathPart<'_>]) -> Option<Value<'a>> {
        path.iter().try_fold(self.object, |value, part| match part {
            PathPart::Key(key) => value.get(key),
            PathPart::Index(index) => value.at(*index),
        })
    }
}

/// What follows `place` in `path`; all of it where `place` is empty.
fn below<'x, 'a>(place: &str, path: &'x [PathPart<'a>]) -> Option<&'x [PathPart<'a>]> {
    let mut rest = (place, path);
    while !rest.0.is_empty() {
        let (first, parts) = rest.1.split_first()?;
        let after = strip(rest.0, first)?;
        rest = (after.strip_prefix('.').or_else(|| after.is_empty().then_some(after))?, parts);
    }
    Some(rest.1)
}

/// Whether `field` is just that of `path`.
fn is_at(field: &str, path: &[PathPart<'_>]) -> bool {
    match field.strip_suffix("**") {
        Some(place) => below(place.trim_end_matches('.'), path).is_some_and(|rest| !rest.is_empty()),
        None => below(field, path).is_some_and(<[_]>::is_empty),
    }
}

/// `place` without `part` at its beginning, which may have dots in it.
fn strip<'x>(place: &'x str, part: &PathPart<'_>) -> Option<&'x str> {
    place.strip_prefix('*').or_else(|| match part {
        PathPart::Key(key) => place.strip_prefix(key),
        PathPart::Index(_) => None,
    })
}
