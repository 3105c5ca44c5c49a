//! A pattern and an object, two documents: any pattern compiles or is refused, and its two readings agree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{documents, limits};
use portcullis_kyverno::pattern::{Pattern, Verdict};
use portcullis_model::Numbers;
use portcullis_value::{Arena, Budget};

fuzz_target!(|text: &str| {
    let arena = Arena::new();
    let Some([pattern, object]) = documents(&arena, text) else { return };
    let budget = &mut Budget::new(limits(), &|| false);
    let Ok(pattern) = Pattern::compile(pattern, budget) else { return };
    for numbers in [Numbers::AsWritten, Numbers::Floats] {
        let satisfied = pattern.is_satisfied_by(object, numbers, budget);
        let verdict = pattern.check(object, numbers, budget);
        if let (Ok(satisfied), Ok(verdict)) = (satisfied, verdict) {
            assert_eq!(satisfied, matches!(verdict, Verdict::Pass), "{verdict:?}");
        }
    }
});
