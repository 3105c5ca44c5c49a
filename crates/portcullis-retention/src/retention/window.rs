//! How many TTLs were written in the past hour.

use portcullis_value::{Arena, Value};

use super::time;

/// In seconds.
const HOUR: i64 = 3_600;
/// Writes are counted by spans of so many seconds: what is remembered of an hour is a dozen numbers. A span counts until
/// its last second is an hour past, so that the cap holds for every hour, wherever it begins.
const SPAN: i64 = 300;

/// The writes of the past hour, by spans of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// When a span began, in seconds since 1970-01-01 UTC, and how many writes there were in it. In order of time.
    spans: Vec<(i64, u32)>,
}

impl Window {
    /// Reads what [`Window::write`] wrote, at `now` (seconds since 1970-01-01 UTC).
    ///
    /// What cannot be read is taken for an hour that is full: who cannot tell writes nothing.
    pub(super) fn read(spans: Value<'_>, now: i64) -> Window {
        let read = |span: &Value<'_>| {
            let from = span.get("from").and_then(Value::as_str).and_then(time::read)?;
            let writes = u32::try_from(span.get("writes")?.as_i64()?).ok()?;
            Some((from, writes))
        };
        let spans: Option<Vec<_>> = match spans {
            Value::Null => Some(Vec::new()),
            spans => spans.as_array().and_then(|spans| spans.iter().map(read).collect()),
        };
        let mut window = Window { spans: spans.unwrap_or_else(|| vec![(now, u32::MAX)]) };
        window.spans.sort_unstable();
        window.forget(now);
        window
    }

    /// The spans as a document; `Null` where there is none.
    pub(super) fn write<'a>(&self, arena: &'a Arena) -> Value<'a> {
        let span = |(from, writes): &(i64, u32)| {
            arena
                .object(&mut vec![("from", time::write(arena, *from)), ("writes", i64::from(*writes).into())])
        };
        let spans: Vec<_> = self.spans.iter().map(span).collect();
        if spans.is_empty() { Value::Null } else { arena.array(&spans) }
    }

    /// Counts up to `wanted` writes at `now`, so that there are not more than `cap` in any hour, and says how many.
    pub fn take(&mut self, wanted: u32, cap: u32, now: i64) -> u32 {
        self.forget(now);
        let granted = wanted.min(cap.saturating_sub(self.writes()));
        if granted > 0 {
            let from = now.div_euclid(SPAN).saturating_mul(SPAN);
            match self.spans.last_mut().filter(|(last, _)| *last == from) {
                Some((_, writes)) => *writes = writes.saturating_add(granted),
                None => self.spans.push((from, granted)),
            }
        }
        granted
    }

    /// Takes writes that were counted and not made away again, the last ones first.
    pub fn give_back(&mut self, mut writes: u32) {
        while let Some((_, counted)) = self.spans.last_mut().filter(|_| writes > 0) {
            let taken = writes.min(*counted);
            *counted -= taken;
            writes -= taken;
            if *counted == 0 {
                self.spans.pop();
            }
        }
    }

    /// The writes of the past hour.
    pub fn writes(&self) -> u32 {
        self.spans.iter().fold(0, |sum, (_, writes)| sum.saturating_add(*writes))
    }

    /// When there is room again for one write of `cap`, in seconds since 1970-01-01 UTC; `None` where there is now.
    pub fn opens(&self, cap: u32, now: i64) -> Option<i64> {
        let mut window = self.clone();
        window.forget(now);
        let mut left = window.writes();
        let mut spans = window.spans.iter();
        let mut opens = None;
        while left >= cap {
            let (from, writes) = spans.next()?;
            left = left.saturating_sub(*writes);
            opens = Some(from.saturating_add(SPAN + HOUR));
        }
        opens
    }

    /// Leaves out what is past.
    ///
    /// What lies in the future, since a clock was set back, counts as being of now: it is forgotten in an hour.
    pub(super) fn forget(&mut self, now: i64) {
        let latest = now.div_euclid(SPAN).saturating_mul(SPAN);
        self.spans.retain(|(from, _)| now < from.saturating_add(SPAN + HOUR));
        let mut future = 0_u32;
        self.spans.retain(|(from, writes)| {
            let is_future = *from > latest;
            if is_future {
                future = future.saturating_add(*writes);
            }
            !is_future
        });
        if future > 0 {
            match self.spans.last_mut().filter(|(last, _)| *last == latest) {
                Some((_, writes)) => *writes = writes.saturating_add(future),
                None => self.spans.push((latest, future)),
            }
        }
    }
}
