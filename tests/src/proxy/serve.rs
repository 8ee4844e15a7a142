//! One connection of the proxy, and one request on it.

use std::{error::Error as _, future::poll_fn, io, sync::Arc};

use http_body_util::BodyExt;
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1 as client,
    header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING},
    server::conn::http1 as server,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::{
    Shared,
    body::{Hangup, Pace, ProxyBody, Shape, full, pass},
    operation::{Operation, Recorded},
    policy::part_number,
    rule::Fault,
};

/// How much of a request the proxy reads ahead; small, so that a sender notices a stall.
pub(super) const READ_AHEAD_BYTES: u32 = 64 * 1024;

/// Serves requests until the client is gone or a rule cuts the connection.
pub(super) async fn connection(shared: Arc<Shared>, stream: TcpStream) {
    let losses = shared.losses();
    let service = service_fn(move |request| Box::pin(answer(Arc::clone(&shared), request, losses)));
    let mut http = server::Builder::new();
    http.timer(TokioTimer::new()).max_buf_size(READ_AHEAD_BYTES as usize);
    let mut connection = http.serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    let cut = ended.is_err_and(|err| err.is_user() && err.source().is_some_and(|cause| cause.is::<Hangup>()));
    if cut && let Err(err) = stream.set_zero_linger() {
        eprintln!("cannot make the end of a connection a reset: {err}");
    }
}

/// Answers a request on a connection that came after so many `losses`.
async fn answer(shared: Arc<Shared>, request: Request<Incoming>, losses: usize) -> Result<Response<ProxyBody>, Hangup> {
    let recorded = Recorded::new(request.method(), request.uri(), request.headers());
    let index = shared.record(recorded.clone());
    if losses < shared.losses() {
        shared.update(index, |entry| entry.faulted = true);
        return hurt(&shared, index, request, Fault::BlackHole).await;
    }
    let reply = match shared.refuse(&recorded) {
        Some(refusal) => {
            drain(&shared, index, request).await;
            xml_error(refusal.status, refusal.code, &refusal.message)
        }
        None => match shared.take_fault(index, &recorded) {
            Some(fault) => hurt(&shared, index, request, fault).await?,
            None => forward(&shared, index, request, Shape::default()).await?.map(untouched),
        },
    };
    shared.update(index, |entry| entry.status = Some(reply.status().as_u16()));
    Ok(reply)
}

/// Does to `request` what `fault` says.
async fn hurt(
    shared: &Arc<Shared>,
    index: usize,
    request: Request<Incoming>,
    fault: Fault,
) -> Result<Response<ProxyBody>, Hangup> {
    let plain = Shape::default();
    match fault {
        Fault::Status { status, code, retry_after_seconds } => {
            drain(shared, index, request).await;
            let mut reply = match code {
                Some(code) => xml_error(status, code, "injected by the test"),
                None => reply(status, ""),
            };
            if let Some(seconds) = retry_after_seconds {
                reply.headers_mut().insert(hyper::header::RETRY_AFTER, seconds.into());
            }
            Ok(reply)
        }
        Fault::OkWithError(code) => {
            drain(shared, index, request).await;
            Ok(xml_error(200, code, "injected by the test"))
        }
        Fault::Delay(time) => {
            tokio::time::sleep(time).await;
            Ok(forward(shared, index, request, plain).await?.map(untouched))
        }
        Fault::CutBeforeReply => Err(Hangup),
        Fault::DropReply => {
            let reply = forward(shared, index, request, plain).await?;
            // The effect is complete when the whole answer is here; its content does not matter.
            drop(reply.into_body().collect().await);
            Err(Hangup)
        }
        Fault::BlackHole => {
            drain(shared, index, request).await;
            std::future::pending().await
        }
        Fault::StallRead => {
            let _unread = request;
            std::future::pending().await
        }
        Fault::Throttle { bytes_per_second, pause } => {
            let slow = Shape { pace: Some(Pace { bytes_per_second, pause }), ..plain };
            Ok(forward(shared, index, request, slow).await?.map(|body| pass(body, slow, |_| ())))
        }
        Fault::TruncateReply | Fault::CutReplyAfter(_) | Fault::RewriteBody(_) | Fault::SetReplyHeader(..) => {
            change_reply(forward(shared, index, request, plain).await?, fault).await
        }
    }
}

async fn change_reply(reply: Response<Incoming>, fault: Fault) -> Result<Response<ProxyBody>, Hangup> {
    let cut = |bytes| Shape { cut_after_bytes: Some(bytes), ..Shape::default() };
    match fault {
        Fault::TruncateReply => {
            let whole = reply.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
            let half = whole.unwrap_or(0u64) / 2;
            Ok(reply.map(|body| pass(body, cut(half), |_| ())))
        }
        Fault::CutReplyAfter(bytes) => Ok(reply.map(|body| pass(body, cut(bytes), |_| ()))),
        Fault::RewriteBody(function) => {
            let (mut head, body) = reply.into_parts();
            let body = body.collect().await.map_err(|_| Hangup)?.to_bytes();
            let changed = function(body.to_vec());
            head.headers.remove(TRANSFER_ENCODING);
            head.headers.insert(CONTENT_LENGTH, changed.len().into());
            Ok(Response::from_parts(head, full(changed)))
        }
        Fault::SetReplyHeader(name, value) => {
            let value = HeaderValue::from_str(&value).expect("a header value");
            let mut reply = reply.map(untouched);
            reply.headers_mut().insert(HeaderName::from_static(name), value);
            Ok(reply)
        }
        _ => unreachable!("the other faults are not about the reply"),
    }
}

/// Sends `request` to the real server over a connection of its own. The head passes unchanged,
/// `Host` included: the signature covers it. A server that is not there ends the connection.
async fn forward(
    shared: &Arc<Shared>,
    index: usize,
    request: Request<Incoming>,
    shape: Shape,
) -> Result<Response<Incoming>, Hangup> {
    match try_forward(shared, index, request, shape).await {
        Ok(reply) => Ok(reply),
        Err(err) => {
            eprintln!("the proxy cannot forward a request: {err}");
            Err(Hangup)
        }
    }
}

async fn try_forward(
    shared: &Arc<Shared>,
    index: usize,
    request: Request<Incoming>,
    shape: Shape,
) -> io::Result<Response<Incoming>> {
    let stream = TcpStream::connect(shared.upstream).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // Its errors arrive with the answer or its body as well.
    tokio::spawn(async move { drop(connection.await) });
    let has_body = [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| request.headers().contains_key(name));
    let counter = Arc::clone(shared);
    let count = move |bytes| counter.update(index, |entry| entry.body_bytes += bytes);
    let request = request.map(|body| if has_body { pass(body, shape, count) } else { full("") });
    let reply = sender.send_request(request).await.map_err(io::Error::other)?;
    if reply.status().is_success() {
        shared.remember_part(index);
    }
    Ok(reply)
}

/// Reads the body to its end, so that the sender is ready to hear an answer.
async fn drain(shared: &Arc<Shared>, index: usize, request: Request<Incoming>) {
    let mut body = request.into_body();
    // An error means that the sender is gone, and the answer is not awaited.
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        shared.update(index, |entry| entry.body_bytes += bytes);
    }
}

fn untouched(body: Incoming) -> ProxyBody {
    body.map_err(Into::into).boxed_unsync()
}

fn xml_error(status: u16, code: &str, message: &str) -> Response<ProxyBody> {
    let head = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
    let error = format!("<Code>{code}</Code><Message>{message}</Message><RequestId>e2e-proxy</RequestId>");
    let mut reply = reply(status, &format!("{head}\n<Error>{error}</Error>"));
    let kind = HeaderValue::from_static("application/xml");
    reply.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    reply
}

fn reply(status: u16, body: &str) -> Response<ProxyBody> {
    let reply = Response::builder().status(status).body(full(body.to_owned()));
    reply.expect("a status between 100 and 999")
}

/// The size of the part that this request stored, if it stored one.
pub(super) fn stored_part(request: &Recorded) -> Option<(String, u32, u64)> {
    if request.operation != Operation::UploadPart {
        return None;
    }
    let upload = request.query.get("uploadId")?.clone();
    // In an aws-chunked body, the chunk heads do not count.
    let decoded = request.header("x-amz-decoded-content-length").and_then(|text| text.parse().ok());
    Some((upload, part_number(request)?, decoded.unwrap_or(request.body_bytes)))
}
