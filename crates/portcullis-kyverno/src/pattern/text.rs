//! String patterns: `nginx:* | !*:latest & ?*`, `>=5Mi`, `80-9000`.

use std::cmp::Ordering;

use portcullis_gocompat::strconv::{FloatBits, FloatFormat, format_float};
use portcullis_gocompat::wildcard::Wildcard;
use portcullis_gocompat::{Duration, Quantity};
use portcullis_model::Numbers;
use portcullis_value::{Budget, Exhausted, Number, Value};

/// A string pattern, read once: alternatives (`|`) of comparisons that must all hold (`&`).
#[derive(Clone, Debug)]
pub struct Text {
    source: Box<str>,
    alternatives: Box<[Box<[Atom]>]>,
}

/// One comparison.
#[derive(Clone, Debug)]
enum Atom {
    Compare(Comparison, Operand),
    /// `low-high`, both ends included; `low!-high` is its opposite.
    Range {
        low: Operand,
        high: Operand,
        inside: bool,
    },
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
    duration: Option<Duration>,
    quantity: Option<Quantity>,
}

impl Text {
    /// Reads a pattern. Every text is one.
    pub fn compile(source: &str) -> Self {
        let alternative = |text: &str| trim(text).split('&').map(|atom| Atom::compile(trim(atom))).collect();
        Self { source: source.into(), alternatives: source.split('|').map(alternative).collect() }
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
        for atoms in &self.alternatives {
            let mut all = true;
            for atom in atoms {
                all = all && atom.holds(value, budget)?;
            }
            if all {
                return Ok(true);
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

impl Atom {
    fn compile(text: &str) -> Self {
        // A lone operator is a text to be equal to.
        if text.len() < 2 {
            return Atom::Compare(Comparison::Equal, Operand::new(text));
        }
        for (prefix, comparison) in PREFIXES {
            if let Some(rest) = text.strip_prefix(prefix) {
                return Atom::Compare(comparison, Operand::new(rest.trim()));
            }
        }
        let range =
            |(low, high), inside| Atom::Range { low: Operand::new(low), high: Operand::new(high), inside };
        if let Some(ends) = split_range(text, "!-") {
            range(ends, false)
        } else if let Some(ends) = split_range(text, "-") {
            range(ends, true)
        } else {
            Atom::Compare(Comparison::Equal, Operand::new(text.trim()))
        }
    }

    fn holds(&self, value: Subject<'_>, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
        match self {
            Atom::Compare(comparison, operand) => operand.holds(*comparison, value, budget),
            Atom::Range { low, high, inside: true } => {
                Ok(low.holds(Comparison::GreaterOrEqual, value, budget)?
                    && high.holds(Comparison::LessOrEqual, value, budget)?)
            }
            Atom::Range { low, high, inside: false } => Ok(low.holds(Comparison::Less, value, budget)?
                || high.holds(Comparison::Greater, value, budget)?),
        }
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
        Self {
            wildcard: Wildcard::new(text),
            duration: Duration::parse(text).ok(),
            quantity: Quantity::parse(text).ok(),
        }
    }

    /// Compares as durations if both are, else as quantities if both are, else for equality as texts.
    fn holds(
        &self,
        comparison: Comparison,
        value: Subject<'_>,
        budget: &mut Budget<'_>,
    ) -> Result<bool, Exhausted> {
        budget.step()?;
        if let Some(want) = self.duration {
            budget.steps(value.length())?;
            if let Some(have) = value.to_duration() {
                return Ok(comparison.accepts(have.cmp(&want)));
            }
        }
        if let Some(want) = &self.quantity {
            budget.steps(value.length())?;
            if let Some(have) = value.to_quantity() {
                return Ok(comparison.accepts(have.cmp(want)));
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

/// A value as string patterns see it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'v str),
    /// A list or a map.
    Compound,
}

impl<'v> Subject<'v> {
    pub(super) fn new(value: Value<'v>, numbers: Numbers) -> Self {
        match value {
            Value::Null => Subject::Null,
            Value::Bool(value) => Subject::Bool(value),
            Value::Number(Number::Int(value)) if numbers == Numbers::AsWritten => Subject::Int(value),
            Value::Number(number) => Subject::Float(number.as_f64()),
            Value::String(text) => Subject::Text(text),
            Value::Array(_) | Value::Object(_) => Subject::Compound,
        }
    }

    fn as_text(self) -> Option<&'v str> {
        match self {
            Subject::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The length of the text, as the steps it takes to read it.
    fn length(self) -> u64 {
        self.as_text().map_or(1, |text| text.len() as u64)
    }

    /// Of numbers only zero is a duration: Go wants a unit on all others, and a float is written `0.000000`.
    fn to_duration(self) -> Option<Duration> {
        match self {
            Subject::Null | Subject::Int(0) => Some(Duration(0)),
            Subject::Text(text) => Duration::parse(text).ok(),
            _ => None,
        }
    }

    fn to_quantity(self) -> Option<Quantity> {
        match self {
            // COMPAT(kyverno): a missing value is zero where numbers are compared.
            Subject::Null => Some(Quantity::from(0)),
            Subject::Int(value) => Some(Quantity::from(value)),
            // COMPAT(kyverno): floats are compared with six decimals.
            Subject::Float(value) => {
                let text = format_float(value, FloatFormat::Fixed, Some(6), FloatBits::Double);
                Quantity::parse(&text).ok()
            }
            Subject::Text(text) => Quantity::parse(text).ok(),
            Subject::Bool(_) | Subject::Compound => None,
        }
    }
}
