//! Signing in to a site, over the wire: what an honest browser sees, and what every other one gets.

mod answers;
mod flows;
mod form_post;
mod hint_cookie;
mod identity;
mod return_paths;
mod session_cookie;
mod sign_out;
mod site;
mod step_up;
