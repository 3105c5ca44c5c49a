//! Any document is looked at as a policy and as an exception, compiled and evaluated, whatever is wrong with it.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{OBJECT, documents, limits};
use portcullis_kyverno::{Findings, Policy, PolicyException};
use portcullis_model::explain::{RecordLimits, Recorder};
use portcullis_model::{Answers, CompiledPolicy as _, Input, Phase, Run};
use portcullis_value::{Arena, Budget, json};

fuzz_target!(|text: &str| {
    let arena = Arena::new();
    let Some([document]) = documents(&arena, text) else { return };
    let Ok(object) = json::read(&arena, OBJECT) else { panic!("the object is no JSON") };
    let _ = Findings::of(document, None).refusal();
    let _ = Findings::of_exception(document).refusal();
    let policy = Policy::compile(document).excepting(&[Arc::new(PolicyException::compile(document))]);
    let answers = Answers::new();
    let input = Input::create(&arena, object);
    for phase in [Phase::Mutate, Phase::Validate] {
        let budget = &mut Budget::new(limits(), &|| false);
        let mut run = Run { explain: true, ..Run::new(&arena, &answers, budget) };
        let _ = policy.evaluate(phase, &input, &mut run);
        let recorder = Recorder::new(RecordLimits::default());
        let budget = &mut Budget::new(limits(), &|| false);
        let mut run = Run { recorder: Some(&recorder), ..Run::new(&arena, &answers, budget) };
        let _ = policy.evaluate(phase, &input, &mut run);
    }
});
