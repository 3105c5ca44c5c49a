//! `x509_decode`: certificates and signing requests as Go's `crypto/x509` structures in JSON.

mod fields;

use std::str;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use x509_parser::prelude::{FromDer, X509Certificate, X509CertificationRequest};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use self::fields::Fields;
use super::{Arguments, Function, STRING, Type};
use crate::error::Failure;
use crate::evaluate::{Evaluated, Evaluator};

pub(super) const FUNCTIONS: &[Function] = &[Function {
    name: "x509_decode",
    parameters: &[STRING],
    returns: Type::Object,
    doc: "The certificate or certificate request that a string holds in PEM, with an RSA key, as Go shows it.",
    example: (EXAMPLE, r#""web.example.com""#),
    call: x509_decode,
}];

const EXAMPLE: &str = "x509_decode('-----BEGIN CERTIFICATE REQUEST-----
MIHmMIGRAgEAMCwxEDAOBgNVBAoMB0V4YW1wbGUxGDAWBgNVBAMMD3dlYi5leGFt
cGxlLmNvbTBcMA0GCSqGSIb3DQEBAQUAA0sAMEgCQQDHhT9HFDBHar2xHbU2C5dW
77tvD5eTx28t+DsxsC9ghlk0V39Spaw7U3T3fbqzL1TVk1BvREYeljpF7vD+bxs/
AgMBAAGgADANBgkqhkiG9w0BAQsFAANBAAD3g9LGVF3hZuEctMMz2RB2Bv/JLRiv
7SSJuSegYZIdCLtmDASIBZHQ1IYpKNJkTCGV9e8QjdMYtOHeigfZy3Y=
-----END CERTIFICATE REQUEST-----').Subject.CommonName";

/// The longest certificate that is decoded, in bytes: numbers in it are printed in decimal, which takes a time that
/// grows with the square of their length.
const MAX_DER: usize = 64 << 10;

/// How much larger than its PEM a certificate is in JSON at most, most of it copies in base64.
const GROWTH: usize = 16;

fn x509_decode<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let text = arguments.string(0)?;
    evaluator.scan(text)?;
    let block = pem_block(text).ok_or_else(|| Failure::runtime("failed to decode PEM block"))?;
    if block.der.len() > MAX_DER {
        return Err(Failure::runtime(format!("certificate is longer than {MAX_DER} bytes")));
    }
    evaluator.steps(block.der.len())?;
    evaluator.budget.bytes(block.der.len() * GROWTH)?;
    let malformed = |_| Failure::runtime("x509: malformed certificate");
    let mut fields = Fields::new(evaluator.arena);
    match block.label {
        "CERTIFICATE" => {
            let (_, certificate) = X509Certificate::from_der(&block.der).map_err(malformed)?;
            require_rsa(&certificate.tbs_certificate.subject_pki)?;
            fields.certificate(&certificate);
        }
        "CERTIFICATE REQUEST" => {
            let (_, request) = X509CertificationRequest::from_der(&block.der).map_err(malformed)?;
            require_rsa(&request.certification_request_info.subject_pki)?;
            fields.request(&request);
        }
        _ => {
            let message = "PEM block neither contains a CERTIFICATE or CERTIFICATE REQUEST";
            return Err(Failure::runtime(message));
        }
    }
    Ok(fields.into_value())
}

fn require_rsa<'a>(key: &SubjectPublicKeyInfo<'_>) -> Result<(), Failure<'a>> {
    match key.parsed() {
        Ok(PublicKey::RSA(_)) => Ok(()),
        _ => Err(Failure::runtime("certificate should use rsa algorithm")),
    }
}

struct Block<'s> {
    label: &'s str,
    der: Vec<u8>,
}

/// The first PEM block of `text` that is whole. What stands before and behind it plays no part.
fn pem_block(text: &str) -> Option<Block<'_>> {
    let mut rest = text;
    loop {
        let (_, after) = rest.split_once("-----BEGIN ")?;
        rest = after;
        let Some((label, body)) = after.split_once("-----") else { continue };
        let Some((body, _)) = body.split_once(&format!("-----END {label}-----")) else { continue };
        // Header lines (`Proc-Type: 4,ENCRYPTED`) end in an empty line.
        let body = match body.trim_start().split_once("\n\n") {
            Some((headers, body)) if headers.contains(':') => body,
            _ => body,
        };
        let characters: Vec<_> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        if let Ok(der) = STANDARD.decode(characters) {
            return Some(Block { label, der });
        }
    }
}
