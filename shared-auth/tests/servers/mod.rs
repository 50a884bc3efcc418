//! Redis servers of a test's own, real processes on free ports: one, a cluster, a master with sentinels. Killed when they
//! are dropped. The store suite, the tests of the library and the load test start them.

mod cluster;
mod sentinels;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Client, FromRedisValue, cmd};

pub use self::cluster::Cluster;
pub use self::sentinels::{OF_THE_SENTINELS, Sentinels, WATCHER};

/// Stopped when it is dropped.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    tls_port: String,
    password: Option<String>,
    process: Child,
}

impl RedisServer {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With more options; `TLS` stands for a second free port.
    pub async fn start_with(options: &[&str]) -> Self {
        let (port, tls_port) = (entra_lab::free_port().unwrap(), entra_lab::free_port().unwrap().to_string());
        let options: Vec<_> =
            options.iter().map(|word| if *word == "TLS" { tls_port.as_str() } else { word }).collect();
        let process = spawn(port, &options);
        let password =
            options.iter().skip_while(|word| **word != "--requirepass").nth(1).map(|word| (*word).to_owned());
        let server = Self { port, tls_port: tls_port.clone(), password, process };
        server.ready().await;
        server
    }

    /// A sentinel with its configuration, which it also writes to.
    async fn sentinel(port: u16, configuration: &Path, password: Option<&str>) -> Self {
        let process = Command::new("redis-server")
            .arg(configuration)
            .arg("--sentinel")
            .stdout(Stdio::null())
            .spawn()
            .expect("these tests need redis-server: apt-get install redis-server");
        let sentinel = Self { port, tls_port: String::new(), password: password.map(str::to_owned), process };
        sentinel.ready().await;
        sentinel
    }

    pub fn tls_port(&self) -> &str {
        &self.tls_port
    }

    pub fn url(&self) -> String {
        let account = self.password.as_ref().map_or(String::new(), |password| format!(":{password}@"));
        format!("redis://{account}{}", self.address())
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills it; what it held is gone.
    pub fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again on the same port, empty.
    pub async fn start_again(&mut self) {
        self.process = spawn(self.port, &[]);
        self.ready().await;
    }

    /// The process exists and its port is open, but nothing answers.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// Runs one command, such as `["CONFIG", "SET", "maxmemory", "1mb"]`.
    pub async fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut self.connection().await).await.unwrap()
    }

    /// How many commands clients have sent so far, by name; not those of connecting, health checks and this.
    pub async fn calls(&self) -> Vec<(String, u64)> {
        let info: String = self.command(&["INFO", "commandstats"]).await;
        let ours =
            ["client", "hello", "info", "config", "ping", "subscribe", "select", "auth", "keys", "scan"];
        info.lines()
            .filter_map(|line| {
                let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
                let name = name.split('|').next()?;
                (!ours.contains(&name))
                    .then(|| (name.to_owned(), figures.split(',').next().unwrap().parse().unwrap()))
            })
            .collect()
    }

    /// Everything that lies in it: names and values, fields and members.
    pub async fn everything(&self) -> Vec<Vec<u8>> {
        let mut connection = self.connection().await;
        let keys: Vec<Vec<u8>> = cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
        let mut all = keys.clone();
        for key in keys {
            let kind: String = cmd("TYPE").arg(&key).query_async(&mut connection).await.unwrap();
            let read = match kind.as_str() {
                "hash" => cmd("HGETALL").arg(&key).clone(),
                "set" => cmd("SMEMBERS").arg(&key).clone(),
                "zset" => cmd("ZRANGE").arg(&key).arg(0).arg(-1).clone(),
                "string" => {
                    all.push(cmd("GET").arg(&key).query_async(&mut connection).await.unwrap());
                    continue;
                }
                other => panic!("a {other}"),
            };
            let values: Vec<Vec<u8>> = read.query_async(&mut connection).await.unwrap();
            all.extend(values);
        }
        all
    }

    pub async fn connection(&self) -> MultiplexedConnection {
        Client::open(self.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    async fn ready(&self) {
        for _ in 0..400 {
            if let Ok(mut connection) =
                Client::open(self.url()).unwrap().get_multiplexed_async_connection().await
                && cmd("PING").query_async::<String>(&mut connection).await.is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("redis-server does not start on port {}", self.port);
    }

    fn signal(&self, signal: &str) {
        let done = Command::new("kill").arg(signal).arg(self.process.id().to_string()).status().unwrap();
        assert!(done.success());
    }
}

fn spawn(port: u16, options: &[&str]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        // Nor does a replica put down what it gets from its master: the next server here would begin with it.
        .args(["--repl-diskless-sync", "yes", "--repl-diskless-load", "swapdb"])
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("these tests need redis-server: apt-get install redis-server")
}

/// Runs `redis-cli` and returns what it says.
fn cli(words: &[&str]) -> String {
    let done = Command::new("redis-cli").args(words).output().expect("redis-cli comes with redis-server");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{words:?}: {said}");
    said
}

/// Waits until something holds; elections take seconds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within half a minute: {what}");
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
