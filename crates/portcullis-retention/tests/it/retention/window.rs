//! No hour has more writes than its share, whoever leads.

use portcullis_retention::retention::{Progress, Report, Tally, Window};
use portcullis_value::{Arena, Value};
use proptest::prelude::*;

use super::retentions;

const HOUR: i64 = 3600;

/// What the next leader knows: the status that this one has written, unless that is forgotten.
fn handed_over(progress: &Progress, now: i64, forgets: bool) -> Progress {
    let retentions = retentions(&[("r", "selector: {}, mode: enforce")]);
    let report = Report {
        retentions: &retentions,
        number: 0,
        tally: &Tally::default(),
        progress,
        actions: &[],
        next: None,
        trouble: None,
        now,
    };
    let arena = Arena::new();
    let status = report.status(&arena, Value::Null);
    Progress::read(if forgets { Value::Null } else { status }, now)
}

/// Takes part in turns: seconds that pass, writes that are wanted, and whether another leads from then on. Says how many
/// writes there were in the hour that had most.
fn most_in_an_hour(turns: &[(i64, u32, bool)], cap: u32, forgets: bool) -> u32 {
    let mut progress = Progress::default();
    let mut now = 1_790_812_800;
    let mut granted: Vec<(i64, u32)> = Vec::new();
    for (passed, wanted, hands_over) in turns {
        now += passed;
        granted.push((now, progress.take(*wanted, cap, now)));
        if *hands_over {
            progress = handed_over(&progress, now, forgets);
        }
    }
    let hour = |(end, _): &(i64, u32)| {
        let within = granted.iter().filter(|(time, _)| *time <= *end && *time > end - HOUR);
        within.map(|(_, writes)| writes).sum::<u32>()
    };
    granted.iter().map(hour).max().unwrap_or_default()
}

proptest! {
    #[test]
    fn no_hour_has_more_than_the_cap_over_any_turns_and_leaders(
        turns in proptest::collection::vec((0..2000_i64, 0..40_u32, any::<bool>()), 1..60),
        cap in 1..60_u32,
    ) {
        prop_assert!(most_in_an_hour(&turns, cap, false) <= cap);
    }

    #[test]
    fn what_is_left_of_an_hour_is_used(waits in HOUR + 300..2 * HOUR, cap in 1..60_u32) {
        prop_assert_eq!(most_in_an_hour(&[(0, cap + 5, false), (waits, cap + 5, true)], cap, false), cap);
    }
}

#[test]
fn a_leader_that_forgets_is_found_out() {
    let turns = [(0, 10, true), (60, 10, false)];
    assert_eq!(most_in_an_hour(&turns, 10, false), 10);
    assert_eq!(most_in_an_hour(&turns, 10, true), 20);
}

#[test]
fn the_window_says_when_there_is_room_again() {
    let mut window = Window::default();
    assert_eq!((window.take(3, 5, 600), window.opens(5, 600)), (3, None));
    assert_eq!((window.take(3, 5, 1000), window.take(1, 5, 1100)), (2, 0));
    // The writes of the span from 600 to 900 are an hour old for certain at 4500.
    assert_eq!(window.opens(5, 1100), Some(4500));
    assert_eq!((window.take(9, 5, 4499), window.take(9, 5, 4500)), (0, 3));
    assert_eq!(window.writes(), 5);
}

#[test]
fn writes_that_were_not_made_are_there_to_be_made() {
    let mut window = Window::default();
    assert_eq!((window.take(2, 5, 600), window.take(3, 5, 1000)), (2, 3));
    window.give_back(4);
    assert_eq!((window.writes(), window.take(9, 5, 1100)), (1, 4));
    window.give_back(9);
    assert_eq!(window, Window::default());
}

#[test]
fn a_clock_that_is_set_back_opens_nothing_and_closes_for_an_hour_at_most() {
    let mut window = Window::default();
    assert_eq!(window.take(5, 5, 1_000_000), 5);
    assert_eq!(window.take(5, 5, 600), 0);
    assert_eq!(window.take(5, 5, 600 + HOUR + 300), 5);
}

#[test]
fn a_window_that_cannot_be_read_is_taken_for_full() {
    let arena = Arena::new();
    for writes in [r#""many""#, r#"[{"from":"2026-10-01T00:00:00Z"}]"#, r#"[{"from":"now","writes":1}]"#] {
        let status =
            portcullis_yaml::read(&arena, arena.format(format_args!("{{\"writes\":{writes}}}"))).unwrap();
        let mut progress = Progress::read(status, 1_790_812_800);
        assert_eq!(progress.take(1, 500, 1_790_812_800), 0, "{writes}");
        assert_eq!(progress.take(1, 500, 1_790_812_800 + 2 * HOUR), 1, "{writes}");
    }
}
