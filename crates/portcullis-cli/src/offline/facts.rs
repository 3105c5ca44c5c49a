//! Facts that a cluster would know, answered from the resources of the run.

mod api_path;

use std::collections::{BTreeMap, BTreeSet};

use portcullis_cluster::{ApiError, Asked, Extent};
use portcullis_jmespath::Expression;
use portcullis_model::{Answer, Gvk, Purpose, Question, Resource, ResourceQuery};
use portcullis_value::{Arena, Object, OwnedValue, Value};

use self::api_path::ApiPath;
use super::global_context::GlobalContext;
use super::inputs::Input;
use super::resources::{self, Scopes};
use crate::surroundings::Stream;

/// The resources of the run, where a policy may ask for them.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// What calls of the API are answered from, and the targets of rules that change existing resources.
    resources: Vec<OwnedValue>,
    /// What generate rules may copy, beside the resource that triggers them.
    pub(crate) clone_sources: Vec<OwnedValue>,
    /// Answers given beforehand, which come before the resources.
    calls: Vec<GivenCall>,
    /// Entries of the global context, by name.
    entries: BTreeMap<String, GlobalContext>,
    reach: Reach,
    /// The cluster that calls of the API go to, in place of the resources.
    cluster: Option<crate::cluster::Reach>,
}

/// What is looked up in the resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Nothing: what was not given beforehand is unknown.
    Nothing,
    /// What is asked of the API, but for ConfigMaps.
    ///
    /// COMPAT(kyverno): the reference does not look ConfigMaps up here; the variable is what the values say.
    #[default]
    Api,
    /// All that a cluster would know.
    Cluster,
}

/// An answer to calls of a URL.
#[derive(Clone, Debug)]
pub(crate) struct GivenCall {
    /// Empty for any.
    pub(crate) method: String,
    /// The whole URL, or a path of the API.
    pub(crate) url: String,
    /// The status of HTTP.
    pub(crate) status: u16,
    pub(crate) body: OwnedValue,
}

impl Facts {
    /// The resources of `inputs`, and `targets`. What is wrong with the former is told when they are judged.
    pub(crate) fn read(inputs: &mut [Input], targets: Vec<OwnedValue>, scopes: &Scopes) -> Self {
        let mut stderr = Stream::plain(std::io::sink());
        let (mut resources, _) = resources::read_all(inputs, scopes, &mut stderr);
        resources.extend(targets);
        Self { resources, ..Self::default() }
    }

    /// Facts that were given beforehand, and `resources` as far as `reach` goes.
    pub(crate) fn new(
        reach: Reach,
        resources: Vec<OwnedValue>,
        calls: Vec<GivenCall>,
        entries: BTreeMap<String, GlobalContext>,
    ) -> Self {
        Self { resources, calls, entries, reach, ..Self::default() }
    }

    /// Facts that are asked of `cluster`, but for the `targets` of rules that change existing resources.
    pub(crate) fn of_cluster(cluster: crate::cluster::Reach, targets: Vec<OwnedValue>) -> Self {
        Self { resources: targets, cluster: Some(cluster), ..Self::default() }
    }

    /// Whether context entries have nothing to ask them.
    pub(crate) fn know_nothing(&self) -> bool {
        self.reach == Reach::Nothing && self.calls.is_empty() && self.entries.is_empty()
    }

    /// The answer to `question` of a policy on `trigger`. `is_given` tells whether a variable has a value from elsewhere.
    pub(crate) fn answer(
        &self,
        question: &Question,
        trigger: Value<'_>,
        is_given: impl Fn(&str) -> bool,
    ) -> Answer {
        match question {
            Question::ApiCall { method, url_path, .. } => {
                self.call(method, url_path).unwrap_or_else(|| match self.get(method, url_path) {
                    Ok(value) => Answer::value(value),
                    Err(text) => Answer::Failed(format!(
                        "failed to {method} resource with raw url: {url_path}: {text}"
                    )),
                })
            }
            Question::ServiceCall { entry, method, url, .. } => match self.given_call(method, url) {
                Some(answer) => answer,
                None if is_given(entry) => Answer::Unavailable,
                None => Answer::Failed(format!(
                    "`{url}` is not called: this command stays off the network, give `{entry}` in a values file"
                )),
            },
            Question::GlobalContext { entry, name } => self.global_context(name).unwrap_or_else(|reason| {
                let frame = format!("failed to marshal APICall data for context entry {entry}");
                Answer::Failed(format!("{frame}: failed to fetch entry key={name}: {reason}"))
            }),
            Question::ConfigMap { namespace, name, .. } if self.reach == Reach::Cluster => {
                match self.get("GET", &format!("/api/v1/namespaces/{namespace}/configmaps/{name}")) {
                    Ok(value) => Answer::value(value),
                    Err(text) => {
                        Answer::Failed(format!("failed to get configmap {namespace}/{name} : {text}"))
                    }
                }
            }
            Question::Resources(query) => Answer::value(self.find(query, trigger)),
            // Registries are not asked: the variable is what the values say, or unknown.
            _ => Answer::Unavailable,
        }
    }

    /// The resources that `query` asks for; of one that is given twice, the first.
    ///
    /// COMPAT(kyverno): a generate rule sees the resource that triggers it and what it is given to copy, and nothing
    /// else.
    fn find(&self, query: &ResourceQuery, trigger: Value<'_>) -> OwnedValue {
        let arena = Arena::new();
        let (first, rest) = match query.purpose {
            Purpose::Mutate => (None, &self.resources),
            Purpose::Clone | Purpose::Generate => (Some(trigger.copy_to(&arena)), &self.clone_sources),
        };
        let mut seen = BTreeSet::new();
        let found: Vec<_> = first
            .into_iter()
            .chain(rest.iter().map(|resource| resource.borrow(&arena)))
            .filter(|resource| is_asked_for(Resource(*resource), query))
            .filter(|resource| seen.insert((Resource(*resource).namespace(), Resource(*resource).name())))
            .collect();
        arena.array(&found).into()
    }

    /// The answer to a call of the API that needs no look at the resources.
    fn call(&self, method: &str, path: &str) -> Option<Answer> {
        self.given_call(method, path).or((self.reach == Reach::Nothing).then_some(Answer::Unavailable))
    }

    /// The answer that was given to a call: the one for its method, or else the first one for its URL.
    fn given_call(&self, method: &str, url: &str) -> Option<Answer> {
        let mut of_url = self.calls.iter().filter(|call| call.url == url);
        let exact = of_url.clone().find(|call| call.method.is_empty() || call.method == method);
        exact.or_else(|| of_url.next()).map(|call| match call.status {
            200..300 => Answer::value(call.body.clone()),
            status => Answer::Failed(format!("failed to {method} {url}: HTTP {status}")),
        })
    }

    /// What the API server would answer to a GET of `path`.
    fn get(&self, method: &str, path: &str) -> Result<OwnedValue, String> {
        if method != "GET" {
            return Err("only GET is answered from the given resources".to_owned());
        }
        if let Some(cluster) = &self.cluster {
            return get_from(cluster, path);
        }
        // COMPAT(kyverno): the text has the path without the slash it begins with.
        let unknown = || format!("failed to parse path: {}", path.trim_start_matches('/'));
        if path.contains('?') {
            return Err("queries are not answered from the given resources".to_owned());
        }
        let parsed = ApiPath::parse(path).ok_or_else(unknown)?;
        let arena = Arena::new();
        let matching = || {
            let borrowed = self.resources.iter().map(|resource| resource.borrow(&arena));
            borrowed.filter(|resource| parsed.matches(Resource(*resource)))
        };
        match (parsed.name, parsed.namespace) {
            (None, _) => Ok(list(&arena, &parsed, &matching().collect::<Vec<_>>()).into()),
            (Some(name), namespace) => match (matching().next(), namespace) {
                (Some(found), _) => Ok(found.into()),
                (None, Some(_)) => Err(format!("{} \"{name}\" not found", parsed.resource)),
                (None, None) => Err(unknown()),
            },
        }
    }

    /// What `name` stands for in the global context: an entry, or a projection of one.
    ///
    /// # Errors
    /// The entry has no such projection, or it cannot be made.
    fn global_context(&self, name: &str) -> Result<Answer, String> {
        // COMPAT(kyverno): what follows a second dot plays no part.
        let mut parts = name.split('.');
        let entry = parts.next().unwrap_or_default();
        let projection = parts.next().filter(|projection| !projection.is_empty());
        if let Some(given) = self.entries.get(entry) {
            return given.read(projection);
        }
        match self.reach {
            Reach::Nothing => Ok(Answer::Unavailable),
            Reach::Api | Reach::Cluster => self
                .global_entry(entry, projection)?
                .map_or(Ok(Answer::Unavailable), |entry| entry.read(projection)),
        }
    }

    /// A GlobalContextEntry among the resources, with the `projection` of it that is asked for.
    ///
    /// # Errors
    /// The projection is no expression.
    fn global_entry(&self, name: &str, projection: Option<&str>) -> Result<Option<GlobalContext>, String> {
        let arena = Arena::new();
        let all: Vec<Value<'_>> = self.resources.iter().map(|resource| resource.borrow(&arena)).collect();
        let is_entry = |resource: &&Value<'_>| {
            let resource = Resource(**resource);
            let Gvk { group, kind, .. } = resource.gvk();
            group == "kyverno.io" && kind == "GlobalContextEntry" && resource.name() == name
        };
        let Some(spec) = all.iter().find(is_entry).and_then(|entry| entry.get("spec")) else {
            return Ok(None);
        };
        let Some(path) = spec.get("kubernetesResource").and_then(ApiPath::of_entry) else { return Ok(None) };
        let found: Vec<_> =
            all.iter().copied().filter(|resource| path.matches(Resource(*resource))).collect();
        let content = arena.array(&found).into();
        let mut projections = Vec::new();
        let known = spec.get("projections").and_then(Value::as_array).unwrap_or_default();
        let text = |of: &Value<'_>, key: &str| of.get(key).and_then(Value::as_str).map(str::to_owned);
        for known in known.iter().filter(|known| text(known, "name").as_deref() == projection) {
            let path = text(known, "jmesPath").unwrap_or_default();
            let expression = Expression::compile(&path).map_err(|error| error.to_string())?;
            projections.extend(text(known, "name").map(|name| (name, expression)));
        }
        Ok(Some(GlobalContext { content, projections: projections.into() }))
    }
}

/// What the API server of `cluster` answers to a GET of `path`, or says of it.
fn get_from(cluster: &crate::cluster::Reach, path: &str) -> Result<OwnedValue, String> {
    let crate::cluster::Reach { runtime, connection } = cluster;
    let asked = Asked { verb: "get", resource: path.to_owned() };
    let said = |error: ApiError| error.said().into_owned();
    let answer = runtime.block_on(connection.get(asked.clone(), path, Extent::Whole)).map_err(said)?;
    let arena = Arena::new();
    answer.document(&arena, asked).map(OwnedValue::from).map_err(said)
}

/// Whether `query` asks for `resource`. A subresource is there with the resource that it is a part of.
fn is_asked_for(resource: Resource<'_>, query: &ResourceQuery) -> bool {
    resource.gvk() == Gvk::new(&query.api_version, &query.kind)
        && query.namespace.as_ref().is_none_or(|namespace| resource.namespace() == namespace)
        && query.name.as_ref().is_none_or(|name| resource.name() == name)
}

fn list<'a>(arena: &'a Arena, path: &ApiPath<'_>, items: &[Value<'a>]) -> Value<'a> {
    let kind = items.first().map_or("", |first| Resource(*first).kind());
    let gvk = Gvk { group: path.group, version: path.version, kind: "" };
    let mut metadata = vec![("resourceVersion", Value::String(""))];
    let mut entries = vec![
        ("apiVersion", Value::String(arena.format(format_args!("{}", gvk.api_version())))),
        ("items", arena.array(items)),
        ("kind", Value::String(arena.format(format_args!("{kind}List")))),
        ("metadata", Value::Object(Object::from_unsorted(arena, &mut metadata))),
    ];
    arena.object(&mut entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, want: &str) {
        let arena = Arena::new();
        let resource = |text| portcullis_yaml::read(&arena, text).unwrap().into();
        let facts = Facts {
            resources: vec![
                resource("{apiVersion: v1, kind: Pod, metadata: {namespace: a, name: p}}"),
                resource("{apiVersion: v1, kind: Pod, metadata: {namespace: b, name: q}}"),
                resource("{apiVersion: v1, kind: Namespace, metadata: {name: a}}"),
            ],
            ..Facts::default()
        };
        let names = match facts.get("GET", path) {
            Ok(value) => {
                let value = value.borrow(&arena);
                let name = |value: Value<'_>| Resource(value).name().to_owned();
                match value.get("items").and_then(Value::as_array) {
                    Some(items) => items.iter().map(|item| name(*item)).collect::<Vec<_>>().join(" "),
                    None => name(value),
                }
            }
            Err(text) => text,
        };
        assert_eq!(names, want, "{path}");
    }

    #[test]
    fn lists_and_objects_are_answered_from_the_resources() {
        check("/api/v1/pods", "p q");
        check("/api/v1/namespaces/b/pods", "q");
        check("/api/v1/namespaces/a/pods/p", "p");
        check("/api/v1/namespaces/a", "a");
        check("/apis/apps/v1/deployments", "");
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        check("/api/v1/namespaces/a/pods/x", "pods \"x\" not found");
        check("/api/v1/namespaces/x", "failed to parse path: api/v1/namespaces/x");
        check("/healthz", "failed to parse path: healthz");
    }
}
