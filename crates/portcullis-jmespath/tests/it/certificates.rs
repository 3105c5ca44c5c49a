//! `x509_decode` beside what Go's `crypto/x509` shows of the same files.

use portcullis_value::json;

use crate::check;

/// Asserts what `path` is of the certificate in `pem`.
#[track_caller]
fn decoded(pem: &str, path: &str, want: &str) {
    check(&json::quote(pem), &format!("x509_decode(@){path}"), want);
}

const AUTHORITY: &str = include_str!("data/authority.pem");
const POLICIES: &str = include_str!("data/policies.pem");
const REQUEST: &str = include_str!("data/request.pem");

#[test]
fn a_certificate_has_the_fields_that_go_shows() {
    for (path, want) in [
        (
            ".Subject.[CommonName, Country, Organization, Locality]",
            r#"["ca.example.com",["NL"],["Example"],null]"#,
        ),
        (".Subject.Names[*].Type", "[[2,5,4,6],[2,5,4,10],[2,5,4,3]]"),
        (".[Version, SignatureAlgorithm, PublicKeyAlgorithm]", "[3,4,1]"),
        (".PublicKey.[length(N), E]", "[309,65537]"),
        (".[IsCA, BasicConstraintsValid, MaxPathLen, MaxPathLenZero]", "[true,true,-1,false]"),
        (".[KeyUsage, ExtKeyUsage, UnknownExtKeyUsage]", "[96,[1],[[1,2,3,4]]]"),
        (".[DNSNames, EmailAddresses]", r#"[["a.example.com"],null]"#),
        (".IPAddresses", r#"["10.0.0.1","fe80::1"]"#),
        (
            ".URIs[0].[Scheme, Host, Path, RawQuery, Fragment, User]",
            r#"["spiffe","cluster.local","/ns/a","x=1","",null]"#,
        ),
        (".[PermittedDNSDomains, ExcludedEmailAddresses]", r#"[["example.com"],["b.example.com"]]"#),
        (".PermittedIPRanges", r#"[{"IP":"10.0.0.0","Mask":"/wAAAA=="}]"#),
        (
            ".[OCSPServer, IssuingCertificateURL]",
            r#"[["http://ocsp.example.com"],["http://ca.example.com/ca.crt"]]"#,
        ),
        (".CRLDistributionPoints", r#"["http://crl.example.com/c.crl"]"#),
        (".[Policies, PolicyIdentifiers]", r#"[["1.2.3.4.5"],[[1,2,3,4,5]]]"#),
        (".UnhandledCriticalExtensions", "[[1,2,3,4,9]]"),
        (".nope", r#"Unknown key "nope" in path"#),
    ] {
        decoded(AUTHORITY, path, want);
    }
}

#[test]
fn what_an_authority_says_of_policies_is_shown() {
    let constraints = ".[RequireExplicitPolicy, RequireExplicitPolicyZero, InhibitPolicyMapping, \
                       InhibitPolicyMappingZero, InhibitAnyPolicy, InhibitAnyPolicyZero]";
    decoded(POLICIES, constraints, "[0,true,3,false,2,false]");
    decoded(AUTHORITY, constraints, "[0,false,0,false,0,false]");
    decoded(
        POLICIES,
        ".PolicyMappings",
        r#"[{"IssuerDomainPolicy":"1.2.3.4","SubjectDomainPolicy":"1.2.3.5"},{"IssuerDomainPolicy":"2.5.29.32.1","SubjectDomainPolicy":"1.3.6.1.4.1.99999.1"}]"#,
    );
    decoded(AUTHORITY, ".PolicyMappings", "null");
    // They are critical, and read.
    decoded(POLICIES, ".UnhandledCriticalExtensions", "[[1,2,3,4,9]]");
    // As many as the structure of Go 1.26 has.
    decoded(POLICIES, ".keys(@).length(@)", "52");
}

#[test]
fn a_request_has_its_own_fields() {
    decoded(REQUEST, ".Subject.CommonName", r#""web.example.com""#);
    decoded(REQUEST, ".[Version, Extensions, Attributes, DNSNames]", "[0,null,null,null]");
    decoded(REQUEST, ".NotAfter", r#"Unknown key "NotAfter" in path"#);
}

#[test]
fn the_first_whole_block_counts_whatever_stands_around_it() {
    decoded(&format!("text\n{REQUEST}{AUTHORITY}"), ".Subject.CommonName", r#""web.example.com""#);
    decoded(&format!("-----BEGIN A-----\n!\n-----END A-----\n{REQUEST}"), ".Version", "0");
    decoded(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        "",
        "x509: malformed certificate",
    );
    decoded(
        "-----BEGIN KEY-----\nAAAA\n-----END KEY-----",
        "",
        "PEM block neither contains a CERTIFICATE or CERTIFICATE REQUEST",
    );
    decoded("-----BEGIN CERTIFICATE-----\nAAAA", "", "failed to decode PEM block");
    let long = "A".repeat(100_000);
    let long = format!("-----BEGIN CERTIFICATE-----\n{long}\n-----END CERTIFICATE-----");
    decoded(&long, "", "certificate is longer than 65536 bytes");
}
