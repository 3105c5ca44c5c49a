//! Functions of points in time. Those without a layout read RFC 3339, and all print it, without fractions of a second.

use portcullis_gocompat::Duration;
use portcullis_gocompat::strconv::{parse_int, parse_int64};
use portcullis_gocompat::time::{RFC_3339, Time};
use portcullis_value::Value;

use super::{Arguments, Function, STRING, Type};
use crate::error::Failure;
use crate::evaluate::{Evaluated, Evaluator};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "time_add",
        parameters: &[STRING, STRING],
        returns: Type::String,
        doc: "The time later by a duration, which may be negative.",
        example: ("time_add('2021-01-02T15:04:05-07:00', '3h')", r#""2021-01-02T18:04:05-07:00""#),
        call: time_add,
    },
    Function {
        name: "time_after",
        parameters: &[STRING, STRING],
        returns: Type::Bool,
        doc: "Whether the first time is after the second.",
        example: ("time_after('2021-01-02T15:04:05Z', '2021-01-02T15:04:05-07:00')", "false"),
        call: time_after,
    },
    Function {
        name: "time_before",
        parameters: &[STRING, STRING],
        returns: Type::Bool,
        doc: "Whether the first time is before the second.",
        example: ("time_before('2021-01-02T15:04:05Z', '2021-01-02T15:04:05-07:00')", "true"),
        call: time_before,
    },
    Function {
        name: "time_between",
        parameters: &[STRING, STRING, STRING],
        returns: Type::Bool,
        doc: "Whether the first time is after the second and before the third.",
        example: (
            "time_between('2021-01-02T00:00:00Z', '2021-01-01T00:00:00Z', '2021-01-03T00:00:00Z')",
            "true",
        ),
        call: time_between,
    },
    Function {
        name: "time_diff",
        parameters: &[STRING, STRING],
        returns: Type::String,
        doc: "How long the second time is after the first.",
        example: ("time_diff('2021-01-02T15:04:05-07:00', '2021-01-10T03:14:05-07:00')", r#""180h10m0s""#),
        call: time_diff,
    },
    Function {
        name: "time_now",
        parameters: &[],
        returns: Type::String,
        doc: "The time of the evaluation, in UTC.",
        example: ("time_now()", r#""2024-03-01T10:00:00Z""#),
        call: time_now,
    },
    Function {
        name: "time_now_utc",
        parameters: &[],
        returns: Type::String,
        doc: "The time of the evaluation, in UTC.",
        example: ("time_now_utc()", r#""2024-03-01T10:00:00Z""#),
        call: time_now,
    },
    Function {
        name: "time_parse",
        parameters: &[STRING, STRING],
        returns: Type::String,
        doc: "The second string read by the first, a layout of Go; an integer as layout means seconds since 1970.",
        example: ("time_parse('02 Jan 06 15:04 MST', '03 Mar 24 10:00 UTC')", r#""2024-03-03T10:00:00Z""#),
        call: time_parse,
    },
    Function {
        name: "time_since",
        parameters: &[STRING, STRING, STRING],
        returns: Type::String,
        doc: "How long the third time, or now if it is empty, is after the second; both read by the first, a layout of \
              Go, or RFC 3339 if it is empty.",
        example: ("time_since('2006-01-02', '2024-02-28', '2024-03-01')", r#""48h0m0s""#),
        call: time_since,
    },
    Function {
        name: "time_to_cron",
        parameters: &[STRING],
        returns: Type::String,
        doc: "The time as a cron expression: minute, hour, day, month, weekday.",
        example: ("time_to_cron('2022-04-11T03:14:05-07:00')", r#""14 3 11 4 1""#),
        call: time_to_cron,
    },
    Function {
        name: "time_truncate",
        parameters: &[STRING, STRING],
        returns: Type::String,
        doc: "The time cut down to a multiple of a duration, counted in UTC.",
        example: ("time_truncate('2021-01-02T17:04:05-07:00', '1h')", r#""2021-01-02T17:00:00-07:00""#),
        call: time_truncate,
    },
    Function {
        name: "time_utc",
        parameters: &[STRING],
        returns: Type::String,
        doc: "The time in UTC.",
        example: ("time_utc('2021-01-02T15:04:05-07:00')", r#""2021-01-02T22:04:05Z""#),
        call: time_utc,
    },
];

fn time_add<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (time, duration) = (time(evaluator, arguments, 0)?, duration(evaluator, arguments, 1)?);
    evaluator.print(time.checked_add(duration).map_err(failure)?)
}

fn time_after<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (left, right) = (time(evaluator, arguments, 0)?, time(evaluator, arguments, 1)?);
    Ok(Value::Bool(left.instant() > right.instant()))
}

fn time_before<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (left, right) = (time(evaluator, arguments, 0)?, time(evaluator, arguments, 1)?);
    Ok(Value::Bool(left.instant() < right.instant()))
}

fn time_between<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let time = time(evaluator, arguments, 0)?.instant();
    let start = self::time(evaluator, arguments, 1)?.instant();
    let end = self::time(evaluator, arguments, 2)?.instant();
    Ok(Value::Bool(start < time && time < end))
}

fn time_diff<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (start, end) = (time(evaluator, arguments, 0)?, time(evaluator, arguments, 1)?);
    evaluator.string(&end.since(start).to_string())
}

fn time_now<'a>(evaluator: &mut Evaluator<'a, '_, '_>, _: Arguments<'a, '_>) -> Evaluated<'a> {
    let now = evaluator.now()?;
    evaluator.print(now)
}

fn time_parse<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (layout, text) = (arguments.string(0)?, arguments.string(1)?);
    // COMPAT(kyverno): the layouts `2006` and `-0700` are integers, too.
    let time = if parse_int(layout).is_some() {
        let seconds = parse_int64(text).map_err(failure)?;
        Time::from_unix_seconds(seconds).map_err(failure)?
    } else {
        read(evaluator, layout, text)?
    };
    evaluator.print(time)
}

fn time_since<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (layout, start, end) = (arguments.string(0)?, arguments.string(1)?, arguments.string(2)?);
    let layout = if layout.is_empty() { RFC_3339 } else { layout };
    let start = read(evaluator, layout, start)?;
    let end = if end.is_empty() { evaluator.now()? } else { read(evaluator, layout, end)? };
    evaluator.string(&end.since(start).to_string())
}

fn time_to_cron<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let time = time(evaluator, arguments, 0)?;
    let ((hour, minute, _), date) = (time.clock(), time.date());
    evaluator.string(&format!("{minute} {hour} {} {} {}", date.day, date.month, date.weekday))
}

fn time_truncate<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (time, step) = (time(evaluator, arguments, 0)?, duration(evaluator, arguments, 1)?);
    evaluator.print(time.truncate(step).map_err(failure)?)
}

fn time_utc<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let time = time(evaluator, arguments, 0)?;
    evaluator.print(time.utc())
}

/// The time that an argument is.
fn time<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    arguments: Arguments<'a, '_>,
    index: usize,
) -> Result<Time, Failure<'a>> {
    read(evaluator, RFC_3339, arguments.string(index)?)
}

fn read<'a>(evaluator: &mut Evaluator<'a, '_, '_>, layout: &str, text: &str) -> Result<Time, Failure<'a>> {
    evaluator.steps(layout.len())?;
    evaluator.scan(text)?;
    Time::parse(layout, text).map_err(failure)
}

/// The duration that an argument is.
fn duration<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    arguments: Arguments<'a, '_>,
    index: usize,
) -> Result<Duration, Failure<'a>> {
    let text = arguments.string(index)?;
    evaluator.scan(text)?;
    Duration::parse(text).map_err(failure)
}

/// COMPAT(kyverno): these errors do not say which function failed.
fn failure<'a>(error: impl std::error::Error) -> Failure<'a> {
    Failure::runtime(error.to_string())
}

impl<'a> Evaluator<'a, '_, '_> {
    fn now(&self) -> Result<Time, Failure<'a>> {
        Time::from_unix_nanoseconds(self.now.into()).map_err(failure)
    }

    fn print(&mut self, time: Time) -> Evaluated<'a> {
        self.string(&time.to_string())
    }
}
