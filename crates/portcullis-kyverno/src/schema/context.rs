//! Where variables come from: `context`, `imageExtractors`.

use super::Demand::ExactlyOne;
use super::Shape::{Any, Enum, Fields, Flag, List, Map, Text, With};
use super::{Shape, TEXTS, field};

/// The entries of a context.
pub(super) static CONTEXT: Shape = List(&With(
    &Fields(&[
        field("name", &Text, "The name of the variable.").required(),
        field("configMap", &CONFIG_MAP, "The variable is a ConfigMap; its values are `name.data.key`."),
        field("apiCall", &API_CALL, "The variable is what the API server or a service answers."),
        field("imageRegistry", &IMAGE_REGISTRY, "The variable is what a registry knows of an image."),
        field("variable", &VARIABLE, "The variable is a value, or what an expression finds in one."),
        field("globalReference", &GLOBAL_REFERENCE, "The variable is a GlobalContextEntry."),
    ]),
    &[ExactlyOne(&["configMap", "apiCall", "imageRegistry", "variable", "globalReference"])],
));

static CONFIG_MAP: Shape = Fields(&[
    field("name", &Text, "The name of the ConfigMap.").required(),
    field("namespace", &Text, "The namespace of the ConfigMap."),
]);

static API_CALL: Shape = Fields(&[
    field(
        "urlPath",
        &Text,
        "The path on the API server, as `kubectl get --raw` takes it. Not with `service`.",
    ),
    field("method", &Enum(&["GET", "POST"]), "The HTTP method.").default("\"GET\""),
    field(
        "data",
        &List(&Fields(&[
            field("key", &Text, "The key in the body.").required(),
            field("value", &Any, "The value under the key.").required(),
        ])),
        "The body of a POST: a map of these keys and values.",
    ),
    field(
        "service",
        &Fields(&[
            field("url", &Text, "The URL of the service: `https://name.namespace:port/path`.").required(),
            field(
                "headers",
                &List(&Fields(&[
                    field("key", &Text, "The name of the header.").required(),
                    field("value", &Text, "The value of the header.").required(),
                ])),
                "Headers that are sent along.",
            ),
            field("caBundle", &Text, "The certificates, in PEM, that the service's is checked by.").always(),
        ]),
        "A service that is asked in place of the API server.",
    ),
    field("default", &Any, "The value when the call fails or finds nothing."),
    field("jmesPath", &Text, "A JMESPath expression that takes the value out of the answer."),
]);

static IMAGE_REGISTRY: Shape = Fields(&[
    field("reference", &Text, "The image: `ghcr.io/name/image:tag`.").required(),
    field("jmesPath", &Text, "A JMESPath expression that takes the value out of what the registry knows."),
    field("imageRegistryCredentials", &REGISTRY_CREDENTIALS, "How to sign in to the registry."),
]);

/// How to sign in to a registry.
pub(super) static REGISTRY_CREDENTIALS: Shape = Fields(&[
    field("allowInsecureRegistry", &Flag, "Whether a registry without TLS will do."),
    field(
        "providers",
        &List(&Enum(&["default", "amazon", "azure", "google", "github"])),
        "Where credentials come from: the clouds, GitHub, or the configuration of Docker (`default`).",
    ),
    field("secrets", &TEXTS, "Pull secrets in the engine's own namespace."),
]);

static VARIABLE: Shape = Fields(&[
    field("value", &Any, "The value; variables work in it."),
    field("jmesPath", &Text, "A JMESPath expression on the value, or on all variables if there is no value."),
    field("default", &Any, "The value when the expression finds nothing."),
]);

static GLOBAL_REFERENCE: Shape = Fields(&[
    field("name", &Text, "The name of the GlobalContextEntry.").required(),
    field("jmesPath", &Text, "A JMESPath expression that takes the value out of it."),
]);

/// `imageExtractors`, by kind.
pub(super) static IMAGE_EXTRACTORS: Shape = Map(&List(&Fields(&[
    field("path", &Text, "Where the containers are, with slashes and `*`: `/spec/containers/*`.").required(),
    field("value", &Text, "The field that holds the image, if `path` does not lead to it."),
    field("name", &Text, "The name under which the images stand in `images`; `custom` without it."),
    field("key", &Text, "The field whose value names an image among its like."),
    field("jmesPath", &Text, "A JMESPath expression that makes an image reference of the value."),
])));
