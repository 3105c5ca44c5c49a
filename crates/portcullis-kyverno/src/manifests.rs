//! `validate.manifests`: an object must be what somebody signed.
//!
//! Whoever signs a manifest writes it, packed, and the signature into annotations of the object. The rule unpacks the manifest,
//! checks the signature with keys that the policy holds, and compares the manifest with the object. What only a
//! network could tell (keys in Secrets or key services, identities without keys, logs) is not asked for: such a rule
//! is not executed.

mod attestor;
mod difference;
mod filled;
mod key;
mod signed;

use portcullis_model::{Resource, Status};
use portcullis_value::Value;

use crate::ending::Ending;
use crate::scope::Scope;
use crate::variable::VariableError;

use attestor::{Attested, AttestorSet};
use difference::IgnoredFields;
use signed::Signed;

/// The domain of the annotations that hold message and signatures, where a rule names no other.
const DEFAULT_DOMAIN: &str = "cosign.sigstore.dev";

/// A `manifests` block, compiled.
#[derive(Debug)]
pub(crate) struct Manifests {
    /// All of them must have signed.
    attestors: Box<[AttestorSet]>,
    domain: Box<str>,
    ignored: Box<[IgnoredFields]>,
}

impl Manifests {
    /// Compiles the block of a rule.
    ///
    /// # Errors
    /// It asks for something that is not executed: the name of that.
    pub(crate) fn compile(block: Value<'_>) -> Result<Self, &'static str> {
        let list = |key| block.get(key).and_then(Value::as_array).unwrap_or_default();
        if text(block, "repository").is_some() {
            return Err("validate.manifests.repository");
        }
        Ok(Self {
            attestors: list("attestors")
                .iter()
                .map(|set| AttestorSet::compile(*set))
                .collect::<Result<_, _>>()?,
            domain: text(block, "annotationDomain").unwrap_or(DEFAULT_DOMAIN).into(),
            ignored: list("ignoreFields").iter().map(|entry| IgnoredFields::compile(*entry)).collect(),
        })
    }

    /// Judges `object`, which is there.
    ///
    /// # Errors
    /// Never: nothing is asked for.
    pub(crate) fn judge<'a>(
        &self,
        object: Value<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Ending<'a>, VariableError> {
        // COMPAT(kyverno): dry runs pass, since the reference compares with the answers to its own.
        let dry_run = scope.get("request").and_then(|request| request.get("dryRun"));
        if dry_run == Some(Value::Bool(true)) {
            return Ok(Ending::new(Status::Pass, "allowed because of DryRun request"));
        }
        match self.verify(Resource(object), scope) {
            Ok(Attested::Verified(message)) => {
                Ok(Ending::new(Status::Pass, format!("verified manifest signatures; {message}")))
            }
            Ok(Attested::Failed(reason)) => Ok(Ending::new(Status::Fail, reason)),
            Ok(Attested::Error(reason)) => Ok(Ending::new(
                Status::Error,
                format!("error occurred during manifest verification: {reason}"),
            )),
            Err(error) => Ending::failed("error occurred during manifest verification: ", error),
        }
    }

    fn verify<'a>(
        &self,
        object: Resource<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Attested, VariableError> {
        let signed = Signed::read(object, &self.domain, &self.ignored, scope)?;
        let mut messages = Vec::new();
        for (index, set) in self.attestors.iter().enumerate() {
            match set.verify(&format!(".attestors[{index}]"), object, &signed, scope)? {
                Attested::Verified(message) => messages.push(message),
                other => return Ok(other),
            }
        }
        Ok(Attested::Verified(messages.join(",")))
    }
}

/// A text that is there and not empty.
fn text<'d>(holder: Value<'d>, key: &str) -> Option<&'d str> {
    holder.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}
