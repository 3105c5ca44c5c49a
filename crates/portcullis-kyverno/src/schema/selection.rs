//! Which objects and requests a rule is about: `match`, `exclude`, selectors.

use super::Demand::NotTogether;
use super::Shape::{Atomic, Enum, Fields, List, Text, With};
use super::{Shape, TEXT_MAP, TEXTS, Version, field};

/// `match` or `exclude` of a rule.
pub(super) static MATCH: Shape = With(
    &Fields(&[
        field("any", &FILTERS, "Selects what at least one of these filters selects."),
        field("all", &FILTERS, "Selects what every one of these filters selects."),
        field("roles", &TEXTS, "Deprecated: write `any` or `all`. Roles of the user, as `namespace:name`.")
            .only(Version::V1),
        field("clusterRoles", &TEXTS, "Deprecated: write `any` or `all`. Cluster roles of the user.")
            .only(Version::V1),
        field("subjects", &SUBJECTS, "Deprecated: write `any` or `all`. Users, groups or service accounts.")
            .only(Version::V1),
        field("resources", &RESOURCES, "Deprecated: write `any` or `all`. The objects that are selected.")
            .only(Version::V1)
            .always(),
    ]),
    &[NotTogether(&["any", "all"])],
);

static FILTERS: Shape = List(&Fields(&[
    field(
        "roles",
        &TEXTS,
        "Requests of a user with one of these roles, as `namespace:name`; wildcards work.",
    ),
    field("clusterRoles", &TEXTS, "Requests of a user with one of these cluster roles; wildcards work."),
    field("subjects", &SUBJECTS, "Requests of one of these users, groups or service accounts."),
    field("resources", &RESOURCES, "Objects that have everything said here.").always(),
]));

static SUBJECTS: Shape = List(&Atomic(&Fields(&[
    field("kind", &Text, "`User`, `Group` or `ServiceAccount`.").required(),
    field(
        "apiGroup",
        &Text,
        "The API group of the subject: `rbac.authorization.k8s.io`, empty for a ServiceAccount.",
    ),
    field("name", &Text, "The name of the subject; wildcards work.").required(),
    field("namespace", &Text, "The namespace of a ServiceAccount."),
])));

static RESOURCES: Shape = With(
    &Fields(&[
        field(
            "kinds",
            &TEXTS,
            "Kinds, as `Kind`, `version/Kind`, `group/version/Kind`, with `/subresource` if need be; wildcards work.",
        ),
        field("name", &Text, "Deprecated: write `names`. The name of the object; wildcards work."),
        field("names", &TEXTS, "The object has one of these names; wildcards work."),
        field("namespaces", &TEXTS, "The object is in one of these namespaces; wildcards work."),
        field(
            "annotations",
            &TEXT_MAP,
            "The object has all these annotations; wildcards work in keys and values.",
        ),
        field("selector", &LABEL_SELECTOR, "The labels of the object; wildcards work in `matchLabels`."),
        field(
            "namespaceSelector",
            &LABEL_SELECTOR,
            "The labels of the object's namespace; wildcards work in `matchLabels`.",
        ),
        field(
            "operations",
            &List(&Enum(&["CREATE", "CONNECT", "UPDATE", "DELETE"])),
            "The request is one of these operations; without it, any that the rule can act on.",
        ),
    ]),
    &[NotTogether(&["name", "names"])],
);

/// A label selector of Kubernetes.
pub(crate) static LABEL_SELECTOR: Shape = Atomic(&Fields(&[
    field("matchLabels", &TEXT_MAP, "Labels that must all be there with these values."),
    field(
        "matchExpressions",
        &Atomic(&List(&Fields(&[
            field("key", &Text, "The key of the label.").required(),
            field("operator", &Text, "`In`, `NotIn`, `Exists` or `DoesNotExist`.").required(),
            field("values", &Atomic(&TEXTS), "The values that `In` and `NotIn` compare with."),
        ]))),
        "Requirements on labels that must all be met.",
    ),
]));
