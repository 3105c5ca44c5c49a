//! The tree of a compiled expression.

use portcullis_gocompat::regex::KeptRegex;
use portcullis_value::OwnedValue;

use crate::functions::Function;

/// An expression. It is evaluated on a value, the current node.
#[derive(Debug)]
pub(crate) enum Node {
    /// `@`, and whatever stands for it where nothing is written.
    Current,
    Field(Box<str>),
    /// `[n]`, from the end if negative.
    Index(i64),
    /// `[start:stop:step]` of a list; the projection that follows it is a node of its own.
    Slice(Box<Slice>),
    Literal(Literal),
    /// `a.b[0].c`: each is evaluated on the value of the one before; a missing key ends the chain.
    Chain(Vec<Node>),
    /// `a | b | c`: as a chain, but a missing key is null.
    Pipe(Vec<Node>),
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Compare(Box<Compare>),
    /// `[a, b]`
    List(Vec<Node>),
    /// `{k: a, l: b}`
    Hash(Vec<(Box<str>, Node)>),
    Project(Box<Project>),
    /// The list `a` with the elements that are lists replaced by theirs; `a[]` projects it.
    Flatten(Box<Node>),
    Call(Box<Call>),
    /// `&a`, an argument that the function evaluates.
    Reference(Box<Node>),
}

impl Node {
    /// How many times larger or deeper than the document, at most, a value of this node is: how often it holds the same
    /// piece, and how many levels it puts around it. What functions make, `usize::MAX` says.
    pub(crate) fn growth(&self) -> usize {
        let sum = |nodes: &mut dyn Iterator<Item = &Node>| {
            nodes.fold(1, |sum: usize, node| sum.saturating_add(node.growth()))
        };
        match self {
            Node::Current | Node::Field(_) | Node::Index(_) | Node::Slice(_) => 1,
            // A literal is charged whenever it is borrowed; the others are booleans.
            Node::Literal(_) | Node::Not(_) | Node::Compare(_) => 1,
            Node::Chain(nodes) | Node::Pipe(nodes) => {
                nodes.iter().fold(1, |product: usize, node| product.saturating_mul(node.growth()))
            }
            Node::Or(nodes) | Node::And(nodes) => nodes.iter().map(Node::growth).max().unwrap_or(1),
            Node::List(nodes) => sum(&mut nodes.iter()),
            Node::Hash(entries) => sum(&mut entries.iter().map(|(_, node)| node)),
            Node::Flatten(list) => list.growth(),
            Node::Project(project) => match project.elements {
                Elements::List | Elements::Where(_) => {
                    project.source.growth().saturating_mul(project.each.growth())
                }
                Elements::Values => usize::MAX,
            },
            Node::Call(_) | Node::Reference(_) => usize::MAX,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice {
    pub(crate) start: Option<i64>,
    pub(crate) stop: Option<i64>,
    pub(crate) step: Option<i64>,
}

#[derive(Debug)]
pub(crate) struct Literal {
    pub(crate) value: OwnedValue,
    /// What borrowing the value takes from the arena.
    pub(crate) bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Compare {
    pub(crate) operator: Operator,
    pub(crate) left: Node,
    pub(crate) right: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// `source[*]each` and its kin: what `each` makes of the elements of `source`, nulls dropped.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) source: Node,
    pub(crate) elements: Elements,
    pub(crate) each: Node,
}

/// What a projection runs over.
#[derive(Debug)]
pub(crate) enum Elements {
    /// The elements of a list: `a[*]`, `a[1:2]`, `a[]`.
    List,
    /// The values of a map: `a.*`.
    Values,
    /// The elements of a list for which the condition holds: `a[?b]`.
    Where(Node),
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: Box<str>,
    /// `None` if there is no function of the name, which is an error of the evaluation alone.
    pub(crate) function: Option<&'static Function>,
    pub(crate) arguments: Vec<Node>,
    /// The first argument, if the function takes a regular expression there and it is written as a literal.
    pub(crate) regex: Option<KeptRegex>,
}
