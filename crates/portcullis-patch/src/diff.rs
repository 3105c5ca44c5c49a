//! The difference of two documents as a JSON Patch.

mod align;

use std::fmt::Write;

use portcullis_value::{Arena, Object, Value, escape_token};

use self::align::{Step, align};
use crate::json6902::Operation;

/// The operations that turn `before` into `after`: `add`, `remove` and `replace`, in document order.
///
/// Maps are compared key by key, lists element by element, after an alignment that keeps what is equal: an
/// element put in front is one `add`. Values that are equal are not mentioned, `1` and `1.0` among them.
/// What the documents share in memory costs nothing.
pub fn diff<'a>(arena: &'a Arena, before: Value<'a>, after: Value<'a>) -> Vec<Operation<'a>> {
    let mut differ = Differ { arena, path: String::new(), operations: Vec::new() };
    differ.node(before, after);
    differ.operations
}

struct Differ<'a> {
    arena: &'a Arena,
    /// The pointer to the nodes that are compared.
    path: String,
    operations: Vec<Operation<'a>>,
}

impl<'a> Differ<'a> {
    fn node(&mut self, before: Value<'a>, after: Value<'a>) {
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => self.map(before, after),
            (Value::Array(before), Value::Array(after)) => self.list(before, after),
            _ if before == after => {}
            _ => {
                let path = self.arena.str(&self.path);
                self.operations.push(Operation::Replace { path, value: after });
            }
        }
    }

    fn map(&mut self, before: Object<'a>, after: Object<'a>) {
        let mut new = after.iter().peekable();
        for (key, old) in before.iter() {
            while let Some((key, value)) = new.next_if(|(name, _)| *name < key) {
                self.add(&escape_token(key), value);
            }
            match new.next_if(|(name, _)| *name == key) {
                Some((_, value)) if value.is_same(old) => {}
                Some((_, value)) => self.below(&escape_token(key), |differ| differ.node(old, value)),
                None => self.remove(&escape_token(key)),
            }
        }
        for (key, value) in new {
            self.add(&escape_token(key), value);
        }
    }

    fn list(&mut self, before: &'a [Value<'a>], after: &'a [Value<'a>]) {
        let (mut old, mut new) = (before.iter(), after.iter());
        // The index of the element at hand, as the operations before have left the list.
        let mut index = 0_usize;
        for step in align(before, after) {
            let token = index.to_string();
            match step {
                Step::Keep => {
                    old.next();
                    new.next();
                }
                Step::Remove => {
                    old.next();
                    self.remove(&token);
                    continue;
                }
                Step::Add => self.add(&token, new.next().copied().unwrap_or_default()),
                Step::Change => {
                    let (old, new) = (old.next().copied(), new.next().copied());
                    self.below(&token, |differ| {
                        differ.node(old.unwrap_or_default(), new.unwrap_or_default())
                    });
                }
                Step::Replace => {
                    old.next();
                    let value = new.next().copied().unwrap_or_default();
                    let path = self.child(&token);
                    self.operations.push(Operation::Replace { path, value });
                }
            }
            index += 1;
        }
    }

    fn add(&mut self, token: &str, value: Value<'a>) {
        let path = self.child(token);
        self.operations.push(Operation::Add { path, value });
    }

    fn remove(&mut self, token: &str) {
        let path = self.child(token);
        self.operations.push(Operation::Remove { path });
    }

    /// The pointer to the child under `token`, which is escaped.
    fn child(&self, token: &str) -> &'a str {
        self.arena.format(format_args!("{}/{token}", self.path))
    }

    fn below(&mut self, token: &str, compare: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        // Writing to a string cannot fail.
        let _ = write!(self.path, "/{token}");
        compare(self);
        self.path.truncate(length);
    }
}
