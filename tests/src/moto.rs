//! A store that enforces IAM policies: the server of the Python package moto, which `tests/lib/moto.sh`
//! installs and names by [`PROGRAM`].

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::process::{free_port, spawn_for_ever, wait_until};

/// The variable that names the program `moto_server`.
pub const PROGRAM: &str = "MOTO_SERVER";

/// Loading Python's packages takes a while on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);

const REPLY_LIMIT: Duration = Duration::from_secs(20);

/// So many requests need no permission: all, until [`Moto::enforce`].
const UNTIL_ENFORCED: &str = "1000000000";

/// A running server with an empty account, killed when dropped.
#[derive(Debug)]
pub struct Moto {
    server: Child,
    port: u16,
}

/// What a user of the account signs requests with.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The access key.
    pub access: String,
    /// Its secret.
    pub secret: String,
}

impl Moto {
    /// Starts a server that allows everything until [`Moto::enforce`]; `None` if it is not installed.
    pub fn start() -> Option<Self> {
        let program = PathBuf::from(std::env::var_os(PROGRAM).filter(|program| !program.is_empty())?);
        let port = free_port();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(&program).args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("INITIAL_NO_AUTH_ACTION_COUNT", UNTIL_ENFORCED);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let moto = Self { server: spawn_for_ever(command), port };
        assert!(
            wait_until(START_LIMIT, || moto.post("/moto-api/", "", "").is_ok()),
            "{} did not start",
            program.display()
        );
        Some(moto)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's address, for a proxy in front of it.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Creates a user who may do what `policy`, a JSON document, allows.
    pub fn user(&self, name: &str, policy: &str) -> Keys {
        let policy = utf8_percent_encode(policy, NON_ALPHANUMERIC);
        self.iam(&format!("Action=CreateUser&UserName={name}"));
        self.iam(&format!("Action=PutUserPolicy&UserName={name}&PolicyName=only&PolicyDocument={policy}"));
        let reply = self.iam(&format!("Action=CreateAccessKey&UserName={name}"));
        Keys { access: element(&reply, "AccessKeyId"), secret: element(&reply, "SecretAccessKey") }
    }

    /// From now on every request needs a valid signature and a policy that allows it.
    pub fn enforce(&self) {
        self.post("/moto-api/reset-auth", "text/plain", "0").expect("switch the policies on");
    }

    fn iam(&self, query: &str) -> String {
        let query = format!("{query}&Version=2010-05-08");
        self.post("/", "application/x-www-form-urlencoded", &query).unwrap_or_else(|err| panic!("{query}: {err}"))
    }

    /// The body of a reply with status 200. The signature is not checked yet; its scope tells the service.
    fn post(&self, path: &str, kind: &str, body: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address())?;
        stream.set_read_timeout(Some(REPLY_LIMIT))?;
        let signature = "AWS4-HMAC-SHA256 Credential=nobody/20260101/us-east-1/iam/aws4_request, \
                         SignedHeaders=host, Signature=none";
        let request = format!(
            "POST {path} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\nAuthorization: {signature}\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        let (head, body) = reply.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no head"))?;
        let is_ok = path == "/moto-api/" || head.split(' ').nth(1) == Some("200");
        if is_ok { Ok(body.to_owned()) } else { Err(io::Error::other(reply)) }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // Failing means that it is gone already.
        if self.server.kill().is_ok()
            && let Err(err) = self.server.wait()
        {
            eprintln!("cannot wait for the killed moto: {err}");
        }
    }
}

fn element(xml: &str, name: &str) -> String {
    let found = xml.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once("</"));
    found.unwrap_or_else(|| panic!("no {name} in {xml}")).0.to_owned()
}
