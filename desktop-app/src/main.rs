//! A public client signs a user in from a terminal, and calls our API.
//!
//! 1. Who has signed in here before? The cache on disk knows.
//! 2. A token for our API, from the cache or by the refresh token; nobody notices.
//! 3. Nothing there: a port of this machine is opened for the answer of the browser.
//! 4. The system's browser goes to Entra, with a question that only this process can answer (PKCE).
//! 5. The browser brings the answer; what does not belong to this sign-in is turned away.
//! 6. The code becomes tokens. There is no secret: a program on a person's machine could not keep one.
//! 7. The ID token is checked.
//! 8. The tokens go into the cache on disk, sealed; the browser is told that it worked.
//! 9. Our API is called; it calls Graph on behalf of the user.
//! 10. The API wants to see the user again (a second factor, say): sign in with what it asks for, and call again.
//!
//! Without a browser, steps 3 to 5 are a code to type on another device. Beside `cargo demo`:
//! `cd desktop-app && cp .env.example .env && cargo run -- profile`.

mod answers;
mod arguments;
mod cache;
mod exit;
mod settings;
mod sign_in;
mod terminal;

use std::process::ExitCode;

use clap::Parser;
use shared_auth::{Account, AuthenticationResult, DownstreamApi, Error, PublicClient, User, service};

use crate::answers::Profile;
use crate::arguments::{Arguments, Command};
use crate::exit::Ending;
use crate::settings::Settings;
use crate::terminal::Terminal;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let list = matches!(arguments.command, Command::Settings);
    service::run_command("desktop-app", list, Settings::from_env, |settings| async {
        let terminal = Terminal::new(arguments.json);
        let ending = tokio::select! {
            ending = run(settings, arguments, &terminal) => ending,
            () = service::shutdown() => Err(Ending::Cancelled), // Closes the port, asks Entra nothing more.
        };
        terminal.end(ending)
    })
}

async fn run(settings: Settings, arguments: Arguments, terminal: &Terminal) -> Result<(), Ending> {
    let cache = cache::open(settings.cache_folder, terminal).await;
    let client = PublicClient::builder(settings.registration).disk_cache(cache).build()?;
    let api = DownstreamApi::new("the web API", settings.api, &client);
    let app =
        App { client, api, scopes: settings.api_scopes, limit: settings.time_limit, arguments, terminal };
    match app.arguments.command {
        Command::SignIn { device_code } => {
            let account = app.sign_in(device_code, None, None).await?.account;
            terminal.signed_in(&account);
        }
        Command::Profile { no_sign_in } => terminal.profile(&app.profile(no_sign_in).await?),
        Command::Accounts => terminal.accounts(&app.client.accounts().await),
        Command::SignOut => {
            let meant = app.accounts().await;
            for account in &meant {
                app.client.remove_account(account).await;
            }
            terminal.signed_out(&meant);
        }
        Command::Settings => {} // Was answered before there were any.
    }
    Ok(())
}

struct App<'a> {
    client: PublicClient,
    api: DownstreamApi,
    scopes: String,
    limit: std::time::Duration,
    arguments: Arguments,
    terminal: &'a Terminal,
}

impl App<'_> {
    /// Step 1. The accounts that are meant, the latest first: all, or the one of `--user`.
    async fn accounts(&self) -> Vec<Account> {
        let mut accounts = self.client.accounts().await;
        let meant =
            |account: &Account| self.arguments.user.as_ref().is_none_or(|user| *user == account.username);
        accounts.retain(meant);
        accounts
    }

    async fn profile(&self, no_sign_in: bool) -> Result<Profile, Ending> {
        let account = self.accounts().await.into_iter().next();
        // Step 2.
        let silent = match &account {
            Some(account) => self.client.acquire_token_silent(account, self.scopes.as_str()).await.map(Some),
            None => Ok(None),
        };
        let token = match silent {
            Ok(Some(token)) => token,
            Err(error) if !error.is_interaction_required() => return Err(error.into()),
            _ if no_sign_in => return Err(Ending::SignInNeeded),
            Ok(None) => self.sign_in(false, None, None).await?.result,
            Err(error) => self.sign_in(false, account.as_ref(), error.claims_challenge()).await?.result,
        };
        // Step 9.
        match self.call(&token).await {
            // Step 10.
            Err(error) if error.claims_challenge().is_some() && !no_sign_in => {
                self.terminal
                    .say("The API wants to see you again; what it asks for is part of this sign-in.");
                let token = self.sign_in(false, account.as_ref(), error.claims_challenge()).await?.result;
                Ok(self.call(&token).await?)
            }
            answer => Ok(answer?),
        }
    }

    async fn call(&self, token: &AuthenticationResult<User>) -> Result<Profile, Error> {
        let mut profile: Profile = self.api.get("/api/profile", &token.access_token).await?;
        profile.token_from = token.source.to_string();
        Ok(profile)
    }
}
