//! What an expression may cost, and that no expression costs more.

use std::fmt::Write;

use portcullis_jmespath::{Error, Expression, MAX_DEPTH, MAX_SOURCE};
use portcullis_value::{Exhausted, Limits};

use crate::{answer, search};

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

#[test]
fn a_regular_expression_costs_its_size_times_the_text() {
    // Each character may be at a thousand places of the large pattern, and at few of the small one.
    let text = format!("\"{}\"", "abbabaab".repeat(5_000));
    exhausts("regex_match('(a|b)*a(a|b){1000}c', @)", &text, Exhausted::Steps);
    exhausts("regex_replace_all('(a|b)*a(a|b){1000}c', @, 'x')", &text, Exhausted::Steps);
    assert_eq!(answer("regex_match('(a|b)*a(a|b){10}c', @)", &text).as_deref(), Ok("false"));
}

#[test]
fn a_large_regular_expression_is_compiled_where_it_is_used_at_the_cost_of_who_asks() {
    // Compiled, each would take half a megabyte for as long as the policy is there.
    let large = r"regex_match('\pL{1,14}', @)";
    assert_eq!(answer(large, r#""a""#).as_deref(), Ok("true"));
    exhausts(&format!("[{}@]", format!("{large},").repeat(1_000)), r#""a""#, Exhausted::Steps);
    // A small one is kept, so that a hundred take fewer steps than one that is compiled.
    let small = format!("[{}@]", "regex_match('[a-z]{1,14}', @),".repeat(100));
    let few = Limits { steps: 2_000, ..Limits::default() };
    assert!(search(&Expression::compile(&small).unwrap(), r#""a""#, few).is_ok());
}

#[test]
fn matches_that_look_through_the_whole_text_each_cost_steps() {
    // No letter but a capital one can end the long match, so that each short one is looked for to the end of the text.
    let text = format!("\"{}\"", "A".repeat(20_000));
    let expression = Expression::compile("regex_replace_all_literal('.*[^A-Z]|[A-Z]', @, '')").unwrap();
    let few = Limits { steps: 100_000, ..Limits::default() };
    assert_eq!(search(&expression, &text, few), Err(Error::Exhausted(Exhausted::Steps)));
}

#[test]
fn lists_that_are_only_glanced_at_cost_steps_too() {
    let list = format!("[{}0]", "0,".repeat(100_000));
    for part in ["@[*]", "@[]"] {
        exhausts(&format!("[{}{part}]", format!("{part},").repeat(200)), &list, Exhausted::Steps);
    }
}

#[test]
fn lists_that_have_been_sorted_are_looked_up_within_the_budget() {
    let lists = format!("[{}[2,1]]", "[2,1],".repeat(10_000));
    exhausts("map(&sort_by(@, &@), @)", &lists, Exhausted::Steps);
}

#[test]
fn a_long_text_is_trimmed_of_many_characters_one_by_one() {
    let document = format!("[\"{0}\", \"{1}{0}\"]", "é".repeat(200_000), "ü".repeat(200_000));
    assert_eq!(answer("trim(@[0], @[1])", &document).as_deref(), Ok("\"\""));
}
