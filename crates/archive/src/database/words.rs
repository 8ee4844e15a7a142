//! The tokens of one statement, one after the other.

use crate::sql::{Lexer, Token};

/// Most statements that are read. No database is known to have more settings and grants.
const MAX_STATEMENTS: usize = 100_000;

/// The tokens of one statement, with their texts.
pub(super) struct Words<'sql> {
    tokens: Vec<(Token<'sql>, &'sql str)>,
    place: usize,
    escapes: bool,
}

impl<'sql> Words<'sql> {
    /// `None` if there are too many, or if one does not end.
    pub(super) fn statements(sql: &'sql str, escapes: bool) -> Option<Vec<Self>> {
        let mut statements = Vec::new();
        let mut tokens = Vec::new();
        let mut lexer = Lexer::new(sql);
        while let Some((token, raw)) = lexer.next_with_text() {
            match token {
                Token::Unfinished => return None,
                Token::Symbol(';') if !tokens.is_empty() => {
                    statements.push(Self { tokens: std::mem::take(&mut tokens), place: 0, escapes });
                    if statements.len() > MAX_STATEMENTS {
                        return None;
                    }
                }
                Token::Symbol(';') => {}
                _ => tokens.push((token, raw)),
            }
        }
        if !tokens.is_empty() {
            statements.push(Self { tokens, place: 0, escapes });
        }
        Some(statements)
    }

    pub(super) fn next(&mut self) -> Option<(Token<'sql>, &'sql str)> {
        let next = self.tokens.get(self.place).copied()?;
        self.place += 1;
        Some(next)
    }

    /// Goes past this keyword or symbol; `None`, and no step, if something else is next.
    pub(super) fn skip(&mut self, expected: &str) -> Option<()> {
        let (token, _) = self.tokens.get(self.place)?;
        token.is(expected).then(|| self.place += 1)
    }

    pub(super) fn end(&self) -> Option<()> {
        (self.place == self.tokens.len()).then_some(())
    }

    pub(super) fn name(&mut self) -> Option<String> {
        self.next()?.0.name()
    }

    /// A word, or a number with its sign.
    pub(super) fn word(&mut self) -> Option<&'sql str> {
        match self.next()? {
            (Token::Word(word), _) => Some(word),
            _ => None,
        }
    }

    pub(super) fn boolean(&mut self) -> Option<bool> {
        self.word()?.parse().ok()
    }

    pub(super) fn text(&mut self) -> Option<String> {
        match self.next()? {
            (Token::Text, raw) => unquoted(raw, self.escapes),
            _ => None,
        }
    }

    /// One text, or several with commas between them, up to the end.
    pub(super) fn values(&mut self) -> Option<Vec<String>> {
        let mut values = vec![self.text()?];
        while self.skip(",").is_some() {
            values.push(self.text()?);
        }
        self.end()?;
        Some(values)
    }
}

/// What `'..'` or `E'..'` says; `None` for what `pg_dump` does not write.
fn unquoted(raw: &str, escapes: bool) -> Option<String> {
    let (inner, escapes) = match raw.strip_prefix(['E', 'e']) {
        Some(rest) => (rest, true),
        None => (raw, escapes),
    };
    let inner = inner.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => text.push(characters.next().filter(|next| *next == '\'')?),
            '\\' if escapes => text.push(characters.next().filter(|next| matches!(next, '\\' | '\''))?),
            other => text.push(other),
        }
    }
    Some(text)
}
