//! `cargo xtask bench`: what the work costs, in instructions, in whole processes, in time.

mod instructions;
mod jobs;
mod process;

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::command::{command, output_of, run as run_command};
use crate::{controlplane, files, output, release};

pub(crate) const HELP: &str = "\
Without a name: `instructions` and every run of whole processes.

  instructions    the benchmarks of benches/, counted by callgrind and compared with benches/instructions.tsv;
                  three per cent more fails. Needs valgrind; says so and passes where there is none.
                  `--record` writes the counts as they are now.
  serve           `portcullis serve` under load, on a core of its own: processor time of a review, time of answers,
                  memory, loading, start; each beside its limit (the table is in benches/serve/src/main.rs). Then on a
                  control plane (`cluster`): what creates through a real API server cost, how soon a policy is in
                  force, memory with watches. The words after it choose rows. Reviews and policies come from
                  PORTCULLIS_BENCH, or from ../shared/bench beside the repository, or from benches/.
  apply           the release binary as its users run it: processor time and memory of the whole process,
                  each below its limit (the table is in xtask/src/bench/process.rs)
  jobs            `portcullis jobs list` and `jobs plan` on a list of 100,000 Jobs, 263 MB, which is made from the 500 in
                  jobs500.json of PORTCULLIS_BENCH or ../shared/bench; what a filter of jq takes for the same; then on a
                  control plane with 20,000 Jobs the same commands, and how fast `jobs apply` deletes
  NAME            a bench of a crate in wall-clock time, by the name in its Cargo.toml (`document`); for
                  comparing by hand, nothing is recorded
  list            the names of all of them

The machine, its load and the commit are printed first: a time means nothing without them.";

pub(crate) fn run(words: &[String]) -> Result<()> {
    let record = words.iter().any(|word| word == "--record");
    let names: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "--record").collect();
    match names.as_slice() {
        [] => {
            print_machine()?;
            instructions::run(record)?;
            process::run_all()
        }
        ["list"] => list(),
        ["instructions"] => {
            print_machine()?;
            instructions::run(record)
        }
        // One process of its own for each measured command: see `process`.
        ["serve", rows @ ..] => {
            print_machine()?;
            serve(rows)
        }
        ["measure", program, arguments @ ..] => process::measure_here(program, arguments),
        ["jobs"] => {
            print_machine()?;
            let of_files = process::run_named("jobs");
            serve(&["jobs"]).and(of_files)
        }
        [name] => {
            if process::is_known(name) {
                print_machine()?;
                return process::run_named(name);
            }
            let Some(bench) = crate_benches()?.into_iter().find(|bench| bench.name == *name) else {
                bail!("there is no benchmark `{name}`: `cargo xtask bench list` names them all");
            };
            print_machine()?;
            let mut cargo = command("cargo bench --quiet --package");
            run_command(cargo.arg(bench.package).arg("--bench").arg(bench.name))
        }
        [_, word, ..] => bail!("unexpected argument `{word}`"),
    }
}

/// Builds the server and its clients, and runs the clients, which start the server.
fn serve(rows: &[&str]) -> Result<()> {
    run_command(clients(&release::build()?)?.args(rows))
}

/// The clients of a server, whose rows may follow.
fn clients(server: &Path) -> Result<Command> {
    run_command(&mut command("cargo build --quiet --release --package portcullis-bench-serve"))?;
    let mut clients = Command::new(files::target().join("release/bench-serve"));
    clients.arg(server).env("PORTCULLIS_BINARY", server);
    // Without it, the rows that need it are skipped.
    if let Some(folder) = controlplane::build()? {
        clients.env("PORTCULLIS_CONTROLPLANE", folder);
    }
    Ok(clients)
}

/// Has a binary do all that is measured, on the repository's own policies and reviews: for what it counts itself.
pub(crate) fn exercise(binary: &Path) -> Result<()> {
    process::exercise(binary)?;
    let own = files::root().join("benches");
    for rows in [&["--no-limits"][..], &["--no-limits", "jobs"]] {
        run_command(clients(binary)?.args(rows).env("PORTCULLIS_BENCH", &own))?;
    }
    Ok(())
}

fn list() -> Result<()> {
    output::line("instructions");
    output::line("serve");
    for name in process::names() {
        output::line(name);
    }
    for bench in crate_benches()? {
        output::line(&format!("{}  ({})", bench.name, bench.package));
    }
    Ok(())
}

/// A wall-clock benchmark of a crate.
struct CrateBench {
    package: String,
    name: String,
}

/// The benches that the manifests of the crates declare.
fn crate_benches() -> Result<Vec<CrateBench>> {
    let crates = files::root().join("crates");
    let mut benches = Vec::new();
    for package in files::names_in(&crates)? {
        let manifest = files::read(&crates.join(&package).join("Cargo.toml"))?;
        let names = bench_names(&manifest).map(str::to_owned);
        benches.extend(names.map(|name| CrateBench { package: package.clone(), name }));
    }
    Ok(benches)
}

/// The names in the tables `[[bench]]` of a manifest.
fn bench_names(manifest: &str) -> impl Iterator<Item = &str> {
    let tables = manifest.split("[[bench]]").skip(1);
    tables.filter_map(|table| table.split("\n[").next()?.split_once("name = \"")?.1.split('"').next())
}

/// The machine, its load, the compiler and the commit.
fn print_machine() -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = files::read("/proc/loadavg".as_ref()).unwrap_or_default();
    let load = load.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    let commit = output_of(&mut command("git describe --always --dirty --exclude=*"))?;
    let rustc = output_of(Command::new("rustc").arg("--version"))?;
    output::line(&format!("machine   {}, {cores} cores", processor()));
    output::line(&format!("load      {load}"));
    output::line(&format!("compiler  {}", rustc.trim()));
    output::line(&format!("commit    {}", commit.trim()));
    Ok(())
}

fn processor() -> String {
    let info = files::read("/proc/cpuinfo".as_ref()).unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or("unknown processor", |(_, name)| name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn benches_are_found_in_a_manifest() {
        let manifest = "[package]\nname = \"a\"\n\n[[bench]]\nname = \"x\"\nharness = false\n\n[[bench]]\nharness = \
                        false\nname = \"y\"\n\n[lints]\nname = \"z\"\n";
        assert_eq!(bench_names(manifest).collect::<Vec<_>>(), ["x", "y"]);
    }
}
