//! The last decisions, to be looked at: who asks why a request was refused finds it here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

/// How many are kept, and how many bytes of them.
const KEPT: usize = 1000;
const BYTES: usize = 4 << 20;
/// How many are told where nobody says how many.
const TOLD: usize = 100;

/// What was asked, what was answered, and by which rules. Names only, and of a denial what the rules that refused it saw;
/// nothing of Secrets.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Decision {
    /// When it is written.
    pub(crate) time: Timestamp,
    pub(crate) uid: Box<str>,
    pub(crate) operation: &'static str,
    pub(crate) kind: Box<str>,
    pub(crate) namespace: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) allowed: bool,
    pub(crate) mutated: bool,
    pub(crate) dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unseen: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) rules: Box<[DecidedBy]>,
    /// What the answer says where no rule has a part in it: why a policy is refused as it is written, or why nothing was judged.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) message: Box<str>,
    /// What happened in the rules that refused the request, as the JSON that it is told as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) explained: Option<Box<RawValue>>,
    pub(crate) micros: u64,
}

/// A rule that had something to say.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DecidedBy {
    pub(crate) policy: Box<str>,
    pub(crate) rule: Box<str>,
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) message: Box<str>,
}

impl Decision {
    /// Whether it is rules that refuse the request, which can be explained.
    pub(crate) fn is_refused_by_rules(&self) -> bool {
        !self.allowed && !self.rules.is_empty()
    }

    /// Whether it is more than that a request was admitted as it was.
    pub(crate) fn is_worth_a_line(&self) -> bool {
        !self.allowed || self.mutated || !self.rules.is_empty() || !self.message.is_empty()
    }

    /// It as a line of JSON, without the end.
    pub(crate) fn line(&self) -> String {
        // Names and numbers: there is nothing in it that JSON cannot hold.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The memory that it takes.
    fn bytes(&self) -> usize {
        let of_rule = |rule: &DecidedBy| {
            size_of::<DecidedBy>() + rule.policy.len() + rule.rule.len() + rule.message.len()
        };
        let names = self.uid.len() + self.kind.len() + self.namespace.len() + self.name.len();
        let explained = self.explained.as_ref().map_or(0, |explained| explained.get().len());
        size_of::<Self>()
            + names
            + self.message.len()
            + explained
            + self.rules.iter().map(of_rule).sum::<usize>()
    }
}

/// The last decisions; the oldest make room. They become text when somebody asks for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decisions(Arc<Mutex<Ring>>);

#[derive(Debug, Default)]
struct Ring {
    decisions: VecDeque<Arc<Decision>>,
    bytes: usize,
}

impl Decisions {
    pub(crate) fn keep(&self, decision: Arc<Decision>) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.bytes += decision.bytes();
        ring.decisions.push_back(decision);
        while ring.decisions.len() > KEPT || ring.bytes > BYTES {
            let Some(oldest) = ring.decisions.pop_front() else { return };
            ring.bytes -= oldest.bytes();
        }
    }

    /// The newest as lines of JSON, the very newest last: as many as `query` says by `limit=N`.
    ///
    /// # Errors
    /// What is wrong with the query.
    pub(crate) fn text(&self, query: &str) -> Result<String, String> {
        let limit = limit(query)?;
        // Written outside of the lock: what is kept meanwhile does not wait.
        let decisions: Vec<_> = {
            let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            ring.decisions.iter().skip(ring.decisions.len().saturating_sub(limit)).cloned().collect()
        };
        Ok(decisions.iter().flat_map(|decision| [decision.line(), "\n".to_owned()]).collect())
    }
}

/// How many decisions are asked for by `query`.
fn limit(query: &str) -> Result<usize, String> {
    let mut limit = TOLD;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        limit = match parameter.split_once('=') {
            Some(("limit", number)) => {
                number.parse().map_err(|_| format!("`{number}` is no limit, write a number"))?
            }
            _ => return Err(format!("`{parameter}` is no parameter, write `limit=N`")),
        };
    }
    Ok(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(decisions: &Decisions, name: &str) {
        decisions.keep(Arc::new(Decision { name: name.into(), ..Decision::default() }));
    }

    /// The names of the decisions in what is answered to `query`.
    fn names(decisions: &Decisions, query: &str) -> Vec<String> {
        let text = decisions.text(query).unwrap();
        let name = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["name"].to_string();
        text.lines().map(|line| name(line).trim_matches('"').to_owned()).collect()
    }

    #[test]
    fn the_last_are_kept_within_a_number_and_a_size() {
        let decisions = Decisions::default();
        let all = |decisions: &Decisions| names(decisions, "limit=5000");
        for number in 0..KEPT + 2 {
            keep(&decisions, &number.to_string());
        }
        assert_eq!(all(&decisions).len(), KEPT);
        assert_eq!(all(&decisions)[..2], ["2", "3"]);
        assert_eq!(all(&decisions)[KEPT - 1], "1001");
        let own = Decision::default().bytes();
        keep(&decisions, &"x".repeat(BYTES - 2 * own - 4));
        assert_eq!(all(&decisions).len(), 2);
        keep(&decisions, &"x".repeat(BYTES + 1));
        assert!(all(&decisions).is_empty());
        keep(&decisions, "after");
        assert_eq!(all(&decisions), ["after"]);
    }

    #[test]
    fn the_newest_are_told_as_many_as_are_asked_for() {
        let decisions = Decisions::default();
        for number in 0..TOLD + 1 {
            keep(&decisions, &number.to_string());
        }
        assert_eq!(names(&decisions, "limit=2"), ["99", "100"]);
        assert_eq!(decisions.text("limit=0").unwrap(), "");
        assert_eq!(names(&decisions, "").len(), TOLD);
        assert_eq!(decisions.text("limit=ten").unwrap_err(), "`ten` is no limit, write a number");
        assert_eq!(decisions.text("last=10").unwrap_err(), "`last=10` is no parameter, write `limit=N`");
    }
}
