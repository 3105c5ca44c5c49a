//! Any block of conditions holds, does not, or is refused, within its budget.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{OBJECT, documents, limits};
use portcullis_kyverno::condition;
use portcullis_model::{Answers, Input, Numbers, Run};
use portcullis_value::{Arena, Budget, json};

fuzz_target!(|text: &str| {
    let arena = Arena::new();
    let Some([block]) = documents(&arena, text) else { return };
    let Ok(object) = json::read(&arena, OBJECT) else { panic!("the object is no JSON") };
    let answers = Answers::new();
    let input = Input::create(&arena, object);
    for numbers in [Numbers::AsWritten, Numbers::Floats] {
        let budget = &mut Budget::new(limits(), &|| false);
        let _ = condition::evaluate(block, &input, numbers, &mut Run::new(&arena, &answers, budget));
    }
});
