//! Rows as JUnit's XML: a suite for each policy of a test, a case for each row.

use std::fmt::Write as _;

use super::super::Ran;
use super::super::rows::{Row, RowResult};

/// The report of all tests; with the messages of rules where it is `detailed`.
pub(super) fn report(tests: &[(&Ran, Vec<&Row>)], detailed: bool) -> String {
    let mut suites: Vec<(&str, Vec<&Row>)> = Vec::new();
    for (_, rows) in tests {
        let first = suites.len();
        for row in rows {
            match suites.iter_mut().skip(first).find(|(policy, _)| *policy == row.policy) {
                Some((_, rows)) => rows.push(row),
                None => suites.push((&row.policy, vec![row])),
            }
        }
    }
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let all = suites.iter().flat_map(|(_, rows)| rows).copied();
    let (tests, failures) = counts(all);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "<testsuites tests=\"{tests}\" failures=\"{failures}\">");
    for (policy, rows) in &suites {
        let (tests, failures) = counts(rows.iter().copied());
        let name = escaped(policy);
        let _ = writeln!(text, " <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\">");
        rows.iter().for_each(|row| case(&mut text, row, detailed));
        text.push_str(" </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn counts<'r>(rows: impl Iterator<Item = &'r Row> + Clone) -> (usize, usize) {
    (rows.clone().count(), rows.filter(|row| row.result == RowResult::Fail).count())
}

fn case(text: &mut String, row: &Row, detailed: bool) {
    let (rule, resource) = (escaped(&row.rule), escaped(&row.resource));
    let _ = writeln!(text, "  <testcase classname=\"{rule}\" name=\"{resource}\">");
    let said =
        format!("    Policy: {}\n    Rule: {}\n    Resource: {}\n", row.policy, row.rule, row.resource);
    let message = if detailed { format!("    Message: {}\n", row.message) } else { String::new() };
    if row.result == RowResult::Fail {
        let said = escaped(&format!("{said}    Result: Fail\n{message}"));
        let _ = writeln!(text, "   <failure message=\"{}\">\n{said}   </failure>", escaped(&row.reason));
    } else {
        let said = format!("    Reason: {}\n{said}{message}", row.reason);
        // What would end the section begins a new one.
        let said = legal(&said).replace("]]>", "]]]]><![CDATA[>");
        let _ = writeln!(text, "   <system-out><![CDATA[\n{said}   ]]></system-out>");
    }
    text.push_str("  </testcase>\n");
}

/// `text` with the characters escaped that XML has a use for.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in legal(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            character => escaped.push(character),
        }
    }
    escaped
}

/// `text` without what XML 1.0 cannot hold, even escaped (section 2.2 of its specification).
fn legal(text: &str) -> String {
    let is_legal = |character: char| !matches!(character, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    text.chars().map(|character| if is_legal(character) { character } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_messages_cannot_break_out_of_the_document() {
        let row = |result, message: &str| Row {
            policy: "a\"><b".to_owned(),
            rule: "r".to_owned(),
            resource: "v1/Pod/default/p".to_owned(),
            result,
            reason: "Ok".to_owned(),
            message: message.to_owned(),
        };
        let rows = [row(RowResult::Pass, "]]><evil/>"), row(RowResult::Fail, "\0</failure>")];
        let ran = Ran::default();
        let report = report(&[(&ran, rows.iter().collect())], true);
        assert!(
            report.contains("<testsuite name=\"a&quot;&gt;&lt;b\" tests=\"2\" failures=\"1\">"),
            "{report}"
        );
        assert!(report.contains("Message: ]]]]><![CDATA[><evil/>"), "{report}");
        assert!(report.contains("Message: \u{fffd}&lt;/failure&gt;"), "{report}");
    }
}
