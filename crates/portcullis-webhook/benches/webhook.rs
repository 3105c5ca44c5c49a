//! The processor time that one review costs the server, over TLS and kept-alive connections.
//!
//! ```text
//! cargo bench -p portcullis-webhook --bench webhook -- [--connections N] [--reviews N] [--workers N] [--body FILE]
//!     [--path PATH] [--reconnect]
//! ```
//!
//! The server runs in a process of its own, with a reviewer that admits what it is asked, so that what is measured is
//! TLS, HTTP, the envelope, the answer and the metrics. With `--reconnect` each review has a connection of its own, so
//! that the handshake is measured too. The server's processor time is read from `/proc` before and after.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, reads files and the clock, and fails by panicking"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs};

use portcullis_model::Review;
use portcullis_webhook::{
    Authority, Certificates, Deadline, Lifecycle, Limits, Metrics, Reviewer, Route, Server, Verdict,
    worker_threads,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;

const SERVE: &str = "--serve";
/// Ticks of `/proc/PID/stat` in a second, on every Linux there is.
const TICKS: f64 = 100.0;

struct Admitting;

impl Reviewer for Admitting {
    fn review(&self, _: &Route<'_>, _: &Review<'_>, _: &Deadline<'_>) -> Verdict {
        Verdict::allowed()
    }
}

fn main() {
    if env::args().any(|argument| argument == SERVE) { serve() } else { measure() }
}

fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap()
}

/// Serves, and says on stdout where, and whom to trust.
fn serve() {
    let now = SystemTime::now();
    let authority = Authority::new(now).unwrap();
    let certificates = Certificates::new(authority.issue(&["localhost".to_owned()], now).unwrap());
    let (metrics, lifecycle) = (Metrics::new("bench"), Lifecycle::new());
    let server = Server::new(Admitting, certificates, None, Limits::default(), metrics, lifecycle).unwrap();
    let workers = option("--workers").map_or(worker_threads(), |text| text.parse().unwrap());
    runtime(workers).block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        println!("{}\n{}", listener.local_addr().unwrap(), authority.bundle_pem());
        server.serve(listener).await;
    });
}

struct Options {
    connections: usize,
    reviews: usize,
    request: Arc<[u8]>,
    reconnect: bool,
}

/// The word after `name` in the arguments.
fn option(name: &str) -> Option<String> {
    env::args().skip_while(|argument| argument != name).nth(1)
}

fn options() -> Options {
    let body = option("--body").map_or_else(pod_review, |file| fs::read_to_string(file).unwrap());
    let path = option("--path").unwrap_or_else(|| "/validate/fail".to_owned());
    let request = format!(
        "POST {path}?timeout=10s HTTP/1.1\r\nHost: portcullis.portcullis.svc:443\r\nUser-Agent: kube-apiserver-admission\r\n\
         Content-Length: {}\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\n\
         Accept-Encoding: gzip\r\n\r\n{body}",
        body.len(),
    );
    Options {
        connections: option("--connections").map_or(8, |text| text.parse().unwrap()),
        reviews: option("--reviews").map_or(200_000, |text| text.parse().unwrap()),
        request: request.into_bytes().into(),
        reconnect: env::args().any(|argument| argument == "--reconnect"),
    }
}

/// A review of a Pod as large as an ordinary one.
fn pod_review() -> String {
    let container = |name: &str| {
        format!(
            r#"{{"name":"{name}","image":"registry.example/{name}:1.4","env":[{}],"resources":{{"limits":{{"cpu":"1","memory":"1Gi"}}}}}}"#,
            (0..22)
                .map(|index| format!(
                    r#"{{"name":"VARIABLE_{index}","value":"a value of some length {index}"}}"#
                ))
                .collect::<Vec<_>>()
                .join(","),
        )
    };
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002","kind":{{"group":"","version":"v1","kind":"Pod"}},"resource":{{"group":"","version":"v1","resource":"pods"}},"name":"web","namespace":"team-a","operation":"CREATE","userInfo":{{"username":"jane"}},"object":{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"web","namespace":"team-a"}},"spec":{{"containers":[{},{},{}]}}}},"oldObject":null,"dryRun":false}}}}"#,
        container("web"),
        container("proxy"),
        container("logs"),
    )
}

fn measure() {
    let options = options();
    let mut server = Command::new(env::current_exe().unwrap())
        .arg(SERVE)
        .args(env::args().skip(1))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let target = greeting(&mut server);
    let runtime = runtime(2);
    // Connections are made and code is warm before anything is counted.
    let warm = Options { reviews: options.connections * 100, request: options.request.clone(), ..options };
    let clients = runtime.block_on(connect(&options, &target));
    let clients = runtime.block_on(load(clients, &warm, &target)).0;
    let (before, start) = (cpu(&server), Instant::now());
    let (_, mut times) = runtime.block_on(load(clients, &options, &target));
    let (spent, took) = (cpu(&server) - before, start.elapsed());
    let memory = status(&server, "VmRSS:");
    server.kill().unwrap();
    server.wait().unwrap();
    times.sort_unstable();
    let reviews = times.len();
    let at = |per_mille: usize| times[(reviews - 1) * per_mille / 1000];
    println!("{reviews} reviews of {} bytes over {} connections", options.request.len(), options.connections);
    println!("server: {:.1} us of processor time a review, {memory} resident", spent * 1e6 / reviews as f64);
    println!(
        "clients: {:.0} a second, p50 {:?}, p99 {:?}, p99.9 {:?}",
        reviews as f64 / took.as_secs_f64(),
        at(500),
        at(990),
        at(999)
    );
}

/// Where the server is, and how to speak to it.
#[derive(Clone)]
struct Target {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Target {
    async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(self.config.clone()).connect(name, stream).await.unwrap()
    }
}

/// What the server says when it serves.
fn greeting(server: &mut Child) -> Target {
    let mut output = BufReader::new(server.stdout.as_mut().unwrap());
    let (mut address, mut bundle) = (String::new(), Vec::new());
    output.read_line(&mut address).unwrap();
    while !bundle.ends_with(b"-----END CERTIFICATE-----") {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        bundle.extend(byte);
    }
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&bundle).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Target { address: address.trim().parse().unwrap(), config: Arc::new(config) }
}

type Client = tokio_rustls::client::TlsStream<TcpStream>;

async fn connect(options: &Options, target: &Target) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..options.connections {
        clients.push(target.connect().await);
    }
    clients
}

/// Each client asks again as soon as it is answered. Gives the clients back, and how long each answer took.
async fn load(clients: Vec<Client>, options: &Options, target: &Target) -> (Vec<Client>, Vec<Duration>) {
    let each = options.reviews / clients.len();
    let running: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let (request, target, reconnect) = (options.request.clone(), target.clone(), options.reconnect);
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(each);
                let mut answer = vec![0; 64 << 10];
                for _ in 0..each {
                    let start = Instant::now();
                    if reconnect {
                        client = target.connect().await;
                    }
                    client.write_all(&request).await.unwrap();
                    client.flush().await.unwrap();
                    let read = client.read(&mut answer).await.unwrap();
                    assert!(
                        answer[..read].starts_with(b"HTTP/1.1 200"),
                        "{}",
                        String::from_utf8_lossy(&answer[..read])
                    );
                    times.push(start.elapsed());
                }
                (client, times)
            })
        })
        .collect();
    let (mut clients, mut times) = (Vec::new(), Vec::new());
    for client in running {
        let (client, of_client) = client.await.unwrap();
        clients.push(client);
        times.extend(of_client);
    }
    (clients, times)
}

/// The processor time of a process, user and system, in seconds.
fn cpu(process: &Child) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    // The name, in parentheses, may hold spaces; utime and stime are fields 14 and 15 of the whole line.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11..=12].iter().map(|field| field.parse::<f64>().unwrap()).sum::<f64>() / TICKS
}

fn status(process: &Child, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    status.lines().find_map(|line| line.strip_prefix(field)).unwrap().trim().to_owned()
}
