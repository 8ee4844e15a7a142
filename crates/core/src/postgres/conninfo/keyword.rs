//! `host=db user=backup password='it\'s'`: libpq's key=value form (`conninfo_parse`).

use std::iter::Peekable;
use std::str::Chars;

use zeroize::Zeroizing;

use super::ConninfoError;
use super::error::{Form, Position};
use super::settings::Settings;

const UNQUOTED_SPACE: &str = "write name=value, and put a value that holds spaces into single quotes";

/// Reads a whole key=value string.
///
/// # Errors
/// Everything that libpq refuses, and control characters other than white space.
pub(super) fn parse(text: &str) -> Result<Settings, ConninfoError> {
    if text.chars().any(|character| character.is_control() && !is_space(character)) {
        return Err(ConninfoError::Blank);
    }
    let mut settings = Settings::default();
    let mut rest = text.chars().peekable();
    let mut ordinal = 0;
    loop {
        skip_space(&mut rest);
        if rest.peek().is_none() {
            return Ok(settings);
        }
        ordinal += 1;
        let position = Position { ordinal, form: Form::Keywords };
        let name = read_name(&mut rest, position)?;
        let value = read_value(&mut rest, position)?;
        settings.set(&name, &value, position)?;
    }
}

/// Reads up to and with `=`; white space may stand before it.
fn read_name(rest: &mut Peekable<Chars<'_>>, position: Position) -> Result<Zeroizing<String>, ConninfoError> {
    let mut name = Zeroizing::new(String::new());
    while let Some(character) = rest.next_if(|next| *next != '=' && !is_space(*next)) {
        name.push(character);
    }
    skip_space(rest);
    match rest.next() {
        Some('=') => Ok(name),
        _ => Err(ConninfoError::NoValue { position, advice: UNQUOTED_SPACE }),
    }
}

/// Reads a value, bare or in single quotes; a backslash takes the next character as it is.
fn read_value(rest: &mut Peekable<Chars<'_>>, position: Position) -> Result<Zeroizing<String>, ConninfoError> {
    skip_space(rest);
    let quoted = rest.next_if_eq(&'\'').is_some();
    let mut value = Zeroizing::new(String::new());
    loop {
        match rest.next_if(|next| quoted || !is_space(*next)) {
            Some('\'') if quoted => return Ok(value),
            Some('\\') => value.extend(rest.next()),
            Some(character) => value.push(character),
            None if quoted => return Err(ConninfoError::OpenQuote { position }),
            None => return Ok(value),
        }
    }
}

fn skip_space(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|next| is_space(*next)).is_some() {}
}

/// C's `isspace`, which libpq uses.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}
