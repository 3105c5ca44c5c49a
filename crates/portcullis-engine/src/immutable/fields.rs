//! Which fields of which kinds are fixed, as the validation of updates in Kubernetes has it.

use portcullis_model::Gvk;
use portcullis_value::Value;

/// A field that is fixed, and what below it is not.
#[derive(Debug)]
pub(super) struct Field {
    group: &'static str,
    kind: &'static str,
    pub(super) path: &'static [&'static str],
    /// Paths below it that can change; `*` is every element of a list.
    except: &'static [&'static [&'static str]],
    when: When,
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
}

const fn fixed(group: &'static str, kind: &'static str, path: &'static [&'static str]) -> Field {
    Field { group, kind, path, except: &[], when: When::Always }
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

/// The fields. The completions of an indexed Job can change with its parallelism, which no rule can see.
#[rustfmt::skip]
pub(super) const FIELDS: &[Field] = &[
    Field { group: "batch", kind: "Job", path: &["spec", "template"], except: &[], when: When::Started },
    Field { group: "batch", kind: "Job", path: &["spec", "template"], except: SCHEDULING, when: When::NeverStarted },
    fixed("batch", "Job", &["spec", "selector"]),
    fixed("batch", "Job", &["spec", "completionMode"]),
    fixed("batch", "Job", &["spec", "podFailurePolicy"]),
    fixed("batch", "Job", &["spec", "successPolicy"]),
    fixed("batch", "Job", &["spec", "backoffLimitPerIndex"]),
    fixed("batch", "Job", &["spec", "managedBy"]),
    Field { group: "", kind: "Pod", path: &["spec"], except: POD, when: When::Schedulable },
    Field { group: "", kind: "Pod", path: &["spec"], except: GATED_POD, when: When::Gated },
    Field { group: "", kind: "ConfigMap", path: &["data"], except: &[], when: When::Sealed },
    Field { group: "", kind: "ConfigMap", path: &["binaryData"], except: &[], when: When::Sealed },
    Field { group: "", kind: "ConfigMap", path: &["immutable"], except: &[], when: When::Sealed },
    Field { group: "", kind: "Secret", path: &["data"], except: &[], when: When::Sealed },
    Field { group: "", kind: "Secret", path: &["stringData"], except: &[], when: When::Sealed },
    Field { group: "", kind: "Secret", path: &["immutable"], except: &[], when: When::Sealed },
    fixed("", "Secret", &["type"]),
    Field {
        group: "", kind: "PersistentVolumeClaim", path: &["spec"],
        except: &[&["resources"], &["volumeAttributesClassName"]], when: When::Always,
    },
    fixed("apps", "Deployment", &["spec", "selector"]),
    fixed("apps", "ReplicaSet", &["spec", "selector"]),
    fixed("apps", "DaemonSet", &["spec", "selector"]),
    Field { group: "apps", kind: "StatefulSet", path: &["spec"], except: STATEFUL_SET, when: When::Always },
    fixed("apps", "ControllerRevision", &["data"]),
    fixed("discovery.k8s.io", "EndpointSlice", &["addressType"]),
    fixed("rbac.authorization.k8s.io", "RoleBinding", &["roleRef"]),
    fixed("rbac.authorization.k8s.io", "ClusterRoleBinding", &["roleRef"]),
    fixed("scheduling.k8s.io", "PriorityClass", &["value"]),
    fixed("storage.k8s.io", "StorageClass", &["provisioner"]),
    fixed("storage.k8s.io", "StorageClass", &["parameters"]),
    fixed("storage.k8s.io", "StorageClass", &["reclaimPolicy"]),
    fixed("storage.k8s.io", "StorageClass", &["volumeBindingMode"]),
    fixed("storage.k8s.io", "VolumeAttachment", &["spec"]),
    fixed("node.k8s.io", "RuntimeClass", &["handler"]),
    fixed("networking.k8s.io", "IngressClass", &["spec", "controller"]),
    fixed("certificates.k8s.io", "CertificateSigningRequest", &["spec"]),
    fixed("resource.k8s.io", "ResourceClaim", &["spec"]),
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
}

/// Whether the values differ, but for what lies at the paths `except`. What is null is as good as absent.
fn differ(before: Value<'_>, after: Value<'_>, except: &[&[&str]]) -> bool {
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
fn below<'p>(paths: &[&'p [&'p str]], token: &str) -> Vec<&'p [&'p str]> {
    let begins = |path: &&[&str]| path.first() == Some(&token);
    paths.iter().copied().filter(begins).filter_map(|path| path.get(1..)).collect()
}
