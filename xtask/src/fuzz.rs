//! `cargo xtask fuzz`: runs the targets of `fuzz/` with libFuzzer.

use anyhow::{Context as _, Result, bail};

use crate::command::{command, is_there, run as run_command};
use crate::{files, output};

pub(crate) const HELP: &str = "\
Runs a target of fuzz/ for 60 seconds, or each of them in turn; `--seconds N` sets another time. What is found
lies in fuzz/artifacts; run the target with that file as its argument to see it again:

  cargo xtask fuzz yaml --seconds 600
  cargo +nightly fuzz run yaml fuzz/artifacts/yaml/crash-...

Needs a nightly toolchain (`rustup toolchain install nightly`). cargo-fuzz is built into target/tools when it is
not installed. The inputs to start from are in fuzz/seeds/TARGET.";

const CARGO_FUZZ_VERSION: &str = "0.13.2";

pub(crate) fn run(words: &[String]) -> Result<()> {
    let (chosen, seconds) = parse(words)?;
    let all = targets()?;
    let chosen: Vec<&String> = match &chosen {
        None => all.iter().collect(),
        Some(name) if all.contains(name) => vec![name],
        Some(name) => bail!("there is no target `{name}`: there are {}", all.join(", ")),
    };
    let path = path_with_cargo_fuzz()?;
    for target in chosen {
        output::heading(target, &format!("for {seconds} s"));
        let fuzz = files::root().join("fuzz");
        // New inputs go to the first folder, which is not tracked; the seeds are only read.
        let corpus = fuzz.join("corpus").join(target);
        files::make_folder(&corpus)?;
        let mut fuzz_run = command("cargo +nightly fuzz run");
        fuzz_run.arg(target).arg(corpus).arg(fuzz.join("seeds").join(target)).env("PATH", &path);
        fuzz_run.args(["--", &format!("-max_total_time={seconds}"), "-timeout=10", "-rss_limit_mb=2048"]);
        fuzz_run.args(["-verbosity=0", "-print_final_stats=1"]);
        run_command(&mut fuzz_run)?;
    }
    Ok(())
}

/// The target and the seconds of the command line.
fn parse(words: &[String]) -> Result<(Option<String>, u32)> {
    let (mut target, mut seconds) = (None, 60);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seconds" => {
                let value = words.next().context("`--seconds` needs a number")?;
                seconds = value.parse().with_context(|| format!("`{value}` is not a number of seconds"))?;
            }
            flag if flag.starts_with('-') => bail!("unknown argument `{flag}`"),
            name if target.is_none() => target = Some(name.to_owned()),
            name => bail!("unexpected argument `{name}`"),
        }
    }
    Ok((target, seconds))
}

/// The names of the files in `fuzz/targets`.
fn targets() -> Result<Vec<String>> {
    let names = files::names_in(&files::root().join("fuzz/targets"))?;
    Ok(names.iter().filter_map(|name| name.strip_suffix(".rs")).map(str::to_owned).collect())
}

/// `PATH` with a `cargo-fuzz` on it; builds it when there is none.
fn path_with_cargo_fuzz() -> Result<String> {
    let path = files::variable("PATH").unwrap_or_default();
    if is_there("cargo-fuzz") {
        return Ok(path);
    }
    let tools = files::target().join("tools");
    if !is_there(&tools.join("bin/cargo-fuzz").display().to_string()) {
        output::heading("cargo-fuzz", "is not installed: building it into target/tools");
        let mut install = command("cargo install --locked --quiet cargo-fuzz --version");
        run_command(install.arg(CARGO_FUZZ_VERSION).arg("--root").arg(&tools))?;
    }
    Ok(format!("{}:{path}", tools.join("bin").display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_and_seconds_stand_in_any_order() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parse(&words("")).unwrap(), (None, 60));
        assert_eq!(parse(&words("--seconds 5 yaml")).unwrap(), (Some("yaml".to_owned()), 5));
        assert_eq!(parse(&words("yaml --seconds 5")).unwrap(), (Some("yaml".to_owned()), 5));
        assert!(parse(&words("yaml --seconds soon")).is_err());
        assert!(parse(&words("yaml json")).is_err());
    }
}
