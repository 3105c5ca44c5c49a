//! Which fields of which kinds are fixed, as the validation of updates in Kubernetes has it.

use portcullis_model::Gvk;
use portcullis_value::Value;

use super::change::Change;

/// A field that is fixed, and what below it is not.
#[derive(Debug)]
pub(super) struct Field {
    group: &'static str,
    kind: &'static str,
    pub(super) path: &'static [&'static str],
    /// Paths below it that can change; `*` is every element of a list.
    except: &'static [&'static [&'static str]],
    when: When,
    /// The changes of it that are made all the same.
    unless: Change,
}

/// When a field is fixed, by the object as it is stored.
#[derive(Debug, PartialEq)]
enum When {
    Always,
    /// A Job that was started, or can be.
    Started,
    /// A suspended Job that was never started.
    NeverStarted,
    /// A Pod that the scheduler has not been kept from.
    Schedulable,
    /// A Pod with scheduling gates.
    Gated,
    /// A ConfigMap or Secret that says `immutable: true`.
    Sealed,
    /// An object with this text at this path.
    Is(&'static [&'static str], &'static str),
    /// An object with another text there, or none.
    IsNot(&'static [&'static str], &'static str),
}

const fn fixed(group: &'static str, kind: &'static str, path: &'static [&'static str]) -> Field {
    Field { group, kind, path, except: &[], when: When::Always, unless: Change::No }
}

impl Field {
    const fn except(self, except: &'static [&'static [&'static str]]) -> Field {
        Field { except, ..self }
    }

    const fn when(self, when: When) -> Field {
        Field { when, ..self }
    }

    const fn unless(self, unless: Change) -> Field {
        Field { unless, ..self }
    }
}

/// What says where the Pods of a suspended Job may run.
const SCHEDULING: &[&[&str]] = &[
    &["metadata", "labels"],
    &["metadata", "annotations"],
    &["spec", "nodeSelector"],
    &["spec", "affinity"],
    &["spec", "tolerations"],
    &["spec", "schedulingGates"],
];

/// What can change in the specification of any Pod. Its grace period can only be mended where it is negative.
const POD: &[&[&str]] = &[
    &["containers", "*", "image"],
    &["initContainers", "*", "image"],
    &["activeDeadlineSeconds"],
    &["tolerations"],
];

const GATED_POD: &[&[&str]] = &[
    &["containers", "*", "image"],
    &["initContainers", "*", "image"],
    &["activeDeadlineSeconds"],
    &["tolerations"],
    &["schedulingGates"],
    &["nodeSelector"],
    &["affinity"],
];

const STATEFUL_SET: &[&[&str]] = &[
    &["replicas"],
    &["ordinals"],
    &["template"],
    &["updateStrategy"],
    &["revisionHistoryLimit"],
    &["persistentVolumeClaimRetentionPolicy"],
    &["minReadySeconds"],
];

/// What of a claim that is bound can change.
const BOUND_CLAIM: &[&[&str]] = &[&["resources"], &["volumeAttributesClassName"]];

const VOLUME: &[&[&str]] = &[
    &["capacity"],
    &["accessModes"],
    &["claimRef"],
    &["persistentVolumeReclaimPolicy"],
    &["storageClassName"],
    &["mountOptions"],
    &["nodeAffinity"],
    &["volumeAttributesClassName"],
    &["csi", "controllerExpandSecretRef"],
];

const PHASE: &[&str] = &["status", "phase"];
const COMPLETION_MODE: &[&str] = &["spec", "completionMode"];
const SERVICE_TYPE: &[&str] = &["spec", "type"];
/// A Service that is a name for another host has no addresses.
const ADDRESSED: When = When::IsNot(SERVICE_TYPE, "ExternalName");

/// The fields.
pub(super) const FIELDS: &[Field] = &[
    fixed("batch", "Job", &["spec", "template"]).when(When::Started),
    fixed("batch", "Job", &["spec", "template"]).except(SCHEDULING).when(When::NeverStarted),
    fixed("batch", "Job", &["spec", "selector"]),
    fixed("batch", "Job", COMPLETION_MODE),
    fixed("batch", "Job", &["spec", "completions"]).when(When::IsNot(COMPLETION_MODE, "Indexed")),
    fixed("batch", "Job", &["spec", "completions"])
        .when(When::Is(COMPLETION_MODE, "Indexed"))
        .unless(Change::Equals(&["spec", "parallelism"])),
    fixed("batch", "Job", &["spec", "podFailurePolicy"]),
    fixed("batch", "Job", &["spec", "successPolicy"]),
    fixed("batch", "Job", &["spec", "backoffLimitPerIndex"]),
    fixed("batch", "Job", &["spec", "managedBy"]),
    fixed("", "Pod", &["spec"]).except(POD).when(When::Schedulable),
    fixed("", "Pod", &["spec"]).except(GATED_POD).when(When::Gated),
    fixed("", "Pod", &["spec", "tolerations"]).except(&[&["*", "tolerationSeconds"]]).unless(Change::Adds),
    fixed("", "Pod", &["spec", "activeDeadlineSeconds"]).unless(Change::Lowers),
    fixed("", "Pod", &["spec", "nodeSelector"]).when(When::Gated).unless(Change::Adds),
    fixed("", "Pod", &["spec", "schedulingGates"]).when(When::Gated).unless(Change::Removes),
    fixed("", "ConfigMap", &["data"]).when(When::Sealed),
    fixed("", "ConfigMap", &["binaryData"]).when(When::Sealed),
    fixed("", "ConfigMap", &["immutable"]).when(When::Sealed),
    fixed("", "Secret", &["data"]).when(When::Sealed),
    fixed("", "Secret", &["stringData"]).when(When::Sealed),
    fixed("", "Secret", &["immutable"]).when(When::Sealed),
    fixed("", "Secret", &["type"]),
    fixed("", "Service", &["spec", "clusterIP"]).when(ADDRESSED).unless(Change::Sets),
    fixed("", "Service", &["spec", "clusterIPs"]).when(ADDRESSED).unless(Change::KeepsFirst),
    fixed("", "Service", &["spec", "ipFamilies"]).when(ADDRESSED).unless(Change::KeepsFirst),
    fixed("", "Service", &["spec", "loadBalancerClass"]).when(When::Is(SERVICE_TYPE, "LoadBalancer")),
    fixed("", "PersistentVolumeClaim", &["spec"]).when(When::IsNot(PHASE, "Bound")),
    fixed("", "PersistentVolumeClaim", &["spec"]).except(BOUND_CLAIM).when(When::Is(PHASE, "Bound")),
    fixed("", "PersistentVolumeClaim", &["spec", "resources", "requests", "storage"])
        .when(When::Is(PHASE, "Bound"))
        .unless(Change::Raises),
    fixed("", "PersistentVolume", &["spec"]).except(VOLUME),
    fixed("", "PersistentVolume", &["spec", "nodeAffinity"]).unless(Change::Sets),
    fixed("", "Node", &["spec", "providerID"]).unless(Change::Sets),
    fixed("", "Node", &["spec", "podCIDR"]).unless(Change::Sets),
    fixed("", "ResourceQuota", &["spec", "scopes"]),
    fixed("apps", "Deployment", &["spec", "selector"]),
    fixed("apps", "ReplicaSet", &["spec", "selector"]),
    fixed("apps", "DaemonSet", &["spec", "selector"]),
    fixed("apps", "StatefulSet", &["spec"]).except(STATEFUL_SET),
    fixed("apps", "ControllerRevision", &["data"]),
    fixed("discovery.k8s.io", "EndpointSlice", &["addressType"]),
    fixed("rbac.authorization.k8s.io", "RoleBinding", &["roleRef"]),
    fixed("rbac.authorization.k8s.io", "ClusterRoleBinding", &["roleRef"]),
    fixed("scheduling.k8s.io", "PriorityClass", &["value"]),
    fixed("scheduling.k8s.io", "PriorityClass", &["preemptionPolicy"]),
    fixed("storage.k8s.io", "StorageClass", &["provisioner"]),
    fixed("storage.k8s.io", "StorageClass", &["parameters"]),
    fixed("storage.k8s.io", "StorageClass", &["reclaimPolicy"]),
    fixed("storage.k8s.io", "StorageClass", &["volumeBindingMode"]),
    fixed("storage.k8s.io", "VolumeAttachment", &["spec"]),
    fixed("storage.k8s.io", "CSIDriver", &["spec", "attachRequired"]),
    fixed("storage.k8s.io", "CSIDriver", &["spec", "volumeLifecycleModes"]),
    fixed("storage.k8s.io", "VolumeAttributesClass", &["driverName"]),
    fixed("storage.k8s.io", "VolumeAttributesClass", &["parameters"]),
    fixed("node.k8s.io", "RuntimeClass", &["handler"]),
    fixed("networking.k8s.io", "IPAddress", &["spec", "parentRef"]),
    fixed("networking.k8s.io", "ServiceCIDR", &["spec", "cidrs"]).unless(Change::KeepsFirst),
    fixed("networking.k8s.io", "IngressClass", &["spec", "controller"]),
    fixed("certificates.k8s.io", "CertificateSigningRequest", &["spec"]),
    fixed("resource.k8s.io", "ResourceClaim", &["spec"]),
    fixed("resource.k8s.io", "ResourceClaimTemplate", &["spec"]),
    fixed("apiextensions.k8s.io", "CustomResourceDefinition", &["spec", "scope"]),
];

impl Field {
    /// Whether the field is fixed in an object of this kind that is stored so.
    pub(super) fn is_fixed(&self, gvk: Gvk<'_>, stored: Value<'_>) -> bool {
        let is_set = |path: &[&str]| stored.path(path).is_some_and(|value| !value.is_null());
        let is_true = |path: &[&str]| stored.path(path) == Some(Value::Bool(true));
        let never_started = || is_true(&["spec", "suspend"]) && !is_set(&["status", "startTime"]);
        let is_gated = || {
            let gates = stored.path(&["spec", "schedulingGates"]).and_then(Value::as_array);
            gates.is_some_and(|gates| !gates.is_empty())
        };
        self.group == gvk.group
            && self.kind == gvk.kind
            && match self.when {
                When::Always => true,
                When::Started => !never_started(),
                When::NeverStarted => never_started(),
                When::Schedulable => !is_gated(),
                When::Gated => is_gated(),
                When::Sealed => is_true(&["immutable"]),
                When::Is(path, text) => stored.path(path) == Some(Value::String(text)),
                When::IsNot(path, text) => stored.path(path) != Some(Value::String(text)),
            }
    }

    /// Whether what is fixed of the field is another in `after` than in `before`.
    pub(super) fn differs(&self, before: Value<'_>, after: Value<'_>) -> bool {
        let at = |object: Value<'_>| !object.path(self.path).unwrap_or_default().is_null();
        match (before.path(self.path), after.path(self.path)) {
            (Some(before), Some(after)) => differ(before, after, self.except),
            _ => at(before) != at(after),
        }
    }

    /// Whether what `after` makes of the field, as it is stored, is a change that is made all the same.
    pub(super) fn admits(&self, stored: Value<'_>, after: Value<'_>) -> bool {
        self.unless.is_made(self.path, self.except, stored, after)
    }
}

/// Whether the values differ, but for what lies at the paths `except`. What is null is as good as absent.
pub(super) fn differ(before: Value<'_>, after: Value<'_>, except: &[&[&str]]) -> bool {
    if before.is_same(after) || except.iter().any(|path| path.is_empty()) {
        return false;
    }
    if except.is_empty() {
        return before != after;
    }
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let only_after = after.keys().filter(|key| !before.contains_key(key));
            before.keys().chain(only_after).any(|key| {
                let (old, new) = (before.get(key), after.get(key));
                differ(old.unwrap_or_default(), new.unwrap_or_default(), &below(except, key))
            })
        }
        (Value::Array(before), Value::Array(after)) => {
            let except = below(except, "*");
            before.len() != after.len()
                || before.iter().zip(after).any(|(before, after)| differ(*before, *after, &except))
        }
        _ => before != after,
    }
}

/// What is left of the paths that begin with `token`.
pub(super) fn below<'p>(paths: &[&'p [&'p str]], token: &str) -> Vec<&'p [&'p str]> {
    let begins = |path: &&[&str]| path.first() == Some(&token);
    paths.iter().copied().filter(begins).filter_map(|path| path.get(1..)).collect()
}
