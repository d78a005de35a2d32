//! Kills what this test process started, when this process is gone.
//!
//! A test that is interrupted, killed or that aborts runs no destructor. So a small shell waits at the other end of a
//! pipe for lines `+GROUP` and `-GROUP`; when the pipe closes, which only the end of this process does, it kills the
//! process groups that are left.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

const SCRIPT: &str = r#"
groups=" "
while read -r line; do
    group="${line#?}"
    case "$line" in
        +*) groups="$groups$group " ;;
        -*) groups="${groups%% "$group" *} ${groups#* "$group" }" ;;
    esac
done
for group in $groups; do kill -9 "-$group"; done 2>/dev/null
"#;

/// The shell with its pipe. Held, never waited for: it outlives us by design.
static SHELL: OnceLock<Mutex<(Child, ChildStdin)>> = OnceLock::new();

/// Asks that the process group `pid` be killed when this process ends.
pub(crate) fn watch(pid: u32) {
    tell('+', pid);
}

/// Takes the request back: the group is gone, and its number may come to mean another.
pub(crate) fn forget(pid: u32) {
    tell('-', pid);
}

fn tell(sign: char, pid: u32) {
    let shell = SHELL.get_or_init(start);
    let mut shell = shell.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    writeln!(shell.1, "{sign}{pid}").unwrap_or_else(|e| panic!("tell the reaper about process {pid}: {e}"));
}

fn start() -> Mutex<(Child, ChildStdin)> {
    Mutex::new(spawn())
}

fn spawn() -> (Child, ChildStdin) {
    let mut shell = Command::new("sh");
    shell.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut child = shell.spawn().unwrap_or_else(|e| panic!("start sh: {e}"));
    let pipe = child.stdin.take().unwrap_or_else(|| panic!("the reaper's pipe"));
    (child, pipe)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn the_shell_kills_what_is_left_and_nothing_else() {
        let sleeper = || Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let [mut left, mut forgotten, mut also_left] = [sleeper(), sleeper(), sleeper()];
        let (mut shell, mut pipe) = spawn();
        for (sign, child) in [('+', &left), ('+', &forgotten), ('+', &also_left), ('-', &forgotten)] {
            writeln!(pipe, "{sign}{}", child.id()).unwrap();
        }
        drop(pipe);
        shell.wait().unwrap();
        assert_eq!(left.wait().unwrap().signal(), Some(9));
        assert_eq!(also_left.wait().unwrap().signal(), Some(9));
        assert!(forgotten.try_wait().unwrap().is_none());
        forgotten.kill().unwrap();
        forgotten.wait().unwrap();
    }
}
