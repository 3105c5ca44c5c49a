//! Certificates through the years, by a clock that the test moves.

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::*;

#[test]
fn the_host_of_an_external_url_stands_in_the_certificate() {
    assert_eq!(host("https://127.0.0.1:9443").unwrap(), "127.0.0.1");
    assert_eq!(host("https://laptop.example/").unwrap(), "laptop.example");
    assert_eq!(host("https://[::1]:9443").unwrap(), "::1");
    assert!(host("http://127.0.0.1:9443").unwrap_err().to_string().contains("no HTTPS address"));
    assert!(host("https://a/b").unwrap_err().to_string().contains("more than an address"));
}

const NAME: &str = "portcullis.portcullis.svc";
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Whether a client that trusts `bundle` accepts the certificate in use.
fn is_trusted(bundle: &[u8], served: &Served, now: SystemTime) -> bool {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(bundle) {
        roots.add(root.unwrap()).unwrap();
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let identity = served.certificates.current();
    let (leaf, chain) = identity.chain().split_first().unwrap();
    let now = UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    verifier.verify_server_cert(leaf, chain, &ServerName::try_from(NAME).unwrap(), &[], now).is_ok()
}

#[tokio::test]
async fn a_certificate_of_our_own_is_renewed_for_years_and_trusted_at_every_moment() {
    // 2026-01-01.
    let mut now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let mut renewal = Renewal::own(vec![NAME.to_owned()], now).unwrap();
    let served = renewal.served();
    let mut written = served.ca_bundle.borrow().clone();
    let (mut leaves, mut bundles) = (0, 0);
    for turn in 0..3 * 365 * 2_u32 {
        now += HOUR * 12;
        leaves += u32::from(renewal.step(now, &Trust::Written(written.clone())).await);
        // It is not served before what is written makes it trusted, which may take days.
        assert!(is_trusted(&written, &served, now), "turn {turn}");
        let wanted = served.ca_bundle.borrow().clone();
        if turn % 5 == 0 && written != wanted {
            bundles += 1;
            written = wanted;
            assert!(is_trusted(&written, &served, now), "turn {turn}");
        }
    }
    // Four authorities, each announced beside the one before, which is forgotten then.
    assert_eq!((leaves, bundles), (13, 8));
    assert_eq!(CertificateDer::pem_slice_iter(&written).count(), 1);
}

#[tokio::test]
async fn the_next_certificate_waits_until_the_api_server_has_heard_of_it() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let mut renewal = Renewal::own(vec![NAME.to_owned()], start).unwrap();
    let served = renewal.served();
    let first = served.ca_bundle.borrow().clone();
    let due = start + HOUR * 24 * 300;
    // For as long as nothing can be written, nothing changes.
    for hours in 0..100 {
        assert!(!renewal.step(due + HOUR * hours, &Trust::Written(first.clone())).await);
    }
    let both = served.ca_bundle.borrow().clone();
    assert!(both.starts_with(&first) && both.len() > first.len());
    let written = due + HOUR * 100;
    let seconds = Duration::from_secs;
    assert!(!renewal.step(written, &Trust::Written(both.clone())).await);
    assert!(!renewal.step(written + seconds(1), &Trust::Written(both.clone())).await);
    assert!(renewal.step(written + seconds(5), &Trust::Written(both.clone())).await);
    assert_eq!(*served.ca_bundle.borrow(), both, "others may serve with the one before");
    renewal.step(written + seconds(700), &Trust::Written(both.clone())).await;
    assert!(both.ends_with(&served.ca_bundle.borrow()) && *served.ca_bundle.borrow() != both);
}

#[tokio::test]
async fn a_replica_that_does_not_write_gives_the_one_that_does_some_time() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let mut renewal = Renewal::own(vec![NAME.to_owned()], start).unwrap();
    let due = start + HOUR * 24 * 300;
    assert!(!renewal.step(due, &Trust::ByOther).await);
    assert!(!renewal.step(due + Duration::from_secs(100), &Trust::ByOther).await);
    assert!(renewal.step(due + Duration::from_secs(180), &Trust::ByOther).await);
}
