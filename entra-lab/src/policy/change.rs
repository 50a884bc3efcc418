//! `POST /lab/policy`: one change of the policies, as JSON. People are named by their sign-in name,
//! applications by id, App ID URI or name.

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::directory::{Application, Directory, Tenant};
use crate::policy::{Demand, Policy, Switch, groups};
use crate::state::LabState;

/// One change. The JSON has the name of the variant as `kind`.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PolicyChange {
    /// A second factor for whom and what is named; nothing named means everyone.
    RequireMfa { user: Option<String>, client: Option<String>, resource: Option<String> },
    /// An authentication context (`c1` to `c99`) for tokens of this resource.
    AuthContext { context: String, user: Option<String>, client: Option<String>, resource: Option<String> },
    /// The password must have been typed at most this many seconds ago.
    SignInFrequency { seconds: i64, user: Option<String>, client: Option<String>, resource: Option<String> },
    /// A managed device, which nobody has here.
    RequireCompliantDevice { user: Option<String>, client: Option<String>, resource: Option<String> },
    /// No tokens at all.
    Block { user: Option<String>, client: Option<String>, resource: Option<String> },
    /// Takes one policy away.
    Remove { id: Uuid },
    /// Takes every policy away.
    RemoveAll,
    /// Sessions, refresh tokens and CAE tokens of the user end now.
    RevokeSessions { user: String },
    /// Only people and applications with an app role may use it.
    AssignmentRequired { app: String, on: bool },
    /// The application is switched off.
    AppDisabled { app: String, on: bool },
    /// Every secret of the application counts as expired.
    SecretExpired { app: String, on: bool },
    /// Tokens for the application, and its own ID tokens, name the user's groups.
    GroupClaims { app: String, on: bool },
    /// The user is in so many generated groups, and in no other generated one.
    GroupMembership { user: String, count: u16 },
    /// The account is switched off.
    UserDisabled { user: String, on: bool },
    /// The account is locked after wrong passwords.
    UserLocked { user: String, on: bool },
    /// The password has expired.
    PasswordExpired { user: String, on: bool },
    /// After so many requests for the same token within five minutes the client is told that it loops; without a
    /// number never.
    LoopLimit { requests: Option<u32> },
    /// Consent of one user, or of an administrator for everyone.
    GrantConsent { client: String, resource: String, scopes: Vec<String>, user: Option<String> },
    /// Takes consent back: of one user, or without a user of everyone; without scopes all of it.
    WithdrawConsent { client: String, resource: String, scopes: Option<Vec<String>>, user: Option<String> },
}

impl PolicyChange {
    /// Applies the change; the answer names a new policy's id. The error is a sentence.
    pub fn apply(self, state: &LabState) -> Result<Value, String> {
        let directory = state.directory();
        let find = Find(&directory);
        match self {
            Self::RequireMfa { user, client, resource } => {
                find.policy(state, Demand::RequireMfa, user, client, resource)
            }
            Self::AuthContext { context, user, client, resource } => {
                find.policy(state, Demand::AuthContext { context }, user, client, resource)
            }
            Self::SignInFrequency { seconds, user, client, resource } => {
                find.policy(state, Demand::SignInFrequency { seconds }, user, client, resource)
            }
            Self::RequireCompliantDevice { user, client, resource } => {
                find.policy(state, Demand::CompliantDevice, user, client, resource)
            }
            Self::Block { user, client, resource } => {
                find.policy(state, Demand::Block, user, client, resource)
            }
            Self::Remove { id } => {
                if state.policies.remove(id) {
                    done()
                } else {
                    Err(format!("There is no policy {id}."))
                }
            }
            Self::RemoveAll => {
                state.policies.remove_all();
                done()
            }
            Self::RevokeSessions { user } => {
                state.policies.revoke(find.user(&user)?.1, state.clock.seconds());
                done()
            }
            Self::AssignmentRequired { app, on } => find.switch(state, Switch::AssignmentRequired, &app, on),
            Self::AppDisabled { app, on } => find.switch(state, Switch::Disabled, &app, on),
            Self::SecretExpired { app, on } => find.switch(state, Switch::ExpiredSecrets, &app, on),
            Self::GroupClaims { app, on } => find.switch(state, Switch::GroupClaims, &app, on),
            Self::GroupMembership { user, count } => {
                let (tenant, user) = find.user(&user)?;
                state.change(|directory| groups::be_in(directory, tenant.id, user, count));
                done()
            }
            Self::UserDisabled { user, on } => find.user_switch(state, Switch::UserDisabled, &user, on),
            Self::UserLocked { user, on } => find.user_switch(state, Switch::UserLocked, &user, on),
            Self::PasswordExpired { user, on } => find.user_switch(state, Switch::PasswordExpired, &user, on),
            Self::LoopLimit { requests } => {
                state.loops.set_limit(requests);
                done()
            }
            Self::GrantConsent { client, resource, scopes, user } => {
                let (tenant, client) = find.app(&client)?;
                let (_, resource) = find.app(&resource)?;
                let names = scopes.iter().map(|s| known_scope(resource, s)).collect::<Result<Vec<_>, _>>()?;
                let user = user.map(|u| find.user(&u)).transpose()?.map(|u| u.1);
                state.consents.grant(tenant.id, user, client.id, resource.id, names);
                done()
            }
            Self::WithdrawConsent { client, resource, scopes, user } => {
                let (tenant, client) = find.app(&client)?;
                let (_, resource) = find.app(&resource)?;
                let user = user.map(|u| find.user(&u)).transpose()?.map(|u| u.1);
                state.consents.withdraw(tenant.id, user, client.id, resource.id, scopes.as_deref());
                done()
            }
        }
    }
}

fn done() -> Result<Value, String> {
    Ok(json!({ "status": "done" }))
}

fn known_scope(resource: &Application, name: &str) -> Result<String, String> {
    let missing = || format!("{} exposes no scope {name}.", resource.name);
    resource.scope(name).map(|s| s.value.clone()).ok_or_else(missing)
}

/// Looks names up in the directory.
struct Find<'d>(&'d Directory);

impl<'d> Find<'d> {
    fn user(&self, upn: &str) -> Result<(&'d Tenant, Uuid), String> {
        let missing = || format!("The directory has no user {upn}.");
        self.0.user_by_upn(upn).map(|(t, u)| (t, u.id)).ok_or_else(missing)
    }

    fn app(&self, named: &str) -> Result<(&'d Tenant, &'d Application), String> {
        let in_tenant = |t: &'d Tenant| {
            let by_name = t.apps.iter().find(|a| a.name.eq_ignore_ascii_case(named));
            t.resource(named).or(by_name).map(|a| (t, a))
        };
        let missing = || format!("No application has the id, App ID URI or name {named}.");
        self.0.tenants.iter().find_map(in_tenant).ok_or_else(missing)
    }

    fn policy(
        &self,
        state: &LabState,
        demand: Demand,
        user: Option<String>,
        client: Option<String>,
        resource: Option<String>,
    ) -> Result<Value, String> {
        let app = |named: Option<String>| {
            named.map(|n| self.app(&n).map(|found| found.1.id)).transpose().map(|id| id.into_iter().collect())
        };
        let users = user.map(|u| self.user(&u).map(|found| found.1)).transpose()?.into_iter().collect();
        let id = Uuid::new_v4();
        let name = "set by control".to_owned();
        let policy = Policy {
            id,
            name,
            demand,
            tenant: None,
            users,
            clients: app(client)?,
            resources: app(resource)?,
        };
        state.policies.add(policy);
        Ok(json!({ "id": id }))
    }

    fn switch(&self, state: &LabState, what: Switch, app: &str, on: bool) -> Result<Value, String> {
        state.policies.switch(what, self.app(app)?.1.id, on);
        done()
    }

    fn user_switch(&self, state: &LabState, what: Switch, user: &str, on: bool) -> Result<Value, String> {
        state.policies.switch(what, self.user(user)?.1, on);
        done()
    }
}
