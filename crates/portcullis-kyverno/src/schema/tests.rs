//! What holds of every table of the schema.

use std::collections::HashSet;

use super::*;

/// Calls `each` with the fields of every table below `fields`.
fn walk(fields: &'static [Field], each: &mut impl FnMut(&'static [Field])) {
    each(fields);
    for field in fields {
        walk_shape(field.shape, each);
    }
}

fn walk_shape(shape: &'static Shape, each: &mut impl FnMut(&'static [Field])) {
    match shape {
        Shape::List(inner) | Shape::Map(inner) | Shape::Atomic(inner) | Shape::With(inner, _) => {
            walk_shape(inner, each);
        }
        Shape::Fields(fields) | Shape::Open(fields) => walk(fields, each),
        // An undeclared shape is that of a loop in itself, and a copied one is met where it comes from.
        Shape::Undeclared(_) | Shape::Copied(_) => {}
        Shape::Any | Shape::Conditions | Shape::Text | Shape::Flag | Shape::Integer | Shape::Enum(_) => {}
    }
}

#[test]
fn every_field_says_what_it_is_for_in_whole_sentences() {
    let mut seen = 0;
    for fields in [&POLICY[..], &EXCEPTION] {
        walk(fields, &mut |fields| {
            for field in fields {
                seen += 1;
                let first = field.doc.chars().next().unwrap_or_default();
                assert!(first.is_uppercase() || first == '`', "{}: {}", field.name, field.doc);
                assert!(field.doc.ends_with('.'), "{}: {}", field.name, field.doc);
                assert!(field.doc.len() <= 130, "{}: {}", field.name, field.doc);
            }
        });
    }
    assert!(seen > 500, "{seen} fields were looked at");
}

#[test]
fn no_field_stands_twice_in_one_version() {
    for version in [Version::V1, Version::V2] {
        for fields in [&POLICY[..], &EXCEPTION] {
            walk(fields, &mut |fields| {
                let mut names = HashSet::new();
                for field in fields.iter().filter(|field| field.is_in(version)) {
                    assert!(names.insert(field.name), "`{}` stands twice in {version:?}", field.name);
                }
            });
        }
    }
}
