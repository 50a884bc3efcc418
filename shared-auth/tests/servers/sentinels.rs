//! A master that three sentinels watch, with or without a password of the sentinels' own.

use std::sync::{Arc, Weak};

use tempfile::TempDir;
use tokio::sync::Mutex;

use super::{RedisServer, cli, until};

/// The password of a master that has one, and those of its sentinels: for whoever says no name, and for `watcher`.
const OF_THE_MASTER: &str = "m4ster";
pub const OF_THE_SENTINELS: &str = "s3ntinel";
pub const WATCHER: (&str, &str) = ("watcher", "w4tcher");

/// A master, a replica of it, and three sentinels that watch them.
#[derive(Debug)]
pub struct Sentinels {
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
    guarded: bool,
    _folder: TempDir,
}

impl Sentinels {
    /// The ones, with passwords, that other tests use at the moment, or new ones: they take seconds to begin.
    pub async fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Sentinels>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(sentinels) = shared.upgrade() {
            return sentinels;
        }
        let sentinels = Arc::new(Self::start_guarded().await);
        *shared = Arc::downgrade(&sentinels);
        sentinels
    }

    /// Without passwords.
    pub async fn start() -> Self {
        Self::start_with(false).await
    }

    /// The master has a password, and the sentinels have another one.
    pub async fn start_guarded() -> Self {
        Self::start_with(true).await
    }

    async fn start_with(guarded: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let passwords = ["--requirepass", OF_THE_MASTER, "--masterauth", OF_THE_MASTER];
        let passwords = if guarded { &passwords[..] } else { &[] };
        let master = RedisServer::start_with(passwords).await;
        let port = master.port.to_string();
        let replica =
            RedisServer::start_with(&[&["--replicaof", "127.0.0.1", &port], passwords].concat()).await;
        let mut sentinels = Vec::new();
        for number in 0..3 {
            let file = folder.path().join(format!("sentinel-{number}.conf"));
            let own = entra_lab::free_port().unwrap();
            let mut text = format!(
                "port {own}\nbind 127.0.0.1\ndir {}\nsentinel monitor mymaster 127.0.0.1 {port} 2\n\
                 sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 5000\n",
                folder.path().display()
            );
            if guarded {
                let (name, password) = WATCHER;
                text += &format!(
                    "requirepass {OF_THE_SENTINELS}\nsentinel sentinel-pass {OF_THE_SENTINELS}\n\
                     sentinel auth-pass mymaster {OF_THE_MASTER}\nuser {name} on >{password} &* +@all\n"
                );
            }
            std::fs::write(&file, text).unwrap();
            let password = guarded.then_some(OF_THE_SENTINELS);
            sentinels.push(RedisServer::sentinel(own, &file, password).await);
        }
        let all = Self { servers: vec![master, replica], sentinels, guarded, _folder: folder };
        until("each sentinel knows the others and the replica", || {
            all.sentinels.iter().all(|sentinel| {
                let told = all.ask(sentinel, &["sentinel", "master", "mymaster"]);
                let after =
                    |name: &str| told.lines().skip_while(|line| *line != name).nth(1).map(str::to_owned);
                after("num-other-sentinels").as_deref() == Some("2")
                    && after("num-slaves").as_deref() == Some("1")
            })
        })
        .await;
        all
    }

    fn ask(&self, sentinel: &RedisServer, words: &[&str]) -> String {
        let port = sentinel.port.to_string();
        let password = ["-a", OF_THE_SENTINELS, "--no-auth-warning"];
        let password = if self.guarded { &password[..] } else { &[] };
        cli(&[&["-p", &port], password, words].concat())
    }

    /// With the master's password, where it has one; not with that of the sentinels.
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.sentinels.iter().map(RedisServer::address).collect();
        let account = if self.guarded { format!(":{OF_THE_MASTER}@") } else { String::new() };
        format!("redis-sentinel://{account}{}/mymaster", hosts.join(","))
    }

    pub fn master(&self) -> &RedisServer {
        &self.servers[0]
    }

    /// Kills the master and waits until the sentinels have made the replica one.
    pub async fn fail_over(&mut self) {
        self.servers[0].stop();
        let replica = self.servers[1].port.to_string();
        until("the replica is the master", || {
            self.sentinels.iter().all(|sentinel| {
                self.ask(sentinel, &["sentinel", "get-master-addr-by-name", "mymaster"]).contains(&replica)
            })
        })
        .await;
    }

    pub fn survivor(&self) -> &RedisServer {
        &self.servers[1]
    }
}
