//! Every row of the table.

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_value::{Arena, Budget, Value, json};

use super::*;
use crate::{Context, Expression};

#[test]
fn every_example_has_the_value_that_it_shows() {
    for function in functions() {
        let (source, want) = function.example;
        let arena = Arena::new();
        let mut budget = Budget::default();
        let mut bits = || 0;
        let now = "2024-03-01T10:00:00Z".parse::<Timestamp>().unwrap().as_nanosecond();
        let now = now.try_into().unwrap();
        let mut context = Context { arena: &arena, budget: &mut budget, now, random: &mut bits };
        let expression = Expression::compile(source).unwrap();
        let root = Value::Object(Object::default());
        let value = expression.search(root, &mut context);
        let want = json::read(&arena, want).unwrap();
        assert_eq!(value, Ok(want), "{source}");
        assert!(source.contains(&format!("{}(", function.name)), "{source} does not call {}", function.name);
        assert_eq!(expression.problems(), [], "{source}");
    }
}

#[test]
fn names_are_unique_and_docs_are_sentences() {
    let mut names = BTreeSet::new();
    for function in functions() {
        assert!(names.insert(function.name), "{} is there twice", function.name);
        assert!(function.doc.ends_with('.'), "{}", function.name);
    }
}
