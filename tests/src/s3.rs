//! The server of the package `s3-server` in this process, with what tests want of it.

use std::{fs, ops::Deref};

use tempfile::TempDir;

pub use s3_server::S3Options;
use s3_server::random_text;

use crate::process::assert_hides_every_secret;

/// The region that [`S3Server::env`] names; the server itself accepts any.
const REGION: &str = "us-east-1";

/// A running server, stopped when dropped. Requests that are under way then are cut.
pub struct S3Server {
    server: s3_server::S3Server,
    _folder: Option<TempDir>,
}

impl S3Server {
    /// Starts an empty server with a bucket and random credentials in a temporary folder.
    pub fn start() -> Self {
        let folder = TempDir::with_prefix("e2e-s3-").expect("create a folder for the S3 server");
        let options = S3Options {
            root: folder.path().to_owned(),
            port: 0,
            bucket: "backups".to_owned(),
            access_key: format!("AK{}", random_text(18).to_uppercase()),
            secret_key: random_text(40),
        };
        let server = s3_server::S3Server::open(options).expect("start the S3 server");
        Self { server, _folder: Some(folder) }
    }

    /// Starts a server on a folder that outlives it; its objects stay, open uploads do not.
    ///
    /// # Errors
    ///
    /// The folder cannot be written or the port is taken.
    pub fn open(options: S3Options) -> std::io::Result<Self> {
        Ok(Self { server: s3_server::S3Server::open(options)?, _folder: None })
    }

    /// The variables that lead a service here: `S3_ENDPOINT`, `S3_BUCKET`, `S3_ACCESS_KEY_ID`,
    /// `S3_SECRET_ACCESS_KEY` and `S3_REGION`.
    pub fn env(&self) -> Vec<(String, String)> {
        self.env_through(&self.endpoint())
    }

    /// As [`S3Server::env`] with another endpoint, for a proxy in front of this server.
    pub fn env_through(&self, endpoint: &str) -> Vec<(String, String)> {
        [
            ("S3_ENDPOINT", endpoint),
            ("S3_BUCKET", self.bucket()),
            ("S3_ACCESS_KEY_ID", self.access_key()),
            ("S3_SECRET_ACCESS_KEY", self.secret_key()),
            ("S3_REGION", REGION),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }
}

impl Deref for S3Server {
    type Target = s3_server::S3Server;

    fn deref(&self) -> &Self::Target {
        &self.server
    }
}

impl Drop for S3Server {
    /// Neither keys nor what describes a backup may hold a secret. Dumps are the database's own words.
    fn drop(&mut self) {
        // The folder of a test that ends can be gone before its server.
        if !self.root().join(self.bucket()).is_dir() {
            return;
        }
        for key in self.objects().into_keys() {
            assert_hides_every_secret("a key", &key);
            if !key.contains(".dump") {
                let content = fs::read(self.path(&key)).unwrap_or_default();
                assert_hides_every_secret(&key, &String::from_utf8_lossy(&content));
            }
        }
    }
}
