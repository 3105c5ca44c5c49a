//! `reportProperties`: what reports say of the results of a rule beside its message.

use portcullis_value::{OwnedValue, Value};

use crate::scope::Scope;
use crate::variable::{Template, VariableError};

/// The properties of a rule, compiled.
#[derive(Debug)]
pub(crate) struct ReportProperties {
    written: OwnedValue,
    template: Template,
}

impl ReportProperties {
    /// Compiles the `reportProperties` of `rule`; `None` where it has none.
    pub(crate) fn compile(rule: Value<'_>) -> Option<Self> {
        let written = rule.get("reportProperties").filter(|properties| !properties.is_null())?;
        Some(Self { written: written.into(), template: Template::compile(written) })
    }

    /// The properties by name, with the values of their variables. Where one has no value, or a property is then no text, all
    /// are as they are written: the rule goes on regardless.
    ///
    /// # Errors
    /// The evaluation has to wait for an answer.
    pub(crate) fn render<'a>(
        &'a self,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Vec<(&'a str, &'a str)>, VariableError> {
        let rendered = match self.template.render(scope) {
            Err(VariableError::Need) => return Err(VariableError::Need),
            rendered => rendered.ok().and_then(texts),
        };
        Ok(rendered.or_else(|| texts(self.written.borrow(scope.arena()))).unwrap_or_default())
    }
}

/// The entries of a map of texts, in which null is an empty one.
fn texts(properties: Value<'_>) -> Option<Vec<(&str, &str)>> {
    let text = |value| match value {
        Value::Null => Some(""),
        value => value.as_str(),
    };
    properties.as_object()?.iter().map(|(name, value)| Some((name, text(value)?))).collect()
}
