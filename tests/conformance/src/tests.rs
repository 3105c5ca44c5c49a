//! The frame, tried on corpora made here.

use super::*;
use corpus::Case;

/// Two classes: one case passes, one differs, one panics.
const SAMPLE: Corpus = Corpus { name: "sample", cases: sample };

fn sample(_root: &Path) -> Result<Vec<Case>> {
    Ok(vec![
        Case::new("sum", "arithmetic", || Ok(())),
        Case::new("difference", "arithmetic", || Err("want 1, got 2\nin full".to_owned())),
        Case::new("crash", "chaos", || panic!("out of luck")),
    ])
}

fn run_sample() -> Vec<Run> {
    let cases = SAMPLE.load(Path::new("")).unwrap();
    vec![Run { corpus: SAMPLE.name, results: runner::run(cases, false) }]
}

/// The whole report of the sample, with these known differences.
fn report(known: &str, in_full: bool) -> String {
    let (runs, mut known) = (run_sample(), Known::parse(known).unwrap());
    let scores = Scores::of(&runs, &mut known);
    let mut out = Vec::new();
    report::write(&mut out, &scores, &known, in_full).unwrap();
    String::from_utf8(out).unwrap()
}

/// What breaks the run of the sample, given the files beside this crate.
fn broken(floor: &str, known: &str) -> Vec<String> {
    let (runs, mut known) = (run_sample(), Known::parse(known).unwrap());
    let scores = Scores::of(&runs, &mut known);
    let mut broken = Floor::parse(floor).unwrap().broken_by(&scores);
    broken.extend(known.stale(&runs));
    broken
}

#[test]
fn a_panic_is_a_failed_case() {
    let text = report("", true);
    assert!(text.contains("sample/crash\n      panicked at "), "{text}");
    assert!(text.contains(": out of luck"), "{text}");
}

#[test]
fn the_score_counts_by_class_and_sets_known_differences_apart() {
    let text = report("sample/difference\twe count better\n", false);
    let want = concat!(
        "  corpus  class         passed       all    score   known  failed\n",
        "  ───────────────────────────────────────────────────────────────\n",
        "  sample  arithmetic         1         2   50.0 %       1\n",
        "          chaos              0         1    0.0 %               1\n",
        "  ───────────────────────────────────────────────────────────────\n",
        "  all                        1         3   33.3 %       1       1\n",
        "\n",
        "  known differences (1)\n",
        "    sample/difference  we count better\n",
        "\n",
        "  failed in sample (1)\n",
        "    sample/crash\n",
    );
    assert_eq!(text, want);
}

#[test]
fn a_score_below_its_floor_breaks_the_run() {
    assert_eq!(broken("sample\tarithmetic\t1\t2\n", ""), [""; 0]);
    assert_eq!(
        broken("sample\tarithmetic\t2\t2\n", ""),
        ["`sample` `arithmetic` passes 1 of 2: its floor is 2 of 2"]
    );
    assert_eq!(
        broken("sample\tpoetry\t1\t1\n", ""),
        ["`sample` has no class `poetry` any more: its floor is 1"]
    );
    assert_eq!(broken("other\tpoetry\t1\t1\n", ""), [""; 0], "a corpus that did not run");
}

#[test]
fn a_known_difference_that_passes_breaks_the_run() {
    assert_eq!(
        broken("", "sample/sum\tfor no reason\n"),
        ["`sample/sum` does not differ any more: take its row out of known-differences.tsv"]
    );
}

#[test]
fn raising_takes_better_scores_and_lowers_none() {
    let (runs, mut known) = (run_sample(), Known::default());
    let scores = Scores::of(&runs, &mut known);
    let mut floor = Floor::parse("sample\tarithmetic\t0\t1\nsample\tchaos\t5\t5\n").unwrap();
    floor.raise(&scores);
    let text = floor.to_text();
    let rows: Vec<_> = text.lines().skip(1).collect();
    assert_eq!(rows, ["sample\tarithmetic\t1\t2", "sample\tchaos\t5\t5"]);
}

#[test]
fn two_cases_with_one_id_are_refused() {
    let twice = |_: &Path| Ok(vec![Case::new("a", "x", || Ok(())), Case::new("a", "y", || Ok(()))]);
    let corpus = Corpus { name: "twice", cases: twice };
    let error = corpus.load(Path::new("")).unwrap_err();
    assert_eq!(error.to_string(), "the corpus `twice` has two cases with the id `a`");
}

#[test]
fn a_case_is_found_with_and_without_its_corpus() {
    let case = Case::new("functions/3", "x", || Ok(()));
    assert!(case.is_named("jmespath", "functions/3"));
    assert!(case.is_named("jmespath", "jmespath/functions/3"));
    assert!(!case.is_named("jmespath", "yaml/functions/3"));
}
