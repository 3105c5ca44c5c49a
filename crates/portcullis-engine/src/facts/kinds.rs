//! The kinds of the resources that every cluster has, for those that have subresources.

use portcullis_model::{Gvk, Gvr};

/// Group, resource in the plural, kind.
const KINDS: [(&str, &str, &str); 29] = [
    ("", "namespaces", "Namespace"),
    ("", "nodes", "Node"),
    ("", "persistentvolumeclaims", "PersistentVolumeClaim"),
    ("", "persistentvolumes", "PersistentVolume"),
    ("", "pods", "Pod"),
    ("", "replicationcontrollers", "ReplicationController"),
    ("", "resourcequotas", "ResourceQuota"),
    ("", "serviceaccounts", "ServiceAccount"),
    ("", "services", "Service"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies", "ValidatingAdmissionPolicy"),
    ("apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "apiservices", "APIService"),
    ("apps", "daemonsets", "DaemonSet"),
    ("apps", "deployments", "Deployment"),
    ("apps", "replicasets", "ReplicaSet"),
    ("apps", "statefulsets", "StatefulSet"),
    ("autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    ("batch", "cronjobs", "CronJob"),
    ("batch", "jobs", "Job"),
    ("certificates.k8s.io", "certificatesigningrequests", "CertificateSigningRequest"),
    ("flowcontrol.apiserver.k8s.io", "flowschemas", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", "PriorityLevelConfiguration"),
    ("networking.k8s.io", "ingresses", "Ingress"),
    ("networking.k8s.io", "servicecidrs", "ServiceCIDR"),
    ("policy", "poddisruptionbudgets", "PodDisruptionBudget"),
    ("resource.k8s.io", "resourceclaims", "ResourceClaim"),
    ("storage.k8s.io", "volumeattachments", "VolumeAttachment"),
    ("storagemigration.k8s.io", "storageversionmigrations", "StorageVersionMigration"),
    ("internal.apiserver.k8s.io", "storageversions", "StorageVersion"),
];

/// The kind of `resource`, in the version that is asked for.
pub(super) fn built_in<'a>(resource: Gvr<'a>) -> Option<Gvk<'a>> {
    let Gvr { group, version, resource } = resource;
    let (_, _, kind) = KINDS.iter().find(|(of, plural, _)| *of == group && *plural == resource)?;
    Some(Gvk { group, version, kind })
}
