//! The seed file: TOML that a person can read, turned into a checked `Directory`.
//!
//! Every mistake is one sentence with the line it stands in. References (a consent that names an
//! unknown user, a role that no API exposes) are checked here, so nothing else has to.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use toml::Spanned;
use uuid::Uuid;

use crate::directory::{Application, Consent, Directory, Need, Registration, RoleAssignment, Tenant, User};

use file::{File, RawConsent, RawNeed, RawRoleAssignment, RawTenant};

mod credentials;
mod file;
mod rules;

/// The seed that is built into the binary.
pub const DEFAULT_SEED: &str = include_str!("../../seed.toml");

/// A mistake in a seed file.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct SeedError {
    pub line: usize,
    pub message: String,
}

/// Reads a seed and checks that everything it mentions exists.
pub fn parse(text: &str) -> Result<Directory, SeedError> {
    let file: File = toml::from_str(text).map_err(|e| SeedError {
        line: e.span().map_or(1, |s| line_of(text, s.start)),
        message: e.message().trim().replace('\n', " "),
    })?;
    let fail = |(span, message): Complaint| SeedError { line: line_of(text, span.start), message };
    let mut tenants = Vec::new();
    for raw in file.tenant {
        tenants.push(tenant(raw).map_err(fail)?);
    }
    if tenants.is_empty() {
        return Err(SeedError { line: 1, message: "the seed has no [[tenant]]".into() });
    }
    Ok(Directory { tenants })
}

/// Where and what; the line is worked out at the end.
type Complaint = (Range<usize>, String);

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count() + 1
}

fn tenant(raw: RawTenant) -> Result<Tenant, Complaint> {
    let mut seen = HashSet::new();
    let mut unique = |id: &Spanned<Uuid>| {
        if seen.insert(*id.get_ref()) {
            return Ok(*id.get_ref());
        }
        Err((id.span(), format!("the id {} is used twice", id.get_ref())))
    };
    let id = unique(&raw.id)?;
    let mut users: Vec<User> = Vec::new();
    for u in raw.user {
        if users.iter().any(|x| x.upn.eq_ignore_ascii_case(u.upn.get_ref())) {
            return Err((u.upn.span(), format!("the user {} is there twice", u.upn.get_ref())));
        }
        users.push(User {
            id: unique(&u.id)?,
            upn: u.upn.into_inner(),
            password: u.password,
            otp: u.otp,
            display_name: u.display_name,
            given_name: u.given_name,
            surname: u.surname,
            job_title: u.job_title,
            office_location: u.office_location,
            mail: u.mail,
            mobile_phone: u.mobile_phone,
            preferred_language: u.preferred_language,
            photo: u.photo,
            messages: u.messages,
            disabled: u.disabled,
            locked: u.locked,
            password_expired: u.password_expired,
            home: u.home,
        });
    }
    let mut apps = Vec::new();
    let (mut needs, mut pre_authorized) = (Vec::new(), Vec::new());
    for a in raw.app {
        let client_id = unique(&a.id)?;
        needs.push(a.needs);
        pre_authorized.push(a.pre_authorized);
        let mut app = Application {
            id: client_id,
            object_id: a.object_id.unwrap_or_else(|| Uuid::new_v5(&id, client_id.as_bytes())),
            name: a.name,
            secrets: a.secrets.into_iter().map(credentials::secret).collect(),
            certificates: credentials::certificates(a.certificates)?,
            federated: credentials::federated(a.federated_credentials)?,
            public_client: a.public_client,
            multi_tenant: a.multi_tenant,
            family: a.family,
            redirect_uris: a.redirect_uris,
            spa_redirect_uris: a.spa_redirect_uris,
            implicit_id_tokens: a.implicit_id_tokens,
            implicit_access_tokens: a.implicit_access_tokens,
            front_channel_logout_url: a.front_channel_logout_url,
            identifier_uris: a.identifier_uris,
            access_token_version: version(&a.access_token_version)?,
            scopes: a.scopes,
            roles: a.roles,
            needs: Vec::new(),
            managed_identity: a.managed_identity,
            disabled: a.disabled,
            assignment_required: a.assignment_required,
            known_clients: a.known_clients,
            pre_authorized: Vec::new(),
            group_claims: a.group_claims,
            optional_id_claims: a.optional_id_claims.unwrap_or_else(|| a.optional_claims.clone()),
            optional_claims: a.optional_claims,
            registration: Registration {
                object_id: Uuid::new_v5(&id, format!("application {client_id}").as_bytes()),
                has_principal: true,
                ..Registration::default()
            },
        };
        app.fill_permission_ids();
        apps.push(app);
    }
    let mut groups = Vec::new();
    for g in raw.group {
        groups.push((unique(&g.id)?, g));
    }
    let mut tenant = Tenant {
        id,
        name: raw.name,
        domain: raw.domain,
        users,
        groups: Vec::new(),
        apps,
        deleted_apps: Vec::new(),
        consents: Vec::new(),
        role_assignments: Vec::new(),
        policies: Vec::new(),
        vault_secrets: Vec::new(),
    };
    // The rest refers to people and applications, so it comes when they are all known.
    for (index, list) in needs.into_iter().enumerate() {
        let checked = list.into_iter().map(|n| need(&tenant, n)).collect::<Result<Vec<_>, _>>()?;
        if let Some(app) = tenant.apps.get_mut(index) {
            app.needs = checked;
        }
    }
    for (index, list) in pre_authorized.into_iter().enumerate() {
        let Some(api) = tenant.apps.get(index) else { continue };
        let checked =
            list.into_iter().map(|p| rules::pre_authorized(api, p)).collect::<Result<Vec<_>, _>>()?;
        if let Some(api) = tenant.apps.get_mut(index) {
            api.pre_authorized = checked;
        }
    }
    let known: Vec<Uuid> = groups.iter().map(|(id, _)| *id).collect();
    tenant.groups = groups
        .into_iter()
        .map(|(id, group)| rules::group(&tenant, &known, id, group))
        .collect::<Result<_, _>>()?;
    tenant.consents = raw.consent.into_iter().map(|c| consent(&tenant, c)).collect::<Result<_, _>>()?;
    tenant.role_assignments =
        raw.role_assignment.into_iter().map(|a| role_assignment(&tenant, a)).collect::<Result<_, _>>()?;
    tenant.policies = raw.policy.into_iter().map(|p| rules::policy(&tenant, p)).collect::<Result<_, _>>()?;
    tenant.vault_secrets =
        raw.vault_secret.into_iter().map(|s| rules::vault_secret(&tenant, s)).collect::<Result<_, _>>()?;
    Ok(tenant)
}

fn version(raw: &Option<Spanned<u8>>) -> Result<u8, Complaint> {
    match raw {
        None => Ok(1),
        Some(v) if matches!(v.get_ref(), 1 | 2) => Ok(*v.get_ref()),
        Some(v) => Err((v.span(), "access_token_version is 1 or 2".into())),
    }
}

fn app<'t>(tenant: &'t Tenant, id: &Spanned<Uuid>) -> Result<&'t Application, Complaint> {
    let missing = || (id.span(), format!("no [[tenant.app]] has the id {}", id.get_ref()));
    tenant.app(*id.get_ref()).ok_or_else(missing)
}

fn user(tenant: &Tenant, upn: &Spanned<String>) -> Result<Uuid, Complaint> {
    let missing = || (upn.span(), format!("no [[tenant.user]] has the upn {}", upn.get_ref()));
    tenant.user_by_upn(upn.get_ref()).map(|u| u.id).ok_or_else(missing)
}

fn scope(resource: &Application, name: &Spanned<String>) -> Result<String, Complaint> {
    let missing = || (name.span(), format!("{} exposes no scope {}", resource.name, name.get_ref()));
    resource.scope(name.get_ref()).map(|s| s.value.clone()).ok_or_else(missing)
}

fn role(resource: &Application, name: &Spanned<String>) -> Result<String, Complaint> {
    let missing = || (name.span(), format!("{} exposes no app role {}", resource.name, name.get_ref()));
    resource.roles.iter().find(|r| r.value == *name.get_ref()).map(|r| r.value.clone()).ok_or_else(missing)
}

fn need(tenant: &Tenant, raw: RawNeed) -> Result<Need, Complaint> {
    let resource = app(tenant, &raw.resource)?;
    Ok(Need {
        resource: resource.id,
        delegated: raw.delegated.iter().map(|s| scope(resource, s)).collect::<Result<_, _>>()?,
        application: raw.application.iter().map(|r| role(resource, r)).collect::<Result<_, _>>()?,
    })
}

fn consent(tenant: &Tenant, raw: RawConsent) -> Result<Consent, Complaint> {
    let resource = app(tenant, &raw.resource)?;
    Ok(Consent {
        client: app(tenant, &raw.client)?.id,
        resource: resource.id,
        scopes: raw.scopes.iter().map(|s| scope(resource, s)).collect::<Result<BTreeSet<_>, _>>()?,
        users: raw
            .users
            .map(|list| list.iter().map(|upn| user(tenant, upn)).collect::<Result<_, _>>())
            .transpose()?,
    })
}

fn role_assignment(tenant: &Tenant, raw: RawRoleAssignment) -> Result<RoleAssignment, Complaint> {
    let resource = app(tenant, &raw.resource)?;
    let to = raw.to.get_ref();
    let principal = match tenant.user_by_upn(to) {
        Some(user) => user.id,
        None => Uuid::try_parse(to)
            .ok()
            .and_then(|id| tenant.app(id))
            .map(|a| a.object_id)
            .ok_or_else(|| (raw.to.span(), format!("{to} is neither a user nor an application")))?,
    };
    let roles = raw.roles.iter().map(|r| role(resource, r)).collect::<Result<_, _>>()?;
    Ok(RoleAssignment { principal, resource: resource.id, roles })
}
