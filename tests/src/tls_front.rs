//! TLS in front of a server that has none.

use std::{net::SocketAddr, sync::Arc};

use tokio::{io::copy_bidirectional, net::TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use s3_server::{Background, ReceiveBuffer};

use crate::certificates::Issued;

/// A listener that speaks TLS with one certificate, and passes everything on. Stopped when dropped.
pub struct TlsFront(Background);

impl TlsFront {
    /// Starts one in front of the server on this port of 127.0.0.1.
    pub fn start(upstream: u16, issued: &Issued) -> Self {
        let certificate = CertificateDer::from_pem_file(&issued.certificate).expect("read a certificate");
        let key = PrivateKeyDer::from_pem_file(&issued.key).expect("read a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions that the provider has")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a certificate and its key");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let upstream = SocketAddr::from(([127, 0, 0, 1], upstream));
        let listener = Background::listen(0, ReceiveBuffer::Kernel, move |stream| {
            tokio::spawn(pass(acceptor.clone(), stream, upstream));
        });
        Self(listener.expect("start TLS in front of a server"))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// The URL by which a client comes in, under this name of the machine.
    pub fn endpoint(&self, name: &str) -> String {
        format!("https://{name}:{}", self.0.port())
    }
}

/// A client that does not believe the certificate hangs up: that is part of many tests and no news.
async fn pass(acceptor: TlsAcceptor, stream: TcpStream, upstream: SocketAddr) {
    let Ok(mut inside) = acceptor.accept(stream).await else { return };
    let Ok(mut outside) = TcpStream::connect(upstream).await else { return };
    drop(copy_bidirectional(&mut inside, &mut outside).await);
}
