//! How much a client may cost before it is cut off.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use crate::env::Env;

const PROXIES: &str = "TRUSTED_PROXIES";
const ATTEMPTS: &str = "ATTEMPTS_PER_MINUTE";
const USUAL_ATTEMPTS: NonZeroU32 = NonZeroU32::new(300).expect("300 is more than 0");

/// The limits of a [`server`](super::server). The defaults are for an app without uploads.
///
/// | what | default | beyond it |
/// |---|---|---|
/// | the address of a request | 8 KiB | 414 |
/// | its headers together | 32 KiB, 96 of them | 431 |
/// | the first head of a connection | 5 s | 408, and cut off |
/// | the body | 64 KiB, 15 s | 413 or 400, and cut off |
/// | a connection without a request | 5 s | cut off |
/// | a connection from an answer to the next whole request, with something on the way | 60 s | cut off |
/// | tries that fail, or cost, per address and minute | 300 | 429 with `Retry-After` |
///
/// A try is a sign-in that is begun, or a request to an API whose token is missing or refused. A good token always gets
/// in, whatever else comes from its address.
///
/// ```
/// use std::time::Duration;
/// use shared_auth::actix::ServerLimits;
///
/// let uploads = ServerLimits::default().body(8 * 1024 * 1024, Duration::from_secs(60));
/// ```
#[derive(Debug, Clone)]
pub struct ServerLimits {
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) attempts_per_minute: NonZeroU32,
    pub(super) address_bytes: usize,
    pub(super) headers_bytes: usize,
    pub(super) body_bytes: usize,
    pub(super) body_time: Duration,
    pub(super) head_time: Duration,
    pub(super) idle_time: Duration,
    pub(super) stall_time: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            attempts_per_minute: USUAL_ATTEMPTS,
            address_bytes: 8 * 1024,
            headers_bytes: 32 * 1024,
            body_bytes: 64 * 1024,
            body_time: Duration::from_secs(15),
            head_time: Duration::from_secs(5),
            idle_time: Duration::from_secs(5),
            stall_time: Duration::from_secs(60),
        }
    }
}

impl ServerLimits {
    /// The defaults, with `TRUSTED_PROXIES` (addresses or networks, separated by commas) and `ATTEMPTS_PER_MINUTE`.
    ///
    /// ```
    /// use shared_auth::Env;
    /// use shared_auth::actix::ServerLimits;
    ///
    /// let mut env = Env::from_pairs([("TRUSTED_PROXIES", "10.0.0.0/8, ::1")]);
    /// assert!(env.read(ServerLimits::from_env).is_ok());
    /// let mut env = Env::from_pairs([("TRUSTED_PROXIES", "everybody")]);
    /// assert!(env.read(ServerLimits::from_env).is_err());
    /// ```
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let proxies = env.or(PROXIES, Networks::default());
        let attempts = env.or(ATTEMPTS, USUAL_ATTEMPTS);
        Some(Self { trusted_proxies: proxies?.0, attempts_per_minute: attempts?, ..Self::default() })
    }

    /// How large a body may be, and in which time all of it must have come.
    #[must_use]
    pub fn body(mut self, bytes: usize, time: Duration) -> Self {
        (self.body_bytes, self.body_time) = (bytes, time);
        self
    }

    /// How long the first head of a connection may take, how long a connection may be without a request, and how long a
    /// client may take for reading an answer and sending the next head.
    #[must_use]
    pub fn patience(mut self, head: Duration, idle: Duration, stall: Duration) -> Self {
        (self.head_time, self.idle_time, self.stall_time) = (head, idle, stall);
        self
    }

    /// How often one address may try in a minute, all of it at once or spread.
    #[must_use]
    pub fn attempts_per_minute(mut self, attempts: NonZeroU32) -> Self {
        self.attempts_per_minute = attempts;
        self
    }
}

/// A list of networks as it stands in a setting.
#[derive(Default)]
struct Networks(Vec<IpNet>);

impl FromStr for Networks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let networks: Option<Vec<_>> = entries
            .map(|entry| {
                entry.parse().ok().or_else(|| Some(IpNet::from(entry.parse::<std::net::IpAddr>().ok()?)))
            })
            .collect();
        match networks {
            Some(networks) if networks.iter().any(|network| network.prefix_len() == 0) => {
                Err("would trust everybody; name the proxy's own address or network".to_owned())
            }
            Some(networks) => Ok(Self(networks)),
            None => Err("is not a list of addresses or networks, such as 10.0.0.0/8, 192.0.2.7".to_owned()),
        }
    }
}
