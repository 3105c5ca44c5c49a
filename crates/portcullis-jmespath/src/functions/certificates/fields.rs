//! The fields of Go's `x509.Certificate` and `x509.CertificateRequest`, by their names there.

mod extensions;

use core::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use portcullis_value::{Arena, Value};
use x509_parser::asn1_rs::{Oid, Tag};
use x509_parser::certificate::X509Certificate;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::num_bigint::BigUint;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::{AlgorithmIdentifier, AttributeTypeAndValue, SubjectPublicKeyInfo, X509Name};

/// The number that Go gives RSA among key algorithms.
const RSA: i64 = 1;

/// A structure under construction.
pub(super) struct Fields<'a> {
    arena: &'a Arena,
    entries: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(arena: &'a Arena) -> Self {
        Self { arena, entries: Vec::new() }
    }

    pub(super) fn into_value(mut self) -> Value<'a> {
        self.arena.object(&mut self.entries)
    }

    pub(super) fn certificate(&mut self, certificate: &X509Certificate<'_>) {
        let tbs = &certificate.tbs_certificate;
        self.bytes("Raw", certificate.as_raw());
        self.bytes("RawTBSCertificate", tbs.as_ref());
        self.bytes("RawIssuer", tbs.issuer.as_raw());
        self.set("Version", i64::from(tbs.version.0) + 1);
        self.set("SerialNumber", tbs.serial.to_string().parse().unwrap_or(f64::NAN));
        self.name("Issuer", &tbs.issuer);
        self.time("NotBefore", tbs.validity.not_before);
        self.time("NotAfter", tbs.validity.not_after);
        self.key(&tbs.subject_pki);
        self.name("Subject", &tbs.subject);
        self.bytes("RawSubject", tbs.subject.as_raw());
        self.signature(&certificate.signature_algorithm, certificate.signature_value.as_ref());
        self.extensions(tbs.extensions());
        self.extension_fields(tbs.extensions());
        self.names(tbs.extensions());
    }

    pub(super) fn request(&mut self, request: &X509CertificationRequest<'_>) {
        let info = &request.certification_request_info;
        self.bytes("Raw", request.as_raw());
        self.bytes("RawTBSCertificateRequest", info.raw);
        self.set("Version", i64::from(info.version.0));
        self.key(&info.subject_pki);
        self.name("Subject", &info.subject);
        self.bytes("RawSubject", info.subject.as_raw());
        self.signature(&request.signature_algorithm, request.signature_value.as_ref());
        let extensions: Vec<_> = info
            .iter_attributes()
            .filter_map(|attribute| match attribute.parsed_attribute() {
                ParsedCriAttribute::ExtensionRequest(requested) => Some((&attribute.oid, requested)),
                _ => None,
            })
            .collect();
        let attributes = extensions.iter().map(|(oid, requested)| {
            let values: Vec<_> = requested.extensions.iter().map(|one| self.attribute(one)).collect();
            let values = self.arena.array(&[self.arena.array(&values)]);
            self.arena.object(&mut vec![("Type", self.oid(oid)), ("Value", values)])
        });
        let attributes: Vec<_> = attributes.collect();
        self.list("Attributes", &attributes);
        let extensions: Vec<_> =
            extensions.into_iter().flat_map(|(_, requested)| requested.extensions.iter().cloned()).collect();
        self.extensions(&extensions);
        self.names(&extensions);
    }

    fn set(&mut self, field: &'static str, value: impl Into<Value<'a>>) {
        self.entries.push((field, value.into()));
    }

    fn bytes(&mut self, field: &'static str, bytes: &[u8]) {
        let value = self.base64(bytes);
        self.set(field, value);
    }

    /// A list; null for none, as Go shows a slice that was never made.
    fn list(&mut self, field: &'static str, items: &[Value<'a>]) {
        let value = if items.is_empty() { Value::Null } else { self.arena.array(items) };
        self.set(field, value);
    }

    fn time(&mut self, field: &'static str, time: ASN1Time) {
        let time = Timestamp::from_second(time.timestamp()).unwrap_or_default();
        let value = self.arena.string(&time.to_string());
        self.set(field, value);
    }

    fn key(&mut self, key: &SubjectPublicKeyInfo<'_>) {
        self.bytes("RawSubjectPublicKeyInfo", key.raw);
        self.set("PublicKeyAlgorithm", RSA);
        if let Ok(PublicKey::RSA(key)) = key.parsed() {
            let modulus = self.arena.string(&BigUint::from_bytes_be(key.modulus).to_string());
            let exponent = key.try_exponent().ok().and_then(|exponent| i64::try_from(exponent).ok());
            let exponent = exponent.map_or(Value::Null, Value::from);
            let value = self.arena.object(&mut vec![("N", modulus), ("E", exponent)]);
            self.set("PublicKey", value);
        }
    }

    fn signature(&mut self, algorithm: &AlgorithmIdentifier<'_>, signature: &[u8]) {
        self.bytes("Signature", signature);
        self.set("SignatureAlgorithm", signature_algorithm(algorithm));
    }

    fn name(&mut self, field: &'static str, name: &X509Name<'_>) {
        let attributes: Vec<_> =
            name.iter_attributes().map(|one| (one.attr_type().to_id_string(), one)).collect();
        let texts = |id: &str| -> Vec<Value<'a>> {
            let of_type = attributes.iter().filter(|(of, _)| of == id);
            of_type.map(|(_, attribute)| self.attribute_value(attribute)).collect()
        };
        let mut inner = Fields::new(self.arena);
        for (field, id) in [
            ("Country", "2.5.4.6"),
            ("Organization", "2.5.4.10"),
            ("OrganizationalUnit", "2.5.4.11"),
            ("Locality", "2.5.4.7"),
            ("Province", "2.5.4.8"),
            ("StreetAddress", "2.5.4.9"),
            ("PostalCode", "2.5.4.17"),
        ] {
            inner.list(field, &texts(id));
        }
        for (field, id) in [("SerialNumber", "2.5.4.5"), ("CommonName", "2.5.4.3")] {
            inner.set(field, texts(id).pop().unwrap_or(Value::String("")));
        }
        let names = attributes.iter().map(|(_, attribute)| {
            let (oid, value) = (self.oid(attribute.attr_type()), self.attribute_value(attribute));
            self.arena.object(&mut vec![("Type", oid), ("Value", value)])
        });
        inner.list("Names", &names.collect::<Vec<_>>());
        inner.set("ExtraNames", Value::Null);
        let value = inner.into_value();
        self.set(field, value);
    }

    fn extensions(&mut self, extensions: &[X509Extension<'_>]) {
        let shown = extensions.iter().map(|extension| {
            self.arena.object(&mut vec![
                ("Id", self.oid(&extension.oid)),
                ("Critical", Value::Bool(extension.critical)),
                ("Value", self.base64(extension.value)),
            ])
        });
        let shown: Vec<_> = shown.collect();
        self.list("Extensions", &shown);
        self.set("ExtraExtensions", Value::Null);
    }

    /// The alternative names of the subject.
    fn names(&mut self, extensions: &[X509Extension<'_>]) {
        let (mut dns, mut mail, mut addresses, mut uris) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for extension in extensions {
            let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() else {
                continue;
            };
            for name in &names.general_names {
                match name {
                    GeneralName::DNSName(name) => dns.push(self.arena.string(name)),
                    GeneralName::RFC822Name(name) => mail.push(self.arena.string(name)),
                    GeneralName::IPAddress(address) => addresses.push(self.address(address)),
                    GeneralName::URI(uri) => uris.push(self.uri(uri)),
                    _ => {}
                }
            }
        }
        self.list("DNSNames", &dns);
        self.list("EmailAddresses", &mail);
        self.list("IPAddresses", &addresses);
        self.list("URIs", &uris);
    }

    fn base64(&self, bytes: &[u8]) -> Value<'a> {
        self.arena.string(&STANDARD.encode(bytes))
    }

    fn oid(&self, oid: &Oid<'_>) -> Value<'a> {
        let number = |number| i64::try_from(number).map_or(Value::Null, Value::from);
        let numbers: Vec<_> = oid.iter().map(|numbers| numbers.map(number).collect()).unwrap_or_default();
        self.arena.array(&numbers)
    }

    fn address(&self, bytes: &[u8]) -> Value<'a> {
        let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        let address = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
        address.map_or(Value::Null, |address| self.arena.string(&address.to_canonical().to_string()))
    }

    /// A URI as Go's `url.URL`.
    fn uri(&self, uri: &str) -> Value<'a> {
        let (rest, fragment) = uri.split_once('#').unwrap_or((uri, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (scheme, rest) = rest.split_once(':').unwrap_or(("", rest));
        let (host, path, opaque) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (host, path, "")
            }
            None if rest.starts_with('/') => ("", rest, ""),
            None => ("", "", rest),
        };
        let mut fields = Fields::new(self.arena);
        for (field, text) in [
            ("Scheme", scheme),
            ("Opaque", opaque),
            ("Host", host),
            ("Path", path),
            ("RawPath", ""),
            ("RawQuery", query),
            ("Fragment", fragment),
            ("RawFragment", ""),
        ] {
            fields.set(field, self.arena.string(text));
        }
        fields.set("User", Value::Null);
        fields.set("OmitHost", false);
        fields.set("ForceQuery", false);
        fields.into_value()
    }

    fn attribute_value(&self, attribute: &AttributeTypeAndValue<'_>) -> Value<'a> {
        let bytes = attribute.as_slice();
        if attribute.attr_value().tag() == Tag::BmpString {
            let units =
                bytes.chunks_exact(2).filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)));
            let text: String = char::decode_utf16(units).map(|char| char.unwrap_or('\u{fffd}')).collect();
            return self.arena.string(&text);
        }
        self.arena.string(&String::from_utf8_lossy(bytes))
    }

    /// A requested extension as Go reads it for `Attributes`: what follows the type, be it the critical mark.
    fn attribute(&self, extension: &X509Extension<'_>) -> Value<'a> {
        let value = if extension.critical { Value::Bool(true) } else { self.base64(extension.value) };
        self.arena.object(&mut vec![("Type", self.oid(&extension.oid)), ("Value", value)])
    }
}

/// Go's number for a signature algorithm; 0 is one it does not know.
fn signature_algorithm(algorithm: &AlgorithmIdentifier<'_>) -> i64 {
    match &*algorithm.algorithm.to_id_string() {
        "1.2.840.113549.1.1.4" => 2,
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => 3,
        "1.2.840.113549.1.1.11" => 4,
        "1.2.840.113549.1.1.12" => 5,
        "1.2.840.113549.1.1.13" => 6,
        "1.2.840.10040.4.3" => 7,
        "2.16.840.1.101.3.4.3.2" => 8,
        "1.2.840.10045.4.1" => 9,
        "1.2.840.10045.4.3.2" => 10,
        "1.2.840.10045.4.3.3" => 11,
        "1.2.840.10045.4.3.4" => 12,
        "1.3.101.112" => 16,
        _ => 0,
    }
}
