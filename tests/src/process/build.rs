//! Where the binaries under test are, and building them when they are not there.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

/// Set if everything is built already, as in the test container.
const PREBUILT: &str = "E2E_PREBUILT";

/// The binary `name` of this workspace, beside the target directory of the running test.
///
/// Built once per process and name with the profile of the test, unless the variable
/// `E2E_PREBUILT` is set. Panics with the compiler's output if that fails.
pub fn binary(name: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    // Tests that need the same binary wait here for the first of them.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = built.get(name) {
        return path.clone();
    }
    let folder = profile_folder();
    let path = folder.join(name);
    if std::env::var_os(PREBUILT).is_none() {
        build(name, &folder);
    }
    assert!(path.is_file(), "there is no {}", path.display());
    built.insert(name.to_owned(), path.clone());
    path
}

/// `<target>/debug` or `<target>/release`: the parent of `deps`, where the running test lies.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().expect("the path of the running test");
    let folder = test.ancestors().find(|path| path.ends_with("debug") || path.ends_with("release"));
    folder.unwrap_or_else(|| panic!("{} is in no target directory", test.display())).to_owned()
}

fn build(name: &str, folder: &Path) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let target = folder.parent().expect("a profile's folder lies in the target directory");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", name, "--bin", name]);
    command.arg("--manifest-path").arg(workspace).arg("--target-dir").arg(target);
    if folder.ends_with("release") {
        command.arg("--release");
    }
    for name in set_for_this_test() {
        command.env_remove(name);
    }
    let output = command.output().expect("run cargo build");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo build of {name} failed:\n{words}");
}

/// What the cargo that runs this test has told it of its own package. Build scripts that look at such
/// variables would run again, and with them half of the dependencies, at every change between a build
/// from a shell and one from here.
fn set_for_this_test() -> impl Iterator<Item = std::ffi::OsString> {
    const STARTS: [&str; 5] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| {
        STARTS.iter().any(|start| name.to_string_lossy().starts_with(start)) || name == "LD_LIBRARY_PATH"
    })
}
