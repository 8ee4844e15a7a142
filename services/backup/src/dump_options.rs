//! `PG_DUMP_OPTIONS`: split like argv, checked against a list, never handed on unknown.

/// Options that `pg_dump` gets besides our own.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct DumpOptions {
    /// As `pg_dump` takes them.
    pub(crate) args: Vec<String>,
    /// Names of those that leave a part of the database out.
    pub(crate) narrowing: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OptionsError {
    #[error("has a quote that is not closed")]
    Quote,
    #[error("holds {0}, which this program sets itself")]
    Ours(&'static str),
    #[error("holds --enable-row-security, which leaves rows out without an error; give the role BYPASSRLS instead")]
    RowSecurity,
    #[error("holds {0}, which changes the text of rows or definitions, so that no drill could compare what came back")]
    Unproven(&'static str),
    #[error(
        "word {0} is not an option that this program knows in full; write long options unabbreviated, and short ones apart"
    )]
    Unknown(usize),
    #[error("holds {0} without its value")]
    NoValue(&'static str),
    #[error("holds {0} with a value, and it takes none")]
    ExtraValue(&'static str),
}

#[derive(Clone, Copy, PartialEq)]
enum Effect {
    /// Leaves a part of the database out.
    Narrows,
    /// The dump stays whole.
    Keeps,
    /// Ours to decide.
    Ours,
    /// The dump stays whole, and reads otherwise than the one that a drill makes to compare.
    Respells,
}

use Effect::{Keeps, Narrows, Ours, Respells};

struct Known {
    short: &'static str,
    long: &'static str,
    takes_value: bool,
    effect: Effect,
}

const fn flag(short: &'static str, long: &'static str, effect: Effect) -> Known {
    Known { short, long, takes_value: false, effect }
}

const fn value(short: &'static str, long: &'static str, effect: Effect) -> Known {
    Known { short, long, takes_value: true, effect }
}

/// The options of pg_dump 13 to 18 (its reference page), by what they do to a custom-format dump.
static KNOWN: &[Known] = &[
    flag("-a", "--data-only", Narrows),
    flag("-s", "--schema-only", Narrows),
    flag("", "--statistics-only", Narrows),
    flag("", "--no-data", Narrows),
    flag("", "--no-schema", Narrows),
    flag("", "--no-statistics", Keeps),
    flag("", "--statistics", Keeps),
    flag("", "--with-data", Keeps),
    flag("", "--with-schema", Keeps),
    flag("", "--with-statistics", Keeps),
    flag("-b", "--large-objects", Keeps),
    flag("", "--blobs", Keeps),
    flag("-B", "--no-large-objects", Narrows),
    flag("", "--no-blobs", Narrows),
    flag("-c", "--clean", Keeps),
    flag("-C", "--create", Keeps),
    flag("", "--if-exists", Keeps),
    value("-e", "--extension", Narrows),
    value("", "--exclude-extension", Narrows),
    value("-E", "--encoding", Keeps),
    value("-n", "--schema", Narrows),
    value("-N", "--exclude-schema", Narrows),
    flag("-O", "--no-owner", Keeps),
    value("-S", "--superuser", Keeps),
    value("-t", "--table", Narrows),
    value("", "--table-and-children", Narrows),
    value("-T", "--exclude-table", Narrows),
    value("", "--exclude-table-and-children", Narrows),
    value("", "--exclude-table-data", Narrows),
    value("", "--exclude-table-data-and-children", Narrows),
    value("", "--filter", Narrows),
    value("", "--section", Narrows),
    flag("-v", "--verbose", Keeps),
    flag("-x", "--no-privileges", Narrows),
    flag("", "--no-acl", Narrows),
    flag("", "--no-comments", Narrows),
    flag("", "--no-policies", Narrows),
    flag("", "--no-publications", Narrows),
    flag("", "--no-security-labels", Narrows),
    flag("", "--no-subscriptions", Narrows),
    flag("", "--no-unlogged-table-data", Narrows),
    flag("", "--no-table-access-method", Keeps),
    flag("", "--no-tablespaces", Keeps),
    flag("", "--no-toast-compression", Keeps),
    flag("", "--column-inserts", Keeps),
    flag("", "--attribute-inserts", Keeps),
    flag("", "--inserts", Keeps),
    flag("", "--on-conflict-do-nothing", Keeps),
    value("", "--rows-per-insert", Keeps),
    flag("", "--disable-dollar-quoting", Respells),
    flag("", "--disable-triggers", Keeps),
    value("", "--extra-float-digits", Respells),
    value("", "--include-foreign-data", Keeps),
    flag("", "--load-via-partition-root", Keeps),
    flag("", "--quote-all-identifiers", Respells),
    flag("", "--sequence-data", Keeps),
    flag("", "--strict-names", Keeps),
    flag("", "--use-set-session-authorization", Keeps),
    value("-d", "--dbname", Ours),
    value("-f", "--file", Ours),
    value("-F", "--format", Ours),
    value("-h", "--host", Ours),
    value("-j", "--jobs", Ours),
    value("-p", "--port", Ours),
    value("-U", "--username", Ours),
    flag("-w", "--no-password", Ours),
    flag("-W", "--password", Ours),
    value("-Z", "--compress", Ours),
    value("", "--lock-wait-timeout", Ours),
    value("", "--role", Ours),
    flag("", "--serializable-deferrable", Ours),
    value("", "--snapshot", Ours),
    flag("", "--no-synchronized-snapshots", Ours),
    flag("", "--no-sync", Ours),
    value("", "--sync-method", Ours),
];

impl DumpOptions {
    /// Splits `text` as a shell would, without expanding anything, and checks each word.
    pub(crate) fn parse(text: &str) -> Result<Self, OptionsError> {
        let words = shell_words::split(text).map_err(|_| OptionsError::Quote)?;
        let mut options = Self::default();
        let mut position = 0;
        while let Some(word) = words.get(position) {
            position += 1;
            if word == "--enable-row-security" {
                return Err(OptionsError::RowSecurity);
            }
            let (known, attached) = find(word).ok_or(OptionsError::Unknown(position))?;
            options.args.push(word.clone());
            match (known.takes_value, attached) {
                (false, true) => return Err(OptionsError::ExtraValue(known.long)),
                (true, false) => {
                    let value = words.get(position).ok_or(OptionsError::NoValue(known.long))?;
                    options.args.push(value.clone());
                    position += 1;
                }
                (true, true) | (false, false) => {}
            }
            match known.effect {
                Ours => return Err(OptionsError::Ours(known.long)),
                Respells => return Err(OptionsError::Unproven(known.long)),
                Narrows => options.narrowing.push(known.long.to_owned()),
                Keeps => {}
            }
        }
        Ok(options)
    }
}

/// The option that `word` begins with, and whether its value is attached (`--table=x`, `-tx`).
fn find(word: &str) -> Option<(&'static Known, bool)> {
    if word.starts_with("--") {
        let (name, attached) = word.split_once('=').map_or((word, false), |(name, _)| (name, true));
        return KNOWN.iter().find(|known| known.long == name).map(|known| (known, attached));
    }
    let name = word.get(..2).filter(|name| name.starts_with('-'))?;
    let known = KNOWN.iter().find(|known| known.short == name)?;
    let attached = word.len() > 2;
    // `-as` is two flags in one word: not worth the risk of reading it wrong.
    (known.takes_value || !attached).then_some((known, attached))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[&str], OptionsError>) {
        let narrowing = expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(DumpOptions::parse(text).map(|options| options.narrowing), narrowing, "{text}");
    }

    #[test]
    fn every_option_that_narrows_the_dump_marks_it_partial_r016() {
        for text in [
            "-t a",
            "-ta",
            "--table=a",
            "--table a",
            "-T a",
            "-n a",
            "-N a",
            "-a",
            "-s",
            "--exclude-table-data=a",
            "--no-blobs",
            "-B",
            "--filter=f",
            "--section=data",
            "--no-privileges",
            "-e x",
        ] {
            assert_eq!(DumpOptions::parse(text).unwrap().narrowing.len(), 1, "{text}");
        }
        check("", Ok(&[]));
        check("--no-owner --verbose", Ok(&[]));
        check("-t 'a b' --exclude-table-data \"audit.*\"", Ok(&["--table", "--exclude-table-data"]));
    }

    #[test]
    fn words_arrive_as_a_shell_would_split_them_and_nothing_is_expanded_r081() {
        let options = DumpOptions::parse("-t '$(touch pwned); `x`' --exclude-table-data=\"a b\"").unwrap();
        assert_eq!(options.args, ["-t", "$(touch pwned); `x`", "--exclude-table-data=a b"]);
    }

    /// A healthy backup would fail every drill.
    #[test]
    fn what_no_drill_could_compare_is_refused() {
        for option in ["--quote-all-identifiers", "--disable-dollar-quoting", "--extra-float-digits"] {
            let text = if option == "--extra-float-digits" { "--extra-float-digits=0" } else { option };
            check(text, Err(OptionsError::Unproven(option)));
        }
    }

    #[test]
    fn what_would_break_the_run_is_refused_r015() {
        check("--enable-row-security", Err(OptionsError::RowSecurity));
        check("-f /tmp/x", Err(OptionsError::Ours("--file")));
        check("-Fp", Err(OptionsError::Ours("--format")));
        check("--jobs=4", Err(OptionsError::Ours("--jobs")));
        check("--dbname host=evil", Err(OptionsError::Ours("--dbname")));
        check("evil", Err(OptionsError::Unknown(1)));
        check("--exclude-table-dat=x", Err(OptionsError::Unknown(1)));
        check("-v -as", Err(OptionsError::Unknown(2)));
        check("--", Err(OptionsError::Unknown(1)));
        check("-t", Err(OptionsError::NoValue("--table")));
        check("--verbose=1", Err(OptionsError::ExtraValue("--verbose")));
        check("'", Err(OptionsError::Quote));
    }
}
