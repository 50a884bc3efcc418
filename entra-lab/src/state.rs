//! The state that every handler gets: directory, keys, clock, what was issued, who is signed in.
//!
//! One `LabState` is one lab. Handlers take it as `web::Data<LabState>`; locks live inside the parts
//! and are never held across an `.await`.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use actix_web::HttpRequest;
use uuid::Uuid;

use crate::clock::Clock;
use crate::consents::Consents;
use crate::devices::Devices;
use crate::directory::Directory;
use crate::faults::Faults;
use crate::issued::Issued;
use crate::keyring::Keyring;
use crate::loops::Loops;
use crate::policy::Policies;
use crate::recorder::Recorder;
use crate::seed::{self, DEFAULT_SEED};
use crate::sessions::Sessions;
use crate::sign_in::SignInRequest;
use crate::tls;

/// Issuer of version 1 tokens, whatever the lab's own address is.
const V1_ISSUER: &str = "https://sts.windows.net";

/// Everything that belongs to one running lab.
#[derive(Debug)]
pub struct LabState {
    pub clock: Clock,
    pub keys: Keyring,
    pub faults: Faults,
    pub consents: Consents,
    pub policies: Policies,
    pub issued: Issued,
    pub loops: Loops,
    pub devices: Devices,
    pub sessions: Sessions<SignInRequest>,
    pub recorder: Recorder,
    directory: RwLock<Arc<Directory>>,
    /// What a reset goes back to.
    seeded: RwLock<Arc<Directory>>,
    /// Where the seed came from, if it came from a file.
    seed_file: Option<PathBuf>,
    public_url: String,
    https_port: Option<u16>,
    ca_pem: String,
}

impl LabState {
    /// A lab with this directory. `public_url` has no slash at its end.
    pub fn new(directory: Directory, public_url: String, https_port: Option<u16>, ca_pem: String) -> Self {
        let directory = Arc::new(directory);
        let state = Self {
            clock: Clock::default(),
            keys: Keyring::default(),
            faults: Faults::default(),
            consents: Consents::default(),
            policies: Policies::default(),
            issued: Issued::default(),
            loops: Loops::default(),
            devices: Devices::default(),
            sessions: Sessions::default(),
            recorder: Recorder::default(),
            directory: RwLock::new(Arc::clone(&directory)),
            seeded: RwLock::new(directory),
            seed_file: None,
            public_url,
            https_port,
            ca_pem,
        };
        state.consents.reset(&state.directory());
        state.policies.reset(&state.directory());
        state
    }

    /// The directory as it is now.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the directory. Requests that are under way keep the one they have.
    pub fn change<T>(&self, change: impl FnOnce(&mut Directory) -> T) -> T {
        let mut current = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut current))
    }

    /// The file to read again when the seed is to be reloaded.
    pub fn with_seed_file(self, file: Option<PathBuf>) -> Self {
        Self { seed_file: file, ..self }
    }

    /// Another seed from now on: this text, or the file read again. A wrong one changes nothing; the error is a
    /// sentence with the line. Returns the ids of the tenants.
    pub fn read_seed(&self, text: Option<String>) -> Result<Vec<Uuid>, String> {
        let text = match (text, &self.seed_file) {
            (Some(text), _) => text,
            (None, None) => DEFAULT_SEED.to_owned(),
            (None, Some(file)) => std::fs::read_to_string(file)
                .map_err(|error| format!("The seed {} cannot be read: {error}.", file.display()))?,
        };
        let directory = seed::parse(&text).map_err(|error| format!("The seed is not usable: {error}."))?;
        let tenants = directory.tenants.iter().map(|t| t.id).collect();
        *self.seeded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(directory);
        self.reset();
        Ok(tenants)
    }

    /// Whether a page with this origin is one of the lab's.
    pub fn is_own_page(&self, origin: &str) -> bool {
        let port = |url: &url::Url| url.port_or_known_default();
        let Ok(given) = url::Url::parse(origin) else { return false };
        let public = url::Url::parse(&self.public_url).ok();
        let host = given.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let known = tls::NAMES.contains(&host)
            || public.as_ref().and_then(url::Url::host_str).is_some_and(|own| own == host);
        // Another program on this machine is another site.
        let here = [
            public.as_ref().and_then(port),
            self.https_port,
            Some(443).filter(|_| given.scheme() == "https"),
        ];
        known && here.contains(&port(&given)) && port(&given).is_some()
    }

    /// Back to the seed: consent, codes, tokens and sessions are forgotten, the clock is right again.
    pub fn reset(&self) {
        let seeded = Arc::clone(&self.seeded.read().unwrap_or_else(PoisonError::into_inner));
        *self.directory.write().unwrap_or_else(PoisonError::into_inner) = seeded;
        self.consents.reset(&self.directory());
        self.policies.reset(&self.directory());
        self.issued.clear();
        self.loops.reset();
        self.devices.clear();
        self.keys.reset();
        self.faults.clear();
        self.sessions.clear();
        self.recorder.clear();
        self.clock.reset();
    }

    /// The address that browsers know, without a slash at its end.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// The HTTPS address on this machine, if that listener is on.
    pub fn https_url(&self) -> Option<String> {
        self.https_port.map(|port| format!("https://localhost:{port}"))
    }

    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// What URLs in the answer to this request start with. Over HTTP the constant public address,
    /// however the request came here; over HTTPS the name that the client used.
    pub fn base_url(&self, req: &HttpRequest) -> String {
        if !req.app_config().secure() {
            return self.public_url.clone();
        }
        let host = req.headers().get("host").and_then(|h| h.to_str().ok()).unwrap_or_default();
        let base = format!("https://{}", host.to_ascii_lowercase());
        if is_own_https(&base) { base } else { self.https_url().unwrap_or(base) }
    }

    /// Issuer of version 2 tokens and ID tokens.
    pub fn issuer(base_url: &str, tenant: impl Display) -> String {
        format!("{base_url}/{tenant}/v2.0")
    }

    /// Issuer of version 1 tokens.
    pub fn issuer_v1(tenant: impl Display) -> String {
        format!("{V1_ISSUER}/{tenant}/")
    }

    /// The tenant whose tokens carry this issuer, if it is one of the lab's.
    pub fn tenant_of_issuer(&self, issuer: &str) -> Option<Uuid> {
        let v1 = issuer.strip_prefix(V1_ISSUER).and_then(|rest| rest.strip_prefix('/')?.strip_suffix('/'));
        let v2 = || {
            let (base, tenant) = issuer.strip_suffix("/v2.0")?.rsplit_once('/')?;
            (base == self.public_url || is_own_https(base)).then_some(tenant)
        };
        let id = Uuid::try_parse(v1.or_else(v2)?).ok()?;
        self.directory().tenant_by_id(id).map(|t| t.id)
    }
}

/// Whether an HTTPS origin carries one of the names in the lab's certificate.
fn is_own_https(base: &str) -> bool {
    let Ok(url) = url::Url::parse(base) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    url.scheme() == "https" && url.path() == "/" && !base.contains('@') && tls::NAMES.contains(&host)
}
