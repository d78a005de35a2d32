//! From words to commands: options as commons-cli reads them (anywhere, `-sR` for two, `-v3` or `-v 3`).

use thiserror::Error;

use super::session::{Acl, check_path};
use crate::error::ToolError;
use crate::terminal::Terminal;

/// A command of the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Ls { path: String, stat: bool, watch: bool, recursive: bool },
    Get { path: String, stat: bool, watch: bool },
    Stat { path: String, watch: bool },
    Create { path: String, data: Option<String>, acl: Vec<Acl>, ephemeral: bool, sequential: bool },
    Set { path: String, data: String, version: i32, stat: bool },
    Delete { path: String, version: i32 },
    DeleteAll { path: String, batch: usize },
    GetAcl { path: String, stat: bool },
    Sync { path: String },
    PrintWatches(Option<bool>),
    History,
    Quit,
}

/// Why a command did nothing, or not all.
#[derive(Debug, Error)]
pub enum CommandError {
    /// No such command; told with the list of commands.
    #[error("{usage}\nCommand not found: Command not found {name}")]
    NotFound {
        /// All commands.
        usage: String,
        /// What was typed.
        name: String,
    },
    /// Anything else.
    #[error("{0}")]
    Failed(String),
    /// Standard output is gone.
    #[error(transparent)]
    Terminal(#[from] ToolError),
}

impl CommandError {
    /// The shell's exit status.
    pub fn status(&self) -> u8 {
        match self {
            CommandError::NotFound { .. } => 127,
            CommandError::Failed(_) | CommandError::Terminal(_) => 1,
        }
    }
}

fn failed(text: &str) -> CommandError {
    CommandError::Failed(text.to_owned())
}

/// A command's name, options without and with a value, and what follows its name in the list of commands.
struct Shape {
    name: &'static str,
    flags: &'static str,
    valued: &'static str,
    usage: &'static str,
}

const SHAPES: &[Shape] = &[
    Shape { name: "create", flags: "esc", valued: "t", usage: "[-s] [-e] [-c] [-t ttl] path [data] [acl]" },
    Shape { name: "delete", flags: "", valued: "v", usage: "[-v version] path" },
    Shape { name: "deleteall", flags: "", valued: "b", usage: "path [-b batch size]" },
    Shape { name: "get", flags: "sw", valued: "", usage: "[-s] [-w] path" },
    Shape { name: "getAcl", flags: "s", valued: "", usage: "[-s] path" },
    Shape { name: "history", flags: "", valued: "", usage: "" },
    Shape { name: "ls", flags: "swR", valued: "", usage: "[-s] [-w] [-R] path" },
    Shape { name: "printwatches", flags: "", valued: "", usage: "on|off" },
    Shape { name: "quit", flags: "", valued: "", usage: "" },
    Shape { name: "set", flags: "s", valued: "v", usage: "[-s] [-v version] path data" },
    Shape { name: "stat", flags: "w", valued: "", usage: "[-w] path" },
    Shape { name: "sync", flags: "", valued: "", usage: "path" },
];

/// Commands of ZooKeeper's shell that are not built.
const NOT_BUILT: &[&str] = &[
    "addWatch",
    "addauth",
    "close",
    "config",
    "connect",
    "delquota",
    "getAllChildrenNumber",
    "getEphemerals",
    "listquota",
    "reconfig",
    "redo",
    "removewatches",
    "setAcl",
    "setquota",
    "version",
    "whoami",
];

/// Cuts a line into words. Quotes hold a word together; they are dropped.
pub fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let quoted = Some(first).filter(|quote| matches!(quote, '"' | '\''));
        let inside = quoted.and_then(|quote| rest.get(1..)?.split_once(quote));
        let (word, behind) = match inside {
            Some((word, behind)) => (word, behind),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = behind.trim_start();
    }
    words
}

/// The words of a command, options apart.
struct Words<'a> {
    shape: &'static Shape,
    options: Vec<(char, &'a str)>,
    arguments: Vec<&'a str>,
}

impl<'a> Words<'a> {
    fn of(shape: &'static Shape, words: &'a [String]) -> Result<Words<'a>, CommandError> {
        let mut parsed = Words { shape, options: Vec::new(), arguments: Vec::new() };
        let mut rest = words.iter().map(String::as_str);
        while let Some(word) = rest.next() {
            let Some(mut letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                parsed.arguments.push(word);
                continue;
            };
            while let Some(letter) = letters.chars().next() {
                letters = letters.get(letter.len_utf8()..).unwrap_or_default();
                if shape.flags.contains(letter) {
                    parsed.options.push((letter, ""));
                } else if shape.valued.contains(letter) {
                    let value = if letters.is_empty() { rest.next() } else { Some(std::mem::take(&mut letters)) };
                    let missing = "org.apache.commons.cli.MissingArgumentException: Missing argument for option: ";
                    parsed.options.push((letter, value.ok_or_else(|| failed(&format!("{missing}{letter}")))?));
                } else {
                    let unknown = "org.apache.commons.cli.UnrecognizedOptionException: Unrecognized option: ";
                    return Err(failed(&format!("{unknown}{word}")));
                }
            }
        }
        Ok(parsed)
    }

    fn has(&self, letter: char) -> bool {
        self.options.iter().any(|(option, _)| *option == letter)
    }

    fn number(&self, letter: char, default: i32) -> Result<i32, CommandError> {
        match self.options.iter().find(|(option, _)| *option == letter) {
            Some((_, text)) => text.parse().map_err(|_| failed(&format!("For input string: \"{text}\""))),
            None => Ok(default),
        }
    }

    /// The argument of this number; without it, how the command is used.
    fn argument(&self, number: usize) -> Result<&'a str, CommandError> {
        let usage = || failed(&format!("{} {}", self.shape.name, self.shape.usage));
        self.arguments.get(number).copied().ok_or_else(usage)
    }

    fn path(&self) -> Result<String, CommandError> {
        let path = self.argument(0)?;
        check_path(path).map_err(CommandError::Failed)?;
        Ok(path.to_owned())
    }

    /// Whether to watch: by option, or by any word behind the path, as shells before 3.5 had it.
    fn watch(&self, terminal: &mut Terminal) -> bool {
        let name = self.shape.name;
        if self.arguments.len() > 1 {
            let now = self
                .shape
                .usage
                .replace(" [-R]", "")
                .replace("[-s] [-w]", if name == "ls" { "[-w]" } else { "[-s] [-w]" });
            terminal.warn(&format!("'{name} path [watch]' has been deprecated. Please use '{name} {now}' instead."));
        }
        self.has('w') || self.arguments.len() > 1
    }
}

impl Command {
    /// Reads the words of a command, its name first.
    pub fn parse(words: &[String], terminal: &mut Terminal) -> Result<Command, CommandError> {
        let (name, rest) = words.split_first().ok_or_else(|| failed("No command entered"))?;
        if NOT_BUILT.contains(&name.as_str()) {
            return Err(failed(&format!("the command {name} is not built yet in Klamm")));
        }
        let Some(shape) = SHAPES.iter().find(|shape| shape.name == name) else {
            return Err(CommandError::NotFound { usage: usage(), name: name.clone() });
        };
        let words = Words::of(shape, rest)?;
        Ok(match shape.name {
            "ls" => {
                let path = words.path()?;
                Command::Ls { path, stat: words.has('s'), watch: words.watch(terminal), recursive: words.has('R') }
            }
            "get" => Command::Get { path: words.path()?, stat: words.has('s'), watch: words.watch(terminal) },
            "stat" => Command::Stat { path: words.path()?, watch: words.watch(terminal) },
            "create" => create(&words, terminal)?,
            "set" => {
                let (path, data) = (words.path()?, words.argument(1)?.to_owned());
                Command::Set { path, data, version: words.number('v', -1)?, stat: words.has('s') }
            }
            "delete" => delete(&words)?,
            "deleteall" => {
                let batch = words.number('b', 1000).ok().and_then(|batch| usize::try_from(batch).ok());
                let batch = batch.ok_or_else(|| failed("-b argument must be an int value"))?;
                Command::DeleteAll { path: words.path()?, batch: batch.max(1) }
            }
            "getAcl" => Command::GetAcl { path: words.path()?, stat: words.has('s') },
            "sync" => Command::Sync { path: words.path()? },
            "printwatches" => Command::PrintWatches(words.arguments.first().map(|word| *word == "on")),
            "history" => Command::History,
            _ => Command::Quit,
        })
    }

    /// The node it is about.
    pub fn path(&self) -> &str {
        match self {
            Command::Ls { path, .. }
            | Command::Get { path, .. }
            | Command::Stat { path, .. }
            | Command::Create { path, .. }
            | Command::Set { path, .. }
            | Command::Delete { path, .. }
            | Command::DeleteAll { path, .. }
            | Command::GetAcl { path, .. }
            | Command::Sync { path } => path,
            Command::PrintWatches(_) | Command::History | Command::Quit => "",
        }
    }
}

fn create(words: &Words<'_>, terminal: &mut Terminal) -> Result<Command, CommandError> {
    if let Some(option) = ['c', 't'].into_iter().find(|option| words.has(*option)) {
        return Err(failed(&format!("create -{option} is not built yet in Klamm")));
    }
    let acl = match words.arguments.get(2) {
        Some(text) => text.split(',').filter_map(|entry| acl_entry(entry, terminal)).collect(),
        None => vec![Acl::open()],
    };
    Ok(Command::Create {
        path: words.path()?,
        data: words.arguments.get(1).map(|data| (*data).to_owned()),
        acl,
        ephemeral: words.has('e'),
        sequential: words.has('s'),
    })
}

fn delete(words: &Words<'_>) -> Result<Command, CommandError> {
    if words.arguments.len() > 1 {
        // ZooKeeper's shell goes on and ignores the version, which deletes what was not meant.
        return Err(failed(
            "'delete path [version]' has been deprecated. Please use 'delete [-v version] path' instead.",
        ));
    }
    Ok(Command::Delete { path: words.path()?, version: words.number('v', -1)? })
}

/// `scheme:id:perms`; others are told and left out, as `AclParser` does.
fn acl_entry(text: &str, terminal: &mut Terminal) -> Option<Acl> {
    let parts = text.split_once(':').and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once(':')?)));
    let Some((scheme, (id, letters))) = parts else {
        terminal.warn(&format!("{text} does not have the form scheme:id:perm"));
        return None;
    };
    let mut permissions = 0;
    for letter in letters.chars() {
        match "rwcda".find(letter) {
            Some(bit) => permissions |= 1 << bit,
            None => terminal.warn(&format!("Unknown perm type: {letter}")),
        }
    }
    Some(Acl { permissions, scheme: scheme.to_owned(), id: id.to_owned() })
}

fn usage() -> String {
    let lines: Vec<String> = SHAPES.iter().map(|shape| format!("\t{} {}", shape.name, shape.usage)).collect();
    format!("ZooKeeper -server host:port [-zk-tls-config-file <file>] cmd args\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::testing::terminal;

    fn parse(line: &str) -> Result<Command, String> {
        Command::parse(&split(line), &mut terminal("").0).map_err(|error| error.to_string())
    }

    #[test]
    fn lines_become_words() {
        for (line, want) in [
            ("ls  /a ", vec!["ls", "/a"]),
            ("set /a \"two words\"", vec!["set", "/a", "two words"]),
            ("set /a 'x \"y\" z' -v 1", vec!["set", "/a", "x \"y\" z", "-v", "1"]),
            ("set /a \"\"", vec!["set", "/a", ""]),
            ("set /a {\"a\":1}", vec!["set", "/a", "{\"a\":1}"]),
            ("", vec![]),
        ] {
            assert_eq!(split(line), want, "{line}");
        }
    }

    #[test]
    fn options_may_stand_anywhere() {
        let path = "/a".to_owned();
        for line in ["ls -s -R /a", "ls -sR /a", "ls /a -R -s"] {
            let want = Command::Ls { path: path.clone(), stat: true, watch: false, recursive: true };
            assert_eq!(parse(line), Ok(want), "{line}");
        }
        for line in ["set -v 3 /a x", "set -v3 /a x", "set /a x -v 3"] {
            let want = Command::Set { path: path.clone(), data: "x".to_owned(), version: 3, stat: false };
            assert_eq!(parse(line), Ok(want), "{line}");
        }
        assert_eq!(parse("get /a true"), Ok(Command::Get { path: path.clone(), stat: false, watch: true }));
        let acl = vec![Acl { permissions: 31, scheme: "world".to_owned(), id: "anyone".to_owned() }];
        let want = Command::Create { path, data: Some("x".to_owned()), acl, ephemeral: true, sequential: true };
        assert_eq!(parse("create -e -s /a x world:anyone:cdrwa"), Ok(want));
    }

    #[test]
    fn wrong_commands_are_told() {
        for (line, want) in [
            ("ls", "ls [-s] [-w] [-R] path"),
            ("ls nix", "Path must start with / character"),
            ("ls /a/", "Path must not end with / character"),
            ("get -x /a", "org.apache.commons.cli.UnrecognizedOptionException: Unrecognized option: -x"),
            ("set /a x -v", "org.apache.commons.cli.MissingArgumentException: Missing argument for option: v"),
            ("set -v y /a x", "For input string: \"y\""),
            ("create -c /a", "create -c is not built yet in Klamm"),
            ("reconfig", "the command reconfig is not built yet in Klamm"),
            (
                "delete /a 3",
                "'delete path [version]' has been deprecated. Please use 'delete [-v version] path' instead.",
            ),
        ] {
            assert_eq!(parse(line).unwrap_err(), want, "{line}");
        }
        let unknown = Command::parse(&split("nix"), &mut terminal("").0).unwrap_err();
        assert_eq!(unknown.status(), 127);
        assert!(unknown.to_string().ends_with("\nCommand not found: Command not found nix"), "{unknown}");
    }
}
