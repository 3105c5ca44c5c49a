//! Functions at their edges; the usual case of each is the example of its row.

use crate::check;

#[test]
fn arguments_are_counted_and_their_types_checked() {
    check("{}", "length()", "incorrect number of args");
    check("{}", "merge()", "Invalid arity.");
    check(
        "{}",
        "length(`1`)",
        "Invalid type for: 1, expected: []jmespath.JpType{\"string\", \"array\", \"object\"}",
    );
    check(
        "{}",
        "max(`[1, \"a\"]`)",
        "Invalid type for: [1 a], expected: []jmespath.JpType{\"array[number]\", \"array[string]\"}",
    );
    check("{}", "merge(`{}`, `1`)", "JMESPath function 'merge': argument #2 is not of type Object");
    check("{}", "nofunc(abs('a'))", "Invalid type for: a, expected: []jmespath.JpType{\"number\"}");
}

#[test]
fn extremes_and_orders_of_nothing_and_of_one() {
    check(
        "{}",
        "[max(`[]`), min(`[]`), sort(`[]`), max_by(`[]`, &x), sort_by(`[]`, &x)]",
        "[null,null,[],null,[]]",
    );
    check(r#"{"one":[{"y":1}]}"#, "max_by(one, &nofunc(@))", r#"{"y":1}"#);
    check(r#"{"l":[{"x":1},{}]}"#, "sort_by(l, &x)", "error in sort_by comparison");
    check(r#"{"l":[{"x":1},{}]}"#, "max_by(l, &x)", "invalid type, must be number");
    check(r#"{"l":[{},{"x":1}]}"#, "min_by(l, &x)", "invalid type, must be number of string");
    check("{}", "avg(`[]`)", "json: unsupported value: NaN");
}

#[test]
fn equal_keys_keep_their_order_when_sorted() {
    check(r#"{"l":[{"x":2,"n":1},{"x":1,"n":2},{"x":2.0,"n":3}]}"#, "sort_by(l, &x)[*].n", "[2,1,3]");
}

#[test]
fn strings_are_counted_in_characters() {
    check(
        "{}",
        "[length('héllo'), reverse('aé'), truncate('Lorem', `2.9`), truncate('é', `-1`)]",
        r#"[5,"éa","Lo",""]"#,
    );
    check("{}", "[split('', 'x'), split('aé', ''), split('', '')]", r#"[[""],["a","é"],[]]"#);
    check(
        "{}",
        "[replace_all('abc', '', '-'), replace('aaaa', 'a', 'b', `1.9`), replace('aa', 'a', 'b', `-1`), \
         replace('aa', 'a', 'b', `-0.5`)]",
        r#"["-a-b-c-","baaa","bb","aa"]"#,
    );
    check(
        "{}",
        "[trim('abcba', 'ab'), trim('x', ''), trim_prefix('foobar', 'bar')]",
        r#"["c","x","foobar"]"#,
    );
}

#[test]
fn case_is_mapped_character_by_character() {
    check(
        "{}",
        "[to_upper('ß'), to_lower('İ'), to_upper('ᾀ'), equal_fold('Straße', 'STRASSE')]",
        r#"["ß","i","ᾈ",false]"#,
    );
    check(
        "{}",
        "[equal_fold('\u{212a}', 'k'), equal_fold('ſ', 'S'), equal_fold('ı', 'i')]",
        "[true,true,false]",
    );
}

#[test]
fn numbers_are_read_and_printed_as_go_does() {
    check(
        "{}",
        "[to_number('1e3'), to_number('.5'), to_number('0x1p-2'), to_number('1_000')]",
        "[1000,0.5,0.25,1000]",
    );
    check(
        "{}",
        "[to_number('0x10'), to_number(' 1'), to_number('1e400'), to_number(`true`)]",
        "[null,null,null,null]",
    );
    check(
        "{}",
        "[to_string(`1.0`), to_string(`1e21`), to_string(`123456789012345678`)]",
        r#"["1","1e+21","123456789012345680"]"#,
    );
    check("{}", "to_string({a: '<b>'})", r#""{\"a\":\"\\u003cb\\u003e\"}""#);
    check("{}", "to_number('Inf')", "json: unsupported value: +Inf");
    check("{}", "to_number('Inf') > `1`", "true");
}

#[test]
fn base64_wants_padding_and_forgives_line_ends() {
    check("{}", "base64_decode('aGVs\nbG8=')", r#""hello""#);
    check("{}", "base64_decode('aGVsbG9=')", r#""hello""#);
    check("{}", "base64_decode('a!')", "illegal base64 data at input byte 1");
    check("{}", "base64_decode('/w==')", "\"\u{fffd}\"");
}

#[test]
fn lookups_and_items() {
    check(r#"{"l":[1],"m":{"a":1}}"#, "[lookup(l, `-1`), lookup(l, `0`), lookup(m, 'b')]", "[null,1,null]");
    check(r#"{"l":[1]}"#, "lookup(l, 'a')", "JMESPath function 'lookup': argument #2 is not of type Number");
    check(
        r#"{"l":[1]}"#,
        "lookup(l, `1.5`)",
        "JMESPath function 'lookup': argument #2: expected an integer number but got: 1.5",
    );
    check(
        r#"{"l":[1]}"#,
        "lookup(l, `1e21`)",
        "JMESPath function 'lookup': argument #2: number is outside the range of integer numbers: 1e+21",
    );
    check(r#"{"m":{"b":1,"a":2}}"#, "items(m, 'k', 'v') | sort_by(@, &v)[*].k", r#"["b","a"]"#);
    check("{}", "items(`{\"a\": 1}`, 'x', 'x')", r#"[{"x":1}]"#);
    check(
        "{}",
        "object_from_lists(['a', `true`, `123456789`], `[1]`)",
        r#"{"123456790":null,"a":1,"true":null}"#,
    );
    check(
        "{}",
        "object_from_lists(`[null]`, `[]`)",
        "JMESPath function 'object_from_lists': argument #1 is not of type StringArray",
    );
}

#[test]
fn what_reads_as_a_quantity_is_no_duration() {
    check("{}", "add('1h', '30m')", "JMESPath function 'add': Types mismatch");
    check("{}", "[add('1h', '1m30s'), add('30m', '30m')]", r#"["1h1m30s","60m"]"#);
    check("{}", "divide('30m', '10m')", "3");
    check("{}", "multiply('1h', '2h')", "JMESPath function 'multiply': Types mismatch");
    check("{}", "subtract('1h', 'soon')", "JMESPath function 'subtract': invalid operand");
}

#[test]
fn amounts_beyond_reason_are_errors_and_nothing_wraps() {
    check("{}", "add('1e999999Gi', '1')", "JMESPath function 'add': invalid operand");
    check("{}", "add('1e99999999999', '1')", "JMESPath function 'add': quantity is out of range");
    check("{}", "add('999999999999999999999999999999ms', '1h')", "JMESPath function 'add': invalid operand");
    check("{}", "add('1e30', '1n')", "JMESPath function 'add': quantity is out of range");
    check("{}", "add('2562047h', '1h')", "JMESPath function 'add': duration is out of range");
    check("{}", "multiply('1h', `1e300`)", "JMESPath function 'multiply': duration is out of range");
    check(
        "{}",
        "modulo(`1e300`, `2`)",
        "JMESPath function 'modulo': Non-integer argument(s) passed for modulo",
    );
    check("{}", "modulo('1', '0')", "JMESPath function 'modulo': Zero divisor passed");
    check("{}", "divide('1s', '0s')", "JMESPath function 'divide': Zero divisor passed");
    check("{}", "round(`1.5`, `1e300`)", "json: unsupported value: NaN");
    check("{}", "time_parse('1', '9223372036854775807')", "time is out of range");
}

#[test]
fn a_sum_is_read_again_before_the_next_element_is_added() {
    check("{}", "sum(`[\"1Gi\", \"500M\", \"768\"]`)", r#""1573742592""#);
    check("{}", "sum(`[{}]`)", "{}");
    check("{}", "sum(`[]`)", "JMESPath function 'sum': at least one element in the array is required");
}

#[test]
fn times_leave_the_years_of_four_digits_and_keep_their_offset() {
    check("{}", "time_add('9999-12-31T23:59:59Z', '1s')", r#""10000-01-01T00:00:00Z""#);
    check("{}", "time_add('2024-02-28T23:30:00+05:30', '1h')", r#""2024-02-29T00:30:00+05:30""#);
    check("{}", "time_diff('0001-01-01T00:00:00Z', '1970-01-01T00:00:00Z')", r#""2562047h47m16.854775807s""#);
    check("{}", "time_parse('2006', '2021')", r#""1970-01-01T00:33:41Z""#);
    check("{}", "time_since('', '2024-03-01T09:00:00Z', '')", r#""1h0m0s""#);
}

#[test]
fn only_an_address_is_external_or_not() {
    check("{}", "is_external_url('http://[::ffff:10.0.0.1]:80')", "false");
    check("{}", "is_external_url('http://169.254.169.254')", "true");
    check("{}", "is_external_url('http://[fe80::1%25eth0]/')", "true");
    check("{}", "is_external_url('http://localhost:8080')", "false");
    check(
        "{}",
        "is_external_url('https://example.com')",
        "JMESPath function 'is_external_url': host `example.com` is no IP address, and names are not resolved here",
    );
}
