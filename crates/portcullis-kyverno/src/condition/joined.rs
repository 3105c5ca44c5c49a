//! How conditions are joined: `{any, all}`, or a list of which all must hold.

use std::borrow::Cow;
use std::fmt;

/// Conditions, whatever a single one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Joined<C> {
    /// One of `any` and all of `all`.
    Blocks {
        /// COMPAT(kyverno): an empty list is never met, a missing one always.
        any: Option<Box<[C]>>,
        all: Box<[C]>,
    },
    /// The old form.
    List(Box<[C]>),
}

/// The place of a condition among those it is joined with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// `any` or `all`; empty for the old form.
    pub(crate) block: &'static str,
    pub(crate) index: usize,
}

/// As paths have it: `all[0]`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.block, self.index)
    }
}

/// The answer of one condition.
#[derive(Clone, Debug)]
pub(crate) struct Answer<'c> {
    pub(crate) holds: bool,
    /// Empty where the condition has none.
    pub(crate) message: Cow<'c, str>,
}

/// The answer of joined conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conclusion {
    pub(crate) holds: bool,
    /// The messages of the conditions that made it so, joined. May be empty.
    pub(crate) message: String,
}

/// The messages of what was evaluated.
#[derive(Default)]
struct Messages<'c> {
    held: Vec<Cow<'c, str>>,
    failed: Vec<Cow<'c, str>>,
}

impl<'c> Messages<'c> {
    /// Keeps the message of an answer and gives what it says.
    fn hear(&mut self, answer: Answer<'c>) -> bool {
        if !answer.message.is_empty() {
            if answer.holds { &mut self.held } else { &mut self.failed }.push(answer.message);
        }
        answer.holds
    }

    fn conclude(self, holds: bool, separator: &str) -> Conclusion {
        let messages = if holds { self.held } else { self.failed };
        Conclusion { holds, message: messages.join(separator) }
    }
}

impl<C> Joined<C> {
    /// Whether there is nothing to ask, and nothing missing.
    pub(crate) fn is_missing(&self) -> bool {
        match self {
            Joined::Blocks { any, all } => any.is_none() && all.is_empty(),
            Joined::List(conditions) => conditions.is_empty(),
        }
    }

    /// Whether `test` says so of any condition.
    pub(crate) fn any(&self, test: impl FnMut(&C) -> bool) -> bool {
        match self {
            Joined::Blocks { any, all } => any.iter().flatten().chain(all).any(test),
            Joined::List(conditions) => conditions.iter().any(test),
        }
    }

    /// What [`evaluate`](Self::evaluate) concludes, for those who need no message.
    ///
    /// # Errors
    /// The first error of `ask`, at once.
    pub(crate) fn holds<'c, E>(&'c self, mut ask: impl FnMut(&'c C) -> Result<bool, E>) -> Result<bool, E> {
        let (any, all) = match self {
            Joined::Blocks { any, all } => (any.as_deref(), &**all),
            Joined::List(conditions) => (None, &**conditions),
        };
        let mut holds = any.is_none();
        for condition in any.unwrap_or_default() {
            holds = ask(condition)?;
            if holds {
                break;
            }
        }
        // COMPAT(kyverno): `all` is asked even when `any` has decided, for its errors.
        for condition in all {
            if !ask(condition)? {
                return Ok(false);
            }
        }
        Ok(holds)
    }

    /// Asks `ask` for one condition after the other until the answer is known.
    ///
    /// # Errors
    /// The first error of `ask`, at once.
    pub(crate) fn evaluate<'c, E>(
        &'c self,
        mut ask: impl FnMut(Place, &'c C) -> Result<Answer<'c>, E>,
    ) -> Result<Conclusion, E> {
        let mut messages = Messages::default();
        match self {
            Joined::Blocks { any, all } => {
                let mut holds = any.is_none();
                for (index, condition) in any.iter().flatten().enumerate() {
                    holds = messages.hear(ask(Place { block: "any", index }, condition)?);
                    if holds {
                        break;
                    }
                }
                // COMPAT(kyverno): `all` is asked even when `any` has decided, for its messages and its errors.
                for (index, condition) in all.iter().enumerate() {
                    if !messages.hear(ask(Place { block: "all", index }, condition)?) {
                        holds = false;
                        break;
                    }
                }
                Ok(messages.conclude(holds, "; "))
            }
            Joined::List(conditions) => {
                for (index, condition) in conditions.iter().enumerate() {
                    if !messages.hear(ask(Place { block: "", index }, condition)?) {
                        return Ok(messages.conclude(false, "; "));
                    }
                }
                Ok(messages.conclude(true, ";"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A condition that holds or not, and its message.
    type Condition = (bool, &'static str);

    #[track_caller]
    fn check_joined(joined: &Joined<Condition>, holds: bool, message: &str) {
        let ask = |_: Place, condition: &Condition| {
            Ok::<_, ()>(Answer { holds: condition.0, message: Cow::Borrowed(condition.1) })
        };
        assert_eq!(joined.evaluate(ask), Ok(Conclusion { holds, message: message.to_owned() }));
        assert_eq!(joined.holds(|condition| Ok::<_, ()>(condition.0)), Ok(holds));
    }

    #[test]
    fn any_of_one_and_all_of_the_other() {
        let blocks = |any: Option<&[Condition]>, all: &[Condition]| Joined::Blocks {
            any: any.map(Into::into),
            all: all.into(),
        };
        check_joined(&blocks(None, &[]), true, "");
        check_joined(&blocks(Some(&[]), &[(true, "all")]), false, "");
        check_joined(&blocks(Some(&[(false, "a"), (true, "b"), (true, "c")]), &[(true, "d")]), true, "b; d");
        check_joined(&blocks(Some(&[(false, "a")]), &[(false, "b"), (false, "c")]), false, "a; b");
        check_joined(&Joined::List([(true, "a"), (true, ""), (true, "b")].into()), true, "a;b");
        check_joined(&Joined::List([(true, "a"), (false, "b"), (false, "c")].into()), false, "b");
    }

    #[test]
    fn an_error_ends_the_evaluation() {
        let joined = Joined::List([1, 2, 3].into());
        let mut asked = 0;
        let got = joined.evaluate(|_, number| {
            asked += 1;
            if *number == 2 { Err("no") } else { Ok(Answer { holds: true, message: Cow::Borrowed("") }) }
        });
        assert_eq!((got, asked), (Err("no"), 2));
    }
}
