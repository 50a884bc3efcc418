//! Groups, pre-authorized clients, policies and vault secrets of a seed, checked.

use toml::Spanned;
use uuid::Uuid;

use crate::directory::{Application, Group, PreAuthorized, Tenant, VaultSecret};
use crate::policy::{Demand, Policy};

use super::file::{RawGroup, RawPolicy, RawPreAuthorized, RawVaultSecret};
use super::{Complaint, app, scope, user};

pub fn policy(tenant: &Tenant, raw: RawPolicy) -> Result<Policy, Complaint> {
    let need = |what: &str| (raw.kind.span(), format!("a policy of this kind needs {what}"));
    let demand = match raw.kind.get_ref().as_str() {
        "require_mfa" => Demand::RequireMfa,
        "block" => Demand::Block,
        "auth_context" => Demand::AuthContext { context: raw.context.ok_or_else(|| need("context"))? },
        "sign_in_frequency" => {
            Demand::SignInFrequency { seconds: raw.seconds.ok_or_else(|| need("seconds"))? }
        }
        "require_compliant_device" => Demand::CompliantDevice,
        _ => {
            let kinds =
                "kind is require_mfa, auth_context, sign_in_frequency, require_compliant_device or block";
            return Err((raw.kind.span(), kinds.to_owned()));
        }
    };
    let apps = |list: &[Spanned<Uuid>]| {
        list.iter().map(|id| app(tenant, id).map(|a| a.id)).collect::<Result<Vec<_>, _>>()
    };
    Ok(Policy {
        id: raw.id.unwrap_or_else(|| Uuid::new_v5(&tenant.id, raw.name.get_ref().as_bytes())),
        demand,
        tenant: Some(tenant.id),
        users: raw.users.iter().map(|upn| user(tenant, upn)).collect::<Result<_, _>>()?,
        clients: apps(&raw.clients)?,
        resources: apps(&raw.resources)?,
        name: raw.name.into_inner(),
    })
}

pub fn pre_authorized(api: &Application, raw: RawPreAuthorized) -> Result<PreAuthorized, Complaint> {
    let scopes = raw.scopes.iter().map(|s| scope(api, s)).collect::<Result<_, _>>()?;
    Ok(PreAuthorized { client: raw.client, scopes })
}

pub fn group(tenant: &Tenant, known: &[Uuid], id: Uuid, raw: RawGroup) -> Result<Group, Complaint> {
    let members = raw.members.iter().map(|upn| user(tenant, upn)).collect::<Result<_, _>>()?;
    let group = |entry: &Spanned<Uuid>| {
        let missing = || (entry.span(), format!("no [[tenant.group]] has the id {}", entry.get_ref()));
        known.iter().find(|id| *id == entry.get_ref()).copied().ok_or_else(missing)
    };
    let member_groups = raw.groups.iter().map(group).collect::<Result<_, _>>()?;
    Ok(Group { id, name: raw.name, description: raw.description, members, member_groups })
}

pub fn vault_secret(tenant: &Tenant, raw: RawVaultSecret) -> Result<VaultSecret, Complaint> {
    let readers = raw.readers.iter().map(|id| app(tenant, id).map(|a| a.id)).collect::<Result<_, _>>()?;
    Ok(VaultSecret { name: raw.name, value: raw.value, content_type: raw.content_type, readers })
}
