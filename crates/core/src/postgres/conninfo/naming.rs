//! How a person has given a connection, for hints: they name what the reader can change.

/// What gives a connection, and what fills in for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Naming {
    /// The variable or the option with the connection string.
    url: &'static str,
    /// Whether `PG*` variables fill in for it.
    has_variables: bool,
    /// What to do if there is no such database.
    if_missing: Option<&'static str>,
}

impl Naming {
    /// The database that is dumped: `DATABASE_URL` or `PG*` variables.
    pub const SOURCE: Self = Self { url: "DATABASE_URL", has_variables: true, if_missing: None };

    /// Given by `url` alone, a variable or an option.
    pub const fn of(url: &'static str) -> Self {
        Self { url, has_variables: false, if_missing: None }
    }

    /// With what else helps if there is no such database.
    #[must_use]
    pub const fn or_if_missing(self, hint: &'static str) -> Self {
        Self { if_missing: Some(hint), ..self }
    }

    /// `name`, or also `variable` if that fills in.
    pub(in crate::postgres) fn or(self, name: &str, variable: &str) -> String {
        if self.has_variables { format!("{name} (or {variable})") } else { name.to_owned() }
    }

    /// For a password that is missing.
    pub(in crate::postgres) fn set_password(self) -> String {
        let url = self.url;
        if self.has_variables {
            format!("set PGPASSWORD, or put the password into {url}")
        } else {
            format!("put the password into {url}")
        }
    }

    /// For a password that is wrong.
    pub(in crate::postgres) fn check_password(self) -> String {
        let (url, variable) = (self.url, if self.has_variables { "PGPASSWORD or " } else { "" });
        format!(
            "check the user name, and {variable}the password in {url} (special characters there must be percent-encoded)"
        )
    }

    /// For a user who may not log in.
    pub(in crate::postgres) fn check_user(self) -> String {
        self.check("user name", "PGUSER")
    }

    /// For a database that does not exist.
    pub(in crate::postgres) fn check_database(self) -> String {
        let more = self.if_missing.map(|hint| format!(", {hint}"));
        self.check("database name", "PGDATABASE") + &more.unwrap_or_default()
    }

    fn check(self, what: &str, variable: &str) -> String {
        let variable = if self.has_variables { format!(" or {variable}") } else { String::new() };
        format!("check the {what} in {}{variable}", self.url)
    }
}
