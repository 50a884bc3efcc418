//! 32 connections, each with the next user's token as soon as its last question is answered.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::program::Program;

const CONNECTIONS: usize = 32;

pub struct Load {
    address: SocketAddr,
    /// The next user's turn.
    next: Cell<usize>,
    requests: Vec<Vec<u8>>,
}

/// What one turn of a program has shown.
pub struct Turn {
    /// Microseconds of its CPU time for each request.
    pub cpu: f64,
    /// Requests a second.
    pub rate: f64,
    /// Milliseconds in which 99 of 100 were answered.
    pub p99: f64,
}

impl Load {
    pub fn new(address: SocketAddr, tokens: &[String]) -> Self {
        let request = |token| {
            format!("GET /api/profile HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\n\r\n")
                .into_bytes()
        };
        Self { address, next: Cell::new(0), requests: tokens.iter().map(request).collect() }
    }

    /// Fills the caches.
    pub fn each_user_once(&self) {
        let left = Cell::new(self.requests.len());
        self.until(|| left.replace(left.get().saturating_sub(1)) == 0);
    }

    pub fn run(&self, program: &Program, time: Duration) -> Turn {
        let (before, began) = (program.cpu(), Instant::now());
        let mut took = self.until(|| began.elapsed() >= time);
        let (cpu, elapsed, count) = (program.cpu() - before, began.elapsed(), took.len() as f64);
        took.sort_unstable();
        Turn {
            cpu: cpu / count * 1e6,
            rate: count / elapsed.as_secs_f64(),
            p99: took[took.len() * 99 / 100].as_secs_f64() * 1e3,
        }
    }

    /// Asks on all connections until it is `over`; how long each answer took.
    fn until(&self, over: impl Fn() -> bool) -> Vec<Duration> {
        let took = RefCell::new(Vec::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let one = async || {
            let mut connection = TcpStream::connect(self.address).await.unwrap();
            connection.set_nodelay(true).unwrap();
            let mut answer = Vec::with_capacity(4096);
            while !over() {
                let at = self.next.replace((self.next.get() + 1) % self.requests.len());
                let asked = Instant::now();
                connection.write_all(&self.requests[at]).await.unwrap();
                read_answer(&mut connection, &mut answer).await;
                took.borrow_mut().push(asked.elapsed());
            }
        };
        runtime.block_on(join_all((0..CONNECTIONS).map(|_| one())));
        took.into_inner()
    }
}

/// The whole answer, which must be the profile.
async fn read_answer(connection: &mut TcpStream, answer: &mut Vec<u8>) {
    answer.clear();
    loop {
        let read = connection.read_buf(answer).await.unwrap();
        assert!(read > 0, "the program ended the connection");
        let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
        assert!(text.starts_with("http/1.1 200"), "{}", String::from_utf8_lossy(answer));
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:")).map(str::trim);
        let length: usize = length.unwrap_or_else(|| panic!("an answer without a length")).parse().unwrap();
        if answer.len() >= head + 4 + length {
            assert!(answer[head..].windows(9).any(|nine| nine == b"Alice Kim"), "it is not the profile");
            return;
        }
    }
}
