//! Groups in tokens: named, too many to be named, and left out unless the registration wants them.

use entra_lab::{DEFAULT_SEED, EntraLab, PolicyChange};
use serde_json::{Value, json};

use crate::support::{ALICE, API_SCOPE, BOB, CAROL, Json, WEB_APP, claims, client, lab, tokens};

async fn with_groups(lab: &EntraLab, user: &str, count: u16) -> (Value, Value) {
    for app in ["web-app", "web-api-obo"] {
        lab.policy(PolicyChange::GroupClaims { app: app.into(), on: true }).unwrap();
    }
    lab.policy(PolicyChange::GroupMembership { user: user.into(), count }).unwrap();
    let scope = format!("openid {API_SCOPE}");
    let answer = tokens(lab, &WEB_APP, user, &scope).await;
    (claims(answer.text("access_token")), claims(answer.text("id_token")))
}

#[tokio::test]
async fn three_groups_stand_in_the_access_token_and_in_the_id_token() {
    let lab = lab().await;
    let (access, id) = with_groups(&lab, CAROL, 3).await;
    assert_eq!(access["groups"].as_array().unwrap().len(), 3);
    assert_eq!(access["groups"], id["groups"]);
    assert_eq!(access["_claim_names"], Value::Null);
}

#[tokio::test]
async fn two_hundred_groups_fit_and_one_more_becomes_an_overage() {
    let lab = lab().await;
    let (access, _) = with_groups(&lab, CAROL, 200).await;
    assert_eq!(access["groups"].as_array().unwrap().len(), 200);
    for token in <[Value; 2]>::from(with_groups(&lab, CAROL, 201).await) {
        assert_eq!(token["groups"], Value::Null);
        assert_eq!(token["_claim_names"], json!({ "groups": "src1" }));
        let endpoint = token["_claim_sources"]["src1"]["endpoint"].as_str().unwrap();
        assert!(
            endpoint.ends_with("/users/c0000000-0000-4000-8000-00000000000c/getMemberObjects"),
            "{endpoint}"
        );
    }
}

#[tokio::test]
async fn a_membership_can_be_taken_back_and_a_reset_forgets_it() {
    let lab = lab().await;
    with_groups(&lab, CAROL, 5).await;
    assert_eq!(with_groups(&lab, CAROL, 2).await.0["groups"].as_array().unwrap().len(), 2);
    lab.reset();
    let answer = tokens(&lab, &WEB_APP, ALICE, API_SCOPE).await;
    assert_eq!(answer.claims("access_token")["groups"], Value::Null);
}

#[tokio::test]
async fn a_group_in_a_group_counts_as_well() {
    let id = "60000000-0000-4000-8000-0000000000a1";
    let seed =
        DEFAULT_SEED.replace("name = \"web-api-obo\"\n", "name = \"web-api-obo\"\ngroup_claims = true\n");
    let outer = format!(
        "[[tenant.group]]\nid = \"{id}\"\nname = \"Everybody\"\ngroups = [\"60000000-0000-4000-8000-000000000003\"]\n"
    );
    let lab = EntraLab::builder().seed_toml(&format!("{seed}\n{outer}")).start().await.unwrap();
    let answer = tokens(&lab, &WEB_APP, ALICE, API_SCOPE).await;
    let groups = answer.claims("access_token")["groups"].as_array().unwrap().clone();
    assert_eq!(groups.len(), 4, "{groups:?}");
    assert!(groups.contains(&json!(id)), "through Seoul");

    // Graph tells the two apart.
    let token = tokens(&lab, &WEB_APP, ALICE, "User.Read").await;
    let ask = |path: &str| {
        client().get(format!("{}{path}", lab.graph_url())).bearer_auth(token.text("access_token"))
    };
    for (path, count) in [("/me/memberOf", 3), ("/me/transitiveMemberOf", 4)] {
        let answer = Json::of(ask(path).send().await.unwrap()).await;
        assert_eq!(answer.body["value"].as_array().unwrap().len(), count, "{path}");
    }

    let unknown = outer.replace("000000000003\"]", "0000000000ff\"]");
    let error = entra_lab::seed::parse(&format!("{seed}\n{unknown}")).unwrap_err();
    assert_eq!(error.line, seed.lines().count() + 5);
    assert!(error.message.contains("no [[tenant.group]] has the id"), "{error}");
}

#[tokio::test]
async fn without_the_registrations_word_no_token_names_groups() {
    let lab = lab().await;
    lab.policy(PolicyChange::GroupMembership { user: ALICE.into(), count: 3 }).unwrap();
    let answer = tokens(&lab, &WEB_APP, ALICE, API_SCOPE).await;
    assert_eq!(answer.claims("access_token")["groups"], Value::Null);
}

#[tokio::test]
async fn groups_of_the_seed_are_named() {
    let seed =
        DEFAULT_SEED.replace("name = \"web-api-obo\"\n", "name = \"web-api-obo\"\ngroup_claims = true\n");
    let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    let answer = tokens(&lab, &WEB_APP, BOB, API_SCOPE).await;
    assert_eq!(answer.claims("access_token")["groups"], json!(["60000000-0000-4000-8000-000000000002"]));
    let answer = tokens(&lab, &WEB_APP, CAROL, API_SCOPE).await;
    assert_eq!(answer.claims("access_token")["groups"], Value::Null);
}
