//! Options as Kafka's tools read them, which is as jopt-simple 5 does: `--name value`, `--name=value`, one dash as well
//! as two, repeated options for lists, `--` before arguments that are no options. A tool's options are a table of
//! [`Spec`]s, from which the usage text is made too.
//!
//! Kafka 3.9 creates its parsers with abbreviations switched off (`CommandDefaultOptions`), so `--boot` is unknown.
//! Values are converted when a tool asks for them, not before; a tool that fails earlier never complains about them.
//! Arguments that are no options are dropped, as Kafka's tools do.

use std::str::FromStr;

use thiserror::Error;

use crate::error::ToolError;

/// One option of a tool.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Without the dashes.
    pub name: &'static str,
    /// What may follow it.
    pub value: Value,
    /// What it does.
    pub help: &'static str,
}

/// What may follow an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Flag,
    /// A value, named so in the usage text.
    Required(&'static str),
    /// Perhaps a value.
    Optional(&'static str),
}

/// An option without a value.
pub const fn flag(name: &'static str, help: &'static str) -> Spec {
    Spec { name, value: Value::Flag, help }
}

/// An option with a value.
pub const fn valued(name: &'static str, value: &'static str, help: &'static str) -> Spec {
    Spec { name, value: Value::Required(value), help }
}

/// An option whose value may be left out.
pub const fn maybe_valued(name: &'static str, value: &'static str, help: &'static str) -> Spec {
    Spec { name, value: Value::Optional(value), help }
}

/// `--help` of every tool.
pub const HELP: Spec = flag("help", "Print this usage text.");
/// `--version` of every tool.
pub const VERSION: Spec = flag("version", "Print the version of Kafka that this tool behaves like.");

/// Options that cannot be read; jopt-simple's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OptionError {
    /// No option of this tool.
    #[error("{0} is not a recognized option")]
    Unknown(String),
    /// The end came instead of a value.
    #[error("Option {0} requires an argument")]
    NoValue(&'static str),
    /// Two values where one is wanted.
    #[error("Found multiple arguments for option {0}, but you asked for only one")]
    TwoValues(&'static str),
    /// Not a number.
    #[error("Cannot parse argument '{value}' of option {name}")]
    Unparsable {
        /// The option.
        name: &'static str,
        /// What was given.
        value: String,
    },
    /// Left out, though neither `--help` nor a stand-in was given.
    #[error("Missing required option(s) [{0}]")]
    Missing(&'static str),
}

/// The options that were given.
#[derive(Debug, Clone)]
pub struct Options {
    given: Vec<(&'static Spec, Option<String>)>,
    arguments: usize,
}

impl Options {
    /// Reads the arguments of a tool with these options.
    pub fn parse(specs: &'static [Spec], arguments: &[String]) -> Result<Options, OptionError> {
        let mut options = Options { given: Vec::new(), arguments: arguments.len() };
        let mut rest = arguments.iter().peekable();
        while let Some(argument) = rest.next() {
            if argument == "--" {
                break;
            }
            let Some(spelled) = option_text(argument) else { continue };
            let (name, attached) = match spelled.split_once('=') {
                Some((name, value)) => (name, Some(value).filter(|value| !value.is_empty())),
                None => (spelled, None),
            };
            let spec = specs.iter().find(|spec| spec.name == name).ok_or_else(|| unknown(argument, name))?;
            let value = match (spec.value, attached) {
                (Value::Flag, _) => None,
                (_, Some(value)) => Some(value.to_owned()),
                (Value::Required(_), None) => Some(rest.next().ok_or(OptionError::NoValue(spec.name))?.clone()),
                (Value::Optional(_), None) => rest.next_if(|next| option_text(next).is_none()).cloned(),
            };
            options.given.push((spec, value));
        }
        Ok(options)
    }

    /// Whether the option was given.
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(spec, _)| spec.name == name)
    }

    /// All values of an option, in their order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.given.iter().filter(move |(spec, _)| spec.name == name).filter_map(|(_, value)| value.as_deref())
    }

    /// The only value of an option.
    pub fn value(&self, name: &'static str) -> Result<Option<&str>, OptionError> {
        let mut values = self.values(name);
        let first = values.next();
        match values.next() {
            Some(_) => Err(OptionError::TwoValues(name)),
            None => Ok(first),
        }
    }

    /// The only value of an option, as a number.
    pub fn number<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, OptionError> {
        let parse = |value: &str| value.parse().map_err(|_| OptionError::Unparsable { name, value: value.to_owned() });
        self.value(name)?.map(parse).transpose()
    }

    /// The usage text when nothing or `--help` was given, the version when that was asked for.
    pub fn help_or_version(&self, about: &str) -> Result<(), ToolError> {
        if self.arguments == 0 || self.has(HELP.name) {
            return Err(ToolError::Usage(about.to_owned()));
        }
        if self.has(VERSION.name) { Err(ToolError::Version) } else { Ok(()) }
    }

    /// An error when an option is missing (`CommandLineUtils.checkRequiredArgs`).
    pub fn require(&self, name: &str) -> Result<(), ToolError> {
        if self.has(name) {
            return Ok(());
        }
        Err(ToolError::Usage(format!("Missing required argument \"[{name}]\"")))
    }

    /// An error when `used` is there together with one of `others` (`CommandLineUtils.checkInvalidArgs`).
    pub fn exclude(&self, used: &str, others: &[&str]) -> Result<(), ToolError> {
        match others.iter().find(|other| self.has(used) && self.has(other)) {
            Some(other) => {
                Err(ToolError::Usage(format!("Option \"[{used}]\" can't be used with option \"[{other}]\"")))
            }
            None => Ok(()),
        }
    }

    /// An error when `name` is missing and `unless` too (jopt's `requiredUnless`, which help and version lift).
    pub fn require_unless(&self, name: &'static str, unless: &str) -> Result<(), OptionError> {
        let lifted = [name, unless, HELP.name, VERSION.name].iter().any(|option| self.has(option));
        if lifted { Ok(()) } else { Err(OptionError::Missing(name)) }
    }

    /// Refuses an option that Kafka has and we do not yet.
    pub fn refuse(&self, names: &[&str]) -> Result<(), ToolError> {
        match names.iter().find(|name| self.has(name)) {
            Some(name) => Err(ToolError::not_built(&format!("--{name}"))),
            None => Ok(()),
        }
    }
}

/// `key=value` pairs as `CommandLineUtils.parseKeyValueArgs` reads them: the value may hold `=` and may be missing.
pub fn key_values<'a>(pairs: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

/// What stands behind the dashes, when the argument looks like an option.
fn option_text(argument: &str) -> Option<&str> {
    let text = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'))?;
    Some(text).filter(|text| !text.is_empty())
}

/// An unknown long option is named whole; one dash opens a cluster of letters, of which the first is named.
fn unknown(argument: &str, name: &str) -> OptionError {
    let named = if argument.starts_with("--") { name.to_owned() } else { name.chars().take(1).collect() };
    OptionError::Unknown(named)
}

const LEFT: usize = 39;
const RIGHT: usize = 39;

/// The usage text: two columns, as jopt-simple lays them out.
pub fn usage(specs: &[Spec]) -> String {
    if specs.is_empty() {
        return String::new();
    }
    let mut sorted: Vec<&Spec> = specs.iter().collect();
    sorted.sort_by_key(|spec| spec.name);
    let mut text = String::new();
    row(&mut text, "Option", "Description");
    row(&mut text, "------", "-----------");
    for spec in sorted {
        let left = match spec.value {
            Value::Flag => format!("--{}", spec.name),
            Value::Required(value) => format!("--{} <{value}>", spec.name),
            Value::Optional(value) => format!("--{} [{value}]", spec.name),
        };
        row(&mut text, &left, spec.help);
    }
    text
}

fn row(text: &mut String, left: &str, right: &str) {
    let (left, right) = (wrapped(left, LEFT), wrapped(right, RIGHT));
    for index in 0..left.len().max(right.len()) {
        let column = |lines: &[String]| lines.get(index).cloned().unwrap_or_default();
        let line = format!("{:LEFT$}  {:RIGHT$}", column(&left), column(&right));
        text.push_str(&line);
        text.push('\n');
    }
}

/// Lines of at most `width`, those behind the first indented.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let fits = line.trim().is_empty() || line.len() + 1 + word.len() <= width;
        if !fits {
            lines.push(std::mem::replace(&mut line, "  ".to_owned()));
        } else if !line.trim().is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[Spec] = &[
        flag("list", "List."),
        valued("topic", "String: topic", "A topic with a long help text that must be broken in two."),
        maybe_valued("codec", "String: codec", "Compress."),
        valued("partitions", "Integer: # of partitions", "How many."),
        HELP,
        VERSION,
    ];

    /// What was read, or the error's text. Expectations were taken from jopt-simple 5.0.4.
    fn check(arguments: &str, want: &str) {
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        let got = match Options::parse(SPECS, &arguments) {
            Ok(options) => {
                let given = options.given.iter().map(|(spec, value)| match value {
                    Some(value) => format!("{}={value}", spec.name),
                    None => spec.name.to_owned(),
                });
                given.collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(got, want, "{arguments:?}");
    }

    #[test]
    fn options_are_read_as_jopt_reads_them() {
        check("", "");
        check("--list", "list");
        check("-list", "list");
        check("--list=yes", "list");
        check("--topic a --topic=b", "topic=a topic=b");
        check("--topic=a=b", "topic=a=b");
        check("--topic --list", "topic=--list");
        check("--topic= a", "topic=a");
        check("--codec --list", "codec list");
        check("--codec lz4 --list", "codec=lz4 list");
        check("--codec", "codec");
        check("stray --list - -- --topic", "list");
        check("--top a", "top is not a recognized option");
        check("--nix=a", "nix is not a recognized option");
        check("-nix", "n is not a recognized option");
        check("--topic", "Option topic requires an argument");
    }

    #[test]
    fn values_are_converted_when_asked_for() {
        let parse = |text: &str| {
            let arguments: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            Options::parse(SPECS, &arguments).unwrap()
        };
        assert_eq!(parse("--partitions 3").number::<i32>("partitions"), Ok(Some(3)));
        let error = parse("--partitions x").number::<i32>("partitions").unwrap_err();
        assert_eq!(error.to_string(), "Cannot parse argument 'x' of option partitions");
        let error = parse("--topic a --topic b").value("topic").unwrap_err();
        assert_eq!(error.to_string(), "Found multiple arguments for option topic, but you asked for only one");
        let error = parse("--list").require("topic").unwrap_err();
        assert_eq!(error.to_string(), "Missing required argument \"[topic]\"");
        let error = parse("--list --topic a").exclude("topic", &["codec", "list"]).unwrap_err();
        assert_eq!(error.to_string(), "Option \"[topic]\" can't be used with option \"[list]\"");
    }

    #[test]
    fn usage_has_two_columns() {
        let text = usage(SPECS);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(lines[0], "Option                                   Description");
        assert_eq!(lines[1], "------                                   -----------");
        assert_eq!(lines[2], "--codec [String: codec]                  Compress.");
        assert_eq!(lines[6], "--topic <String: topic>                  A topic with a long help text that must");
        assert_eq!(lines[7], "                                           be broken in two.");
    }

    #[test]
    fn pairs_split_at_the_first_equals_sign() {
        let got = key_values(["a=b=c", "d", "e="].into_iter());
        let want = [("a", "b=c"), ("d", ""), ("e", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(got, want);
    }
}
