//! The certificate to serve with, and what clients are to trust.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use portcullis_cli::ServeArguments;
use portcullis_webhook::{Authority, Certificates, Identity};

/// The certificate in use.
pub(crate) struct Served {
    pub(crate) certificates: Arc<Certificates>,
    /// What a webhook configuration's `caBundle` holds, before base64.
    pub(crate) ca_bundle: Vec<u8>,
}

impl Served {
    /// The certificate of the files that `arguments` name, or one that is made now and forgotten with the process.
    ///
    /// # Errors
    /// A file cannot be read, or the certificate in it cannot be used.
    pub(crate) fn new(arguments: &ServeArguments) -> anyhow::Result<Self> {
        if let (Some(certificate), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
            let certificate = read(certificate)?;
            let identity = Identity::from_pem(&certificate, &read(key)?).with_context(|| {
                format!(
                    "cannot serve with `{}`",
                    arguments.tls_cert.as_deref().unwrap_or_else(|| "".as_ref()).display()
                )
            })?;
            // Who gives a certificate of its own gives the chain that leads to what clients trust.
            return Ok(Self {
                certificates: Certificates::new(identity),
                ca_bundle: certificate.into_bytes(),
            });
        }
        let now = now();
        let authority = Authority::new(now)?;
        let identity = authority.issue(&names(arguments)?, now)?;
        Ok(Self { certificates: Certificates::new(identity), ca_bundle: authority.bundle_pem().into_bytes() })
    }
}

/// The names by which clients call this process.
fn names(arguments: &ServeArguments) -> anyhow::Result<Vec<String>> {
    if let Some(url) = &arguments.external_url {
        return Ok(vec![host(url)?.to_owned()]);
    }
    if arguments.policies.is_empty() {
        let (service, namespace) = (&arguments.service, &arguments.cluster.namespace);
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

/// The host of `https://HOST:PORT`.
fn host(url: &str) -> anyhow::Result<&str> {
    let Some(authority) = url.strip_prefix("https://") else {
        bail!("`--external-url {url}` is no HTTPS address; write https://HOST:PORT");
    };
    let authority = authority.trim_end_matches('/');
    if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
        bail!("`--external-url {url}` is more than an address; write https://HOST:PORT");
    }
    Ok(match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    })
}

#[expect(clippy::disallowed_methods, reason = "the binary reads files; the error names the path")]
fn read(path: &std::path::Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

#[expect(clippy::disallowed_methods, reason = "certificates are valid from now")]
fn now() -> SystemTime {
    SystemTime::now()
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
