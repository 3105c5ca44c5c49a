//! What a loader wants to know of an expression before there is a document.

use std::collections::BTreeSet;
use std::fmt;

use crate::ast::{Elements, Node};

/// A fault that every search will run into that gets that far.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    UnknownFunction(Box<str>),
    WrongNumberOfArguments { function: &'static str, given: usize },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::UnknownFunction(name) => write!(f, "unknown function `{name}`"),
            Problem::WrongNumberOfArguments { function, given } => {
                write!(f, "wrong number of arguments for function `{function}`: {given}")
            }
        }
    }
}

pub(crate) fn problems(node: &Node) -> Vec<Problem> {
    let mut found = Vec::new();
    visit(node, &mut |node| {
        let Node::Call(call) = node else { return };
        match call.function {
            None => found.push(Problem::UnknownFunction(call.name.clone())),
            Some(function) if !function.takes(call.arguments.len()) => {
                found.push(Problem::WrongNumberOfArguments {
                    function: function.name,
                    given: call.arguments.len(),
                })
            }
            Some(_) => {}
        }
    });
    found
}

/// Calls `look` on `node` and everything below it.
fn visit<'a>(node: &'a Node, look: &mut impl FnMut(&'a Node)) {
    look(node);
    match node {
        Node::Current | Node::Field(_) | Node::Index(_) | Node::Slice(_) | Node::Literal(_) => {}
        Node::Chain(nodes) | Node::Pipe(nodes) | Node::Or(nodes) | Node::And(nodes) | Node::List(nodes) => {
            nodes.iter().for_each(|node| visit(node, look));
        }
        Node::Not(node) | Node::Flatten(node) | Node::Reference(node) => visit(node, look),
        Node::Compare(compare) => {
            visit(&compare.left, look);
            visit(&compare.right, look);
        }
        Node::Hash(entries) => entries.iter().for_each(|entry| visit(&entry.1, look)),
        Node::Project(project) => {
            visit(&project.source, look);
            if let Elements::Where(condition) = &project.elements {
                visit(condition, look);
            }
            visit(&project.each, look);
        }
        Node::Call(call) => call.arguments.iter().for_each(|node| visit(node, look)),
    }
}

/// Whether `node` reads what stands at `path` of the root and nothing else. Where it says no it may be so all the same:
/// what functions and projections do is not followed.
pub(crate) fn reads_only(node: &Node, path: &[&str]) -> bool {
    let is_field = |(node, name): (&Node, &&str)| matches!(node, Node::Field(field) if **field == **name);
    match node {
        Node::Literal(_) => true,
        Node::Chain(links) => links.len() == path.len() && links.iter().zip(path).all(is_field),
        Node::Or(nodes) | Node::And(nodes) => nodes.iter().all(|node| reads_only(node, path)),
        Node::Not(operand) => reads_only(operand, path),
        Node::Compare(compare) => reads_only(&compare.left, path) && reads_only(&compare.right, path),
        _ => false,
    }
}

/// The functions that say nothing of the values in their argument.
const OPAQUE: [&str; 3] = ["keys", "length", "type"];

/// The paths of fields, from the root, of all that text in the value of `node` may come from.
pub(crate) fn sources(node: &Node) -> BTreeSet<Vec<&str>> {
    let mut found = BTreeSet::new();
    let place = follow(node, Some(Vec::new()), &mut found);
    found.extend(place);
    found
}

/// Where the value of `node` lies, evaluated on what lies at `place`: `None` where it is put together, and what it is put
/// together from is among those `found`.
fn follow<'n>(
    node: &'n Node,
    place: Option<Vec<&'n str>>,
    found: &mut BTreeSet<Vec<&'n str>>,
) -> Option<Vec<&'n str>> {
    match node {
        Node::Current => return place,
        Node::Field(name) => {
            return place.map(|mut path| {
                path.push(name);
                path
            });
        }
        Node::Chain(nodes) | Node::Pipe(nodes) => {
            return nodes.iter().fold(place, |place, node| follow(node, place, found));
        }
        Node::Index(_) | Node::Slice(_) => found.extend(place),
        Node::Or(nodes) | Node::And(nodes) | Node::List(nodes) => {
            nodes.iter().for_each(|node| read(node, &place, found));
        }
        Node::Hash(entries) => entries.iter().for_each(|(_, node)| read(node, &place, found)),
        Node::Flatten(list) => read(list, &place, found),
        Node::Project(project) => {
            read(&project.source, &place, found);
            follow(&project.each, None, found);
        }
        Node::Call(call) => {
            for argument in &call.arguments {
                match follow(argument, place.clone(), found) {
                    Some(_) if OPAQUE.contains(&&*call.name) => {}
                    place => found.extend(place),
                }
            }
        }
        // A reference is evaluated on parts of another argument.
        Node::Literal(_) | Node::Not(_) | Node::Compare(_) | Node::Reference(_) => {}
    }
    None
}

/// Notes what the value of `node` is made of, evaluated on what lies at `place`.
fn read<'n>(node: &'n Node, place: &Option<Vec<&'n str>>, found: &mut BTreeSet<Vec<&'n str>>) {
    let place = follow(node, place.clone(), found);
    found.extend(place);
}
