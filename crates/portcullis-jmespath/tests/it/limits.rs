//! What an expression may cost, and that no expression costs more.

use std::fmt::Write;

use portcullis_jmespath::{Error, Expression, MAX_DEPTH, MAX_SOURCE};
use portcullis_value::{Exhausted, Limits};

use crate::search;

/// Asserts that `source` on `document` runs out of `what` within the standing limits.
#[track_caller]
fn exhausts(source: &str, document: &str, what: Exhausted) {
    let expression = Expression::compile(source).unwrap();
    assert_eq!(search(&expression, document, Limits::default()), Err(Error::Exhausted(what)));
}

#[test]
fn a_value_that_doubles_at_every_step_is_never_printed_or_compared() {
    let doubled = "@".to_owned() + &"|[@,@]".repeat(60);
    exhausts(&doubled, "{}", Exhausted::Steps);
    exhausts(&format!("to_string({doubled})"), "{}", Exhausted::Steps);
    exhausts(&format!("{doubled}|[@]|@[0]==@[0]"), "{}", Exhausted::Steps);
    exhausts(&format!("abs({doubled})"), "{}", Exhausted::Steps);
}

#[test]
fn a_string_that_doubles_at_every_step_runs_out_of_bytes() {
    let doubled = "@".to_owned() + &"|join('',[@,@])".repeat(40);
    exhausts(&doubled, "\"abc\"", Exhausted::Bytes);
    exhausts("replace_all(@, '', @)", &format!("\"{}\"", "x".repeat(10_000)), Exhausted::Bytes);
}

#[test]
fn a_value_deeper_than_the_budget_is_not_given_out() {
    exhausts(&("@".to_owned() + &"|[@]".repeat(1000)), "{}", Exhausted::Depth);
}

#[test]
fn running_out_is_not_swallowed_where_errors_are() {
    let doubled = "@".to_owned() + &"|[@,@]".repeat(60);
    exhausts(&format!("to_string({doubled})[?a]"), "{}", Exhausted::Steps);
    exhausts(&format!("(to_string({doubled}) || 'x')[]"), "{}", Exhausted::Steps);
}

#[test]
fn nesting_is_refused_when_compiled_however_it_is_written() {
    let many = 20_000;
    for source in [
        "(".repeat(many),
        "[".repeat(many),
        "!".repeat(many),
        "& ".repeat(many),
        "a[?".repeat(many),
        "{a:".repeat(many),
        "f(".repeat(many),
        "a".to_owned() + &"==a".repeat(many),
        "a".to_owned() + &"[]".repeat(many),
        "a".to_owned() + &"[*]".repeat(many),
        "a".to_owned() + &".*".repeat(many),
        "a".to_owned() + &"[?b]".repeat(many / 2),
    ] {
        let error = Expression::compile(&source).unwrap_err();
        let want = format!("SyntaxError: Expression is nested deeper than {MAX_DEPTH} levels");
        assert_eq!(&*error.message, want, "{:.9}", source);
    }
}

#[test]
fn long_chains_are_no_nesting() {
    for (link, count) in [(".a", 20_000), ("||a", 15_000), ("&&a", 15_000), ("|a", 20_000), ("[0]", 20_000)] {
        let source = "a".to_owned() + &link.repeat(count);
        let expression = Expression::compile(&source).unwrap();
        assert!(
            search(&expression, "{}", Limits::default()).is_ok_and(|value| value == "null") || link != "||a"
        );
    }
}

#[test]
fn a_source_beyond_the_limit_is_refused() {
    let mut source = String::from("a");
    while source.len() <= MAX_SOURCE {
        write!(source, "||a").unwrap();
    }
    assert!(Expression::compile(&source).unwrap_err().message.contains("longer than"));
}

#[test]
fn a_literal_may_be_no_deeper_than_a_document() {
    let literal = format!("`{}`", "[".repeat(20_000));
    assert!(Expression::compile(&literal).is_err());
}
