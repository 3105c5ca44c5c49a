//! Results as policy reports (openreports.io): one for all policies of the cluster, one for each namespaced policy.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use portcullis_kyverno::Policy;
use portcullis_model::{CompiledPolicy as _, RuleOutcome};
use portcullis_value::{Arena, Value, json};

use super::arguments::ReportFormat;
use super::form::{Form, Run};
use super::judged::Judged;
use super::mutations::Mutations;
use super::table::policy_key;
use crate::offline::verdict::{Counts, Verdict, is_scored};
use crate::surroundings::{Stream, Surroundings};

const API_VERSION: &str = "openreports.io/v1alpha1";

/// The report form.
#[derive(Debug)]
pub(crate) struct Report {
    mutations: Mutations,
    format: ReportFormat,
    /// Seconds since 1970-01-01 UTC.
    now: i64,
    cluster: Results,
    /// By namespace and name of the policy.
    namespaced: BTreeMap<(String, String), Results>,
}

/// The results of one report.
#[derive(Debug, Default)]
struct Results {
    /// In the form of the report already: a tree of all of them would be three times as large.
    text: String,
    counts: Counts,
}

impl Report {
    pub(crate) fn new(mutations: Mutations, format: ReportFormat, now: i64) -> Self {
        let now = now.div_euclid(1_000_000_000);
        Self { mutations, format, now, cluster: Results::default(), namespaced: BTreeMap::new() }
    }

    fn write(
        &self,
        stdout: &mut Stream<'_>,
        kind: &str,
        metadata: &[(&str, &str)],
        results: &Results,
    ) -> io::Result<()> {
        let arena = Arena::new();
        let text = |text: &'static str| Value::String(text);
        let metadata: Vec<_> = metadata.iter().map(|(key, value)| (*key, Value::String(value))).collect();
        let Counts { pass, fail, warn, error, skip } = results.counts;
        let count = |count: usize| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
        let summary = arena.object(&mut vec![
            ("error", count(error)),
            ("fail", count(fail)),
            ("pass", count(pass)),
            ("skip", count(skip)),
            ("warn", count(warn)),
        ]);
        let head = arena.object(&mut vec![
            ("apiVersion", text(API_VERSION)),
            ("kind", Value::String(kind)),
            ("metadata", arena.object(&mut metadata.clone())),
        ]);
        let tail = arena.object(&mut vec![("source", text("")), ("summary", summary)]);
        match self.format {
            ReportFormat::Yaml => {
                let (head, tail) = (portcullis_yaml::to_string(head), portcullis_yaml::to_string(tail));
                write!(stdout, "{head}results:\n{}{tail}", results.text)
            }
            ReportFormat::Json => {
                let writer = json::Writer::indented(2);
                let (head, tail) = (writer.to_string(head), writer.to_string(tail));
                let open = head.trim_end_matches('}').trim_end();
                let close = tail.trim_start_matches('{');
                writeln!(stdout, "{open},\n  \"results\": [\n{}\n  ],{close}", results.text)
            }
        }
    }
}

/// One result of a report.
fn entry<'a>(
    arena: &'a Arena,
    judged: &Judged<'_, 'a>,
    policy: &'a Policy,
    outcome: &'a RuleOutcome<'a>,
    verdict: Verdict,
    now: i64,
) -> Value<'a> {
    let resource = judged.resource;
    let metadata = |key: &str| resource.0.path(&["metadata", key]).unwrap_or_default();
    let api_version = resource.0.get("apiVersion").unwrap_or_default();
    let mut subject = vec![
        ("apiVersion", api_version),
        ("kind", Value::String(resource.kind())),
        ("name", Value::String(resource.name())),
        ("namespace", metadata("namespace")),
        ("resourceVersion", metadata("resourceVersion")),
        ("uid", metadata("uid")),
    ];
    subject.retain(|(_, value)| !matches!(value, Value::Null | Value::String("")));
    let process = if policy.is_background() { "background scan" } else { "admission review" };
    let annotation = |key: &str| policy.annotation(key).unwrap_or_default();
    let severity = annotation("policies.kyverno.io/severity");
    let is_severity = matches!(severity, "critical" | "high" | "medium" | "low" | "info");
    let own = outcome.properties.iter().map(|(name, text)| (&**name, Value::String(text)));
    let mut properties: Vec<_> = own.chain([("process", Value::String(process))]).collect();
    let mut entries = vec![
        ("category", Value::String(annotation("policies.kyverno.io/category"))),
        ("message", Value::String(message(outcome, verdict))),
        ("policy", arena.string(&policy_key(policy))),
        ("properties", arena.object(&mut properties)),
        ("resources", arena.array(&[arena.object(&mut subject)])),
        ("result", Value::String(verdict.as_str())),
        ("rule", Value::String(outcome.rule)),
        ("severity", Value::String(if is_severity { severity } else { "" })),
        ("source", Value::String("kyverno")),
        ("timestamp", arena.object(&mut vec![("nanos", 0.into()), ("seconds", now.into())])),
    ];
    entries.retain(|(_, value)| *value != Value::String(""));
    if is_scored(policy) {
        entries.push(("scored", true.into()));
    }
    arena.object(&mut entries)
}

/// What is said of `outcome`: what its rule wants reports to say of such a result, or of all, else its message.
fn message<'a>(outcome: &'a RuleOutcome<'a>, verdict: Verdict) -> &'a str {
    let wanted = |name: &str| {
        let property = outcome.properties.iter().find(|(own, text)| *own == name && !text.is_empty());
        property.map(|(_, text)| &**text)
    };
    wanted(&format!("{}Message", verdict.as_str())).or_else(|| wanted("message")).unwrap_or(&outcome.message)
}

impl Form for Report {
    fn begin(&mut self, _run: &Run<'_>, _stdout: &mut Stream<'_>) -> io::Result<()> {
        Ok(())
    }

    fn resource(&mut self, judged: &Judged<'_, '_>, stdout: &mut Stream<'_>) -> io::Result<()> {
        self.mutations.print(judged, stdout)?;
        for (policy, outcome, verdict) in judged.outcomes() {
            let arena = Arena::new();
            let entry = entry(&arena, judged, policy, outcome, verdict, self.now);
            let results = if policy.is_namespaced() {
                let key = (policy.namespace().to_owned(), policy.name().to_owned());
                self.namespaced.entry(key).or_default()
            } else {
                &mut self.cluster
            };
            results.counts.add(verdict);
            match self.format {
                ReportFormat::Yaml => {
                    results.text.push_str(&portcullis_yaml::to_string(arena.array(&[entry])))
                }
                ReportFormat::Json => {
                    if !results.text.is_empty() {
                        results.text.push_str(",\n");
                    }
                    let text = json::Writer::indented(2).to_string(entry);
                    results.text.push_str("    ");
                    results.text.push_str(&text.replace('\n', "\n    "));
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, _run: &Run<'_>, surroundings: &mut Surroundings<'_>) -> io::Result<()> {
        let stdout = &mut surroundings.stdout;
        if !self.cluster.text.is_empty() {
            self.write(stdout, "ClusterReport", &[("name", "merged")], &self.cluster)?;
        }
        for ((namespace, name), results) in &self.namespaced {
            writeln!(stdout, "---")?;
            self.write(stdout, "PolicyReport", &[("name", name), ("namespace", namespace)], results)?;
        }
        Ok(())
    }
}
