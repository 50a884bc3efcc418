//! Claims about a person that depend on more than the kind of token: groups and their overage, what a guest brings
//! along, and the optional claims of a registration.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::directory::{Application, OptionalClaim};
use crate::sign_in::hints;
use crate::state::LabState;
use crate::tokens::claims::{Issue, OnBehalf, put};

/// As many groups fit a token; a client of somebody with more has to ask Graph.
const MOST_GROUPS: usize = 200;
/// As many fit one that travels in an address.
const MOST_GROUPS_IN_FRONT: usize = 6;
/// Where everybody signs in from.
pub const ADDRESS: &str = "127.0.0.1";

/// Adds them to a token whose audience is this application.
pub fn put_all(
    claims: &mut Map<String, Value>,
    issue: &Issue<'_>,
    audience: &Application,
    wanted: &BTreeSet<OptionalClaim>,
    of: &OnBehalf<'_>,
) {
    if (of.name_groups)(audience.id) {
        put_groups(claims, issue, of);
    }
    if let Some(home) = of.user.home {
        put(claims, "idp", json!(LabState::issuer_v1(home.tenant)));
        put(claims, "email", json!(of.user.mail));
    }
    for claim in wanted {
        if let Some((name, value)) = optional(*claim, issue, of) {
            put(claims, name, value);
        }
    }
}

fn put_groups(claims: &mut Map<String, Value>, issue: &Issue<'_>, of: &OnBehalf<'_>) {
    let (tenant, user) = (issue.tenant.id, of.user.id);
    let groups: Vec<Uuid> = issue.tenant.groups_of(user).map(|g| g.id).collect();
    if of.front_channel && groups.len() > MOST_GROUPS_IN_FRONT {
        put(claims, "hasgroups", json!(true));
    } else if groups.len() > MOST_GROUPS {
        // Entra still names the retired Azure AD Graph here; clients ask Microsoft Graph for the same.
        let endpoint = format!("https://graph.windows.net/{tenant}/users/{user}/getMemberObjects");
        put(claims, "_claim_names", json!({ "groups": "src1" }));
        put(claims, "_claim_sources", json!({ "src1": { "endpoint": endpoint } }));
    } else if !groups.is_empty() {
        put(claims, "groups", json!(groups));
    }
}

fn optional(claim: OptionalClaim, issue: &Issue<'_>, of: &OnBehalf<'_>) -> Option<(&'static str, Value)> {
    let user = of.user;
    let text = |name, value: &Option<String>| value.as_ref().map(|v| (name, json!(v)));
    match claim {
        OptionalClaim::Acct => Some(("acct", json!(i32::from(user.home.is_some())))),
        OptionalClaim::AuthTime => Some(("auth_time", json!(of.auth_time))),
        OptionalClaim::Email => text("email", &user.mail),
        OptionalClaim::FamilyName => text("family_name", &user.surname),
        OptionalClaim::GivenName => text("given_name", &user.given_name),
        OptionalClaim::Ipaddr => Some(("ipaddr", json!(ADDRESS))),
        OptionalClaim::LoginHint => Some(("login_hint", json!(hints::opaque(issue.tenant.id, user.id)))),
        OptionalClaim::Sid => Some(("sid", json!(of.sid))),
        OptionalClaim::Upn => Some(("upn", json!(user.upn))),
        // What these say depends on more than the person.
        OptionalClaim::Idtyp | OptionalClaim::IdtypOfUsers | OptionalClaim::XmsCc => None,
    }
}
