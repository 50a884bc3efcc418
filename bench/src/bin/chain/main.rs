//! The whole chain at a protected API: validate the caller's token, take the Graph token from the cache, call Graph, answer.
//!
//! `chain measure SECONDS {NAME USERS COMMAND}…` starts each program as it stands, on a port of its own, and loads it; `USERS`
//! is the most that it is tried with. `chain bare` is the program to compare with. `chain.sh` builds and names them all.
//!
//! | file | what it is |
//! |---|---|
//! | `stub.rs` | Entra and Graph on loopback, in this process |
//! | `bare.rs` | the same API written by hand |
//! | `program.rs` | a program under test: when it is ready, its CPU time, its memory |
//! | `load.rs` | 32 connections that ask for one profile after another |
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a measurement that cannot start should say so and stop"
)]

mod bare;
mod load;
mod program;
mod stub;

use std::time::Duration;

use bench::tokens::Signer;

use crate::load::{Load, Turn};
use crate::program::Program;
use crate::stub::Stub;

const SIZES: [usize; 4] = [1, 100, 1_000, 10_000];
/// Rounds in which every program has its turn, so that whatever else the machine does falls on all of them alike.
const ROUNDS: usize = 5;
const STARTS: usize = 7;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("bare") => bare::main(),
        Some("measure") if arguments.len() > 2 && arguments.len() % 3 == 2 => {
            let time = Duration::from_secs_f64(arguments[1].parse().unwrap());
            measure(time, &arguments[2..]);
        }
        _ => panic!("chain bare, or chain measure SECONDS {{NAME USERS COMMAND}}…"),
    }
}

/// A program, and what was seen of it.
struct Case<'a> {
    name: &'a str,
    most_users: usize,
    command: &'a str,
}

fn measure(time: Duration, programs: &[String]) {
    let signer = Signer::default();
    let stub = Stub::start(signer.jwks());
    eprintln!("making the tokens of {} users", SIZES[SIZES.len() - 1]);
    let tokens: Vec<_> = (0..SIZES[SIZES.len() - 1]).map(|user| signer.token(stub::ISSUER, user)).collect();
    let cases: Vec<_> = programs
        .chunks(3)
        .map(|words| Case { name: &words[0], most_users: words[1].parse().unwrap(), command: &words[2] })
        .collect();

    println!("| program | ready after, ms | idle memory, MB |\n|---|---|---|");
    for case in &cases {
        let starts: Vec<_> = (0..STARTS)
            .map(|_| {
                // One at a time: those that run side by side share memory.
                let program = Program::start(case.command, &stub);
                std::thread::sleep(Duration::from_millis(500));
                (program.ready.as_secs_f64() * 1e3, program.memory())
            })
            .collect();
        let ready = median(starts.iter().map(|(ready, _)| *ready));
        let memory = median(starts.iter().map(|(_, memory)| *memory));
        println!("| {} | {ready:.0} | {memory:.1} |", case.name);
    }

    println!(
        "\n| users | program | CPU, µs a request | times the first one's | requests/s | p99, ms |\n|---|---|---|---|---|---|"
    );
    for users in SIZES {
        let taking_part: Vec<_> = cases.iter().filter(|case| users <= case.most_users).collect();
        let mut running: Vec<_> = taking_part
            .iter()
            .map(|case| {
                let program = Program::start(case.command, &stub);
                let load = Load::new(program.address, &tokens[..users]);
                load.each_user_once();
                load.run(&program, time.max(Duration::from_secs(2)));
                (program, load, Vec::<Turn>::new())
            })
            .collect();
        let asked = stub.token_requests();
        for _ in 0..ROUNDS {
            for (program, load, turns) in &mut running {
                turns.push(load.run(program, time));
            }
        }
        assert_eq!(stub.token_requests(), asked, "every token was in the caches");
        let mut first = None;
        for (case, (_, _, turns)) in taking_part.iter().zip(&running) {
            let of = |figure: fn(&Turn) -> f64| median(turns.iter().map(figure));
            let cpu = of(|turn| turn.cpu);
            let times = cpu / *first.get_or_insert(cpu);
            let (rate, p99) = (of(|turn| turn.rate), of(|turn| turn.p99));
            println!("| {users} | {} | {cpu:.1} | {times:.2} | {rate:.0} | {p99:.1} |", case.name);
        }
    }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
