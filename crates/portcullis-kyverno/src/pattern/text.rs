//! String patterns: `nginx:* | !*:latest & ?*`, `>=5Mi`, `80-9000`.

use std::cmp::Ordering;

use portcullis_gocompat::strconv::{FloatBits, FloatFormat, format_float};
use portcullis_gocompat::wildcard::Wildcard;
use portcullis_value::{Budget, Exhausted, Value};

use super::subject::{Measure, Subject};

/// A string pattern, read once: alternatives (`|`) of comparisons that must all hold (`&`).
#[derive(Clone, Debug)]
pub struct Text {
    source: Box<str>,
    /// Those of one alternative after the other.
    atoms: Box<[Atom]>,
    foregone: Option<Foregone>,
    /// Whether it is `*`.
    is_star: bool,
}

/// What comes of the values that are of one form: known before a resource is.
#[derive(Clone, Copy, Debug)]
struct Foregone {
    null: bool,
    yes: bool,
    no: bool,
    compound: bool,
}

/// A comparison, and whether it is the last one of its alternative.
#[derive(Clone, Debug)]
struct Atom {
    test: Test,
    is_last: bool,
}

/// One comparison.
#[derive(Clone, Debug)]
enum Test {
    Compare(Comparison, Operand),
    /// `low-high`, both ends included; `low!-high` is its opposite.
    Range(Box<Range>),
}

#[derive(Clone, Debug)]
struct Range {
    low: Operand,
    high: Operand,
    inside: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// In the order in which they are tried.
const PREFIXES: [(&str, Comparison); 5] = [
    (">=", Comparison::GreaterOrEqual),
    ("<=", Comparison::LessOrEqual),
    (">", Comparison::Greater),
    ("<", Comparison::Less),
    ("!", Comparison::NotEqual),
];

/// What a value is compared with.
#[derive(Clone, Debug)]
struct Operand {
    wildcard: Wildcard,
    /// Most texts measure nothing.
    measure: Option<Box<Measure>>,
}

impl Text {
    /// Reads a pattern. Every text is one.
    pub fn compile(source: &str) -> Self {
        let mut atoms = Vec::new();
        for alternative in source.split('|') {
            let tests = trim(alternative).split('&').map(|test| Test::compile(trim(test)));
            atoms.extend(tests.map(|test| Atom { test, is_last: false }));
            if let Some(last) = atoms.last_mut() {
                last.is_last = true;
            }
        }
        let is_star = source == "*";
        let text = Self { source: source.into(), atoms: atoms.into(), foregone: None, is_star };
        Self { foregone: text.foresee().ok(), ..text }
    }

    /// # Errors
    /// It takes more than is reasonable, and is left to the evaluations.
    fn foresee(&self) -> Result<Foregone, Exhausted> {
        let mut budget = Budget::default();
        let mut outcome = |value| self.matches(value, &mut budget);
        Ok(Foregone {
            null: outcome(Subject::Null)?,
            yes: outcome(Subject::Bool(true))?,
            no: outcome(Subject::Bool(false))?,
            compound: outcome(Subject::Compound)?,
        })
    }

    /// Whether `value` satisfies the pattern, where that is known without a look at it.
    #[inline]
    pub(super) fn foregone(&self, value: Value<'_>) -> Option<bool> {
        let foregone = self.foregone.as_ref()?;
        match value {
            Value::Null => Some(foregone.null),
            Value::Bool(true) => Some(foregone.yes),
            Value::Bool(false) => Some(foregone.no),
            Value::Array(_) | Value::Object(_) => Some(foregone.compound),
            Value::Number(_) | Value::String(_) => None,
        }
    }

    /// Whether the pattern is a star alone.
    pub(super) fn is_star(&self) -> bool {
        self.is_star
    }

    /// The pattern as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether `value`, a text, satisfies the pattern.
    pub fn matches_text(&self, value: &str, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
        self.matches(Subject::Text(value), budget)
    }

    /// Whether `value` satisfies the pattern.
    pub(super) fn matches(&self, value: Subject<'_>, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
        if value.as_text() == Some(&*self.source) {
            return Ok(true);
        }
        let mut all = true;
        for Atom { test, is_last } in &self.atoms {
            all = all && test.holds(value, budget)?;
            if *is_last {
                if all {
                    return Ok(true);
                }
                all = true;
            }
        }
        Ok(false)
    }
}

/// Whether `value` satisfies `pattern`, both as texts.
pub fn matches_text(value: &str, pattern: &str, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
    Text::compile(pattern).matches(Subject::Text(value), budget)
}

/// Whether `text` is a range, both ends included: `1-10`, `512Mi-2Gi`, `-5--1`.
pub fn is_range(text: &str) -> bool {
    split_range(text, "-").is_some()
}

fn trim(text: &str) -> &str {
    text.trim_matches(' ')
}

/// The ends of a range whose ends are numbers with an optional unit; no blanks anywhere.
fn split_range<'t>(text: &'t str, separator: &str) -> Option<(&'t str, &'t str)> {
    let length = end_of_range(text)?;
    let (low, rest) = text.split_at_checked(length)?;
    let high = rest.strip_prefix(separator)?;
    (end_of_range(high)? == high.len()).then_some((low, high))
}

/// The length of the number with an optional unit that `text` starts with: `[-|+]?\d+(\.\d+)?[A-Za-z]*`.
fn end_of_range(text: &str) -> Option<usize> {
    // COMPAT(kyverno): the class of signs of its regular expression holds the bar, too.
    let unsigned = text.strip_prefix(['-', '|', '+']).unwrap_or(text);
    let after_whole = unsigned.trim_start_matches(|letter: char| letter.is_ascii_digit());
    if after_whole.len() == unsigned.len() {
        return None;
    }
    let after_number = match after_whole.strip_prefix('.') {
        Some(fraction) if fraction.starts_with(|letter: char| letter.is_ascii_digit()) => {
            fraction.trim_start_matches(|letter: char| letter.is_ascii_digit())
        }
        _ => after_whole,
    };
    let rest = after_number.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    Some(text.len() - rest.len())
}

impl Test {
    fn compile(text: &str) -> Self {
        // A lone operator is a text to be equal to.
        if text.len() < 2 {
            return Test::Compare(Comparison::Equal, Operand::new(text));
        }
        for (prefix, comparison) in PREFIXES {
            if let Some(rest) = text.strip_prefix(prefix) {
                return Test::Compare(comparison, Operand::new(rest.trim()));
            }
        }
        let range = |(low, high), inside| {
            Test::Range(Box::new(Range { low: Operand::new(low), high: Operand::new(high), inside }))
        };
        if let Some(ends) = split_range(text, "!-") {
            range(ends, false)
        } else if let Some(ends) = split_range(text, "-") {
            range(ends, true)
        } else {
            Test::Compare(Comparison::Equal, Operand::new(text.trim()))
        }
    }

    fn holds(&self, value: Subject<'_>, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
        match self {
            Test::Compare(comparison, operand) => operand.holds(*comparison, value, budget),
            Test::Range(range) => range.holds(value, budget),
        }
    }
}

impl Range {
    fn holds(&self, value: Subject<'_>, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
        let Range { low, high, inside } = self;
        Ok(if *inside {
            low.holds(Comparison::GreaterOrEqual, value, budget)?
                && high.holds(Comparison::LessOrEqual, value, budget)?
        } else {
            low.holds(Comparison::Less, value, budget)? || high.holds(Comparison::Greater, value, budget)?
        })
    }
}

impl Comparison {
    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Comparison::Equal => ordering.is_eq(),
            Comparison::NotEqual => ordering.is_ne(),
            Comparison::Less => ordering.is_lt(),
            Comparison::LessOrEqual => ordering.is_le(),
            Comparison::Greater => ordering.is_gt(),
            Comparison::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

impl Operand {
    fn new(text: &str) -> Self {
        Self { wildcard: Wildcard::new(text), measure: Measure::parse(text).map(Box::new) }
    }

    /// Compares as durations if both are, else as quantities if both are, else for equality as texts.
    fn holds(
        &self,
        comparison: Comparison,
        value: Subject<'_>,
        budget: &mut Budget<'_>,
    ) -> Result<bool, Exhausted> {
        budget.step()?;
        if let Some(measure) = &self.measure {
            budget.steps(value.length())?;
            if let Some(ordering) = value.compare(measure) {
                return Ok(comparison.accepts(ordering));
            }
        }
        match comparison {
            Comparison::Equal => Ok(self.fits(value, budget)? == Some(true)),
            Comparison::NotEqual => Ok(self.fits(value, budget)? == Some(false)),
            _ => Ok(false),
        }
    }

    /// Whether the value fits the operand as a wildcard; `None` if the value has no text.
    fn fits(&self, value: Subject<'_>, budget: &mut Budget<'_>) -> Result<Option<bool>, Exhausted> {
        let written;
        let text = match value {
            Subject::Null | Subject::Compound => return Ok(None),
            Subject::Text(text) => text,
            Subject::Bool(true) => "true",
            Subject::Bool(false) => "false",
            // No number is written as nothing.
            Subject::Int(_) | Subject::Float(_) if matches!(self.wildcard.as_str(), "*" | "?*") => {
                return Ok(Some(true));
            }
            Subject::Int(value) => {
                written = value.to_string();
                &written
            }
            Subject::Float(value) => {
                written = format_float(value, FloatFormat::UpperExponent, None, FloatBits::Double);
                &written
            }
        };
        self.wildcard.matches_within(text, budget).map(Some)
    }
}
