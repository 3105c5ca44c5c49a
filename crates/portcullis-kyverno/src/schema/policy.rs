//! The fields of `spec` in `ClusterPolicy` and `Policy` (`kyverno.io/v1`, `v2beta1`), as the CRDs declare them.

use super::Demand::{AtLeast, ExactlyOne, Longest, NotTogether};
use super::Shape::{Any, Enum, Fields, Flag, Integer, List, Map, Open, Text, With};
use super::{Field, Shape, field, required};

/// `spec` of `kyverno.io/v1`.
pub(crate) static SPEC_V1: Shape = Fields(&spec::<0>());
/// `spec` of `kyverno.io/v2beta1`, where match blocks have only `any` and `all`.
pub(crate) static SPEC_V2BETA1: Shape = Fields(&spec::<2>());

/// The shape that version `V` (0: v1, 2: v2beta1) of `spec` has.
const fn spec<const V: u8>() -> [Field; 15] {
    [
        field("admission", &Flag),
        field("applyRules", &Enum(&["All", "One"])),
        field("background", &Flag),
        field("emitWarning", &Flag),
        field("failurePolicy", &FAILURE_POLICY),
        field("generateExisting", &Flag),
        field("generateExistingOnPolicyUpdate", &Flag),
        field("mutateExistingOnPolicyUpdate", &Flag),
        field("rules", if V == 0 { &RULES_V1 } else { &RULES_V2BETA1 }),
        field("schemaValidation", &Flag),
        field("useServerSideApply", &Flag),
        field("validationFailureAction", &ANY_CASE_ACTION),
        field("validationFailureActionOverrides", &OVERRIDES),
        field("webhookConfiguration", &WEBHOOK_CONFIGURATION),
        field("webhookTimeoutSeconds", &Integer),
    ]
}

static RULES_V1: Shape = List(&Fields(&rule::<0>()));
static RULES_V2BETA1: Shape = List(&Fields(&rule::<2>()));

const fn rule<const V: u8>() -> [Field; 13] {
    [
        field("celPreconditions", &NAMED_EXPRESSIONS),
        field("context", &CONTEXT),
        field("exclude", if V == 0 { &MATCH_V1 } else { &MATCH_V2BETA1 }),
        field("generate", &GENERATE),
        field("imageExtractors", &IMAGE_EXTRACTORS),
        required("match", if V == 0 { &MATCH_V1 } else { &MATCH_V2BETA1 }),
        field("mutate", &MUTATE),
        required("name", &With(&Text, Longest(63))),
        field("preconditions", if V == 0 { &Any } else { &CONDITIONS_V2BETA1 }),
        field("reportProperties", &Map(&Text)),
        field("skipBackgroundRequests", &Flag),
        field("validate", if V == 0 { &VALIDATE_V1 } else { &VALIDATE_V2BETA1 }),
        field("verifyImages", &VERIFY_IMAGES),
    ]
}

static TEXTS: Shape = List(&Text);
static FAILURE_POLICY: Shape = Enum(&["Ignore", "Fail"]);
static ACTION: Shape = Enum(&["Audit", "Enforce"]);
static ANY_CASE_ACTION: Shape = Enum(&["audit", "enforce", "Audit", "Enforce"]);

static OVERRIDES: Shape = List(&Fields(&[
    field("action", &ANY_CASE_ACTION),
    field("namespaceSelector", &LABEL_SELECTOR),
    field("namespaces", &TEXTS),
]));

static NAMED_EXPRESSIONS: Shape = List(&Fields(&[required("expression", &Text), required("name", &Text)]));

static WEBHOOK_CONFIGURATION: Shape = Fields(&[
    field("failurePolicy", &FAILURE_POLICY),
    field("matchConditions", &NAMED_EXPRESSIONS),
    field("timeoutSeconds", &Integer),
]);

static LABEL_SELECTOR: Shape = Fields(&[
    field(
        "matchExpressions",
        &List(&Fields(&[required("key", &Text), required("operator", &Text), field("values", &TEXTS)])),
    ),
    field("matchLabels", &Map(&Text)),
]);

static RESOURCES: Shape = With(&RESOURCE_FIELDS, NotTogether(&["name", "names"]));

static RESOURCE_FIELDS: Shape = Fields(&[
    field("annotations", &Map(&Text)),
    field("kinds", &TEXTS),
    field("name", &Text),
    field("names", &TEXTS),
    field("namespaceSelector", &LABEL_SELECTOR),
    field("namespaces", &TEXTS),
    field("operations", &List(&Enum(&["CREATE", "CONNECT", "UPDATE", "DELETE"]))),
    field("selector", &LABEL_SELECTOR),
]);

static SUBJECTS: Shape = List(&Fields(&[
    field("apiGroup", &Text),
    required("kind", &Text),
    required("name", &Text),
    field("namespace", &Text),
]));

static FILTERS: Shape = List(&Fields(&[
    field("clusterRoles", &TEXTS),
    field("resources", &RESOURCES),
    field("roles", &TEXTS),
    field("subjects", &SUBJECTS),
]));

static MATCH_V1: Shape = With(&MATCH_FIELDS_V1, NotTogether(&["any", "all"]));

static MATCH_FIELDS_V1: Shape = Fields(&[
    field("all", &FILTERS),
    field("any", &FILTERS),
    field("clusterRoles", &TEXTS),
    field("resources", &RESOURCES),
    field("roles", &TEXTS),
    field("subjects", &SUBJECTS),
]);

static MATCH_V2BETA1: Shape =
    With(&Fields(&[field("all", &FILTERS), field("any", &FILTERS)]), NotTogether(&["any", "all"]));

/// A condition list as far as the CRD declares it: in `foreach`.
static CONDITIONS: Shape = Open(&[field("all", &CONDITION_LIST), field("any", &CONDITION_LIST)]);

static CONDITION_LIST: Shape = List(&Fields(&[
    field("key", &Any),
    field("message", &Text),
    field(
        "operator",
        &Enum(&[
            "Equals",
            "NotEquals",
            "In",
            "AnyIn",
            "AllIn",
            "NotIn",
            "AnyNotIn",
            "AllNotIn",
            "GreaterThanOrEquals",
            "GreaterThan",
            "LessThanOrEquals",
            "LessThan",
            "DurationGreaterThanOrEquals",
            "DurationGreaterThan",
            "DurationLessThanOrEquals",
            "DurationLessThan",
        ]),
    ),
    field("value", &Any),
]));

static CONDITIONS_V2BETA1: Shape =
    Fields(&[field("all", &CONDITION_LIST_V2BETA1), field("any", &CONDITION_LIST_V2BETA1)]);

static CONDITION_LIST_V2BETA1: Shape = List(&Fields(&[
    field("key", &Any),
    field("message", &Text),
    field(
        "operator",
        &Enum(&[
            "Equals",
            "NotEquals",
            "AnyIn",
            "AllIn",
            "AnyNotIn",
            "AllNotIn",
            "GreaterThanOrEquals",
            "GreaterThan",
            "LessThanOrEquals",
            "LessThan",
            "DurationGreaterThanOrEquals",
            "DurationGreaterThan",
            "DurationLessThanOrEquals",
            "DurationLessThan",
        ]),
    ),
    field("value", &Any),
]));

static CONTEXT: Shape = List(&With(
    &CONTEXT_ENTRY,
    ExactlyOne(&["configMap", "apiCall", "imageRegistry", "variable", "globalReference"]),
));

static CONTEXT_ENTRY: Shape = Fields(&[
    field(
        "apiCall",
        &Fields(&[
            field("data", &List(&Fields(&[required("key", &Text), required("value", &Any)]))),
            field("default", &Any),
            field("jmesPath", &Text),
            field("method", &Enum(&["GET", "POST"])),
            field(
                "service",
                &Fields(&[
                    field("caBundle", &Text),
                    field("headers", &List(&Fields(&[required("key", &Text), required("value", &Text)]))),
                    required("url", &Text),
                ]),
            ),
            field("urlPath", &Text),
        ]),
    ),
    field("configMap", &Fields(&[required("name", &Text), field("namespace", &Text)])),
    field("globalReference", &Fields(&[field("jmesPath", &Text), required("name", &Text)])),
    field(
        "imageRegistry",
        &Fields(&[
            field("imageRegistryCredentials", &REGISTRY_CREDENTIALS),
            field("jmesPath", &Text),
            required("reference", &Text),
        ]),
    ),
    required("name", &Text),
    field("variable", &Fields(&[field("default", &Any), field("jmesPath", &Text), field("value", &Any)])),
]);

static REGISTRY_CREDENTIALS: Shape = Fields(&[
    field("allowInsecureRegistry", &Flag),
    field("providers", &List(&Enum(&["default", "amazon", "azure", "google", "github"]))),
    field("secrets", &TEXTS),
]);

static IMAGE_EXTRACTORS: Shape = Map(&List(&Fields(&[
    field("jmesPath", &Text),
    field("key", &Text),
    field("name", &Text),
    required("path", &Text),
    field("value", &Text),
])));

/// `mutate.foreach`, and what such loops in loops should look like.
pub(crate) static MUTATE_FOREACH: Shape = List(&Fields(&[
    field("context", &CONTEXT),
    field("foreach", &Any),
    field("list", &Text),
    field("order", &Enum(&["Ascending", "Descending"])),
    field("patchStrategicMerge", &Any),
    field("patchesJson6902", &Text),
    field("preconditions", &CONDITIONS),
]));

static MUTATE: Shape = Fields(&[
    field("foreach", &MUTATE_FOREACH),
    field("mutateExistingOnPolicyUpdate", &Flag),
    field("patchStrategicMerge", &Any),
    field("patchesJson6902", &Text),
    field(
        "targets",
        &List(&Fields(&[
            field("apiVersion", &Text),
            field("context", &CONTEXT),
            field("kind", &Text),
            field("name", &Text),
            field("namespace", &Text),
            field("preconditions", &Any),
            field("selector", &LABEL_SELECTOR),
            field("uid", &Text),
        ])),
    ),
]);

static CLONE: Shape = Fields(&[field("name", &Text), field("namespace", &Text)]);
static CLONE_LIST: Shape =
    Fields(&[field("kinds", &TEXTS), field("namespace", &Text), field("selector", &LABEL_SELECTOR)]);

static GENERATE: Shape = Fields(&[
    field("apiVersion", &Text),
    field("clone", &CLONE),
    field("cloneList", &CLONE_LIST),
    field("data", &Any),
    field(
        "foreach",
        &List(&Fields(&[
            field("apiVersion", &Text),
            field("clone", &CLONE),
            field("cloneList", &CLONE_LIST),
            field("context", &CONTEXT),
            field("data", &Any),
            field("kind", &Text),
            field("list", &Text),
            field("name", &Text),
            field("namespace", &Text),
            field("preconditions", &CONDITIONS),
            field("uid", &Text),
        ])),
    ),
    field("generateExisting", &Flag),
    field("kind", &Text),
    field("name", &Text),
    field("namespace", &Text),
    field("orphanDownstreamOnPolicyDelete", &Flag),
    field("synchronize", &Flag),
    field("uid", &Text),
]);

static VALIDATE_V1: Shape = Fields(&validate::<0>());
static VALIDATE_V2BETA1: Shape = Fields(&validate::<2>());
static DENY_V1: Shape = Fields(&[field("conditions", &Any)]);
static DENY_V2BETA1: Shape = Fields(&[field("conditions", &CONDITIONS_V2BETA1)]);

const fn validate<const V: u8>() -> [Field; 12] {
    [
        field("allowExistingViolations", &Flag),
        field("anyPattern", &Any),
        field("assert", &Any),
        field("cel", &CEL),
        field("deny", if V == 0 { &DENY_V1 } else { &DENY_V2BETA1 }),
        field("failureAction", &ACTION),
        field("failureActionOverrides", &OVERRIDES),
        field("foreach", &VALIDATE_FOREACH),
        field("manifests", &MANIFESTS),
        field("message", &Text),
        field("pattern", &Any),
        field("podSecurity", &POD_SECURITY),
    ]
}

/// `validate.foreach`, and what such loops in loops should look like.
pub(crate) static VALIDATE_FOREACH: Shape = List(&Fields(&[
    field("anyPattern", &Any),
    field("context", &CONTEXT),
    field("deny", &DENY_V1),
    field("elementScope", &Flag),
    field("foreach", &Any),
    field("list", &Text),
    field("pattern", &Any),
    field("preconditions", &CONDITIONS),
]));

static CEL: Shape = Fields(&[
    field("auditAnnotations", &List(&Fields(&[required("key", &Text), required("valueExpression", &Text)]))),
    field(
        "expressions",
        &List(&Fields(&[
            required("expression", &Text),
            field("message", &Text),
            field("messageExpression", &Text),
            field("reason", &Text),
        ])),
    ),
    field("generate", &Flag),
    field("paramKind", &Fields(&[field("apiVersion", &Text), field("kind", &Text)])),
    field(
        "paramRef",
        &Fields(&[
            field("name", &Text),
            field("namespace", &Text),
            field("parameterNotFoundAction", &Text),
            field("selector", &LABEL_SELECTOR),
        ]),
    ),
    field("variables", &NAMED_EXPRESSIONS),
]);

static POD_SECURITY: Shape = Fields(&[
    field(
        "exclude",
        &List(&Fields(&[
            required(
                "controlName",
                &Enum(&[
                    "HostProcess",
                    "Host Namespaces",
                    "Privileged Containers",
                    "Capabilities",
                    "HostPath Volumes",
                    "Host Ports",
                    "AppArmor",
                    "SELinux",
                    "/proc Mount Type",
                    "Seccomp",
                    "Sysctls",
                    "Volume Types",
                    "Privilege Escalation",
                    "Running as Non-root",
                    "Running as Non-root user",
                ]),
            ),
            field("images", &TEXTS),
            field("restrictedField", &Text),
            field("values", &TEXTS),
        ])),
    ),
    field("level", &Enum(&["privileged", "baseline", "restricted"])),
    field(
        "version",
        &Enum(&[
            "v1.19", "v1.20", "v1.21", "v1.22", "v1.23", "v1.24", "v1.25", "v1.26", "v1.27", "v1.28",
            "v1.29", "v1.30", "v1.31", "v1.32", "latest",
        ]),
    ),
]);

static MANIFESTS: Shape = Fields(&[
    field("annotationDomain", &Text),
    field("attestors", &ATTESTORS),
    field("dryRun", &Fields(&[field("enable", &Flag), field("namespace", &Text)])),
    field(
        "ignoreFields",
        &List(&Fields(&[
            field("fields", &TEXTS),
            field(
                "objects",
                &List(&Fields(&[
                    field("group", &Text),
                    field("kind", &Text),
                    field("name", &Text),
                    field("namespace", &Text),
                    field("version", &Text),
                ])),
            ),
        ])),
    ),
    field("repository", &Text),
]);

static CTLOG: Shape =
    Fields(&[field("ignoreSCT", &Flag), field("pubkey", &Text), field("tsaCertChain", &Text)]);
static REKOR: Shape = Fields(&[field("ignoreTlog", &Flag), field("pubkey", &Text), field("url", &Text)]);

static ATTESTORS: Shape = List(&Fields(&[
    field("count", &With(&Integer, AtLeast(1))),
    field(
        "entries",
        &List(&Fields(&[
            field("annotations", &Map(&Text)),
            field("attestor", &Any),
            field(
                "certificates",
                &Fields(&[
                    field("cert", &Text),
                    field("certChain", &Text),
                    field("ctlog", &CTLOG),
                    field("rekor", &REKOR),
                ]),
            ),
            field(
                "keyless",
                &Fields(&[
                    field("additionalExtensions", &Map(&Text)),
                    field("ctlog", &CTLOG),
                    field("issuer", &Text),
                    field("issuerRegExp", &Text),
                    field("rekor", &REKOR),
                    field("roots", &Text),
                    field("subject", &Text),
                    field("subjectRegExp", &Text),
                ]),
            ),
            field(
                "keys",
                &Fields(&[
                    field("ctlog", &CTLOG),
                    field("kms", &Text),
                    field("publicKeys", &Text),
                    field("rekor", &REKOR),
                    field("secret", &Fields(&[required("name", &Text), required("namespace", &Text)])),
                    field("signatureAlgorithm", &Text),
                ]),
            ),
            field("repository", &Text),
            field("signatureAlgorithm", &Text),
        ])),
    ),
]));

static VERIFY_IMAGES: Shape = List(&Fields(&[
    field("additionalExtensions", &Map(&Text)),
    field("annotations", &Map(&Text)),
    field(
        "attestations",
        &List(&Fields(&[
            field("attestors", &ATTESTORS),
            field(
                "conditions",
                &List(&Fields(&[field("all", &CONDITION_LIST), field("any", &CONDITION_LIST)])),
            ),
            field("name", &Text),
            field("predicateType", &Text),
            field("type", &Text),
        ])),
    ),
    field("attestors", &ATTESTORS),
    field("cosignOCI11", &Flag),
    field("failureAction", &ACTION),
    field("image", &Text),
    field("imageReferences", &TEXTS),
    field("imageRegistryCredentials", &REGISTRY_CREDENTIALS),
    field("issuer", &Text),
    field("key", &Text),
    field("mutateDigest", &Flag),
    field("repository", &Text),
    field("required", &Flag),
    field("roots", &Text),
    field("skipImageReferences", &TEXTS),
    field("subject", &Text),
    field("type", &Enum(&["Cosign", "SigstoreBundle", "Notary"])),
    field("useCache", &Flag),
    field("validate", &Fields(&[field("deny", &DENY_V1), field("message", &Text)])),
    field("verifyDigest", &Flag),
]));
