//! `klamm links DIR`: links with the names of Kafka's scripts, so that what people have in their fingers and their
//! cron jobs keeps working.

use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use world::{Disk, RealDisk};

/// Scripts that are not tools.
const SERVERS: &[&str] = &["kafka-server-start.sh", "zookeeper-server-start.sh"];

/// Writes the links and answers how many there are. A link of ours from an earlier time is replaced; anything else in
/// the way is an error.
pub fn write(dir: &Path) -> Result<usize, String> {
    let program = std::env::current_exe().map_err(|error| format!("cannot find out where this program is: {error}"))?;
    RealDisk.create_dir_all(dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    let names: Vec<&str> = SERVERS.iter().copied().chain(tools::scripts()).collect();
    for name in &names {
        let link = dir.join(name);
        place(&program, &link).map_err(|error| format!("cannot write the link {}: {error}", link.display()))?;
    }
    announce(&names, dir);
    Ok(names.len())
}

fn place(program: &Path, link: &Path) -> io::Result<()> {
    match symlink(program, link) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && link.is_symlink() => {
            RealDisk.remove_file(link)?;
            symlink(program, link)
        }
        result => result,
    }
}

#[allow(clippy::print_stdout, reason = "this is the command's output")]
fn announce(names: &[&str], dir: &Path) {
    println!("{} links in {}: put it on your PATH", names.len(), dir.display());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_replaced_and_files_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let count = write(dir.path()).unwrap();
        assert_eq!(write(dir.path()).unwrap(), count);
        let link = dir.path().join("kafka-server-start.sh");
        RealDisk.remove_file(&link).unwrap();
        RealDisk.create_new(&link).unwrap();
        assert!(write(dir.path()).is_err());
    }
}
