//! The statements that `pg_dumpall --globals-only` writes, and no others.

mod tokens;

use tokens::{Rest, Token, tokens};

/// A statement of a dump of roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// A setting of the session that runs the dump.
    Session,
    /// `CREATE ROLE`.
    Create {
        /// Its name.
        role: String,
    },
    /// `ALTER ROLE ... WITH`.
    Alter {
        /// Its name.
        role: String,
        /// What it becomes.
        attributes: Vec<Attribute>,
    },
    /// `ALTER ROLE ... SET`, everywhere or in a database.
    Set {
        /// Whose setting it is.
        role: String,
        /// The database that it is for; `None` for all.
        database: Option<String>,
        /// Its name.
        name: String,
        /// Of a list several, else one.
        values: Vec<String>,
    },
    /// `COMMENT ON ROLE`.
    Comment {
        /// The role that it is about.
        role: String,
        /// The comment.
        text: String,
    },
    /// `SECURITY LABEL ... ON ROLE`.
    Label {
        /// Who reads it.
        provider: String,
        /// The role that has it.
        role: String,
        /// The label.
        text: String,
    },
    /// `GRANT role TO member`.
    Membership(Membership),
    /// A right on a parameter of the server.
    Parameter {
        /// `SET`, `ALTER SYSTEM` or `ALL`.
        rights: Vec<&'static str>,
        /// The parameter.
        name: String,
        /// The role that gets the right.
        role: String,
        /// Whether it may grant it.
        is_grantable: bool,
    },
    /// Something about a tablespace, whose folder only a person can choose.
    Tablespace,
}

/// `GRANT role TO member`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The role that others become members of.
    pub role: String,
    /// The member.
    pub member: String,
    /// `WITH ADMIN OPTION`.
    pub admin: bool,
    /// `INHERIT`, as written since PostgreSQL 16.
    pub inherit: Option<bool>,
    /// `SET`, as written since PostgreSQL 16.
    pub set: Option<bool>,
}

/// An attribute of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// `SUPERUSER`, `NOLOGIN` and their like.
    Flag(&'static str),
    /// `CONNECTION LIMIT`.
    ConnectionLimit(u32),
    /// `VALID UNTIL`, as it is written.
    ValidUntil(String),
}

/// What `ALTER ROLE ... WITH` says in a word.
const FLAGS: [&str; 14] = [
    "SUPERUSER",
    "NOSUPERUSER",
    "INHERIT",
    "NOINHERIT",
    "CREATEROLE",
    "NOCREATEROLE",
    "CREATEDB",
    "NOCREATEDB",
    "LOGIN",
    "NOLOGIN",
    "REPLICATION",
    "NOREPLICATION",
    "BYPASSRLS",
    "NOBYPASSRLS",
];

/// Settings that a dump begins with, and their values if a text is not one of [`ENCODINGS`].
const SESSION_SETTINGS: [&str; 3] =
    ["default_transaction_read_only", "standard_conforming_strings", "escape_string_warning"];

/// Beginnings of the names of encodings in which no byte of a longer character is a backslash or a quotation mark.
const ENCODINGS: [&str; 10] =
    ["UTF8", "SQL_ASCII", "LATIN", "ISO_8859_", "WIN125", "WIN866", "WIN874", "KOI8", "EUC_", "MULE_INTERNAL"];

impl Statement {
    /// Reads a statement, with its semicolon; `None` if `pg_dumpall` does not write it.
    pub fn parse(text: &str) -> Option<Self> {
        let tokens = tokens(text.strip_suffix(';')?)?;
        let mut rest = Rest(&tokens);
        let statement = match rest.word()? {
            "SET" | "RESET" => return session(rest),
            "CREATE" | "ALTER" | "COMMENT" | "GRANT" | "REVOKE" | "SECURITY" if is_of_tablespace(&tokens) => {
                return Some(Self::Tablespace);
            }
            "CREATE" => {
                rest.words(&["ROLE"])?;
                Self::Create { role: rest.name()? }
            }
            "ALTER" => alter(&mut rest)?,
            "COMMENT" => {
                rest.words(&["ON", "ROLE"])?;
                let role = rest.name()?;
                rest.words(&["IS"])?;
                Self::Comment { role, text: rest.text()? }
            }
            "SECURITY" => {
                rest.words(&["LABEL", "FOR"])?;
                let provider = rest.name()?;
                rest.words(&["ON", "ROLE"])?;
                let role = rest.name()?;
                rest.words(&["IS"])?;
                Self::Label { provider, role, text: rest.text()? }
            }
            "GRANT" if tokens.contains(&Token::Word("PARAMETER".to_owned())) => parameter(&mut rest)?,
            "GRANT" => Self::Membership(membership(&mut rest)?),
            _ => return None,
        };
        rest.0.is_empty().then_some(statement)
    }
}

/// Whether a statement is about a tablespace and nothing else; its words behind that are not read any further.
fn is_of_tablespace(tokens: &[Token]) -> bool {
    let word = |place: usize| match tokens.get(place) {
        Some(Token::Word(word)) => word.as_str(),
        _ => "",
    };
    match word(0) {
        "CREATE" | "ALTER" => word(1) == "TABLESPACE",
        "COMMENT" => (word(1), word(2)) == ("ON", "TABLESPACE"),
        "SECURITY" => (word(1), word(2), word(4), word(5)) == ("LABEL", "FOR", "ON", "TABLESPACE"),
        // `GRANT CREATE ON TABLESPACE`, `REVOKE GRANT OPTION FOR ALL ON TABLESPACE`.
        "GRANT" | "REVOKE" => (1..7).any(|place| (word(place), word(place + 1)) == ("ON", "TABLESPACE")),
        _ => false,
    }
}

fn session(mut rest: Rest<'_>) -> Option<Statement> {
    let setting = rest.word()?;
    match setting {
        "SESSION" => {
            rest.words(&["AUTHORIZATION"])?;
            if !rest.0.is_empty() {
                rest.name()?;
            }
        }
        "client_encoding" => {
            rest.mark('=')?;
            let encoding = rest.text()?;
            ENCODINGS.iter().any(|known| encoding.starts_with(known)).then_some(())?;
        }
        setting if SESSION_SETTINGS.contains(&setting) => {
            rest.mark('=')?;
            matches!(rest.word()?, "on" | "off").then_some(())?;
        }
        _ => return None,
    }
    rest.0.is_empty().then_some(Statement::Session)
}

fn alter(rest: &mut Rest<'_>) -> Option<Statement> {
    rest.words(&["ROLE"])?;
    let role = rest.name()?;
    if rest.words(&["WITH"]).is_some() {
        let mut attributes = Vec::new();
        while !rest.0.is_empty() {
            attributes.push(attribute(rest)?);
        }
        return Some(Statement::Alter { role, attributes });
    }
    let database = match rest.words(&["IN", "DATABASE"]) {
        Some(()) => Some(rest.name()?),
        None => None,
    };
    rest.words(&["SET"])?;
    let name = rest.setting()?;
    rest.words(&["TO"])?;
    let mut values = vec![rest.text()?];
    while rest.mark(',').is_some() {
        values.push(rest.text()?);
    }
    Some(Statement::Set { role, database, name, values })
}

fn attribute(rest: &mut Rest<'_>) -> Option<Attribute> {
    let word = rest.word()?;
    if let Some(flag) = FLAGS.into_iter().find(|flag| *flag == word) {
        return Some(Attribute::Flag(flag));
    }
    match word {
        "CONNECTION" => {
            rest.words(&["LIMIT"])?;
            rest.word()?.parse().ok().map(Attribute::ConnectionLimit)
        }
        "VALID" => {
            rest.words(&["UNTIL"])?;
            rest.text().map(Attribute::ValidUntil)
        }
        _ => None,
    }
}

/// As written up to PostgreSQL 15, `WITH ADMIN OPTION`, and since, `WITH ADMIN OPTION, INHERIT FALSE, SET TRUE`.
fn membership(rest: &mut Rest<'_>) -> Option<Membership> {
    let role = rest.name()?;
    rest.words(&["TO"])?;
    let member = rest.name()?;
    let mut made = Membership { role, member, admin: false, inherit: None, set: None };
    if rest.words(&["WITH"]).is_some() {
        loop {
            let option = rest.word()?;
            let value = match rest.word()? {
                "OPTION" | "TRUE" => true,
                "FALSE" => false,
                _ => return None,
            };
            match option {
                "ADMIN" => made.admin = value,
                "INHERIT" => made.inherit = Some(value),
                "SET" => made.set = Some(value),
                _ => return None,
            }
            if rest.mark(',').is_none() {
                break;
            }
        }
    }
    if rest.words(&["GRANTED", "BY"]).is_some() {
        rest.name()?;
    }
    Some(made)
}

fn parameter(rest: &mut Rest<'_>) -> Option<Statement> {
    let mut rights = Vec::new();
    loop {
        match rest.word()? {
            "SET" => rights.push("SET"),
            "ALL" => rights.push("ALL"),
            "ALTER" => {
                rest.words(&["SYSTEM"])?;
                rights.push("ALTER SYSTEM");
            }
            _ => return None,
        }
        if rest.mark(',').is_none() {
            break;
        }
    }
    rest.words(&["ON", "PARAMETER"])?;
    let name = rest.setting()?;
    rest.words(&["TO"])?;
    let role = rest.name()?;
    let is_grantable = rest.words(&["WITH", "GRANT", "OPTION"]).is_some();
    Some(Statement::Parameter { rights, name, role, is_grantable })
}

#[cfg(test)]
mod tests;
