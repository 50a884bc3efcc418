//! Calling an API with a token: a base URL, a bearer token, and an error that says what the API said.
//!
//! `renewal.rs` gets another token where the API did not take the first one.

mod renewal;

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

pub use self::renewal::Renewal;
use crate::authority::extend;
use crate::client::Client;
use crate::error::{Error, TransportError};
use crate::http::{Answer, Http, without_query};
use crate::protocol::challenge::Challenge;
use crate::protocol::json_fault;
use crate::secret::{AccessToken, TokenKind};
use crate::telemetry::correlation_id;

/// An API that is called with tokens, Microsoft Graph or one of our own.
///
/// ```no_run
/// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), Box<dyn std::error::Error>> {
/// use shared_auth::{DownstreamApi, GRAPH};
///
/// #[derive(serde::Deserialize)]
/// struct Organization { id: String }
///
/// let graph = DownstreamApi::new("Microsoft Graph", GRAPH.parse()?, &client);
/// let token = client.acquire_token_for_client("https://graph.microsoft.com/.default").await?;
/// let organization: Organization = graph.get("/organization", &token.access_token).query("$select", "id").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DownstreamApi {
    name: String,
    base: Url,
    http: Http,
}

impl DownstreamApi {
    /// `name` is how errors call it. Certificate authorities and time limits are the client's.
    pub fn new(name: impl Into<String>, base: Url, client: &impl Client) -> Self {
        Self { name: name.into(), base, http: client.transport().0 }
    }

    /// GETs `path` below the base URL.
    ///
    /// Each segment of the path is encoded, so text from outside cannot turn into another path or a query.
    pub fn get<'a, T, K: TokenKind>(&self, path: &str, token: &AccessToken<K>) -> ApiRequest<'a, T> {
        self.request(Ok(self.below_base(path)), token)
    }

    /// GETs `path` as a media type and bytes, for pictures and the like.
    ///
    /// # Errors
    /// [`Error::Downstream`] with what the API said; [`Error::Transport`] where it said nothing usable.
    pub async fn get_bytes<K: TokenKind>(
        &self,
        path: &str,
        token: &AccessToken<K>,
    ) -> Result<(String, Vec<u8>), Error> {
        let answer = self.request::<(), K>(Ok(self.below_base(path)), token).send("*/*").await?;
        let media_type = header(&answer.headers, CONTENT_TYPE.as_str());
        Ok((media_type.unwrap_or_else(|| "application/octet-stream".to_owned()), answer.body))
    }

    /// GETs an address that the API itself gave, such as `@odata.nextLink`. An address on another origin is refused:
    /// the token would go along.
    pub fn get_link<'a, T, K: TokenKind>(&self, link: &str, token: &AccessToken<K>) -> ApiRequest<'a, T> {
        let url = Url::parse(link).ok().filter(|url| url.origin() == self.base.origin());
        let refused = || TransportError {
            tried: format!("following a link of {}", self.name),
            endpoint: self.base.origin().ascii_serialization(),
            happened: "the link leads to another address, and the token does not go there".to_owned(),
            retryable: false,
            correlation_id: None,
        };
        self.request(url.ok_or_else(refused), token)
    }

    fn below_base(&self, path: &str) -> Url {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        extend(&self.base, &segments)
    }

    fn request<'a, T, K: TokenKind>(
        &self,
        url: Result<Url, TransportError>,
        token: &AccessToken<K>,
    ) -> ApiRequest<'a, T> {
        let target = url.and_then(|url| addressed(&self.name, url, token.expose_secret()));
        ApiRequest {
            api: self.name.clone(),
            http: self.http.clone(),
            target,
            correlation_id: correlation_id(),
            renewal: None,
            answer: PhantomData,
        }
    }
}

/// A call that has not been made yet; `.await` it for the answer as JSON.
///
/// ```no_run
/// # async fn example(
/// #     graph: shared_auth::DownstreamApi,
/// #     token: shared_auth::AccessToken<shared_auth::User>,
/// # ) -> Result<(), shared_auth::Error> {
/// let newest: serde_json::Value =
///     graph.get("/me/messages", &token).query("$top", "5").query("$select", "subject").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing happens before `.await`"]
pub struct ApiRequest<'a, T> {
    api: String,
    http: Http,
    /// The address, and the header with the token, which is not printed.
    target: Result<(Url, HeaderValue), TransportError>,
    correlation_id: uuid::Uuid,
    renewal: Option<Renewal<'a>>,
    answer: PhantomData<fn() -> T>,
}

impl<'a, T> ApiRequest<'a, T> {
    /// Adds a query parameter.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        if let Ok((url, _)) = &mut self.target {
            url.query_pairs_mut().append_pair(name, value);
        }
        self
    }

    /// The id under which both sides log the call; a new one by default.
    pub fn correlation_id(mut self, id: uuid::Uuid) -> Self {
        self.correlation_id = id;
        self
    }

    /// Where the API does not take the token (401), gets another one by this request, once, and asks once more: a user's
    /// where the API says which claims it wants to see, a service's own in any case. What the API answers then is final.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     client: shared_auth::ConfidentialClient,
    /// #     graph: shared_auth::DownstreamApi,
    /// #     user: shared_auth::UserClaims,
    /// # ) -> Result<(), shared_auth::Error> {
    /// let request = client.acquire_token_on_behalf_of(user.assertion(), "User.Read");
    /// let token = request.clone().await?;
    /// let me: serde_json::Value = graph.get("/me", &token.access_token).renewing(request).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn renewing(mut self, request: impl Into<Renewal<'a>>) -> Self {
        self.renewal = Some(request.into());
        self
    }

    async fn send(mut self, accept: &'static str) -> Result<Answer, Error> {
        let renewal = self.renewal.take();
        let no = match self.ask(accept).await {
            Err(Error::Downstream(no)) if no.status == 401 => no,
            answer => return answer,
        };
        let claims = no.challenge.as_ref().and_then(Challenge::claims);
        let Some(renewed) = renewal.and_then(|renewal| renewal.begin(claims.clone())) else {
            return Err(Error::Downstream(no));
        };
        tracing::info!(
            correlation_id = %self.correlation_id,
            with_claims = claims.is_some(),
            "{} did not take the token; asking Entra for another one, and the API once more",
            self.api
        );
        match renewed.await {
            Ok(token) => {
                self.target = addressed(&self.api, self.target?.0, token.expose_secret());
                self.ask(accept).await
            }
            // Only the user can satisfy it: what the API wants to see goes to whoever can show a page, unless Entra is
            // more exact about it.
            Err(error) if error.is_interaction_required() && claims.is_some() && is_vague(&error) => {
                Err(Error::Downstream(no))
            }
            Err(error) => Err(error),
        }
    }

    async fn ask(&self, accept: &'static str) -> Result<Answer, Error> {
        let (url, bearer) = self.target.clone()?;
        let path = url.path().to_owned();
        let request = self
            .http
            .request(reqwest::Method::GET, url)
            .header(ACCEPT, accept)
            .header("client-request-id", self.correlation_id.to_string())
            .header(AUTHORIZATION, bearer);
        let answer = self.http.send(&format!("calling {}", self.api), request).await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let error = DownstreamError::new(format!("{} for {path}", self.api), &answer, self.correlation_id);
        tracing::trace!(?error, "the API refused: {error}");
        Err(error.into())
    }
}

/// An address, with the header that takes the token there.
fn addressed(api: &str, url: Url, token: &str) -> Result<(Url, HeaderValue), TransportError> {
    match HeaderValue::try_from(format!("Bearer {token}")) {
        Ok(mut bearer) => {
            bearer.set_sensitive(true);
            Ok((url, bearer))
        }
        Err(_) => Err(TransportError {
            tried: format!("calling {api}"),
            endpoint: without_query(&url),
            happened: "the token has characters that no header may have".to_owned(),
            retryable: false,
            correlation_id: None,
        }),
    }
}

fn is_vague(error: &Error) -> bool {
    let refusal = error.refusal();
    refusal.is_none_or(|refusal| refusal.claims.is_none() && !refusal.is_consent_required())
}

impl<'a, T: DeserializeOwned + 'static> IntoFuture for ApiRequest<'a, T> {
    type Output = Result<T, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let tried = format!("calling {}", self.api);
            let endpoint =
                self.target.as_ref().map_or_else(|_| self.api.clone(), |(url, _)| without_query(url));
            let answer = self.send("application/json").await?;
            serde_json::from_slice(&answer.body).map_err(|error| {
                let happened =
                    format!("the answer is not the JSON that was expected ({})", json_fault(&error));
                let correlation_id = Some(answer.correlation_id.clone());
                TransportError { tried, endpoint, happened, retryable: false, correlation_id }.into()
            })
        }
        .boxed()
    }
}

/// An API's no.
///
/// ```
/// use shared_auth::Error;
///
/// fn explain(error: &Error) -> String {
///     match error {
///         Error::Downstream(no) if no.challenge.is_some() => "the user has to do something first".to_owned(),
///         Error::Downstream(no) if no.status == 429 => format!("again in {:?} s", no.retry_after),
///         other => other.to_string(),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownstreamError {
    /// What was called: `Microsoft Graph for /v1.0/me`.
    pub request: String,
    /// HTTP status.
    pub status: u16,
    /// The API's own code: `Authorization_RequestDenied`, `consent_required`, …
    pub code: Option<String>,
    /// The API's own sentence, cleaned and shortened.
    pub message: String,
    /// What the API wants to see before it says yes.
    pub challenge: Option<Challenge>,
    /// Seconds that the API asks us to wait.
    pub retry_after: Option<u64>,
    /// The id under which both sides logged the call.
    pub correlation_id: Option<String>,
}

impl std::error::Error for DownstreamError {}

impl fmt::Display for DownstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered HTTP {}", self.request, self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        match &self.correlation_id {
            Some(id) => write!(f, " [correlation id {id}]"),
            None => Ok(()),
        }
    }
}

impl DownstreamError {
    pub(crate) fn new(request: String, answer: &Answer, correlation_id: uuid::Uuid) -> Self {
        let said = Said::read(&answer.body);
        let echoed = || header(&answer.headers, "client-request-id");
        Self {
            request,
            status: answer.status,
            code: said.code,
            message: said.message,
            challenge: challenge(&answer.headers),
            retry_after: header(&answer.headers, RETRY_AFTER.as_str())
                .and_then(|text| text.trim().parse().ok()),
            correlation_id: said.correlation_id.or_else(echoed).or_else(|| Some(correlation_id.to_string())),
        }
    }
}

/// What an error body says, cleaned and shortened.
#[derive(Default)]
struct Said {
    code: Option<String>,
    message: String,
    correlation_id: Option<String>,
}

impl Said {
    /// Graph writes `{"error": {"code", "message"}}`, our APIs write `{"error", "message", "correlationId"}`.
    fn read(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Body {
            Graph {
                error: Inner,
            },
            Plain {
                error: String,
                #[serde(default)]
                message: String,
                #[serde(rename = "correlationId")]
                correlation_id: Option<String>,
            },
        }
        #[derive(Deserialize)]
        struct Inner {
            code: String,
            #[serde(default)]
            message: String,
        }
        let clean = |text: String| text.chars().filter(|c| !c.is_control()).take(300).collect::<String>();
        match serde_json::from_slice(body) {
            Ok(Body::Graph { error }) => {
                Self { code: Some(clean(error.code)), message: clean(error.message), correlation_id: None }
            }
            Ok(Body::Plain { error, message, correlation_id }) => Self {
                code: Some(clean(error)),
                message: clean(message),
                correlation_id: correlation_id.map(clean),
            },
            Err(_) => Self::default(),
        }
    }
}

fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    headers.get_all(WWW_AUTHENTICATE).iter().find_map(|value| Challenge::parse(value.to_str().ok()?))
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
