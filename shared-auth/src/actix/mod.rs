//! actix-web glue: guards for APIs, sign-in for web apps.
//!
//! | file | what it is |
//! |---|---|
//! | `bearer.rs`, `caller.rs` | a protected API: the guards on its routes, the callers in its handlers |
//! | `step_up.rs` | challenges that an API raises itself |
//! | `error_response.rs` | an [`Error`](crate::Error) as the answer of an API |
//! | `sign_in.rs` | a web app: the routes for signing in and out |
//! | `session.rs` | the typed server-side session, the signed-in user as a handler argument |
//! | `session_store/` | where sessions live: in memory, or in Redis |
//! | `health.rs` | the headers of an API, the two questions that an orchestrator asks |
//! | `server.rs`, `server/` | the server around an app: limits, slow clients, addresses behind proxies, panics |
//! | `request_span.rs` | a span for each request, in the caller's trace |
//! | `failure.rs` | an [`Error`](crate::Error) as a page that says what happened and what to do |

mod bearer;
mod caller;
mod error_response;
mod failure;
mod health;
mod request_span;
mod server;
mod session;
mod session_store;
mod sign_in;
mod step_up;

#[cfg(any(test, fuzzing))]
pub use bearer::authorization_header;
pub use bearer::{BearerAuth, Guard, Guarded, RequireRole, RequireScope, RequireScopeOrAppPermission};
pub use caller::{AnyCaller, AppCaller, UserCaller};
pub use error_response::ApiError;
pub use failure::{Failure, PageError};
#[cfg(feature = "redis")]
pub use health::health_routes_with;
pub use health::{api_headers, health_routes};
pub use request_span::request_span;
pub use server::{ServerLimits, client_address, server};
pub use session::{CookieKey, SignedInUser};
pub use sign_in::{Failures, SignInOptions, SignInRoutes};
