//! The cache outside the source tree, in which everything that tests fetch or compile is kept from run to run.
//!
//! An entry is a directory that is either complete or absent: it is made in a temporary directory beside its place and
//! renamed when done, so an interrupted fetch leaves nothing that a later run could mistake for the real thing. One file
//! lock per entry keeps test processes from fetching the same thing twice. Entries are never changed once they are there;
//! whoever wants another content asks for another name.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

/// The cache's directory: `$KLAMM_TEST_CACHE`, else `klamm-tests` in `$XDG_CACHE_HOME` or `~/.cache`.
pub(crate) fn root() -> PathBuf {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("KLAMM_TEST_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("klamm-tests")))
        .or_else(|| set("HOME").map(|dir| dir.join(".cache/klamm-tests")))
        .unwrap_or_else(|| panic!("set KLAMM_TEST_CACHE or HOME: the tests keep what they fetch in a cache"))
}

/// The entry called `name`, made by `make` in an empty temporary directory if it is not there yet.
pub(crate) fn entry(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let root = root();
    let place = root.join(name);
    if place.is_dir() {
        return place;
    }
    let _lock = lock(&root.join("locks"), name);
    if place.is_dir() {
        return place;
    }
    let unfinished = root.join(format!("unfinished-{name}"));
    remove_if_there(&unfinished);
    create_dir(&unfinished);
    make(&unfinished);
    fs::rename(&unfinished, &place).unwrap_or_else(|e| panic!("rename {} to {}: {e}", unfinished.display(), name));
    place
}

/// The entry called `name`, made where it will stay, because it cannot be moved (a Python environment holds its own
/// path). A mark written last tells a whole one from the rest of an interrupted attempt, which is thrown away.
pub(crate) fn entry_in_place(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let root = root();
    let place = root.join(name);
    let mark = place.join("complete");
    if mark.is_file() {
        return place;
    }
    let _lock = lock(&root.join("locks"), name);
    if mark.is_file() {
        return place;
    }
    remove_if_there(&place);
    create_dir(&place);
    make(&place);
    fs::write(&mark, "").unwrap_or_else(|e| panic!("write {}: {e}", mark.display()));
    place
}

/// A short name for `content`, for entries that change when their recipe does.
pub(crate) fn fingerprint(content: &[&str]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Holds `name`'s lock until dropped, or until the process ends.
fn lock(dir: &Path, name: &str) -> File {
    let file = open_lock(dir, name);
    file.lock().unwrap_or_else(|e| panic!("lock {name} in {}: {e}", dir.display()));
    file
}

/// Opens, without taking it, the lock file called `name`.
pub(crate) fn open_lock(dir: &Path, name: &str) -> File {
    create_dir(dir);
    let path = dir.join(name);
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    opened.unwrap_or_else(|e| panic!("open {}: {e}", path.display()))
}

pub(crate) fn create_dir(dir: &Path) {
    fs::create_dir_all(dir).unwrap_or_else(|e| panic!("create {}: {e}", dir.display()));
}

fn remove_if_there(dir: &Path) {
    if dir.exists() {
        fs::remove_dir_all(dir).unwrap_or_else(|e| panic!("remove {}: {e}", dir.display()));
    }
}
