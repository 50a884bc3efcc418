//! The exchange with the token endpoint (RFC 6749 §3.2) that every flow ends in.
//!
//! A server in trouble is asked once more; a server that names a time is not asked before (the store remembers that
//! for each key). A refusal keeps every field that Entra sent.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::header::RETRY_AFTER;
use secrecy::ExposeSecret;
use tracing::Instrument;
use tracing::field::Empty;
use url::Url;
use uuid::Uuid;

use super::{Options, add_extra_query};
use crate::authority::Authority;
use crate::client::Inner;
use crate::credential::{AssertionContext, Proof, ProofContext};
use crate::error::{Error, InteractionRequired, Refusal, Throttled, TransportError};
use crate::http::{Answer, without_query};
use crate::jwt::{refuse_early, tenant_of};
use crate::protocol::error_response::ErrorResponse;
use crate::protocol::scope::Scopes;
use crate::protocol::token_request::Grant;
use crate::protocol::token_response::{TokenResponse, is_header_safe};
use crate::result;
use crate::telemetry::{correlation_id, product_headers};

/// Entra may name any time; more than an hour is taken for an hour, as in every MSAL.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);
/// How long to wait after HTTP 429 without a time.
const USUAL_WAIT: SignedDuration = SignedDuration::from_secs(60);
/// The pause before the second try; as much again at most, so that many processes do not come together.
const PAUSE: Duration = Duration::from_millis(250);

/// Sends a grant with the client's proof, and reads the answer.
pub(crate) async fn redeem(
    client: &Inner,
    grant: &Grant,
    scopes: &Scopes,
    options: &Options,
) -> Result<TokenResponse, Error> {
    let correlation_id = options.rare.correlation_id.unwrap_or_else(correlation_id);
    let span = tracing::debug_span!("token_request", grant = grant.name(), %scopes, %correlation_id, otel.status_code = Empty);
    let outcome =
        authenticated(client, grant, scopes, options, correlation_id).instrument(span.clone()).await;
    if outcome.is_err() {
        span.record("otel.status_code", "ERROR");
    }
    outcome
}

async fn authenticated(
    client: &Inner,
    grant: &Grant,
    scopes: &Scopes,
    options: &Options,
    correlation_id: Uuid,
) -> Result<TokenResponse, Error> {
    let authority = authority_of(client, grant, options)?;
    let claims = client.claims(options.rare.claims.as_deref())?;
    // What Entra would certainly refuse does not leave the process.
    let look = || match grant {
        Grant::OnBehalfOf(assertion) => {
            refuse_early(assertion, &client.client_id, authority.tenant_id().as_deref(), client.clock.now())
        }
        _ => Ok(()),
    };
    look()?;
    let published = authority.metadata().await?.token_endpoint;
    let mut token_endpoint = published.clone();
    add_extra_query(&mut token_endpoint, &options.rare.extra_query)?;
    look()?; // A tenant that is named by its domain has an id only now.
    let exchange = Exchange {
        client,
        grant,
        scopes,
        claims: claims.as_deref(),
        forced: options.force_refresh || options.rare.claims.is_some(),
        correlation_id,
        tried: format!("sending the {} request", grant.name()),
        token_endpoint,
    };
    let context = ProofContext {
        asked: AssertionContext {
            token_endpoint: authority.published(&published),
            client_id: client.client_id.clone(),
            tenant_id: authority.tenant().to_owned(),
            correlation_id: exchange.correlation_id,
            claims: claims.clone(),
        },
        clock: &client.clock,
        http: &client.http,
    };
    let started = tokio::time::Instant::now();
    let mut tokens = match &client.credential {
        Some(credential) => credential.authenticate(&context, |proof| exchange.run(Some(proof))).await?,
        // A public client says who it is and proves nothing (RFC 6749 §2.1).
        None => exchange.run(None).await?,
    };
    let Exchange { correlation_id, token_endpoint, .. } = exchange;
    tokens.exchange =
        Some(Arc::new(result::Exchange { correlation_id, token_endpoint, took: started.elapsed() }));
    Ok(tokens)
}

/// Who is asked: the tenant that was chosen for the request; with an authority for several tenants, on-behalf-of happens
/// at the user's, which issued the token and takes it back.
fn authority_of(client: &Inner, grant: &Grant, options: &Options) -> Result<Arc<Authority>, Error> {
    let own = match grant {
        Grant::OnBehalfOf(assertion) if client.authority.is_multi_tenant() => tenant_of(assertion),
        _ => None,
    };
    Ok(client.authority_for(options.tenant.as_deref().or(own.as_deref()))?)
}

/// One request of one caller, which may be sent with one proof after another.
struct Exchange<'a> {
    client: &'a Inner,
    grant: &'a Grant,
    scopes: &'a Scopes,
    claims: Option<&'a str>,
    forced: bool,
    correlation_id: Uuid,
    tried: String,
    token_endpoint: Url,
}

impl Exchange<'_> {
    async fn run(&self, proof: Option<Proof>) -> Result<TokenResponse, Error> {
        let started = tokio::time::Instant::now();
        let first = self.send(proof.as_ref()).await;
        let worth_another_try = match &first {
            Ok(answer) => answer.status >= 500 && !answer.headers.contains_key(RETRY_AFTER),
            // Whoever took seconds to fail would take them again.
            Err(error) => error.retryable && started.elapsed() < Duration::from_secs(3),
        };
        // A code is single use: a second try could revoke what the first one bought.
        let single_use = matches!(self.grant, Grant::AuthorizationCode { .. });
        let answer = if worth_another_try && !single_use {
            tracing::warn!(correlation_id = %self.correlation_id, "{} failed; trying once more", self.tried);
            let (random, _) = Uuid::new_v4().as_u64_pair();
            tokio::time::sleep(PAUSE + Duration::from_millis(random % 250)).await;
            self.send(proof.as_ref()).await?
        } else {
            first?
        };
        self.read(&answer)
    }

    async fn send(&self, proof: Option<&Proof>) -> Result<Answer, TransportError> {
        let mut form = self.grant.form(self.scopes);
        form.push(("client_id", self.client.client_id.clone()));
        form.extend(proof.map(Proof::form).unwrap_or_default());
        if let Some(claims) = self.claims {
            form.push(("claims", claims.to_owned()));
        }
        let request = self
            .client
            .http
            .post_form(self.token_endpoint.clone(), &form)
            .header("client-request-id", self.correlation_id.to_string());
        let headers = product_headers(self.grant, self.forced);
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let request =
            self.client.program.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let started = tokio::time::Instant::now();
        let answer = self.client.http.send(&self.tried, request).await;
        self.client.counters.token_request(started.elapsed());
        answer
    }

    fn read(&self, answer: &Answer) -> Result<TokenResponse, Error> {
        if answer.status == 200 {
            return self.tokens(answer);
        }
        // A body that is not an OAuth error, or a server in trouble: nobody's no.
        let in_trouble = answer.status >= 500 || answer.status == 429;
        match ErrorResponse::parse(&answer.body) {
            Some(no) if !in_trouble => Err(self.refused(answer.status, no)),
            _ => Err(self.failed(answer)),
        }
    }

    fn tokens(&self, answer: &Answer) -> Result<TokenResponse, Error> {
        let unusable = |happened: &str, retryable| TransportError {
            tried: self.tried.clone(),
            endpoint: without_query(&self.token_endpoint),
            happened: happened.to_owned(),
            retryable,
            correlation_id: Some(answer.correlation_id.clone()),
        };
        // serde's own message would quote a piece of the body, and the body holds tokens.
        let tokens: TokenResponse = serde_json::from_slice(&answer.body)
            .map_err(|_| unusable("the answer is not a token response", true))?;
        if !tokens.token_type.eq_ignore_ascii_case("bearer")
            || !is_header_safe(tokens.access_token.expose_secret())
        {
            let happened = "the answer holds a token of a kind that cannot be sent as a bearer token";
            return Err(unusable(happened, false).into());
        }
        Ok(tokens)
    }

    fn failed(&self, answer: &Answer) -> Error {
        let cause = answer.unusable(&self.tried, without_query(&self.token_endpoint));
        let named =
            answer.headers.get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, self.now()));
        match named.or_else(|| (answer.status == 429).then_some(USUAL_WAIT)) {
            Some(wait) => {
                Throttled { until: self.now() + wait.clamp(SignedDuration::ZERO, LONGEST_WAIT), cause }.into()
            }
            None => cause.into(),
        }
    }

    fn refused(&self, status: u16, no: ErrorResponse) -> Error {
        let needs_the_user = no.needs_the_user() && !matches!(self.grant, Grant::ClientCredentials);
        let still_waiting = no.is_still_waiting();
        let refusal = Refusal::new(format!("the {} request", self.grant.name()), status, self.scopes, no)
            .correlated(&self.correlation_id.to_string());
        if still_waiting {
            return refusal.into(); // Not a refusal: the person has not answered yet.
        }
        tracing::warn!(
            error = refusal.error,
            codes = ?refusal.codes,
            suberror = refusal.suberror,
            correlation_id = refusal.correlation_id,
            "Entra refused {}",
            refusal.request
        );
        if needs_the_user {
            return InteractionRequired { scopes: self.scopes.clone(), refusal: Some(refusal) }.into();
        }
        refusal.into()
    }

    fn now(&self) -> jiff::Timestamp {
        self.client.clock.now()
    }
}

/// `Retry-After` (RFC 9110 §10.2.3): seconds, or a date.
fn retry_after(text: &str, now: jiff::Timestamp) -> Option<SignedDuration> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(SignedDuration::from_secs(seconds.into()));
    }
    let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(date.timestamp().duration_since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checklist 110.
    #[test]
    fn times_to_wait_are_seconds_or_dates() {
        let now = jiff::Timestamp::from_second(1_445_412_480).unwrap(); // 21 Oct 2015 07:28:00 UTC
        assert_eq!(retry_after("17", now), Some(SignedDuration::from_secs(17)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:30:00 GMT", now), Some(SignedDuration::from_mins(2)));
        for absurd in ["", "soon", "-5", "99999999999999", "1e3"] {
            assert_eq!(retry_after(absurd, now), None, "{absurd}");
        }
    }
}
