//! How many files this process may have open. Every partition keeps its active segment open and every client its
//! connection, and common soft limits (1024) were made for other programs: the limit is raised as far as the system lets
//! us, and when that is still little it is said at start, not when files run out.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// What Kafka's operators are advised to allow at least.
const ADVISED: u64 = 100_000;

/// Raises the soft limit to the hard one.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let Some(raised) = raised(&limit) else { return tell(limit.current) };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => tell(getrlimit(Resource::Nofile).current),
        Err(error) => {
            warn!("the limit of open files could not be raised: {error}");
            tell(limit.current);
        }
    }
}

/// The limit to set; `None` when there is nothing to raise.
fn raised(limit: &Rlimit) -> Option<Rlimit> {
    (limit.current.is_some() && limit.current != limit.maximum)
        .then_some(Rlimit { current: limit.maximum, maximum: limit.maximum })
}

fn tell(limit: Option<u64>) {
    match limit {
        Some(limit) if limit < ADVISED => {
            warn!(
                "this process may open {limit} files (ulimit -Hn): allow {ADVISED} or more for many partitions or clients"
            );
        }
        Some(limit) => info!("this process may open {limit} files"),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let cases = [
            ((Some(1024), Some(4096)), Some((Some(4096), Some(4096)))),
            ((Some(1024), None), Some((None, None))),
            ((Some(4096), Some(4096)), None),
            ((None, None), None),
        ];
        for ((current, maximum), wanted) in cases {
            let found = raised(&Rlimit { current, maximum }).map(|limit| (limit.current, limit.maximum));
            assert_eq!(found, wanted, "{current:?} {maximum:?}");
        }
    }
}
