//! The words of access control: ACL entries and identities, each a scheme and an id within it. What they mean for one
//! another, and which schemes there are, is for [`crate::auth`] to say.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::jute::{Decoder, Encoder, JuteError};

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
    /// `world`, `digest`, `ip`, `sasl`, `super`.
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
    /// Null stumbles, but for scheme `auth`.
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

/// Whether an entry is for everybody.
pub fn is_anyone(who: &Id) -> bool {
    &*who.scheme == "world" && &*who.id == "anyone"
}

/// Whether an `ip` entry can be stored: `a.b.c.d` or `a.b.c.d/bits`. ZooKeeper has none for IPv6.
pub fn is_network(text: &str) -> bool {
    Network::parse(text).is_some()
}

/// Whether an address belongs to a network.
pub fn in_network(address: &str, network: &str) -> bool {
    match (address_bits(address), Network::parse(network)) {
        (Some(address), Some(Network { address: network, bits })) => {
            let ignored = 32 - bits;
            address.checked_shr(ignored) == network.checked_shr(ignored)
        }
        _ => false,
    }
}

/// An address and how many of its first bits count.
struct Network {
    address: u32,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, u32::try_from(bits.parse::<i32>().ok()?).ok()?),
            None => (text, 32),
        };
        let address = address_bits(address)?;
        (bits <= 32).then_some(Network { address, bits })
    }
}

/// Four numbers as `Integer.parseInt` reads them, with leading zeros and signs.
fn address_bits(text: &str) -> Option<u32> {
    let bytes = text.split('.').map(|part| u8::try_from(part.parse::<i32>().ok()?).ok());
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    <[u8; 4]>::try_from(bytes).ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_what_java_computes() {
        // DigestAuthenticationProvider.generateDigest("super:test"), from ZooKeeper's documentation.
        assert_eq!(&*Id::of_digest(b"super:test").id, "super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
    }

    #[test]
    fn networks_are_read_as_java_reads_numbers() {
        for (network, valid) in
            [("1.2.3.4", true), ("001.+2.3.4/08", true), ("1.2.3", false), ("1.2.3.256", false), ("1.2.3.-1", false)]
        {
            assert_eq!(is_network(network), valid, "{network}");
        }
        for network in ["1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/", "1.2.3.4/8/8", "::1", ""] {
            assert!(!is_network(network), "{network}");
        }
        assert!(in_network("1.2.3.4", "001.2.9.9/16") && !in_network("1.3.3.4", "1.2.9.9/16"));
        assert!(in_network("1.2.3.4", "9.9.9.9/0") && !in_network("::1", "9.9.9.9/0"));
    }
}
