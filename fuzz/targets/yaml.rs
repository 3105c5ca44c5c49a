//! Any text is read or refused; what was read is printed and reads as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_value::Arena;
use portcullis_yaml as yaml;

fuzz_target!(|text: &str| {
    let arena = Arena::new();
    for document in yaml::documents(text) {
        let Ok(document) = document else { continue };
        let Ok(value) = yaml::read(&arena, document.text()) else { continue };
        let printed = yaml::to_string(value);
        match yaml::read(&arena, &printed) {
            // By value or by text: `-0` reads as the integer 0, and a double of 17 digits as the integer that it is
            // nearest to.
            Ok(again) => {
                let same = value == again || value.to_string() == again.to_string();
                assert!(same, "{value} is printed as:\n{printed}");
            }
            Err(error) => panic!("what was printed is refused: {error}\n{printed}"),
        }
    }
});
