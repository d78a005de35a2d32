//! What the compiler does not hold: which crate may import which, a head in every file, links that lead somewhere, and no
//! file that looks like a secret. The rules are those of ARCHITECTURE.md.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that reads the source tree")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crate by crate, which of ours it may import outside of tests; `world` is below all of them and goes without saying.
const ARROWS: &[(&str, &[&str])] = &[
    ("world", &[]),
    ("zk_paths", &[]),
    ("wire_derive", &[]),
    ("wire", &["wire_derive", "zk_paths"]),
    ("wire_oracle", &["wire", "zk_paths"]),
    ("storage", &["zk_paths"]),
    ("controller", &["zk_paths"]),
    ("config", &["zk_paths"]),
    ("client", &["config", "storage", "wire", "zk_paths"]),
    ("zk_server", &[]),
    ("tools", &["client", "config", "storage", "wire", "zk_paths"]),
    ("test_lab", &[]),
    ("benches", &[]),
    ("klamm", &["client", "config", "controller", "storage", "tools", "wire", "zk_paths", "zk_server"]),
];

/// Crates that never wait: no runtime is to be found below them.
const SYNCHRONOUS: [&str; 6] = ["controller", "storage", "wire", "zk_paths", "world", "config"];

#[test]
fn crates_import_only_what_the_map_allows() {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--no-deps"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    for package in packages {
        let crate_name = name(package);
        let allowed = allowed.get(crate_name.as_str()).unwrap_or_else(|| panic!("{crate_name} is not on the map"));
        let dependencies = package["dependencies"].as_array().unwrap();
        for dependency in dependencies.iter().filter(|dependency| dependency["kind"].is_null()) {
            let imported = name(dependency);
            let fine = !ours.contains(&imported) || imported == "world" || allowed.contains(&imported.as_str());
            assert!(fine, "{crate_name} imports {imported}");
        }
    }
}

#[test]
fn synchronous_crates_reach_no_runtime() {
    for crate_name in SYNCHRONOUS {
        let tree = cargo(&["tree", "-p", crate_name, "-e", "normal", "--prefix", "none"]);
        assert!(tree.starts_with(crate_name), "{tree}");
        for runtime in ["tokio ", "async-std ", "smol "] {
            assert!(!tree.lines().any(|line| line.starts_with(runtime)), "{crate_name} reaches {runtime}:\n{tree}");
        }
    }
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let headless: Vec<PathBuf> = files_ending("rs").into_iter().filter(|file| !read(file).starts_with("//!")).collect();
    assert!(headless.is_empty(), "no `//!` at the top of {headless:?}");
}

#[test]
fn every_handler_is_named_after_its_api() {
    let apis: BTreeSet<String> = wire::ApiKey::ALL.iter().map(|key| snake_case(key.name())).collect();
    let dir = root().join("src/handlers");
    for file in files().into_iter().filter(|file| file.parent() == Some(&dir)) {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(stem == "mod" || apis.contains(&stem), "{} is no API's handler", file.display());
    }
}

#[test]
fn no_file_looks_like_a_secret() {
    let endings = [".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".env", "id_rsa", "id_ed25519", "credentials"];
    for file in files() {
        let name = file.file_name().unwrap().to_string_lossy().to_lowercase();
        assert!(!endings.iter().any(|ending| name.ends_with(ending)), "{} looks like a secret", file.display());
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for document in files_ending("md") {
        for target in relative_links(&read(&document)) {
            let path = document.parent().unwrap().join(&target);
            assert!(path.exists(), "{} links to {target}", document.display());
        }
    }
}

/// A walk that names a file which has moved on misleads whoever follows it.
#[test]
fn the_architecture_names_files_that_are_there() {
    let files: Vec<String> = files().iter().map(|file| file.display().to_string()).collect();
    let text = read(&root().join("ARCHITECTURE.md"));
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(|word| is_source_file(word)).collect();
    assert!(named.len() > 10, "{named:?}");
    for name in named {
        let ending = format!("/{name}");
        assert!(files.iter().any(|file| file.ends_with(&ending)), "ARCHITECTURE.md names {name}");
    }
}

fn is_source_file(word: &str) -> bool {
    word.ends_with(".rs") && !word.contains(['<', '{', '*', ' '])
}

/// The targets of `[text](target)` that are files of this tree, without their `#anchor`.
fn relative_links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let local = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    local.map(|target| target.split('#').next().unwrap_or_default().to_owned()).collect()
}

/// `FindCoordinator` → `find_coordinator`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).current_dir(root()).args(args).arg("--offline").output().unwrap();
    assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|e| panic!("read {}: {e}", file.display()))
}

fn files_ending(extension: &str) -> Vec<PathBuf> {
    files().into_iter().filter(|file| file.extension().is_some_and(|found| found == extension)).collect()
}

/// All files of the tree but what tools put there.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![root()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            match path.is_dir() {
                true if ["target", ".git", "node_modules"].contains(&name.as_str()) => {}
                true => dirs.push(path),
                false => files.push(path),
            }
        }
    }
    files
}
