//! Mistakes in settings, named before the first request.

use shared_auth::{
    ApiConfig, ClientCertificate, ClientCredential, ConfidentialClient, Deployment, EntraConfig, Finding,
    Lint, lint, lint_at,
};

use crate::support::{API, Log};
use crate::tokens::TENANT;

fn config(tenant: &str) -> EntraConfig {
    let host = "https://login.microsoftonline.com".parse().unwrap();
    EntraConfig::new(host, tenant, API, ClientCredential::secret("s3cret"))
}

/// What is found for this deployment in one certain tenant.
fn found(deployment: &Deployment) -> Vec<Lint> {
    lint(&config(TENANT), deployment).iter().map(|finding| finding.lint).collect()
}

fn api(audiences: &[&str]) -> ApiConfig {
    ApiConfig { audiences: audiences.iter().map(|&name| name.to_owned()).collect(), ..ApiConfig::new(API) }
}

#[test]
fn good_settings_have_no_findings() {
    let good = Deployment::new()
        .app_scopes("https://graph.microsoft.com/.default")
        .app_scopes("https://vault.azure.net//.default")
        .user_scopes("openid profile User.Read Mail.Read")
        .user_scopes(format!("api://{API}/access_as_user"))
        .user_scopes(format!("{API}/access_as_user"))
        .user_scopes(format!("openid api://{API}/.default"))
        .api(&ApiConfig::new(API))
        .redirect_uri(&"https://app.contoso.test/signin-oidc".parse().unwrap())
        .redirect_uri(&"http://localhost:3000/signin-oidc".parse().unwrap())
        .replicas(3)
        .shared_cache();

    assert_eq!(lint(&config(TENANT), &good), []);
    assert_eq!(lint(&config("common"), &Deployment::new().user_scopes("User.Read")), []);
}

/// Checklist 140.
#[test]
fn scopes_that_entra_would_refuse_are_named() {
    for app in ["User.Read", "https://graph.microsoft.com/User.Read", ".default"] {
        assert!(found(&Deployment::new().app_scopes(app)).contains(&Lint::ScopeForm), "{app}");
    }
    for user in [
        "https://graph.microsoft.com/.default User.Read",
        "User.Read,Mail.Read",
        "api://orders",
        "https://graph.microsoft.com/",
        API,
        ".default",
    ] {
        assert_eq!(found(&Deployment::new().user_scopes(user)), [Lint::ScopeForm], "{user}");
    }
}

#[test]
fn several_tenants_are_for_users_only_and_an_api_names_those_it_lets_in() {
    for tenant in ["common", "Organizations", "consumers"] {
        let daemon = Deployment::new().app_scopes("https://graph.microsoft.com/.default");
        let findings = lint(&config(tenant), &daemon);
        assert_eq!(
            findings.iter().map(|finding| finding.lint).collect::<Vec<_>>(),
            [Lint::NoTenant],
            "{tenant}"
        );
    }
    let mut entra = config("organizations");
    let guarded = Deployment::new().api(&ApiConfig::new(API));
    assert_eq!(lint(&entra, &guarded)[0].lint, Lint::OpenToAllTenants);
    entra.allowed_tenants.push(TENANT.to_owned());
    assert_eq!(lint(&entra, &guarded), []);
}

#[test]
fn audiences_that_fit_one_version_of_tokens_are_named() {
    let uri = format!("api://{API}");
    for audiences in [&[uri.as_str()][..], &[API], &["00000000-0000-4000-8000-000000000009"]] {
        assert_eq!(found(&Deployment::new().api(&api(audiences))), [Lint::AudienceVersion], "{audiences:?}");
    }
    let mut lab = config(TENANT);
    lab.authority_host = "http://127.0.0.1:8400".parse().unwrap();
    assert_eq!(lint(&lab, &Deployment::new().api(&api(&[API]))), [], "an authority without v1.0 tokens");
}

#[test]
fn a_redirect_in_the_clear_and_memory_caches_side_by_side_are_named() {
    let plain = Deployment::new().redirect_uri(&"http://app.contoso.test/signin-oidc".parse().unwrap());
    assert_eq!(found(&plain), [Lint::PlainRedirect]);
    assert_eq!(found(&Deployment::new().replicas(2)), [Lint::MemoryCache]);
    assert_eq!(found(&Deployment::new().replicas(1)), []);
}

#[test]
fn a_credential_that_ends_soon_is_named_while_there_is_time() {
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    let ends = |at: &str| {
        let deployment = Deployment::new().secret_expires_at(at.parse().unwrap());
        lint_at(&config(TENANT), &deployment, now).iter().map(Finding::to_string).collect::<String>()
    };

    assert_eq!(ends("2026-07-15T12:00:00Z"), "");
    assert!(ends("2026-06-11T12:00:00Z").contains("ends in 10 days"), "{}", ends("2026-06-11T12:00:00Z"));
    assert!(ends("2026-05-31T12:00:00Z").contains("AADSTS7000222"));

    // A certificate says itself when it ends, also in a list.
    let certificate = ClientCertificate::from_pem(crate::settings::pem()).unwrap();
    let mut entra = config(TENANT);
    entra.credential = ClientCredential::first_of([ClientCredential::secret("s3cret"), certificate.into()]);
    let near = "2035-12-20T00:00:00Z".parse().unwrap();
    let findings = lint_at(&entra, &Deployment::new(), near);
    assert!(
        findings[0].sentence.contains("a certificate of the application ends in 12 days"),
        "{findings:?}"
    );
    assert_eq!(lint_at(&entra, &Deployment::new(), now), []);
}

#[test]
fn findings_are_sentences_with_a_name_and_never_stop_the_client() {
    let bad = Deployment::new().app_scopes("User.Read").replicas(9);
    let findings = lint(&config("common"), &bad);

    for finding in &findings {
        assert!(finding.sentence.len() > 40 && !finding.sentence.contains("s3cret"), "{finding}");
        assert!(finding.to_string().ends_with(&format!("[{}]", finding.lint.name())), "{finding}");
    }
    assert_eq!(findings.len(), 3);
    ConfidentialClient::builder(config("common")).deployment(bad).build().unwrap();
}

#[test]
fn the_builder_writes_the_findings_to_the_log() {
    let log = Log::default();
    let on = log.listen();

    let deployment = Deployment::new().user_scopes("User.Read,Mail.Read");
    ConfidentialClient::builder(config(TENANT)).deployment(deployment).build().unwrap();
    ConfidentialClient::new(config(TENANT)).unwrap();

    drop(on);
    let text = log.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("WARN") && text.contains("scope-form") && text.contains("comma"), "{text}");
}
