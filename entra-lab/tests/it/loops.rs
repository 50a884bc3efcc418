//! Loop detection: who asks for the same token over and over is told so.

use entra_lab::PolicyChange;
use jiff::SignedDuration;

use crate::support::{API, BOB, DAEMON, GRAPH, OBO, api_token, form, lab, token};

#[tokio::test]
async fn an_application_without_a_cache_is_stopped_and_others_are_not() {
    let lab = lab().await;
    lab.policy(PolicyChange::LoopLimit { requests: Some(3) }).unwrap();
    let scope = format!("{GRAPH}/.default");
    let rest = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    for _ in 0..3 {
        assert_eq!(token(&lab, &form(&DAEMON, &rest)).await.status, 200);
    }
    token(&lab, &form(&DAEMON, &rest)).await.assert_refused(400, "invalid_grant", 50196);
    assert_eq!(token(&lab, &form(&API, &rest)).await.status, 200, "another client");
    let other = [rest[0], ("scope", "api://c0ffee00-0000-4000-8000-000000004000/.default")];
    assert_eq!(token(&lab, &form(&DAEMON, &other)).await.status, 200, "another resource");
    lab.advance(SignedDuration::from_mins(5));
    assert_eq!(token(&lab, &form(&DAEMON, &rest)).await.status, 200, "five minutes later");
}

#[tokio::test]
async fn the_loop_of_one_user_is_not_the_loop_of_another() {
    let lab = lab().await;
    let (alice, bob) = (api_token(&lab, crate::support::ALICE).await, api_token(&lab, BOB).await);
    lab.policy(PolicyChange::LoopLimit { requests: Some(2) }).unwrap();
    let exchange = async |assertion: &str| {
        let scope = format!("{GRAPH}/User.Read");
        let rest = [
            ("grant_type", OBO),
            ("requested_token_use", "on_behalf_of"),
            ("assertion", assertion),
            ("scope", &scope),
        ];
        token(&lab, &form(&API, &rest)).await
    };
    for _ in 0..2 {
        assert_eq!(exchange(&alice).await.status, 200);
    }
    exchange(&alice).await.assert_refused(400, "invalid_grant", 50196);
    assert_eq!(exchange(&bob).await.status, 200);
}

#[tokio::test]
async fn detection_can_be_switched_off() {
    let lab = lab().await;
    let rest = [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
    lab.policy(PolicyChange::LoopLimit { requests: Some(1) }).unwrap();
    assert_eq!(token(&lab, &form(&DAEMON, &rest)).await.status, 200);
    assert_eq!(token(&lab, &form(&DAEMON, &rest)).await.status, 400);
    lab.policy(PolicyChange::LoopLimit { requests: None }).unwrap();
    for _ in 0..3 {
        assert_eq!(token(&lab, &form(&DAEMON, &rest)).await.status, 200);
    }
}
