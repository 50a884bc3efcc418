//! The first half: the address to send the browser to, and what must be remembered until it comes back.

use std::borrow::Cow;
use std::future::IntoFuture;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use url::Url;

use super::AuthCodeFlow;
use crate::client::{ConfidentialClient, Inner};
use crate::error::Error;
use crate::flows::{Options, RareOptions, add_extra_query};
use crate::protocol::pkce;
use crate::protocol::scope::Scopes;

impl ConfidentialClient {
    /// Starts a sign-in: gives the address to send the browser to, and the flow to keep until it comes back.
    ///
    /// The scopes may name several resources, so that the user consents once; the code is then redeemed for the first
    /// of them, and the others are got silently.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let redirect_uri = "http://localhost:3000/signin-oidc".parse()?;
    /// let flow = client.initiate_auth_code_flow("User.Read", &redirect_uri).login_hint("alice@contoso.test").await?;
    /// println!("go to {}", flow.authorization_url());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Transport`] or [`Error::Refused`] where the authority cannot be asked for its endpoints.
    pub fn initiate_auth_code_flow(
        &self,
        scopes: impl Into<Scopes>,
        redirect_uri: &Url,
    ) -> InitiateAuthCodeFlow {
        InitiateAuthCodeFlow::new(Arc::clone(&self.inner), scopes.into(), redirect_uri.to_string())
    }
}

/// The start of a sign-in; `.await` it.
///
/// ```no_run
/// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), Box<dyn std::error::Error>> {
/// let redirect_uri = "https://app.example/signin-oidc".parse()?;
/// let flow = client
///     .initiate_auth_code_flow("User.Read", &redirect_uri)
///     .prompt("select_account")
///     .claims(r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#)
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `.await`"]
pub struct InitiateAuthCodeFlow {
    client: Arc<Inner>,
    scopes: Scopes,
    redirect_uri: String,
    response_mode: ResponseMode,
    parameters: Vec<(&'static str, String)>,
    options: Options,
}

/// How the answer travels back to the redirect URI.
///
/// ```no_run
/// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), Box<dyn std::error::Error>> {
/// use shared_auth::ResponseMode;
///
/// let redirect_uri = "https://app.example/signin-oidc".parse()?;
/// let flow = client
///     .initiate_auth_code_flow("User.Read", &redirect_uri)
///     .response_mode(ResponseMode::FormPost)
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ResponseMode {
    /// In the address (RFC 6749 §4.1.2).
    #[default]
    Query,
    /// In the body of a POST (OAuth 2.0 Form Post Response Mode), so that no address and no history holds the code.
    FormPost,
}

impl InitiateAuthCodeFlow {
    pub(crate) fn new(client: Arc<Inner>, scopes: Scopes, redirect_uri: String) -> Self {
        let response_mode = ResponseMode::default();
        let options = Options::default();
        Self { client, scopes, redirect_uri, response_mode, parameters: Vec::new(), options }
    }

    /// The redirect URI is known only now that its port is open.
    #[cfg(feature = "desktop")]
    pub(crate) fn redirect_uri(mut self, uri: String) -> Self {
        self.redirect_uri = uri;
        self
    }

    /// How the answer travels back; in the query by default.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, redirect_uri: url::Url) -> Result<(), shared_auth::Error> {
    /// let flow = client.initiate_auth_code_flow("User.Read", &redirect_uri).response_mode(shared_auth::ResponseMode::FormPost).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn response_mode(mut self, mode: ResponseMode) -> Self {
        self.response_mode = mode;
        self
    }

    /// Signs in to this tenant (id or domain) of the same authority instead of the configured one.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, redirect_uri: url::Url) -> Result<(), shared_auth::Error> {
    /// let flow = client.initiate_auth_code_flow("User.Read", &redirect_uri).tenant("fabrikam.onmicrosoft.com").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.options.tenant = Some(Cow::Owned(tenant.into()));
        self
    }

    /// Signs in by this user flow (policy) of an Azure AD B2C tenant instead of the configured one: to reset a password,
    /// to edit a profile. The account that comes of it keeps to it: what is got silently for it later is got there.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let redirect_uri = "https://app.example/signin-oidc".parse()?;
    /// let flow = client.initiate_auth_code_flow("openid", &redirect_uri).user_flow("B2C_1_edit_profile").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn user_flow(mut self, policy: impl AsRef<str>) -> Self {
        self.options.tenant = Some(Cow::Owned(self.client.authority.realm_of_policy(policy.as_ref())));
        self
    }

    /// Whom the sign-in page should offer first (a user name).
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, redirect_uri: url::Url) -> Result<(), shared_auth::Error> {
    /// let flow = client.initiate_auth_code_flow("User.Read", &redirect_uri).login_hint("alice@contoso.test").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn login_hint(mut self, username: impl Into<String>) -> Self {
        self.parameters.push(("login_hint", username.into()));
        self
    }

    /// Where the user comes from (a domain): the sign-in page then need not ask, and goes to that organisation's.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, redirect_uri: url::Url) -> Result<(), shared_auth::Error> {
    /// let flow = client.initiate_auth_code_flow("User.Read", &redirect_uri).domain_hint("contoso.test").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn domain_hint(mut self, domain: impl Into<String>) -> Self {
        self.parameters.push(("domain_hint", domain.into()));
        self
    }

    /// What the sign-in page should do even if nothing needs it: `login`, `select_account`, `consent`, `none`.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, redirect_uri: url::Url) -> Result<(), shared_auth::Error> {
    /// let flow = client.initiate_auth_code_flow("User.Read", &redirect_uri).prompt("select_account").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn prompt(mut self, prompt: impl Into<String>) -> Self {
        self.parameters.push(("prompt", prompt.into()));
        self
    }

    /// A claims challenge to be satisfied (JSON text), at the sign-in page and when the code is redeemed.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, redirect_uri: url::Url) -> Result<(), shared_auth::Error> {
    /// let flow = client.initiate_auth_code_flow("User.Read", &redirect_uri).claims(r#"{"id_token":{"auth_time":{"essential":true}}}"#).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn claims(mut self, claims: impl Into<String>) -> Self {
        self.options.rare.claims = Some(claims.into());
        self
    }

    /// The id under which Entra and we log this sign-in, page and token request; new ones by default.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, redirect_uri: url::Url) -> Result<(), shared_auth::Error> {
    /// let flow = client.initiate_auth_code_flow("User.Read", &redirect_uri).correlation_id(uuid::Uuid::new_v4()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn correlation_id(mut self, id: uuid::Uuid) -> Self {
        self.parameters.push(("client-request-id", id.to_string()));
        self.options.rare.correlation_id = Some(id);
        self
    }

    /// Adds a parameter to the address of the sign-in page. Names of the protocol are refused.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, redirect_uri: url::Url) -> Result<(), shared_auth::Error> {
    /// let flow = client.initiate_auth_code_flow("User.Read", &redirect_uri).extra_query_parameter("dc", "ESTS-PUB-WUS2").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn extra_query_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.rare.extra_query.push((name.into(), value.into()));
        self
    }
}

impl IntoFuture for InitiateAuthCodeFlow {
    type Output = Result<AuthCodeFlow, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.initiate().boxed()
    }
}

impl InitiateAuthCodeFlow {
    async fn initiate(self) -> Result<AuthCodeFlow, Error> {
        let Self { client, scopes, redirect_uri, response_mode, parameters, options } = self;
        let Options { tenant, rare, .. } = options;
        let RareOptions { claims, correlation_id, extra_query, .. } = RareOptions::clone(&rare);
        let asked = client.claims(claims.as_deref())?;
        let metadata = client.authority_for(tenant.as_deref())?.metadata().await?;

        // Step 2. Three random values: `state` ties the answer to this browser, `nonce` the ID token to this sign-in,
        // the verifier the code to this process. All of them are new each time and leave only as far as they must.
        let (state, nonce, verifier) = (random_text()?, random_text()?, pkce::verifier(random()?));
        let mut url = metadata.authorization_endpoint;
        url.query_pairs_mut()
            .append_pair("client_id", &client.client_id)
            .append_pair("response_type", "code")
            .append_pair(
                "response_mode",
                match response_mode {
                    ResponseMode::Query => "query",
                    ResponseMode::FormPost => "form_post",
                },
            )
            .append_pair("redirect_uri", &redirect_uri)
            .append_pair("scope", &scopes.with_openid().to_string())
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &pkce::challenge(&verifier))
            .append_pair("code_challenge_method", pkce::CODE_CHALLENGE_METHOD)
            .append_pair("client_info", "1")
            .extend_pairs(parameters)
            .extend_pairs(asked.map(|claims| ("claims", claims)));
        add_extra_query(&mut url, &extra_query)?;
        Ok(AuthCodeFlow {
            state,
            nonce,
            verifier: verifier.expose().to_owned(),
            redirect_uri,
            scopes,
            started_at: client.clock.now(),
            authorization_url: url,
            tenant: tenant.map(Cow::into_owned),
            claims,
            correlation_id,
        })
    }
}

fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| {
        crate::env::ConfigError::new("randomness", "the system's random generator does not answer")
    })?;
    Ok(bytes)
}

/// 256 random bits as text.
pub(crate) fn random_text() -> Result<String, Error> {
    random().map(|bytes| pkce::verifier(bytes).expose().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checklist 66.
    #[test]
    fn random_values_are_new_each_time() {
        let values: std::collections::HashSet<_> = (0..100).map(|_| random_text().unwrap()).collect();

        assert_eq!(values.len(), 100);
        assert!(values.iter().all(|value| value.len() == 43));
    }
}
