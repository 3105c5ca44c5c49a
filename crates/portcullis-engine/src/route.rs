//! The path of a webhook: which policies are asked, and what for.

use std::fmt;

use portcullis_model::{FailurePolicy, Phase};

/// What a webhook is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route<'p> {
    pub phase: Phase,
    pub policies: Selection<'p>,
}

/// The policies that a webhook asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Selection<'p> {
    All,
    /// Those of one failure policy, but for the ones that have a webhook of their own.
    Failing(FailurePolicy),
    /// The one whose match conditions the API server has checked.
    One {
        failing: FailurePolicy,
        namespace: &'p str,
        name: &'p str,
    },
}

impl<'p> Route<'p> {
    /// Reads `/validate`, `/mutate/ignore`, `/validate/fail/finegrained/NAME`, `/mutate/fail/finegrained/NAMESPACE/NAME`.
    ///
    /// `None` where no webhook has that path. The query is not part of the path.
    pub fn parse(path: &'p str) -> Option<Self> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let phase = match parts.next()? {
            "mutate" => Phase::Mutate,
            "validate" => Phase::Validate,
            _ => return None,
        };
        let failing = match parts.next() {
            None => return Some(Self { phase, policies: Selection::All }),
            Some("fail") => FailurePolicy::Fail,
            Some("ignore") => FailurePolicy::Ignore,
            Some(_) => return None,
        };
        let policies = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (None, ..) => Selection::Failing(failing),
            (Some("finegrained"), Some(name), None, _) => Selection::One { failing, namespace: "", name },
            (Some("finegrained"), Some(namespace), Some(name), None) => {
                Selection::One { failing, namespace, name }
            }
            _ => return None,
        };
        Some(Self { phase, policies })
    }

    /// Whether it is the webhook of a single policy, whose match conditions the API server has found to hold.
    pub(crate) fn is_for_one(&self) -> bool {
        matches!(self.policies, Selection::One { .. })
    }

    /// What becomes of a request that cannot be judged at all.
    pub fn failure_policy(&self) -> FailurePolicy {
        match self.policies {
            Selection::All => FailurePolicy::Fail,
            Selection::Failing(failing) | Selection::One { failing, .. } => failing,
        }
    }
}

/// The path that [`Route::parse`] reads.
impl fmt::Display for Route<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.phase {
            Phase::Mutate => "/mutate",
            Phase::Validate => "/validate",
        })?;
        let word = |failing| match failing {
            FailurePolicy::Fail => "fail",
            FailurePolicy::Ignore => "ignore",
        };
        match self.policies {
            Selection::All => Ok(()),
            Selection::Failing(failing) => write!(f, "/{}", word(failing)),
            Selection::One { failing, namespace: "", name } => {
                write!(f, "/{}/finegrained/{name}", word(failing))
            }
            Selection::One { failing, namespace, name } => {
                write!(f, "/{}/finegrained/{namespace}/{name}", word(failing))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_is_written() {
        for path in [
            "/validate",
            "/mutate",
            "/validate/fail",
            "/mutate/ignore",
            "/validate/ignore/finegrained/require-labels",
            "/mutate/fail/finegrained/team-a/require-labels",
        ] {
            assert_eq!(Route::parse(path).unwrap().to_string(), path);
        }
        for path in [
            "",
            "/",
            "/policyvalidate",
            "/validate/",
            "/validate/maybe",
            "/mutate/fail/finegrained",
            "/mutate/fail/x",
            "/mutate/fail/finegrained/a/b/c",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }
}
