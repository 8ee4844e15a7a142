//! What a child says on standard error.

use std::collections::HashMap;
use std::io;
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;
use tokio_util::sync::CancellationToken;

use crate::scrub::Scrubber;

/// Most bytes that are kept of one line.
const LINE_BYTES: usize = 64 * 1024;

/// What becomes of a child's standard error. All of it is read, so that a child that floods it never blocks.
pub(in crate::postgres) enum Words {
    /// At most so many bytes of its end are kept.
    Tail(usize),
    /// Each line goes to a listener.
    Lines(Listener),
}

/// Takes one line, and the number of the process that wrote it; 0 if the system does not tell.
///
/// The workers of a parallel `pg_restore` share one standard error, and write a line in several pieces. Only with the
/// writer of each piece do the lines stay whole, and each with what its writer said before.
pub(in crate::postgres) type Listener = Box<dyn FnMut(i32, &str) + Send>;

/// Reads `stderr` to its end, or until it is `enough`, and keeps the scrubbed tail.
pub(super) async fn tail(
    mut stderr: ChildStderr,
    words_bytes: usize,
    scrubber: Scrubber,
    enough: CancellationToken,
) -> String {
    let mut tail: Vec<u8> = Vec::new();
    let mut buffer = vec![0; 4096];
    let mut cut = false;
    while let Some(Ok(count @ 1..)) = enough.run_until_cancelled(stderr.read(&mut buffer)).await {
        tail.extend_from_slice(&buffer[..count]);
        if tail.len() > 2 * words_bytes {
            tail.drain(..tail.len() - words_bytes);
            cut = true;
        }
    }
    let mut start = tail.len().saturating_sub(words_bytes);
    if cut || start > 0 {
        // A cut may lie inside a secret, whose rest would not be recognised: drop the first, partial line.
        start += tail[start..].iter().position(|byte| *byte == b'\n').map_or(tail.len() - start, |newline| newline + 1);
    }
    scrubber.scrub(String::from_utf8_lossy(&tail[start..]).trim()).into_owned()
}

/// Reads what `speakers` say to the end, or until it is `enough`, and tells the listener each line.
pub(super) async fn lines(mut speakers: Speakers, mut listener: Listener, enough: CancellationToken) -> String {
    let mut begun = Begun::default();
    let mut buffer = vec![0; 16 * 1024];
    while let Some(Ok((process, count @ 1..))) = enough.run_until_cancelled(speakers.read(&mut buffer)).await {
        begun.push(process, &buffer[..count], &mut listener);
    }
    begun.finish(&mut listener);
    String::new()
}

/// The line that each process has begun.
#[derive(Default)]
struct Begun(HashMap<i32, Vec<u8>>);

impl Begun {
    fn push(&mut self, process: i32, bytes: &[u8], listener: &mut Listener) {
        let line = self.0.entry(process).or_default();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES.saturating_sub(line.len());
            line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                listener(process, String::from_utf8_lossy(line).trim_end_matches('\n'));
                line.clear();
            }
        }
    }

    fn finish(self, listener: &mut Listener) {
        for (process, line) in self.0.into_iter().filter(|(_, line)| !line.is_empty()) {
            listener(process, &String::from_utf8_lossy(&line));
        }
    }
}

/// Our end of the standard error of several processes.
#[cfg(target_os = "linux")]
pub(super) struct Speakers(tokio::net::UnixStream);

#[cfg(target_os = "linux")]
impl Speakers {
    /// The end for the child, and ours. On a socket the kernel names the writer of each piece, and never joins the
    /// pieces of two writers.
    pub(super) fn open() -> io::Result<(Stdio, Self)> {
        use nix::sys::socket::{setsockopt, sockopt};
        use std::os::fd::OwnedFd;

        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        setsockopt(&ours, sockopt::PassCred, &true)?;
        Ok((Stdio::from(OwnedFd::from(theirs)), Self(tokio::net::UnixStream::from_std(ours)?)))
    }

    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<(i32, usize)> {
        self.0.async_io(tokio::io::Interest::READABLE, || receive(&self.0, buffer)).await
    }
}

#[cfg(target_os = "linux")]
fn receive(socket: &tokio::net::UnixStream, buffer: &mut [u8]) -> io::Result<(i32, usize)> {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg};
    use std::os::fd::AsRawFd;

    let mut control = nix::cmsg_space!(UnixCredentials);
    let mut pieces = [io::IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut pieces, Some(&mut control), MsgFlags::empty())?;
    let writer = message.cmsgs()?.find_map(|told| match told {
        ControlMessageOwned::ScmCredentials(credentials) => Some(credentials.pid()),
        _ => None,
    });
    Ok((writer.unwrap_or(0), message.bytes))
}

/// Our end of a pipe: the writers cannot be told apart.
#[cfg(not(target_os = "linux"))]
pub(super) struct Speakers(tokio::net::unix::pipe::Receiver);

#[cfg(not(target_os = "linux"))]
impl Speakers {
    /// The end for the child, and ours.
    pub(super) fn open() -> io::Result<(Stdio, Self)> {
        let (ours, theirs) = std::io::pipe()?;
        let ours = std::os::fd::OwnedFd::from(ours);
        Ok((Stdio::from(theirs), Self(tokio::net::unix::pipe::Receiver::from_owned_fd(ours)?)))
    }

    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<(i32, usize)> {
        Ok((0, self.0.read(buffer).await?))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Two processes that write one line each in three pieces, turn by turn, as `pg_restore` does it.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_lines_of_processes_that_write_at_once_stay_whole() {
        let (theirs, ours) = Speakers::open().unwrap();
        let script =
            "( for i in 1 2 3 4 5 6 7 8 9; do printf pg_restore:; printf ' error: '; printf 'left %s\\n' $i; done ) &
            for i in 1 2 3 4 5 6 7 8 9; do printf pg_restore:; printf ' error: '; printf 'right %s\\n' $i; done; wait";
        let child =
            std::process::Command::new("/bin/sh").args(["-c", &format!("exec 1>&2; {script}")]).stderr(theirs).status();
        assert!(child.unwrap().success());
        let heard: Arc<Mutex<HashMap<i32, Vec<String>>>> = Arc::default();
        let to = Arc::clone(&heard);
        let listener: Listener = Box::new(move |process, line| {
            to.lock().unwrap().entry(process).or_default().push(line.to_owned());
        });
        lines(ours, listener, CancellationToken::new()).await;
        let mut heard: Vec<Vec<String>> = heard.lock().unwrap().drain().map(|(_, lines)| lines).collect();
        heard.sort();
        let said = |word: &str| (1..10).map(|i| format!("pg_restore: error: {word} {i}")).collect::<Vec<_>>();
        assert_eq!(heard, [said("left"), said("right")]);
    }

    #[test]
    fn a_line_without_an_end_is_cut_and_what_follows_is_heard() {
        let heard: Arc<Mutex<Vec<(i32, usize)>>> = Arc::default();
        let to = Arc::clone(&heard);
        let mut listener: Listener = Box::new(move |process, line| to.lock().unwrap().push((process, line.len())));
        let mut begun = Begun::default();
        (0..3).for_each(|_| begun.push(7, &[b'x'; LINE_BYTES], &mut listener));
        begun.push(7, b"\nnext\nlast", &mut listener);
        begun.finish(&mut listener);
        assert_eq!(*heard.lock().unwrap(), [(7, LINE_BYTES), (7, 4), (7, 4)]);
    }
}
