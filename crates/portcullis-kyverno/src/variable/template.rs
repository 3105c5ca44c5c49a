//! Documents with variables in them, compiled.

use std::borrow::Cow;
use std::fmt::Write;

use portcullis_model::Numbers;
use portcullis_value::{Arena, Object, OwnedValue, Value};

use super::query::VariableError;
use super::reference::{holds_reference, resolve_references};
use super::scan::{find_braces, has_variable};
use super::text::{Text, render_rounds, unescape};
use crate::scope::Scope;

/// Where in the substituted document a string stands: the tokens from its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TemplatePath(Vec<Box<str>>);

impl TemplatePath {
    pub(crate) fn push(&mut self, token: &str) {
        self.0.push(token.into());
    }

    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }

    /// `expression`, or where it is `@` alone, the path of the same place in `document`.
    ///
    /// COMPAT(kyverno): two tokens are left out (`mutate`, `patchStrategicMerge`), whatever the document is; that is
    /// right in a mutate rule only.
    pub(super) fn expand_current<'e>(&self, expression: &'e str, document: &str) -> Cow<'e, str> {
        if expression != "@" {
            return Cow::Borrowed(expression);
        }
        let after_foreach =
            self.0.iter().rposition(|token| &**token == "foreach").map_or(0, |index| index + 1);
        let tokens = self.0.get(after_foreach..).unwrap_or_default();
        let mut path = document.to_owned();
        for token in tokens.get(2..).unwrap_or_default() {
            // Writing to a string cannot fail.
            let _ = if token.parse::<u64>().is_ok() {
                write!(path, "[{token}]")
            } else if is_identifier(token) {
                write!(path, ".{token}")
            } else {
                write!(path, ".{}", portcullis_value::json::quote(token))
            };
        }
        Cow::Owned(path)
    }
}

fn is_identifier(token: &str) -> bool {
    let mut characters = token.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, '_' | '('))
        && characters.all(|next| next.is_ascii_alphanumeric() || matches!(next, '_' | ')'))
}

/// As the reference prints it in its messages: `/` before each token, `/` inside one as `\/`.
impl std::fmt::Display for TemplatePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|token| write!(f, "/{}", token.replace('/', "\\/")))
    }
}

/// A document with variables, compiled.
#[derive(Debug)]
pub(crate) struct Template(Node);

#[derive(Debug)]
enum Node {
    /// Nothing to substitute below here.
    Literal(OwnedValue),
    Text(Text),
    List(Vec<Node>),
    /// Keys and values; a key may hold variables too.
    Map(Vec<(Node, Node)>),
    /// A reference in the document leads nowhere, in the reference's words.
    Broken(String),
}

impl Template {
    /// Compiles `document`; its references are resolved here.
    pub(crate) fn compile(document: Value<'_>) -> Self {
        let arena = Arena::new();
        match resolve_references(&arena, document) {
            Ok(document) => Self::compile_resolved(document, &mut TemplatePath::default()),
            Err(text) => Self(Node::Broken(text)),
        }
    }

    /// Whether `document` is rendered as it is written: it holds no variable, no reference and no escape of one.
    pub(crate) fn is_plain(document: Value<'_>) -> bool {
        !document.has_text(&mut |text| find_braces(text).is_some() || holds_reference(text))
    }

    /// Compiles a part of a document whose references are resolved; it stands at `path` of that document.
    pub(crate) fn compile_resolved(part: Value<'_>, path: &mut TemplatePath) -> Self {
        Self(compile_node(part, path))
    }

    /// Substitutes in a text that was put together while evaluating. It is a document of its own: a reference in it leads
    /// nowhere.
    pub(crate) fn render_text<'a>(
        text: String,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Value<'a>, VariableError> {
        let arena = scope.arena();
        let text = match resolve_references(arena, Value::String(&text)) {
            Ok(Value::String(resolved)) => resolved.to_owned(),
            Ok(_) => text,
            Err(reason) => return Err(VariableError::unresolved(reason)),
        };
        render_rounds(scope, text, &TemplatePath::default())
    }

    /// The document, if there is nothing to substitute in it.
    pub(crate) fn literal(&self) -> Option<&OwnedValue> {
        match &self.0 {
            Node::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// Whether what is rendered plainly depends on nothing but what stands at `path` of the variables.
    pub(crate) fn reads_only(&self, path: &[&str]) -> bool {
        match &self.0 {
            Node::Literal(_) => true,
            Node::Text(text) => text.reads_only(path),
            Node::List(_) | Node::Map(_) | Node::Broken(_) => false,
        }
    }

    /// The document with the values put in.
    pub(crate) fn render<'a>(&'a self, scope: &mut Scope<'a, '_, '_>) -> Result<Value<'a>, VariableError> {
        self.render_as(scope, Numbers::AsWritten)
    }

    /// The document with the values put in, whose numbers are as `numbers` says.
    pub(crate) fn render_as<'a>(
        &'a self,
        scope: &mut Scope<'a, '_, '_>,
        numbers: Numbers,
    ) -> Result<Value<'a>, VariableError> {
        self.0.render(scope, numbers)
    }
}

fn compile_node(value: Value<'_>, path: &mut TemplatePath) -> Node {
    match value {
        Value::String(text) => match Text::compile(text, path) {
            Some(compiled) => Node::Text(compiled),
            None => Node::Literal(OwnedValue::from(&*unescape(text))),
        },
        Value::Array(items) => {
            let mut nodes = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                path.push(&index.to_string());
                nodes.push(compile_node(*item, path));
                path.pop();
            }
            if nodes.iter().all(|node| matches!(node, Node::Literal(_))) {
                return Node::Literal(OwnedValue::Array(nodes.into_iter().map(Node::into_literal).collect()));
            }
            Node::List(nodes)
        }
        Value::Object(object) => {
            let mut nodes = Vec::with_capacity(object.len());
            for (key, item) in object.iter() {
                // A key stands at the path of its map.
                let key_node = compile_node(Value::String(key), path);
                path.push(key);
                nodes.push((key_node, compile_node(item, path)));
                path.pop();
            }
            let literal =
                nodes.iter().all(|(key, item)| matches!((key, item), (Node::Literal(_), Node::Literal(_))));
            // A key that was unescaped may have lost its place in the order: it is then sorted when rendered.
            if literal && object.keys().all(|key| !key.contains("\\{{")) {
                let entries =
                    object.keys().map(Box::from).zip(nodes.into_iter().map(|(_, item)| item.into_literal()));
                return Node::Literal(OwnedValue::Object(entries.collect()));
            }
            Node::Map(nodes)
        }
        scalar => Node::Literal(OwnedValue::from(scalar)),
    }
}

impl Node {
    fn into_literal(self) -> OwnedValue {
        match self {
            Node::Literal(value) => value,
            _ => OwnedValue::Null,
        }
    }

    fn render<'a>(
        &'a self,
        scope: &mut Scope<'a, '_, '_>,
        numbers: Numbers,
    ) -> Result<Value<'a>, VariableError> {
        match self {
            Node::Literal(value) => {
                scope.spend_bytes(value.borrowed_bytes())?;
                Ok(value.borrow(scope.arena()))
            }
            Node::Text(text) => {
                let value = text.render(scope)?;
                Ok(if numbers == Numbers::Floats { value.with_float_numbers(scope.arena()) } else { value })
            }
            Node::Broken(text) => Err(VariableError::unresolved(text.clone())),
            Node::List(items) => {
                let mut rendered = Vec::with_capacity(items.len());
                for item in items {
                    rendered.push(item.render(scope, numbers)?);
                }
                scope.spend_bytes(size_of_val(&*rendered))?;
                Ok(scope.arena().array(&rendered))
            }
            Node::Map(entries) => {
                let mut rendered = Vec::with_capacity(entries.len());
                for (key, item) in entries {
                    let key = match key {
                        Node::Literal(OwnedValue::String(key)) => &**key,
                        Node::Text(text) => {
                            let value = text.render(scope)?;
                            rendered_key(text.source(), value, scope)?
                        }
                        _ => "",
                    };
                    rendered.push((key, item.render(scope, numbers)?));
                }
                scope.spend_bytes(size_of_val(&*rendered))?;
                Ok(Value::Object(Object::from_unsorted(scope.arena(), &mut rendered)))
            }
        }
    }
}

/// The key that `written` became: a string renames it, null keeps it.
fn rendered_key<'a>(
    written: &str,
    value: Value<'a>,
    scope: &Scope<'a, '_, '_>,
) -> Result<&'a str, VariableError> {
    match value {
        Value::String(key) => Ok(key),
        Value::Null => Ok(scope.arena().str(written)),
        _ => Err(VariableError::unresolved(format!(
            "expected string after substituting variables in key {}",
            portcullis_gocompat::fmt::quote(written)
        ))),
    }
}

/// Substitutes in a value that came from the resource: its strings may hold variables.
pub(super) fn render_value<'a>(
    scope: &mut Scope<'a, '_, '_>,
    value: Value<'a>,
    path: &TemplatePath,
) -> Result<Value<'a>, VariableError> {
    if !holds_variable(value, scope)? {
        return Ok(value);
    }
    scope.nested(|scope| match value {
        Value::String(text) => render_rounds(scope, text.to_owned(), path),
        Value::Array(items) => {
            let mut rendered = Vec::with_capacity(items.len());
            let mut path = path.clone();
            for (index, item) in items.iter().enumerate() {
                path.push(&index.to_string());
                rendered.push(render_value(scope, *item, &path)?);
                path.pop();
            }
            scope.spend_bytes(size_of_val(&*rendered))?;
            Ok(scope.arena().array(&rendered))
        }
        Value::Object(object) => {
            let mut rendered = Vec::with_capacity(object.len());
            let mut path = path.clone();
            for (key, item) in object.iter() {
                let new_key = if has_variable(key) {
                    let value = render_rounds(scope, key.to_owned(), &path)?;
                    rendered_key(key, value, scope)?
                } else {
                    key
                };
                path.push(key);
                rendered.push((new_key, render_value(scope, item, &path)?));
                path.pop();
            }
            scope.spend_bytes(size_of_val(&*rendered))?;
            Ok(Value::Object(Object::from_unsorted(scope.arena(), &mut rendered)))
        }
        scalar => Ok(scalar),
    })
}

/// Variables hold variables, so that a value may be deeper than any document: not deeper than the budget, though.
fn holds_variable(value: Value<'_>, scope: &mut Scope<'_, '_, '_>) -> Result<bool, VariableError> {
    scope.budget().step()?;
    match value {
        Value::String(text) => Ok(find_braces(text).is_some()),
        Value::Array(items) => scope.nested(|scope| {
            for item in items {
                if holds_variable(*item, scope)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }),
        Value::Object(object) => scope.nested(|scope| {
            for (key, item) in object.iter() {
                if find_braces(key).is_some() || holds_variable(item, scope)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }),
        _ => Ok(false),
    }
}
