//! What a program tells about itself, so that its settings can be judged.

use jiff::Timestamp;
use url::Url;

use crate::config::ApiConfig;
use crate::protocol::scope::Scopes;

/// What a program knows about itself and its surroundings. Everything is optional; what is not said is not looked at.
///
/// ```
/// use shared_auth::{ClientCredential, Deployment, EntraConfig, lint};
///
/// let entra = EntraConfig::new(
///     "https://login.microsoftonline.com".parse()?, "common", "client id", ClientCredential::secret("…"));
/// let findings = lint(&entra, &Deployment::new().app_scopes("https://graph.microsoft.com/User.Read"));
/// for finding in &findings {
///     println!("{finding}");
/// }
/// assert_eq!(findings.len(), 2); // `common` for an application by itself, and a scope that is not `/.default`
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Deployment {
    pub(crate) app_scopes: Vec<Scopes>,
    pub(crate) user_scopes: Vec<Scopes>,
    pub(crate) api: Option<ApiConfig>,
    pub(crate) redirect_uris: Vec<Url>,
    pub(crate) secret_expires_at: Option<Timestamp>,
    pub(crate) replicas: Replicas,
    pub(crate) shared_cache: bool,
}

/// How many of this program run side by side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Replicas {
    #[default]
    Unknown,
    Known(u32),
    /// On a platform that may start more of them.
    Perhaps(&'static str),
}

impl Deployment {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the application asks for by itself (client credentials). May be called more than once.
    pub fn app_scopes(mut self, scopes: impl Into<Scopes>) -> Self {
        self.app_scopes.push(scopes.into());
        self
    }

    /// What it asks for in the name of users: sign-in, silent, on-behalf-of. May be called more than once.
    pub fn user_scopes(mut self, scopes: impl Into<Scopes>) -> Self {
        self.user_scopes.push(scopes.into());
        self
    }

    /// What it expects of tokens as an API.
    pub fn api(mut self, api: &ApiConfig) -> Self {
        self.api = Some(api.clone());
        self
    }

    /// Where Entra sends browsers back to. May be called more than once.
    pub fn redirect_uri(mut self, uri: &Url) -> Self {
        self.redirect_uris.push(uri.clone());
        self
    }

    /// When the client secret ends; a secret does not say so itself. Certificates do.
    pub fn secret_expires_at(mut self, end: Timestamp) -> Self {
        self.secret_expires_at = Some(end);
        self
    }

    /// How many of this program run side by side.
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.replicas = Replicas::Known(replicas);
        self
    }

    /// Tokens and sessions lie where all replicas find them, and not in the memory of each.
    pub fn shared_cache(mut self) -> Self {
        self.shared_cache = true;
        self
    }

    /// Looks for signs of a platform that starts several replicas: `KUBERNETES_SERVICE_HOST`,
    /// `CONTAINER_APP_REPLICA_NAME`, `WEBSITE_INSTANCE_ID`. Only their presence counts.
    pub fn detect_platform(self) -> Self {
        self.detect_platform_by(|name| std::env::var_os(name).is_some())
    }

    fn detect_platform_by(mut self, is_set: impl Fn(&str) -> bool) -> Self {
        const SIGNS: [(&str, &str); 3] = [
            ("KUBERNETES_SERVICE_HOST", "Kubernetes"),
            ("CONTAINER_APP_REPLICA_NAME", "Container Apps"),
            ("WEBSITE_INSTANCE_ID", "App Service"),
        ];
        if self.replicas == Replicas::Unknown
            && let Some((_, platform)) = SIGNS.iter().find(|(name, _)| is_set(name))
        {
            self.replicas = Replicas::Perhaps(platform);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_told_by_its_variables_unless_the_number_is_known() {
        let on = |name: &'static str| move |asked: &str| asked == name;

        let unknown = Deployment::new().detect_platform_by(on("KUBERNETES_SERVICE_HOST"));
        assert_eq!(unknown.replicas, Replicas::Perhaps("Kubernetes"));
        let known = Deployment::new().replicas(1).detect_platform_by(on("KUBERNETES_SERVICE_HOST"));
        assert_eq!(known.replicas, Replicas::Known(1));
        assert_eq!(Deployment::new().detect_platform_by(on("HOME")).replicas, Replicas::Unknown);
    }
}
