//! Kinds of authorities: how each lays out its addresses, and how to tell them from an address.

use url::Url;

/// Whose rules an authority follows.
///
/// ```
/// use shared_auth::{AuthorityKind, ClientCredential, EntraConfig};
///
/// let kind = |address: &str| -> Result<AuthorityKind, Box<dyn std::error::Error>> {
///     Ok(EntraConfig::with_authority(&address.parse()?, "id", ClientCredential::secret("…")).authority_kind)
/// };
/// assert_eq!(kind("https://login.microsoftonline.us/contoso.com")?, AuthorityKind::Entra);
/// assert_eq!(kind("https://contoso.ciamlogin.com")?, AuthorityKind::Ciam);
/// assert_eq!(kind("https://fs.contoso.com/adfs")?, AuthorityKind::Adfs);
/// assert_eq!(kind("https://accounts.example/realms/x")?, AuthorityKind::Oidc);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorityKind {
    /// Entra ID: `https://{host}/{tenant}`. The tenant is an id, a domain, or, where users sign in, `organizations`,
    /// `common` or `consumers`.
    #[default]
    Entra,
    /// External ID for customers: `https://{name}.ciamlogin.com/{tenant}`.
    Ciam,
    /// Azure AD B2C: `https://{name}.b2clogin.com/{tenant}/{policy}`, or with `/tfp` in front.
    B2c {
        /// The user flow or custom policy: `B2C_1_sign_in`.
        policy: String,
    },
    /// AD FS 2019 or newer: `https://{host}/adfs`.
    Adfs,
    /// Any OpenID Connect provider: the address is its issuer, and the issuer is compared letter by letter.
    Oidc,
}

/// What an address of an authority says: kind, host and tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub kind: AuthorityKind,
    pub host: Url,
    pub tenant: String,
}

impl Address {
    /// Reads an address the way MSAL does: by host and path. What looks like none of Microsoft's is OpenID Connect.
    pub fn parse(url: &Url) -> Address {
        let host_name = url.host_str().unwrap_or_default();
        let segments: Vec<&str> = url
            .path_segments()
            .map(|path| path.filter(|part| !part.is_empty()).collect())
            .unwrap_or_default();
        let at = |path: &str| {
            let mut host = url.clone();
            host.set_path(path);
            host.set_query(None);
            host
        };
        let address = |kind, host, tenant: &str| Address { kind, host, tenant: tenant.to_owned() };
        let b2c = |policy: &str| AuthorityKind::B2c { policy: policy.to_owned() };
        match segments.as_slice() {
            ["tfp", tenant, policy, ..] => address(b2c(policy), at("tfp"), tenant),
            [tenant, policy, ..] if host_name.ends_with(".b2clogin.com") => {
                address(b2c(policy), at(""), tenant)
            }
            [first, ..] if first.eq_ignore_ascii_case("adfs") => address(AuthorityKind::Adfs, at(""), "adfs"),
            rest if host_name.ends_with(".ciamlogin.com") => match rest.first() {
                Some(tenant) => address(AuthorityKind::Ciam, at(""), tenant),
                None => address(AuthorityKind::Ciam, at(""), &ciam_tenant(host_name)),
            },
            [tenant] | [tenant, "v2.0"] if super::Cloud::of_host(host_name).is_some() => {
                address(AuthorityKind::Entra, at(""), tenant)
            }
            _ => address(AuthorityKind::Oidc, url.clone(), ""),
        }
    }
}

/// `contoso.ciamlogin.com` is the authority of `contoso.onmicrosoft.com`, unless the address says otherwise.
pub(crate) fn ciam_tenant(host: &str) -> String {
    format!("{}.onmicrosoft.com", host.split('.').next().unwrap_or_default())
}

impl AuthorityKind {
    /// Where the discovery document stands below the host.
    pub(super) fn discovery_path(&self, tenant: &str) -> Vec<String> {
        const DOCUMENT: [&str; 2] = [".well-known", "openid-configuration"];
        let path: Vec<&str> = match self {
            Self::Entra | Self::Ciam => vec![tenant, "v2.0"],
            Self::B2c { policy } => vec![tenant, policy, "v2.0"],
            Self::Adfs => vec!["adfs"],
            Self::Oidc => Vec::new(),
        };
        path.into_iter().chain(DOCUMENT).map(str::to_owned).collect()
    }

    /// True where a tenant can be chosen for one request.
    pub(super) fn has_tenants(&self) -> bool {
        matches!(self, Self::Entra | Self::Ciam)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_its_kind() {
        let b2c = |policy: &str| AuthorityKind::B2c { policy: policy.to_owned() };
        let cases = [
            (
                "https://login.microsoftonline.com/contoso.com",
                AuthorityKind::Entra,
                "https://login.microsoftonline.com/",
                "contoso.com",
            ),
            (
                "https://login.microsoftonline.us/organizations/v2.0",
                AuthorityKind::Entra,
                "https://login.microsoftonline.us/",
                "organizations",
            ),
            (
                "https://contoso.ciamlogin.com",
                AuthorityKind::Ciam,
                "https://contoso.ciamlogin.com/",
                "contoso.onmicrosoft.com",
            ),
            (
                "https://contoso.ciamlogin.com/abc",
                AuthorityKind::Ciam,
                "https://contoso.ciamlogin.com/",
                "abc",
            ),
            (
                "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_si",
                b2c("B2C_1_si"),
                "https://contoso.b2clogin.com/",
                "contoso.onmicrosoft.com",
            ),
            (
                "https://login.contoso.test/tfp/contoso.onmicrosoft.com/B2C_1_si/",
                b2c("B2C_1_si"),
                "https://login.contoso.test/tfp",
                "contoso.onmicrosoft.com",
            ),
            ("https://fs.contoso.test/adfs", AuthorityKind::Adfs, "https://fs.contoso.test/", "adfs"),
            (
                "https://accounts.example/realms/x",
                AuthorityKind::Oidc,
                "https://accounts.example/realms/x",
                "",
            ),
        ];
        for (url, kind, host, tenant) in cases {
            let found = Address::parse(&url.parse().unwrap());
            assert_eq!(
                found,
                Address { kind, host: host.parse().unwrap(), tenant: tenant.to_owned() },
                "{url}"
            );
        }
    }
}
