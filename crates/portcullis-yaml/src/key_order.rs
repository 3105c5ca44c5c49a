//! The order of keys in YAML that is written.

use std::cmp::Ordering;

/// Compares two keys as Go's YAML library sorts them: runs of digits by their numbers, so that `r2` comes before `r10`, and what
/// is neither digit nor letter before both, but after digits, where letters come first.
pub fn key_order(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one, other);
    let mut follows_digits = false;
    loop {
        let (a, b) = (Part::first(ones), Part::first(others));
        if a != b || a.text.is_empty() {
            return a.compare(&b, follows_digits);
        }
        follows_digits = a.sort == Sort::Digits;
        ones = ones.get(a.text.len()..).unwrap_or_default();
        others = others.get(b.text.len()..).unwrap_or_default();
    }
}

/// A run of digits, or one other character; empty at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part<'k> {
    sort: Sort,
    text: &'k str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    End,
    Other,
    Digits,
    Letter,
}

impl<'k> Part<'k> {
    fn first(key: &'k str) -> Self {
        let (sort, length) = match key.chars().next() {
            None => (Sort::End, 0),
            Some(digit) if digit.is_ascii_digit() => {
                (Sort::Digits, key.bytes().take_while(u8::is_ascii_digit).count())
            }
            Some(letter) if letter.is_alphabetic() => (Sort::Letter, letter.len_utf8()),
            Some(other) => (Sort::Other, other.len_utf8()),
        };
        Self { sort, text: key.get(..length).unwrap_or_default() }
    }

    fn compare(&self, other: &Self, follows_digits: bool) -> Ordering {
        match (self.sort, other.sort) {
            (Sort::Digits, Sort::Digits) => {
                let (one, two) = (self.number(), other.number());
                let lengths = self.text.len().cmp(&other.text.len());
                one.len().cmp(&two.len()).then(one.cmp(two)).then(lengths)
            }
            (Sort::Letter, Sort::Other) if follows_digits => Ordering::Less,
            (Sort::Other, Sort::Letter) if follows_digits => Ordering::Greater,
            (one, two) => one.cmp(&two).then(self.text.cmp(other.text)),
        }
    }

    /// The digits without the zeros before them: the longer is the larger number.
    fn number(&self) -> &'k str {
        self.text.trim_start_matches('0')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_in_keys_are_in_their_order() {
        let mut keys = vec![
            "r10", "r2", "r1", "AB", "A_b", "a", "v1beta", "v1-x", "v1", "check-11", "check-9", "1", "01", "",
        ];
        keys.sort_by(|one, other| key_order(one, other));
        let want = [
            "", "1", "01", "A_b", "AB", "a", "check-9", "check-11", "r1", "r2", "r10", "v1", "v1beta", "v1-x",
        ];
        assert_eq!(keys, want);
    }

    proptest! {
        // Sorting may panic where an order contradicts itself.
        #[test]
        fn it_is_an_order(one in "[a01._Bé]{0,5}", two in "[a01._Bé]{0,5}", three in "[a01._Bé]{0,5}") {
            let order = key_order(&one, &two);
            prop_assert_eq!(key_order(&two, &one), order.reverse());
            prop_assert_eq!(order == Ordering::Equal, one == two);
            if order != Ordering::Greater && key_order(&two, &three) != Ordering::Greater {
                prop_assert_ne!(key_order(&one, &three), Ordering::Greater);
            }
        }
    }
}
