//! When the authority's signing keys are fetched, and what happens when they cannot be.
//!
//! Keys roll over without notice, so an unknown key id asks for them again; attackers can invent key ids, so that
//! happens once per interval. What was good stays in use until a better set has arrived: an outage of the authority
//! locks nobody out, and lets nobody in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use jiff::{SignedDuration, Timestamp};

use super::key_set::{Document, KeySet, SigningKey};
use crate::authority::Authority;
use crate::clock::SharedClock;
use crate::error::{Error, TransportError};
use crate::http::{Http, without_query};

/// Microsoft's own libraries refresh after 12 hours.
const REFRESH_AFTER: SignedDuration = SignedDuration::from_hours(12);

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
        // With two backends in one build the crate cannot choose by itself and would panic at the first token.
        // An error means that one is installed already.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
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
    /// Where there are no keys at all, because they have never been fetched and cannot be now.
    pub(super) async fn find(self: &Arc<Self>, kid: &str) -> Result<Option<FoundKey>, Error> {
        let set = match self.known() {
            Some(set) => set,
            None => self.first_load().await?,
        };
        if let Some(key) = set.get(kid) {
            self.refresh_in_background(&set);
            return Ok(Some(FoundKey { key, set }));
        }

        // Unknown here: perhaps the keys rolled over since.
        if let Some(load) = self.forced_load() {
            // An outcome that is an error leaves the known keys in place, and this one unknown.
            let _ = load.await;
        }
        let found = self.known().and_then(|set| Some(FoundKey { key: set.get(kid)?, set }));
        Ok(found)
    }

    fn known(&self) -> Option<Arc<KeySet>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn loads(&self) -> MutexGuard<'_, Loads> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn first_load(self: &Arc<Self>) -> Result<Arc<KeySet>, Error> {
        let load = {
            let mut loads = self.loads();
            match self.known() {
                Some(set) => return Ok(set), // Somebody finished in between.
                None => self.join_or_start(&mut loads),
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
    fn refresh_in_background(self: &Arc<Self>, set: &KeySet) {
        let now = self.clock.now();
        if now.duration_since(set.loaded_at).abs() < REFRESH_AFTER {
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
            keys.loads().running = None;
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
                tracing::debug!(keys = set.len(), issuer = set.rule.issuer, "the signing keys were fetched");
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(set));
            }
            Err(error) if self.known().is_some() => {
                tracing::warn!(%error, "the signing keys could not be fetched again; the known ones stay in use");
            }
            Err(error) => {
                tracing::warn!(%error, "the signing keys could not be fetched; no token can be checked")
            }
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
        let set = KeySet::new(rule, document, self.clock.now()).ok_or_else(|| {
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
