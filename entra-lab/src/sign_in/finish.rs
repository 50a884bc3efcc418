//! The end of a sign-in: a code or tokens for the application, or a refusal that the application hears.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse};

use crate::endpoints::device_auth;
use crate::errors::{DECLINED, DEVICE_EXPIRED, FORM_NOT_OURS};
use crate::ids::RequestIds;
use crate::issued::{Code, SignIn};
use crate::policy::decide::Strength;
use crate::recorder::note;
use crate::refusal::Refusal;
use crate::sessions::SignedIn;
use crate::sign_in::flow::Open;
use crate::sign_in::{Return, SignInRequest, answer, front_channel, pages};
use crate::state::LabState;
use crate::tokens::mint::client_info;

/// Ends a sign-in with a refusal that the application hears.
pub fn refuse(
    req: &HttpRequest,
    state: &LabState,
    ids: &RequestIds,
    open: &Open,
    request: &SignInRequest,
    refusal: &Refusal,
) -> HttpResponse {
    state.sessions.finish(&open.transaction);
    if let Some(device_code) = &request.device {
        note(req, |n| n.error_code = Some(refusal.row.code));
        state.devices.decline(device_code);
        return if refusal.row.code == DECLINED.code {
            device_auth::done(false)
        } else {
            pages::refused(req, state, ids, refusal)
        };
    }
    send_refusal(req, state, ids, &request.to, refusal)
}

/// Sends a refusal to the application.
pub fn send_refusal(
    req: &HttpRequest,
    state: &LabState,
    ids: &RequestIds,
    to: &Return,
    refusal: &Refusal,
) -> HttpResponse {
    note(req, |n| n.error_code = Some(refusal.row.code));
    let description = refusal.description(ids, state.clock.now());
    let uri = format!("{}/error?code={}", state.base_url(req), refusal.row.code);
    let members =
        vec![("error", refusal.error.to_owned()), ("error_description", description), ("error_uri", uri)];
    answer::send(to, members)
}

/// Ends a sign-in with what the application wants.
pub fn done(
    req: &HttpRequest,
    state: &LabState,
    ids: &RequestIds,
    open: &Open,
    request: &SignInRequest,
    who: SignedIn,
    contexts: BTreeSet<String>,
) -> HttpResponse {
    // A form that is sent twice must not give two codes.
    if !state.sessions.finish(&open.transaction) {
        return pages::refused(req, state, ids, &FORM_NOT_OURS.into());
    }
    let sign_in = SignIn {
        tenant: who.tenant,
        user: who.user,
        client: request.client,
        scope: request.scope.clone(),
        auth_time: who.auth_time,
        sid: who.sid,
        strength: Strength { mfa: who.mfa, contexts, epoch: who.epoch },
        ends: None,
    };
    if let Some(device_code) = &request.device {
        let in_time = state.devices.approve(device_code, sign_in);
        return if in_time {
            device_auth::done(true)
        } else {
            pages::refused(req, state, ids, &DEVICE_EXPIRED.into())
        };
    }
    state.sessions.visited(&open.cookie, who.user, request.client);
    let code = request.wants.code.then(|| {
        let code = Code {
            sign_in: sign_in.clone(),
            redirect_uri: request.to.uri.clone(),
            nonce: request.nonce.clone(),
            challenge: request.challenge.clone(),
            wants_auth_time: request.max_age.is_some(),
            spa: request.spa,
        };
        state.issued.code(code, state.clock.seconds())
    });
    let tokens = front_channel::tokens(state, &state.base_url(req), request, sign_in, code.as_deref());
    let tokens = match tokens {
        Ok(tokens) => tokens,
        Err(refusal) => return send_refusal(req, state, ids, &request.to, &refusal),
    };
    let mut members: Vec<_> = code.into_iter().map(|code| ("code", code)).chain(tokens).collect();
    members.push(("session_state", who.sid.to_string()));
    if request.wants_client_info {
        let directory = state.directory();
        let user = directory.tenant_by_id(who.tenant).and_then(|t| t.user(who.user));
        members.extend(user.map(|user| ("client_info", client_info(user, who.tenant))));
    }
    answer::send(&request.to, members)
}
