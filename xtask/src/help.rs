//! `cargo xtask help`.

use anyhow::{Result, bail};

use crate::output::line;
use crate::{TASKS, find};

pub(crate) fn run(words: &[String]) -> Result<()> {
    match words {
        [] => list(),
        [name] => {
            let task = find(name)?;
            line(&format!("{}\n", task.summary));
            line(format!("Usage: cargo xtask {} {}", task.name, task.arguments).trim_end());
            line(&format!("\n{}", task.text.trim_end()));
        }
        [_, word, ..] => bail!("unexpected argument `{word}`"),
    }
    Ok(())
}

fn list() {
    line("Usage: cargo xtask TASK\n");
    let usage = |task: &crate::Task| format!("{} {}", task.name, task.arguments);
    let width = TASKS.iter().map(|task| usage(task).len()).max().unwrap_or(0);
    for task in TASKS {
        line(&format!("  {:width$}  {}", usage(task), task.summary));
    }
    line("\n`cargo xtask help TASK` tells more.");
}
