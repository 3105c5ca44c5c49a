//! References to container images, by the grammar of the distribution project.

use std::fmt;

/// The registry of an image that names none.
pub const DEFAULT_REGISTRY: &str = "docker.io";

/// An image reference, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    pub registry: String,
    /// The repository within the registry.
    pub path: String,
    /// The last part of the path.
    pub name: String,
    /// Empty where there is a digest alone.
    pub tag: String,
    /// `algorithm:hex`, or empty.
    pub digest: String,
}

/// Why a text is no image reference, in the reference's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "bad image: {image}, defaultRegistry: {DEFAULT_REGISTRY}, enableDefaultRegistryMutation: true: {reason}"
)]
pub struct ImageError {
    image: String,
    reason: &'static str,
}

impl ImageError {
    /// What is wrong with the text, without the text.
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

/// How long the name between registry and tag may be.
const MAX_PATH: usize = 255;

impl Reference {
    /// Parses `image`; without a registry it is of [`DEFAULT_REGISTRY`], without tag and digest it is `latest`.
    ///
    /// # Errors
    /// What is no reference: upper case in the repository, an empty part, a bad tag or digest.
    pub fn parse(image: &str) -> Result<Self, ImageError> {
        let full =
            if names_registry(image) { image.to_owned() } else { format!("{DEFAULT_REGISTRY}/{image}") };
        Self::parse_full(&full).map_err(|reason| ImageError { image: full, reason })
    }

    fn parse_full(full: &str) -> Result<Self, &'static str> {
        const INVALID: &str = "invalid reference format";
        let (rest, digest) = match full.split_once('@') {
            Some((rest, digest)) if is_digest(digest) => (rest, digest),
            Some(_) => return Err(INVALID),
            None => (full, ""),
        };
        let (registry, rest) = rest.split_once('/').ok_or(INVALID)?;
        // A colon behind the last slash begins the tag.
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (rest, None),
        };
        if !tag.is_none_or(is_tag) {
            return Err(INVALID);
        }
        // A first part with `_` is no host name but part of the path; it is taken for the registry all the same.
        let is_name = |registry: &str, path: &str| {
            (is_domain(registry) || is_component(registry)) && path.split('/').all(is_component)
        };
        if !is_name(registry, path) {
            let is_upper = is_name(&registry.to_lowercase(), &path.to_lowercase());
            return Err(if is_upper { "repository name must be lowercase" } else { INVALID });
        }
        if path.len() > MAX_PATH {
            return Err("repository name must not be more than 255 characters");
        }
        if !digest.is_empty() {
            check_digest(digest)?;
        }
        let tag = tag.unwrap_or(if digest.is_empty() { "latest" } else { "" });
        Ok(Self {
            registry: registry.to_owned(),
            path: path.to_owned(),
            name: path.rsplit('/').next().unwrap_or_default().to_owned(),
            tag: tag.to_owned(),
            digest: digest.to_owned(),
        })
    }

    /// `registry/path@digest`, or `registry/path:tag` without a digest.
    pub fn reference(&self) -> String {
        if self.digest.is_empty() { self.reference_with_tag() } else { format!("{self}@{}", self.digest) }
    }

    /// `registry/path:tag`; with a digest and no tag the colon ends it.
    pub fn reference_with_tag(&self) -> String {
        format!("{self}:{}", self.tag)
    }
}

/// `registry/path`.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

/// Whether the first part is a registry: it has a dot or a colon, is `localhost`, or is not all lower case.
fn names_registry(image: &str) -> bool {
    image.split_once('/').is_some_and(|(first, _)| {
        first.contains(['.', ':']) || first == "localhost" || first.to_lowercase() != first
    })
}

/// A host name or an IPv6 address in brackets, and a port if there is one.
fn is_domain(domain: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let (is_host, port) = match domain.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, after)) => {
            let is_address = address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
            let port = after.strip_prefix(':');
            (is_address && !address.is_empty() && port.is_some() != after.is_empty(), port)
        }
        None => match domain.split_once(':') {
            Some((host, port)) => (host.split('.').all(is_part), Some(port)),
            None => (domain.split('.').all(is_part), None),
        },
    };
    is_host && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `[a-z0-9]+` joined by `.`, `_`, `__` or any number of `-`.
fn is_component(component: &str) -> bool {
    let mut separators =
        component.split(|character: char| character.is_ascii_lowercase() || character.is_ascii_digit());
    let is_word = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    component.starts_with(is_word)
        && component.ends_with(is_word)
        && separators.all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
        })
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

/// `algorithm:hex` by its form: words joined by one of `-_+.`, and 32 digits or more.
fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_alphabetic())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(is_word)
        && hex.len() >= 32
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Checks that the digest is one of a known algorithm.
fn check_digest(digest: &str) -> Result<(), &'static str> {
    let (algorithm, hex) = digest.split_once(':').unwrap_or_default();
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ if algorithm.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            return Err("invalid checksum digest format");
        }
        _ => return Err("unsupported digest algorithm"),
    };
    if hex.len() != length {
        return Err("invalid checksum digest length");
    }
    if hex.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("invalid checksum digest format");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(image: &str, registry: &str, path: &str, tag: &str, reference: &str) {
        let parsed = Reference::parse(image).unwrap();
        let got = (parsed.registry.as_str(), parsed.path.as_str(), parsed.tag.as_str(), parsed.reference());
        assert_eq!(got, (registry, path, tag, reference.to_owned()), "{image}");
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        check("nginx", "docker.io", "nginx", "latest", "docker.io/nginx:latest");
        check("test/nginx:v1", "docker.io", "test/nginx", "v1", "docker.io/test/nginx:v1");
        check("localhost:4443/t/n", "localhost:4443", "t/n", "latest", "localhost:4443/t/n:latest");
        check("Foo/x", "Foo", "x", "latest", "Foo/x:latest");
        check("[::1]:80/x", "[::1]:80", "x", "latest", "[::1]:80/x:latest");
        check("a_b.c/d:1", "a_b.c", "d", "1", "a_b.c/d:1");
        let digest = format!("sha256:{}", "a".repeat(64));
        check(&format!("ghcr.io/a/b@{digest}"), "ghcr.io", "a/b", "", &format!("ghcr.io/a/b@{digest}"));
    }

    #[test]
    fn what_is_no_image_is_refused() {
        for image in ["", "NGINX", "a//b", "a:", "a@sha256:xyz", "a b", "-a", "a:b:c", "a__-b"] {
            assert!(Reference::parse(image).is_err(), "{image}");
        }
        assert_eq!(
            Reference::parse("NGINX").unwrap_err().to_string(),
            "bad image: docker.io/NGINX, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: \
             repository name must be lowercase"
        );
    }
}
