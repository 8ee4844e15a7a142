//! The tokens of the statements that `pg_dumpall` writes.

/// A part of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A key word or a name without quotes.
    Word(String),
    /// A name in quotes, without them.
    Name(String),
    /// A text, as its value.
    Text(String),
    /// `(`, `)`, `,`, `=`, `.` or `-`.
    Mark(char),
}

/// What is left of a statement.
pub(super) struct Rest<'tokens>(pub(super) &'tokens [Token]);

impl<'tokens> Rest<'tokens> {
    pub(super) fn next(&mut self) -> Option<&'tokens Token> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(super) fn word(&mut self) -> Option<&'tokens str> {
        match self.next()? {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    /// All of these, or nothing is taken.
    pub(super) fn words(&mut self, expected: &[&str]) -> Option<()> {
        let (taken, rest) = self.0.split_at_checked(expected.len())?;
        let is_expected = |(token, word): (&Token, &&str)| matches!(token, Token::Word(found) if found == *word);
        taken.iter().zip(expected).all(is_expected).then(|| self.0 = rest)
    }

    pub(super) fn name(&mut self) -> Option<String> {
        match self.next()? {
            Token::Word(name) | Token::Name(name) => Some(name.clone()),
            Token::Text(_) | Token::Mark(_) => None,
        }
    }

    /// The name of a setting, which may have several parts.
    pub(super) fn setting(&mut self) -> Option<String> {
        let mut name = self.name()?;
        while self.mark('.').is_some() {
            name.push('.');
            name.push_str(&self.name()?);
        }
        Some(name)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        match self.next()? {
            Token::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn mark(&mut self, expected: char) -> Option<()> {
        match self.0.split_first() {
            Some((Token::Mark(found), rest)) if *found == expected => {
                self.0 = rest;
                Some(())
            }
            _ => None,
        }
    }
}

/// The tokens of a statement that was cut by [`statements`](mod@super::super::statements); `None` if it is none of these.
pub(super) fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '"' => quoted(&rest[1..], '"', false).map(|(name, after)| (Token::Name(name), after))?,
            '\'' => quoted(&rest[1..], '\'', false).map(|(text, after)| (Token::Text(text), after))?,
            'E' if rest[1..].starts_with('\'') => {
                quoted(&rest[2..], '\'', true).map(|(text, after)| (Token::Text(text), after))?
            }
            first if first.is_ascii_alphanumeric() || first == '_' => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
                (Token::Word(rest[..end].to_owned()), &rest[end..])
            }
            '(' | ')' | ',' | '=' | '.' | '-' => (Token::Mark(first), &rest[1..]),
            _ => return None,
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Some(tokens)
}

/// A text up to its closing quotation mark, and what follows. Of escapes, `pg_dumpall` writes the backslash alone.
fn quoted(text: &str, quote: char, escapes: bool) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((place, char)) = chars.next() {
        match char {
            '\\' if escapes => match chars.next()? {
                (_, '\\') => value.push('\\'),
                _ => return None,
            },
            char if char == quote => {
                if chars.next_if(|(_, next)| *next == quote).is_none() {
                    return Some((value, &text[place + 1..]));
                }
                value.push(quote);
            }
            char => value.push(char),
        }
    }
    None
}
