//! Semantic versions as `github.com/blang/semver/v4` reads and orders them.

mod range;

use std::cmp::Ordering;
use std::fmt;

pub use range::{Range, RangeError};

use crate::fmt::quote;

/// A version of semver.org 2.0.0: `1.2.3-rc.1+build`. Equality and order leave the build metadata out.
#[derive(Clone, Debug, Default)]
pub struct Version {
    numbers: [u64; 3],
    prerelease: Box<[Identifier]>,
    build: Box<str>,
}

/// One part of a pre-release. Numbers come before names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Name(Box<str>),
}

/// Why a text is no version, in the words of the reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("Version string empty")]
    Empty,
    #[error("No Major.Minor.Patch elements found")]
    Elements,
    #[error("Invalid character(s) found in {part} number {}", quote(.text))]
    NumberCharacter { part: &'static str, text: Box<str> },
    #[error("{part} must not contain leading zeroes {}", quote(.text))]
    LeadingZeroes { part: &'static str, text: Box<str> },
    #[error("strconv.ParseUint: parsing {}: invalid syntax", quote(.0))]
    NoNumber(Box<str>),
    #[error("strconv.ParseUint: parsing {}: value out of range", quote(.0))]
    TooLarge(Box<str>),
    #[error("Prerelease is empty")]
    PrereleaseEmpty,
    #[error("Invalid character(s) found in prerelease {}", quote(.0))]
    PrereleaseCharacter(Box<str>),
    #[error("Build meta data is empty")]
    BuildEmpty,
    #[error("Invalid character(s) found in build meta data {}", quote(.0))]
    BuildCharacter(Box<str>),
}

impl Version {
    /// Reads a version: three numbers without leading zeros, no `v` before them.
    pub fn parse(text: &str) -> Result<Version, Error> {
        if text.is_empty() {
            return Err(Error::Empty);
        }
        let mut parts = text.splitn(3, '.');
        let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Error::Elements);
        };
        let major = parse_number(major, "major", "Major number")?;
        let minor = parse_number(minor, "minor", "Minor number")?;
        let (rest, build) = rest.split_once('+').map_or((rest, None), |(rest, build)| (rest, Some(build)));
        let (patch, prerelease) =
            rest.split_once('-').map_or((rest, None), |(patch, prerelease)| (patch, Some(prerelease)));
        let patch = parse_number(patch, "patch", "Patch number")?;
        let prerelease = match prerelease {
            Some(prerelease) => prerelease.split('.').map(Identifier::parse).collect::<Result<_, _>>()?,
            None => Box::default(),
        };
        for part in build.into_iter().flat_map(|build| build.split('.')) {
            if part.is_empty() {
                return Err(Error::BuildEmpty);
            }
            if !part.bytes().all(is_identifier) {
                return Err(Error::BuildCharacter(part.into()));
            }
        }
        Ok(Version { numbers: [major, minor, patch], prerelease, build: build.unwrap_or_default().into() })
    }
}

fn is_identifier(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn parse_number(text: &str, part: &'static str, name: &'static str) -> Result<u64, Error> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::NumberCharacter { part, text: text.into() });
    }
    parse_digits(text, name)
}

/// The number that `text` is, which holds digits alone.
fn parse_digits(text: &str, part: &'static str) -> Result<u64, Error> {
    if text.len() > 1 && text.starts_with('0') {
        return Err(Error::LeadingZeroes { part, text: text.into() });
    }
    if text.is_empty() {
        return Err(Error::NoNumber(text.into()));
    }
    text.parse().map_err(|_| Error::TooLarge(text.into()))
}

impl Identifier {
    fn parse(text: &str) -> Result<Identifier, Error> {
        if text.is_empty() {
            Err(Error::PrereleaseEmpty)
        } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
            parse_digits(text, "Numeric PreRelease version").map(Identifier::Number)
        } else if text.bytes().all(is_identifier) {
            Ok(Identifier::Name(text.into()))
        } else {
            Err(Error::PrereleaseCharacter(text.into()))
        }
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| {
            match (self.prerelease.is_empty(), other.prerelease.is_empty()) {
                (true, true) => Ordering::Equal,
                // A release comes after its pre-releases.
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => self.prerelease.cmp(&other.prerelease),
            }
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        for (index, identifier) in self.prerelease.iter().enumerate() {
            f.write_str(if index == 0 { "-" } else { "." })?;
            match identifier {
                Identifier::Number(number) => write!(f, "{number}")?,
                Identifier::Name(name) => f.write_str(name)?,
            }
        }
        if !self.build.is_empty() {
            write!(f, "+{}", self.build)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let got = Version::parse(text).map_or_else(|error| error.to_string(), |version| version.to_string());
        assert_eq!(got, want, "`{text}`");
    }

    #[test]
    fn versions_are_read_strictly() {
        check("1.2.3-rc.1+build-5.01", "1.2.3-rc.1+build-5.01");
        check("18446744073709551615.0.0", "18446744073709551615.0.0");
        check("", "Version string empty");
        check("1.0", "No Major.Minor.Patch elements found");
        check("v1.2.3", "Invalid character(s) found in major number \"v1\"");
        check("1.2.3.4", "Invalid character(s) found in patch number \"3.4\"");
        check("1.02.3", "Minor number must not contain leading zeroes \"02\"");
        check("1..3", "strconv.ParseUint: parsing \"\": invalid syntax");
        check(
            "1.2.18446744073709551616",
            "strconv.ParseUint: parsing \"18446744073709551616\": value out of range",
        );
        check("1.2.3-", "Prerelease is empty");
        check("1.2.3-01", "Numeric PreRelease version must not contain leading zeroes \"01\"");
        check("1.2.3-a_b", "Invalid character(s) found in prerelease \"a_b\"");
        check("1.2.3+", "Build meta data is empty");
        check("1.2.3+é", "Invalid character(s) found in build meta data \"é\"");
    }

    #[test]
    fn versions_are_ordered_as_semver_says() {
        let ascending = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.10.0",
            "2.0.0-0",
            "2.0.0",
        ];
        let versions: Vec<_> = ascending.iter().map(|text| Version::parse(text).unwrap()).collect();
        assert!(versions.is_sorted_by(|a, b| a < b));
        assert_eq!(Version::parse("1.0.0+a"), Version::parse("1.0.0+b"));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(text in "[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}(-[0-9a-z.-]{1,8})?([+][0-9a-z.-]{1,8})?") {
            if let Ok(version) = Version::parse(&text) {
                prop_assert_eq!(version.to_string(), text);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+.0-9a-zé ]{0,20}") {
            let _ = Version::parse(&text);
        }
    }
}
