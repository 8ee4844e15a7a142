//! A TCP listener with a runtime of its own, so that tests without one can use the servers.

use std::{io, net::SocketAddr, thread};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Builder,
    sync::oneshot,
};

/// How many connections may wait to be accepted; more than any test opens at once.
const BACKLOG_CONNECTIONS: u32 = 256;

/// Threads of one server. Two let a slow request and a quick one overlap.
const WORKER_THREADS: usize = 2;

/// The size that a listener asks for its receive buffers.
#[derive(Clone, Copy)]
pub enum ReceiveBuffer {
    /// What the kernel chooses, several MiB on loopback.
    Kernel,
    /// This many bytes, so that a peer notices when its bytes are not read.
    Bytes(u32),
}

/// A listener that runs until it is dropped.
pub struct Background {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Background {
    /// Listens on 127.0.0.1 and hands every connection to `on_connection`, which must not block and
    /// may spawn tasks. Port 0 means any free one.
    ///
    /// # Errors
    ///
    /// The port is taken, or the system gives no thread.
    pub fn listen<F>(port: u16, buffer: ReceiveBuffer, on_connection: F) -> io::Result<Self>
    where
        F: Fn(TcpStream) + Send + 'static,
    {
        let runtime = Builder::new_multi_thread().worker_threads(WORKER_THREADS).enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            bind(port, buffer)?
        };
        let port = listener.local_addr()?.port();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name(format!("listen-{port}")).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept_for_ever(&listener, &on_connection) => (),
                    _ = stopped => (),
                }
            });
            drop(listener);
            // Requests may hang on purpose: they are not awaited.
            runtime.shutdown_background();
        })?;
        Ok(Self { port, stop: Some(stop), thread: Some(thread) })
    }

    /// The port that this listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the listener on port {} had panicked", self.port);
        }
    }
}

fn bind(port: u16, buffer: ReceiveBuffer) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    if let ReceiveBuffer::Bytes(bytes) = buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
    socket.listen(BACKLOG_CONNECTIONS)
}

async fn accept_for_ever(listener: &TcpListener, on_connection: &impl Fn(TcpStream)) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(err) = stream.set_nodelay(true) {
                    eprintln!("cannot set TCP_NODELAY: {err}");
                }
                on_connection(stream);
            }
            Err(err) => eprintln!("cannot accept a connection: {err}"),
        }
    }
}
