//! Services that lend keys of a bucket to a process: STS, the one beside a container, and the metadata service of an
//! instance. Each answers as the real one does, and the S3 server takes what they lend until it expires.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{SecondsFormat, SubsecRound, Utc};
use percent_encoding::percent_decode_str;
use s3_server::random_text;
use tempfile::TempDir;

use crate::receiver::{Answer, Received, Receiver, Reply, Responder};
use crate::s3::S3Server;

/// The token of a web identity, of a container, and of a session with a metadata service.
const TOKENS: [&str; 3] = ["qzjwtweb7identity3token", "qzcontainer8auth4token", "qzimds5session6token"];

/// The role of the instance.
const ROLE: &str = "backup-role";

/// All three services at one address. Stopped when dropped.
pub struct Lender {
    receiver: Receiver,
    shared: Arc<Shared>,
    /// Has the files with tokens.
    folder: TempDir,
}

struct Shared {
    s3: Arc<S3Server>,
    life: Duration,
    lent: AtomicUsize,
    refuses: AtomicBool,
}

impl Lender {
    /// Starts one that lends keys of `s3` which live so long.
    pub fn start(s3: &Arc<S3Server>, life: Duration) -> Self {
        let receiver = Receiver::start();
        let (lent, refuses) = (AtomicUsize::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { s3: Arc::clone(s3), life, lent, refuses });
        let own = Arc::clone(&shared);
        receiver.answer(Answer::By(Responder::new(move |request| own.respond(request))));
        let folder = TempDir::with_prefix("e2e-identity-").expect("create a folder for tokens");
        Self { receiver, shared, folder }
    }

    /// How many keys it has lent.
    pub fn lent(&self) -> usize {
        self.shared.lent.load(Ordering::SeqCst)
    }

    /// From now on it lends nothing.
    pub fn refuse(&self) {
        self.shared.refuses.store(true, Ordering::SeqCst);
    }

    /// The port of all three services on 127.0.0.1.
    pub fn port(&self) -> u16 {
        let authority = self.receiver.authority();
        authority.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    /// The address of all three services.
    pub fn url(&self) -> String {
        format!("http://{}", self.receiver.authority())
    }

    /// What EKS gives to a pod with a role.
    pub fn web_identity(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_WEB_IDENTITY_TOKEN_FILE", self.file("web-identity", TOKENS[0])),
            ("AWS_ROLE_ARN", format!("arn:aws:iam::123456789012:role/{ROLE}")),
            ("AWS_ENDPOINT_URL_STS", self.url()),
        ]
    }

    /// What EKS Pod Identity gives to a pod.
    pub fn container(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/v1/credentials", self.url())),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", self.file("container", TOKENS[1])),
        ]
    }

    /// What an instance needs, whose metadata service is at another address than usual.
    pub fn instance(&self) -> Vec<(&'static str, String)> {
        vec![("S3_CREDENTIALS", "instance".to_owned()), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", self.url())]
    }

    fn file(&self, name: &str, token: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, token).expect("write a token");
        path.to_str().expect("a path in UTF-8").to_owned()
    }

    /// The paths that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.receiver.received().into_iter().map(|request| format!("{} {}", request.method, request.target)).collect()
    }
}

impl Shared {
    fn respond(&self, request: &Received) -> Reply {
        let header = |name: &str| request.headers.get(name).map(String::as_str).unwrap_or_default();
        match (request.method.as_str(), request.target.as_str()) {
            ("POST", "/") => self.sts(&request.body),
            ("GET", "/v1/credentials") if header("authorization") == TOKENS[1] => self.json(),
            ("PUT", "/latest/api/token") if !header("x-aws-ec2-metadata-token-ttl-seconds").is_empty() => Reply {
                status: 200,
                head: "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n",
                body: TOKENS[2].to_owned(),
            },
            ("GET", path) if path.starts_with("/latest/") && header("x-aws-ec2-metadata-token") == TOKENS[2] => {
                match path.strip_prefix("/latest/meta-data/iam/security-credentials/") {
                    Some("") => reply(200, ROLE.to_owned()),
                    Some(ROLE) => self.json(),
                    _ => reply(404, String::new()),
                }
            }
            _ => reply(401, String::new()),
        }
    }

    fn sts(&self, form: &str) -> Reply {
        let field = |name: &str| {
            let pair = form.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
            percent_decode_str(pair.unwrap_or_default()).decode_utf8_lossy().into_owned()
        };
        let is_good = field("Action") == "AssumeRoleWithWebIdentity"
            && field("RoleArn").ends_with(ROLE)
            && !field("RoleSessionName").is_empty()
            && field("WebIdentityToken") == TOKENS[0];
        if !is_good || self.refuses.load(Ordering::SeqCst) {
            // STS quotes what it does not like.
            let error =
                format!("<Code>InvalidIdentityToken</Code><Message>no: {}</Message>", field("WebIdentityToken"));
            return reply(400, format!("<ErrorResponse><Error><Type>Sender</Type>{error}</Error></ErrorResponse>"));
        }
        let [id, secret, token, expires_at] = self.lend();
        let keys = format!(
            "<AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
             <SessionToken>{token}</SessionToken><Expiration>{expires_at}</Expiration>"
        );
        let role = "<AssumedRoleUser><AssumedRoleId>A:s</AssumedRoleId>\
                    <Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn></AssumedRoleUser>";
        let result = format!("<Credentials>{keys}</Credentials>{role}");
        let name = "AssumeRoleWithWebIdentity";
        reply(200, format!("<{name}Response><{name}Result>{result}</{name}Result></{name}Response>"))
    }

    fn json(&self) -> Reply {
        if self.refuses.load(Ordering::SeqCst) {
            return reply(500, "{}".to_owned());
        }
        let [id, secret, token, expires_at] = self.lend();
        let keys = format!(r#""AccessKeyId": "{id}", "SecretAccessKey": "{secret}", "Token": "{token}""#);
        reply(200, format!(r#"{{"Code": "Success", {keys}, "Expiration": "{expires_at}"}}"#))
    }

    /// A new key: its id, its secret, its token, and when it expires.
    fn lend(&self) -> [String; 4] {
        let number = self.lent.fetch_add(1, Ordering::SeqCst) + 1;
        let (id, secret, token) = (format!("ASIALENT{number}"), random_text(40), random_text(60));
        // What is told is in whole seconds, and the server is as exact.
        let expires_at = (Utc::now() + self.life).trunc_subsecs(0);
        self.s3.lend(&id, &secret, &token, expires_at.into());
        [id, secret, token, expires_at.to_rfc3339_opts(SecondsFormat::Secs, true)]
    }
}

fn reply(status: u16, body: String) -> Reply {
    Reply { status, head: "", body }
}
