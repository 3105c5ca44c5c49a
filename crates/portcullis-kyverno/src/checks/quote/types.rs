//! The Go types of a rule (`api/kyverno/v1`), as far as they are marshalled.

use super::Type::{Conditions, List, Map, Plain, Struct};
use super::When::{Always, Default, Given, NonEmpty};
use super::{Member, Type, When};

const fn field(name: &'static str, of: &'static Type, when: When) -> Member {
    Member { name, of, when }
}

/// A string or anything else that is printed as it is, if it is not empty.
const fn plain(name: &'static str) -> Member {
    field(name, &Plain, NonEmpty)
}

/// Anything that is printed as it is, if it is given.
const fn given(name: &'static str) -> Member {
    field(name, &Plain, Given)
}

/// A string that is always printed.
const fn always(name: &'static str) -> Member {
    field(name, &Plain, Always)
}

pub(super) static RULE: Type = Struct(&[
    always("name"),
    field("context", &CONTEXT, NonEmpty),
    plain("reportProperties"),
    field("match", &MATCH, Always),
    field("exclude", &MATCH, Given),
    field("imageExtractors", &IMAGE_EXTRACTORS, NonEmpty),
    field("preconditions", &Conditions, Given),
    field("celPreconditions", &NAMED_EXPRESSIONS, NonEmpty),
    field("mutate", &MUTATE, Given),
    field("validate", &VALIDATE, Given),
    field("generate", &GENERATE, Given),
    field("verifyImages", &List(&VERIFY_IMAGE), NonEmpty),
    field("skipBackgroundRequests", &Plain, Default("true")),
]);

pub(super) static MATCH: Type = Struct(&[
    field("any", &FILTERS, NonEmpty),
    field("all", &FILTERS, NonEmpty),
    plain("roles"),
    plain("clusterRoles"),
    field("subjects", &SUBJECTS, NonEmpty),
    field("resources", &RESOURCES, Always),
]);

static FILTERS: Type = List(&Struct(&[
    plain("roles"),
    plain("clusterRoles"),
    field("subjects", &SUBJECTS, NonEmpty),
    field("resources", &RESOURCES, Always),
]));

static SUBJECTS: Type =
    List(&Struct(&[always("kind"), plain("apiGroup"), always("name"), plain("namespace")]));

pub(super) static RESOURCES: Type = Struct(&[
    plain("kinds"),
    plain("name"),
    plain("names"),
    plain("namespaces"),
    plain("annotations"),
    field("selector", &SELECTOR, Given),
    field("namespaceSelector", &SELECTOR, Given),
    plain("operations"),
]);

pub(super) static SELECTOR: Type = Struct(&[
    plain("matchLabels"),
    field(
        "matchExpressions",
        &List(&Struct(&[always("key"), always("operator"), plain("values")])),
        NonEmpty,
    ),
]);

static NAMED_EXPRESSIONS: Type = List(&Struct(&[always("name"), always("expression")]));

pub(super) static ANY_ALL: Type =
    Struct(&[field("any", &CONDITION_LIST, NonEmpty), field("all", &CONDITION_LIST, NonEmpty)]);

pub(super) static CONDITION_LIST: Type =
    List(&Struct(&[given("key"), plain("operator"), given("value"), plain("message")]));

static CONTEXT: Type = List(&Struct(&[
    always("name"),
    field("configMap", &Struct(&[always("name"), plain("namespace")]), Given),
    field("apiCall", &API_CALL, Given),
    field(
        "imageRegistry",
        &Struct(&[
            always("reference"),
            plain("jmesPath"),
            field("imageRegistryCredentials", &REGISTRY_CREDENTIALS, Given),
        ]),
        Given,
    ),
    field("variable", &Struct(&[given("value"), plain("jmesPath"), given("default")]), Given),
    field("globalReference", &Struct(&[always("name"), plain("jmesPath")]), Given),
]));

static API_CALL: Type = Struct(&[
    plain("urlPath"),
    field("method", &Plain, Default("\"GET\"")),
    field("data", &List(&Struct(&[always("key"), given("value")])), NonEmpty),
    field(
        "service",
        &Struct(&[
            always("url"),
            field("headers", &List(&Struct(&[always("key"), always("value")])), NonEmpty),
            always("caBundle"),
        ]),
        Given,
    ),
    given("default"),
    plain("jmesPath"),
]);

static REGISTRY_CREDENTIALS: Type =
    Struct(&[plain("allowInsecureRegistry"), plain("providers"), plain("secrets")]);

static IMAGE_EXTRACTORS: Type =
    Map(&List(&Struct(&[always("path"), plain("value"), plain("name"), plain("key"), plain("jmesPath")])));

static MUTATE: Type = Struct(&[
    given("mutateExistingOnPolicyUpdate"),
    field("targets", &List(&TARGET), NonEmpty),
    given("patchStrategicMerge"),
    plain("patchesJson6902"),
    field("foreach", &MUTATE_FOREACH, NonEmpty),
]);

static TARGET: Type = Struct(&[
    plain("apiVersion"),
    plain("kind"),
    plain("namespace"),
    plain("name"),
    plain("uid"),
    field("selector", &SELECTOR, Given),
    field("context", &CONTEXT, NonEmpty),
    field("preconditions", &Conditions, Given),
]);

static MUTATE_FOREACH: Type = List(&Struct(&[
    plain("list"),
    plain("order"),
    field("context", &CONTEXT, NonEmpty),
    field("preconditions", &ANY_ALL, Given),
    given("patchStrategicMerge"),
    plain("patchesJson6902"),
    field("foreach", &MUTATE_FOREACH, Given),
]));

static VALIDATE: Type = Struct(&[
    given("failureAction"),
    field("failureActionOverrides", &OVERRIDES, NonEmpty),
    field("allowExistingViolations", &Plain, Default("true")),
    plain("message"),
    field("manifests", &MANIFESTS, Given),
    field("foreach", &VALIDATE_FOREACH, NonEmpty),
    given("pattern"),
    given("anyPattern"),
    field("deny", &DENY, Given),
    field("podSecurity", &POD_SECURITY, Given),
    field("cel", &CEL, Given),
    given("assert"),
]);

static OVERRIDES: Type =
    List(&Struct(&[plain("action"), plain("namespaces"), field("namespaceSelector", &SELECTOR, Given)]));

static DENY: Type = Struct(&[field("conditions", &Conditions, Given)]);

static VALIDATE_FOREACH: Type = List(&Struct(&[
    plain("list"),
    given("elementScope"),
    field("context", &CONTEXT, NonEmpty),
    field("preconditions", &ANY_ALL, Given),
    given("pattern"),
    given("anyPattern"),
    field("deny", &DENY, Given),
    field("foreach", &VALIDATE_FOREACH, Given),
]));

static POD_SECURITY: Type = Struct(&[
    plain("level"),
    plain("version"),
    field(
        "exclude",
        &List(&Struct(&[always("controlName"), plain("images"), plain("restrictedField"), plain("values")])),
        NonEmpty,
    ),
]);

static CEL: Type = Struct(&[
    field("generate", &Plain, Default("false")),
    field(
        "expressions",
        &List(&Struct(&[
            always("expression"),
            plain("message"),
            given("reason"),
            plain("messageExpression"),
        ])),
        NonEmpty,
    ),
    field("paramKind", &Struct(&[plain("apiVersion"), plain("kind")]), Given),
    field(
        "paramRef",
        &Struct(&[
            plain("name"),
            plain("namespace"),
            field("selector", &SELECTOR, Given),
            given("parameterNotFoundAction"),
        ]),
        Given,
    ),
    field("auditAnnotations", &List(&Struct(&[always("key"), always("valueExpression")])), NonEmpty),
    field("variables", &NAMED_EXPRESSIONS, NonEmpty),
]);

static GENERATE: Type = Struct(&[
    given("generateExisting"),
    plain("synchronize"),
    plain("orphanDownstreamOnPolicyDelete"),
    plain("apiVersion"),
    plain("kind"),
    plain("namespace"),
    plain("name"),
    plain("uid"),
    given("data"),
    field("clone", &CLONE, Always),
    field("cloneList", &CLONE_LIST, Always),
    field("foreach", &GENERATE_FOREACH, NonEmpty),
]);

static CLONE: Type = Struct(&[plain("namespace"), plain("name")]);
static CLONE_LIST: Type = Struct(&[plain("namespace"), plain("kinds"), field("selector", &SELECTOR, Given)]);

static GENERATE_FOREACH: Type = List(&Struct(&[
    plain("list"),
    field("context", &CONTEXT, NonEmpty),
    field("preconditions", &ANY_ALL, Given),
    plain("apiVersion"),
    plain("kind"),
    plain("namespace"),
    plain("name"),
    plain("uid"),
    given("data"),
    field("clone", &CLONE, Always),
    field("cloneList", &CLONE_LIST, Always),
]));

pub(super) static VERIFY_IMAGE: Type = Struct(&[
    given("failureAction"),
    plain("type"),
    plain("image"),
    plain("imageReferences"),
    plain("skipImageReferences"),
    plain("key"),
    plain("roots"),
    plain("subject"),
    plain("issuer"),
    plain("additionalExtensions"),
    field("attestors", &ATTESTORS, NonEmpty),
    field("attestations", &ATTESTATIONS, NonEmpty),
    plain("annotations"),
    plain("repository"),
    plain("cosignOCI11"),
    field("mutateDigest", &Plain, Default("true")),
    field("verifyDigest", &Plain, Default("true")),
    field("validate", &Struct(&[plain("message"), field("deny", &DENY, Given)]), Always),
    field("required", &Plain, Default("true")),
    field("imageRegistryCredentials", &REGISTRY_CREDENTIALS, Given),
    field("useCache", &Plain, Default("true")),
]);

static ATTESTATIONS: Type = List(&Struct(&[
    plain("name"),
    plain("predicateType"),
    plain("type"),
    field("attestors", &ATTESTORS, NonEmpty),
    field("conditions", &List(&ANY_ALL), NonEmpty),
]));

static ATTESTORS: Type = List(&Struct(&[
    given("count"),
    field(
        "entries",
        &List(&Struct(&[
            field("keys", &KEYS, Given),
            field(
                "certificates",
                &Struct(&[
                    plain("cert"),
                    plain("certChain"),
                    field("rekor", &REKOR, Given),
                    field("ctlog", &CTLOG, Given),
                ]),
                Given,
            ),
            field("keyless", &KEYLESS, Given),
            given("attestor"),
            plain("annotations"),
            plain("repository"),
            field("signatureAlgorithm", &Plain, Default("\"sha256\"")),
        ])),
        NonEmpty,
    ),
]));

static KEYS: Type = Struct(&[
    plain("publicKeys"),
    field("signatureAlgorithm", &Plain, Default("\"sha256\"")),
    plain("kms"),
    field("secret", &Struct(&[always("name"), always("namespace")]), Given),
    field("rekor", &REKOR, Given),
    field("ctlog", &CTLOG, Given),
]);

static KEYLESS: Type = Struct(&[
    field("rekor", &REKOR, Given),
    field("ctlog", &CTLOG, Given),
    plain("issuer"),
    plain("issuerRegExp"),
    plain("subject"),
    plain("subjectRegExp"),
    plain("roots"),
    plain("additionalExtensions"),
]);

static REKOR: Type = Struct(&[plain("url"), plain("pubkey"), plain("ignoreTlog")]);
static CTLOG: Type = Struct(&[plain("ignoreSCT"), plain("pubkey"), plain("tsaCertChain")]);

static MANIFESTS: Type = Struct(&[
    field("attestors", &ATTESTORS, NonEmpty),
    plain("annotationDomain"),
    field(
        "ignoreFields",
        &List(&Struct(&[
            field(
                "objects",
                &List(&Struct(&[
                    plain("group"),
                    plain("version"),
                    plain("kind"),
                    plain("name"),
                    plain("namespace"),
                ])),
                NonEmpty,
            ),
            plain("fields"),
        ])),
        NonEmpty,
    ),
    field("dryRun", &Struct(&[plain("enable"), plain("namespace")]), Given),
    plain("repository"),
]);
