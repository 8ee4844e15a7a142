//! Bodies on their way through the proxy: counted, slowed down, cut.

use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use tokio::time::sleep;

/// The time for what was sent to leave the buffers before the connection is cut.
const FLUSH: Duration = Duration::from_millis(50);

/// Any error of a body.
pub(super) type BodyError = Box<dyn Error + Send + Sync>;

/// A body in either direction.
pub(super) type ProxyBody = UnsyncBoxBody<Bytes, BodyError>;

/// The reset of a connection in the place of an answer.
#[derive(Debug)]
pub(super) struct Hangup;

impl fmt::Display for Hangup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is cut on purpose")
    }
}

impl Error for Hangup {}

/// A speed in bytes per second (at least 1), and one pause after the first bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) bytes_per_second: u64,
    pub(super) pause: Duration,
}

/// How a body passes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    /// Slowly, if set.
    pub(super) pace: Option<Pace>,
    /// Up to this many bytes, if set; then the body fails.
    pub(super) cut_after_bytes: Option<u64>,
}

/// A body of bytes that are here already.
pub(super) fn full(content: impl Into<Bytes>) -> ProxyBody {
    Full::new(content.into()).map_err(|never| match never {}).boxed_unsync()
}

/// `source` as it arrives, in that shape. `count` is called with the length of every piece.
pub(super) fn pass(source: Incoming, shape: Shape, count: impl Fn(u64) + Send + 'static) -> ProxyBody {
    let flow = Flow { source, shape, passed: 0, broken: false, count };
    BodyExt::boxed_unsync(StreamBody::new(stream::unfold(flow, next)))
}

struct Flow<C> {
    source: Incoming,
    shape: Shape,
    passed: u64,
    broken: bool,
    count: C,
}

async fn next<C: Fn(u64)>(mut flow: Flow<C>) -> Option<(Result<Frame<Bytes>, BodyError>, Flow<C>)> {
    if flow.broken {
        return None;
    }
    if flow.shape.cut_after_bytes == Some(flow.passed) {
        sleep(FLUSH).await;
        flow.broken = true;
        // No `Hangup`: a reset could take away what the reader has not fetched yet.
        return Some((Err("the body is cut on purpose".into()), flow));
    }
    let frame = match flow.source.frame().await? {
        Ok(frame) => frame,
        Err(err) => {
            flow.broken = true;
            return Some((Err(err.into()), flow));
        }
    };
    let mut data = match frame.into_data() {
        Ok(data) => data,
        Err(trailers) => return Some((Ok(trailers), flow)),
    };
    if let Some(limit) = flow.shape.cut_after_bytes {
        let left = usize::try_from(limit - flow.passed).unwrap_or(usize::MAX);
        data.truncate(left);
    }
    let bytes = data.len() as u64;
    if let Some(pace) = flow.shape.pace {
        let micros = bytes.saturating_mul(1_000_000) / pace.bytes_per_second.max(1);
        sleep(Duration::from_micros(micros)).await;
        if flow.passed == 0 {
            sleep(pace.pause).await;
        }
    }
    flow.passed += bytes;
    (flow.count)(bytes);
    Some((Ok(Frame::data(data)), flow))
}
