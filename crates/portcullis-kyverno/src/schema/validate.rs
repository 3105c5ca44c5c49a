//! What judges an object: `validate`.

use super::Shape::{Any, Atomic, Conditions, Enum, Fields, Flag, List, Text, Undeclared};
use super::conditions::{ANY_ALL_V2, OPEN_ANY_ALL};
use super::context::CONTEXT;
use super::images::{ATTESTORS, REPOSITORY};
use super::selection::LABEL_SELECTOR;
use super::{Field, Shape, TEXTS, Version, field};
use crate::pod_security::CONTROL_NAMES;

pub(super) static VALIDATE: Shape = Fields(&[
    FAILURE_ACTION,
    field(
        "failureActionOverrides",
        &FAILURE_ACTION_OVERRIDES,
        "What happens in certain namespaces when an object fails; the first that fits counts.",
    ),
    field(
        "allowExistingViolations",
        &Flag,
        "Whether an update is let through when the object failed before it, too.",
    )
    .only(Version::V1)
    .default("true"),
    field("message", &Text, "What the user is told when an object fails; variables work."),
    field("manifests", &MANIFESTS, "The object must be as its signature says."),
    field("foreach", &VALIDATE_FOREACH, "Checks made for each element of a list."),
    PATTERN,
    ANY_PATTERN,
    DENY.only(Version::V1),
    field(
        "deny",
        &Fields(&[field("conditions", &ANY_ALL_V2, DENY_CONDITIONS)]),
        "The object fails when conditions hold.",
    )
    .only(Version::V2),
    field(
        "podSecurity",
        &POD_SECURITY,
        "The object's Pods must keep to a level of the Pod Security Standards.",
    ),
    field("cel", &CEL, "The object must satisfy expressions in CEL."),
    field("assert", &Any, "The object must satisfy this assertion tree (kyverno-json)."),
]);

pub(super) const FAILURE_ACTION: Field = field(
    "failureAction",
    &Enum(&["Audit", "Enforce"]),
    "Whether an object that fails is refused (`Enforce`) or reported (`Audit`).",
)
.pointer();

/// The actions, old spelling included.
pub(super) static ANY_CASE_ACTION: Shape = Enum(&["audit", "enforce", "Audit", "Enforce"]);

pub(super) static FAILURE_ACTION_OVERRIDES: Shape = List(&Fields(&[
    field("action", &ANY_CASE_ACTION, "Whether an object that fails is refused or reported."),
    field("namespaces", &TEXTS, "The namespaces that this is for; wildcards work."),
    field("namespaceSelector", &LABEL_SELECTOR, "The labels of the namespaces that this is for."),
]));

const PATTERN: Field =
    field("pattern", &Any, "The object must look like this; wildcards, operators and anchors work.");
const ANY_PATTERN: Field = field("anyPattern", &Any, "The object must look like one of these patterns.");

/// As `v1` has it.
pub(super) const DENY: Field = field(
    "deny",
    &Fields(&[field("conditions", &Conditions, DENY_CONDITIONS)]),
    "The object fails when conditions hold.",
);
const DENY_CONDITIONS: &str = "The conditions; without any, every object fails.";

/// `validate.foreach`, and what such loops in loops should look like.
pub(crate) static VALIDATE_FOREACH: Shape = List(&Fields(&[
    field("list", &Text, "A JMESPath expression for the list; its element is `element` in expressions."),
    field(
        "elementScope",
        &Flag,
        "Whether patterns are held against the element, and not the whole object. Defaults to `true` for maps.",
    )
    .pointer(),
    field("context", &CONTEXT, "Variables for each element."),
    field("preconditions", &OPEN_ANY_ALL, "An element is passed over unless these hold."),
    PATTERN,
    ANY_PATTERN,
    DENY,
    field("foreach", &Undeclared(&VALIDATE_FOREACH), "Loops for each element, like this one."),
]));

static POD_SECURITY: Shape = Fields(&[
    field("level", &Enum(&["privileged", "baseline", "restricted"]), "The level of the standards."),
    field(
        "version",
        &Enum(&[
            "v1.19", "v1.20", "v1.21", "v1.22", "v1.23", "v1.24", "v1.25", "v1.26", "v1.27", "v1.28",
            "v1.29", "v1.30", "v1.31", "v1.32", "latest",
        ]),
        "The version of Kubernetes whose standards count. Defaults to `latest`.",
    ),
    field("exclude", &POD_SECURITY_EXCLUDE, "What a Pod may do all the same."),
]);

/// Exemptions from the Pod Security Standards.
pub(super) static POD_SECURITY_EXCLUDE: Shape = List(&Fields(&[
    field("controlName", &Enum(&CONTROL_NAMES), "The control of the standards that is left out.").required(),
    field(
        "images",
        &TEXTS,
        "The images whose containers are exempt; wildcards work. Without it, the Pod itself is exempt.",
    ),
    field(
        "restrictedField",
        &Text,
        "The field that is exempt, and not the whole control: `spec.volumes[*].hostPath`.",
    ),
    field("values", &TEXTS, "The values that the field may have."),
]));

static CEL: Shape = Fields(&[
    field("generate", &Flag, "Whether a ValidatingAdmissionPolicy is made of the rule.").default("false"),
    field(
        "expressions",
        &List(&Fields(&[
            field("expression", &Text, "The object fails unless this is true.").required(),
            field("message", &Text, "What the user is told when it is not."),
            field("reason", &Text, "The reason in the API server's answer, such as `Forbidden`.").pointer(),
            field("messageExpression", &Text, "An expression that makes the message."),
        ])),
        "The expressions, as in a ValidatingAdmissionPolicy.",
    ),
    field(
        "paramKind",
        &Atomic(&Fields(&[
            field("apiVersion", &Text, "The group and version of the object."),
            field("kind", &Text, "The kind of the object."),
        ])),
        "The kind of the object that is `params` in expressions.",
    ),
    field(
        "paramRef",
        &Atomic(&Fields(&[
            field("name", &Text, "The name of the object. Not with `selector`."),
            field("namespace", &Text, "The namespace of the object. Defaults to that of the request."),
            field("selector", &LABEL_SELECTOR, "The labels of the objects, each of which is tried."),
            field(
                "parameterNotFoundAction",
                &Text,
                "`Allow` or `Deny`: the answer when there is no such object.",
            )
            .pointer(),
        ])),
        "The object that is `params` in expressions.",
    ),
    field(
        "auditAnnotations",
        &List(&Fields(&[
            field("key", &Text, "The key of the annotation.").required(),
            field("valueExpression", &Text, "An expression that makes its value; null leaves it out.")
                .required(),
        ])),
        "Annotations of the API server's audit event.",
    ),
    field(
        "variables",
        &List(&Atomic(&Fields(&[
            field("name", &Text, "The name: `variables.name` in expressions.").required(),
            field("expression", &Text, "The expression that makes the value.").required(),
        ]))),
        "Values that several expressions use.",
    ),
]);

static MANIFESTS: Shape = Fields(&[
    field("attestors", &ATTESTORS, "Who must have signed the manifest."),
    field("annotationDomain", &Text, "The domain of the annotations that hold signature and message."),
    field(
        "ignoreFields",
        &List(&Fields(&[
            field(
                "objects",
                &List(&Fields(&[
                    field("group", &Text, "The API group; wildcards work."),
                    field("version", &Text, "The version; wildcards work."),
                    field("kind", &Text, "The kind; wildcards work."),
                    field("name", &Text, "The name; wildcards work."),
                    field("namespace", &Text, "The namespace; wildcards work."),
                ])),
                "The objects that this is for.",
            ),
            field("fields", &TEXTS, "The fields, with dots: `spec.replicas`."),
        ])),
        "Fields that may differ from what was signed.",
    ),
    field(
        "dryRun",
        &Fields(&[
            field("enable", &Flag, "Whether the dry run is made."),
            field("namespace", &Text, "The namespace in which the dry run is made."),
        ]),
        "A dry run of the signed manifest, to see which fields the cluster adds.",
    )
    .always(),
    REPOSITORY,
]);
