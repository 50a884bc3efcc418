//! Redis as it is run in earnest: a cluster, a master with sentinels, TLS with an authority of one's own, Entra's token for
//! a password. Real servers, all of them.

use std::time::Duration;

use entra_lab::EntraLab;
use shared_auth::{ClientCredential, ConfidentialClient, Env, KeyRing, RedisCache, TokenSource};

use crate::credentials::sts::Sts;
use crate::redis_server::{
    Cluster, KEY, OF_THE_SENTINELS, RedisServer, Sentinels, WATCHER, patient, replica_with, within_a_second,
};
use crate::redis_sharing::assertion_of;
use crate::support::{API, DAEMON, GRAPH_DEFAULT, token_requests};

const OBO: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

fn keys() -> KeyRing {
    KEY.parse().unwrap()
}

fn connected(url: &str) -> RedisCache {
    RedisCache::connect(url, keys()).unwrap()
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
    let fresh = || replica_with(&lab, DAEMON, patient(&cluster.url()));
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

/// Checklist 101.
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
async fn sentinels_have_a_password_of_their_own() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), Sentinels::start_guarded().await);
    let with = |account: Option<(Option<&str>, &str)>| {
        let builder = RedisCache::builder(&redis.url(), keys());
        match account {
            Some((user, password)) => builder.sentinel_account(user, password),
            None => builder,
        }
        .build()
        .unwrap()
    };
    let (watcher, secret) = WATCHER;
    for (account, is_right) in [
        (Some((None, OF_THE_SENTINELS)), true),
        (Some((Some(watcher), secret)), true),
        (Some((Some(watcher), OF_THE_SENTINELS)), false),
        (None, false),
    ] {
        let cache = with(account);
        let daemon = replica_with(&lab, DAEMON, cache.clone());
        daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
        assert_eq!(cache.state().failures == 0, is_right, "{:?}", cache.state());
        assert!(!format!("{cache:?}").contains("s3ntinel"));
    }
    let next = replica_with(&lab, DAEMON, with(Some((None, OF_THE_SENTINELS))));
    assert_eq!(next.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap().source, TokenSource::Cache);
}

#[test]
fn a_password_for_sentinels_comes_from_the_environment_and_only_where_there_are_any() {
    let read = |pairs: &[(&str, &str)]| {
        let all = pairs.iter().copied().chain([("CACHE_KEYS", KEY)]);
        Env::from_pairs(all).read(RedisCache::from_env).map(|redis| redis.is_some())
    };
    let sentinels = ("REDIS_URL", "redis-sentinel://127.0.0.1:26379/mymaster");
    let (user, password) = (("REDIS_SENTINEL_USER", "watcher"), ("REDIS_SENTINEL_PASSWORD", "s3ntinel"));

    assert!(read(&[sentinels, password]).unwrap());
    assert!(read(&[sentinels, user, password]).unwrap());
    let refused = read(&[("REDIS_URL", "redis://127.0.0.1"), password]).unwrap_err().to_string();
    assert!(refused.contains("REDIS_SENTINEL_PASSWORD") && !refused.contains("s3ntinel"), "{refused}");
    let refused = read(&[sentinels, user]).unwrap_err().to_string();
    assert!(refused.contains("REDIS_SENTINEL_USER"), "{refused}");
}

/// Checklist 108.
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
    let trusts = |authority: &Authority| {
        let pem = authority.pem.clone().into_bytes();
        let patient = RedisCache::builder(&url, keys()).time_limit(Duration::from_secs(10));
        patient.extra_ca_certs(pem).build().unwrap()
    };
    let (trusting, stranger) = (trusts(&ca), trusts(&Authority::new()));

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
