//! References: `$(path)` to another place in the same document.
//!
//! A reference sees the document as it was written, so all are resolved once, when the policy is loaded.

use std::cell::Cell;
use std::ops::Range;

use portcullis_value::{Arena, Number, Object, Value};

use crate::anchor::bare_key;

/// The operators that may stand before the path, longest first; the result is operator and value.
const OPERATORS: [&str; 6] = [">=", "<=", ">", "<", "!-", "!"];

/// `document` with its references replaced; what holds none is shared.
///
/// # Errors
/// The reference's text for a reference that resolves to nothing, or to what cannot be put into text.
pub(crate) fn resolve_references<'a>(arena: &'a Arena, document: Value<'a>) -> Result<Value<'a>, String> {
    if !document.has_text(&mut holds_reference) {
        return Ok(document);
    }
    Resolver { arena, document, left: Cell::new(MOST_STEPS) }.node(document, &mut Vec::new())
}

/// Whether `text` may hold a reference. Most texts hold no `$` at all, which is found sooner.
pub(super) fn holds_reference(text: &str) -> bool {
    text.contains('$') && text.contains("$(")
}

/// `text` with each of its references replaced by what `map` makes of it.
pub(crate) fn map_references(text: &str, map: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(reference) = next_reference(rest) {
        out.push_str(reference.before);
        out.push_str(&map(reference.matched));
        rest = reference.after;
    }
    out.push_str(rest);
    out
}

/// How many nodes of the document all of its references may look at.
const MOST_STEPS: u32 = 1_000_000;

struct Resolver<'a> {
    arena: &'a Arena,
    document: Value<'a>,
    /// How many nodes may still be looked at.
    left: Cell<u32>,
}

impl<'a> Resolver<'a> {
    fn node(&self, value: Value<'a>, path: &mut Vec<String>) -> Result<Value<'a>, String> {
        match value {
            Value::String(text) => self.text(text, path),
            Value::Array(items) => {
                let mut resolved = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    resolved.push(self.node(*item, path)?);
                    path.pop();
                }
                Ok(self.arena.array(&resolved))
            }
            Value::Object(object) => {
                let mut resolved = Vec::with_capacity(object.len());
                for (key, item) in object.iter() {
                    path.push(key.to_owned());
                    let new_key = match self.text(key, path)? {
                        Value::String(text) => text,
                        _ => key,
                    };
                    resolved.push((new_key, self.node(item, path)?));
                    path.pop();
                }
                Ok(Value::Object(Object::from_unsorted(self.arena, &mut resolved)))
            }
            other => Ok(other),
        }
    }

    fn text(&self, text: &'a str, path: &[String]) -> Result<Value<'a>, String> {
        if !holds_reference(text) {
            return Ok(Value::String(text));
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(reference) = next_reference(rest) {
            out.push_str(reference.before);
            out.push_str(&self.target(reference.matched, path)?);
            rest = reference.after;
        }
        out.push_str(rest);
        Ok(self.arena.string(&unescaped(&out)))
    }

    /// What stands for the reference `matched`, found at `path`.
    fn target(&self, matched: &str, path: &[String]) -> Result<String, String> {
        let place = || path.iter().map(|token| format!("/{}", token.replace('/', "\\/"))).collect::<String>();
        let inner = matched.strip_prefix("$(").and_then(|rest| rest.strip_suffix(')')).unwrap_or_default();
        let (operator, target) = OPERATORS
            .iter()
            .find_map(|operator| inner.strip_prefix(operator).map(|rest| (*operator, rest.trim())))
            .unwrap_or(("", inner));
        let target = if target.starts_with('/') {
            target.to_owned()
        } else {
            let leaf: String = path.iter().map(|token| format!("/{token}")).collect();
            portcullis_gocompat::path::join(&[&leaf, target])
        };
        let found = self.find(self.document, "", &target);
        if self.left.get() == 0 {
            return Err("references take more steps than allowed".to_owned());
        }
        match (operator, found) {
            // What is null is told like what is not there.
            ("", None | Some(Value::Null)) => {
                Err(format!("got nil resolved variable {matched} at path {}: <nil>", place()))
            }
            ("", Some(Value::String(text))) => Ok(text.to_owned()),
            ("", Some(_)) => {
                Err(format!("NotResolvedReferenceErr,reference {matched} not resolved at path {}", place()))
            }
            (operator, Some(Value::String(text))) => Ok(format!("{operator}{text}")),
            (operator, Some(Value::Number(number))) => Ok(match number {
                Number::Float(value) => format!("{operator}{value:.6}"),
                integer => format!("{operator}{integer}"),
            }),
            (operator, found) => Err(format!(
                "failed to resolve {matched} at path {}: incorrect expression: operator {operator} does not match with value {}",
                place(),
                portcullis_gocompat::fmt::display(found.unwrap_or_default()),
            )),
        }
    }

    /// The leaf or key at `target`, anchors of the way being left out of account.
    fn find(&self, value: Value<'a>, at: &str, target: &str) -> Option<Value<'a>> {
        self.left.set(self.left.get().checked_sub(1)?);
        match value {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .find_map(|(index, item)| self.find(*item, &format!("{at}/{index}"), target)),
            Value::Object(object) => object.iter().find_map(|(key, item)| {
                // A key that holds a slash cannot be reached.
                let below = format!("{at}/{}", bare_key(key).replace('/', "\\/"));
                // COMPAT(kyverno): a path that names a map gives one of its keys; here always the first.
                if at == target {
                    return Some(Value::String(key));
                }
                if !target.starts_with(&below) {
                    self.left.set(self.left.get().saturating_sub(1));
                    return None;
                }
                self.find(item, &below, target)
            }),
            leaf => (at == target).then_some(leaf),
        }
    }
}

/// `text` with `$(x)` for each `\$(x)`, as `\\\$\(.[^\ \)]*\)` finds them: what has a blank in it stays as it is.
fn unescaped(text: &str) -> String {
    let piece = |range: Range<usize>| text.get(range).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    // Up to where the text is taken, and where a reference ends that begins after it: at `)`, a blank or the end of the text.
    let (mut taken, mut end) = (0, 0);
    for (start, escape) in text.match_indices("\\$(") {
        let inner = start + escape.len();
        let Some(first) = piece(inner..text.len()).chars().next() else { break };
        let second = inner + first.len_utf8();
        if end < second {
            end = piece(second..text.len()).find([' ', ')']).map_or(text.len(), |length| second + length);
        }
        if start >= taken && first != '\n' && piece(end..text.len()).starts_with(')') {
            out.push_str(piece(taken..start));
            out.push_str(piece(start + 1..end));
            taken = end;
        }
    }
    out.push_str(piece(taken..text.len()));
    out
}

struct Reference<'t> {
    before: &'t str,
    matched: &'t str,
    after: &'t str,
}

/// The first reference of `text`: `^\$\(.[^\ ]*\)|[^\\]\$\(.[^\ ]*\)`, greedy to the last `)` before a blank.
fn next_reference(text: &str) -> Option<Reference<'_>> {
    let mut from = 0;
    loop {
        let start = from + text.get(from..)?.find("$(")?;
        let escaped = text.get(..start)?.ends_with('\\');
        let body = text.get(start + 2..)?;
        let mut characters = body.char_indices();
        let first = characters.next();
        let end = match first {
            Some((_, character)) if character != '\n' => {
                let from_second = characters.next().map_or(body.len(), |(index, _)| index);
                let tail = body.get(from_second..)?;
                let run = tail.find(' ').unwrap_or(tail.len());
                tail.get(..run)?.rfind(')').map(|close| from_second + close + 1)
            }
            _ => None,
        };
        match end {
            Some(end) if !escaped => {
                let end = start + 2 + end;
                return Some(Reference {
                    before: text.get(..start)?,
                    matched: text.get(start..end)?,
                    after: text.get(end..)?,
                });
            }
            _ => from = start + 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::unescaped;

    #[test]
    fn an_escaped_reference_loses_its_backslash_and_what_is_none_keeps_it() {
        for (escaped, want) in [
            (r"\$(/c)", "$(/c)"),
            (r"a \$(A) \$(B)\$(é) z", "a $(A) $(B)$(é) z"),
            (r"\$(echo hi) \$(x", r"\$(echo hi) \$(x"),
            (r"\$() \$( x) \$())", r"\$() $( x) $())"),
            (r"\$(a\$(b)", r"$(a\$(b)"),
            (r"\$(", r"\$("),
        ] {
            assert_eq!(unescaped(escaped), want);
        }
    }
}
