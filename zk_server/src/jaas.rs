//! Reads the JAAS login configuration that Java's `-Djava.security.auth.login.config` names: sections of login modules
//! with options. Of the section `Server` the server takes the users of SASL DIGEST-MD5, options `user_<name>`.
//!
//! ```text
//! Server {
//!     org.apache.zookeeper.server.auth.DigestLoginModule required
//!     user_alice="secret";
//! };
//! ```
//!
//! Absent: `${property}` in values and Kerberos modules, both refused.

use std::collections::BTreeMap;

use thiserror::Error;

/// What is wrong with a login configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JaasError {
    /// The text does not follow the grammar of `javax.security.auth.login.Configuration`.
    #[error("line {line}: expected {expected}, found {found}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// A value wants a system property.
    #[error("line {line}: properties in values (${{…}}) are not built")]
    Expansion {
        /// Counted from 1.
        line: usize,
    },
    /// A module of another kind in the server's section.
    #[error("login module {0} is not built: org.apache.zookeeper.server.auth.DigestLoginModule is")]
    Module(String),
}

/// A login module with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its Java class.
    pub class: String,
    /// Options by name.
    pub options: BTreeMap<String, String>,
}

const DIGEST_MODULE: &str = "org.apache.zookeeper.server.auth.DigestLoginModule";

/// The users and passwords of a section; `None` when there is no such section.
pub fn digest_users(text: &str, section: &str) -> Result<Option<BTreeMap<String, String>>, JaasError> {
    let mut sections = parse(text)?;
    let Some(modules) = sections.remove(section) else { return Ok(None) };
    let mut users = BTreeMap::new();
    for module in modules {
        if module.class != DIGEST_MODULE {
            return Err(JaasError::Module(module.class));
        }
        let named =
            module.options.into_iter().filter_map(|(key, value)| Some((key.strip_prefix("user_")?.into(), value)));
        users.extend(named);
    }
    Ok(Some(users))
}

/// All sections by name.
pub fn parse(text: &str) -> Result<BTreeMap<String, Vec<Module>>, JaasError> {
    let mut tokens = Tokens { rest: text, line: 1 };
    let mut sections = BTreeMap::new();
    while let Some(token) = tokens.next()? {
        let name = tokens.word(Some(token), "the name of a section")?;
        tokens.symbol('{')?;
        let mut modules = Vec::new();
        loop {
            match tokens.next()? {
                Some(Token::Symbol('}')) => break,
                token => modules.push(module(tokens.word(token, "a login module or }")?, &mut tokens)?),
            }
        }
        tokens.symbol(';')?;
        sections.insert(name, modules);
    }
    Ok(sections)
}

fn module(class: String, tokens: &mut Tokens<'_>) -> Result<Module, JaasError> {
    let token = tokens.next()?;
    let flag = tokens.word(token.clone(), "a control flag")?;
    if !["required", "requisite", "sufficient", "optional"].iter().any(|known| known.eq_ignore_ascii_case(&flag)) {
        return Err(tokens.unexpected("required, requisite, sufficient or optional", token));
    }
    let mut options = BTreeMap::new();
    loop {
        match tokens.next()? {
            Some(Token::Symbol(';')) => return Ok(Module { class, options }),
            token => {
                let key = tokens.word(token, "an option or ;")?;
                tokens.symbol('=')?;
                let value = tokens.next()?;
                let value = tokens.word(value, "a value")?;
                if value.contains("${") {
                    return Err(JaasError::Expansion { line: tokens.line });
                }
                options.insert(key, value);
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Symbol(char),
}

struct Tokens<'a> {
    rest: &'a str,
    line: usize,
}

impl Tokens<'_> {
    fn next(&mut self) -> Result<Option<Token>, JaasError> {
        self.skip_blanks();
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        match first {
            '"' | '\'' => self.quoted(first).map(Some),
            '{' | '}' | ';' | '=' => {
                self.rest = self.rest.get(1..).unwrap_or_default();
                Ok(Some(Token::Symbol(first)))
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';' | '=' | '"' | '\'');
                let (word, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
                self.rest = rest;
                Ok(Some(Token::Word(word.into())))
            }
        }
    }

    /// Blanks and both kinds of Java's comments.
    fn skip_blanks(&mut self) {
        loop {
            let trimmed = self.rest.trim_start();
            let skipped = match trimmed {
                _ if trimmed.starts_with("//") => trimmed.find('\n').unwrap_or(trimmed.len()),
                _ if trimmed.starts_with("/*") => trimmed.find("*/").map_or(trimmed.len(), |end| end + 2),
                _ => 0,
            };
            let (gone, rest) = self.rest.split_at(self.rest.len() - trimmed.len() + skipped);
            self.line += gone.matches('\n').count();
            self.rest = rest;
            if skipped == 0 {
                return;
            }
        }
    }

    /// A string behind its first quote; a backslash takes the next character as it is, but for the usual letters.
    fn quoted(&mut self, quote: char) -> Result<Token, JaasError> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\n' => break,
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, other)) => text.push(other),
                    None => break,
                },
                c if c == quote => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(Token::Word(text));
                }
                c => text.push(c),
            }
        }
        Err(self.unexpected("the end of a quoted value on its line", Some(Token::Word(text))))
    }

    fn word(&self, token: Option<Token>, expected: &'static str) -> Result<String, JaasError> {
        match token {
            Some(Token::Word(word)) => Ok(word),
            other => Err(self.unexpected(expected, other)),
        }
    }

    fn symbol(&mut self, symbol: char) -> Result<(), JaasError> {
        match self.next()? {
            Some(Token::Symbol(found)) if found == symbol => Ok(()),
            other => Err(self.unexpected(
                match symbol {
                    '{' => "{",
                    ';' => ";",
                    _ => "=",
                },
                other,
            )),
        }
    }

    fn unexpected(&self, expected: &'static str, found: Option<Token>) -> JaasError {
        let found = match found {
            Some(Token::Word(word)) => word,
            Some(Token::Symbol(symbol)) => symbol.to_string(),
            None => "the end".into(),
        };
        JaasError::Syntax { line: self.line, expected, found }
    }
}

/// Tries bytes as a login configuration; nothing may panic. For fuzz targets.
pub fn fuzz(bytes: &[u8]) {
    let _ = parse(&String::from_utf8_lossy(bytes));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Result<Option<&[(&str, &str)]>, &str>) {
        let found = digest_users(text, "Server").map_err(|error| error.to_string());
        let owned = |users: &[(&str, &str)]| users.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        assert_eq!(found, expected.map(|users| users.map(owned)).map_err(str::to_string), "{text}");
    }

    #[test]
    fn users_of_the_servers_section() {
        let kafkas = "// a comment\nKafkaServer { x.Y required a=b; };\nServer {\n  /* more\n */ org.apache.zookeeper.server.auth.DigestLoginModule\
                      \n required user_super=\"admin secret\" user_bob='b\\'s' plain=1;\n};\nClient { a.B optional; c.D sufficient; };";
        check(kafkas, Ok(Some(&[("super", "admin secret"), ("bob", "b's")])));
        check("", Ok(None));
        check("Other { };", Ok(None));
        check("Server { };", Ok(Some(&[])));
        check("Server {", Err("line 1: expected a login module or }, found the end"));
        check(
            "Server {\n x.Y needed; };",
            Err("line 2: expected required, requisite, sufficient or optional, found needed"),
        );
        check("Server { x.Y required a; };", Err("line 1: expected =, found ;"));
        check(
            "Server { x.Y required a=\"b\n\"; };",
            Err("line 1: expected the end of a quoted value on its line, found b"),
        );
        check("Server { x.Y required a=\"${b}\"; };", Err("line 1: properties in values (${…}) are not built"));
        check("Server { } Client", Err("line 1: expected ;, found Client"));
        check(
            "Server { com.sun.security.auth.module.Krb5LoginModule required; };",
            Err("login module com.sun.security.auth.module.Krb5LoginModule is not built: \
                 org.apache.zookeeper.server.auth.DigestLoginModule is"),
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_text_is_read_or_refused(text in "[a{};=\"'\\\\/*\n ä]{0,40}") {
            fuzz(text.as_bytes());
        }
    }
}
