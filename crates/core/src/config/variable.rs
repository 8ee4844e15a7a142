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

/// The old name and the new name of each variable that was renamed.
pub(super) static RENAMED_VARIABLES: &[(&str, &str)] = &[("VERIFY_SIGNING_KEY", "VERIFY_TRUSTED_KEYS")];

/// Names of other tools, and ours for the same.
pub(super) static FOREIGN_VARIABLES: &[(&str, &str)] = &[
    ("APPRISE_URL", "WEBHOOK_URL"),
    ("DISCORD_URL", "WEBHOOK_URL"),
    ("DISCORD_WEBHOOK", "WEBHOOK_URL"),
    ("DISCORD_WEBHOOK_URL", "WEBHOOK_URL"),
    ("HEALTHCHECKS_URL", "HEALTHCHECK_PING_URL"),
    ("HEALTHCHECK_URL", "HEALTHCHECK_PING_URL"),
    ("HEARTBEAT_URL", "HEALTHCHECK_PING_URL"),
    ("HC_PING_URL", "HEALTHCHECK_PING_URL"),
    ("NOTIFICATION_URL", "WEBHOOK_URL"),
    ("NOTIFICATION_URLS", "WEBHOOK_URL"),
    ("NTFY_TOPIC", "WEBHOOK_URL"),
    ("NTFY_URL", "WEBHOOK_URL"),
    ("PAGERDUTY_ROUTING_KEY", "WEBHOOK_URL"),
    ("SLACK_URL", "WEBHOOK_URL"),
    ("SLACK_WEBHOOK", "WEBHOOK_URL"),
    ("SLACK_WEBHOOK_URL", "WEBHOOK_URL"),
    ("TEAMS_WEBHOOK_URL", "WEBHOOK_URL"),
    ("TELEGRAM_BOT_TOKEN", "WEBHOOK_URL"),
    ("UPTIME_KUMA_URL", "HEALTHCHECK_PING_URL"),
    ("WEBHOOK", "WEBHOOK_URL"),
    ("WEBHOOK_URLS", "WEBHOOK_URL"),
];

/// What platforms say of themselves.
pub(super) static PLATFORM_VARIABLES: &[&str] =
    &["HOSTNAME", "RAILWAY_ENVIRONMENT_NAME", "RAILWAY_PROJECT_NAME", "RAILWAY_SERVICE_NAME"];

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

const fn text(name: &'static str, default: &'static str, example: &'static str, meaning: &'static str) -> Variable {
    Variable { name, kind: Kind::Text, default, example, aliases: &[], meaning }
}

const fn number(name: &'static str, (min, max): (u64, u64), default: &'static str, meaning: &'static str) -> Variable {
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

/// How the bucket is reached.
pub static S3_VARIABLES: &[Variable] = &[
    Variable {
        name: "S3_ENDPOINT",
        kind: Kind::Text,
        default: "",
        example: "https://s3.us-west-002.backblazeb2.com",
        aliases: &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "ENDPOINT"],
        meaning: "URL of the S3 service. Required. With `https://s3.amazonaws.com` the endpoint of `S3_REGION` is used.",
    },
    Variable {
        name: "S3_BUCKET",
        kind: Kind::Text,
        default: "",
        example: "my-backups",
        aliases: &["BUCKET"],
        meaning: "The bucket, which must exist. Required.",
    },
    Variable {
        name: "S3_ACCESS_KEY_ID",
        kind: Kind::Secret,
        default: "",
        example: "AKIAEXAMPLE",
        aliases: &["AWS_ACCESS_KEY_ID", "ACCESS_KEY_ID"],
        meaning: "Access key. Required.",
    },
    Variable {
        name: "S3_SECRET_ACCESS_KEY",
        kind: Kind::Secret,
        default: "",
        example: "secret",
        aliases: &["AWS_SECRET_ACCESS_KEY", "SECRET_ACCESS_KEY"],
        meaning: "Secret key. Required.",
    },
    Variable {
        name: "S3_SESSION_TOKEN",
        kind: Kind::Secret,
        default: "",
        example: "token",
        aliases: &["AWS_SESSION_TOKEN"],
        meaning: "Session token of temporary credentials.",
    },
    Variable {
        name: "S3_REGION",
        kind: Kind::Text,
        default: "us-east-1",
        example: "eu-central-1",
        aliases: &["AWS_REGION", "AWS_DEFAULT_REGION", "REGION"],
        meaning: "Region that requests are signed for.",
    },
    Variable {
        name: "S3_FORCE_PATH_STYLE",
        kind: Kind::Flag,
        default: "",
        example: "true",
        aliases: &[],
        meaning: "`true`: `endpoint/bucket/key`; `false`: `bucket.endpoint/key`. If it is not set: path style everywhere but on AWS, and there too for a bucket with a dot in its name.",
    },
    Variable {
        name: "S3_CHECKSUM",
        kind: Kind::Choice(&["auto", "crc32", "none"]),
        default: "auto",
        example: "auto",
        aliases: &[],
        meaning: "Checksum header of uploads beside the signature's own SHA-256. `auto`: CRC-32 on AWS, none elsewhere, since several other stores refuse it.",
    },
    Variable {
        name: "S3_CA_CERT",
        kind: Kind::Text,
        default: "",
        example: "/etc/ssl/own-ca.pem",
        aliases: &["AWS_CA_BUNDLE"],
        meaning: "File of certificates in PEM form. The store's certificate must come from one of these authorities, and those of this machine no longer count.",
    },
    Variable {
        name: "BACKUP_PREFIX",
        kind: Kind::Text,
        default: "postgres-backups",
        example: "postgres-backups",
        aliases: &[],
        meaning: "Folder in the bucket. Letters, digits, `-`, `_`, `.` and `/` only. Two clusters with databases of the same name need two prefixes.",
    },
    number("S3_CONNECT_TIMEOUT", (1, 300), "10", "Seconds to wait for a connection to the bucket."),
    number(
        "S3_ATTEMPT_TIMEOUT",
        (5, 3600),
        "60",
        "Seconds of silence, in which the bucket takes no byte and sends none, after which an attempt of a request is given up.",
    ),
    number(
        "RETRY_ATTEMPTS",
        (1, 20),
        "3",
        "Attempts of a request. `backup` also tries a run that failed for a passing reason as often.",
    ),
    number(
        "RETRY_DELAY",
        (0, 3600),
        "5",
        "Seconds before the second attempt; doubled for each further one, up to a minute, with jitter.",
    ),
];

/// How a daemon shows itself.
pub static SERVICE_VARIABLES: &[Variable] = &[
    number("PORT", (0, 65535), "8080", "Port of the HTTP pages, on all addresses, IPv4 and IPv6; 0 picks a free one."),
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
    text(
        "METRICS_FILE",
        "",
        "/var/lib/node_exporter/backup.prom",
        "A file that each single run replaces with its metrics, for node_exporter's textfile collector. A daemon does not write it: it serves `/metrics`.",
    ),
];
