//! Strategic merge, JSON Patch (RFC 6902), JSON Merge Patch (RFC 7386) and diff.
