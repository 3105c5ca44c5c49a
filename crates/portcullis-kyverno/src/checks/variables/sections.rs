//! The places of a rule where no variable may stand.

use portcullis_value::Value;

use super::FRAME;
use crate::checks::document::{Rule, list};
use crate::checks::finder::Finder;
use crate::checks::mutate::Patch;
use crate::variable::has_variable;

pub(super) fn check(rule: &Rule<'_>, finder: &mut Finder) {
    let mutate = rule.value.get("mutate").unwrap_or_default();
    if let Some(Ok(patch)) = Patch::of(mutate)
        && patch.paths().iter().any(|path| has_variable(path))
    {
        refuse(rule, "patchesJSON6902 path", &["mutate", "patchesJson6902"], finder)
            .hint("use `mutate.foreach`, where paths may hold variables");
    }
    for section in ["exclude", "match"] {
        if mentions_variable(rule.value.get(section).unwrap_or_default()) {
            refuse(rule, section, &[section], finder)
                .hint("compare with variables in `preconditions` instead");
        }
    }
    for (index, image) in list(rule.value, "verifyImages").iter().enumerate() {
        if list(*image, "imageReferences").iter().any(|reference| mentions_variable(*reference)) {
            let path = ["verifyImages", &index.to_string(), "imageReferences"];
            refuse(rule, "image reference", &path, finder).hint("use wildcards");
        }
    }
}

fn refuse<'f>(
    rule: &Rule<'_>,
    section: &str,
    path: &[&str],
    finder: &'f mut Finder,
) -> crate::checks::finder::Note<'f> {
    finder
        .error(format!("rule \"{}\" should not have variables in {section} section", rule.name))
        .under(path)
        .framed(FRAME)
}

/// Whether `\{\{[^{}]*\}\}` matches anywhere.
fn mentions_variable(value: Value<'_>) -> bool {
    value.has_text(&mut |text| {
        text.match_indices("{{").any(|(at, _)| {
            let inner = text.get(at + 2..).unwrap_or_default();
            inner
                .find(['{', '}'])
                .is_some_and(|end| inner.get(end..).is_some_and(|end| end.starts_with("}}")))
        })
    })
}
