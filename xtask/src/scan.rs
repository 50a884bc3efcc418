//! Secrets in the logs of the suite: whatever a lab handed out or was shown while the tests ran, looked for in everything
//! that was logged meanwhile, spans included.
//!
//! The tests' processes write both down (`entra_lab::scan`). A secret counts as found where a good piece of it stands in a
//! log: libraries like to shorten what they print.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The variable that tells the processes where to write.
pub const VARIABLE: &str = "ENTRA_LAB_SCAN_DIR";

/// So many letters of a long secret in a row are no accident; any run of twice as many holds such a piece.
const PIECE: usize = 20;

/// An empty folder for one run.
pub fn prepare(folder: &Path) -> Result<PathBuf> {
    let folder = folder.to_owned();
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Reads what was written down. An error for a secret in a log, and for a run that wrote nothing: that proves nothing.
pub fn check(folder: &Path) -> Result<String> {
    let (mut secrets, mut logs) = (Secrets::default(), Vec::new());
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("secrets-") {
            String::from_utf8_lossy(&fs::read(&path)?).lines().for_each(|secret| secrets.add(secret));
        } else if name.starts_with("log-") {
            logs.push(path);
        }
    }
    let (mut lines, mut found) = (0, Vec::new());
    for path in logs {
        for (number, line) in fs::read(&path)?.split(|byte| *byte == b'\n').enumerate() {
            lines += 1;
            if let Some(what) = secrets.find(line) {
                let text = String::from_utf8_lossy(line);
                let line: String = text.chars().take(160).collect();
                found.push(format!("{}:{}: {what}: {line}…", path.display(), number + 1));
            }
        }
    }
    if lines < 1_000 || secrets.count < 100 {
        bail!("only {lines} lines and {} secrets were written to {}", secrets.count, folder.display());
    }
    if !found.is_empty() {
        let shown: Vec<_> = found.iter().take(10).map(String::as_str).collect();
        bail!("{} lines hold a secret, among them:\n{}", found.len(), shown.join("\n"));
    }
    Ok(format!("{} secrets, none of them in {lines} lines", secrets.count))
}

/// Nothing that a lab hands out is shorter, and what is may be an ordinary word.
const SHORTEST: usize = 12;

#[derive(Default)]
struct Secrets {
    pieces: HashSet<Vec<u8>>,
    /// Too short for pieces: looked for as they are.
    short: HashSet<Vec<u8>>,
    count: usize,
}

impl Secrets {
    fn add(&mut self, secret: &str) {
        self.count += 1;
        // The header of a JWT names a key and an algorithm, which anybody may read.
        let telling = match secret.split('.').collect::<Vec<_>>().as_slice() {
            [header, body, signature] if header.starts_with("eyJ") => vec![*body, *signature],
            _ => vec![secret],
        };
        // What is shorter is a forged token's, and stands in words that mean nothing: an empty signature, say.
        for part in telling.into_iter().filter(|part| part.len() >= SHORTEST) {
            if part.len() < 2 * PIECE {
                self.short.insert(part.as_bytes().to_vec());
            } else {
                let pieces = part.as_bytes().chunks_exact(PIECE);
                // One letter over and over is what tests write where it only has to be long.
                let telling = pieces.filter(|piece| piece.iter().any(|letter| *letter != piece[0]));
                self.pieces.extend(telling.map(<[u8]>::to_vec));
            }
        }
    }

    /// What kind of secret is in the line, if any is.
    fn find(&self, line: &[u8]) -> Option<&'static str> {
        // Only runs of letters that tokens are made of can hold a piece, and few lines have long ones.
        for run in line.split(|byte| !is_of_a_token(*byte)).filter(|run| run.len() >= PIECE) {
            if run.windows(PIECE).any(|window| self.pieces.contains(window)) {
                return Some("a piece of a token, code or cookie");
            }
        }
        let holds = |secret: &Vec<u8>| line.windows(secret.len()).any(|window| window == secret.as_slice());
        self.short.iter().any(holds).then_some("a secret or password")
    }
}

fn is_of_a_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.+/=~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhcGk6Ly9jMGZmZWUwMC0wMDAwIiwic3ViIjoiYWxpY2UifQ.\
                       qL8R4QIcQ_ZsRqOAbeRfcZhilN_MksRtDaErMA8Nb0aDtZ3pLuxyOQ4M";

    /// A run that logged this beside a thousand harmless lines.
    fn run(logged: &str) -> Result<String> {
        let folder = std::env::temp_dir().join(format!("scan-{}-{:p}", std::process::id(), &logged));
        let folder = prepare(&folder)?;
        let others = (0..200).map(|n| format!("0123456789-another-code-{n:030}\n")).collect::<String>();
        fs::write(
            folder.join("secrets-1.txt"),
            format!("{JWT}\nPassw0rd!lab\n1.R{}\n{others}", "x".repeat(256)),
        )?;
        fs::write(folder.join("log-2.txt"), format!("{}{logged}\n", "a line\n".repeat(2_000)))?;
        let outcome = check(&folder);
        fs::remove_dir_all(folder)?;
        outcome
    }

    /// Checklist 141.
    #[test]
    fn a_token_or_password_in_a_log_is_found_and_not_repeated_in_full() {
        for line in [
            format!("DEBUG token={JWT}"),
            format!("Bearer {}…", &JWT[..70]),
            format!("…{}", &JWT[JWT.len() - 45..]),
            "the password Passw0rd!lab is wrong".to_owned(),
        ] {
            let error = run(&line).unwrap_err().to_string();
            assert!(error.starts_with("1 lines hold a secret"), "{line}: {error}");
        }
    }

    #[test]
    fn a_harmless_log_passes_and_so_does_the_header_of_a_token() {
        let long = "x".repeat(100);
        let said =
            run(&format!("the key of eyJhbGciOiJSUzI1NiJ9 is known, 0123456789 too, and {long}")).unwrap();

        assert!(said.contains("203 secrets"), "{said}");
    }

    #[test]
    fn a_run_that_wrote_nothing_proves_nothing() {
        let folder =
            prepare(&std::env::temp_dir().join(format!("scan-empty-{}", std::process::id()))).unwrap();

        assert!(check(&folder).unwrap_err().to_string().contains("only 0 lines"));
        fs::remove_dir_all(folder).unwrap();
    }
}
