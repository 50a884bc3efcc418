//! The property stands in the library: `shared_auth::properties::msal_cache`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| shared_auth::properties::msal_cache(data));
