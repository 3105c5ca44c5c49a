//! Reading, printing and shifting times.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(layout: &str, text: &str, want: &str) {
    let got = Time::parse(layout, text).map_or_else(|error| error.to_string(), |time| time.to_string());
    assert_eq!(got, want, "`{text}` by `{layout}`");
}

fn time(text: &str) -> Time {
    Time::parse_rfc3339(text).unwrap()
}

#[test]
fn times_are_read_by_the_layouts_of_go() {
    check(RFC_3339, "2021-01-02T15:04:05-07:00", "2021-01-02T15:04:05-07:00");
    check(RFC_3339, "2021-01-02T15:04:05,5Z", "2021-01-02T15:04:05Z");
    check("", "", "0000-01-01T00:00:00Z");
    check("2006-01-02 15:04", "2021-02-28 23:59", "2021-02-28T23:59:00Z");
    check("Monday, 02-Jan-06 15:04:05 MST", "sunday, 02-jan-69 15:04:05 UTC", "1969-01-02T15:04:05Z");
    check("Mon Jan _2 15:04:05 2006", "Tue Nov  3 1:02:03 2009", "2009-11-03T01:02:03Z");
    check("January 2, 2006 at 3:04PM", "May 7, 2024 at 12:30AM", "2024-05-07T00:30:00Z");
    check("3:04pm", "3:04pm", "0000-01-01T15:04:00Z");
    check("2006-002", "2024-060", "2024-02-29T00:00:00Z");
    check("2006 __2", "2023   7", "2023-01-07T00:00:00Z");
    check("15:04:05.000 -0700", "15:04:05.123 +0530", "0000-01-01T15:04:05+05:30");
    check("15:04:05.999", "15:04:05", "0000-01-01T15:04:05Z");
    check("15:04 Z070000", "15:04 -000130", "0000-01-01T15:04:00-00:01");
    check("15:04 MST", "15:04 GMT+3", "0000-01-01T18:04:00+03:00");
    check("15:04 MST", "15:04 CEST", "0000-01-01T15:04:00Z");
    check("_2006_", "_2021_", "2021-01-01T00:00:00Z");
    check("Janet 2006", "Janet 2021", "2021-01-01T00:00:00Z");
}

#[test]
fn refusals_are_worded_as_in_go() {
    check(
        RFC_3339,
        "bad",
        r#"parsing time "bad" as "2006-01-02T15:04:05Z07:00": cannot parse "bad" as "2006""#,
    );
    check(
        RFC_3339,
        "2021-01-02",
        r#"parsing time "2021-01-02" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T""#,
    );
    check(RFC_3339, "2021-02-30T00:00:00Z", r#"parsing time "2021-02-30T00:00:00Z": day out of range"#);
    check(RFC_3339, "2021-01-02T24:00:00Z", r#"parsing time "2021-01-02T24:00:00Z": hour out of range"#);
    check("2006", "2021-01", r#"parsing time "2021-01": extra text: "-01""#);
    check("2006-002", "2023-366", r#"parsing time "2023-366": day-of-year out of range"#);
    check("01 002", "03 001", r#"parsing time "03 001": day-of-year does not match month"#);
    check("", "é", r#"parsing time "\xc3\xa9": extra text: "\xc3\xa9""#);
    check("-07", "+25", r#"parsing time "+25": time zone offset hour out of range"#);
}

#[test]
fn differences_are_clamped_and_sums_leave_the_four_digits() {
    assert_eq!(time("9999-12-31T23:59:59Z").since(time("0001-01-01T00:00:00Z")), Duration(i64::MAX));
    assert_eq!(time("0001-01-01T00:00:00Z").since(time("9999-12-31T23:59:59Z")), Duration(i64::MIN));
    let later = time("9999-12-31T23:59:59Z").checked_add(Duration::SECOND).unwrap();
    assert_eq!(later.to_string(), "10000-01-01T00:00:00Z");
    let earlier = time("0000-01-01T00:00:00Z").checked_add(Duration(-1)).unwrap();
    assert_eq!(earlier.to_string(), "-0001-12-31T23:59:59Z");
    assert_eq!(Time::from_unix_seconds(i64::MAX), Err(OutOfRange));
    assert_eq!(Time::from_unix_seconds(99_999_999_999).unwrap().to_string(), "5138-11-16T09:46:39Z");
}

#[test]
fn truncation_counts_from_the_year_one_in_utc() {
    let day = Duration(24 * Duration::HOUR.0);
    let truncated = time("2021-01-02T17:04:05-07:00").truncate(day).unwrap();
    assert_eq!(truncated.to_string(), "2021-01-02T17:00:00-07:00");
    assert_eq!(time("1970-01-01T00:00:00Z").truncate(Duration(0)).unwrap(), time("1970-01-01T00:00:00Z"));
}

#[test]
fn a_time_that_is_said_to_be_both_before_and_after_noon_is_after() {
    for text in ["12 am PM", "12 pm AM", "12 pm PM"] {
        let time = Time::parse("3 pm PM", text).unwrap();
        assert_eq!(time.to_string(), "0000-01-01T12:00:00Z", "{text}");
    }
    assert_eq!(Time::parse("3 pm PM", "12 am AM").unwrap().to_string(), "0000-01-01T00:00:00Z");
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(seconds in -62_167_219_200_i64..253_402_300_800, minutes in -1439_i32..1440) {
        let time = Time { offset: minutes * 60, ..Time::from_unix_seconds(seconds).unwrap() };
        prop_assume!((0..=9999).contains(&time.date().year));
        prop_assert_eq!(Time::parse_rfc3339(&time.to_string()), Ok(time));
    }

    #[test]
    fn dates_follow_each_other(days in -4_000_000_i64..4_000_000) {
        let (date, next) = (Date::from_days(days), Date::from_days(days + 1));
        prop_assert_eq!(days_of(date.year, date.month, date.day), days);
        prop_assert_eq!(next.weekday, (date.weekday + 1) % 7);
        let follows = (next.year, next.month, next.day) == (date.year, date.month, date.day + 1)
            || next.day == 1 && date.day == calendar::days_in(date.year, date.month);
        prop_assert!(follows, "{date:?} and {next:?}");
    }

    #[test]
    fn adding_what_lies_between_arrives(
        a in -60_000_000_000_i64..250_000_000_000, b in -4_000_000_000_i64..4_000_000_000, nanoseconds in 0..1_000_000_000_i64,
    ) {
        let start = Time::from_unix_seconds(a).unwrap();
        let end = start.checked_add(Duration(b * Duration::SECOND.0 + nanoseconds)).unwrap();
        prop_assert_eq!(start.checked_add(end.since(start)), Ok(end));
    }

    #[test]
    fn any_layout_and_text_are_read_or_refused(
        layout in "[-_ 0-9:.,ZTMSJanuryondPpm]{0,20}", text in "[-+ 0-9:.,ZTUCGMTApm\u{e9}]{0,20}",
    ) {
        let _ = Time::parse(&layout, &text);
    }
}
