//! Holds a sign-in against the policies, where nobody can be asked and where somebody can.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::directory::{Application, Tenant, User};
use crate::errors::{
    APP_DISABLED, APP_NOT_ASSIGNED, BLOCKED, DEVICE_NOT_COMPLIANT, MFA_NEEDED, MFA_NOT_ENROLLED,
    NOT_ASSIGNED, PASSWORD_EXPIRED, RESOURCE_DISABLED, REVOKED, SIGN_IN_TOO_OLD, USER_DISABLED, USER_LOCKED,
};
use crate::policy::claims_request::ClaimsRequest;
use crate::policy::{Demand, Policies, Switch};
use crate::refusal::Refusal;

/// What a user has proved so far, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strength {
    pub mfa: bool,
    /// Authentication contexts that are satisfied.
    pub contexts: BTreeSet<String>,
    /// How often the user's sessions had been revoked when the password was typed.
    pub epoch: u64,
}

/// Who signs in where, for what.
#[derive(Debug)]
pub struct Visit<'a> {
    pub tenant: &'a Tenant,
    pub user: &'a User,
    pub client: &'a Application,
    pub resources: &'a [Uuid],
    pub claims: &'a ClaimsRequest,
}

/// What an interactive sign-in has to do.
#[derive(Debug)]
pub enum Interactive {
    Nothing,
    /// Type the password again.
    Password,
    SecondFactor,
    Refused(Refusal),
}

impl Policies {
    /// For the token endpoint: the user is not there, so every demand that is not met is a refusal.
    pub fn must_allow(
        &self,
        tenant: &Tenant,
        user: &User,
        client: &Application,
        resource: Uuid,
        (strength, auth_time): (&Strength, i64),
        now: i64,
    ) -> Result<(), Refusal> {
        self.must_be_usable(client, tenant.app(resource))?;
        if self.is_on(Switch::UserDisabled, user.id) {
            return Err(USER_DISABLED.about(format!("It is {}.", user.upn)));
        }
        if strength.epoch < self.epoch(user.id) {
            return Err(REVOKED.into());
        }
        self.must_be_assigned(tenant, user, client, resource)?;
        for policy in self.list().iter().filter(|p| p.applies(tenant.id, Some(user.id), client.id, resource))
        {
            let about = |row: crate::errors::Aadsts| row.about(format!("The policy is '{}'.", policy.name));
            match &policy.demand {
                Demand::Block => return Err(about(BLOCKED).with_suberror("message_only")),
                Demand::SignInFrequency { seconds } if now - auth_time > *seconds => {
                    return Err(about(SIGN_IN_TOO_OLD));
                }
                Demand::CompliantDevice => {
                    return Err(about(DEVICE_NOT_COMPLIANT).with_suberror("additional_action"));
                }
                Demand::RequireMfa | Demand::AuthContext { .. } if !strength.mfa && user.otp.is_none() => {
                    return Err(about(MFA_NOT_ENROLLED)
                        .with_suberror("basic_action")
                        .with_claims(policy.challenge()));
                }
                Demand::RequireMfa if !strength.mfa => {
                    return Err(about(MFA_NEEDED)
                        .with_suberror("basic_action")
                        .with_claims(policy.challenge()));
                }
                Demand::AuthContext { context } if !strength.contexts.contains(context) => {
                    return Err(about(MFA_NEEDED)
                        .with_suberror("basic_action")
                        .with_claims(policy.challenge()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// For client credentials: a service meets blocks and assignments only.
    pub fn must_allow_app(
        &self,
        tenant: &Tenant,
        client: &Application,
        api: &Application,
    ) -> Result<(), Refusal> {
        self.must_be_usable(client, Some(api))?;
        if let Some(policy) = self.list().iter().find(|p| p.applies(tenant.id, None, client.id, api.id)) {
            return Err(BLOCKED.about(format!("The policy is '{}'.", policy.name)));
        }
        if self.is_on(Switch::AssignmentRequired, api.id)
            && tenant.roles_of(client.object_id, api.id).is_empty()
        {
            return Err(
                APP_NOT_ASSIGNED.about(format!("It is {}, and the resource is {}.", client.name, api.name))
            );
        }
        Ok(())
    }

    /// For whoever types a password: the account itself must be in order.
    pub fn must_be_in_order(&self, user: &User) -> Result<(), Refusal> {
        for (switch, row, suberror) in [
            (Switch::UserDisabled, USER_DISABLED, None),
            (Switch::UserLocked, USER_LOCKED, None),
            (Switch::PasswordExpired, PASSWORD_EXPIRED, Some("user_password_expired")),
        ] {
            if self.is_on(switch, user.id) {
                let refusal = row.about(format!("It is {}.", user.upn));
                return Err(Refusal { suberror, ..refusal });
            }
        }
        Ok(())
    }

    /// Disabled applications get nothing, and nobody gets tokens for them.
    pub fn must_be_usable(&self, client: &Application, api: Option<&Application>) -> Result<(), Refusal> {
        if self.is_on(Switch::Disabled, client.id) {
            return Err(APP_DISABLED.about(format!("It is {}.", client.name)));
        }
        match api.filter(|api| self.is_on(Switch::Disabled, api.id)) {
            Some(api) => Err(RESOURCE_DISABLED.about(format!("It is {}.", api.name))),
            None => Ok(()),
        }
    }

    fn must_be_assigned(
        &self,
        tenant: &Tenant,
        user: &User,
        client: &Application,
        resource: Uuid,
    ) -> Result<(), Refusal> {
        for app in [Some(client), tenant.app(resource)].into_iter().flatten() {
            if self.is_on(Switch::AssignmentRequired, app.id) && tenant.roles_of(user.id, app.id).is_empty() {
                return Err(NOT_ASSIGNED.about(format!("It is {} at {}.", user.upn, app.name)));
            }
        }
        Ok(())
    }

    /// For a sign-in in a browser: what is missing can be made up for, mostly.
    pub fn interactive(
        &self,
        visit: &Visit<'_>,
        strength: &Strength,
        auth_time: i64,
        now: i64,
    ) -> Interactive {
        let Visit { tenant, user, client, resources, claims } = visit;
        if strength.epoch < self.epoch(user.id) {
            return Interactive::Password;
        }
        let with_contexts = Strength { contexts: self.contexts(visit), ..strength.clone() };
        for resource in *resources {
            let facts = (&with_contexts, auth_time);
            if let Err(refusal) = self.must_allow(tenant, user, client, *resource, facts, now) {
                return match refusal.row.code {
                    code if code == MFA_NEEDED.code || code == MFA_NOT_ENROLLED.code => {
                        Interactive::SecondFactor
                    }
                    code if code == SIGN_IN_TOO_OLD.code => Interactive::Password,
                    code if [BLOCKED, NOT_ASSIGNED, DEVICE_NOT_COMPLIANT]
                        .iter()
                        .any(|row| row.code == code) =>
                    {
                        Interactive::Refused(refusal.with_error("access_denied"))
                    }
                    _ => Interactive::Refused(refusal),
                };
            }
        }
        let more = !with_contexts.contexts.is_empty() || claims.asks_for_more();
        if more && !strength.mfa { Interactive::SecondFactor } else { Interactive::Nothing }
    }

    /// The authentication contexts that a finished sign-in satisfies: those asked for by `claims` or
    /// by a policy. In the lab a second factor is all that any of them takes.
    pub fn contexts(&self, visit: &Visit<'_>) -> BTreeSet<String> {
        let Visit { tenant, user, client, resources, claims } = visit;
        let list = self.list();
        let meant = list.iter().filter(|p| {
            claims.policies.contains(&p.id)
                || resources.iter().any(|r| p.applies(tenant.id, Some(user.id), client.id, *r))
        });
        let of_policies = meant.filter_map(|p| match &p.demand {
            Demand::AuthContext { context } => Some(context.clone()),
            _ => None,
        });
        of_policies.chain(claims.contexts.iter().cloned()).collect()
    }
}
