//! A local Entra ID and Microsoft Graph that says no the way the real one does.
//!
//! For local use only: its secrets and passwords are public. Run the binary, or start it in a test:
//!
//! ```no_run
//! # async fn example() -> Result<(), entra_lab::StartError> {
//! let lab = entra_lab::EntraLab::start().await?;
//! println!("authority {}, tenant {}", lab.url(), lab.tenant_id());
//! # Ok(())
//! # }
//! ```

mod authority;
mod client_assertion;
mod client_auth;
pub mod clock;
mod consents;
mod controls;
mod cors;
mod devices;
pub mod directory;
mod endpoints;
pub mod errors;
pub mod faults;
mod forge;
mod grants;
mod graph;
mod ids;
mod in_process;
mod issued;
mod keyring;
mod keys;
mod loops;
mod params;
mod paths;
mod permissions;
pub mod policy;
mod ports;
mod random;
pub mod recorder;
mod redirect_uri;
mod refusal;
mod routes;
pub mod scan;
mod scopes;
pub mod seed;
pub mod serve;
mod sessions;
mod sign_in;
pub mod state;
mod tenants;
mod tls;
mod tokens;

pub use faults::{Fault, Target, What};
pub use in_process::{Builder, EntraLab};
pub use keyring::{KeyChange, KeySet};
pub use policy::change::PolicyChange;
pub use ports::free_port;
pub use recorder::Recorded;
pub use seed::{DEFAULT_SEED, SeedError};
pub use serve::StartError;
pub use state::LabState;
pub use tenants::{AppInfo, TenantInfo, UserInfo};

/// Keeps the example of the README compiling.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
