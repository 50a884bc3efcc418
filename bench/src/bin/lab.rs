//! `lab PROGRAM [SECONDS]`: how `entra-lab` starts, what it holds, and how many tokens it hands out on one core.
//!
//! `lab.sh` builds both and runs them. Under load the lab is pinned to the first core, and this program is on the second.
//! What counts is the lab's CPU time for each request: it hardly depends on what else the machine does. The bound is
//! measured in the same run: an answer is one RSA signature at least, and two where there is an ID token.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a measurement that cannot start should say so and stop"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use cpu_time::ThreadTime;
use serde_json::Value;

const STARTS: usize = 20;
const CONNECTIONS: usize = 8;
/// `sysconf(_SC_CLK_TCK)` of every Linux that is in use.
const TICKS: f64 = 100.0;
const TENANT: &str = "10000000-0000-4000-8000-000000000001";
const DAEMON: &str = "client_id=c0ffee00-0000-4000-8000-000000005000&client_secret=lab-secret-daemon-app";
const DESKTOP: &str = "client_id=c0ffee00-0000-4000-8000-000000006000";
const API: &str = "api%3A%2F%2Fc0ffee00-0000-4000-8000-000000004000";

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let program = arguments.first().unwrap_or_else(|| panic!("lab PROGRAM [SECONDS]"));
    let seconds = arguments.get(1).map_or(3, |text| text.parse().unwrap());

    let mut starts: Vec<_> = (0..STARTS).map(|_| Lab::start(program, "0,1")).collect();
    let times = |of: fn(&Lab) -> Duration, labs: &[Lab]| {
        let mut times: Vec<_> = labs.iter().map(of).collect();
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e3
    };
    println!("| what | figure |\n|---|---|");
    let each = times(|lab| lab.answered, &starts);
    println!("| start: from exec to the first answered request, median of {STARTS} | {each:.1} ms |");
    let keys = times(|lab| lab.keys_made, &starts);
    println!("| the same to the first answer that needs the signing keys | {keys:.0} ms |");
    let mut resident: Vec<_> = starts.iter().map(|lab| lab.resident()).collect();
    resident.sort_by(f64::total_cmp);
    println!(
        "| idle, with its keys made: resident memory, the most of {STARTS} | {:.1} MiB |",
        resident[STARTS - 1]
    );
    starts.clear();

    let bound = signatures();
    println!("| RSA-2048 signatures of aws-lc on one core | {bound:.0}/s |");
    let lab = Lab::start(program, "0");
    lab.control("policy", r#"{"kind":"loop_limit"}"#);
    lab.control(
        "policy",
        &format!(r#"{{"kind":"grant_consent","client":"desktop-app","resource":"web-api-obo","scopes":["access_as_user"]}}"#),
    );
    let services = format!("grant_type=client_credentials&{DAEMON}&scope={API}%2F.default");
    let cases = [
        ("client credentials", 1.0, services),
        ("refresh", 1.0, lab.refresh("offline_access")),
        ("refresh with an ID token", 2.0, lab.refresh("offline_access%20openid%20profile")),
    ];
    for (name, signatures, form) in cases {
        let (wall, cpu) = lab.load(&form, Duration::from_secs(seconds));
        let share = 100.0 * cpu * signatures / bound;
        println!(
            "| {name} | {wall:.0}/s as the clock went, {cpu:.0} for each second of its core; {share:.0} % of it is RSA |"
        );
    }
    println!("| resident memory after that | {:.1} MiB |", lab.resident());
}

struct Lab {
    child: Child,
    address: SocketAddr,
    answered: Duration,
    keys_made: Duration,
}

impl Lab {
    fn start(program: &str, cores: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new("taskset");
        command.args([
            "-c",
            cores,
            program,
            "--listen",
            &address.to_string(),
            "--https-listen",
            "127.0.0.1:0",
        ]);
        let begin = Instant::now();
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        let mut connection = loop {
            match TcpStream::connect(address) {
                Ok(connection) => break connection,
                Err(_) => std::thread::sleep(Duration::from_micros(200)),
            }
        };
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: lab\r\n\r\n").into_bytes();
        ask(&mut connection, &get("/lab/health"));
        let answered = begin.elapsed();
        ask(&mut connection, &get(&format!("/{TENANT}/discovery/v2.0/keys")));
        Self { child, address, answered, keys_made: begin.elapsed() }
    }

    fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// Seconds of CPU that it has used.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
    }

    fn control(&self, name: &str, body: &str) {
        let answer = self.post(&format!("/lab/{name}"), "application/json", body);
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }

    fn token(&self, form: &str) -> Value {
        let answer =
            self.post(&format!("/{TENANT}/oauth2/v2.0/token"), "application/x-www-form-urlencoded", form);
        let body = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        serde_json::from_slice(&answer[body..]).unwrap()
    }

    /// Somebody's refresh, over and over: the old refresh token stays good until 20,000 newer ones are there.
    fn refresh(&self, more: &str) -> String {
        let scope = format!("{API}%2Faccess_as_user%20{more}");
        let person = "username=alice%40contoso.test&password=Passw0rd%21lab";
        let answer = self.token(&format!("grant_type=password&{DESKTOP}&{person}&scope={scope}"));
        let token = answer["refresh_token"].as_str().unwrap_or_else(|| panic!("{answer}"));
        format!("grant_type=refresh_token&{DESKTOP}&refresh_token={token}&scope={scope}")
    }

    fn post(&self, path: &str, kind: &str, body: &str) -> Vec<u8> {
        ask(&mut TcpStream::connect(self.address).unwrap(), &request(path, kind, body))
    }

    /// Answered requests for each second, of the clock and of the lab's CPU time.
    fn load(&self, form: &str, time: Duration) -> (f64, f64) {
        let request =
            request(&format!("/{TENANT}/oauth2/v2.0/token"), "application/x-www-form-urlencoded", form);
        let (count, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| {
                    let mut connection = TcpStream::connect(self.address).unwrap();
                    connection.set_nodelay(true).unwrap();
                    while !stop.load(Ordering::Relaxed) {
                        let answer = ask(&mut connection, &request);
                        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            std::thread::sleep(Duration::from_secs(1));
            let (before, cpu, begin) = (count.load(Ordering::Relaxed), self.cpu(), Instant::now());
            std::thread::sleep(time);
            let done = (count.load(Ordering::Relaxed) - before) as f64;
            let rates = (done / begin.elapsed().as_secs_f64(), done / (self.cpu() - cpu));
            stop.store(true, Ordering::Relaxed);
            rates
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Signatures for each second of CPU time.
fn signatures() -> f64 {
    let (key, random) = (KeyPair::generate(KeySize::Rsa2048).unwrap(), SystemRandom::new());
    let mut signature = vec![0; key.public_modulus_len()];
    // As long as the header and the claims of an access token are.
    let message = [b'x'; 900];
    let mut sign = |times| {
        let begin = ThreadTime::now();
        for _ in 0..times {
            key.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature).unwrap();
        }
        f64::from(times) / begin.elapsed().as_secs_f64()
    };
    sign(200);
    sign(4000)
}

fn request(path: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: lab\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// One request and its whole answer on a connection that stays open.
fn ask(connection: &mut TcpStream, request: &[u8]) -> Vec<u8> {
    connection.write_all(request).unwrap();
    let (mut answer, mut part) = (Vec::with_capacity(8192), [0; 8192]);
    loop {
        let read = connection.read(&mut part).unwrap();
        assert!(read > 0, "the lab ended the connection");
        answer.extend_from_slice(&part[..read]);
        let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:")).map(str::trim);
        let length: usize = length.map_or(0, |text| text.parse().unwrap());
        if answer.len() >= head + 4 + length {
            return answer;
        }
    }
}
