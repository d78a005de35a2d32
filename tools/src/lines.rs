//! Lines of standard input, read on a thread of their own. A line ends at `\n`, `\r` or `\r\n`, as Java's
//! `BufferedReader` has it.

use std::collections::VecDeque;
use std::io::BufRead;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::error::ToolError;
use crate::terminal::Terminal;

/// Pieces of input that may wait; each is at most what the input buffers (64 KiB).
const PIECES: usize = 16;
/// A longer line is an error: no broker takes such a record, and memory is not endless.
const LONGEST_LINE: usize = 256 << 20;

/// What the thread hands over: lines that came together, or why there are no more.
type Piece = Result<Vec<Bytes>, String>;

/// Where lines come out.
#[derive(Debug)]
pub struct LineReceiver {
    pieces: mpsc::Receiver<Piece>,
    ready: VecDeque<Bytes>,
}

impl LineReceiver {
    /// The next line; `None` at the end of the input.
    pub async fn next(&mut self) -> Option<Result<Bytes, String>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(Ok(line));
            }
            match self.pieces.recv().await? {
                Ok(lines) => self.ready.extend(lines),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Starts the thread. The terminal's input is empty from now on.
pub fn read_on_a_thread(terminal: &mut Terminal) -> Result<LineReceiver, ToolError> {
    let input = std::mem::replace(&mut terminal.input, Box::new(std::io::empty()));
    let (sender, pieces) = mpsc::channel(PIECES);
    let read = move || {
        read_all(input, |piece| sender.blocking_send(piece).is_ok());
    };
    std::thread::Builder::new()
        .name("standard-input".to_owned())
        .spawn(read)
        .map_err(|error| ToolError::Failed(format!("cannot start a thread: {error}")))?;
    Ok(LineReceiver { pieces, ready: VecDeque::new() })
}

/// Reads to the end, as long as somebody takes the lines.
fn read_all(mut input: Box<dyn BufRead + Send>, mut take: impl FnMut(Piece) -> bool) {
    let mut splitter = Splitter::default();
    loop {
        let bytes = match input.fill_buf() {
            Ok([]) => break,
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                take(Err(format!("cannot read standard input: {error}")));
                return;
            }
        };
        let read = bytes.len();
        let lines = splitter.split(bytes);
        input.consume(read);
        if splitter.open.len() > LONGEST_LINE {
            take(Err(format!("a line of standard input is longer than {LONGEST_LINE} bytes")));
            return;
        }
        if !lines.is_empty() && !take(Ok(lines)) {
            return;
        }
    }
    if let Some(last) = splitter.end() {
        take(Ok(vec![last]));
    }
}

/// Cuts bytes into lines, wherever pieces begin and end.
#[derive(Debug, Default)]
struct Splitter {
    /// The line that has not ended yet.
    open: BytesMut,
    /// The last byte was `\r`: a `\n` that follows belongs to it.
    after_return: bool,
}

impl Splitter {
    fn split(&mut self, mut bytes: &[u8]) -> Vec<Bytes> {
        let mut lines = Vec::new();
        if self.after_return && bytes.first() == Some(&b'\n') {
            bytes = bytes.get(1..).unwrap_or_default();
        }
        self.after_return = false;
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, rest) = bytes.split_at(end);
            self.open.extend_from_slice(line);
            lines.push(self.open.split().freeze());
            let ending = if rest.starts_with(b"\r\n") { 2 } else { 1 };
            self.after_return = rest == b"\r";
            bytes = rest.get(ending..).unwrap_or_default();
        }
        self.open.extend_from_slice(bytes);
        lines
    }

    /// What stands behind the last line end.
    fn end(self) -> Option<Bytes> {
        (!self.open.is_empty()).then(|| self.open.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a text, however it is cut into pieces.
    fn check(text: &str, want: &[&str]) {
        for size in 1..=text.len().max(1) {
            let mut splitter = Splitter::default();
            let mut lines: Vec<Bytes> = text.as_bytes().chunks(size).flat_map(|piece| splitter.split(piece)).collect();
            lines.extend(splitter.end());
            assert_eq!(lines, want, "{text:?} in pieces of {size}");
        }
    }

    #[test]
    fn lines_end_as_in_java() {
        check("", &[]);
        check("a", &["a"]);
        check("a\n", &["a"]);
        check("a\nb", &["a", "b"]);
        check("a\r\nb\r\n", &["a", "b"]);
        check("a\rb\r\rc", &["a", "b", "", "c"]);
        check("\n\r\n\n", &["", "", ""]);
        check("a\n\rb", &["a", "", "b"]);
    }
}
