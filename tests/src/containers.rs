//! The images of the services as a test's subjects, on a network with PostgreSQL and an S3 server.
//!
//! `tests/lib/images.sh` builds the images and says by variables what there is. Everything is removed when it is
//! dropped, also at a signal.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use testcontainers::core::wait::ExitWaitStrategy;
use testcontainers::core::{ExecCommand, IntoContainerPort, WaitFor};
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, ContainerRequest, GenericImage, ImageExt};

use crate::process::{http_get, wait_until};

/// A machine under load takes its time for the first start of a container.
const START_LIMIT: Duration = Duration::from_secs(180);

/// A backup or a drill of a small database.
const RUN_LIMIT: Duration = Duration::from_secs(240);

const PORT: u16 = 8080;

/// Keys as Garage wants them: so many hexadecimal digits, and `GK` in front.
const ACCESS_KEY: &str = "GK31c2f218a2e44f485b94239e";
const SECRET_KEY: &str = "b892c0665f0ada8a4755dae98baa3b133590e11dae3bcc1f9d769d67f16c3835";
const PASSWORD: &str = "cv4wq8s1kz7m2r5x";

const GARAGE: &str = include_str!("../demo/garage.toml");

/// What there is to test with.
#[derive(Debug)]
pub struct Images {
    store: String,
    majors: String,
}

impl Images {
    /// The images that were built.
    ///
    /// # Errors
    /// Why there are none.
    pub fn find() -> Result<Self, String> {
        if let Ok(reason) = std::env::var("E2E_NO_IMAGES") {
            return Err(reason);
        }
        match (std::env::var("E2E_STORE"), std::env::var("E2E_MAJORS")) {
            (Ok(store), Ok(majors)) => Ok(Self { store, majors }),
            _ => Err("no images; tests/run-tests.sh builds them and sets E2E_STORE and E2E_MAJORS".to_owned()),
        }
    }

    /// Whether there is one with the programs of PostgreSQL `major`.
    pub fn has_major(&self, major: &str) -> bool {
        self.majors.split_whitespace().any(|there| there == major)
    }
}

/// A network with a PostgreSQL server and an S3 server with an empty bucket.
pub struct Site {
    network: String,
    postgres: Container<GenericImage>,
    _store: Container<GenericImage>,
}

impl Site {
    /// Starts both. `major` is the server's version.
    pub fn open(images: &Images, major: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let network = format!("e2e-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let ready = WaitFor::message_on_stderr("database system is ready to accept connections");
        // The first start runs scripts and ends; the second one stays.
        let postgres = GenericImage::new("postgres", major)
            .with_wait_for(WaitFor::message_on_either_std("PostgreSQL init process complete"))
            .with_wait_for(ready)
            .with_env_var("POSTGRES_PASSWORD", PASSWORD)
            .with_network(&network)
            .with_container_name(format!("{network}-postgres"))
            .with_startup_timeout(START_LIMIT)
            .start()
            .expect("start PostgreSQL");
        let site = Self { _store: store(images, &network), network, postgres };
        assert!(wait_until(START_LIMIT, || site.try_sql("postgres", "SELECT 1").is_ok()), "PostgreSQL does not answer");
        site
    }

    /// What a query gives, as `psql --tuples-only --no-align` shows it.
    ///
    /// # Panics
    /// If a statement fails.
    pub fn sql(&self, database: &str, text: &str) -> String {
        self.try_sql(database, text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Runs a script of psql.
    pub fn script(&self, database: &str, script: &str) {
        let folder = tempfile::tempdir().expect("make a folder");
        let file = folder.path().join("script.sql");
        std::fs::write(&file, script).expect("write the script");
        docker(&["cp", &file.display().to_string(), &format!("{}:/tmp/script.sql", self.postgres.id())]);
        self.psql(database, &["--file=/tmp/script.sql"]).unwrap_or_else(|error| panic!("{error}"));
    }

    fn try_sql(&self, database: &str, text: &str) -> Result<String, String> {
        self.psql(database, &["--command", text])
    }

    fn psql(&self, database: &str, what: &[&str]) -> Result<String, String> {
        let mut args = vec!["exec", self.postgres.id(), "psql", "--no-psqlrc", "--quiet", "--tuples-only"];
        args.extend(["--no-align", "--set=ON_ERROR_STOP=1", "--username=postgres", "--host=127.0.0.1", database]);
        args.extend(what);
        try_docker(&args).map(|output| output.trim_end().to_owned())
    }

    /// A service with these arguments, confined as an operator confines it: the image's own user, no
    /// capabilities, a root file system that cannot be written to. It knows the bucket.
    pub fn service(&self, image: &str, args: &[&str]) -> Service {
        let (name, tag) = image.split_once(':').expect("an image has a tag");
        let request = GenericImage::new(name, tag)
            .with_exposed_port(PORT.tcp())
            .with_network(&self.network)
            .with_readonly_rootfs(true)
            .with_cap_drop("ALL")
            .with_security_opt("no-new-privileges:true")
            .with_host_config_modifier(|config| {
                config.tmpfs = Some([("/var/spool/verify".to_owned(), String::new())].into());
            })
            .with_startup_timeout(RUN_LIMIT)
            .with_cmd(args.iter().copied());
        let service = Service { request };
        let endpoint = format!("http://{}-store:3900", self.network);
        service
            .env("S3_ENDPOINT", &endpoint)
            .env("S3_REGION", "garage")
            .env("S3_BUCKET", "backups")
            .env("S3_ACCESS_KEY_ID", ACCESS_KEY)
            .env("S3_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("LOG_FORMAT", "text")
    }

    /// The URL of a database for a service on the network.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres:{PASSWORD}@{}-postgres:5432/{database}?sslmode=disable", self.network)
    }
}

fn store(images: &Images, network: &str) -> Container<GenericImage> {
    let (name, tag) = images.store.rsplit_once(':').expect("an image has a tag");
    let image = GenericImage::new(name, tag);
    let request = if name.contains("minio") {
        let script = "mkdir -p /data/backups && exec minio server --address :3900 /data";
        image
            .with_wait_for(WaitFor::message_on_either_std("API: "))
            .with_entrypoint("sh")
            .with_cmd(["-c", script])
            .with_env_var("MINIO_ROOT_USER", ACCESS_KEY)
            .with_env_var("MINIO_ROOT_PASSWORD", SECRET_KEY)
            .with_env_var("MINIO_REGION", "garage")
    } else {
        image
            .with_wait_for(WaitFor::message_on_either_std("S3 API server listening"))
            .with_cmd(["/garage", "server", "--single-node", "--default-bucket"])
            .with_copy_to("/etc/garage.toml", GARAGE.as_bytes().to_vec())
            .with_env_var("GARAGE_DEFAULT_ACCESS_KEY", ACCESS_KEY)
            .with_env_var("GARAGE_DEFAULT_SECRET_KEY", SECRET_KEY)
            .with_env_var("GARAGE_DEFAULT_BUCKET", "backups")
    };
    let request = request.with_network(network).with_container_name(format!("{network}-store"));
    request.with_startup_timeout(START_LIMIT).start().expect("start the S3 server")
}

/// A container of a service that was not started yet.
pub struct Service {
    request: ContainerRequest<GenericImage>,
}

/// What a container that has ended leaves.
#[derive(Debug)]
pub struct Finished {
    /// The exit code.
    pub code: i64,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Service {
    /// With one variable more.
    pub fn env(self, name: &str, value: &str) -> Self {
        Self { request: self.request.with_env_var(name, value) }
    }

    /// Runs to its end.
    pub fn run(self) -> Finished {
        let request = self.request.with_ready_conditions(vec![WaitFor::exit(ExitWaitStrategy::new())]);
        let running = Running { container: request.start().expect("run the container") };
        running.finished()
    }

    /// Starts a daemon.
    pub fn start(self) -> Running {
        let request = self.request.with_ready_conditions(vec![WaitFor::message_on_either_std("daemon started")]);
        Running { container: request.start().expect("start the daemon") }
    }
}

/// A container of a service that runs, removed when dropped.
pub struct Running {
    container: Container<GenericImage>,
}

impl Running {
    /// A page of the daemon: status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        let port = self.container.get_host_port_ipv4(PORT.tcp()).expect("the port is published");
        http_get(port, path).unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.log()))
    }

    /// What Docker's health check says: `starting`, `healthy` or `unhealthy`.
    pub fn health(&self) -> String {
        self.inspect("{{.State.Health.Status}}")
    }

    /// A field of `docker inspect`.
    pub fn inspect(&self, format: &str) -> String {
        docker(&["inspect", "--format", format, self.container.id()]).trim().to_owned()
    }

    /// Sends a signal to process 1.
    pub fn signal(&self, name: &str) {
        docker(&["kill", "--signal", name, self.container.id()]);
    }

    /// Starts the container anew after its end, with what is left of it.
    pub fn start_again(&self) {
        self.container.start().expect("start the container again");
    }

    /// Runs a script in the container.
    pub fn shell(&self, script: &str) -> String {
        let mut done = self.container.exec(ExecCommand::new(["sh", "-c", script])).expect("run in the container");
        String::from_utf8(done.stdout_to_vec().expect("read the output")).expect("the output is text")
    }

    /// Whether process 1 is there.
    pub fn is_running(&self) -> bool {
        self.container.is_running().expect("look at the container")
    }

    /// Both outputs so far.
    pub fn log(&self) -> String {
        format!("{}{}", self.stdout(), text(self.container.stderr_to_vec()))
    }

    fn stdout(&self) -> String {
        text(self.container.stdout_to_vec())
    }

    /// Waits for the end.
    pub fn finished(self) -> Finished {
        assert!(wait_until(RUN_LIMIT, || !self.is_running()), "the container runs and runs:\n{}", self.log());
        let code = self.container.exit_code().expect("look at the container").expect("it has ended");
        Finished { code, stdout: self.stdout(), stderr: text(self.container.stderr_to_vec()) }
    }
}

fn text(output: testcontainers::core::error::Result<Vec<u8>>) -> String {
    String::from_utf8_lossy(&output.expect("read the output of the container")).into_owned()
}

/// Runs `docker` with these arguments; its standard output.
///
/// # Panics
/// If it fails.
pub fn docker(args: &[&str]) -> String {
    try_docker(args).unwrap_or_else(|error| panic!("docker {}: {error}", args.join(" ")))
}

fn try_docker(args: &[&str]) -> Result<String, String> {
    let output = Command::new("docker").args(args).output().expect("start docker");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(stdout) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
