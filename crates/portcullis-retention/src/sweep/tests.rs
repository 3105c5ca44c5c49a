//! A sweep held to its promises by a model, and by stories.

mod model;
mod story;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::model::{Fault, World};
use crate::Mode;

/// What happens: bytes that are taken for decisions, and when they are at their end nothing bad happens any more.
fn scripts() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..1_500)
}

const MODES: [Mode; 2] = [Mode::Delete, Mode::Ttl];

proptest! {
    #![proptest_config(Config { max_shrink_iters: 500, failure_persistence: None, ..Config::with_cases(600) })]

    #[test]
    fn whatever_happens_nothing_else_is_touched_nothing_twice_and_the_journal_is_true(script in scripts()) {
        for mode in MODES {
            let wrongs = World::new(mode, script.clone(), Fault::None).run();
            prop_assert!(wrongs.is_empty(), "{mode:?}: {wrongs:?}");
        }
    }
}

/// The model finds in these modes that a sweep is broken so, and says it in these words.
#[track_caller]
fn finds(fault: Fault, modes: &[Mode], words: &str) {
    for &mode in modes {
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        let config = Config { max_shrink_iters: 0, failure_persistence: None, ..Config::with_cases(600) };
        let outcome = TestRunner::new_with_rng(config, random).run(&scripts(), |script| {
            let wrongs = World::new(mode, script, fault).run();
            // Of one fault there is more than one sign.
            prop_assert!(!wrongs.iter().any(|wrong| wrong.contains(words)), "{}", wrongs.join("; "));
            Ok(())
        });
        assert!(outcome.is_err(), "{mode:?}: no script in which {words}");
    }
}

#[test]
fn the_model_finds_out_that_the_uid_is_not_sent() {
    finds(Fault::UidNotSent, &MODES, "is none of the plan");
}

#[test]
fn the_model_finds_out_that_the_resource_version_is_not_sent() {
    finds(Fault::VersionNotSent, &MODES, "has changed");
}

#[test]
fn the_model_finds_out_that_the_journal_is_on_the_disk_too_late() {
    finds(Fault::SyncedLate, &MODES, "touched: true");
}

#[test]
fn the_model_finds_out_that_a_lost_answer_is_taken_for_a_refusal() {
    finds(Fault::LostTakenForRefused, &MODES, "touched: true");
}

#[test]
fn the_model_finds_out_that_a_canary_which_came_back_is_not_seen() {
    finds(Fault::BackTakenForGone, &[Mode::Delete], "although others of its manager came back");
}

#[test]
fn the_model_finds_out_that_nothing_is_done() {
    finds(Fault::NothingDone, &[Mode::Delete], "is as it was planned, and left");
}
