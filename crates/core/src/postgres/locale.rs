//! The encoding and locale of a database, for `initdb` and for CREATE DATABASE.

use postgres_protocol::escape::{escape_identifier, escape_literal};

use super::connect::Session;
use crate::repository::DatabaseFacts;

/// Since then a database has a locale provider.
const PROVIDERS_SINCE_MAJOR: u32 = 15;

/// Since then a locale of ICU may have rules of its own.
const RULES_SINCE_MAJOR: u32 = 16;

/// A database to create.
#[derive(Debug, Clone, Copy)]
pub struct NewDatabase<'run> {
    /// Its name.
    pub name: &'run str,
    /// The role that owns it; `None` for the login that creates it.
    pub owner: Option<&'run str>,
    /// Its tablespace; `None` for the server's own choice.
    pub tablespace: Option<&'run str>,
}

/// Creates an empty database with the encoding and the locale of `source`.
///
/// # Errors
/// What the server says, for example that it has no such locale.
pub async fn create_database(
    session: &Session,
    new: NewDatabase<'_>,
    source: &DatabaseFacts,
) -> Result<(), tokio_postgres::Error> {
    Locale::of(source).create_database(session, new).await
}

/// How a database encodes and compares text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Locale {
    encoding: String,
    collate: String,
    ctype: String,
    provider: Provider,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Provider {
    Libc,
    /// A locale, and rules that are added to it.
    Icu(String, Option<String>),
    Builtin(String),
}

impl Locale {
    /// That of the source.
    pub(super) fn of(source: &DatabaseFacts) -> Self {
        let provider = match (source.locale_provider.as_str(), &source.locale) {
            ("icu", Some(locale)) => Provider::Icu(locale.clone(), source.icu_rules.clone()),
            ("builtin", Some(locale)) => Provider::Builtin(locale.clone()),
            _ => Provider::Libc,
        };
        let (collate, ctype) = (source.collate.clone(), source.ctype.clone());
        Self { encoding: source.encoding.clone(), collate, ctype, provider }
    }

    /// The same encoding with the locale that every machine has; `None` if this is it already.
    pub(super) fn fallback(&self) -> Option<Self> {
        let c = || "C".to_owned();
        let plain = Self { encoding: self.encoding.clone(), collate: c(), ctype: c(), provider: Provider::Libc };
        (plain != *self).then_some(plain)
    }

    /// What the report says if the fallback was taken.
    pub(super) fn fallback_note(&self) -> String {
        let provider = match &self.provider {
            Provider::Libc => format!("{:?} / {:?}", self.collate, self.ctype),
            Provider::Icu(locale, rules) => {
                let rules = if rules.is_some() { " and rules" } else { "" };
                format!("{locale:?} of ICU{rules} with {:?} / {:?}", self.collate, self.ctype)
            }
            Provider::Builtin(locale) => format!("{locale:?} of the builtin provider with {:?}", self.ctype),
        };
        format!("locale {provider} is not to be had here; the drill used C with encoding {}", self.encoding)
    }

    /// The options of `initdb` of this major version.
    pub(super) fn initdb_options(&self, major: u32) -> Vec<String> {
        let mut options = vec![
            format!("--encoding={}", self.encoding),
            format!("--lc-collate={}", self.collate),
            format!("--lc-ctype={}", self.ctype),
        ];
        if major >= PROVIDERS_SINCE_MAJOR {
            options.extend(match &self.provider {
                Provider::Libc => vec!["--locale-provider=libc".to_owned()],
                Provider::Icu(locale, rules) => {
                    let rules = rules.iter().filter(|_| major >= RULES_SINCE_MAJOR);
                    let rules = rules.map(|rules| format!("--icu-rules={rules}"));
                    let locale = ["--locale-provider=icu".to_owned(), format!("--icu-locale={locale}")];
                    locale.into_iter().chain(rules).collect()
                }
                Provider::Builtin(locale) => {
                    vec!["--locale-provider=builtin".to_owned(), format!("--builtin-locale={locale}")]
                }
            });
        }
        options
    }

    /// The options of CREATE DATABASE on a server of this major version.
    pub(super) fn create_options(&self, major: u32) -> String {
        let mut options = format!(
            "ENCODING {} LC_COLLATE {} LC_CTYPE {}",
            escape_literal(&self.encoding),
            escape_literal(&self.collate),
            escape_literal(&self.ctype)
        );
        if major >= PROVIDERS_SINCE_MAJOR {
            options += &match &self.provider {
                Provider::Libc => " LOCALE_PROVIDER libc".to_owned(),
                Provider::Icu(locale, rules) => {
                    let rules = rules.iter().filter(|_| major >= RULES_SINCE_MAJOR);
                    let rules: String = rules.map(|rules| format!(" ICU_RULES {}", escape_literal(rules))).collect();
                    format!(" LOCALE_PROVIDER icu ICU_LOCALE {}{rules}", escape_literal(locale))
                }
                Provider::Builtin(locale) => {
                    format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}", escape_literal(locale))
                }
            };
        }
        options
    }

    /// Creates an empty database with this encoding and locale.
    pub(super) async fn create_database(
        &self,
        session: &Session,
        new: NewDatabase<'_>,
    ) -> Result<(), tokio_postgres::Error> {
        let owner = new.owner.map(|owner| format!(" OWNER {}", escape_identifier(owner)));
        let tablespace = new.tablespace.map(|tablespace| format!(" TABLESPACE {}", escape_identifier(tablespace)));
        let sql = format!(
            "CREATE DATABASE {} TEMPLATE template0 {}{}{}",
            escape_identifier(new.name),
            self.create_options(session.server_version_num() / 10_000),
            owner.unwrap_or_default(),
            tablespace.unwrap_or_default()
        );
        session.client().batch_execute(&sql).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locale(provider: Provider) -> Locale {
        let name = || "de_DE.UTF-8".to_owned();
        Locale { encoding: "UTF8".to_owned(), collate: name(), ctype: name(), provider }
    }

    #[track_caller]
    fn check(provider: Provider, major: u32, initdb: &str, create: &str) {
        let locale = locale(provider);
        let common = "--encoding=UTF8 --lc-collate=de_DE.UTF-8 --lc-ctype=de_DE.UTF-8";
        assert_eq!(locale.initdb_options(major).join(" "), format!("{common}{initdb}"));
        let common = "ENCODING 'UTF8' LC_COLLATE 'de_DE.UTF-8' LC_CTYPE 'de_DE.UTF-8'";
        assert_eq!(locale.create_options(major), format!("{common}{create}"));
    }

    #[test]
    fn options_by_provider_and_version_r134() {
        check(Provider::Libc, 14, "", "");
        check(Provider::Libc, 15, " --locale-provider=libc", " LOCALE_PROVIDER libc");
        let icu = |rules: Option<&str>| Provider::Icu("de-u-co-phonebk".to_owned(), rules.map(str::to_owned));
        let options = " --locale-provider=icu --icu-locale=de-u-co-phonebk";
        check(icu(None), 16, options, " LOCALE_PROVIDER icu ICU_LOCALE 'de-u-co-phonebk'");
        check(icu(Some("&a < g")), 15, options, " LOCALE_PROVIDER icu ICU_LOCALE 'de-u-co-phonebk'");
        let with_rules = format!("{options} --icu-rules=&a < g");
        check(
            icu(Some("&a < g")),
            16,
            &with_rules,
            " LOCALE_PROVIDER icu ICU_LOCALE 'de-u-co-phonebk' ICU_RULES '&a < g'",
        );
        let builtin = || Provider::Builtin("C.UTF-8".to_owned());
        let options = " --locale-provider=builtin --builtin-locale=C.UTF-8";
        check(builtin(), 17, options, " LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'");
    }

    #[test]
    fn names_of_a_manifest_stay_names() {
        let mut hostile = locale(Provider::Libc);
        hostile.collate = "C' TEMPLATE production --".to_owned();
        assert!(hostile.create_options(13).contains("LC_COLLATE 'C'' TEMPLATE production --' LC_CTYPE"));
    }

    #[test]
    fn the_fallback_keeps_the_encoding_and_is_not_taken_twice_r134() {
        let plain = locale(Provider::Icu("de".to_owned(), None)).fallback().unwrap();
        assert_eq!(plain.create_options(13), "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'");
        assert_eq!(plain.fallback(), None);
    }
}
