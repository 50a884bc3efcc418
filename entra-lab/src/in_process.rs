//! The lab inside a test: its own thread, its own ports, gone when the value is dropped.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use actix_web::web;
use jiff::SignedDuration;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::faults::Fault;
use crate::keyring::KeyChange;
use crate::policy::change::PolicyChange;
use crate::recorder::Recorded;
use crate::scan;
use crate::seed::DEFAULT_SEED;
use crate::serve::{Options, Ready, StartError, prepare};
use crate::state::LabState;
use crate::tenants::{self, TenantInfo};

/// A running lab. Dropping it stops it.
pub struct EntraLab {
    state: web::Data<LabState>,
    tenant_id: Uuid,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

/// How an in-process lab starts; see [`EntraLab::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    seed: String,
    port: u16,
    https_port: u16,
}

impl EntraLab {
    /// Starts a lab with the built-in seed on free ports of 127.0.0.1.
    pub async fn start() -> Result<Self, StartError> {
        Self::builder().start().await
    }

    pub fn builder() -> Builder {
        Builder { seed: DEFAULT_SEED.to_owned(), port: 0, https_port: 0 }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end: the authority host.
    pub fn url(&self) -> &str {
        self.state.public_url()
    }

    /// `https://localhost:PORT`; clients need [`ca_pem`](Self::ca_pem) to trust it.
    pub fn https_url(&self) -> String {
        self.state.https_url().unwrap_or_default()
    }

    /// Base address of the lab's Microsoft Graph.
    pub fn graph_url(&self) -> String {
        format!("{}/v1.0", self.url())
    }

    /// Certificate of the authority behind the HTTPS listener.
    pub fn ca_pem(&self) -> &str {
        self.state.ca_pem()
    }

    /// Id of the first tenant of the seed.
    pub fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }

    /// Moves the lab's clock; what has expired by then is refused.
    pub fn advance(&self, by: SignedDuration) {
        self.state.clock.advance(by.as_secs());
    }

    /// Changes a policy, as `POST /lab/policy` does; the error is a sentence.
    pub fn policy(&self, change: PolicyChange) -> Result<serde_json::Value, String> {
        change.apply(&self.state)
    }

    /// Orders a fault.
    pub fn fault(&self, fault: Fault) {
        self.state.faults.add(fault);
    }

    /// Takes every fault away.
    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }

    /// Rotates the signing keys or spoils the key documents; the error is a sentence.
    pub fn keys(&self, change: KeyChange) -> Result<serde_json::Value, String> {
        self.state.keys.apply(change)
    }

    /// A tenant of one's own in this lab, for tests that run side by side: a copy of the first one under other ids,
    /// the same ones for the same name. The error is a sentence.
    pub fn tenant(&self, name: &str) -> Result<TenantInfo, String> {
        tenants::on_demand(&self.state, name)
    }

    /// Another seed from now on; everything starts again with it. The error is a sentence with the line.
    pub fn reseed(&self, toml: &str) -> Result<(), String> {
        self.state.read_seed(Some(toml.to_owned())).map(drop)
    }

    /// Back to the seed, with the right time and nobody signed in.
    pub fn reset(&self) {
        self.state.reset();
    }

    /// The requests that were answered lately, oldest first.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.recorder.requests()
    }
}

impl Builder {
    /// Another directory than the built-in one, as TOML.
    pub fn seed_toml(mut self, seed: &str) -> Self {
        seed.clone_into(&mut self.seed);
        self
    }

    /// A fixed HTTP port; 0 takes a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// A fixed HTTPS port; 0 takes a free one.
    pub fn https_port(mut self, port: u16) -> Self {
        self.https_port = port;
        self
    }

    /// Starts the lab and waits until its ports are open.
    pub async fn start(self) -> Result<EntraLab, StartError> {
        scan::listen();
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let options = Options {
            listen: local(self.port),
            https_listen: Some(local(self.https_port)),
            public_url: None,
            seed: self.seed,
            seed_file: None,
            workers: 1,
        };
        let (tell, told) = oneshot::channel();
        let thread =
            std::thread::Builder::new().name("entra-lab".into()).spawn(move || run(options, tell))?;
        let (state, handle) = told.await.map_err(|_| StartError::Thread)??;
        let tenant_id = state.directory().tenants.first().map(|t| t.id).unwrap_or_default();
        Ok(EntraLab { state, tenant_id, handle, thread: Some(thread) })
    }
}

type Started = Result<(web::Data<LabState>, ServerHandle), StartError>;

/// The lab's thread.
fn run(options: Options, tell: oneshot::Sender<Started>) {
    actix_web::rt::System::new().block_on(async move {
        match prepare(options) {
            Err(error) => drop(tell.send(Err(error))),
            Ok(Ready { server, state }) => {
                if tell.send(Ok((state, server.handle()))).is_ok()
                    && let Err(error) = server.await
                {
                    tracing::error!(%error, "the in-process lab ended");
                }
            }
        }
    });
}

impl Drop for EntraLab {
    fn drop(&mut self) {
        // The order is sent at once; the future would only wait for its end, which `join` does too.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for EntraLab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EntraLab").field("url", &self.url()).finish_non_exhaustive()
    }
}
