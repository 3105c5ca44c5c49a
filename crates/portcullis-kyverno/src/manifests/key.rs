//! Public keys and certificates, and signatures checked with them.

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use portcullis_value::Value;
use portcullis_value::json::Writer;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_PKCS1_RSAENCRYPTION,
    OID_SIG_ED25519, Oid,
};
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

/// The hash that is signed in place of the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum HashName {
    #[default]
    Sha256,
    Sha384,
    Sha512,
}

impl HashName {
    /// The hash of this name, which is `sha256` where it is empty.
    pub(super) fn of(name: &str) -> Result<Self, String> {
        match name {
            "" | "sha256" => Ok(HashName::Sha256),
            "sha384" => Ok(HashName::Sha384),
            "sha512" => Ok(HashName::Sha512),
            other => Err(format!(
                "the signature algorithm `{other}` is not known, hint: there are `sha256`, `sha384` and `sha512`"
            )),
        }
    }
}

/// Whoever holds the private key of a public one.
#[derive(Debug)]
pub(super) struct Signatory {
    key: Box<[u8]>,
    kind: KeyKind,
    hash: HashName,
    certificate: Option<Identity>,
}

/// What a certificate adds to a key.
#[derive(Debug)]
struct Identity {
    name: Box<str>,
    /// Seconds since 1970-01-01 UTC.
    not_before: i64,
    not_after: i64,
}

#[derive(Clone, Copy, Debug)]
enum KeyKind {
    P256,
    P384,
    P521,
    Rsa,
    Ed25519,
}

/// What came of one key and one signature.
#[derive(Debug)]
pub(super) enum Trial {
    Verified,
    /// Why it was not made with the key.
    Refused(String),
}

impl Signatory {
    /// Whoever holds the private key of `pem`.
    ///
    /// # Errors
    /// It is no public key in PEM, or of a kind that is not known here.
    pub(super) fn of_key(pem: &str, hash: HashName) -> Result<Self, String> {
        let block = blocks(pem).next().ok_or("there is no PEM block in `publicKeys`")?;
        match block.label.as_str() {
            "PUBLIC KEY" => {
                let (_, info) = SubjectPublicKeyInfo::from_der(&block.contents)
                    .map_err(|error| format!("the public key cannot be read: {error}"))?;
                Self::of_info(&info, hash, None)
            }
            // PKCS #1 holds the numbers of the key and nothing around them.
            "RSA PUBLIC KEY" => {
                Ok(Self { key: block.contents.into(), kind: KeyKind::Rsa, hash, certificate: None })
            }
            other => Err(format!("a PEM block `{other}` is no public key")),
        }
    }

    /// Whoever holds the private key of the certificate in `pem`, which must be issued by the first of `chain`, that one by
    /// the next, and so on. Without a chain the certificate is trusted as it stands.
    ///
    /// # Errors
    /// A certificate cannot be read, or was not issued by the next of the chain.
    pub(super) fn of_certificate(pem: &str, chain: Option<&str>, hash: HashName) -> Result<Self, String> {
        let unreadable = |error| format!("the certificate cannot be read: {error}");
        let chain: Vec<Pem> = blocks(chain.unwrap_or_default()).collect();
        let block = blocks(pem).next().ok_or("there is no PEM block in `cert`")?;
        let certificate = block.parse_x509().map_err(|error| unreadable(error.to_string()))?;
        let mut issued = certificate.clone();
        for issuer in &chain {
            let issuer = issuer.parse_x509().map_err(|error| unreadable(error.to_string()))?;
            let name = issuer.subject();
            if !issuer.is_ca() {
                return Err(format!("`{name}` of the chain is no certificate authority"));
            }
            if issued.issuer() != name || issued.verify_signature(Some(issuer.public_key())).is_err() {
                return Err(format!("`{}` was not issued by `{name}`", issued.subject()));
            }
            issued = issuer.clone();
        }
        let validity = certificate.validity();
        let identity = Identity {
            name: name_of(&certificate).into(),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        };
        Self::of_info(certificate.public_key(), hash, Some(identity))
    }

    fn of_info(
        info: &SubjectPublicKeyInfo<'_>,
        hash: HashName,
        certificate: Option<Identity>,
    ) -> Result<Self, String> {
        let kind = kind_of(info).ok_or_else(|| {
            format!("keys of the kind {} are not known here", info.algorithm.algorithm.to_id_string())
        })?;
        Ok(Self { key: info.subject_public_key.data.as_ref().into(), kind, hash, certificate })
    }

    /// The field of an attestor that it stands in.
    pub(super) fn field(&self) -> &'static str {
        if self.certificate.is_some() { "certificates" } else { "keys" }
    }

    /// Who that is; empty where nothing but the key is known.
    pub(super) fn name(&self) -> &str {
        self.certificate.as_ref().map_or("", |identity| &identity.name)
    }

    /// Whether `signature` of `message` was made with the private key; a certificate must be valid at `now`, in nanoseconds
    /// since 1970-01-01 UTC.
    pub(super) fn try_signature(&self, message: &[u8], signature: &[u8], now: i64) -> Trial {
        if let Some(identity) = &self.certificate {
            let now = now.div_euclid(1_000_000_000);
            if now < identity.not_before || now > identity.not_after {
                return Trial::Refused("the certificate has expired, or is not valid yet".to_owned());
            }
        }
        match UnparsedPublicKey::new(self.algorithm(), &self.key).verify(message, signature) {
            Ok(()) => Trial::Verified,
            Err(_) => {
                Trial::Refused(format!("cosign.VerifyBlobCmd.Exec() returned an error: {}", self.refusal()))
            }
        }
    }

    fn algorithm(&self) -> &'static dyn VerificationAlgorithm {
        use HashName::{Sha256, Sha384, Sha512};
        match (self.kind, self.hash) {
            (KeyKind::P256, Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
            (KeyKind::P256, Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
            (KeyKind::P256, Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
            (KeyKind::P384, Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
            (KeyKind::P384, Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
            (KeyKind::P384, Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
            (KeyKind::P521, Sha256) => &signature::ECDSA_P521_SHA256_ASN1,
            (KeyKind::P521, Sha384) => &signature::ECDSA_P521_SHA384_ASN1,
            (KeyKind::P521, Sha512) => &signature::ECDSA_P521_SHA512_ASN1,
            (KeyKind::Rsa, Sha256) => &signature::RSA_PKCS1_2048_8192_SHA256,
            (KeyKind::Rsa, Sha384) => &signature::RSA_PKCS1_2048_8192_SHA384,
            (KeyKind::Rsa, Sha512) => &signature::RSA_PKCS1_2048_8192_SHA512,
            // Signs messages whole, with a hash of its own.
            (KeyKind::Ed25519, _) => &signature::ED25519,
        }
    }

    /// What the reference says of a signature that was made with another key.
    fn refusal(&self) -> &'static str {
        match self.kind {
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => {
                "invalid signature when validating ASN.1 encoded signature"
            }
            KeyKind::Rsa => "crypto/rsa: verification error",
            KeyKind::Ed25519 => "failed to verify signature",
        }
    }
}

fn kind_of(info: &SubjectPublicKeyInfo<'_>) -> Option<KeyKind> {
    let algorithm = &info.algorithm;
    let curve: Option<Oid<'_>> = algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
    match () {
        () if algorithm.algorithm == OID_PKCS1_RSAENCRYPTION => Some(KeyKind::Rsa),
        () if algorithm.algorithm == OID_SIG_ED25519 => Some(KeyKind::Ed25519),
        () if algorithm.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY => None,
        () if curve == Some(OID_EC_P256) => Some(KeyKind::P256),
        () if curve == Some(OID_NIST_EC_P384) => Some(KeyKind::P384),
        () if curve == Some(OID_NIST_EC_P521) => Some(KeyKind::P521),
        () => None,
    }
}

/// Whom a certificate is for: the first address or URL that it names, else the common name of its subject.
fn name_of(certificate: &X509Certificate<'_>) -> String {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let names = alternative.iter().flat_map(|extension| &extension.value.general_names);
    let name = names.into_iter().find_map(|name| match name {
        GeneralName::RFC822Name(name) | GeneralName::URI(name) => Some(*name),
        _ => None,
    });
    let common = || certificate.subject().iter_common_name().find_map(|name| name.as_str().ok());
    name.or_else(common).unwrap_or_default().to_owned()
}

/// The PEM blocks of `text`, up to the first that is broken.
fn blocks(text: &str) -> impl Iterator<Item = Pem> {
    Pem::iter_from_buffer(text.as_bytes()).map_while(Result::ok)
}

/// The PEM blocks of `text` apart. Text without any is one block, which cannot be read.
pub(super) fn split_pem(text: &str) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN ";
    let blocks = text.split(BEGIN).skip(1).map(|block| format!("{BEGIN}{block}"));
    let blocks: Vec<String> = blocks.collect();
    if blocks.is_empty() { vec![text.to_owned()] } else { blocks }
}

/// `value` as JSON as Go writes it.
pub(super) fn json(value: Value<'_>) -> String {
    Writer::compact().escape_html().to_string(value)
}
