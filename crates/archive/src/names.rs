//! The names that an archive shows in its table of contents and its definitions.

use std::collections::HashSet;

use super::Archive;
use super::sql::Lexer;

impl Archive {
    /// Every name and keyword of its definitions, with the names of what it holds. Texts and bodies of functions are no
    /// names, and nothing of a row is among them.
    pub fn names(&self) -> HashSet<String> {
        let mut names = HashSet::new();
        for entry in &self.entries {
            for whole in [&entry.tag, &entry.namespace, &entry.owner, &entry.tablespace, &entry.access_method] {
                names.insert(whole.clone());
            }
            if !entry.namespace.is_empty() {
                names.insert(format!("{}.{}", entry.namespace, entry.tag));
            }
            for text in [&entry.tag, &entry.defn, &entry.copy_stmt] {
                let mut lexer = Lexer::new(text);
                while let Some((token, _)) = lexer.next_with_text() {
                    names.extend(token.name());
                }
            }
        }
        names
    }
}
