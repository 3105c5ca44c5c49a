//! The tree of an expression, as people read it.

use std::fmt::{self, Display};

use crate::ast::{Elements, Node, Operator, Slice};

/// A node with what is below it, each on a line of its own, two blanks further in than what it is a part of.
pub(crate) struct Tree<'n>(pub(crate) &'n Node);

impl Display for Tree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, 0, "")
    }
}

/// Writes `node`, which is the `part` of the one above. The parser has bounded the depth.
fn write(f: &mut fmt::Formatter<'_>, node: &Node, depth: usize, part: &str) -> fmt::Result {
    let group = |f: &mut fmt::Formatter<'_>, name: &str, nodes: &[Node]| {
        writeln!(f, "{name}")?;
        nodes.iter().try_for_each(|node| write(f, node, depth + 1, ""))
    };
    write!(f, "{:width$}{part}", "", width = 2 * depth)?;
    match node {
        Node::Current => writeln!(f, "current node"),
        Node::Field(name) => writeln!(f, "field {name:?}"),
        Node::Index(index) => writeln!(f, "index {index}"),
        Node::Slice(slice) => {
            let Slice { start, stop, step } = &**slice;
            let bound = |bound: &Option<i64>| bound.map(|bound| bound.to_string()).unwrap_or_default();
            writeln!(f, "slice {}:{}:{}", bound(start), bound(stop), bound(step))
        }
        Node::Literal(literal) => writeln!(f, "literal {:?}", literal.value),
        Node::Chain(nodes) => group(f, "chain", nodes),
        Node::Pipe(nodes) => group(f, "pipe", nodes),
        Node::Or(nodes) => group(f, "or", nodes),
        Node::And(nodes) => group(f, "and", nodes),
        Node::Not(node) => group(f, "not", std::slice::from_ref(node)),
        Node::Compare(compare) => {
            writeln!(f, "compare {}", sign(compare.operator))?;
            write(f, &compare.left, depth + 1, "")?;
            write(f, &compare.right, depth + 1, "")
        }
        Node::List(nodes) => group(f, "list", nodes),
        Node::Hash(entries) => {
            writeln!(f, "map")?;
            entries.iter().try_for_each(|(key, node)| write(f, node, depth + 1, &format!("{key:?}: ")))
        }
        Node::Project(project) => {
            let what = match project.elements {
                Elements::List => "elements",
                Elements::Values => "values",
                Elements::Where(_) => "elements where",
            };
            writeln!(f, "project {what}")?;
            write(f, &project.source, depth + 1, "of: ")?;
            if let Elements::Where(condition) = &project.elements {
                write(f, condition, depth + 1, "where: ")?;
            }
            write(f, &project.each, depth + 1, "each: ")
        }
        Node::Flatten(node) => group(f, "flatten", std::slice::from_ref(node)),
        Node::Call(call) => {
            let unknown = if call.function.is_none() { " (no such function)" } else { "" };
            group(f, &format!("call {}{unknown}", call.name), &call.arguments)
        }
        Node::Reference(node) => group(f, "expression reference", std::slice::from_ref(node)),
    }
}

fn sign(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "==",
        Operator::NotEqual => "!=",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterOrEqual => ">=",
    }
}
