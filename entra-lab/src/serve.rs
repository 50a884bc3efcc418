//! Binds the listeners and puts the lab behind them; `main.rs` and the in-process lab both use it.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};

use crate::cors::cors;
use crate::faults::inject::inject;
use crate::keys::{KeyError, Keys};
use crate::paths::ignore_case;
use crate::recorder::record;
use crate::routes;
use crate::seed::{self, SeedError};
use crate::state::LabState;
use crate::tls::Tls;

/// What a lab needs to start.
#[derive(Debug, Clone)]
pub struct Options {
    pub listen: SocketAddr,
    pub https_listen: Option<SocketAddr>,
    /// None: `http://` and the HTTP address as bound.
    pub public_url: Option<String>,
    /// The seed's text.
    pub seed: String,
    /// Where it came from, to be read again on demand.
    pub seed_file: Option<PathBuf>,
    pub workers: usize,
}

/// Why a lab did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the seed is not usable: {0}")]
    Seed(#[from] SeedError),
    #[error("cannot listen on {address}: {reason}")]
    Bind { address: SocketAddr, reason: std::io::Error },
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error("the server did not start: {0}")]
    Server(#[from] std::io::Error),
    #[error("the lab's thread ended before it was ready")]
    Thread,
}

/// A lab whose ports are open; it answers once `server` is awaited.
pub struct Ready {
    pub server: Server,
    pub state: web::Data<LabState>,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready").field("url", &self.state.public_url()).finish_non_exhaustive()
    }
}

/// Reads the seed, opens the ports and builds the server. Must run inside an actix system.
pub fn prepare(options: Options) -> Result<Ready, StartError> {
    // Both libraries refuse to guess a crypto provider; a second installation is harmless.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();

    let directory = seed::parse(&options.seed)?;
    let http = bind(options.listen)?;
    let https = options.https_listen.map(bind).transpose()?;
    let tls = Tls::shared()?;
    let https_port = https.as_ref().map(TcpListener::local_addr).transpose()?.map(|a| a.port());
    let public_url = match options.public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", http.local_addr()?),
    };
    // RSA keys take longer than all the rest of the start; who needs them first waits for them.
    std::thread::Builder::new().name("entra-lab-keys".into()).spawn(|| {
        if let Err(error) = Keys::shared() {
            tracing::error!(%error, "the signing keys could not be made");
        }
    })?;
    let state = LabState::new(directory, public_url, https_port, tls.ca_pem.clone())
        .with_seed_file(options.seed_file);
    let state = web::Data::from(Arc::new(state));

    let shared = state.clone();
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .configure(routes::configure)
            .wrap(from_fn(inject))
            .wrap(from_fn(cors))
            .wrap(from_fn(record))
            .wrap(from_fn(ignore_case))
    })
    .workers(options.workers)
    .shutdown_timeout(5)
    .disable_signals()
    .listen(http)?;
    if let Some(https) = https {
        server = server.listen_rustls_0_23(https, tls.server.clone())?;
    }
    Ok(Ready { server: server.run(), state })
}

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|reason| StartError::Bind { address, reason })
}
