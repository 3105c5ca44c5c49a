//! `portcullis serve` as a process, and a client of it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, CertifiedKey, KeyPair, date_time_ymd, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use crate::root;

/// A server that says nothing for so long has stopped.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of policies from files on ports that were free.
pub(crate) struct Serving {
    process: Child,
    log: BufReader<ChildStderr>,
    /// What it logged before it said its addresses.
    early: Vec<Value>,
    /// Where it takes reviews.
    pub(crate) webhook: SocketAddr,
    /// Where it tells of itself.
    pub(crate) probes: SocketAddr,
}

impl Serving {
    /// Starts it with these further arguments, and reads its log up to where it says its addresses.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let anywhere = ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--log-format", "json"];
        let mut process = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .current_dir(root())
            .arg("serve")
            .args(anywhere)
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut early = Vec::new();
        let mut address = |message: &str| {
            let record = until(&mut log, begins_with(message), &mut early);
            record["address"].as_str().unwrap().parse().unwrap()
        };
        let (webhook, probes) = (address("taking admission requests"), address("serving /healthz"));
        Self { process, log, early, webhook, probes }
    }

    /// Reads its log up to a message that begins so, unless that came before it said its addresses.
    pub(crate) fn until_logged(&mut self, message: &str) -> Value {
        let is_meant = begins_with(message);
        match self.early.iter().find(|record| is_meant(record)) {
            Some(record) => record.clone(),
            None => until(&mut self.log, is_meant, &mut Vec::new()),
        }
    }

    /// Reads its log up to a decision.
    pub(crate) fn until_decided(&mut self) -> Value {
        until(&mut self.log, |record| record["decision"].is_object(), &mut Vec::new())
    }

    /// The warnings that it printed before it served: they are no records of the log.
    pub(crate) fn warnings(&self) -> Vec<&str> {
        self.early.iter().filter_map(Value::as_str).collect()
    }

    /// What `/readyz`, `/metrics` and the like answer, head and body.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.probes).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Posts a review to `path`, trusting `certificate` alone; the answer, or why there is none.
    pub(crate) fn review(
        &self,
        certificate: &Certificate,
        path: &str,
        review: &Value,
    ) -> Result<Value, String> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = versions.unwrap().with_root_certificates(roots).with_no_client_auth();
        let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let socket = TcpStream::connect(self.webhook).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        let body = review.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).map_err(|error| error.to_string())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(|error| error.to_string())?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
        Ok(serde_json::from_str(body).unwrap())
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.process_id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end; the exit code and what was left of its log.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (self.process.wait().unwrap(), rest)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It has ended already, or a test has failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads `log` up to the record that is meant; `passed` gets those before it.
fn until(
    log: &mut impl std::io::BufRead,
    is_meant: impl Fn(&Value) -> bool,
    passed: &mut Vec<Value>,
) -> Value {
    for line in log.lines() {
        let line = line.unwrap();
        let record = serde_json::from_str(&line).unwrap_or(Value::String(line));
        if is_meant(&record) {
            return record;
        }
        passed.push(record);
    }
    panic!("the log ended before what is waited for: {passed:?}");
}

fn begins_with(message: &str) -> impl Fn(&Value) -> bool {
    move |record| record["message"].as_str().is_some_and(|found| found.starts_with(message))
}

/// A certificate for `localhost` that signs itself.
pub(crate) struct Certificate {
    der: CertificateDer<'static>,
    certificate: String,
    key: String,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self { der: cert.der().clone(), certificate: cert.pem(), key: signing_key.serialize_pem() }
    }

    /// One that was valid until the end of the year 2000.
    pub(crate) fn expired() -> Self {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { der: certificate.der().clone(), certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Writes `tls.crt` and `tls.key` into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> [PathBuf; 2] {
        let paths = [folder.join("tls.crt"), folder.join("tls.key")];
        for (path, text) in paths.iter().zip([&self.certificate, &self.key]) {
            fs::write(path, text).unwrap();
        }
        paths
    }
}
