//! How large a pattern is, which with the text decides how long a match may take.

use regex_syntax::hir::{Class, Hir, HirKind};

/// About how many states an automaton for `pattern` has, which is in the syntax of the `regex` crate: one for each
/// character and class, as often as it may be repeated.
pub(super) fn of(pattern: &str) -> u64 {
    // What does not parse does not match either.
    regex_syntax::parse(pattern).map_or(0, |pattern| states(&pattern))
}

/// Recurses as deep as the parser lets patterns be nested.
fn states(pattern: &Hir) -> u64 {
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Class(Class::Bytes(_)) => 1,
        HirKind::Class(Class::Unicode(class)) => class.ranges().len() as u64,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            states(&repetition.sub).saturating_add(1).saturating_mul(times.into())
        }
        HirKind::Capture(group) => states(&group.sub).saturating_add(1),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(states).fold(0, u64::saturating_add)
        }
    }
}
