//! Hosts of URLs, as Go's `net/url` takes URLs apart.

use core::net::{Ipv4Addr, Ipv6Addr};

use crate::fmt::quote;

/// What `url.Parse` says of a text that is no URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parse {}: {reason}", quote(.url))]
pub struct ParseError {
    url: Box<str>,
    reason: Fault,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("net/url: invalid control character in URL")]
    ControlCharacter,
    #[error("missing protocol scheme")]
    MissingScheme,
    #[error("first path segment in URL cannot contain colon")]
    ColonInPath,
    #[error("net/url: invalid userinfo")]
    UserInfo,
    #[error("missing ']' in host")]
    OpenBracket,
    #[error("invalid IP-literal")]
    AddressInBrackets,
    #[error("invalid host: ParseAddr({}): unable to parse IP", quote(.0))]
    Address(Box<str>),
    #[error("invalid port {} after host", quote(.0))]
    Port(Box<str>),
    #[error("invalid URL escape {}", quote(.0))]
    Escape(Box<str>),
    #[error("invalid character {} in host name", quote(.0))]
    HostCharacter(Box<str>),
}

/// Where a text stands in a URL: that decides which bytes it may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    /// The zone of an IPv6 address, behind `%25`.
    Zone,
    /// User, path or fragment.
    Other,
}

/// The host of `url` without its port and without the brackets of an IPv6 address; empty where there is none, as in a
/// path or in `mailto:a@b`.
///
/// # Errors
/// What `url.Parse` refuses, whether it is in the host or not.
pub fn host(url: &str) -> Result<String, ParseError> {
    let (before, fragment) = url.split_once('#').unwrap_or((url, ""));
    let refused = |url: &str, reason| ParseError { url: url.into(), reason };
    let host = host_before_fragment(before).map_err(|reason| refused(before, reason))?;
    unescape(fragment, Part::Other).map_err(|reason| refused(url, reason))?;
    Ok(host)
}

fn host_before_fragment(url: &str) -> Result<String, Fault> {
    if url.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(Fault::ControlCharacter);
    }
    let (scheme, rest) = split_scheme(url)?;
    let rest = rest.split_once('?').map_or(rest, |(rest, _query)| rest);
    if !rest.starts_with('/') {
        let first = rest.split('/').next().unwrap_or_default();
        return match scheme {
            // Such a rest is opaque.
            Some(_) => Ok(String::new()),
            None if first.contains(':') => Err(Fault::ColonInPath),
            None => unescape(rest, Part::Other).map(|_| String::new()),
        };
    }
    let is_path = scheme.is_none() && rest.starts_with("///");
    let (host, path) = match rest.strip_prefix("//").filter(|_| !is_path) {
        Some(authority) => {
            let end = authority.find('/').unwrap_or(authority.len());
            let (authority, path) = authority.split_at_checked(end).unwrap_or((authority, ""));
            (host_of_authority(scheme.unwrap_or_default(), authority)?, path)
        }
        None => (String::new(), rest),
    };
    unescape(path, Part::Other)?;
    Ok(host)
}

/// The scheme, if there is one, and what is behind its colon.
fn split_scheme(url: &str) -> Result<(Option<&str>, &str), Fault> {
    let Some((scheme, rest)) = url.split_once(':') else { return Ok((None, url)) };
    if scheme.is_empty() {
        return Err(Fault::MissingScheme);
    }
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    Ok(if is_scheme { (Some(scheme), rest) } else { (None, url) })
}

fn host_of_authority(scheme: &str, authority: &str) -> Result<String, Fault> {
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let host = check_host(scheme, host)?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !user.bytes().all(is_allowed) {
        return Err(Fault::UserInfo);
    }
    unescape(user, Part::Other)?;
    Ok(host)
}

/// The host without port and brackets.
fn check_host(scheme: &str, host: &str) -> Result<String, Fault> {
    if let Some(inside) = host.strip_prefix('[').filter(|inside| !inside.contains('[')) {
        let (address, port) = inside.rsplit_once(']').ok_or(Fault::OpenBracket)?;
        check_port(port)?;
        let zone = address.find("%25").unwrap_or(address.len());
        let (address, zone) = address.split_at_checked(zone).unwrap_or((address, ""));
        let address = unescape(address, Part::Host)?;
        let zone = unescape(zone, Part::Zone)?;
        // A zone is a percent sign and a name.
        return match address.parse::<Ipv6Addr>() {
            Ok(_) if zone != "%" => Ok(address + &zone),
            _ if zone.is_empty() && address.parse::<Ipv4Addr>().is_ok() => Err(Fault::AddressInBrackets),
            _ => Err(Fault::Address((address + &zone).into())),
        };
    }
    if host.contains('[') {
        return Err(Fault::AddressInBrackets);
    }
    // Only what is for the web may not have colons in its host.
    let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    if let Some(colon) = if is_web { host.find(':') } else { host.rfind(':') } {
        check_port(host.get(colon..).unwrap_or_default())?;
    }
    let host = unescape(host, Part::Host)?;
    Ok(match host.rsplit_once(':') {
        Some((host, _port)) => host.to_owned(),
        None => host,
    })
}

/// Checks what follows a host: nothing, or a colon and any number of digits.
fn check_port(port: &str) -> Result<(), Fault> {
    let digits = port.strip_prefix(':').unwrap_or(port);
    let is_port =
        port.is_empty() || digits.len() < port.len() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_port { Ok(()) } else { Err(Fault::Port(port.into())) }
}

/// The text with its `%XX` replaced; bytes that are no text become U+FFFD.
fn unescape(text: &str, part: Part) -> Result<String, Fault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            if part != Part::Other && first.is_ascii() && !is_host_byte(*first) {
                return Err(Fault::HostCharacter(char::from(*first).to_string().into()));
            }
            bytes.push(*first);
            continue;
        }
        let escape = || {
            let shown = after.get(..2).unwrap_or(after);
            Fault::Escape(format!("%{}", String::from_utf8_lossy(shown)).into())
        };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let [high, low, after_digits @ ..] = after else { return Err(escape()) };
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else { return Err(escape()) };
        let byte = high * 16 + low;
        let allowed = match part {
            Part::Other => true,
            _ if byte == b'%' => true,
            Part::Host => !byte.is_ascii(),
            Part::Zone => byte == b' ' || is_host_byte(byte),
        };
        if !allowed {
            return Err(escape());
        }
        bytes.push(byte);
        rest = after_digits;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What may stand in a host as it is.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, want: &str) {
        assert_eq!(host(url).unwrap_or_else(|error| error.to_string()), want, "`{url}`");
    }

    #[test]
    fn hosts_are_found_as_in_go() {
        check("https://example.com/a?b=c#d", "example.com");
        check("https://user:p@1.1.1.1:8080/a", "1.1.1.1");
        check("http://a@b@c.d:", "c.d");
        check("//host/path", "host");
        check("///host/path", "");
        check("http://[::1]:80/", "::1");
        check("http://[fe80::1%25en0]", "fe80::1%en0");
        check("HTTP://8.8.8.8:99999", "8.8.8.8");
        check("http://b%C3%BCcher.de", "bücher.de");
        check("mailto:a@b.c", "");
        check("a/b:c", "");
        check("", "");
        check("postgres://a:1,b:2/db", "a:1,b");
    }

    #[test]
    fn refusals_are_worded_as_in_go() {
        check("://x", "parse \"://x\": missing protocol scheme");
        check("http://a b", "parse \"http://a b\": invalid character \" \" in host name");
        check("http://[::1", "parse \"http://[::1\": missing ']' in host");
        check("http://[1.2.3.4]", "parse \"http://[1.2.3.4]\": invalid IP-literal");
        check("http://a[::1]", "parse \"http://a[::1]\": invalid IP-literal");
        check("http://a:b", "parse \"http://a:b\": invalid port \":b\" after host");
        check("http://::1", "parse \"http://::1\": invalid port \"::1\" after host");
        check("1:2", "parse \"1:2\": first path segment in URL cannot contain colon");
        check("http://a/%zz", "parse \"http://a/%zz\": invalid URL escape \"%zz\"");
        check("http://a/#%1", "parse \"http://a/#%1\": invalid URL escape \"%1\"");
        check("http://%41", "parse \"http://%41\": invalid URL escape \"%41\"");
        check("http://a b@c", "parse \"http://a b@c\": net/url: invalid userinfo");
        check("http://a\n", "parse \"http://a\\n\": net/url: invalid control character in URL");
    }
}
