//! The credential variables: each alone, all together, none.

use shared_auth::{ClientCredential, ConfigError, EntraConfig, Env};

use super::pki::identity;

fn credential(pairs: &[(&str, &str)]) -> Result<ClientCredential, ConfigError> {
    let fixed = [("AZURE_TENANT_ID", "contoso.test"), ("AZURE_CLIENT_ID", "id")];
    let mut env = Env::from_pairs(fixed.iter().chain(pairs).copied());
    env.read(EntraConfig::from_env).map(|config| config.credential)
}

#[test]
fn without_any_there_is_one_problem_that_names_the_three() {
    let error = credential(&[]).unwrap_err();

    assert_eq!(error.problems.len(), 1);
    for name in ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE"] {
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn each_alone_is_the_credential_and_all_together_are_a_list_in_the_documented_order() {
    let folder = tempfile::tempdir().unwrap();
    let (pem, token) = (folder.path().join("app.pem"), folder.path().join("token"));
    std::fs::write(&pem, identity().pem()).unwrap();
    std::fs::write(&token, "a.b.c").unwrap();
    let secret = ("AZURE_CLIENT_SECRET", "s3cret");
    let certificate = ("AZURE_CLIENT_CERTIFICATE_PATH", pem.to_str().unwrap());
    let federated = ("AZURE_FEDERATED_TOKEN_FILE", token.to_str().unwrap());

    assert!(matches!(credential(&[secret]).unwrap(), ClientCredential::Secret(_)));
    assert!(matches!(credential(&[certificate]).unwrap(), ClientCredential::Certificate(_)));
    assert!(matches!(credential(&[federated]).unwrap(), ClientCredential::Federated(_)));
    let all = format!("{:?}", credential(&[federated, certificate, secret]).unwrap());
    let place = |name: &str| all.find(name).unwrap();
    assert!(place("Secret") < place("Certificate") && place("Certificate") < place("Federated"), "{all}");
    assert!(!all.contains("s3cret"), "{all}");
}

#[test]
fn a_pfx_file_takes_its_password_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let pfx = folder.path().join("app.pfx");
    std::fs::write(&pfx, include_bytes!("fixtures/modern.pfx")).unwrap();
    let path = ("AZURE_CLIENT_CERTIFICATE_PATH", pfx.to_str().unwrap());

    credential(&[path, ("AZURE_CLIENT_CERTIFICATE_PASSWORD", "pässword")]).unwrap();
    let error = credential(&[path, ("AZURE_CLIENT_CERTIFICATE_PASSWORD", "s3cret")]).unwrap_err();

    assert_eq!(error.problems[0].name, "AZURE_CLIENT_CERTIFICATE_PATH");
    assert!(
        error.to_string().contains("password is wrong") && !error.to_string().contains("s3cret"),
        "{error}"
    );
}

#[test]
fn files_that_cannot_be_read_are_a_problem_only_where_nothing_else_is_left() {
    let certificate = ("AZURE_CLIENT_CERTIFICATE_PATH", "/nowhere/app.pem");
    let federated = ("AZURE_FEDERATED_TOKEN_FILE", "/nowhere/token");

    let error = credential(&[certificate, federated]).unwrap_err();

    let named: Vec<_> = error.problems.iter().map(|problem| problem.name).collect();
    assert_eq!(named, ["AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE"]);
    credential(&[("AZURE_CLIENT_SECRET", "s3cret"), certificate, federated]).unwrap();
}
