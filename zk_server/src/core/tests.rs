//! What the core answers, by table: a line is what a client sends and all that goes out because of it, in order.
//!
//! After each script the log is replayed and must give the same state; in each step the transaction must stand before
//! everything that shows it.

use proptest::prelude::*;

use super::*;
use crate::proto::op;
use crate::txn;

const TICK: Duration = Duration::from_millis(100);

struct Script {
    core: Core,
    now: Now,
    log: Vec<Vec<u8>>,
    passwords: HashMap<u64, (i64, [u8; 16])>,
}

impl Script {
    fn new() -> Script {
        Script::with(false, Auth::default())
    }

    fn with(extended_types: bool, auth: Auth) -> Script {
        let limits = Limits {
            min_session_timeout_ms: 200,
            max_session_timeout_ms: 2000,
            max_watch_bytes: 10_000,
            extended_types,
            reconfig_enabled: false,
            reaping: Reaping::default(),
        };
        let core = Core::new(State::new(TICK, 0), limits, auth);
        let now = Now { wall_ms: 1000, monotonic: Duration::ZERO };
        Script { core, now, log: Vec::new(), passwords: HashMap::new() }
    }

    fn step(&mut self, event: Event, command: &str) -> String {
        let mut effects = Vec::new();
        self.core.handle(event, self.now, &mut effects);
        let first_visible = effects.iter().position(|effect| !matches!(effect, Effect::Log(_)));
        let last_log = effects.iter().rposition(|effect| matches!(effect, Effect::Log(_)));
        if let (Some(visible), Some(log)) = (first_visible, last_log)
            && command != "tick"
        {
            assert!(log < visible, "{command}: a transaction must be durable before it shows");
        }
        let mut shown = Vec::new();
        for effect in effects {
            match effect {
                Effect::Log(bytes) => self.log.push(bytes),
                Effect::Close(conn) => shown.push(format!("{} closed", conn.0)),
                Effect::Warn(warning) => shown.push(format!("warned: {warning}")),
                Effect::Notify(conn, frame) => shown.push(format!("{} {}", conn.0, event_text(&frame))),
                Effect::Reply(conn, frame) if command == "connect" => {
                    shown.push(format!("{} {}", conn.0, self.connected(conn, &frame)));
                }
                Effect::Reply(conn, frame) => shown.push(format!("{} {}", conn.0, reply_text(command, &frame))),
            }
        }
        shown.join("; ")
    }

    fn connected(&mut self, conn: ConnId, frame: &[u8]) -> String {
        let mut input = Decoder::new(&frame[8..]);
        let (timeout_ms, id) = (input.int().unwrap(), input.long().unwrap());
        let password = input.buffer().unwrap().unwrap().try_into().unwrap();
        if id != 0 {
            self.passwords.insert(conn.0, (id, password));
        }
        format!("timeout {timeout_ms}")
    }

    /// `connect TIMEOUT`, or `connect TIMEOUT OTHER` to continue the session of another connection; OTHER may be
    /// `OTHER!` to get its password wrong.
    fn connect(&mut self, conn: ConnId, words: &[&str]) -> String {
        let (mut session_id, mut password) = (0, [0; 16]);
        if let Some(other) = words.get(1) {
            (session_id, password) = self.passwords[&other.trim_end_matches('!').parse().unwrap()];
            if other.ends_with('!') {
                password[0] ^= 1;
            }
        }
        let request = ConnectRequest {
            last_zxid_seen: words.get(2).map_or(0, |zxid| zxid.parse().unwrap()),
            timeout_ms: words[0].parse().unwrap(),
            session_id,
            password: password.to_vec(),
            knows_read_only: true,
        };
        let peer = SocketAddr::from(([127, 0, 0, 1], 1000 + conn.0 as u16));
        self.step(Event::Connect { conn, peer, request, new_password: [conn.0 as u8; 16], nonce: [7; 16] }, "connect")
    }

    fn line(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == "tick" {
            let by = Duration::from_millis(words[1].parse().unwrap());
            self.now = Now { wall_ms: self.now.wall_ms + by.as_millis() as i64, monotonic: self.now.monotonic + by };
            return self.step(Event::Tick, "tick");
        }
        let conn = ConnId(words[0].parse().unwrap());
        match words[1] {
            "connect" => self.connect(conn, &words[2..]),
            "gone" => self.step(Event::Disconnect { conn }, "gone"),
            command => {
                let mut out = Encoder::new();
                out.int(7);
                encode_command(command, &words[2..], &mut out);
                self.step(Event::Request { conn, frame: out.into_bytes().into() }, command)
            }
        }
    }

    fn replayed(&self) -> State {
        let mut state = State::new(TICK, 0);
        for bytes in &self.log {
            let (header, changes) = txn::decode(bytes).unwrap();
            state.replay(&header, changes, Duration::ZERO).unwrap();
        }
        state
    }
}

fn picture(state: &State) -> Vec<String> {
    let mut lines = vec![format!("{} {:?}", state.zxid, state.tree.ephemerals())];
    let _ = state.tree.walk(|path, node| {
        lines.push(format!("{path} {:?} {:?} {:?}", node.stat(), node.data, node.acl));
        Ok::<(), ()>(())
    });
    let mut sessions: Vec<i64> = state.sessions.iter().map(|(id, _)| id).collect();
    sessions.sort();
    lines.push(format!("{sessions:?}"));
    lines
}

/// Every line is `command => what goes out`.
fn check(script: &str) {
    check_in(Script::new(), script);
}

fn check_in(mut run: Script, script: &str) {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, expected) = line.split_once("=>").unwrap();
        assert_eq!(run.line(command).trim_end(), expected.trim(), "{line}");
    }
    assert_eq!(picture(&run.replayed()), picture(run.core.state()), "the log tells another story");
}

fn open_acl(out: &mut Encoder) {
    Acl::encode_all(&Acl::open(), out);
}

fn encode_create(op: i32, flags: i32, words: &[&str], out: &mut Encoder) {
    out.int(op);
    encode_create_body(flags, words, out);
}

fn encode_create_body(flags: i32, words: &[&str], out: &mut Encoder) {
    out.string(words[0]);
    out.buffer(words.get(1).map(|data| data.as_bytes()));
    match words.get(2) {
        None => open_acl(out),
        Some(&"none") => out.int(0),
        Some(acl) => {
            let (perms, who) = acl.split_once('@').unwrap();
            let (scheme, id) = who.split_once(':').unwrap();
            Acl::encode_all(&[Acl { perms: perms.parse().unwrap(), who: Id::new(scheme, id) }], out);
        }
    }
    out.int(flags);
}

fn encode_command(command: &str, words: &[&str], out: &mut Encoder) {
    let version = |at: usize| words.get(at).map_or(-1, |version| version.parse().unwrap());
    let path_op = |out: &mut Encoder, op: i32| {
        out.int(op);
        out.string(words[0]);
    };
    match command {
        "create" => encode_create(op::CREATE2, 0, words, out),
        "create1" => encode_create(op::CREATE, 0, words, out),
        "create-e" => encode_create(op::CREATE2, 1, words, out),
        "create-s" => encode_create(op::CREATE2, 2, words, out),
        "create-c" => encode_create(op::CREATE_CONTAINER, 4, words, out),
        "create-9" => encode_create(op::CREATE2, 9, words, out),
        // create-ttl PATH DATA MS, in the multi's flags 5; create-ttl0 without those flags
        "create-ttl" | "create-ttl0" => {
            encode_create(op::CREATE_TTL, if command == "create-ttl" { 5 } else { 0 }, &words[..2], out);
            out.long(words[2].parse().unwrap());
        }
        "delete" | "check" => {
            path_op(out, if command == "delete" { op::DELETE } else { op::CHECK });
            out.int(version(1));
        }
        "set" => {
            path_op(out, op::SET_DATA);
            out.buffer(Some(words[1].as_bytes()));
            out.int(version(2));
        }
        "setacl" => {
            path_op(out, op::SET_ACL);
            let (perms, who) = words[1].split_once('@').unwrap();
            let (scheme, id) = who.split_once(':').unwrap();
            Acl::encode_all(&[Acl { perms: perms.parse().unwrap(), who: Id::new(scheme, id) }], out);
            out.int(version(2));
        }
        "exists" | "exists-w" | "get" | "get-w" | "ls" | "ls-w" => {
            let kind = match command.trim_end_matches("-w") {
                "exists" => op::EXISTS,
                "get" => op::GET_DATA,
                _ => op::GET_CHILDREN2,
            };
            path_op(out, kind);
            out.bool(command.ends_with("-w"));
        }
        "getacl" => path_op(out, op::GET_ACL),
        "sync" => path_op(out, op::SYNC),
        "count" => path_op(out, op::GET_ALL_CHILDREN_NUMBER),
        "ephemerals" => path_op(out, op::GET_EPHEMERALS),
        "watch" | "watch-r" => {
            path_op(out, op::ADD_WATCH);
            out.int(i32::from(command == "watch-r"));
        }
        "unwatch" | "watches" => {
            path_op(out, if command == "unwatch" { op::REMOVE_WATCHES } else { op::CHECK_WATCHES });
            out.int(match words[1] {
                "children" => 1,
                "data" => 2,
                _ => 3,
            });
        }
        // setwatches ZXID kind:path …
        "setwatches" => {
            out.int(op::SET_WATCHES2);
            out.long(words[0].parse().unwrap());
            for kind in ["data:", "exist:", "child:", "persistent:", "recursive:"] {
                let paths: Vec<&str> = words.iter().filter_map(|word| word.strip_prefix(kind)).collect();
                encode_strings(paths.into_iter(), out);
            }
        }
        "auth" => {
            out.int(op::AUTH);
            out.int(0);
            out.string(words[0]);
            out.buffer(words.get(1).map(|auth| auth.as_bytes()));
        }
        // multi create:/a set:/a:3 delete:/a:0 check:/a:1 create-e:/a
        "multi" => {
            out.int(op::MULTI);
            for word in words {
                let parts: Vec<&str> = word.split(':').collect();
                let version = parts.get(2).map_or(-1, |version| version.parse().unwrap());
                match parts[0] {
                    "create" | "create-e" | "create-s" => {
                        proto::multi_header(op::CREATE, out);
                        let flags = ["create", "create-e", "create-s"].iter().position(|name| *name == parts[0]);
                        encode_create_body(flags.unwrap() as i32, &[parts[1]], out);
                    }
                    "set" => {
                        proto::multi_header(op::SET_DATA, out);
                        out.string(parts[1]);
                        out.buffer(None);
                        out.int(version);
                    }
                    other => {
                        proto::multi_header(if other == "check" { op::CHECK } else { op::DELETE }, out);
                        out.string(parts[1]);
                        out.int(version);
                    }
                }
            }
            proto::multi_end(out);
        }
        "ping" => out.int(op::PING),
        "close" => out.int(op::CLOSE_SESSION),
        "reconfig" => out.int(op::RECONFIG),
        "sasl" => {
            out.int(op::SASL);
            out.buffer(words.first().map(|token| token.as_bytes()));
        }
        "unknown" => out.int(55),
        "broken" => out.int(op::GET_DATA),
        other => panic!("{other}"),
    }
}

fn event_text(frame: &[u8]) -> String {
    let mut input = Decoder::new(&frame[20..]);
    let (kind, state, path) = (input.int().unwrap(), input.int().unwrap(), input.string().unwrap());
    assert_eq!(state, 3);
    let kind = ["created", "deleted", "changed", "children"][kind as usize - 1];
    format!("{kind}({path})")
}

fn reply_text(command: &str, frame: &[u8]) -> String {
    assert_eq!(u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize, frame.len() - 4);
    let mut input = Decoder::new(&frame[4..]);
    let (xid, _zxid, error) = (input.int().unwrap(), input.long().unwrap(), input.int().unwrap());
    assert_eq!(xid, if command == "ping" { PING_XID } else { 7 });
    if error != 0 && command == "sasl" {
        return error_name(error) + &format!(" {:?}", input.buffer().unwrap());
    }
    if error != 0 {
        assert_eq!(input.remaining(), 0, "an error has no body");
        return error_name(error);
    }
    body_text(command, &mut input)
}

fn error_name(error: i32) -> String {
    use ErrorCode::*;
    let all = [
        SystemError,
        RuntimeInconsistency,
        MarshallingError,
        Unimplemented,
        BadArguments,
        NoNode,
        NoAuth,
        BadVersion,
        NoChildrenForEphemerals,
        NodeExists,
        NotEmpty,
        SessionExpired,
        InvalidAcl,
        AuthFailed,
        NoWatcher,
        ReconfigDisabled,
        SessionClosedRequireSaslAuth,
    ];
    all.iter().find(|code| **code as i32 == error).map_or(error.to_string(), ToString::to_string)
}

fn body_text(command: &str, input: &mut Decoder<'_>) -> String {
    match command.trim_end_matches("-w") {
        "create1" => input.string().unwrap().to_string(),
        "create" | "create-e" | "create-s" | "create-c" | "create-ttl" => {
            let path = input.string().unwrap().to_string();
            assert_eq!(input.remaining(), 68, "a stat follows");
            path
        }
        "get" => {
            let data = input.buffer().unwrap();
            data.map_or("null".into(), |data| format!("'{}'", String::from_utf8_lossy(data)))
        }
        "ls" | "ephemerals" => format!("[{}]", input.strings().unwrap().join(" ")),
        "count" => input.int().unwrap().to_string(),
        "getacl" => {
            let acl = Acl::decode_all(input).unwrap();
            let entries = acl.iter().map(|entry| format!("{}@{}:{}", entry.perms, entry.who.scheme, entry.who.id));
            entries.collect::<Vec<_>>().join(",")
        }
        "multi" => multi_text(input),
        "sasl" => input.buffer().unwrap().map_or("null".into(), |token| String::from_utf8_lossy(token).into_owned()),
        _ => "ok".into(),
    }
}

fn multi_text(input: &mut Decoder<'_>) -> String {
    let mut results = Vec::new();
    loop {
        let (op, done, _) = (input.int().unwrap(), input.bool().unwrap(), input.int().unwrap());
        if done {
            assert_eq!(input.remaining(), 0);
            return results.join(" ");
        }
        results.push(match op {
            op::CREATE => input.string().unwrap().to_string(),
            op::SET_DATA => {
                input.fixed::<32>().unwrap();
                let version = input.int().unwrap();
                input.fixed::<32>().unwrap();
                format!("v{version}")
            }
            op::ERROR => error_name(input.int().unwrap()),
            _ => "ok".into(),
        });
    }
}

#[test]
fn creating() {
    check(
        "1 connect 500 => 1 timeout 500
         1 create /a x => 1 /a
         1 create1 /b => 1 /b
         1 get /b => 1 null
         1 create /a x => 1 NODEEXISTS
         1 create / x => 1 NODEEXISTS
         1 create /none/a x => 1 NONODE
         1 create a x => 1 BADARGUMENTS
         1 create /a/ x => 1 BADARGUMENTS
         1 create /none/ x => 1 NONODE
         1 create /a/../b x => 1 NONODE
         1 create /a/.. x => 1 BADARGUMENTS
         1 create /a/. x => 1 BADARGUMENTS
         1 create //b x => 1 BADARGUMENTS
         1 create /\u{1} x => 1 BADARGUMENTS
         1 create /\u{10000} x => 1 BADARGUMENTS
         1 create /\u{e4} x => 1 /\u{e4}
         1 create-9 /c x => 1 BADARGUMENTS
         1 create-ttl /c x 1 => 1 UNIMPLEMENTED
         1 create /c x none => 1 INVALIDACL
         1 create /c x 31@auth: => 1 INVALIDACL
         1 create-s /a/n- x => 1 /a/n-0000000000
         1 create-s /a/ x => 1 /a/0000000001
         1 create /a/n-0000000002 x => 1 /a/n-0000000002
         1 create-s /a/n- x => 1 /a/n-0000000003
         1 create-e /e x => 1 /e
         1 create /e/x x => 1 NOCHILDRENFOREPHEMERALS
         1 ephemerals / => 1 [/e]
         1 ephemerals /a => 1 []
         1 count / => 1 11
         1 count /a => 1 4",
    );
}

#[test]
fn changing_and_deleting() {
    check(
        "1 connect 500 => 1 timeout 500
         1 create /a x => 1 /a
         1 set /a y 3 => 1 BADVERSION
         1 set /a y 0 => 1 ok
         1 set /a z => 1 ok
         1 get /a => 1 'z'
         1 set /none z => 1 NONODE
         1 set a z => 1 BADARGUMENTS
         1 check /a 2 => 1 ok
         1 check /a 1 => 1 BADVERSION
         1 create /a/b x => 1 /a/b
         1 delete /a => 1 NOTEMPTY
         1 delete /a/b 1 => 1 BADVERSION
         1 delete /a/b 0 => 1 ok
         1 delete /a/b => 1 NONODE
         1 delete /none/b => 1 NONODE
         1 delete / => 1 BADARGUMENTS
         1 delete a => 1 BADARGUMENTS
         1 delete /zookeeper/quota => 1 BADARGUMENTS
         1 delete /a => 1 ok
         1 exists /a => 1 NONODE
         1 ls / => 1 [zookeeper]
         1 sync /any => 1 ok
         1 ping => 1 ok",
    );
}

#[test]
fn a_multi_is_one_or_none() {
    check(
        "1 connect 500 => 1 timeout 500
         2 connect 500 => 2 timeout 500
         2 watch-r / => 2 ok
         1 multi create:/a create:/a/b set:/a:0 check:/a:1 delete:/a/b => 2 created(/a); 2 created(/a/b); 2 changed(/a); 2 deleted(/a/b); 1 /a /a/b v1 ok ok
         1 multi create:/c set:/a:0 create:/d => 1 0 BADVERSION RUNTIMEINCONSISTENCY
         1 multi delete:/a create:/a create:/a => 1 0 0 NODEEXISTS
         1 ls-w / => 1 [a zookeeper]
         1 multi create-s:/s- create-s:/s- => 2 created(/s-0000000001); 1 children(/); 2 created(/s-0000000002); 1 /s-0000000001 /s-0000000002
         1 multi check:/a:1 => 1 ok
         1 multi => 1
         1 multi create-e:/e create:/e/x => 1 0 NOCHILDRENFOREPHEMERALS
         1 multi create:/x delete:/zookeeper/config => 1 0 BADARGUMENTS
         1 create-s /s- x => 2 created(/s-0000000003); 1 /s-0000000003",
    );
}

#[test]
fn watches_come_before_what_they_announce() {
    check(
        "1 connect 500 => 1 timeout 500
         2 connect 500 => 2 timeout 500
         2 exists-w /a => 2 NONODE
         2 ls-w / => 2 [zookeeper]
         2 ls-w /a => 2 NONODE
         2 get-w /a => 2 NONODE
         1 create /a x => 2 created(/a); 2 children(/); 1 /a
         1 set /a y => 1 ok
         2 get-w /a => 2 'y'
         2 ls-w /a => 2 []
         1 set /a z => 2 changed(/a); 1 ok
         1 create /a/b x => 2 children(/a); 1 /a/b
         2 exists-w /a/b => 2 ok
         2 watch /a => 2 ok
         2 get-w /a => 2 'z'
         1 delete /a/b => 2 deleted(/a/b); 2 children(/a); 1 ok
         2 watches /a data => 2 ok
         2 watches /b data => 2 NOWATCHER
         1 delete /a => 2 deleted(/a); 1 ok
         2 unwatch /a any => 2 ok
         2 unwatch /a any => 2 NOWATCHER
         1 create /a x => 1 /a
         2 exists-w /a => 2 ok
         2 gone =>
         1 delete /a => 1 ok",
    );
}

#[test]
fn watches_set_again_tell_what_was_missed() {
    check(
        "1 connect 500 => 1 timeout 500
         1 create /old x => 1 /old
         1 create /new x => 1 /new
         1 create /new/child x => 1 /new/child
         2 connect 500 => 2 timeout 500
         2 setwatches 4 data:/old data:/gone exist:/new exist:/none child:/new child:/gone persistent:/p recursive:/r => 2 deleted(/gone); 2 created(/new); 2 deleted(/gone); 2 ok
         1 set /old y => 2 changed(/old); 1 ok
         1 create /none x => 2 created(/none); 1 /none
         1 create /new/second x => 2 children(/new); 1 /new/second
         1 create /r x => 2 created(/r); 1 /r
         1 create /r/s x => 2 created(/r/s); 1 /r/s
         1 create /p x => 2 created(/p); 1 /p
         1 create /p/q x => 2 children(/p); 1 /p/q
         2 setwatches 4 data:/old child:/new => 2 changed(/old); 2 children(/new); 2 ok",
    );
}

#[test]
fn a_later_watch_replaces_an_earlier_one() {
    check(
        "1 connect 500 => 1 timeout 500
         2 connect 500 => 2 timeout 500
         1 create /a x => 1 /a
         2 watch /a => 2 ok
         2 get-w /a => 2 'x'
         1 set /a y => 2 changed(/a); 1 ok
         1 set /a z => 1 ok
         1 create /a/b x => 2 children(/a); 1 /a/b
         1 create /a/c x => 2 children(/a); 1 /a/c
         1 watches /a children => 1 ok
         1 watches /a data => 1 NOWATCHER
         1 unwatch /a children => 1 NOWATCHER",
    );
}

#[test]
fn who_has_most_watches_goes_when_they_take_too_much() {
    let mut run = Script::new();
    (1..3).for_each(|conn| drop(run.line(&format!("{conn} connect 500"))));
    assert_eq!(run.line("1 exists-w /mine"), "1 NONODE");
    let mut heard = String::new();
    let number = (0..1000).find(|number| {
        heard = run.line(&format!("2 exists-w /n{number}"));
        heard != "2 NONODE"
    });
    let warned = "warned: closing the connection of 127.0.0.1:1002 (session 0x2): all watches take more than 10000 \
                  bytes, and its 51 are the most";
    assert_eq!((number, heard), (Some(50), format!("{warned}; 2 closed; 2 NONODE")));
    assert_eq!(run.line("2 ping"), "", "its connection is gone, its session is not");
    assert_eq!(run.line("3 connect 500 2"), "3 timeout 500");
    assert_eq!(run.line("3 create /mine x"), "1 created(/mine); 3 /mine");
}

#[test]
fn sessions_come_and_go() {
    check(
        "1 connect 1 => 1 timeout 200
         2 connect 999999 => 2 timeout 2000
         1 create-e /e x => 1 /e
         2 exists-w /e => 2 ok
         2 ls-w / => 2 [e zookeeper]
         tick 199 =>
         1 ping => 1 ok
         tick 200 =>
         tick 100 => 2 deleted(/e); 2 children(/); 1 closed
         1 ping =>
         3 connect 300 1 => 3 timeout 0; 3 closed
         3 ping =>
         2 close => 2 ok; 2 closed
         4 connect 300 2 => 4 timeout 0; 4 closed
         5 connect 300 => 5 timeout 300",
    );
}

#[test]
fn a_session_moves_with_its_password_only() {
    check(
        "1 connect 500 => 1 timeout 500
         1 create-e /e x => 1 /e
         2 connect 500 1! => warned: incorrect password from 127.0.0.1:1002 for session 0x1; 2 timeout 0; 2 closed
         1 ping => 1 ok
         3 connect 300 1 => 1 closed; 3 timeout 300
         1 ping =>
         1 gone =>
         3 ephemerals / => 3 [/e]
         3 gone =>
         4 connect 700 3 => 4 timeout 700
         5 connect 500 1 99 => warned: refusing 127.0.0.1:1005: it has seen zxid 0x63, the last one here is 0x2; 5 closed
         4 exists /e => 4 ok",
    );
}

#[test]
fn containers_go_when_their_last_child_has_gone() {
    check(
        "1 connect 2000 => 1 timeout 2000
         1 create-c /c x => 1 /c
         1 create-c /never x => 1 /never
         1 create /c/a x => 1 /c/a
         tick 1000 =>
         1 watch-r / => 1 ok
         1 delete /c/a => 1 deleted(/c/a); 1 ok
         tick 1000 =>
         1 gone =>
         tick 58000 =>
         2 connect 2000 => 2 timeout 2000
         2 ls / => 2 [never zookeeper]",
    );
}

#[test]
fn a_node_with_a_time_to_live_goes_when_it_was_idle_and_empty_for_so_long() {
    check_in(
        Script::with(true, Auth::default()),
        "1 connect 2000 => 1 timeout 2000
         1 create-ttl /t x 0 => 1 BADARGUMENTS
         1 create-ttl /t x -1 => 1 BADARGUMENTS
         1 create-ttl /t x 1099511627776 => 1 BADARGUMENTS
         1 create-ttl0 /t x 5 => 1 BADARGUMENTS
         1 create-ttl0 /t x -1 => 1 BADARGUMENTS
         1 create-ttl /t x 59000 => 1 /t
         1 create-ttl /full x 1 => 1 /full
         1 create /full/child x => 1 /full/child
         1 create-ttl /late x 1099511627775 => 1 /late
         1 ephemerals / => 1 []
         1 create-e /full/e x => 1 /full/e
         tick 1500 =>
         1 set /t y => 1 ok
         1 delete /full/e => 1 ok
         1 gone =>
         tick 58400 => 
         2 connect 2000 => 2 timeout 2000
         tick 100 =>
         2 exists /t => 2 ok
         2 gone =>
         tick 60000 =>
         3 connect 2000 => 3 timeout 2000
         3 ls / => 3 [full late zookeeper]",
    );
}

#[test]
fn acls_hold() {
    // The digest as `printf alice:secret | openssl sha1 -binary | base64` has it.
    check(
        "1 connect 500 => 1 timeout 500
         2 connect 500 => 2 timeout 500
         1 auth digest alice:secret => 1 ok
         1 create /a x 31@auth: => 1 /a
         1 getacl /a => 1 31@digest:alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=
         2 get /a => 2 NOAUTH
         2 exists-w /a => 2 NOAUTH
         2 watch-r / => 2 ok
         1 set /a y => 1 ok
         2 set /a y => 2 NOAUTH
         2 delete /a => 2 ok
         1 create /a x => 2 created(/a); 1 /a
         1 setacl /a 1@world:anyone 5 => 1 BADVERSION
         1 setacl /a 17@digest:alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E= 0 => 1 ok
         2 getacl /a => 2 NOAUTH
         1 create /a/b x => 1 NOAUTH
         1 setacl /a 1@world:anyone => 1 ok
         2 getacl /a => 2 1@world:anyone
         1 setacl /a 1@world:anyone => 1 NOAUTH
         2 auth ip x => 2 ok
         2 auth digest => warned: authentication of 127.0.0.1:1002 failed for scheme digest; 2 AUTHFAILED; 2 closed
         3 connect 500 => 3 timeout 500
         3 auth kerberos x => warned: authentication of 127.0.0.1:1003 failed for scheme kerberos; 3 AUTHFAILED; 3 closed
         2 ping =>",
    );
}

#[test]
fn what_is_not_built_or_not_understood() {
    check(
        "1 connect 500 => 1 timeout 500
         1 broken => warned: a request of 127.0.0.1:1001 (operation 4) cannot be read: 4 bytes announced, 0 left; 1 MARSHALLINGERROR
         1 broken => 1 MARSHALLINGERROR
         1 reconfig => 1 RECONFIGDISABLED
         1 ping => 1 ok
         1 unknown => warned: closing the connection of 127.0.0.1:1001: operation 55 is not known; 1 UNIMPLEMENTED; 1 closed
         1 ping =>
         2 connect 500 => 2 timeout 500
         2 sasl => 2 null
         2 ping => 2 ok",
    );
}

fn with_sasl(change: impl FnOnce(&mut Auth)) -> Script {
    let users = [("bob", "secret"), ("admin", "root")].map(|(user, password)| (user.into(), password.into()));
    let mut auth = Auth { sasl_users: Some(users.into()), sasl_acls: true, ..Auth::default() };
    change(&mut auth);
    Script::with(false, auth)
}

/// What a client answers to the challenge with the nonce that scripts use; without blanks, that scripts may hold it.
fn sasl_answer(user: &str) -> String {
    let digest = match user {
        "bob" => "01777d49c8f46faecd42473983ec45bc",
        _ => "3efe249b334ef3f289de9f398297dbf2",
    };
    format!(
        "username=\"{user}\",realm=\"zk-sasl-md5\",nonce=\"BwcHBwcHBwcHBwcHBwcHBw==\",cnonce=\"c\",nc=00000001,qop=auth,\
         digest-uri=\"zookeeper/zk-sasl-md5\",response={digest},charset=utf-8"
    )
}

const CHALLENGE: &str = "realm=\"zk-sasl-md5\",nonce=\"BwcHBwcHBwcHBwcHBwcHBw==\",charset=utf-8,algorithm=md5-sess";

#[test]
fn a_sasl_user_has_its_own_znodes_and_a_super_user_all() {
    let script = format!(
        "1 connect 500 => 1 timeout 500
         2 connect 500 => 2 timeout 500
         1 sasl => 1 {CHALLENGE}
         1 sasl {bob} => 1 rspauth=e883ce68ec97bcbb8f5a4242d64b9e0e
         1 create /a x 31@auth: => 1 /a
         1 getacl /a => 1 31@sasl:bob
         2 get /a => 2 NOAUTH
         2 sasl => 2 {CHALLENGE}
         2 sasl {admin} => 2 rspauth=f844b1614b1a24c2171de340658533c3
         2 get /a => 2 'x'
         1 sasl => warned: 127.0.0.1:1001 failed to SASL authenticate: nothing more was expected; 1 AUTHFAILED None; 1 closed",
        bob = sasl_answer("bob"),
        admin = sasl_answer("admin"),
    );
    check_in(with_sasl(|auth| auth.sasl_super_users = ["admin".into()].into()), &script);
}

#[test]
fn who_must_prove_itself_is_turned_away_otherwise() {
    let required = |auth: &mut Auth| auth.required_schemes = vec!["sasl".into()];
    let script = format!(
        "1 connect 500 => 1 timeout 500
         1 ls / => warned: closing the connection of 127.0.0.1:1001: it proved none of the schemes sasl; 1 SESSIONCLOSEDREQUIRESASLAUTH; 1 closed
         2 connect 500 1 => 2 timeout 500
         2 auth digest a:b => 2 ok
         2 sasl => 2 {CHALLENGE}
         2 sasl x=y => warned: 127.0.0.1:1002 failed to SASL authenticate: directive realm is missing or not what it must be; 2 SESSIONCLOSEDREQUIRESASLAUTH None; 2 closed
         3 connect 500 1 => 3 timeout 500
         3 sasl => 3 {CHALLENGE}
         3 sasl {bob} => 3 rspauth=e883ce68ec97bcbb8f5a4242d64b9e0e
         3 ping => 3 ok",
        bob = sasl_answer("bob"),
    );
    check_in(with_sasl(required), &script);
    let script = format!(
        "1 connect 500 => 1 timeout 500
         1 sasl => 1 {CHALLENGE}
         1 sasl x => warned: 127.0.0.1:1001 failed to SASL authenticate: the response cannot be read: a directive without =; 1 null
         1 ping => 1 ok"
    );
    check_in(with_sasl(|auth| auth.allow_failed_sasl = true), &script);
}

#[test]
fn reconfiguration_is_what_a_standalone_server_answers() {
    let mut run = Script::new();
    run.core.limits.reconfig_enabled = true;
    run.line("1 connect 500");
    assert_eq!(run.line("1 reconfig"), "1 UNIMPLEMENTED");
}

#[test]
fn an_answer_to_a_multi_read_is_bounded() {
    let mut run = Script::new();
    run.line("1 connect 500");
    let data = "x".repeat(1 << 20);
    run.line(&format!("1 create /a {data}"));
    let mut out = Encoder::new();
    out.int(7);
    out.int(op::MULTI_READ);
    for _ in 0..40 {
        proto::multi_header(op::GET_DATA, &mut out);
        out.string("/a");
        out.bool(false);
    }
    proto::multi_end(&mut out);
    let frame = Event::Request { conn: ConnId(1), frame: out.into_bytes().into() };
    assert_eq!(run.step(frame, "multiread"), "1 MARSHALLINGERROR");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_replay_to_the_same_state(steps in prop::collection::vec((0usize..12, 0usize..6, 1u64..4), 1..60)) {
        const PATHS: [&str; 6] = ["/a", "/a/b", "/a/b/c", "/d", "/d/e", "/zookeeper"];
        let mut run = Script::new();
        (1..4).for_each(|conn| drop(run.line(&format!("{conn} connect 500"))));
        for (command, path, conn) in steps {
            let path = PATHS[path];
            drop(run.line(&match command {
                0 | 1 => format!("{conn} create {path} x"),
                2 => format!("{conn} create-e {path} x"),
                3 => format!("{conn} create-s {path} x"),
                4 => format!("{conn} set {path} y"),
                5 => format!("{conn} setacl {path} 31@world:anyone"),
                6 | 7 => format!("{conn} delete {path}"),
                8 => format!("{conn} multi create:{path} create-s:{path}/s delete:/d"),
                9 => format!("{conn} multi set:{path} delete:{path} create:{path}"),
                10 => format!("{conn} close"),
                _ => "tick 150".to_string(),
            }));
        }
        prop_assert_eq!(picture(&run.replayed()), picture(run.core.state()));
    }

    #[test]
    fn any_frames_are_survived(op in -12i32..110, body in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut out = Encoder::new();
        out.int(body.len() as i32 + 8);
        out.int(7);
        out.int(op);
        out.fixed(&body);
        fuzz(out.bytes());
        fuzz(&body);
    }
}
