//! Is a service up? One GET by hand, so that this crate needs no HTTP client of its own.
//!
//! Also the question before anything is started: is a port still free?

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// True when `GET path` is answered with 200 within a second.
pub async fn is_ok(address: SocketAddr, path: &str) -> bool {
    let answer = timeout(Duration::from_secs(1), async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.ok()?;
        Some(start.ends_with(b" 200"))
    });
    answer.await.ok().flatten().unwrap_or(false)
}

/// Refuses a port that is taken, with a sentence that says whose it is and where it is set.
pub fn require_free(address: SocketAddr, who: &str, variable: &str) -> Result<()> {
    if let Err(error) = TcpListener::bind(address) {
        let (port, kind) = (address.port(), error.kind());
        bail!(
            "Port {port} cannot be opened ({kind}), and {who} needs it ({variable}={address}): \
             stop the program that holds it, then try again."
        );
    }
    Ok(())
}

/// An address on loopback with a port that was free a moment ago.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
