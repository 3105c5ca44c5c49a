//! The language: missing keys, precedence, projections, what is refused.

use portcullis_jmespath::{Expression, Problem};

use crate::check;

const DOCUMENT: &str = r#"{"a":{"b":1,"n":null,"s":"x","l":[1,2,3],"e":[]},"pods":[{"name":"a","ready":true},{"name":"b"}],"n":[[1,[2]],3,[]]}"#;

#[test]
fn a_missing_key_ends_a_path_and_a_field_of_anything_else_is_null() {
    check(DOCUMENT, "a.zz", r#"Unknown key "zz" in path"#);
    check(DOCUMENT, "zz.b", r#"Unknown key "zz" in path"#);
    check(DOCUMENT, "zz[0]", r#"Unknown key "zz" in path"#);
    check(DOCUMENT, "(zz).y", r#"Unknown key "zz" in path"#);
    check(DOCUMENT, "a.n.x", "null");
    check(DOCUMENT, "a.s.x", "null");
    check(DOCUMENT, "a.l[9]", "null");
}

#[test]
fn some_positions_make_null_of_a_missing_key() {
    for source in
        ["zz[*].x", "zz[0:1]", "zz[?x].y", "zz.*", "zz[]", "a | zz", "zz || zz", "zz && 'x'", "not_null(zz)"]
    {
        check(DOCUMENT, source, "null");
    }
    check(DOCUMENT, "!zz", "true");
    check(DOCUMENT, "zz == null", "true");
    check(DOCUMENT, "{q: zz}", r#"{"q":null}"#);
    check(DOCUMENT, "[zz, a.b]", "[null,1]");
    check(DOCUMENT, "pods[*].ready", "[true]");
    check(DOCUMENT, "map(&ready, pods)", "[true,null]");
}

#[test]
fn the_right_side_of_an_and_passes_a_missing_key_on() {
    check(DOCUMENT, "'d' && zz", r#"Unknown key "zz" in path"#);
    check(DOCUMENT, "('d' && zz) || 'e'", r#""e""#);
    check(DOCUMENT, "'d' && zz && 'e'", "null");
}

#[test]
fn filters_and_flattening_swallow_errors_to_their_left() {
    check(DOCUMENT, "foo(@)[?x]", "null");
    check(DOCUMENT, "foo(@)[]", "null");
    check(DOCUMENT, "foo(@).*", "null");
    check(DOCUMENT, "foo(@)[*]", "unknown function: foo");
    check(DOCUMENT, "pods[?foo(@)]", "unknown function: foo");
}

#[test]
fn not_binds_tighter_than_a_dot() {
    check(DOCUMENT, "!a.b", "null");
    check(DOCUMENT, "!(a.b)", "false");
    check(DOCUMENT, "!a[0]", "true");
    check(DOCUMENT, "!a == `false`", "true");
    check(DOCUMENT, "pods[?!ready].name", r#"["b"]"#);
}

#[test]
fn zero_is_true_and_whatever_is_empty_is_false() {
    for (value, is_true) in [("0", true), ("[]", false), ("{}", false), ("\"\"", false), ("null", false)] {
        check("{}", &format!("`{value}` && `1`"), if is_true { "1" } else { value });
    }
}

#[test]
fn numbers_are_compared_as_doubles_and_only_numbers_are_ordered() {
    check(r#"{"n":3}"#, "[n == `3.0`, n > `2`, n < '4', n != `3`]", "[true,true,null,false]");
    check(r#"{"n":9007199254740993}"#, "n == `9007199254740993`", "true");
    check(r#"{"n":9007199254740993}"#, "n", "9007199254740993");
}

#[test]
fn a_value_projection_runs_over_nulls_first() {
    let document = r#"{"m":{"k":{"x":1},"j":2}}"#;
    check(document, "m.*", r#"[2,{"x":1}]"#);
    check(document, "m.*.type(@)", r#"["null","null","number","object"]"#);
    check(document, "m.*.x", "[1]");
    check(r#"{"m":{"k":{"x":{"y":1}}}}"#, "m.*.x.y", "null");
    check(r#"{"l":[{"x":{"y":1}}]}"#, "l[*].x.y", "[1]");
    check(r#"{"l":[{"x":{"y":1}}]}"#, "l[*].[x].y", "null");
    check(r#"{"m":{"k":{"x":{"y":1}}}}"#, "m.*.x | [*].y", "[1]");
    check(
        document,
        "m.*.length(@)",
        r#"Invalid type for: <nil>, expected: []jmespath.JpType{"string", "array", "object"}"#,
    );
}

#[test]
fn slices_and_flattening_take_lists_alone() {
    check(DOCUMENT, "a.l[::-1]", "[3,2,1]");
    check(DOCUMENT, "a.l[-2:]", "[2,3]");
    check(DOCUMENT, "a.l[5:-9:-2]", "[3,1]");
    check(DOCUMENT, "a.l[:::]", "[1,2,3]");
    check(DOCUMENT, "a.l[::0]", "Invalid slice, step cannot be 0");
    check(DOCUMENT, "a.s[0:1]", "null");
    check(DOCUMENT, "n[]", "[1,[2],3]");
    check(DOCUMENT, "n[][]", "[1,2,3]");
}

#[test]
fn commas_are_optional_and_the_text_before_a_parenthesis_names_the_function() {
    check(DOCUMENT, "contains(a.l `2`)", "true");
    check(DOCUMENT, "{x: a.b y: a.s,}", "SyntaxError: Expected tQuotedIdentifier or tUnquotedIdentifier");
    check(DOCUMENT, "{x: a.b y: a.s}", r#"{"x":1,"y":"x"}"#);
    check(DOCUMENT, "[length('ab',), 'length'('abc'), (length)('a')]", "[2,3,1]");
    check(DOCUMENT, "@(a)", "SyntaxError: Unexpected token: tLparen");
    check(DOCUMENT, "a[0](b)", "SyntaxError: Unexpected token: tLparen");
}

#[test]
fn raw_strings_escape_quotes_alone() {
    check("{}", r"'it\'s\n'", r#""it's\\n""#);
    check("{}", r"'\\'", "SyntaxError: Unclosed delimiter: '");
    check("{}", r"`\``", "invalid character '`' looking for beginning of value");
    check("{}", r#"`"\`"`"#, r#""`""#);
    check(r#"{"é":{"ü":1}}"#, r#""\u00e9"."ü""#, "1");
}

#[test]
fn syntax_errors_have_the_texts_of_the_reference_and_a_place() {
    for (source, message, offset) in [
        ("a.é", r"SyntaxError: Unknown char: '\u00e9'", 2),
        ("my-key", "SyntaxError: Unexpected token at the end of the expression: tNumber", 2),
        ("a[\"b\"]", "SyntaxError: Expected tStar, received: tQuotedIdentifier", 2),
        ("a.", "SyntaxError: Expected identifier, lbracket, or lbrace", 2),
        ("a = b", "SyntaxError: Unexpected token at the end of the expression: tUnknown", 2),
        ("[", "SyntaxError: Incomplete expression", 1),
        ("]", "SyntaxError: Invalid token: tRbracket", 0),
        ("a {b: c}", "SyntaxError: Unexpected token: tLbrace", 2),
        ("l[-]", "strconv.Atoi: parsing \"-\": invalid syntax", 2),
        ("l[99999999999999999999]", "strconv.Atoi: parsing \"99999999999999999999\": value out of range", 2),
        ("\"a\"(b)", "SyntaxError: Can't have quoted identifier as function Name.", 3),
    ] {
        let error = Expression::compile(source).unwrap_err();
        assert_eq!((&*error.message, error.offset), (message, offset), "{source}");
    }
}

#[test]
fn a_reference_is_an_argument_and_no_value() {
    check(DOCUMENT, "&a", "an expression reference stands where a value is expected");
    check(DOCUMENT, "max_by(pods, &name).name", r#""b""#);
    check(
        DOCUMENT,
        "max_by(pods, 'name')",
        "Invalid type for: name, expected: []jmespath.JpType{\"expref\"}",
    );
}

#[test]
fn sort_by_sorts_the_document_for_the_rest_of_the_expression() {
    let document = r#"{"l":[{"x":2},{"x":1}]}"#;
    check(document, "[sort_by(l, &x), l]", r#"[[{"x":1},{"x":2}],[{"x":1},{"x":2}]]"#);
    check(document, "[l, sort_by(l, &x)[0]]", r#"[[{"x":1},{"x":2}],{"x":1}]"#);
    check(document, "l[0].x", "2");
    // A list of the same elements is another list.
    for other in ["l[*]", "l[]", "l[:]", "l[?x]"] {
        check(document, &format!("[sort_by({other}, &x), l][*][0].x"), "[1,2]");
        check(document, &format!("[{other}, sort_by(l, &x)][*][0].x"), "[2,1]");
    }
}

#[test]
fn what_no_document_can_mend_is_told_without_one() {
    let problems = |source: &str| Expression::compile(source).unwrap().problems();
    assert_eq!(problems("a[?length(b) > `1`]"), []);
    assert_eq!(
        problems("a[?foo(b)] | length(a, b)"),
        [
            Problem::UnknownFunction("foo".into()),
            Problem::WrongNumberOfArguments { function: "length", given: 2 }
        ]
    );
}

#[test]
fn where_the_texts_that_an_expression_makes_come_from_is_told() {
    for (source, paths) in [
        ("request.object.spec", &["request.object.spec"][..]),
        ("request.object.spec[?a == b].c", &["request.object.spec"]),
        ("a || b | c", &["a", "b"]),
        ("a | b | @.c", &["a.b.c"]),
        ("[a.b, {x: c.d[0]}]", &["a.b", "c.d"]),
        ("map(&x, y.z)", &["y.z"]),
        ("join('-', [a.b, to_upper(c)])", &["a.b", "c"]),
        ("a.{x: b, y: c}", &["a.b", "a.c"]),
        // Neither a truth nor a length nor the keys of a map tell a text in it.
        ("a == b || !c", &[]),
        ("length(x) == y.z", &[]),
        ("join(',', keys(x.y))", &[]),
        ("keys(parse_json(x.y))", &["x.y"]),
        ("'text'", &[]),
        ("@", &[""]),
        ("*", &[""]),
        ("to_string(@)", &[""]),
        ("a || @", &["", "a"]),
    ] {
        let expression = Expression::compile(source).unwrap();
        let told: Vec<_> = expression.sources().iter().map(|path| path.join(".")).collect();
        assert_eq!(told, paths, "{source}");
    }
}

#[test]
fn an_expression_that_depends_on_one_field_alone_is_told_from_others() {
    let reads_only =
        |source: &str| Expression::compile(source).unwrap().reads_only(&["request", "operation"]);
    for source in [
        "request.operation",
        "request.operation || 'BACKGROUND'",
        "request.operation == 'DELETE' && !(request.operation)",
        "'text'",
    ] {
        assert!(reads_only(source), "{source}");
    }
    for source in [
        "request",
        "operation",
        "request.operation.name",
        "request.object",
        "request.operation || request.name",
        "request.operation | @",
        "length(request.operation)",
        "random('[a-z]')",
        "@",
    ] {
        assert!(!reads_only(source), "{source}");
    }
}
