//! A network whose only way out is a proxy, named by the environment.

use std::io::{BufRead, BufReader, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::daemon::{Surroundings, stderr};

/// A proxy that makes tunnels (RFC 9110 §9.3.6), and remembers where to.
struct Proxy {
    url: String,
    tunnels: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let tunnels = Arc::new(Mutex::new(Vec::new()));
        let seen = tunnels.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let seen = seen.clone();
                thread::spawn(move || tunnel(client, &seen));
            }
        });
        Self { url, tunnels }
    }

    fn tunnels(&self) -> Vec<String> {
        std::mem::take(&mut self.tunnels.lock().unwrap())
    }
}

fn tunnel(mut client: TcpStream, seen: &Mutex<Vec<String>>) {
    let mut head = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(target) = head.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)) else { return };
    head.find(String::is_empty);
    seen.lock().unwrap().push(target.clone());
    let Ok(mut server) = TcpStream::connect(&target) else { return };
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || {
        let _ = copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let _ = copy(&mut client, &mut server);
    let _ = server.shutdown(Shutdown::Both);
}

/// Checklist 119.
#[tokio::test(flavor = "multi_thread")]
async fn entra_and_graph_are_asked_through_the_proxy_of_the_environment() {
    let (around, proxy) = (Surroundings::new().await, Proxy::start());
    let lab = around.lab.https_url();
    let ca = format!("{}/proxy-ca-{}.pem", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    std::fs::write(&ca, around.lab.ca_pem()).unwrap();
    let one_round = |variables: &[(&str, &str)]| {
        let mut daemon = around.daemon();
        daemon.env("AZURE_AUTHORITY_HOST", &lab).env("GRAPH_BASE_URL", format!("{lab}/v1.0"));
        daemon.env("EXTRA_CA_CERTS", &ca).envs(variables.iter().copied()).arg("--once").output().unwrap()
    };

    let through = one_round(&[("HTTPS_PROXY", &proxy.url)]);
    assert_eq!(through.status.code(), Some(0), "{}", stderr(&through));
    let tunnels = proxy.tunnels();
    let target = lab.trim_start_matches("https://");
    assert!(!tunnels.is_empty() && tunnels.iter().all(|tunnel| tunnel == target), "{tunnels:?}");

    let past = one_round(&[("HTTPS_PROXY", &proxy.url), ("NO_PROXY", "localhost")]);
    assert_eq!((past.status.code(), proxy.tunnels().len()), (Some(0), 0), "{}", stderr(&past));

    let away = one_round(&[("HTTPS_PROXY", "http://127.0.0.1:9")]);
    assert_eq!(away.status.code(), Some(1));
    assert!(stderr(&away).contains("no connection"), "{}", stderr(&away));
    std::fs::remove_file(&ca).unwrap();
}
