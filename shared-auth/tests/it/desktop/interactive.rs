//! Signing in with the system browser, all the way.

use entra_lab::EntraLab;
use shared_auth::{Error, ResponseMode, SignInError, TokenSource};

use super::{at_the_sign_in_page, browser, client, http, parameter, sign_in};
use crate::support::{access_as_user, token_requests};

/// Checklist 88.
#[tokio::test]
async fn the_browsers_answer_becomes_an_account_and_a_token_and_the_browser_is_told() {
    let lab = EntraLab::start().await.unwrap();
    let desktop = client(&lab);
    let (open, mut told) = browser();

    let request =
        desktop.acquire_token_interactive(access_as_user()).login_hint("alice@contoso.test").open_with(open);
    let waiting = tokio::spawn(async move { request.await });
    let address = told.recv().await.unwrap();
    let form = at_the_sign_in_page(&address, "alice").await;
    let page = http().post(parameter(&address, "redirect_uri")).form(&form).send().await.unwrap();

    let (status, headers) = (page.status(), page.headers().clone());
    let text = page.text().await.unwrap();
    assert!(status == 200 && text.contains("You are signed in"), "{status} {text}");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert_eq!(headers["cache-control"], "no-store");
    for (_, value) in &form {
        assert!(!text.contains(value.as_str()), "the page repeats what came with the request");
    }
    let signed_in = waiting.await.unwrap().unwrap();
    assert_eq!(signed_in.account.username, "alice@contoso.test");
    assert_eq!(signed_in.id_token.name.as_deref(), Some("Alice Kim"));
    assert_eq!(desktop.accounts().await, std::slice::from_ref(&signed_in.account));
    let silent = desktop.acquire_token_silent(&signed_in.account, access_as_user()).await.unwrap();
    assert_eq!(silent.source, TokenSource::Cache);
}

#[tokio::test]
async fn the_request_has_pkce_state_and_nonce_and_a_form_for_the_answer_and_no_secret_anywhere() {
    let lab = EntraLab::start().await.unwrap();
    let desktop = client(&lab);
    let (open, mut told) = browser();
    let request = desktop.acquire_token_interactive(access_as_user()).open_with(open);
    let waiting = tokio::spawn(async move { request.await });

    let address = told.recv().await.unwrap();

    assert_eq!(parameter(&address, "code_challenge_method"), "S256");
    assert_eq!(parameter(&address, "response_mode"), "form_post");
    for name in ["state", "nonce", "code_challenge"] {
        assert_eq!(parameter(&address, name).len(), 43, "{name}");
    }
    // As it is registered but for the port: Entra tells it apart from one with a slash.
    let redirect_uri = parameter(&address, "redirect_uri");
    let port = redirect_uri.strip_prefix("http://localhost:").unwrap();
    assert!(port.parse::<u16>().is_ok(), "{redirect_uri}");
    waiting.abort();
}

#[tokio::test]
async fn hints_ids_and_further_parameters_reach_the_sign_in_page_and_those_of_the_protocol_do_not() {
    let lab = EntraLab::start().await.unwrap();
    let desktop = client(&lab);
    let (open, mut told) = browser();
    let id = uuid::Uuid::from_u128(0x2222_2222_2222_4222_8222_2222_2222_2222);
    let request = desktop
        .acquire_token_interactive(access_as_user())
        .domain_hint("contoso.test")
        .correlation_id(id)
        .extra_query_parameter("slice", "testslice")
        .open_with(open);
    let waiting = tokio::spawn(async move { request.await });

    let address = told.recv().await.unwrap();
    for (name, value) in
        [("domain_hint", "contoso.test"), ("client-request-id", &id.to_string()), ("slice", "testslice")]
    {
        assert_eq!(parameter(&address, name), value);
    }
    waiting.abort();

    let own = desktop.acquire_token_interactive(access_as_user()).extra_query_parameter("state", "mine");
    assert!(matches!(own.open_with(|_| Ok(())).await, Err(Error::Config(_))));
}

#[tokio::test]
async fn the_answer_may_come_in_the_query_where_that_was_asked_for() {
    let lab = EntraLab::start().await.unwrap();
    let desktop = client(&lab);
    let (open, mut told) = browser();
    let request = desktop
        .acquire_token_interactive(access_as_user())
        .response_mode(ResponseMode::Query)
        .open_with(open);
    let waiting = tokio::spawn(async move { request.await });

    let address = told.recv().await.unwrap();
    assert_eq!(parameter(&address, "response_mode"), "query");
    let answer = crate::support::Person::default().sign_in_for_address(address.as_str(), "bob").await;
    let page = http().get(answer).send().await.unwrap();

    assert_eq!(page.status(), 200);
    assert_eq!(waiting.await.unwrap().unwrap().account.username, "bob@contoso.test");
}

/// Checklist 88.
#[tokio::test]
async fn a_no_ends_the_wait_with_a_friendly_page_and_an_error_that_programs_can_tell_apart() {
    let lab = EntraLab::start().await.unwrap();
    let desktop = client(&lab);
    let (open, mut told) = browser();
    let request = desktop.acquire_token_interactive(access_as_user()).open_with(open);
    let waiting = tokio::spawn(async move { request.await });
    let address = told.recv().await.unwrap();

    let state = parameter(&address, "state");
    let form = [
        ("error", "access_denied"),
        ("error_description", "AADSTS65004: <script>alert(1)</script>\r\n\u{1b}[31mred"),
        ("state", &state),
    ];
    let page = http().post(parameter(&address, "redirect_uri")).form(&form).send().await.unwrap();

    assert_eq!(page.status(), 403);
    let text = page.text().await.unwrap();
    assert!(text.contains("You were not signed in") && !text.contains("alert"), "{text}");
    let error = waiting.await.unwrap().unwrap_err();
    assert!(error.is_declined(), "{error}");
    assert!(!error.to_string().contains('\u{1b}'), "a terminal would obey it");
    assert_eq!(token_requests(&lab, "authorization_code"), 0);
    assert!(desktop.accounts().await.is_empty());
}

#[tokio::test]
async fn a_code_that_entra_refuses_is_told_to_the_browser_too() {
    let lab = EntraLab::start().await.unwrap();
    let desktop = client(&lab);
    let (open, mut told) = browser();
    let request = desktop.acquire_token_interactive(access_as_user()).open_with(open);
    let waiting = tokio::spawn(async move { request.await });
    let address = told.recv().await.unwrap();

    let form = [("code", "made-up"), ("state", &parameter(&address, "state"))];
    let page = http().post(parameter(&address, "redirect_uri")).form(&form).send().await.unwrap();

    assert_eq!(page.status(), 400);
    assert!(page.text().await.unwrap().contains("The sign-in did not work"));
    assert!(waiting.await.unwrap().unwrap_err().refusal().is_some());
}

/// Checklist 87.
#[tokio::test]
async fn nobody_at_the_browser_ends_the_wait_after_the_time_limit_and_closes_the_port() {
    let lab = EntraLab::start().await.unwrap();
    let (open, mut told) = browser();

    let error = client(&lab)
        .acquire_token_interactive(access_as_user())
        .open_with(open)
        .time_limit(std::time::Duration::from_millis(10))
        .await
        .unwrap_err();

    assert!(matches!(&error, Error::SignIn(SignInError::TimedOut(_))), "{error}");
    let address = told.recv().await.unwrap();
    assert!(http().get(parameter(&address, "redirect_uri")).send().await.unwrap_err().is_connect());
}

/// Checklist 87.
#[tokio::test]
async fn giving_up_closes_the_port() {
    let lab = EntraLab::start().await.unwrap();
    let desktop = client(&lab);
    let (open, mut told) = browser();
    let request = desktop.acquire_token_interactive(access_as_user()).open_with(open);
    let waiting = tokio::spawn(async move { request.await });
    let address = told.recv().await.unwrap();
    let redirect_uri = parameter(&address, "redirect_uri");
    assert_eq!(http().get(&redirect_uri).send().await.unwrap().status(), 400, "it listens");

    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());

    assert!(http().get(&redirect_uri).send().await.unwrap_err().is_connect());
}

#[tokio::test]
async fn a_machine_without_browser_says_so_and_names_the_way_out() {
    let lab = EntraLab::start().await.unwrap();

    let error = client(&lab)
        .acquire_token_interactive(access_as_user())
        .open_with(|_| Err(std::io::Error::other("no browser found")))
        .await
        .unwrap_err();

    assert!(matches!(&error, Error::SignIn(SignInError::NoBrowser(_))), "{error}");
    assert!(error.to_string().contains("device code"), "{error}");
}

#[tokio::test]
async fn two_sign_ins_at_once_do_not_disturb_each_other() {
    let lab = EntraLab::start().await.unwrap();
    let desktop = client(&lab);

    let scopes = access_as_user();
    let (alice, bob) = tokio::join!(sign_in(&desktop, "alice", &scopes), sign_in(&desktop, "bob", &scopes));

    assert_eq!(alice.account.username, "alice@contoso.test");
    assert_eq!(bob.account.username, "bob@contoso.test");
    assert_eq!(desktop.accounts().await.len(), 2);
}
