//! As little of a client as a load can do with: a session, requests behind one another, answers in their order.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use zk_server::jute::{Decoder, Encoder};
use zk_server::proto::EVENT_XID;

/// How many requests are under way at a time.
const WINDOW: usize = 500;
/// How long a server may take for a session, and for an answer.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// What a request says: its operation and its body.
pub struct Request {
    /// The operation.
    pub op: i32,
    /// Everything behind the header.
    pub body: Encoder,
}

/// A connection with a session.
pub struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    frame: Vec<u8>,
}

impl Client {
    /// Connects and asks for a session; `None` while nobody answers.
    pub fn connect(port: u16) -> Option<Client> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        stream.set_nodelay(true).ok()?;
        // A connect request that comes while Apache's server starts may never be answered.
        stream.set_read_timeout(Some(CONNECT_LIMIT)).ok()?;
        let mut client = Client { stream, received: Vec::new(), frame: Vec::new() };
        let mut out = Encoder::frame();
        out.int(0);
        out.long(0);
        out.int(60_000);
        out.long(0);
        out.buffer(Some(&[0; 16]));
        out.bool(false);
        client.stream.write_all(&out.into_frame()).ok()?;
        client.read_frame()?;
        client.stream.set_read_timeout(Some(ANSWER_LIMIT)).ok()?;
        Some(client)
    }

    /// Sends so many requests, [`WINDOW`] under way at a time, and checks that each was answered without an error.
    pub fn pipeline(&mut self, count: usize, request: impl Fn(usize) -> Request) {
        let (mut sent, mut answered) = (0, 0);
        while answered < count {
            let mut bytes = Vec::new();
            while sent < count && sent - answered < WINDOW {
                bytes.extend_from_slice(&frame(sent, request(sent)));
                sent += 1;
            }
            self.stream.write_all(&bytes).unwrap();
            for _ in 0..(WINDOW / 2).min(sent - answered) {
                assert_eq!(self.answer(), (answered as i32, 0), "xid and error");
                answered += 1;
            }
        }
    }

    /// Sends one and does not wait.
    pub fn send(&mut self, xid: usize, request: Request) {
        self.stream.write_all(&frame(xid, request)).unwrap();
    }

    /// Xid and error of the next answer; an event has [`EVENT_XID`].
    pub fn answer(&mut self) -> (i32, i32) {
        self.read_frame().unwrap();
        let mut input = Decoder::new(&self.frame);
        let (xid, _zxid, error) = (input.int().unwrap(), input.long().unwrap(), input.int().unwrap());
        (xid, error)
    }

    /// Waits for a watch event.
    pub fn event(&mut self) {
        assert_eq!(self.answer().0, EVENT_XID);
    }

    fn read_frame(&mut self) -> Option<()> {
        self.fill(4)?;
        let length = u32::from_be_bytes(*self.received.first_chunk()?) as usize;
        self.fill(4 + length)?;
        self.frame.clear();
        self.frame.extend(self.received.drain(..4 + length).skip(4));
        Some(())
    }

    fn fill(&mut self, wanted: usize) -> Option<()> {
        let mut chunk = [0; 16 << 10];
        while self.received.len() < wanted {
            let read = self.stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
            self.received.extend_from_slice(&chunk[..read]);
        }
        Some(())
    }
}

fn frame(xid: usize, request: Request) -> Vec<u8> {
    let body = request.body.bytes();
    let mut frame = Vec::with_capacity(12 + body.len());
    for number in [8 + body.len() as i32, xid as i32, request.op] {
        frame.extend_from_slice(&number.to_be_bytes());
    }
    frame.extend_from_slice(body);
    frame
}
