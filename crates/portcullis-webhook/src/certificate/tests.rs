//! What is issued is accepted by a client that trusts the bundle, and a broken pair is refused with its reason.

use rcgen::{CertificateParams, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{ServerName, UnixTime};

use super::authority::{DAY, LEAF_DAYS};
use super::*;

/// 2026-01-01.
const NOW: Duration = Duration::from_secs(1_767_225_600);

fn now() -> SystemTime {
    UNIX_EPOCH + NOW
}

fn pair(names: &[&str]) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    (CertificateParams::new(names).unwrap().self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// Whether a client that trusts `authority` accepts `identity` under `name`, `after` the time of issue.
fn accepted(authority: &Authority, identity: &Identity, name: &str, time: Duration) -> bool {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(authority.bundle_pem().as_bytes()) {
        roots.add(root.unwrap()).unwrap();
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let (leaf, chain) = identity.chain().split_first().unwrap();
    verifier.verify_server_cert(leaf, chain, &name, &[], UnixTime::since_unix_epoch(time)).is_ok()
}

#[test]
fn a_leaf_is_accepted_under_its_names_in_its_time_by_who_trusts_the_bundle() {
    let authority = Authority::new(now()).unwrap();
    let names = ["portcullis.portcullis.svc".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let leaf = authority.issue(&names, now()).unwrap();
    for name in &names {
        assert!(accepted(&authority, &leaf, name, NOW), "{name}");
    }
    assert!(!accepted(&authority, &leaf, "other.svc", NOW));
    assert!(!accepted(&Authority::new(now()).unwrap(), &leaf, &names[0], NOW), "another authority");
    let at = |time| accepted(&authority, &leaf, &names[0], time);
    assert!(at(NOW - BACKDATED), "a clock one hour behind");
    assert!(!at(NOW - BACKDATED - Duration::from_secs(1)));
    assert!(at(NOW + DAY * LEAF_DAYS));
    assert!(!at(NOW + DAY * LEAF_DAYS + Duration::from_secs(1)));
    assert!(leaf.is_valid_at(now()) && !leaf.is_valid_at(now() + DAY * 151));
    assert_eq!(leaf.not_after(), now() + DAY * LEAF_DAYS);
    assert_eq!(leaf.renew_at(), leaf.not_after() - (DAY * LEAF_DAYS + BACKDATED) / 3);
}

#[test]
fn a_certificate_needs_a_name() {
    let authority = Authority::new(now()).unwrap();
    assert!(matches!(authority.issue(&[], now()), Err(CertificateError::NoName)));
}

#[test]
fn a_pair_from_files_is_read_and_a_broken_one_refused_with_its_reason() {
    let (certificate, key) = pair(&["a"]);
    let (other, _) = pair(&["b"]);
    assert_eq!(Identity::from_pem(&certificate, &key).unwrap().chain().len(), 1);
    let chain = format!("{certificate}{other}");
    assert_eq!(Identity::from_pem(&chain, &key).unwrap().chain().len(), 2);

    let check = |certificate: &str, key: &str, want: &str| {
        let error = Identity::from_pem(certificate, key).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    };
    check("", &key, "no `CERTIFICATE` block");
    check(&certificate, "", "no private key");
    check(&other, &key, "the key does not belong to the certificate");
    check(&key, &certificate, "no private key");
    let half = |text: &str| text.chars().take(text.len() / 2).collect::<String>();
    check(&half(&certificate), &key, "the certificate is not valid PEM");
    check(&certificate, &half(&key), "the key is not valid PEM");
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check(garbage, &key, "the certificate cannot be read");
}
