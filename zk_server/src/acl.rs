//! Who may do what with a znode: ACL entries, the identities of a connection, and the check between the two.
//!
//! Schemes: `world`, `auth` (on the way in only: it becomes the identities of whoever sets it), `digest`, `ip`. The
//! `sasl` and `x509` schemes need a way to authenticate that this server does not have: setting them is INVALIDACL,
//! as it is on an Apache server without those providers.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::jute::{Decoder, Encoder, JuteError};
use crate::proto::ErrorCode;

/// What an ACL entry can allow; numbers of `ZooDefs.Perms`.
pub mod perms {
    /// Read data and children.
    pub const READ: i32 = 1;
    /// Set data.
    pub const WRITE: i32 = 2;
    /// Create children.
    pub const CREATE: i32 = 4;
    /// Delete children.
    pub const DELETE: i32 = 8;
    /// Set the ACL.
    pub const ADMIN: i32 = 16;
    /// Everything.
    pub const ALL: i32 = 31;
}

/// Somebody: a scheme and an id within it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Id {
    /// `world`, `digest`, `ip`.
    pub scheme: Box<str>,
    /// `anyone`, `user:base64(sha1(user:password))`, an address.
    pub id: Box<str>,
}

/// One entry of an ACL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Acl {
    /// Bits of [`perms`].
    pub perms: i32,
    /// To whom they are given.
    pub who: Id,
}

/// An entry as it stands in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawAcl<'a> {
    /// Bits of [`perms`].
    pub perms: i32,
    /// Null is INVALIDACL.
    pub scheme: Option<&'a str>,
    /// Null is INVALIDACL.
    pub id: Option<&'a str>,
}

impl<'a> RawAcl<'a> {
    /// The least an entry takes on the wire.
    pub const LEAST_BYTES: usize = 12;

    /// Reads one.
    pub fn decode(input: &mut Decoder<'a>) -> Result<RawAcl<'a>, JuteError> {
        Ok(RawAcl { perms: input.int()?, scheme: input.nullable_string()?, id: input.nullable_string()? })
    }
}

impl Id {
    /// Puts scheme and id together.
    pub fn new(scheme: &str, id: &str) -> Id {
        Id { scheme: scheme.into(), id: id.into() }
    }

    /// What every connection is from its start: its address.
    pub fn of_address(address: IpAddr) -> Id {
        Id::new("ip", &address.to_canonical().to_string())
    }

    /// The identity that `user:password` proves (`DigestAuthenticationProvider.generateDigest`).
    pub fn of_digest(user_and_password: &[u8]) -> Id {
        let text = String::from_utf8_lossy(user_and_password);
        let user = text.split(':').next().unwrap_or_default();
        let digest = STANDARD.encode(Sha1::digest(text.as_bytes()));
        Id::new("digest", &format!("{user}:{digest}"))
    }
}

impl Acl {
    /// Open to everybody, `ZooDefs.Ids.OPEN_ACL_UNSAFE`.
    pub fn open() -> Arc<[Acl]> {
        [Acl { perms: perms::ALL, who: Id::new("world", "anyone") }].into()
    }

    /// Everybody reads, nobody writes, `ZooDefs.Ids.READ_ACL_UNSAFE`.
    pub fn read_only() -> Arc<[Acl]> {
        [Acl { perms: perms::READ, who: Id::new("world", "anyone") }].into()
    }

    /// Writes an ACL as a vector.
    pub fn encode_all(acl: &[Acl], out: &mut Encoder) {
        out.int(acl.len() as i32);
        for entry in acl {
            out.int(entry.perms);
            out.string(&entry.who.scheme);
            out.string(&entry.who.id);
        }
    }

    /// Reads what [`Acl::encode_all`] wrote.
    pub fn decode_all(input: &mut Decoder<'_>) -> Result<Arc<[Acl]>, JuteError> {
        let entries = input.vector(RawAcl::LEAST_BYTES, |input| {
            Ok(Acl { perms: input.int()?, who: Id::new(input.string()?, input.string()?) })
        })?;
        Ok(entries.into())
    }
}

/// Whether one of `identities` has one of the `wanted` permissions. An empty ACL allows everything, as
/// `ZooKeeperServer.checkACL` has it.
pub fn check(acl: &[Acl], wanted: i32, identities: &[Id]) -> Result<(), ErrorCode> {
    let allows = |entry: &Acl| {
        entry.perms & wanted != 0
            && (is_anyone(&entry.who) || identities.iter().any(|identity| matches(identity, &entry.who)))
    };
    if acl.is_empty() || acl.iter().any(allows) { Ok(()) } else { Err(ErrorCode::NoAuth) }
}

/// Makes the ACL of a request fit to be stored: without duplicates, `auth` replaced by whoever asks
/// (`PrepRequestProcessor.fixupACL`).
pub fn fix_up(raw: &[RawAcl<'_>], identities: &[Id]) -> Result<Vec<Acl>, ErrorCode> {
    let mut fixed: Vec<Acl> = Vec::new();
    let mut add = |perms: i32, who: Id| {
        let entry = Acl { perms, who };
        if !fixed.contains(&entry) {
            fixed.push(entry);
        }
    };
    for entry in raw {
        let (Some(scheme), Some(id)) = (entry.scheme, entry.id) else { return Err(ErrorCode::InvalidAcl) };
        match scheme {
            "world" if id == "anyone" => add(entry.perms, Id::new(scheme, id)),
            "auth" => {
                let proven: Vec<&Id> = identities.iter().filter(|identity| &*identity.scheme != "ip").collect();
                if proven.is_empty() {
                    return Err(ErrorCode::InvalidAcl);
                }
                proven.into_iter().for_each(|identity| add(entry.perms, identity.clone()));
            }
            "digest" if id.split(':').count() == 2 => add(entry.perms, Id::new(scheme, id)),
            "ip" if Network::parse(id).is_some() => add(entry.perms, Id::new(scheme, id)),
            _ => return Err(ErrorCode::InvalidAcl),
        }
    }
    if fixed.is_empty() { Err(ErrorCode::InvalidAcl) } else { Ok(fixed) }
}

fn is_anyone(who: &Id) -> bool {
    &*who.scheme == "world" && &*who.id == "anyone"
}

fn matches(identity: &Id, granted: &Id) -> bool {
    if identity.scheme != granted.scheme {
        return false;
    }
    match &*identity.scheme {
        "ip" => match (identity.id.parse(), Network::parse(&granted.id)) {
            (Ok(address), Some(network)) => network.contains(address),
            _ => false,
        },
        _ => identity.id == granted.id,
    }
}

/// `address` or `address/bits`.
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        (bits <= width).then_some(Network { address, bits })
    }

    fn contains(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same_head(a.to_bits().into(), b.to_bits().into(), 32 - self.bits),
            (IpAddr::V6(a), IpAddr::V6(b)) => same_head(a.to_bits(), b.to_bits(), 128 - self.bits),
            _ => false,
        }
    }
}

fn same_head(a: u128, b: u128, ignored_bits: u32) -> bool {
    a.checked_shr(ignored_bits).unwrap_or(0) == b.checked_shr(ignored_bits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(perms: i32, scheme: &str, id: &str) -> Acl {
        Acl { perms, who: Id::new(scheme, id) }
    }

    #[test]
    fn a_digest_is_what_java_computes() {
        // DigestAuthenticationProvider.generateDigest("super:test"), from ZooKeeper's documentation.
        assert_eq!(&*Id::of_digest(b"super:test").id, "super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
    }

    #[test]
    fn who_may() {
        let me = [Id::new("ip", "10.1.2.3"), Id::new("digest", "u:x")];
        for (acl, wanted, allowed) in [
            (vec![], perms::ADMIN, true),
            (vec![entry(perms::ALL, "world", "anyone")], perms::ADMIN, true),
            (vec![entry(perms::READ, "world", "anyone")], perms::WRITE, false),
            (vec![entry(perms::WRITE, "digest", "u:x")], perms::WRITE, true),
            (vec![entry(perms::WRITE, "digest", "u:y")], perms::WRITE, false),
            (vec![entry(perms::WRITE, "ip", "10.1.2.3")], perms::WRITE, true),
            (vec![entry(perms::WRITE, "ip", "10.1.0.0/16")], perms::WRITE, true),
            (vec![entry(perms::WRITE, "ip", "10.2.0.0/16")], perms::WRITE, false),
            (vec![entry(perms::WRITE, "ip", "0.0.0.0/0")], perms::WRITE, true),
            (vec![entry(perms::WRITE, "ip", "::/0")], perms::WRITE, false),
        ] {
            assert_eq!(check(&acl, wanted, &me).is_ok(), allowed, "{acl:?} for {wanted}");
        }
    }

    #[test]
    fn what_may_be_set() {
        let raw = |scheme, id| RawAcl { perms: 31, scheme: Some(scheme), id: Some(id) };
        let me = [Id::new("ip", "10.1.2.3"), Id::new("digest", "u:x")];
        for (acl, expected) in [
            (vec![], None),
            (vec![raw("world", "anyone"), raw("world", "anyone")], Some(vec![entry(31, "world", "anyone")])),
            (vec![raw("world", "me")], None),
            (vec![raw("auth", "")], Some(vec![entry(31, "digest", "u:x")])),
            (vec![raw("digest", "a:b")], Some(vec![entry(31, "digest", "a:b")])),
            (vec![raw("digest", "ab")], None),
            (vec![raw("ip", "1.2.3.4/24")], Some(vec![entry(31, "ip", "1.2.3.4/24")])),
            (vec![raw("ip", "1.2.3.4/33")], None),
            (vec![raw("sasl", "u")], None),
            (vec![RawAcl { perms: 31, scheme: None, id: None }], None),
        ] {
            assert_eq!(fix_up(&acl, &me).ok(), expected, "{acl:?}");
        }
        assert_eq!(fix_up(&[raw("auth", "")], &me[..1]), Err(ErrorCode::InvalidAcl));
    }
}
