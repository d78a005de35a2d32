//! `.properties` texts and `--override` words, before any meaning is given to them.
//!
//! The last value of a key wins, as in Java; overrides win over files. Every value remembers where it came from.

use std::collections::BTreeMap;
use std::fmt;

use java_properties::{LineContent, PropertiesIter};

use crate::error::ConfigError;

/// Keys with their values, sorted by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    entries: BTreeMap<String, Property>,
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Property {
    value: String,
    origin: Origin,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file, with the line.
    File {
        /// Its name, as given to [`Properties::parse`].
        name: String,
        /// From 1.
        line: usize,
    },
    /// The command line.
    Override,
    /// A program.
    Code,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { name, line } => write!(f, "{name}, line {line}"),
            Origin::Override => f.write_str("--override"),
            Origin::Code => f.write_str("set by the program"),
        }
    }
}

impl Properties {
    /// Reads the bytes of a file in Java's format (Latin-1 with `\u` escapes). `name` is used in errors.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Properties, ConfigError> {
        let mut properties = Properties::default();
        for line in PropertiesIter::new(in_ascii(bytes).as_slice()) {
            let line = line.map_err(|error| ConfigError::Syntax {
                origin: error.line_number().map_or(name.to_owned(), |line| format!("{name}, line {line}")),
                reason: error.to_string(),
            })?;
            let origin = Origin::File { name: name.to_owned(), line: line.line_number() };
            if let LineContent::KVPair(key, value) = line.consume_content()
                && !(key.is_empty() && value.is_empty())
            {
                properties.entries.insert(key, Property { value, origin });
            }
        }
        Ok(properties)
    }

    /// Takes over `key=value`, the form of `--override`.
    pub fn apply_override(&mut self, text: &str) -> Result<(), ConfigError> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                let property = Property { value: value.to_owned(), origin: Origin::Override };
                self.entries.insert(key.trim().to_owned(), property);
                Ok(())
            }
            _ => Err(ConfigError::Override(text.to_owned())),
        }
    }

    /// Sets a value from a program.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.entries.insert(key.into(), Property { value: value.into(), origin: Origin::Code });
    }

    /// Gives a key the value of another, with its origin.
    pub(crate) fn copy(&mut self, from: &str, to: &str) {
        if let Some(property) = self.entries.get(from).cloned() {
            self.entries.insert(to.to_owned(), property);
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(|property| property.value.as_str())
    }

    /// Where the value of a key came from.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.entries.get(key).map(|property| &property.origin)
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(key, property)| (key.as_str(), property.value.as_str()))
    }
}

/// The same file with `\u` escapes for all that is not ASCII. Java reads Latin-1; the parser below would read windows-1252
/// and take a byte order mark for one.
fn in_ascii(bytes: &[u8]) -> Vec<u8> {
    let mut ascii = Vec::with_capacity(bytes.len());
    let mut escaping = false;
    for byte in bytes {
        match byte.is_ascii() {
            true => ascii.push(*byte),
            // A backslash that means nothing before this letter begins its escape.
            false => ascii.extend_from_slice(format!("{}u{byte:04x}", if escaping { "" } else { "\\" }).as_bytes()),
        }
        escaping = *byte == b'\\' && !escaping;
    }
    ascii
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Properties {
        let mut properties = Properties::default();
        for (key, value) in pairs {
            properties.set(key, value);
        }
        properties
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_file_reads_as_java_reads_it() {
        let text = "# comment\n! too\n\n broker.id = 3\nlog.dirs:/a,\\\n    /b\nempty=\nbroker.rack r\\u00e9\\:1\nbroker.id=4\n";
        let properties = Properties::parse(text.as_bytes(), "server.properties").unwrap();
        let pairs: Vec<_> = properties.iter().collect();
        assert_eq!(pairs, [("broker.id", "4"), ("broker.rack", "ré:1"), ("empty", ""), ("log.dirs", "/a,/b")]);
        assert_eq!(properties.origin("broker.id").unwrap().to_string(), "server.properties, line 9");
    }

    #[test]
    fn a_broken_escape_names_its_line() {
        let error = Properties::parse(b"a=1\nb=\\u12\n", "x.properties").unwrap_err();
        assert!(error.to_string().starts_with("x.properties, line 2: "), "{error}");
    }

    /// Found by fuzzing: a file that began like a byte order mark and ended there made the decoder panic. And bytes from
    /// 0x80 to 0x9f were read as windows-1252. Java knows neither: every byte is one letter.
    #[test]
    fn bytes_beyond_ascii_are_latin_1() {
        for (bytes, key, value) in [
            (&b"\xff"[..], "\u{ff}", ""),
            (b"\xff\xfea=1", "\u{ff}\u{fe}a", "1"),
            (b"\xef\xbb\xbfa=1", "\u{ef}\u{bb}\u{bf}a", "1"),
            (b"a=\x80\xe9", "a", "\u{80}\u{e9}"),
            (b"a=\\\xe9\\\\\xe9", "a", "\u{e9}\\\u{e9}"),
        ] {
            let properties = Properties::parse(bytes, "f").unwrap();
            assert_eq!(properties.iter().collect::<Vec<_>>(), [(key, value)], "{bytes:?}");
        }
    }

    #[test]
    fn overrides_win() {
        let mut properties = Properties::parse(b"broker.id=1", "f").unwrap();
        properties.apply_override("broker.id=2").unwrap();
        properties.apply_override("listeners=PLAINTEXT://h:1?a=b").unwrap();
        assert_eq!(properties.get("broker.id"), Some("2"));
        assert_eq!(properties.get("listeners"), Some("PLAINTEXT://h:1?a=b"));
        for bad in ["", "broker.id", "=1"] {
            assert!(properties.apply_override(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Properties::parse(&bytes, "f");
        }
    }
}
