//! The property stands in the library: `shared_auth::properties::authorization_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| shared_auth::properties::authorization_header(data));
