//! The clouds of Microsoft, each with its hosts: several names of one authority share one cache.

/// A cloud with an authority of its own. Tenants, accounts and tokens of one mean nothing in another.
///
/// ```
/// use shared_auth::Cloud;
///
/// assert_eq!(Cloud::China.authority_host(), "https://login.partner.microsoftonline.cn");
/// assert_eq!(Cloud::of_host("login.windows.net"), Some(Cloud::Public));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cloud {
    /// The public cloud.
    Public,
    /// Azure Government of the United States.
    UsGovernment,
    /// Azure in China, operated by 21Vianet.
    China,
    /// The sovereign cloud of France.
    France,
    /// The sovereign cloud of Germany.
    Germany,
    /// The sovereign cloud of Singapore.
    Singapore,
}

/// Names of one authority. The first is asked on the network, and the second one names it in caches.
struct Names {
    cloud: Cloud,
    cache: &'static str,
    hosts: &'static [&'static str],
}

const TABLE: [Names; 6] = [
    Names {
        cloud: Cloud::Public,
        cache: "login.windows.net",
        hosts: &["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
    },
    Names {
        cloud: Cloud::UsGovernment,
        cache: "login.microsoftonline.us",
        hosts: &["login.microsoftonline.us", "login.usgovcloudapi.net"],
    },
    Names {
        cloud: Cloud::China,
        cache: "login.partner.microsoftonline.cn",
        hosts: &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    },
    Names {
        cloud: Cloud::France,
        cache: "login.sovcloud-identity.fr",
        hosts: &["login.sovcloud-identity.fr"],
    },
    Names {
        cloud: Cloud::Germany,
        cache: "login.sovcloud-identity.de",
        hosts: &["login.sovcloud-identity.de"],
    },
    Names {
        cloud: Cloud::Singapore,
        cache: "login.sovcloud-identity.sg",
        hosts: &["login.sovcloud-identity.sg"],
    },
];

impl Cloud {
    /// The address for `AZURE_AUTHORITY_HOST`.
    pub const fn authority_host(self) -> &'static str {
        match self {
            Cloud::Public => "https://login.microsoftonline.com",
            Cloud::UsGovernment => "https://login.microsoftonline.us",
            Cloud::China => "https://login.partner.microsoftonline.cn",
            Cloud::France => "https://login.sovcloud-identity.fr",
            Cloud::Germany => "https://login.sovcloud-identity.de",
            Cloud::Singapore => "https://login.sovcloud-identity.sg",
        }
    }

    /// Microsoft Graph of this cloud, where it is known.
    pub const fn graph(self) -> Option<&'static str> {
        match self {
            Cloud::Public => Some("https://graph.microsoft.com/v1.0"),
            Cloud::UsGovernment => Some("https://graph.microsoft.us/v1.0"),
            Cloud::China => Some("https://microsoftgraph.chinacloudapi.cn/v1.0"),
            Cloud::France | Cloud::Germany | Cloud::Singapore => None,
        }
    }

    /// The cloud that a host belongs to.
    pub fn of_host(host: &str) -> Option<Cloud> {
        names(host).map(|names| names.cloud)
    }

    /// Every host of this cloud's authority: other names of the same thing.
    pub fn hosts(self) -> &'static [&'static str] {
        TABLE.iter().find(|names| names.cloud == self).map_or(&[], |names| names.hosts)
    }

    /// The issuer of v1.0 tokens, where it differs from that of v2.0 tokens.
    pub(crate) fn v1_issuer(self, tenant_id: &str) -> Option<String> {
        let host = match self {
            Cloud::Public | Cloud::UsGovernment => "sts.windows.net",
            Cloud::China => "sts.chinacloudapi.cn",
            _ => return None,
        };
        Some(format!("https://{host}/{tenant_id}/"))
    }
}

/// The name under which tokens of this host are filed; the host itself where it is nobody's alias.
pub(super) fn cache_name(host: &str) -> &str {
    names(host).map_or(host, |names| names.cache)
}

fn names(host: &str) -> Option<&'static Names> {
    TABLE.iter().find(|names| names.hosts.iter().any(|name| name.eq_ignore_ascii_case(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cloud_knows_its_own_hosts() {
        for names in &TABLE {
            let own = names.cloud.authority_host().strip_prefix("https://").unwrap();
            assert_eq!(Cloud::of_host(own), Some(names.cloud));
            assert!(names.hosts.contains(&names.cache) && names.cloud.hosts() == names.hosts);
        }
    }

    #[test]
    fn aliases_share_one_name_in_caches_and_strangers_keep_theirs() {
        assert_eq!(cache_name("LOGIN.microsoftonline.com"), cache_name("sts.windows.net"));
        assert_eq!(cache_name("login.contoso.test"), "login.contoso.test");
    }
}
