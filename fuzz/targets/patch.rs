//! Two maps: the difference of the first to the second makes the second of it; the second laid over the first, or
//! applied to it as a JSON Patch, gives a document or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{documents, limits};
use portcullis_patch::json6902::{Options, Patch};
use portcullis_patch::{diff, merge, strategic};
use portcullis_value::{Arena, Budget};

fuzz_target!(|text: &str| {
    let arena = Arena::new();
    let Some([before, after]) = documents(&arena, text) else { return };
    if before.as_object().is_none() || after.as_object().is_none() {
        return;
    }
    let budget = &mut Budget::new(limits(), &|| false);
    let difference = Patch { operations: diff::diff(&arena, before, after) };
    match difference.apply(&arena, before, Options::default(), budget) {
        Ok(made) => assert_eq!(made, after, "{difference:?}"),
        Err(error) => panic!("the difference does not apply: {error}\n{difference:?}"),
    }
    let merged = merge::merge(&arena, before, after);
    assert_eq!(merge::merge(&arena, merged, after), merged);
    if let Ok(merged) = strategic::merge(&arena, before, after, budget) {
        let _ = merged.to_string();
    }
    if let Ok(patch) = Patch::parse(after)
        && let Ok(patched) = patch.apply(&arena, before, Options::default(), budget)
    {
        let _ = patched.to_string();
    }
});
