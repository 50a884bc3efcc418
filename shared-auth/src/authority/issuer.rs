//! Who may have issued a token of this authority: one issuer, or one for each tenant that is let in.
//!
//! The rule comes from the configuration and from a discovery document that fits it (OpenID Connect Discovery §4.3). A
//! document for several tenants names its issuer with the literal `{tenantid}`; a token's `tid` goes in its place, and
//! the result is compared letter by letter with the token's `iss`.

use std::borrow::Cow;
use std::sync::Arc;

use url::Url;

use super::kind::AuthorityKind;

/// The tenant of all personal accounts.
pub(crate) const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

const PLACEHOLDER: &str = "{tenantid}";

/// The issuer that tokens must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IssuerRule {
    /// As in the document; with `{tenantid}` where there are several tenants.
    pub issuer: String,
    pub dialect: Dialect,
    tenants: Tenants,
}

/// How the tokens of an authority speak about tenant, user and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `tid`, `oid` and `ver` are there.
    Entra,
    /// `tid` and `oid` may be missing; the policy stands in `tfp` or `acr`.
    B2c { policy: String },
    /// Only what OpenID Connect asks for.
    Plain,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Tenants {
    /// One; empty where the authority has none.
    One(String),
    /// Those of the list, or all where it is empty. Personal accounts only where they were asked for.
    Many { allowed: Arc<[String]>, personal: bool },
}

/// What a token of one tenant must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected<'a> {
    pub issuer: Cow<'a, str>,
    pub tenant_id: Cow<'a, str>,
}

/// What of the configuration decides about the issuer.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub kind: &'a AuthorityKind,
    /// Without a slash at the end.
    pub base: &'a str,
    /// Other names of the host.
    pub aliases: &'a [String],
    pub tenant: &'a str,
    pub allowed: &'a Arc<[String]>,
}

impl IssuerRule {
    /// The rule, if the document's issuer is the one that was configured; otherwise what was expected.
    pub(super) fn new(wanted: &Wanted<'_>, issuer: &str) -> Result<Self, String> {
        let one = |dialect, tenant_id: &str| Self {
            issuer: issuer.to_owned(),
            dialect,
            tenants: Tenants::One(tenant_id.to_owned()),
        };
        let expected = || Err(wanted.expected());
        match wanted.kind {
            AuthorityKind::Entra | AuthorityKind::Ciam => {
                let Some(tenant) = wanted.tenant_in(issuer) else { return expected() };
                if tenant == PLACEHOLDER {
                    // Only where several tenants were asked for: a template must not widen one tenant to all.
                    let personal = match wanted.tenant {
                        "common" => true,
                        "organizations" => false,
                        _ => return expected(),
                    };
                    let tenants = Tenants::Many { allowed: Arc::clone(wanted.allowed), personal };
                    return Ok(Self { issuer: issuer.to_owned(), dialect: Dialect::Entra, tenants });
                }
                let fits = match wanted.tenant {
                    "consumers" => tenant == CONSUMERS,
                    "common" | "organizations" => false,
                    // For a tenant named by its domain the id is learnt from the document.
                    name if uuid::Uuid::try_parse(name).is_err() => is_id(tenant),
                    id => tenant.eq_ignore_ascii_case(id),
                };
                if fits { Ok(one(Dialect::Entra, tenant)) } else { expected() }
            }
            AuthorityKind::B2c { policy } => {
                let Some(tenant) = wanted.b2c_tenant_in(issuer, policy) else { return expected() };
                Ok(one(Dialect::B2c { policy: policy.clone() }, tenant))
            }
            AuthorityKind::Adfs if issuer == format!("{}/adfs", wanted.base) => Ok(one(Dialect::Plain, "")),
            // A slash at the end is the one thing that addresses and issuers disagree about.
            AuthorityKind::Oidc if issuer.trim_end_matches('/') == wanted.base => Ok(one(Dialect::Plain, "")),
            AuthorityKind::Adfs | AuthorityKind::Oidc => expected(),
        }
    }

    /// The one tenant of this authority, if it has one.
    pub fn tenant_id(&self) -> Option<&str> {
        match &self.tenants {
            Tenants::One(id) if !id.is_empty() => Some(id),
            _ => None,
        }
    }

    /// True where a token's own `tid` decides which issuer it must name.
    pub fn is_multi_tenant(&self) -> bool {
        matches!(self.tenants, Tenants::Many { .. })
    }

    /// What a token must say whose `tid` is this one; with one tenant the argument is not looked at. Whether that tenant
    /// is let in is another question: [`Self::lets_in`].
    ///
    /// # Errors
    /// A sentence where it is the tenant of personal accounts, and those were not asked for.
    pub fn expects(&self, tid: &str) -> Result<Expected<'_>, String> {
        match &self.tenants {
            Tenants::One(id) => Ok(Expected { issuer: (&self.issuer).into(), tenant_id: id.into() }),
            Tenants::Many { personal: false, .. } if tid == CONSUMERS => {
                Err("expected the tenant of an organization, found that of personal accounts".to_owned())
            }
            Tenants::Many { .. } => Ok(Expected {
                issuer: self.issuer.replace(PLACEHOLDER, tid).into(),
                tenant_id: tid.to_owned().into(),
            }),
        }
    }

    /// True where the tenant is on the list of those that are let in.
    pub fn lists(&self, tid: &str) -> bool {
        match &self.tenants {
            Tenants::One(_) => true,
            Tenants::Many { allowed, .. } => allowed.iter().any(|one| one.eq_ignore_ascii_case(tid)),
        }
    }

    /// # Errors
    /// A sentence where there is a list and this tenant is not on it.
    pub fn lets_in(&self, tid: &str) -> Result<(), String> {
        match &self.tenants {
            Tenants::Many { allowed, .. } if !allowed.is_empty() && !self.lists(tid) => {
                Err(format!("expected a tenant on the list of those that are let in, found {tid}"))
            }
            _ => Ok(()),
        }
    }

    /// True where this may be the `iss` of an authorization response (RFC 9207); the ID token is checked afterwards.
    pub fn may_be(&self, issuer: &str) -> bool {
        match self.issuer.split_once(PLACEHOLDER) {
            None => issuer == self.issuer,
            Some((before, after)) => {
                issuer.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).is_some_and(is_id)
            }
        }
    }
}

impl Wanted<'_> {
    /// The tenant out of `{base}/{tenant}/v2.0`, where the base is this authority under one of its names.
    fn tenant_in<'i>(&self, issuer: &'i str) -> Option<&'i str> {
        let segment =
            |rest: &'i str| rest.strip_prefix('/')?.strip_suffix("/v2.0").filter(|id| !id.contains('/'));
        if let Some(tenant) = issuer.strip_prefix(self.base).and_then(segment) {
            return Some(tenant);
        }
        let rest = issuer.strip_prefix("https://")?;
        let (host, path) = rest.split_at(rest.find('/')?);
        let tenant = segment(path)?;
        let alias = self.aliases.iter().any(|alias| alias == host);
        // External ID names its issuer by the tenant's id, whatever the address was.
        let ciam = *self.kind == AuthorityKind::Ciam && host.strip_suffix(".ciamlogin.com") == Some(tenant);
        ((alias || ciam) && (is_id(tenant) || tenant == PLACEHOLDER)).then_some(tenant)
    }

    /// The tenant out of `{origin}/{id}/v2.0/` or `{origin}/tfp/{id}/{policy}/v2.0/`.
    fn b2c_tenant_in<'i>(&self, issuer: &'i str, policy: &str) -> Option<&'i str> {
        let origin = Url::parse(self.base).ok()?.origin().ascii_serialization();
        let path = issuer.strip_prefix(&origin)?.strip_prefix('/')?;
        let segments: Vec<&'i str> = path.trim_end_matches('/').split('/').collect();
        match segments.as_slice() {
            [id, "v2.0"] if is_id(id) => Some(id),
            ["tfp", id, of, "v2.0"] if is_id(id) && of.eq_ignore_ascii_case(policy) => Some(id),
            _ => None,
        }
    }

    fn expected(&self) -> String {
        match self.kind {
            AuthorityKind::Entra | AuthorityKind::Ciam => match self.tenant {
                "common" | "organizations" => format!("{}/{PLACEHOLDER}/v2.0", self.base),
                "consumers" => format!("{}/{CONSUMERS}/v2.0", self.base),
                tenant => format!("{}/{tenant}/v2.0", self.base),
            },
            AuthorityKind::B2c { .. } => format!("{}/{{tenant id}}/v2.0/", self.base),
            AuthorityKind::Adfs => format!("{}/adfs", self.base),
            AuthorityKind::Oidc => self.base.to_owned(),
        }
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

#[cfg(any(test, fuzzing))]
impl IssuerRule {
    /// One tenant, for the tests of others.
    pub fn one(issuer: &str, tenant_id: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            dialect: Dialect::Entra,
            tenants: Tenants::One(tenant_id.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
