//! A certificate authority of its own for each server, made by the `openssl` command.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

/// The certificate of the authority, in PEM, within the private folder of a cluster.
pub(super) const CA_FILE: &str = "ca.crt";

/// The certificate of the server.
pub(super) const CERTIFICATE_FILE: &str = "server.crt";

/// The key of the server.
pub(super) const KEY_FILE: &str = "server.key";

/// Both certificates are valid from now for this many days.
const VALID_DAYS: &str = "30";

const EXTENSIONS: &str = "
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
";

/// Makes an authority and a certificate for `localhost` and 127.0.0.1 in `folder`. The authority's
/// key is thrown away.
pub(super) fn create(folder: &Path) {
    fs::write(folder.join("openssl.cnf"), EXTENSIONS).expect("write openssl.cnf");
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-config", "openssl.cnf"];
    let mut authority = vec!["req", "-x509", "-days", VALID_DAYS, "-subj", "/CN=e2e authority"];
    authority.extend(["-extensions", "authority", "-keyout", "ca.key", "-out", CA_FILE]);
    openssl(folder, &[&authority[..], &curve].concat());
    let mut request = vec!["req", "-new", "-subj", "/CN=localhost", "-keyout", KEY_FILE, "-out", "server.csr"];
    request.extend(curve);
    openssl(folder, &request);
    let mut sign = vec!["x509", "-req", "-in", "server.csr", "-CA", CA_FILE, "-CAkey", "ca.key", "-CAcreateserial"];
    sign.extend(["-days", VALID_DAYS, "-extfile", "openssl.cnf", "-extensions", "server", "-out", CERTIFICATE_FILE]);
    openssl(folder, &sign);
    fs::remove_file(folder.join("ca.key")).expect("remove the authority's key");
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(folder.join(KEY_FILE), private).expect("protect the server's key");
}

/// The lines for `postgresql.conf` that go with [`create`].
pub(super) fn settings(folder: &Path) -> String {
    let folder = folder.display();
    format!("ssl = on\nssl_cert_file = '{folder}/{CERTIFICATE_FILE}'\nssl_key_file = '{folder}/{KEY_FILE}'\n")
}

fn openssl(folder: &Path, args: &[&str]) {
    let output = Command::new("openssl").args(args).current_dir(folder).output().expect("run openssl");
    assert!(output.status.success(), "openssl {args:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
}
