//! Slash-separated paths, as Go's `path` cleans and joins them.

/// The shortest path that names the same place, by text alone: no `.`, no `//`, no `..` behind a name.
///
/// The empty path is `.`; `..` at the root of a rooted path is dropped.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match (part, parts.last()) {
            ("" | ".", _) => {}
            ("..", Some(&last)) if last != ".." => {
                parts.pop();
            }
            ("..", _) if rooted => {}
            _ => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, rest) => format!("/{rest}"),
        (false, rest) if rest.is_empty() => ".".to_owned(),
        (false, rest) => rest,
    }
}

/// The parts joined by slashes and cleaned; empty parts are left out, and nothing but those gives the empty path.
pub fn join(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { String::new() } else { clean(&parts.join("/")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_cleans_them() {
        for (path, want) in [
            ("", "."),
            ("a/b/../c/./d/", "a/c/d"),
            ("/../../etc", "/etc"),
            ("../a", "../a"),
            ("a/../..", ".."),
            ("~/.ssh//x", "~/.ssh/x"),
            ("//", "/"),
        ] {
            assert_eq!(clean(path), want, "{path}");
        }
        assert_eq!(join(&["/a/b", "../c"]), "/a/c");
        assert_eq!(join(&["", ""]), "");
    }
}
