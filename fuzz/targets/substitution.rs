//! Any document with variables and references is made whole or refused, within its budget.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{OBJECT, documents, limits};
use portcullis_model::{Answers, Input, Run};
use portcullis_value::{Arena, Budget, json};

fuzz_target!(|text: &str| {
    let arena = Arena::new();
    let Some([document]) = documents(&arena, text) else { return };
    let Ok(object) = json::read(&arena, OBJECT) else { panic!("the object is no JSON") };
    let budget = &mut Budget::new(limits(), &|| false);
    let answers = Answers::new();
    let input = Input::create(&arena, object);
    if let Ok(value) = portcullis_kyverno::substitute(document, &input, &mut Run::new(&arena, &answers, budget)) {
        // A value is walked through without a budget: it must not be deeper or larger than one.
        let _ = value.to_string();
    }
});
