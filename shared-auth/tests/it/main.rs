//! The library against the lab and against forged tokens, over real HTTP. One binary: one link step.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what they expect")]

mod support;
mod tokens;

mod acquisition;
mod api_guards;
mod authority;
mod authorization_code;
mod client_credentials;
mod diagnosis;
mod jwt_rejections;
mod long_running;
mod on_behalf_of;
