//! Certificates through the years, by a clock that the test moves.

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::*;

pub(super) const NAME: &str = "portcullis.portcullis.svc";
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
/// 2026-01-01.
pub(super) const START: Duration = Duration::from_secs(1_767_225_600);

pub(super) fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + START
}

/// Whether a client that trusts `bundle` accepts this certificate.
pub(super) fn is_trusted(bundle: &[u8], identity: &Identity, now: SystemTime) -> bool {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(bundle) {
        roots.add(root.unwrap()).unwrap();
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let (leaf, chain) = identity.chain().split_first().unwrap();
    let now = UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    verifier.verify_server_cert(leaf, chain, &ServerName::try_from(NAME).unwrap(), &[], now).is_ok()
}

#[tokio::test]
async fn a_certificate_of_our_own_is_renewed_for_years_and_trusted_at_every_moment() {
    let mut now = start();
    let mut renewal = Renewal::in_memory(vec![NAME.to_owned()], now).unwrap();
    let served = renewal.served();
    let mut written = served.ca_bundle.borrow().clone();
    let (mut leaves, mut bundles) = (0, 0);
    for turn in 0..3 * 365 * 2_u32 {
        now += HOUR * 12;
        renewal.step(now, &Trust::Written(written.clone()), None).await.unwrap();
        leaves += u32::from(renewal.show());
        // It is not served before what is written makes it trusted, which may take days.
        let current = served.certificates.current().unwrap();
        assert!(is_trusted(&written, &current, now), "turn {turn}");
        let wanted = served.ca_bundle.borrow().clone();
        if turn % 5 == 0 && written != wanted {
            bundles += 1;
            written = wanted;
            assert!(is_trusted(&written, &current, now), "turn {turn}");
        }
    }
    // Four authorities, each announced beside the one before, which is forgotten then.
    assert_eq!((leaves, bundles), (13, 8));
    assert_eq!(CertificateDer::pem_slice_iter(&written).count(), 1);
}

/// A certificate of an authority that nobody has seen before.
fn other(now: SystemTime) -> (Identity, Vec<u8>) {
    let keys = Usable::new(KeyMaterial::new(&[NAME.to_owned()], now).unwrap()).unwrap();
    (keys.identity.clone(), keys.bundle().to_owned())
}

#[test]
fn the_next_certificate_of_files_waits_until_the_api_server_has_heard_of_it() {
    let seconds = Duration::from_secs;
    let (first, second) = (other(start()), other(start()));
    let mut exchange = Exchange::new(first.0, first.1.clone());
    exchange.begin(second.0, second.1.clone(), start());
    let both = exchange.bundle();
    assert_eq!(both, [first.1.clone(), second.1.clone()].concat());
    let is_first = |exchange: &Exchange| exchange.is_under_way() && exchange.bundle() == both;
    // For as long as nothing can be written, nothing changes.
    exchange.step(start() + HOUR, &Trust::Written(first.1));
    assert!(is_first(&exchange));
    for waited in [0, 4] {
        exchange.step(start() + HOUR * 2 + seconds(waited), &Trust::Written(both.clone()));
        assert!(is_first(&exchange));
    }
    exchange.step(start() + HOUR * 2 + seconds(5), &Trust::Written(both.clone()));
    assert!(!exchange.is_under_way());
    assert_eq!(exchange.bundle(), both, "others may serve with the one before");
    exchange.step(start() + HOUR * 2 + seconds(700), &Trust::Written(both));
    assert_eq!(exchange.bundle(), second.1);
}

#[test]
fn a_replica_that_does_not_write_gives_the_one_that_does_some_time_to_read_the_files() {
    let (first, second) = (other(start()), other(start()));
    let mut exchange = Exchange::new(first.0, first.1);
    exchange.begin(second.0, second.1, start());
    exchange.step(start() + Duration::from_secs(179), &Trust::ByOther);
    assert!(exchange.is_under_way());
    exchange.step(start() + Duration::from_secs(180), &Trust::ByOther);
    assert!(!exchange.is_under_way());
}

/// A Secret that is mounted: the kubelet changes all its files at once, by the link that they lie behind.
struct Mounted {
    folder: tempfile::TempDir,
    swaps: u32,
}

impl Mounted {
    fn paths(&self) -> Paths {
        let path = |name: &str| self.folder.path().join(name);
        Paths { certificate: path("tls.crt"), key: path("tls.key"), authority: Some(path("ca.crt")) }
    }

    #[expect(clippy::disallowed_methods, reason = "a test that writes files")]
    fn swap(&mut self, entries: [(&str, &str); 3]) {
        self.swaps += 1;
        let (root, data) = (self.folder.path(), format!("..{}", self.swaps));
        std::fs::create_dir(root.join(&data)).unwrap();
        for (name, text) in entries {
            std::fs::write(root.join(&data).join(name), text).unwrap();
            if self.swaps == 1 {
                std::os::unix::fs::symlink(format!("..data/{name}"), root.join(name)).unwrap();
            }
        }
        std::os::unix::fs::symlink(&data, root.join("..next")).unwrap();
        std::fs::rename(root.join("..next"), root.join("..data")).unwrap();
    }
}

#[tokio::test]
async fn a_mounted_secret_of_an_authority_is_followed_and_the_authority_is_what_is_trusted() {
    let [first, second] = [START, START + HOUR]
        .map(|at| portcullis_webhook::Authority::new(SystemTime::UNIX_EPOCH + at).unwrap());
    let issued =
        |authority: &portcullis_webhook::Authority| authority.issue_pem(&[NAME.to_owned()], start()).unwrap();
    let mut mounted = Mounted { folder: tempfile::tempdir().unwrap(), swaps: 0 };
    let leaf = issued(&first);
    mounted.swap([("tls.crt", &leaf.certificate), ("tls.key", &leaf.key), ("ca.crt", first.bundle_pem())]);
    let (files, identity, bundle) = Files::open(mounted.paths()).unwrap();
    assert_eq!(bundle, first.bundle_pem().as_bytes());
    let source = Source::Files { files, exchange: Exchange::new(identity, bundle), told: None };
    let mut renewal = Renewal::of(source);
    let served = renewal.served();
    let chain = |certificate: &str| CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let serves = |certificate: &str| served.certificates.current().unwrap().chain() == [chain(certificate)];
    assert!(serves(&leaf.certificate));

    // The next one of the same authority is served at once: whoever trusted the one before trusts it.
    let leaf = issued(&first);
    mounted.swap([("tls.crt", &leaf.certificate), ("tls.key", &leaf.key), ("ca.crt", first.bundle_pem())]);
    let written = served.ca_bundle.borrow().clone();
    renewal.step(start() + HOUR, &Trust::Written(written.clone()), None).await.unwrap();
    assert!(renewal.show() && serves(&leaf.certificate));
    assert_eq!(*served.ca_bundle.borrow(), written);

    // Files of two certificates are none: nothing changes.
    let other = issued(&second);
    mounted.swap([("tls.crt", &other.certificate), ("tls.key", &other.key), ("ca.crt", first.bundle_pem())]);
    renewal.step(start() + HOUR, &Trust::Written(written.clone()), None).await.unwrap();
    assert!(!renewal.show() && serves(&leaf.certificate));

    // One of another authority waits until that is trusted.
    mounted.swap([("tls.crt", &other.certificate), ("tls.key", &other.key), ("ca.crt", second.bundle_pem())]);
    renewal.step(start() + HOUR, &Trust::Written(written.clone()), None).await.unwrap();
    assert!(!renewal.show() && serves(&leaf.certificate));
    let both = served.ca_bundle.borrow().clone();
    assert_eq!(both, [first.bundle_pem(), second.bundle_pem()].concat().as_bytes());
    for seconds in [0, 5] {
        let now = start() + HOUR + Duration::from_secs(seconds);
        renewal.step(now, &Trust::Written(both.clone()), None).await.unwrap();
        renewal.show();
    }
    assert!(serves(&other.certificate));
}
