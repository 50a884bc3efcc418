//! A cluster of three nodes, whose slots can be moved.

use std::sync::{Arc, Weak};

use tempfile::TempDir;
use tokio::sync::Mutex;

use super::{RedisServer, cli, until};

/// Three masters that share the slots.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<RedisServer>,
    _folder: TempDir,
}

impl Cluster {
    /// The one that other tests use at the moment, or a new one: it takes seconds to begin.
    pub async fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(cluster) = shared.upgrade() {
            return cluster;
        }
        let cluster = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&cluster);
        cluster
    }

    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut nodes = Vec::new();
        for number in 0..3 {
            let (file, bus) = (format!("nodes-{number}.conf"), entra_lab::free_port().unwrap().to_string());
            let options =
                ["--cluster-enabled", "yes", "--cluster-config-file", &file, "--cluster-port", &bus];
            let folder = ["--dir", folder.path().to_str().unwrap(), "--cluster-node-timeout", "2000"];
            nodes.push(RedisServer::start_with(&[&options[..], &folder].concat()).await);
        }
        let addresses: Vec<_> = nodes.iter().map(|node| node.address()).collect();
        let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
        cli(&[&["--cluster", "create"], &addresses[..], &["--cluster-yes"]].concat());
        let cluster = Self { nodes, _folder: folder };
        until("the nodes agree on the slots", || {
            addresses.iter().all(|address| {
                let port = address.rsplit(':').next().unwrap();
                cli(&["-p", port, "cluster", "info"]).contains("cluster_state:ok")
            })
        })
        .await;
        cluster
    }

    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.nodes.iter().map(|node| node.address()).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }

    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// How many keys lie on each node.
    pub async fn keys(&self) -> Vec<usize> {
        let mut keys = Vec::new();
        for node in &self.nodes {
            keys.push(node.command::<Vec<String>>(&["KEYS", "*"]).await.len());
        }
        keys
    }

    /// Moves every slot of the first node, with what lies in it, to the second one.
    pub async fn move_slots(&self) {
        let id =
            |node: &RedisServer| cli(&["-p", &node.port.to_string(), "cluster", "myid"]).trim().to_owned();
        let (from, to) = (id(&self.nodes[0]), id(&self.nodes[1]));
        let address = self.nodes[0].address();
        tokio::task::spawn_blocking(move || {
            let slots = ["--cluster-slots", "5461", "--cluster-yes"];
            let words = ["--cluster", "reshard", &address, "--cluster-from", &from, "--cluster-to", &to];
            cli(&[&words[..], &slots].concat());
        })
        .await
        .unwrap();
    }
}
