//! Words that many Jobs share, each kept once.

use std::collections::HashMap;
use std::rc::Rc;

/// Words by number, in the order in which they were first seen.
#[derive(Debug, Default)]
pub struct Interner {
    numbers: HashMap<Rc<str>, u32>,
    words: Vec<Rc<str>>,
}

impl Interner {
    /// The number that stands for no word.
    pub const NONE: u32 = u32::MAX;

    /// The number of `word`.
    pub fn intern(&mut self, word: &str) -> u32 {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        // Four thousand million different words do not fit a machine; were it so, the last ones would have no number.
        let number = u32::try_from(self.words.len()).unwrap_or(Self::NONE);
        let word: Rc<str> = word.into();
        self.words.push(word.clone());
        self.numbers.insert(word, number);
        number
    }

    /// The same where it is most likely the word of number `last`: Jobs that follow one another are alike.
    pub fn intern_like(&mut self, word: &str, last: u32) -> u32 {
        if self.word(last) == Some(word) { last } else { self.intern(word) }
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The number of `word`, where it was seen.
    pub fn find(&self, word: &str) -> Option<u32> {
        self.numbers.get(word).copied()
    }

    /// The word of a number; `None` for [`Interner::NONE`].
    pub fn word(&self, number: u32) -> Option<&str> {
        self.words.get(number as usize).map(|word| &**word)
    }
}
