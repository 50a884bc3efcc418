//! Redis as it is run in earnest: a cluster, a master with sentinels, TLS with an authority of one's own, Entra's token for
//! a password. Real servers, all of them.

use std::process::Command;
use std::time::Duration;

use entra_lab::EntraLab;
use shared_auth::{ClientCredential, ConfidentialClient, KeyRing, RedisCache, TokenSource};
use tempfile::TempDir;

use crate::credentials::sts::Sts;
use crate::redis_server::{KEY, RedisServer, free_port, replica_with, within_a_second};
use crate::redis_sharing::assertion_of;
use crate::support::{API, DAEMON, GRAPH_DEFAULT, token_requests};

const OBO: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

fn keys() -> KeyRing {
    KEY.parse().unwrap()
}

fn connected(url: &str) -> RedisCache {
    RedisCache::connect(url, keys()).unwrap()
}

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

/// Three masters that share the slots.
pub struct Cluster {
    nodes: Vec<RedisServer>,
    _folder: TempDir,
}

impl Cluster {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut nodes = Vec::new();
        for number in 0..3 {
            let (file, bus) = (format!("nodes-{number}.conf"), free_port().to_string());
            let options =
                ["--cluster-enabled", "yes", "--cluster-config-file", &file, "--cluster-port", &bus];
            let folder = ["--dir", folder.path().to_str().unwrap(), "--cluster-node-timeout", "2000"];
            nodes.push(RedisServer::start_with(&[&options[..], &folder].concat()).await);
        }
        let addresses: Vec<_> = nodes.iter().map(|node| node.url().replace("redis://", "")).collect();
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
        let hosts: Vec<_> = self.nodes.iter().map(|node| node.url().replace("redis://", "")).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }

    async fn keys(&self) -> Vec<usize> {
        let mut keys = Vec::new();
        for node in &self.nodes {
            keys.push(node.command::<Vec<String>>(&["KEYS", "*"]).await.len());
        }
        keys
    }

    /// Moves every slot of the first node, with what lies in it, to the second one.
    pub async fn move_slots(&self) {
        let id = |node: &RedisServer| {
            let port = node.url().rsplit(':').next().unwrap().to_owned();
            cli(&["-p", &port, "cluster", "myid"]).trim().to_owned()
        };
        let (from, to) = (id(&self.nodes[0]), id(&self.nodes[1]));
        let address = self.nodes[0].url().replace("redis://", "");
        tokio::task::spawn_blocking(move || {
            let slots = ["--cluster-slots", "5461", "--cluster-yes"];
            let words = ["--cluster", "reshard", &address, "--cluster-from", &from, "--cluster-to", &to];
            cli(&[&words[..], &slots].concat());
        })
        .await
        .unwrap();
    }
}

/// A master, a replica of it, and three sentinels that watch them.
pub struct Sentinels {
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
    _folder: TempDir,
}

impl Sentinels {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let master = RedisServer::start().await;
        let port = master.url().rsplit(':').next().unwrap().to_owned();
        let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]).await;
        let mut sentinels = Vec::new();
        for number in 0..3 {
            let file = folder.path().join(format!("sentinel-{number}.conf"));
            let own = free_port();
            let text = format!(
                "port {own}\nbind 127.0.0.1\ndir {}\nsentinel monitor mymaster 127.0.0.1 {port} 2\n\
                 sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 5000\n",
                folder.path().display()
            );
            std::fs::write(&file, text).unwrap();
            sentinels.push(RedisServer::sentinel(own, &file).await);
        }
        let all = Self { servers: vec![master, replica], sentinels, _folder: folder };
        until("each sentinel knows the others and the replica", || {
            all.ports().iter().all(|port| {
                let told = cli(&["-p", port, "sentinel", "master", "mymaster"]);
                let after =
                    |name: &str| told.lines().skip_while(|line| *line != name).nth(1).map(str::to_owned);
                after("num-other-sentinels").as_deref() == Some("2")
                    && after("num-slaves").as_deref() == Some("1")
            })
        })
        .await;
        all
    }

    fn ports(&self) -> Vec<String> {
        self.sentinels.iter().map(|one| one.url().rsplit(':').next().unwrap().to_owned()).collect()
    }

    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis-sentinel://{}/mymaster", hosts.join(","))
    }

    /// Kills the master and waits until the sentinels have made the replica one.
    pub async fn fail_over(&mut self) {
        self.servers[0].stop();
        let replica = self.servers[1].url().rsplit(':').next().unwrap().to_owned();
        let ports = self.ports();
        until("the replica is the master", || {
            ports.iter().all(|port| {
                cli(&["-p", port, "sentinel", "get-master-addr-by-name", "mymaster"]).contains(&replica)
            })
        })
        .await;
    }

    pub fn survivor(&self) -> &RedisServer {
        &self.servers[1]
    }
}

#[tokio::test]
async fn replicas_share_a_cluster_also_while_its_slots_move() {
    let (lab, cluster) = (EntraLab::start().await.unwrap(), Cluster::start().await);
    let fresh = || replica_with(&lab, API, connected(&cluster.url()));
    let (one, other) = (fresh(), fresh());
    let users = ["alice", "bob", "carol"];
    let mut assertions = Vec::new();
    for user in users {
        assertions.push(assertion_of(&lab, user).await);
    }

    for assertion in &assertions {
        let first = one.acquire_token_on_behalf_of(assertion, "User.Read").await.unwrap();
        assert_eq!(first.source, TokenSource::IdentityProvider);
        let second = other.acquire_token_on_behalf_of(assertion, "User.Read").await.unwrap();
        assert_eq!(second.source, TokenSource::Cache);
    }
    assert_eq!(token_requests(&lab, OBO), users.len());
    assert!(cluster.keys().await.iter().filter(|count| **count > 0).count() > 1, "on more than one node");

    let moving = cluster.move_slots();
    tokio::pin!(moving);
    loop {
        tokio::select! {
            () = &mut moving => break,
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
        for assertion in &assertions {
            let token = fresh().acquire_token_on_behalf_of(assertion, "User.Read").await.unwrap();
            assert_eq!(token.source, TokenSource::Cache, "a slot that moves is found");
        }
    }
    assert_eq!(cluster.keys().await[0], 0, "everything was moved");
    let (api, assertion) = (fresh(), &assertions[0]);
    assert_eq!(
        api.acquire_token_on_behalf_of(assertion, "User.Read").await.unwrap().source,
        TokenSource::Cache
    );
    assert_eq!(token_requests(&lab, OBO), users.len());
}

#[tokio::test]
async fn in_a_cluster_too_a_removal_is_heard_and_fifty_replicas_ask_once() {
    let (lab, cluster) = (EntraLab::start().await.unwrap(), Cluster::start().await);
    let fresh = || replica_with(&lab, DAEMON, connected(&cluster.url()));
    let replicas: Vec<ConfidentialClient> = (0..50).map(|_| fresh()).collect();

    let calls: Vec<_> = replicas
        .iter()
        .map(|daemon| {
            let daemon = daemon.clone();
            tokio::spawn(async move { daemon.acquire_token_for_client(GRAPH_DEFAULT).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }

    assert_eq!(token_requests(&lab, "client_credentials"), 1);

    let (one, other) = (&replicas[0], &replicas[1]);
    let forced = one.acquire_token_for_client(GRAPH_DEFAULT).force_refresh().await.unwrap();
    within_a_second("the other replica has the new token", || async {
        let token = other.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
        token.access_token.expose_secret() == forced.access_token.expose_secret()
    })
    .await;
}

#[tokio::test]
async fn when_the_sentinels_name_another_master_the_replicas_follow() {
    let (lab, mut redis) = (EntraLab::start().await.unwrap(), Sentinels::start().await);
    let fresh = || replica_with(&lab, API, connected(&redis.url()));
    let (api, alice) = (fresh(), assertion_of(&lab, "alice").await);
    let bob = assertion_of(&lab, "bob").await;
    api.acquire_token_on_behalf_of(&alice, "User.Read").await.unwrap();
    assert_eq!(
        fresh().acquire_token_on_behalf_of(&alice, "User.Read").await.unwrap().source,
        TokenSource::Cache
    );
    let url = redis.url();

    redis.fail_over().await;

    // Served throughout, and shared again.
    api.acquire_token_on_behalf_of(&bob, "User.Read").force_refresh().await.unwrap();
    let mut shared = false;
    for _ in 0..200 {
        api.acquire_token_on_behalf_of(&bob, "User.Read").force_refresh().await.unwrap();
        let other = replica_with(&lab, API, connected(&url));
        if other.acquire_token_on_behalf_of(&bob, "User.Read").await.unwrap().source == TokenSource::Cache {
            shared = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(shared, "the new master is not used");
    assert!(!redis.survivor().everything().await.is_empty());
}

#[tokio::test]
async fn tls_trusts_an_authority_that_was_added_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new();
    let (certificate, key) = ca.server();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (certificate, key) = (file("server.pem", &certificate), file("server.key", &key));
    let authority = file("ca.pem", &ca.pem);
    let options = [
        ["--tls-port", "TLS"],
        ["--tls-cert-file", &certificate],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &authority],
        ["--tls-auth-clients", "no"],
    ];
    let (redis, lab) = (RedisServer::start_with(&options.concat()).await, EntraLab::start().await.unwrap());
    let url = format!("rediss://localhost:{}", redis.tls_port());
    let trusting =
        RedisCache::builder(&url, keys()).extra_ca_certs(ca.pem.clone().into_bytes()).build().unwrap();
    let stranger =
        RedisCache::builder(&url, keys()).extra_ca_certs(Authority::new().pem.into_bytes()).build().unwrap();

    replica_with(&lab, DAEMON, trusting.clone()).acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    assert_eq!(trusting.state().failures, 0);
    assert!(!redis.everything().await.is_empty());
    replica_with(&lab, DAEMON, stranger.clone()).acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    assert!(stranger.state().failures > 0, "a server that nobody vouches for is not spoken to");

    for nonsense in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let refused = RedisCache::builder(&url, keys()).extra_ca_certs(nonsense.into()).build();
        assert!(refused.unwrap_err().to_string().contains("EXTRA_CA_CERTS"), "{nonsense}");
    }
}

struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { issuer: rcgen::Issuer::new(parameters, key), pem }
    }

    fn server(&self) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

#[tokio::test]
async fn redis_is_shown_entras_token_instead_of_a_password() {
    const OBJECT_ID: &str = "5e5e5e5e-0000-4000-8000-000000005000";
    let (sts, redis) = (Sts::start().await, RedisServer::start().await);
    // What Azure checks in a token, this server compares. Everybody else stays outside.
    let options = ["on", ">t0ken", "~*", "&*", "+@all"];
    let _: () = redis.command(&[&["ACL", "SETUSER", OBJECT_ID], &options[..]].concat()).await;
    let _: () = redis.command(&["ACL", "SETUSER", "default", "-@all", "+acl", "+client", "+keys"]).await;
    let url = redis.url().replace("redis://", &format!("redis://{OBJECT_ID}@"));
    let entra = RedisCache::builder(&url, keys()).entra().build().unwrap();
    let config = sts.config(ClientCredential::secret("s3cret"));
    let daemon = ConfidentialClient::builder(config).shared_cache(entra.clone()).build().unwrap();

    daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();

    let scopes: Vec<_> = sts.forms().iter().map(|form| form["scope"].clone()).collect();
    assert_eq!(scopes, ["https://redis.azure.com/.default", GRAPH_DEFAULT], "for Redis first, and once");
    assert_eq!(entra.state().failures, 0);
    within_a_second("one connection for calls and one that listens show it", || async {
        let clients: String = redis.command(&["CLIENT", "LIST"]).await;
        clients.lines().filter(|line| line.contains(&format!("user={OBJECT_ID}"))).count() == 2
    })
    .await;
    assert!(!redis.command::<Vec<String>>(&["KEYS", "*"]).await.is_empty());
}

#[test]
fn a_token_is_shown_to_no_redis_in_the_clear_and_to_none_without_a_name() {
    let refused = |url: &str| RedisCache::builder(url, keys()).entra().build().unwrap_err().to_string();

    assert!(refused("redis://object-id@redis.example:6380").contains("in the clear"));
    assert!(refused("rediss://redis.example:6380").contains("object id"));
    assert!(refused("rediss://object-id:s3cret@redis.example:6380").contains("password"));
    assert!(!refused("rediss://object-id:s3cret@redis.example:6380").contains("s3cret"));
}
