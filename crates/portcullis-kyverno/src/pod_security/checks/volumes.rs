//! The types of volumes.

use portcullis_value::Value;

use super::{Pod, Version, Violation};
use crate::pod_security::violation::Problem;

/// The types that `restricted` allows.
const ALLOWED: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
/// The other types that Kubernetes has or had, in the order in which one is named.
const OTHERS: [&str; 21] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];

/// Whether `volume` is of type `r#type`.
fn is(volume: Value<'_>, r#type: &str) -> bool {
    volume.get(r#type).is_some_and(|source| !source.is_null())
}

pub(super) fn host_path<'a>(pod: &Pod<'a>, _version: Version, found: &mut Vec<Violation<'a>>) {
    for (index, volume) in pod.volumes.iter().enumerate() {
        if is(*volume, "hostPath") {
            let path = volume.path(&["hostPath", "path"]).and_then(Value::as_str).unwrap_or_default();
            found.push(Violation::of_pod(format_args!("volumes[{index}].hostPath"), path));
        }
    }
}

pub(super) fn restricted_types<'a>(pod: &Pod<'a>, _version: Version, found: &mut Vec<Violation<'a>>) {
    for (index, volume) in pod.volumes.iter().enumerate() {
        if !ALLOWED.iter().any(|allowed| is(*volume, allowed)) {
            let other = OTHERS.into_iter().find(|other| is(*volume, other)).unwrap_or("unknown");
            let field = format_args!("volumes[{index}].{other}");
            found.push(Violation::of_pod(field, Problem::Forbidden));
        }
    }
}
