//! What code of an archive could reach: what a person should know who gives a server to drills, or whose system cannot
//! keep a throwaway server to itself.

use backup_core::postgres::Held;
use pgdump_archive::{Archive, reaches_outside};

use crate::evidence::Evidence;

/// So many names are in the note.
const MAX_NAMES: usize = 10;

/// Kinds of entries that lead to other servers.
const KINDS: [&str; 5] = ["FOREIGN DATA WRAPPER", "SERVER", "FOREIGN TABLE", "USER MAPPING", "SUBSCRIPTION"];

/// Notes that the free space is not known, and what in the archive leads out of its database. A throwaway server has no
/// network; whether an external one has is not known, and what is left out today may be restored by a superuser tomorrow.
pub(crate) fn note(archive: &Archive, evidence: &mut Evidence) {
    evidence.note(
        "free space cannot be asked of an external server: it needs 1.2 times the size of the source, and a drill that \
         fills its disk fails",
    );
    let leads_out = archive.entries.iter().filter(|entry| match entry.desc.as_str() {
        "EXTENSION" => reaches_outside(&entry.tag),
        desc => KINDS.contains(&desc),
    });
    let names: Vec<String> = leads_out.map(ToString::to_string).collect();
    if names.is_empty() {
        return;
    }
    let more = names.len().saturating_sub(MAX_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    evidence.note(format!(
        "the dump contains what leads to other servers or runs by itself ({}{more}); the target must be network-isolated",
        names[..names.len().min(MAX_NAMES)].join(", ")
    ));
}

/// Notes what a throwaway server could not be kept from.
pub(crate) fn note_throwaway(held: Held, evidence: &mut Evidence) {
    if !held.network {
        evidence.note(
            "the throwaway server had a network: nothing on this system takes it away, so code of the archive could have \
             reached other machines",
        );
    }
    if !held.files {
        evidence.note(
            "the throwaway server was not kept from files of other programs: that needs Linux 6.2 or newer with Landlock, \
             and server programs that no script starts",
        );
    }
}
