//! Clients that ask for reviews over TLS and kept-alive connections, as an API server does.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, yield_now};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Bytes of an answer at most.
const ANSWER: usize = 64 << 10;

/// A request as an API server writes it; `path` is with its query.
pub(crate) fn request(path: &str, body: &str) -> Arc<[u8]> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: portcullis.portcullis.svc:443\r\n\
         User-Agent: kube-apiserver-admission\r\nContent-Length: {}\r\nAccept: application/json, */*\r\n\
         Content-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n",
        body.len(),
    );
    [head.as_bytes(), body.as_bytes()].concat().into()
}

/// Where clients connect to, whom they trust there and who they are.
pub(crate) struct Target {
    address: SocketAddr,
    name: ServerName<'static>,
    connector: TlsConnector,
}

impl Target {
    pub(crate) fn new(address: SocketAddr, name: ServerName<'static>, config: ClientConfig) -> Self {
        Self { address, name, connector: TlsConnector::from(Arc::new(config)) }
    }
}

/// Clients of one server, each with a connection of its own, that ask the same.
pub(crate) struct Clients {
    clients: Vec<Client>,
    request: Arc<[u8]>,
}

impl Clients {
    pub(crate) async fn connect(target: &Target, request: Arc<[u8]>, connections: usize) -> Result<Self> {
        let mut clients = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(target.address).await?;
            stream.set_nodelay(true)?;
            let stream = target.connector.connect(target.name.clone(), stream).await?;
            clients.push(Client { stream, answer: vec![0; ANSWER] });
        }
        Ok(Self { clients, request })
    }

    /// One answer, in full.
    pub(crate) async fn ask_once(&mut self) -> Result<String> {
        let client = self.clients.first_mut().context("no connection")?;
        let read = client.ask(&self.request).await?;
        Ok(String::from_utf8_lossy(client.answer.get(..read).unwrap_or_default()).into_owned())
    }

    /// Each client asks again as soon as it is answered.
    pub(crate) async fn closed_loop(&mut self, reviews: usize) -> Result<Times> {
        let each = reviews / self.clients.len();
        self.run(|_, mut client, request| async move {
            let mut times = Vec::with_capacity(each);
            for _ in 0..each {
                let start = Instant::now();
                client.ask(&request).await?;
                times.push(start.elapsed());
            }
            Ok((client, times))
        })
        .await
    }

    /// A review every `interval`, by the clients in turn, whether or not those before are answered. Its time counts
    /// from when it was to be asked, so that a server which falls behind is charged for those that wait.
    pub(crate) async fn open_loop(&mut self, reviews: usize, interval: Duration) -> Result<Times> {
        let clients = self.clients.len();
        let each = reviews / clients;
        let start = Instant::now();
        self.run(|index, mut client, request| async move {
            let mut times = Vec::with_capacity(each);
            for turn in 0..each {
                let due = start + interval * u32::try_from(turn * clients + index)?;
                // A timer is too coarse by a millisecond: this looks at the clock whenever it is its turn.
                while Instant::now() < due {
                    yield_now().await;
                }
                client.ask(&request).await?;
                times.push(due.elapsed());
            }
            Ok((client, times))
        })
        .await
    }

    /// Runs `work` for every client at once.
    async fn run<W, F>(&mut self, work: W) -> Result<Times>
    where
        W: Fn(usize, Client, Arc<[u8]>) -> F,
        F: Future<Output = Result<(Client, Vec<Duration>)>> + Send + 'static,
    {
        let start = Instant::now();
        let mut running = JoinSet::new();
        for (index, client) in std::mem::take(&mut self.clients).into_iter().enumerate() {
            running.spawn(work(index, client, self.request.clone()));
        }
        let mut all = Vec::new();
        while let Some(ended) = running.join_next().await {
            let (client, times) = ended??;
            self.clients.push(client);
            all.extend(times);
        }
        all.sort_unstable();
        Ok(Times { sorted: all, took: start.elapsed() })
    }
}

struct Client {
    stream: TlsStream<TcpStream>,
    answer: Vec<u8>,
}

impl Client {
    /// Asks and reads the whole answer, of which it tells the length.
    async fn ask(&mut self, request: &[u8]) -> Result<usize> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        let mut read = 0;
        loop {
            let now = self.stream.read(self.answer.get_mut(read..).unwrap_or_default()).await?;
            ensure!(now > 0, "the server closed the connection, or its answer is longer than {ANSWER} bytes");
            read += now;
            if is_whole(self.answer.get(..read).unwrap_or_default())? {
                return Ok(read);
            }
        }
    }
}

/// Whether an answer has arrived to its end: that of its length, or its last chunk.
fn is_whole(answer: &[u8]) -> Result<bool> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(false) };
    let head = std::str::from_utf8(answer.get(..end).unwrap_or_default())?;
    let is_good = ["HTTP/1.1 200", "HTTP/1.1 201"].iter().any(|status| head.starts_with(status));
    ensure!(is_good, "the server answers `{}`", String::from_utf8_lossy(answer));
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    match length {
        Some(length) => Ok(answer.len() >= end + 4 + length.parse::<usize>()?),
        None => Ok(answer.ends_with(b"\r\n0\r\n\r\n")),
    }
}

/// How long each answer took.
#[derive(Default)]
pub(crate) struct Times {
    sorted: Vec<Duration>,
    took: Duration,
}

impl Times {
    pub(crate) fn count(&self) -> usize {
        self.sorted.len()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.count() as f64 / self.took.as_secs_f64()
    }

    /// The time that so many of a thousand answers did not exceed.
    pub(crate) fn at(&self, per_mille: usize) -> Duration {
        let last = self.count().saturating_sub(1);
        self.sorted.get(last * per_mille / 1000).copied().unwrap_or_default()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |per_mille| self.at(per_mille).as_secs_f64() * 1e3;
        write!(
            f,
            "{:.0}/s, p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
            self.per_second(),
            at(500),
            at(990),
            at(999)
        )
    }
}
