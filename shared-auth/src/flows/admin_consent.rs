//! Where an administrator agrees for a whole tenant. No token comes of it: the browser comes back with a yes or a no.

use url::Url;

use crate::authority::AuthorityKind;
use crate::client::ConfidentialClient;
use crate::env::ConfigError;
use crate::protocol::scope::Scopes;

impl ConfidentialClient {
    /// The address at which an administrator consents to `scopes` for everybody in the tenant; without scopes, to all that
    /// the registration lists. With an authority for several tenants it is the administrator's own: that is how a customer
    /// takes an application on.
    ///
    /// The browser comes back to `redirect_uri`, which must be registered, with `admin_consent=True` and the `tenant`, or
    /// with an `error`; and with `state`, which should be random, kept in the session, and compared. The answer proves
    /// nothing, for anybody can type it: that the consent is there, the next token shows.
    ///
    /// ```no_run
    /// # fn example(client: shared_auth::ConfidentialClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let redirect_uri = "https://app.example/consented".parse()?;
    /// let link = client.admin_consent_url("https://graph.microsoft.com/User.Read.All", &redirect_uri, "random")?;
    /// println!("ask your administrator to open {link}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] where the authority is not Entra ID: others have no such page.
    pub fn admin_consent_url(
        &self,
        scopes: impl Into<Scopes>,
        redirect_uri: &Url,
        state: &str,
    ) -> Result<Url, ConfigError> {
        let (authority, scopes) = (self.authority(), scopes.into());
        if *authority.kind() != AuthorityKind::Entra {
            return Err(ConfigError::new(
                "admin consent",
                "is asked at Entra ID, and this authority is another",
            ));
        }
        let version: &[&str] = if scopes.is_empty() { &[] } else { &["v2.0"] };
        let mut url = authority.page(&[version, &["adminconsent"]].concat());
        url.query_pairs_mut()
            .append_pair("client_id", self.client_id())
            .append_pair("redirect_uri", redirect_uri.as_str())
            .append_pair("state", state);
        if !scopes.is_empty() {
            url.query_pairs_mut().append_pair("scope", &scopes.to_string());
        }
        Ok(url)
    }
}
