//! Reading and comparing quantities.

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

proptest! {
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
