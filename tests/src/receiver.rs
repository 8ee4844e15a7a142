//! An HTTP server that takes messages and pings, keeps what it got, and answers as it is told, well or badly.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt::Linger};

/// A client that sends nothing more is not waited for any longer.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// How long a receiver that hangs does so.
const HANG: Duration = Duration::from_secs(60);

/// The largest request that is taken.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// How each request is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// With this status, these lines of its head, and this body.
    Status(u16, &'static str, &'static str),
    /// Not at all, for a minute.
    Hang,
    /// By a reset of the connection.
    Reset,
    /// With this status and a body without an end.
    Endless(u16),
    /// With what a function makes of the request.
    By(Responder),
}

/// What a [`Responder`] answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Lines of the head.
    pub head: &'static str,
    /// The body.
    pub body: String,
}

/// Makes an answer of a request.
#[derive(Clone)]
pub struct Responder(Arc<dyn Fn(&Received) -> Reply + Send + Sync>);

impl Responder {
    /// One that calls `respond` for each request.
    pub fn new(respond: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self(Arc::new(respond))
    }
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Responder")
    }
}

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Received {
    /// `GET`, `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    /// As text.
    pub body: String,
}

#[derive(Debug)]
struct Shared {
    answer: Mutex<Answer>,
    received: Mutex<Vec<Received>>,
    is_over: AtomicBool,
}

/// A running server. Stopped when dropped.
#[derive(Debug)]
pub struct Receiver {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Starts one on a free port of 127.0.0.1 that answers with 200.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen");
        let port = listener.local_addr().expect("the address of a listener").port();
        let answer = Mutex::new(Answer::Status(200, "", "ok"));
        let shared = Arc::new(Shared { answer, received: Mutex::default(), is_over: AtomicBool::new(false) });
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if own.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&own)) else { continue };
                // A client that is gone is part of the tests.
                std::thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Self { port, shared, thread: Some(thread) }
    }

    /// From now on requests are answered so.
    pub fn answer(&self, answer: Answer) {
        *self.shared.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// What came in until now.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `host:port`.
    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(READ_LIMIT))?;
    let received = read(&stream)?;
    let answer = shared.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
    shared.received.lock().unwrap_or_else(PoisonError::into_inner).push(received.clone());
    match answer {
        Answer::Status(status, head, body) => write(stream, status, head, body),
        Answer::By(responder) => {
            let Reply { status, head, body } = responder.0(&received);
            write(stream, status, head, &body)
        }
        Answer::Hang => {
            std::thread::sleep(HANG);
            Ok(())
        }
        Answer::Reset => {
            setsockopt(&stream, Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 })?;
            Ok(())
        }
        Answer::Endless(status) => {
            stream.write_all(format!("HTTP/1.1 {status} Answer\r\nConnection: close\r\n\r\n").as_bytes())?;
            loop {
                stream.write_all(&[b'x'; 4096])?;
            }
        }
    }
}

fn write(mut stream: TcpStream, status: u16, head: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Answer\r\n{head}Connection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    stream.shutdown(Shutdown::Write)
}

fn read(stream: &TcpStream) -> io::Result<Received> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
    let mut body = vec![0; length.min(MAX_BODY_BYTES)];
    reader.read_exact(&mut body)?;
    Ok(Received { method, target, headers, body: String::from_utf8_lossy(&body).into_owned() })
}
