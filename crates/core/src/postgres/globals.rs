//! What `pg_dumpall --globals-only` writes, read back: cut into statements, and each statement as a value.

mod grammar;
mod roles;
mod statements;

pub use grammar::{Attribute, Membership, Statement};
pub use roles::ClusterRoles;
pub use statements::{Item, Odd, read};

/// How the last comment of `pg_dumpall` reads.
pub const END: &[u8] = b"PostgreSQL database cluster dump complete";

/// Whether `text` ends as `pg_dumpall` ends.
pub fn is_whole(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    text.strip_suffix(b"--").is_some_and(|text| text.trim_ascii_end().ends_with(END))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_whole_if_they_end_as_pg_dumpall_ends() {
        let whole = "CREATE ROLE a;\n\n\n--\n-- PostgreSQL database cluster dump complete\n--\n\n";
        assert!(is_whole(whole.as_bytes()));
        for length in 0..whole.trim_end().len() {
            assert!(!is_whole(&whole.as_bytes()[..length]), "{length}");
        }
        assert!(!is_whole(b"-- PostgreSQL database cluster dump complete\n--\nCREATE ROLE a;\n"));
    }
}
