//! What a review needs to know of the cluster beside the request.

mod kinds;

use std::collections::BTreeMap;

use portcullis_model::{Answer, Gvk, Gvr, Question, Roles, User};
use portcullis_value::{Arena, Object, OwnedValue, Value};

/// A fact that a review cannot go on without, and that nobody has asked for yet.
///
/// The adapter finds it out (all of one review's at the same time), and starts the review again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Need {
    NamespaceLabels {
        namespace: String,
    },
    /// The roles that are bound to the user of the request.
    Roles,
    /// The kind of a resource, as discovery tells it.
    Kind {
        group: String,
        version: String,
        resource: String,
    },
    /// What a policy asks, which is no more than its namespace may see.
    Answer {
        /// Where the policy lives; empty for a cluster-wide one.
        policy_namespace: String,
        question: Question,
    },
}

/// Why a fact is not at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It has not been looked for where that takes time: the review comes back with a [`Need`].
    NotYet,
    /// It was looked for in vain. Rules that ask for it are in error.
    Unknown,
}

/// What is known beside the request. Answers at once, from memory.
pub trait Facts {
    /// The labels of a namespace.
    ///
    /// # Errors
    /// They are not at hand.
    fn namespace_labels<'a>(&self, arena: &'a Arena, namespace: &str) -> Result<Object<'a>, Missing>;

    /// The roles bound to `user` for a request in `namespace` (empty for one that is in none).
    ///
    /// A RoleBinding gives a Role of any namespace, and a ClusterRole only in the namespace of the request.
    ///
    /// # Errors
    /// They are not at hand.
    fn roles<'a>(&self, arena: &'a Arena, user: &User<'_>, namespace: &str) -> Result<Roles<'a>, Missing>;

    /// The answer to `question` of a policy that lives in `policy_namespace`; `None` where it was not asked yet.
    fn answer(&self, policy_namespace: &str, question: &Question) -> Option<Answer>;

    /// The kind of `resource`: without a cluster to ask, that of the resources that every cluster has.
    ///
    /// # Errors
    /// It is not at hand.
    fn kind<'a>(&self, arena: &'a Arena, resource: Gvr<'a>) -> Result<Gvk<'a>, Missing> {
        let _ = arena;
        kinds::built_in(resource).ok_or(Missing::Unknown)
    }
}

/// Facts that are given once and for all: without a cluster, in a test, in a replay.
///
/// Whatever is not given is not known.
#[derive(Clone, Debug, Default)]
pub struct FixedFacts {
    /// Labels by namespace.
    pub namespaces: BTreeMap<String, OwnedValue>,
    /// Roles and cluster roles of whoever asks.
    pub roles: Option<(Vec<String>, Vec<String>)>,
    pub answers: BTreeMap<Question, Answer>,
}

impl Facts for FixedFacts {
    fn namespace_labels<'a>(&self, arena: &'a Arena, namespace: &str) -> Result<Object<'a>, Missing> {
        let labels = self.namespaces.get(namespace).map(|labels| labels.copy_to(arena));
        labels.and_then(Value::as_object).ok_or(Missing::Unknown)
    }

    fn roles<'a>(&self, arena: &'a Arena, _: &User<'_>, _: &str) -> Result<Roles<'a>, Missing> {
        let (roles, cluster_roles) = self.roles.as_ref().ok_or(Missing::Unknown)?;
        let list = |names: &[String]| arena.slice_of(names.iter().map(|name| arena.str(name)));
        Ok(Roles { roles: list(roles), cluster_roles: list(cluster_roles) })
    }

    fn answer(&self, _: &str, question: &Question) -> Option<Answer> {
        let unknown = || Answer::Failed(format!("`{}` is not given", question.entry()));
        Some(self.answers.get(question).cloned().unwrap_or_else(unknown))
    }
}
