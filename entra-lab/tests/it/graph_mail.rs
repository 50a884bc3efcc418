//! `/me/messages` and `/users/{id}/messages`: whose mail, how much of it, and paging.

use crate::graph_lab::{ALICE, BOB, GraphLab};

#[tokio::test]
async fn a_user_reads_their_own_mail_newest_first() {
    let graph = GraphLab::start().await;
    let token = graph.user_token("alice@contoso.test", "Mail.Read").await;

    let answer = graph.get(&token, "/me/messages").await;

    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "private"));
    let page = answer.json();
    let context = format!("{}/v1.0/$metadata#users('{ALICE}')/messages", graph.lab.url());
    assert_eq!(page["@odata.context"], context);
    let messages = page["value"].as_array().unwrap();
    assert_eq!(messages.len(), 3);
    let first = &messages[0];
    assert_eq!(first["subject"], "Build 214 is green");
    assert_eq!(first["receivedDateTime"], "2026-11-20T08:15:00Z");
    assert_eq!(first["from"]["emailAddress"]["address"], "builds@contoso.test");
    assert_eq!(first["toRecipients"][0]["emailAddress"]["name"], "Alice Kim");
    assert_eq!(first["isRead"], false);
    assert!(first["body"]["content"].as_str().unwrap().starts_with("All 412"));
    assert!(first["@odata.etag"].as_str().unwrap().starts_with("W/\""));
    assert!(page.get("@odata.nextLink").is_none());
}

#[tokio::test]
async fn everybody_sees_their_own_mail_only() {
    let graph = GraphLab::start().await;
    let alice = graph.user_token("alice@contoso.test", "Mail.Read").await;
    let bob = graph.user_token("bob@contoso.test", "Mail.Read").await;

    let of_bob = graph.get(&bob, "/me/messages?$select=subject").await.json();
    let own = graph.get(&alice, "/users/alice@contoso.test/messages").await;
    let foreign = graph.get(&alice, &format!("/users/{BOB}/messages")).await;
    let nobody = graph.get(&alice, "/users/nobody@contoso.test/messages").await;

    assert_eq!(of_bob["value"][0]["subject"], "Roadmap, second draft");
    assert_eq!(own.json()["value"].as_array().unwrap().len(), 3);
    assert_eq!(foreign.error(), (403, "ErrorAccessDenied".to_owned()));
    assert_eq!(nobody.error(), (403, "ErrorAccessDenied".to_owned()));
}

#[tokio::test]
async fn mail_comes_page_by_page_and_keeps_the_selection() {
    let graph = GraphLab::start().await;
    let token = graph.user_token("alice@contoso.test", "Mail.Read").await;

    let first = graph.get(&token, "/me/messages?$top=2&$select=subject,isRead").await.json();
    let link = first["@odata.nextLink"].as_str().unwrap();
    let second = graph.follow(&token, link).await.json();
    let beyond = graph.get(&token, "/me/messages?$skip=4000000000").await.json();

    assert!(link.contains("/v1.0/me/messages?$select=subject,isRead&$top=2&$skip=2"), "{link}");
    assert!(first["@odata.context"].as_str().unwrap().ends_with("/messages(subject,isRead)"));
    assert_eq!(first["value"].as_array().unwrap().len(), 2);
    assert_eq!(second["value"].as_array().unwrap().len(), 1);
    assert!(second.get("@odata.nextLink").is_none());
    // Outlook adds the id and the ETag to every selection.
    let mut members: Vec<&String> = second["value"][0].as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(members, ["@odata.etag", "id", "isRead", "subject"]);
    assert_eq!(beyond["value"].as_array().unwrap().len(), 0);
    assert!(beyond.get("@odata.nextLink").is_none());
}

#[tokio::test]
async fn mail_without_the_permission_is_refused() {
    let graph = GraphLab::start().await;
    let denied = (403, "ErrorAccessDenied".to_owned());

    let token = graph.user_token("alice@contoso.test", "User.Read.All").await;
    assert_eq!(graph.get(&token, "/me/messages").await.error(), denied);
    assert_eq!(graph.get(&token, &format!("/users/{ALICE}/messages")).await.error(), denied);
    for role in ["none", "User.Read.All", "Directory.Read.All"] {
        let token = graph.app_token(role).await;
        assert_eq!(graph.get(&token, &format!("/users/{ALICE}/messages")).await.error(), denied, "{role}");
    }
}

#[tokio::test]
async fn an_application_with_the_role_reads_every_mailbox_that_exists() {
    let graph = GraphLab::start().await;
    let token = graph.app_token("Mail.Read").await;

    let answer = graph.get(&token, &format!("/users/{BOB}/messages?$top=1")).await.json();
    let nobody = graph.get(&token, "/users/nobody@contoso.test/messages").await;
    let no_mailbox = graph.get(&token, "/users/nomail@contoso.test/messages").await;

    assert_eq!(answer["value"][0]["subject"], "Roadmap, second draft");
    assert!(answer["@odata.nextLink"].as_str().unwrap().contains(&format!("/users/{BOB}/messages?")));
    assert_eq!(nobody.error(), (404, "Request_ResourceNotFound".to_owned()));
    assert_eq!(no_mailbox.error(), (404, "MailboxNotEnabledForRESTAPI".to_owned()));
}

#[tokio::test]
async fn the_basic_mail_permission_shows_envelopes_without_what_is_inside() {
    let graph = GraphLab::start().await;
    let token = graph.user_token("alice@contoso.test", "Mail.ReadBasic").await;

    let page = graph.get(&token, "/me/messages?$select=subject,body,bodyPreview").await.json();

    assert_eq!(page["value"][0]["subject"], "Build 214 is green");
    assert!(page["value"][0].get("body").is_none() && page["value"][0].get("bodyPreview").is_none());
}

#[tokio::test]
async fn bad_options_are_refused_and_prefer_is_ignored() {
    let graph = GraphLab::start().await;
    let token = graph.user_token("alice@contoso.test", "Mail.Read").await;
    let bearer = format!("Bearer {token}");

    for query in
        ["$top=0", "$top=1001", "$skip=-1", "$skip=99999999999999999999", "$select=shoeSize", "$top=1&$top=2"]
    {
        let answer = graph.get(&token, &format!("/me/messages?{query}")).await;
        assert_eq!(answer.error(), (400, "BadRequest".to_owned()), "{query}");
    }
    for query in ["$filter=isRead%20eq%20false", "$orderby=subject", "$search=x", "$skiptoken=x"] {
        let answer = graph.get(&token, &format!("/me/messages?{query}")).await;
        assert_eq!(answer.error(), (400, "Request_UnsupportedQuery".to_owned()), "{query}");
    }
    let prefer = [("authorization", bearer.as_str()), ("prefer", "outlook.body-content-type=\"text\"")];
    assert_eq!(graph.get_with(&prefer, "/me/messages").await.status, 200);
}
