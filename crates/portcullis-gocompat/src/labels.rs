//! Label selectors as `k8s.io/apimachinery` validates and matches them.

mod parse;
mod validation;

use std::fmt;

use portcullis_value::{Object, Value, json};
pub use validation::{InvalidLabel, validate_key, validate_value};

use crate::fmt::quote;

/// A compiled LabelSelector: requirements that must all hold. The empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Box<[Requirement]>,
}

/// What a selector asks of one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    key: Box<str>,
    operator: Operator,
    values: Box<[Box<str>]>,
}

/// How a requirement looks at the label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The label is there and its value listed.
    In,
    /// The label is missing or its value not listed.
    NotIn,
    Exists,
    DoesNotExist,
}

/// Why a selector is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text of the API server's field errors, one or several.
    #[error("{0}")]
    Invalid(Box<str>),
    #[error("{} is not a valid label selector operator", quote(.0))]
    Operator(Box<str>),
    /// The document does not have the shape of a LabelSelector.
    #[error("{path} must be {expected}")]
    Shape { path: &'static str, expected: &'static str },
}

impl Operator {
    /// The operator of `matchExpressions` by its exact name.
    pub fn parse(name: &str) -> Result<Operator, Error> {
        Ok(match name {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            _ => return Err(Error::Operator(name.into())),
        })
    }
}

impl Requirement {
    /// A requirement of `matchExpressions`.
    pub fn new(key: &str, operator: Operator, values: &[&str]) -> Result<Requirement, Error> {
        let mut problems = Vec::new();
        if let Err(invalid) = validate_key(key) {
            problems.push(format!("key: Invalid value: {}: {invalid}", quote(key)));
        }
        let fault = match operator {
            Operator::In | Operator::NotIn => {
                values.is_empty().then_some("for 'in', 'notin' operators, values set can't be empty")
            }
            Operator::Exists | Operator::DoesNotExist => {
                (!values.is_empty()).then_some("values set must be empty for exists and does not exist")
            }
        };
        if let Some(fault) = fault {
            problems.push(format!("values: Invalid value: {}: {fault}", json_list(values)));
        }
        for (index, value) in values.iter().enumerate() {
            if let Err(invalid) = validate_value(value) {
                problems.push(format!("values[{index}][{key}]: Invalid value: {}: {invalid}", quote(value)));
            }
        }
        match &*problems {
            [] => Ok(Requirement {
                key: key.into(),
                operator,
                values: values.iter().map(|value| Box::from(*value)).collect(),
            }),
            [one] => Err(Error::Invalid(one.as_str().into())),
            several => Err(Error::Invalid(format!("[{}]", several.join(", ")).into())),
        }
    }

    /// A requirement of `matchLabels`: the label is there and has this value.
    pub fn equals(key: &str, value: &str) -> Result<Requirement, Error> {
        Requirement::new(key, Operator::In, &[value])
    }

    fn holds(&self, label: Option<&str>) -> bool {
        let listed = |label: &str| self.values.iter().any(|value| &**value == label);
        match self.operator {
            Operator::In => label.is_some_and(listed),
            Operator::NotIn => !label.is_some_and(listed),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
        }
    }
}

/// The values as Go prints an invalid list: compact JSON, `null` when there is none.
fn json_list(values: &[&str]) -> String {
    if values.is_empty() {
        return "null".to_owned();
    }
    let items: Vec<_> = values.iter().map(|value| Value::String(value)).collect();
    json::Writer::compact().escape_html().to_string(Value::Array(&items))
}

/// As `kubectl` writes it: `app=web`, `tier in (a,b)`, `!debug`.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, operator, values } = self;
        match (operator, &**values) {
            (Operator::In, [value]) => write!(f, "{key}={value}"),
            (Operator::NotIn, [value]) => write!(f, "{key}!={value}"),
            (Operator::In, values) => write!(f, "{key} in ({})", values.join(",")),
            (Operator::NotIn, values) => write!(f, "{key} notin ({})", values.join(",")),
            (Operator::Exists, _) => f.write_str(key),
            (Operator::DoesNotExist, _) => write!(f, "!{key}"),
        }
    }
}

/// The requirements, with commas between.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            write!(f, "{}{requirement}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl Selector {
    /// The selector of these requirements.
    pub fn new(requirements: impl IntoIterator<Item = Requirement>) -> Selector {
        Selector { requirements: requirements.into_iter().collect() }
    }

    /// Compiles a LabelSelector document: `{matchLabels: {..}, matchExpressions: [{key, operator, values}]}`.
    pub fn compile(document: Value<'_>) -> Result<Selector, Error> {
        let shape = |path, expected| Error::Shape { path, expected };
        let document = document.as_object().ok_or(shape("selector", "a map"))?;
        let present = |field: &str| document.get(field).filter(|value| !value.is_null());
        let mut requirements = Vec::new();
        if let Some(labels) = present("matchLabels") {
            for (key, value) in labels.as_object().ok_or(shape("matchLabels", "a map"))?.iter() {
                let value = value.as_str().ok_or(shape("matchLabels", "a map of strings"))?;
                requirements.push(Requirement::equals(key, value)?);
            }
        }
        if let Some(expressions) = present("matchExpressions") {
            for expression in expressions.as_array().ok_or(shape("matchExpressions", "a list"))? {
                let text = |field: &str| expression.get(field).and_then(Value::as_str).unwrap_or_default();
                let operator = Operator::parse(text("operator"))?;
                let values = match expression.get("values") {
                    None | Some(Value::Null) => Vec::new(),
                    Some(values) => values
                        .as_array()
                        .and_then(|values| values.iter().map(|value| value.as_str()).collect())
                        .ok_or(shape("matchExpressions.values", "a list of strings"))?,
                };
                requirements.push(Requirement::new(text("key"), operator, &values)?);
            }
        }
        Ok(Selector::new(requirements))
    }

    /// Whether the selector asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether `labels` meet all requirements. A label that is no string counts as missing.
    pub fn matches(&self, labels: Object<'_>) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.holds(labels.get(&requirement.key).and_then(Value::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_value::Arena;
    use proptest::prelude::*;

    use super::*;

    fn compile(selector: &str) -> Result<Selector, Error> {
        Selector::compile(json::read(&Arena::new(), selector).unwrap())
    }

    #[track_caller]
    fn check(selector: &str, labels: &str, want: bool) {
        let arena = Arena::new();
        let object = json::read(&arena, labels).unwrap().as_object().unwrap();
        assert_eq!(compile(selector).unwrap().matches(object), want, "{selector} on {labels}");
    }

    #[track_caller]
    fn refused(selector: &str, want: &str) {
        assert_eq!(compile(selector).unwrap_err().to_string(), want);
    }

    #[test]
    fn all_requirements_must_hold() {
        check("{}", "{}", true);
        check(r#"{"matchLabels":null,"matchExpressions":[]}"#, r#"{"a":"1"}"#, true);
        check(r#"{"matchLabels":{"a":"1","b":""}}"#, r#"{"a":"1","b":""}"#, true);
        check(r#"{"matchLabels":{"a":"1","b":""}}"#, r#"{"a":"1"}"#, false);
        check(
            r#"{"matchLabels":{"a":"1"},"matchExpressions":[{"key":"b","operator":"Exists"}]}"#,
            r#"{"a":"1","b":"x"}"#,
            true,
        );
    }

    #[test]
    fn expressions_look_at_one_label() {
        let with = |operator: &str, values: &str| {
            format!(r#"{{"matchExpressions":[{{"key":"a","operator":"{operator}","values":{values}}}]}}"#)
        };
        let (one, other, none) = (r#"{"a":"1"}"#, r#"{"a":"3"}"#, r#"{"b":"1"}"#);
        for (operator, values, want) in [
            ("In", r#"["1","2"]"#, [true, false, false]),
            ("NotIn", r#"["1","2"]"#, [false, true, true]),
            ("Exists", "[]", [true, true, false]),
            ("DoesNotExist", "null", [false, false, true]),
        ] {
            for (labels, want) in [one, other, none].into_iter().zip(want) {
                check(&with(operator, values), labels, want);
            }
        }
    }

    #[test]
    fn refusals_are_the_api_servers() {
        refused(
            r#"{"matchExpressions":[{"key":"a","operator":"in"}]}"#,
            r#""in" is not a valid label selector operator"#,
        );
        refused(
            r#"{"matchExpressions":[{"key":"a","operator":"In"}]}"#,
            "values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty",
        );
        refused(
            r#"{"matchExpressions":[{"key":"a","operator":"Exists","values":["x","<"]}]}"#,
            &format!(
                r#"[values: Invalid value: ["x","\u003c"]: values set must be empty for exists and does not exist, values[1][a]: Invalid value: "<": {}]"#,
                validate_value("<").unwrap_err()
            ),
        );
        refused(
            r#"{"matchLabels":{"-a":"-x"}}"#,
            &format!(
                r#"[key: Invalid value: "-a": {}, values[0][-a]: Invalid value: "-x": {}]"#,
                validate_key("-a").unwrap_err(),
                validate_value("-x").unwrap_err()
            ),
        );
        refused(r#"{"matchLabels":{"a":1}}"#, "matchLabels must be a map of strings");
        refused("[]", "selector must be a map");
    }

    proptest! {
        #[test]
        fn not_in_is_the_negation_of_in(values in proptest::collection::vec("[ab]{0,2}", 1..3), label in "[ab]{0,2}", there: bool) {
            let values: Vec<_> = values.iter().map(String::as_str).collect();
            let arena = Arena::new();
            let mut entries = if there { vec![("k", arena.string(&label))] } else { Vec::new() };
            let labels = arena.object(&mut entries).as_object().unwrap();
            let selector = |operator| Selector::new([Requirement::new("k", operator, &values).unwrap()]);
            prop_assert_eq!(selector(Operator::In).matches(labels), !selector(Operator::NotIn).matches(labels));
        }
    }
}
