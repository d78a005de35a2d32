//! The same requests to Apache ZooKeeper 3.8.4 and to ours, some made by hand and thousands by chance: answers, errors,
//! stats and the order of watch events are equal. Transaction numbers, times and session ids are compared only by how
//! they stand to one another. Four-letter words have the same lines, but for numbers.
#![allow(clippy::unwrap_used, reason = "a failure is to show where")]

mod common;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use common::raw::Raw;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use regex::Regex;
use test_lab::{ZooKeeper, ZooKeeperVersion};
use world::{MemDisk, SystemClock};
use zk_server::acl::Acl;
use zk_server::jute::{Decoder, Encoder};
use zk_server::proto::{multi_end, multi_header, op};
use zk_server::{Config, Server};

/// What a reply's body holds.
#[derive(Clone, Copy, PartialEq)]
enum Body {
    Nothing,
    Path,
    PathStat,
    Stat,
    Data,
    Names,
    NamesStat,
    AclStat,
    Number,
    Multi,
    Identities,
    Closed,
}

/// One request: on which connection, what, and how its answer reads.
#[derive(Clone)]
struct Step {
    conn: usize,
    text: String,
    op: i32,
    body: Vec<u8>,
    reply: Body,
}

fn step(conn: usize, text: String, op: i32, reply: Body, write: impl FnOnce(&mut Encoder)) -> Step {
    let mut out = Encoder::new();
    write(&mut out);
    Step { conn, text, op, body: out.into_bytes(), reply }
}

fn create_body(path: &str, data: Option<&[u8]>, flags: i32, out: &mut Encoder) {
    out.string(path);
    out.buffer(data);
    Acl::encode_all(&Acl::open(), out);
    out.int(flags);
}

const PATHS: [&str; 14] = [
    "/a",
    "/a/b",
    "/a/b/c",
    "/a/b/c/d",
    "/e",
    "/e/f",
    "/a/x",
    "/",
    "/zookeeper",
    "/zookeeper/config",
    "",
    "/bad/",
    "//",
    "relative",
];

/// A request by chance.
fn random_step(random: &mut StdRng) -> Step {
    let conn = random.random_range(0..3);
    let mut path = PATHS[random.random_range(0..PATHS.len())];
    if random.random_bool(0.7) {
        path = PATHS[random.random_range(0..7)];
    }
    let version = *[-1, -1, -1, 0, 1, 2].get(random.random_range(0..6)).unwrap();
    let watch = random.random_bool(0.4);
    let data = [None, Some(&b""[..]), Some(&b"data"[..])][random.random_range(0..3)];
    let flags = *[0, 0, 0, 0, 1, 2, 3, 4, 5, 9].get(random.random_range(0..10)).unwrap();
    let watched = |out: &mut Encoder| {
        out.string(path);
        out.bool(watch);
    };
    let versioned = |out: &mut Encoder| {
        out.string(path);
        out.int(version);
    };
    match random.random_range(0..38) {
        0..=5 => step(conn, format!("create2 {path} {data:?} {flags}"), op::CREATE2, Body::PathStat, |out| {
            create_body(path, data, flags, out);
        }),
        6 => step(conn, format!("create {path} {data:?} {flags}"), op::CREATE, Body::Path, |out| {
            create_body(path, data, flags, out);
        }),
        7 => step(conn, format!("container {path}"), op::CREATE_CONTAINER, Body::PathStat, |out| {
            create_body(path, data, 4, out);
        }),
        8..=10 => step(conn, format!("delete {path} {version}"), op::DELETE, Body::Nothing, versioned),
        11..=13 => step(conn, format!("set {path} {version}"), op::SET_DATA, Body::Stat, |out| {
            out.string(path);
            out.buffer(data);
            out.int(version);
        }),
        14 => step(conn, format!("set acl {path} {version}"), op::SET_ACL, Body::Stat, |out| {
            out.string(path);
            Acl::encode_all(&Acl::open(), out);
            out.int(version);
        }),
        15 | 16 => step(conn, format!("exists {path} {watch}"), op::EXISTS, Body::Stat, watched),
        17 | 18 => step(conn, format!("get {path} {watch}"), op::GET_DATA, Body::Data, watched),
        19 => step(conn, format!("ls {path} {watch}"), op::GET_CHILDREN, Body::Names, watched),
        20 | 21 => step(conn, format!("ls2 {path} {watch}"), op::GET_CHILDREN2, Body::NamesStat, watched),
        22 => step(conn, format!("get acl {path}"), op::GET_ACL, Body::AclStat, |out| out.string(path)),
        23 => {
            // Apache counts the root below the empty path.
            let path = if path.is_empty() { "/" } else { path };
            step(conn, format!("count {path}"), op::GET_ALL_CHILDREN_NUMBER, Body::Number, |out| out.string(path))
        }
        24 => step(conn, format!("ephemerals {path}"), op::GET_EPHEMERALS, Body::Names, |out| out.string(path)),
        25 => step(conn, format!("sync {path}"), op::SYNC, Body::Path, |out| out.string(path)),
        26 | 27 => random_multi(conn, random),
        28 => random_multi_read(conn, random),
        29 | 30 => {
            let recursive = random.random_bool(0.5);
            step(conn, format!("add watch {path} {recursive}"), op::ADD_WATCH, Body::Number, |out| {
                out.string(path);
                out.int(i32::from(recursive));
            })
        }
        31 => {
            let kind = random.random_range(0..5);
            step(conn, format!("remove watches {path} {kind}"), op::REMOVE_WATCHES, Body::Nothing, |out| {
                out.string(path);
                out.int(kind);
            })
        }
        32 => {
            let seen = [0, i64::MAX][random.random_range(0..2)];
            let (op, kinds) = [(op::SET_WATCHES, 3), (op::SET_WATCHES2, 5)][random.random_range(0..2)];
            let wanted: Vec<bool> = (0..kinds).map(|_| random.random_bool(0.4)).collect();
            step(conn, format!("set watches {op} {path} since {seen}: {wanted:?}"), op, Body::Nothing, |out| {
                out.long(seen);
                for wanted in wanted {
                    out.int(i32::from(wanted));
                    if wanted {
                        out.string(path);
                    }
                }
            })
        }
        33 | 34 => {
            let kind = random.random_range(1..4);
            step(conn, format!("check watches {path} {kind}"), op::CHECK_WATCHES, Body::Nothing, |out| {
                out.string(path);
                out.int(kind);
            })
        }
        35 => step(conn, format!("ttl {path}"), op::CREATE_TTL, Body::PathStat, |out| {
            create_body(path, data, flags, out);
            // Not -1: without the flags of a time to live Apache's server would die of it.
            out.long([0, 1_000_000][random.random_range(0..2)]);
        }),
        36 => step(conn, "whoami".into(), op::WHO_AM_I, Body::Identities, |_| ()),
        _ => step(conn, "close".into(), op::CLOSE_SESSION, Body::Closed, |_| ()),
    }
}

fn random_multi(conn: usize, random: &mut StdRng) -> Step {
    let mut text = String::from("multi");
    let mut body = Encoder::new();
    for _ in 0..random.random_range(0..5) {
        let path = PATHS[random.random_range(0..8)];
        let version = [-1, -1, 0, 1][random.random_range(0..4)];
        let flags = [0, 0, 1, 2, 3, 4, 5][random.random_range(0..7)];
        let kind = [
            op::CREATE,
            op::CREATE,
            op::CREATE2,
            op::CREATE_CONTAINER,
            op::CREATE_TTL,
            op::DELETE,
            op::SET_DATA,
            op::CHECK,
        ][random.random_range(0..8)];
        text += &format!(" {kind}:{path}:{version}:{flags}");
        multi_header(kind, &mut body);
        match kind {
            op::CREATE | op::CREATE2 | op::CREATE_CONTAINER => create_body(path, None, flags, &mut body),
            op::CREATE_TTL => {
                create_body(path, None, flags, &mut body);
                body.long(1_000_000);
            }
            op::SET_DATA => {
                body.string(path);
                body.buffer(Some(b"multi"));
                body.int(version);
            }
            _ => {
                body.string(path);
                body.int(version);
            }
        }
    }
    multi_end(&mut body);
    Step { conn, text, op: op::MULTI, body: body.into_bytes(), reply: Body::Multi }
}

fn random_multi_read(conn: usize, random: &mut StdRng) -> Step {
    let mut body = Encoder::new();
    for _ in 0..random.random_range(0..4) {
        multi_header([op::GET_DATA, op::GET_CHILDREN][random.random_range(0..2)], &mut body);
        body.string(PATHS[random.random_range(0..PATHS.len())]);
        body.bool(false);
    }
    multi_end(&mut body);
    Step { conn, text: "multi read".into(), op: op::MULTI_READ, body: body.into_bytes(), reply: Body::Multi }
}

/// One server with its three sessions.
struct Side {
    address: String,
    conns: Vec<Raw>,
}

impl Side {
    async fn open(address: String) -> Side {
        let mut side = Side { address, conns: Vec::new() };
        for _ in 0..3 {
            let conn = side.session().await;
            side.conns.push(conn);
        }
        side
    }

    async fn session(&self) -> Raw {
        let mut raw = Raw::open_at(&self.address).await;
        assert_eq!(raw.ask_for_session(0, &[0; 16]).await.0, 20_000);
        raw
    }

    /// Takes a step and answers all that any connection hears because of it.
    async fn take(&mut self, step: &Step) -> Vec<String> {
        let mut heard = Vec::new();
        let body = step.body.clone();
        self.conns[step.conn].request(7, step.op, |out| out.fixed(&body)).await;
        read_until(&mut self.conns[step.conn], step.conn, 7, step.reply, &mut heard).await;
        if step.reply == Body::Closed {
            assert_eq!(self.conns[step.conn].rest().await, b"", "nothing comes behind the answer to a close");
            self.conns[step.conn] = self.session().await;
        }
        for conn in 0..self.conns.len() {
            self.conns[conn].request(-2, op::PING, |_| ()).await;
            read_until(&mut self.conns[conn], conn, -2, Body::Nothing, &mut heard).await;
        }
        if step.reply == Body::Closed {
            // Apache deletes the ephemerals of a session in the order of a hash set.
            heard.sort();
        }
        heard
    }
}

/// Notes what a connection hears up to the answer with this xid.
async fn read_until(raw: &mut Raw, conn: usize, xid: i32, reply: Body, heard: &mut Vec<String>) {
    loop {
        let frame = raw.frame().await.unwrap();
        let mut input = Decoder::new(&frame);
        let (got, _zxid, error) = (input.int().unwrap(), input.long().unwrap(), input.int().unwrap());
        if got == -1 {
            heard.push(format!("{conn}: {}", event_text(&mut input)));
            continue;
        }
        assert_eq!(got, xid);
        let body = if error == 0 { body_text(reply, &mut input) } else { String::new() };
        heard.push(format!("{conn}: error {error} {body} rest {}", input.remaining()));
        return;
    }
}

fn event_text(input: &mut Decoder<'_>) -> String {
    let (kind, state, path) = (input.int().unwrap(), input.int().unwrap(), input.string().unwrap());
    format!("event {kind} {state} {path}")
}

fn stat_text(input: &mut Decoder<'_>) -> String {
    let (czxid, mzxid) = (input.long().unwrap(), input.long().unwrap());
    let (ctime, mtime) = (input.long().unwrap(), input.long().unwrap());
    let (version, cversion, aversion) = (input.int().unwrap(), input.int().unwrap(), input.int().unwrap());
    let owner = input.long().unwrap();
    let (data_length, children, pzxid) = (input.int().unwrap(), input.int().unwrap(), input.long().unwrap());
    let order = |a: i64, b: i64| match a.cmp(&b) {
        Ordering::Less => '<',
        Ordering::Equal => '=',
        Ordering::Greater => '>',
    };
    format!(
        "c{}m c{}p m{}p {} v{version} c{cversion} a{aversion} owned {} {data_length} bytes {children} children",
        order(czxid, mzxid),
        order(czxid, pzxid),
        order(mzxid, pzxid),
        if ctime <= mtime { "" } else { "time went back" },
        owner != 0,
    )
}

fn names_text(input: &mut Decoder<'_>) -> String {
    let mut names = input.strings().unwrap();
    names.sort();
    names.join(" ")
}

fn body_text(reply: Body, input: &mut Decoder<'_>) -> String {
    match reply {
        Body::Nothing | Body::Closed => String::new(),
        Body::Path => input.string().unwrap().into(),
        Body::PathStat => format!("{} {}", input.string().unwrap(), stat_text(input)),
        Body::Stat => stat_text(input),
        Body::Data => format!("{:?} {}", input.buffer().unwrap(), stat_text(input)),
        Body::Names => names_text(input),
        Body::NamesStat => format!("{} {}", names_text(input), stat_text(input)),
        Body::AclStat => format!("{:?} {}", Acl::decode_all(input).unwrap(), stat_text(input)),
        Body::Number => input.int().unwrap().to_string(),
        Body::Identities => {
            let who = input.vector(8, |input| Ok(format!("{}:{}", input.string()?, input.string()?)));
            let mut who = who.unwrap();
            who.sort();
            who.join(" ")
        }
        Body::Multi => multi_text(input),
    }
}

fn multi_text(input: &mut Decoder<'_>) -> String {
    let mut results = Vec::new();
    loop {
        let (kind, done, error) = (input.int().unwrap(), input.bool().unwrap(), input.int().unwrap());
        if done {
            return format!("{} end {kind} {error}", results.join(", "));
        }
        results.push(match kind {
            op::CREATE => input.string().unwrap().into(),
            op::CREATE2 => body_text(Body::PathStat, input),
            op::SET_DATA => stat_text(input),
            op::GET_DATA => body_text(Body::Data, input),
            op::GET_CHILDREN => names_text(input),
            op::ERROR => format!("error {error} {}", input.int().unwrap()),
            _ => "ok".into(),
        });
    }
}

/// Steps that chance would rarely find.
fn by_hand() -> Vec<Step> {
    let auth = |scheme: &'static str, auth: &'static [u8]| {
        step(0, format!("auth {scheme}"), op::AUTH, Body::Nothing, move |out| {
            out.int(0);
            out.string(scheme);
            out.buffer(Some(auth));
        })
    };
    let create_with = |path: &'static str, perms: i32, scheme: &'static str, id: &'static str| {
        step(0, format!("create {path} {perms} {scheme}:{id}"), op::CREATE2, Body::PathStat, move |out| {
            out.string(path);
            out.buffer(None);
            out.int(1);
            out.int(perms);
            out.string(scheme);
            out.string(id);
            out.int(0);
        })
    };
    let of = |conn: usize, op: i32, reply: Body, path: &'static str| {
        step(conn, format!("{op} {path}"), op, reply, move |out| {
            out.string(path);
            out.bool(true);
        })
    };
    let whoami = step(0, "whoami".into(), op::WHO_AM_I, Body::Identities, |_| ());
    let mut steps = vec![
        whoami.clone(),
        create_with("/auth", 31, "auth", ""),
        auth("digest", b"alice:secret"),
        whoami,
        create_with("/auth", 31, "auth", ""),
        of(0, op::GET_ACL, Body::AclStat, "/auth"),
        of(1, op::GET_ACL, Body::AclStat, "/auth"),
        of(1, op::GET_DATA, Body::Data, "/auth"),
        of(1, op::EXISTS, Body::Stat, "/auth"),
        create_with("/auth/child", 1, "world", "anyone"),
        of(1, op::GET_DATA, Body::Data, "/auth/child"),
        of(1, op::DELETE, Body::Nothing, "/auth/child"),
        create_with("/ip", 31, "ip", "127.0.0.1"),
        create_with("/net", 31, "ip", "10.0.0.0/8"),
        create_with("/badnet", 31, "ip", "10.0.0.0/33"),
        create_with("/badip", 31, "ip", "300.1.1.1"),
        create_with("/baddigest", 31, "digest", "nocolon"),
        create_with("/sasl", 31, "sasl", "u"),
        create_with("/worldly", 31, "world", "me"),
        create_with("/none", 31, "unknown", "x"),
        create_with("/masked", 1, "digest", "bob:xyz"),
        of(1, op::GET_DATA, Body::Data, "/ip"),
        of(1, op::GET_DATA, Body::Data, "/net"),
        of(1, op::GET_ACL, Body::AclStat, "/zookeeper/config"),
        step(0, "reconfig".into(), op::RECONFIG, Body::Nothing, |out| {
            out.buffer(None);
            out.buffer(None);
            out.string("server.1=x:1:2");
            out.long(-1);
        }),
        step(0, "broken multi".into(), op::MULTI, Body::Nothing, |out| multi_header(op::EXISTS, out)),
        step(0, "cut short".into(), op::GET_DATA, Body::Nothing, |out| out.int(1000)),
        step(0, "no path".into(), op::GET_DATA, Body::Nothing, |out| {
            out.buffer(None);
            out.bool(false);
        }),
        step(0, "bad watch mode".into(), op::ADD_WATCH, Body::Nothing, |out| {
            out.string("/a");
            out.int(7);
        }),
    ];
    let long = format!("/{}", "l".repeat(900_000));
    for (kind, reply) in [(op::CREATE, Body::Path), (op::EXISTS, Body::Stat), (op::DELETE, Body::Nothing)] {
        let path = long.clone();
        steps.push(step(0, format!("operation {kind} on a path of 900,001"), kind, reply, move |out| match kind {
            op::CREATE => create_body(&path, None, 0, out),
            _ => {
                out.string(&path);
                out.int(-1);
            }
        }));
    }
    steps.push(step(0, "delete container".into(), op::DELETE_CONTAINER, Body::Nothing, |out| out.string("/a")));
    for unknown in [4711, 0, -1] {
        steps.push(step(1, format!("operation {unknown}"), unknown, Body::Closed, |_| ()));
    }
    for path in ["/\u{1}", "/\u{7f}", "/\u{e9}", "/\u{ffff}", "/\u{1f600}", "/a\0b", "/.", "/..", "/...", "/.a", "/a."]
    {
        steps.push(create_with(path, 31, "world", "anyone"));
        steps.push(of(0, op::EXISTS, Body::Stat, path));
        steps.push(of(0, op::DELETE, Body::Nothing, path));
    }
    steps
}

/// Both servers, with more lines of configuration, and the sessions of a script on each.
async fn beside(settings: &str) -> (ZooKeeper, Server, [Side; 2]) {
    let apache = ZooKeeper::start_with(ZooKeeperVersion::V3_8, settings, &[]);
    let text = format!(
        "dataDir=/zk\nclientPort=0\nclientPortAddress=127.0.0.1\ntickTime=500\nmaxClientCnxns=0\nminSessionTimeout=1000\n\
         maxSessionTimeout=60000\n4lw.commands.whitelist=*\n{settings}\n"
    );
    let config = Config::from_properties(text.as_bytes(), &Default::default()).unwrap();
    let ours = zk_server::start(config, Arc::new(MemDisk::new()), Arc::new(SystemClock::new())).await.unwrap();
    let own = Side::open(ours.local_addr().to_string()).await;
    let theirs = Side::open(apache.address()).await;
    (apache, ours, [own, theirs])
}

async fn play_by_chance([own, theirs]: &mut [Side; 2], seed: u64, steps: usize) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut past = Vec::new();
    for number in 0..steps {
        let step = random_step(&mut random);
        past.push(format!("{} {}", step.conn, step.text));
        let (ours, theirs) = (own.take(&step).await, theirs.take(&step).await);
        let before = past.len().saturating_sub(12);
        assert_eq!(ours, theirs, "step {number}, the last ones:\n{}", past[before..].join("\n"));
    }
}

#[tokio::test]
async fn ours_answers_as_apache_zookeeper_does() {
    let (_apache, _ours, mut sides) = beside("").await;
    for step in by_hand() {
        let [own, theirs] = &mut sides;
        assert_eq!(own.take(&step).await, theirs.take(&step).await, "{} on {}", step.text, step.conn);
    }
    play_by_chance(&mut sides, 3, 4000).await;
}

#[tokio::test]
async fn ours_answers_alike_with_the_settings_that_are_off_by_default() {
    let settings = "extendedTypesEnabled=true\nreconfigEnabled=true\nskipACL=yes\n\
                    authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider";
    let (_apache, _ours, mut sides) = beside(settings).await;
    for step in by_hand() {
        let [own, theirs] = &mut sides;
        assert_eq!(own.take(&step).await, theirs.take(&step).await, "{} on {}", step.text, step.conn);
    }
    play_by_chance(&mut sides, 4, 1500).await;
}

/// The answer to a four-letter word, with every number that a server or a run may have otherwise as #.
async fn word(side: &Side, word: &str) -> String {
    let mut raw = Raw::open_at(&side.address).await;
    raw.send(word.as_bytes()).await;
    let text = String::from_utf8(raw.rest().await).unwrap();
    let number = Regex::new(r"0x[0-9a-f]+|[0-9]+(\.[0-9]+)*").unwrap();
    let date = Regex::new(r"expire at .*:").unwrap();
    let version = Regex::new(r"version: .*").unwrap();
    let text = date.replace_all(&text, "expire at #:");
    let text = version.replace_all(&text, "version: #");
    number.replace_all(&text, "#").into_owned()
}

fn sorted_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn four_letter_words_have_apaches_lines() {
    let (_apache, _ours, mut sides) = beside("").await;
    let steps = [
        step(0, "create".into(), op::CREATE, Body::Path, |out| create_body("/e", None, 1, out)),
        step(1, "get".into(), op::GET_DATA, Body::Data, |out| {
            out.string("/e");
            out.bool(true);
        }),
        step(2, "exists".into(), op::EXISTS, Body::Stat, |out| {
            out.string("/zookeeper");
            out.bool(true);
        }),
    ];
    for side in &mut sides {
        for step in &steps {
            side.take(step).await;
        }
    }
    let [own, theirs] = &sides;
    for name in ["ruok", "isro", "srvr", "stat", "cons", "wchs", "wchc", "wchp", "crst", "srst", "kill"] {
        let (ours, apaches) = (word(own, name).await, word(theirs, name).await);
        assert_eq!(sorted_lines(&ours), sorted_lines(&apaches), "{name}");
        assert_eq!(ours.ends_with("\n\n"), apaches.ends_with("\n\n"), "{name}");
    }
    // Apache keeps empty buckets, has connections in buckets of their own, and counts the one that asks.
    let without_buckets = |text: String| {
        let lines =
            sorted_lines(&text).into_iter().filter(|line| !line.starts_with("# expire") && !line.contains("Sets"));
        lines.collect::<BTreeSet<_>>()
    };
    assert_eq!(without_buckets(word(own, "dump").await), without_buckets(word(theirs, "dump").await));
    // These have more lines on Apache's server: keys that we have mean the same.
    for (name, end_of_key) in [("conf", '='), ("mntr", '\t'), ("envi", '=')] {
        let (ours, apaches) = (word(own, name).await, word(theirs, name).await);
        let keys = |text: &str| -> Vec<String> {
            text.lines().filter_map(|line| line.split_once(end_of_key)).map(|(key, _)| key.to_string()).collect()
        };
        let (ours, apaches) = (keys(&ours), keys(&apaches));
        assert!(ours.len() > 2 && ours.iter().all(|key| apaches.contains(key)), "{name}: {ours:?} {apaches:?}");
    }
}

#[tokio::test]
async fn containers_and_nodes_with_a_time_to_live_go_as_on_apache() {
    let settings = "extendedTypesEnabled=true";
    let apache = ZooKeeper::start_with(ZooKeeperVersion::V3_8, settings, &["-Dznode.container.checkIntervalMs=300"]);
    let system = [("znode.container.checkIntervalMs".to_string(), "300".to_string())].into();
    let text = format!(
        "dataDir=/zk\nclientPort=0\nclientPortAddress=127.0.0.1\ntickTime=100\nmaxSessionTimeout=60000\n{settings}"
    );
    let config = Config::from_properties(text.as_bytes(), &system).unwrap();
    let ours = zk_server::start(config, Arc::new(MemDisk::new()), Arc::new(SystemClock::new())).await.unwrap();
    let watch = step(0, "watch".into(), op::ADD_WATCH, Body::Number, |out| {
        out.string("/");
        out.int(1);
    });
    let create = |path: &'static str, op: i32, flags: i32, ttl_ms: Option<i64>| {
        step(0, format!("create {path}"), op, Body::PathStat, move |out| {
            create_body(path, None, flags, out);
            ttl_ms.into_iter().for_each(|ttl_ms| out.long(ttl_ms));
        })
    };
    let steps = [
        watch,
        create("/never-used", op::CREATE_CONTAINER, 4, None),
        create("/lasting", op::CREATE_TTL, 5, Some(60_000)),
        create("/c", op::CREATE_CONTAINER, 4, None),
        create("/c/child", op::CREATE_TTL, 5, Some(1)),
    ];
    let mut heard = Vec::new();
    for address in [ours.local_addr().to_string(), apache.address()] {
        let mut side = Side::open(address).await;
        let mut answers = Vec::new();
        for step in &steps {
            answers.extend(side.take(step).await);
        }
        // The child goes first; that leaves its container without children for the next look.
        while !answers.iter().any(|line| line.ends_with("event 2 3 /c")) {
            let frame = side.conns[0].frame().await.unwrap();
            answers.push(event_text(&mut Decoder::new(&frame[16..])));
        }
        heard.push(answers.into_iter().filter(|line| !line.contains("error 0")).collect::<Vec<_>>());
    }
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[0].iter().filter(|line| line.contains("event 2")).count(), 2, "{heard:?}");
}
