//! A program under test: started with the sample's settings, on the first core alone, and looked at from outside.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bench::{CLIENT, TENANT};

use crate::stub::Stub;

/// `sysconf(_SC_CLK_TCK)` of every Linux that is in use.
const TICKS: f64 = 100.0;
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Program {
    child: Child,
    pub address: SocketAddr,
    /// From the start to the first answer.
    pub ready: Duration,
}

impl Program {
    /// Ready when `/health/live` answers 200.
    pub fn start(command: &str, stub: &Stub) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let began = Instant::now();
        let child = Command::new("sh")
            .args(["-c", &format!("exec taskset -c 0 {command}")])
            .env("LISTEN_ADDR", address.to_string())
            .env("AZURE_TENANT_ID", TENANT)
            .env("AZURE_CLIENT_ID", CLIENT)
            .env("AZURE_CLIENT_SECRET", "s3cret")
            .env("AZURE_AUTHORITY_BACKCHANNEL", format!("http://{}", stub.address))
            .env("GRAPH_BASE_URL", format!("http://{}/v1.0", stub.address))
            .env("RUST_LOG", "info,actix_server=warn")
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut program = Self { child, address, ready: Duration::ZERO };
        while !is_live(address) {
            let ended = program.child.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "it did not start: {command}");
            std::thread::sleep(Duration::from_micros(500));
        }
        program.ready = began.elapsed();
        program
    }

    /// Seconds of CPU that it and its children have used.
    pub fn cpu(&self) -> f64 {
        self.tree().iter().map(|id| cpu_of(*id)).sum()
    }

    /// Its share of the machine's memory, in MB.
    pub fn memory(&self) -> f64 {
        self.tree().iter().map(|id| memory_of(*id)).sum()
    }

    fn tree(&self) -> Vec<u32> {
        let mut tree = vec![self.child.id()];
        let mut at = 0;
        while let Some(id) = tree.get(at) {
            let children =
                std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
            tree.extend(children.split_whitespace().map(|id| id.parse::<u32>().unwrap()));
            at += 1;
        }
        tree
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SIGTERM, so that those with children end them; the standard library knows SIGKILL alone.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cpu_of(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
}

fn memory_of(id: u32) -> f64 {
    let shares = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap();
    let line = shares.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn is_live(address: SocketAddr) -> bool {
    let Ok(mut connection) = TcpStream::connect(address) else { return false };
    let mut answer = [0; 12];
    connection.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let asked = connection.write_all(b"GET /health/live HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n");
    asked.and_then(|()| connection.read_exact(&mut answer)).is_ok() && answer.ends_with(b"200")
}
