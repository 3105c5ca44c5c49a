//! A rule as the reference quotes it in a message and writes it in a status: its Go type, marshalled after the CRD's defaults.
//!
//! COMPAT(kyverno): fields stand in the order in which the type declares them, and what is empty is left out or
//! printed as the type says. Whatever the version of the document, the type is that of `v1`.

use portcullis_value::{Value, json};

use super::document::printed;
use crate::schema::{
    ANY_ALL, CONDITION_LIST, Field, LABEL_SELECTOR, Printed, RULE, Shape, VERIFY_IMAGE, Version,
};

/// `rule` as the reference prints it.
pub(crate) fn rule(rule: Value<'_>) -> String {
    write_new(rule, &RULE)
}

/// A label selector as the reference prints it.
pub(super) fn selector(selector: Value<'_>) -> String {
    write_new(selector, &LABEL_SELECTOR)
}

/// An entry of `verifyImages` as the reference prints it.
pub(super) fn image_verification(entry: Value<'_>) -> String {
    write_new(entry, &VERIFY_IMAGE)
}

fn write_new(value: Value<'_>, shape: &Shape) -> String {
    let mut out = String::new();
    write(&mut out, value, shape);
    out
}

fn write(out: &mut String, value: Value<'_>, shape: &Shape) {
    match (plain(shape), value) {
        (Shape::Undeclared(shape) | Shape::Copied(shape), value) => write(out, value, shape),
        (Shape::List(of), Value::Array(items)) => {
            write_all(out, ['[', ']'], items, |out, item| write(out, *item, of));
        }
        (Shape::Map(of), Value::Object(object)) => {
            write_all(out, ['{', '}'], object.entries(), |out, (key, item)| {
                write_key(out, key);
                write(out, *item, of);
            });
        }
        (Shape::Fields(fields) | Shape::Open(fields), _) => {
            let printed: Vec<_> = fields.iter().filter(|field| is_printed(field, value)).collect();
            write_all(out, ['{', '}'], &printed, |out, field| {
                write_key(out, field.name);
                write_field(out, field, value.get(field.name).unwrap_or_default());
            });
        }
        (Shape::Conditions, Value::Array(_)) => write(out, value, &CONDITION_LIST),
        (Shape::Conditions, Value::Object(_)) => write(out, value, &ANY_ALL),
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

fn is_printed(field: &Field, holder: Value<'_>) -> bool {
    if !field.is_in(Version::V1) {
        return false;
    }
    let value = holder.get(field.name).unwrap_or_default();
    match field.printed {
        Printed::Usual => match plain(field.shape) {
            Shape::Any | Shape::Conditions | Shape::Undeclared(_) => !value.is_null(),
            _ if field.is_required => true,
            Shape::Fields(_) | Shape::Open(_) => !value.is_null(),
            _ => !is_empty(value),
        },
        Printed::Given => !value.is_null(),
        Printed::Always | Printed::Default(_) => true,
    }
}

fn write_field(out: &mut String, field: &Field, value: Value<'_>) {
    match (field.printed, plain(field.shape), value) {
        (Printed::Default(json), _, Value::Null) => out.push_str(json),
        // What Go makes of an absent text.
        (_, Shape::Text | Shape::Enum(_), Value::Null) => out.push_str("\"\""),
        (_, shape, _) => write(out, value, shape),
    }
}

/// `shape` without what is asked beyond it, of which Go's types know nothing.
fn plain(mut shape: &Shape) -> &Shape {
    while let Shape::With(inner, _) | Shape::Atomic(inner) = shape {
        shape = inner;
    }
    shape
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
