//! Regular expressions in Go's syntax.

use portcullis_value::{Budget, Exhausted, Limits};
use proptest::prelude::*;

use super::Regex;

#[track_caller]
fn check(pattern: &str, text: &str, want: bool) {
    let regex = Regex::new(pattern).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(regex.is_match(text, &mut Budget::default()), Ok(want), "`{pattern}` on `{text}`");
}

#[track_caller]
fn replaced(pattern: &str, text: &str, template: &str, want: &str) {
    let regex = Regex::new(pattern).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(regex.replace_all(text, template, &mut Budget::default()).as_deref(), Ok(want), "`{pattern}`");
}

#[track_caller]
fn refused(pattern: &str, want: &str) {
    let error = Regex::new(pattern).unwrap_err().to_string();
    assert_eq!(error, format!("error parsing regexp: {want}"), "`{pattern}`");
}

#[test]
fn a_match_may_be_anywhere() {
    check("^[1-7]$", "1", true);
    check("b+", "abc", true);
    check("", "", true);
    check(r"^1\.50$", "1.5", false);
    check("a|^b$", "b", true);
}

#[test]
fn perl_classes_are_ascii() {
    check(r"^\d+$", "٣", false);
    check(r"^\w+$", "é", false);
    check(r"^\W$", "é", true);
    check(r"^\s$", "\u{a0}", false);
    check(r"^\s$", "\u{b}", false);
    check(r"^[[:space:]]$", "\u{b}", true);
    check(r"\bfoo\b", "éfooé", true);
    check(r"é\Bf", "éf", false);
    check(r"^[\d-z]+$", "1-z", true);
    check(r"(?i)^\w$", "ſ", true);
    check(r"(?i)^\W$", "ſ", false);
    check(r"^\p{Greek}\pL\PN$", "αba", true);
    check(r"^\p{lowercase letter}$", "a", true);
    check(r"^[^\P{Lu}]$", "A", true);
}

#[test]
fn braces_quotes_and_brackets_are_read_as_go_reads_them() {
    check("^a{,2}$", "a{,2}", true);
    check("^a{01}$", "a{01}", true);
    check("^{$", "{", true);
    check(r"^\Qa.b*\E+$", "a.b**", true);
    check(r"\Q(", "(", true);
    check("^[a&&b]+$", "a&b", true);
    check("^[[a]&&[b]]$", "a&&b]", true);
    check("^[]a]+$", "]a", true);
    check("^[^]a]$", "b", true);
    check("^[[:alpha]$", ":", true);
    check(r"^[\^\]\-\[~]+$", "^]-[~", true);
    check(r"\<", "<", true);
    check(r"^\x{1F600}\x41\101\0$", "😀AA\0", true);
    check(r"[\x{d800}-\x{e000}]", "\u{e000}", true);
    check(r"[^\x{d800}]", "a", true);
    check(r"\x{d800}", "a", false);
    check("^(?P<1a>x)(?<1a>y)$", "xy", true);
}

#[test]
fn flags_hold_to_the_end_of_their_group() {
    check("(?i)HELLO", "Hello World", true);
    check("^(?:(?i)a)b$", "AB", false);
    check("^a(?i:b)c$", "aBc", true);
    check("(?m)^b$", "a\nb\nc", true);
    check("^b", "a\nb", false);
    check("a$", "a\n", false);
    check("a.b", "a\nb", false);
    check("(?s)a.b", "a\nb", true);
    check("(?s-s:a.b)", "a\nb", false);
    check("^a(?i)*$", "aaa", true);
    check("(?i)K", "\u{212a}", true);
    replaced("(?U)a+", "aaa", "x", "xxx");
    replaced("(?U)a+?", "aaa", "x", "x");
    replaced("(?U:a+)b", "aab", "x", "x");
}

#[test]
fn templates_name_groups() {
    replaced("a(x*)b", "-ab-axxb-", "${1}W", "-W-xxW-");
    replaced("a(x*)b", "-ab-axxb-", "$1W", "---");
    replaced("(?P<n>l+)", "hello", "<$n|${n}|$0|$$|$|${|${}|$9|$00|$é>", "he<ll|ll|ll|$|$|${|${}|||>o");
    replaced("(a)|(b)", "ab", "[$1$2]", "[a][b]");
    replaced("(?P<n>a)|(?P<n>b)", "ab", "[$n]", "[a][b]");
    replaced("a*", "baaac", "x", "xbxcx");
    replaced("", "日本", "-", "-日-本-");
    let regex = Regex::new("a(x*)b").unwrap();
    assert_eq!(
        regex.replace_all_literal("-ab-axxb-", "$1", &mut Budget::default()).as_deref(),
        Ok("-$1-$1-")
    );
}

#[test]
fn refusals_are_worded_as_in_go() {
    refused("[", "missing closing ]: `[`");
    refused("[a-", "missing closing ]: `[a-`");
    refused("a(b", "missing closing ): `a(b`");
    refused("a)b", "unexpected ): `a)b`");
    refused("*", "missing argument to repetition operator: `*`");
    refused("a|+?", "missing argument to repetition operator: `+?`");
    refused("a**", "invalid nested repetition operator: `**`");
    refused("a+?{2}", "invalid nested repetition operator: `+?{2}`");
    refused("(?=x)", "invalid or unsupported Perl syntax: `(?=`");
    refused("(?i-)", "invalid or unsupported Perl syntax: `(?i-)`");
    refused("(?<=a)", "invalid named capture: `(?<=a)`");
    refused("(?P<n", "invalid named capture: `(?P<n`");
    refused(r"a\", "trailing backslash at end of expression: ``");
    refused(r"\8", r"invalid escape sequence: `\8`");
    refused(r"\C", r"invalid escape sequence: `\C`");
    refused(r"[\b]", r"invalid escape sequence: `\b`");
    refused(r"\x{110000}", r"invalid escape sequence: `\x{110000`");
    refused("[z-a]", "invalid character class range: `z-a`");
    refused("[[:foo:]]", "invalid character class range: `[:foo:]`");
    refused(r"\p{Alphabetic}", r"invalid character class range: `\p{Alphabetic}`");
    refused(r"\p{sc=Greek}", r"invalid character class range: `\p{sc=Greek}`");
    refused("a{1001}", "invalid repeat count: `{1001}`");
    refused("((a{10}){10}){11}", "invalid repeat count: `{11}`");
}

#[test]
fn large_patterns_and_results_are_refused() {
    let long = "a".repeat(5000);
    refused(&long, &format!("expression too large: `{long}`"));
    refused("(?:[a-z]{1000}b){1}(?:\\pL{1000})", "expression too large: `(?:[a-z]{1000}b){1}(?:\\pL{1000})`");
    let deep = format!("{}{}", "(".repeat(2000), ")".repeat(2000));
    refused(&deep, &format!("expression nests too deeply: `{deep}`"));
    let stacked = format!("a{}", "(?i)*".repeat(800));
    refused(&stacked, &format!("expression nests too deeply: `{stacked}`"));
    let regex = Regex::new("").unwrap();
    let mut budget = Budget::new(Limits { bytes: 10_000, ..Limits::default() }, &|| false);
    assert_eq!(regex.replace_all("aaaaaaaaaaaaaaaa", &long, &mut budget), Err(Exhausted::Bytes));
}

proptest! {
    /// What both syntaxes read alike must not change its meaning in translation.
    #[test]
    fn the_common_subset_keeps_its_meaning(
        pattern in r"([ab.]|\[[ab]\]|\(a\)|\(b\|a\)|\(\?:ab\)|a\*|b\+\?|\^|\$|a\{1,2\}|\|){0,8}", text in "[ab]{0,8}",
    ) {
        if let (Ok(ours), Ok(theirs)) = (Regex::new(&pattern), ::regex::Regex::new(&pattern)) {
            prop_assert_eq!(ours.is_match(&text, &mut Budget::default()), Ok(theirs.is_match(&text)), "{}", pattern);
            let got = ours.replace_all(&text, "<$0>", &mut Budget::default()).unwrap();
            prop_assert_eq!(got, theirs.replace_all(&text, "<$0>").into_owned());
        }
    }

    #[test]
    fn what_is_read_compiles(pattern in r"([ab.*+?|(){}\[\]^$\\,0-9-]|\(\?[a-zP<>:-]{0,3}|\\[a-zA-Z]|\[:[a-z^]{0,6}:\]){0,12}") {
        if let Err(error) = Regex::new(&pattern) {
            prop_assert!(!matches!(error.kind(), super::ErrorKind::Nesting), "{} came out as a text that the crate refuses", pattern);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(pattern in ".{0,30}", template in r"[$a-c0-2{}é]{0,10}") {
        if let Ok(regex) = Regex::new(&pattern) {
            let _ = regex.replace_all("abc", &template, &mut Budget::default());
        }
    }
}
