//! Tells the program which commit it is built from. Without git, or outside a repository of its own, it is built all the same.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    // Naming at least one file keeps cargo from running this after every change of any file.
    println!("cargo::rerun-if-changed=build.rs");
    let Some(root) = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from) else { return };
    // A copy inside somebody else's repository must not carry that one's commit.
    let top = git(&root, &["rev-parse", "--show-toplevel"]).and_then(|top| Path::new(&top).canonicalize().ok());
    if top.is_none() || top != root.canonicalize().ok() {
        return;
    }
    // Both change with a commit or a checkout: HEAD names the branch, the log grows with every move of it.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&root, &["rev-parse", "--git-path", name]) {
            let path = root.join(path);
            if path.exists() {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
    }
    // A record must not name a commit that is not what was built. These are compiled anew after a change in any case.
    let sources = ["src", "Cargo.toml", "Cargo.lock", "build.rs"];
    for source in sources {
        println!("cargo::rerun-if-changed={source}");
    }
    let changed = git(&root, &[&["status", "--porcelain", "--"], &sources[..]].concat()).is_some();
    if let Some(commit) = git(&root, &["rev-parse", "--short=12", "HEAD"]) {
        println!("cargo::rustc-env=SEXTANS_COMMIT={commit}{}", if changed { "-changed" } else { "" });
    }
}

/// What git prints, trimmed; `None` if there is no git, or it fails, or prints nothing.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
