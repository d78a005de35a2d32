//! SASL DIGEST-MD5 (RFC 2831), the server's half, for quality of protection `auth`. Challenge and checks are those of
//! the JDK's `DigestMD5Server` with what ZooKeeper gives it: protocol `zookeeper`, server name and realm `zk-sasl-md5`.
//!
//! ```text
//! state      response          becomes      answer
//! Fresh      any (ignored)     Challenged   challenge with our nonce
//! Challenged client's digest   Done         rspauth, and who it is; or an error
//! Done       any               Done         error
//! ```
//!
//! Pure: the nonce comes from outside. The mechanism is weak by today's measure; it is what ZooKeeper offers.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use thiserror::Error;

/// Realm, server name, and what the client's digest-uri must name behind `zookeeper/`.
const REALM: &str = "zk-sasl-md5";
/// The longest response that is looked at, in bytes (`DigestMD5Base.MAX_RESPONSE_LENGTH`).
const MAX_RESPONSE: usize = 4096;

/// Why a client was not believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SaslError {
    /// The response is not a list of directives.
    #[error("the response cannot be read: {0}")]
    Format(&'static str),
    /// A directive that must be there is missing, or has another value than it may.
    #[error("directive {0} is missing or not what it must be")]
    Directive(&'static str),
    /// Nobody has this name.
    #[error("user {0} is not known")]
    UnknownUser(String),
    /// The digest is of another password.
    #[error("the password of {0} is wrong")]
    WrongPassword(String),
    /// The exchange is over.
    #[error("nothing more was expected")]
    Over,
}

/// How far an exchange has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Exchange {
    /// Nothing was said.
    #[default]
    Fresh,
    /// The client knows our nonce.
    Challenged(String),
    /// Believed or not, it is over.
    Done,
}

/// What goes back to the client, and who it is once that is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The token of the answer.
    pub token: Vec<u8>,
    /// The id of scheme `sasl`.
    pub proven: Option<String>,
}

impl Exchange {
    /// Takes a client's token. `nonce` is used if this is the first.
    pub fn step(
        &mut self,
        response: &[u8],
        users: &BTreeMap<String, String>,
        nonce: impl FnOnce() -> String,
    ) -> Result<Step, SaslError> {
        match std::mem::replace(self, Exchange::Done) {
            _ if response.len() > MAX_RESPONSE => Err(SaslError::Format("it is too long")),
            Exchange::Fresh => {
                let nonce = nonce();
                let token =
                    format!("realm=\"{REALM}\",nonce=\"{nonce}\",charset=utf-8,algorithm=md5-sess").into_bytes();
                *self = Exchange::Challenged(nonce);
                Ok(Step { token, proven: None })
            }
            Exchange::Challenged(nonce) => Response::parse(response)?.verify(&nonce, users),
            Exchange::Done => Err(SaslError::Over),
        }
    }
}

/// A client's directives, each at most once.
#[derive(Debug, Default)]
struct Response {
    directives: Vec<(&'static str, Vec<u8>)>,
}

/// What the JDK looks at; others are passed over. It knows the nonce count by a name that no client sends
/// (`nonce-count`, for `nc`), and so do we.
const KEYS: [&str; 10] =
    ["username", "realm", "nonce", "cnonce", "nonce-count", "qop", "digest-uri", "response", "charset", "authzid"];

impl Response {
    /// `key=value` or `key="value"`, between commas or blanks.
    fn parse(bytes: &[u8]) -> Result<Response, SaslError> {
        let mut response = Response::default();
        let mut rest = bytes;
        loop {
            while let Some((b' ' | b'\t' | b'\r' | b'\n' | b',', behind)) = rest.split_first() {
                rest = behind;
            }
            if rest.is_empty() {
                return Ok(response);
            }
            let equals =
                rest.iter().position(|byte| *byte == b'=').ok_or(SaslError::Format("a directive without ="))?;
            let (key, behind) = rest.split_at(equals);
            let (value, behind) = value(behind.get(1..).unwrap_or_default().trim_ascii_start())?;
            response.add(key.trim_ascii_end(), value)?;
            rest = behind;
        }
    }

    fn add(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), SaslError> {
        let Some(known) = KEYS.iter().find(|known| known.as_bytes().eq_ignore_ascii_case(key)) else { return Ok(()) };
        if self.get(known).is_some() {
            return Err(SaslError::Directive(known));
        }
        self.directives.push((known, value));
        Ok(())
    }

    fn get(&self, key: &'static str) -> Option<&[u8]> {
        self.directives.iter().find(|(known, _)| *known == key).map(|(_, value)| &**value)
    }

    /// A directive that must have one value, or may be missing.
    fn expect(&self, key: &'static str, fits: impl FnOnce(Option<&[u8]>) -> bool) -> Result<(), SaslError> {
        if fits(self.get(key)) { Ok(()) } else { Err(SaslError::Directive(key)) }
    }

    fn needed(&self, key: &'static str) -> Result<&[u8], SaslError> {
        self.get(key).ok_or(SaslError::Directive(key))
    }

    fn verify(&self, nonce: &str, users: &BTreeMap<String, String>) -> Result<Step, SaslError> {
        let uri = format!("zookeeper/{REALM}");
        self.expect("charset", |value| value.is_none_or(|value| value == b"utf-8"))?;
        self.expect("realm", |value| value == Some(REALM.as_bytes()))?;
        self.expect("nonce", |value| value == Some(nonce.as_bytes()))?;
        self.expect("nonce-count", |value| value.is_none_or(is_one))?;
        self.expect("qop", |value| value.is_none_or(|value| value == b"auth"))?;
        self.expect("digest-uri", |value| value.is_some_and(|value| value.eq_ignore_ascii_case(uri.as_bytes())))?;
        let (cnonce, digest) = (self.needed("cnonce")?, self.needed("response")?);
        let username = String::from_utf8_lossy(self.needed("username")?).into_owned();
        let Some(password) = users.get(&username) else { return Err(SaslError::UnknownUser(username)) };
        let secret = Secret {
            start: start_of_a1(&username, password),
            nonce: nonce.as_bytes(),
            cnonce,
            authzid: self.get("authzid"),
            uri: self.needed("digest-uri")?,
        };
        if secret.response("AUTHENTICATE") != digest {
            return Err(SaslError::WrongPassword(username));
        }
        let token = [b"rspauth=", &*secret.response("")].concat();
        Ok(Step { token, proven: Some(self.authorized(username)) })
    }

    /// Whom a proven user is taken for: itself, whatever it asked for (`SaslServerCallbackHandler`). A name with a
    /// Kerberos realm has no rule that shortens it; then it is whom the client asked to be.
    fn authorized(&self, username: String) -> String {
        match self.get("authzid") {
            Some(wanted) if username.contains('@') => String::from_utf8_lossy(wanted).into_owned(),
            _ => username,
        }
    }
}

fn is_one(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|text| i32::from_str_radix(text, 16) == Ok(1))
}

/// The value at the start of `bytes`, and what stands behind it.
fn value(bytes: &[u8]) -> Result<(Vec<u8>, &[u8]), SaslError> {
    let Some((b'"', mut rest)) = bytes.split_first() else {
        let end = bytes.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b','));
        let (value, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        return Ok((value.to_vec(), rest));
    };
    let mut value = Vec::new();
    loop {
        rest = match rest {
            [b'"', rest @ ..] if matches!(rest.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n' | b',')) => {
                return Ok((value, rest));
            }
            [b'"', ..] => return Err(SaslError::Format("a comma is missing behind a quoted value")),
            [b'\\', escaped, rest @ ..] => {
                value.push(*escaped);
                rest
            }
            [] | [b'\\'] => return Err(SaslError::Format("a quoted value does not end")),
            [byte, rest @ ..] => {
                value.push(*byte);
                rest
            }
        };
    }
}

/// What the digest is made of (RFC 2831, 2.1.2.1).
struct Secret<'a> {
    start: [u8; 16],
    nonce: &'a [u8],
    cnonce: &'a [u8],
    authzid: Option<&'a [u8]>,
    uri: &'a [u8],
}

impl Secret<'_> {
    fn response(&self, method: &str) -> Vec<u8> {
        let mut a1 = [&self.start, self.nonce, self.cnonce].join(&b':');
        if let Some(authzid) = self.authzid {
            a1.push(b':');
            a1.extend_from_slice(authzid);
        }
        let a2 = [method.as_bytes(), self.uri].join(&b':');
        let (a1, a2) = (hex(&a1), hex(&a2));
        hex(&[&*a1, self.nonce, b"00000001", self.cnonce, b"auth", &a2].join(&b':'))
    }
}

fn start_of_a1(username: &str, password: &str) -> [u8; 16] {
    let parts = [latin_1_if_possible(username), REALM.into(), latin_1_if_possible(password)];
    Md5::digest(parts.join(&b':')).into()
}

/// RFC 2831 2.1.2.1: names and passwords that fit into ISO 8859-1 are hashed in it, others in UTF-8.
fn latin_1_if_possible(text: &str) -> Vec<u8> {
    let narrow: Result<Vec<u8>, _> = text.chars().map(|c| u8::try_from(u32::from(c))).collect();
    narrow.unwrap_or_else(|_| text.as_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    Md5::digest(bytes).iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// Tries bytes as a client's answer to a challenge; nothing may panic. For fuzz targets.
pub fn fuzz(bytes: &[u8]) {
    let users = [("bob".to_string(), "secret".to_string())].into();
    let mut exchange = Exchange::Challenged("nonce".into());
    let _ = exchange.step(bytes, &users, String::new);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_answer_is_read_or_refused(
            text in "(charset|realm|nonce|cnonce|qop|username|response)?=?\"?[a-z\\\\\",= ]{0,12}\"?,?[^a]{0,8}",
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            fuzz(text.as_bytes());
            fuzz(&bytes);
        }
    }

    const NONCE: &str = "gk0kNq3/V0d6aR1eC1o8hQ==";

    fn users() -> BTreeMap<String, String> {
        [("bob", "secret"), ("jürgen", "grün"), ("αλφα", "β"), ("a@R", "x")]
            .map(|(user, password)| (user.to_string(), password.to_string()))
            .into()
    }

    fn challenged() -> Exchange {
        let mut exchange = Exchange::default();
        let step = exchange.step(b"", &users(), || NONCE.into()).unwrap();
        let challenge = format!("realm=\"zk-sasl-md5\",nonce=\"{NONCE}\",charset=utf-8,algorithm=md5-sess");
        assert_eq!(String::from_utf8(step.token).unwrap(), challenge);
        exchange
    }

    /// A client's answer; `change` replaces a directive by another text.
    fn response(user: &str, password: &str, change: (&str, &str)) -> String {
        let secret = Secret {
            start: start_of_a1(user, password),
            nonce: NONCE.as_bytes(),
            cnonce: b"c",
            authzid: None,
            uri: b"zookeeper/zk-sasl-md5",
        };
        let digest = String::from_utf8(secret.response("AUTHENTICATE")).unwrap();
        let all = format!(
            "charset=utf-8,username=\"{user}\",realm=\"zk-sasl-md5\",nonce=\"{NONCE}\",nc=00000001,cnonce=\"c\",\
             digest-uri=\"zookeeper/zk-sasl-md5\",maxbuf=65536,response={digest},qop=auth"
        );
        assert!(all.contains(change.0));
        all.replace(change.0, change.1)
    }

    #[test]
    fn a_user_with_the_right_password_is_believed_once() {
        for (user, password) in [("bob", "secret"), ("jürgen", "grün"), ("αλφα", "β"), ("a@R", "x")] {
            let mut exchange = challenged();
            let step = exchange.step(response(user, password, ("", "")).as_bytes(), &users(), String::new).unwrap();
            assert!(step.token.starts_with(b"rspauth=") && step.token.len() == 40);
            assert_eq!(step.proven.as_deref(), Some(user));
            assert_eq!(exchange.step(b"", &users(), String::new), Err(SaslError::Over));
        }
    }

    #[test]
    fn a_digest_is_what_rfc_2831_computes() {
        // Section 4 of the RFC, but for its realm, uri and nonce: those are compared with Java's client elsewhere.
        let secret = Secret {
            start: Md5::digest(b"chris:elwood.innosoft.com:secret").into(),
            nonce: b"OA6MG9tEQGm2hh",
            cnonce: b"OA6MHXh6VqTrRk",
            authzid: None,
            uri: b"imap/elwood.innosoft.com",
        };
        assert_eq!(secret.response("AUTHENTICATE"), b"d388dad90d4bbd760a152321f2143af7");
        assert_eq!(secret.response(""), b"ea40f60335c427b5527b84dbabcdfffd");
    }

    #[test]
    fn what_is_not_believed() {
        let wrong = |key| Err(SaslError::Directive(key));
        for (change, expected) in [
            (("charset=utf-8", "charset=latin"), wrong("charset")),
            (("realm=\"zk-sasl-md5\"", "realm=\"x\""), wrong("realm")),
            (("realm=\"zk-sasl-md5\",", ""), wrong("realm")),
            (("nonce=\"gk", "nonce=\"xx"), wrong("nonce")),
            (("cnonce=\"c\",", ""), wrong("cnonce")),
            (("qop=auth", "qop=auth-int"), wrong("qop")),
            (("qop=auth", "nonce-count=2"), wrong("nonce-count")),
            (("zookeeper/zk", "kafka/zk"), wrong("digest-uri")),
            (("qop=auth", "Realm=\"zk-sasl-md5\""), wrong("realm")),
            (("username=\"bob\",", ""), wrong("username")),
            (("username=\"bob\"", "username=\"eve\""), Err(SaslError::UnknownUser("eve".into()))),
            (("response=", "response=0"), Err(SaslError::WrongPassword("bob".into()))),
            (("realm=\"", "realm=\"x\"y"), Err(SaslError::Format("a comma is missing behind a quoted value"))),
            (("qop=auth", "authzid=\"me"), Err(SaslError::Format("a quoted value does not end"))),
            (("qop=auth", "qop"), Err(SaslError::Format("a directive without ="))),
        ] {
            let said = response("bob", "secret", change);
            assert_eq!(challenged().step(said.as_bytes(), &users(), String::new), expected, "{said}");
        }
        let said = response("bob", "other", ("", ""));
        let wrong_password = Err(SaslError::WrongPassword("bob".into()));
        assert_eq!(challenged().step(said.as_bytes(), &users(), String::new), wrong_password);
        let long = vec![b' '; MAX_RESPONSE + 1];
        assert_eq!(challenged().step(&long, &users(), String::new), Err(SaslError::Format("it is too long")));
    }

    #[test]
    fn blanks_and_quotes_are_read_as_javas_parser_does() {
        let parsed = Response::parse(b" ,username = \"a\\\"b\\\\\" , QOP=auth\tother=x,").unwrap();
        assert_eq!((parsed.get("username"), parsed.get("qop")), (Some(&b"a\"b\\"[..]), Some(&b"auth"[..])));
    }
}
