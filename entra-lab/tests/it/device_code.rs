//! The device code flow: a device polls while a person signs in on the lab's page.

use entra_lab::EntraLab;
use jiff::SignedDuration;

use crate::support::{ALICE, API_SCOPE, Browser, DESKTOP, Json, PASSWORD, TENANT, client, lab, token};

const URN: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn start(lab: &EntraLab) -> Json {
    let url = format!("{}/{TENANT}/oauth2/v2.0/devicecode", lab.url());
    let scope = format!("openid profile offline_access {API_SCOPE}");
    let form = [("client_id", DESKTOP.id), ("scope", scope.as_str())];
    Json::of(client().post(url).form(&form).send().await.unwrap()).await
}

async fn poll(lab: &EntraLab, grant: &str, code: &str) -> Json {
    let form = [("client_id", DESKTOP.id), ("grant_type", grant), ("device_code", code), ("code", code)];
    token(lab, &form).await
}

/// Types the code, says yes and signs in.
async fn approve(lab: &EntraLab, user_code: &str) -> crate::support::Page {
    let mut browser = Browser::new(lab);
    let confirm = browser.post("/deviceauth", &[("code", user_code)]).await;
    assert!(confirm.is("Confirm the device") && confirm.body.contains("desktop-app"), "{}", confirm.body);
    let mut page = browser.post("/deviceauth", &[("code", user_code), ("action", "approve")]).await;
    page = browser.pick(&page, ALICE).await;
    page = browser.type_password(&page, PASSWORD).await;
    browser.accept(&page).await
}

/// Checklist 165.
#[tokio::test]
async fn the_device_gets_tokens_once_after_the_person_agreed() {
    let lab = lab().await;
    let begun = start(&lab).await;
    assert_eq!(
        (begun.status, &begun.body["expires_in"], &begun.body["interval"]),
        (200, &900.into(), &5.into())
    );
    assert_eq!(begun.text("user_code").len(), 9);
    assert!(begun.text("message").contains(begun.text("user_code")));
    let code = begun.text("device_code");
    poll(&lab, URN, code).await.assert_refused(400, "authorization_pending", 70016);
    let done = approve(&lab, &begun.text("user_code").to_lowercase()).await;
    assert!(done.body.contains("id=\"device-approved\""), "{}", done.body);
    let answer = poll(&lab, URN, code).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.claims("access_token")["scp"], "access_as_user");
    assert_eq!(answer.claims("id_token")["preferred_username"], ALICE);
    assert!(answer.text("refresh_token").starts_with("1.R"));
    poll(&lab, URN, code).await.assert_refused(400, "invalid_grant", 54005);
}

#[tokio::test]
async fn the_short_name_of_the_grant_is_known_too() {
    let lab = lab().await;
    let begun = start(&lab).await;
    approve(&lab, begun.text("user_code")).await;
    assert_eq!(poll(&lab, "device_code", begun.text("device_code")).await.status, 200);
}

#[tokio::test]
async fn who_polls_too_fast_is_told_to_slow_down() {
    let lab = lab().await;
    let begun = start(&lab).await;
    let code = begun.text("device_code");
    poll(&lab, URN, code).await.assert_refused(400, "authorization_pending", 70016);
    poll(&lab, URN, code).await.assert_refused(400, "slow_down", 70016);
    lab.advance(SignedDuration::from_secs(5));
    poll(&lab, URN, code).await.assert_refused(400, "authorization_pending", 70016);
}

/// Checklist 165.
#[tokio::test]
async fn a_declined_an_expired_and_an_unknown_code_are_told_apart() {
    let lab = lab().await;
    let begun = start(&lab).await;
    let mut browser = Browser::new(&lab);
    let fields = [("code", begun.text("user_code")), ("action", "decline")];
    let page = browser.post("/common/oauth2/deviceauth", &fields).await;
    assert!(page.body.contains("id=\"device-declined\""), "{}", page.body);
    let refused = poll(&lab, URN, begun.text("device_code")).await;
    refused.assert_refused(400, "authorization_declined", 65004);
    let wrong = browser.post("/deviceauth", &[("code", begun.text("user_code"))]).await;
    assert!(wrong.body.contains("No device waits for this code"), "{}", wrong.body);

    let begun = start(&lab).await;
    lab.advance(SignedDuration::from_secs(901));
    let refused = poll(&lab, URN, begun.text("device_code")).await;
    refused.assert_refused(400, "expired_token", 70020);
    poll(&lab, URN, "nonsense").await.assert_refused(400, "bad_verification_code", 70018);
}

#[tokio::test]
async fn declining_the_consent_ends_the_device_too() {
    let lab = lab().await;
    let begun = start(&lab).await;
    let mut browser = Browser::new(&lab);
    let fields = [("code", begun.text("user_code")), ("action", "approve")];
    let mut page = browser.post("/deviceauth", &fields).await;
    page = browser.pick(&page, ALICE).await;
    page = browser.type_password(&page, PASSWORD).await;
    assert!(browser.submit(&page, &[("action", "decline")]).await.body.contains("device-declined"));
    let refused = poll(&lab, URN, begun.text("device_code")).await;
    refused.assert_refused(400, "authorization_declined", 65004);
}

#[tokio::test]
async fn a_yes_from_another_site_is_asked_for_again() {
    let lab = lab().await;
    let started = start(&lab).await;
    for action in ["approve", "decline"] {
        let form = [("code", started.text("user_code")), ("action", action)];
        let post = client().post(format!("{}/deviceauth", lab.url())).form(&form);
        let page = post.header("sec-fetch-site", "cross-site").send().await.unwrap().text().await.unwrap();
        assert!(page.contains("Confirm the device"), "{page}");
    }
    poll(&lab, URN, started.text("device_code")).await.assert_refused(400, "authorization_pending", 70016);
}

#[tokio::test]
async fn the_page_has_the_ids_that_journeys_use() {
    let lab = lab().await;
    let begun = start(&lab).await;
    let mut browser = Browser::new(&lab);
    let page = browser.open(begun.text("verification_uri")).await;
    assert!(page.body.contains("id=\"code\"") && page.body.contains("id=\"next\""), "{}", page.body);
    let page = browser.post("/deviceauth", &[("code", begun.text("user_code"))]).await;
    assert!(page.body.contains("id=\"approve\"") && page.body.contains("id=\"decline\""), "{}", page.body);
}
