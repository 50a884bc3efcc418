//! A Redis of a test's own, for what several processes share.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// The keys that seal what lies there.
pub const KEYS: &str = "YSBrZXkgZm9yIHRoZSBsYWIgb25seSwgMzIgYnl0ZXM=";

/// Killed when it is dropped.
pub struct Redis {
    pub url: String,
    process: Child,
}

impl Redis {
    pub fn start() -> Self {
        let free = entra_lab::free_port().unwrap();
        let process = Command::new("redis-server")
            .args(["--port", &free.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is missing; `cargo xtask e2e` says how to get it");
        Self { url: format!("redis://127.0.0.1:{free}"), process }
    }

    /// How many clients are connected, without the one that asks.
    pub fn clients(&self) -> usize {
        let mut connection = TcpStream::connect(self.url.trim_start_matches("redis://")).unwrap();
        connection.write_all(b"INFO clients\r\nQUIT\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let figure = answer.lines().find_map(|line| line.strip_prefix("connected_clients:"));
        figure.unwrap_or_else(|| panic!("{answer}")).trim().parse::<usize>().unwrap() - 1
    }

    /// Everything that lies in it is gone, as after a restart.
    pub fn empty(&self) {
        let mut connection = TcpStream::connect(self.url.trim_start_matches("redis://")).unwrap();
        connection.write_all(b"FLUSHALL\r\n").unwrap();
        let mut answer = [0; 5];
        connection.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"+OK\r\n");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
