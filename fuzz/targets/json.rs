//! Any text is read or refused as `serde_json` does; what was read is written and reads as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_value::{Arena, json};
use serde::Deserialize as _;

fuzz_target!(|text: &str| {
    let arena = Arena::new();
    let ours = json::read(&arena, text);
    // `serde_json::Value` takes keys of its own crate for orders, which ours does not.
    if brackets(text) <= json::MAX_DEPTH && !text.contains("$serde_json::private") {
        assert_eq!(ours.is_ok(), is_json(text), "ours: {ours:?}");
    }
    let Ok(value) = ours else { return };
    let written = json::Writer::compact().to_string(value);
    match json::read(&arena, &written) {
        Ok(again) => assert_eq!(written, json::Writer::compact().to_string(again)),
        Err(error) => panic!("what was written is refused: {error}\n{written}"),
    }
});

/// Whether `serde_json` reads the text, whatever its depth.
fn is_json(text: &str) -> bool {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.disable_recursion_limit();
    serde_json::Value::deserialize(&mut deserializer).and_then(|_| deserializer.end()).is_ok()
}

/// How many brackets are open at once at most, those in strings too: never less than the depth of the document.
fn brackets(text: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}
