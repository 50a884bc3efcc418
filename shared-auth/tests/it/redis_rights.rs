//! A Redis user (ACL) of the application's own, with a password and no more rights than it needs.

use entra_lab::EntraLab;
use shared_auth::TokenSource;

use crate::redis_server::{RedisServer, patient, replica_with, within_a_second};
use crate::support::{WEB_APP, access_as_user, sign_in};

/// What the README says.
const RIGHTS: &str = "resetkeys ~auth:* resetchannels &auth:* -@all +@read +@write +@pubsub +@connection +eval +time -@dangerous";

#[tokio::test]
async fn a_redis_user_with_few_rights_is_enough_and_one_with_less_is_an_outage_and_no_error() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let user = ["ACL", "SETUSER", "web-app", "on", ">p@ss/word"];
    let rights: Vec<&str> = RIGHTS.split(' ').collect();
    let _: () = redis.command(&[&user[..], &rights].concat()).await;
    let _: () = redis.command(&["ACL", "SETUSER", "reader", "on", ">p@ss/word", "~auth:*", "+@read"]).await;
    let connected =
        |user: &str| patient(&redis.url().replace("redis://", &format!("redis://{user}:p%40ss%2Fword@")));
    let (cache, other) = (connected("web-app"), connected("web-app"));
    let one = replica_with(&lab, WEB_APP, cache.clone());
    let two = replica_with(&lab, WEB_APP, other.clone());

    let account = sign_in(&one, "alice", &access_as_user()).await.account;
    let token = two.acquire_token_silent(&account, access_as_user()).await.unwrap();
    assert_eq!(token.source, TokenSource::Cache);
    one.remove_account(&account);
    within_a_second("a sign-out is heard", || async {
        two.acquire_token_silent(&account, access_as_user()).await.is_err()
    })
    .await;

    assert_eq!((cache.state().failures, other.state().failures), (0, 0));
    let log: Vec<Vec<String>> = redis.command(&["ACL", "LOG"]).await;
    assert!(log.is_empty(), "nothing was refused: {log:?}");

    let reader = connected("reader");
    let poor = replica_with(&lab, WEB_APP, reader.clone());
    let account = sign_in(&poor, "bob", &access_as_user()).await.account;
    let token = poor.acquire_token_silent(&account, access_as_user()).await.unwrap();
    assert_eq!(token.source, TokenSource::Cache, "memory goes on");
    assert!(reader.state().failures > 0);
}
