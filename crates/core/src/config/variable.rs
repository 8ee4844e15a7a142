//! The table of variables: what the pages docs/configuration*.md print, and what the parser obeys.

/// One variable of the environment.
#[derive(Debug)]
pub struct Variable {
    /// The name that is documented. `NAME_FILE` works for each.
    pub name: &'static str,
    /// Type and range.
    pub kind: Kind,
    /// The value if it is not set; empty if there is none.
    pub default: &'static str,
    /// A value as a person would write it.
    pub example: &'static str,
    /// Other names, tried in this order.
    pub aliases: &'static [&'static str],
    /// One or two sentences: what it does and what follows from it.
    pub meaning: &'static str,
}

/// The type of a variable's value.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any text that the named thing accepts.
    Text,
    /// A text that is never shown.
    Secret,
    /// A whole number, both bounds included.
    Number {
        /// The smallest value.
        min: u64,
        /// The largest value.
        max: u64,
    },
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
}

impl Variable {
    /// A variable with one name.
    pub const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        example: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { name, kind, default, example, aliases: &[], meaning }
    }
}

/// The tables of a service's page of docs/, each under its heading.
pub fn markdown_tables(sections: &[(&str, &[Variable])]) -> String {
    let mut text = String::new();
    for (heading, table) in sections {
        text.push_str(&format!("### {heading}\n\n| Variable | Type | Default | Range | Example | Meaning |\n"));
        text.push_str("| --- | --- | --- | --- | --- | --- |\n");
        for variable in *table {
            text.push_str(&markdown_row(variable));
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

/// The services that the index of docs/configuration.md names.
const SERVICES: [&str; 2] = ["backup", "verify"];

/// How the index of docs/configuration.md differs from the variables of `service`, if it does: it has a row for each
/// name, aliases included, with links to the tables in which the services document it, and no other row.
pub fn index_difference(document: &str, service: &str, sections: &[(&str, &[Variable])]) -> Option<String> {
    let index = document.split("\n## ").find(|part| part.starts_with("Index\n")).unwrap_or_default();
    let rows = index.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let mut shown = Vec::new();
    for (name, rest) in rows {
        let (links, phrase) = rest.split_once(" | ").unwrap_or((rest, ""));
        if phrase.trim_matches([' ', '|']).is_empty() {
            return Some(format!("the index says nothing about {name}"));
        }
        for link in links.split(", ") {
            match SERVICES.into_iter().find(|service| link.starts_with(&format!("[`{service}`]("))) {
                Some(other) if other == service => shown.push((name.to_owned(), link.to_owned())),
                Some(_) => {}
                None => return Some(format!("the index has a row for {name} with {link:?} in place of a service")),
            }
        }
    }
    let mut expected = Vec::new();
    for (heading, table) in sections {
        let anchor = heading.to_lowercase().replace(' ', "-");
        let link = format!("[`{service}`](configuration-{service}.md#{anchor})");
        let names = table.iter().flat_map(|variable| std::iter::once(&variable.name).chain(variable.aliases));
        expected.extend(names.map(|name| ((*name).to_owned(), link.clone())));
    }
    expected.sort();
    (shown != expected).then(|| format!("the index shows\n{shown:#?}\nand the tables have\n{expected:#?}"))
}

/// How an `.env.example` and the table of its service differ, if they do: it shows every variable in the
/// table's order, the `required` ones switched on with a placeholder, every other one as a comment with its default.
/// Lines of prose begin with `# `.
pub fn example_difference<'a>(
    example: &str,
    variables: impl IntoIterator<Item = &'a Variable>,
    required: &[&str],
) -> Option<String> {
    let expected = variables.into_iter().map(|variable| match required.contains(&variable.name) {
        true => variable.name.to_owned(),
        false => format!("#{}={}", variable.name, variable.default),
    });
    let prose = |line: &&str| line.is_empty() || *line == "#" || line.starts_with("# ");
    let shown = example.lines().filter(|line| !prose(line)).map(|line| match line.starts_with('#') {
        true => line.to_owned(),
        false => line.split('=').next().unwrap_or_default().to_owned(),
    });
    let (expected, shown): (Vec<_>, Vec<_>) = (expected.collect(), shown.collect());
    (shown != expected).then(|| format!("it shows\n{shown:#?}\nand the table has\n{expected:#?}"))
}

fn markdown_row(variable: &Variable) -> String {
    let (kind, range) = match variable.kind {
        Kind::Text => ("text", "-".to_owned()),
        Kind::Secret => ("secret", "-".to_owned()),
        Kind::Number { min, max } => ("number", format!("{min} to {max}")),
        Kind::Flag => ("flag", "`true`, `false`".to_owned()),
        Kind::Choice(words) => ("word", words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")),
    };
    let default = if variable.default.is_empty() { "-".to_owned() } else { format!("`{}`", variable.default) };
    let mut meaning = variable.meaning.to_owned();
    if !variable.aliases.is_empty() {
        let aliases: Vec<String> = variable.aliases.iter().map(|alias| format!("`{alias}`")).collect();
        meaning.push_str(&format!(" Also read from {}.", aliases.join(", ")));
    }
    format!("| `{}` | {kind} | {default} | {range} | `{}` | {meaning} |", variable.name, variable.example)
}

pub(super) const fn text(
    name: &'static str,
    default: &'static str,
    example: &'static str,
    meaning: &'static str,
) -> Variable {
    Variable { name, kind: Kind::Text, default, example, aliases: &[], meaning }
}

pub(super) const fn number(
    name: &'static str,
    (min, max): (u64, u64),
    default: &'static str,
    meaning: &'static str,
) -> Variable {
    Variable { name, kind: Kind::Number { min, max }, default, example: default, aliases: &[], meaning }
}

/// How the database is reached.
pub static DATABASE_VARIABLES: &[Variable] = &[
    Variable {
        name: "DATABASE_URL",
        kind: Kind::Secret,
        default: "",
        example: "postgresql://backup:secret@db.internal:5432/app?sslmode=verify-full",
        aliases: &[],
        meaning: "The database to dump: a `postgresql://` URL or a `key=value` string. Required, unless `PGHOST` and the other `PG*` variables are given instead. If it is set, `PGHOST`, `PGPORT`, `PGUSER` and `PGDATABASE` are ignored.",
    },
    text("PGHOST", "", "db.internal", "Host name, address or socket folder; several with commas."),
    text("PGPORT", "", "5432", "Port; the default is 5432."),
    text("PGUSER", "", "backup", "Role to connect as."),
    text("PGDATABASE", "", "app", "Database to dump; the default is the role's name."),
    Variable {
        name: "PGPASSWORD",
        kind: Kind::Secret,
        default: "",
        example: "secret",
        aliases: &[],
        meaning: "Password; also fills in for a `DATABASE_URL` that has none.",
    },
    Variable {
        name: "DATABASE_PASSWORD_COMMAND",
        kind: Kind::Secret,
        default: "",
        example: "aws rds generate-db-auth-token --hostname db.internal --port 5432 --username backup",
        aliases: &[],
        meaning: "A command that prints the password, for tokens of RDS IAM and Cloud SQL. It is run without a shell, for new connections and for the tools, at most once a minute.",
    },
    text(
        "PGSSLMODE",
        "",
        "verify-full",
        "`disable`, `allow`, `prefer` (the default), `require`, `verify-ca` or `verify-full`, if `DATABASE_URL` does not set it.",
    ),
    text(
        "PGSSLROOTCERT",
        "",
        "/etc/ssl/own-ca.pem",
        "File of certificates to trust, or `system`, if `DATABASE_URL` does not set it.",
    ),
    text(
        "PGSSLCERT",
        "",
        "/run/secrets/client.crt",
        "File of a client certificate to log in with, in PEM form, if `DATABASE_URL` does not set it.",
    ),
    text(
        "PGSSLKEY",
        "",
        "/run/secrets/client.key",
        "File of its key, unencrypted, which others cannot read, if `DATABASE_URL` does not set it.",
    ),
    text(
        "PG_BIN_DIR",
        "",
        "/usr/lib/postgresql/17/bin",
        "Folder of the PostgreSQL client tools, several with `:`. If it is set, no other place is searched.",
    ),
    ALLOW_OUTDATED_TOOLS,
];

/// Tools with known vulnerabilities.
pub const ALLOW_OUTDATED_TOOLS: Variable = Variable::new(
    "ALLOW_OUTDATED_TOOLS",
    Kind::Flag,
    "false",
    "false",
    "`true`: run with PostgreSQL tools that have known vulnerabilities (before 13.22, 14.19, 15.14, 16.10, 17.6), with a warning at each start. Otherwise such a tool in a searched folder ends the start with exit code 78.",
);

/// How a daemon shows itself.
pub static SERVICE_VARIABLES: &[Variable] = &[
    number("PORT", (0, 65535), "8080", "Port of the HTTP pages, on all addresses, IPv4 and IPv6; 0 picks a free one."),
    Variable {
        name: "HTTP_TOKEN",
        kind: Kind::Secret,
        default: "",
        example: "8c1f0e5d7a6b4c3d2e1f0a9b8c7d6e5f",
        aliases: &[],
        meaning: "Token for everything over HTTP: as `Authorization: Bearer`, or as the password that a browser asks for, with any user name. Without it, `/livez`, `/readyz` and `/health` answer with a status and one word, and nothing else does. At least 16 characters. If it is not set, everyone who reaches the port can read the pages, and nothing can be started over HTTP.",
    },
    Variable {
        name: "BADGE_PUBLIC",
        kind: Kind::Flag,
        default: "false",
        example: "true",
        aliases: &[],
        meaning: "`true`: `/badge.svg` is shown without `HTTP_TOKEN`, for a page that others see. It tells whether backups are proven, and of when.",
    },
    Variable {
        name: "LOG_LEVEL",
        kind: Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        default: "info",
        example: "info",
        aliases: &[],
        meaning: "The least important log lines to show. Libraries never log below `warn`: they would print requests.",
    },
    Variable {
        name: "LOG_FORMAT",
        kind: Kind::Choice(&["json", "text"]),
        default: "",
        example: "json",
        aliases: &[],
        meaning: "Format of log lines on standard error. If it is not set: `text` on a terminal, `json` elsewhere.",
    },
    Variable {
        name: "DEBUG",
        kind: Kind::Flag,
        default: "false",
        example: "false",
        aliases: &[],
        meaning: "The same as `LOG_LEVEL=debug`.",
    },
    text("TZ", "UTC", "Europe/Berlin", "Time zone of cron schedules, by its IANA name."),
    number(
        "SHUTDOWN_GRACE_SECONDS",
        (0, 600),
        "8",
        "Seconds that a run has to end cleanly after SIGTERM or SIGINT. Less than what the platform waits before SIGKILL.",
    ),
    Variable {
        name: "HTTPS_PROXY",
        kind: Kind::Secret,
        default: "",
        example: "http://user:password@proxy.internal:3128",
        aliases: &["https_proxy"],
        meaning: "Proxy for `https://`: for the bucket, STS, messages and pings. Not for the database and not for mail.",
    },
    Variable {
        name: "HTTP_PROXY",
        kind: Kind::Secret,
        default: "",
        example: "http://proxy.internal:3128",
        aliases: &["http_proxy"],
        meaning: "The same for `http://`.",
    },
    Variable {
        name: "NO_PROXY",
        kind: Kind::Text,
        default: "",
        example: "minio,.internal,10.0.0.0/8",
        aliases: &["no_proxy"],
        meaning: "Hosts that are reached without a proxy, separated by commas: names with what is below them, addresses, networks, or `*`.",
    },
    text(
        "METRICS_FILE",
        "",
        "/var/lib/node_exporter/backup.prom",
        "A file that each single run replaces with its metrics, for node_exporter's textfile collector. A daemon does not write it: it serves `/metrics`.",
    ),
];
