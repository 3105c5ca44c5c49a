//! What the engine has to know of a policy before it evaluates it.

use std::fmt;
use std::str::FromStr;

use crate::{KindSelector, Operation, Phase};

/// What becomes of a request that a policy could not judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailurePolicy {
    /// It is refused.
    #[default]
    Fail,
    /// It is admitted.
    Ignore,
}

/// Where the mutation record of a policy is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RecordMode {
    /// On the object, as an annotation.
    #[default]
    Annotation,
    /// Into the audit log of the API server.
    Audit,
    Off,
}

impl FromStr for RecordMode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "annotation" => Ok(RecordMode::Annotation),
            "audit" => Ok(RecordMode::Audit),
            "off" => Ok(RecordMode::Off),
            _ => Err(()),
        }
    }
}

/// A set of operations.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operations(u8);

impl Operations {
    pub const ALL: Operations = Operations(0b1111);

    pub fn contains(self, operation: Operation) -> bool {
        self.0 & bit(operation) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The operations in either set.
    pub fn or(self, other: Operations) -> Operations {
        Operations(self.0 | other.0)
    }

    /// The operations that are not in `other`.
    pub fn without(self, other: Operations) -> Operations {
        Operations(self.0 & !other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Operation> {
        Operation::ALL.into_iter().filter(move |operation| self.contains(*operation))
    }
}

fn bit(operation: Operation) -> u8 {
    match operation {
        Operation::Create => 1,
        Operation::Update => 2,
        Operation::Delete => 4,
        Operation::Connect => 8,
    }
}

impl FromIterator<Operation> for Operations {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        Self(operations.into_iter().fold(0, |set, operation| set | bit(operation)))
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Requests that a policy may have something to say about.
///
/// What is outside of all its targets it has nothing to say about; what is inside it judges for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub kind: KindSelector,
    pub operations: Operations,
    /// Patterns of namespaces; empty where the namespace plays no part.
    pub namespaces: Box<[Box<str>]>,
}

/// Facts about a request that cost something to find out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The labels of the object's namespace.
    pub namespace_labels: bool,
    /// Name and groups of the user.
    pub user: bool,
    /// The roles and cluster roles of the user.
    pub roles: bool,
    /// Variables: whether any expression may be evaluated at all.
    pub variables: bool,
}

impl Needs {
    /// What either needs.
    pub fn or(self, other: Needs) -> Needs {
        Needs {
            namespace_labels: self.namespace_labels || other.namespace_labels,
            user: self.user || other.user,
            roles: self.roles || other.roles,
            variables: self.variables || other.variables,
        }
    }
}

/// The digest of all that decides what a policy says beside the input: policies that have it in common say the same, each
/// under its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Likeness(pub [u8; 32]);

/// A policy as the engine sees it: when to evaluate it, and what its failures mean.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Whether it takes no part in admission, only in background scans.
    pub is_background_only: bool,
    /// The effective one.
    pub failure_policy: FailurePolicy,
    /// Whether it has match conditions of its own, which an API server checks at a webhook of its own.
    pub has_match_conditions: bool,
    /// Whether failures that do not refuse the request become warnings.
    pub warns: bool,
    /// Whether any of its rules may refuse a request anywhere.
    pub may_enforce: bool,
    /// Where its mutations are recorded, if it says so itself.
    pub record: Option<RecordMode>,
    pub needs: Needs,
    /// What it has in common with policies like it; `None` where its namespace or an exception plays a part in what it says.
    pub likeness: Option<Likeness>,
    /// What rules that change the object are about.
    pub mutates: Box<[Target]>,
    /// What all other rules are about.
    pub validates: Box<[Target]>,
}

impl Profile {
    /// What the rules of `phase` are about; nothing where the policy has none.
    pub fn targets(&self, phase: Phase) -> &[Target] {
        match phase {
            Phase::Mutate => &self.mutates,
            Phase::Validate => &self.validates,
        }
    }
}
