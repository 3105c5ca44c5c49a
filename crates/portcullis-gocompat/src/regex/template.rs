//! Replacement templates: `$1`, `${name}`, `$$`.

pub(super) enum Piece<'t> {
    Literal(&'t str),
    /// What the first of these groups matched that took part.
    Groups(Vec<usize>),
}

/// Reads `template` for an expression whose groups have these names.
pub(super) fn parse<'t>(template: &'t str, names: &[Option<Box<str>>]) -> Vec<Piece<'t>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        pieces.push(Piece::Literal(before));
        if let Some(after) = after.strip_prefix('$') {
            pieces.push(Piece::Literal("$"));
            rest = after;
        } else if let Some((name, after)) = split_name(after) {
            pieces.push(Piece::Groups(groups(name, names)));
            rest = after;
        } else {
            // What names nothing is text.
            pieces.push(Piece::Literal("$"));
            rest = after;
        }
    }
    pieces.push(Piece::Literal(rest));
    pieces
}

/// The name at the start of what follows a `$`, in braces or as long as letters, digits and `_` go on.
fn split_name(text: &str) -> Option<(&str, &str)> {
    let (braced, text) = text.strip_prefix('{').map_or((false, text), |text| (true, text));
    let end = text.find(|letter: char| letter != '_' && !letter.is_alphanumeric()).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
    Some((name, if braced { rest.strip_prefix('}')? } else { rest }))
}

fn groups(name: &str, names: &[Option<Box<str>>]) -> Vec<usize> {
    let number = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    match name.parse::<u32>() {
        Ok(group) if number && group < 1_000_000_000 => usize::try_from(group).into_iter().collect(),
        _ => names
            .iter()
            .enumerate()
            .filter(|(_, known)| known.as_deref() == Some(name))
            .map(|(group, _)| group)
            .collect(),
    }
}
