//! The credential of the environment, under the names that the Azure SDKs use.

use super::{ClientCertificate, ClientCredential, FederatedTokenFile};
use crate::env::Env;

impl ClientCredential {
    /// Reads `AZURE_CLIENT_SECRET`, `AZURE_CLIENT_CERTIFICATE_PATH` with `AZURE_CLIENT_CERTIFICATE_PASSWORD`, and
    /// `AZURE_FEDERATED_TOKEN_FILE`. Where several are set they form a list in this order
    /// ([`ClientCredential::first_of`]). Files that cannot be read are a problem where nothing else is left.
    ///
    /// ```
    /// use shared_auth::{ClientCredential, Env};
    ///
    /// let error = Env::from_pairs([("PATH", "/bin")]).read(ClientCredential::from_env).unwrap_err();
    /// assert!(error.to_string().contains("AZURE_FEDERATED_TOKEN_FILE"));
    /// ```
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let secret = env.optional::<String>("AZURE_CLIENT_SECRET")?;
        let path = env.optional::<String>("AZURE_CLIENT_CERTIFICATE_PATH")?;
        let password = env.optional::<String>("AZURE_CLIENT_CERTIFICATE_PASSWORD")?;
        let token_file = env.optional::<String>("AZURE_FEDERATED_TOKEN_FILE")?;

        let (mut credentials, mut problems) = (Vec::new(), Vec::new());
        credentials.extend(secret.map(Self::secret));
        if let Some(path) = path {
            let certificate = ClientCertificate::lazily_from_file(
                "AZURE_CLIENT_CERTIFICATE_PATH",
                path,
                password.as_deref(),
            );
            problems.extend(certificate.read_now().err());
            credentials.push(certificate.into());
        }
        if let Some(path) = token_file {
            let file = FederatedTokenFile::new("AZURE_FEDERATED_TOKEN_FILE", path.into());
            problems.extend(file.read_now().err());
            credentials.push(Self::Federated(file));
        }

        if credentials.is_empty() {
            env.note(
                "AZURE_CLIENT_SECRET",
                "is missing; set it, or AZURE_CLIENT_CERTIFICATE_PATH (a PEM or PFX file with the private key), or \
                 AZURE_FEDERATED_TOKEN_FILE (a token that the platform keeps)",
            );
            return None;
        }
        if problems.len() == credentials.len() {
            for problem in problems.into_iter().flat_map(|error| error.problems) {
                env.note(problem.name, problem.reason);
            }
            return None;
        }
        Some(Self::first_of(credentials))
    }
}
