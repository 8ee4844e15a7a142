//! Whether what leaves this process can be read by whoever gets hold of it.

use backup_core::codec::{Codec, Encryption};

/// What to say at each start about backups that this side does not encrypt.
pub(crate) fn warning(codec: &Codec) -> Option<&'static str> {
    matches!(codec.encryption, Encryption::None).then_some(
        "backups are not encrypted on this side; a dump can hold passwords of subscriptions and foreign servers",
    )
}

#[cfg(test)]
mod tests {
    use backup_core::codec::Compression;

    use super::*;

    #[test]
    fn without_encryption_the_passwords_in_a_dump_are_named_r075() {
        let codec = Codec { compression: Compression::None, encryption: Encryption::None };
        let warning = warning(&codec).unwrap_or_default();
        assert!(warning.contains("passwords of subscriptions and foreign servers"), "{warning}");
    }
}
