//! What a policy may not ask for in background scans: there is no user.

use portcullis_value::{Pointer, Value};

use super::document::{Document, Rule, given, list, printed};
use super::finder::Finder;
use super::match_block::{Filter, USERS};
use super::walk;
use crate::variable::{has_variable, variables};

/// The variables that tell of the user.
const OF_THE_USER: [&str; 5] = [
    "serviceAccountName",
    "serviceAccountNamespace",
    "request.userInfo",
    "request.roles",
    "request.clusterRoles",
];

/// Why there is no user, in the reference's words, with how to do without.
struct Reason {
    frame: &'static str,
    hint: &'static str,
}

const IN_BACKGROUND: Reason = Reason {
    frame: "only select variables are allowed in background mode. Set spec.background=false to disable \
            background mode for this policy rule: ",
    hint: "a background scan knows no user: set `spec.background: false`",
};
const ON_POLICY_UPDATE: Reason = Reason {
    frame: "only select variables are allowed in on policy update. Set \
            spec.mutateExistingOnPolicyUpdate=false to disable update policy mode for this policy rule: ",
    hint: "a change of the policy knows no user: set `spec.mutateExistingOnPolicyUpdate: false`",
};

pub(super) fn check(document: &Document<'_>, finder: &mut Finder) {
    if document.background {
        check_for(&IN_BACKGROUND, document, finder);
    }
}

/// The same for policies that change existing objects when they are written.
pub(super) fn check_on_policy_update(document: &Document<'_>, finder: &mut Finder) {
    let on_update = Some(Value::Bool(true));
    let runs_on_update = document.spec.get("mutateExistingOnPolicyUpdate") == on_update
        || document
            .rules
            .iter()
            .any(|rule| rule.value.path(&["mutate", "mutateExistingOnPolicyUpdate"]) == on_update);
    if runs_on_update && !document.background && document.root.has_text(&mut has_variable) {
        check_for(&ON_POLICY_UPDATE, document, finder);
    }
}

fn check_for(reason: &Reason, document: &Document<'_>, finder: &mut Finder) {
    for rule in &document.rules {
        finder.at(&rule.pointer(), |finder| check_blocks(reason, rule, finder));
    }
    if !document.rules.iter().any(Rule::mutates_existing) {
        check_variables(reason, document, finder);
    }
}

/// `match` and `exclude` must not name users.
fn check_blocks(reason: &Reason, rule: &Rule<'_>, finder: &mut Finder) {
    for name in ["match", "exclude"] {
        let Some(block) = given(rule.value, name) else { continue };
        finder.below(name, |finder| {
            for filter in Filter::all(block) {
                let Some(key) = USERS.into_iter().find(|key| !list(filter.value, key).is_empty()) else {
                    continue;
                };
                let place = filter.path(name).replace('.', "/");
                filter.look(finder, |finder| {
                    finder
                        .error(format!(
                            "invalid variable used at path: spec/rules[{}]/{place}/{key} ",
                            rule.index
                        ))
                        .under([key])
                        .framed(reason.frame)
                        .hint(reason.hint);
                });
            }
        });
    }
}

fn check_variables(reason: &Reason, document: &Document<'_>, finder: &mut Finder) {
    let mut look = |value: Value<'_>, below: &Pointer| {
        walk::texts(value, &mut |text| {
            for found in variables(text.text).filter(|found| tells_of_user(found.matched)) {
                // COMPAT(kyverno): the variable is found in the policy's JSON text, and printed as it stands there.
                let quoted = printed(Value::String(found.matched));
                let variable = quoted.trim_matches('"');
                finder.at(below, |finder| {
                    finder
                        .error(format!("variable {variable} is not allowed "))
                        .under(text.path().tokens())
                        .framed(reason.frame)
                        .hint(reason.hint);
                });
            }
        });
    };
    look(document.root.get("metadata").unwrap_or_default(), &["metadata"].into_iter().collect());
    for rule in &document.rules {
        look(rule.value, &rule.pointer());
    }
}

/// `[^\.](serviceAccountName|...)\b`.
fn tells_of_user(variable: &str) -> bool {
    OF_THE_USER.iter().any(|name| {
        variable.match_indices(name).any(|(start, _)| {
            let before = variable.get(..start).and_then(|before| before.chars().next_back());
            let after = variable.get(start + name.len()..).and_then(|after| after.chars().next());
            before.is_some_and(|letter| letter != '.')
                && !after.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_tells_of_the_user_by_a_whole_word_that_is_no_field() {
        for (variable, want) in [
            ("{{ request.userInfo.username }}", true),
            ("{{serviceAccountName}}", true),
            ("{{ request.object.serviceAccountName }}", false),
            ("{{ serviceAccountNames }}", false),
            ("{{ x || request.roles }}", true),
            ("{{ request.object.spec }}", false),
        ] {
            assert_eq!(tells_of_user(variable), want, "{variable}");
        }
    }
}
