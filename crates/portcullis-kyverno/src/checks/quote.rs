//! A rule as the reference quotes it in a message: its Go type, marshalled after the CRD's defaults.
//!
//! COMPAT(kyverno): fields stand in the order in which the type declares them, and what is empty is left out or
//! printed as the type says. [`types`] holds the declarations.

mod types;

use portcullis_value::{Value, json};

use super::document::printed;

/// How Go marshals a value.
#[derive(Debug)]
enum Type {
    /// As it is, keys sorted.
    Plain,
    List(&'static Type),
    /// A map with any keys.
    Map(&'static Type),
    Struct(&'static [Member]),
    /// Conditions, new style or old.
    Conditions,
}

/// A field of a struct.
#[derive(Debug)]
struct Member {
    name: &'static str,
    of: &'static Type,
    when: When,
}

/// When a field is printed.
#[derive(Debug)]
enum When {
    /// When it is given, be it empty: a pointer.
    Given,
    /// When it is not empty: a plain string, number, flag, list or map.
    NonEmpty,
    /// Always: a struct, or a field without `omitempty`.
    Always,
    /// Always, as this text when it is not given: the CRD has a default.
    Default(&'static str),
}

/// `rule` as the reference prints it.
pub(super) fn rule(rule: Value<'_>) -> String {
    write_new(rule, &types::RULE)
}

/// A label selector as the reference prints it.
pub(super) fn selector(selector: Value<'_>) -> String {
    write_new(selector, &types::SELECTOR)
}

/// An entry of `verifyImages` as the reference prints it.
pub(super) fn image_verification(entry: Value<'_>) -> String {
    write_new(entry, &types::VERIFY_IMAGE)
}

fn write_new(value: Value<'_>, of: &Type) -> String {
    let mut out = String::new();
    write(&mut out, value, of);
    out
}

fn write(out: &mut String, value: Value<'_>, of: &Type) {
    match (of, value) {
        (Type::List(of), Value::Array(items)) => {
            write_all(out, ['[', ']'], items, |out, item| write(out, *item, of));
        }
        (Type::Map(of), Value::Object(object)) => {
            write_all(out, ['{', '}'], object.entries(), |out, (key, item)| {
                write_key(out, key);
                write(out, *item, of);
            });
        }
        (Type::Struct(members), _) => {
            let printed: Vec<_> = members.iter().filter(|member| member.is_printed(value)).collect();
            write_all(out, ['{', '}'], &printed, |out, member| {
                write_key(out, member.name);
                member.write(out, value.get(member.name).unwrap_or_default());
            });
        }
        (Type::Conditions, Value::Array(_)) => write(out, value, &types::CONDITION_LIST),
        (Type::Conditions, Value::Object(_)) => write(out, value, &types::ANY_ALL),
        (_, value) => out.push_str(&printed(value)),
    }
}

/// `items` between `brackets`, with commas.
fn write_all<T>(out: &mut String, brackets: [char; 2], items: &[T], each: impl Fn(&mut String, &T)) {
    let [open, close] = brackets;
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        each(out, item);
    }
    out.push(close);
}

fn write_key(out: &mut String, key: &str) {
    out.push_str(&json::Writer::compact().escape_html().to_string(Value::String(key)));
    out.push(':');
}

impl Member {
    fn is_printed(&self, holder: Value<'_>) -> bool {
        let value = holder.get(self.name).unwrap_or_default();
        match self.when {
            When::Given => !value.is_null(),
            When::NonEmpty => !is_empty(value),
            When::Always | When::Default(_) => true,
        }
    }

    fn write(&self, out: &mut String, value: Value<'_>) {
        match (&self.when, self.of, value) {
            (When::Default(text), _, Value::Null) => out.push_str(text),
            // What Go makes of an absent value.
            (When::Always, Type::Plain, Value::Null) => out.push_str("\"\""),
            _ => write(out, value, self.of),
        }
    }
}

/// Whether `omitempty` leaves `value` out.
fn is_empty(value: Value<'_>) -> bool {
    match value {
        Value::Null | Value::Bool(false) | Value::String("") | Value::Array([]) => true,
        Value::Number(number) => number.as_f64() == 0.0,
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}
