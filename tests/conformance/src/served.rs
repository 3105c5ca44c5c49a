//! The corpus `admission-served`: the reviews of `admission-reviews`, sent over TLS to `portcullis serve --policies`, one
//! process for each policy.
//!
//! The answers are read back and compared as those of the engine are: what lies between, from the connection to the JSON of the
//! answer, must change nothing. Left out are policies that a server without a cluster cannot answer for: those with rules
//! that are not executed, and those that ask for ConfigMaps; and requests for what the reference is installed to filter.

mod client;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::{env, iter};

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
use crate::reviews::{self, CLUSTER_ROLES, Cluster, Document, Recorded};

pub(crate) const CORPUS: Corpus = Corpus { name: "admission-served", cases };

/// What ends a text that the server has cut.
const CUT: &str = "...";

fn cases(root: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for document in reviews::documents(root)? {
        let class = reviews::class(&document)?;
        if document.context.is_empty() && !class.split(' ').any(is_not_executed) {
            cases.push(Case::new(document.id.clone(), class, move || {
                check(&document).map_err(|error| format!("{error:#}"))
            }));
        }
    }
    Ok(cases)
}

fn is_not_executed(kind: &str) -> bool {
    matches!(kind, "validate.cel" | "mutate.targets" | "generate" | "verifyImages")
}

fn check(document: &Document) -> Result<()> {
    let arena = Arena::new();
    let cluster = document.cluster()?;
    let server = Server::start(document)?;
    let mut client = Client::connect(server.address, &server.certificate)?;
    for (index, recorded) in document.reviews.iter().enumerate() {
        let body = recorded.body();
        let review = Review::parse(&body)?;
        if is_filtered(&cluster, &review) {
            continue;
        }
        let path = cluster.path(&recorded.path).context("no such path")?;
        let answer = client.post(&path, &body)?;
        compare(&arena, &answer, recorded, &review)
            .map_err(|error| anyhow::anyhow!("review {index}: {error}"))?;
    }
    Ok(())
}

/// Whether the reference admits the request unseen, by its configuration.
fn is_filtered(cluster: &Cluster, review: &Review<'_>) -> bool {
    let request = &review.request;
    cluster.settings.filters(request.gvk(), &request.sub_resource, &request.namespace, &request.name)
}

/// Compares the AdmissionReview that was answered as the verdict that it tells of.
fn compare(arena: &Arena, answer: &str, recorded: &Recorded, review: &Review<'_>) -> Finding {
    let text = |error: json::Error| error.to_string();
    let answer = json::read(arena, arena.str(answer)).map_err(text)?;
    let response = answer.get("response").ok_or("there is no response")?;
    let string = |path: &[&str]| response.path(path).and_then(Value::as_str);
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
        message: string(&["status", "message"]).map(|message| uncut(message, &recorded.response.message)),
        warnings: warnings
            .iter()
            .filter_map(|warning| Some(uncut(warning.as_str()?, &recorded.response.warnings)))
            .collect(),
        patch,
        ..Verdict::default()
    };
    let object = review.request.object(arena).map_err(|error| error.to_string())?;
    reviews::compare(arena, &verdict, &recorded.response, object.unwrap_or_default())
}

/// The text that the server has cut, as long as it was: the one of `whole` that begins so, on one line.
fn uncut<'w>(text: &str, whole: impl IntoIterator<Item = &'w String>) -> String {
    let begins = |whole: &&String| {
        let line = whole.replace(['\n', '\t'], " ");
        let start = text.strip_suffix(CUT).unwrap_or(text);
        line == text
            || *whole == text
            || (start != text && (whole.starts_with(start) || line.starts_with(start)))
    };
    whole.into_iter().find(begins).map_or_else(|| text.to_owned(), Clone::clone)
}

/// A `portcullis serve` of one policy. Ends when it is dropped.
struct Server {
    process: Child,
    address: SocketAddr,
    /// What it shows to clients.
    certificate: rustls::pki_types::CertificateDer<'static>,
    /// Where its files are; goes with it.
    _folder: tempfile::TempDir,
    /// Read no further, and open as long as it may write to it.
    _log: BufReader<ChildStderr>,
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
        let namespaces = namespaces(document)?;
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
            .arg("--values-file")
            .arg(file("values.yaml", &namespaces.to_string())?)
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
            _log: BufReader::new(log),
        };
        server.address = server.until_listening()?;
        Ok(server)
    }

    fn until_listening(&mut self) -> Result<SocketAddr> {
        let mut passed = String::new();
        loop {
            let start = passed.len();
            if self._log.read_line(&mut passed)? == 0 {
                bail!("`portcullis serve` has ended: {passed}");
            }
            let record: serde_json::Value =
                passed.get(start..).and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
            if record.get("message").and_then(|message| message.as_str()) == Some("taking admission requests")
            {
                let address = record.get("address").and_then(|address| address.as_str());
                return Ok(address.context("it does not say where it listens")?.parse()?);
            }
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

/// The labels of all namespaces that requests name: of those that are not recorded there are none.
fn namespaces(document: &Document) -> Result<serde_json::Value> {
    let labels: serde_json::Map<String, serde_json::Value> = serde_json::from_str(document.namespaces.get())?;
    let mut names: BTreeSet<String> = labels.keys().cloned().collect();
    for recorded in &document.reviews {
        names.extend(Review::parse(&recorded.body()).map(|review| review.request.namespace.to_string()));
    }
    let selectors = names
        .iter()
        .filter(|name| !name.is_empty())
        .map(|name| json!({"name": name, "labels": labels.get(name).cloned().unwrap_or_else(|| json!({}))}));
    let selectors: Vec<_> = selectors.collect();
    Ok(json!({"apiVersion": "cli.kyverno.io/v1alpha1", "kind": "Values", "namespaceSelector": selectors}))
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
