//! A token cache of another MSAL program: how long until its five users' tokens can be used here, and until ours are
//! written out.
//!
//! `cargo bench --manifest-path bench/Cargo.toml --bench msal_cache`. Each round imports into a cache that does not know
//! the users. `peers.sh` shows MSAL Python and msal-node with the same document.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot start should say so and stop")]

use bench::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use shared_auth::MsalExport;

const USERS: usize = 5;

fn import_and_export(c: &mut Criterion<CpuTime>) {
    let (client, document) = (bench::client(), bench::whole_cache(USERS, 1));
    let mut group = c.benchmark_group(format!("MSAL token cache of {USERS} users, {} bytes", document.len()));
    group.throughput(Throughput::Bytes(document.len() as u64));
    group.bench_function("import", |bencher| {
        bencher.iter_custom(|rounds| bench::imports(USERS, 1, rounds));
    });
    client.import_msal_cache(&document).unwrap();
    group.bench_function("export", |bencher| bencher.iter(|| client.export_msal_cache(&MsalExport::new())));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = import_and_export
}
criterion_main!(benches);
