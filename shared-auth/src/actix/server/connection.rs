//! Cuts off clients that take an answer, and the next head, one byte at a time.
//!
//! The HTTP library watches the first head of a connection and connections on which nothing comes at all. A byte now and
//! then starts its clock anew, and it has none for what a client does not read. So each connection has a watch of its own,
//! from the end of one request to the beginning of the next.

use std::any::Any;
use std::cell::Cell;
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

/// What is known of a connection; goes with it.
#[derive(Debug)]
pub struct Connection {
    pace: Rc<Pace>,
    /// Its end is the end of the watch.
    _open: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Pace {
    under_way: Cell<u32>,
    idle_since: Cell<Instant>,
}

/// A request under way; the watch begins again where it ends.
#[derive(Debug)]
pub struct UnderWay(Rc<Pace>);

impl Connection {
    pub fn begin(&self) -> UnderWay {
        self.pace.under_way.set(self.pace.under_way.get() + 1);
        UnderWay(Rc::clone(&self.pace))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get().saturating_sub(1));
        self.0.idle_since.set(Instant::now());
    }
}

/// Puts a [`Connection`] among the connection's data, and a watch beside it.
pub fn watch(io: &dyn Any, data: &mut Extensions, limit: Duration) {
    let Some(socket) = io.downcast_ref::<rt::net::TcpStream>().and_then(handle) else { return };
    let pace = Rc::new(Pace { under_way: Cell::new(0), idle_since: Cell::new(Instant::now()) });
    let (open, mut closed) = oneshot::channel();
    data.insert(Connection { pace: Rc::clone(&pace), _open: open });
    rt::spawn(async move {
        let mut look = Instant::now() + limit;
        loop {
            tokio::select! {
                _ = &mut closed => return,
                () = sleep_until(look) => {}
            }
            let now = Instant::now();
            let until = if pace.under_way.get() > 0 { now + limit } else { pace.idle_since.get() + limit };
            if until <= now {
                tracing::debug!("a client neither read nor asked for {limit:?} and was cut off");
                let _ = socket.shutdown(Shutdown::Both);
                return;
            }
            look = until;
        }
    });
}

/// The same socket once more: the HTTP library keeps its own to itself.
#[cfg(unix)]
fn handle(socket: &rt::net::TcpStream) -> Option<TcpStream> {
    use std::os::fd::AsFd;
    socket.as_fd().try_clone_to_owned().ok().map(TcpStream::from)
}

#[cfg(windows)]
fn handle(socket: &rt::net::TcpStream) -> Option<TcpStream> {
    use std::os::windows::io::AsSocket;
    socket.as_socket().try_clone_to_owned().ok().map(TcpStream::from)
}
