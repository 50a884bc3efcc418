//! `POST /{tenant}/login`: every form of the sign-in pages comes here.
//!
//! The form names its sign-in and carries its token; both must belong to the browser's cookie.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::directory::Directory;
use crate::errors::{
    BAD_PARAMETER, BAD_PASSWORD, DECLINED, FOREIGN_ACCOUNT, FORM_NOT_OURS, UNKNOWN_USER, WRONG_OTP,
};
use crate::ids::RequestIds;
use crate::params::Params;
use crate::permissions;
use crate::recorder::note;
use crate::refusal::Refusal;
use crate::scopes;
use crate::sessions::SignedIn;
use crate::sign_in::flow::{self, Open};
use crate::sign_in::{SignInRequest, cookie, finish, pages};
use crate::state::LabState;

/// One step of a sign-in.
pub async fn login(req: HttpRequest, body: web::Bytes, state: web::Data<LabState>) -> HttpResponse {
    let params = Params::from_form(&req, &body);
    let mut ids = RequestIds::of(&req, &params);
    let now = state.clock.seconds();
    let transaction = params.get("transaction").unwrap_or_default().to_owned();
    let form_token = params.get("form_token").unwrap_or_default().to_owned();
    let browser = cookie::known_browser(&req, &state);
    let found = browser.and_then(|(cookie, browser)| {
        let request = state.sessions.find(&transaction, &form_token, &browser, now)?;
        Some((cookie, browser, request))
    });
    let Some((cookie, browser, request)) = found else {
        return pages::refused(&req, &state, &ids, &FORM_NOT_OURS.into());
    };
    // The whole sign-in goes by the id of the request that began it.
    ids.correlation = request.correlation_id;
    note(&req, |n| {
        n.correlation_id = Some(request.correlation_id);
        n.client_id = Some(request.client);
    });
    let open = Open { cookie, browser, transaction, form_token, set_cookie: false };
    step(&req, &state, &ids, &params, open, request)
}

fn step(
    req: &HttpRequest,
    state: &LabState,
    ids: &RequestIds,
    params: &Params,
    open: Open,
    mut request: SignInRequest,
) -> HttpResponse {
    let directory = state.directory();
    match params.get("action").unwrap_or_default() {
        "back" => {
            request.chosen = None;
            pages::pick_account(state, &open, &request)
        }
        "other" => pages::username(state, &open, &request, None, ""),
        "account" | "username" => {
            let upn = params.get("account").or_else(|| params.get("username")).unwrap_or_default();
            match account(&directory, &request, upn) {
                Ok(chosen) => {
                    request.chosen = Some(chosen);
                    flow::proceed(req, state, ids, open, request)
                }
                Err(refusal) => {
                    note(req, |n| n.error_code = Some(refusal.row.code));
                    pages::username(state, &open, &request, Some(&refusal), upn)
                }
            }
        }
        "password" => password(req, state, ids, params, open, request),
        "otp" => otp(req, state, ids, params, open, request),
        "accept" => accept(req, state, ids, open, request),
        "decline" => finish::refuse(req, state, ids, &open, &request, &DECLINED.into()),
        _ => pages::refused(req, state, ids, &BAD_PARAMETER.about("It is 'action'.")),
    }
}

/// The account with this sign-in name, if it may be used in this sign-in.
fn account(
    directory: &Directory,
    request: &SignInRequest,
    upn: &str,
) -> Result<(uuid::Uuid, uuid::Uuid), Refusal> {
    let (tenant, user) = directory.user_by_upn(upn).ok_or(UNKNOWN_USER)?;
    if !request.authority.admits(tenant.id) {
        return Err(FOREIGN_ACCOUNT.into());
    }
    Ok((tenant.id, user.id))
}

fn password(
    req: &HttpRequest,
    state: &LabState,
    ids: &RequestIds,
    params: &Params,
    mut open: Open,
    mut request: SignInRequest,
) -> HttpResponse {
    let directory = state.directory();
    let chosen = request.chosen.and_then(|(t, u)| Some((t, directory.tenant_by_id(t)?.user(u)?)));
    let Some((tenant, user)) = chosen else { return pages::pick_account(state, &open, &request) };
    let given = params.get("password").unwrap_or_default();
    if !user.password.as_ref().is_some_and(|p| p.matches(given)) {
        note(req, |n| n.error_code = Some(BAD_PASSWORD.code));
        return pages::password(state, &open, &request, user, Some(&BAD_PASSWORD.into()));
    }
    // Only who knows the password learns what is wrong with the account.
    if let Err(refusal) = state.policies.must_be_in_order(user) {
        note(req, |n| n.error_code = Some(refusal.row.code));
        return pages::password(state, &open, &request, user, Some(&refusal));
    }
    let now = state.clock.seconds();
    let who = SignedIn {
        tenant,
        user: user.id,
        auth_time: now,
        mfa: false,
        epoch: state.policies.epoch(user.id),
        sid: uuid::Uuid::new_v4(),
    };
    let Some((cookie, browser)) = state.sessions.sign_in(&open.cookie, who, now) else {
        return pages::refused(req, state, ids, &FORM_NOT_OURS.into());
    };
    request.fresh = true;
    (open.cookie, open.browser, open.set_cookie) = (cookie, browser, true);
    flow::proceed(req, state, ids, open, request)
}

/// The second factor, after the password.
fn otp(
    req: &HttpRequest,
    state: &LabState,
    ids: &RequestIds,
    params: &Params,
    mut open: Open,
    request: SignInRequest,
) -> HttpResponse {
    let directory = state.directory();
    let signed_in = request.chosen.filter(|(_, u)| open.browser.signed_in.iter().any(|s| s.user == *u));
    let chosen = signed_in.and_then(|(t, u)| directory.tenant_by_id(t)?.user(u));
    let Some(user) = chosen else { return pages::pick_account(state, &open, &request) };
    let given = params.get("otp").unwrap_or_default().trim();
    if !user.otp.as_ref().is_some_and(|code| code.matches(given)) {
        note(req, |n| n.error_code = Some(WRONG_OTP.code));
        return pages::otp(state, &open, &request, user, Some(&WRONG_OTP.into()));
    }
    let Some(browser) = state.sessions.strengthen(&open.cookie, user.id) else {
        return pages::refused(req, state, ids, &FORM_NOT_OURS.into());
    };
    open.browser = browser;
    flow::proceed(req, state, ids, open, request)
}

fn accept(
    req: &HttpRequest,
    state: &LabState,
    ids: &RequestIds,
    open: Open,
    mut request: SignInRequest,
) -> HttpResponse {
    let directory = state.directory();
    // Only somebody who is signed in in this browser can agree, and only for themselves.
    let signed_in = request.chosen.filter(|(_, u)| open.browser.signed_in.iter().any(|s| s.user == *u));
    let Some((tenant, user)) = signed_in.and_then(|(t, u)| {
        let tenant = directory.tenant_by_id(t)?;
        Some((tenant, tenant.user(u)?))
    }) else {
        return pages::pick_account(state, &open, &request);
    };
    let Some(client) = directory.app_in(tenant, request.client) else {
        return pages::refused(req, state, ids, &FORM_NOT_OURS.into());
    };
    let requested = scopes::parse(tenant, client.id, &request.scope, crate::errors::UNKNOWN_SCOPE);
    let wanted = requested.and_then(|r| permissions::to_ask(state, tenant, user, client, &r, true));
    match wanted {
        Err(refusal) => finish::refuse(req, state, ids, &open, &request, &refusal),
        Ok(wanted) => {
            for entry in wanted {
                let names = entry.scopes.iter().map(|s| s.value.clone());
                state.consents.add(tenant.id, user.id, entry.client.id, entry.resource.id, names);
            }
            request.consented = true;
            flow::proceed(req, state, ids, open, request)
        }
    }
}
