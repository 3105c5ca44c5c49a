//! The plan for people: a table for each namespace, and what it comes to.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use portcullis_retention::{Digest, Group, Job, Looked, Mode, Protection, Verdict, format_age};

use super::{Arguments, Planned};
use crate::exit::standard_output;
use crate::jobs::columns::{self, Align, Cell, Column, Tone};
use crate::jobs::judged::print_unknown;
use crate::jobs::shell_word::shell_word;
use crate::numbers::{self, counted, thousands};
use crate::paint::Paint;
use crate::surroundings::Surroundings;

/// How many Jobs of a namespace are shown by name, unless all are asked for.
const SHOWN: usize = 10;

const COLUMNS: [Column; 4] =
    [("NAME", Align::Left), ("MADE BY", Align::Left), ("OWNS", Align::Left), ("WHY", Align::Left)];

/// Why Jobs stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stay<'b> {
    Kept,
    /// By `--keep-last`, without others of its group.
    Alone,
    NotDue,
    /// With the word that it is about.
    Protected(Protection, &'b str),
}

/// The Jobs of one namespace.
#[derive(Default)]
struct Namespace<'b> {
    /// Those that would go, in the order of the plan.
    going: Vec<u32>,
    staying: BTreeMap<Stay<'b>, u64>,
}

impl Planned<'_> {
    /// Prints the tables; `digest` is that of the file that was written.
    pub(super) fn table(
        &self,
        arguments: &Arguments,
        digest: Option<&Digest>,
        surroundings: &mut Surroundings<'_>,
    ) -> anyhow::Result<()> {
        self.print_namespaces(arguments, surroundings).map_err(standard_output)?;
        self.print_conclusion(arguments, digest, surroundings).map_err(standard_output)
    }

    fn print_namespaces(&self, arguments: &Arguments, surroundings: &mut Surroundings<'_>) -> io::Result<()> {
        let stdout = &mut surroundings.stdout;
        let paint = Paint::on(stdout);
        for (name, namespace) in self.namespaces() {
            let staying: u64 = namespace.staying.values().sum();
            let going = namespace.going.len() as u64;
            let heading = format!(
                "{}: {} of {} would go",
                crate::printable::line(name),
                thousands(going),
                counted(going + staying, "Job", "Jobs")
            );
            writeln!(stdout, "{}", paint.strong(heading))?;
            let most = if arguments.each { usize::MAX } else { SHOWN };
            // Of one too many it takes no more room to show it than to count it.
            let most = if namespace.going.len() == most.saturating_add(1) { usize::MAX } else { most };
            let rows = namespace.going.iter().take(most).filter_map(|index| self.row(*index));
            columns::print(&COLUMNS, rows, "  ", stdout)?;
            if let Some(more) = going.checked_sub(most as u64).filter(|more| *more > 0) {
                writeln!(stdout, "  {}", paint.quiet(format!("and {} more", thousands(more))))?;
            }
            for (stay, count) in &namespace.staying {
                writeln!(
                    stdout,
                    "  {}",
                    paint.quiet(format!("{}: {}", counted(*count, "stays", "stay"), self.reason(*stay)))
                )?;
            }
            writeln!(stdout)?;
        }
        Ok(())
    }

    fn namespaces(&self) -> BTreeMap<&str, Namespace<'_>> {
        let mut namespaces: BTreeMap<&str, Namespace<'_>> = BTreeMap::new();
        for (job, verdict) in self.listing.backlog.jobs().zip(&self.verdicts) {
            let stay = match verdict {
                Verdict::Expire => continue,
                Verdict::Kept if matches!(job.group(), Group::Alone(_)) => Stay::Alone,
                Verdict::Kept => Stay::Kept,
                Verdict::NotDue => Stay::NotDue,
                Verdict::Protected(protections) => match protections.first() {
                    Some(first) => {
                        Stay::Protected(first, self.listing.detail(job, first).unwrap_or_default())
                    }
                    None => continue,
                },
            };
            *namespaces.entry(job.namespace()).or_default().staying.entry(stay).or_default() += 1;
        }
        for index in &self.order {
            if let Some(job) = self.job(*index) {
                namespaces.entry(job.namespace()).or_default().going.push(*index);
            }
        }
        namespaces
    }

    fn job(&self, index: u32) -> Option<Job<'_>> {
        self.listing.backlog.job(index as usize)
    }

    fn row(&self, index: u32) -> Option<Vec<Cell>> {
        let job = self.job(index)?;
        let owned = match (self.owned.get(&index), self.plan.dependents.looked) {
            (Some(kinds), _) => Cell::new(Tone::Bad, &in_words(kinds)),
            (None, Looked::Unknown) => Cell::new(Tone::Quiet, "unknown"),
            (None, _) => Cell::new(Tone::Quiet, "-"),
        };
        let manager = match job.manager() {
            "" => Cell::new(Tone::Quiet, "-"),
            manager => Cell::from(manager),
        };
        Some(vec![Cell::from(job.name()), manager, owned, Cell::from(self.why(job))])
    }

    fn reason(&self, stay: Stay<'_>) -> String {
        match stay {
            Stay::Kept => format!("among the last {} of the group", self.keep_last),
            Stay::Alone => {
                "a group of its own, as it has no generateName: `--group-by LABEL` makes groups".to_owned()
            }
            Stay::NotDue => {
                let young = format!("finished less than {} ago", format_age(self.older_than));
                match (self.older_than > 0, self.is_of_any_outcome) {
                    (true, true) => young,
                    (true, false) => format!("{young}, or ended otherwise"),
                    (false, _) => "ended otherwise".to_owned(),
                }
            }
            Stay::Protected(protection, detail) => {
                protection.reason(Some(detail).filter(|detail| !detail.is_empty()))
            }
        }
    }

    fn print_conclusion(
        &self,
        arguments: &Arguments,
        digest: Option<&Digest>,
        surroundings: &mut Surroundings<'_>,
    ) -> io::Result<()> {
        let stdout = &mut surroundings.stdout;
        let paint = Paint::on(stdout);
        let going = self.order.len() as u64;
        let listed = counted(self.plan.listed, "Job", "Jobs");
        if going == 0 {
            let none = match self.plan.listed {
                0 => "there are no Jobs of those asked for".to_owned(),
                _ => format!("of {listed} none would go"),
            };
            return writeln!(stdout, "{} {none}", paint.strong("nothing to do:"));
        }
        let done = match self.plan.mode {
            Mode::Delete => "would be deleted".to_owned(),
            Mode::Ttl => format!(
                "would be given a TTL: Kubernetes deletes them at its own pace, {} after that at the earliest",
                format_age(self.plan.notice.unwrap_or_default().into())
            ),
        };
        writeln!(stdout, "{} of {listed} {done}", paint.strong(thousands(going)))?;
        if self.plan.mode == Mode::Ttl {
            writeln!(
                stdout,
                "without canaries, as none of them could come back before; until then `jobs undo` takes the TTLs away"
            )?;
        }
        if let Some(most) = self.plan.caps.most(self.plan.listed).filter(|most| *most < going) {
            writeln!(
                stdout,
                "the caps leave {} of them, the oldest; the rest is reported when it is carried out",
                thousands(most)
            )?;
        }
        let jobs = self.order.iter().filter_map(|index| self.job(*index));
        let (pods, bytes) = jobs.fold((0, 0), |(pods, bytes), job| {
            (pods + u64::from(job.pods()), bytes + u64::from(job.bytes()))
        });
        let pods = counted(pods, "Pod goes", "Pods go");
        writeln!(
            stdout,
            "{pods} along; {} in etcd are freed (estimated), without the Pods",
            numbers::bytes(bytes)
        )?;
        self.print_dependents(surroundings)?;
        self.print_cluster(surroundings)?;
        let stdout = &mut surroundings.stdout;
        match (&arguments.output, digest) {
            (Some(path), Some(digest)) => {
                writeln!(stdout, "the plan is in `{}`, {digest}", path.display())?;
                let uid = if self.plan.cluster.uid.is_none() { " --cluster-uid UID" } else { "" };
                let path = path.display().to_string();
                // A name that begins with a dash would be taken for a flag.
                let path = if path.starts_with('-') { format!("./{path}") } else { path };
                writeln!(
                    stdout,
                    "{} `portcullis jobs apply {}{uid}` carries it out",
                    paint.hint("next:"),
                    shell_word(&path)
                )
            }
            _ => writeln!(
                stdout,
                "{} `-o plan.json` writes the plan down, so that it can be carried out",
                paint.hint("next:")
            ),
        }
    }

    fn print_dependents(&self, surroundings: &mut Surroundings<'_>) -> io::Result<()> {
        let stdout = &mut surroundings.stdout;
        let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
        for (kind, count) in self.owned.values().flatten() {
            let all = kinds.entry(kind.clone()).or_default();
            *all = all.saturating_add(*count);
        }
        if !kinds.is_empty() {
            writeln!(stdout, "dependents that go with them: {}", in_words(&kinds))?;
        }
        print_unknown(&self.plan.dependents, stdout)
    }

    fn print_cluster(&self, surroundings: &mut Surroundings<'_>) -> io::Result<()> {
        let stdout = &mut surroundings.stdout;
        let cluster = &self.plan.cluster;
        if let (Some(server), Some(uid)) = (&cluster.server, &cluster.uid) {
            let by = self.plan.made.by.as_deref().map(|by| format!(", as {by}")).unwrap_or_default();
            writeln!(stdout, "cluster {server} ({uid}){by}")?;
        }
        Ok(())
    }
}

/// `2 ConfigMap, 1 Secret`.
fn in_words(kinds: &BTreeMap<String, u32>) -> String {
    kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
}
