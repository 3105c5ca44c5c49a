//! `ClusterPolicy` and `Policy`: `spec` with its rules, and `status`.

use super::Demand::{AtLeast, Format, Longest, Match, Shortest};
use super::Shape::{Conditions, Copied, Enum, Fields, Flag, Integer, List, Text, With};
use super::conditions::ANY_ALL_V2;
use super::context::{CONTEXT, IMAGE_EXTRACTORS};
use super::generate::GENERATE;
use super::images::VERIFY_IMAGES;
use super::mutate::MUTATE;
use super::selection::MATCH;
use super::validate::{ANY_CASE_ACTION, FAILURE_ACTION_OVERRIDES, VALIDATE};
use super::{Field, INT32, Shape, TEXT_MAP, Version, field};

/// The fields of a policy beside its metadata.
pub(crate) static POLICY: [Field; 2] = [
    field("spec", &SPEC, "The rules and how they are applied.").required(),
    field("status", &STATUS, "What became of the policy; written by the engine."),
];

/// `spec` of a policy.
pub(crate) static SPEC: Shape = Fields(&[
    field("rules", &List(&RULE), "The rules. Those that change objects run first, each group in this order."),
    field(
        "applyRules",
        &Enum(&["All", "One"]),
        "Whether all rules are applied, or one at most. Defaults to `All`.",
    ),
    FAILURE_POLICY,
    field(
        "validationFailureAction",
        &ANY_CASE_ACTION,
        "Deprecated: write `failureAction` in rules. What happens when an object fails.",
    )
    .default("\"Audit\""),
    field(
        "validationFailureActionOverrides",
        &FAILURE_ACTION_OVERRIDES,
        "Deprecated: write `failureActionOverrides` in rules. What happens in certain namespaces.",
    ),
    field("emitWarning", &Flag, "Whether users are warned of what fails under `Audit`.").default("false"),
    field("admission", &Flag, "Whether the rules are applied to requests.").default("true"),
    field(
        "background",
        &Flag,
        "Whether the rules are applied to objects that are there already, for reports.",
    )
    .default("true"),
    field("schemaValidation", &Flag, "Deprecated: without effect."),
    field(
        "webhookTimeoutSeconds",
        &INT32,
        "Deprecated: write `webhookConfiguration.timeoutSeconds`. The time to answer a request, 1 to 30 seconds.",
    ),
    field(
        "mutateExistingOnPolicyUpdate",
        &Flag,
        "Deprecated: write it in `mutate`. Whether targets are changed as soon as the policy is written, too.",
    ),
    field("generateExistingOnPolicyUpdate", &Flag, "Deprecated: write `generateExisting`."),
    field(
        "generateExisting",
        &Flag,
        "Deprecated: write it in `generate`. Whether objects that are there already trigger generate rules.",
    ),
    field("useServerSideApply", &Flag, "Whether generated objects are written by server-side apply."),
    field(
        "webhookConfiguration",
        &Fields(&[
            FAILURE_POLICY,
            field("timeoutSeconds", &INT32, "The time to answer a request, 1 to 30 seconds. Defaults to 10."),
            field(
                "matchConditions",
                &NAMED_EXPRESSIONS,
                "CEL expressions by which the API server chooses the requests that it sends.",
            ),
        ]),
        "The webhook of the policy.",
    ),
]);

const FAILURE_POLICY: Field = field(
    "failurePolicy",
    &Enum(&["Ignore", "Fail"]),
    "Whether a request is refused (`Fail`) or let through (`Ignore`) when no answer can be had. \
     Defaults to `Fail`.",
);

static NAMED_EXPRESSIONS: Shape = List(&Fields(&[
    field("name", &Text, "The name of the condition.").required(),
    field("expression", &Text, "The CEL expression that must be true.").required(),
]));

/// A rule.
pub(crate) static RULE: Shape = Fields(&[
    field(
        "name",
        &With(&Text, &[Longest(63)]),
        "Names the rule in results, reports and events; unique in its policy.",
    )
    .required(),
    field("context", &CONTEXT, "Variables for the rule, loaded when an expression first mentions them."),
    field("reportProperties", &TEXT_MAP, "Properties of the results in reports; variables work."),
    field("match", &MATCH, "The objects and requests that the rule is for.").required(),
    field("exclude", &MATCH, "Objects and requests that the rule is not for, though `match` selects them."),
    field(
        "imageExtractors",
        &IMAGE_EXTRACTORS,
        "Where images are in objects that are no Pods and make none, by kind.",
    ),
    field("preconditions", &Conditions, PRECONDITIONS).only(Version::V1),
    field("preconditions", &ANY_ALL_V2, PRECONDITIONS).only(Version::V2),
    field(
        "celPreconditions",
        &NAMED_EXPRESSIONS,
        "The rule is skipped unless these hold; for `validate.cel`.",
    ),
    field("mutate", &MUTATE, "Changes the object, or others in the cluster (mutation)."),
    field("validate", &VALIDATE, "Judges the object (validation): one that fails is refused or reported."),
    field("generate", &GENERATE, "Makes other objects (generation)."),
    field("verifyImages", &VERIFY_IMAGES, "Asks for signatures of the object's images."),
    field(
        "skipBackgroundRequests",
        &Flag,
        "Whether requests of the engine itself, made for generate and mutate rules, are passed over.",
    )
    .default("true"),
]);

const PRECONDITIONS: &str = "The rule is skipped unless these hold.";

/// `status` of a policy.
static STATUS: Shape = Fields(&[
    field("ready", &Flag, "Deprecated: read the condition `Ready`."),
    field("conditions", &List(&CONDITION), "The state of the policy; `Ready` says whether it is in force."),
    field(
        "rulecount",
        &Fields(&[
            field("validate", &Integer, "Rules that judge.").required(),
            field("generate", &Integer, "Rules that make objects.").required(),
            field("mutate", &Integer, "Rules that change objects.").required(),
            field("verifyimages", &Integer, "Rules that ask for signatures.").required(),
        ]),
        "How many rules of each kind were written, autogenerated ones left out.",
    ),
    field(
        "autogen",
        &Fields(&[field(
            "rules",
            &Copied(&List(&RULE)),
            "The rules; their fields are those of `spec.rules`.",
        )]),
        "What was made of rules for Pods, for the controllers that make Pods.",
    ),
    field(
        "validatingadmissionpolicy",
        &Fields(&[
            field("generated", &Flag, "Whether it exists.").required(),
            field("message", &Text, "Why it does not exist.").required(),
        ]),
        "The ValidatingAdmissionPolicy made of the policy.",
    ),
]);

/// A condition of Kubernetes.
static CONDITION: Shape = Fields(&[
    field(
        "type",
        &With(&Text, &[Longest(316), Match(QUALIFIED_NAME)]),
        "The name of the condition: `Ready`.",
    )
    .required(),
    field("status", &Enum(&["True", "False", "Unknown"]), "Whether the condition holds.").required(),
    field(
        "observedGeneration",
        &With(&Integer, &[Format("int64"), AtLeast(0)]),
        "The generation of the policy that this is said of.",
    ),
    field("lastTransitionTime", &With(&Text, &[Format("date-time")]), "When the status last changed.")
        .required(),
    field(
        "reason",
        &With(&Text, &[Shortest(1), Longest(1024), Match("^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]),
        "Why the status is what it is, in one word.",
    )
    .required(),
    field("message", &With(&Text, &[Longest(32768)]), "Why the status is what it is, for people to read.")
        .required(),
]);

/// A name with a DNS subdomain before it, if any.
const QUALIFIED_NAME: &str = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?\
                              (([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";
