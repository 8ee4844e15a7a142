//! `postgres://user:password@host:port,host:port/database?parameter=value`.
//!
//! The grammar is libpq's (`conninfo_uri_parse_options`), minus everything that two readers could
//! understand in two ways: an unescaped special character in a password must be refused here, since
//! otherwise the rest of the password is taken for a host name and sent to a name server.

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::error::{Form, Position};
use super::settings::Settings;
use super::{ConninfoError, MAX_HOSTS};

const LOGIN: &str = "the user name or password";
const HOST: &str = "the host";
const DATABASE: &str = "the database name";
const PARAMETERS: &str = "the parameters after `?`";

/// Reads what follows `postgres://`.
///
/// # Errors
/// Everything that is malformed or ambiguous; see [`ConninfoError`].
pub(super) fn parse(rest: &str) -> Result<Settings, ConninfoError> {
    if rest.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return Err(ConninfoError::Blank);
    }
    if rest.contains('#') {
        return Err(ConninfoError::Hash);
    }
    let authority_bytes = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(authority_bytes);
    if after.contains('@') {
        return Err(ConninfoError::LateAt);
    }
    let (path, query) = match after.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (after, None),
    };

    let mut settings = Settings::default();
    let hosts = match authority.split_once('@') {
        Some((_, hosts)) if hosts.contains('@') => return Err(ConninfoError::SeveralAt),
        Some((login, hosts)) => {
            read_login(login, &mut settings)?;
            hosts
        }
        None => authority,
    };
    if !hosts.is_empty() {
        (settings.names, settings.ports) = read_hosts(hosts)?;
    }
    let database = path.strip_prefix('/').unwrap_or(path);
    if !database.is_empty() {
        settings.dbname = Some(decode(database, DATABASE)?.to_string());
    }
    if let Some(query) = query {
        read_parameters(query, &mut settings)?;
    }
    Ok(settings)
}

/// Splits at the first `:`; further ones belong to the password, as in libpq.
fn read_login(login: &str, settings: &mut Settings) -> Result<(), ConninfoError> {
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (login, None),
    };
    settings.user = Some(decode(user, LOGIN)?.to_string());
    if let Some(password) = password {
        settings.set_password(&decode(password, LOGIN)?)?;
    }
    Ok(())
}

/// The names and the ports, of equal number; an empty port is the default one.
fn read_hosts(text: &str) -> Result<(Vec<String>, Vec<String>), ConninfoError> {
    let mut hosts = (Vec::new(), Vec::new());
    for (index, entry) in text.split(',').enumerate() {
        if index == MAX_HOSTS {
            return Err(ConninfoError::TooManyHosts);
        }
        hosts.extend([read_host(entry, index + 1)?]);
    }
    Ok(hosts)
}

/// Reads `name`, `name:port`, `[address]` or `[address]:port`.
fn read_host(entry: &str, host: usize) -> Result<(String, String), ConninfoError> {
    let (name, port) = match entry.strip_prefix('[') {
        Some(inner) => {
            let brackets = ConninfoError::Brackets { host };
            let (address, after) = inner.split_once(']').ok_or(brackets.clone())?;
            // An IPv6 address has a colon; `[password]` has not.
            if !address.contains(':') {
                return Err(brackets);
            }
            match after.strip_prefix(':') {
                Some(port) => (address, port),
                None if after.is_empty() => (address, ""),
                None => return Err(brackets),
            }
        }
        None => entry.split_once(':').unwrap_or((entry, "")),
    };
    // The port first: when a password was cut, its error is the one that helps.
    if !port.is_empty() && (port.len() > 5 || !port.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(ConninfoError::Port { host });
    }
    Ok((decode(name, HOST)?.to_string(), port.to_owned()))
}

fn read_parameters(query: &str, settings: &mut Settings) -> Result<(), ConninfoError> {
    for (index, pair) in query.split('&').enumerate() {
        let position = Position { ordinal: index + 1, form: Form::Url };
        let Some((name, value)) = pair.split_once('=') else {
            let advice = "write parameters as name=value, & in a value as %26, and in a password ? as %3F";
            return Err(ConninfoError::NoValue { position, advice });
        };
        if value.contains('=') {
            return Err(ConninfoError::SecondEquals { position });
        }
        let name = decode(name, PARAMETERS)?;
        let value = decode(value, PARAMETERS)?;
        // What JDBC users write, and libpq takes.
        if *name == "ssl" && *value == "true" {
            settings.set("sslmode", "require", position)?;
            continue;
        }
        settings.set(&name, &value, position)?;
    }
    Ok(())
}

/// Percent-decodes one part; the result may be a password, so it is zeroed when dropped.
fn decode(text: &str, part: &'static str) -> Result<Zeroizing<String>, ConninfoError> {
    let bytes = text.as_bytes();
    for (index, _) in text.match_indices('%') {
        let digits = bytes.get(index + 1..index + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(ConninfoError::Percent { part });
        }
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| ConninfoError::NotUtf8 { part })?;
    if decoded.contains('\0') {
        return Err(ConninfoError::Nul { part });
    }
    Ok(Zeroizing::new(decoded.into_owned()))
}
