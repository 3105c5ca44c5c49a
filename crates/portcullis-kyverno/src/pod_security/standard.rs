//! Which standard counts: its level and the version of Kubernetes that defines it.

/// A level of the standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// The rule names none.
    Unnamed,
    Privileged,
    Baseline,
    Restricted,
}

impl Level {
    pub(super) fn of(text: &str) -> Self {
        match text {
            "privileged" => Level::Privileged,
            "baseline" => Level::Baseline,
            "restricted" => Level::Restricted,
            _ => Level::Unnamed,
        }
    }

    /// As it is written.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Level::Unnamed => "",
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        }
    }

    /// Whether a rule of this level asks for checks of `level`.
    ///
    /// COMPAT(kyverno): every level but `baseline` asks for all checks, `privileged` too.
    pub(super) fn includes(self, level: Level) -> bool {
        self != Level::Baseline || level == Level::Baseline
    }
}

/// The minor version of Kubernetes 1 whose standards count; the latest is greater than all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) u32);

impl Version {
    pub(super) const LATEST: Version = Version(u32::MAX);

    /// Reads `latest`, `v1.25`, or nothing, which is the latest.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "latest" => Some(Self::LATEST),
            _ => {
                let minor = text.strip_prefix("v1.")?;
                let is_plain = minor == "0" || !minor.starts_with(['0', '+']);
                minor.parse().ok().filter(|_| is_plain).map(Self)
            }
        }
    }
}
