//! Photos: the bytes, what is known about them, and who may see them.

use reqwest::Method;

use crate::graph_lab::{ALICE, BOB, CAROL, GraphLab};

#[tokio::test]
async fn a_photo_is_a_jpeg_with_an_etag() {
    let graph = GraphLab::start().await;
    let token = graph.user_token("alice@contoso.test", "User.Read").await;

    let photo = graph.get(&token, "/me/photo/$value").await;
    let metadata = graph.get(&token, "/me/photo").await.json();

    assert_eq!((photo.status.as_u16(), photo.header("content-type")), (200, "image/jpeg"));
    assert!(photo.bytes.starts_with(&[0xff, 0xd8, 0xff]) && photo.bytes.ends_with(&[0xff, 0xd9]));
    assert!(!photo.header("request-id").is_empty());
    assert_eq!(metadata["@odata.mediaContentType"], "image/jpeg");
    assert_eq!(metadata["@odata.mediaEtag"], photo.header("etag"));
    assert_eq!((&metadata["id"], &metadata["width"]), (&"240X240".into(), &240.into()));
    let context = format!("{}/v1.0/$metadata#users('{ALICE}')/photo/$entity", graph.lab.url());
    assert_eq!(metadata["@odata.context"], context);
}

#[tokio::test]
async fn two_people_have_two_photos_that_stay_the_same() {
    let graph = GraphLab::start().await;
    let token = graph.app_token("User.Read.All").await;

    let alice = graph.get(&token, &format!("/users/{ALICE}/photo/$value")).await;
    let again = graph.get(&token, "/users/ALICE@contoso.test/photo/$value").await;
    let bob = graph.get(&token, &format!("/users/{BOB}/photo/$value")).await;

    assert_eq!(alice.bytes, again.bytes);
    assert_ne!(alice.bytes, bob.bytes);
    assert_ne!(alice.header("etag"), bob.header("etag"));
}

#[tokio::test]
async fn a_photo_that_the_caller_has_already_is_not_sent_again() {
    let graph = GraphLab::start().await;
    let bearer = format!("Bearer {}", graph.user_token("bob@contoso.test", "User.Read").await);
    let headers = [("authorization", bearer.as_str())];
    let etag = graph.get_with(&headers, "/me/photo/$value").await.header("etag").to_owned();

    let known = [headers[0], ("if-none-match", &etag)];
    let other = [headers[0], ("if-none-match", "\"other\"")];

    let not_modified = graph.get_with(&known, "/me/photo/$value").await;
    assert_eq!((not_modified.status.as_u16(), not_modified.bytes.len()), (304, 0));
    assert_eq!(graph.get_with(&other, "/me/photo/$value").await.status, 200);
}

#[tokio::test]
async fn head_answers_like_get_without_the_body() {
    let graph = GraphLab::start().await;
    let token = graph.user_token("alice@contoso.test", "User.Read").await;

    for path in ["/me", "/me/photo/$value"] {
        let get = graph.get(&token, path).await;
        let head = graph.send(Method::HEAD, &token, path).await;

        assert_eq!((head.status.as_u16(), head.bytes.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-length"), get.bytes.len().to_string(), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
}

#[tokio::test]
async fn someone_without_a_photo_gets_image_not_found() {
    let graph = GraphLab::start().await;
    let carol = graph.user_token("carol@contoso.test", "User.Read").await;
    let app = graph.daemon_token().await;

    let not_found = (404, "ImageNotFound".to_owned());
    for path in ["/me/photo", "/me/photo/$value"] {
        assert_eq!(graph.get(&carol, path).await.error(), not_found, "{path}");
    }
    assert_eq!(graph.get(&app, &format!("/users/{CAROL}/photo/$value")).await.error(), not_found);
}

#[tokio::test]
async fn a_photo_without_the_permission_is_refused() {
    let graph = GraphLab::start().await;
    let denied = (403, "ErrorAccessDenied".to_owned());

    let mail = graph.user_token("alice@contoso.test", "Mail.Read").await;
    let own_only = graph.user_token("alice@contoso.test", "User.Read").await;
    let basic = graph.user_token("alice@contoso.test", "User.ReadBasic.All").await;
    let directory_role = graph.app_token("Directory.Read.All").await;
    let other = format!("/users/{BOB}/photo/$value");

    assert_eq!(graph.get(&mail, "/me/photo/$value").await.error(), denied);
    assert_eq!(graph.get(&mail, "/me/photo").await.error(), denied);
    assert_eq!(graph.get(&own_only, &other).await.error(), denied);
    assert_eq!(graph.get(&own_only, &format!("/users/{ALICE}/photo/$value")).await.status, 200);
    assert_eq!(graph.get(&basic, &other).await.status, 200);
    assert_eq!(graph.get(&directory_role, &other).await.error(), denied);
}
