//! The program: its settings, its first line, its exit codes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

fn program(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entra-lab"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ENTRA_LAB_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(variables.iter().copied());
    command
}

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    program(arguments, variables).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Ends the program even when the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the program on free ports and returns its address.
fn start(variables: &[(&str, &str)]) -> (Running, String, Vec<String>) {
    let mut command = program(&["--listen", "127.0.0.1:0", "--https-listen", "127.0.0.1:0"], variables);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    let rest = lines.by_ref().take_while(|l| !l.contains("note")).collect();
    std::thread::spawn(move || lines.for_each(drop));
    let address =
        first.strip_prefix("entra-lab listening on ").unwrap_or_else(|| panic!("{first}")).to_owned();
    (Running(child), address, rest)
}

/// Checklist 124, 171.
#[test]
fn it_says_where_it_listens_and_stops_cleanly() {
    let directory = tempfile::tempdir().unwrap();
    let (mut lab, address, greeting) = start(&[("ENTRA_LAB_CA_DIR", directory.path().to_str().unwrap())]);
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    assert!(greeting.iter().any(|l| l.contains("alice@contoso.test")), "{greeting:?}");
    let listen = address.strip_prefix("http://").unwrap();
    assert!(run(&["healthcheck", "--listen", listen], &[]).status.success());
    assert!(std::fs::read_to_string(directory.path().join("ca.pem")).unwrap().contains("BEGIN CERTIFICATE"));

    let id = lab.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(lab.0.wait().unwrap().code(), Some(0));
    assert_eq!(run(&["healthcheck", "--listen", listen], &[]).status.code(), Some(1));
}

/// Checklist 124.
#[test]
fn asked_twice_to_stop_it_does_not_wait_for_what_is_under_way() {
    let (mut lab, address, _) = start(&[]);
    let listen = address.strip_prefix("http://").unwrap();
    let mut half_a_form = TcpStream::connect(listen).unwrap();
    let head = "POST /common/oauth2/v2.0/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n\
                content-length: 100\r\nexpect: 100-continue\r\n\r\n";
    half_a_form.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    half_a_form.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100", "the rest is waited for");
    let ask_to_stop = |lab: &Running| {
        let id = lab.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    };

    ask_to_stop(&lab);
    while TcpStream::connect(listen).is_ok() {
        std::thread::yield_now();
    }
    ask_to_stop(&lab);

    assert_eq!(lab.0.wait().unwrap().code(), Some(143), "0 would mean that it waited");
}

#[test]
fn a_port_in_use_is_one_sentence_and_exit_code_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&[], &[("ENTRA_LAB_LISTEN", &address), ("ENTRA_LAB_HTTPS_LISTEN", "")]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains(&address) && text.contains("in use") && text.lines().count() == 1, "{text}");
}

/// A control of a program that runs: status line and body.
fn post(address: &str, path: &str, body: &str) -> String {
    let host = address.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(host).unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    let length = body.len();
    write!(connection, "{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_seed_file_that_was_changed_is_read_again_and_a_wrong_one_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("my-seed.toml");
    std::fs::write(&path, entra_lab::DEFAULT_SEED).unwrap();
    let (_lab, address, _) = start(&[("ENTRA_LAB_SEED", path.to_str().unwrap())]);
    let tenant = "10000000-0000-4000-8000-000000000001";
    assert!(post(&address, "/lab/seed", "{}").contains(tenant));

    let second = tenant.replace('1', "2");
    let changed = entra_lab::DEFAULT_SEED.replace(tenant, &second).replace("contoso.test", "fabrikam.test");
    std::fs::write(&path, &changed).unwrap();
    let read = post(&address, "/lab/seed", "{}");
    assert!(read.starts_with("HTTP/1.1 200") && read.contains(&second) && !read.contains(tenant), "{read}");

    std::fs::write(&path, format!("{changed}\ncolour = \"red\"\n")).unwrap();
    let refused = post(&address, "/lab/seed", "{}");
    let line = format!("line {}", changed.lines().count() + 2);
    assert!(refused.starts_with("HTTP/1.1 400") && refused.contains(&line), "{line} {refused}");
    std::fs::remove_file(&path).unwrap();
    let refused = post(&address, "/lab/seed", "{}");
    assert!(refused.starts_with("HTTP/1.1 400") && refused.contains("my-seed.toml"), "{refused}");
    // It goes back to the last one that was good.
    assert!(post(&address, "/lab/reset", "{}").starts_with("HTTP/1.1 200"));
    assert!(post(&address, "/lab/tenants", "{\"name\": \"x\"}").contains("@"), "people are still there");
}

#[test]
fn a_malformed_seed_is_named_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("my-seed.toml");
    std::fs::write(&path, "[[tenant]]\nid = \"x\"\n").unwrap();
    let output = run(&[], &[("ENTRA_LAB_SEED", path.to_str().unwrap())]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("my-seed.toml, line 2: ") && text.lines().count() == 1, "{text}");
    let missing = run(&["--seed", "/nowhere/seed.toml"], &[]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("/nowhere/seed.toml"));
}

#[test]
fn every_wrong_setting_is_named_at_once() {
    let output = run(
        &[],
        &[
            ("ENTRA_LAB_LISTEN", "somewhere"),
            ("ENTRA_LAB_HTTPS_LISTEN", "0.0.0.0:8443"),
            ("ENTRA_LAB_PUBLIC_URL", "not a url"),
        ],
    );
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    for name in ["ENTRA_LAB_LISTEN", "ENTRA_LAB_ALLOW_NON_LOOPBACK", "ENTRA_LAB_PUBLIC_URL"] {
        assert!(text.contains(name), "{text}");
    }
}

/// Checklist 171.
#[test]
fn other_machines_are_let_in_only_when_that_is_asked_for() {
    let open = [("ENTRA_LAB_LISTEN", "0.0.0.0:0"), ("ENTRA_LAB_HTTPS_LISTEN", "")];
    assert_eq!(run(&[], &open).status.code(), Some(2));
    let mut allowed = open.to_vec();
    allowed.push(("ENTRA_LAB_ALLOW_NON_LOOPBACK", "true"));
    let no_url = run(&[], &allowed);
    assert_eq!(no_url.status.code(), Some(2));
    assert!(stderr(&no_url).contains("ENTRA_LAB_PUBLIC_URL is needed"));
}

/// Checklist 171.
#[test]
fn an_address_of_the_public_internet_has_to_be_asked_for_twice() {
    // TEST-NET-3 and the documentation prefix of IPv6: public in kind, and nobody's.
    for address in ["203.0.113.7:0", "[2001:db8::7]:0"] {
        let mut env = vec![("ENTRA_LAB_LISTEN", address), ("ENTRA_LAB_HTTPS_LISTEN", "")];
        env.push(("ENTRA_LAB_ALLOW_NON_LOOPBACK", "true"));
        let once = run(&[], &env);
        assert_eq!(once.status.code(), Some(2));
        assert!(stderr(&once).contains("say it twice"), "{}", stderr(&once));
        env.push(("ENTRA_LAB_ALLOW_PUBLIC", "true"));
        let twice = run(&[], &env);
        // This machine does not have the address, which is as far as it should get here.
        assert_eq!(twice.status.code(), Some(1), "{}", stderr(&twice));
        assert!(stderr(&twice).contains("cannot listen on"), "{}", stderr(&twice));
    }
}

#[test]
fn an_unknown_option_is_exit_code_2() {
    let output = run(&["--colour", "blue"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--colour"));
}

#[test]
fn the_names_of_the_variables_can_be_listed() {
    let output = run(&["settings"], &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<&str> = text.lines().collect();
    assert_eq!(
        names,
        [
            "ENTRA_LAB_ALLOW_NON_LOOPBACK",
            "ENTRA_LAB_ALLOW_PUBLIC",
            "ENTRA_LAB_CA_DIR",
            "ENTRA_LAB_HTTPS_LISTEN",
            "ENTRA_LAB_LISTEN",
            "ENTRA_LAB_PUBLIC_URL",
            "ENTRA_LAB_SEED",
            "RUST_LOG",
        ]
    );
}
