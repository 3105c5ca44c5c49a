//! Functions that match wildcards and regular expressions.

use std::borrow::Cow;

use portcullis_gocompat::regex::{Error, Regex};
use portcullis_gocompat::wildcard;
use portcullis_value::Value;

use super::{Arguments, Function, Parameter, REGEX, STRING, Type};
use crate::error::Failure;
use crate::evaluate::{Evaluated, Evaluator};
use crate::text::single_precision;

/// COMPAT(kyverno): a number where a text is meant is printed in single precision.
const TEXT: Parameter = Parameter::One(&[Type::String, Type::Number]);

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "pattern_match",
        parameters: &[STRING, TEXT],
        returns: Type::Bool,
        doc: "Whether the whole text fits a pattern with `*` for any characters and `?` for one.",
        example: ("pattern_match('nginx:1.*', 'nginx:1.25')", "true"),
        call: pattern_match,
    },
    Function {
        name: "regex_match",
        parameters: &[REGEX, TEXT],
        returns: Type::Bool,
        doc: "Whether some part of the text matches the regular expression.",
        example: ("regex_match('^v[0-9]+$', 'v12')", "true"),
        call: regex_match,
    },
    Function {
        name: "regex_replace_all",
        parameters: &[REGEX, TEXT, TEXT],
        returns: Type::String,
        doc: "The text with every match replaced; `$1` or `${name}` stand for what a group matched.",
        example: ("regex_replace_all('(\\w+)@(\\w+)', 'a@b', '${2}@${1}')", r#""b@a""#),
        call: regex_replace_all,
    },
    Function {
        name: "regex_replace_all_literal",
        parameters: &[REGEX, TEXT, TEXT],
        returns: Type::String,
        doc: "The text with every match replaced by another text as it stands.",
        example: ("regex_replace_all_literal('x+', 'axxb', '$1')", r#""a$1b""#),
        call: regex_replace_all_literal,
    },
];

fn pattern_match<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (pattern, text) = (arguments.string(0)?, evaluator.text_argument(&arguments, 1)?);
    Ok(Value::Bool(wildcard::matches_within(pattern, text, evaluator.budget)?))
}

fn regex_match<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let text = evaluator.text_argument(&arguments, 1)?;
    let regex = evaluator.regex(&arguments)?.map_err(|error| Failure::runtime(error.to_string()))?;
    Ok(Value::Bool(regex.is_match(text, evaluator.budget)?))
}

fn regex_replace_all<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    arguments: Arguments<'a, '_>,
) -> Evaluated<'a> {
    let text = evaluator.text_argument(&arguments, 1)?;
    let template = evaluator.text_argument(&arguments, 2)?;
    let regex = evaluator.regex(&arguments)?.map_err(|error| arguments.error(error))?;
    let replaced = regex.replace_all(text, template, evaluator.budget)?;
    Ok(evaluator.arena.string(&replaced))
}

fn regex_replace_all_literal<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    arguments: Arguments<'a, '_>,
) -> Evaluated<'a> {
    let text = evaluator.text_argument(&arguments, 1)?;
    let replacement = evaluator.text_argument(&arguments, 2)?;
    let regex = evaluator.regex(&arguments)?.map_err(|error| arguments.error(error))?;
    let replaced = regex.replace_all_literal(text, replacement, evaluator.budget)?;
    Ok(evaluator.arena.string(&replaced))
}

/// Compiling is dear: so many steps each time, more than lie between two looks at the clock.
const COMPILATION: usize = 2048;

impl<'a> Evaluator<'a, '_, '_> {
    /// The string, or the number as text.
    fn text_argument(&mut self, arguments: &Arguments<'a, '_>, index: usize) -> Result<&'a str, Failure<'a>> {
        match arguments.value(index)? {
            Value::Number(number) => self.text(&single_precision(number.as_f64())),
            _ => arguments.string(index),
        }
    }

    /// The first argument as a regular expression: one that is part of the document is compiled here.
    pub(super) fn regex(
        &mut self,
        arguments: &Arguments<'a, '_>,
    ) -> Result<Result<Cow<'a, Regex>, Error>, Failure<'a>> {
        if let Some(compiled) = arguments.regex {
            return Ok(Ok(Cow::Borrowed(compiled)));
        }
        self.steps(COMPILATION)?;
        Ok(Regex::new(arguments.string(0)?).map(Cow::Owned))
    }
}
