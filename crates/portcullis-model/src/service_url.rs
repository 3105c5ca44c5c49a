//! The URL of a call to another service than the API server, taken apart before anybody believes it.

// Addresses as values: the network itself is not for this layer.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;

/// The longest URL that is called, in bytes.
const MAX_LENGTH: usize = 8 << 10;

/// An `http` or `https` URL.
///
/// It is read once, and what was read is what is connected to: a host means the same to whoever allows it and to whoever
/// calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceUrl {
    /// Whether it is `https`.
    pub is_encrypted: bool,
    pub host: ServiceHost,
    pub port: u16,
    /// As it is sent; begins with a slash.
    pub path_and_query: String,
}

/// Who is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceHost {
    /// In lower case, without a dot at the end.
    Name(String),
    Address(IpAddr),
}

impl ServiceHost {
    /// Reads a name, an IPv4 address, or an IPv6 address in brackets.
    ///
    /// # Errors
    /// It is none of them, or a number that some programs take for an address: `0x7f.1`, `2130706433`, `010.0.0.1`. The
    /// text says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(inner) = text.strip_prefix('[') {
            let address = inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
            return address.map(|address| Self::Address(address.into())).ok_or_else(|| bad_host(text));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if name.len() > 253 || !name.split('.').all(is_label) {
            return Err(bad_host(text));
        }
        let last = name.rsplit('.').next().unwrap_or_default();
        if last.starts_with(|first: char| first.is_ascii_digit()) {
            let address = name.parse::<Ipv4Addr>();
            return address.map(|address| Self::Address(address.into())).map_err(|_| bad_host(text));
        }
        Ok(Self::Name(name))
    }
}

fn bad_host(text: &str) -> String {
    format!("`{text}` is no host")
}

impl fmt::Display for ServiceHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceHost::Name(name) => f.write_str(name),
            ServiceHost::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            ServiceHost::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl ServiceUrl {
    /// Reads `text`.
    ///
    /// # Errors
    /// It is no URL of a service, or not plainly: with a user, a fragment, blanks or control characters. The text says what is
    /// wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("the URL is longer than {MAX_LENGTH} bytes"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['\\', '"', '<', '>', '^', '`'])
        {
            return Err("the URL has a character in it that must be encoded".to_owned());
        }
        let (scheme, rest) = text.split_once("://").ok_or("the URL has no scheme")?;
        let is_encrypted = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("the URL is neither `https` nor `http`".to_owned()),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err("the URL names a user".to_owned());
        }
        if path.contains('#') {
            return Err("the URL has a fragment".to_owned());
        }
        let (host, port) = match authority.rsplit_once(':') {
            // A colon within brackets is part of an address.
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let port = match port {
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().ok(),
            Some(_) => None,
            None => Some(if is_encrypted { 443 } else { 80 }),
        };
        Ok(Self {
            is_encrypted,
            host: ServiceHost::parse(host)?,
            port: port.filter(|port| *port != 0).ok_or("the URL has no valid port")?,
            path_and_query: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match ServiceUrl::parse(text) {
            Ok(url) => format!("{} {} {} {}", url.is_encrypted, url.host, url.port, url.path_and_query),
            Err(error) => error,
        }
    }

    #[test]
    fn a_url_is_taken_apart() {
        assert_eq!(shown("https://A.b.Svc."), "true a.b.svc 443 /");
        assert_eq!(shown("HTTP://a:8080/x/y?z=%20"), "false a 8080 /x/y?z=%20");
        assert_eq!(shown("https://a?x"), "true a 443 /?x");
        assert_eq!(shown("https://10.0.0.1:9/"), "true 10.0.0.1 9 /");
        assert_eq!(shown("https://[::FFFF:10.0.0.1]:9/"), "true [::ffff:10.0.0.1] 9 /");
    }

    #[test]
    fn what_could_mean_another_host_to_somebody_else_is_none() {
        for url in [
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://010.0.0.1/",
            "https://1.2.3.4.5/",
            "https://a..b/",
            "https://.a/",
            "https:///x",
            "https://[fe80::1%25eth0]/",
            "https://[::1/",
            "https://::1/",
            "https://a%2eb/",
            "https://169.254.169.254:080:1/",
        ] {
            assert!(shown(url).ends_with("is no host"), "{url}: {}", shown(url));
        }
        assert_eq!(shown("https://good@evil/"), "the URL names a user");
        assert_eq!(shown("https://a/#b"), "the URL has a fragment");
        assert_eq!(shown("ftp://a/"), "the URL is neither `https` nor `http`");
        assert_eq!(shown("a.b/c"), "the URL has no scheme");
        for url in ["https://a/ b", "https://a/\r\nX: y", "https://ä/", "https://a\\b/", "https://a/\0"] {
            assert_eq!(shown(url), "the URL has a character in it that must be encoded", "{url:?}");
        }
        for port in ["0", "65536", "+1", "", "1a"] {
            assert_eq!(shown(&format!("https://a:{port}/")), "the URL has no valid port");
        }
    }
}
