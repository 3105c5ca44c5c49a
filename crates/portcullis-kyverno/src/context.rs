//! Context entries of a rule: variables of its own, and facts from outside.

use portcullis_model::Question;
use portcullis_model::explain::{Part, Recorder, Step};
use portcullis_value::{Arena, Value, json};

use crate::scope::Scope;
use crate::variable::{Compiled, Template, VariableError, map_at, text_at, without_nulls};

/// What is looked up in a cluster beside what always is: ConfigMaps, and what the API server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lookups {
    /// Whether calls to services (`apiCall.service`) are made.
    pub services: bool,
}

/// One entry of `context`.
#[derive(Debug)]
pub(crate) struct ContextEntry {
    pub(crate) name: Box<str>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Variable {
        value: Option<Template>,
        path: Option<Template>,
        default: Option<Template>,
    },
    ConfigMap {
        name: Template,
        namespace: Option<Template>,
        /// The namespace where none is written.
        home: Box<str>,
    },
    /// The call, substituted as a whole, and what is read from its answer.
    ApiCall {
        call: Template,
        /// Whether it goes to another service than the API server.
        to_service: bool,
        path: Option<Template>,
        default: Option<portcullis_value::OwnedValue>,
    },
    GlobalReference {
        name: Template,
        path: Option<Template>,
    },
    ImageRegistry {
        reference: Template,
        path: Option<Template>,
    },
    /// No source at all: refused when the policy is written, harmless here.
    None,
}

impl ContextEntry {
    /// Compiles an entry of a policy that lives in `namespace` (empty for a cluster-wide one).
    pub(crate) fn compile(entry: Value<'_>, namespace: &str) -> Self {
        let arena = Arena::new();
        let part = |source: Value<'_>, key: &str| {
            source.get(key).filter(|value| !value.is_null()).map(Template::compile)
        };
        // An empty path is none.
        let path = |source: Value<'_>| {
            let path = source.get("jmesPath").filter(|path| !matches!(path, Value::Null | Value::String("")));
            path.map(Template::compile)
        };
        let or_empty =
            |template: Option<Template>| template.unwrap_or_else(|| Template::compile(Value::String("")));
        let source = |key: &str| entry.get(key).filter(|value| !value.is_null());
        let source = if let Some(variable) = source("variable") {
            Source::Variable {
                value: part(variable, "value"),
                path: path(variable),
                default: part(variable, "default"),
            }
        } else if let Some(config_map) = source("configMap") {
            Source::ConfigMap {
                name: or_empty(part(config_map, "name")),
                namespace: part(config_map, "namespace"),
                home: if namespace.is_empty() { "default" } else { namespace }.into(),
            }
        } else if let Some(call) = source("apiCall") {
            Source::ApiCall {
                call: Template::compile(without_nulls(&arena, call.copy_to(&arena), &["service"])),
                to_service: call.get("service").is_some_and(|service| !service.is_null()),
                path: path(call),
                default: call.get("default").filter(|value| !value.is_null()).map(Into::into),
            }
        } else if let Some(global) = source("globalReference") {
            Source::GlobalReference { name: or_empty(part(global, "name")), path: path(global) }
        } else if let Some(image) = source("imageRegistry") {
            Source::ImageRegistry { reference: or_empty(part(image, "reference")), path: path(image) }
        } else {
            Source::None
        };
        Self { name: entry.get("name").and_then(Value::as_str).unwrap_or_default().into(), source }
    }

    /// Whether the value is made here, and not fetched from outside.
    pub(crate) fn is_variable(&self) -> bool {
        matches!(self.source, Source::Variable { .. })
    }

    /// Whether its value comes from outside.
    pub(crate) fn is_outside(&self) -> bool {
        !matches!(self.source, Source::Variable { .. } | Source::None)
    }

    /// What the entry is, where its value comes from where nobody asks for it in a cluster that offers `lookups`.
    pub(crate) fn not_looked_up(&self, lookups: Lookups) -> Option<&'static str> {
        match self.source {
            Source::ApiCall { to_service: true, .. } if !lookups.services => Some("context.apiCall.service"),
            Source::GlobalReference { .. } => Some("context.globalReference"),
            Source::ImageRegistry { .. } => Some("context.imageRegistry"),
            Source::ApiCall { .. } | Source::ConfigMap { .. } | Source::Variable { .. } | Source::None => {
                None
            }
        }
    }

    /// The value of the entry; `None` where nobody can be asked for it.
    ///
    /// # Errors
    /// In the reference's words; or the evaluation has to wait for an answer.
    pub(crate) fn load<'a>(
        &'a self,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Option<Value<'a>>, VariableError> {
        if scope.is_offline() && self.is_outside() {
            return Ok(None);
        }
        match &self.source {
            Source::Variable { value, path, default } => {
                self.variable(scope, value.as_ref(), path.as_ref(), default.as_ref()).map(Some)
            }
            Source::ConfigMap { name, namespace, home } => {
                let name = text(scope, name)?;
                let namespace = match namespace {
                    Some(namespace) => text(scope, namespace)?,
                    None => "",
                };
                let namespace = if namespace.is_empty() { home } else { namespace };
                let entry = self.name.to_string();
                let question = Question::ConfigMap { entry, namespace: namespace.into(), name: name.into() };
                let answer = scope.ask(question).map_err(|error| {
                    error.map_text(|text| {
                        format!("failed to retrieve config map for context entry {}: {text}", self.name)
                    })
                })?;
                Ok(answer.map(|value| self.merged(scope, value)))
            }
            Source::ApiCall { call, path, default, .. } => {
                let call = call.render(scope)?;
                let field = |path: &[&str]| text_at(call, path).map(str::to_owned);
                for pair in call.get("data").and_then(Value::as_array).unwrap_or_default() {
                    text_at(*pair, &["key"])?;
                }
                let data =
                    call.get("data").map(|data| json::Writer::compact().to_string(data)).unwrap_or_default();
                let method = match field(&["method"])? {
                    method if method.is_empty() => "GET".to_owned(),
                    method => method,
                };
                let entry = self.name.to_string();
                let question = if map_at(call, &["service"])?.is_some() {
                    Question::ServiceCall {
                        entry,
                        method,
                        url: field(&["service", "url"])?,
                        data,
                        headers: headers(call)?,
                        ca_bundle: field(&["service", "caBundle"])?,
                    }
                } else {
                    Question::ApiCall { entry, method, url_path: field(&["urlPath"])?, data }
                };
                match scope.ask(question) {
                    Ok(None) => Ok(None),
                    Ok(Some(answer)) => {
                        let value = self.at_path(scope, answer, path.as_ref())?;
                        Ok(Some(self.merged(scope, value)))
                    }
                    Err(VariableError::Unresolved { text, .. }) => match default {
                        Some(default) => {
                            scope.spend_bytes(default.borrowed_bytes())?;
                            Ok(Some(default.borrow(scope.arena())))
                        }
                        None => Err(VariableError::unresolved(format!(
                            "failed to fetch data for APICall: {text}"
                        ))),
                    },
                    Err(error) => Err(error),
                }
            }
            Source::GlobalReference { name, path } => {
                let (entry, name) = (self.name.to_string(), text(scope, name)?.to_owned());
                match scope.ask(Question::GlobalContext { entry, name })? {
                    Some(answer) => self.at_path(scope, answer, path.as_ref()).map(Some),
                    None => Ok(None),
                }
            }
            Source::ImageRegistry { reference, path } => {
                let (entry, reference) = (self.name.to_string(), text(scope, reference)?.to_owned());
                match scope.ask(Question::Image { entry, reference })? {
                    Some(answer) => self.at_path(scope, answer, path.as_ref()).map(Some),
                    None => Ok(None),
                }
            }
            Source::None => Ok(None),
        }
    }

    /// The step that loaded it.
    pub(crate) fn step(
        &self,
        loading: &Result<Option<Value<'_>>, VariableError>,
        recorder: &Recorder,
    ) -> Step {
        let step = Step::new(Part::Variable, &*self.name);
        match loading {
            Ok(Some(value)) => step.found(true).seen(recorder.show(*value)),
            Ok(None) => step.note("it is not looked up here"),
            Err(error) => step.found(false).note(error.to_string()),
        }
    }

    /// The order is the reference's: path, default, value; a default that cannot be substituted fails the entry even
    /// where it would not be used.
    fn variable<'a>(
        &'a self,
        scope: &mut Scope<'a, '_, '_>,
        value: Option<&'a Template>,
        path: Option<&'a Template>,
        default: Option<&'a Template>,
    ) -> Result<Value<'a>, VariableError> {
        let name = &self.name;
        let wrap = |part: &'static str| {
            move |error: VariableError| {
                error.map_text(|text| {
                    format!("failed to substitute variables in context entry {name} {part}: {text}")
                })
            }
        };
        let path = match path {
            Some(path) => {
                let path = path.render(scope).map_err(wrap("jmesPath"))?;
                let path = path.as_str().ok_or_else(|| {
                    VariableError::unresolved(format!("variable {name} jmesPath must be a string"))
                })?;
                Some(Compiled::new(path))
            }
            None => None,
        };
        let default = default.map(|default| default.render(scope).map_err(wrap("default"))).transpose()?;
        let found = match (value, &path) {
            (Some(value), None) => value.render(scope).map_err(wrap("value"))?,
            (Some(value), Some(path)) => {
                let value = value.render(scope).map_err(wrap("value"))?;
                match (scope.search_transient(path, value), default) {
                    (Ok(found), _) => found,
                    (Err(VariableError::Unresolved { .. }), Some(default)) => default,
                    (Err(error), _) => {
                        return Err(error.map_text(|text| {
                            format!("failed to apply jmespath {} to variable {name}: {text}", path.source)
                        }));
                    }
                }
            }
            (None, Some(path)) => match (scope.query_transient(path), default) {
                (Ok(Value::Null), Some(default)) => default,
                (Ok(found), _) => found,
                (Err(VariableError::Unresolved { .. }), Some(default)) => default,
                (Err(error), _) => {
                    return Err(
                        error.map_text(|text| format!("failed to query jmespath {}: {text}", path.source))
                    );
                }
            },
            (None, None) => default.unwrap_or_default(),
        };
        if found.is_null() {
            return Err(VariableError::unresolved(format!(
                "failed to add context entry for variable {name} since it evaluated to nil"
            )));
        }
        Ok(found)
    }

    fn at_path<'a>(
        &'a self,
        scope: &mut Scope<'a, '_, '_>,
        answer: Value<'a>,
        path: Option<&'a Template>,
    ) -> Result<Value<'a>, VariableError> {
        let Some(path) = path else { return Ok(answer) };
        let compiled = Compiled::new(text(scope, path)?);
        scope.search_transient(&compiled, answer).map_err(|error| {
            error.map_text(|text| {
                format!(
                    "failed to apply JMESPath ({}) results to context entry {}, error: {text}",
                    compiled.source, self.name
                )
            })
        })
    }

    /// Answers merge into a map that stands under the same name already.
    fn merged<'a>(&self, scope: &Scope<'a, '_, '_>, value: Value<'a>) -> Value<'a> {
        match (scope.get(&self.name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => Value::Object(old.merged(scope.arena(), new)),
            _ => value,
        }
    }
}

/// What is sent along with a call to a service, in order.
fn headers(call: Value<'_>) -> Result<Vec<(String, String)>, VariableError> {
    let list = call.path(&["service", "headers"]).and_then(Value::as_array).unwrap_or_default();
    let text = |header: &Value<'_>, key| text_at(*header, &[key]).map(str::to_owned);
    list.iter().map(|header| Ok((text(header, "key")?, text(header, "value")?))).collect()
}

/// The template as text; anything else is an error.
fn text<'a>(scope: &mut Scope<'a, '_, '_>, template: &'a Template) -> Result<&'a str, VariableError> {
    let value = template.render(scope)?;
    value
        .as_str()
        .ok_or_else(|| VariableError::unresolved(format!("expected a string, got {}", value.kind())))
}
