//! The person's part: the system's browser, or a code to type on another device where no browser can open.
//!
//! Steps 3 to 8 of the scenario, or D1 to D4.

use shared_auth::desktop::SystemBrowser;
use shared_auth::{Account, SignIn};

use crate::App;
use crate::exit::Ending;

impl App<'_> {
    /// `account` is who is expected, `claims` what an API or Entra wants to see.
    pub async fn sign_in(
        &self,
        device_code: bool,
        account: Option<&Account>,
        claims: Option<String>,
    ) -> Result<SignIn, Ending> {
        let why = if device_code { Some("as you asked for") } else { SystemBrowser::is_missing() };
        if let Some(why) = why {
            let mut flow = self.client.initiate_device_flow(self.scopes.as_str());
            flow = claims.into_iter().fold(flow, |flow, claims| flow.claims(claims));
            let flow = flow.await?;
            let _waiting = self.terminal.device_code(&flow, why);
            return Ok(self.client.acquire_token_by_device_flow(flow).await?);
        }
        let mut request = self.client.acquire_token_interactive(self.scopes.as_str()).time_limit(self.limit);
        let hint = account.map(|account| account.username.clone()).or(self.arguments.user.clone());
        if hint.is_none() {
            // Whose session the browser has is not for us to decide.
            request = request.prompt("select_account");
        }
        request = hint.into_iter().fold(request, |request, user| request.login_hint(user));
        request = claims.into_iter().fold(request, |request, claims| request.claims(claims));
        let (waiting, terminal) = (self.terminal.browser(), self.terminal.clone());
        let wheel = waiting.clone();
        Ok(request.open_with(move |address| terminal.open(address, &wheel)).await?)
    }
}
