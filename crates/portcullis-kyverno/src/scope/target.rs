//! The existing resource that a rule changes, as the variable `target`.

use portcullis_value::Value;

use super::Scope;
use crate::context::ContextEntry;
use crate::variable::VariableError;

impl<'a> Scope<'a, '_, '_> {
    /// Whether an existing resource is being mutated.
    pub(crate) fn has_target(&self) -> bool {
        self.root.contains_key("target")
    }

    /// Runs `inner` for the existing resource `target`: with `entries` as context after that of the rule, and with as many
    /// variables as a rule may substitute. What it sets and loads is forgotten afterwards.
    ///
    /// # Errors
    /// Those of `inner`, and an exhausted budget.
    pub(crate) fn for_target<T>(
        &mut self,
        target: Value<'a>,
        entries: &'a [ContextEntry],
        inner: impl FnOnce(&mut Self) -> Result<T, VariableError>,
    ) -> Result<T, VariableError> {
        self.budget.step()?;
        let (root, loaded) = (self.root, self.loaded.clone());
        let substitutions = std::mem::take(&mut self.substitutions);
        self.entries.extend(entries);
        self.loaded.resize(self.entries.len(), false);
        self.level = self.entries.len();
        self.set("target", target);
        let result = inner(self);
        self.root = root;
        self.level = loaded.len();
        self.entries.truncate(self.level);
        self.loaded = loaded;
        self.substitutions = substitutions;
        result
    }

    /// Sets what is being mutated: the existing resource, or else the object of the request.
    pub(crate) fn set_mutated(&mut self, object: Value<'a>) {
        if self.has_target() { self.set("target", object) } else { self.set_object(object) }
    }
}
