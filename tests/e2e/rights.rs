//! That the policies of SECURITY.md suffice, and what they keep a thief from, by a store that enforces
//! them: the server of moto.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_s3::{Client, Config};
use e2e::moto::{Keys, Moto, PROGRAM};
use e2e::process::Run;
use e2e::proxy::{FaultProxy, Operation};
use e2e::skip::skip;

use crate::stand::Stand;

mod documented;
mod hardened;
mod keeping;

/// The names in the policies of SECURITY.md.
const BUCKET: &str = "my-backups";
const PREFIX: &str = "postgres-backups";

/// The account's owner, who sets things up and looks at what became of them.
const OWNER: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;

/// A database, and an account with a bucket and users under the policies of SECURITY.md.
struct Account {
    stand: Stand,
    moto: Moto,
    proxy: FaultProxy,
    owner: Keys,
    users: BTreeMap<&'static str, Keys>,
}

impl Account {
    /// An account with one user for each of these headings of SECURITY.md, whose policy it has; a stand
    /// whose dump takes three parts. `None` if there is no policy engine, which is noted as a skip.
    fn open(test: &str, headings: &[&'static str]) -> Option<Self> {
        let Some(moto) = Moto::start() else {
            let reason = format!("no policy engine; tests/run-tests.sh installs it and sets {PROGRAM}");
            skip(&format!("rights::{test}"), &reason);
            return None;
        };
        let owner = moto.user("owner", OWNER);
        let user = |(number, heading): (usize, &&'static str)| {
            (*heading, moto.user(&format!("user{number}"), &document(heading)))
        };
        let users = headings.iter().enumerate().map(user).collect();
        moto.enforce();
        let proxy = FaultProxy::start_to(moto.address());
        Some(Self { stand: Stand::with_rows(120_000), moto, proxy, owner, users })
    }

    fn keys(&self, heading: &str) -> &Keys {
        &self.users[heading]
    }

    /// A service with the credentials of a user, whose requests the proxy records.
    fn signed(&self, run: Run, heading: &str) -> Run {
        let keys = self.keys(heading);
        run.env("S3_ENDPOINT", self.proxy.endpoint())
            .env("S3_BUCKET", BUCKET)
            .env("S3_ACCESS_KEY_ID", &keys.access)
            .env("S3_SECRET_ACCESS_KEY", &keys.secret)
            .env("RETRY_DELAY", "0")
    }

    /// `backup`, whose dumps take several parts.
    fn backup(&self, heading: &str) -> Run {
        self.signed(self.stand.backup(), heading).env("COMPRESSION", "none").env("PART_SIZE", "5")
    }

    /// A client as a user could write it, past the proxy.
    fn client(&self, keys: &Keys) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(&keys.access, &keys.secret, None, None, "test"))
            .endpoint_url(format!("http://127.0.0.1:{}", self.moto.port()))
            .force_path_style(true)
            .retry_config(RetryConfig::disabled())
            .build();
        Client::from_conf(config)
    }

    /// The owner's client.
    fn as_owner(&self) -> Client {
        self.client(&self.owner)
    }

    /// The keys of all current objects.
    async fn objects(&self) -> Vec<String> {
        let listed = self.as_owner().list_objects_v2().bucket(BUCKET).send().await.unwrap();
        listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    }

    /// The kinds of requests that went through the proxy, and that none of them was refused.
    #[track_caller]
    fn assert_calls(&self, expected: &[Operation]) {
        let requests = self.proxy.requests();
        let refused: Vec<_> = requests
            .iter()
            .filter(|request| request.status == Some(403) && request.operation != Operation::ListMultipartUploads)
            .collect();
        assert!(refused.is_empty(), "{refused:#?}");
        let called: BTreeSet<Operation> = requests.iter().map(|request| request.operation).collect();
        assert_eq!(called, expected.iter().copied().collect());
    }
}

/// A document of SECURITY.md: the block of JSON that follows this heading.
fn document(heading: &str) -> String {
    let text = security_md();
    let section = text.split_once(&format!("\n### {heading}\n")).unwrap_or_else(|| panic!("no heading {heading:?}")).1;
    let block = section.split_once("```json\n").and_then(|(_, rest)| rest.split_once("```"));
    block.unwrap_or_else(|| panic!("no JSON below {heading:?}")).0.to_owned()
}

fn security_md() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../SECURITY.md")).unwrap()
}
