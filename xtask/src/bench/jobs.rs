//! Jobs by the hundred thousand: the file that `portcullis jobs` is measured on.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::{files, output};

/// How often the Jobs of the small file are repeated.
const COPIES: usize = 200;

/// Where the small file lies: in `PORTCULLIS_BENCH`, or in ../shared/bench beside the repository.
fn source() -> PathBuf {
    let folder = files::variable("PORTCULLIS_BENCH").map(PathBuf::from);
    folder.unwrap_or_else(|| files::root().join("../shared/bench")).join("jobs500.json")
}

/// Writes one list of the Jobs in the small file, many times over, to `path`: each with a name, a uid and a resource
/// version of its own, and without `continue`. `false` where there is no small file.
pub(super) fn make(path: &Path) -> Result<bool> {
    let source = source();
    if !source.is_file() {
        output::line(&format!("  no Jobs to measure on: `{}` is not there", source.display()));
        return Ok(false);
    }
    let text = files::read(&source)?;
    let items = items(&text).with_context(|| format!("`{}` is no list of Jobs", source.display()))?;
    let mut file = files::writer(path)?;
    let mut write = |text: &str| {
        file.write_all(text.as_bytes()).with_context(|| format!("cannot write `{}`", path.display()))
    };
    write(r#"{"kind":"JobList","apiVersion":"batch/v1","metadata":{"resourceVersion":"1000000"},"items":["#)?;
    for copy in 0..COPIES {
        for (index, item) in items.iter().enumerate() {
            if copy + index > 0 {
                write(",")?;
            }
            write(&item.numbered(copy, index + copy * items.len()))?;
        }
    }
    write("]}")?;
    file.flush().with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(true)
}

/// The text of a Job, and the words in it that no other Job may have.
#[derive(Debug, PartialEq, Eq)]
struct Item<'t> {
    text: &'t str,
    name: &'t str,
    uid: &'t str,
    version: &'t str,
}

impl Item<'_> {
    /// The Job as number `number` of all, in the copy number `copy`.
    fn numbered(&self, copy: usize, number: usize) -> String {
        // A uid begins with eight digits that all Jobs of the small file share.
        let uid = format!("{copy:08x}{}", self.uid.get(8..).unwrap_or_default());
        self.text
            .replace(self.name, &format!("{}-{copy}", self.name))
            .replace(self.uid, &uid)
            .replace(&quoted(self.version), &quoted(&(1_000_000 + number).to_string()))
    }
}

fn quoted(version: &str) -> String {
    format!("\"resourceVersion\":\"{version}\"")
}

/// The Jobs of a list that was written without blanks.
fn items(list: &str) -> Option<Vec<Item<'_>>> {
    const START: &str = r#"{"kind":"Job","#;
    let items = list.split_once(r#""items":["#)?.1.strip_suffix("]}")?;
    let starts: Vec<usize> = items.match_indices(START).map(|(place, _)| place).collect();
    let ends = starts.iter().skip(1).copied().chain([items.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| {
            let text = items.get(*start..end)?.trim_end_matches(',');
            let word = |key: &str| text.split_once(key)?.1.split('"').next();
            Some(Item {
                text,
                name: word(r#""name":""#)?,
                uid: word(r#""uid":""#)?,
                version: word(r#""resourceVersion":""#)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_copy_of_a_job_has_words_of_its_own() {
        let list = r#"{"kind":"JobList","items":[{"kind":"Job","metadata":{"name":"a-1","uid":"00000000-1","resourceVersion":"7"}},{"kind":"Job","metadata":{"name":"a-2","uid":"00000000-2","resourceVersion":"8","labels":{"job":"a-2"}}}]}"#;
        let items = items(list).unwrap();
        assert_eq!(items.len(), 2);
        assert_eq!(
            items[1].numbered(3, 7),
            r#"{"kind":"Job","metadata":{"name":"a-2-3","uid":"00000003-2","resourceVersion":"1000007","labels":{"job":"a-2-3"}}}"#
        );
    }
}
