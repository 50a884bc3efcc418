//! The loopback receiver (RFC 8252 §7.3): a port of this machine at which one answer of the browser is taken.
//!
//! It listens on 127.0.0.1 and on ::1, for `localhost` may be either, and only while somebody signs in. What a request
//! must look like stands in `request.rs`, what the browser shows in `pages.rs`.

mod pages;
mod request;

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

pub use self::pages::Outcome;
use self::request::{Arrived, Desk};
use crate::flows::authorization_code::{AuthCodeFlow, AuthorizationResponse};

/// Browsers open a few connections ahead of time; more than these wait.
const CONNECTIONS: usize = 32;
/// For the head of a request, which a browser sends at once.
const HEAD_TIME_LIMIT: Duration = Duration::from_secs(10);
const HEAD_SIZE_LIMIT: usize = 64 * 1024;
/// How long the last page may take to reach the browser.
const FAREWELL: Duration = Duration::from_secs(2);

/// Open ports with nobody behind them yet. Dropping it closes them.
#[derive(Debug)]
pub struct Receiver {
    listeners: Vec<TcpListener>,
    port: u16,
}

impl Receiver {
    /// Opens `port`, or any that is free where it is 0.
    ///
    /// # Errors
    /// Where the port is taken on one of the two addresses: the answer might reach whoever has it.
    pub async fn open(port: u16) -> io::Result<Self> {
        const TRIES: u32 = 16;
        let mut last = io::Error::from(ErrorKind::AddrInUse);
        for _ in 0..TRIES {
            match Self::open_once(port).await {
                Err(error) if error.kind() == ErrorKind::AddrInUse && port == 0 => last = error,
                opened => return opened,
            }
        }
        Err(last)
    }

    async fn open_once(port: u16) -> io::Result<Self> {
        let on = |address: IpAddr, port| TcpListener::bind((address, port));
        let v4 = on(Ipv4Addr::LOCALHOST.into(), port).await;
        let chosen = match &v4 {
            Ok(listener) => listener.local_addr()?.port(),
            Err(_) => port,
        };
        let v6 = on(Ipv6Addr::LOCALHOST.into(), chosen).await;
        let listeners = match (v4, v6) {
            (Err(error), _) | (_, Err(error)) if error.kind() == ErrorKind::AddrInUse => return Err(error),
            // A machine may be without one of the two.
            (Ok(v4), Ok(v6)) => vec![v4, v6],
            (Ok(only), Err(_)) | (Err(_), Ok(only)) => vec![only],
            (Err(error), Err(_)) => return Err(error),
        };
        let port = listeners.first().ok_or(ErrorKind::AddrNotAvailable)?.local_addr()?.port();
        Ok(Self { listeners, port })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Takes the answer to `flow` at `path`, from now on.
    pub fn wait_for(self, path: &str, flow: AuthCodeFlow) -> Waiting {
        let (give, answer) = oneshot::channel();
        let desk = Arc::new(Desk::new(self.port, path, flow, give));
        let seats = Arc::new(Semaphore::new(CONNECTIONS));
        let mut tasks = JoinSet::new();
        for listener in self.listeners {
            tasks.spawn(serve(listener, Arc::clone(&desk), Arc::clone(&seats)));
        }
        Waiting { answer, tasks }
    }
}

/// The wait for the answer. Dropping it closes the ports.
#[derive(Debug)]
pub struct Waiting {
    answer: oneshot::Receiver<Arrived>,
    tasks: JoinSet<()>,
}

impl Waiting {
    /// The first answer that belongs to the sign-in; others were turned away.
    pub async fn answer(self) -> (AuthorizationResponse, Browser) {
        match self.answer.await {
            Ok(Arrived { response, outcome, shown }) => {
                (response, Browser { outcome, shown, _tasks: self.tasks })
            }
            // The desk lives as long as the tasks; the caller's time limit ends this all the same.
            Err(_) => std::future::pending().await,
        }
    }
}

/// The browser that brought the answer and waits for a page.
#[derive(Debug)]
pub struct Browser {
    outcome: oneshot::Sender<Outcome>,
    shown: oneshot::Receiver<()>,
    _tasks: JoinSet<()>,
}

impl Browser {
    /// Shows how it went, and closes the ports. A browser that went away meanwhile is no failure.
    pub async fn show(self, outcome: Outcome) {
        if self.outcome.send(outcome).is_ok() {
            let _gone_or_late = tokio::time::timeout(FAREWELL, self.shown).await;
        }
    }
}

async fn serve(listener: TcpListener, desk: Arc<Desk>, seats: Arc<Semaphore>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await; // Out of file handles, most likely.
            continue;
        };
        let desk = Arc::clone(&desk);
        connections.spawn(async move {
            // Given up with the connection, that is, when the page has been written.
            let shown = Arc::new(Mutex::new(None));
            let service =
                service_fn(|request| request::answer(Arc::clone(&desk), request, Arc::clone(&shown)));
            let _a_browser_that_hangs_up = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME_LIMIT)
                .max_buf_size(HEAD_SIZE_LIMIT)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(seat);
        });
    }
}
