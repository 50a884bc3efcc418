//! Ports for programs under test that have to be told one before they start.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Below what systems give to outgoing connections and to port 0: nobody else is given it before the program has it.
const FIRST: u16 = 20_000;
const COUNT: u32 = 12_000;

/// A port of the loopback address that nobody listens at, and that this process is given only once.
///
/// For the web app that you test: its redirect address, and so its port, has to be known before it starts.
///
/// ```
/// let port = entra_lab::free_port()?;
/// let redirect_uri = format!("http://localhost:{port}/signin-oidc");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// Every port of the range from 20,000 to 31,999 is taken.
pub fn free_port() -> io::Result<u16> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Processes that run at the same time begin at different places.
    let begin = std::process::id() % COUNT * 97;
    (0..COUNT)
        .map(|_| FIRST + ((begin + GIVEN.fetch_add(1, Relaxed) % COUNT) % COUNT) as u16)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "no port from 20,000 to 31,999 is free"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_port_is_given_once_and_never_one_that_is_taken() {
        let first = free_port().unwrap();
        let listeners: Vec<_> =
            (1..20).filter_map(|n| TcpListener::bind((Ipv4Addr::LOCALHOST, first + n)).ok()).collect();
        assert!(!listeners.is_empty());

        let ports: HashSet<u16> = (0..3_000).map(|_| free_port().unwrap()).collect();

        assert_eq!(ports.len(), 3_000);
        assert!(ports.iter().all(|port| (20_000..32_000).contains(port)) && !ports.contains(&first));
        assert!(listeners.iter().all(|taken| !ports.contains(&taken.local_addr().unwrap().port())));
    }
}
