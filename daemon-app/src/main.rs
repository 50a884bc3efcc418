//! A service without a user calls Microsoft Graph, and our own API, as itself.
//!
//! 1. Settings are read and the client is built.
//! 2. The app-token cache is asked for a Graph token.
//! 3. Nothing there: the service proves to Entra who it is and gets one.
//! 4. The token goes into the app-token cache.
//! 5. Graph's list of users is read, page by page.
//! 6. A token for our own API: another resource, so an entry of its own in the cache.
//! 7. Our API is called; it checks signature, audience and app role.
//! 8. Next round: both tokens come from the cache, until shortly before they expire.
//!
//! Run everything with `cargo demo`; this service alone, beside `cargo lab`:
//! `cd daemon-app && cp .env.example .env && cargo run`. `cargo run -- --once` does one round and ends.

mod answers;
mod heartbeat;
mod settings;

use std::process::ExitCode;
use std::time::Duration;

use shared_auth::service::{self, Health, Service};
use shared_auth::{ConfidentialClient, Deployment, DownstreamApi, Error};

use crate::answers::{Directory, Page, names};
use crate::settings::Settings;

/// Links that lead in a circle must not keep a round here for ever.
const PAGES_AT_MOST: usize = 100;
/// Nobody waits longer, whatever an API asks for.
const AN_HOUR: Duration = Duration::from_secs(3_600);

fn main() -> ExitCode {
    let health = Health::Custom(heartbeat::check);
    service::run(Service { name: "daemon-app", flags: &["--once"], health }, Settings::from_env, serve)
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    // A round only reads, so it may be left in the middle.
    tokio::select! {
        ended = rounds(settings) => return ended,
        () = service::shutdown() => tracing::info!("asked to stop, and stopped"),
    }
    Ok(())
}

async fn rounds(settings: Settings) -> anyhow::Result<()> {
    // Step 1.
    let deployment = Deployment::new().app_scopes(settings.api_scopes.as_str()).detect_platform();
    let client = ConfidentialClient::builder(settings.entra).deployment(deployment).build()?;
    let graph = DownstreamApi::new("Microsoft Graph", settings.graph, &client);
    let api = DownstreamApi::new("the web API", settings.api, &client);
    let daemon = Daemon { client, graph, api, api_scopes: settings.api_scopes };
    if service::flag("--once") {
        return Ok(daemon.round().await?); // Whoever asks for one round wants its outcome, and no waiting.
    }
    service::until_reachable(&daemon.client).await?;
    let mut refusals = 0;
    loop {
        let mut wait = Duration::ZERO;
        match daemon.round().await {
            Ok(()) => {
                settings.heartbeat.beat();
                tracing::info!(step = 8, "done; the next round finds both tokens in the cache");
                refusals = 0;
            }
            Err(error) => {
                tracing::error!("this round failed: {error}");
                wait = asked_to_wait(&error);
                refusals = if error.is_retryable() { 0 } else { refusals + 1 };
            }
        }
        // Asking more often does not change a refusal, so each one in a row doubles the pause.
        let pause = wait.max(settings.heartbeat.interval * 2_u32.pow(refusals.min(6)));
        tracing::info!("the next round begins in {} seconds", pause.as_secs());
        tokio::time::sleep(pause).await;
    }
}

/// What an API named with its refusal, as far as that is sensible.
fn asked_to_wait(error: &Error) -> Duration {
    match error {
        Error::Downstream(no) => Duration::from_secs(no.retry_after.unwrap_or_default()).min(AN_HOUR),
        _ => Duration::ZERO, // Entra's own times are kept by the client.
    }
}

struct Daemon {
    client: ConfidentialClient,
    graph: DownstreamApi,
    api: DownstreamApi,
    api_scopes: String,
}

impl Daemon {
    #[tracing::instrument(level = "debug", skip_all)]
    async fn round(&self) -> Result<(), Error> {
        // Steps 2 to 4; in later rounds, step 8.
        let request = self.client.acquire_token_for_client("https://graph.microsoft.com/.default");
        let token = request.clone().await?;
        tracing::info!(step = 4, "the token for Microsoft Graph came from the {}", token.source);
        // Step 5. Small pages, so that the paging shows.
        let first =
            self.graph.get("/users", &token.access_token).query("$top", "3").query("$select", "displayName");
        let mut page: Page = first.renewing(request.clone()).await?;
        for _ in 0..PAGES_AT_MOST {
            tracing::info!(step = 5, "a page of the directory: {}", names(&page.value));
            let Some(link) = page.next_link else { break };
            // From the cache, where a better one lies if Graph did not take the first.
            let token = request.clone().await?;
            page = self.graph.get_link(&link, &token.access_token).renewing(request.clone()).await?;
        }
        // Step 6.
        let request = self.client.acquire_token_for_client(self.api_scopes.as_str());
        let token = request.clone().await?;
        tracing::info!(step = 6, "the token for our API came from the {}", token.source);
        // Step 7.
        let directory: Directory =
            self.api.get("/api/directory", &token.access_token).renewing(request).await?;
        tracing::info!(
            step = 7,
            "our API knows {} users: {}",
            directory.users.len(),
            names(&directory.users)
        );
        Ok(())
    }
}
