//! The evaluator beside the model, and texts of every kind.

use portcullis_jmespath::{Error, Expression};
use portcullis_value::Limits;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::model::{Failed, Model, Step};
use crate::{answer, search};

const NAMES: &[&str] = &["a", "b", "c", "dd"];
const CALLS: &[&str] = &["type", "length", "keys", "to_array"];

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..4).prop_map(Value::from),
        select(&["", "x", "é<"][..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        let entries = prop::collection::btree_map(select(NAMES), inner.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            entries.prop_map(|entries| entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    select(NAMES).prop_map(str::to_owned)
}

fn steps(model: impl Strategy<Value = Model> + Clone + 'static) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => name().prop_map(Step::Field),
        1 => (-3..3_i64).prop_map(Step::Index),
        1 => prop::collection::vec(model, 1..3).prop_map(Step::List),
        1 => select(CALLS).prop_map(Step::Call),
    ];
    prop::collection::vec(step, 0..3).prop_map(|mut steps| {
        // What follows a list in brackets is no part of the projection.
        let end = steps.iter().position(|step| matches!(step, Step::List(_)));
        steps.truncate(end.map_or(steps.len(), |end| end + 1));
        steps
    })
}

fn model() -> impl Strategy<Value = Model> {
    let leaf = prop_oneof![
        1 => Just(Model::Current),
        4 => name().prop_map(Model::Field),
        1 => select(vec![json!(null), json!(0), json!("x"), json!([1]), json!({"a": [{"b": 2}]})])
            .prop_map(Model::Literal),
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let one = || inner.clone().prop_map(Box::new);
        let two = || (one(), one());
        let bound = || prop::option::of(-4..5_i64);
        let operator = select(&["==", "!=", "<", ">="][..]);
        let step = prop_oneof![name().prop_map(Step::Field), (-3..3_i64).prop_map(Step::Index)];
        prop_oneof![
            (one(), step).prop_map(|(left, step)| Model::Then(left, step)),
            (one(), steps(inner.clone())).prop_map(|(source, each)| Model::Each(source, each)),
            // What a second dot follows is no part of this projection.
            (one(), steps(inner.clone())).prop_map(|(source, mut each)| {
                each.truncate(1);
                Model::Values(source, each)
            }),
            (one(), steps(inner.clone())).prop_map(|(source, each)| Model::Flatten(source, each)),
            (one(), bound(), bound(), bound(), steps(inner.clone()))
                .prop_map(|(source, start, stop, step, each)| Model::Slice(source, start, stop, step, each)),
            (two(), steps(inner.clone()))
                .prop_map(|((source, condition), each)| Model::Filter(source, condition, each)),
            (one(), operator, one())
                .prop_map(|(left, operator, right)| Model::Compare(left, operator, right)),
            two().prop_map(|(left, right)| Model::Or(left, right)),
            two().prop_map(|(left, right)| Model::And(left, right)),
            two().prop_map(|(left, right)| Model::Pipe(left, right)),
            one().prop_map(Model::Not),
            prop::collection::vec(inner.clone(), 1..3).prop_map(Model::List),
            prop::collection::vec((name(), inner.clone()), 1..3).prop_map(Model::Hash),
            (select(CALLS), one()).prop_map(|(name, argument)| Model::Call(name, argument)),
            two().prop_map(|(expression, items)| Model::Map(expression, items)),
        ]
    })
}

/// Pieces that make texts the parser gets far with.
const PIECES: &[&str] = &[
    "a",
    "b.c",
    ".",
    "*",
    "[*]",
    "[]",
    "[?",
    "]",
    "[",
    "[0]",
    "[1:",
    "::",
    "(",
    ")",
    "{",
    "}",
    "{a:",
    ",",
    "|",
    "||",
    "&&",
    "&",
    "!",
    "==",
    "<",
    "@",
    "`1`",
    "`[{}]`",
    "'x'",
    "\"k\"",
    "length(",
    "sort_by(",
    "to_string(",
    " ",
    "\\",
    "'",
    "`",
    "\"",
    "-",
    "é",
    "99999999999999999999",
];

proptest! {
    #[test]
    fn the_evaluator_agrees_with_the_model(document in document(), model in model()) {
        let source = model.to_string();
        let expression = Expression::compile(&source).unwrap();
        let answer = search(&expression, &document.to_string(), Limits::default());
        match (model.value(&document), answer) {
            (Ok(want), Ok(value)) => {
                prop_assert_eq!(serde_json::from_str::<Value>(&value).unwrap(), want, "{}", source);
            }
            (Err(Failed::Missing(want)), Err(Error::MissingKey(key))) => prop_assert_eq!(&*key, &want),
            (Err(Failed::Error), Err(Error::Runtime(_))) => {}
            (want, value) => prop_assert!(false, "{source} gives {value:?}, want {want:?}"),
        }
    }

    #[test]
    fn a_small_budget_gives_the_same_answer_or_none(document in document(), model in model(), steps in 0..60_u64) {
        let expression = Expression::compile(&model.to_string()).unwrap();
        let document = document.to_string();
        let limits = Limits { steps, ..Limits::default() };
        let limited = search(&expression, &document, limits);
        if !matches!(limited, Err(Error::Exhausted(_))) {
            prop_assert_eq!(limited, search(&expression, &document, Limits::default()));
        }
    }

    #[test]
    fn no_text_makes_the_parser_or_the_evaluator_panic(
        pieces in prop::collection::vec(select(PIECES), 0..12),
        document in document(),
    ) {
        let _ = answer(&pieces.concat(), &document.to_string());
    }

    #[test]
    fn no_characters_make_the_parser_panic(text in "\\PC{0,40}") {
        let _ = Expression::compile(&text);
    }
}
