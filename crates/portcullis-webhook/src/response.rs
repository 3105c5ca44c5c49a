//! The answer to a review as JSON, written straight into a buffer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Verdict;

/// Bytes of a message.
const MESSAGE_BYTES: usize = 8 << 10;
/// Bytes of all warnings that the API server passes on as they are.
const ALL_WARNINGS_BYTES: usize = 4 << 10;
/// Bytes of each of them where there are more: at so many characters the API server cuts them then.
const WARNING_BYTES: usize = 256;
/// Warnings of an answer.
const WARNINGS: usize = 32;
/// What a text ends with that was cut.
const CUT: &str = "...";

/// The AdmissionReview that answers the request of this `uid`.
pub(crate) fn write(uid: &str, verdict: &Verdict) -> Vec<u8> {
    let patch_bytes = verdict.patch.as_ref().map_or(0, |patch| patch.len() / 3 * 4 + 4);
    let mut out = Vec::with_capacity(256 + patch_bytes);
    out.extend_from_slice(
        br#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"#,
    );
    string(&mut out, uid.chars());
    out.extend_from_slice(br#","allowed":"#);
    out.extend_from_slice(if verdict.allowed { b"true" } else { b"false" });
    if let Some(message) = &verdict.message {
        // COMPAT(kyverno): a denial has no code, so that the API server answers with its own.
        let status: &[u8] = if verdict.allowed { b"Success" } else { b"Failure" };
        out.extend_from_slice(br#","status":{"status":""#);
        out.extend_from_slice(status);
        out.extend_from_slice(br#"","message":"#);
        string(&mut out, lines(message));
        out.push(b'}');
    }
    if let Some(patch) = &verdict.patch {
        out.extend_from_slice(br#","patchType":"JSONPatch","patch":""#);
        let start = out.len();
        out.resize(start + patch_bytes, 0);
        let room = out.get_mut(start..).unwrap_or_default();
        // The room is a third more than the patch, rounded up: the encoding always fits.
        let written = STANDARD.encode_slice(patch, room).unwrap_or(0);
        out.truncate(start + written);
        out.push(b'"');
    }
    if !verdict.warnings.is_empty() {
        out.extend_from_slice(br#","warnings":"#);
        let all: usize = verdict.warnings.iter().take(WARNINGS).map(String::len).sum();
        let most = if all > ALL_WARNINGS_BYTES { WARNING_BYTES } else { ALL_WARNINGS_BYTES };
        list(&mut out, b'[', b']', verdict.warnings.iter().take(WARNINGS), |out, warning| {
            string(out, cut(one_line(warning), most));
        });
    }
    if !verdict.audit_annotations.is_empty() {
        out.extend_from_slice(br#","auditAnnotations":"#);
        list(&mut out, b'{', b'}', verdict.audit_annotations.iter(), |out, (key, value)| {
            string(out, key.chars());
            out.push(b':');
            string(out, lines(value));
        });
    }
    out.extend_from_slice(b"}}");
    out
}

fn list<T>(
    out: &mut Vec<u8>,
    open: u8,
    close: u8,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(close);
}

/// A text of several lines: no control characters but line breaks and tabs, which a terminal would obey.
fn lines(text: &str) -> impl Iterator<Item = char> + Clone {
    cut(text.chars().filter(|&c| c == '\n' || c == '\t' || !c.is_control()), MESSAGE_BYTES)
}

/// A text of one line: it travels in an HTTP header, where a control character would lose it.
fn one_line(text: &str) -> impl Iterator<Item = char> + Clone {
    text.chars().map(|c| if c.is_control() { ' ' } else { c })
}

/// The characters of a text that has at most `limit` bytes in the end, which says so when it was cut.
fn cut(text: impl Iterator<Item = char> + Clone, limit: usize) -> impl Iterator<Item = char> + Clone {
    let fits = |limit: usize| {
        let mut bytes = 0;
        move |c: &char| {
            bytes += c.len_utf8();
            bytes <= limit
        }
    };
    let whole = text.clone().map(char::len_utf8).try_fold(0_usize, |sum, bytes| {
        let sum = sum + bytes;
        (sum <= limit).then_some(sum)
    });
    let (limit, end) = if whole.is_some() { (limit, "") } else { (limit - CUT.len(), CUT) };
    text.take_while(fits(limit)).chain(end.chars())
}

/// A JSON string.
fn string(out: &mut Vec<u8>, text: impl Iterator<Item = char>) {
    out.push(b'"');
    for c in text {
        match c {
            '"' => out.extend_from_slice(br#"\""#),
            '\\' => out.extend_from_slice(br"\\"),
            '\n' => out.extend_from_slice(br"\n"),
            '\t' => out.extend_from_slice(br"\t"),
            c if u32::from(c) < 0x20 => out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests;
