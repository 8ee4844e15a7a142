//! Programs that outlive the test that started them.

use std::{
    process::{Child, Command},
    sync::{LazyLock, mpsc},
    thread,
};

/// Starts `command` from a thread that lives as long as the process.
///
/// The kernel sends the parent-death signal when the *thread* that started a child ends, and a
/// test's thread ends with its test, while a shared server must live on.
pub(crate) fn spawn_for_ever(command: Command) -> Child {
    type Order = (Command, mpsc::Sender<std::io::Result<Child>>);
    static NURSERY: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
        let (orders, incoming) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in incoming {
                // Its parent may be gone: then the child is not missed.
                drop(reply.send(command.spawn()));
            }
        });
        orders
    });
    let (reply, answer) = mpsc::channel();
    NURSERY.send((command, reply)).expect("the nursery lives as long as the process");
    answer.recv().expect("the nursery answers").expect("start a program through setpriv (util-linux)")
}
