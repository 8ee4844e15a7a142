//! The S3 server of the tests as a program, for the demo and the benchmark.
//!
//! Prints `listening on http://127.0.0.1:PORT` when it is ready and runs until SIGTERM or SIGINT.
//! Objects are files below the given folder and survive it. It has no TLS, no limits and one user:
//! never expose it.

use std::{io, path::PathBuf};

use clap::Parser;
use s3_server::{S3Options, S3Server};
use tokio::signal::unix::{SignalKind, signal};

/// What was typed.
#[derive(Parser)]
#[command(about = "An S3 server on 127.0.0.1 over a folder, for tests and demonstrations")]
struct Arguments {
    /// The folder for the objects; created if needed.
    #[arg(long)]
    root: PathBuf,
    /// The port on 127.0.0.1; 0 means any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The access key that is let in.
    #[arg(long)]
    access_key: String,
    /// The secret of the access key.
    #[arg(long)]
    secret_key: String,
    /// The bucket to create if it does not exist.
    #[arg(long)]
    bucket: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let Arguments { root, port, access_key, secret_key, bucket } = Arguments::parse();
    // Before the line below: its reader may send a signal at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = S3Server::open(S3Options { root, port, bucket, access_key, secret_key })?;
    println!("listening on {}", server.endpoint());
    tokio::select! {
        _ = terminate.recv() => (),
        _ = interrupt.recv() => (),
    }
    Ok(())
}
