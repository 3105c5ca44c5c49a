//! What a document is to somebody who looks for policies, by its group and kind.

use portcullis_model::{Gvk, closest};

/// What a document is to somebody who looks for policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// A policy that is run.
    Classic,
    /// A policy whose family is not run yet.
    Later,
    /// A policy by its kind, of a group that is misspelt.
    MisspeltGroup,
    /// Of the group of policies, and of no kind that it has, but nearly of this one.
    MisspeltKind(&'static str),
    /// An exception to policies that are run.
    Exception,
    /// A policy of another engine.
    Foreign(&'static str),
    /// Something else that lies in the same folder: a resource, a test, values.
    Other,
}

/// Where policies of the kinds live that are not run yet: group and kinds.
const LATER: &[(&str, &[&str])] = &[
    ("kyverno.io", &["CleanupPolicy", "ClusterCleanupPolicy"]),
    ("admissionregistration.k8s.io", &["MutatingAdmissionPolicy", "ValidatingAdmissionPolicy"]),
];

/// The group of the policies that are run, and the kinds that belong to them.
const GROUP: &str = "kyverno.io";
const KINDS: &[&str] =
    &["PolicyException", "ClusterPolicy", "Policy", "CleanupPolicy", "ClusterCleanupPolicy"];

/// The group of those in CEL, and their kinds.
const LATER_GROUP: &str = "policies.kyverno.io";
const LATER_KINDS: &[&str] =
    &["ValidatingPolicy", "MutatingPolicy", "GeneratingPolicy", "DeletingPolicy", "ImageValidatingPolicy"];

/// Where policies of other engines live.
const FOREIGN: &[(&str, &str)] = &[
    ("constraints.gatekeeper.sh", "Gatekeeper"),
    ("templates.gatekeeper.sh", "Gatekeeper"),
    ("mutations.gatekeeper.sh", "Gatekeeper"),
    ("policies.kubewarden.io", "Kubewarden"),
];

impl Sort {
    pub(super) fn of(gvk: Gvk<'_>) -> Self {
        let is_policy = matches!(gvk.kind, "ClusterPolicy" | "Policy");
        match gvk.group {
            GROUP if is_policy => Sort::Classic,
            GROUP if gvk.kind == "PolicyException" => Sort::Exception,
            // Other groups have kinds of these names too.
            group if is_policy && closest(group, [GROUP]).is_some() => Sort::MisspeltGroup,
            LATER_GROUP if gvk.kind.ends_with("Policy") => Sort::Later,
            group if LATER.iter().any(|later| later.0 == group && later.1.contains(&gvk.kind)) => Sort::Later,
            GROUP => misspelt(gvk.kind, KINDS),
            LATER_GROUP => misspelt(gvk.kind, LATER_KINDS),
            group => {
                let engine = FOREIGN.iter().find(|(theirs, _)| *theirs == group);
                engine.map_or(Sort::Other, |(_, engine)| Sort::Foreign(engine))
            }
        }
    }
}

/// What a document of this kind is, in a group with policies of these kinds.
fn misspelt(kind: &str, kinds: &[&'static str]) -> Sort {
    closest(kind, kinds.iter().copied()).map_or(Sort::Other, Sort::MisspeltKind)
}

/// Whether `gvk` is of Kubernetes itself or of the reference, but for what binds policies.
pub(super) fn is_built_in(gvk: Gvk<'_>) -> bool {
    const GROUPS: &[&str] = &[
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
        "wgpolicyk8s.io",
        "reports.kyverno.io",
        GROUP,
    ];
    !gvk.kind.is_empty()
        && GROUPS.contains(&gvk.group)
        && !gvk.version.is_empty()
        && !gvk.kind.ends_with("PolicyBinding")
}
