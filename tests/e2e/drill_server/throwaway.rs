//! Throwaway servers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use backup_core::postgres::{DrillServer, Throwaway};
use backup_core::private::sweep_private_dirs;
use e2e::process::{Run, environment, is_alive, wait_until};
use e2e::tools::FakeTools;
use nix::unistd::geteuid;

use super::{PLAIN, SOON, installed, run, source, throwaway, value};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The effective user of a process.
fn user(pid: u32) -> String {
    status(pid, "Uid").split_whitespace().nth(1).unwrap().to_owned()
}

/// What the kernel says of a process under this name.
fn status(pid: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap().trim().to_owned()
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[tokio::test]
async fn a_throwaway_server_is_private_and_gone_afterwards() {
    let parent = tempfile::tempdir().unwrap();
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let started = Instant::now();
    let server = throwaway(&source("UTF8", "C"), parent.path()).await;
    println!("started in {:?}", started.elapsed());

    let (pid, folder) = (server.pid(), server.folder().to_owned());
    let as_root = geteuid().is_root();
    assert_eq!(user(pid) == geteuid().to_string(), !as_root, "PostgreSQL refuses to be root");
    assert_eq!(mode(&folder), if as_root { 0o711 } else { 0o700 });
    assert_eq!(
        (mode(&folder.join("pg")), mode(&folder.join("pg/data")), mode(&folder.join("log"))),
        (0o700, 0o700, 0o600)
    );
    assert!(!folder.join("password").exists(), "the password file outlives initdb");
    assert!(server.held().network, "{:?}", server.held());
    assert_eq!(status(pid, "NoNewPrivs"), "1");
    assert_eq!(status(pid, "Seccomp"), "2", "no filter of system calls");
    let variables = environment(pid);
    assert!(variables.keys().all(|name| name.starts_with("PG") || ["LC_ALL", "TZ", "PATH"].contains(&name.as_str())));

    let admin = server.admin();
    assert_eq!(admin.user(), "postgres", "a superuser of another name tells what the server is");
    assert_eq!(value(admin, "SELECT count(*) FROM pg_roles WHERE rolsuper").await, "1");
    assert_eq!(value(admin, "current_setting('listen_addresses')").await, "");
    assert_eq!(value(admin, "inet_server_addr()").await, "");
    let stranger = admin.clone().with_login(admin.user(), None).unwrap();
    assert!(stranger.connect().await.is_err(), "the socket lets everybody in");
    let decided = "SELECT string_agg(DISTINCT source, ' ') FROM pg_settings
                    WHERE name IN ('fsync', 'listen_addresses', 'unix_socket_directories')";
    assert_eq!(value(admin, decided).await, "command line", "ALTER SYSTEM could undo a setting");
    assert_eq!(server.notes(), &[] as &[String]);

    let backends = children(pid);
    assert!(!backends.is_empty());
    server.stop().await.unwrap();
    assert!(!is_alive(pid) && backends.iter().all(|pid| !is_alive(*pid)));
    assert_eq!(entries(parent.path()), 0);
}

#[tokio::test]
async fn dropping_a_throwaway_server_ends_it() {
    let parent = tempfile::tempdir().unwrap();
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let server = throwaway(&source("UTF8", "C"), parent.path()).await;
    let pid = server.pid();
    drop(server);
    assert!(!is_alive(pid));
    assert_eq!(entries(parent.path()), 0);
}

/// A value of every byte that the encoding has beyond ASCII comes back as it was.
async fn check_encoding(encoding: &str, locale: &str, notes: usize) {
    let source = source(encoding, locale);
    let server = throwaway(&source, &std::env::temp_dir()).await;
    assert_eq!(server.notes().len(), notes, "{:?}", server.notes());
    let drill = DrillServer::throwaway(&server);
    let locked = drill.inspect(&source, PLAIN).await.unwrap().lock().await.unwrap().unwrap();
    let scratch = locked.create_scratch().await.unwrap();
    let owner = scratch.owner();
    assert_eq!(value(owner, "current_setting('server_encoding')").await, encoding);
    let collate = value(owner, "SELECT datcollate FROM pg_database WHERE datname = current_database()").await;
    assert_eq!(collate, if notes == 0 { locale } else { "C" });
    assert_eq!(scratch.notes().len(), notes, "{:?}", scratch.notes());
    run(owner, "CREATE TABLE public.t AS SELECT U&'gr\\00FC\\00DFe' AS v").await.unwrap();
    assert_eq!(value(owner, "SELECT v FROM public.t").await, "grüße");
    let bytes = if encoding == "LATIN1" { "6772fcdf65" } else { "6772c3bcc39f65" };
    assert_eq!(value(owner, "SELECT encode(convert_to(v, getdatabaseencoding()), 'hex') FROM public.t").await, bytes);
    scratch.drop().await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn encodings_of_the_source_are_kept_r134() {
    check_encoding("UTF8", "C.UTF-8", 0).await;
    check_encoding("LATIN1", "C", 0).await;
}

#[tokio::test]
async fn bytes_of_no_encoding_are_kept_r134() {
    let source = source("SQL_ASCII", "C");
    let server = throwaway(&source, &std::env::temp_dir()).await;
    assert_eq!(value(server.admin(), "current_setting('server_encoding')").await, "SQL_ASCII");
    assert_eq!(value(server.admin(), "SELECT octet_length('ü')").await, "2");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_locale_that_is_not_here_falls_back_to_c_with_the_same_encoding_r134() {
    check_encoding("LATIN1", "xx_YY.ISO-8859-1", 1).await;
}

#[tokio::test]
async fn a_server_that_cannot_be_made_or_started_says_why_and_leaves_nothing() {
    let parent = tempfile::tempdir().unwrap();
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for (program, step) in [("initdb", "initdb: "), ("postgres", "wait for the throwaway server: ")] {
        let mut tools = FakeTools::new();
        tools.script(program, "echo 'out of luck' >&2; exit 1");
        let mut broken = installed().await;
        broken.folder = tools.path().to_owned();
        let error = Throwaway::start(&broken, &source("UTF8", "C"), &[], &[], parent.path(), 1).await.err().unwrap();
        let words = format!("{error:#}");
        assert!(words.starts_with(step) && words.contains("out of luck"), "{words}");
        assert_eq!(entries(parent.path()), 0);
    }
}

#[tokio::test]
async fn a_folder_that_is_too_long_for_a_socket_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let long = parent.path().join("x".repeat(60));
    fs::create_dir(&long).unwrap();
    let error = Throwaway::start(&installed().await, &source("UTF8", "C"), &[], &[], &long, 1).await.err().unwrap();
    let words = format!("{error:#}");
    assert!(words.contains("107 is the most; set VERIFY_SPOOL_DIR to a shorter path"), "{words}");
    assert_eq!(entries(&long), 0);
}

/// Not a test: what [`a_killed_process_leaves_no_server_and_the_next_sweep_no_file_r085`] kills.
#[tokio::test]
#[ignore = "runs for ever; started by another test"]
async fn a_process_with_a_throwaway_server() {
    let server = throwaway(&source("UTF8", "C"), &std::env::temp_dir()).await;
    let session = server.admin().connect().await.unwrap();
    println!("throwaway {} in {}", server.pid(), server.folder().display());
    session.client().batch_execute("SELECT pg_sleep(600)").await.unwrap();
}

#[tokio::test]
async fn a_killed_process_leaves_no_server_and_the_next_sweep_no_file_r085() {
    let parent = tempfile::tempdir().unwrap();
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let name = concat!(module_path!(), "::a_process_with_a_throwaway_server").trim_start_matches("e2e::");
    let args = ["--ignored", "--exact", "--nocapture", name];
    let program = std::env::current_exe().unwrap();
    let mut victim = Run::program(program).args(args).env("TMPDIR", parent.path()).spawn();
    let line = victim.wait_for_line("throwaway ", Duration::from_secs(60));
    let words: Vec<&str> = line.rsplit(' ').collect();
    let (folder, pid): (_, u32) = (Path::new(words[0]), words[2].parse().unwrap());
    let all: Vec<u32> = children(pid).into_iter().chain([pid]).collect();
    assert!(all.len() > 4 && all.iter().all(|pid| is_alive(*pid)) && folder.exists(), "{all:?}");
    assert_eq!(sweep_private_dirs(parent.path()), 0, "a folder in use was swept");

    victim.kill9();
    assert!(wait_until(SOON, || all.iter().all(|pid| !is_alive(*pid))), "the server outlives its process");
    assert!(folder.exists());
    assert_eq!(sweep_private_dirs(parent.path()), 1);
    assert!(!folder.exists());
}
