//! Reading, comparing, printing and calculating with quantities.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::{Error, Quantity};

fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

#[track_caller]
fn check(a: &str, want: Ordering, b: &str) {
    assert_eq!(quantity(a).cmp(&quantity(b)), want, "`{a}` and `{b}`");
    assert_eq!(quantity(b).cmp(&quantity(a)), want.reverse(), "`{b}` and `{a}`");
}

#[track_caller]
fn equal(texts: &[&str]) {
    for pair in texts.windows(2) {
        check(pair[0], Ordering::Equal, pair[1]);
    }
}

#[test]
fn quantities_compare_by_value() {
    equal(&["1Gi", "1024Mi", "1073741824", "1073741824.0", "1073741824000m"]);
    equal(&["500m", "0.5", ".5", "+.5", "500000u", "500000000n", "5e-1"]);
    equal(&["1k", "1000", "1e3", "1E3", "1e+3", "1000.", "00001k"]);
    equal(&["128974848", "123Mi"]);
    equal(&["1.5Gi", "1536Mi"]);
    check("1Gi", Ordering::Greater, "1G");
    check("-1", Ordering::Less, "1n");
    check("-2k", Ordering::Less, "-1k");
    check("0.1", Ordering::Less, "0.2");
}

#[test]
fn digits_may_be_missing() {
    equal(&["0", "m", "k", "M", "G", "E", "Ki", "Ti", "-", "+", ".", "-m", "e3", "0.000", "-0", ".Ki"]);
}

#[test]
fn what_is_finer_than_a_billionth_is_rounded_away_from_zero() {
    equal(&[
        "0.1n",
        "1n",
        "1e-400000000",
        "0.0000000001",
        "0.00000000000000000000000000000000000000000000000001Ki",
    ]);
    equal(&["-0.1n", "-1n"]);
    equal(&["1.0000000001", "1000000001n"]);
    equal(&["0.3333333333333333", "333333334n"]);
}

#[test]
fn binary_quantities_are_capped_and_decimal_ones_are_not() {
    equal(&["8Ei", "10Ei", "11Ei", "99999999999999999999999999999999999999999999Ei", "9223372036854775807"]);
    equal(&["-8Ei", "-9223372036854775807"]);
    equal(&["100E", "1e20", "100000000000000000000"]);
    check("9E", Ordering::Less, "8Ei");
    check("10E", Ordering::Greater, "8Ei");
    check("1e20", Ordering::Less, "1e21");
    check("1e2000000000", Ordering::Greater, "1e1999999999");
    check("100000000000000000000000000000000000001", Ordering::Greater, "1e38");
    check("170141183460469231731687303715884105727", Ordering::Less, "9e38");
    check("17e37", Ordering::Less, "170141183460469231731687303715884105727");
}

#[test]
fn other_texts_are_no_quantities() {
    for text in [
        "", "K", "ki", "KI", "1K", "1ki", "S", "abc", " 1", "1 ", "1_000", "0x10", "1e3k", "1ke3", "1e",
        "1e+", "1.2.3", "--1", "+-1", "1Gi5", "1h", "1e1.5", "e", "é", "1é", "e-10", "Pi", "Ei", "1i", "1mm",
    ] {
        assert!(Quantity::parse(text).is_err(), "`{text}`");
    }
}

#[test]
fn hostile_texts_take_bounded_work() {
    assert_eq!(Quantity::parse("1e999999Gi").err(), Some(Error::Format));
    assert_eq!(Quantity::parse("1e99999999999").err(), Some(Error::OutOfRange));
    assert_eq!(Quantity::parse(&"9".repeat(100_000)).err(), Some(Error::OutOfRange));
    equal(&[&format!("1{}", "0".repeat(100_000)), "1e100000"]);
    equal(&[&format!("0.{}1", "0".repeat(100_000)), "1n"]);
}

/// Checks an operation by its text: `a + b = c`, where `c` is a printed quantity or an error.
#[track_caller]
fn calculate(calculation: &str) {
    let (question, want) = calculation.split_once(" = ").unwrap();
    let (a, rest) = question.split_once(' ').unwrap();
    let (operator, b) = rest.split_once(' ').unwrap();
    let (a, b) = (quantity(a), quantity(b));
    let got = match operator {
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        "/" => a.checked_div(b),
        "%" => a.checked_rem(b),
        _ => panic!("no operator `{operator}`"),
    };
    assert_eq!(got.map_or_else(|error| error.to_string(), |got| got.to_string()), want, "{question}");
}

#[test]
fn quantities_print_in_canonical_form() {
    for (text, want) in [
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1000Mi", "1000Mi"),
        ("1023", "1023"),
        ("0.5Ki", "512"),
        ("1000", "1k"),
        ("1000000000000000000000E", "1"),
        ("0.1", "100m"),
        ("-1500m", "-1500m"),
        ("20k", "20k"),
        ("1e3", "1e3"),
        ("1e4", "10e3"),
        ("1e-1", "100e-3"),
        ("0Gi", "0"),
        ("10Ei", "9223372036854775807"),
    ] {
        assert_eq!(quantity(text).to_string(), want, "`{text}`");
    }
}

#[test]
fn results_have_the_format_of_the_first_operand() {
    calculate("1Gi + 512Mi = 1536Mi");
    calculate("1Gi + 500M = 1573741824");
    calculate("1 + 1Gi = 1073741825");
    calculate("0 + 1Gi = 1Gi");
    calculate("1e-3 + 10M = 10000000001e-3");
    calculate("1.5Gi + 0.5 = 1610612736500m");
    calculate("1 - 3 = -2");
    calculate("1m - 1m = 0");
    calculate("0 - 1Ki = -1Ki");
    calculate("1Gi * 1.5 = 1536Mi");
    calculate("1 * 0.0001 = 100u");
    calculate("1Gi * 0.3333333333333333 = 357913942049161216n");
    calculate("10Gi % 3Gi = 1Gi");
    calculate("-7 % 3 = -1");
}

#[test]
fn quotients_are_cut_off_at_the_finer_scale() {
    calculate("10Gi / 3 = 3579139413");
    calculate("1 / 3 = 0");
    calculate("-1 / 100 = 0");
    calculate("10 / 0.3 = 33300m");
    calculate("1500m / 2 = 750m");
    calculate("1E / 2 = 500P");
    calculate("1e18 / 3 = 333333333333333333");
    calculate("1000000000000000000 / 3 = 333333333333333333333333333n");
    calculate("1 / 0 = division by zero");
}

#[test]
fn sums_are_exact_beyond_64_bits_and_never_wrap() {
    calculate("1 + 9223372036854775807 = 9223372036854775808");
    calculate("9223372036854775807 + 0.5 = 9223372036854775807500m");
    calculate("1e30 + 1n = quantity is out of range");
    calculate("1e2000000000 * 1e2000000000 = quantity is out of range");
    calculate("1e2000000000 + 1 = quantity is out of range");
    calculate("1e2000000000 / 3 = quantity is out of range");
    calculate("1e2000000000 % 3 = quantity is out of range");
    calculate("1 % 1500m = quantity is not a whole number");
    calculate("1 % 0 = division by zero");
    calculate("8Ei * 170141183460469231731 = quantity is out of range");
}

#[test]
fn ratios_are_doubles() {
    assert_eq!(quantity("1Gi").ratio(quantity("30m")), Ok(35_791_394_133.333_336));
    assert_eq!(quantity("1e-3").ratio(quantity("12E")), Ok(8.333_333_333_333_333e-23));
    assert_eq!(quantity("1").ratio(quantity("0")), Err(Error::DivisionByZero));
}

/// Quantities whose sums have at most 38 digits, and a suffix for each of them.
fn moderate() -> impl Strategy<Value = Quantity> {
    "-?[0-9]{1,12}([.][0-9]{1,6})?(n|u|m|k|M|G|Ki|Mi|e-3|e3)?".prop_map(|text| quantity(&text))
}

proptest! {
    #[test]
    fn what_is_read_is_what_is_parsed(text in "[+-]?[0-9]{0,2}[.]?[0-9]{0,1}[a-zA-Z]{0,2}-?[0-9]{0,1}") {
        prop_assert_eq!(Quantity::read(&text), Quantity::parse(&text).ok());
    }

    #[test]
    fn what_is_printed_reads_back(a in moderate()) {
        prop_assert_eq!(Quantity::parse(&a.to_string()), Ok(a));
        prop_assert_eq!(quantity(&a.to_string()).to_string(), a.to_string());
    }

    #[test]
    fn addition_is_commutative_and_associative(a in moderate(), b in moderate(), c in moderate()) {
        prop_assert_eq!(a.checked_add(b), b.checked_add(a));
        let left = a.checked_add(b).and_then(|sum| sum.checked_add(c));
        let right = b.checked_add(c).and_then(|sum| a.checked_add(sum));
        prop_assert!(left.is_ok());
        prop_assert_eq!(left, right);
    }

    #[test]
    fn subtraction_undoes_addition(a in moderate(), b in moderate()) {
        prop_assert_eq!(a.checked_add(b).and_then(|sum| sum.checked_sub(b)), Ok(a));
    }

    #[test]
    fn quotient_and_remainder_make_up_the_dividend(a: i64, b in any::<i64>().prop_filter("zero", |b| *b != 0)) {
        let (a, b) = (Quantity::from(a), Quantity::from(b));
        let product = a.checked_div(b).and_then(|quotient| quotient.checked_mul(b));
        prop_assert_eq!(product.and_then(|product| a.checked_rem(b)?.checked_add(product)), Ok(a));
    }

    #[test]
    fn any_calculation_ends_without_overflow(
        texts in proptest::array::uniform2("[+-]?[0-9]{1,40}([.][0-9]{0,40})?(n|E|Ki|Ei|e-?[0-9]{1,10})?"),
    ) {
        if let [Ok(a), Ok(b)] = texts.map(|text| Quantity::parse(&text)) {
            for result in [a.checked_add(b), a.checked_sub(b), a.checked_mul(b), a.checked_div(b), a.checked_rem(b)] {
                let _ = result.map(|result| result.to_string());
            }
            let _ = a.ratio(b);
        }
    }

    #[test]
    fn order_is_that_of_the_numbers(
        a in -1_000_000_000_000_i64..1_000_000_000_000, b in -1_000_000_000_000_i64..1_000_000_000_000,
        a_places in -9_i32..12, b_places in -9_i32..12,
    ) {
        let value = |digits: i64, places: i32| digits as f64 * 10_f64.powi(places);
        let (x, y) = (value(a, a_places), value(b, b_places));
        let order = quantity(&format!("{a}e{a_places}")).cmp(&quantity(&format!("{b}e{b_places}")));
        if (x - y).abs() > x.abs().max(y.abs()) * 1e-12 {
            prop_assert_eq!(Some(order), x.partial_cmp(&y));
        }
    }

    #[test]
    fn order_is_total(texts in proptest::array::uniform3("-?[0-9]{1,20}([.][0-9]{0,12})?(n|m|k|G|Ki|Ei|e-?[0-9]{1,2})?")) {
        let [a, b, c] = texts.map(|text| quantity(&text));
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-+.0-9eEinumkKMGTP]{0,50}") {
        let _ = Quantity::parse(&text);
    }
}

#[test]
fn an_amount_is_a_whole_number_rounded_up() {
    let whole = |text: &str| Quantity::parse(text).unwrap().to_i64();
    assert_eq!(whole("2Mi"), Some(2 << 20));
    assert_eq!(whole("1500m"), Some(2));
    assert_eq!(whole("-1500m"), Some(-1));
    assert_eq!(whole("1n"), Some(1));
    assert_eq!(whole("0"), Some(0));
    assert_eq!(whole("9223372036854775807"), Some(i64::MAX));
    assert_eq!(whole("9223372036854775808"), None);
    assert_eq!(whole("1e30"), None);
}
