//! Loads any ZooKeeper by hand and prints rates: `cargo run --release -p zk_server --example load -- host:port [nodes]`.
//! Pipelines creates, reads, multi-reads and deletes on one connection.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for people")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use zk_server::acl::Acl;
use zk_server::jute::Encoder;
use zk_server::proto::{multi_end, multi_header, op};

const WINDOW: usize = 500;

fn main() {
    let address = std::env::args().nth(1).unwrap();
    let nodes: usize = std::env::args().nth(2).map_or(20_000, |count| count.parse().unwrap());
    let mut load = Load { stream: TcpStream::connect(address).unwrap() };
    load.stream.set_nodelay(true).unwrap();
    load.session();
    let path = |n: usize| format!("/load/topic-{}/{}", n / 100, n);
    let data = vec![b'x'; 78];
    let create = |path: String| {
        let data = data.clone();
        move |out: &mut Encoder| {
            out.string(&path);
            out.buffer(Some(&data));
            Acl::encode_all(&Acl::open(), out);
            out.int(0);
        }
    };
    load.run("parents", 1, |_| (op::CREATE, Box::new(create("/load".into()))));
    load.run("parents", nodes / 100 + 1, |n| (op::CREATE, Box::new(create(format!("/load/topic-{n}")))));
    load.run("create", nodes, |n| (op::CREATE, Box::new(create(path(n)))));
    load.run("get", nodes, |n| {
        let path = path(n);
        (
            op::GET_DATA,
            Box::new(move |out: &mut Encoder| {
                out.string(&path);
                out.bool(false);
            }),
        )
    });
    load.run("multi-read of 500", nodes / 500, |n| {
        let paths: Vec<String> = (0..500).map(|i| path(n * 500 + i)).collect();
        (
            op::MULTI_READ,
            Box::new(move |out: &mut Encoder| {
                for path in &paths {
                    multi_header(op::GET_DATA, out);
                    out.string(path);
                    out.bool(false);
                }
                multi_end(out);
            }),
        )
    });
}

struct Load {
    stream: TcpStream,
}

type Body = Box<dyn FnOnce(&mut Encoder)>;

impl Load {
    fn session(&mut self) {
        let mut out = Encoder::frame();
        out.int(0);
        out.long(0);
        out.int(30_000);
        out.long(0);
        out.buffer(Some(&[0; 16]));
        out.bool(false);
        self.stream.write_all(&out.into_frame()).unwrap();
        self.frame();
    }

    fn frame(&mut self) -> Vec<u8> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(head) as usize];
        self.stream.read_exact(&mut frame).unwrap();
        frame
    }

    fn run(&mut self, name: &str, count: usize, request: impl Fn(usize) -> (i32, Body)) {
        let start = Instant::now();
        let mut answered = 0;
        let mut sent = 0;
        while answered < count {
            let mut bytes = Vec::new();
            while sent < count && sent - answered < WINDOW {
                let (op, body) = request(sent);
                let mut out = Encoder::frame();
                out.int(sent as i32);
                out.int(op);
                body(&mut out);
                bytes.extend_from_slice(&out.into_frame());
                sent += 1;
            }
            self.stream.write_all(&bytes).unwrap();
            for _ in 0..(WINDOW / 2).min(sent - answered) {
                self.frame();
                answered += 1;
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        println!("{name}: {count} in {seconds:.2} s, {:.0} per second", count as f64 / seconds);
    }
}
