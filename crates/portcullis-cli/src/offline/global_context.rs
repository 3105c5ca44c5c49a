//! Entries of the global context: what one holds, and what is taken from that by name.

use std::sync::Arc;

use portcullis_jmespath::{Context, Expression};
use portcullis_model::{Answer, Mask};
use portcullis_value::{Arena, Budget, OwnedValue, Value};

/// An entry.
#[derive(Debug)]
pub(crate) struct GlobalContext {
    pub(crate) content: OwnedValue,
    /// What is taken from the content, by name.
    pub(crate) projections: Arc<[(String, Expression)]>,
}

impl GlobalContext {
    /// What is read of the entry as a whole, or of its `projection` of that name.
    ///
    /// # Errors
    /// There is no such projection, or it cannot be made of the content.
    pub(crate) fn read(&self, projection: Option<&str>) -> Result<Answer, String> {
        let arena = Arena::new();
        let content = self.content.borrow(&arena);
        let (value, is_made) = match (projection, content) {
            (Some(name), _) => (self.project(&arena, content, name)?, true),
            // In a map all that is taken from it stands too, by its names; a list has no place for it.
            (None, Value::Object(mut whole)) => {
                for (name, _) in &*self.projections {
                    whole = whole.with(&arena, name, self.project(&arena, content, name)?);
                }
                (Value::Object(whole), !self.projections.is_empty())
            }
            (None, content) => (content, false),
        };
        Ok(match is_made && Mask::is_needed_for(&self.content) {
            true => Answer::OfSecrets(Arc::new(value.into())),
            false => Answer::value(value),
        })
    }

    fn project<'a>(&'a self, arena: &'a Arena, content: Value<'a>, name: &str) -> Result<Value<'a>, String> {
        let known = self.projections.iter().find(|(known, _)| known == name);
        let (_, expression) = known.ok_or_else(|| format!("projection \"{name}\" not found"))?;
        let mut budget = Budget::default();
        let mut context = Context { arena, budget: &mut budget, now: 0, random: &mut || 0 };
        expression.search(content, &mut context).map_err(|error| format!("projection \"{name}\": {error}"))
    }
}
