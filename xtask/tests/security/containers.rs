//! The images and how they are run, as their files say it; `cargo xtask e2e --compose` runs them.

use super::repository;

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// A stage of the Dockerfile: where it begins, its name, and its lines.
struct Stage {
    from: String,
    name: String,
    lines: Vec<String>,
}

fn stages() -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for line in read("Dockerfile").lines().map(str::trim) {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["FROM", from, "AS", name] => {
                stages.push(Stage { from: from.to_owned(), name: name.to_owned(), lines: Vec::new() });
            }
            _ => stages.iter_mut().last().into_iter().for_each(|stage| stage.lines.push(line.to_owned())),
        }
    }
    stages
}

/// The services of the compose file, each with its lines.
fn services() -> Vec<(String, String)> {
    let file = read("docker-compose.yml");
    let mut services: Vec<(String, String)> = Vec::new();
    for line in file.split_once("\nservices:\n").unwrap().1.lines() {
        match line.strip_prefix("  ").and_then(|line| line.strip_suffix(':')) {
            Some(name) if !name.starts_with([' ', '#']) => services.push((name.to_owned(), String::new())),
            _ => services.last_mut().into_iter().for_each(|(_, text)| *text += &format!("{line}\n")),
        }
    }
    services
}

/// Checklist 160.
#[test]
fn every_image_runs_as_a_number_without_a_shell_and_holds_no_secret() {
    let stages = stages();
    let shipped: Vec<_> =
        stages.iter().filter(|stage| stage.lines.iter().any(|line| line.starts_with("ENTRYPOINT"))).collect();
    assert_eq!(shipped.len(), 4, "the lab, the API, the web app and the daemon");
    for stage in shipped {
        let base = stages.iter().find(|base| base.name == stage.from);
        let lines: Vec<_> = base.iter().flat_map(|base| &base.lines).chain(&stage.lines).collect();
        // Whatever comes after the last stage that builds: nothing with a shell in it.
        let from = base.map_or(&stage.from, |base| &base.from);
        assert!(from == "scratch" || from.contains("/distroless/"), "{} begins with {from}", stage.name);
        let user = lines.iter().rev().find_map(|line| line.strip_prefix("USER ")).unwrap();
        let (user, group) = user.split_once(':').unwrap();
        for id in [user, group] {
            assert!(id.parse::<u32>().is_ok_and(|id| id > 0), "{}: {id} is no number, or root's", stage.name);
        }
        for line in lines {
            assert!(!line.starts_with("ENV ") && !line.starts_with("ARG "), "{}: {line}", stage.name);
            assert!(
                !line.starts_with("ENTRYPOINT") || line.starts_with("ENTRYPOINT [\"/"),
                "{}: {line}",
                stage.name
            );
        }
    }
    let ignored = read(".dockerignore");
    for secret in ["**/.env", ".git", "target"] {
        assert!(ignored.lines().any(|line| line == secret), "{secret} would get into a layer");
    }
    assert!(!read("Dockerfile").to_lowercase().contains("secret"));
}

/// Checklist 160.
#[test]
fn every_container_is_read_only_without_rights_and_asks_after_its_health_by_itself() {
    let file = read("docker-compose.yml");
    let hardened = file.split_once("&hardened\n").unwrap().1.split_once("\n\n").unwrap().0;
    for property in ["read_only: true", "cap_drop: [ALL]", "no-new-privileges:true"] {
        assert!(hardened.contains(property), "{property}");
    }
    let services = services();
    assert!(services.len() > 8, "{}", services.len());
    for (name, text) in &services {
        let extends = services.iter().any(|(other, _)| text.contains(&format!("extends: {other}\n")));
        assert!(text.contains("<<: *hardened") || extends, "{name} may do more than it needs");
        for right in ["privileged", "cap_add", "read_only: false", "network_mode", "pid:", "docker.sock"] {
            assert!(!text.contains(right), "{name}: {right}");
        }
        for port in text.lines().filter(|line| line.trim_start().starts_with("ports: [")) {
            assert_eq!(port.matches('"').count() / 2, port.matches("\"127.0.0.1:").count(), "{name}: {port}");
        }
        assert!(!text.contains("curl") && !text.contains("wget"), "{name} asks after its health with a tool");
        // What is not built here says who it runs as.
        if !text.contains("build:") && !extends {
            let user = text.lines().find_map(|line| line.trim().strip_prefix("user: \"")).unwrap();
            assert!(
                user.split(':').all(|id| id.trim_end_matches('"').parse::<u32>().is_ok()),
                "{name}: {user}"
            );
        }
    }
}
