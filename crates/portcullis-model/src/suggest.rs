//! "Did you mean": the known word nearest to a mistyped one.

/// The candidate closest to `word`, if any is close enough to be meant.
///
/// Close is an edit distance of at most a third of the word, upper and lower case being the same; a known word that
/// starts with the given one or the other way round counts too.
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Nobody mistypes a word of more than a line; the distance takes time in the square of the length.
    if word.len() > 80 {
        return None;
    }
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let known = candidate.to_lowercase();
            let prefix = lower.len() >= 4 && (known.starts_with(&lower) || lower.starts_with(&known));
            let distance = if prefix { 1 } else { distance(&lower, &known) };
            (distance <= (lower.chars().count() / 3).max(1)).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(b.chars()) {
            let substituted = diagonal + usize::from(from != to);
            diagonal = *cell;
            left = substituted.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_finds_the_known_one() {
        let check =
            |word, want| assert_eq!(closest(word, ["preconditions", "match", "mutate", "names"]), want);
        check("precondition", Some("preconditions"));
        check("matches", Some("match"));
        check("Mutate", Some("mutate"));
        check("mutatte", Some("mutate"));
        check("nmaes", None);
        check("zebra", None);
        check("", None);
    }

    #[test]
    fn the_distance_counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
