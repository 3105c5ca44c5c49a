//! The rules word for word over `serde_json`, with regular expressions and copies, without a thought for speed.
//!
//! Each can be given a [`Fault`], which a comparison with the crate must find: one that finds none compares nothing.

mod autogen;
mod matching;
pub(crate) mod operators;
mod overlay;
pub(crate) mod policy;
pub(crate) mod scalar;
pub(crate) mod tree;
mod variables;

use serde_json::Value;

/// A rule broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A missing value is nothing, where it should compare as zero.
    NullIsNoZero,
    /// A scalar pattern on a list asks for one item, where it should ask for all.
    OneItemIsEnough,
    /// Alternatives bind tighter than conjunctions.
    BarBindsTighter,
    /// A pattern of an existence anchor must hold for all items.
    ExistenceMeansAll,
    /// What is skipped further down skips the map.
    SkipsAreKept,
    /// A violation counts although a condition failed.
    ViolationsAfterCondition,
    /// Wildcards of labels are replaced anew for each item.
    LabelsAreNotRewritten,
    /// What is no string stays in the pattern of labels.
    LabelsKeepNumbers,
    /// Fields are judged in alphabetical order.
    FieldsInOrder,
    /// An anchor that was never met makes no error.
    MissingAnchorIsFine,
    /// Messages are not searched for phrases.
    TextsDoNotMatter,
    /// Texts of the key are no wildcards.
    KeysAreLiteral,
    /// `AllNotIn` is the negation of `AllIn`.
    AllNotInNegatesAllIn,
    /// Integers equal floats in lists.
    NumbersAreEqual,
    /// A duration compares with nothing but durations.
    SecondsAreNoDuration,
    /// Every filter of `any` must hold.
    AnyMeansAll,
    /// A filter does not look at names.
    NamesDoNotMatter,
    /// Exclude blocks play no part.
    NothingIsExcluded,
    /// Conditions of `all` that do not hold are passed over.
    AllAreAsked,
    /// A rule does not see what the rules before it made of the object.
    RulesSeeTheFirstObject,
    /// Where one rule is enough, one that is skipped is.
    SkipsDecide,
    /// Patterns are held against objects that are gone.
    GoneObjectsArePatterned,
    /// Alternatives that are skipped count as failed.
    SkippedAlternativesFail,
    /// Integers of an element are no floats.
    ElementsKeepIntegers,
    /// An element that is skipped counts as one that passes.
    SkippedElementsPass,
    /// In an inner loop `element` is that of the outer one.
    OuterElementsStay,
    /// A violation counts although the object as it was is one too.
    OldObjectsAreForgotten,
    /// The patterns for the object as it was have its own values.
    PatternsAreFilledAnew,
    /// Loops of overlays begin with the first element.
    LoopsAscend,
    /// Variables in a loop see what the elements before made of the object.
    LoopsSeeWhatTheyDo,
    /// Conditions of an overlay play no part.
    OverlaysHaveNoConditions,
    /// What is added where it is absent replaces what is there.
    AdditionsReplace,
    /// Rules are generated for all controllers, whatever the annotation says.
    AllControllersHaveRules,
    /// The expressions of generated rules lead where they led before.
    GeneratedRulesKeepPaths,
    /// What a loop asks for is not kept for what comes after the element.
    LoopsForget,
    /// All entries of the context are loaded with the first variable.
    EntriesAreLoadedAtOnce,
    /// An exception holds whoever the object is.
    ExceptionsAreForAll,
    /// An exception whose conditions cannot be judged holds.
    DoubtExcepts,
}

/// Whether `text` fits `pattern`, by definition.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    fn fits(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            (['*', rest @ ..], _) => (0..=text.len()).any(|skipped| fits(rest, &text[skipped..])),
            (['?', rest @ ..], [_, tail @ ..]) => fits(rest, tail),
            ([want, rest @ ..], [got, tail @ ..]) => want == got && fits(rest, tail),
            ([], []) => true,
            _ => false,
        }
    }
    let chars = |text: &str| text.chars().collect::<Vec<_>>();
    fits(&chars(pattern), &chars(text))
}

/// The value as Go prints it. Of floats only those that Rust prints alike.
pub(crate) fn show(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => integer.to_string(),
            None => number.as_f64().unwrap().to_string(),
        },
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
        Value::Object(entries) => {
            let mut shown: Vec<_> =
                entries.iter().map(|(key, value)| format!("{key}:{}", show(value))).collect();
            shown.sort();
            format!("map[{}]", shown.join(" "))
        }
    }
}

/// The name of Go's type.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// `value` with floats for its integers.
pub(crate) fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64().unwrap()),
        Value::Array(items) => items.iter().map(floats).collect(),
        Value::Object(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (key.clone(), floats(value))).collect())
        }
        _ => value.clone(),
    }
}
