//! What a sweep does, told step by step.

use std::collections::BTreeMap;

use crate::plan::{Cluster, Made};
use crate::sweep::{
    Answer, Canaries, Entry, Fate, Header, Journal, Now, Request, Seen, Settings, Step, Stop, Sweep, Verb,
};
use crate::{Item, Mode, Outcome, Plan, Protection, Protections};

const START: Now = Now { millis: 0, date: 1_000_000 };

fn plan(mode: Mode, jobs: usize) -> Plan {
    let mut plan = Plan::new(mode, Cluster::default(), Made::default());
    plan.notice = Some(600);
    plan.items = (0..jobs)
        .map(|number| Item {
            dependents: BTreeMap::new(),
            finished: 996_400,
            manager: "helm".to_owned(),
            name: format!("job-{number}"),
            namespace: "team".to_owned(),
            outcome: Outcome::Succeeded,
            resource_version: "1".to_owned(),
            uid: format!("uid-{number}"),
            why: String::new(),
        })
        .collect();
    plan
}

fn settings(canaries: usize) -> Settings {
    Settings { per_second: 1_000, canaries: Canaries { number: canaries, wait: 60_000 }, max_errors: 1 }
}

fn journal(plan: &Plan) -> Journal {
    Journal::new(Header { at: 0, cluster: "c".to_owned(), mode: plan.mode, plan: plan.computed_digest() })
}

fn seen(item: &Item) -> Option<Seen> {
    Some(Seen { uid: item.uid.clone(), resource_version: "1".to_owned(), ..Seen::default() })
}

fn begin(plan: &Plan, canaries: usize) -> Sweep<'_> {
    Sweep::begin(
        plan,
        plan.items.len(),
        &journal(plan),
        settings(canaries),
        |index| seen(&plan.items[index]),
        START,
    )
}

/// Answers everything that is asked until there is nothing to do at once; gives the requests and the time to wait for.
fn answer_all<'p>(
    sweep: &mut Sweep<'p>,
    now: Now,
    mut answer: impl FnMut(&Request<'p>) -> Answer,
) -> (Vec<Request<'p>>, Option<u64>) {
    let mut requests = Vec::new();
    let mut now = now;
    loop {
        match sweep.next(now) {
            Step::Record { .. } => {}
            Step::Ask(request) => {
                sweep.tell(request.number, answer(&request), now);
                requests.push(request);
            }
            // Until the next request is due.
            Step::Wait { until: Some(until) } if until < now.millis + 100 => now.millis = until,
            Step::Wait { until } => return (requests, until),
            Step::Finished => return (requests, None),
        }
    }
}

#[test]
fn of_a_group_whose_first_jobs_come_back_the_rest_is_left_and_the_manager_named() {
    let plan = plan(Mode::Delete, 10);
    let mut sweep = begin(&plan, 3);
    let (first, until) = answer_all(&mut sweep, START, |_| Answer::Done);
    assert_eq!(first.len(), 3);
    let until = until.expect("the wait for canaries");
    assert!((60_000..60_100).contains(&until), "{until}");
    let back = Seen { uid: "another".to_owned(), manager: "argocd-controller".to_owned(), ..Seen::default() };
    let later = Now { millis: until, date: START.date + 60 };
    let (looks, _) = answer_all(&mut sweep, later, |request| match request.name {
        "job-1" => Answer::Found(back.clone()),
        _ => Answer::Gone,
    });
    assert!(looks.iter().all(|look| look.verb == Verb::Get) && looks.len() == 3, "{looks:?}");
    let reasons: Vec<_> = sweep.tally().reasons().collect();
    assert_eq!(reasons, [(Fate::Skipped, "recreated by argocd-controller", 7)]);
}

/// A plan from a file without managed fields: who made the Jobs is seen when it is carried out, helm and kubectl in turn.
fn begin_without_managers<'p>(plan: &'p Plan, journal: &Journal, canaries: usize) -> Sweep<'p> {
    let seen = |index: usize| {
        let item = &plan.items[index];
        if journal.entry(&item.uid).is_some_and(|entry| entry.fate == Fate::Done) {
            return None;
        }
        let manager = if index.is_multiple_of(2) { "helm" } else { "kubectl" };
        Some(Seen { manager: manager.to_owned(), ..seen(item)? })
    };
    Sweep::begin(plan, plan.items.len(), journal, settings(canaries), seen, START)
}

#[test]
fn canaries_of_a_plan_that_does_not_say_who_made_the_jobs_are_of_those_who_did_also_after_a_kill() {
    let mut plan = plan(Mode::Delete, 12);
    plan.items.iter_mut().for_each(|item| item.manager.clear());
    let mut sweep = begin_without_managers(&plan, &journal(&plan), 1);
    let mut text = journal(&plan).header.to_line().expect("a line");
    let mut first = Vec::new();
    let killed = loop {
        match sweep.next(START) {
            Step::Record { text: lines, .. } => text.push_str(&lines),
            Step::Ask(request) => {
                first.push(request.name.to_owned());
                sweep.tell(request.number, Answer::Done, START);
            }
            Step::Wait { until: Some(until) } if until < 60_000 => break until,
            Step::Wait { .. } | Step::Finished => break 0,
        }
    };
    assert_eq!((&*first, killed), (&["job-0".to_owned()][..], 1), "the pace lets the first go alone");
    let journal = Journal::read(&text).expect("a journal").expect("with a header");
    assert_eq!(journal.entry("uid-0").expect("an entry").manager, "helm");

    let mut sweep = begin_without_managers(&plan, &journal, 1);
    let (first, until) = answer_all(&mut sweep, START, |_| Answer::Done);
    assert_eq!(first.iter().map(|request| request.name).collect::<Vec<_>>(), ["job-1"]);
    let later = Now { millis: until.expect("a wait") + 100, date: START.date + 60 };
    let back = Seen { uid: "another".to_owned(), manager: "helm".to_owned(), ..Seen::default() };
    let (asked, _) = answer_all(&mut sweep, later, |request| match (request.verb, request.name) {
        (Verb::Get, "job-0") => Answer::Found(back.clone()),
        (Verb::Get, _) => Answer::Gone,
        _ => Answer::Done,
    });
    let touched = asked.iter().filter(|request| request.verb != Verb::Get).map(|request| request.name);
    assert_eq!(touched.collect::<Vec<_>>(), ["job-3", "job-5", "job-7", "job-9", "job-11"]);
    let reasons: Vec<_> = sweep.tally().reasons().collect();
    assert_eq!(reasons, [(Fate::Skipped, "recreated by helm", 5)]);
}

#[test]
fn where_nobody_can_say_whether_the_first_came_back_the_rest_is_for_another_run() {
    let plan = plan(Mode::Delete, 10);
    let settings = settings(3);
    let text = |sweep: &mut Sweep<'_>, now: Now, canary: &dyn Fn() -> Answer| {
        let (mut text, mut now) = (String::new(), now);
        loop {
            match sweep.next(now) {
                Step::Record { text: lines, .. } => text.push_str(&lines),
                Step::Ask(request) if request.verb == Verb::Get => sweep.tell(request.number, canary(), now),
                Step::Ask(request) => sweep.tell(request.number, Answer::Done, now),
                Step::Wait { until } => now.millis = until.expect("a time"),
                Step::Finished => break text,
            }
        }
    };
    let start = |journal: &Journal| {
        let seen = |index: usize| {
            let item = &plan.items[index];
            let is_gone = journal.entry(&item.uid).is_some_and(|entry| entry.fate == Fate::Done);
            seen(item).filter(|_| !is_gone)
        };
        Sweep::begin(&plan, plan.items.len(), journal, settings, seen, START)
    };
    let mut sweep = start(&journal(&plan));
    let mut written = journal(&plan).header.to_line().expect("a line");
    written.push_str(&text(&mut sweep, START, &|| Answer::Lost("503".to_owned())));
    let why = "cannot see whether the first ones came back: 503";
    let reasons: Vec<_> = sweep.tally().reasons().collect();
    assert_eq!((sweep.tally().of(Fate::Done), &*reasons), (3, &[(Fate::Waiting, why, 7)][..]));

    let earlier = Journal::read(&written).expect("a journal").expect("with a header");
    let mut sweep = start(&earlier);
    text(&mut sweep, START, &|| Answer::Gone);
    assert_eq!(sweep.tally().of(Fate::Done), 10);
}

#[test]
fn what_only_guards_a_job_now_holds_up_no_later_run() {
    let plan = plan(Mode::Delete, 1);
    let guarded = Entry {
        at: START.date,
        fate: Fate::Guarded,
        manager: String::new(),
        namespace: "team".to_owned(),
        name: "job-0".to_owned(),
        why: "owns a PersistentVolumeClaim".to_owned(),
    };
    assert!(!guarded.is_final() && !guarded.fate.is_doubtful() && !guarded.fate.is_error());
    let mut text = journal(&plan).header.to_line().expect("a line");
    text.push_str(
        r#"{"at":"1970-01-12T13:46:40Z","fate":"guarded","name":"job-0","namespace":"team","uid":"uid-0","why":"owns a PersistentVolumeClaim"}"#,
    );
    text.push('\n');
    let journal = Journal::read(&text).expect("a journal").expect("with a header");
    assert_eq!(journal.entry("uid-0"), Some(&guarded));
    let mut sweep = Sweep::begin(&plan, 1, &journal, settings(0), |index| seen(&plan.items[index]), START);
    let (requests, _) = answer_all(&mut sweep, START, |_| Answer::Done);
    assert_eq!((requests.len(), sweep.tally().of(Fate::Done)), (1, 1));
}

#[test]
fn of_a_group_whose_first_jobs_stay_away_the_rest_goes() {
    let plan = plan(Mode::Delete, 10);
    let mut sweep = begin(&plan, 3);
    let (_, until) = answer_all(&mut sweep, START, |_| Answer::Done);
    let later = Now { millis: until.expect("a wait"), date: START.date + 60 };
    let (rest, until) = answer_all(&mut sweep, later, |request| match request.verb {
        Verb::Get => Answer::Gone,
        _ => Answer::Done,
    });
    assert_eq!((rest.len(), until, sweep.tally().of(Fate::Done)), (3 + 7, None, 10));
}

#[test]
fn a_ttl_leaves_the_notice_from_now_by_the_clock_of_the_api_server() {
    let plan = plan(Mode::Ttl, 1);
    let mut sweep = begin(&plan, 3);
    let later = Now { date: START.date + 50, ..START };
    let (requests, _) = answer_all(&mut sweep, later, |_| Answer::Done);
    // It finished an hour before the start, and the request may be half a minute under way.
    assert!(matches!(requests[..], [Request { verb: Verb::SetTtl { ttl: 4_280, .. }, .. }]), "{requests:?}");
}

#[test]
fn a_conflict_of_fields_is_a_skip() {
    let plan = plan(Mode::Ttl, 1);
    let mut sweep = begin(&plan, 0);
    answer_all(&mut sweep, START, |request| match request.verb {
        Verb::Get => Answer::Found(seen(&plan.items[0]).expect("a Job")),
        _ => Answer::Conflict("conflict with \"kubectl\"".to_owned()),
    });
    let reasons: Vec<_> = sweep.tally().reasons().collect();
    assert_eq!(reasons, [(Fate::Skipped, "another field manager owns its TTL", 1)]);
}

#[test]
fn when_errors_pass_what_is_put_up_with_no_further_job_is_touched() {
    let plan = plan(Mode::Delete, 10);
    let mut sweep = begin(&plan, 0);
    let (requests, _) = answer_all(&mut sweep, START, |_| Answer::Refused("forbidden".to_owned()));
    assert_eq!((requests.len(), sweep.stopped(), sweep.tally().errors()), (2, Some(Stop::Errors), 2));
}

#[test]
fn a_plan_that_was_forged_touches_nothing_that_is_protected() {
    let plan = plan(Mode::Delete, 2);
    let protected = |index: usize| {
        let protections = Protections::default().with(Protection::Namespace);
        let reason = Protection::Namespace.reason(None);
        Some(Seen { protections, reason, ..seen(&plan.items[index])? })
    };
    let mut sweep = Sweep::begin(&plan, 2, &journal(&plan), settings(0), protected, START);
    let (requests, _) = answer_all(&mut sweep, START, |_| Answer::Done);
    assert_eq!((requests.len(), sweep.tally().of(Fate::Guarded)), (0, 2));
    assert_eq!(sweep.tally().reasons().next(), Some((Fate::Guarded, "in a namespace that is left alone", 2)));
}

#[test]
fn a_line_that_was_torn_is_cut_off_and_the_last_word_about_a_job_counts() {
    let plan = plan(Mode::Delete, 2);
    let mut sweep = begin(&plan, 0);
    let mut text = journal(&plan).header.to_line().expect("a line");
    loop {
        match sweep.next(Now { millis: 100, ..START }) {
            Step::Record { text: lines, .. } => text.push_str(&lines),
            Step::Ask(request) => sweep.tell(request.number, Answer::Done, START),
            Step::Wait { .. } | Step::Finished => break,
        }
    }
    for cut in 0..=text.len() {
        let start = text.get(..cut).expect("plain letters");
        let read = Journal::read(start).expect("a journal");
        let whole = start.rfind('\n').map_or(0, |end| end + 1);
        assert_eq!(read.as_ref().map_or(0, |journal| journal.length), whole, "{start}");
    }
    let journal = Journal::read(&text).expect("a journal").expect("with a header");
    assert!(journal.entries().all(|(_, entry)| entry.fate == Fate::Done) && journal.entries().count() == 2);
}
