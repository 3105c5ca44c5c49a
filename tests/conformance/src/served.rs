//! The corpus `admission-served`: the reviews of `admission-reviews`, sent over TLS to `portcullis serve --policies`, one
//! process for each policy.
//!
//! The answers are read back and compared as those of the engine are: what lies between, from the connection to the JSON of the
//! answer, must change nothing. No review is left out. What the cluster of the recording held, the filters of requests among
//! it, is given to the server by `--resource`.

mod client;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, io, iter, thread};

use anyhow::{Context as _, Result, bail};
use portcullis_engine::Verdict;
use portcullis_model::Review;
use portcullis_patch::json6902::Patch;
use portcullis_value::{Arena, Value, json};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use serde_json::value::RawValue;

use self::client::Client;
use crate::corpus::{Case, Corpus, Finding};
use crate::reviews::{self, CLUSTER_ROLES, Cluster, Document, FILTERS, Recorded};

pub(crate) const CORPUS: Corpus = Corpus { name: "admission-served", cases };

/// The reviews of a policy, and the server that answers them.
struct Served {
    document: Document,
    cluster: Cluster,
    /// Started for the first review, and ended with the last.
    running: Mutex<Option<Running>>,
}

struct Running {
    client: Client,
    _server: Server,
}

fn cases(root: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for document in reviews::documents(root)? {
        let class = reviews::class(&document)?;
        let (id, count) = (document.id.clone(), document.reviews.len());
        let cluster = document.cluster()?;
        let served = Arc::new(Served { document, cluster, running: Mutex::default() });
        for index in 0..count {
            let served = Arc::clone(&served);
            cases.push(Case::new(format!("{id}/{index}"), class.clone(), move || served.check(index)));
        }
    }
    Ok(cases)
}

impl Served {
    fn check(&self, index: usize) -> Finding {
        let recorded = self.document.reviews.get(index).ok_or("no such review")?;
        let body = recorded.body();
        let arena = Arena::new();
        let review = Review::parse(&body).map_err(|error| error.to_string())?;
        let route = self.cluster.route(&recorded.path).ok_or("no such path")?;
        // Where a rule is not executed yet, the answer would be right by accident.
        self.cluster.review(&arena, &review, &route)?;
        let answer = self.post(&reviews::path(&route), &body).map_err(|error| format!("{error:#}"))?;
        compare(&arena, &answer, recorded, &review)
    }

    fn post(&self, path: &str, body: &str) -> Result<String> {
        let mut slot = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = match slot.take() {
            Some(running) => running,
            None => Running::start(&self.document)?,
        };
        let answer = running.client.post(path, body)?;
        *slot = Some(running);
        Ok(answer)
    }
}

impl Running {
    fn start(document: &Document) -> Result<Self> {
        let server = Server::start(document)?;
        Ok(Self { client: Client::connect(server.address, &server.certificate)?, _server: server })
    }
}

/// Compares the AdmissionReview that was answered as the verdict that it tells of.
fn compare(arena: &Arena, answer: &str, recorded: &Recorded, review: &Review<'_>) -> Finding {
    let text = |error: json::Error| error.to_string();
    let answer = json::read(arena, arena.str(answer)).map_err(text)?;
    let response = answer.get("response").ok_or("there is no response")?;
    let string = |path: &[&str]| response.path(path).and_then(Value::as_str);
    if string(&["uid"]) != Some(&*review.request.uid) {
        return Err(format!("answers another request: {response}"));
    }
    let patch = match string(&["patch"]) {
        Some(patch) => {
            let patch = client::decoded(patch).ok_or("the patch is no base64")?;
            let patch = json::read(arena, arena.str(&patch)).map_err(text)?;
            Patch::parse(patch).map_err(|error| error.to_string())?.operations
        }
        None => Vec::new(),
    };
    let warnings = response.get("warnings").and_then(Value::as_array).unwrap_or_default();
    let verdict = Verdict {
        allowed: response.get("allowed").and_then(Value::as_bool).ok_or("it says nothing of `allowed`")?,
        message: string(&["status", "message"]).map(str::to_owned),
        warnings: warnings.iter().filter_map(|warning| warning.as_str().map(str::to_owned)).collect(),
        patch,
        ..Verdict::default()
    };
    let object = review.request.object(arena).map_err(|error| error.to_string())?;
    reviews::compare(arena, &verdict, &recorded.response, object.unwrap_or_default())
}

/// A `portcullis serve` of one policy. Ends when it is dropped.
struct Server {
    process: Child,
    address: SocketAddr,
    /// What it shows to clients.
    certificate: rustls::pki_types::CertificateDer<'static>,
    /// Where its files are; goes with it.
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(document: &Document) -> Result<Self> {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()])?;
        let folder = tempfile::tempdir()?;
        let file = |name: &str, text: &str| write(&folder.path().join(name), text);
        let exceptions: Vec<Box<RawValue>> = match &document.exceptions {
            Some(list) => serde_json::from_str(list.get())?,
            None => Vec::new(),
        };
        let documents = iter::once(&document.policy).chain(&exceptions);
        let policies: String = documents.map(|document| format!("---\n{document}\n")).collect();
        let objects = objects(document)?;
        let user = json!({"apiVersion": "cli.kyverno.io/v1alpha1", "kind": "UserInfo", "clusterRoles": CLUSTER_ROLES});
        let mut process = Command::new(program()?)
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--metrics-listen",
                "127.0.0.1:0",
                "--log-format",
                "json",
            ])
            .args(["--mutation-record", "off", "--immutable-fields", "as-written"])
            .arg("--policies")
            .arg(file("policies.yaml", &policies)?)
            .arg("--resource")
            .arg(file("objects.yaml", &objects.to_string())?)
            .arg("--userinfo")
            .arg(file("user.yaml", &user.to_string())?)
            .arg("--tls-cert")
            .arg(file("tls.crt", &cert.pem())?)
            .arg("--tls-key")
            .arg(file("tls.key", &signing_key.serialize_pem())?)
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start `portcullis serve`")?;
        let log = process.stderr.take().context("it has no log")?;
        let mut server = Self {
            process,
            address: ([127, 0, 0, 1], 0).into(),
            certificate: cert.der().clone(),
            _folder: folder,
        };
        let mut log = BufReader::new(log);
        server.address = until_listening(&mut log)?;
        // The rest is read and left alone: nobody else would, and the server would lose it.
        thread::spawn(move || io::copy(&mut log, &mut io::sink()));
        Ok(server)
    }
}

/// Reads the log of a server up to where it says its address.
fn until_listening(log: &mut BufReader<ChildStderr>) -> Result<SocketAddr> {
    let mut passed = String::new();
    loop {
        let start = passed.len();
        if log.read_line(&mut passed)? == 0 {
            bail!("`portcullis serve` has ended: {passed}");
        }
        let record: serde_json::Value =
            passed.get(start..).and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
        if record.get("message").and_then(|message| message.as_str()) == Some("taking admission requests") {
            let address = record.get("address").and_then(|address| address.as_str());
            return Ok(address.context("it does not say where it listens")?.parse()?);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the cluster held: the namespaces that requests name, of which those that are not recorded have no labels, and the
/// configuration.
fn objects(document: &Document) -> Result<serde_json::Value> {
    let labels: serde_json::Map<String, serde_json::Value> = serde_json::from_str(document.namespaces.get())?;
    let mut names: BTreeSet<String> = labels.keys().cloned().collect();
    for recorded in &document.reviews {
        names.extend(Review::parse(&recorded.body()).map(|review| review.request.namespace.to_string()));
    }
    let namespace = |name: &String| {
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels.get(name).cloned().unwrap_or_else(|| json!({}))},
        })
    };
    let configuration = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "portcullis", "namespace": "portcullis"},
        "data": {"resourceFilters": FILTERS},
    });
    let namespaces = names.iter().filter(|name| !name.is_empty()).map(namespace);
    let items: Vec<_> = namespaces.chain([configuration]).collect();
    Ok(json!({"apiVersion": "v1", "kind": "List", "items": items}))
}

/// Writes a file that the server reads.
#[expect(clippy::disallowed_methods, reason = "the file is of the run, and the error names the path")]
fn write(path: &Path, text: &str) -> Result<PathBuf> {
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(path.to_owned())
}

/// The binary, which lies beside this one.
fn program() -> Result<PathBuf> {
    let own = env::current_exe()?;
    let program = own.with_file_name("portcullis");
    if !program.exists() {
        bail!("there is no `{}`: cargo build -p portcullis", program.display());
    }
    Ok(program)
}
