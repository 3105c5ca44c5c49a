//! Signed manifests: who signed, what was signed, and what the object may differ in.

use std::io::Write;
use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use portcullis_model::{Input, Operation};
use portcullis_value::{Arena, Object, Value};
use proptest::prelude::*;

use crate::policies::{evaluate, policy};

const DOMAIN: &str = "cosign.sigstore.dev";
const VERIFIED: &str = "r pass: verified manifest signatures; manifest verification succeeded; verifiedCount 1; \
                        requiredCount 1; message singed by a valid signer: ";
const CONFIG: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, labels: {a: b}}\ndata: {x: \"1\"}\n";

/// What makes the signature of a message.
type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A key that signs, and its public half in PEM.
struct Signer {
    sign: Sign,
    public: String,
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> =
        base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn ecdsa(algorithm: &'static aws_lc_rs::signature::EcdsaSigningAlgorithm) -> Signer {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let public = pem("PUBLIC KEY", der.as_ref());
    let sign = move |message: &[u8]| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
    Signer { sign: Box::new(sign), public }
}

fn p256() -> Signer {
    ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING)
}

fn rsa() -> Signer {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let public = pem("PUBLIC KEY", der.as_ref());
    let sign = move |message: &[u8]| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    };
    Signer { sign: Box::new(sign), public }
}

fn ed25519() -> Signer {
    let pair = Ed25519KeyPair::generate().unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let public = pem("PUBLIC KEY", der.as_ref());
    Signer { sign: Box::new(move |message: &[u8]| pair.sign(message).as_ref().to_vec()), public }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A rule whose attestors are one set of `entries`.
fn rule(entries: &str, more: &str) -> String {
    format!("validate: {{manifests: {{attestors: [{{entries: [{entries}]}}]{more}}}}}")
}

fn key(signer: &Signer) -> String {
    format!("{{keys: {{publicKeys: {:?}}}}}", signer.public)
}

/// `object` with the annotations of what `signers` signed, which is `message`.
fn signed(object: &str, message: &[u8], signers: &[&Signer]) -> String {
    let arena = Arena::new();
    let mut document = portcullis_yaml::read(&arena, object).unwrap();
    let mut annotate = |name: &str, bytes: &[u8]| {
        let key = arena.str(&format!("{DOMAIN}/{name}"));
        document =
            document.with(&arena, &["metadata", "annotations", key], arena.string(&STANDARD.encode(bytes)));
    };
    annotate("message", &gzip(message));
    for (index, signer) in signers.iter().enumerate() {
        let name = if index == 0 { "signature".to_owned() } else { format!("signature_{index}") };
        annotate(&name, &(signer.sign)(message));
    }
    document.to_string()
}

fn judge(rule: &str, object: &str) -> String {
    evaluate(&policy("'*'", rule), object, |_| {})
}

/// What comes of `object` whose manifest was signed by a key that the policy asks for.
fn judge_signed(manifest: &str, object: &str, more: &str) -> String {
    let signer = p256();
    judge(&rule(&key(&signer), more), &signed(object, manifest.as_bytes(), &[&signer]))
}

/// The end of what is said of an object that differs.
fn differs(key: &str, before: &str, after: &str) -> String {
    format!(
        "r fail: manifest verification failed; verifiedCount 0; requiredCount 1; message .attestors[0].entries[0].keys: \
         failed to verify signature. diff found; {{\"items\":[{{\"key\":\"{key}\",\"values\":{{\"after\":{after},\
         \"before\":{before}}}}}]}}"
    )
}

#[test]
fn keys_of_all_kinds_verify_what_they_signed_and_nothing_else() {
    let (p384, p521) = (ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING), ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING));
    for (signer, hash) in
        [(p256(), ""), (p384, "sha384"), (p521, "sha512"), (rsa(), "sha256"), (ed25519(), "sha256")]
    {
        let object = signed(CONFIG, CONFIG.as_bytes(), &[&signer]);
        let entry = |signer: &Signer| {
            format!("{{keys: {{publicKeys: {:?}, signatureAlgorithm: '{hash}'}}}}", signer.public)
        };
        assert_eq!(judge(&rule(&entry(&signer), ""), &object), VERIFIED, "{hash}");
        let said = judge(&rule(&entry(&p256()), ""), &object);
        let want = "r error: error occurred during manifest verification: .attestors[0].entries[0].keys: failed to \
                    verify signature: verification failed for 1 signature. all trials: [\"[publickey 1/1] [signature 1/1] \
                    error: cosign.VerifyBlobCmd.Exec() returned an error: invalid signature when validating ASN.1 \
                    encoded signature\"]";
        assert_eq!(said, want, "{hash}");
        // A signature of another manifest is none of this one.
        let other = object.replace(
            &STANDARD.encode(gzip(CONFIG.as_bytes())),
            &STANDARD.encode(gzip(CONFIG.replace("\"1\"", "\"2\"").as_bytes())),
        );
        assert!(judge(&rule(&entry(&signer), ""), &other).starts_with("r error: "), "{hash}");
    }
}

#[test]
fn as_many_as_are_asked_for_must_have_signed() {
    let (a, b, c) = (p256(), p256(), p256());
    let object = signed(CONFIG, CONFIG.as_bytes(), &[&a, &b]);
    let sets = |count: &str, entries: &[&Signer]| {
        let entries: Vec<String> = entries.iter().map(|signer| key(signer)).collect();
        let set = format!("{{{count}entries: [{}]}}", entries.join(", "));
        let said = judge(&format!("validate: {{manifests: {{attestors: [{set}]}}}}"), &object);
        said.split_once(": ").unwrap().0.to_owned()
    };
    assert_eq!(sets("", &[&a, &b]), "r pass");
    assert_eq!(sets("", &[&a, &c]), "r error");
    assert_eq!(sets("count: 1, ", &[&c, &b]), "r pass");
    assert_eq!(sets("count: 2, ", &[&c, &b, &a]), "r pass");
    assert_eq!(sets("count: 2, ", &[&c, &b]), "r error");
    // Several keys in one entry count each.
    let two = format!("{{keys: {{publicKeys: {:?}}}}}", format!("{}{}", a.public, b.public));
    assert!(judge(&rule(&two, ""), &object).contains("verifiedCount 2; requiredCount 2"));
    let nested = format!("{{attestor: {{count: 1, entries: [{}, {}]}}}}", key(&c), key(&a));
    assert!(judge(&rule(&nested, ""), &object).starts_with("r pass: "));
}

#[test]
fn what_is_not_signed_fails_and_an_object_that_is_gone_is_not_judged() {
    let signer = p256();
    let rule = rule(&key(&signer), "");
    assert_eq!(
        judge(&rule, CONFIG),
        "r fail: manifest verification failed; verifiedCount 0; requiredCount 1; message .attestors[0].entries[0].keys: \
         YAML manifest not found for this resource: message not found"
    );
    assert!(
        judge(&rule, &signed(CONFIG, CONFIG.as_bytes(), &[]))
            .ends_with("keys: failed to verify signature: signature not found")
    );
    let of_another = CONFIG.replace("name: c", "name: d");
    assert!(judge(&rule, &signed(CONFIG, of_another.as_bytes(), &[&signer])).starts_with("r fail: "));
    let delete = |input: &mut Input<'_>| {
        (input.operation, input.old_object, input.object) = (Operation::Delete, input.object, None);
    };
    assert_eq!(evaluate(&policy("'*'", &rule), CONFIG, delete), "");
}

#[test]
fn a_field_that_was_changed_added_or_taken_away_is_told() {
    let change = |from: &str, to: &str| judge_signed(CONFIG, &CONFIG.replace(from, to), "");
    assert_eq!(change("\"1\"", "\"2\""), differs("data.x", "\"1\"", "\"2\""));
    assert_eq!(change("a: b", "a: b, c: d"), differs("metadata.labels.c", "null", "\"d\""));
    assert_eq!(change("labels: {a: b}", "labels: {}"), differs("metadata.labels.a", "\"b\"", "null"));
    assert_eq!(change("\ndata: {x: \"1\"}", ""), differs("data.x", "\"1\"", "null"));
    // An empty map may mean much.
    assert_eq!(change("\ndata", "\nspec: {selector: {}}\ndata"), differs("spec.selector", "null", "{}"));
    // Unless the policy lets it differ.
    let ignoring = |objects: &str| {
        let ignored =
            format!(", ignoreFields: [{{objects: {objects}, fields: ['data.*', metadata.labels]}}]");
        let changed = CONFIG.replace("\"1\"", "\"2\"").replace("a: b", "c: d");
        judge_signed(CONFIG, &changed, &ignored)
    };
    assert_eq!(ignoring("[{kind: Config*, name: '?'}]"), VERIFIED);
    assert!(ignoring("[{kind: Secret}]").starts_with("r fail: "));
}

#[test]
fn what_the_api_server_fills_in_may_be_what_it_fills_in_alone() {
    let manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  selector: {matchLabels: {a: b}}\n  \
                    template:\n    metadata: {labels: {a: b}}\n    spec:\n      containers:\n      - name: c\n        \
                    image: nginx\n        resources: {limits: {cpu: 1000m}}\n";
    let filled = manifest
        .replace("{name: d}", "{name: d, namespace: n, uid: u, generation: 1, managedFields: [{manager: m}]}")
        .replace("cpu: 1000m}", "cpu: \"1\"}, requests: {cpu: \"1\"}")
        .replace(
            "      containers",
            "      restartPolicy: Always\n      securityContext: {}\n      containers",
        )
        .replace("image: nginx", "image: nginx\n        imagePullPolicy: Always")
        + "  replicas: 1\nstatus: {}\n";
    assert_eq!(judge_signed(manifest, &filled, ""), VERIFIED);
    let with = |from: &str, to: &str| judge_signed(manifest, &filled.replace(from, to), "");
    let at = |field: &str| format!("spec.template.spec.{field}");
    assert_eq!(with("replicas: 1", "replicas: 9"), differs("spec.replicas", "null", "9"));
    assert_eq!(
        with("imagePullPolicy: Always", "imagePullPolicy: Never"),
        differs(&at("containers.0.imagePullPolicy"), "null", "\"Never\"")
    );
    assert_eq!(
        with("securityContext: {}", "securityContext: {runAsUser: 0}"),
        differs(&at("securityContext.runAsUser"), "null", "0")
    );
    assert_eq!(
        with("requests: {cpu: \"1\"}", "requests: {cpu: \"2\"}"),
        differs(&at("containers.0.resources.requests.cpu"), "null", "\"2\"")
    );
    assert_eq!(with("securityContext: {}", "hostNetwork: true"), differs(&at("hostNetwork"), "null", "true"));
}

#[test]
fn a_message_is_unpacked_from_an_archive_and_within_bounds() {
    let signer = p256();
    let rule = rule(&key(&signer), "");
    let mut header = vec![0_u8; 512];
    header[..6].copy_from_slice(b"c.yaml");
    header[124..135].copy_from_slice(format!("{:011o}", CONFIG.len()).as_bytes());
    header[156] = b'0';
    let mut archive = [header, CONFIG.as_bytes().to_vec()].concat();
    archive.resize(4 * 512, 0);
    assert_eq!(judge(&rule, &signed(CONFIG, &gzip(&archive), &[&signer])), VERIFIED);
    let refused = |message: &[u8], why: &str| {
        let said = judge(&rule, &signed(CONFIG, message, &[&signer]));
        assert!(said.starts_with("r fail: ") && said.ends_with(why), "{said}");
    };
    refused(&vec![b' '; 100 << 20], "the message is longer than 1048576 bytes");
    refused(&gzip(&vec![0; 100 << 20]), "the message is longer than 1048576 bytes");
    refused(&gzip(&archive)[..40], "failed to decompress the message: incomplete deflate stream");
    // An archive that promises more than it holds.
    archive[124..135].copy_from_slice(b"77777777777");
    refused(&gzip(&archive), "the message holds no manifest of it");
}

#[test]
fn a_rule_names_the_domain_of_the_annotations() {
    let signer = p256();
    let object = signed(CONFIG, CONFIG.as_bytes(), &[&signer]).replace(DOMAIN, "sign.example");
    assert_eq!(judge(&rule(&key(&signer), ", annotationDomain: sign.example"), &object), VERIFIED);
    assert!(judge(&rule(&key(&signer), ""), &object).ends_with("message not found"));
}

#[test]
fn dry_runs_pass() {
    static REQUEST: &[(&str, Value<'_>)] = &[("dryRun", Value::Bool(true))];
    static VARIABLES: LazyLock<[(&str, Value<'_>); 1]> =
        LazyLock::new(|| [("request", Value::Object(Object::from_sorted(REQUEST)))]);
    let rule = rule(&key(&p256()), "");
    let dry_run = |input: &mut Input<'_>| {
        input.variables = Object::from_sorted(&*VARIABLES);
    };
    let said = evaluate(&policy("'*'", &rule), CONFIG, dry_run);
    assert_eq!(said, "r pass: allowed because of DryRun request");
}

#[test]
fn what_only_a_network_could_tell_is_not_executed() {
    for (entry, part) in [
        ("{keyless: {issuer: a, subject: b}}", "attestors.entries.keyless"),
        ("{keys: {secret: {name: a, namespace: b}}}", "attestors.entries.keys.secret"),
        ("{keys: {kms: 'awskms:///k'}}", "attestors.entries.keys.kms"),
        ("{keys: {publicKeys: 'k8s://a/b'}}", "attestors.entries.keys.publicKeys"),
        ("{keys: {publicKeys: a, rekor: {url: 'https://rekor.example'}}}", "attestors.entries.keys.rekor"),
        ("{keys: {publicKeys: a}, repository: r.example/x}", "attestors.entries.repository"),
    ] {
        let want = format!("r error: not executed yet: validate.manifests.{part}");
        assert_eq!(judge(&rule(entry, ""), CONFIG), want);
    }
}

#[test]
fn a_key_that_cannot_be_read_is_an_error_that_says_so() {
    let said = judge(&rule("{keys: {publicKeys: nonsense}}", ""), CONFIG);
    assert!(
        said.ends_with(".keys: failed to verify signature: there is no PEM block in `publicKeys`"),
        "{said}"
    );
}

/// Documents of lists, maps and scalars.
fn document() -> impl Strategy<Value = serde_json::Value> {
    let scalar = prop_oneof![
        any::<bool>().prop_map(serde_json::Value::from),
        (0..5_i64).prop_map(serde_json::Value::from),
        "[a-c]{1,2}".prop_map(serde_json::Value::from),
    ];
    scalar.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(serde_json::Value::from),
            prop::collection::btree_map("[a-d]", inner, 1..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is signed is verified, and whatever else the object holds is found.
    #[test]
    fn an_object_passes_exactly_if_it_is_what_was_signed(signed_spec in document(), spec in document()) {
        let object = |spec: &serde_json::Value| {
            format!("{{apiVersion: x.example/v1, kind: Thing, metadata: {{name: t}}, spec: {{x: {spec}}}}}")
        };
        let said = judge_signed(&object(&signed_spec), &object(&spec), "");
        prop_assert_eq!(said == VERIFIED, signed_spec == spec, "{}", said);
    }
}
