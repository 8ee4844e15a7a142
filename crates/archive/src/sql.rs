//! As much of SQL's lexical structure as is needed to see where names, texts and statements of a
//! definition begin and end. What an archive says is foreign text: it is looked at, never executed.

/// A piece of SQL between white space and comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'sql> {
    /// A keyword, a number, or a name without quotation marks.
    Word(&'sql str),
    /// A name in quotation marks: what is between them, with doubled ones still doubled.
    Quoted(&'sql str),
    /// A text: `'..'`, `E'..'` or `$tag$..$tag$`.
    Text,
    /// Any other character.
    Symbol(char),
    /// A name, text or comment that does not end.
    Unfinished,
}

impl<'sql> Token<'sql> {
    /// Whether this is the given keyword or symbol.
    pub(super) fn is(self, expected: &str) -> bool {
        match self {
            Self::Word(word) => word.eq_ignore_ascii_case(expected),
            Self::Symbol(symbol) => expected.chars().eq([symbol]),
            Self::Quoted(_) | Self::Text | Self::Unfinished => false,
        }
    }

    /// The name that this is as an identifier. Without quotation marks, PostgreSQL folds it.
    pub(super) fn name(self) -> Option<String> {
        match self {
            Self::Word(word) if !word.starts_with(|c: char| c.is_ascii_digit()) => Some(word.to_ascii_lowercase()),
            Self::Quoted(inner) if !inner.is_empty() => Some(inner.replace("\"\"", "\"")),
            _ => None,
        }
    }
}

/// One statement of a definition.
pub(super) struct Statement<'sql> {
    /// Its text, without the semicolon.
    pub(super) text: &'sql str,
    /// Its tokens outside of parentheses; the parentheses themselves are there.
    pub(super) tokens: Vec<Token<'sql>>,
}

impl<'sql> Statement<'sql> {
    /// Whether it begins with these keywords and symbols, given with spaces between them.
    pub(super) fn begins(&self, beginning: &str) -> bool {
        let expected: Vec<&str> = beginning.split(' ').collect();
        let first = self.tokens.iter().take(expected.len());
        self.tokens.len() >= expected.len() && first.zip(expected).all(|(token, expected)| token.is(expected))
    }

    /// The token after the first of this keyword.
    pub(super) fn after(&self, keyword: &str) -> Option<Token<'sql>> {
        let place = self.tokens.iter().position(|token| token.is(keyword))?;
        self.tokens.get(place + 1).copied()
    }
}

/// Most tokens that are kept of a definition. A view of a thousand columns over a hundred tables has some ten
/// thousand, the grants on a table a few for each grantee.
const MAX_TOKENS: usize = 1_000_000;

/// Most statements of a definition: one for each grantee and grantor of a table.
const MAX_STATEMENTS: usize = 200_000;

/// Whether the tokens `first`, `second` and `third` follow each other anywhere in `sql`.
pub(super) fn has_in_a_row(sql: &str, [first, second, third]: [&str; 3]) -> bool {
    let (mut before, mut last) = (Token::Unfinished, Token::Unfinished);
    Lexer::new(sql).any(|token| {
        let found = before.is(first) && last.is(second) && token.is(third);
        (before, last) = (last, token);
        found
    })
}

/// The statements of a definition: what is between semicolons outside of parentheses. A definition that no `pg_dump`
/// would write, because it is too large, is one statement that begins like none.
pub(super) fn statements(sql: &str) -> Vec<Statement<'_>> {
    let mut statements = Vec::new();
    let mut lexer = Lexer::new(sql);
    let (mut start, mut depth, mut tokens, mut kept) = (0, 0_usize, Vec::new(), 0);
    loop {
        if kept > MAX_TOKENS || statements.len() > MAX_STATEMENTS {
            return vec![Statement { text: sql, tokens: vec![Token::Unfinished] }];
        }
        let before = lexer.position;
        let token = lexer.next();
        match token {
            Some(Token::Symbol('(')) => depth += 1,
            Some(Token::Symbol(')')) => depth = depth.saturating_sub(1),
            _ => {}
        }
        let ends = token.is_none() || depth == 0 && token == Some(Token::Symbol(';'));
        if ends {
            if !tokens.is_empty() {
                let end = if token.is_none() { sql.len() } else { before_semicolon(sql, before, lexer.position) };
                statements.push(Statement { text: sql[start..end].trim(), tokens: std::mem::take(&mut tokens) });
            }
            start = lexer.position;
        }
        match token {
            None => return statements,
            Some(token) if !ends && (depth == 0 || depth == 1 && token == Token::Symbol('(')) => {
                kept += 1;
                tokens.push(token);
            }
            Some(_) => {}
        }
    }
}

/// The place of the semicolon that is the last character of `sql[before..after]`.
fn before_semicolon(sql: &str, before: usize, after: usize) -> usize {
    sql[before..after].rfind(';').map_or(after, |place| before + place)
}

/// All tokens, inside of parentheses too.
pub(super) struct Lexer<'sql> {
    sql: &'sql str,
    position: usize,
}

impl<'sql> Lexer<'sql> {
    pub(super) fn new(sql: &'sql str) -> Self {
        Self { sql, position: 0 }
    }

    /// The next token, and its text as it stands there.
    pub(super) fn next_with_text(&mut self) -> Option<(Token<'sql>, &'sql str)> {
        self.skip_blank();
        let start = self.position;
        let token = self.next()?;
        Some((token, &self.sql[start..self.position]))
    }

    fn rest(&self) -> &'sql str {
        &self.sql[self.position..]
    }

    /// Goes to the end, because a token has none.
    fn unfinished(&mut self) -> Token<'sql> {
        self.position = self.sql.len();
        Token::Unfinished
    }

    /// Skips white space and comments; false if a comment does not end.
    fn skip_blank(&mut self) -> bool {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.position += rest.len() - trimmed.len();
            if trimmed.starts_with("--") {
                self.position += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                let Some(length) = block_comment(trimmed) else { return false };
                self.position += length;
            } else {
                return true;
            }
        }
    }

    /// A token that reaches from here to behind the `length`-th byte.
    fn take(&mut self, length: Option<usize>, token: impl FnOnce(&'sql str) -> Token<'sql>) -> Token<'sql> {
        let Some(length) = length else { return self.unfinished() };
        let text = &self.rest()[..length];
        self.position += length;
        token(text)
    }
}

impl<'sql> Iterator for Lexer<'sql> {
    type Item = Token<'sql>;

    fn next(&mut self) -> Option<Token<'sql>> {
        if !self.skip_blank() {
            return Some(self.unfinished());
        }
        let rest = self.rest();
        let first = rest.chars().next()?;
        let token = match first {
            '"' => self.take(quoted(rest, '"', false), |text| Token::Quoted(&text[1..text.len() - 1])),
            '\'' => self.take(quoted(rest, '\'', false), |_| Token::Text),
            'e' | 'E' if rest[1..].starts_with('\'') => {
                self.take(quoted(&rest[1..], '\'', true).map(|length| length + 1), |_| Token::Text)
            }
            '$' if dollar_tag(rest).is_some() => self.take(dollar_quoted(rest), |_| Token::Text),
            first if is_in_word(first) => {
                let length = rest.find(|c| !is_in_word(c) && c != '$').unwrap_or(rest.len());
                self.take(Some(length), Token::Word)
            }
            first => self.take(Some(first.len_utf8()), |_| Token::Symbol(first)),
        };
        Some(token)
    }
}

fn is_in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()
}

/// The length of what `mark` encloses, the marks included. Two marks stand for one; if
/// `backslashes` escape, one after a backslash does, too.
fn quoted(rest: &str, mark: char, backslashes: bool) -> Option<usize> {
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((place, c)) = characters.next() {
        if backslashes && c == '\\' {
            characters.next();
        } else if c == mark && characters.next_if(|&(_, next)| next == mark).is_none() {
            return Some(place + mark.len_utf8());
        }
    }
    None
}

/// `$tag$` at the beginning of `rest`.
fn dollar_tag(rest: &str) -> Option<&str> {
    let length = rest[1..].find('$')?;
    let inner = &rest[1..=length];
    let is_tag = inner.chars().all(is_in_word) && !inner.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| &rest[..length + 2])
}

fn dollar_quoted(rest: &str) -> Option<usize> {
    let tag = dollar_tag(rest)?;
    rest[tag.len()..].find(tag).map(|length| length + 2 * tag.len())
}

/// The length of a block comment; they nest.
fn block_comment(rest: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut place = 0;
    while place < rest.len() {
        let here = &rest.as_bytes()[place..];
        if here.starts_with(b"/*") {
            depth += 1;
            place += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            place += 2;
            if depth == 0 {
                return Some(place);
            }
        } else {
            place += 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Token::{Quoted, Symbol, Text, Unfinished, Word};
    use super::*;

    #[track_caller]
    fn check(sql: &str, expected: &[Token<'_>]) {
        assert_eq!(Lexer::new(sql).collect::<Vec<_>>(), expected, "{sql}");
    }

    #[test]
    fn names_texts_and_comments_are_told_apart() {
        check(
            "COPY public.\"a\"\"b\" (x)",
            &[Word("COPY"), Word("public"), Symbol('.'), Quoted("a\"\"b"), Symbol('('), Word("x"), Symbol(')')],
        );
        check("'it''s; --' E'a\\'; b' $$;'$$ $b1$ $$ $b1$ x", &[Text, Text, Text, Text, Word("x")]);
        check("a -- b; '\n /* ' /* \" */ ; */ c", &[Word("a"), Word("c")]);
        check("a$b$ größe$1 $1", &[Word("a$b$"), Word("größe$1"), Symbol('$'), Word("1")]);
        check("", &[]);
    }

    #[test]
    fn what_does_not_end_is_one_unfinished_token() {
        for sql in ["\"a", "'a", "E'a\\'", "$x$ a $y$", "/* /* */", "\""] {
            check(sql, &[Unfinished]);
        }
    }

    #[test]
    fn statements_end_at_semicolons_outside_of_everything() {
        let sql = "CREATE RULE a AS ON DELETE TO t DO (DELETE FROM u; DROP TABLE v);\nALTER ROLE x;;\n;SELECT ';'; x";
        let texts: Vec<&str> = statements(sql).iter().map(|statement| statement.text).collect();
        let rule = "CREATE RULE a AS ON DELETE TO t DO (DELETE FROM u; DROP TABLE v)";
        assert_eq!(texts, [rule, "ALTER ROLE x", "SELECT ';'", "x"]);
        let all = statements("a ( b ( c ) ) d; -- e;");
        assert_eq!(all[0].tokens, [Word("a"), Symbol('('), Symbol(')'), Word("d")]);
        assert_eq!(all.len(), 1);
        assert!(statements("-- nothing;\n").is_empty());
    }
}
