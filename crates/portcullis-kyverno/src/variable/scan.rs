//! Finding `{{ }}` in text.

/// A variable as it stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found<'t> {
    /// The character before it; empty where it begins the text.
    pub(crate) before: &'t str,
    /// With the braces.
    pub(crate) matched: &'t str,
    /// The expression: without braces, dash and blanks around.
    pub(crate) expression: &'t str,
    /// `{{- }}`: what it brings in is not searched for variables.
    pub(crate) shallow: bool,
}

/// The variables of `text`, innermost ones where they are nested, escaped ones (`\{{ }}`) left out.
///
/// What the reference finds with `(^|[^\\])(\{\{(?:\{[^{}]*\}|[^{}])*\}\})`: inside a variable at most one level of
/// single braces, and no variable directly behind another (it is found in the next round).
pub(crate) fn variables(text: &str) -> impl Iterator<Item = Found<'_>> {
    let mut from = 0;
    // A match takes the character before it along, which must not belong to the match before.
    let mut free = true;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(from..)?;
            let open = find_braces(rest)?;
            let start = from + open;
            let escaped = text.get(..start).is_some_and(|before| before.ends_with('\\'));
            let touching = open == 0 && !free;
            match match_length(text.get(start..).unwrap_or_default()) {
                Some(length) if !escaped && !touching => {
                    from = start + length;
                    free = false;
                    let width = text.get(..start)?.chars().next_back().map_or(0, char::len_utf8);
                    return Some(found(text.get(start - width..start)?, text.get(start..from)?));
                }
                _ => {
                    from = start + 1;
                    free = true;
                }
            }
        }
    })
}

/// Where `text` has `{{`. Most texts hold no brace at all, which is found sooner than the lack of two.
pub(crate) fn find_braces(text: &str) -> Option<usize> {
    let first = text.find('{')?;
    let after = text.get(first..)?.find("{{")?;
    Some(first + after)
}

/// Whether `text` holds a variable.
pub(crate) fn has_variable(text: &str) -> bool {
    variables(text).next().is_some()
}

/// The length of the variable that `text` begins with.
fn match_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut index = 2;
    loop {
        match bytes.get(index)? {
            b'{' => {
                let inner = bytes.get(index + 1..)?.iter().position(|byte| matches!(byte, b'{' | b'}'))?;
                index += 1 + inner;
                if bytes.get(index) != Some(&b'}') {
                    return None;
                }
                index += 1;
            }
            b'}' => return (bytes.get(index + 1) == Some(&b'}')).then_some(index + 2),
            _ => index += 1,
        }
    }
}

fn found<'t>(before: &'t str, matched: &'t str) -> Found<'t> {
    let inner =
        matched.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or_default().trim();
    match inner.strip_prefix('-') {
        Some(rest) => Found { before, matched, expression: rest.trim(), shallow: true },
        None => Found { before, matched, expression: inner, shallow: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &[&str]) {
        assert_eq!(variables(text).map(|found| found.matched).collect::<Vec<_>>(), want, "{text}");
    }

    #[test]
    fn variables_are_found_where_the_reference_finds_them() {
        check("a {{ x }} b {{y}}", &["{{ x }}", "{{y}}"]);
        check("{{ a.{{ b }} }}", &["{{ b }}"]);
        check("{{{x}}}", &["{{{x}}}"]);
        check("{{ {a: k} }}", &["{{ {a: k} }}"]);
        check("{{ {a: {b: k}} }}", &[]);
        check(r"\{{ x }}", &[]);
        check("{{ x }", &[]);
        check("{{}}", &["{{}}"]);
        check("é{{ x }}", &["{{ x }}"]);
        check("{{\nx\n}}", &["{{\nx\n}}"]);
        // The second touches the first and is found once that is replaced.
        check("{{a}}{{b}}", &["{{a}}"]);
    }

    #[test]
    fn the_character_before_is_told() {
        let before: Vec<_> = variables("{{x}} é{{ y }}é{{z}}").map(|found| found.before).collect();
        assert_eq!(before, ["", "é", "é"]);
    }

    #[test]
    fn a_dash_makes_it_shallow() {
        let found = variables("{{ - x }}").next().unwrap();
        assert_eq!((found.expression, found.shallow), ("x", true));
    }
}
