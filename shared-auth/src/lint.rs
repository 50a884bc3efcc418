//! A look at the settings before the first request: mistakes that would otherwise show up as a refusal, or much later.
//!
//! Nothing is refused here: each finding is a sentence with what helps, and the program decides what to make of it. The
//! client's builder logs them; see [`ConfidentialClientBuilder::deployment`](crate::ConfidentialClientBuilder::deployment).

mod checks;
mod deployment;

use std::fmt;

use jiff::Timestamp;

pub use deployment::Deployment;
pub(crate) use deployment::Replicas;

use crate::config::EntraConfig;

/// What a finding is about.
///
/// ```
/// use shared_auth::{Finding, Lint};
///
/// fn new_to_us(findings: Vec<Finding>) -> Vec<Finding> {
///     findings.into_iter().filter(|finding| finding.lint != Lint::MemoryCache).collect()
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lint {
    /// A scope that Entra would refuse.
    ScopeForm,
    /// `common`, `organizations` or `consumers` for an application by itself.
    NoTenant,
    /// Audiences that fit tokens of one version only.
    AudienceVersion,
    /// A redirect URI that sends codes in the clear.
    PlainRedirect,
    /// A credential that ends soon, or has ended.
    CredentialExpiry,
    /// Tokens in the memory of each of several replicas.
    MemoryCache,
    /// Every tenant in the world is let in.
    OpenToAllTenants,
}

impl Lint {
    /// The name, for logs and for lists of what one knows already.
    pub fn name(self) -> &'static str {
        match self {
            Lint::ScopeForm => "scope-form",
            Lint::NoTenant => "no-tenant",
            Lint::AudienceVersion => "audience-version",
            Lint::PlainRedirect => "plain-redirect",
            Lint::CredentialExpiry => "credential-expiry",
            Lint::MemoryCache => "memory-cache",
            Lint::OpenToAllTenants => "open-to-all-tenants",
        }
    }
}

/// A likely mistake, with what helps.
///
/// ```
/// use shared_auth::{ClientCredential, Deployment, EntraConfig, lint};
///
/// let entra = EntraConfig::new(
///     shared_auth::PUBLIC_CLOUD.parse()?,
///     "contoso.com",
///     "client id",
///     ClientCredential::secret("…"),
/// );
/// for finding in lint(&entra, &Deployment::new().user_scopes("https://graph.microsoft.com/.default User.Read")) {
///     println!("{}: {}", finding.lint.name(), finding.sentence);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Which check found it.
    pub lint: Lint,
    /// What was found, and what helps. Never a secret.
    pub sentence: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.sentence, self.lint.name())
    }
}

/// Looks for likely mistakes. No network; the expiry of credentials is left to [`lint_at`].
///
/// ```
/// use shared_auth::{ClientCredential, Deployment, EntraConfig, Lint, lint};
///
/// let open = EntraConfig::new(
///     shared_auth::PUBLIC_CLOUD.parse()?,
///     "common",
///     "client id",
///     ClientCredential::secret("…"),
/// );
/// let findings = lint(&open, &Deployment::new().app_scopes("https://graph.microsoft.com/.default"));
/// assert!(findings.iter().any(|finding| finding.lint == Lint::NoTenant));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn lint(entra: &EntraConfig, deployment: &Deployment) -> Vec<Finding> {
    find(entra, deployment, None)
}

/// As [`lint`], and says which credential ends within 30 days of `now`, or has ended.
///
/// ```
/// # fn example(entra: shared_auth::EntraConfig) {
/// use shared_auth::{Clock, Deployment, SystemClock, lint_at};
///
/// let findings = lint_at(&entra, &Deployment::new(), SystemClock.now());
/// # }
/// ```
pub fn lint_at(entra: &EntraConfig, deployment: &Deployment, now: Timestamp) -> Vec<Finding> {
    find(entra, deployment, Some(now))
}

fn find(entra: &EntraConfig, deployment: &Deployment, now: Option<Timestamp>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut note = |lint, sentence| findings.push(Finding { lint, sentence });
    checks::tenant(entra, deployment, &mut note);
    checks::scopes(deployment, &mut note);
    checks::audience(entra, deployment, &mut note);
    checks::redirect(deployment, &mut note);
    checks::cache(deployment, &mut note);
    if let Some(now) = now {
        checks::expiry(entra, deployment, now, &mut note);
    }
    findings
}

/// Writes the findings to the log.
pub(crate) fn log(findings: &[Finding]) {
    for Finding { lint, sentence } in findings {
        tracing::warn!(lint = lint.name(), "{sentence}");
    }
}
