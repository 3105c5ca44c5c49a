//! Compiled patterns that are kept for long, of which a process has no more than so many.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Regex;

/// The most memory that a compiled pattern takes where many are kept, in bytes. That of a whole image reference takes 25,000.
const MOST_OF_SMALL: usize = 32 << 10;
/// The most that a process keeps at a time. With what each needs to match they take some tens of MiB at the very worst, and
/// as they are written some 2 MiB.
const MOST_KEPT: usize = 256;

static KEPT: AtomicUsize = AtomicUsize::new(0);

/// A compiled pattern for who matches it again and again: a rule of a policy. Of these there may be tens of thousands, so
/// that only small ones are kept, and not all.
#[derive(Debug)]
pub struct KeptRegex {
    regex: Regex,
    _place: Place,
}

impl KeptRegex {
    /// Compiles `pattern`. `None` where it is none, takes more than 32 KiB or no place is left: it is compiled with
    /// [`Regex::new`] where it is used.
    pub fn new(pattern: &str) -> Option<Self> {
        let place = Place::take()?;
        let regex = Regex::within(pattern, MOST_OF_SMALL).ok()?;
        Some(Self { regex, _place: place })
    }
}

impl Deref for KeptRegex {
    type Target = Regex;

    fn deref(&self) -> &Regex {
        &self.regex
    }
}

/// One of the places for those that are kept.
#[derive(Debug)]
struct Place;

impl Place {
    fn take() -> Option<Place> {
        if KEPT.fetch_add(1, Ordering::Relaxed) < MOST_KEPT {
            return Some(Place);
        }
        KEPT.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        KEPT.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_ones_are_kept_and_no_more_than_so_many() {
        let image = r"^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?::[A-Za-z0-9_.-]{1,128})?(?:@sha256:[a-f0-9]{64})?$";
        assert!(KeptRegex::new(image).is_some());
        assert!(KeptRegex::new(r"\pL{1,14}").is_none());
        assert!(Regex::new(r"\pL{1,14}").is_ok());
        let many: Vec<_> = (0..2 * MOST_KEPT).map_while(|_| KeptRegex::new("a")).collect();
        assert!(many.len() <= MOST_KEPT);
        drop(many);
        assert!(KeptRegex::new("a").is_some());
    }
}
