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

/// The fields of the root that an expression reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootFields<'a> {
    /// The root as a whole: by `@`, `*` or an index.
    All,
    /// These alone.
    Only(BTreeSet<&'a str>),
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

pub(crate) fn root_fields(node: &Node) -> RootFields<'_> {
    let mut reads = Reads { fields: BTreeSet::new(), all: false };
    reads.whole(node, true);
    if reads.all { RootFields::All } else { RootFields::Only(reads.fields) }
}

struct Reads<'a> {
    fields: BTreeSet<&'a str>,
    all: bool,
}

impl<'a> Reads<'a> {
    /// Notes what `node` reads if its value is used as a whole.
    fn whole(&mut self, node: &'a Node, on_root: bool) {
        if self.follow(node, on_root) {
            self.all = true;
        }
    }

    /// Notes what `node` reads, and tells whether its value may be the root itself. `on_root` tells that of the value
    /// it is evaluated on.
    fn follow(&mut self, node: &'a Node, on_root: bool) -> bool {
        match node {
            Node::Current => on_root,
            Node::Field(name) => {
                if on_root {
                    self.fields.insert(name);
                }
                false
            }
            Node::Literal(_) => false,
            Node::Index(_) | Node::Slice(_) => {
                self.all |= on_root;
                false
            }
            Node::Chain(nodes) | Node::Pipe(nodes) => {
                nodes.iter().fold(on_root, |on_root, node| self.follow(node, on_root))
            }
            Node::Or(nodes) | Node::And(nodes) => {
                let mut may_be_root = false;
                for node in nodes {
                    may_be_root |= self.follow(node, on_root);
                }
                may_be_root
            }
            Node::Not(operand) | Node::Flatten(operand) => {
                self.whole(operand, on_root);
                false
            }
            Node::Compare(compare) => {
                self.whole(&compare.left, on_root);
                self.whole(&compare.right, on_root);
                false
            }
            Node::List(nodes) => {
                nodes.iter().for_each(|node| self.whole(node, on_root));
                false
            }
            Node::Hash(entries) => {
                entries.iter().for_each(|entry| self.whole(&entry.1, on_root));
                false
            }
            Node::Project(project) => {
                self.whole(&project.source, on_root);
                if let Elements::Where(condition) = &project.elements {
                    self.whole(condition, false);
                }
                self.whole(&project.each, false);
                false
            }
            Node::Call(call) => {
                call.arguments.iter().for_each(|node| self.whole(node, on_root));
                false
            }
            // Whatever the function evaluates it on lies below another argument, which is read as a whole.
            Node::Reference(inner) => {
                self.whole(inner, false);
                false
            }
        }
    }
}
