//! Journey 1, the daemon: a service reads the directory as itself, then calls our own API by its app role.

use crate::stack::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_lists_the_directory_from_graph_and_from_our_api() {
    let stack = Stack::start().await;

    let round = stack.run_daemon_once(&[]);

    let log = String::from_utf8_lossy(&round.stdout).into_owned();
    assert!(round.status.success(), "{log}\n{}", String::from_utf8_lossy(&round.stderr));
    for name in ["Alice Kim", "Bob Novak", "Carol Diaz"] {
        assert!(log.contains(name), "{name} is missing:\n{log}");
    }
    for step in ["step=3", "step=4", "step=5", "step=6", "step=7"] {
        assert!(log.contains(step), "{step} is missing:\n{log}");
    }
    assert!(log.contains("identity provider"), "{log}");
}
