//! The operators of conditions by name.

use std::cmp::Ordering;

use portcullis_value::{Budget, Exhausted, Value};

use super::membership::{self, Quantifier};
use super::{equality, order};

/// An operator of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Equals,
    NotEquals,
    /// Deprecated: `AnyIn` and `AllIn` say what is meant.
    In,
    /// Deprecated: `AnyNotIn` and `AllNotIn` say what is meant.
    NotIn,
    AnyIn,
    AllIn,
    AnyNotIn,
    AllNotIn,
    GreaterThan,
    GreaterThanOrEquals,
    LessThan,
    LessThanOrEquals,
    /// Deprecated, as all of these: the plain comparison reads durations, too.
    DurationGreaterThan,
    DurationGreaterThanOrEquals,
    DurationLessThan,
    DurationLessThanOrEquals,
    /// A comparison whose name is not spelled in its own case: never true.
    Misspelt,
}

/// Names and aliases, in the order that they are told.
const NAMES: [(&str, Operator); 18] = [
    ("Equal", Operator::Equals),
    ("Equals", Operator::Equals),
    ("NotEqual", Operator::NotEquals),
    ("NotEquals", Operator::NotEquals),
    ("In", Operator::In),
    ("AnyIn", Operator::AnyIn),
    ("AllIn", Operator::AllIn),
    ("NotIn", Operator::NotIn),
    ("AnyNotIn", Operator::AnyNotIn),
    ("AllNotIn", Operator::AllNotIn),
    ("GreaterThanOrEquals", Operator::GreaterThanOrEquals),
    ("GreaterThan", Operator::GreaterThan),
    ("LessThanOrEquals", Operator::LessThanOrEquals),
    ("LessThan", Operator::LessThan),
    ("DurationGreaterThanOrEquals", Operator::DurationGreaterThanOrEquals),
    ("DurationGreaterThan", Operator::DurationGreaterThan),
    ("DurationLessThanOrEquals", Operator::DurationLessThanOrEquals),
    ("DurationLessThan", Operator::DurationLessThan),
];

/// The exact names.
pub(crate) fn names() -> [&'static str; 18] {
    NAMES.map(|(name, _)| name)
}

/// Why an operator has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// COMPAT(kyverno): the reference crashes here.
    #[error("the operators In and NotIn compare a list only if all its items are strings")]
    ItemIsNoString,
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

impl Operator {
    /// The operator of that name, whatever its case.
    pub fn parse(name: &str) -> Option<Self> {
        let (exact, operator) = NAMES.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        // COMPAT(kyverno): a comparison looks at its name again, now minding the case.
        let misspelt = operator.ordering().is_some() && name != exact;
        Some(if misspelt { Operator::Misspelt } else { operator })
    }

    /// Whether the operator holds between `key` and `value`. With a null key none does.
    ///
    /// # Errors
    /// [`OperatorError::ItemIsNoString`], or the comparison takes more than `budget` allows.
    pub fn evaluate(
        self,
        key: Value<'_>,
        value: Value<'_>,
        budget: &mut Budget<'_>,
    ) -> Result<bool, OperatorError> {
        budget.step()?;
        if key.is_null() {
            return Ok(false);
        }
        match self {
            Operator::Equals => Ok(equality::equal(key, value, budget)?),
            Operator::NotEquals => Ok(!equality::equal(key, value, budget)?),
            Operator::In => membership::holds_literally(key, value, true, budget),
            Operator::NotIn => membership::holds_literally(key, value, false, budget),
            Operator::AnyIn => Ok(membership::holds(Quantifier::Any, key, value, true, budget)?),
            Operator::AllIn => Ok(membership::holds(Quantifier::All, key, value, true, budget)?),
            Operator::AnyNotIn => Ok(membership::holds(Quantifier::Any, key, value, false, budget)?),
            Operator::AllNotIn => Ok(membership::holds(Quantifier::All, key, value, false, budget)?),
            Operator::DurationGreaterThan
            | Operator::DurationGreaterThanOrEquals
            | Operator::DurationLessThan
            | Operator::DurationLessThanOrEquals => {
                Ok(self.accepts(order::compare_durations(key, value, budget)?))
            }
            Operator::GreaterThan
            | Operator::GreaterThanOrEquals
            | Operator::LessThan
            | Operator::LessThanOrEquals => Ok(self.accepts(order::compare(key, value, budget)?)),
            Operator::Misspelt => Ok(false),
        }
    }

    /// For a comparison, which of two different things it wants first, and whether equal ones do.
    fn ordering(self) -> Option<(Ordering, bool)> {
        match self {
            Operator::GreaterThan | Operator::DurationGreaterThan => Some((Ordering::Greater, false)),
            Operator::GreaterThanOrEquals | Operator::DurationGreaterThanOrEquals => {
                Some((Ordering::Greater, true))
            }
            Operator::LessThan | Operator::DurationLessThan => Some((Ordering::Less, false)),
            Operator::LessThanOrEquals | Operator::DurationLessThanOrEquals => Some((Ordering::Less, true)),
            _ => None,
        }
    }

    /// Whether a comparison with that result holds; `None` is no result.
    fn accepts(self, result: Option<Ordering>) -> bool {
        match (self.ordering(), result) {
            (Some((wanted, or_equal)), Some(result)) => result == wanted || (or_equal && result.is_eq()),
            _ => false,
        }
    }
}
