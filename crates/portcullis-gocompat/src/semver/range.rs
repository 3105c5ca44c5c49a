//! Ranges of versions: `>=1.2.0 <2.0.0 || 3.x`.

use super::{Error, Version};
use crate::fmt::quote;

/// A set of versions: alternatives of conditions that must all hold.
///
/// Pre-releases are ordered like other versions and never left out.
#[derive(Clone, Debug)]
pub struct Range {
    alternatives: Vec<Vec<Condition>>,
}

#[derive(Clone, Debug)]
struct Condition {
    comparator: Comparator,
    version: Version,
}

#[derive(Clone, Copy, Debug)]
enum Comparator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// Why a text is no range, in the words of the reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    #[error("First element in range is '||'")]
    FirstIsOr,
    #[error("Last element in range is '||'")]
    LastIsOr,
    /// The reference crashes when it is asked for a version.
    #[error("Two '||' in range with nothing between")]
    NothingBetween,
    #[error("Could not get version from string: {}", quote(.0))]
    NoVersion(Box<str>),
    #[error("Could not parse Range {}: Could not parse comparator {} in {}", quote(.text), quote(.comparator), quote(.text))]
    Comparator { text: Box<str>, comparator: Box<str> },
    #[error("Could not parse Range {}: Could not parse version {} in {}: {error}", quote(.text), quote(.version), quote(.text))]
    Version { text: Box<str>, version: Box<str>, error: Error },
}

impl Range {
    /// Reads conditions parted by blanks (all must hold) and ` || ` (one side must).
    ///
    /// The comparators are `=`, `==`, none, `!`, `!=`, `<`, `<=`, `>`, `>=`; `x` stands for any number at the end.
    pub fn parse(text: &str) -> Result<Range, RangeError> {
        let parts = split_conditions(text);
        match (parts.first().map(|part| &**part), parts.last().map(|part| &**part)) {
            (Some("||"), _) => return Err(RangeError::FirstIsOr),
            (None | Some(_), None | Some("||")) => return Err(RangeError::LastIsOr),
            _ => {}
        }
        let mut groups = Vec::new();
        for group in parts.split(|part| part == "||") {
            let expanded: Result<Vec<_>, _> = group.iter().map(|part| expand_wildcard(part)).collect();
            groups.push(expanded?.concat());
        }
        let mut alternatives = Vec::new();
        for group in groups {
            let conditions: Vec<_> =
                group.iter().map(|text| Condition::parse(text)).collect::<Result<_, _>>()?;
            if conditions.is_empty() {
                return Err(RangeError::NothingBetween);
            }
            alternatives.push(conditions);
        }
        Ok(Range { alternatives })
    }

    /// Whether `version` is in the range.
    pub fn contains(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|conditions| conditions.iter().all(|condition| condition.holds(version)))
    }
}

impl Condition {
    fn parse(text: &str) -> Result<Condition, RangeError> {
        let (operator, number) = split_comparator(text)?;
        let comparator = Comparator::parse(operator)
            .ok_or_else(|| RangeError::Comparator { text: text.into(), comparator: operator.into() })?;
        let version = Version::parse(number).map_err(|error| RangeError::Version {
            text: text.into(),
            version: number.into(),
            error,
        })?;
        Ok(Condition { comparator, version })
    }

    fn holds(&self, version: &Version) -> bool {
        match self.comparator {
            Comparator::Equal => *version == self.version,
            Comparator::NotEqual => *version != self.version,
            Comparator::Greater => *version > self.version,
            Comparator::GreaterOrEqual => *version >= self.version,
            Comparator::Less => *version < self.version,
            Comparator::LessOrEqual => *version <= self.version,
        }
    }
}

impl Comparator {
    fn parse(text: &str) -> Option<Comparator> {
        Some(match text {
            "" | "=" | "==" => Comparator::Equal,
            "!" | "!=" => Comparator::NotEqual,
            ">" => Comparator::Greater,
            ">=" => Comparator::GreaterOrEqual,
            "<" => Comparator::Less,
            "<=" => Comparator::LessOrEqual,
            _ => return None,
        })
    }
}

/// Splits at blanks, except after `<`, `>` and `=`.
///
/// COMPAT(kyverno): a part of one character is dropped, so that `x` and `1` are empty ranges.
fn split_conditions(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut start, mut last) = (0, '\0');
    let mut add = |part: Option<&str>| {
        if let Some(part) = part.filter(|part| part.len() > 1) {
            parts.push(part.replace(' ', ""));
        }
    };
    for (index, letter) in text.char_indices() {
        if letter != ' ' {
            last = letter;
        } else if !matches!(last, '<' | '>' | '=') {
            add(text.get(start..index));
            start = index + 1;
        }
    }
    add(text.get(start..));
    parts
}

/// The comparator and the version, which begins with the first digit.
fn split_comparator(text: &str) -> Result<(&str, &str), RangeError> {
    text.find(char::is_numeric)
        .and_then(|index| text.split_at_checked(index))
        .map(|(operator, version)| (operator.trim(), version))
        .ok_or_else(|| RangeError::NoVersion(text.into()))
}

/// A condition with `x` as the plain conditions it stands for.
///
/// COMPAT(kyverno): `!=1.2.x` asks for both `<1.2.0` and `>=1.3.0`, which no version meets; `1.x.x` goes up to 1.1.0.
fn expand_wildcard(text: &str) -> Result<Vec<String>, RangeError> {
    if !text.contains('x') {
        return Ok(vec![text.to_owned()]);
    }
    let (operator, version) = split_comparator(text)?;
    let parts: Vec<_> = version.split('.').collect();
    let wildcard = parts.last().filter(|part| **part == "x").map(|_| parts.len());
    let lowest = lowest_of_wildcard(version);
    // The version above all that the wildcard stands for: the number before the `x` plus one.
    let above =
        wildcard.filter(|count| matches!(count, 2 | 3)).and_then(|count| increment(&lowest, count - 2));
    let above = above.unwrap_or_default();
    Ok(match operator {
        ">" => vec![format!(">={above}")],
        ">=" => vec![format!(">={lowest}")],
        "<" => vec![format!("<{lowest}")],
        "<=" => vec![format!("<{above}")],
        "" | "=" | "==" => vec![format!(">={lowest}"), format!("<{above}")],
        "!" | "!=" => vec![format!("<{lowest}"), format!(">={above}")],
        // COMPAT(kyverno): an unknown comparator is forgotten.
        _ => vec![lowest],
    })
}

fn lowest_of_wildcard(version: &str) -> String {
    let lowest = version.replacen(".x.x", ".x", 1).replacen(".x", ".0", 1);
    if lowest.matches('.').count() == 1 { lowest + ".0" } else { lowest }
}

fn increment(version: &str, place: usize) -> Option<String> {
    let mut parts: Vec<_> = version.split('.').map(str::to_owned).collect();
    let part = parts.get_mut(place)?;
    *part = crate::strconv::parse_int(part)?.checked_add(1)?.to_string();
    Some(parts.join("."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(range: &str, version: &str, want: bool) {
        let range = Range::parse(range).unwrap();
        assert_eq!(range.contains(&Version::parse(version).unwrap()), want, "{range:?} and `{version}`");
    }

    #[track_caller]
    fn refused(range: &str, want: &str) {
        assert_eq!(Range::parse(range).unwrap_err().to_string(), want);
    }

    #[test]
    fn a_range_is_alternatives_of_conditions() {
        check(">=1.2.0 <2.0.0", "1.9.9", true);
        check(">=1.2.0 <2.0.0", "2.0.0", false);
        check(">= 1.2.0  < 2.0.0", "1.2.0", true);
        check("<1.0.0 || >=2.0.0", "1.5.0", false);
        check("<1.0.0 || >=2.0.0", "2.5.0", true);
        check("1.2.3 ||  1.2.4", "1.2.4", true);
        check("==1.2.3 =1.2.3", "1.2.3", true);
        // The lone `!` is a part of one character.
        check("! 1.2.3", "1.2.3", true);
        check("!=1.2.3", "1.2.4", true);
        check(">0.9.0", "1.0.0-beta", true);
        check(">=1.0.0", "1.0.0-rc.1", false);
        check(">=1.0.0 x", "1.0.0", true);
    }

    #[test]
    fn wildcards_stand_for_numbers_at_the_end() {
        check("1.x", "1.9.9", true);
        check("1.x", "2.0.0", false);
        check("1.2.x", "1.2.9", true);
        check("1.2.x", "1.3.0", false);
        check(">1.2.x", "1.2.9", false);
        check("<=1.2.x", "1.2.9", true);
        check("<1.x", "0.9.0", true);
        check("1.x.x", "1.0.9", true);
        check("1.x.x", "1.1.0", false);
        check("!3.x", "2.0.0", false);
        check("~1.x", "1.0.0", true);
        check("~1.x", "1.1.0", false);
    }

    #[test]
    fn refusals_are_worded_as_in_the_reference() {
        for empty in ["", "*", "x", "1", "1.2.3 ||", "1.0.0 || "] {
            refused(empty, "Last element in range is '||'");
        }
        refused("|| 1.2.3", "First element in range is '||'");
        refused("1.2.3 || || 1.2.4", "Two '||' in range with nothing between");
        refused("abc", "Could not get version from string: \"abc\"");
        refused("~1.2.0", "Could not parse Range \"~1.2.0\": Could not parse comparator \"~\" in \"~1.2.0\"");
        refused(
            "=1.0",
            "Could not parse Range \"=1.0\": Could not parse version \"1.0\" in \"=1.0\": No Major.Minor.Patch elements found",
        );
        refused(
            "<2.0.0,>1.0.0",
            "Could not parse Range \"<2.0.0,>1.0.0\": Could not parse version \"2.0.0,>1.0.0\" in \"<2.0.0,>1.0.0\": Invalid character(s) found in patch number \"0,>1.0.0\"",
        );
        refused("~1.2.0 >x", "Could not get version from string: \">x\"");
        refused("1.0.0-x", "Could not get version from string: \"<\"");
        refused("> 1.x.5", "Could not get version from string: \">=\"");
    }

    proptest! {
        #[test]
        fn a_wildcard_holds_what_shares_the_numbers_before_it(major in 0_u64..5, minor in 0_u64..5, patch in 0_u64..5,
            wanted in 0_u64..5) {
            let version = Version::parse(&format!("{major}.{minor}.{patch}")).unwrap();
            let range = Range::parse(&format!("{wanted}.x")).unwrap();
            prop_assert_eq!(range.contains(&version), major == wanted);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+.0-9x<>=!|é ]{0,20}") {
            let _ = Range::parse(&text);
        }
    }
}
