//! Which crates are this project's own.

/// The crates of `crates/` and `services/`, as they are called in code: the targets of their log lines begin so.
pub(crate) const OUR_CRATES: [&str; 6] =
    ["backup", "backup_core", "backup_daemon", "backup_drill", "pgdump_archive", "verify"];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// A crate that is missing here would be silent at every level below `warn`.
    #[test]
    fn every_crate_of_the_workspace_is_one_of_ours() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folders = ["crates", "services"].map(|name| fs::read_dir(root.join(name)).unwrap());
        let manifests = folders.into_iter().flatten().map(|entry| entry.unwrap().path().join("Cargo.toml"));
        let mut names: Vec<String> =
            manifests.map(|path| name_of_package(&fs::read_to_string(path).unwrap())).collect();
        names.sort();
        assert_eq!(names, OUR_CRATES);
    }

    fn name_of_package(manifest: &str) -> String {
        let name = manifest.lines().find_map(|line| line.strip_prefix("name = "));
        name.expect("a manifest names its package").trim_matches('"').replace('-', "_")
    }
}
