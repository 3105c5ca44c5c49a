//! The names by which clients call this process.

use std::net::IpAddr;

use portcullis_cli::{ServeArguments, hinted};

/// The names and addresses that the certificate is made for.
///
/// # Errors
/// The external URL is no address.
pub(super) fn names(arguments: &ServeArguments) -> anyhow::Result<Vec<String>> {
    if let Some(url) = &arguments.external_url {
        return Ok(vec![host(url)?.to_owned()]);
    }
    if arguments.policies.is_empty() {
        let (service, namespace) = (&arguments.service, &arguments.namespace);
        return Ok(vec![
            service.clone(),
            format!("{service}.{namespace}"),
            format!("{service}.{namespace}.svc"),
        ]);
    }
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let listen: IpAddr = arguments.listen.ip();
    if !listen.is_unspecified() && !listen.is_loopback() {
        names.push(listen.to_string());
    }
    Ok(names)
}

/// How an address is written.
const FORM: &str = "write https://HOST:PORT";

/// The host of `https://HOST:PORT`.
fn host(url: &str) -> anyhow::Result<&str> {
    let Some(authority) = url.strip_prefix("https://") else {
        return Err(hinted(format!("`--external-url {url}` is no HTTPS address"), Some(FORM)));
    };
    let authority = authority.trim_end_matches('/');
    if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
        return Err(hinted(format!("`--external-url {url}` is more than an address"), Some(FORM)));
    }
    Ok(match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_external_url_stands_in_the_certificate() {
        assert_eq!(host("https://127.0.0.1:9443").unwrap(), "127.0.0.1");
        assert_eq!(host("https://laptop.example/").unwrap(), "laptop.example");
        assert_eq!(host("https://[::1]:9443").unwrap(), "::1");
        assert!(host("http://127.0.0.1:9443").unwrap_err().to_string().contains("no HTTPS address"));
        assert!(host("https://a/b").unwrap_err().to_string().contains("more than an address"));
    }
}
