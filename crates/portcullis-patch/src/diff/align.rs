//! Which elements of two lists belong together.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use portcullis_value::{Object, Value};

/// Lists are aligned with the least cost while the table of costs has at most this many cells, else index by index.
const MAX_CELLS: usize = 1 << 16;

/// What becomes of the next element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The next elements of both lists are equal.
    Keep,
    /// The next element before is changed into the next after.
    Change,
    /// The next element before makes way for the next after, which has nothing to do with it.
    Replace,
    Remove,
    Add,
}

impl Step {
    fn cost(self) -> u32 {
        match self {
            Step::Keep => 0,
            Step::Change => 2,
            Step::Remove | Step::Add => 3,
            // Less than a removal and an addition.
            Step::Replace => 5,
        }
    }
}

/// The cheapest steps from `before` to `after`.
pub(super) fn align(before: &[Value<'_>], after: &[Value<'_>]) -> Vec<Step> {
    let equal = |(old, new): &(&Value<'_>, &Value<'_>)| old.is_same(**new) || old == new;
    let front = before.iter().zip(after).take_while(equal).count();
    let (before, after) = (before.get(front..).unwrap_or_default(), after.get(front..).unwrap_or_default());
    let back = before.iter().rev().zip(after.iter().rev()).take_while(equal).count();
    let before = before.get(..before.len() - back).unwrap_or_default();
    let after = after.get(..after.len() - back).unwrap_or_default();

    let mut steps = vec![Step::Keep; front];
    steps.extend(match (before, after) {
        ([], _) | (_, []) => by_index(before, after),
        ([old], [new]) => vec![change(*old, *new)],
        _ if before.len().saturating_mul(after.len()) > MAX_CELLS => by_index(before, after),
        _ => cheapest(before, after),
    });
    steps.extend(std::iter::repeat_n(Step::Keep, back));
    steps
}

/// Elements of the same index belong together, what one list has more is removed or added.
fn by_index(before: &[Value<'_>], after: &[Value<'_>]) -> Vec<Step> {
    let pair =
        |(old, new): (&Value<'_>, &Value<'_>)| if old == new { Step::Keep } else { change(*old, *new) };
    let mut steps: Vec<_> = before.iter().zip(after).map(pair).collect();
    steps.extend(std::iter::repeat_n(Step::Remove, before.len().saturating_sub(after.len())));
    steps.extend(std::iter::repeat_n(Step::Add, after.len().saturating_sub(before.len())));
    steps
}

/// The steps of least cost, by dynamic programming over the lists from their ends.
fn cheapest(before: &[Value<'_>], after: &[Value<'_>]) -> Vec<Step> {
    let classes = classes(before.iter().chain(after).copied());
    let (old_classes, new_classes) = classes.split_at_checked(before.len()).unwrap_or_default();

    // The cost of the rest by the number of elements left after: at first none is left before.
    let mut costs: Vec<u32> = (0..).step_by(3).take(after.len() + 1).collect();
    // The best step by the number of elements left before and after.
    let mut choices: Vec<Vec<Step>> = Vec::with_capacity(before.len());
    for (old, old_class) in before.iter().zip(old_classes).rev() {
        let mut row = Vec::with_capacity(after.len());
        let mut last = costs.first().copied().unwrap_or_default() + Step::Remove.cost();
        let mut row_costs = vec![last];
        for ((new, new_class), window) in after.iter().zip(new_classes).rev().zip(costs.windows(2)) {
            let &[paired, removed] = window else { continue };
            let pair = if old_class == new_class { Step::Keep } else { change(*old, *new) };
            let mut best = (paired + pair.cost(), pair);
            for (cost, step) in [(removed, Step::Remove), (last, Step::Add)] {
                if cost + step.cost() < best.0 {
                    best = (cost + step.cost(), step);
                }
            }
            last = best.0;
            row_costs.push(best.0);
            row.push(best.1);
        }
        costs = row_costs;
        choices.push(row);
    }

    let (mut left_before, mut left_after) = (before.len(), after.len());
    let mut steps = Vec::with_capacity(left_before.max(left_after));
    while left_before + left_after > 0 {
        let step = match (left_before.checked_sub(1), left_after.checked_sub(1)) {
            (None, _) => Step::Add,
            (_, None) => Step::Remove,
            (Some(row), Some(column)) => {
                choices.get(row).and_then(|row| row.get(column)).copied().unwrap_or(Step::Remove)
            }
        };
        left_before -= usize::from(step != Step::Add);
        left_after -= usize::from(step != Step::Remove);
        steps.push(step);
    }
    steps
}

/// How an element becomes another that is not equal to it.
fn change(old: Value<'_>, new: Value<'_>) -> Step {
    match (old, new) {
        (Value::Array(_), Value::Array(_)) => Step::Change,
        (Value::Object(old), Value::Object(new)) => match (old.get("name"), new.get("name")) {
            (Some(old), Some(new)) if old == new => Step::Change,
            (None, None) if has_common_scalar(old, new) => Step::Change,
            _ => Step::Replace,
        },
        _ => Step::Replace,
    }
}

/// Whether two maps agree in a field that is neither map nor list. A few are looked at.
fn has_common_scalar(old: Object<'_>, new: Object<'_>) -> bool {
    old.iter().take(16).any(|(key, old)| {
        !matches!(old, Value::Array(_) | Value::Object(_)) && new.get(key).is_some_and(|new| new.is_same(old))
    })
}

/// A number for each value, the same for equal values.
fn classes<'v>(values: impl Iterator<Item = Value<'v>>) -> Vec<usize> {
    let mut first_of: HashMap<u64, (usize, Value<'v>), BuildHasherDefault<DefaultHasher>> =
        HashMap::default();
    values
        .enumerate()
        .map(|(index, value)| {
            let mut hasher = DefaultHasher::new();
            hash(value, &mut hasher);
            // Values that differ and have the same hash are no one's equals: the patch is longer then, not wrong.
            let (class, first) = *first_of.entry(hasher.finish()).or_insert((index, value));
            if first == value { class } else { index }
        })
        .collect()
}

fn hash(value: Value<'_>, hasher: &mut DefaultHasher) {
    value.kind().hash(hasher);
    match value {
        Value::Null => {}
        Value::Bool(value) => value.hash(hasher),
        // Equal numbers have equal doubles, but for the two zeros.
        Value::Number(number) => (number.as_f64() + 0.0).to_bits().hash(hasher),
        Value::String(text) => text.hash(hasher),
        Value::Array(items) => {
            items.len().hash(hasher);
            items.iter().for_each(|item| hash(*item, hasher));
        }
        Value::Object(map) => {
            map.len().hash(hasher);
            for (key, value) in map.iter() {
                key.hash(hasher);
                hash(value, hasher);
            }
        }
    }
}
