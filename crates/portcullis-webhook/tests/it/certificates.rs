//! Handshakes: any name, TLS 1.2 and 1.3, a new certificate while serving, certificates of clients.

use std::sync::Arc;

use portcullis_webhook::{Limits, Verdict};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::version::{TLS12, TLS13};
use tokio::task::JoinHandle;

use crate::harness::{Client, LOCAL, NAME, Site, handshake, now, post, review};

#[tokio::test]
async fn the_certificate_is_shown_whatever_name_is_asked_for() {
    let site = Site::admitting(Limits::default());
    for name in ["other.example", "127.0.0.1"] {
        let config = site.trusting().with_no_client_auth();
        let error = handshake(config, name, site.open(LOCAL)).await.unwrap_err().to_string();
        // It is the client that does not like what it was shown.
        assert!(error.contains("certificate not valid for name"), "{error}");
    }
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken() {
    let site = Site::admitting(Limits::default());
    for version in [&TLS12, &TLS13] {
        let config = site.trusting_by(&[version]).with_no_client_auth();
        let stream = handshake(config, NAME, site.open(LOCAL)).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        assert_eq!(Client::new(stream).ask(post("/validate", &review("u"))).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_taken_into_use_without_a_failed_request() {
    let site = Arc::new(Site::admitting(Limits::default()));
    let (address, _) = site.listen().await;
    let mut kept = site.connect(address).await;
    // Each client goes on until it has seen five certificates.
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let site = site.clone();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while seen.len() < 5 {
                    let mut client = site.connect(address).await;
                    assert_eq!(client.ask(post("/validate", &review("u"))).await.status, 200);
                    seen.push(client.stream.get_ref().1.peer_certificates().unwrap()[0].clone());
                    seen.dedup();
                }
            })
        })
        .collect();
    while !clients.iter().all(JoinHandle::is_finished) {
        let identity = site.authority.issue(&[NAME.to_owned()], now()).unwrap();
        site.certificates.replace(identity);
        // Who connects now is shown the new one.
        let shown = site.connect(address).await;
        assert_eq!(
            shown.stream.get_ref().1.peer_certificates(),
            Some(site.certificates.current().unwrap().chain())
        );
        assert_eq!(kept.ask(post("/validate", &review("u"))).await.status, 200, "open connections go on");
    }
    for client in clients {
        client.await.unwrap();
    }
}

/// The certificate and key of a client, by an authority, and that authority as PEM.
fn client_identity() -> (CertifiedIssuer<'static, KeyPair>, KeyPair, rcgen::Certificate) {
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["kube-apiserver".to_owned()]).unwrap();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, &authority).unwrap();
    (authority, key, certificate)
}

#[tokio::test]
async fn with_client_authorities_only_their_clients_are_served() {
    let (authority, key, certificate) = client_identity();
    let site = Site::guarded(Limits::default(), Some(&authority.pem()), |_, _, _| Verdict::allowed());
    let identified = |certificate: &rcgen::Certificate, key: &KeyPair| {
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        site.trusting().with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
    };
    let stream = handshake(identified(&certificate, &key), NAME, site.open(LOCAL)).await.unwrap();
    assert_eq!(Client::new(stream).ask(post("/validate", &review("u"))).await.status, 200);

    let (_, other_key, other) = client_identity();
    let strangers = [site.trusting().with_no_client_auth(), identified(&other, &other_key)];
    for config in strangers {
        // In TLS 1.3 the client is done before the server has looked at its certificate: it learns of it on reading.
        let Ok(stream) = handshake(config, NAME, site.open(LOCAL)).await else { continue };
        let mut client = Client::new(stream);
        client.send(post("/validate", &review("u"))).await;
        assert_eq!(client.answer().await, None);
    }
    assert_eq!(site.metric("portcullis_webhook_connections_closed_total{reason=\"handshake_failed\"}"), 2);
}
