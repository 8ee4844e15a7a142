//! Notices a store that falls silent, or that answers without end: every byte that the network takes or brings is seen
//! where it passes, below the SDK, which tells nothing of a body until all of it is sent, and keeps answers in memory.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::StoreCounters;

/// A body goes to the network in pieces of this size: small beside what a slow link moves in a minute.
const PIECE_BYTES: usize = 32 * 1024;

/// What the system may hold of a body that it has taken and the network has not, beyond which its send buffers rarely
/// grow (`tcp_wmem`).
const BUFFERED_BYTES: u64 = 2 * 1024 * 1024;

/// Most bytes of an answer that is not an object: a page of a listing has a thousand keys of at most 1 KiB, with five
/// characters for some of theirs.
const MAX_ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// How the SDK marks a request for an object, whose body is not kept in memory.
const OF_AN_OBJECT: &str = "x-id=GetObject";

/// The slowest link that is waited for.
const SLOWEST_LINK_BYTES_PER_SECOND: u64 = 64 * 1024;

tokio::task_local! {
    /// Of the attempt that this task makes.
    static WATCH: Arc<Watch>;
}

/// When one attempt of a request last moved a byte.
#[derive(Debug)]
pub(super) struct Watch {
    /// So long may a store take no byte and send none.
    silence: Duration,
    state: Mutex<State>,
    counters: StoreCounters,
}

#[derive(Debug)]
struct State {
    last_byte_at: Instant,
    sent_bytes: u64,
    /// Whether the system has taken the whole body: what it holds of it may still be on its way.
    all_taken: bool,
}

impl Watch {
    /// Begins now.
    pub(super) fn new(silence: Duration, counters: StoreCounters) -> Arc<Self> {
        let state = State { last_byte_at: Instant::now(), sent_bytes: 0, all_taken: false };
        Arc::new(Self { silence, state: Mutex::new(state), counters })
    }

    /// Runs `attempt` below this watch; `Err` tells how long its store had been silent when it was given up.
    pub(super) async fn guard<T>(self: Arc<Self>, attempt: impl Future<Output = T>) -> Result<T, Duration> {
        tokio::select! {
            biased;
            outcome = WATCH.scope(Arc::clone(&self), attempt) => Ok(outcome),
            silence = self.silent() => Err(silence),
        }
    }

    async fn silent(&self) -> Duration {
        loop {
            let (last_byte_at, bound) = self.bound();
            if last_byte_at.elapsed() >= bound {
                return bound;
            }
            tokio::time::sleep_until(last_byte_at + bound).await;
        }
    }

    /// The time of the last byte, and how long nothing may follow it.
    fn bound(&self) -> (Instant, Duration) {
        self.change(|state| {
            let held_bytes = if state.all_taken { state.sent_bytes.min(BUFFERED_BYTES) } else { 0 };
            (state.last_byte_at, self.silence + Duration::from_secs(held_bytes / SLOWEST_LINK_BYTES_PER_SECOND))
        })
    }

    fn taken(&self, bytes: usize) {
        self.counters.sent(bytes);
        self.change(|state| {
            state.last_byte_at = Instant::now();
            state.sent_bytes += bytes as u64;
        });
    }

    fn all_taken(&self) {
        self.change(|state| state.all_taken = true);
    }

    fn received(&self) {
        self.change(|state| {
            state.last_byte_at = Instant::now();
            state.sent_bytes = 0; // The store has begun to answer, so it has read what it wanted.
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An HTTP client whose bodies tell the watch of their attempt when they move.
#[derive(Debug)]
pub(super) struct WatchedClient(pub(super) SharedHttpClient);

impl HttpClient for WatchedClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(WatchedConnector(self.0.http_connector(settings, components)))
    }
}

#[derive(Debug)]
struct WatchedConnector(SharedHttpConnector);

impl HttpConnector for WatchedConnector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let Ok(watch) = WATCH.try_with(Arc::clone) else { return self.0.call(request) };
        // What is signed is signed by now, and the length is in a header.
        let body = request.take_body();
        *request.body_mut() = SdkBody::from_body_1_x(Sent { body, waiting: Bytes::new(), watch: Arc::clone(&watch) });
        let of_object = request.uri().split(['?', '&']).any(|part| part == OF_AN_OBJECT);
        let answered = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let mut response: HttpResponse = answered.await?;
            watch.received();
            let body = response.take_body();
            let left_bytes = if of_object && response.status().is_success() { u64::MAX } else { MAX_ANSWER_BYTES };
            *response.body_mut() = SdkBody::from_body_1_x(Received { body, watch, left_bytes });
            Ok(response)
        })
    }
}

/// The body of a request, which leaves in pieces.
struct Sent {
    body: SdkBody,
    /// What is left of the last frame.
    waiting: Bytes,
    watch: Arc<Watch>,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = <SdkBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.waiting.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.waiting = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    self.watch.all_taken();
                    return Poll::Ready(None);
                }
            }
        }
        let bytes = self.waiting.len().min(PIECE_BYTES);
        let piece = self.waiting.split_to(bytes);
        self.watch.taken(bytes);
        if self.is_end_stream() {
            self.watch.all_taken(); // A body of known length is not asked for its end.
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_empty() && Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = Body::size_hint(&self.body);
        let waiting_bytes = self.waiting.len() as u64;
        match hint.exact() {
            Some(bytes) => SizeHint::with_exact(bytes + waiting_bytes),
            None => hint,
        }
    }
}

/// The body of an answer.
struct Received {
    body: SdkBody,
    watch: Arc<Watch>,
    /// So much more may come.
    left_bytes: u64,
}

impl Body for Received {
    type Data = Bytes;
    type Error = <SdkBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.watch.received();
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref) {
            self.watch.counters.received(data.len());
            match self.left_bytes.checked_sub(data.len() as u64) {
                Some(left_bytes) => self.left_bytes = left_bytes,
                None => return Poll::Ready(Some(Err("the answer of the store has no end within 16 MiB".into()))),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R121: pauses shorter than the bound are no silence, however long the whole takes.
    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_the_last_byte_r121() {
        let counters = StoreCounters::default();
        let watch = Watch::new(Duration::from_secs(60), counters.clone());
        let slow = async {
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_secs(15)).await;
                WATCH.with(|watch| watch.taken(1024));
            }
        };
        assert_eq!(watch.guard(slow).await, Ok(()));
        assert_eq!(counters.sent_bytes(), 100 * 1024);
        let deaf = std::future::pending::<()>();
        assert_eq!(Watch::new(Duration::from_secs(60), counters).guard(deaf).await, Err(Duration::from_secs(60)));
    }

    /// What the system has taken is not at the store yet; a store that has begun to answer has no such excuse.
    #[tokio::test(start_paused = true)]
    async fn what_is_still_in_the_buffers_of_the_system_has_time_to_leave_them() {
        let sent = |then: fn(&Watch)| {
            let watch = Watch::new(Duration::from_secs(60), StoreCounters::default());
            let started = Instant::now();
            async move {
                let hangs = async {
                    WATCH.with(|watch| {
                        watch.taken(8 << 20);
                        then(watch);
                    });
                    std::future::pending::<()>().await
                };
                assert!(watch.guard(hangs).await.is_err());
                started.elapsed().as_secs()
            }
        };
        assert_eq!(sent(|_| ()).await, 60);
        assert_eq!(sent(Watch::all_taken).await, 92);
        assert_eq!(sent(|watch| (watch.all_taken(), watch.received()).0).await, 60);
    }
}
