//! Who must have signed: sets of attestors, and how many of each set.

use portcullis_gocompat::wildcard;
use portcullis_model::Resource;
use portcullis_value::Value;

use super::key::{self, HashName, Signatory, Trial};
use super::signed::{Comparison, Signed};
use super::text;
use crate::scope::Scope;
use crate::variable::VariableError;

/// How deep sets may be nested in sets.
const MAX_DEPTH: usize = 16;

/// What checking one signature costs, in steps of an evaluation: so many that a rule cannot check thousands.
const SIGNATURE_STEPS: u64 = 2_000;

/// Attestors of which a number must have signed.
#[derive(Debug)]
pub(super) struct AttestorSet {
    required: usize,
    entries: Box<[Attestor]>,
}

/// One attestor, or a set in the place of one.
#[derive(Debug)]
struct Attestor {
    /// What annotations of the object must be, wildcards allowed.
    annotations: Box<[(Box<str>, Box<str>)]>,
    who: Who,
}

#[derive(Debug)]
enum Who {
    /// `Err` where its key cannot be read, which is said when it is used.
    Signatory(Result<Signatory, String>),
    Set(AttestorSet),
}

/// What came of an attestor, or of a set of them, with the reason.
#[derive(Debug)]
pub(super) enum Attested {
    Verified(String),
    Failed(String),
    Error(String),
}

impl AttestorSet {
    /// Compiles an entry of `attestors`.
    ///
    /// # Errors
    /// It asks for something that is not executed: the name of that.
    pub(super) fn compile(set: Value<'_>) -> Result<Self, &'static str> {
        Self::compile_nested(set, 0)
    }

    fn compile_nested(set: Value<'_>, depth: usize) -> Result<Self, &'static str> {
        if depth >= MAX_DEPTH {
            return Err("validate.manifests.attestors.entries.attestor");
        }
        let mut entries = Vec::new();
        for entry in set.get("entries").and_then(Value::as_array).unwrap_or_default() {
            Attestor::compile(*entry, depth, &mut entries)?;
        }
        let count = set.get("count").and_then(Value::as_i64).and_then(|count| usize::try_from(count).ok());
        let required = count.filter(|count| *count > 0).unwrap_or(entries.len());
        Ok(Self { required, entries: entries.into() })
    }

    /// Tries the attestors in turn until enough have signed.
    ///
    /// # Errors
    /// A limit was run into.
    pub(super) fn verify<'a>(
        &self,
        path: &str,
        object: Resource<'a>,
        signed: &Signed<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Attested, VariableError> {
        let (mut verified, mut failed, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        let required = self.required;
        for (index, entry) in self.entries.iter().enumerate() {
            match entry.verify(&format!("{path}.entries[{index}]"), object, signed, scope)? {
                Attested::Verified(message) => verified.push(message),
                Attested::Failed(reason) => failed.push(reason),
                Attested::Error(reason) => errors.push(reason),
            }
            if verified.len() >= required {
                break;
            }
        }
        let counts = format!("verifiedCount {}; requiredCount {required}; message", verified.len());
        Ok(if verified.len() >= required {
            Attested::Verified(format!("manifest verification succeeded; {counts} {}", verified.join(",")))
        } else if errors.is_empty() {
            Attested::Failed(format!("manifest verification failed; {counts} {}", failed.join(",")))
        } else {
            Attested::Error(errors.join("; "))
        })
    }
}

impl Attestor {
    /// Compiles an entry to `entries`: to several where it holds several keys, each of which counts.
    fn compile(entry: Value<'_>, depth: usize, entries: &mut Vec<Self>) -> Result<(), &'static str> {
        let present = |key: &str| entry.get(key).filter(|value| !value.is_null());
        if text(entry, "repository").is_some() {
            return Err("validate.manifests.attestors.entries.repository");
        }
        let annotations = || {
            let annotations = present("annotations").and_then(Value::as_object).unwrap_or_default();
            annotations.iter().filter_map(|(key, value)| Some((key.into(), value.as_str()?.into()))).collect()
        };
        let mut push = |who| entries.push(Self { annotations: annotations(), who });
        if let Some(set) = present("attestor") {
            push(Who::Set(AttestorSet::compile_nested(set, depth + 1)?));
        } else if let Some(keys) = present("keys") {
            let hash = text(keys, "signatureAlgorithm").or_else(|| text(entry, "signatureAlgorithm"));
            let hash = HashName::of(hash.unwrap_or_default());
            for key in static_keys(keys)? {
                push(Who::Signatory(hash.clone().and_then(|hash| Signatory::of_key(&key, hash))));
            }
        } else if let Some(certificates) = present("certificates") {
            if asks_log(certificates) {
                return Err("validate.manifests.attestors.entries.certificates.rekor");
            }
            let certificate = text(certificates, "cert").unwrap_or_default();
            let chain = text(certificates, "certChain");
            let hash = HashName::of(text(entry, "signatureAlgorithm").unwrap_or_default());
            push(Who::Signatory(hash.and_then(|hash| Signatory::of_certificate(certificate, chain, hash))));
        } else if present("keyless").is_some() {
            return Err("validate.manifests.attestors.entries.keyless");
        } else {
            push(Who::Signatory(Err("neither a key nor a certificate is given".to_owned())));
        }
        Ok(())
    }

    fn verify<'a>(
        &self,
        path: &str,
        object: Resource<'a>,
        signed: &Signed<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Attested, VariableError> {
        for (key, pattern) in &self.annotations {
            let value = object.annotations().get(key).and_then(Value::as_str).unwrap_or_default();
            if !wildcard::matches_within(pattern, value, scope.budget())? {
                return Ok(Attested::Failed(unverified(
                    path,
                    format_args!(
                        "annotations mismatch: `{key}` does not match the required value `{pattern}`"
                    ),
                )));
            }
        }
        match &self.who {
            Who::Set(set) => {
                scope.nested(|scope| set.verify(&format!("{path}.attestor"), object, signed, scope))
            }
            Who::Signatory(Ok(signatory)) => {
                verify_signature(signatory, &format!("{path}.{}", signatory.field()), signed, scope)
            }
            Who::Signatory(Err(reason)) => {
                Ok(Attested::Error(unverified(&format!("{path}.keys"), format_args!("{reason}"))))
            }
        }
    }
}

/// Whether one of the signatures is that of `signatory`, who stands at `path`.
fn verify_signature<'a>(
    signatory: &Signatory,
    path: &str,
    signed: &Signed<'a>,
    scope: &mut Scope<'a, '_, '_>,
) -> Result<Attested, VariableError> {
    let (message, signatures, comparison) = match signed {
        Signed::Not(reason) => {
            return Ok(Attested::Failed(format!(
                "{path}: YAML manifest not found for this resource: {reason}"
            )));
        }
        Signed::Manifest { message, signatures, comparison } => (message, signatures, comparison),
    };
    let count = signatures.len();
    if count == 0 {
        return Ok(Attested::Failed(unverified(path, format_args!("signature not found"))));
    }
    scope.budget().steps(SIGNATURE_STEPS * u64::try_from(count).unwrap_or(u64::MAX))?;
    let mut trials = Vec::new();
    for (index, signature) in signatures.iter().enumerate() {
        match signatory.try_signature(message, signature, scope.now()) {
            Trial::Verified => break,
            Trial::Refused(why) => trials.push(Value::String(
                scope
                    .arena()
                    .format(format_args!("[publickey 1/1] [signature {}/{count}] error: {why}", index + 1)),
            )),
        }
    }
    Ok(if trials.len() == count {
        let trials = key::json(Value::Array(&trials));
        Attested::Error(unverified(
            path,
            format_args!("verification failed for {count} signature. all trials: {trials}"),
        ))
    } else {
        match comparison {
            Comparison::Same => Attested::Verified(format!("singed by a valid signer: {}", signatory.name())),
            Comparison::Differs(differences) => {
                Attested::Failed(format!("{path}: failed to verify signature. diff found; {differences}"))
            }
        }
    })
}

/// Why a signature is not what it should be, in the reference's words.
fn unverified(path: &str, why: std::fmt::Arguments<'_>) -> String {
    format!("{path}: failed to verify signature: {why}")
}

/// The keys of an attestor in PEM, one by one.
fn static_keys(keys: Value<'_>) -> Result<Vec<String>, &'static str> {
    if text(keys, "kms").is_some() {
        return Err("validate.manifests.attestors.entries.keys.kms");
    }
    if keys.get("secret").is_some_and(|secret| !secret.is_null()) {
        return Err("validate.manifests.attestors.entries.keys.secret");
    }
    if asks_log(keys) {
        return Err("validate.manifests.attestors.entries.keys.rekor");
    }
    let pem = text(keys, "publicKeys").unwrap_or_default();
    // `k8s://namespace/secret`, or the URI of a key service.
    if pem.contains("://") {
        return Err("validate.manifests.attestors.entries.keys.publicKeys");
    }
    Ok(key::split_pem(pem))
}

/// Whether a signature must be in a log of signatures, which only the log could tell.
fn asks_log(holder: Value<'_>) -> bool {
    let rekor = holder.get("rekor").filter(|rekor| !rekor.is_null());
    rekor.is_some_and(|rekor| rekor.get("ignoreTlog").and_then(Value::as_bool) != Some(true))
}
