//! Selectors as kubectl's `-l` writes them.

use super::{Error, Operator, Requirement, Selector};

impl Selector {
    /// Reads `app=report,tier!=web,team in (a,b),!done,env notin (x),owner`.
    ///
    /// # Errors
    /// It is no selector, with what was expected or what the API server would say of a part.
    pub fn parse(text: &str) -> Result<Selector, Error> {
        let parts = split(text).into_iter().filter(|part| !part.is_empty());
        Ok(Selector::new(parts.map(requirement).collect::<Result<Vec<_>, _>>()?))
    }
}

/// The parts between the commas that stand outside of brackets.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = text.split(|letter: char| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    parts.map(str::trim).collect()
}

fn requirement(part: &str) -> Result<Requirement, Error> {
    if let Some((key, values)) = part.strip_suffix(')').and_then(|part| part.split_once('(')) {
        let values: Vec<&str> = values.split(',').map(str::trim).collect();
        let (key, operator) = match key.trim_end().rsplit_once(char::is_whitespace) {
            Some((key, "in")) => (key.trim(), Operator::In),
            Some((key, "notin")) => (key.trim(), Operator::NotIn),
            _ => {
                return Err(Error::Invalid(
                    format!("`{part}`: expected `KEY in (A,B)` or `KEY notin (A,B)`").into(),
                ));
            }
        };
        return Requirement::new(key, operator, &values);
    }
    // `!=` before `=`, which it holds.
    for (sign, operator) in [("!=", Operator::NotIn), ("==", Operator::In), ("=", Operator::In)] {
        if let Some((key, value)) = part.split_once(sign) {
            return Requirement::new(key.trim(), operator, &[value.trim()]);
        }
    }
    match part.strip_prefix('!') {
        Some(key) => Requirement::new(key.trim(), Operator::DoesNotExist, &[]),
        None => Requirement::new(part, Operator::Exists, &[]),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_value::{Arena, json};

    use super::*;

    #[track_caller]
    fn check(selector: &str, labels: &str, want: bool) {
        let arena = Arena::new();
        let labels = json::read(&arena, labels).unwrap().as_object().unwrap();
        assert_eq!(Selector::parse(selector).unwrap().matches(labels), want, "{selector}");
    }

    #[test]
    fn every_form_of_kubectl_is_read() {
        let labels = r#"{"app":"report","team":"a"}"#;
        for selector in [
            "",
            "app",
            "app=report",
            "app==report",
            "app != web",
            "!done",
            "team in (a, b)",
            "team notin (c),app",
            "x!=y",
        ] {
            check(selector, labels, true);
        }
        for selector in ["app=web", "app!=report", "done", "!app", "team in (b)", "app,team notin (a,b)"] {
            check(selector, labels, false);
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for selector in ["team (a)", "team of (a)", "a b", "-x", "app=in valid", "in (a)"] {
            assert!(Selector::parse(selector).is_err(), "{selector}");
        }
    }
}
