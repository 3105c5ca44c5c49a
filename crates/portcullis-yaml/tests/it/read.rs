//! Reading one document.

use portcullis_value::Arena;

#[track_caller]
fn check(text: &str, want: &str) {
    let arena = Arena::new();
    let got = match portcullis_yaml::read(&arena, text) {
        Ok(value) => value.to_string(),
        Err(error) => format!("error: {error}"),
    };
    assert_eq!(got, want, "for {text:?}");
}

#[test]
fn plain_words_of_yaml_1_1_are_booleans() {
    check(
        "{a: yes, b: No, c: on, d: OFF, e: y, f: \"yes\"}",
        r#"{"a":true,"b":false,"c":true,"d":false,"e":true,"f":"yes"}"#,
    );
}
