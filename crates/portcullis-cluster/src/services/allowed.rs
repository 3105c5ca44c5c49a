//! Which services rules may call: what `--allow-service` says.

use std::str::FromStr;

use portcullis_model::{ServiceHost, ServiceUrl};

/// A host that rules may call, or all hosts below a name, at one port or at all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedService {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Exactly(ServiceHost),
    /// With the dot before it.
    Below(String),
}

impl FromStr for AllowedService {
    type Err = String;

    /// Reads `HOST[:PORT]`, where the host is a name, `*.` and a name, or an address.
    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                let number = port.parse::<u16>().ok().filter(|port| *port != 0);
                (host, Some(number.ok_or_else(|| format!("`{port}` is no port"))?))
            }
            _ => (text, None),
        };
        let host = match host.strip_prefix("*.") {
            Some(name) => match ServiceHost::parse(name)? {
                ServiceHost::Name(name) => Host::Below(format!(".{name}")),
                ServiceHost::Address(_) => return Err("an address has nothing below it".to_owned()),
            },
            None => Host::Exactly(ServiceHost::parse(host)?),
        };
        Ok(Self { host, port })
    }
}

impl AllowedService {
    /// Whether `url` may be called.
    pub(super) fn covers(&self, url: &ServiceUrl) -> bool {
        let is_host = match (&self.host, &url.host) {
            (Host::Exactly(host), asked) => host == asked,
            (Host::Below(suffix), ServiceHost::Name(name)) => name.ends_with(suffix.as_str()),
            (Host::Below(_), ServiceHost::Address(_)) => false,
        };
        is_host && self.port.is_none_or(|port| port == url.port)
    }

    /// Whether an address is named, which is allowed for what it is; a name is allowed wherever it leads today.
    pub(super) fn names_address(&self) -> bool {
        matches!(self.host, Host::Exactly(ServiceHost::Address(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_allowed_by_its_name_and_port() {
        let allows = |allowed: &str, url: &str| {
            allowed.parse::<AllowedService>().unwrap().covers(&ServiceUrl::parse(url).unwrap())
        };
        assert!(allows("A.b.svc.", "https://a.b.svc/x") && allows("a.b.svc:8443", "https://a.b.svc:8443/"));
        assert!(!allows("a.b.svc:8443", "https://a.b.svc/") && !allows("a.b.svc", "https://xa.b.svc/"));
        assert!(allows("*.b.svc", "http://a.b.svc/") && allows("*.b.svc", "http://x.a.b.svc/"));
        assert!(!allows("*.b.svc", "http://b.svc/") && !allows("*.b.svc", "http://a.c.svc/"));
        assert!(allows("10.0.0.1", "http://10.0.0.1/") && !allows("10.0.0.1", "http://[::ffff:10.0.0.1]/"));
        for wrong in ["", "*", "a:0", "a:b", "*.10.0.0.1", "https://a", "a/b"] {
            wrong.parse::<AllowedService>().unwrap_err();
        }
    }
}
