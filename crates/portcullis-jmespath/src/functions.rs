//! The function table. To add a function: one Rust function and one row in the file of its family.

use std::fmt;

use portcullis_gocompat::fmt::display;
use portcullis_gocompat::regex::Regex;
use portcullis_value::{Number, Object, Value};

use crate::ast::{Call, Node};
use crate::error::Failure;
use crate::evaluate::{Evaluated, Evaluator};

mod arithmetic;
mod certificates;
mod encoding;
mod lists;
mod names;
mod numbers;
mod objects;
mod patterns;
mod random;
mod strings;
mod times;
mod types;
mod versions;

/// A type that a function takes or gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Any,
    Bool,
    Number,
    String,
    /// A string that is a regular expression in Go's syntax.
    Regex,
    Array,
    Object,
    NumberArray,
    StringArray,
    /// `&expression`
    Reference,
}

/// A parameter: the types that an argument may have.
#[derive(Clone, Copy, Debug)]
pub enum Parameter {
    One(&'static [Type]),
    /// One argument or more; the last parameter, unless the function checks nothing. The arguments are not checked.
    Rest(&'static [Type]),
}

const ANY: Parameter = Parameter::One(&[Type::Any]);
const ARRAY: Parameter = Parameter::One(&[Type::Array]);
const NUMBER: Parameter = Parameter::One(&[Type::Number]);
const NUMBERS: Parameter = Parameter::One(&[Type::NumberArray]);
const OBJECT: Parameter = Parameter::One(&[Type::Object]);
const REFERENCE: Parameter = Parameter::One(&[Type::Reference]);
const REGEX: Parameter = Parameter::One(&[Type::Regex]);
const STRING: Parameter = Parameter::One(&[Type::String]);

/// A row of the table: arity, types, documentation and the test of a function come from it.
#[derive(Debug)]
pub struct Function {
    pub name: &'static str,
    pub parameters: &'static [Parameter],
    pub returns: Type,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// An expression, on the document `{}`, and the JSON of its value.
    pub example: (&'static str, &'static str),
    pub(crate) call: Implementation,
}

pub(crate) type Implementation =
    for<'a, 'e, 'c, 't, 's> fn(&'e mut Evaluator<'a, 'c, 't>, Arguments<'a, 's>) -> Evaluated<'a>;

const FAMILIES: &[&[Function]] = &[
    arithmetic::FUNCTIONS,
    certificates::FUNCTIONS,
    encoding::FUNCTIONS,
    lists::FUNCTIONS,
    names::FUNCTIONS,
    numbers::FUNCTIONS,
    objects::FUNCTIONS,
    patterns::FUNCTIONS,
    random::FUNCTIONS,
    strings::FUNCTIONS,
    times::FUNCTIONS,
    types::FUNCTIONS,
    versions::FUNCTIONS,
];

/// All functions, family by family.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    FAMILIES.iter().copied().flatten()
}

pub(crate) fn find(name: &str) -> Option<&'static Function> {
    functions().find(|function| function.name == name)
}

impl Function {
    /// Whether it may be called with `count` arguments. One without parameters takes any number and looks at none.
    pub fn takes(&self, count: usize) -> bool {
        match self.parameters {
            [] => true,
            [.., Parameter::Rest(_)] => count >= self.parameters.len(),
            parameters => count == parameters.len(),
        }
    }

    /// Whether the first argument is a regular expression.
    pub(crate) fn takes_regex(&self) -> bool {
        matches!(self.parameters, [Parameter::One([Type::Regex]), ..])
    }

    /// `name(string, object|array) number`
    pub fn signature(&self) -> String {
        let parameters: Vec<_> = self.parameters.iter().map(Parameter::to_string).collect();
        format!("{}({}) {}", self.name, parameters.join(", "), self.returns)
    }

    /// Refuses arguments that are too few, too many or of the wrong type.
    fn check<'a>(
        &self,
        evaluator: &mut Evaluator<'a, '_, '_>,
        arguments: &[Argument<'a>],
    ) -> Result<(), Failure<'a>> {
        let is_variadic = matches!(self.parameters, [.., Parameter::Rest(_)]);
        if !self.takes(arguments.len()) {
            let message = if is_variadic { "Invalid arity." } else { "incorrect number of args" };
            return Err(Failure::runtime(message));
        }
        // COMPAT(kyverno): a function that takes any number of arguments does not look at their types.
        if is_variadic {
            return Ok(());
        }
        for (parameter, argument) in self.parameters.iter().zip(arguments) {
            let (Parameter::One(types) | Parameter::Rest(types)) = parameter;
            if !types.iter().any(|accepted| accepted.accepts(*argument)) {
                return Err(wrong_type(evaluator, types, *argument));
            }
        }
        Ok(())
    }
}

fn wrong_type<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    types: &[Type],
    argument: Argument<'a>,
) -> Failure<'a> {
    let value = match argument {
        Argument::Reference(_) => "&expression".to_owned(),
        Argument::Value(value) => match evaluator.weigh(value) {
            Err(Failure::Exhausted(exhausted)) => return exhausted.into(),
            _ => display(value).to_string(),
        },
    };
    let types: Vec<_> = types.iter().map(|accepted| format!("\"{accepted}\"")).collect();
    Failure::runtime(format!(
        "Invalid type for: {value}, expected: []jmespath.JpType{{{}}}",
        types.join(", ")
    ))
}

impl Type {
    fn accepts(self, argument: Argument<'_>) -> bool {
        let Argument::Value(value) = argument else { return self == Type::Reference || self == Type::Any };
        match (self, value) {
            (Type::Any, _)
            | (Type::Bool, Value::Bool(_))
            | (Type::Number, Value::Number(_))
            | (Type::String | Type::Regex, Value::String(_))
            | (Type::Array, Value::Array(_))
            | (Type::Object, Value::Object(_)) => true,
            (Type::NumberArray, Value::Array(items)) => {
                items.iter().all(|item| matches!(item, Value::Number(_)))
            }
            (Type::StringArray, Value::Array(items)) => {
                items.iter().all(|item| matches!(item, Value::String(_)))
            }
            _ => false,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Any => "any",
            Type::Bool => "bool",
            Type::Number => "number",
            Type::String | Type::Regex => "string",
            Type::Array => "array",
            Type::Object => "object",
            Type::NumberArray => "array[number]",
            Type::StringArray => "array[string]",
            Type::Reference => "expref",
        })
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (types, more) = match self {
            Parameter::One(types) => (types, ""),
            Parameter::Rest(types) => (types, "..."),
        };
        for (index, accepted) in types.iter().enumerate() {
            write!(f, "{}{accepted}", if index > 0 { "|" } else { "" })?;
        }
        f.write_str(more)
    }
}

/// What a call passes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Argument<'a> {
    Value(Value<'a>),
    Reference(&'a Node),
}

/// The arguments of a call, checked against the row of the function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arguments<'a, 's> {
    name: &'static str,
    arguments: &'s [Argument<'a>],
    /// The first argument, compiled with the expression.
    regex: Option<&'a Regex>,
}

macro_rules! argument_of_type {
    ($($name:ident: $variant:ident -> $type:ty),* $(,)?) => {$(
        pub(crate) fn $name(&self, index: usize) -> Result<$type, Failure<'a>> {
            match self.value(index)? {
                Value::$variant(value) => Ok(value),
                _ => Err(self.not_of_type(index, stringify!($variant))),
            }
        }
    )*};
}

impl<'a> Arguments<'a, '_> {
    argument_of_type! {
        string: String -> &'a str,
        number: Number -> Number,
        array: Array -> &'a [Value<'a>],
        object: Object -> Object<'a>,
    }

    pub(crate) fn len(&self) -> usize {
        self.arguments.len()
    }

    pub(crate) fn value(&self, index: usize) -> Result<Value<'a>, Failure<'a>> {
        match self.arguments.get(index) {
            Some(Argument::Value(value)) => Ok(*value),
            _ => Err(self.not_of_type(index, "Any")),
        }
    }

    pub(crate) fn reference(&self, index: usize) -> Result<&'a Node, Failure<'a>> {
        match self.arguments.get(index) {
            Some(Argument::Reference(node)) => Ok(node),
            _ => Err(self.not_of_type(index, "Expression")),
        }
    }

    /// An error that names the function.
    pub(crate) fn error(&self, message: impl fmt::Display) -> Failure<'a> {
        Failure::runtime(format!("JMESPath function '{}': {message}", self.name))
    }

    pub(crate) fn not_of_type(&self, index: usize, expected: &str) -> Failure<'a> {
        self.error(format_args!("argument #{} is not of type {expected}", index + 1))
    }
}

/// Calls with up to this many arguments need no memory for them.
const FEW: usize = 4;

impl<'a> Evaluator<'a, '_, '_> {
    pub(crate) fn call(&mut self, call: &'a Call, current: Value<'a>) -> Evaluated<'a> {
        let mut few = [Argument::Value(Value::Null); FEW];
        let mut many = Vec::new();
        let arguments = match few.get_mut(..call.arguments.len()) {
            Some(few) => few,
            None => {
                many.resize(call.arguments.len(), Argument::Value(Value::Null));
                many.as_mut_slice()
            }
        };
        for (argument, node) in arguments.iter_mut().zip(&call.arguments) {
            *argument = match node {
                Node::Reference(inner) => Argument::Reference(inner),
                node => match self.evaluate(node, current) {
                    Ok(value) => Argument::Value(value),
                    Err(Failure::MissingKey(_)) => Argument::Value(Value::Null),
                    Err(failure) => return Err(failure),
                },
            };
        }
        let Some(function) = call.function else {
            return Err(Failure::runtime(format!("unknown function: {}", call.name)));
        };
        function.check(self, arguments)?;
        (function.call)(self, Arguments { name: function.name, arguments, regex: call.regex.as_deref() })
    }

    /// The value of the argument `node` on an element; a missing key is null.
    fn apply(&mut self, node: &'a Node, element: Value<'a>) -> Evaluated<'a> {
        match self.evaluate(node, element) {
            Err(Failure::MissingKey(_)) => Ok(Value::Null),
            other => other,
        }
    }

    /// Spends steps for looking through `text`, fewer than one a byte.
    fn scan(&mut self, text: &str) -> Result<(), Failure<'a>> {
        self.steps(1 + text.len() / 16)
    }
}

#[cfg(test)]
mod tests;
