//! The password grant, and the user realm that libraries ask for before it.

use crate::support::{
    ALICE, API_SCOPE, CAROL, DESKTOP, PASSWORD, TENANT, WEB_APP, form, get, lab, token, token_at, tokens,
};

fn fields<'a>(user: &'a str, password: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("grant_type", "password"), ("username", user), ("password", password), ("scope", API_SCOPE)]
}

#[tokio::test]
async fn it_works_once_the_user_has_agreed_elsewhere() {
    let lab = lab().await;
    let refused = token(&lab, &form(&DESKTOP, &fields(ALICE, PASSWORD))).await;
    refused.assert_refused(400, "invalid_grant", 65001);
    tokens(&lab, &DESKTOP, ALICE, API_SCOPE).await;
    let answer = token(&lab, &form(&DESKTOP, &fields(ALICE, PASSWORD))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.claims("access_token")["azpacr"], "0");
    assert_eq!(answer.claims("access_token")["preferred_username"], ALICE);
}

/// Checklist 167.
#[tokio::test]
async fn each_mistake_has_its_code() {
    let lab = lab().await;
    for (user, password, code) in [
        (ALICE, "neither-hers-nor-shown", 50126),
        ("nobody@contoso.test", PASSWORD, 50034),
        ("dmitri@contoso.test", PASSWORD, 50056),
    ] {
        let answer = token(&lab, &form(&DESKTOP, &fields(user, password))).await;
        answer.assert_refused(400, "invalid_grant", code);
        assert!(!answer.body.to_string().contains(password), "it is never repeated");
    }
    let anonymous = crate::support::App { secret: "", ..WEB_APP };
    let answer = token(&lab, &form(&anonymous, &fields(CAROL, PASSWORD))).await;
    answer.assert_refused(401, "invalid_client", 7000218);
}

#[tokio::test]
async fn common_is_9001023() {
    let name = "name = \"desktop-app\"";
    let seed = entra_lab::DEFAULT_SEED.replacen(name, &format!("{name}\nmulti_tenant = true"), 1);
    let lab = entra_lab::EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    let form = form(&DESKTOP, &fields(ALICE, "wrong"));
    token_at(&lab, "common", &form).await.assert_refused(400, "invalid_request", 9001023);
    token_at(&lab, "organizations", &form).await.assert_refused(400, "invalid_grant", 50126);
    token_at(&lab, TENANT, &form).await.assert_refused(400, "invalid_grant", 50126);
}

#[tokio::test]
async fn the_user_realm_says_managed() {
    let lab = lab().await;
    let answer = get(&format!("{}/common/UserRealm/Alice@contoso.test?api-version=1.0", lab.url())).await;
    assert_eq!((answer.text("account_type"), answer.text("domain_name")), ("Managed", "contoso.test"));
    assert_eq!(answer.text("cloud_audience_urn"), "urn:federation:MicrosoftOnline");
    let other = get(&format!("{}/common/userrealm/x@elsewhere.example", lab.url())).await;
    assert_eq!(other.text("account_type"), "Unknown");
}
