//! A certificate authority for servers of tests, made by the `openssl` command.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

const CURVE: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/// An authority, and the folder with everything that it has issued.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
}

/// How long a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// From now for a month.
    Now,
    /// For the second in which it is made, which is over when this is used.
    Over,
}

/// The version of the format of a certificate. openssl makes the first one if it is given no extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateVersion {
    /// Without extensions.
    V1,
    /// With some.
    V3,
}

/// The certificate of a server and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The file of the certificate.
    pub certificate: PathBuf,
    /// The file of the key.
    pub key: PathBuf,
}

impl Authority {
    /// Makes an authority. Its certificate is valid for a month.
    pub fn create() -> Self {
        let authority = Self { folder: TempDir::with_prefix("e2e-ca-").expect("create a folder for certificates") };
        let mut args = vec!["req", "-x509", "-days", "30", "-subj", "/CN=e2e store authority"];
        args.extend(["-addext", "keyUsage=critical,keyCertSign", "-keyout", "ca.key", "-out", "ca.crt"]);
        args.extend(CURVE);
        authority.openssl(&args);
        authority
    }

    /// The certificate of the authority itself.
    pub fn certificate(&self) -> PathBuf {
        self.path().join("ca.crt")
    }

    /// A certificate for a server that is called by `name`, as openssl writes it: `DNS:localhost`.
    pub fn issue(&self, name: &str, validity: Validity) -> Issued {
        let stem = format!("{}-{validity:?}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        let file = |end: &str| format!("{stem}.{end}");
        fs::write(self.path().join(file("cnf")), format!("subjectAltName={name}\nextendedKeyUsage=serverAuth\n"))
            .expect("write the extensions of a certificate");
        let (key, request, certificate, extensions) = (file("key"), file("csr"), file("crt"), file("cnf"));
        let mut args = vec!["req", "-new", "-subj", "/CN=e2e store", "-keyout", &key, "-out", &request];
        args.extend(CURVE);
        self.openssl(&args);
        let days = if validity == Validity::Now { "30" } else { "0" };
        let mut args = vec!["x509", "-req", "-in", &request, "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
        args.extend(["-days", days, "-extfile", &extensions, "-out", &certificate]);
        self.openssl(&args);
        Issued { certificate: self.path().join(&certificate), key: self.path().join(&key) }
    }

    /// A certificate by which the role `name` logs in to a database.
    pub fn issue_client(&self, name: &str, version: CertificateVersion) -> Issued {
        let file = |end: &str| format!("client-{name}.{end}");
        let (key, request, certificate) = (file("key"), file("csr"), file("crt"));
        let subject = format!("/CN={name}");
        let mut args = vec!["req", "-new", "-subj", &subject, "-keyout", &key, "-out", &request];
        args.extend(CURVE);
        self.openssl(&args);
        let mut args = vec!["x509", "-req", "-in", &request, "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
        args.extend(["-days", "30", "-out", &certificate]);
        let extensions = file("cnf");
        if version == CertificateVersion::V3 {
            fs::write(self.path().join(&extensions), "extendedKeyUsage=clientAuth\n").expect("write extensions");
            args.extend(["-extfile", &extensions]);
        }
        self.openssl(&args);
        let issued = Issued { certificate: self.path().join(&certificate), key: self.path().join(&key) };
        fs::set_permissions(&issued.key, fs::Permissions::from_mode(0o600)).expect("protect a key");
        issued
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn openssl(&self, args: &[&str]) {
        let output = Command::new("openssl").args(args).current_dir(self.path()).output().expect("run openssl");
        assert!(output.status.success(), "openssl {args:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
}
