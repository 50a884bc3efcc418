//! Which Redis an address means, and how it is connected to: one server, the master that sentinels name, or a cluster.

use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::aio::{MultiplexedConnection, PubSub};
use deadpool_redis::redis::cluster::{ClusterClient, ClusterClientBuilder};
use deadpool_redis::redis::cluster_async::ClusterConnection;
use deadpool_redis::redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use deadpool_redis::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, Pipeline,
    RedisConnectionInfo, RedisError, TlsCertificates, TlsMode, Value,
};
use tokio::sync::Mutex;
use url::Url;

use super::cluster;
use super::credentials::Credentials;

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// Connecting may take longer than a call (TLS, a name to resolve).
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// Calls that are handed to the connection without waiting for one another.
const CALLS_AT_ONCE: usize = 1024;

/// What an address says. It may hold a password, so it has no `Debug`.
#[derive(Clone)]
pub(super) struct Address {
    kind: Kind,
    tls: bool,
    hosts: Vec<(String, u16)>,
    user: Option<String>,
    password: Option<String>,
    database: i64,
    /// How the sentinels themselves know us, where they have a password: user and password.
    sentinel_account: Option<(Option<String>, String)>,
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    One,
    Sentinel(String),
    Cluster,
}

impl Address {
    /// `redis://`, `redis-sentinel://` and `redis-cluster://`, each with TLS as `rediss…://`. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once("://")?;
        let (redis, kind) = scheme.split_once('-').map_or((scheme, ""), |(redis, kind)| (redis, kind));
        let tls = match redis {
            "redis" => false,
            "rediss" => true,
            _ => return None,
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if [authority, path].iter().any(|part| part.contains(['?', '#', ' '])) {
            return None;
        }
        // The url crate knows how an address with one host is written; the others stand beside it.
        let (account, hosts) =
            authority.rsplit_once('@').map_or(("", authority), |(account, hosts)| (account, hosts));
        let default_port = if kind == "sentinel" { SENTINEL_PORT } else { REDIS_PORT };
        let host_of = |host: &str| {
            let url = Url::parse(&format!("redis://{host}")).ok()?;
            let plain = url.username().is_empty() && url.password().is_none() && url.path().is_empty();
            let name = url.host_str().filter(|name| plain && !name.is_empty())?;
            Some((name.trim_matches(['[', ']']).to_owned(), url.port().unwrap_or(default_port)))
        };
        let hosts = hosts.split(',').map(host_of).collect::<Option<Vec<_>>>()?;
        let (user, password) =
            account.split_once(':').map_or((account, None), |(user, word)| (user, Some(word)));
        let mut path = path.split('/').filter(|part| !part.is_empty());
        let kind = match kind {
            "" if hosts.len() == 1 => Kind::One,
            "sentinel" => Kind::Sentinel(path.next()?.to_owned()),
            "cluster" => Kind::Cluster,
            _ => return None,
        };
        let database =
            path.next().map_or(Some(0), |number| number.parse().ok().filter(|number| *number >= 0))?;
        if path.next().is_some() || (kind == Kind::Cluster && database != 0) {
            return None;
        }
        Some(Self {
            kind,
            tls,
            hosts,
            user: Some(decoded(user)?).filter(|user| !user.is_empty()),
            password: password.map(decoded).map_or(Some(None), |word| word.map(Some))?,
            database,
            sentinel_account: None,
        })
    }

    /// Who asks the sentinels. False where there are none.
    pub fn set_sentinel_account(&mut self, user: Option<String>, password: String) -> bool {
        self.sentinel_account = Some((user, password));
        matches!(self.kind, Kind::Sentinel(_))
    }

    /// Who connects, where the address says so: with Entra, the object id of the application.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    pub fn uses_tls(&self) -> bool {
        self.tls
    }

    pub fn is_loopback(&self) -> bool {
        let loopback = |host: &str| host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        self.hosts.iter().all(|(host, _)| host == "localhost" || loopback(host))
    }

    fn addresses(&self) -> impl Iterator<Item = ConnectionAddr> {
        self.hosts.iter().cloned().map(|(host, port)| match self.tls {
            false => ConnectionAddr::Tcp(host, port),
            true => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        })
    }

    fn account(&self) -> RedisConnectionInfo {
        let mut account = RedisConnectionInfo::default().set_db(self.database);
        if let Some(user) = &self.user {
            account = account.set_username(user);
        }
        if let Some(password) = &self.password {
            account = account.set_password(password);
        }
        account
    }

    fn connections(&self) -> Result<Vec<ConnectionInfo>, RedisError> {
        self.addresses()
            .map(|address| Ok(address.into_connection_info()?.set_redis_settings(self.account())))
            .collect()
    }
}

/// Percent-encoding undone, as for any address.
fn decoded(text: &str) -> Option<String> {
    let encoded = text.replace('+', "%2B");
    url::form_urlencoded::parse(format!("x={encoded}").as_bytes()).next().map(|(_, text)| text.into_owned())
}

/// One Redis, and how to reach it.
pub(super) struct Server {
    address: Address,
    reached: Reached,
    /// Authorities beside the system's, as PEM; `None` for those of the system alone.
    authorities: Option<Vec<u8>>,
    credentials: Option<Credentials>,
}

enum Reached {
    Directly(Box<Client>),
    /// Asks the sentinels each time: the name leads to another server after a failover.
    BySentinels(Box<Mutex<SentinelClient>>),
    AsCluster(Box<ClusterClient>),
}

/// A connection; clones share it.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Server {
    pub fn new(
        address: Address,
        authorities: Option<Vec<u8>>,
        credentials: Option<Credentials>,
    ) -> Result<Arc<Self>, RedisError> {
        let certificates = || TlsCertificates { client_tls: None, root_cert: authorities.clone() };
        let mode = if address.tls { Some(TlsMode::Secure) } else { None };
        let reached = match &address.kind {
            Kind::One => {
                let connection = address.connections()?.remove(0);
                Reached::Directly(Box::new(match (&authorities, address.tls) {
                    (Some(_), true) => Client::build_with_tls(connection, certificates())?,
                    _ => Client::open(connection)?,
                }))
            }
            Kind::Sentinel(master) => {
                let kind = SentinelServerType::Master;
                let mut builder = SentinelClientBuilder::new(address.addresses(), master, kind)?
                    .set_client_to_redis_db(address.database);
                if let Some(user) = &address.user {
                    builder = builder.set_client_to_redis_username(user);
                }
                if let Some(password) = &address.password {
                    builder = builder.set_client_to_redis_password(password);
                }
                if let Some((user, password)) = &address.sentinel_account {
                    builder = builder.set_client_to_sentinel_password(password);
                    if let Some(user) = user {
                        builder = builder.set_client_to_sentinel_username(user);
                    }
                }
                if let Some(mode) = mode {
                    builder =
                        builder.set_client_to_redis_tls_mode(mode).set_client_to_sentinel_tls_mode(mode);
                    if authorities.is_some() {
                        builder = builder
                            .set_client_to_redis_certificates(certificates())
                            .set_client_to_sentinel_certificates(certificates());
                    }
                }
                Reached::BySentinels(Box::new(Mutex::new(builder.build()?)))
            }
            Kind::Cluster => {
                let mut builder = ClusterClientBuilder::new(address.connections()?)
                    .connection_timeout(CONNECT_LIMIT)
                    .retries(3);
                if authorities.is_some() && address.tls {
                    builder = builder.certs(certificates());
                }
                if let Some(credentials) = &credentials {
                    builder = builder.set_credentials_provider(credentials.clone());
                }
                Reached::AsCluster(Box::new(builder.build()?))
            }
        };
        Ok(Arc::new(Self { address, reached, authorities, credentials }))
    }

    pub async fn connect(&self) -> Result<Connection, RedisError> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_pipeline_buffer_size(CALLS_AT_ONCE)
            .set_response_timeout(None); // Each call has its own limit.
        if let Some(credentials) = &self.credentials {
            config = config.set_credentials_provider(credentials.clone());
        }
        match &self.reached {
            Reached::Directly(client) => {
                client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::One)
            }
            Reached::BySentinels(sentinels) => {
                let mut sentinels = sentinels.lock().await;
                sentinels.get_async_connection_with_config(&config).await.map(Connection::One)
            }
            Reached::AsCluster(client) => client.get_async_connection().await.map(Connection::Cluster),
        }
    }

    /// A connection of its own, for what the others publish. In a cluster any node hears it.
    pub async fn subscriber(&self) -> Result<PubSub, RedisError> {
        match &self.reached {
            Reached::Directly(client) => self.with_account(client).await?.get_async_pubsub().await,
            Reached::BySentinels(sentinels) => {
                let master = sentinels.lock().await.async_get_client().await?;
                self.with_account(&master).await?.get_async_pubsub().await
            }
            Reached::AsCluster(_) => {
                let mut failed = RedisError::from((ErrorKind::Io, "no node of the cluster answers"));
                for node in self.address.connections()? {
                    let client = match (&self.authorities, self.address.tls) {
                        (Some(pem), true) => {
                            let root_cert = Some(pem.clone());
                            Client::build_with_tls(node, TlsCertificates { client_tls: None, root_cert })?
                        }
                        _ => Client::open(node)?,
                    };
                    match self.with_account(&client).await?.get_async_pubsub().await {
                        Ok(subscriber) => return Ok(subscriber),
                        Err(error) => failed = error,
                    }
                }
                Err(failed)
            }
        }
    }

    /// Subscribers take no credentials that change; theirs are those of the moment, and whoever is cut off connects anew.
    async fn with_account(&self, client: &Client) -> Result<Client, RedisError> {
        let Some(credentials) = &self.credentials else { return Ok(client.clone()) };
        let (user, token) = credentials.now().await?;
        let info = client.get_connection_info().clone();
        let account = info.redis_settings().clone().set_username(user).set_password(token);
        Client::open(info.set_redis_settings(account))
    }
}

impl Connection {
    /// Sends commands in one round trip, in a cluster in one to each node, and takes their answers.
    pub async fn run(&mut self, commands: &Pipeline) -> Result<Vec<Value>, RedisError> {
        match self {
            Self::One(connection) => match (commands.len(), commands.cmd_iter().next()) {
                // A lookup: its answer is not gathered with others.
                (1, Some(command)) => {
                    connection.send_packed_command(command).await.map(|answer| vec![answer])
                }
                (count, _) => connection.send_packed_commands(commands, 0, count).await,
            },
            Self::Cluster(connection) => cluster::run(connection, commands).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_means_one_server_sentinels_or_a_cluster() {
        let one = Address::parse("rediss://user:p%40ss@redis.example/2").unwrap();
        assert!(one.kind == Kind::One && one.tls && one.database == 2);
        assert_eq!(one.hosts, [("redis.example".to_owned(), 6379)]);
        assert_eq!((one.user(), one.password.as_deref()), (Some("user"), Some("p@ss")));

        let sentinels = Address::parse("redis-sentinel://:pw@a:1,b,[::1]:3/mymaster/1").unwrap();
        assert!(sentinels.kind == Kind::Sentinel("mymaster".to_owned()) && sentinels.database == 1);
        let hosts = [("a".to_owned(), 1), ("b".to_owned(), 26379), ("::1".to_owned(), 3)];
        assert_eq!((sentinels.hosts, sentinels.user), (hosts.to_vec(), None));

        let cluster = Address::parse("rediss-cluster://a:7000,b:7001").unwrap();
        assert!(cluster.kind == Kind::Cluster && cluster.tls && cluster.hosts.len() == 2);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "redis://",
            "redis:/a",
            "http://a",
            "redis://a,b",
            "redis://a:port",
            "redis://a:99999",
            "redis://a/one",
            "redis://a/1/2",
            "redis://a/-1",
            "redis://a?x=1",
            "redis-sentinel://a:1",
            "redis-cluster://a/1",
            "redis-ring://a",
            "redis-cluster://a,,b",
        ] {
            assert!(Address::parse(text).is_none(), "{text}");
        }
    }
}
