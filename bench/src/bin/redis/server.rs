//! A redis-server of the run's own: what it counted, and what `redis-benchmark` makes of it.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{AsyncConnectionConfig, Client, FromRedisValue, cmd};
use shared_auth::{ClientCredential, ConfidentialClient, EntraConfig, RedisCache};

/// 32 times the letter `k`, in base64.
const KEY: &str = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";

/// Stopped when it is dropped.
pub struct Server {
    port: u16,
    process: Child,
}

impl Server {
    pub async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("this needs redis-server: {error}"));
        let server = Self { port, process };
        for _ in 0..400 {
            if Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.is_ok() {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("redis-server does not start")
    }

    pub async fn connection(&self) -> MultiplexedConnection {
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let client = Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
    }

    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        cmd(words[0]).arg(&words[1..]).query_async(&mut self.connection().await).await.unwrap()
    }

    /// A replica that shares this Redis, with so many bytes of memory in front of it.
    pub fn client(&self, host: &str, memory: u64) -> ConfidentialClient {
        let cache = RedisCache::builder(&self.url(), KEY.parse().unwrap()).time_limit(Duration::from_secs(5));
        let secret = ClientCredential::secret("s3cret");
        let config = EntraConfig::new(host.parse().unwrap(), bench::TENANT, bench::CLIENT, secret);
        let builder = ConfidentialClient::builder(config).memory_limit_bytes(memory);
        builder.shared_cache(cache.build().unwrap()).build().unwrap()
    }

    /// How often the server was sent this command, and how often any that clients send for their own sake.
    pub async fn calls(&self, name: &str) -> (u64, u64) {
        let info: String = self.ask(&["INFO", "commandstats"]).await;
        let (mut of_it, mut all) = (0, 0);
        for line in info.lines() {
            let Some((command, figures)) =
                line.strip_prefix("cmdstat_").and_then(|line| line.split_once(":calls="))
            else {
                continue;
            };
            if ["client", "hello", "info", "ping", "subscribe"].contains(&command.split('|').next().unwrap())
            {
                continue;
            }
            let calls: u64 = figures.split(',').next().unwrap().parse().unwrap();
            all += calls;
            of_it += if command == name { calls } else { 0 };
        }
        (of_it, all)
    }

    /// Requests in a second that `redis-benchmark` gets on one connection with so many at once.
    pub async fn benchmark(&self, at_once: usize, words: &[&str]) -> f64 {
        let (port, at_once) = (self.port.to_string(), at_once.to_string());
        let count = if at_once == "1" { "50000" } else { "400000" };
        let output = tokio::process::Command::new("redis-benchmark")
            .args(["-p", &port, "-c", "1", "-P", &at_once, "-n", count, "--csv"])
            .args(words)
            .output()
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().last().unwrap_or_default();
        line.split(',')
            .nth(1)
            .and_then(|rate| rate.trim_matches('"').parse().ok())
            .unwrap_or_else(|| panic!("{text}"))
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone_already = self.process.kill();
        let _gone_already = self.process.wait();
    }
}
