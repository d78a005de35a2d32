//! What the servers have to do, and what is noted of it.

use std::thread;
use std::time::{Duration, Instant};

use zk_server::acl::Acl;
use zk_server::jute::Encoder;
use zk_server::proto::{multi_end, multi_header, op};

use crate::client::{Client, Request};
use crate::contestant::{Contestant, Kind};
use crate::report::{Figure, Goal};

/// Znodes per parent: a topic's partitions, say.
const SIBLINGS: usize = 100;
/// Bytes of data in each: a partition's state.
const DATA: usize = 78;
/// Paths in a multiRead.
const PATHS: usize = 100;
/// What the first load has of each request; it warms the server up and is not counted.
const WARM_UP: usize = 20_000;
/// How often a start is timed.
const STARTS: usize = 5;
/// After a start, before its memory is looked at.
const SETTLE: Duration = Duration::from_millis(500);

/// How much of everything.
pub struct Plan {
    /// Znodes created, one request each.
    pub znodes: usize,
    /// Gets.
    pub gets: usize,
    /// multiReads.
    pub multi_reads: usize,
    /// Sessions that watch one znode.
    pub sessions: usize,
    /// How often it changes.
    pub changes: usize,
}

impl Plan {
    /// Everything.
    pub fn full() -> Plan {
        Plan { znodes: 200_000, gets: 800_000, multi_reads: 16_000, sessions: 1_000, changes: 80 }
    }

    /// The same znodes, a quarter of the rest.
    pub fn quick() -> Plan {
        Plan { znodes: 200_000, gets: 200_000, multi_reads: 4_000, sessions: 1_000, changes: 20 }
    }

    /// Puts one server through all of it.
    pub fn measure(&self, kind: Kind) -> Vec<Figure> {
        const GOAL: Goal = Goal::Ratio(0.2);
        let (server, start_time) = start(kind);
        let mut run = Run { kind, server, figures: Vec::new() };
        run.note("start, empty directory", "ms", start_time.as_secs_f64() * 1e3, Goal::AtMost(50.0));
        run.note_memory("resident memory, idle", GOAL);
        let mut client = run.server.client();
        client.pipeline(1, |_| create("/warm".into()));
        client.pipeline(WARM_UP, |number| create(format!("/warm/{number:06}")));
        client.pipeline(WARM_UP, |number| get(&format!("/warm/{number:06}"), false));
        client.pipeline(WARM_UP / PATHS, |_| multi_read((0..PATHS).map(|number| format!("/warm/{number:06}"))));
        client.pipeline(WARM_UP, |number| delete(&format!("/warm/{number:06}")));
        client.pipeline(1, |_| create("/load".into()));
        client.pipeline(self.znodes / SIBLINGS, |number| create(parent(number)));

        run.cpu("create", self.znodes, |_| client.pipeline(self.znodes, |number| create(path(number))));
        run.note_memory("resident memory, 200,000 znodes", GOAL);
        run.cpu("get", self.gets, |_| client.pipeline(self.gets, |number| get(&path(number * 7 % self.znodes), false)));
        run.cpu("multiRead, per path of 100", self.multi_reads * PATHS, |_| {
            let first = |number: usize| number * PATHS % self.znodes;
            client.pipeline(self.multi_reads, |number| multi_read((0..PATHS).map(|index| path(first(number) + index))));
        });
        run.cpu("watch of 1,000 sessions set and fired, per event", self.sessions * self.changes, |server| {
            run_watches(server, &mut client, self.sessions, self.changes);
        });
        run.note_memory("resident memory, at the end", GOAL);
        drop(client);
        run.server = run.server.restart();
        run.note("start, 200,000 znodes", "ms", run.server.start_time().as_secs_f64() * 1e3, Goal::None);
        // Of a Java heap that has room for garbage yet: no goal.
        run.note_memory("resident memory after that", Goal::None);
        run.figures
    }
}

/// Starts a server several times, each on an empty directory of its own; answers the last one and the median time.
fn start(kind: Kind) -> (Contestant, Duration) {
    let mut times: Vec<Duration> = (1..STARTS).map(|_| Contestant::start(kind).start_time()).collect();
    let server = Contestant::start(kind);
    times.push(server.start_time());
    times.sort();
    (server, times[STARTS / 2])
}

struct Run {
    kind: Kind,
    server: Contestant,
    figures: Vec<Figure>,
}

impl Run {
    /// Notes CPU and time of a load of so many requests.
    fn cpu(&mut self, what: &str, requests: usize, load: impl FnOnce(&Contestant)) {
        eprintln!("{}: {what}", self.kind);
        let (before, begin) = (self.server.usage(), Instant::now());
        load(&self.server);
        let (after, elapsed) = (self.server.usage(), begin.elapsed());
        let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
        self.note(&format!("{what}: server CPU"), "µs", cpu * 1e6 / requests as f64, Goal::Ratio(1.0 / 3.0));
        self.note(&format!("{what}: rate"), "k/s", requests as f64 / 1e3 / elapsed.as_secs_f64(), Goal::None);
    }

    fn note_memory(&mut self, what: &str, goal: Goal) {
        thread::sleep(SETTLE);
        let mebibytes = self.server.usage().resident_bytes as f64 / f64::from(1 << 20);
        self.note(what, "MiB", mebibytes, goal);
    }

    fn note(&mut self, what: &str, unit: &'static str, value: f64, goal: Goal) {
        self.figures.push(Figure { what: what.to_owned(), unit, value, goal });
    }
}

/// All sessions watch one znode, it changes, all of them hear of it, and again.
fn run_watches(server: &Contestant, writer: &mut Client, sessions: usize, changes: usize) {
    let mut watchers: Vec<Client> = (0..sessions).map(|_| server.client()).collect();
    for change in 0..changes {
        watchers.iter_mut().for_each(|watcher| watcher.send(change, get("/load", true)));
        watchers.iter_mut().for_each(|watcher| assert_eq!(watcher.answer(), (change as i32, 0)));
        writer.pipeline(1, |_| set("/load"));
        watchers.iter_mut().for_each(Client::event);
    }
}

fn parent(number: usize) -> String {
    format!("/load/topic-{number}")
}

fn path(number: usize) -> String {
    format!("{}/{}", parent(number / SIBLINGS), number % SIBLINGS)
}

fn create(path: String) -> Request {
    let mut body = Encoder::new();
    body.string(&path);
    body.buffer(Some(&[b'x'; DATA]));
    Acl::encode_all(&Acl::open(), &mut body);
    body.int(0);
    Request { op: op::CREATE, body }
}

fn delete(path: &str) -> Request {
    let mut body = Encoder::new();
    body.string(path);
    body.int(-1);
    Request { op: op::DELETE, body }
}

fn set(path: &str) -> Request {
    let mut body = Encoder::new();
    body.string(path);
    body.buffer(Some(&[b'y'; DATA]));
    body.int(-1);
    Request { op: op::SET_DATA, body }
}

fn get(path: &str, watch: bool) -> Request {
    let mut body = Encoder::new();
    body.string(path);
    body.bool(watch);
    Request { op: op::GET_DATA, body }
}

fn multi_read(paths: impl Iterator<Item = String>) -> Request {
    let mut body = Encoder::new();
    for path in paths {
        multi_header(op::GET_DATA, &mut body);
        body.string(&path);
        body.bool(false);
    }
    multi_end(&mut body);
    Request { op: op::MULTI_READ, body }
}
