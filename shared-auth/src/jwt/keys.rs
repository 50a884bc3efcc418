//! When the authority's signing keys are fetched, and what happens when they cannot be.
//!
//! Keys roll over without notice, so an unknown key id asks for them again; attackers can invent key ids, so that
//! happens once per interval. What was good stays in use until a better set has arrived, for a day: an outage of the
//! authority locks nobody out, and who can cut us off from it does not keep a withdrawn key alive.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use jiff::{SignedDuration, Timestamp};

use super::key_set::{Document, KeySet, SigningKey, Source};
use crate::authority::Authority;
use crate::clock::SharedClock;
use crate::error::{Error, TransportError};
use crate::http::{Http, without_query};

/// Microsoft's own libraries refresh after 12 hours, an hour more or less, so that replicas do not ask all at once.
const REFRESH_AFTER: SignedDuration = SignedDuration::from_hours(12);
const JITTER_SECONDS: i64 = 3_600;
/// Microsoft asks for a refresh every 24 hours at least. Keys that could not be confirmed for so long are not relied on.
const GOOD_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Where there are no keys at all and they cannot be had, the next try waits this long.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(1);

/// A fetch under way; everybody who waits for it gets its outcome.
type Load = Shared<BoxFuture<'static, Result<Arc<KeySet>, Error>>>;

/// The signing keys of one authority, shared by everything in the process that validates tokens.
#[derive(Debug)]
pub(crate) struct SigningKeys {
    authority: Arc<Authority>,
    http: Http,
    clock: SharedClock,
    min_refresh: SignedDuration,
    known: RwLock<Option<Arc<KeySet>>>,
    loads: Mutex<Loads>,
}

/// What was fetched when, and what is being fetched now.
#[derive(Debug, Default)]
struct Loads {
    running: Option<Load>,
    /// The last time that an unknown key id made us ask.
    forced_at: Option<Timestamp>,
    /// The last time that the age of the keys made us ask.
    refreshed_at: Option<Timestamp>,
    /// The last time that nothing came of it, while there were no keys at all.
    failed: Option<(Timestamp, Error)>,
}

/// A key, and the set it belongs to.
#[derive(Debug)]
pub(super) struct FoundKey {
    pub key: Arc<SigningKey>,
    pub set: Arc<KeySet>,
}

impl SigningKeys {
    /// `min_refresh`: how long an unknown key id must wait after the last one that made us ask.
    pub(crate) fn new(
        authority: Arc<Authority>,
        http: Http,
        clock: SharedClock,
        min_refresh: SignedDuration,
    ) -> Self {
        let (known, loads) = (RwLock::new(None), Mutex::new(Loads::default()));
        Self { authority, http, clock, min_refresh, known, loads }
    }

    /// The keys of another authority, under the same rules.
    pub(super) fn at(&self, authority: &Arc<Authority>) -> Self {
        Self::new(Arc::clone(authority), self.http.clone(), self.clock.clone(), self.min_refresh)
    }

    /// The key with this id; `None` where the authority has no such key.
    ///
    /// # Errors
    /// Where there are no keys at all, because they were never fetched or are too old, and cannot be fetched now.
    pub(super) async fn find(self: &Arc<Self>, kid: &str, now: Timestamp) -> Result<Option<FoundKey>, Error> {
        let set = match self.usable(now) {
            Some(set) => set,
            None => self.first_load().await?,
        };
        if let Some(key) = set.get(kid) {
            self.refresh_if_old(&set, now);
            return Ok(Some(FoundKey { key, set }));
        }

        // Unknown here: perhaps the keys rolled over since.
        if let Some(load) = self.forced_load() {
            // An outcome that is an error leaves the known keys in place, and this one unknown.
            let _ = load.await;
        }
        let found = self.usable(self.clock.now()).and_then(|set| Some(FoundKey { key: set.get(kid)?, set }));
        Ok(found)
    }

    /// The version of the keys that are in use; `None` where there are none to rely on. What a version has verified
    /// holds while this answers with it.
    pub(super) fn version(self: &Arc<Self>, now: Timestamp) -> Option<u64> {
        // Nothing here waits for anything, so the set is looked at where it is.
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let set = known.as_ref().filter(|set| set.age(now) < GOOD_FOR)?;
        self.refresh_if_old(set, now);
        Some(set.version)
    }

    /// Where users of the authority sign in, as far as its document has been read.
    pub(super) fn authorization_endpoint(&self) -> Option<String> {
        self.known().map(|set| set.source.authorization_endpoint.to_string())
    }

    fn known(&self) -> Option<Arc<KeySet>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys, if they are young enough to be relied on.
    fn usable(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        self.known().filter(|set| set.age(now) < GOOD_FOR)
    }

    fn loads(&self) -> MutexGuard<'_, Loads> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn first_load(self: &Arc<Self>) -> Result<Arc<KeySet>, Error> {
        let load = {
            let mut loads = self.loads();
            let now = self.clock.now();
            if let Some(set) = self.usable(now) {
                return Ok(set); // Somebody finished in between.
            }
            match &loads.failed {
                // A flood of tokens in an outage is no flood of requests.
                Some((at, error)) if now.duration_since(*at).abs() < RETRY_AFTER => return Err(error.clone()),
                _ => self.join_or_start(&mut loads),
            }
        };
        load.await
    }

    /// The load that an unknown key id may wait for: the one under way, or a new one if its time has come.
    fn forced_load(self: &Arc<Self>) -> Option<Load> {
        let mut loads = self.loads();
        if loads.running().is_none() {
            if !self.is_due(loads.forced_at) {
                return None;
            }
            loads.forced_at = Some(self.clock.now());
        }
        Some(self.join_or_start(&mut loads))
    }

    /// Old keys are used while new ones are fetched: nobody waits for the refresh.
    fn refresh_if_old(self: &Arc<Self>, set: &KeySet, now: Timestamp) {
        if set.age(now) < set.source.refresh_after {
            return;
        }
        let mut loads = self.loads();
        if self.is_due(loads.refreshed_at) {
            loads.refreshed_at = Some(now);
            // Runs by itself; whoever needs the outcome can still join.
            drop(self.join_or_start(&mut loads));
        }
    }

    /// The absolute distance, so that a clock that was put back cannot switch reloading off.
    fn is_due(&self, last: Option<Timestamp>) -> bool {
        last.is_none_or(|last| self.clock.now().duration_since(last).abs() >= self.min_refresh)
    }

    fn join_or_start(self: &Arc<Self>, loads: &mut Loads) -> Load {
        if let Some(running) = loads.running() {
            return running;
        }
        let keys = Arc::clone(self);
        // A task of its own: a caller that hangs up must not cancel what the others wait for, nor use up the turn.
        let task = tokio::spawn(async move {
            let outcome = keys.load().await;
            let mut loads = keys.loads();
            loads.running = None;
            loads.failed = outcome.as_ref().err().map(|error| (keys.clock.now(), error.clone()));
            drop(loads);
            outcome
        });
        let load = task.map(|outcome| outcome.unwrap_or_else(|_| Err(interrupted()))).boxed().shared();
        loads.running = Some(load.clone());
        load
    }

    async fn load(&self) -> Result<Arc<KeySet>, Error> {
        let outcome = self.fetch().await;
        match &outcome {
            Ok(set) => {
                let issuer = &set.source.rule.issuer;
                tracing::debug!(
                    keys = set.len(),
                    version = set.version,
                    issuer,
                    "the signing keys were fetched"
                );
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(set));
            }
            Err(error) => match self.usable(self.clock.now()) {
                Some(set) => tracing::warn!(
                    %error,
                    "the signing keys could not be fetched again; the known ones stay in use, until they are {} hours \
                     old (they are {})",
                    GOOD_FOR.as_hours(),
                    set.age(self.clock.now()).as_hours(),
                ),
                None => {
                    tracing::error!(%error, "the signing keys could not be fetched; no token can be checked")
                }
            },
        }
        outcome
    }

    async fn fetch(&self) -> Result<Arc<KeySet>, Error> {
        const TRIED: &str = "fetching the signing keys";
        let metadata = self.authority.metadata().await?;
        let endpoint = without_query(&metadata.jwks_uri);
        let document: Document = self.http.get_json(TRIED, metadata.jwks_uri).await?;
        let unusable = |happened: String| TransportError {
            tried: TRIED.to_owned(),
            endpoint: endpoint.clone(),
            happened,
            retryable: true,
            correlation_id: None,
        };
        let rule = self
            .authority
            .issuer_rule(&metadata.issuer)
            .map_err(|expected| unusable(format!("the issuer {} is not {expected}", metadata.issuer)))?;
        let source = Source {
            rule,
            cloud: metadata.cloud_instance_name,
            authorization_endpoint: metadata.authorization_endpoint,
            loaded_at: self.clock.now(),
            refresh_after: REFRESH_AFTER + SignedDuration::from_secs(jitter()),
        };
        let set = KeySet::new(source, document, self.known().as_deref()).ok_or_else(|| {
            unusable("the set holds no RSA key of 2048 bits or more that may verify tokens".to_owned())
        })?;
        Ok(Arc::new(set))
    }
}

impl Loads {
    fn running(&self) -> Option<Load> {
        // One that was polled to its end is over, even if its task could not say so.
        self.running.clone().filter(|load| load.peek().is_none())
    }
}

/// Up to an hour earlier or later.
fn jitter() -> i64 {
    let mut bytes = [0; 4];
    // Without randomness, which has never been seen, nothing but the jitter is missing.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    i64::from(u32::from_be_bytes(bytes)) % (2 * JITTER_SECONDS + 1) - JITTER_SECONDS
}

/// The runtime went down while the keys were being fetched.
fn interrupted() -> Error {
    Error::Transport(TransportError {
        tried: "fetching the signing keys".to_owned(),
        endpoint: "the authority".to_owned(),
        happened: "the program is shutting down".to_owned(),
        retryable: true,
        correlation_id: None,
    })
}
