//! Reads an authorization request (RFC 6749 4.1.1, OpenID Connect Core 3.1.2.1, RFC 7636 4.3).
//!
//! First what decides whether the application may be told at all: client and redirect URI. From
//! then on every refusal goes back to the application.

use uuid::Uuid;

use crate::authority::Authority;
use crate::directory::{Application, Directory};
use crate::errors::{
    BAD_PARAMETER, CHALLENGE_METHOD, CHALLENGE_SHAPE, ID_TOKEN_NOT_ENABLED, INVALID_SCOPE, NO_REDIRECT_URI,
    REDIRECT_URI, RESPONSE_MODE, RESPONSE_TYPE, SPA_NEEDS_PKCE, TOKEN_NOT_ENABLED,
};
use crate::issued::Challenge;
use crate::params::Params;
use crate::policy::claims_request::ClaimsRequest;
use crate::redirect_uri::{self, Platform};
use crate::refusal::Refusal;
use crate::sign_in::hints::Hints;
use crate::sign_in::{Prompt, ResponseMode, ResponseType, Return, SignInRequest, Wrong};
use crate::state::LabState;

/// Parameters that must not stand in a request twice.
const KNOWN: [&str; 16] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "prompt",
    "login_hint",
    "sid",
    "id_token_hint",
    "domain_hint",
    "max_age",
    "client_info",
];

/// Checks a request. `seen` is told the client as soon as it is known.
pub fn check(
    state: &LabState,
    directory: &Directory,
    authority: Authority,
    params: &Params,
    correlation_id: Uuid,
    seen: impl FnOnce(Uuid),
) -> Result<SignInRequest, Wrong> {
    params.refuse_repeated(&KNOWN).map_err(Wrong::Page)?;
    let client_id = params.required("client_id").map_err(Wrong::Page)?;
    let client = authority.client(directory, client_id).map_err(Wrong::Page)?;
    seen(client.id);
    let (uri, spa) = redirect(client, params).map_err(Wrong::Page)?;
    Hints::must_go_together(params).map_err(Wrong::Page)?;

    let (mode, mode_fault) = match response_mode(params) {
        Ok(mode) => (mode, None),
        Err(refusal) => (ResponseMode::Query, Some(refusal)),
    };
    let to = Return { uri, mode, state: params.get("state").map(str::to_owned) };
    let back = |refusal: Refusal| Wrong::Redirect(Box::new((refusal, to.clone())));
    if let Some(refusal) = mode_fault {
        return Err(back(refusal));
    }
    let wants = response_type(params, client, mode).map_err(back)?;
    Ok(SignInRequest {
        authority,
        client: client.id,
        scope: scope(params, wants).map_err(back)?,
        spa,
        wants,
        version1: false,
        challenge: challenge(params, spa && wants.code).map_err(back)?,
        prompt: prompt(params).map_err(back)?,
        max_age: max_age(params).map_err(back)?,
        nonce: nonce(params, wants).map_err(back)?,
        hints: Hints::read(state, params).map_err(back)?,
        claims: ClaimsRequest::of(params).map_err(back)?,
        wants_client_info: params.get("client_info") == Some("1"),
        to,
        correlation_id,
        chosen: None,
        fresh: false,
        consented: false,
        device: None,
    })
}

/// Where the answer goes, and whether a single-page application is there.
fn redirect(client: &Application, params: &Params) -> Result<(String, bool), Refusal> {
    if client.every_redirect_uri().next().is_none() {
        return Err(NO_REDIRECT_URI.about(format!("It is {}.", client.name)));
    }
    let uri = params.required("redirect_uri")?;
    let platform = redirect_uri::platform(client, uri).filter(|_| url::Url::parse(uri).is_ok());
    let Some(platform) = platform else {
        let registered: Vec<&str> = client.every_redirect_uri().collect();
        return Err(REDIRECT_URI.about(format!("Registered for {}: {}", client.name, registered.join(" "))));
    };
    Ok((uri.to_owned(), platform == Platform::SinglePage))
}

fn response_mode(params: &Params) -> Result<ResponseMode, Refusal> {
    match params.get("response_mode") {
        Some("query") => Ok(ResponseMode::Query),
        Some("fragment") => Ok(ResponseMode::Fragment),
        Some("form_post") => Ok(ResponseMode::FormPost),
        Some(_) => Err(BAD_PARAMETER.about("It is 'response_mode'.")),
        // A code travels in the query; what has tokens in it, in the fragment.
        None => match params.get("response_type") {
            Some(t) if t.contains("token") => Ok(ResponseMode::Fragment),
            _ => Ok(ResponseMode::Query),
        },
    }
}

/// One of the combinations of the discovery document, and what is not a code only where the registration has it on.
fn response_type(params: &Params, client: &Application, mode: ResponseMode) -> Result<ResponseType, Refusal> {
    let wanted = params.required("response_type")?;
    let has = |name: &str| wanted.split(' ').any(|word| word == name);
    let wants = ResponseType { code: has("code"), id_token: has("id_token"), token: has("token") };
    let known = wanted.split(' ').all(|word| matches!(word, "code" | "id_token" | "token"));
    if !known || (wants.code && wants.token) {
        return Err(RESPONSE_TYPE.into());
    }
    if wants.id_token && !client.implicit_id_tokens {
        return Err(ID_TOKEN_NOT_ENABLED.into());
    }
    if wants.token && !client.implicit_access_tokens {
        return Err(TOKEN_NOT_ENABLED.into());
    }
    if (wants.id_token || wants.token) && mode == ResponseMode::Query {
        return Err(RESPONSE_MODE.into());
    }
    Ok(wants)
}

fn scope(params: &Params, wants: ResponseType) -> Result<String, Refusal> {
    let scope = params.required("scope")?;
    if wants.id_token && !scope.split_whitespace().any(|word| word.eq_ignore_ascii_case("openid")) {
        return Err(INVALID_SCOPE.about("An ID token needs the scope openid."));
    }
    Ok(scope.to_owned())
}

/// Without a nonce an ID token from the address bar could be another sign-in's (OpenID Connect Core 3.2.2.1).
fn nonce(params: &Params, wants: ResponseType) -> Result<Option<String>, Refusal> {
    let nonce = if wants.id_token { Some(params.required("nonce")?) } else { params.get("nonce") };
    Ok(nonce.map(str::to_owned))
}

fn challenge(params: &Params, required: bool) -> Result<Option<Challenge>, Refusal> {
    let method = params.get("code_challenge_method");
    let Some(value) = params.get("code_challenge") else {
        return match method {
            None if required => Err(SPA_NEEDS_PKCE.into()),
            None => Ok(None),
            Some(_) => Err(CHALLENGE_SHAPE.about("There is a method, but no challenge.")),
        };
    };
    let hashed = match method {
        Some("S256") => true,
        Some("plain") | None => false,
        Some(_) => return Err(CHALLENGE_METHOD.into()),
    };
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    if !(43..=128).contains(&value.len()) || !value.bytes().all(unreserved) {
        return Err(CHALLENGE_SHAPE.into());
    }
    Ok(Some(Challenge { value: value.to_owned(), hashed }))
}

fn prompt(params: &Params) -> Result<Prompt, Refusal> {
    match params.get("prompt") {
        None => Ok(Prompt::AsNeeded),
        Some("login") => Ok(Prompt::Login),
        Some("none") => Ok(Prompt::None),
        Some("consent") => Ok(Prompt::Consent),
        Some("select_account") => Ok(Prompt::SelectAccount),
        Some(_) => Err(BAD_PARAMETER.about("It is 'prompt', which has one of the documented values.")),
    }
}

fn max_age(params: &Params) -> Result<Option<i64>, Refusal> {
    let Some(text) = params.get("max_age") else { return Ok(None) };
    match text.parse::<u32>() {
        Ok(seconds) => Ok(Some(i64::from(seconds))),
        Err(_) => Err(BAD_PARAMETER.about("It is 'max_age', a number of seconds.")),
    }
}
