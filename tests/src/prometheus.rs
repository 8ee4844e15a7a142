//! A real Prometheus and a real Alertmanager, which `tests/lib/prometheus.sh` finds and names by [`PROMETHEUS`] and
//! [`ALERTMANAGER`].

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::process::{free_port, http_get, spawn_for_ever, wait_until};

/// The variable that names the program of Prometheus.
pub const PROMETHEUS: &str = "PROMETHEUS";

/// The variable that names the program of Alertmanager.
pub const ALERTMANAGER: &str = "ALERTMANAGER";

/// Both read and write a few files first, on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running server with its folder, killed when dropped.
#[derive(Debug)]
pub struct Server {
    server: Child,
    port: u16,
    log: PathBuf,
    _folder: TempDir,
}

impl Server {
    /// An Alertmanager that tells no one; `None` if it is not installed.
    pub fn alertmanager() -> Option<Self> {
        let config = "route:\n  receiver: none\nreceivers:\n  - name: none\n";
        Self::start(ALERTMANAGER, config, |folder, port| {
            vec![
                format!("--config.file={}/config.yml", folder.display()),
                format!("--storage.path={}/data", folder.display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
                "--cluster.listen-address=".to_owned(), // It has no peers.
            ]
        })
    }

    /// A Prometheus that scrapes these ports of 127.0.0.1 each second, and sends what `rules` say to `alertmanager`;
    /// `None` if it is not installed.
    pub fn prometheus(targets: &[u16], rules: &Path, alertmanager: &Self) -> Option<Self> {
        let targets: Vec<String> = targets.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        let config = format!(
            "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: [\"{}\"]\n\
             scrape_configs:\n  - job_name: postgres-backup\n    static_configs:\n      - targets: [{}]\n\
             alerting:\n  alertmanagers:\n    - static_configs:\n        - targets: [\"127.0.0.1:{}\"]\n",
            rules.display(),
            targets.join(", "),
            alertmanager.port
        );
        Self::start(PROMETHEUS, &config, |folder, port| {
            vec![
                format!("--config.file={}/config.yml", folder.display()),
                format!("--storage.tsdb.path={}/data", folder.display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
            ]
        })
    }

    fn start(variable: &str, config: &str, arguments: impl Fn(&Path, u16) -> Vec<String>) -> Option<Self> {
        let program = PathBuf::from(std::env::var_os(variable).filter(|program| !program.is_empty())?);
        let folder = TempDir::with_prefix("e2e-prometheus-").expect("create a folder for a server");
        fs::write(folder.path().join("config.yml"), config).expect("write the configuration of a server");
        let (port, log) = (free_port(), folder.path().join("log"));
        let said = fs::File::create(&log).expect("create a log");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(&program).args(arguments(folder.path(), port));
        command.current_dir(folder.path()).env_clear().env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        let server = Self { server: spawn_for_ever(command), port, log, _folder: folder };
        let is_ready = || http_get(port, "/-/ready").is_ok_and(|(status, _)| status == 200);
        assert!(wait_until(START_LIMIT, is_ready), "{} did not start:\n{}", program.display(), server.log());
        Some(server)
    }

    /// The JSON of a page of its API; empty while it does not answer.
    pub fn get(&self, path: &str) -> String {
        http_get(self.port, path).map_or_else(|_| String::new(), |(_, body)| body)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Failing means that it is gone already.
        if self.server.kill().is_ok()
            && let Err(err) = self.server.wait()
        {
            eprintln!("cannot wait for a killed server: {err}");
        }
    }
}
