//! Whom an application means: `login_hint`, `sid` and `id_token_hint` name an account, `domain_hint` an organisation.
//!
//! A hint never lets anybody in. It saves a question, and where nothing may be asked (`prompt=none`) a hint that fits
//! nobody who is signed in ends the request.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::authority::Authority;
use crate::directory::{Directory, Tenant};
use crate::errors::{BAD_PARAMETER, DOMAIN_AND_OPAQUE_HINT, SID_AND_LOGIN_HINT};
use crate::params::Params;
use crate::refusal::Refusal;
use crate::sessions::Browser;
use crate::state::LabState;
use crate::tokens::verify;

/// The value of the claim `login_hint` starts like this.
const OPAQUE: &str = "O.";

/// What a request says about the user.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    login: Option<String>,
    sid: Option<String>,
    /// Tenant and user of an ID token.
    id_token: Option<(Uuid, Uuid)>,
    domain: Option<String>,
}

/// The account that hints name.
#[derive(Debug, PartialEq, Eq)]
pub enum Named {
    /// There is no hint.
    Nobody,
    /// Tenant and user.
    Account(Uuid, Uuid),
    /// Nobody here, or nobody who may use this address; with the name that was given.
    Unknown(String),
}

impl Hints {
    /// Two hints that Entra does not take together are refused on a page.
    pub fn must_go_together(params: &Params) -> Result<(), Refusal> {
        let login = params.get("login_hint");
        if login.is_some() && params.get("sid").is_some() {
            return Err(SID_AND_LOGIN_HINT.into());
        }
        if login.is_some_and(|hint| hint.starts_with(OPAQUE)) && params.get("domain_hint").is_some() {
            return Err(DOMAIN_AND_OPAQUE_HINT.into());
        }
        Ok(())
    }

    pub fn read(state: &LabState, params: &Params) -> Result<Self, Refusal> {
        let text = |name| params.get(name).map(str::to_owned);
        let id_token = params.get("id_token_hint").map(|token| {
            verify::id_token_hint(state, token)
                .ok_or_else(|| BAD_PARAMETER.about("It is 'id_token_hint', which is no ID token of the lab."))
        });
        Ok(Self {
            login: text("login_hint"),
            sid: text("sid"),
            id_token: id_token.transpose()?,
            domain: text("domain_hint"),
        })
    }

    /// The account that is meant, if it is one of those that may use this address.
    pub fn named(&self, directory: &Directory, authority: Authority, browser: &Browser) -> Named {
        let (given, found) = match (&self.login, &self.sid, self.id_token) {
            (Some(hint), ..) => (hint.as_str(), account(directory, hint)),
            (None, _, Some(account)) => ("", Some(account)),
            (None, Some(sid), None) => {
                let session = browser.signed_in.iter().find(|s| s.sid.to_string() == *sid);
                ("", session.map(|s| (s.tenant, s.user)))
            }
            (None, None, None) => return Named::Nobody,
        };
        match found.filter(|(tenant, _)| authority.admits(*tenant)) {
            Some((tenant, user)) => Named::Account(tenant, user),
            // An opaque value says nothing to a person.
            None if given.starts_with(OPAQUE) => Named::Unknown(String::new()),
            None => Named::Unknown(given.to_owned()),
        }
    }

    /// Whether accounts of this tenant are meant. Every account of the lab is one of an organisation, and a domain
    /// that nobody here has says nothing.
    pub fn admits(&self, directory: &Directory, tenant: &Tenant) -> bool {
        let hinted = self.domain.as_deref().and_then(|domain| directory.tenant(domain));
        !self.is_for_consumers() && hinted.is_none_or(|hinted| hinted.id == tenant.id)
    }

    /// Whether personal accounts are meant, which the lab does not have.
    pub fn is_for_consumers(&self) -> bool {
        self.domain.as_deref().is_some_and(|domain| domain.eq_ignore_ascii_case("consumers"))
    }
}

/// The account that a `login_hint` or `logout_hint` names: a sign-in name, or the value of the claim.
pub fn account(directory: &Directory, hint: &str) -> Option<(Uuid, Uuid)> {
    let Some(opaque) = hint.strip_prefix(OPAQUE) else {
        return directory.user_by_upn(hint).map(|(tenant, user)| (tenant.id, user.id));
    };
    let bytes = URL_SAFE_NO_PAD.decode(opaque).ok()?;
    let (tenant, user) = bytes.split_at_checked(16)?;
    let (tenant, user) = (Uuid::from_slice(tenant).ok()?, Uuid::from_slice(user).ok()?);
    directory.tenant_by_id(tenant)?.user(user).map(|user| (tenant, user.id))
}

/// The value of the claim `login_hint`: names an account and says nothing to anybody else.
pub fn opaque(tenant: Uuid, user: Uuid) -> String {
    format!("{OPAQUE}{}", URL_SAFE_NO_PAD.encode([tenant.into_bytes(), user.into_bytes()].concat()))
}
