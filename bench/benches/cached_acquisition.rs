//! A token that is in the cache: how long until the caller has it, by the number of tenants or users beside it, with
//! `azure_identity` in the same run. It has no user flows.
//!
//! `cargo bench --manifest-path bench/Cargo.toml --bench cached_acquisition`. What counts is the ratio between the lines
//! of one run: the lines "in turns" print it, the last ones are a table of the times. Nobody asks the network while the
//! clock runs: each case looks at the source.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot start should say so and stop")]

use std::future::IntoFuture;
use std::hint::black_box;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use bench::{CpuTime, GRAPH, USER_SCOPES, next};
use cpu_time::ThreadTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion};
use futures_util::FutureExt;
use shared_auth::{Scopes, TokenSource, UserAssertion};
use tokio::runtime::Runtime;

/// The largest first: it does not lie in the holes that others left in memory.
const SIZES: [usize; 4] = [100_000, 10_000, 1_000, 1];
const APP: &str = "cached app token";
const SILENT: &str = "cached silent token";
const OBO: &str = "cached on-behalf-of token";

/// How many of so many entries are asked for, one after the other: all of them, and of the most of them also a tenth, for
/// of a hundred thousand users not everybody is there at once.
fn asked(count: usize) -> &'static [usize] {
    match count {
        1 => &[1],
        1_000 => &[1_000],
        10_000 => &[10_000],
        _ => &[100_000, 10_000],
    }
}

/// What a case is called: how many entries, and how many of them are asked for.
fn label(count: usize, asked: usize) -> String {
    if asked < count { format!("{count}-{asked}") } else { count.to_string() }
}

/// What a caller brings along came with a request a moment ago: before the clock runs, it is looked at for so many calls, few
/// enough for the processor to have it at hand. What is measured is the way to what the cache holds.
const AT_ONCE: u64 = 64;

fn look_at(text: &str) {
    black_box(text.bytes().fold(0, |all, byte| all ^ byte));
}

/// CPU time of so many calls that go through those of the entries that are asked for, without that of reading the clock.
async fn time(asked: usize, times: u64, bring: impl Fn(usize), mut call: impl AsyncFnMut(usize)) -> Duration {
    let (mut at, mut left, mut took, mut clock) = (0, times, Duration::ZERO, Duration::ZERO);
    while left > 0 {
        let calls = left.min(AT_ONCE);
        (0..calls).fold(at, |at, _| {
            bring(at);
            next(at, asked)
        });
        clock += ThreadTime::now().elapsed();
        let started = ThreadTime::now();
        for _ in 0..calls {
            call(at).await;
            at = next(at, asked);
        }
        took += started.elapsed();
        left -= calls;
    }
    took.saturating_sub(clock)
}

/// Times `call` for each number of entries that are asked for.
fn hits(
    group: &mut BenchmarkGroup<'_, CpuTime>,
    name: &str,
    (runtime, count, asked): (&Runtime, usize, &[usize]),
    bring: impl Fn(usize),
    mut call: impl AsyncFnMut(usize),
) {
    for &asked in asked {
        group.bench_function(BenchmarkId::new(name, label(count, asked)), |bencher| {
            bencher.iter_custom(|times| runtime.block_on(time(asked, times, &bring, &mut call)));
        });
    }
}

fn app_token(c: &mut Criterion<CpuTime>) {
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group(APP);
    for count in SIZES {
        let (tenants, scopes) = (bench::tenants(count), Scopes::from(GRAPH));
        let client = bench::with_app_tokens(&tenants);
        let brought = |at: usize| look_at(&tenants[at]);
        let ours = async |at: usize| {
            // The first is the client's own tenant, which nobody names.
            let asked = client.acquire_token_for_client(&scopes);
            let result = if at == 0 { asked.await } else { asked.tenant(&tenants[at]).await }.unwrap();
            assert_eq!(result.source, TokenSource::Cache);
        };
        hits(&mut group, "shared-auth", (&runtime, count, asked(count)), brought, ours);

        // One credential serves one tenant; tokens for as many resources are the least that it has to look through.
        let (credential, resources) = (bench::azure_identity(), resources(count));
        let resource = |at: usize| look_at(&resources[at]);
        let theirs = async |at: usize| {
            black_box(credential.get_token(&[&resources[at]], None).await.unwrap());
        };
        runtime.block_on(async {
            for at in 0..count {
                theirs(at).await;
            }
        });
        hits(&mut group, "azure_identity", (&runtime, count, asked(count)), resource, theirs);

        in_turns(
            count,
            |times| runtime.block_on(time(count, times, brought, ours)),
            |times| runtime.block_on(time(count, times, resource, theirs)),
        );
    }
    group.finish();
}

fn resources(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("api://{at:08x}-0000-4000-8000-000000000003/.default")).collect()
}

/// Both once more in turns, so that whatever else happens to this machine happens to both: how many times as much the peer
/// needs.
fn in_turns(count: usize, ours: impl Fn(u64) -> Duration, theirs: impl Fn(u64) -> Duration) {
    const TURNS: usize = 15;
    // Twice around before the clock runs, for each drives the other out of the processor's caches.
    let (warm, timed) = (2 * count as u64, (3 * count as u64).max(10_000));
    let turn = |calls: &dyn Fn(u64) -> Duration| {
        calls(warm);
        calls(timed).as_secs_f64()
    };
    let mut ratios: Vec<f64> = (0..TURNS).map(|_| turn(&theirs) / turn(&ours)).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let [least, median, most] = [0, TURNS / 2, TURNS - 1].map(|at| ratios[at]);
    println!("in turns, {count}: azure_identity {median:.2} times ours ({least:.2} to {most:.2})");
}

fn silent(c: &mut Criterion<CpuTime>) {
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group(SILENT);
    let scopes = Scopes::from(USER_SCOPES);
    for count in SIZES {
        let (client, accounts) = bench::with_accounts(count);
        let brought = |at: usize| {
            look_at(&accounts[at].home_account_id);
            look_at(&accounts[at].tenant_id);
        };
        hits(&mut group, "shared-auth", (&runtime, count, asked(count)), brought, async |at| {
            let result = client.acquire_token_silent(&accounts[at], &scopes).await.unwrap();
            assert_eq!(result.source, TokenSource::Cache);
        });
    }
    group.finish();
}

fn on_behalf_of(c: &mut Criterion<CpuTime>) {
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group(OBO);
    let (host, scopes) = (bench::start_sts(Duration::ZERO), Scopes::from(USER_SCOPES));
    for count in SIZES {
        let (client, assertions) = runtime.block_on(bench::with_assertions(&host, count));
        let brought = |at: usize| {
            black_box(assertions[at].clone().expires_at());
        };
        hits(
            &mut group,
            "hash known from the validation",
            (&runtime, count, asked(count)),
            brought,
            async |at| {
                let result = client.acquire_token_on_behalf_of(&assertions[at], &scopes).await.unwrap();
                assert_eq!(result.source, TokenSource::Cache);
            },
        );
        let (texts, ends): (Vec<_>, _) = ((0..count).map(bench::incoming).collect(), bench::in_an_hour());
        let brought = |at: usize| look_at(&texts[at]);
        hits(&mut group, "with its hash", (&runtime, count, asked(count)), brought, async |at| {
            let assertion = UserAssertion::new(texts[at].as_str(), ends);
            let result = client.acquire_token_on_behalf_of(&assertion, &scopes).await.unwrap();
            assert_eq!(result.source, TokenSource::Cache);
        });
    }
    group.finish();
}

/// What two threads reach together on different tenants, in hits a second, as a multiple of one alone. The rates are
/// those of hits for CPU time, so that threads which wait for a processor that others use are not taken for slow ones.
fn two_threads() {
    const HITS: usize = 1_000_000;
    const ROUNDS: usize = 9;
    let (tenants, scopes) = (bench::tenants(2), Scopes::from(GRAPH));
    let client = bench::with_app_tokens(&tenants);
    let nanoseconds = |tenant: &str| {
        let started = ThreadTime::now();
        for _ in 0..HITS {
            let hit = client.acquire_token_for_client(&scopes).tenant(tenant).into_future().now_or_never();
            assert_eq!(hit.unwrap().unwrap().source, TokenSource::Cache);
        }
        started.elapsed().as_nanos() as f64 / HITS as f64
    };
    let mut gains: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let alone = nanoseconds(&tenants[0]);
            let together = std::thread::scope(|scope| {
                let other = scope.spawn(|| nanoseconds(&tenants[1]));
                [nanoseconds(&tenants[0]), other.join().unwrap()]
            });
            together.into_iter().map(|each| alone / each).sum()
        })
        .collect();
    gains.sort_unstable_by(f64::total_cmp);
    println!("two threads on different tenants: {:.2} x the rate of one", gains[ROUNDS / 2]);
}

/// The median that criterion left behind, in nanoseconds.
fn median(group: &str, name: &str, label: &str) -> Option<f64> {
    let criterion = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target").into());
    let file = format!("{criterion}/criterion/{group}/{name}/{label}/new/estimates.json");
    let estimates: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

/// All cases in one table.
fn report() {
    let sizes = SIZES.iter().rev();
    let labels: Vec<_> =
        sizes.flat_map(|&count| asked(count).iter().rev().map(move |&asked| label(count, asked))).collect();
    let line = |name: &str, figure: &dyn Fn(&str) -> Option<String>| {
        let figures: String =
            labels.iter().map(|label| format!("{:>14}", figure(label).unwrap_or_else(|| "-".into()))).collect();
        println!("{name:<52}{figures}");
    };
    println!("\nns of CPU a call, by entries; after the dash, how many of them are asked for");
    line("", &|label| Some(label.to_owned()));
    let cases = [
        (APP, "shared-auth"),
        (APP, "azure_identity"),
        (SILENT, "shared-auth"),
        (OBO, "hash known from the validation"),
        (OBO, "with its hash"),
    ];
    for (group, name) in cases {
        let title = if name == "shared-auth" { group.to_owned() } else { format!("{}, {name}", &group[7..]) };
        line(&title, &|label| Some(format!("{:.0}", median(group, name, label)?)));
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .with_measurement(CpuTime)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30)
        .configure_from_args();
    app_token(&mut criterion);
    silent(&mut criterion);
    on_behalf_of(&mut criterion);
    criterion.final_summary();
    report();
    two_threads();
}
