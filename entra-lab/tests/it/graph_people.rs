//! `/me`, `/users` and `/users/{id}`: what is shown to whom, and paging.

use serde_json::json;

use crate::graph_lab::{ALICE, BOB, CAROL, GraphLab};

#[tokio::test]
async fn a_user_reads_their_own_profile() {
    let graph = GraphLab::start().await;
    let token = graph.user_token("alice@contoso.test", "User.Read").await;

    let answer = graph.get(&token, "/me").await;

    assert_eq!(answer.status, 200);
    let expected = json!({
        "@odata.context": format!("{}/v1.0/$metadata#users/$entity", graph.lab.url()),
        "businessPhones": [],
        "displayName": "Alice Kim",
        "givenName": "Alice",
        "jobTitle": "Engineer",
        "mail": "alice@contoso.test",
        "mobilePhone": "+82 10 5550 0101",
        "officeLocation": "Seoul 12/1111",
        "preferredLanguage": "ko-KR",
        "surname": "Kim",
        "userPrincipalName": "alice@contoso.test",
        "id": ALICE,
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn a_selection_shows_in_the_members_their_order_and_the_context() {
    let graph = GraphLab::start().await;
    let token = graph.user_token("bob@contoso.test", "User.Read").await;

    let answer = graph.get(&token, "/me?$select=id,DISPLAYNAME,accountEnabled").await;

    let expected = format!(
        r##"{{"@odata.context":"{}/v1.0/$metadata#users(id,displayName,accountEnabled)/$entity","id":"{BOB}","displayName":"Bob Novak","accountEnabled":true}}"##,
        graph.lab.url()
    );
    assert_eq!(String::from_utf8_lossy(&answer.bytes), expected);
}

#[tokio::test]
async fn an_unknown_property_or_a_bad_option_is_refused() {
    let graph = GraphLab::start().await;
    let token = graph.daemon_token().await;

    for path in
        ["/users?$select=shoeSize", "/users?$top=0", "/users?$top=1000", "/users?$top=many", "/users?$wat=1"]
    {
        assert_eq!(graph.get(&token, path).await.error(), (400, "BadRequest".to_owned()), "{path}");
    }
    let one = format!("/users/{ALICE}?$select=shoeSize");
    assert_eq!(graph.get(&token, &one).await.error().0, 400);
}

#[tokio::test]
async fn an_option_that_the_lab_does_not_do_is_refused_instead_of_ignored() {
    let graph = GraphLab::start().await;
    let token = graph.daemon_token().await;

    for option in
        ["$filter=displayName%20eq%20'x'", "$orderby=id", "$count=true", "$search=x", "$skip=2", "filter=x"]
    {
        let answer = graph.get(&token, &format!("/users?{option}")).await;

        assert_eq!(answer.error(), (400, "Request_UnsupportedQuery".to_owned()), "{option}");
    }
}

#[tokio::test]
async fn the_list_comes_page_by_page_until_there_is_no_link() {
    let graph = GraphLab::start().await;
    let token = graph.daemon_token().await;

    let mut answer = graph.get(&token, "/users?$top=4&$select=id,displayName").await;
    let mut sizes = Vec::new();
    let mut ids = Vec::new();
    loop {
        let page = answer.json();
        let context = page["@odata.context"].as_str().unwrap();
        assert!(context.ends_with("/v1.0/$metadata#users(id,displayName)"), "{context}");
        let people = page["value"].as_array().unwrap();
        sizes.push(people.len());
        ids.extend(people.iter().map(|p| p["id"].as_str().unwrap().to_owned()));
        assert!(people.iter().all(|p| p.as_object().unwrap().len() == 2));
        let Some(link) = page["@odata.nextLink"].as_str() else { break };
        assert!(link.starts_with(&graph.lab.graph_url()) && link.contains("$top=4"), "{link}");
        answer = graph.follow(&token, link).await;
    }

    assert_eq!(sizes, [4, 4, 1]);
    let mut unique = ids.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), ids.len());
}

#[tokio::test]
async fn a_list_that_fits_on_one_page_has_no_link() {
    let graph = GraphLab::start().await;
    let token = graph.daemon_token().await;

    for path in ["/users", "/users?$top=9", "/users?$top=999"] {
        let page = graph.get(&token, path).await.json();

        assert_eq!(page["value"].as_array().unwrap().len(), 9, "{path}");
        assert!(page.get("@odata.nextLink").is_none(), "{path}");
    }
}

#[tokio::test]
async fn a_link_leads_back_the_way_the_call_came() {
    let graph = GraphLab::start().await;
    let bearer = format!("Bearer {}", graph.daemon_token().await);

    let answer =
        graph.get_with(&[("authorization", &bearer), ("host", "entra-lab:8400")], "/users?$top=1").await;

    let page = answer.json();
    assert!(page["@odata.nextLink"].as_str().unwrap().starts_with("http://entra-lab:8400/v1.0/users?"));
    assert_eq!(page["@odata.context"], "http://entra-lab:8400/v1.0/$metadata#users");
}

#[tokio::test]
async fn a_skip_token_that_was_not_handed_out_is_refused() {
    let graph = GraphLab::start().await;
    let token = graph.daemon_token().await;

    for made_up in ["", "x", "%00", "YWZ0ZXI", "YWZ0ZXIAAAAAAAAAAAAAAAAAAAAA"] {
        let answer = graph.get(&token, &format!("/users?$skiptoken={made_up}")).await;

        assert_eq!(answer.error(), (400, "Directory_ExpiredPageToken".to_owned()), "{made_up}");
    }
}

#[tokio::test]
async fn another_profile_needs_more_than_user_read() {
    let graph = GraphLab::start().await;
    let token = graph.user_token("alice@contoso.test", "User.Read").await;

    for own in [ALICE, "alice@contoso.test", "ALICE@contoso.test"] {
        assert_eq!(graph.get(&token, &format!("/users/{own}")).await.json()["jobTitle"], "Engineer", "{own}");
    }
    // Without permission nobody learns whether the other one exists.
    for other in ["/users".to_owned(), format!("/users/{BOB}"), "/users/nobody@contoso.test".to_owned()] {
        let answer = graph.get(&token, &other).await;
        assert_eq!(answer.error(), (403, "Authorization_RequestDenied".to_owned()), "{other}");
    }
}

#[tokio::test]
async fn a_directory_permission_opens_everybody() {
    let graph = GraphLab::start().await;

    for scope in ["User.Read.All", "Directory.Read.All"] {
        let token = graph.user_token("alice@contoso.test", scope).await;
        let other = graph.get(&token, "/users/bob%40contoso.test").await.json();
        assert_eq!(other["jobTitle"], "Product Manager", "{scope}");
        assert_eq!(graph.get(&token, "/me").await.status, 200, "{scope}");
    }
    for role in ["User.Read.All", "Directory.Read.All"] {
        let token = graph.app_token(role).await;
        let other = graph.get(&token, &format!("/users/{CAROL}")).await.json();
        assert_eq!(other["jobTitle"], "Finance Analyst", "{role}");
        assert_eq!(graph.get(&token, "/users").await.status, 200, "{role}");
    }
}

#[tokio::test]
async fn the_basic_permission_shows_all_of_oneself_and_less_of_others() {
    let graph = GraphLab::start().await;
    let token = graph.user_token("alice@contoso.test", "User.ReadBasic.All").await;

    let page = graph.get(&token, "/users?$select=displayName,jobTitle").await.json();
    let other = graph.get(&token, &format!("/users/{BOB}")).await.json();

    assert_eq!(page["value"][0], json!({ "displayName": "Alice Kim", "jobTitle": "Engineer" }));
    assert_eq!(page["value"][1], json!({ "displayName": "Bob Novak", "jobTitle": null }));
    assert_eq!((&other["mail"], &other["mobilePhone"]), (&json!("bob@contoso.test"), &json!(null)));
}

#[tokio::test]
async fn an_application_without_the_role_is_refused() {
    let graph = GraphLab::start().await;

    for role in ["none", "Mail.Read"] {
        let token = graph.app_token(role).await;
        for path in ["/users".to_owned(), format!("/users/{ALICE}")] {
            let answer = graph.get(&token, &path).await;
            assert_eq!(answer.error(), (403, "Authorization_RequestDenied".to_owned()), "{role} {path}");
        }
    }
}

#[tokio::test]
async fn a_mail_permission_does_not_open_the_profile() {
    let graph = GraphLab::start().await;
    let token = graph.user_token("alice@contoso.test", "Mail.Read").await;

    assert_eq!(graph.get(&token, "/me").await.error(), (403, "Authorization_RequestDenied".to_owned()));
}

#[tokio::test]
async fn me_needs_a_user() {
    let graph = GraphLab::start().await;
    let token = graph.daemon_token().await;

    for path in ["/me", "/me/messages", "/me/photo", "/me/photo/$value"] {
        assert_eq!(graph.get(&token, path).await.error(), (400, "BadRequest".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn an_unknown_user_is_not_found() {
    let graph = GraphLab::start().await;
    let token = graph.daemon_token().await;

    for user in ["nobody@contoso.test", "10000000-0000-4000-8000-000000000009", "%00", "%ff", "'"] {
        for rest in ["", "/photo", "/photo/$value"] {
            let answer = graph.get(&token, &format!("/users/{user}{rest}")).await;
            assert_eq!(answer.error(), (404, "Request_ResourceNotFound".to_owned()), "{user}{rest}");
        }
    }
}
