//! The pages of a sign-in. Templates in `templates/`, escaped by askama, without JavaScript.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use crate::directory::{Tenant, User};
use crate::errors::Aadsts;
use crate::ids::RequestIds;
use crate::permissions::Wanted;
use crate::random;
use crate::recorder::note;
use crate::refusal::{Refusal, stamp};
use crate::sign_in::SignInRequest;
use crate::sign_in::flow::Open;
use crate::sign_in::html::{html, page};
use crate::state::LabState;

/// What the forms of every page share.
struct Form {
    action: String,
    transaction: String,
    token: String,
    client: String,
}

/// One account on the picker.
struct Card {
    id: String,
    upn: String,
    name: String,
    job_title: String,
    initials: String,
    colour: String,
    signed_in: bool,
}

#[derive(Template)]
#[template(path = "pick_account.html")]
struct PickAccount {
    form: Form,
    cards: Vec<Card>,
}

#[derive(Template)]
#[template(path = "username.html")]
struct Username<'a> {
    form: Form,
    error: Option<ErrorText>,
    upn: &'a str,
}

#[derive(Template)]
#[template(path = "password.html")]
struct Password {
    form: Form,
    card: Card,
    error: Option<ErrorText>,
}

#[derive(Template)]
#[template(path = "otp.html")]
struct Otp {
    form: Form,
    card: Card,
    error: Option<ErrorText>,
}

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage<'a> {
    form: Form,
    card: Card,
    wanted: &'a [Wanted<'a>],
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    error: ErrorText,
    correlation: String,
    trace: String,
    at: String,
}

#[derive(Template)]
#[template(path = "error_code.html")]
struct ErrorCode {
    row: Option<&'static Aadsts>,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOut<'a> {
    frames: &'a [String],
    back: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPost<'a> {
    uri: &'a str,
    members: &'a [(&'static str, String)],
    nonce: &'a str,
}

/// A refusal in words for a page.
struct ErrorText {
    code: u32,
    sentence: String,
    fix: &'static str,
}

impl From<&Refusal> for ErrorText {
    fn from(refusal: &Refusal) -> Self {
        Self { code: refusal.row.code, sentence: refusal.sentence(), fix: refusal.row.fix }
    }
}

/// The account picker: everybody who can sign in here.
pub fn pick_account(state: &LabState, open: &Open, request: &SignInRequest) -> HttpResponse {
    let directory = state.directory();
    let meant = |t: &&Tenant| request.authority.admits(t.id) && request.hints.admits(&directory, t);
    let tenants = directory.tenants.iter().filter(meant);
    let people = tenants.flat_map(|t| &t.users).filter(|u| u.password.is_some());
    let cards = people.map(|u| card(u, open)).collect();
    page(StatusCode::OK, &PickAccount { form: form(state, open, request), cards })
}

/// The form for another account.
pub fn username(
    state: &LabState,
    open: &Open,
    request: &SignInRequest,
    refusal: Option<&Refusal>,
    upn: &str,
) -> HttpResponse {
    let error = refusal.map(ErrorText::from);
    page(StatusCode::OK, &Username { form: form(state, open, request), error, upn })
}

/// The password form of one account.
pub fn password(
    state: &LabState,
    open: &Open,
    request: &SignInRequest,
    user: &User,
    refusal: Option<&Refusal>,
) -> HttpResponse {
    let (form, card) = (form(state, open, request), card(user, open));
    page(StatusCode::OK, &Password { form, card, error: refusal.map(ErrorText::from) })
}

/// The form for the code of the second factor.
pub fn otp(
    state: &LabState,
    open: &Open,
    request: &SignInRequest,
    user: &User,
    refusal: Option<&Refusal>,
) -> HttpResponse {
    let (form, card) = (form(state, open, request), card(user, open));
    page(StatusCode::OK, &Otp { form, card, error: refusal.map(ErrorText::from) })
}

/// What the application wants to be allowed.
pub fn consent(
    state: &LabState,
    open: &Open,
    request: &SignInRequest,
    user: &User,
    wanted: &[Wanted<'_>],
) -> HttpResponse {
    let (form, card) = (form(state, open, request), card(user, open));
    page(StatusCode::OK, &ConsentPage { form, card, wanted })
}

/// A refusal that the application is not told, because nobody knows whether it is the right one.
pub fn refused(req: &HttpRequest, state: &LabState, ids: &RequestIds, refusal: &Refusal) -> HttpResponse {
    note(req, |n| n.error_code = Some(refusal.row.code));
    let error = ErrorPage {
        error: refusal.into(),
        correlation: ids.correlation.to_string(),
        trace: ids.trace.to_string(),
        at: stamp(state.clock.now()),
    };
    page(StatusCode::BAD_REQUEST, &error)
}

/// What a code means, by itself.
pub fn explained(row: Option<&'static Aadsts>) -> HttpResponse {
    let status = if row.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    page(status, &ErrorCode { row })
}

/// The end of the session. The frames tell other applications (OpenID Connect Front-Channel Logout).
pub fn signed_out(frames: &[String], back: Option<&str>) -> HttpResponse {
    let origins: Vec<String> =
        frames.iter().filter_map(|f| Some(url::Url::parse(f).ok()?.origin().ascii_serialization())).collect();
    let policy =
        if origins.is_empty() { String::new() } else { format!("frame-src {}; ", origins.join(" ")) };
    html(StatusCode::OK, &SignedOut { frames, back }, &policy)
}

/// The form that brings the answer to the application. Its script only presses the button.
pub fn form_post(uri: &str, members: &[(&'static str, String)]) -> HttpResponse {
    let nonce = random::handle(1);
    html(StatusCode::OK, &FormPost { uri, members, nonce: &nonce }, &format!("script-src 'nonce-{nonce}'; "))
}

fn form(state: &LabState, open: &Open, request: &SignInRequest) -> Form {
    let client = state.directory().any_app(request.client).map(|a| a.name.clone());
    Form {
        action: format!("/{}/login", request.authority.segment()),
        transaction: open.transaction.clone(),
        token: open.form_token.clone(),
        client: client.unwrap_or_default(),
    }
}

fn card(user: &User, open: &Open) -> Card {
    let letters = |w: &str| w.chars().next().into_iter().flat_map(char::to_uppercase).collect::<String>();
    let initials = user.display_name.split_whitespace().take(2).map(letters).collect();
    let name = user.upn.split('@').next().unwrap_or_default();
    let id: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    Card {
        id: id.to_ascii_lowercase(),
        upn: user.upn.clone(),
        name: user.display_name.clone(),
        job_title: user.job_title.clone().unwrap_or_default(),
        initials,
        colour: user.photo.clone().unwrap_or_else(|| "#5b6470".to_owned()),
        signed_in: open.browser.signed_in.iter().any(|s| s.user == user.id),
    }
}
