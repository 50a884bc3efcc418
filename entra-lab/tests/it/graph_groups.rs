//! Groups in Graph: what one is in, who is in them, and who may ask.

use entra_lab::PolicyChange;
use reqwest::Method;
use serde_json::json;

use crate::graph_lab::{ALICE, GraphLab};
use crate::support;

#[tokio::test]
async fn a_person_sees_the_own_groups_with_the_profile_permission() {
    let graph = GraphLab::start().await;
    let token = graph.user_token(support::ALICE, "User.Read").await;
    for path in ["/me/memberOf", "/me/transitiveMemberOf", &format!("/users/{ALICE}/memberOf")] {
        let body = graph.get(&token, path).await.json();
        let names: Vec<&str> =
            body["value"].as_array().unwrap().iter().map(|g| g["displayName"].as_str().unwrap()).collect();
        assert_eq!(names, ["Engineering", "Leads", "Seoul"], "{path}");
        assert_eq!(body["value"][0]["@odata.type"], "#microsoft.graph.group");
        assert!(body["@odata.context"].as_str().unwrap().ends_with("$metadata#directoryObjects"));
    }
}

#[tokio::test]
async fn an_overage_is_resolved_with_get_member_objects() {
    let graph = GraphLab::start().await;
    graph.lab.policy(PolicyChange::GroupMembership { user: support::CAROL.into(), count: 250 }).unwrap();
    let token = graph.user_token(support::CAROL, "User.Read").await;
    let body = json!({ "securityEnabledOnly": false });
    let answer = graph.write(Method::POST, &token, "/me/getMemberObjects", &body).await.json();
    let without = graph.write(Method::POST, &token, "/me/getMemberObjects", &json!({})).await;
    assert_eq!(without.error(), (400, "BadRequest".into()));
    assert_eq!(answer["value"].as_array().unwrap().len(), 250);

    let mut names = 0;
    let mut page = graph.get(&token, "/me/memberOf?$select=id").await.json();
    loop {
        names += page["value"].as_array().unwrap().len();
        let Some(link) = page["@odata.nextLink"].as_str() else { break };
        page = graph.follow(&token, link).await.json();
    }
    assert_eq!(names, 250);
}

#[tokio::test]
async fn other_peoples_groups_and_members_need_a_group_permission() {
    let graph = GraphLab::start().await;
    let token = graph.user_token(support::ALICE, "User.Read").await;
    for path in ["/users/bob@contoso.test/memberOf", "/groups"] {
        assert_eq!(
            graph.get(&token, path).await.error(),
            (403, "Authorization_RequestDenied".into()),
            "{path}"
        );
    }
    let reader = graph.app_token("GroupMember.Read.All").await;
    let groups = graph.get(&reader, "/groups?$filter=displayName eq 'leads'").await.json();
    let id = groups["value"][0]["id"].as_str().unwrap().to_owned();
    let members = graph.get(&reader, &format!("/groups/{id}/members")).await.json();
    // The ids, but not the names: that would take a permission for people.
    assert_eq!(members["value"].as_array().unwrap().len(), 2);
    assert_eq!(members["value"][0].as_object().unwrap().len(), 2, "{members}");
    let directory = graph.app_token("Directory.Read.All").await;
    let members = graph.get(&directory, &format!("/groups/{id}/members")).await.json();
    assert_eq!(members["value"][0]["displayName"], "Alice Kim");
}

#[tokio::test]
async fn a_filter_that_the_lab_does_not_do_is_refused() {
    let graph = GraphLab::start().await;
    let token = graph.app_token("GroupMember.Read.All").await;
    for query in ["$filter=startswith(displayName,'L')", "$orderby=displayName", "$expand=members", "$top=0"]
    {
        let error = graph.get(&token, &format!("/groups?{query}")).await.error();
        assert_eq!(error, (400, "Request_UnsupportedQuery".into()), "{query}");
    }
}

#[tokio::test]
async fn the_organisation_is_that_of_the_token() {
    let graph = GraphLab::start().await;
    let token = graph.user_token(support::ALICE, "User.Read").await;
    let body = graph.get(&token, "/organization?$select=id,displayName,verifiedDomains").await.json();
    assert_eq!(body["value"][0]["id"], support::TENANT);
    assert_eq!(body["value"][0]["verifiedDomains"][0]["name"], "contoso.test");
    let daemon = graph.daemon_token().await;
    assert_eq!(graph.get(&daemon, "/organization").await.error().0, 403);
}
