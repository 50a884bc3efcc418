//! Decides what comes next in a sign-in: who is it, has the password been typed, have they agreed?
//!
//! Called at the start and after every form. What `prompt` and `max_age` mean stands here only.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse};

use crate::authority::NO_CONSUMERS;
use crate::directory::{Directory, User};
use crate::errors::{
    CONSENT_MISSING, MFA_NEEDED, MFA_NOT_ENROLLED, NO_SESSION, UNKNOWN_APP, UNKNOWN_SCOPE, WHICH_ACCOUNT,
};
use crate::ids::RequestIds;
use crate::permissions::{self, Wanted};
use crate::policy::decide::{Interactive, Strength, Visit};
use crate::refusal::Refusal;
use crate::scopes;
use crate::sessions::{Browser, SignedIn};
use crate::sign_in::finish::{done, refuse};
use crate::sign_in::hints::Named;
use crate::sign_in::{Prompt, SignInRequest, cookie, pages};
use crate::state::LabState;

/// A sign-in that is open in a browser.
pub struct Open {
    pub cookie: String,
    pub browser: Browser,
    pub transaction: String,
    pub form_token: String,
    /// The browser does not have this cookie yet.
    pub set_cookie: bool,
}

/// What comes next.
enum Step<'d> {
    PickAccount,
    /// Another name has to be typed; this one was hinted at.
    Username(String),
    Password(&'d User),
    Consent(&'d User, Vec<Wanted<'d>>),
    SecondFactor(&'d User),
    Done(SignedIn, BTreeSet<String>),
    Refuse(Refusal),
}

/// Starts a sign-in in this browser.
pub fn begin(
    req: &HttpRequest,
    state: &LabState,
    ids: &RequestIds,
    (cookie, browser, set_cookie): (String, Browser, bool),
    request: SignInRequest,
) -> HttpResponse {
    let now = state.clock.seconds();
    let (transaction, form_token) = state.sessions.begin(&browser, request.clone(), now);
    proceed(req, state, ids, Open { cookie, browser, transaction, form_token, set_cookie }, request)
}

/// Goes on with a sign-in.
pub fn proceed(
    req: &HttpRequest,
    state: &LabState,
    ids: &RequestIds,
    open: Open,
    mut request: SignInRequest,
) -> HttpResponse {
    let directory = state.directory();
    let step = next(state, &directory, &open.browser, &mut request);
    state.sessions.update(&open.transaction, request.clone());
    let mut response = match step {
        Step::PickAccount => pages::pick_account(state, &open, &request),
        Step::Username(name) => pages::username(state, &open, &request, None, &name),
        Step::Password(user) => pages::password(state, &open, &request, user, None),
        Step::Consent(user, wanted) => pages::consent(state, &open, &request, user, &wanted),
        Step::SecondFactor(user) => pages::otp(state, &open, &request, user, None),
        Step::Done(who, contexts) => done(req, state, ids, &open, &request, who, contexts),
        Step::Refuse(refusal) => refuse(req, state, ids, &open, &request, &refusal),
    };
    if open.set_cookie {
        cookie::set(req, &mut response, &open.cookie);
    }
    response
}

fn next<'d>(
    state: &LabState,
    directory: &'d Directory,
    browser: &Browser,
    request: &mut SignInRequest,
) -> Step<'d> {
    let silent = request.prompt == Prompt::None;
    if request.chosen.is_none()
        && let Err(step) = choose(directory, browser, request)
    {
        return step;
    }
    let person = request.chosen.and_then(|(t, u)| {
        let tenant = directory.tenant_by_id(t)?;
        Some((tenant, tenant.user(u)?))
    });
    let Some((tenant, user)) = person else { return Step::PickAccount };

    let Some(who) = authenticated(browser, request, user, state.clock.seconds()) else {
        return if silent { Step::Refuse(NO_SESSION.into()) } else { Step::Password(user) };
    };
    let Some(client) = directory.app_in(tenant, request.client) else {
        return Step::Refuse(UNKNOWN_APP.into());
    };
    let requested = match scopes::parse(tenant, client.id, &request.scope, UNKNOWN_SCOPE) {
        Ok(requested) => requested,
        Err(refusal) => return Step::Refuse(refusal),
    };
    let resources = requested.resources_or_graph();
    let strength = Strength { mfa: who.mfa, contexts: BTreeSet::new(), epoch: who.epoch };
    let visit = Visit { tenant, user, client, resources: &resources, claims: &request.claims };
    match state.policies.interactive(&visit, &strength, who.auth_time, state.clock.seconds()) {
        Interactive::Nothing => {}
        Interactive::Refused(refusal) => return Step::Refuse(refusal),
        Interactive::Password if silent => return Step::Refuse(NO_SESSION.into()),
        Interactive::Password => return Step::Password(user),
        Interactive::SecondFactor if silent => {
            return Step::Refuse(Refusal::from(MFA_NEEDED).with_error("interaction_required"));
        }
        Interactive::SecondFactor if user.otp.is_none() => {
            return Step::Refuse(Refusal::from(MFA_NOT_ENROLLED).with_error("interaction_required"));
        }
        Interactive::SecondFactor => return Step::SecondFactor(user),
    }
    let ask_again = request.prompt == Prompt::Consent && !request.consented;
    let wanted = permissions::to_ask(state, tenant, user, client, &requested, ask_again);
    match wanted {
        Err(refusal) => Step::Refuse(refusal),
        Ok(wanted) if wanted.is_empty() => {
            let contexts = state.policies.contexts(&visit);
            Step::Done(who, contexts)
        }
        Ok(_) if silent => Step::Refuse(Refusal::from(CONSENT_MISSING).with_error("consent_required")),
        Ok(wanted) => Step::Consent(user, wanted),
    }
}

/// Settles who is meant without asking, if that is possible and allowed.
fn choose<'d>(
    directory: &'d Directory,
    browser: &Browser,
    request: &mut SignInRequest,
) -> Result<(), Step<'d>> {
    let silent = request.prompt == Prompt::None;
    let hinted = match request.hints.named(directory, request.authority, browser) {
        Named::Nobody => None,
        Named::Account(tenant, user) => Some((tenant, user)),
        Named::Unknown(_) if silent => return Err(Step::Refuse(NO_SESSION.into())),
        Named::Unknown(name) if name.is_empty() => return Err(Step::PickAccount),
        Named::Unknown(name) => return Err(Step::Username(name)),
    };
    if hinted.is_none() && request.hints.is_for_consumers() {
        let refusal = if silent { NO_SESSION.into() } else { UNKNOWN_APP.about(NO_CONSUMERS) };
        return Err(Step::Refuse(refusal));
    }
    let meant = |s: &&SignedIn| {
        let tenant = directory.tenant_by_id(s.tenant);
        request.authority.admits(s.tenant) && tenant.is_some_and(|t| request.hints.admits(directory, t))
    };
    let here: Vec<SignedIn> = browser.signed_in.iter().filter(meant).copied().collect();
    request.chosen = match (request.prompt, hinted, here.as_slice()) {
        // With a hint there is nothing left to select.
        (_, Some(account), _) => Some(account),
        (Prompt::SelectAccount | Prompt::Login, None, _) => None,
        (Prompt::None, None, []) => return Err(Step::Refuse(NO_SESSION.into())),
        (_, None, [only]) => Some((only.tenant, only.user)),
        (Prompt::None, None, _) => return Err(Step::Refuse(WHICH_ACCOUNT.into())),
        (Prompt::AsNeeded | Prompt::Consent, None, _) => None,
    };
    if request.chosen.is_some() { Ok(()) } else { Err(Step::PickAccount) }
}

/// The user's sign-in in this browser, if it is good enough for the request.
fn authenticated(browser: &Browser, request: &SignInRequest, user: &User, now: i64) -> Option<SignedIn> {
    let who = browser.signed_in.iter().find(|s| s.user == user.id).copied()?;
    let too_old = request.max_age.is_some_and(|most| now - who.auth_time > most);
    let typed_again = request.fresh || (request.prompt != Prompt::Login && !too_old);
    typed_again.then_some(who)
}

/// Handles are credentials, so they are not printed.
impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("browser", &self.browser.id).finish_non_exhaustive()
    }
}
