//! Authorization code with PKCE (RFC 6749 §4.1, RFC 7636, OpenID Connect Core §3.1): a user signs in.
//!
//! Steps 2 to 8 of the web app scenario. Between the two halves the browser is away at Entra; what must be remembered
//! meanwhile is one opaque [`AuthCodeFlow`], to be kept on the server and used once.

use std::borrow::Cow;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tracing::Instrument;
use url::Url;

use super::signed_in::{SignIn, signed_in};
use super::{Options, RareOptions, add_extra_query, redeem};
use crate::client::{ConfidentialClient, Inner, TokenSource};
use crate::error::{Error, SignInError};
use crate::protocol::pkce;
use crate::protocol::scope::Scopes;
use crate::protocol::token_request::Grant;
use crate::secret::{AuthorizationCode, PkceVerifier};

/// How long a user may take at Entra's pages. Longer than the code lives, for those who look for their phone first.
const FLOW_LIFETIME: SignedDuration = SignedDuration::from_mins(15);

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

    /// Ends a sign-in: checks the answer against the flow, redeems the code, checks the ID token, fills the cache.
    ///
    /// The flow is consumed: an answer can be used once.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, flow: shared_auth::AuthCodeFlow, query: &str) -> Result<(), Box<dyn std::error::Error>> {
    /// let response = shared_auth::AuthorizationResponse::parse(query)?; // what came to the redirect URI
    /// let sign_in = client.acquire_token_by_authorization_code(flow, response).await?;
    /// println!("{} signed in", sign_in.account.username);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::SignIn`] where the answer does not belong to this flow, is an error, or brings an ID token that fails a
    /// check; [`Error::Refused`] and [`Error::InteractionRequired`] with what the token endpoint said.
    pub fn acquire_token_by_authorization_code(
        &self,
        flow: AuthCodeFlow,
        response: AuthorizationResponse,
    ) -> AcquireTokenByAuthorizationCode {
        let options = flow.options();
        AcquireTokenByAuthorizationCode { client: Arc::clone(&self.inner), flow, response, options }
    }
}

/// The end of a sign-in; `.await` it. Tenant, claims and correlation id are those with which it began.
///
/// ```no_run
/// # async fn example(client: shared_auth::ConfidentialClient, flow: shared_auth::AuthCodeFlow, response: shared_auth::AuthorizationResponse) -> Result<(), shared_auth::Error> {
/// let finish = client.acquire_token_by_authorization_code(flow, response);
/// let sign_in = finish.correlation_id(uuid::Uuid::new_v4()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `.await`"]
pub struct AcquireTokenByAuthorizationCode {
    client: Arc<Inner>,
    flow: AuthCodeFlow,
    response: AuthorizationResponse,
    options: Options,
}

impl AcquireTokenByAuthorizationCode {
    /// The id under which Entra and we log the request; by default that of the beginning, or a new one.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, flow: shared_auth::AuthCodeFlow, response: shared_auth::AuthorizationResponse) -> Result<(), shared_auth::Error> {
    /// let finish = client.acquire_token_by_authorization_code(flow, response).correlation_id(uuid::Uuid::new_v4());
    /// let sign_in = finish.await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn correlation_id(mut self, id: uuid::Uuid) -> Self {
        self.options.rare.correlation_id = Some(id);
        self
    }

    /// Adds a parameter to the address of the token endpoint. Names of the protocol are refused.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, flow: shared_auth::AuthCodeFlow, response: shared_auth::AuthorizationResponse) -> Result<(), shared_auth::Error> {
    /// let finish = client.acquire_token_by_authorization_code(flow, response).extra_query_parameter("dc", "ESTS-PUB-WUS2");
    /// let sign_in = finish.await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn extra_query_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.rare.extra_query.push((name.into(), value.into()));
        self
    }
}

impl IntoFuture for AcquireTokenByAuthorizationCode {
    type Output = Result<SignIn, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { client, flow, response, options } = self;
        async move {
            let span = tracing::debug_span!("finish_sign_in", scopes = %flow.scopes);
            let outcome = finish(&client, flow, response, options).instrument(span).await;
            client.counters.acquired(outcome.as_ref().map(|_| TokenSource::IdentityProvider));
            outcome
        }
        .boxed()
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

/// What one sign-in must remember while the browser is at Entra. Opaque, single use, for the server side only.
///
/// ```
/// use shared_auth::{AuthCodeFlow, AuthorizationResponse};
///
/// /// Several tabs may sign in at once: `state` tells which of them is answered. An answered flow is taken out.
/// fn answered(open: &mut Vec<AuthCodeFlow>, response: &AuthorizationResponse) -> Option<AuthCodeFlow> {
///     let index = open.iter().position(|flow| flow.is_answered_by(response))?;
///     Some(open.swap_remove(index))
/// }
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct AuthCodeFlow {
    state: String,
    nonce: String,
    verifier: String,
    redirect_uri: String,
    scopes: Scopes,
    started_at: Timestamp,
    authorization_url: Url,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    claims: Option<String>,
    #[serde(default)]
    correlation_id: Option<uuid::Uuid>,
}

impl AuthCodeFlow {
    /// Where to send the browser.
    ///
    /// ```
    /// fn location(flow: &shared_auth::AuthCodeFlow) -> String {
    ///     flow.authorization_url().to_string() // 302 Found, with this
    /// }
    /// ```
    pub fn authorization_url(&self) -> &Url {
        &self.authorization_url
    }

    /// With what the code is redeemed: as the sign-in began.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options { tenant: self.tenant.clone().map(Cow::Owned), ..Options::default() };
        (options.rare.claims, options.rare.correlation_id) = (self.claims.clone(), self.correlation_id);
        options
    }

    /// When the sign-in began.
    ///
    /// ```
    /// fn oldest(open: &[shared_auth::AuthCodeFlow]) -> Option<&shared_auth::AuthCodeFlow> {
    ///     open.iter().min_by_key(|flow| flow.started_at())
    /// }
    /// ```
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    #[cfg(feature = "actix")]
    pub(crate) fn state(&self) -> &str {
        &self.state
    }

    /// True where `response` answers this flow.
    ///
    /// ```
    /// use shared_auth::{AuthCodeFlow, AuthorizationResponse};
    ///
    /// fn answered<'a>(open: &'a [AuthCodeFlow], answer: &AuthorizationResponse) -> Option<&'a AuthCodeFlow> {
    ///     open.iter().find(|flow| flow.is_answered_by(answer))
    /// }
    /// ```
    pub fn is_answered_by(&self, response: &AuthorizationResponse) -> bool {
        // In constant time: `state` is what keeps a foreign answer out.
        self.state.as_bytes().ct_eq(response.state.as_bytes()).into()
    }
}

impl fmt::Debug for AuthCodeFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthCodeFlow")
            .field("scopes", &self.scopes)
            .field("started_at", &self.started_at)
            .finish_non_exhaustive()
    }
}

/// What Entra sent back to the redirect URI (RFC 6749 §4.1.2).
///
/// ```
/// use shared_auth::AuthorizationResponse;
///
/// let response = AuthorizationResponse::parse("code=0.AX…&state=xyz&session_state=1")?;
/// assert!(!format!("{response:?}").contains("0.AX"), "a code is never printed");
/// # Ok::<(), shared_auth::SignInError>(())
/// ```
#[derive(Debug, Clone)]
pub struct AuthorizationResponse {
    state: String,
    issuer: Option<String>,
    outcome: Result<AuthorizationCode, Denial>,
}

#[derive(Debug, Clone)]
struct Denial {
    error: String,
    description: String,
}

impl AuthorizationResponse {
    /// Reads the query, or the body of a `form_post`.
    ///
    /// ```
    /// use shared_auth::AuthorizationResponse;
    ///
    /// assert!(AuthorizationResponse::parse("code=abc&state=xyz").is_ok());
    /// assert!(AuthorizationResponse::parse("code=abc").is_err());
    /// assert!(AuthorizationResponse::parse("code=abc&state=x&state=y").is_err());
    /// ```
    ///
    /// # Errors
    /// [`SignInError::Malformed`] where parameters are missing, doubled or contradict each other.
    pub fn parse(form: &str) -> Result<Self, SignInError> {
        let single = |name: &'static str| {
            let mut values = url::form_urlencoded::parse(form.as_bytes()).filter(|(key, _)| key == name);
            let first = values.next().map(|(_, value)| value.into_owned());
            match values.next() {
                Some(_) => Err(SignInError::Malformed("a parameter appears twice")),
                None => Ok(first.filter(|value| !value.is_empty())),
            }
        };
        let state = single("state")?.ok_or(SignInError::Malformed("there is no state"))?;
        let outcome = match (single("code")?, single("error")?) {
            (Some(code), None) => Ok(AuthorizationCode::new(code)),
            (None, Some(error)) => Err(Denial {
                error: printable(&error, 60),
                description: printable(without_ids(&single("error_description")?.unwrap_or_default()), 500),
            }),
            (Some(_), Some(_)) => return Err(SignInError::Malformed("it holds a code and an error")),
            (None, None) => return Err(SignInError::Malformed("it holds neither a code nor an error")),
        };
        Ok(Self { state, issuer: single("iss")?, outcome })
    }

    #[cfg(feature = "actix")]
    pub(crate) fn state(&self) -> &str {
        &self.state
    }
}

pub(crate) async fn finish(
    client: &Inner,
    flow: AuthCodeFlow,
    response: AuthorizationResponse,
    options: Options,
) -> Result<SignIn, Error> {
    // Step 5. The answer must belong to this flow, be recent, and come from the authority that was asked.
    let age = client.clock.now().duration_since(flow.started_at);
    if !flow.is_answered_by(&response) || age > FLOW_LIFETIME || age.is_negative() {
        return Err(SignInError::UnknownFlow.into());
    }
    let authority = client.authority_for(flow.tenant.as_deref())?;
    // RFC 9207 §2.4: the issuer that it names is the one that was asked, and it names one where that one always does.
    let metadata = authority.metadata().await?;
    match &response.issuer {
        Some(issuer) if !authority.issuer_rule(&metadata.issuer).is_ok_and(|rule| rule.may_be(issuer)) => {
            return Err(SignInError::Malformed("it names another issuer").into());
        }
        None if metadata.authorization_response_iss_parameter_supported => {
            return Err(SignInError::Malformed("it does not name its issuer").into());
        }
        _ => {}
    }
    let code = response
        .outcome
        .map_err(|denial| SignInError::Denied { error: denial.error, description: denial.description })?;

    // Step 6. The code goes to the token endpoint, with the verifier and the credential. It is not sent twice:
    // a code is single use, and a second try would revoke what the first one bought.
    let scopes = flow.scopes.first_resource();
    let grant = Grant::AuthorizationCode {
        code,
        redirect_uri: flow.redirect_uri,
        code_verifier: PkceVerifier::new(flow.verifier),
    };
    let tokens = redeem(client, &grant, &scopes, &options).await?;
    tracing::info!(step = 6, "the code was redeemed");

    // Steps 7 and 8.
    signed_in(client, &tokens, &scopes, Some(&flow.nonce), flow.tenant.as_deref()).await
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

/// Entra's sentence without the trailer of ids and times behind it.
fn without_ids(description: &str) -> &str {
    description.split("Trace ID:").next().unwrap_or_default().trim_end()
}

/// Text from outside that may be shown: one line, no control characters, not too long.
fn printable(text: &str, length: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(length).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn contradicting_answers_are_refused() {
        for form in
            ["", "code=a", "state=s", "code=&state=s", "code=a&code=b&state=s", "code=a&error=b&state=s"]
        {
            assert!(matches!(AuthorizationResponse::parse(form), Err(SignInError::Malformed(_))), "{form}");
        }
    }

    /// Checklist 69.
    #[test]
    fn an_error_is_cleaned_and_shortened() {
        let form = format!("state=s&error=access_denied&error_description=a%0d%0ab{}", "x".repeat(5_000));

        let denial = AuthorizationResponse::parse(&form).unwrap().outcome.unwrap_err();

        assert!(denial.description.starts_with("a  b") && denial.description.len() == 500);
    }

    /// Checklist 66.
    #[test]
    fn random_values_are_new_each_time() {
        let values: std::collections::HashSet<_> = (0..100).map(|_| random_text().unwrap()).collect();

        assert_eq!(values.len(), 100);
        assert!(values.iter().all(|value| value.len() == 43));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(form in "\\PC{0,200}") {
            let _ = AuthorizationResponse::parse(&form);
        }
    }
}
