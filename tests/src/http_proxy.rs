//! An HTTP proxy, as companies have them: CONNECT for `https://`, whole URLs for `http://`, and a login, if it wants one.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64_simd::STANDARD;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1 as client;
use hyper::header::PROXY_AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

use s3_server::{Background, ReceiveBuffer};

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// A running proxy, which leads every name to one server, unless it was told of others. Stopped when dropped.
pub struct HttpProxy {
    shared: Arc<Shared>,
    listener: Background,
}

struct Shared {
    upstream: SocketAddr,
    /// Ports of other servers, by the host that they are asked for.
    others: Mutex<BTreeMap<&'static str, u16>>,
    /// The value of the header that is let in.
    login: Option<String>,
    asked: Mutex<Vec<String>>,
}

impl HttpProxy {
    /// Starts one in front of the server on this port of 127.0.0.1, for those who know `login`, a `user:password`.
    pub fn start(upstream: u16, login: Option<&str>) -> Self {
        let login = login.map(|login| format!("Basic {}", STANDARD.encode_to_string(login)));
        let upstream = SocketAddr::from(([127, 0, 0, 1], upstream));
        let shared = Arc::new(Shared { upstream, others: Mutex::default(), login, asked: Mutex::default() });
        let own = Arc::clone(&shared);
        let listener = Background::listen(0, ReceiveBuffer::Kernel, move |stream| {
            tokio::spawn(serve(Arc::clone(&own), stream));
        });
        Self { shared, listener: listener.expect("start an HTTP proxy") }
    }

    /// From now on, the name `host` leads to the server on this port of 127.0.0.1.
    pub fn lead(&self, host: &'static str, port: u16) {
        self.shared.others.lock().unwrap_or_else(PoisonError::into_inner).insert(host, port);
    }

    /// Its URL, with `login` as it is written in one.
    pub fn url(&self, login: &str) -> String {
        let at = if login.is_empty() { "" } else { "@" };
        format!("http://{login}{at}127.0.0.1:{}", self.listener.port())
    }

    /// What it was asked for and let through: `CONNECT host:port`, or the method and the URL without its query.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn upstream_of(&self, host: Option<&str>) -> SocketAddr {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let other = host.and_then(|host| others.get(host).copied());
        other.map_or(self.upstream, |port| SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&shared, request).await) }
    });
    let mut server = http1::Builder::new();
    let connection = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    // A client that hangs up is part of many tests and no news.
    drop(connection.with_upgrades().await);
}

async fn answer(shared: &Arc<Shared>, mut request: Request<Incoming>) -> Response<Body> {
    let login = request.headers_mut().remove(PROXY_AUTHORIZATION);
    if shared.login.as_deref().is_some_and(|wanted| login.is_none_or(|given| given.as_bytes() != wanted.as_bytes())) {
        return empty(StatusCode::PROXY_AUTHENTICATION_REQUIRED);
    }
    let target = request.uri().to_string();
    let asked = format!("{} {}", request.method(), target.split('?').next().unwrap_or_default());
    shared.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    let Ok(outside) = TcpStream::connect(shared.upstream_of(request.uri().host())).await else {
        return empty(StatusCode::BAD_GATEWAY);
    };
    if request.method() == Method::CONNECT {
        tokio::spawn(tunnel(request, outside));
        return empty(StatusCode::OK);
    }
    forward(request, outside).await.unwrap_or_else(|_| empty(StatusCode::BAD_GATEWAY))
}

async fn tunnel(request: Request<Incoming>, mut outside: TcpStream) {
    let Ok(inside) = hyper::upgrade::on(request).await else { return };
    drop(copy_bidirectional(&mut TokioIo::new(inside), &mut outside).await);
}

/// Passes a request on, with the path that the server knows. `Host` stays as it is: a signature covers it.
async fn forward(mut request: Request<Incoming>, outside: TcpStream) -> Result<Response<Body>, hyper::Error> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().expect("a path is a URI");
    let (mut sender, connection) = client::handshake(TokioIo::new(outside)).await?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender.send_request(request).await?.map(BodyExt::boxed_unsync))
}

fn empty(status: StatusCode) -> Response<Body> {
    let body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
