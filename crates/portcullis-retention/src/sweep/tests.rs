//! A sweep held to its promises by a model, and by stories.

mod model;
mod story;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::model::{Fault, World};
use crate::Mode;

/// What happens: bytes that are taken for decisions, and when they are at their end nothing bad happens any more.
fn scripts() -> impl Strategy<Value = (Mode, Vec<u8>)> {
    let mode = prop_oneof![Just(Mode::Delete), Just(Mode::Ttl)];
    (mode, proptest::collection::vec(any::<u8>(), 0..1_500))
}

proptest! {
    #![proptest_config(Config { max_shrink_iters: 500, failure_persistence: None, ..Config::with_cases(600) })]

    #[test]
    fn whatever_happens_nothing_else_is_touched_nothing_twice_and_the_journal_is_true((mode, script) in scripts()) {
        let wrongs = World::new(mode, script, Fault::None).run();
        prop_assert!(wrongs.is_empty(), "{wrongs:?}");
    }
}

/// What the model says of a sweep that is broken so.
fn broken_by(fault: Fault) -> String {
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let config = Config { max_shrink_iters: 0, failure_persistence: None, ..Config::with_cases(600) };
    let outcome = TestRunner::new_with_rng(config, random).run(&scripts(), |(mode, script)| {
        let wrongs = World::new(mode, script, fault).run();
        prop_assert!(wrongs.is_empty(), "{}", wrongs.join("; "));
        Ok(())
    });
    outcome.expect_err("the model finds the fault").to_string()
}

#[test]
fn the_model_finds_out_that_the_uid_is_not_sent() {
    let found = broken_by(Fault::UidNotSent);
    assert!(found.contains("is none of the plan"), "{found}");
}

#[test]
fn the_model_finds_out_that_the_resource_version_is_not_sent() {
    let found = broken_by(Fault::VersionNotSent);
    assert!(found.contains("has changed"), "{found}");
}

#[test]
fn the_model_finds_out_that_the_journal_is_on_the_disk_too_late() {
    let found = broken_by(Fault::SyncedLate);
    assert!(found.contains("touched: true"), "{found}");
}

#[test]
fn the_model_finds_out_that_a_lost_answer_is_taken_for_a_refusal() {
    let found = broken_by(Fault::LostTakenForRefused);
    assert!(found.contains("touched: true"), "{found}");
}
