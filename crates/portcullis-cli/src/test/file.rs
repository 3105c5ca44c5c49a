//! Test files: `kyverno-test.yaml`, read strictly.

use std::path::Path;
use std::sync::Arc;

use portcullis_jmespath::Expression;
use portcullis_model::{Diagnostic, Operation, Severity};
use portcullis_value::{Arena, OwnedValue, Pointer, Value};
use portcullis_yaml::Source;

use crate::diagnostics::Reporter;
use crate::offline::documents;
use crate::offline::facts::GivenCall;
use crate::offline::fields::{Fields, Problems};
use crate::offline::inputs::Inputs;
use crate::offline::values::Values;
use crate::surroundings::{Stream, Surroundings};

/// One test: what is given, and what is expected to come of it. Paths are those that the process opens.
#[derive(Debug, Default)]
pub(crate) struct Test {
    /// The file it stands in.
    pub(crate) path: String,
    pub(crate) policies: Vec<String>,
    pub(crate) resources: Vec<String>,
    /// What rules change that mutate existing resources.
    pub(crate) targets: Vec<String>,
    pub(crate) exceptions: Vec<String>,
    /// Values that stand in the test itself; they come before those of a file.
    pub(crate) values: Option<Values>,
    pub(crate) values_file: Option<String>,
    pub(crate) user_info: Option<String>,
    /// Files that stand for a cluster.
    pub(crate) cluster_resources: Vec<String>,
    pub(crate) calls: Vec<GivenCall>,
    pub(crate) entries: Vec<GlobalEntry>,
    pub(crate) rows: Vec<Expectation>,
}

/// An entry of the global context.
#[derive(Debug)]
pub(crate) struct GlobalEntry {
    pub(crate) name: String,
    /// The content, where it stands in the test.
    pub(crate) data: Option<OwnedValue>,
    /// The files whose resources are the content otherwise.
    pub(crate) files: Vec<String>,
    /// Whether a part of the content is asked for by `fieldPath`, which is not read yet.
    pub(crate) has_field_path: bool,
    /// What is taken from the content, by name.
    pub(crate) projections: Arc<[(String, Expression)]>,
}

/// A row: what is expected of a rule on some resources.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expectation {
    /// As it is written: `name` or `namespace/name`.
    pub(crate) policy: String,
    /// Empty for all rules.
    pub(crate) rule: String,
    /// `name` or `namespace/name`; none for all resources.
    pub(crate) resources: Vec<String>,
    pub(crate) specs: Vec<ResourceSpec>,
    /// `pass`, `fail`, `skip`, `warn` or `error`.
    pub(crate) result: String,
    /// The file with the expected objects.
    pub(crate) patched: Option<String>,
    /// The files with the objects that are expected to be generated: in one of them each is to be found.
    pub(crate) generated: Vec<String>,
    /// The file with the objects that the rule copies.
    pub(crate) clone_source: Option<String>,
    /// Whether a patched object that the file does not hold is a failure.
    pub(crate) fail_on_missing: bool,
    pub(crate) operation: Option<Operation>,
}

/// A resource that a row names by more than its name.
#[derive(Clone, Debug)]
pub(crate) struct ResourceSpec {
    pub(crate) api_version: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Expectation {
    /// The name of the policy. Its namespace, where one is written, plays no part.
    pub(crate) fn policy_name(&self) -> &str {
        self.policy.rsplit_once('/').map_or(&self.policy, |(_, name)| name)
    }
}

impl Test {
    /// Reads the tests in the file at `path`; tells what is wrong, and that it holds none, which is an error where it is taken
    /// strictly. Returns also how many errors were told.
    pub(crate) fn read(path: &str, strict: bool, surroundings: &mut Surroundings<'_>) -> (Vec<Self>, usize) {
        let severity = if strict { Severity::Error } else { Severity::Warning };
        let mut found = Inputs::find(&[path.to_owned()], false, surroundings);
        let (mut tests, mut errors) = (Vec::new(), found.errors);
        for input in &mut found.inputs {
            let told = documents::each(input, &mut surroundings.stderr, |source, stderr| {
                let (test, errors) = Self::decode(path, severity, source, stderr);
                tests.extend(test);
                Ok::<_, std::convert::Infallible>(errors)
            });
            errors += told.unwrap_or_default();
        }
        if tests.is_empty() && errors == 0 {
            let mut reporter = Reporter::new(path, &mut surroundings.stderr);
            reporter.whole(severity, "there is no test in this file", Some(BEGINNING));
            errors += reporter.errors();
        }
        (tests, errors)
    }

    fn decode(
        path: &str,
        severity: Severity,
        source: Source<'_>,
        stderr: &mut Stream<'_>,
    ) -> (Option<Self>, usize) {
        let mut reporter = Reporter::new(path, stderr);
        let arena = Arena::new();
        let document = match source.read_marked(&arena) {
            Ok(document) => document,
            Err(error) => {
                reporter.syntax(source, &error);
                return (None, reporter.errors());
            }
        };
        if document.value.is_null() {
            return (None, 0);
        }
        document.duplicates.iter().for_each(|duplicate| reporter.duplicate(source, duplicate));
        let mut decoder = Decoder {
            folder: Path::new(path).parent().unwrap_or(Path::new("")),
            problems: Problems::default(),
        };
        let mut test = decoder.test(document.value);
        decoder.tells_what_is_no_test(document.value, &test, severity);
        path.clone_into(&mut test.path);
        for problem in &decoder.problems.0 {
            reporter.diagnostic(source, &document.marks, problem);
        }
        ((reporter.errors() == 0).then_some(test), reporter.errors())
    }
}

/// The fields of a row.
const ROW: &[&str] = &[
    "policy",
    "rule",
    "resources",
    "resourceSpecs",
    "kind",
    "result",
    "patchedResources",
    "generatedResource",
    "generatedResources",
    "cloneSourceResource",
    "failOnMissingResources",
    "operation",
    // Said for people: nothing depends on them.
    "isValidatingAdmissionPolicy",
    "isMutatingAdmissionPolicy",
    "isValidatingPolicy",
    "isMutatingPolicy",
    "isGeneratingPolicy",
    "isImageValidatingPolicy",
    "isDeletingPolicy",
];

/// Reads one test.
struct Decoder<'d> {
    /// Where relative paths start.
    folder: &'d Path,
    problems: Problems,
}

/// How a test begins, as a hint.
const BEGINNING: &str = "begin it with `apiVersion: cli.kyverno.io/v1alpha1` and `kind: Test`";

impl Decoder<'_> {
    /// COMPAT(kyverno): a document that expects nothing, or is of another kind, passes.
    fn tells_what_is_no_test(&mut self, document: Value<'_>, test: &Test, severity: Severity) {
        if !self.problems.0.is_empty() {
            return;
        }
        let fields = Fields::new(document.as_object().unwrap_or_default(), Pointer::root());
        let kind = fields.get("kind").and_then(Value::as_str).unwrap_or_default();
        let (key, message, hint) = if kind != "Test" {
            ("kind", format!("`{kind}` is no kind of tests"), BEGINNING)
        } else if test.rows.is_empty() {
            ("metadata", "the test expects nothing".to_owned(), "what is expected stands under its `results`")
        } else {
            return;
        };
        let mut path = Pointer::root();
        path.push(key);
        let problem = Diagnostic { severity, ..Diagnostic::error(path, message) };
        self.problems.0.push(problem.with_hint(hint));
    }

    fn path(&self, path: &str) -> String {
        self.folder.join(path).display().to_string()
    }

    fn paths(&mut self, fields: &Fields<'_>, field: &str) -> Vec<String> {
        let mut paths: Vec<String> = Vec::new();
        for path in fields.texts(field, &mut self.problems) {
            let path = self.path(path);
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }

    fn optional_path(&mut self, fields: &Fields<'_>, field: &str) -> Option<String> {
        let path = fields.text(field, &mut self.problems);
        (!path.is_empty()).then(|| self.path(path))
    }

    fn wrong(&mut self, path: Pointer, message: impl Into<String>) {
        self.problems.0.push(Diagnostic::error(path, message));
    }

    fn test(&mut self, document: Value<'_>) -> Test {
        let known = [
            "apiVersion",
            "kind",
            "metadata",
            "policies",
            "resources",
            "targetResources",
            "exceptions",
            "variables",
            "values",
            "userinfo",
            "clusterResources",
            "apiCallResponses",
            "globalContextEntries",
            "results",
            // Those of policies in CEL, which are not run yet.
            "context",
            "paramResources",
            "jsonPayload",
            "jsonPayloads",
            "httpPayloads",
            "envoyPayloads",
        ];
        let fields = self.problems.fields(document, Pointer::root(), &known);
        if fields.text("apiVersion", &mut self.problems).is_empty()
            || fields.text("kind", &mut self.problems).is_empty()
        {
            let problem = Diagnostic::error(Pointer::root(), "the test has no `apiVersion` and `kind`");
            self.problems.0.push(problem.with_hint(BEGINNING));
        }
        let values = fields
            .get("values")
            .map(|values| Values::inline(values, fields.path("values"), &mut self.problems));
        let mut test = Test {
            policies: self.paths(&fields, "policies"),
            resources: self.paths(&fields, "resources"),
            targets: self.paths(&fields, "targetResources"),
            exceptions: self.paths(&fields, "exceptions"),
            values,
            values_file: self.optional_path(&fields, "variables"),
            user_info: self.optional_path(&fields, "userinfo"),
            cluster_resources: self.paths(&fields, "clusterResources"),
            ..Test::default()
        };
        for (call, path) in fields.list("apiCallResponses", &mut self.problems) {
            test.calls.push(self.call(call, path));
        }
        for (entry, path) in fields.list("globalContextEntries", &mut self.problems) {
            test.entries.push(self.entry(entry, path));
        }
        for (row, path) in fields.list("results", &mut self.problems) {
            test.rows.push(self.row(row, path));
        }
        test
    }

    fn call(&mut self, call: Value<'_>, path: Pointer) -> GivenCall {
        let call = self.problems.fields(call, path, &["url", "urlPath", "method", "response"]);
        let response = call.get("response").unwrap_or_default();
        let response = self.problems.fields(response, call.path("response"), &["statusCode", "body"]);
        let url = match call.text("url", &mut self.problems) {
            "" => call.text("urlPath", &mut self.problems),
            url => url,
        };
        let status = response.get("statusCode").and_then(Value::as_i64).unwrap_or_default();
        GivenCall {
            method: call.text("method", &mut self.problems).to_owned(),
            url: url.to_owned(),
            status: u16::try_from(status).ok().filter(|status| *status != 0).unwrap_or(200),
            body: response.get("body").unwrap_or_default().into(),
        }
    }

    fn entry(&mut self, entry: Value<'_>, path: Pointer) -> GlobalEntry {
        let known = ["name", "data", "resources", "resourceFiles", "fieldPath", "projections"];
        let entry = self.problems.fields(entry, path.clone(), &known);
        let files = self.paths(&entry, "resourceFiles");
        let data = match (entry.get("data"), entry.get("resources"), files.is_empty()) {
            (Some(data), None, true) | (None, Some(data), true) => Some(data.into()),
            (None, None, false) => None,
            _ => {
                self.wrong(path, "expected one of `data`, `resources` and `resourceFiles`");
                None
            }
        };
        let mut projections = Vec::new();
        for (projection, path) in entry.list("projections", &mut self.problems) {
            let projection = self.problems.fields(projection, path, &["name", "path"]);
            let name = projection.text("name", &mut self.problems).to_owned();
            match Expression::compile(projection.text("path", &mut self.problems)) {
                Ok(expression) => projections.push((name, expression)),
                Err(error) => self.wrong(projection.path("path"), error.to_string()),
            }
        }
        GlobalEntry {
            name: entry.text("name", &mut self.problems).to_owned(),
            data,
            files,
            has_field_path: entry.get("fieldPath").is_some(),
            projections: projections.into(),
        }
    }

    fn row(&mut self, row: Value<'_>, path: Pointer) -> Expectation {
        let row = self.problems.fields(row, path, ROW);
        let text = |field, problems: &mut Problems| row.text(field, problems).to_owned();
        let result = text("result", &mut self.problems);
        if !matches!(&*result, "pass" | "fail" | "skip" | "warn" | "error") {
            self.wrong(
                row.path("result"),
                format!("`{result}` is no result: they are pass, fail, skip, warn and error"),
            );
        }
        let operation = self.operation(&row);
        let mut specs = Vec::new();
        for (spec, path) in row.list("resourceSpecs", &mut self.problems) {
            specs.push(self.spec(spec, path));
        }
        // The list comes before the single file.
        let mut generated = self.paths(&row, "generatedResources");
        let one = self.optional_path(&row, "generatedResource");
        if generated.is_empty() {
            generated.extend(one);
        }
        Expectation {
            policy: text("policy", &mut self.problems),
            rule: text("rule", &mut self.problems),
            resources: row.texts("resources", &mut self.problems).into_iter().map(str::to_owned).collect(),
            specs,
            result,
            patched: self.optional_path(&row, "patchedResources"),
            generated,
            clone_source: self.optional_path(&row, "cloneSourceResource"),
            fail_on_missing: row.flag("failOnMissingResources", &mut self.problems),
            operation,
        }
    }

    /// What the request of a row does, where that is said.
    fn operation(&mut self, row: &Fields<'_>) -> Option<Operation> {
        let name = row.text("operation", &mut self.problems);
        if name.is_empty() {
            return None;
        }
        let operation = name.parse().ok().filter(|operation| *operation != Operation::Connect);
        if operation.is_none() {
            self.wrong(row.path("operation"), format!("`{name}` is none of CREATE, UPDATE and DELETE"));
        }
        operation
    }

    fn spec(&mut self, spec: Value<'_>, path: Pointer) -> ResourceSpec {
        let known = ["group", "version", "kind", "namespace", "subresource", "name"];
        let spec = self.problems.fields(spec, path, &known);
        let text = |field, problems: &mut Problems| spec.text(field, problems).to_owned();
        let (group, version) = (text("group", &mut self.problems), text("version", &mut self.problems));
        ResourceSpec {
            api_version: if group.is_empty() { version } else { format!("{group}/{version}") },
            namespace: text("namespace", &mut self.problems),
            name: text("name", &mut self.problems),
        }
    }
}
