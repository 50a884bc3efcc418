//! The people on the home page, and what each of them is good for in a lesson.
//!
//! The notes follow from the seed and from the consent of the moment, not from names.

use crate::directory::{Tenant, User};
use crate::graph::avatar::initials;
use crate::state::LabState;

/// One person who can sign in.
pub struct Person {
    pub name: String,
    pub initials: String,
    pub has_photo: bool,
    pub job_title: String,
    pub upn: String,
    pub password: String,
    pub otp: Option<String>,
    pub object_id: String,
    /// Such as `Reader in web-app`.
    pub roles: Vec<String>,
    pub notes: Vec<String>,
}

pub fn person(state: &LabState, tenant: &Tenant, user: &User) -> Person {
    Person {
        name: user.display_name.clone(),
        initials: initials(&user.display_name),
        has_photo: user.photo.is_some(),
        job_title: user.job_title.clone().unwrap_or_default(),
        upn: user.upn.clone(),
        password: user.password.as_ref().map(|p| p.reveal().to_owned()).unwrap_or_default(),
        otp: user.otp.as_ref().map(|code| code.reveal().to_owned()),
        object_id: user.id.to_string(),
        roles: roles(tenant, user),
        notes: notes(state, tenant, user),
    }
}

fn roles(tenant: &Tenant, user: &User) -> Vec<String> {
    let in_app = |app: &crate::directory::Application| {
        let held = tenant.roles_of(user.id, app.id);
        held.into_iter().map(|role| format!("{role} in {}", app.name)).collect::<Vec<_>>()
    };
    tenant.apps.iter().flat_map(in_app).collect()
}

fn notes(state: &LabState, tenant: &Tenant, user: &User) -> Vec<String> {
    let mail = match user.messages.len() {
        0 => "An empty mailbox.".to_owned(),
        1 => "One message.".to_owned(),
        many => format!("{many} messages."),
    };
    let photo =
        if user.photo.is_some() { "Has a photo." } else { "No photo: Graph answers 404 ImageNotFound." };
    let mut notes = vec![format!("{photo} {mail}")];
    // Consent that others have and this person lacks shows what a refusal looks like.
    for consent in tenant.consents.iter().filter(|c| c.users.is_some()) {
        let (Some(client), Some(resource)) = (tenant.app(consent.client), tenant.app(consent.resource))
        else {
            continue;
        };
        let granted = state.consents.granted(tenant.id, user.id, client.id, resource.id);
        for scope in consent.scopes.difference(&granted) {
            notes.push(format!(
                "{} has no consent for {scope} of {}: the token request ends in AADSTS65001.",
                client.name, resource.name
            ));
        }
    }
    notes
}
