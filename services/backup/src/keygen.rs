//! `backup keygen`: a pair of keys, and what to put where.

use anyhow::Context;
use backup_core::codec::encryption::generate_age_pair;
use backup_core::repository::SigningKey;
use backup_core::text::print_line;
use chrono::Utc;

/// What the pair is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Encryption,
    Signing,
}

impl Purpose {
    /// What `--signing` says.
    pub(crate) fn of(signing: bool) -> Self {
        if signing { Self::Signing } else { Self::Encryption }
    }
}

/// Prints the private key to standard output as a file that `age -i` and openssl read, so that
/// `backup keygen > key.txt` is the way to keep it, and everything else to standard error.
///
/// # Errors
/// If the system has no random bytes.
pub(crate) fn keygen(purpose: Purpose) -> anyhow::Result<()> {
    let now = Utc::now().format("%Y-%m-%dT%H:%M:%SZ");
    match purpose {
        Purpose::Encryption => {
            let (private, public) = generate_age_pair();
            print_line(format_args!("# created: {now}"));
            print_line(format_args!("# public key: {public}"));
            print_line(private.expose());
            eprint!("{}", encryption_advice(&public));
        }
        Purpose::Signing => {
            let (private, public) = SigningKey::generate().context("make a pair of keys")?;
            print_line(format_args!("# created: {now}"));
            print_line(format_args!("# public key: {public}"));
            print_line("-----BEGIN PRIVATE KEY-----");
            private.expose().lines().for_each(print_line);
            print_line("-----END PRIVATE KEY-----");
            eprint!("{}", signing_advice(&public));
        }
    }
    Ok(())
}

fn encryption_advice(public: &str) -> String {
    format!(
        "For backup (public, cannot read backups):\n  AGE_RECIPIENTS={public}\n\
         For verify and for restores (private, what was printed to standard output):\n  \
         AGE_IDENTITY=AGE-SECRET-KEY-1..., or AGE_IDENTITY_FILE with the path of the whole text\n\
         Keep a copy of the private key where neither service is, and never give it to backup: its holder can read \
         every backup, and without it no backup can be read. A second pair that is kept offline from the start is better \
         still: AGE_RECIPIENTS takes several public keys.\n"
    )
}

fn signing_advice(public: &str) -> String {
    format!(
        "For backup (private, what was printed to standard output):\n  \
         BACKUP_SIGNING_KEY_FILE with the path of the whole text, or BACKUP_SIGNING_KEY with the line between BEGIN \
         and END\n\
         For verify (public):\n  VERIFY_TRUSTED_KEYS={public}\n\
         A person who has the private key can write backups that verify trusts. If it is lost, make another pair and \
         give verify both public keys, separated by a comma.\n"
    )
}
