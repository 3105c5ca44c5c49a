//! What makes other objects: `generate`.

use super::Shape::{Any, Fields, Flag, List, Text};
use super::conditions::OPEN_ANY_ALL;
use super::context::CONTEXT;
use super::selection::LABEL_SELECTOR;
use super::{Field, Shape, TEXTS, field};

pub(super) static GENERATE: Shape = Fields(&[
    field("generateExisting", &Flag, "Whether objects that are there already trigger the rule, too.")
        .pointer(),
    field(
        "synchronize",
        &Flag,
        "Whether the generated objects follow their source, and are deleted with the trigger.",
    ),
    field(
        "orphanDownstreamOnPolicyDelete",
        &Flag,
        "Whether the generated objects stay when the policy or the rule is deleted.",
    ),
    API_VERSION,
    KIND,
    NAMESPACE,
    NAME,
    UID,
    DATA,
    CLONE,
    CLONE_LIST,
    field("foreach", &GENERATE_FOREACH, "Objects made once for each element of a list."),
]);

static GENERATE_FOREACH: Shape = List(&Fields(&[
    field("list", &Text, "A JMESPath expression for the list; its element is `element` in expressions."),
    field("context", &CONTEXT, "Variables for each element."),
    field("preconditions", &OPEN_ANY_ALL, "An element is passed over unless these hold."),
    API_VERSION,
    KIND,
    NAMESPACE,
    NAME,
    UID,
    DATA,
    CLONE,
    CLONE_LIST,
]));

const API_VERSION: Field = field("apiVersion", &Text, "The group and version of the object.");
const KIND: Field = field("kind", &Text, "The kind of the object.");
const NAMESPACE: Field = field("namespace", &Text, "The namespace of the object; variables work.");
const NAME: Field = field("name", &Text, "The name of the object; variables work.");
const UID: Field = field("uid", &Text, "The UID of the object.");
const DATA: Field =
    field("data", &Any, "What the object holds beside kind and name. Not with `clone` or `cloneList`.");
const CLONE: Field = field("clone", &SOURCE, "The object that is copied.").always();
const CLONE_LIST: Field =
    field("cloneList", &SOURCES, "The objects that are copied, under their own names.").always();

static SOURCE: Shape = Fields(&[
    field("namespace", &Text, "The namespace of the source."),
    field("name", &Text, "The name of the source."),
]);

static SOURCES: Shape = Fields(&[
    field("namespace", &Text, "The namespace of the sources."),
    field("kinds", &TEXTS, "The kinds of the sources, as `version/Kind` or `group/version/Kind`."),
    field("selector", &LABEL_SELECTOR, "The labels of the sources."),
]);
