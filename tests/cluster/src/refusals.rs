//! What is refused to Portcullis, and which of it is a test's own doing.

use anyhow::Result;

use crate::ControlPlane;
use crate::audit::Refusal;

/// Watches what is refused to one user. Three things are forgiven, and nothing else: what the authorizer refuses while an
/// API server comes up, since it does not know any roles yet; what the test expects, as it has taken that right away; and
/// everything once it has taken them all.
#[derive(Debug)]
pub(crate) struct Refusals<'a> {
    control_plane: &'a ControlPlane,
    user: &'static str,
    /// Where the part of the audit log begins that counts.
    since: u64,
    /// The verbs and resources of requests that the test expects to be refused.
    expected: Vec<(String, String)>,
    /// From here on in the audit log all rights are gone.
    rightless_since: Option<u64>,
}

impl<'a> Refusals<'a> {
    /// Watches from now on.
    pub(crate) fn of(control_plane: &'a ControlPlane, user: &'static str) -> Result<Self> {
        let since = control_plane.audited()?;
        Ok(Self { control_plane, user, since, expected: Vec::new(), rightless_since: None })
    }

    /// Requests of this verb for this resource are refused, since the test wants it so.
    pub(crate) fn expect(&mut self, verb: &str, resource: &str) {
        self.expected.push((verb.to_owned(), resource.to_owned()));
    }

    /// From now on everything is refused, since the test has taken all rights away.
    pub(crate) fn expect_all(&mut self) -> Result<()> {
        self.rightless_since = Some(self.control_plane.audited()?);
        Ok(())
    }

    /// The refusals that are not forgiven, and the lines of `log` that tell of such.
    pub(crate) fn unforgiven(&self, log: &str) -> Result<Vec<String>> {
        let all = self.control_plane.refused(self.user, self.since)?;
        let (forgiven, refused): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|refusal| self.is_forgiven(refusal));
        let is_of_forgiven = |line: &str| forgiven.iter().any(|refusal| refusal.is_told_by(line));
        let lines = log.lines().filter(|line| tells_of_refusal(line) && !is_of_forgiven(line));
        Ok(refused.into_iter().map(|refusal| refusal.request).chain(lines.map(str::to_owned)).collect())
    }

    /// What the test expected to be refused and was not, as `VERB RESOURCE`.
    pub(crate) fn missed(&self) -> Result<Vec<String>> {
        let all = self.control_plane.refused(self.user, self.since)?;
        let is_missed = |(verb, resource): &&(String, String)| {
            !all.iter().any(|refusal| refusal.verb == *verb && refusal.resource == *resource)
        };
        let missed = self.expected.iter().filter(is_missed);
        Ok(missed.map(|(verb, resource)| format!("{verb} {resource}")).collect())
    }

    fn is_forgiven(&self, refusal: &Refusal) -> bool {
        let Refusal { verb, resource, place, .. } = refusal;
        self.rightless_since.is_some_and(|since| *place >= since)
            || self.expected.iter().any(|(of, about)| of == verb && about == resource)
            || self.control_plane.was_coming_up(refusal.received)
    }
}

/// What the record of a decision carries, whose numbers are no statuses.
const DECISION: &str = "portcullis::decision";

/// Whether a line of a log says that the API server refused a request: status 403, or the words it comes with.
fn tells_of_refusal(line: &str) -> bool {
    if line.contains(DECISION) {
        return false;
    }
    // After an equals sign stands a count of something.
    let apart = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '.' || c == '=');
    line.contains("is forbidden: ")
        || line.match_indices("403").any(|(start, status)| {
            let before = line.get(..start).and_then(|text| text.chars().next_back());
            let after = line.get(start + status.len()..).and_then(|text| text.chars().next());
            apart(before) && apart(after)
        })
}

#[cfg(test)]
mod tests {
    use super::tells_of_refusal;

    #[test]
    fn a_refusal_is_told_from_a_time_a_port_and_a_count() {
        assert!(tells_of_refusal(r#"{"level":"warn","status":403}"#));
        assert!(tells_of_refusal("jobs.batch is forbidden: User \"x\" cannot list resource"));
        assert!(!tells_of_refusal("2026-01-01T00:00:00.403Z started"));
        assert!(!tells_of_refusal("listening on 127.0.0.1:40312"));
        assert!(!tells_of_refusal("policies are in force policies=403 of=403"));
        assert!(!tells_of_refusal(r#"INFO portcullis::decision: {"kind":"v1/Pod","micros":403}"#));
    }
}
