//! What Go reads out of the extensions of a certificate.

use portcullis_value::Value;
use x509_parser::asn1_rs::{FromDer, Oid};
use x509_parser::extensions::{
    DistributionPointName, GeneralName, GeneralSubtree, ParsedExtension, X509Extension,
};

use super::Fields;

/// What the extensions of a certificate say, as far as Go reads it.
#[derive(Default)]
struct Extensions<'a, 'e> {
    /// The bits of KeyUsage.
    key_usage: i64,
    has_basic_constraints: bool,
    is_ca: bool,
    /// How many authorities may follow.
    path_length: Option<u32>,
    subject_key: Value<'a>,
    authority_key: Value<'a>,
    /// Go's numbers of the usages that it knows.
    usages: Vec<Value<'a>>,
    other_usages: Vec<Value<'a>>,
    ocsp_servers: Vec<Value<'a>>,
    issuers: Vec<Value<'a>>,
    crls: Vec<Value<'a>>,
    policies: Vec<Value<'a>>,
    policy_ids: Vec<Value<'a>>,
    /// Pairs of policies that are one to the issuer.
    policy_mappings: Vec<Value<'a>>,
    explicit_policy: Option<u32>,
    policy_mapping: Option<u32>,
    any_policy: Option<u32>,
    /// Critical ones that Go does not read.
    unhandled: Vec<Value<'a>>,
    are_constraints_critical: bool,
    permitted: Vec<&'e GeneralSubtree<'e>>,
    excluded: Vec<&'e GeneralSubtree<'e>>,
}

impl<'a> Fields<'a> {
    /// What Go reads out of the extensions of a certificate, names aside.
    pub(super) fn extension_fields(&mut self, extensions: &[X509Extension<'_>]) {
        let mut found = Extensions::default();
        for extension in extensions {
            self.read_extension(extension, &mut found);
        }
        self.set("KeyUsage", found.key_usage);
        self.set("BasicConstraintsValid", found.has_basic_constraints);
        self.set("IsCA", found.is_ca);
        // Go says -1 where the certificate leaves the length open, and 0 where it has no such extension.
        let open = if found.has_basic_constraints { -1 } else { 0 };
        self.set("MaxPathLen", found.path_length.map_or(open, i64::from));
        self.set("MaxPathLenZero", found.path_length == Some(0));
        self.set("SubjectKeyId", found.subject_key);
        self.set("AuthorityKeyId", found.authority_key);
        self.list("ExtKeyUsage", &found.usages);
        self.list("UnknownExtKeyUsage", &found.other_usages);
        self.list("OCSPServer", &found.ocsp_servers);
        self.list("IssuingCertificateURL", &found.issuers);
        self.list("CRLDistributionPoints", &found.crls);
        self.list("Policies", &found.policies);
        self.list("PolicyIdentifiers", &found.policy_ids);
        self.list("PolicyMappings", &found.policy_mappings);
        self.number(["RequireExplicitPolicy", "RequireExplicitPolicyZero"], found.explicit_policy);
        self.number(["InhibitPolicyMapping", "InhibitPolicyMappingZero"], found.policy_mapping);
        self.number(["InhibitAnyPolicy", "InhibitAnyPolicyZero"], found.any_policy);
        self.list("UnhandledCriticalExtensions", &found.unhandled);
        self.set("PermittedDNSDomainsCritical", found.are_constraints_critical);
        let fields =
            ["PermittedDNSDomains", "PermittedEmailAddresses", "PermittedURIDomains", "PermittedIPRanges"];
        self.subtrees(fields, &found.permitted);
        let fields =
            ["ExcludedDNSDomains", "ExcludedEmailAddresses", "ExcludedURIDomains", "ExcludedIPRanges"];
        self.subtrees(fields, &found.excluded);
    }

    fn read_extension<'e>(&self, extension: &'e X509Extension<'e>, found: &mut Extensions<'a, 'e>) {
        match extension.parsed_extension() {
            ParsedExtension::KeyUsage(usage) => found.key_usage = i64::from(usage.flags),
            ParsedExtension::BasicConstraints(constraints) => {
                found.has_basic_constraints = true;
                found.is_ca = constraints.ca;
                found.path_length = constraints.path_len_constraint;
            }
            ParsedExtension::SubjectKeyIdentifier(id) => found.subject_key = self.base64(id.0),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                found.authority_key = id.key_identifier.as_ref().map_or(Value::Null, |id| self.base64(id.0));
            }
            ParsedExtension::ExtendedKeyUsage(_) => {
                let oids = <Vec<Oid<'_>>>::from_der(extension.value).map(|(_, oids)| oids);
                for oid in oids.unwrap_or_default() {
                    match extended_usage(&oid.to_id_string()) {
                        Some(number) => found.usages.push(Value::from(number)),
                        None => found.other_usages.push(self.oid(&oid)),
                    }
                }
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                for description in access.iter() {
                    let GeneralName::URI(uri) = description.access_location else { continue };
                    match &*description.access_method.to_id_string() {
                        "1.3.6.1.5.5.7.48.1" => found.ocsp_servers.push(self.arena.string(uri)),
                        "1.3.6.1.5.5.7.48.2" => found.issuers.push(self.arena.string(uri)),
                        _ => {}
                    }
                }
            }
            ParsedExtension::CRLDistributionPoints(points) => {
                for point in &points.points {
                    let Some(DistributionPointName::FullName(names)) = &point.distribution_point else {
                        continue;
                    };
                    found.crls.extend(names.iter().filter_map(|name| match name {
                        GeneralName::URI(uri) => Some(self.arena.string(uri)),
                        _ => None,
                    }));
                }
            }
            ParsedExtension::CertificatePolicies(policies) => {
                for policy in policies {
                    found.policies.push(self.dotted(&policy.policy_id));
                    found.policy_ids.push(self.oid(&policy.policy_id));
                }
            }
            ParsedExtension::PolicyMappings(policies) => {
                for pair in &policies.mappings {
                    let mut entries = vec![
                        ("IssuerDomainPolicy", self.dotted(&pair.issuer_domain_policy)),
                        ("SubjectDomainPolicy", self.dotted(&pair.subject_domain_policy)),
                    ];
                    found.policy_mappings.push(self.arena.object(&mut entries));
                }
            }
            ParsedExtension::PolicyConstraints(constraints) => {
                found.explicit_policy = constraints.require_explicit_policy;
                found.policy_mapping = constraints.inhibit_policy_mapping;
            }
            ParsedExtension::InhibitAnyPolicy(inhibited) => found.any_policy = Some(inhibited.skip_certs),
            ParsedExtension::NameConstraints(constraints) => {
                found.are_constraints_critical = extension.critical;
                found.permitted.extend(constraints.permitted_subtrees.iter().flatten());
                found.excluded.extend(constraints.excluded_subtrees.iter().flatten());
            }
            ParsedExtension::SubjectAlternativeName(_) => {}
            _ if extension.critical => found.unhandled.push(self.oid(&extension.oid)),
            _ => {}
        }
    }

    /// A number that may be missing: Go says 0 then, and in the second field whether 0 is what the certificate says.
    fn number(&mut self, [field, is_zero]: [&'static str; 2], number: Option<u32>) {
        self.set(field, i64::from(number.unwrap_or_default()));
        self.set(is_zero, number == Some(0));
    }

    fn dotted(&self, oid: &Oid<'_>) -> Value<'a> {
        self.arena.string(&oid.to_id_string())
    }

    /// The names that a constraint permits or excludes.
    fn subtrees(&mut self, fields: [&'static str; 4], subtrees: &[&GeneralSubtree<'_>]) {
        let (mut dns, mut mail, mut uris, mut ranges) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for subtree in subtrees {
            match &subtree.base {
                GeneralName::DNSName(name) => dns.push(self.arena.string(name)),
                GeneralName::RFC822Name(name) => mail.push(self.arena.string(name)),
                GeneralName::URI(name) => uris.push(self.arena.string(name)),
                GeneralName::IPAddress(range) => {
                    let (address, mask) = range.split_at(range.len() / 2);
                    let mut entries = vec![("IP", self.address(address)), ("Mask", self.base64(mask))];
                    ranges.push(self.arena.object(&mut entries));
                }
                _ => {}
            }
        }
        for (field, names) in fields.into_iter().zip([dns, mail, uris, ranges]) {
            self.list(field, &names);
        }
    }
}

/// Go's number for an extended key usage.
fn extended_usage(id: &str) -> Option<i64> {
    let number = match id {
        "2.5.29.37.0" => 0,
        "1.3.6.1.5.5.7.3.1" => 1,
        "1.3.6.1.5.5.7.3.2" => 2,
        "1.3.6.1.5.5.7.3.3" => 3,
        "1.3.6.1.5.5.7.3.4" => 4,
        "1.3.6.1.5.5.7.3.5" => 5,
        "1.3.6.1.5.5.7.3.6" => 6,
        "1.3.6.1.5.5.7.3.7" => 7,
        "1.3.6.1.5.5.7.3.8" => 8,
        "1.3.6.1.5.5.7.3.9" => 9,
        "1.3.6.1.4.1.311.10.3.3" => 10,
        "2.16.840.1.113730.4.1" => 11,
        "1.3.6.1.4.1.311.2.1.22" => 12,
        "1.3.6.1.4.1.311.61.1.1" => 13,
        _ => return None,
    };
    Some(number)
}
