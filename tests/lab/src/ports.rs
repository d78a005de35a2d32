//! Ports for servers that tests start.
//!
//! A port that was merely free a moment ago may be taken by another test process, or by any outgoing connection, before
//! its server binds it. So ports are taken from below the range that the system gives to outgoing connections, each under
//! a file lock that its test process holds until it ends: a server can stop and come back on the same port.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::Mutex;

use crate::cache;

const FIRST: u16 = 11_000;
const COUNT: u32 = 20_000;

static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A port on 127.0.0.1 that nobody listens on and that no other test will be given while this process lives.
pub fn free_port() -> u16 {
    let mut held = HELD.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let start = process::id().wrapping_mul(7919).wrapping_add(held.len() as u32);
    let dir = cache::root().join("ports");
    for step in 0..COUNT {
        let port = FIRST + (start.wrapping_add(step) % COUNT) as u16;
        let file = cache::open_lock(&dir, &port.to_string());
        if file.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            held.push(file);
            return port;
        }
    }
    panic!("no free port from {FIRST} up to {}", u32::from(FIRST) + COUNT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let mut ports: Vec<u16> = (0..20).map(|_| free_port()).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 20);
    }
}
