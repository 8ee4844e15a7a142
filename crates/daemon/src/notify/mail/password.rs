//! The password for the mail server, which may be replaced while the process runs.

use backup_core::live_secret::LiveSecret;
use backup_core::scrub::Scrubber;
use backup_core::secret::Secret;

use super::address::Server;

/// Where it is.
#[derive(Debug, Clone)]
pub(super) enum Password {
    /// On its own.
    Alone(LiveSecret),
    /// In a URL, of which nothing else counts before a restart; and how it was at the start.
    InUrl(LiveSecret, Secret),
}

impl Password {
    /// As it is now. A URL that cannot be used, or has none, leaves the one of the start.
    pub(super) fn now(&self) -> Secret {
        match self {
            Self::Alone(password) => password.now(),
            Self::InUrl(url, first) => {
                let password = Server::parse(url.now().expose()).ok().and_then(|server| server.password);
                // Alone, too: the scrubber knows the new text of the file as a whole.
                password.iter().for_each(Scrubber::learn);
                password.unwrap_or_else(|| first.clone())
            }
        }
    }

    /// As it was at the start, or as it was read last.
    pub(super) fn last(&self) -> Secret {
        match self {
            Self::Alone(password) => password.last(),
            Self::InUrl(_, first) => first.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_file_with_a_url_is_read_again() {
        let path = std::env::temp_dir().join(format!("url-{:016x}", rand::random::<u64>()));
        let put = |text: &str| {
            let new = path.with_extension("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(&new, &path).unwrap();
        };
        put("smtps://me:first-password@mail.example.com");
        let url = Secret::new("smtps://me:first-password@mail.example.com".to_owned());
        let live = LiveSecret::in_file(url, "SMTP_URL_FILE".to_owned(), path.clone());
        let password = Password::InUrl(live, Secret::new("first-password".to_owned()));
        assert_eq!(password.now().expose(), "first-password");
        put("smtps://me:second%23password@mail.example.com");
        assert_eq!(password.now().expose(), "second#password");
        assert_eq!(Scrubber::default().scrub("it is second#password"), "it is ***");
        for useless in ["what", "smtps://mail.example.com"] {
            put(useless);
            assert_eq!(password.now().expose(), "first-password", "{useless}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
