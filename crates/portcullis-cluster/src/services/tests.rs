//! Calls to services on this machine.

use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use super::*;

/// A service that answers one request with `answer`; its address, and what it was sent.
fn service(answer: Vec<u8>) -> (SocketAddr, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let sent = read_request(&mut BufReader::new(&stream));
        // Whoever asked may have gone.
        let _ = stream.write_all(&answer);
        sent
    });
    (address, served)
}

/// The head and the body of a request.
fn read_request(reader: &mut impl BufRead) -> String {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        reader.read_line(&mut head).unwrap();
        let line = head.get(start..).unwrap().trim().to_ascii_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn services(allowed: &[&str]) -> Services {
    beside(
        allowed,
        "https://127.0.0.1:6443",
        200,
        json!({"addressType": "IPv4", "endpoints": [], "metadata": {}}),
    )
}

/// Calls to `allowed`, where an API server answers like this to the question where it and others listen.
fn beside(allowed: &[&str], server: &str, status: u16, answer: serde_json::Value) -> Services {
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let want = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";
        assert_eq!(request.uri().path(), want);
        let answer =
            http::Response::builder().status(status).body(Full::new(Bytes::from(answer.to_string())));
        async move { answer }
    });
    let connection = Connection::over(&kube::Client::new(service, "default"), server);
    let allowed = allowed.iter().map(|allowed| allowed.parse().unwrap()).collect();
    Services::new(allowed, &connection, vec!["127.0.0.9:443".parse().unwrap()])
}

fn get<'q>(url: &'q str, headers: &'q [(String, String)]) -> ServiceRequest<'q> {
    ServiceRequest { method: "GET", url, headers, ca_bundle: "", body: b"" }
}

async fn call(services: &Services, request: &ServiceRequest<'_>) -> Result<String, String> {
    services.call(request).await.map(|body| String::from_utf8(body).unwrap())
}

fn answer(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// CVE-2026-41323: no token of ours is among it, whether the policy gives one or not.
#[tokio::test]
async fn a_service_that_is_allowed_is_asked_with_what_the_policy_says_and_nothing_else() {
    let (address, served) = service(answer("200 OK", "{\"a\":1}"));
    let url = format!("http://{address}/x?y=z");
    let headers = [("Authorization".to_owned(), "Bearer mine".to_owned())];
    let request = ServiceRequest { method: "POST", body: b"{\"k\":1}", ..get(&url, &headers) };
    assert_eq!(call(&services(&["127.0.0.1"]), &request).await.as_deref(), Ok("{\"a\":1}"));
    let sent = served.join().unwrap();
    let want = format!(
        "POST /x?y=z HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\nauthorization: Bearer mine\r\n\
         content-length: 7\r\n\r\n{{\"k\":1}}"
    );
    assert_eq!(sent, want);

    let (address, served) = service(answer("200 OK", "{}"));
    let url = format!("http://{address}/");
    assert_eq!(call(&services(&["127.0.0.1"]), &get(&url, &[])).await.as_deref(), Ok("{}"));
    let sent = served.join().unwrap();
    assert!(!sent.to_ascii_lowercase().contains("authorization"), "{sent}");
}

#[tokio::test]
async fn a_service_is_trusted_by_its_ca_bundle_and_by_nothing_else() {
    let certified = || generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let CertifiedKey { cert, signing_key } = certified();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        for stream in listener.incoming().take(3) {
            let mut stream =
                StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream.unwrap());
            // A client that does not trust us goes away.
            if stream.conn.complete_io(&mut stream.sock).is_ok() {
                read_request(&mut BufReader::new(&mut stream));
                stream.write_all(&answer("200 OK", "[]")).unwrap();
                stream.flush().unwrap();
            }
        }
    });
    let services = services(&["127.0.0.1"]);
    let (own, other) = (cert.pem(), certified().cert.pem());
    let asked =
        async |ca_bundle: &str| call(&services, &ServiceRequest { ca_bundle, ..get(&url, &[]) }).await;
    assert_eq!(asked(&own).await.as_deref(), Ok("[]"));
    let untrusted = Err("no trusted connection comes about".to_owned());
    assert_eq!((asked(&other).await, asked("").await), (untrusted.clone(), untrusted));
    served.join().unwrap();
    let empty = "its `caBundle` holds no certificate";
    assert_eq!(services.tls("nonsense").map(drop), Err(empty.to_owned()));
}

#[tokio::test]
async fn nothing_else_is_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let refused = "its address is none that may be called";
    for (allowed, url, want) in [
        (&[][..], format!("http://127.0.0.1:{port}/"), "its host is none that `--allow-service` names"),
        (
            &["127.0.0.1:1"],
            format!("http://127.0.0.1:{port}/"),
            "its host is none that `--allow-service` names",
        ),
        // A name that leads to this machine, as one would after a change of its records.
        (&["localhost"], format!("http://localhost:{port}/"), refused),
        (&["169.254.169.254"], "http://169.254.169.254/".to_owned(), refused),
        (&["[::ffff:169.254.169.254]"], "http://[::ffff:169.254.169.254]/".to_owned(), refused),
        (&["127.0.0.1"], "https://127.0.0.1:6443/api".to_owned(), refused),
        (&["127.0.0.9"], "https://127.0.0.9/api".to_owned(), refused),
    ] {
        assert_eq!(call(&services(allowed), &get(&url, &[])).await, Err(want.to_owned()), "{url}");
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "somebody has connected");
}

#[tokio::test]
async fn no_api_server_is_called_wherever_it_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/api");
    let slice = |address: &str, port: u16| {
        json!({"addressType": "IPv4", "metadata": {}, "endpoints": [{"addresses": ["192.0.2.1"]}, {"addresses": [address]}],
            "ports": [{"name": "https", "port": port}]})
    };
    let call_beside = async |server: &str, status, answer| {
        call(&beside(&["127.0.0.1"], server, status, answer), &get(&url, &[])).await.unwrap_err()
    };
    let refused = "its address is none that may be called";
    // Another one than the one that is connected to; and that one, by its name.
    assert_eq!(call_beside("https://192.0.2.2", 200, slice("127.0.0.1", port)).await, refused);
    assert_eq!(
        call_beside(&format!("https://localhost:{port}"), 200, slice("192.0.2.1", 6443)).await,
        refused
    );
    // What is not known may be there.
    let unknown = "the addresses of the API server are not known";
    let forbidden = json!({"kind": "Status", "code": 403, "message": "no", "reason": "Forbidden"});
    assert_eq!(call_beside("https://192.0.2.2", 403, forbidden).await, unknown);
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "somebody has connected");
    // Another port is another service, and API servers may write nothing down.
    let missing = json!({"kind": "Status", "code": 404, "message": "no", "reason": "NotFound"});
    for (status, answer) in [(200, slice("127.0.0.1", 1)), (404, missing)] {
        let (address, served) = service(self::answer("200 OK", "[]"));
        let services = beside(&["127.0.0.1"], "https://192.0.2.2", status, answer);
        assert_eq!(call(&services, &get(&format!("http://{address}/"), &[])).await.as_deref(), Ok("[]"));
        served.join().unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_leads_on_is_packed_or_says_no_is_a_failure_that_tells_nothing_of_it() {
    for (head, body, want) in [
        ("302 Found\r\nLocation: http://127.0.0.1/", "", "HTTP 302"),
        ("500 Oops", "a secret", "HTTP 500"),
        ("200 OK\r\nContent-Encoding: gzip", "x", "its answer is packed, which was not asked for"),
    ] {
        let (address, served) = service(answer(head, body));
        let failed = call(&services(&["127.0.0.1"]), &get(&format!("http://{address}/"), &[])).await;
        assert_eq!(failed, Err(want.to_owned()));
        served.join().unwrap();
    }
    let (address, served) = service(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec());
    let failed = call(&services(&["127.0.0.1"]), &get(&format!("http://{address}/"), &[])).await;
    assert_eq!(failed, Err("its answer ends too soon".to_owned()));
    served.join().unwrap();
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read_to_its_end() {
    let long = "x".repeat(LONGEST_ANSWER + 1);
    let (address, served) = service(answer("200 OK", &long));
    let failed = call(&services(&["127.0.0.1"]), &get(&format!("http://{address}/"), &[])).await;
    assert!(failed.unwrap_err().starts_with("response length must be less than"));
    served.join().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_says_nothing_is_waited_for_so_long_and_no_longer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let failed = call(&services(&["127.0.0.1"]), &get(&url, &[])).await;
    assert_eq!(failed, Err("there was no answer within 8 s".to_owned()));
}

#[tokio::test]
async fn headers_cannot_break_out_of_their_line_nor_speak_for_the_connection() {
    let refused = |key: &str, value: &str| {
        let headers = [(key.to_owned(), value.to_owned())];
        let url = ServiceUrl::parse("http://a/").unwrap();
        message(&url, &get("http://a/", &headers)).unwrap_err()
    };
    assert_eq!(refused("X", "a\r\nHost: b"), "the value of the header `X` cannot be sent");
    assert_eq!(refused("a b", "c"), "`a b` is no name of a header");
    assert_eq!(refused("host", "b"), "the header `host` is not for a policy to set");
    assert_eq!(
        refused("Transfer-Encoding", "chunked"),
        "the header `Transfer-Encoding` is not for a policy to set"
    );
}
