//! Mistakes in documents, told with the place and the line they are in.
//!
//! ```text
//! error: unknown field `preconditon`
//!  --> policy.yaml:9:7
//!   |
//! 9 |       preconditon:
//!   |       ^^^^^^^^^^^
//!   |
//! hint: did you mean `preconditions`?
//! ```

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use anstyle::Style;
use portcullis_cluster::system_reason;
use portcullis_model::{self as model, Diagnostic, Severity};
use portcullis_value::Pointer;
use portcullis_yaml::{Duplicate, Marks, Place, Source};

use crate::files::FileError;
use crate::paint::{self, Paint};
use crate::printable;
use crate::surroundings::Stream;

/// Where documents come from and mistakes in them go to.
#[derive(Debug)]
pub(crate) struct Reporter<'r, 's> {
    /// The path as it was given.
    origin: &'r str,
    stderr: &'r mut Stream<'s>,
    /// How many errors were told.
    errors: usize,
}

/// A place in a text, and what is wrong there.
#[derive(Debug)]
struct Finding<'f> {
    severity: Severity,
    message: Cow<'f, str>,
    hint: Option<Cow<'f, str>>,
    /// The text that the places are in, and the line of the file it begins on.
    source: Source<'f>,
    /// Byte offsets in the text.
    span: Range<usize>,
    /// Another place that has to do with it, and what.
    context: Option<(Range<usize>, Cow<'f, str>)>,
}

impl<'r, 's> Reporter<'r, 's> {
    pub(crate) fn new(origin: &'r str, stderr: &'r mut Stream<'s>) -> Self {
        Self { origin, stderr, errors: 0 }
    }

    /// How many errors were told.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Tells a mistake at a path of a document, whose root stands where `marks` say.
    pub(crate) fn diagnostic(&mut self, source: Source<'_>, marks: &Marks<'_>, diagnostic: &Diagnostic) {
        let place = place_of(marks, diagnostic);
        self.tell(&Finding {
            severity: diagnostic.severity,
            message: Cow::Borrowed(&diagnostic.message),
            hint: diagnostic.hint.as_deref().map(|hint| in_quotes(hint, source, place)),
            source,
            span: place.range(),
            context: None,
        });
    }

    /// Tells why a text is no document.
    pub(crate) fn syntax(&mut self, source: Source<'_>, error: &portcullis_yaml::Error) {
        let start = offset(source, error.line(), error.column());
        self.tell(&Finding {
            severity: Severity::Error,
            message: Cow::Borrowed(error.message()),
            hint: error.hint().map(Cow::Borrowed),
            source,
            span: start..start + 1,
            context: None,
        });
    }

    /// Warns of a key that stands twice.
    pub(crate) fn duplicate(&mut self, source: Source<'_>, duplicate: &Duplicate<'_>) {
        let (key, first, last) = (&duplicate.key, duplicate.first, duplicate.last);
        let places = if first.line == last.line {
            format!("on line {}, in columns {} and {}", first.line, first.column, last.column)
        } else {
            format!("on lines {} and {}", first.line, last.line)
        };
        let message = format!("key `{key}` stands twice, {places}: the last one counts");
        self.tell(&Finding {
            severity: Severity::Warning,
            message: message.into(),
            hint: None,
            source,
            span: duplicate.last.range(),
            context: Some((duplicate.first.range(), "passed over".into())),
        });
    }

    /// Tells a mistake of which the line is known and the text is not at hand.
    pub(crate) fn at_line(&mut self, line: usize, column: usize, message: &str, hint: Option<&str>) {
        self.errors += 1;
        let place = format!("{}:{line}:{column}", self.origin);
        plain(self.stderr, Severity::Error, message, Some(&place), hint);
    }

    /// Tells why reading had to end.
    pub(crate) fn io(&mut self, error: &std::io::Error) {
        self.whole(Severity::Error, &format!("cannot read on: {}", system_reason(error)), None);
    }

    /// Tells a mistake of the whole file.
    pub(crate) fn whole(&mut self, severity: Severity, message: &str, hint: Option<&str>) {
        self.errors += usize::from(severity == Severity::Error);
        plain(self.stderr, severity, message, Some(self.origin), hint);
    }

    fn tell(&mut self, finding: &Finding<'_>) {
        if finding.severity == Severity::Warning && !self.stderr.warnings {
            return;
        }
        self.errors += usize::from(finding.severity == Severity::Error);
        let rendered = render(finding, self.origin, self.stderr);
        // When standard error cannot be written there is nobody left to tell.
        let _ = self.stderr.write_all(rendered.as_bytes());
    }
}

/// Tells why a file cannot be used.
pub(crate) fn file_error(stderr: &mut Stream<'_>, error: &FileError) {
    plain(stderr, Severity::Error, &error.to_string(), None, error.hint());
}

/// Tells an error that has no place in a text.
pub(crate) fn error(stderr: &mut Stream<'_>, message: &str) {
    plain(stderr, Severity::Error, message, None, None);
}

/// Warns of something that has no place in a text.
pub fn warning(stderr: &mut Stream<'_>, message: &str) {
    plain(stderr, Severity::Warning, message, None, None);
}

fn plain(
    stderr: &mut Stream<'_>,
    severity: Severity,
    message: &str,
    place: Option<&str>,
    hint: Option<&str>,
) {
    if severity == Severity::Warning && !stderr.warnings {
        return;
    }
    let paint = Paint::on(stderr);
    let message = printable::line(message);
    let _ = match severity {
        Severity::Error => writeln!(stderr, "{} {message}", paint.error("error:")),
        Severity::Warning => writeln!(stderr, "{} {message}", paint.warning("warning:")),
    };
    if let Some(place) = place {
        let _ = writeln!(stderr, " --> {}", printable::line(place));
    }
    if let Some(hint) = hint {
        let _ = writeln!(stderr, "{} {}", paint.hint("hint:"), printable::line(hint));
    }
}

/// Where a mistake stands; where nothing stands at its path, the nearest node above it.
fn place_of(marks: &Marks<'_>, diagnostic: &Diagnostic) -> Place {
    let found = match diagnostic.place {
        model::Place::Key => marks.key(&diagnostic.path),
        model::Place::Value => marks.at(&diagnostic.path),
    };
    let nearest = || {
        let mut path: Pointer = diagnostic.path.clone();
        while !path.is_root() {
            path.pop();
            if let Some(place) = marks.key(&path).or_else(|| marks.at(&path)) {
                return Some(place);
            }
        }
        None
    };
    found.or_else(nearest).unwrap_or_else(|| marks.place())
}

/// `hint`, with what stands at `place` in quotes where that is to be done.
fn in_quotes<'h>(hint: &'h str, source: Source<'_>, place: Place) -> Cow<'h, str> {
    // An alias, a tag or a value over lines is more than its text.
    let is_plain = |text: &&str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._:~".contains(&byte))
    };
    let written = source.text().get(place.range()).filter(is_plain);
    match written.filter(|_| hint == Diagnostic::IN_QUOTES) {
        Some(text) => Cow::Owned(format!("{hint}: \"{text}\"")),
        None => Cow::Borrowed(hint),
    }
}

/// The byte offset in `source` of a line and column of its stream.
fn offset(source: Source<'_>, line: usize, column: usize) -> usize {
    let before = line.saturating_sub(source.line());
    let start: usize = source.text().split_inclusive('\n').take(before).map(str::len).sum();
    let line = source.text().get(start..).unwrap_or_default();
    let within =
        line.char_indices().nth(column.saturating_sub(1)).map_or(line.trim_end().len(), |found| found.0);
    start + within
}

/// How many bytes of text are shown at most: longer lines help nobody, and a document may be a single one.
const MAX_SHOWN: usize = 4 << 10;

/// The finding with the lines it is about, or without them where they are too long.
fn render(finding: &Finding<'_>, origin: &str, stderr: &Stream<'_>) -> String {
    let text = finding.source.text();
    let own = lines_of(text, &finding.span);
    let (lines, context) = match &finding.context {
        Some(context) => {
            let other = lines_of(text, &context.0);
            let both = own.start.min(other.start)..own.end.max(other.end);
            if both.len() <= MAX_SHOWN { (both, Some(context)) } else { (own, None) }
        }
        None => (own, None),
    };
    let line =
        finding.source.line() + text.get(..lines.start).map_or(0, |before| before.matches('\n').count());
    let message = printable::line(&finding.message);
    let paint = Paint::on(stderr);

    let mut rendered = if lines.len() <= MAX_SHOWN {
        let shown = text.get(lines.clone()).unwrap_or_default();
        let within = |span: &Range<usize>| {
            let place = |offset: usize| offset.saturating_sub(lines.start).min(shown.len());
            // What spans lines is marked at its first one.
            let first_line = shown.get(place(span.start)..).and_then(|rest| rest.find('\n'));
            let end = first_line.map_or(shown.len(), |length| place(span.start) + length);
            place(span.start)..place(span.end).clamp(place(span.start), end)
        };
        let mut snippet = Snippet::source(shown)
            .line_start(line)
            .path(printable::line(origin))
            .annotation(AnnotationKind::Primary.span(within(&finding.span)));
        if let Some((span, label)) = context {
            snippet = snippet.annotation(AnnotationKind::Context.span(within(span)).label(label.as_ref()));
        }
        let level = match finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let renderer = if stderr.colour { coloured() } else { Renderer::plain() };
        let renderer = renderer.term_width(stderr.width.unwrap_or(140));
        renderer.render(&[level.primary_title(message.as_ref()).element(snippet)])
    } else {
        let column = text.get(lines.start..finding.span.start).map_or(0, |before| before.chars().count()) + 1;
        let heading = match finding.severity {
            Severity::Error => paint.error("error:"),
            Severity::Warning => paint.warning("warning:"),
        };
        format!("{heading} {message}\n --> {}:{line}:{column}", printable::line(origin))
    };
    rendered.push('\n');
    if let Some(hint) = &finding.hint {
        let _ = writeln!(rendered, "{} {}", paint.hint("hint:"), printable::line(hint));
    }
    rendered
}

/// Snippets in the colours of all other messages.
fn coloured() -> Renderer {
    Renderer::styled().error(paint::ERROR).warning(paint::WARNING).emphasis(Style::new())
}

/// The line in which `span` begins, without its line break.
fn lines_of(text: &str, span: &Range<usize>) -> Range<usize> {
    let at = span.start.min(text.len());
    let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |position| position + 1);
    let end = text.get(at..).and_then(|after| after.find('\n')).map_or(text.len(), |length| at + length);
    start..end
}
