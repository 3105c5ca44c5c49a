//! What was signed: unpacked from the annotations of an object.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use portcullis_model::Resource;
use portcullis_value::Value;

use super::difference::{self, IgnoredFields};
use crate::scope::Scope;
use crate::variable::VariableError;

/// How long a manifest may be once it is unpacked, in bytes. The annotations of an object hold 256 KiB at most.
const MAX_MANIFEST: usize = 1 << 20;

/// How many signatures an object may have.
const MAX_SIGNATURES: usize = 100;

/// How much larger than its text a document is in memory at most.
const GROWTH: usize = 8;

/// What begins gzip's files.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// What an object says was signed.
#[derive(Debug)]
pub(super) enum Signed<'a> {
    /// There is no manifest of it, for this reason.
    Not(String),
    Manifest {
        /// What the signatures are of.
        message: &'a [u8],
        signatures: Vec<Vec<u8>>,
        comparison: Comparison,
    },
}

/// How an object and its manifest compare.
#[derive(Debug)]
pub(super) enum Comparison {
    Same,
    /// They differ; the differences in JSON.
    Differs(String),
}

impl<'a> Signed<'a> {
    /// Reads the annotations of `object` that belong to `domain`. Fields that are `ignored` are not compared.
    ///
    /// # Errors
    /// A limit was run into.
    pub(super) fn read(
        object: Resource<'a>,
        domain: &str,
        ignored: &[IgnoredFields],
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Self, VariableError> {
        let annotations = object.annotations();
        let annotation = |name: &str| annotations.get(&format!("{domain}/{name}")).and_then(Value::as_str);
        let Some(packed) = annotation("message").filter(|message| !message.is_empty()) else {
            return Ok(Signed::Not("message not found".to_owned()));
        };
        let message = match unpack(packed, scope)? {
            Ok(message) => message,
            Err(reason) => return Ok(Signed::Not(reason)),
        };
        let manifest = match find(message, object, scope)? {
            Ok(manifest) => manifest,
            Err(reason) => return Ok(Signed::Not(reason)),
        };
        let mut signatures = Vec::new();
        let names = std::iter::once("signature".to_owned());
        for name in names.chain((1..MAX_SIGNATURES).map(|index| format!("signature_{index}"))) {
            let signature = annotation(&name).and_then(|text| STANDARD.decode(text.trim()).ok());
            signatures.extend(signature);
        }
        let differences = difference::between(manifest, object, domain, ignored, scope)?;
        let comparison = if differences.is_empty() {
            Comparison::Same
        } else {
            scope.spend_bytes(differences.iter().map(|difference| difference.key.len()).sum())?;
            Comparison::Differs(difference::to_json(&differences, scope.arena()))
        };
        Ok(Signed::Manifest { message, signatures, comparison })
    }
}

/// What an evaluation came to that no limit ended: a value, or why there is none.
type Found<T> = Result<Result<T, String>, VariableError>;

/// The message of an annotation: base64 of gzip.
fn unpack<'a>(packed: &str, scope: &mut Scope<'a, '_, '_>) -> Found<&'a [u8]> {
    scope.spend_bytes(packed.len())?;
    match STANDARD.decode(packed.trim()) {
        Ok(bytes) => decompress(&bytes, scope),
        Err(error) => Ok(Err(format!("failed to decode the message: {error}"))),
    }
}

/// What `bytes` are compressed of.
fn decompress<'a>(bytes: &[u8], scope: &mut Scope<'a, '_, '_>) -> Found<&'a [u8]> {
    let mut plain = Vec::new();
    let limit = u64::try_from(MAX_MANIFEST).unwrap_or(u64::MAX) + 1;
    if let Err(error) = GzDecoder::new(bytes).take(limit).read_to_end(&mut plain) {
        return Ok(Err(format!("failed to decompress the message: {error}")));
    }
    if plain.len() > MAX_MANIFEST {
        return Ok(Err(format!("the message is longer than {MAX_MANIFEST} bytes")));
    }
    scope.spend_bytes(plain.len())?;
    scope.budget().steps(u64::try_from(plain.len() / 64).unwrap_or(u64::MAX))?;
    Ok(Ok(scope.arena().slice(&plain)))
}

/// The manifest of `object` in `message`: YAML, or an archive of it.
fn find<'a>(message: &'a [u8], object: Resource<'a>, scope: &mut Scope<'a, '_, '_>) -> Found<Value<'a>> {
    let files = if message.starts_with(GZIP) {
        match decompress(message, scope)? {
            Ok(archive) => tar_files(archive),
            Err(reason) => return Ok(Err(reason)),
        }
    } else {
        vec![message]
    };
    for text in files.into_iter().filter_map(|file| std::str::from_utf8(file).ok()) {
        for source in portcullis_yaml::documents(text).map_while(Result::ok) {
            scope.spend_bytes(source.text().len().saturating_mul(GROWTH))?;
            scope.budget().steps(u64::try_from(source.text().len()).unwrap_or(u64::MAX) / 16)?;
            let Ok(document) = source.read(scope.arena()) else { continue };
            if is_of(Resource(document.value), object) {
                return Ok(Ok(document.value));
            }
        }
    }
    Ok(Err("the message holds no manifest of it".to_owned()))
}

/// Whether `manifest` is that of `object`: of its kind and name, and not of another namespace.
fn is_of(manifest: Resource<'_>, object: Resource<'_>) -> bool {
    let (signed, own) = (manifest.gvk(), object.gvk());
    (signed.group, signed.kind, manifest.name()) == (own.group, own.kind, object.name())
        && ["", object.namespace()].contains(&manifest.namespace())
}

/// The contents of the files of a tar archive, up to the first entry that is broken.
fn tar_files(archive: &[u8]) -> Vec<&[u8]> {
    const BLOCK: usize = 512;
    let mut files = Vec::new();
    let mut rest = archive;
    while let Some((header, after)) = rest.split_at_checked(BLOCK) {
        let Some(size) = header.get(124..136).and_then(octal) else { break };
        let Some((file, _)) = after.split_at_checked(size) else { break };
        // `0` and, in old archives, a zero byte mark a plain file.
        if matches!(header.get(156), Some(b'0' | 0)) && size > 0 {
            files.push(file);
        }
        let Some(next) = size.checked_next_multiple_of(BLOCK).and_then(|length| after.get(length..)) else {
            break;
        };
        rest = next;
    }
    files
}

/// The octal number of a field of a tar header.
fn octal(field: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches(|c: char| c == '\0' || c == ' ');
    if digits.is_empty() { Some(0) } else { usize::from_str_radix(digits, 8).ok() }
}
