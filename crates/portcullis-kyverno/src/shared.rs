//! What the rules of a policy share.

use std::cell::RefCell;
use std::sync::Arc;

use portcullis_value::{Arena, Budget, Exhausted, Number, Value};

use crate::condition::Conditions;
use crate::context::ContextEntry;
use crate::pattern::{Pattern, Tree};
use crate::validation::Message;

/// The parts of a policy's rules that are compiled so far. A part that another rule has too is the same one: a rule and
/// those that are generated from it differ in little.
#[derive(Debug)]
pub(crate) struct Parts<'d> {
    /// The name of the policy.
    pub(crate) policy: &'d str,
    /// The namespace of the policy, empty for a cluster-wide one.
    pub(crate) namespace: &'d str,
    pub(crate) arena: &'d Arena,
    contexts: Known<'d, [ContextEntry]>,
    conditions: Known<'d, Conditions>,
    messages: Known<'d, Message>,
    trees: Known<'d, Tree>,
}

impl<'d> Parts<'d> {
    pub(crate) fn new(policy: &'d str, namespace: &'d str, arena: &'d Arena) -> Self {
        Self {
            policy,
            namespace,
            arena,
            contexts: Known::default(),
            conditions: Known::default(),
            messages: Known::default(),
            trees: Known::default(),
        }
    }

    /// The entries of a `context`.
    pub(crate) fn context(&self, list: Value<'d>) -> Arc<[ContextEntry]> {
        let compile = |entry: &Value<'d>| ContextEntry::compile(*entry, self.namespace);
        self.contexts.get(list, || list.as_array().unwrap_or_default().iter().map(compile).collect())
    }

    /// A block of conditions.
    pub(crate) fn conditions(&self, block: Value<'d>) -> Arc<Conditions> {
        self.conditions.get(block, || Arc::new(Conditions::compile(block)))
    }

    /// A message.
    pub(crate) fn message(&self, text: &'d str) -> Arc<Message> {
        self.messages.get(Value::String(text), || Arc::new(Message::compile(text)))
    }

    /// A pattern without variables.
    ///
    /// # Errors
    /// It is too large.
    pub(crate) fn pattern(&self, document: Value<'d>) -> Result<Pattern, Exhausted> {
        Pattern::compile_with(document, |inner| {
            self.trees.try_get(inner, || Tree::compile(inner, &mut Budget::default()).map(Arc::new))
        })
    }
}

/// What is compiled, by what it was compiled from.
#[derive(Debug)]
struct Known<'d, T: ?Sized>(RefCell<Vec<(Value<'d>, Arc<T>)>>);

impl<T: ?Sized> Default for Known<'_, T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<'d, T: ?Sized> Known<'d, T> {
    fn get(&self, document: Value<'d>, compile: impl FnOnce() -> Arc<T>) -> Arc<T> {
        match self.try_get(document, || Ok::<_, std::convert::Infallible>(compile())) {
            Ok(part) => part,
        }
    }

    fn try_get<E>(
        &self,
        document: Value<'d>,
        compile: impl FnOnce() -> Result<Arc<T>, E>,
    ) -> Result<Arc<T>, E> {
        let is_same = |known: &&(Value<'d>, Arc<T>)| is_written_alike(known.0, document);
        let known = self.0.borrow().iter().find(is_same).map(|known| known.1.clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let part = compile()?;
        self.0.borrow_mut().push((document, part.clone()));
        Ok(part)
    }
}

/// Whether two documents are equal and their numbers are of one form: `1` and `1.0` are equal, and patterns and
/// conditions tell them apart.
fn is_written_alike(a: Value<'_>, b: Value<'_>) -> bool {
    match (a, b) {
        (Value::Number(Number::Float(a)), Value::Number(Number::Float(b))) => a.to_bits() == b.to_bits(),
        (Value::Number(Number::Float(_)), _) | (_, Value::Number(Number::Float(_))) => false,
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_written_alike(*a, *b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let alike =
                |((key, a), (other, b)): ((&str, Value<'_>), _)| key == other && is_written_alike(a, b);
            a.len() == b.len() && a.iter().zip(b.iter()).all(alike)
        }
        (a, b) => a == b,
    }
}
