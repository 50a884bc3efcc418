//! The checks, one function each. A sentence says what was found, what it leads to, and what helps.

use jiff::{SignedDuration, Timestamp};

use super::{Deployment, Lint, Replicas};
use crate::authority::{AuthorityKind, Cloud};
use crate::config::EntraConfig;
use crate::credential::ClientCredential;
use crate::http::is_loopback;
use crate::protocol::scope::Scopes;

/// Long enough to get a new credential through a company.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Several tenants: fine for users, not for an application by itself, and not without a thought for an API.
pub(super) fn tenant(entra: &EntraConfig, deployment: &Deployment, note: &mut impl FnMut(Lint, String)) {
    let tenant = entra.tenant_id.to_ascii_lowercase();
    if entra.authority_kind != AuthorityKind::Entra
        || !matches!(tenant.as_str(), "common" | "organizations" | "consumers")
    {
        return;
    }
    if !deployment.app_scopes.is_empty() {
        note(
            Lint::NoTenant,
            format!(
                "the application asks for itself with the authority {tenant}, which is no tenant; name one in \
             AZURE_TENANT_ID, or choose one for each request with .tenant(…)"
            ),
        );
    }
    if deployment.api.is_some() && tenant != "consumers" && entra.allowed_tenants.is_empty() {
        note(
            Lint::OpenToAllTenants,
            format!(
                "with the authority {tenant} the API lets in users of every tenant; list those that are meant in \
             ALLOWED_TENANTS (allowed_tenants), or check the tenant in your own code"
            ),
        );
    }
}

/// Scopes that Entra refuses with AADSTS70011, 1002012 or 500011.
pub(super) fn scopes(deployment: &Deployment, note: &mut impl FnMut(Lint, String)) {
    let mut say = |sentence: String| note(Lint::ScopeForm, sentence);
    for scopes in &deployment.app_scopes {
        if !scopes.is_default_only() {
            say(format!(
                "the application asks for itself with \"{scopes}\"; it can only ask for {{resource}}/.default \
                 (AADSTS1002012)"
            ));
        }
    }
    for scopes in &deployment.user_scopes {
        let default = scopes.iter().any(|scope| scope.ends_with("/.default"));
        if default && scopes.iter().any(|scope| !scope.ends_with("/.default") && !is_openid(scope)) {
            say(format!(
                "\"{scopes}\" mixes .default with single scopes; ask for one or the other (AADSTS70011)"
            ));
        }
    }
    for scope in deployment.app_scopes.iter().chain(&deployment.user_scopes).flat_map(Scopes::iter) {
        if scope.contains([',', ';']) {
            say(format!("the scope \"{scope}\" holds a comma or semicolon; scopes are separated by blanks"));
        } else if is_resource_alone(scope) {
            say(format!(
                "\"{scope}\" names an API and no scope of it; add /.default, or the name of a scope (AADSTS70011)"
            ));
        } else if scope == ".default" {
            say("\".default\" needs its resource in front: https://graph.microsoft.com/.default".to_owned());
        }
    }
}

/// v1.0 tokens name the App ID URI as audience, v2.0 tokens the client id.
pub(super) fn audience(entra: &EntraConfig, deployment: &Deployment, note: &mut impl FnMut(Lint, String)) {
    let Some(api) = &deployment.api else { return };
    let has_id = api.audiences.contains(&entra.client_id);
    let has_uri = api.audiences.iter().any(|audience| audience.contains(':'));
    let v1_possible = entra.authority_host.host_str().and_then(Cloud::of_host).is_some();
    if !has_id && has_uri {
        note(
            Lint::AudienceVersion,
            format!(
                "the audiences {} leave out the client id, which is the audience of v2.0 tokens; add {}, or all tokens are \
             refused as soon as requestedAccessTokenVersion is 2",
                api.audiences.join(" and "),
                entra.client_id
            ),
        );
    } else if !has_id {
        note(
            Lint::AudienceVersion,
            format!(
                "the audience {} is not the client id {}; tokens that were asked for with a scope of this API do not name it",
                api.audiences.join(" and "),
                entra.client_id
            ),
        );
    } else if !has_uri && v1_possible && entra.authority_kind == AuthorityKind::Entra {
        note(
            Lint::AudienceVersion,
            format!(
                "the audience {} alone fits v2.0 tokens only; set requestedAccessTokenVersion to 2 in the API's registration, \
             or add its App ID URI",
                entra.client_id
            ),
        );
    }
}

/// A code in the clear belongs to everyone on the way.
pub(super) fn redirect(deployment: &Deployment, note: &mut impl FnMut(Lint, String)) {
    for uri in deployment.redirect_uris.iter().filter(|uri| uri.scheme() == "http" && !is_loopback(uri)) {
        note(
            Lint::PlainRedirect,
            format!(
                "the redirect URI {} is plain http on a public host; Entra registers https only (AADSTS50011). Behind a \
             proxy, set PUBLIC_URL to the https address that browsers see",
                uri.origin().ascii_serialization()
            ),
        );
    }
}

/// Each replica with tokens of its own asks Entra anew, and knows nothing of the others' sign-ins.
pub(super) fn cache(deployment: &Deployment, note: &mut impl FnMut(Lint, String)) {
    let found = match deployment.replicas {
        Replicas::Known(count) if count > 1 => format!("{count} replicas run side by side"),
        Replicas::Perhaps(platform) => format!("{platform} may start several replicas"),
        _ => return,
    };
    if !deployment.shared_cache {
        note(
            Lint::MemoryCache,
            format!(
                "{found}, and tokens and sessions lie in the memory of each: users are signed out when another one answers; \
             use a shared cache, or let the load balancer keep users at their replica"
            ),
        );
    }
}

/// What ends within a month.
pub(super) fn expiry(
    entra: &EntraConfig,
    deployment: &Deployment,
    now: Timestamp,
    note: &mut impl FnMut(Lint, String),
) {
    let secret = deployment.secret_expires_at.map(|end| ("the client secret", end));
    for (what, end) in
        certificates(&entra.credential).into_iter().map(|end| ("a certificate", end)).chain(secret)
    {
        let left = end.duration_since(now);
        if left > SOON {
            continue;
        }
        let (when, code) = match (left.is_positive(), what) {
            (true, _) => (format!("ends in {} days, at {end}", left.as_hours() / 24), ""),
            (false, "a certificate") => (format!("ended at {end}"), " (AADSTS1000502)"),
            (false, _) => (format!("ended at {end}"), " (AADSTS7000222)"),
        };
        note(
            Lint::CredentialExpiry,
            format!("{what} of the application {when}{code}; register a new one and deploy it"),
        );
    }
}

fn certificates(credential: &ClientCredential) -> Vec<Timestamp> {
    let end = |credential: &ClientCredential| match credential {
        ClientCredential::Certificate(certificate) => certificate.expires_at(),
        _ => None,
    };
    credential.each().iter().filter_map(end).collect()
}

fn is_openid(scope: &str) -> bool {
    ["openid", "profile", "email", "offline_access"].iter().any(|own| own.eq_ignore_ascii_case(scope))
}

/// `api://{id}`, or `https://host` without a path: an App ID URI and nothing behind it.
fn is_resource_alone(scope: &str) -> bool {
    let rest = scope.strip_prefix("api://").or_else(|| scope.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.trim_end_matches('/').contains('/'))
        || uuid::Uuid::try_parse(scope).is_ok_and(|_| scope.len() == 36)
}
