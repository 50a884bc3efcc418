//! What goes over the bus: JSON in the words of Microsoft's own library, and what the broker's errors mean for us.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::failed;
use crate::client::Account;
use crate::error::{Error, InteractionRequired, Refusal, SignInError, TransportError};
use crate::protocol::error_response::ErrorResponse;
use crate::protocol::scope::Scopes;
use crate::protocol::token_response::{TokenResponse, is_header_safe};

/// The redirect URI of native clients. The broker's window watches for it; nothing listens there.
const REDIRECT_URI: &str = "https://login.microsoftonline.com/common/oauth2/nativeclient";
const BY_REFRESH_TOKEN: u8 = 1;
const INTERACTIVE: u8 = 6;

/// What is the same in every request of a client.
#[derive(Debug)]
pub(super) struct Request {
    pub client_id: String,
    pub authority: String,
    pub scopes: Vec<String>,
}

impl Request {
    pub fn accounts(&self) -> String {
        json!({ "clientId": self.client_id, "redirectUri": REDIRECT_URI }).to_string()
    }

    pub fn removal(&self, account: &BrokerAccount) -> String {
        json!({ "clientId": self.client_id, "account": account.as_sent }).to_string()
    }

    pub fn token(&self, account: Option<&BrokerAccount>, claims: Option<&str>, window: bool) -> String {
        let mut parameters = json!({
            "additionalQueryParametersForAuthorization": {},
            "authority": self.authority,
            "authorizationType": if window { INTERACTIVE } else { BY_REFRESH_TOKEN },
            "clientId": self.client_id,
            "redirectUri": REDIRECT_URI,
            "requestedScopes": self.scopes,
            "uxContextHandle": -1,
        });
        if let Some(claims) = claims {
            parameters["decodedClaims"] = claims.into();
        }
        let Some(account) = account else { return json!({ "authParameters": parameters }).to_string() };
        parameters["account"] = account.as_sent.clone();
        parameters["username"] = account.username.clone().into();
        // Brokers up to 2.0.1 look for it outside of the parameters.
        json!({ "account": account.as_sent, "authParameters": parameters }).to_string()
    }
}

/// An account that the broker knows; it gets back what it sent.
#[derive(Debug)]
pub(super) struct BrokerAccount {
    home_account_id: String,
    username: String,
    as_sent: Value,
}

impl BrokerAccount {
    pub fn is(&self, account: &Account) -> bool {
        self.home_account_id.eq_ignore_ascii_case(&account.home_account_id)
    }
}

pub(super) fn accounts(answer: &str) -> Result<Vec<BrokerAccount>, Error> {
    let answer: Value = parse(answer)?;
    if let Some(error) = answer.get("error") {
        let problem = Problem::deserialize(error).map_err(|_| unusable("it failed without saying why"))?;
        return Err(problem.into_error(&Scopes::default(), Uuid::nil()));
    }
    let accounts = answer.get("accounts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |account: &Value, field: &str| account.get(field)?.as_str().map(str::to_owned);
    Ok(accounts
        .iter()
        .filter_map(|account| {
            Some(BrokerAccount {
                home_account_id: text(account, "homeAccountId")?,
                username: text(account, "username").unwrap_or_default(),
                as_sent: account.clone(),
            })
        })
        .collect())
}

#[derive(Deserialize)]
struct Outer {
    #[serde(rename = "brokerTokenResponse")]
    inner: Inner,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inner {
    access_token: Option<SecretString>,
    #[serde(default)]
    access_token_type: Value,
    client_info: Option<String>,
    #[serde(default)]
    expires_on: i64,
    granted_scopes: Option<String>,
    id_token: Option<SecretString>,
    error: Option<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    context: String,
    #[serde(default)]
    status: i64,
    #[serde(default)]
    diagnostics: Diagnostics,
}

#[derive(Default, Deserialize)]
struct Diagnostics {
    raw_error_code: Option<String>,
    oauth2_sub_error_code: Option<String>,
}

/// The tokens of an answer, or what it means that there are none.
pub(super) fn tokens(
    answer: &str,
    scopes: &Scopes,
    now: Timestamp,
    id: Uuid,
) -> Result<TokenResponse, Error> {
    use secrecy::ExposeSecret;

    let Outer { inner } = parse(answer)?;
    if let Some(problem) = inner.error {
        return Err(problem.into_error(scopes, id));
    }
    let usable = inner.access_token.filter(|token| is_header_safe(token.expose_secret()));
    let access_token = usable.ok_or_else(|| unusable("its answer holds no access token"))?;
    // 0, or the word: anything else is bound to a key that we do not have.
    let bearer = match &inner.access_token_type {
        Value::Null => true,
        Value::String(word) => word.eq_ignore_ascii_case("Bearer"),
        number => number.as_i64() == Some(0),
    };
    if !bearer {
        return Err(unusable("the token is not a bearer token").into());
    }
    // Milliseconds; some brokers send seconds.
    let ends = if inner.expires_on > 100_000_000_000 { inner.expires_on / 1_000 } else { inner.expires_on };
    let expires_in = ends.saturating_sub(now.as_second());
    if !(1..=48 * 3_600).contains(&expires_in) {
        return Err(unusable("the token has ended, or would last for days").into());
    }
    Ok(TokenResponse {
        access_token,
        token_type: "Bearer".to_owned(),
        expires_in,
        refresh_in: None,
        scope: inner.granted_scopes,
        refresh_token: None,
        id_token: inner.id_token,
        client_info: inner.client_info,
        foci: None,
        exchange: None,
    })
}

impl Problem {
    /// The numbers are those of Microsoft's library (`Response_Status`).
    fn into_error(self, scopes: &Scopes, id: Uuid) -> Error {
        const INTERACTION_REQUIRED: i64 = 2;
        const NO_NETWORK: i64 = 3;
        const SERVER_AWAY: i64 = 5;
        const USER_CANCELED: i64 = 7;
        const APPLICATION_CANCELED: i64 = 8;
        const ACCOUNT_UNUSABLE: i64 = 13;
        let fallback = if self.needs_the_user() { "interaction_required" } else { "broker_error" };
        let body = json!({
            "error": self.diagnostics.raw_error_code.as_deref().unwrap_or(fallback),
            "error_description": self.context,
            "error_codes": codes(&self.context),
            "suberror": self.diagnostics.oauth2_sub_error_code,
        });
        let answer = ErrorResponse::parse(body.to_string().as_bytes()).unwrap_or_default();
        let summary = answer.summary();
        match self.status {
            USER_CANCELED | APPLICATION_CANCELED => {
                SignInError::Denied { error: "access_denied".to_owned(), description: summary }.into()
            }
            NO_NETWORK..=SERVER_AWAY => failed(format!("it cannot reach Entra: {summary}"), true).into(),
            INTERACTION_REQUIRED | ACCOUNT_UNUSABLE => self.refused(scopes, id, answer, true),
            _ => {
                let needs_the_user = answer.needs_the_user();
                self.refused(scopes, id, answer, needs_the_user)
            }
        }
    }

    fn needs_the_user(&self) -> bool {
        matches!(self.status, 2 | 13)
    }

    fn refused(&self, scopes: &Scopes, id: Uuid, answer: ErrorResponse, needs_the_user: bool) -> Error {
        let refusal = Refusal::new("the request by the identity broker".to_owned(), 400, scopes, answer);
        let refusal = refusal.correlated(&id.to_string());
        if needs_the_user {
            InteractionRequired { scopes: scopes.clone(), refusal: Some(refusal) }.into()
        } else {
            refusal.into()
        }
    }
}

/// The AADSTS numbers that a sentence begins with.
fn codes(context: &str) -> Vec<u32> {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    context.split("AADSTS").skip(1).filter_map(|rest| digits(rest).parse().ok()).collect()
}

/// serde's own message could quote a token.
fn parse<T: for<'a> Deserialize<'a>>(answer: &str) -> Result<T, TransportError> {
    serde_json::from_str(answer).map_err(|_| unusable("its answer is not what a broker answers"))
}

pub(super) fn unusable(happened: &str) -> TransportError {
    failed(format!("{happened}; sign in with the browser instead"), false)
}
