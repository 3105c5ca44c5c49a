//! `random`: a text that a regular expression matches, made of the caller's random bits.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::{Arguments, Function, REGEX, Type};
use crate::error::Failure;
use crate::evaluate::{Evaluated, Evaluator};

pub(super) const FUNCTIONS: &[Function] = &[Function {
    name: "random",
    parameters: &[REGEX],
    returns: Type::String,
    doc: "A random text that the regular expression matches, of printable ASCII where it leaves the choice.",
    example: ("length(random('[a-z0-9]{6}'))", "6"),
    call: random,
}];

/// How often more than it must something without an upper limit may be repeated.
const MOST_REPEATS: u32 = 4096;

fn random<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    if arguments.string(0)?.is_empty() {
        return Err(Failure::runtime("no pattern provided"));
    }
    let regex = evaluator.regex(&arguments)?.map_err(|error| Failure::runtime(error.to_string()))?;
    let pattern =
        regex_syntax::parse(regex.translated()).map_err(|error| Failure::runtime(error.to_string()))?;
    let mut text = String::new();
    evaluator.generate(&pattern, &mut text)?;
    Ok(evaluator.arena.string(&text))
}

impl<'a> Evaluator<'a, '_, '_> {
    /// Adds to `text` what `pattern` matches. What is asserted of the surroundings is not looked at.
    fn generate(&mut self, pattern: &Hir, text: &mut String) -> Result<(), Failure<'a>> {
        self.budget.step()?;
        match pattern.kind() {
            HirKind::Empty | HirKind::Look(_) => Ok(()),
            HirKind::Literal(literal) => self.push(&String::from_utf8_lossy(&literal.0), text),
            HirKind::Class(class) => {
                let char = self.choose_character(class)?;
                self.push(char.encode_utf8(&mut [0; 4]), text)
            }
            HirKind::Capture(group) => self.nested(0, |evaluator| evaluator.generate(&group.sub, text)),
            HirKind::Concat(parts) => {
                self.nested(0, |evaluator| parts.iter().try_for_each(|part| evaluator.generate(part, text)))
            }
            HirKind::Alternation(choices) => {
                let choice = self.below(choices.len() as u64);
                let choice = usize::try_from(choice).ok().and_then(|choice| choices.get(choice));
                self.nested(0, |evaluator| choice.map_or(Ok(()), |choice| evaluator.generate(choice, text)))
            }
            HirKind::Repetition(Repetition { min, max, sub, .. }) => {
                let more = max.map_or(MOST_REPEATS, |max| max.saturating_sub(*min));
                let count = u64::from(*min) + self.below(u64::from(more) + 1);
                self.nested(0, |evaluator| (0..count).try_for_each(|_| evaluator.generate(sub, text)))
            }
        }
    }

    fn push(&mut self, part: &str, text: &mut String) -> Result<(), Failure<'a>> {
        self.budget.bytes(part.len())?;
        text.push_str(part);
        Ok(())
    }

    /// A random number below `count`; 0 for 0.
    fn below(&mut self, count: u64) -> u64 {
        // For counts this small the remainder is as good as even.
        (self.random)().checked_rem(count).unwrap_or(0)
    }

    fn choose_character(&mut self, class: &Class) -> Result<char, Failure<'a>> {
        let ranges: Vec<(u32, u32)> = match class {
            Class::Unicode(class) => {
                class.iter().map(|range| (u32::from(range.start()), u32::from(range.end()))).collect()
            }
            Class::Bytes(class) => {
                class.iter().map(|range| (u32::from(range.start()), u32::from(range.end()))).collect()
            }
        };
        let printable = |(start, end): &(u32, u32)| ((*start).max(0x20), (*end).min(0x7e));
        let printable: Vec<_> = ranges.iter().map(printable).filter(|(start, end)| start <= end).collect();
        let ranges = if printable.is_empty() { ranges } else { printable };
        let size = |(start, end): &(u32, u32)| u64::from(end - start) + 1;
        let mut choice = self.below(ranges.iter().map(size).sum());
        for range in &ranges {
            if let Ok(offset) = u32::try_from(choice)
                && choice < size(range)
            {
                // Surrogates, which lie inside some ranges, are no characters.
                return Ok(char::from_u32(range.0 + offset).unwrap_or('\u{fffd}'));
            }
            choice = choice.saturating_sub(size(range));
        }
        Err(Failure::runtime("no text matches the pattern"))
    }
}
