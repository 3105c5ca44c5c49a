//! What asks for signatures: `verifyImages`, attestors, attestations.

use super::Demand::AtLeast;
use super::Shape::{Any, Enum, Fields, Flag, Integer, List, Text, With};
use super::conditions::ANY_ALL;
use super::context::REGISTRY_CREDENTIALS;
use super::validate::{DENY, FAILURE_ACTION};
use super::{Field, Shape, TEXT_MAP, TEXTS, Version, field};

pub(super) static VERIFY_IMAGES: Shape = List(&VERIFY_IMAGE);

/// An entry of `verifyImages`.
pub(crate) static VERIFY_IMAGE: Shape = Fields(&[
    FAILURE_ACTION,
    field(
        "type",
        &Enum(&["Cosign", "SigstoreBundle", "Notary"]),
        "The kind of signature. Defaults to `Cosign`.",
    ),
    field("image", &Text, "Deprecated: write `imageReferences`.").only(Version::V1),
    field("imageReferences", &TEXTS, "The images that this is for: `ghcr.io/name/*`; wildcards work."),
    field("skipImageReferences", &TEXTS, "Images that this is not for, though `imageReferences` names them."),
    field("key", &Text, "Deprecated: write `attestors`. A public key.").only(Version::V1),
    field("roots", &Text, "Deprecated: write `attestors`. Root certificates in PEM.").only(Version::V1),
    field("subject", &Text, "Deprecated: write `attestors`. Who signed without a key.").only(Version::V1),
    field("issuer", &Text, "Deprecated: write `attestors`. Who vouches for the subject.").only(Version::V1),
    field("additionalExtensions", &TEXT_MAP, "Deprecated: write `attestors`. Extensions of the certificate.")
        .only(Version::V1),
    field("attestors", &ATTESTORS, "Who must have signed the image."),
    field("attestations", &ATTESTATIONS, "Signed statements about the image that must be there."),
    field("annotations", &TEXT_MAP, "Deprecated: write them in `attestors`. Annotations of the signature.")
        .only(Version::V1),
    REPOSITORY,
    field("cosignOCI11", &Flag, "Whether signatures are found as OCI 1.1 referrers.").only(Version::V1),
    field("mutateDigest", &Flag, "Whether the digest is added to an image that is given by its tag.")
        .default("true"),
    field("verifyDigest", &Flag, "Whether an image must be given by its digest.").default("true"),
    field(
        "validate",
        &Fields(&[
            field("message", &Text, "What the user is told when an image fails; variables work."),
            DENY,
        ]),
        "Conditions on images that were verified.",
    )
    .always(),
    field("required", &Flag, "Whether images must have been verified for the object to be let in.")
        .default("true"),
    field("imageRegistryCredentials", &REGISTRY_CREDENTIALS, "How to sign in to the registry."),
    field("useCache", &Flag, "Whether an image that was verified a short while ago is taken as verified.")
        .default("true"),
]);

/// Where `verifyImages` and `manifests` find signatures.
pub(super) const REPOSITORY: Field =
    field("repository", &Text, "The repository of the signatures, if it is not that of the image.");

static ATTESTATIONS: Shape = List(&Fields(&[
    field("name", &Text, "The name of the statement, by which conditions of the rule find it."),
    field("predicateType", &Text, "Deprecated: write `type`."),
    field("type", &Text, "The type of the statement: `https://slsa.dev/provenance/v1`."),
    field("attestors", &ATTESTORS, "Who must have signed the statement."),
    field("conditions", &List(&ANY_ALL), "What must hold of the statement."),
]));

/// Sets of signatories.
pub(super) static ATTESTORS: Shape = List(&Fields(&[
    field(
        "count",
        &With(&Integer, &[AtLeast(1)]),
        "How many of the entries must have signed. Defaults to all.",
    )
    .pointer(),
    field("entries", &List(&ATTESTOR), "The signatories."),
]));

static ATTESTOR: Shape = Fields(&[
    field("keys", &KEYS, "Whoever has the private key of one of these public keys."),
    field(
        "certificates",
        &Fields(&[
            field("cert", &Text, "The certificate in PEM."),
            field("certChain", &Text, "The chain of the certificate in PEM."),
            REKOR,
            CTLOG,
        ]),
        "Whoever has the private key of a certificate.",
    ),
    field("keyless", &KEYLESS, "Whoever proved an identity when signing, without a key of its own."),
    field("attestor", &Any, "A set of signatories in place of one."),
    field("annotations", &TEXT_MAP, "What the annotations of the signature must be."),
    REPOSITORY,
    SIGNATURE_ALGORITHM,
]);

static KEYS: Shape = Fields(&[
    field("publicKeys", &Text, "The keys in PEM, or where they are: `k8s://namespace/secret`."),
    SIGNATURE_ALGORITHM,
    field("kms", &Text, "The URI of a key in a key management service."),
    field(
        "secret",
        &Fields(&[
            field("name", &Text, "The name of the Secret.").required(),
            field("namespace", &Text, "The namespace of the Secret.").required(),
        ]),
        "The Secret that holds the key as `cosign.pub`.",
    ),
    REKOR,
    CTLOG,
]);

static KEYLESS: Shape = Fields(&[
    REKOR,
    CTLOG,
    field("issuer", &Text, "Who vouches for the identity: the URL of an OIDC issuer."),
    field("issuerRegExp", &Text, "The issuer, as a regular expression."),
    field("subject", &Text, "The identity: an e-mail address, or the URL of a workflow; wildcards work."),
    field("subjectRegExp", &Text, "The identity, as a regular expression."),
    field("roots", &Text, "Root certificates in PEM. Defaults to those of Sigstore."),
    field("additionalExtensions", &TEXT_MAP, "What extensions of the certificate must be."),
]);

const SIGNATURE_ALGORITHM: Field = field(
    "signatureAlgorithm",
    &Text,
    "The hash of the signature: `sha224`, `sha256`, `sha384` or `sha512`.",
)
.default("\"sha256\"");

const REKOR: Field = field(
    "rekor",
    &Fields(&[
        field("url", &Text, "The URL of the log. Defaults to that of Sigstore."),
        field("pubkey", &Text, "The public key of the log in PEM."),
        field("ignoreTlog", &Flag, "Whether signatures need not be in the log."),
    ]),
    "The transparency log of signatures.",
);

const CTLOG: Field = field(
    "ctlog",
    &Fields(&[
        field("ignoreSCT", &Flag, "Whether certificates need not be in the log."),
        field("pubkey", &Text, "The public key of the log in PEM."),
        field("tsaCertChain", &Text, "The certificates in PEM of the authority that stamps the time."),
    ]),
    "The transparency log of certificates.",
);
