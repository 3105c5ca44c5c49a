//! The corpus `yaml`: tricky documents, and what Kubernetes' reader makes of them.

use std::path::Path;

use anyhow::{Context as _, Result};
use portcullis_value::{Arena, json};

use crate::corpus::{Case, Corpus, Finding, read_bytes, read_text};

pub(crate) const CORPUS: Corpus = Corpus { name: "yaml", cases };

fn cases(root: &Path) -> Result<Vec<Case>> {
    let root = root.join("yaml");
    let mut cases = Vec::new();
    for line in read_text(&root.join("expected.tsv"))?.lines() {
        let mut columns = line.split('\t');
        let file = columns.next().unwrap_or_default().to_owned();
        let want = columns.next().context("a line of expected.tsv has no second column")?.to_owned();
        let text = read_bytes(&root.join("cases").join(&file))?;
        cases.push(Case::new(file, "documents", move || check(&text, &want)));
    }
    Ok(cases)
}

/// `want` is a JSON string that holds the JSON of the document, or `ERR` and a text that is not compared.
fn check(text: &[u8], want: &str) -> Finding {
    let arena = Arena::new();
    let want = json::read(&arena, want).map_err(|error| error.to_string())?;
    let want = want.as_str().ok_or("the expected answer is no string")?;
    let mut documents = portcullis_yaml::DocumentReader::new(text);
    let got = match documents.next_document() {
        None => Ok("null".to_owned()),
        Some(Err(error)) => Err(error.to_string()),
        Some(Ok(source)) => {
            let read = source.read(&arena);
            read.map(|document| document.value.to_string()).map_err(|error| error.to_string())
        }
    };
    match (want.starts_with("ERR "), got) {
        (true, Err(_)) => Ok(()),
        (true, Ok(got)) => Err(format!("want an error, got {got}\n({want})")),
        (false, Err(error)) => Err(format!("got an error: {error}\nwant {want}")),
        (false, Ok(got)) => {
            let want = json::read(&arena, want).map_err(|error| error.to_string())?;
            let got = json::read(&arena, arena.str(&got)).map_err(|error| error.to_string())?;
            if got == want { Ok(()) } else { Err(format!("want {want}\ngot  {got}")) }
        }
    }
}
