//! Which lists of which kinds merge, and by what.
//!
//! COMPAT(kyverno): the tables are those of Kubernetes 1.21.2, which kustomize carries and Kyverno merges by, whatever the
//! version of the cluster. Only what has a merge strategy there is named; all else, and all of an unknown kind, is
//! plain: maps merge, lists are replaced.

use portcullis_value::Value;

/// The fields of a map that hold merging lists, or maps with such fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    fields: &'static [(&'static str, Field)],
    // INVARIANT: whether a field is, or leads to, a list of two keys.
    has_pairs: bool,
}

/// What the schema says of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Nothing: a scalar, a list that is replaced, a map with nothing of interest.
    Plain,
    Map(&'static Type),
    /// A list of maps that are the same element if their keys are equal.
    Keyed {
        keys: &'static [&'static str],
        element: &'static Type,
    },
    /// A list of scalars, each at most once.
    Set,
}

impl Type {
    const fn new(fields: &'static [(&'static str, Field)]) -> Self {
        let (mut rest, mut has_pairs) = (fields, false);
        while let [(_, field), others @ ..] = rest {
            has_pairs |= field.has_pairs();
            rest = others;
        }
        Self { fields, has_pairs }
    }

    /// The type of `resource` by its `apiVersion` and `kind`.
    pub fn of(resource: Value<'_>) -> &'static Type {
        let text = |key| resource.get(key).and_then(Value::as_str).unwrap_or_default();
        of_kind(text("apiVersion"), text("kind"))
    }

    /// What the schema says of `field`.
    pub fn field(self, field: &str) -> Field {
        self.fields.iter().find(|(name, _)| *name == field).map_or(Field::Plain, |(_, field)| *field)
    }

    /// The fields the schema says something of.
    pub fn fields(self) -> &'static [(&'static str, Field)] {
        self.fields
    }
}

impl Field {
    /// Whether it is, or leads to, a list of two keys.
    pub(super) const fn has_pairs(self) -> bool {
        match self {
            Field::Keyed { keys, element } => keys.len() == 2 || element.has_pairs,
            Field::Map(ty) => ty.has_pairs,
            Field::Plain | Field::Set => false,
        }
    }
}

const fn keyed(keys: &'static [&'static str], element: &'static Type) -> Field {
    Field::Keyed { keys, element }
}

const NAME: &[&str] = &["name"];
const TYPE: &[&str] = &["type"];

/// A type without merging lists.
pub static PLAIN: Type = Type::new(&[]);

static OBJECT_META: Type =
    Type::new(&[("finalizers", Field::Set), ("ownerReferences", keyed(&["uid"], &PLAIN))]);
const METADATA: (&str, Field) = ("metadata", Field::Map(&OBJECT_META));

static CONDITIONS: Type = Type::new(&[("conditions", keyed(TYPE, &PLAIN))]);
const STATUS: (&str, Field) = ("status", Field::Map(&CONDITIONS));

static CONTAINER: Type = Type::new(&[
    ("env", keyed(NAME, &PLAIN)),
    ("ports", keyed(&["containerPort", "protocol"], &PLAIN)),
    ("volumeDevices", keyed(&["devicePath"], &PLAIN)),
    ("volumeMounts", keyed(&["mountPath"], &PLAIN)),
]);
static EPHEMERAL_CONTAINER: Type = Type::new(&[
    ("env", keyed(NAME, &PLAIN)),
    ("volumeDevices", keyed(&["devicePath"], &PLAIN)),
    ("volumeMounts", keyed(&["mountPath"], &PLAIN)),
]);
static CLAIM_TEMPLATE: Type = Type::new(&[METADATA]);
static EPHEMERAL: Type = Type::new(&[("volumeClaimTemplate", Field::Map(&CLAIM_TEMPLATE))]);
static VOLUME: Type = Type::new(&[("ephemeral", Field::Map(&EPHEMERAL))]);
static POD_SPEC: Type = Type::new(&[
    ("containers", keyed(NAME, &CONTAINER)),
    ("ephemeralContainers", keyed(NAME, &EPHEMERAL_CONTAINER)),
    ("hostAliases", keyed(&["ip"], &PLAIN)),
    ("imagePullSecrets", keyed(NAME, &PLAIN)),
    ("initContainers", keyed(NAME, &CONTAINER)),
    ("topologySpreadConstraints", keyed(&["topologyKey", "whenUnsatisfiable"], &PLAIN)),
    ("volumes", keyed(NAME, &VOLUME)),
]);
static POD_STATUS: Type =
    Type::new(&[("conditions", keyed(TYPE, &PLAIN)), ("podIPs", keyed(&["ip"], &PLAIN))]);
static POD: Type =
    Type::new(&[METADATA, ("spec", Field::Map(&POD_SPEC)), ("status", Field::Map(&POD_STATUS))]);

static TEMPLATE: Type = Type::new(&[METADATA, ("spec", Field::Map(&POD_SPEC))]);
static TEMPLATED: Type = Type::new(&[("template", Field::Map(&TEMPLATE))]);
static POD_TEMPLATE: Type = Type::new(&[METADATA, ("template", Field::Map(&TEMPLATE))]);
static WORKLOAD: Type = Type::new(&[METADATA, ("spec", Field::Map(&TEMPLATED)), STATUS]);
static JOB_TEMPLATE: Type = Type::new(&[METADATA, ("spec", Field::Map(&TEMPLATED))]);
static CRON_JOB_SPEC: Type = Type::new(&[("jobTemplate", Field::Map(&JOB_TEMPLATE))]);
static CRON_JOB: Type = Type::new(&[METADATA, ("spec", Field::Map(&CRON_JOB_SPEC))]);

static SERVICE_SPEC: Type = Type::new(&[("ports", keyed(&["port", "protocol"], &PLAIN))]);
static SERVICE: Type = Type::new(&[METADATA, ("spec", Field::Map(&SERVICE_SPEC)), STATUS]);
static SERVICE_ACCOUNT: Type = Type::new(&[METADATA, ("secrets", keyed(NAME, &PLAIN))]);

static NODE_SPEC: Type = Type::new(&[("podCIDRs", Field::Set)]);
static NODE_STATUS: Type =
    Type::new(&[("addresses", keyed(TYPE, &PLAIN)), ("conditions", keyed(TYPE, &PLAIN))]);
static NODE: Type =
    Type::new(&[METADATA, ("spec", Field::Map(&NODE_SPEC)), ("status", Field::Map(&NODE_STATUS))]);
static CSI_NODE_SPEC: Type = Type::new(&[("drivers", keyed(NAME, &PLAIN))]);
static CSI_NODE: Type = Type::new(&[METADATA, ("spec", Field::Map(&CSI_NODE_SPEC))]);

static COMPONENT_STATUS: Type = Type::new(&[("conditions", keyed(TYPE, &PLAIN)), METADATA]);
static WITH_CONDITIONS: Type = Type::new(&[METADATA, STATUS]);
static WEBHOOK_CONFIGURATION: Type = Type::new(&[METADATA, ("webhooks", keyed(NAME, &PLAIN))]);
static WITH_METADATA: Type = Type::new(&[METADATA]);

fn of_kind(api_version: &str, kind: &str) -> &'static Type {
    match (api_version, kind) {
        ("v1", "Pod") => &POD,
        ("batch/v1", "Job") => &WORKLOAD,
        ("batch/v1" | "batch/v1beta1", "CronJob") => &CRON_JOB,
        ("apps/v1", "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet") => &WORKLOAD,
        ("v1", "ReplicationController") => &WORKLOAD,
        ("v1", "PodTemplate") => &POD_TEMPLATE,
        ("v1", "Service") => &SERVICE,
        ("v1", "ServiceAccount") => &SERVICE_ACCOUNT,
        ("v1", "Node") => &NODE,
        ("v1", "ComponentStatus") => &COMPONENT_STATUS,
        ("v1", "Namespace" | "PersistentVolumeClaim") => &WITH_CONDITIONS,
        ("policy/v1" | "policy/v1beta1", "PodDisruptionBudget") => &WITH_CONDITIONS,
        ("apiregistration.k8s.io/v1" | "apiregistration.k8s.io/v1beta1", "APIService") => &WITH_CONDITIONS,
        ("storage.k8s.io/v1" | "storage.k8s.io/v1beta1", "CSINode") => &CSI_NODE,
        (
            "admissionregistration.k8s.io/v1" | "admissionregistration.k8s.io/v1beta1",
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration",
        ) => &WEBHOOK_CONFIGURATION,
        _ if has_metadata_alone(api_version, kind) => &WITH_METADATA,
        _ => &PLAIN,
    }
}

/// The other kinds of 1.21.2: their finalizers and owner references merge, nothing else does.
fn has_metadata_alone(api_version: &str, kind: &str) -> bool {
    match api_version {
        "v1" => matches!(
            kind,
            "Binding"
                | "ConfigMap"
                | "Endpoints"
                | "Event"
                | "LimitRange"
                | "PersistentVolume"
                | "ResourceQuota"
                | "Secret"
        ),
        "apps/v1" => kind == "ControllerRevision",
        "rbac.authorization.k8s.io/v1"
        | "rbac.authorization.k8s.io/v1beta1"
        | "rbac.authorization.k8s.io/v1alpha1" => {
            matches!(kind, "ClusterRole" | "ClusterRoleBinding" | "Role" | "RoleBinding")
        }
        "networking.k8s.io/v1" => matches!(kind, "Ingress" | "IngressClass" | "NetworkPolicy"),
        "networking.k8s.io/v1beta1" => matches!(kind, "Ingress" | "IngressClass"),
        "extensions/v1beta1" => kind == "Ingress",
        "autoscaling/v1" => matches!(kind, "HorizontalPodAutoscaler" | "Scale"),
        "autoscaling/v2beta1" | "autoscaling/v2beta2" => kind == "HorizontalPodAutoscaler",
        "policy/v1beta1" => matches!(kind, "Eviction" | "PodSecurityPolicy"),
        "storage.k8s.io/v1" => matches!(kind, "CSIDriver" | "StorageClass" | "VolumeAttachment"),
        "storage.k8s.io/v1beta1" => {
            matches!(kind, "CSIDriver" | "CSIStorageCapacity" | "StorageClass" | "VolumeAttachment")
        }
        "storage.k8s.io/v1alpha1" => matches!(kind, "CSIStorageCapacity" | "VolumeAttachment"),
        "coordination.k8s.io/v1" | "coordination.k8s.io/v1beta1" => kind == "Lease",
        "discovery.k8s.io/v1" | "discovery.k8s.io/v1beta1" => kind == "EndpointSlice",
        "events.k8s.io/v1" | "events.k8s.io/v1beta1" => kind == "Event",
        "scheduling.k8s.io/v1" | "scheduling.k8s.io/v1beta1" | "scheduling.k8s.io/v1alpha1" => {
            kind == "PriorityClass"
        }
        "node.k8s.io/v1" | "node.k8s.io/v1beta1" | "node.k8s.io/v1alpha1" => kind == "RuntimeClass",
        "flowcontrol.apiserver.k8s.io/v1beta1" => {
            matches!(kind, "FlowSchema" | "PriorityLevelConfiguration")
        }
        "certificates.k8s.io/v1" | "certificates.k8s.io/v1beta1" => kind == "CertificateSigningRequest",
        "apiextensions.k8s.io/v1" | "apiextensions.k8s.io/v1beta1" => kind == "CustomResourceDefinition",
        "authentication.k8s.io/v1" => matches!(kind, "TokenRequest" | "TokenReview"),
        "authentication.k8s.io/v1beta1" => kind == "TokenReview",
        "authorization.k8s.io/v1" | "authorization.k8s.io/v1beta1" => matches!(
            kind,
            "LocalSubjectAccessReview"
                | "SelfSubjectAccessReview"
                | "SelfSubjectRulesReview"
                | "SubjectAccessReview"
        ),
        _ => false,
    }
}
