//! Accounts that are not in order, and guests.

use entra_lab::{DEFAULT_SEED, EntraLab, PolicyChange};
use serde_json::json;

use crate::support::{
    ALICE, API_SCOPE, Browser, CAROL, DESKTOP, Json, PASSWORD, TENANT, WEB_APP, authorize_url, claims, form,
    lab, token, tokens,
};

const GUEST: &str = "gita@fabrikam.test";

async fn by_password(lab: &EntraLab, password: &str) -> Json {
    let rest =
        [("grant_type", "password"), ("username", CAROL), ("password", password), ("scope", API_SCOPE)];
    token(lab, &form(&DESKTOP, &rest)).await
}

#[tokio::test]
async fn locked_expired_and_disabled_accounts_are_told_apart() {
    let lab = lab().await;
    let carol = || CAROL.to_owned();
    for (change, code, suberror) in [
        (PolicyChange::UserLocked { user: carol(), on: true }, 50053, None),
        (PolicyChange::PasswordExpired { user: carol(), on: true }, 50055, Some("user_password_expired")),
        (PolicyChange::UserDisabled { user: carol(), on: true }, 50057, None),
    ] {
        lab.reset();
        lab.policy(change).unwrap();
        let refused = by_password(&lab, PASSWORD).await;
        refused.assert_refused(400, "invalid_grant", code);
        assert_eq!(refused.body["suberror"].as_str(), suberror);
        let mut browser = Browser::new(&lab);
        let page = browser.sign_in(&authorize_url(&lab, TENANT, &WEB_APP, &[]), CAROL).await;
        assert!(page.is("Enter password") && page.body.contains(&format!("AADSTS{code}")), "{}", page.body);
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_account_is_not_told_to_who_does_not_know_the_password() {
    let lab = lab().await;
    lab.policy(PolicyChange::UserLocked { user: CAROL.into(), on: true }).unwrap();
    by_password(&lab, "a guess").await.assert_refused(400, "invalid_grant", 50126);
}

#[tokio::test]
async fn the_refresh_token_of_a_disabled_account_is_refused() {
    let lab = lab().await;
    let scope = format!("offline_access {API_SCOPE}");
    let first = tokens(&lab, &WEB_APP, ALICE, &scope).await;
    lab.policy(PolicyChange::UserDisabled { user: ALICE.into(), on: true }).unwrap();
    let rest = [("grant_type", "refresh_token"), ("refresh_token", first.text("refresh_token"))];
    token(&lab, &form(&WEB_APP, &rest)).await.assert_refused(400, "invalid_grant", 50057);
}

#[tokio::test]
async fn a_guest_brings_the_home_tenant_along() {
    let seed = DEFAULT_SEED.replace(
        "[[tenant.user]]\nid = \"d0000000",
        &format!(
            "[[tenant.user]]\nid = \"51000000-0000-4000-8000-000000000001\"\n\
             upn = \"gita_fabrikam.test#EXT#@contoso.test\"\npassword = \"{PASSWORD}\"\n\
             display_name = \"Gita Rao\"\nmail = \"{GUEST}\"\n\
             home = {{ tenant = \"20000000-0000-4000-8000-000000000002\", object_id = \"52000000-0000-4000-8000-000000000001\" }}\n\n\
             [[tenant.user]]\nid = \"d0000000"
        ),
    );
    let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    let url = authorize_url(
        &lab,
        TENANT,
        &WEB_APP,
        &[("scope", &format!("openid profile {API_SCOPE}")), ("login_hint", GUEST)],
    );
    let mut browser = Browser::new(&lab);
    let code = browser.sign_in(&url, GUEST).await.query()["code"].clone();
    let answer = crate::support::redeem(&lab, &WEB_APP, &code, &[("client_info", "1")]).await;
    let issuer = "https://sts.windows.net/20000000-0000-4000-8000-000000000002/";
    for token in ["access_token", "id_token"] {
        let claims = answer.claims(token);
        assert_eq!((&claims["idp"], &claims["email"]), (&json!(issuer), &json!(GUEST)), "{claims}");
        assert_eq!(claims["oid"], "51000000-0000-4000-8000-000000000001");
        assert_eq!(claims["tid"], TENANT);
    }
    let info = claims(&format!(".{}", answer.text("client_info")));
    let home = json!({ "uid": "52000000-0000-4000-8000-000000000001", "utid": "20000000-0000-4000-8000-000000000002" });
    assert_eq!(info, home);
}
