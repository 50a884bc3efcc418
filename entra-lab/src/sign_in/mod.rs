//! A sign-in at the lab's pages, from the authorization request to the answer for the application.
//!
//! `request` reads and checks the parameters, `hints` whom they mean, `flow` decides which page comes next, `pages` are the
//! pages, `cookie` is the browser's session, `finish` ends it, `front_channel` makes tokens where the application gets
//! them without a code, and `answer` brings the result back.

use uuid::Uuid;

use crate::authority::Authority;
use crate::devices::Asked;
use crate::issued::Challenge;
use crate::policy::claims_request::ClaimsRequest;
use crate::refusal::Refusal;
use crate::sign_in::hints::Hints;

pub mod answer;
pub mod cookie;
pub mod finish;
pub mod flow;
pub mod front_channel;
pub mod hints;
pub mod html;
pub mod pages;
pub mod request;

/// A checked authorization request, and how far its sign-in has come.
#[derive(Debug, Clone)]
pub struct SignInRequest {
    pub authority: Authority,
    pub client: Uuid,
    pub to: Return,
    /// The way back leads to a single-page application.
    pub spa: bool,
    pub wants: ResponseType,
    /// It came to the version 1 endpoint, so the ID token is of version 1.
    pub version1: bool,
    pub nonce: Option<String>,
    pub scope: String,
    pub challenge: Option<Challenge>,
    pub prompt: Prompt,
    pub hints: Hints,
    pub max_age: Option<i64>,
    pub wants_client_info: bool,
    pub claims: ClaimsRequest,
    pub correlation_id: Uuid,
    /// The account that was picked: tenant and user.
    pub chosen: Option<(Uuid, Uuid)>,
    /// The password was typed during this very sign-in.
    pub fresh: bool,
    /// The user agreed during this very sign-in.
    pub consented: bool,
    /// The device code that waits for this sign-in; then there is no application to return to.
    pub device: Option<String>,
}

impl SignInRequest {
    /// A sign-in for a device that waits elsewhere.
    pub fn for_device(device_code: String, asked: &Asked, correlation_id: Uuid) -> Self {
        Self {
            authority: asked.authority,
            client: asked.client,
            to: Return { uri: String::new(), mode: ResponseMode::Query, state: None },
            spa: false,
            wants: ResponseType { code: true, id_token: false, token: false },
            version1: false,
            nonce: None,
            scope: asked.scope.clone(),
            challenge: None,
            prompt: Prompt::AsNeeded,
            hints: Hints::default(),
            max_age: None,
            wants_client_info: false,
            claims: asked.claims.clone(),
            correlation_id,
            chosen: None,
            fresh: false,
            consented: false,
            device: Some(device_code),
        }
    }
}

/// How the answer gets back to the application.
#[derive(Debug, Clone)]
pub struct Return {
    pub uri: String,
    pub mode: ResponseMode,
    pub state: Option<String>,
}

/// What the application wants from the authorization endpoint itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseType {
    pub code: bool,
    pub id_token: bool,
    pub token: bool,
}

/// Where the members of the answer stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseMode {
    Query,
    Fragment,
    FormPost,
}

/// What the application wants the user to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    AsNeeded,
    Login,
    None,
    Consent,
    SelectAccount,
}

/// An authorization request that is refused, and whether the application may be told.
#[derive(Debug)]
pub enum Wrong {
    /// Client or redirect URI are not trusted, so the user sees a page.
    Page(Refusal),
    /// The application hears it.
    Redirect(Box<(Refusal, Return)>),
}
