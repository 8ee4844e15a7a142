//! The words that connection parameters choose from.

use super::ConninfoError;

/// Declares an enum whose variants are the words that libpq accepts for one parameter.
macro_rules! choices {
    ($(#[$outer:meta])* $name:ident, $parameter:literal,
     $($(#[$inner:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$inner])* $variant,)+
        }

        impl $name {
            /// The word as libpq spells it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// Reads libpq's word; the case matters, as it does there.
            ///
            /// # Errors
            /// Any other word; the error lists those that would do.
            pub fn parse(word: &str) -> Result<Self, ConninfoError> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(ConninfoError::Choice {
                        parameter: $parameter,
                        choices: choices!(@list $($word),+),
                    }),
                }
            }
        }
    };
    (@list $first:literal $(, $rest:literal)*) => { concat!($first $(, ", ", $rest)*) };
}

choices! {
    /// Whether the connection is encrypted, and how far the server must prove who it is.
    ///
    /// Source: PostgreSQL documentation, "SSL Mode Descriptions".
    SslMode, "sslmode",
    /// Never encrypted.
    Disable = "disable",
    /// Encrypted only if the server refuses anything else.
    Allow = "allow",
    /// Encrypted if the server can; nothing is verified.
    Prefer = "prefer",
    /// Always encrypted; the chain is verified only if `sslrootcert` is given.
    Require = "require",
    /// The certificate must come from a known authority.
    VerifyCa = "verify-ca",
    /// The certificate must also be made out to the host's name.
    VerifyFull = "verify-full",
}

choices! {
    /// Whether the login is tied to the TLS session, so that it cannot be relayed.
    ChannelBinding, "channel_binding",
    /// Never.
    Disable = "disable",
    /// If the server offers it.
    Prefer = "prefer",
    /// Or there is no login.
    Require = "require",
}

choices! {
    /// What kind of server a session must have reached.
    TargetSessionAttrs, "target_session_attrs",
    /// Whichever answers.
    Any = "any",
    /// One that takes writes.
    ReadWrite = "read-write",
    /// One that takes none.
    ReadOnly = "read-only",
    /// One that is not in recovery.
    Primary = "primary",
    /// One that is in recovery.
    Standby = "standby",
    /// A standby if any host is one, else whichever answers.
    PreferStandby = "prefer-standby",
}
