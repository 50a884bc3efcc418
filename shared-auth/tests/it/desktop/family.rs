//! A family of applications that share refresh tokens (FOCI), on one disk; and one that is no member.

use entra_lab::{EntraLab, PolicyChange};
use shared_auth::{AppRegistration, FileCache, PublicClient, TokenSource};

use super::{DESKTOP, sign_in};
use crate::support::{API, access_as_user, token_requests};

const SISTER: &str = "c0ffee00-0000-4000-8000-000000006001";
const STRANGER: &str = "c0ffee00-0000-4000-8000-000000006002";

/// desktop-app and its sister in a family, a stranger beside them; everybody's consent is given.
async fn lab() -> EntraLab {
    let app = |id: &str, name: &str, family: bool| {
        format!(
            "[[tenant.app]]\nid = \"{id}\"\nname = \"{name}\"\npublic_client = true\nfamily = {family}\n\
             redirect_uris = [\"http://localhost\"]\n\
             needs = [{{ resource = \"{API}\", delegated = [\"access_as_user\"] }}]\n\n"
        )
    };
    let first = "[[tenant.app]]";
    let more = app(SISTER, "sister", true) + &app(STRANGER, "stranger", false) + first;
    let seed = entra_lab::DEFAULT_SEED
        .replacen("name = \"desktop-app\"", "name = \"desktop-app\"\nfamily = true", 1)
        .replacen(first, &more, 1);
    let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    for client in [DESKTOP, SISTER, STRANGER] {
        let (client, resource, scopes) =
            (client.to_owned(), API.to_owned(), vec!["access_as_user".to_owned()]);
        lab.policy(PolicyChange::GrantConsent { client, resource, scopes, user: None }).unwrap();
    }
    lab
}

/// An application on the machine of which `folder` is the disk, as a process that just started.
async fn application(lab: &EntraLab, folder: &tempfile::TempDir, client_id: &str) -> PublicClient {
    let cache = FileCache::builder("family").folder(folder.path()).key_file().open().await.unwrap();
    let registration =
        AppRegistration::new(lab.url().parse().unwrap(), lab.tenant_id().to_string(), client_id);
    PublicClient::builder(registration).disk_cache(cache).build().unwrap()
}

#[tokio::test]
async fn a_member_is_silent_for_whoever_signed_in_to_another_one() {
    let (lab, folder) = (lab().await, tempfile::tempdir().unwrap());
    let signed_in = sign_in(&application(&lab, &folder, DESKTOP).await, "alice", &access_as_user()).await;

    let sister = application(&lab, &folder, SISTER).await;
    let accounts = sister.accounts().await;
    assert_eq!(accounts, std::slice::from_ref(&signed_in.account));
    let token = sister.acquire_token_silent(&accounts[0], access_as_user()).await.unwrap();

    assert_eq!(token.source, TokenSource::IdentityProvider);
    // It has tokens of its own from now on.
    let again = application(&lab, &folder, SISTER).await;
    assert_eq!(
        again.acquire_token_silent(&accounts[0], access_as_user()).await.unwrap().source,
        TokenSource::Cache
    );
    assert_eq!(token_requests(&lab, "refresh_token"), 1);
}

#[tokio::test]
async fn who_is_no_member_is_told_so_and_asks_its_user_and_the_family_keeps_its_token() {
    let (lab, folder) = (lab().await, tempfile::tempdir().unwrap());
    let signed_in = sign_in(&application(&lab, &folder, DESKTOP).await, "alice", &access_as_user()).await;

    let stranger = application(&lab, &folder, STRANGER).await;
    let error = stranger.acquire_token_silent(&signed_in.account, access_as_user()).await.unwrap_err();

    assert!(error.is_interaction_required(), "{error}");
    assert_eq!(error.refusal().unwrap().suberror.as_deref(), Some("client_mismatch"));
    let sister = application(&lab, &folder, SISTER).await;
    sister.acquire_token_silent(&signed_in.account, access_as_user()).await.unwrap();
}

#[tokio::test]
async fn signing_out_of_one_member_leaves_nothing_for_the_others_to_be_silent_with() {
    let (lab, folder) = (lab().await, tempfile::tempdir().unwrap());
    let desktop = application(&lab, &folder, DESKTOP).await;
    let account = sign_in(&desktop, "alice", &access_as_user()).await.account;

    desktop.remove_account(&account).await;

    let sister = application(&lab, &folder, SISTER).await;
    assert!(sister.accounts().await.is_empty());
    let error = sister.acquire_token_silent(&account, access_as_user()).await.unwrap_err();
    assert!(error.is_interaction_required(), "{error}");
    assert_eq!(token_requests(&lab, "refresh_token"), 0);
}
