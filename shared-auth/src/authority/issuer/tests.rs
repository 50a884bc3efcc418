//! Issuers that documents and tokens may name, and those that they may not.

use proptest::prelude::*;

use super::*;

proptest! {
    /// Checklist 42, 46.
    #[test]
    fn no_other_text_is_an_issuer(text in "\\PC{0,80}", path in "[a-z0-9/{}.:-]{0,60}") {
        for issuer in [text, format!("https://{path}"), format!("https://login.windows.net/{path}")] {
            for (kind, base, tenant) in [
                (AuthorityKind::Entra, "https://login.windows.net", ID),
                (AuthorityKind::Ciam, "https://c.ciamlogin.com", ID),
                (AuthorityKind::B2c { policy: "p".to_owned() }, "https://c.b2clogin.com", "c.test"),
                (AuthorityKind::Adfs, "https://fs.test", "adfs"),
                (AuthorityKind::Oidc, "https://accounts.example", ""),
            ] {
                prop_assert!(!accepts(&kind, base, tenant, &issuer), "{issuer}");
            }
        }
    }
}

const ID: &str = "10000000-0000-4000-8000-000000000001";
const OTHER: &str = "20000000-0000-4000-8000-000000000002";

fn rule(kind: &AuthorityKind, base: &str, tenant: &str, issuer: &str) -> Result<IssuerRule, String> {
    let allowed: Arc<[String]> = Arc::from(vec![ID.to_owned()]);
    let aliases = ["login.microsoftonline.com".to_owned()];
    IssuerRule::new(&Wanted { kind, base, aliases: &aliases, tenant, allowed: &allowed }, issuer)
}

fn accepts(kind: &AuthorityKind, base: &str, tenant: &str, issuer: &str) -> bool {
    rule(kind, base, tenant, issuer).is_ok()
}

/// Checklist 26.
#[test]
fn a_document_must_name_the_authority_that_was_asked() {
    let entra = |tenant: &str, issuer: &str| {
        accepts(&AuthorityKind::Entra, "https://login.windows.net", tenant, issuer)
    };

    assert!(entra(ID, &format!("https://login.windows.net/{ID}/v2.0")));
    assert!(entra(ID, &format!("https://login.microsoftonline.com/{ID}/v2.0")), "an alias");
    assert!(entra("contoso.test", &format!("https://login.microsoftonline.com/{ID}/v2.0")));
    assert!(entra("consumers", &format!("https://login.microsoftonline.com/{CONSUMERS}/v2.0")));
    for issuer in [
        format!("https://login.microsoftonline.com/{OTHER}/v2.0"),
        format!("https://login.microsoftonline.com/{ID}/v2.0/"),
        format!("https://login.microsoftonline.com/{ID}"),
        format!("https://login.microsoftonline.com.evil.test/{ID}/v2.0"),
        format!("https://login.windows.net.evil.test/{ID}/v2.0"),
        format!("http://login.microsoftonline.com/{ID}/v2.0"),
        format!("https://sts.contoso.test/{ID}/v2.0"),
        "https://login.microsoftonline.com/{tenantid}/v2.0".to_owned(),
        String::new(),
    ] {
        assert!(!entra(ID, &issuer), "{issuer}");
    }
}

#[test]
fn only_those_who_asked_for_many_tenants_get_a_template() {
    let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
    let accepts =
        |tenant| accepts(&AuthorityKind::Entra, "https://login.microsoftonline.com", tenant, template);

    assert!(accepts("common") && accepts("organizations"));
    assert!(!accepts("consumers") && !accepts("contoso.test") && !accepts(ID));
}

/// Checklist 45.
#[test]
fn the_tenant_of_a_token_decides_the_issuer_that_it_must_name() {
    let base = "https://login.microsoftonline.com";
    let many =
        rule(&AuthorityKind::Entra, base, "organizations", &format!("{base}/{{tenantid}}/v2.0")).unwrap();

    assert_eq!(many.expects(ID).unwrap().issuer, format!("{base}/{ID}/v2.0"));
    assert!(many.expects(OTHER).is_ok() && !many.lists(OTHER) && many.lists(ID));
    assert!(many.lets_in(OTHER).unwrap_err().contains("list"));
    assert!(many.expects(CONSUMERS).unwrap_err().contains("personal"));
    assert!(many.may_be(&format!("{base}/{OTHER}/v2.0")) && !many.may_be(&format!("{base}/x/v2.0")));
}

#[test]
fn every_kind_has_an_issuer_of_its_own() {
    let b2c = AuthorityKind::B2c { policy: "B2C_1_si".to_owned() };
    let b2c_host = "https://contoso.b2clogin.com";
    assert!(accepts(&b2c, b2c_host, "contoso.onmicrosoft.com", &format!("{b2c_host}/{ID}/v2.0/")));
    assert!(accepts(
        &b2c,
        &format!("{b2c_host}/tfp"),
        "c.test",
        &format!("{b2c_host}/tfp/{ID}/b2c_1_si/v2.0/")
    ));
    assert!(!accepts(&b2c, b2c_host, "c.test", &format!("{b2c_host}/tfp/{ID}/b2c_1_other/v2.0/")));
    assert!(!accepts(&b2c, b2c_host, "c.test", &format!("https://evil.b2clogin.com/{ID}/v2.0/")));

    let ciam = "https://contoso.ciamlogin.com";
    assert!(accepts(
        &AuthorityKind::Ciam,
        ciam,
        "contoso.onmicrosoft.com",
        &format!("https://{ID}.ciamlogin.com/{ID}/v2.0")
    ));
    assert!(!accepts(
        &AuthorityKind::Ciam,
        ciam,
        "contoso.onmicrosoft.com",
        &format!("https://{OTHER}.ciamlogin.com/{ID}/v2.0")
    ));
    assert!(!accepts(&AuthorityKind::Ciam, ciam, OTHER, &format!("https://{ID}.ciamlogin.com/{ID}/v2.0")));

    assert!(accepts(&AuthorityKind::Adfs, "https://fs.contoso.test", "adfs", "https://fs.contoso.test/adfs"));
    assert!(!accepts(&AuthorityKind::Adfs, "https://fs.contoso.test", "adfs", "https://fs.contoso.test"));

    let oidc = |issuer| accepts(&AuthorityKind::Oidc, "https://accounts.example/realms/x", "", issuer);
    assert!(oidc("https://accounts.example/realms/x"));
    assert!(!oidc("https://accounts.example/realms/y") && !oidc("https://accounts.example/{tenantid}/x"));
}
