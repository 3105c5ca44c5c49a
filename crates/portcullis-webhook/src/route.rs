//! Which webhook was called, from the path of its URL.

use portcullis_engine::{self as engine, Selection};
use portcullis_model::{FailurePolicy, Phase};

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// A resource, to be changed or judged.
    Resource(engine::Route<'a>),
    /// A policy as it is written, to be changed.
    PolicyMutate,
    /// A policy as it is written, to be checked.
    PolicyValidate,
    /// A policy exception as it is written, to be checked.
    ExceptionValidate,
}

impl<'a> Route<'a> {
    /// Reads a path: `/policyvalidate`, `/validate`, `/mutate/fail`, `/validate/ignore/finegrained/NAME`,
    /// `/validate/fail/finegrained/NAMESPACE/NAME`. `None` is a path that nothing is served at.
    pub fn parse(path: &'a str) -> Option<Self> {
        match path {
            "/policymutate" => Some(Route::PolicyMutate),
            "/policyvalidate" => Some(Route::PolicyValidate),
            "/exceptionvalidate" => Some(Route::ExceptionValidate),
            path => resource(path).map(Route::Resource),
        }
    }

    /// Whether the request is refused when it cannot be judged. What is written about policies says so itself: its
    /// webhook fails open.
    pub fn fails_closed(&self) -> bool {
        match self {
            Route::Resource(route) => route.failure_policy() == FailurePolicy::Fail,
            Route::PolicyMutate | Route::PolicyValidate | Route::ExceptionValidate => false,
        }
    }

    /// Whether the API server asks for changes.
    pub(crate) fn mutates(&self) -> bool {
        match self {
            Route::Resource(route) => route.phase == Phase::Mutate,
            Route::PolicyMutate => true,
            Route::PolicyValidate | Route::ExceptionValidate => false,
        }
    }
}

fn resource(path: &str) -> Option<engine::Route<'_>> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let phase = match parts.next()? {
        "mutate" => Phase::Mutate,
        "validate" => Phase::Validate,
        _ => return None,
    };
    let failing = match parts.next() {
        None => return Some(engine::Route { phase, policies: Selection::All }),
        Some("fail") => FailurePolicy::Fail,
        Some("ignore") => FailurePolicy::Ignore,
        Some(_) => return None,
    };
    let policies = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (None, ..) => Selection::Failing(failing),
        (Some("finegrained"), Some(name), None, _) if !name.is_empty() => {
            Selection::One { failing, namespace: "", name }
        }
        (Some("finegrained"), Some(namespace), Some(name), None)
            if !namespace.is_empty() && !name.is_empty() =>
        {
            Selection::One { failing, namespace, name }
        }
        _ => return None,
    };
    Some(engine::Route { phase, policies })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_policies_or_names_phase_failure_policy_and_policy() {
        assert_eq!(Route::parse("/policyvalidate"), Some(Route::PolicyValidate));
        let check = |path, phase, policies| {
            assert_eq!(
                Route::parse(path),
                Some(Route::Resource(engine::Route { phase, policies })),
                "{path}"
            );
        };
        let (fail, ignore) = (FailurePolicy::Fail, FailurePolicy::Ignore);
        check("/validate", Phase::Validate, Selection::All);
        check("/mutate/fail", Phase::Mutate, Selection::Failing(fail));
        check("/validate/ignore", Phase::Validate, Selection::Failing(ignore));
        let one = Selection::One { failing: fail, namespace: "", name: "p" };
        check("/mutate/fail/finegrained/p", Phase::Mutate, one);
        let one = Selection::One { failing: ignore, namespace: "ns", name: "p" };
        check("/validate/ignore/finegrained/ns/p", Phase::Validate, one);
    }

    #[test]
    fn other_paths_are_not_served() {
        for path in [
            "",
            "/",
            "//validate",
            "/Validate",
            "/validate/",
            "/validate/all",
            "/validate/fail/",
            "/validate/fail/finegrained",
            "/validate/fail/finegrained/",
            "/validate/fail/finegrained/ns/",
            "/validate/fail/finegrained//p",
            "/validate/fail/finegrained/ns/p/q",
            "/policyvalidate/fail",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_resource_that_cannot_be_judged_meets_the_failure_policy_of_its_path() {
        let fails_closed = |path| Route::parse(path).unwrap().fails_closed();
        assert!(fails_closed("/validate/fail") && fails_closed("/mutate"));
        assert!(!fails_closed("/validate/ignore") && !fails_closed("/policyvalidate"));
    }
}
