//! The documents that a person reads when something is wrong. Each service carries them and serves them itself, since
//! the person who is called at night has a browser and an address, and no copy of the repository.

/// The address of the first of them; the others are below it.
pub(crate) const RUNBOOKS: &str = "/runbooks";

/// A document of the repository that is served.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its name in an address; empty for the runbooks.
    pub(crate) name: &'static str,
    /// Its path from the root of the repository.
    pub(crate) path: &'static str,
    pub(crate) title: &'static str,
    /// Markdown.
    pub(crate) text: &'static str,
}

/// All of them: the runbooks, and what these and the alarms link to.
pub(crate) static DOCUMENTS: [Document; 4] = [
    Document { name: "", path: "docs/runbooks.md", title: "Runbooks", text: include_str!("../../../docs/runbooks.md") },
    Document {
        name: "troubleshooting",
        path: "docs/troubleshooting.md",
        title: "Troubleshooting",
        text: include_str!("../../../docs/troubleshooting.md"),
    },
    Document {
        name: "restore",
        path: "docs/restore.md",
        title: "Restore",
        text: include_str!("../../../docs/restore.md"),
    },
    Document { name: "alerts", path: "docs/alerts.md", title: "Alerts", text: include_str!("../../../docs/alerts.md") },
];

impl Document {
    /// The path of its page.
    pub(crate) fn address(&self) -> String {
        match self.name {
            "" => RUNBOOKS.to_owned(),
            name => format!("{RUNBOOKS}/{name}"),
        }
    }
}

/// Where `place`, a path from the root of the repository with or without an anchor, is served; `None` if it is not.
pub(crate) fn address_of(place: &str) -> Option<String> {
    let (path, anchor) = place.split_at(place.find('#').unwrap_or(place.len()));
    let document = DOCUMENTS.iter().find(|document| document.path == path)?;
    Some(document.address() + anchor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_document_has_an_address_if_the_document_is_served() {
        for (place, address) in [
            ("docs/runbooks.md", Some("/runbooks")),
            ("docs/runbooks.md#a-drill-failed", Some("/runbooks#a-drill-failed")),
            ("docs/alerts.md#delivery", Some("/runbooks/alerts#delivery")),
            ("docs/format.md#keys", None),
            ("runbooks.md", None),
        ] {
            assert_eq!(address_of(place).as_deref(), address, "{place}");
        }
    }

    /// Else the images could not be built, which a machine without Docker would not notice.
    #[test]
    fn the_images_are_built_with_every_document_that_is_served() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
        let not_ignored = read(".dockerignore");
        for document in &DOCUMENTS {
            assert!(not_ignored.lines().any(|line| line == format!("!{}", document.path)), "{}", document.path);
        }
        for service in ["backup", "verify"] {
            let build = read(&format!("services/{service}/Dockerfile"));
            let copied = build.find("\nCOPY docs docs\n").unwrap();
            assert!(copied < build.rfind("cargo build").unwrap(), "{service}");
        }
    }
}
