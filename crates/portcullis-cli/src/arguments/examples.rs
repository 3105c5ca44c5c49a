//! The examples of the help: commands that somebody copies, so that none is broken in two, however narrow the terminal.

/// Examples stand so far from the margin.
const INDENT: &str = "      ";

/// Stands for a blank at which no line may be broken.
const HARD_BLANK: char = '\u{a0}';

/// `command` and those below it, with examples that the parser does not wrap.
pub(super) fn keep_whole(command: clap::Command) -> clap::Command {
    let help = command.get_after_help().map(ToString::to_string);
    let command = match help {
        Some(help) => command.after_help(hardened(&help)),
        None => command,
    };
    command.mut_subcommands(keep_whole)
}

fn hardened(help: &str) -> String {
    let line = |line: &str| match line.starts_with(INDENT) {
        true => line.replace(' ', HARD_BLANK.encode_utf8(&mut [0; 4])),
        false => line.to_owned(),
    };
    help.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A help as it is printed.
pub(super) fn printed(rendered: &str) -> String {
    rendered.replace(HARD_BLANK, " ")
}

#[cfg(test)]
mod tests {
    use crate::arguments::command;

    #[test]
    fn an_example_is_one_line_at_every_width() {
        let example = "\n      portcullis jobs apply plan.json --cluster-uid $(kubectl get namespace kube-system -o jsonpath={.metadata.uid})\n";
        for width in [40, 80, 100, 200] {
            for help in ["-h", "--help"] {
                let command = super::keep_whole(command()).term_width(width);
                let shown = command.try_get_matches_from(["portcullis", "jobs", "apply", help]).unwrap_err();
                let shown = super::printed(&shown.render().to_string());
                assert!(shown.contains(example) && !shown.contains(super::HARD_BLANK), "{shown}");
            }
        }
    }
}
