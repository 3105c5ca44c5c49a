//! The steps of an evaluation, and what they came to.

use serde::{Deserialize, Serialize};

use crate::RuleKind;

/// What a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// A match block.
    Match,
    /// An exclude block. It holds where it excludes nothing.
    Exclude,
    /// One filter of a block.
    Filter,
    /// One clause of a filter: kinds, names, a selector, ...
    Clause,
    /// A PolicyException that names the rule. It holds where the rule is not applied for it.
    Exception,
    /// A block of preconditions.
    Preconditions,
    /// One condition: the key as seen, and what is asked of it.
    Condition,
    /// A context entry, with the value that it came to.
    Variable,
    /// What was asked outside, and the answer.
    Question,
    /// The list of an entry of `foreach`.
    Loop,
    /// An element of it.
    Element,
    /// A pattern, whole.
    Pattern,
    /// A place of the object that a pattern speaks of.
    Path,
    /// An anchor: whether it lets the pattern around it apply.
    Anchor,
    /// The object as it was, which a rule judges too where it tolerates violations that are older than itself.
    OldObject,
    /// The conditions of a deny rule. It fails where they hold.
    Deny,
    /// The Pod Security Standards.
    PodSecurity,
    /// One check of them.
    Check,
    /// A patch, whole.
    Patch,
    /// One operation that the patch came to.
    Operation,
    /// An existing resource that the rule changes.
    Target,
    /// An object that the rule generates.
    Generated,
}

impl Part {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Match => "match",
            Part::Exclude => "exclude",
            Part::Filter => "filter",
            Part::Clause => "clause",
            Part::Exception => "exception",
            Part::Preconditions => "preconditions",
            Part::Condition => "condition",
            Part::Variable => "variable",
            Part::Question => "question",
            Part::Loop => "foreach",
            Part::Element => "element",
            Part::Pattern => "pattern",
            Part::Path => "path",
            Part::Anchor => "anchor",
            Part::OldObject => "oldObject",
            Part::Deny => "deny",
            Part::PodSecurity => "podSecurity",
            Part::Check => "check",
            Part::Patch => "patch",
            Part::Operation => "operation",
            Part::Target => "target",
            Part::Generated => "generated",
        }
    }
}

/// What a step came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Finding {
    Holds,
    Fails,
    /// There was nothing to find: it was not looked at, or only tells a value.
    #[default]
    Neutral,
}

impl From<bool> for Finding {
    fn from(holds: bool) -> Self {
        if holds { Finding::Holds } else { Finding::Fails }
    }
}

/// One step, and the steps that it consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub part: Part,
    #[serde(default)]
    pub finding: Finding,
    /// What of the policy or of the object it is, as it is written there; empty where the part says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The value that was seen: JSON, shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// What was asked of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// Why it came to that, or what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// How many steps more there were in it than are kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it skips by reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Step {
    /// A step about `about` that came to nothing yet.
    pub fn new(part: Part, about: impl Into<String>) -> Self {
        Self {
            part,
            finding: Finding::Neutral,
            about: about.into(),
            seen: None,
            wanted: None,
            note: None,
            steps: Vec::new(),
            more: 0,
        }
    }

    #[must_use]
    pub fn found(self, finding: impl Into<Finding>) -> Self {
        Self { finding: finding.into(), ..self }
    }

    #[must_use]
    pub fn seen(self, seen: impl Into<String>) -> Self {
        Self { seen: Some(seen.into()), ..self }
    }

    #[must_use]
    pub fn wanted(self, wanted: impl Into<String>) -> Self {
        Self { wanted: Some(wanted.into()), ..self }
    }

    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    /// The texts of the step itself.
    pub(super) fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        std::iter::once(&mut self.about).chain(&mut self.seen).chain(&mut self.wanted).chain(&mut self.note)
    }

    /// About how many bytes the step itself takes.
    pub(super) fn size(&self) -> usize {
        let optional = [&self.seen, &self.wanted, &self.note];
        let texts = optional.into_iter().flatten().map(String::len).sum::<usize>();
        size_of::<Self>() + self.about.len() + texts
    }
}

/// How a rule ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ended {
    Pass,
    Fail,
    Skip,
    Error,
    /// It is not about the object, or had nothing to say.
    NotApplied,
}

/// What happened to one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Empty for what concerns the policy as a whole.
    pub rule: String,
    /// The rule that it was generated from, for a controller of Pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autogen_of: Option<String>,
    /// `None` for what concerns the policy as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RuleKind>,
    pub ended: Ended,
    /// How it ended and why, in a sentence.
    pub summary: String,
    /// What the rule said, where it said something.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// How many steps more there were than are kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
}

/// What happened to the rules of one policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyExplanation {
    /// `name`, or `namespace/name` of a Policy.
    pub policy: String,
    pub rules: Vec<Explanation>,
}
