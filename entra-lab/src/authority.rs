//! The first path segment: which tenant a request is for.

use uuid::Uuid;

use crate::directory::{Application, Directory, Tenant};
use crate::errors::{MALFORMED_TENANT, NO_TENANT, SINGLE_TENANT_APP, UNKNOWN_APP, UNKNOWN_TENANT};
use crate::refusal::Refusal;

/// Whose accounts may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    Tenant(Uuid),
    Common,
    Organizations,
    /// Personal accounts, which the lab does not have.
    Consumers,
}

/// What is said to whoever wants one of them.
pub const NO_CONSUMERS: &str = "No application of the lab is open to personal accounts.";
/// The tenant that every personal account is in.
pub const CONSUMERS: Uuid = Uuid::from_u128(0x9188040d_6c67_4c5b_b112_36a304b66dad);

impl Authority {
    /// Reads the segment: a tenant id, a domain, `common`, `organizations` or `consumers`, in any case.
    pub fn parse(directory: &Directory, segment: &str) -> Result<Self, Refusal> {
        match segment.to_ascii_lowercase().as_str() {
            "common" => return Ok(Self::Common),
            "organizations" => return Ok(Self::Organizations),
            "consumers" => return Ok(Self::Consumers),
            _ => {}
        }
        if Uuid::try_parse(segment).is_ok_and(|id| id == CONSUMERS) {
            return Ok(Self::Consumers);
        }
        if let Some(tenant) = directory.tenant(segment) {
            return Ok(Self::Tenant(tenant.id));
        }
        let label = |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let domain = segment.contains('.') && segment.len() <= 253 && segment.split('.').all(label);
        if Uuid::try_parse(segment).is_ok() || domain {
            return Err(UNKNOWN_TENANT.into());
        }
        Err(MALFORMED_TENANT.into())
    }

    /// How URLs of this authority spell the segment.
    pub fn segment(self) -> String {
        match self {
            Self::Tenant(id) => id.to_string(),
            Self::Common => "common".to_owned(),
            Self::Organizations => "organizations".to_owned(),
            Self::Consumers => "consumers".to_owned(),
        }
    }

    /// Whether accounts of this tenant may use it.
    pub fn admits(self, tenant: Uuid) -> bool {
        match self {
            Self::Tenant(id) => id == tenant,
            Self::Common | Self::Organizations => true,
            Self::Consumers => false,
        }
    }

    /// The one tenant, for requests that need one.
    pub fn tenant(self, directory: &Directory) -> Result<&Tenant, Refusal> {
        match self {
            Self::Tenant(id) => directory.tenant_by_id(id).ok_or_else(|| UNKNOWN_TENANT.into()),
            Self::Common | Self::Organizations | Self::Consumers => Err(NO_TENANT.into()),
        }
    }

    /// The tenant that its issuers name; where several sign in, a placeholder that is part of the text.
    pub fn issuing_tenant(self) -> String {
        match self {
            Self::Tenant(id) => id.to_string(),
            Self::Common | Self::Organizations => "{tenantid}".to_owned(),
            Self::Consumers => CONSUMERS.to_string(),
        }
    }

    /// Where its tenant lives, as the documents say.
    pub fn region(self) -> Option<&'static str> {
        matches!(self, Self::Tenant(_)).then_some("EU")
    }

    /// The client application, if it may be used here.
    pub fn client<'d>(self, directory: &'d Directory, client_id: &str) -> Result<&'d Application, Refusal> {
        let id = Uuid::try_parse(client_id).map_err(|_| UNKNOWN_APP.about("The client id is not a GUID."))?;
        let found = match self {
            Self::Tenant(tenant) => directory.tenant_by_id(tenant).and_then(|t| directory.app_in(t, id)),
            Self::Common | Self::Organizations => directory.any_app(id),
            Self::Consumers => return Err(UNKNOWN_APP.about(NO_CONSUMERS)),
        };
        let app = found.ok_or_else(|| UNKNOWN_APP.about(format!("The client id is {id}.")))?;
        if matches!(self, Self::Common | Self::Organizations) && !app.multi_tenant {
            return Err(SINGLE_TENANT_APP.about(format!("It is {}.", app.name)));
        }
        Ok(app)
    }
}
