//! The policies and reviews of the table.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result};
use serde_json::Value;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Where they lie.
pub(crate) struct Documents {
    pod: PathBuf,
    job: PathBuf,
    /// A file or a folder.
    policies: PathBuf,
}

impl Documents {
    /// Those in `PORTCULLIS_BENCH` or `../shared/bench` beside the repository, where there are any; else our own.
    pub(crate) fn find() -> Result<Self> {
        let given = match env::var_os("PORTCULLIS_BENCH") {
            Some(folder) => PathBuf::from(folder),
            None => Path::new(REPOSITORY).join("../shared/bench"),
        };
        let own = Path::new(REPOSITORY).join("benches");
        let documents = match given.join("policies17").is_dir() {
            true => Self {
                pod: given.join("pod4k.json"),
                job: given.join("job.json"),
                policies: given.join("policies17"),
            },
            false => Self {
                pod: own.join("serve/data/pod.json"),
                job: own.join("serve/data/job.json"),
                policies: own.join("instructions/pod-security.yaml"),
            },
        };
        Ok(Self { policies: documents.policies.canonicalize()?, ..documents })
    }

    /// Where they are from, for who reads the table.
    pub(crate) fn said(&self) -> Result<String> {
        Ok(format!("{} pod-security policies of {}", self.texts()?.len(), self.policies.display()))
    }

    pub(crate) fn pod(&self) -> Result<String> {
        read(&self.pod)
    }

    /// The Pod of the review, as somebody asks for it in a namespace that has nothing but the default service account.
    pub(crate) fn pod_to_create(&self) -> Result<String> {
        let mut review: Value = serde_json::from_str(&self.pod()?)?;
        let pod = review.pointer_mut("/request/object").context("the review holds no Pod")?;
        // What the API server, or who made the Pod, has filled in; its name is made of `generateName`.
        for (parent, keys) in [
            ("/metadata", &["name", "namespace", "uid", "creationTimestamp"][..]),
            ("/spec", &["serviceAccountName", "serviceAccount"]),
        ] {
            let parent = pod.pointer_mut(parent).and_then(Value::as_object_mut).context("it is no Pod")?;
            keys.iter().for_each(|key| drop(parent.remove(*key)));
        }
        Ok(pod.to_string())
    }

    pub(crate) fn job(&self) -> Result<String> {
        read(&self.job)
    }

    /// The policies as they are.
    pub(crate) fn pod_security(&self) -> Result<PathBuf> {
        let texts = self.texts()?;
        write_policies("pod-security", &texts)
    }

    /// So many copies of the policies, each under a name of its own; of none, one that concerns no Pod.
    pub(crate) fn matching(&self, count: usize) -> Result<PathBuf> {
        let texts = self.texts()?;
        let copies: Vec<_> = match count {
            0 => texts.iter().take(1).map(|text| elsewhere(text)).collect(),
            _ => texts
                .iter()
                .cycle()
                .take(count)
                .enumerate()
                .map(|(index, text)| renamed(text, index))
                .collect(),
        };
        write_policies(&format!("matching-{count}"), &copies)
    }

    /// The policies as they are, and so many copies for another kind.
    pub(crate) fn among_others(&self, count: usize) -> Result<PathBuf> {
        let texts = self.texts()?;
        let others = texts.iter().cycle().take(count).enumerate();
        let others = others.map(|(index, text)| elsewhere(&renamed(text, index)));
        let all: Vec<_> = texts.iter().cloned().chain(others).collect();
        write_policies(&format!("among-{count}"), &all)
    }

    fn texts(&self) -> Result<Vec<String>> {
        let mut files = vec![self.policies.clone()];
        if self.policies.is_dir() {
            let entries = fs::read_dir(&self.policies)?.map(|entry| Ok(entry?.path()));
            files = entries.collect::<Result<_>>()?;
            files.sort();
        }
        let mut texts = Vec::new();
        for file in files {
            texts.extend(read(&file)?.split("\n---\n").map(str::to_owned));
        }
        Ok(texts)
    }
}

/// The policy that everything began with.
pub(crate) fn founding_policy() -> PathBuf {
    Path::new(REPOSITORY).join("examples/dangling-jobs/add-ttl-to-dangling-job.yaml")
}

/// A folder for what a run writes.
pub(crate) fn scratch() -> Result<PathBuf> {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(REPOSITORY).join("target"), PathBuf::from);
    let folder = target.join("bench/serve");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    Ok(folder)
}

/// A policy under another name: the first field `name`, which is that of its metadata.
fn renamed(text: &str, index: usize) -> String {
    text.replacen("name: ", &format!("name: copy-{index}-of-"), 1)
}

/// A policy for another kind than Pods.
fn elsewhere(text: &str) -> String {
    text.replace("- Pod\n", "- ConfigMap\n").replace("kinds: [Pod]", "kinds: [ConfigMap]")
}

/// Writes policies as one file and gives its path.
fn write_policies(name: &str, texts: &[String]) -> Result<PathBuf> {
    let file = scratch()?.join(format!("{name}.yaml"));
    let mut stream = String::new();
    for text in texts {
        let _ = write!(stream, "---\n{}\n", text.trim_end());
    }
    fs::write(&file, stream).with_context(|| format!("cannot write `{}`", file.display()))?;
    Ok(file)
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "metadata:\n  name: a\nspec:\n  rules:\n  - name: b\n    match:\n      any:\n      - resources:\n          kinds:\n          - Pod\n";

    #[test]
    fn a_copy_has_a_name_and_a_kind_of_its_own() {
        let copy = elsewhere(&renamed(POLICY, 7));
        assert_eq!(copy, POLICY.replace("name: a", "name: copy-7-of-a").replace("- Pod", "- ConfigMap"));
    }
}
