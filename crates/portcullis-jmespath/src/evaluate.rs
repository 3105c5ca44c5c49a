//! The evaluator: a walk through the tree of an expression over borrowed values.

use std::fmt;

use portcullis_value::{Arena, ArenaVec, Budget, Value, json};

use crate::ast::{Compare, Elements, Literal, Node, Operator, Project, Slice};
use crate::error::Failure;
use crate::value::{array_bytes, is_true, object_bytes};

/// What an evaluation takes from its caller.
pub struct Context<'a, 'c, 't> {
    /// Where results are made.
    pub arena: &'a Arena,
    pub budget: &'c mut Budget<'t>,
    /// What `time_now()` says, in nanoseconds since 1970-01-01 UTC.
    pub now: i64,
    /// Where `random()` takes its bits from, 64 at a time.
    pub random: &'c mut dyn FnMut() -> u64,
}

impl fmt::Debug for Context<'_, '_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("now", &self.now)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

pub(crate) type Evaluated<'a> = Result<Value<'a>, Failure<'a>>;

/// One search under way.
pub(crate) struct Evaluator<'a, 'c, 't> {
    pub(crate) arena: &'a Arena,
    pub(crate) budget: &'c mut Budget<'t>,
    pub(crate) now: i64,
    pub(crate) random: &'c mut dyn FnMut() -> u64,
    /// Whether lists are told apart by where they lie, as `sort_by` does: a list of the same elements is another one then.
    sorts: bool,
    /// Lists that `sort_by` has sorted, each with its sorted form.
    pub(crate) sorted: Vec<(&'a [Value<'a>], &'a [Value<'a>])>,
}

/// The value, or null for a missing key.
fn or_null<'a>(evaluated: Evaluated<'a>) -> Evaluated<'a> {
    match evaluated {
        Err(Failure::MissingKey(_)) => Ok(Value::Null),
        other => other,
    }
}

/// The value, or null for any failure but being out of budget.
///
/// COMPAT(kyverno): filters, `[]` and `.*` swallow every error of what stands left of them.
fn swallow<'a>(evaluated: Evaluated<'a>) -> Evaluated<'a> {
    match evaluated {
        Err(Failure::MissingKey(_) | Failure::Runtime(_)) => Ok(Value::Null),
        other => other,
    }
}

impl<'a, 'c, 't> Evaluator<'a, 'c, 't> {
    /// An evaluator of an expression, which `sorts` lists in place.
    pub(crate) fn new<'x>(context: &'c mut Context<'a, 'x, 't>, sorts: bool) -> Self {
        Self {
            sorts,
            arena: context.arena,
            budget: context.budget,
            now: context.now,
            random: context.random,
            sorted: Vec::new(),
        }
    }

    /// The value of `node` on `root`; where it `weighs`, checked to be one that may be walked through and printed.
    pub(crate) fn search(&mut self, node: &'a Node, weighs: bool, root: Value<'a>) -> Evaluated<'a> {
        let bytes = self.budget.left().bytes;
        let mut value = self.evaluate(node, root)?;
        if !self.sorted.is_empty() {
            value = self.with_sorted(value)?;
        }
        let is_made = self.budget.left().bytes != bytes || matches!(value, Value::Number(_));
        if weighs && is_made {
            self.weigh(value)?;
        }
        Ok(value)
    }

    /// The value of `node` on `current`.
    pub(crate) fn evaluate(&mut self, node: &'a Node, current: Value<'a>) -> Evaluated<'a> {
        self.budget.step()?;
        match node {
            Node::Field(name) => self.field(current, name),
            Node::Current => Ok(current),
            Node::Index(index) => self.index(current, *index),
            Node::Literal(literal) => self.literal(literal),
            _ => {
                self.budget.enter()?;
                let result = self.inner(node, current);
                self.budget.leave();
                result
            }
        }
    }

    /// The value of a node that has others below it.
    fn inner(&mut self, node: &'a Node, current: Value<'a>) -> Evaluated<'a> {
        match node {
            Node::Chain(links) => self.chain(links, current),
            Node::Pipe(parts) => {
                parts.iter().try_fold(current, |value, part| or_null(self.evaluate(part, value)))
            }
            Node::Or(parts) => {
                let mut value = Value::Null;
                for part in parts {
                    value = or_null(self.evaluate(part, current))?;
                    if is_true(value) {
                        break;
                    }
                }
                Ok(value)
            }
            Node::And(parts) => self.and(parts, current),
            Node::Not(operand) => Ok(Value::Bool(!is_true(or_null(self.evaluate(operand, current))?))),
            Node::Compare(compare) => self.compare(compare, current),
            Node::List(items) => self.list(items, current),
            Node::Hash(entries) => self.hash(entries, current),
            Node::Project(project) => self.project(project, current),
            Node::Flatten(list) => self.flatten(list, current),
            Node::Slice(slice) => self.slice(**slice, current),
            Node::Call(call) => self.call(call, current),
            Node::Reference(_) => {
                Err(Failure::runtime("an expression reference stands where a value is expected"))
            }
            Node::Field(_) | Node::Current | Node::Index(_) | Node::Literal(_) => {
                self.evaluate(node, current)
            }
        }
    }

    fn chain(&mut self, links: &'a [Node], current: Value<'a>) -> Evaluated<'a> {
        let mut value = current;
        for link in links {
            value = self.evaluate_soon(link, value)?;
        }
        Ok(value)
    }

    /// [`evaluate`](Self::evaluate) where most nodes are fields: these are taken without a call.
    #[inline]
    fn evaluate_soon(&mut self, node: &'a Node, current: Value<'a>) -> Evaluated<'a> {
        match node {
            Node::Field(name) => {
                self.budget.step()?;
                self.field(current, name)
            }
            node => self.evaluate(node, current),
        }
    }

    #[inline]
    fn field(&mut self, current: Value<'a>, name: &'a str) -> Evaluated<'a> {
        match current {
            Value::Object(object) => match object.find(name) {
                Some(value) => self.after_sorting(*value),
                None => Err(Failure::MissingKey(name)),
            },
            _ => Ok(Value::Null),
        }
    }

    fn index(&mut self, current: Value<'a>, index: i64) -> Evaluated<'a> {
        let Value::Array(items) = current else { return Ok(Value::Null) };
        let element = match usize::try_from(index.unsigned_abs()) {
            Ok(from_end) if index < 0 => items.len().checked_sub(from_end).and_then(|index| items.get(index)),
            Ok(index) => items.get(index),
            Err(_) => None,
        };
        element.map_or(Ok(Value::Null), |value| self.after_sorting(*value))
    }

    fn literal(&mut self, literal: &'a Literal) -> Evaluated<'a> {
        self.budget.bytes(literal.bytes)?;
        Ok(literal.value.borrow(self.arena))
    }

    /// A missing key is false but in the last part, which is not looked at: its outcome is the outcome.
    fn and(&mut self, parts: &'a [Node], current: Value<'a>) -> Evaluated<'a> {
        let Some((last, parts)) = parts.split_last() else { return Ok(Value::Null) };
        for part in parts {
            let value = or_null(self.evaluate(part, current))?;
            if !is_true(value) {
                return Ok(value);
            }
        }
        self.evaluate(last, current)
    }

    fn compare(&mut self, compare: &'a Compare, current: Value<'a>) -> Evaluated<'a> {
        let left = or_null(self.evaluate(&compare.left, current))?;
        let right = or_null(self.evaluate(&compare.right, current))?;
        let ordered = |holds: fn(&f64, &f64) -> bool| match (left, right) {
            (Value::Number(left), Value::Number(right)) => {
                Value::Bool(holds(&left.as_f64(), &right.as_f64()))
            }
            _ => Value::Null,
        };
        Ok(match compare.operator {
            Operator::Equal => Value::Bool(self.equal(left, right)?),
            Operator::NotEqual => Value::Bool(!self.equal(left, right)?),
            Operator::Less => ordered(f64::lt),
            Operator::LessOrEqual => ordered(f64::le),
            Operator::Greater => ordered(f64::gt),
            Operator::GreaterOrEqual => ordered(f64::ge),
        })
    }

    fn list(&mut self, items: &'a [Node], current: Value<'a>) -> Evaluated<'a> {
        if current.is_null() {
            return Ok(Value::Null);
        }
        let mut values = self.arena.vec(items.len());
        for item in items {
            values.push(or_null(self.evaluate_soon(item, current))?);
        }
        self.made(values)
    }

    fn hash(&mut self, entries: &'a [(Box<str>, Node)], current: Value<'a>) -> Evaluated<'a> {
        if current.is_null() {
            return Ok(Value::Null);
        }
        let mut values = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            values.push((&**key, or_null(self.evaluate(value, current))?));
        }
        self.object(values)
    }

    fn project(&mut self, project: &'a Project, current: Value<'a>) -> Evaluated<'a> {
        let Project { source, elements, each } = project;
        let source = self.evaluate(source, current);
        let mut kept = self.arena.vec(0);
        match elements {
            Elements::List => {
                let Value::Array(items) = or_null(source)? else { return Ok(Value::Null) };
                self.look_through(items.len())?;
                let is_whole = matches!(each, Node::Current) && !items.iter().any(|item| item.is_null());
                if is_whole && !self.sorts {
                    return Ok(Value::Array(items));
                }
                kept.reserve_exact(items.len());
                for item in items {
                    self.keep(&mut kept, each, *item)?;
                }
            }
            Elements::Where(condition) => {
                let Value::Array(items) = swallow(source)? else { return Ok(Value::Null) };
                for item in items {
                    if is_true(or_null(self.evaluate(condition, *item))?) {
                        self.keep(&mut kept, each, *item)?;
                    }
                }
            }
            Elements::Values => {
                let Value::Object(object) = swallow(source)? else { return Ok(Value::Null) };
                // COMPAT(kyverno): as many nulls as there are values come before them.
                if !object.is_empty() && !matches!(each, Node::Current) {
                    self.keep(&mut kept, each, Value::Null)?;
                    if let Some(value) = kept.first().copied() {
                        self.steps(object.len())?;
                        kept.resize(object.len(), value);
                    }
                }
                for (_, value) in object.iter() {
                    self.keep(&mut kept, each, value)?;
                }
            }
        }
        self.made(kept)
    }

    /// Adds what `each` makes of `item`, unless that is null.
    fn keep(
        &mut self,
        kept: &mut ArenaVec<'a, Value<'a>>,
        each: &'a Node,
        item: Value<'a>,
    ) -> Result<(), Failure<'a>> {
        let value = or_null(self.evaluate_soon(each, item))?;
        if !value.is_null() {
            kept.push(value);
        }
        Ok(())
    }

    fn flatten(&mut self, list: &'a Node, current: Value<'a>) -> Evaluated<'a> {
        let Value::Array(items) = swallow(self.evaluate(list, current))? else { return Ok(Value::Null) };
        self.look_through(items.len())?;
        if !self.sorts && !items.iter().any(|item| matches!(item, Value::Array(_))) {
            return Ok(Value::Array(items));
        }
        let count = |item: &Value<'_>| item.as_array().map_or(1, <[_]>::len);
        let mut flat = self.arena.vec(items.iter().map(count).sum());
        for item in items {
            match item {
                Value::Array(inner) => {
                    self.steps(inner.len())?;
                    flat.extend_from_slice_copy(inner);
                }
                other => flat.push(*other),
            }
        }
        self.made(flat)
    }

    fn slice(&mut self, slice: Slice, current: Value<'a>) -> Evaluated<'a> {
        let Value::Array(items) = current else { return Ok(Value::Null) };
        let step = slice.step.unwrap_or(1);
        if step == 0 {
            return Err(Failure::runtime("Invalid slice, step cannot be 0"));
        }
        let len = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let (lowest, highest) = if step > 0 { (0, len) } else { (-1, len - 1) };
        let clamp = |bound: i64| if bound < 0 { bound + len } else { bound }.clamp(lowest, highest);
        let (first, last) = if step > 0 { (lowest, highest) } else { (highest, lowest) };
        let stop = slice.stop.map_or(last, clamp);
        let mut index = slice.start.map_or(first, clamp);
        let mut kept = Vec::new();
        while (step > 0 && index < stop) || (step < 0 && index > stop) {
            self.budget.step()?;
            kept.extend(usize::try_from(index).ok().and_then(|index| items.get(index)));
            index = index.saturating_add(step);
        }
        self.array(&kept)
    }

    /// Spends `count` steps.
    pub(crate) fn steps(&mut self, count: usize) -> Result<(), Failure<'a>> {
        Ok(self.budget.steps(count as u64)?)
    }

    /// Spends steps for a glance at each of `count` elements, fewer than one for each.
    #[inline]
    fn look_through(&mut self, count: usize) -> Result<(), Failure<'a>> {
        self.steps(count / 16)
    }

    /// The list that was filled, charged.
    fn made(&mut self, items: ArenaVec<'a, Value<'a>>) -> Evaluated<'a> {
        self.budget.bytes(array_bytes(items.len()))?;
        Ok(Value::Array(items.into_bump_slice()))
    }

    /// A list of `items`, charged.
    pub(crate) fn array(&mut self, items: &[Value<'a>]) -> Evaluated<'a> {
        self.budget.bytes(array_bytes(items.len()))?;
        Ok(self.arena.array(items))
    }

    /// A map of `entries`, charged; of equal keys the last wins.
    pub(crate) fn object(&mut self, mut entries: Vec<(&'a str, Value<'a>)>) -> Evaluated<'a> {
        self.budget.bytes(object_bytes(entries.len()))?;
        Ok(self.arena.object(&mut entries))
    }

    /// A string, charged.
    pub(crate) fn string(&mut self, text: &str) -> Evaluated<'a> {
        self.budget.bytes(text.len())?;
        Ok(self.arena.string(text))
    }

    /// The text of `value`: a string itself, all else as JSON.
    pub(crate) fn text_of(&mut self, value: Value<'a>) -> Result<&'a str, Failure<'a>> {
        if let Value::String(text) = value {
            return Ok(text);
        }
        let bytes = self.weigh(value)?;
        self.budget.bytes(bytes)?;
        // COMPAT(kyverno): every number is a double, so that large integers are printed rounded.
        Ok(json::Writer::compact().escape_html().to_arena(self.arena, value.with_float_numbers(self.arena)))
    }

    /// `value`, or its sorted form if it is a list that `sort_by` has sorted.
    ///
    /// COMPAT(kyverno): `sort_by` sorts its argument in place, so that the rest of the expression finds the list of
    /// the document sorted. Later expressions do not: that would make answers depend on their order.
    fn after_sorting(&mut self, value: Value<'a>) -> Evaluated<'a> {
        match value {
            Value::Array(items) if !self.sorted.is_empty() => self.sorted_form(items).map(Value::Array),
            other => Ok(other),
        }
    }

    fn sorted_form(&mut self, items: &'a [Value<'a>]) -> Result<&'a [Value<'a>], Failure<'a>> {
        self.look_through(self.sorted.len())?;
        let same = |entry: &&(&'a [Value<'a>], &'a [Value<'a>])| std::ptr::eq(entry.0, items);
        Ok(self.sorted.iter().rev().find(same).map_or(items, |entry| entry.1))
    }

    /// `value` with every list in it that has been sorted in its sorted form.
    fn with_sorted(&mut self, value: Value<'a>) -> Evaluated<'a> {
        match value {
            Value::Array(items) => {
                let items = self.sorted_form(items)?;
                let mapped = self.nested(items.len(), |evaluator| {
                    items.iter().map(|item| evaluator.with_sorted(*item)).collect::<Result<Vec<_>, _>>()
                })?;
                self.array(&mapped)
            }
            Value::Object(object) => {
                let mapped = self.nested(object.len(), |evaluator| {
                    let entries = object.iter();
                    entries
                        .map(|(key, item)| Ok((key, evaluator.with_sorted(item)?)))
                        .collect::<Result<Vec<_>, _>>()
                })?;
                self.object(mapped)
            }
            other => Ok(other),
        }
    }

    /// Runs `inner`, which looks at `count` elements, one level deeper.
    pub(crate) fn nested<T>(
        &mut self,
        count: usize,
        inner: impl FnOnce(&mut Self) -> Result<T, Failure<'a>>,
    ) -> Result<T, Failure<'a>> {
        self.steps(count)?;
        self.budget.enter()?;
        let result = inner(self);
        self.budget.leave();
        result
    }
}
