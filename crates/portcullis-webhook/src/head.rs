//! The headers as they came, for what the HTTP library does not pass on.
//!
//! A request with both `Content-Length` and `Transfer-Encoding` is how requests are smuggled (RFC 9112, 6.3). The
//! library drops the length and goes by the chunks, so that a service cannot tell such a request from an honest one.

/// The bytes since the connection was idle, as far as headers may go.
#[derive(Debug, Default)]
pub(crate) struct Head {
    bytes: Vec<u8>,
    /// Whether no request has begun with them yet.
    fresh: bool,
    /// Whether the request at hand began with them.
    current: bool,
}

impl Head {
    /// Bytes came on an idle connection: a request begins with them.
    pub(crate) fn begin(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.fresh = true;
    }

    /// More bytes came before the headers ended. What is over `limit` is no header.
    pub(crate) fn extend(&mut self, bytes: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.bytes.len());
        self.bytes.extend(bytes.iter().take(room));
    }

    /// A request is at hand: the one that begins with the bytes, or one that was read together with the one before it.
    pub(crate) fn take(&mut self) {
        self.current = std::mem::take(&mut self.fresh);
    }

    /// Whether the request at hand came with a header of this name, in lower case. `None` where its headers were not
    /// seen.
    pub(crate) fn has(&self, name: &[u8]) -> Option<bool> {
        self.current.then(|| self.find(name))
    }

    fn find(&self, name: &[u8]) -> bool {
        self.bytes
            .split(|&byte| byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split(|&byte| byte == b':').next())
            .any(|field| field.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_for_in_the_headers_alone() {
        let mut head = Head::default();
        head.begin(b"POST / HTTP/1.1\r\nContent-");
        head.extend(b"Length: 4\r\nX: y\r\n\r\nHost: z\r\n", 4096);
        head.take();
        assert_eq!([head.has(b"content-length"), head.has(b"x")], [Some(true); 2]);
        assert_eq!([head.has(b"host"), head.has(b"length")], [Some(false); 2]);
        head.take();
        assert_eq!(head.has(b"x"), None, "the next request came with it");
        head.begin(b"GET / HTTP/1.1\r\n\r\n");
        head.take();
        assert_eq!(head.has(b"x"), Some(false));
    }
}
