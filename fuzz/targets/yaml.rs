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
            // By text: a double of 17 digits is printed as the integer that it is nearest to, and read as that.
            Ok(again) => assert_eq!(value.to_string(), again.to_string(), "printed as:\n{printed}"),
            Err(error) => panic!("what was printed is refused: {error}\n{printed}"),
        }
    }
});
