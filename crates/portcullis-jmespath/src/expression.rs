//! A compiled expression.

use std::collections::BTreeSet;
use std::fmt;

use portcullis_value::Value;

use crate::ast::Node;
use crate::error::{Error, SyntaxError};
use crate::evaluate::{Context, Evaluator};
use crate::inspect::{Problem, problems, reads_only, sources};
use crate::parser::parse;
use crate::tree::Tree;

/// The longest source that is compiled, in bytes.
pub const MAX_SOURCE: usize = 64 << 10;

/// Values that are at most so many times larger or deeper than the document need no look before they are given out.
const MODEST_GROWTH: usize = 16;

/// An expression, ready to be evaluated any number of times.
pub struct Expression {
    source: Box<str>,
    node: Node,
    /// Whether values may be far larger or deeper than the document, or hold numbers that are none.
    weighs: bool,
    /// Whether `sort_by` may be called.
    sorts: bool,
}

impl Expression {
    /// Compiles `source`.
    ///
    /// A function that does not exist is no error here but when it is called; [`Expression::problems`] tells.
    ///
    /// # Errors
    /// The text is no expression, longer than [`MAX_SOURCE`] or nested deeper than [`MAX_DEPTH`](crate::MAX_DEPTH).
    pub fn compile(source: &str) -> Result<Self, SyntaxError> {
        if source.len() > MAX_SOURCE {
            let message = format_args!("Expression is longer than {MAX_SOURCE} bytes");
            return Err(SyntaxError::new(MAX_SOURCE, message));
        }
        let node = parse(source)?;
        let (weighs, sorts) = (node.growth() > MODEST_GROWTH, source.contains("sort_by"));
        Ok(Self { source: source.into(), weighs, sorts, node })
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The value of the expression on `root`.
    ///
    /// The value borrows from the document, the expression and the arena. It is at most as deep and as large as the
    /// budget allows, so that it can be walked through.
    ///
    /// # Errors
    /// A missing key that no position turned into null, a function that refuses its arguments, or no budget left.
    pub fn search<'a>(
        &'a self,
        root: Value<'a>,
        context: &mut Context<'a, '_, '_>,
    ) -> Result<Value<'a>, Error> {
        Evaluator::new(context, self.sorts).search(&self.node, self.weighs, root).map_err(Error::from)
    }

    /// How it was understood: a node and what is below it on each line, two blanks further in than what it is a part of.
    pub fn tree(&self) -> impl fmt::Display {
        Tree(&self.node)
    }

    /// What is wrong with the expression whatever the document: for warnings when a policy is loaded.
    pub fn problems(&self) -> Vec<Problem> {
        problems(&self.node)
    }

    /// Where in the document the texts come from that a search may find or make: paths of fields from the root. What lies at
    /// a path is read as a whole; an empty path is the root.
    pub fn sources(&self) -> BTreeSet<Vec<&str>> {
        sources(&self.node)
    }

    /// Whether a search plainly depends on nothing but what stands at the fields of `path`, one in the other.
    pub fn reads_only(&self, path: &[&str]) -> bool {
        reads_only(&self.node, path)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}
