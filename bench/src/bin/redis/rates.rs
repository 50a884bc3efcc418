//! A lookup that memory does not have, decryption and decoding included, beside what the connection does without us.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bench::{USER_SCOPES, next};
use cpu_time::ProcessTime;
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::cmd;
use shared_auth::{Account, ConfidentialClient, Scopes, TokenSource};

use super::server::Server;
use super::users::{fill, keys};

const USERS: usize = 1_000;
const TASKS: [usize; 3] = [1, 16, 64];
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(700);

pub async fn report(server: &Server) {
    let accounts = Arc::new(fill(server, USERS).await);
    let names = Arc::new(keys(server, "auth:*:p:*").await);
    let length: usize = server.ask(&["HSTRLEN", &names[0], &field(server, &names[0]).await]).await;
    let (bare, ours) = (server.connection().await, server.client("https://login.microsoftonline.com", 1));
    look(&ours, &accounts[0]).await;

    let before = server.calls("hgetall").await;
    for at in 0..1_000 {
        look(&ours, &accounts[at % USERS]).await;
    }
    let after = server.calls("hgetall").await;
    println!("values of {length} bytes; 1,000 lookups that memory does not have:");
    println!(
        "  {} HGETALL and {} commands in all, counted by the server",
        after.0 - before.0,
        after.1 - before.1
    );

    println!(
        "{:<7}{:>18}{:>16}{:>16}{:>8}{:>12}{:>30}",
        "tasks",
        "redis-benchmark",
        "connection",
        "lookup",
        "of it",
        "adds",
        "CPU, us: connection, lookup"
    );
    for tasks in TASKS {
        let outside = server.benchmark(tasks, &["HGETALL", &names[0]]).await;
        let (mut plain, mut lookup) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (bare, names) = (bare.clone(), Arc::clone(&names));
            plain.push(rate(tasks, move |at| ask(bare.clone(), names[at % names.len()].clone())).await);
            let (ours, accounts) = (ours.clone(), Arc::clone(&accounts));
            let look = move |at| {
                let (ours, accounts) = (ours.clone(), Arc::clone(&accounts));
                async move { look(&ours, &accounts[at % accounts.len()]).await }
            };
            lookup.push(rate(tasks, look).await);
        }
        // Of one round each, so that what else the machine does hits both.
        let ratio = 100.0 * median(plain.iter().zip(&lookup).map(|(plain, lookup)| lookup.rate / plain.rate));
        let adds =
            median(plain.iter().zip(&lookup).map(|(plain, lookup)| 1e6 / lookup.rate - 1e6 / plain.rate));
        let adds = if tasks == 1 { format!("{adds:.1} us") } else { String::new() };
        let rate = |rates: &[Rate]| median(rates.iter().map(|rate| rate.rate));
        let cpu = |rates: &[Rate]| median(rates.iter().map(|rate| rate.cpu));
        println!(
            "{tasks:<7}{outside:>16.0}/s{:>14.0}/s{:>14.0}/s{ratio:>7.0}%{adds:>12}{:>20.1}{:>10.1}",
            rate(&plain),
            rate(&lookup),
            cpu(&plain),
            cpu(&lookup)
        );
    }
}

/// Calls in a second, and the CPU of this process for each, in microseconds.
struct Rate {
    rate: f64,
    cpu: f64,
}

async fn field(server: &Server, name: &str) -> String {
    let fields: Vec<String> = server.ask(&["HKEYS", name]).await;
    fields.into_iter().find(|field| field.starts_with('a')).unwrap()
}

async fn ask(mut connection: MultiplexedConnection, name: String) {
    let fields: Vec<(Vec<u8>, Vec<u8>)> =
        cmd("HGETALL").arg(name).query_async(&mut connection).await.unwrap();
    assert!(!fields.is_empty());
}

pub async fn look(client: &ConfidentialClient, account: &Account) {
    let token = client.acquire_token_silent(account, Scopes::from(USER_SCOPES)).await.unwrap();
    assert_eq!(token.source, TokenSource::Cache);
}

/// How often so many tasks together get `call` done.
async fn rate<F: Future<Output = ()> + Send>(
    tasks: usize,
    call: impl Fn(usize) -> F + Clone + Send + 'static,
) -> Rate {
    let (count, started, cpu) = (Arc::new(AtomicUsize::new(0)), Instant::now(), ProcessTime::now());
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let (count, call) = (Arc::clone(&count), call.clone());
            tokio::spawn(async move {
                let (mut at, mut done) = (task * 17, 0);
                while started.elapsed() < ROUND {
                    at = next(at, usize::MAX / 2);
                    call(at).await;
                    done += 1;
                }
                count.fetch_add(done, Ordering::Relaxed);
            })
        })
        .collect();
    for task in running {
        task.await.unwrap();
    }
    let count = count.load(Ordering::Relaxed) as f64;
    Rate { rate: count / started.elapsed().as_secs_f64(), cpu: cpu.elapsed().as_secs_f64() * 1e6 / count }
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
