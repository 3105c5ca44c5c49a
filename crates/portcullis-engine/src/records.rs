//! What is taken down of a review: the steps of the policies that refused the request.

use std::cell::RefCell;

use portcullis_model::CompiledPolicy;
use portcullis_model::explain::{Ended, PolicyExplanation, RecordLimits, Recorder};

use crate::verdict::Verdict;

/// Takes down what happens in some policies while a review is made once more.
#[derive(Debug)]
pub struct Records {
    /// Their places in the set.
    places: Vec<usize>,
    limits: RecordLimits,
    explained: RefCell<Vec<PolicyExplanation>>,
}

impl Records {
    /// Records of the policies at `places` of the set; `limits` are those of one policy.
    pub fn new(places: Vec<usize>, limits: RecordLimits) -> Self {
        Self { places, limits, explained: RefCell::default() }
    }

    /// A recorder for the policy at `place`, if it is one of them.
    pub(crate) fn recorder(&self, place: usize) -> Option<Recorder> {
        self.places.contains(&place).then(|| Recorder::new(self.limits))
    }

    /// Keeps what was taken down of the rules of `policy` that failed, which is why the request is refused.
    pub(crate) fn keep(&self, policy: &dyn CompiledPolicy, recorder: Recorder) {
        let mut rules = recorder.into_explanations();
        rules.retain(|rule| matches!(rule.ended, Ended::Fail | Ended::Error));
        if rules.is_empty() {
            return;
        }
        let policy = match policy.namespace() {
            "" => policy.name().to_owned(),
            namespace => format!("{namespace}/{}", policy.name()),
        };
        self.explained.borrow_mut().push(PolicyExplanation { policy, rules });
    }

    pub fn into_explanations(self) -> Vec<PolicyExplanation> {
        self.explained.into_inner()
    }
}

impl Verdict<'_> {
    /// The places of the policies by which the request is refused.
    pub fn refused_by(&self) -> Vec<usize> {
        self.policies.iter().filter(|judged| judged.refuses).map(|judged| judged.place).collect()
    }
}
