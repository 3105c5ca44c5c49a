//! The mutate phase: every policy changes the object as the one before left it; the difference is the patch.

use portcullis_model::{FailurePolicy, Input, Mask, Obstacle, Phase, RecordMode, Status};
use portcullis_patch::diff;
use portcullis_value::{Object, Value};

use super::{Inquiry, finished_job};
use crate::facts::Need;
use crate::fold;
use crate::immutable::Guard;
use crate::record::{self, Change};
use crate::set::Member;
use crate::verdict::{Judged, Unseen, Verdict};

/// The key of the record in the audit log.
const AUDIT_KEY: &str = "last-applied-patches";

impl<'a> Inquiry<'_, 'a> {
    /// Changes the object by the policies of `members`.
    ///
    /// # Errors
    /// What a policy needs to know first; those after it would see another object.
    pub(super) fn mutate(&self, members: &[&'a Member]) -> Result<Verdict<'a>, Vec<Need>> {
        let Some(original) = self.input.object else { return Ok(Verdict::allow()) };
        if original.path(&["metadata", "deletionTimestamp"]).is_some_and(|time| !time.is_null()) {
            return Ok(Verdict::unseen(Unseen::Terminating));
        }
        let guard = Guard::new(&self.input, self.context.options.immutable_fields);
        let mask = Mask::of(&self.input);
        let mut verdict = Verdict::allow();
        let mut changes = Changes::default();
        let mut object = original;
        for member in members {
            let policy = &*member.policy;
            let input = self.with_object(original, object);
            let mut judged = self.evaluate(member, Phase::Mutate, &input, Some(&guard))?;
            self.time(std::slice::from_mut(&mut judged));
            if has_failed(&judged) {
                let fails_closed = member.mutating == FailurePolicy::Fail;
                judged.refuses = fails_closed;
                // All rules of a policy change the object, or none.
                judged.evaluation.outcomes.iter_mut().for_each(|outcome| outcome.patched = None);
                let message = fails_closed.then(|| fold::mutation_denial(&judged, &mask));
                verdict.policies.push(judged);
                if message.is_some() {
                    return Ok(Verdict { allowed: false, message, ..verdict });
                }
                continue;
            }
            let mode = policy.profile().record.unwrap_or(self.context.options.record);
            object = changes.add(&judged, mode, object);
            verdict.policies.push(judged);
        }
        self.finish(&mut verdict, original, object, &changes);
        let warned = verdict.outcomes().filter(|(policy, outcome)| match outcome.obstacle {
            Some(Obstacle::NotExecuted) => self.context.options.warn_of_not_executed,
            _ => policy.profile().warns && outcome.status != Status::Skip,
        });
        let warnings: Vec<_> =
            warned.map(|(policy, outcome)| fold::warning(policy, outcome, &mask)).collect();
        verdict.warnings.extend(warnings);
        Ok(verdict)
    }

    /// The input with the object as the policies before left it.
    fn with_object(&self, original: Value<'a>, object: Value<'a>) -> Input<'a> {
        let mut input = self.input;
        if !object.is_same(original) {
            let arena = self.context.arena;
            input.object = Some(object);
            if !input.variables.is_empty() {
                let variables = Value::Object(input.variables).with(arena, &["request", "object"], object);
                input.variables = variables.as_object().unwrap_or_default();
            }
        }
        input
    }

    /// Records what was changed, and makes the patch.
    fn finish(
        &self,
        verdict: &mut Verdict<'a>,
        original: Value<'a>,
        object: Value<'a>,
        changes: &Changes<'a>,
    ) {
        let arena = self.context.arena;
        let recorded = record::record(arena, object, &changes.annotated);
        let warning = recorded.warning.map(|text| format!("mutation record: {text}"));
        verdict.warnings.extend(warning);
        // On an object without annotations the record is all that the annotation holds.
        let audited = record::record(arena, Value::Object(Object::default()), &changes.audited).object;
        let text = audited.path(&["metadata", "annotations", record::ANNOTATION]).and_then(Value::as_str);
        verdict.audit_annotations.extend(text.map(|text| (AUDIT_KEY, text.to_owned())));
        verdict.patch = diff::diff(arena, original, recorded.object);
        verdict.warnings.extend(finished_job::warning(&self.input, Some(object), self.context.now));
    }
}

/// Whether a rule of the policy failed, so that nothing of what it did counts.
fn has_failed(judged: &Judged<'_>) -> bool {
    judged.evaluation.outcomes.iter().any(|outcome| {
        matches!(outcome.status, Status::Fail | Status::Error)
            && outcome.obstacle != Some(Obstacle::NotExecuted)
    })
}

/// What was changed, by where it is recorded.
#[derive(Default)]
struct Changes<'a> {
    annotated: Vec<Change<'a>>,
    audited: Vec<Change<'a>>,
}

impl<'a> Changes<'a> {
    /// Adds what the rules of one policy did to `object`, and gives the object as they left it.
    fn add(&mut self, judged: &Judged<'a>, mode: RecordMode, mut object: Value<'a>) -> Value<'a> {
        let (policy, namespace) = (judged.policy.name(), judged.policy.namespace());
        for outcome in &judged.evaluation.outcomes {
            let Some(after) = outcome.patched else { continue };
            let change = Change { policy, namespace, rule: outcome.rule, before: object, after };
            match mode {
                RecordMode::Annotation => self.annotated.push(change),
                RecordMode::Audit => self.audited.push(change),
                RecordMode::Off => {}
            }
            object = after;
        }
        object
    }
}
