//! Any text compiles or is refused; what compiles ends within its budget, with a value or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_jmespath::{Context, Expression};
use portcullis_value::{Arena, Budget, Limits, json};

/// Has each kind of value, and the names that the seeds use.
const DOCUMENT: &str = r#"{
    "a": {"b": [1, 2.5, -3, null], "c": "text", "d": {"e": true}},
    "list": [{"name": "x", "size": "1Gi"}, {"name": "y"}, {"size": 5}],
    "words": ["a", "b", "a"],
    "when": "2024-02-29T12:00:00Z",
    "text": "key: [1, 2]",
    "number": 18446744073709551615
}"#;

fuzz_target!(|source: &str| {
    let Ok(expression) = Expression::compile(source) else { return };
    let _ = expression.problems();
    let _ = expression.sources();
    let arena = Arena::new();
    let Ok(document) = json::read(&arena, DOCUMENT) else { panic!("the document is no JSON") };
    // Enough for any short expression, and little enough for libFuzzer to go on.
    let limits = Limits { steps: 100_000, bytes: 4 << 20, ..Limits::default() };
    let mut random = || 7;
    let mut context = Context {
        arena: &arena,
        budget: &mut Budget::new(limits, &|| false),
        now: 0,
        random: &mut random,
    };
    if let Ok(value) = expression.search(document, &mut context) {
        // A value is walked through without a budget: it must not be deeper or larger than one.
        let _ = value.to_string();
    }
});
