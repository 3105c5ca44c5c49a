//! Tokens to tree, by binding powers (a Pratt parser).
//!
//! COMPAT(kyverno): commas are optional in calls and maps, a call may end in one, and the name of a call is the text
//! of whatever stands before the parenthesis, be it a string.

use portcullis_gocompat::regex::KeptRegex;
use portcullis_value::{Arena, OwnedValue};

use crate::ast::{Call, Compare, Elements, Literal, Node, Operator, Project, Slice};
use crate::error::SyntaxError;
use crate::functions::find;
use crate::lexer::{Kind, Token, tokens};
use crate::text::read_json;

/// How deep expressions may be nested in one another, by parentheses or otherwise.
pub const MAX_DEPTH: usize = 128;

/// A projection takes what follows unless that binds weaker than this.
const PROJECTION_ENDS: u8 = 10;

/// The tree of `source`.
pub(crate) fn parse(source: &str) -> Result<Node, SyntaxError> {
    let mut parser = Parser { tokens: tokens(source)?, at: 0, depth: 0 };
    let tree = parser.expression(0)?;
    let end = parser.current();
    if end.kind != Kind::End {
        let message = format_args!("Unexpected token at the end of the expression: {}", end.kind.name());
        return Err(SyntaxError::new(end.offset, message));
    }
    Ok(tree.node)
}

/// A node with the height of the tree below and including it.
struct Tree {
    node: Node,
    height: usize,
}

impl From<Node> for Tree {
    /// A tree of one node.
    fn from(node: Node) -> Self {
        Self { node, height: 1 }
    }
}

struct Parser<'s> {
    /// INVARIANT: ends in [`Kind::End`], and only there.
    tokens: Vec<Token<'s>>,
    at: usize,
    depth: usize,
}

const END: Token<'static> = Token { kind: Kind::End, text: std::borrow::Cow::Borrowed(""), offset: 0 };

impl<'s> Parser<'s> {
    /// The token after `ahead` others.
    fn peek(&self, ahead: usize) -> &Token<'s> {
        self.tokens.get(self.at + ahead).or(self.tokens.last()).unwrap_or(&END)
    }

    fn current(&self) -> &Token<'s> {
        self.peek(0)
    }

    fn is_at(&self, kind: Kind) -> bool {
        self.current().kind == kind
    }

    fn next(&mut self) -> Token<'s> {
        let token = self.current().clone();
        self.at += 1;
        token
    }

    fn take(&mut self, kind: Kind) -> bool {
        let taken = self.is_at(kind);
        if taken {
            self.at += 1;
        }
        taken
    }

    fn expect(&mut self, kind: Kind) -> Result<(), SyntaxError> {
        if self.take(kind) {
            return Ok(());
        }
        Err(self.error(format_args!("Expected {}, received: {}", kind.name(), self.current().kind.name())))
    }

    fn error(&self, message: impl std::fmt::Display) -> SyntaxError {
        SyntaxError::new(self.current().offset, message)
    }

    fn too_deep(&self) -> SyntaxError {
        self.error(format_args!("Expression is nested deeper than {MAX_DEPTH} levels"))
    }

    /// `node`, which stands over trees of at most `below`.
    fn over(&self, below: usize, node: Node) -> Result<Tree, SyntaxError> {
        if below >= MAX_DEPTH {
            return Err(self.too_deep());
        }
        Ok(Tree { node, height: below + 1 })
    }

    /// The expression up to the first token that binds no stronger than `power`.
    fn expression(&mut self, power: u8) -> Result<Tree, SyntaxError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.too_deep());
        }
        self.depth += 1;
        let mut tree = self.prefix()?;
        while power < self.current().kind.power() {
            tree = self.infix(tree)?;
        }
        self.depth -= 1;
        Ok(tree)
    }

    /// What starts an expression.
    fn prefix(&mut self) -> Result<Tree, SyntaxError> {
        let token = self.next();
        match token.kind {
            Kind::JsonLiteral => literal(&token),
            Kind::StringLiteral => Ok(literal_node(OwnedValue::String(token.text.into())).into()),
            Kind::Identifier => Ok(Node::Field(token.text.into()).into()),
            Kind::QuotedIdentifier if self.is_at(Kind::LeftParen) => {
                Err(self.error("Can't have quoted identifier as function Name."))
            }
            Kind::QuotedIdentifier => Ok(Node::Field(token.text.into()).into()),
            Kind::Current => Ok(Node::Current.into()),
            Kind::Star => {
                let each = match self.is_at(Kind::RightBracket) {
                    true => Node::Current.into(),
                    false => self.projected(Kind::Star.power())?,
                };
                self.project(Node::Current.into(), Elements::Values, each)
            }
            Kind::Filter => self.filter(Node::Current.into()),
            Kind::Flatten => self.flatten(Node::Current.into()),
            Kind::LeftBrace => self.hash(),
            Kind::LeftBracket => match (self.current().kind, self.peek(1).kind) {
                (Kind::Number | Kind::Colon, _) => self.index(None),
                (Kind::Star, Kind::RightBracket) => {
                    self.at += 2;
                    let each = self.projected(Kind::Star.power())?;
                    self.project(Node::Current.into(), Elements::List, each)
                }
                _ => self.list(),
            },
            Kind::Reference => {
                let inner = self.expression(Kind::Reference.power())?;
                self.over(inner.height, Node::Reference(Box::new(inner.node)))
            }
            Kind::Not => {
                let inner = self.expression(Kind::Not.power())?;
                self.over(inner.height, Node::Not(Box::new(inner.node)))
            }
            Kind::LeftParen => {
                let inner = self.expression(0)?;
                self.expect(Kind::RightParen)?;
                Ok(inner)
            }
            Kind::End => Err(SyntaxError::new(token.offset, "Incomplete expression")),
            kind => Err(SyntaxError::new(token.offset, format_args!("Invalid token: {}", kind.name()))),
        }
    }

    /// What goes on after `left`.
    fn infix(&mut self, left: Tree) -> Result<Tree, SyntaxError> {
        let token = self.next();
        let operator = match token.kind {
            // COMPAT(kyverno): a second dot ends the projection: `a.*.b.c` is `(a.*.b).c`.
            Kind::Dot if self.take(Kind::Star) => {
                let each = self.projected(Kind::Dot.power())?;
                return self.project(left, Elements::Values, each);
            }
            Kind::Dot => {
                let right = self.after_dot(Kind::Dot.power())?;
                return self.chain(left, right);
            }
            Kind::Pipe | Kind::Or | Kind::And => {
                let right = self.expression(token.kind.power())?;
                return self.join(token.kind, left, right);
            }
            Kind::LeftParen => return self.call(&token, left),
            Kind::Filter => return self.filter(left),
            Kind::Flatten => return self.flatten(left),
            Kind::LeftBracket if matches!(self.current().kind, Kind::Number | Kind::Colon) => {
                return self.index(Some(left));
            }
            Kind::LeftBracket => {
                self.expect(Kind::Star)?;
                self.expect(Kind::RightBracket)?;
                let each = self.projected(Kind::Star.power())?;
                return self.project(left, Elements::List, each);
            }
            Kind::Equal => Operator::Equal,
            Kind::NotEqual => Operator::NotEqual,
            Kind::Less => Operator::Less,
            Kind::LessOrEqual => Operator::LessOrEqual,
            Kind::Greater => Operator::Greater,
            Kind::GreaterOrEqual => Operator::GreaterOrEqual,
            kind => {
                let message = format_args!("Unexpected token: {}", kind.name());
                return Err(SyntaxError::new(token.offset, message));
            }
        };
        let right = self.expression(token.kind.power())?;
        let below = left.height.max(right.height);
        let compare = Compare { operator, left: left.node, right: right.node };
        self.over(below, Node::Compare(Box::new(compare)))
    }

    /// What may stand after a dot that is not followed by a star.
    fn after_dot(&mut self, power: u8) -> Result<Tree, SyntaxError> {
        match self.current().kind {
            Kind::QuotedIdentifier | Kind::Identifier | Kind::Star => self.expression(power),
            Kind::LeftBracket => {
                self.at += 1;
                self.list()
            }
            Kind::LeftBrace => {
                self.at += 1;
                self.hash()
            }
            _ => Err(self.error("Expected identifier, lbracket, or lbrace")),
        }
    }

    /// What a projection does with each element.
    fn projected(&mut self, power: u8) -> Result<Tree, SyntaxError> {
        match self.current().kind {
            kind if kind.power() < PROJECTION_ENDS => Ok(Node::Current.into()),
            Kind::LeftBracket | Kind::Filter => self.expression(power),
            Kind::Dot => {
                self.at += 1;
                self.after_dot(power)
            }
            _ => Err(self.error("Error")),
        }
    }

    fn project(&self, source: Tree, elements: Elements, each: Tree) -> Result<Tree, SyntaxError> {
        let below = source.height.max(each.height);
        let project = Project { source: source.node, elements, each: each.node };
        self.over(below, Node::Project(Box::new(project)))
    }

    fn flatten(&mut self, list: Tree) -> Result<Tree, SyntaxError> {
        let source = self.over(list.height, Node::Flatten(Box::new(list.node)))?;
        let each = self.projected(Kind::Flatten.power())?;
        self.project(source, Elements::List, each)
    }

    fn filter(&mut self, source: Tree) -> Result<Tree, SyntaxError> {
        let condition = self.expression(0)?;
        self.expect(Kind::RightBracket)?;
        let each = match self.is_at(Kind::Flatten) {
            true => Node::Current.into(),
            false => self.projected(Kind::Filter.power())?,
        };
        let source = Tree { height: source.height.max(condition.height), node: source.node };
        self.project(source, Elements::Where(condition.node), each)
    }

    /// `n]` or `start:stop:step]`, of `left` or else of the current node.
    fn index(&mut self, left: Option<Tree>) -> Result<Tree, SyntaxError> {
        let is_slice = self.is_at(Kind::Colon) || self.peek(1).kind == Kind::Colon;
        let right = match is_slice {
            true => self.slice()?,
            false => {
                let index = self.number()?;
                self.expect(Kind::RightBracket)?;
                Node::Index(index)
            }
        };
        let tree = match left {
            Some(left) => self.chain(left, right.into())?,
            None => right.into(),
        };
        if !is_slice {
            return Ok(tree);
        }
        let each = self.projected(Kind::Star.power())?;
        self.project(tree, Elements::List, each)
    }

    fn slice(&mut self) -> Result<Node, SyntaxError> {
        let mut parts = [None; 3];
        let mut part = 0;
        // COMPAT(kyverno): a third colon is accepted, and of two numbers side by side the last counts.
        while let Some(slot) = parts.get_mut(part) {
            match self.current().kind {
                Kind::RightBracket => break,
                Kind::Colon => {
                    self.at += 1;
                    part += 1;
                }
                Kind::Number => *slot = Some(self.number()?),
                kind => {
                    let message = format_args!("Expected tColon or tNumber, received: {}", kind.name());
                    return Err(self.error(message));
                }
            }
        }
        self.expect(Kind::RightBracket)?;
        let [start, stop, step] = parts;
        Ok(Node::Slice(Box::new(Slice { start, stop, step })))
    }

    fn number(&mut self) -> Result<i64, SyntaxError> {
        let token = self.next();
        token.text.parse().map_err(|_| {
            let digits = token.text.strip_prefix('-').unwrap_or(&token.text);
            let reason = if digits.is_empty() { "invalid syntax" } else { "value out of range" };
            SyntaxError::raw(token.offset, format!("strconv.Atoi: parsing \"{}\": {reason}", token.text))
        })
    }

    /// The rest of `[a, b]`.
    fn list(&mut self) -> Result<Tree, SyntaxError> {
        let mut items = Vec::new();
        let mut below = 0;
        loop {
            let item = self.expression(0)?;
            below = below.max(item.height);
            items.push(item.node);
            if self.take(Kind::RightBracket) {
                return self.over(below, Node::List(items));
            }
            self.expect(Kind::Comma)?;
        }
    }

    /// The rest of `{k: a, l: b}`.
    fn hash(&mut self) -> Result<Tree, SyntaxError> {
        let mut entries = Vec::new();
        let mut below = 0;
        loop {
            if !matches!(self.current().kind, Kind::Identifier | Kind::QuotedIdentifier) {
                return Err(self.error("Expected tQuotedIdentifier or tUnquotedIdentifier"));
            }
            let key = self.next();
            self.expect(Kind::Colon)?;
            let value = self.expression(0)?;
            below = below.max(value.height);
            entries.push((key.text.into(), value.node));
            if !self.take(Kind::Comma) && self.take(Kind::RightBrace) {
                return self.over(below, Node::Hash(entries));
            }
        }
    }

    /// The rest of `name(a, b)`.
    fn call(&mut self, paren: &Token<'_>, left: Tree) -> Result<Tree, SyntaxError> {
        let name = match left.node {
            Node::Field(name) => name,
            Node::Literal(Literal { value: OwnedValue::String(name), .. }) => name,
            Node::Call(call) => call.name,
            _ => return Err(SyntaxError::new(paren.offset, "Unexpected token: tLparen")),
        };
        let mut arguments = Vec::new();
        let mut below = 0;
        while !self.is_at(Kind::RightParen) {
            let argument = self.expression(0)?;
            self.take(Kind::Comma);
            below = below.max(argument.height);
            arguments.push(argument.node);
        }
        self.expect(Kind::RightParen)?;
        let function = find(&name);
        let regex = match (function, arguments.first()) {
            (Some(function), Some(Node::Literal(Literal { value: OwnedValue::String(pattern), .. })))
                if function.takes_regex() =>
            {
                // One that does not compile is an error of the call. A large one is compiled there each time, on the
                // budget of who calls: a policy may hold thousands.
                KeptRegex::new(pattern)
            }
            _ => None,
        };
        self.over(below, Node::Call(Box::new(Call { name, function, arguments, regex })))
    }

    /// `right` evaluated on the value of `left`.
    fn chain(&self, left: Tree, right: Tree) -> Result<Tree, SyntaxError> {
        let (mut below, mut links) = match left {
            Tree { node: Node::Chain(links), height } => (height - 1, links),
            Tree { node, height } => (height, begun(node)),
        };
        match right {
            Tree { node: Node::Chain(more), height } => {
                below = below.max(height - 1);
                links.extend(more);
            }
            Tree { node, height } => {
                below = below.max(height);
                links.push(node);
            }
        }
        self.over(below, Node::Chain(links))
    }

    /// `left` and `right` with a pipe, `||` or `&&` between them; all three associate.
    fn join(&self, kind: Kind, left: Tree, right: Tree) -> Result<Tree, SyntaxError> {
        let (below, mut parts) = match (kind, left) {
            (Kind::Pipe, Tree { node: Node::Pipe(parts), height })
            | (Kind::Or, Tree { node: Node::Or(parts), height })
            | (Kind::And, Tree { node: Node::And(parts), height }) => (height - 1, parts),
            (_, Tree { node, height }) => (height, begun(node)),
        };
        let below = below.max(right.height);
        parts.push(right.node);
        let node = match kind {
            Kind::Pipe => Node::Pipe(parts),
            Kind::Or => Node::Or(parts),
            _ => Node::And(parts),
        };
        self.over(below, node)
    }
}

/// A list that begins with `first`: most have a second and no more, and are kept for as long as their policy.
fn begun(first: Node) -> Vec<Node> {
    let mut nodes = Vec::with_capacity(2);
    nodes.push(first);
    nodes
}

fn literal(token: &Token<'_>) -> Result<Tree, SyntaxError> {
    let arena = Arena::new();
    let value = read_json(&arena, &token.text).map_err(|message| SyntaxError::raw(token.offset, message))?;
    // Go reads doubles alone, so that an integer that a double cannot hold is rounded already here.
    Ok(literal_node(OwnedValue::from(value.with_float_numbers(&arena))).into())
}

fn literal_node(value: OwnedValue) -> Node {
    Node::Literal(Literal { bytes: value.borrowed_bytes(), value })
}
