//! Who a connection is believed to be, and what that lets it do: the providers of `ProviderRegistry` (`ip`, `digest`,
//! `sasl`), the super user, and what a client must prove before it is served. All of it comes from the configuration.
//!
//! Absent: `x509`, which needs TLS, and providers of one's own, which are Java classes.

use std::collections::{BTreeMap, BTreeSet};

use crate::acl::{self, Acl, Id, RawAcl, perms};
use crate::proto::ErrorCode;

/// The scheme of an identity that may do everything.
const SUPER: &str = "super";

/// The rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// Whether scheme `digest` exists (`zookeeper.DigestAuthenticationProvider.enabled`).
    pub digest: bool,
    /// Whether ACLs of scheme `sasl` exist (`zookeeper.authProvider.*`).
    pub sasl_acls: bool,
    /// `user:digest` of whoever is the super user (`zookeeper.DigestAuthenticationProvider.superDigest`).
    pub super_digest: Option<String>,
    /// Users and passwords of SASL DIGEST-MD5; `None` when there is no section of them.
    pub sasl_users: Option<BTreeMap<String, String>>,
    /// The SASL users who are super users (`zookeeper.superUser`).
    pub sasl_super_users: BTreeSet<String>,
    /// The id whose `sasl` ACL entries any SASL user matches (`zookeeper.letAnySaslUserDoX`).
    pub any_sasl_user: Option<String>,
    /// Of these schemes a client must have proven one before anything else is answered
    /// (`zookeeper.enforce.auth.schemes`); empty for none.
    pub required_schemes: Vec<String>,
    /// Whether a client whose SASL exchange failed may stay (`zookeeper.allowSaslFailedClients`).
    pub allow_failed_sasl: bool,
    /// Whether ACLs are not looked at (`zookeeper.skipACL`).
    pub skip_acl: bool,
}

impl Default for Auth {
    fn default() -> Auth {
        Auth {
            digest: true,
            sasl_acls: false,
            super_digest: None,
            sasl_users: None,
            sasl_super_users: BTreeSet::new(),
            any_sasl_user: None,
            required_schemes: Vec::new(),
            allow_failed_sasl: false,
            skip_acl: false,
        }
    }
}

impl Auth {
    /// Whether one of `identities` has one of the `wanted` permissions. An empty ACL allows everything, as
    /// `ZooKeeperServer.checkACL` has it.
    pub fn check(&self, acl: &[Acl], wanted: i32, identities: &[Id]) -> Result<(), ErrorCode> {
        let allows = |entry: &Acl| {
            entry.perms & wanted != 0
                && (acl::is_anyone(&entry.who) || identities.iter().any(|identity| self.matches(identity, &entry.who)))
        };
        let may = self.skip_acl
            || acl.is_empty()
            || identities.iter().any(|identity| &*identity.scheme == SUPER)
            || acl.iter().any(allows);
        if may { Ok(()) } else { Err(ErrorCode::NoAuth) }
    }

    /// Whether watch events about a node may be told to somebody (ZOOKEEPER-4799).
    pub fn may_read(&self, acl: &[Acl], identities: &[Id]) -> bool {
        self.check(acl, perms::READ, identities).is_ok()
    }

    fn matches(&self, identity: &Id, granted: &Id) -> bool {
        if identity.scheme != granted.scheme {
            return false;
        }
        match &*identity.scheme {
            "ip" => acl::in_network(&identity.id, &granted.id),
            "digest" => self.digest && identity.id == granted.id,
            "sasl" => {
                self.sasl_acls
                    && (&*identity.id == SUPER
                        || identity.id == granted.id
                        || self.any_sasl_user.as_deref() == Some(&*granted.id))
            }
            _ => false,
        }
    }

    /// Makes the ACL of a request fit to be stored: without duplicates, `auth` replaced by whoever asks
    /// (`PrepRequestProcessor.fixupACL`). A null id stumbles where Java does, which is MARSHALLINGERROR.
    pub fn fix_up(&self, raw: &[RawAcl<'_>], identities: &[Id]) -> Result<Vec<Acl>, ErrorCode> {
        let mut fixed: Vec<Acl> = Vec::new();
        let mut add = |perms: i32, who: Id| {
            let entry = Acl { perms, who };
            if !fixed.contains(&entry) {
                fixed.push(entry);
            }
        };
        for entry in raw {
            let scheme = entry.scheme.ok_or(ErrorCode::InvalidAcl)?;
            if scheme == "auth" {
                let mut proven = identities.iter().filter(|identity| self.authenticates(&identity.scheme)).peekable();
                proven.peek().ok_or(ErrorCode::InvalidAcl)?;
                proven.for_each(|identity| add(entry.perms, identity.clone()));
                continue;
            }
            let exists = match scheme {
                "world" | "ip" => true,
                scheme => self.authenticates(scheme),
            };
            if !exists {
                return Err(ErrorCode::InvalidAcl);
            }
            let id = entry.id.ok_or(ErrorCode::MarshallingError)?;
            let valid = match scheme {
                "world" => id == "anyone",
                "ip" => acl::is_network(id),
                "digest" => is_user_and_digest(id),
                _ => is_principal(id),
            };
            if !valid {
                return Err(ErrorCode::InvalidAcl);
            }
            add(entry.perms, Id::new(scheme, id));
        }
        if fixed.is_empty() { Err(ErrorCode::InvalidAcl) } else { Ok(fixed) }
    }

    /// Whether a scheme exists and tells people apart (`AuthenticationProvider.isAuthenticated`).
    fn authenticates(&self, scheme: &str) -> bool {
        (scheme == "digest" && self.digest) || (scheme == "sasl" && self.sasl_acls)
    }

    /// The identities that an auth packet proves. The `ip` scheme proves nothing new: every connection has its address
    /// from the start. SASL has an exchange of its own.
    pub fn authenticate(&self, scheme: &str, auth: &[u8]) -> Result<Vec<Id>, ErrorCode> {
        match scheme {
            "ip" => Ok(Vec::new()),
            "digest" if self.digest => {
                let proven = Id::of_digest(auth);
                let super_user = self.super_digest.as_deref() == Some(&*proven.id);
                Ok(super_user.then(|| Id::new(SUPER, "")).into_iter().chain([proven]).collect())
            }
            _ => Err(ErrorCode::AuthFailed),
        }
    }

    /// The identities of a user whose SASL exchange succeeded.
    pub fn of_sasl(&self, user: &str) -> Vec<Id> {
        let super_user = self.sasl_super_users.contains(user).then(|| Id::new(SUPER, ""));
        [Id::new("sasl", user)].into_iter().chain(super_user).collect()
    }

    /// Whether a connection with these identities is served.
    pub fn admits(&self, identities: &[Id]) -> bool {
        let required = |identity: &Id| self.required_schemes.iter().any(|scheme| **scheme == *identity.scheme);
        self.required_schemes.is_empty() || identities.iter().any(required)
    }

    /// Whether SASL is what a client must have proven; another failure is then answered otherwise.
    pub fn requires_sasl(&self) -> bool {
        self.required_schemes.iter().any(|scheme| scheme == "sasl")
    }
}

/// `user:digest`, as `String.split(":")` counts parts: empty ones at the end do not.
fn is_user_and_digest(id: &str) -> bool {
    id.trim_end_matches(':').split(':').count() == 2
}

/// What `KerberosName` takes: a name without `@`, or `service/host@REALM` with at most one of each.
fn is_principal(id: &str) -> bool {
    match id.split_once('@') {
        None => true,
        Some((name, realm)) => !realm.contains(['@', '/']) && name.matches('/').count() <= 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(perms: i32, scheme: &str, id: &str) -> Acl {
        Acl { perms, who: Id::new(scheme, id) }
    }

    fn with_sasl() -> Auth {
        Auth { sasl_acls: true, any_sasl_user: Some("anybody".into()), ..Auth::default() }
    }

    #[test]
    fn who_may() {
        let me = [Id::new("ip", "10.1.2.3"), Id::new("digest", "u:x"), Id::new("sasl", "bob")];
        for (acl, wanted, allowed) in [
            (vec![], perms::ADMIN, true),
            (vec![entry(perms::ALL, "world", "anyone")], perms::ADMIN, true),
            (vec![entry(perms::READ, "world", "anyone")], perms::WRITE, false),
            (vec![entry(perms::WRITE, "digest", "u:x")], perms::WRITE, true),
            (vec![entry(perms::WRITE, "digest", "u:y")], perms::WRITE, false),
            (vec![entry(perms::WRITE, "sasl", "bob")], perms::WRITE, true),
            (vec![entry(perms::WRITE, "sasl", "anybody")], perms::WRITE, true),
            (vec![entry(perms::WRITE, "sasl", "eve")], perms::WRITE, false),
            (vec![entry(perms::WRITE, "ip", "10.1.2.3")], perms::WRITE, true),
            (vec![entry(perms::WRITE, "ip", "10.1.0.0/16")], perms::WRITE, true),
            (vec![entry(perms::WRITE, "ip", "10.2.0.0/16")], perms::WRITE, false),
            (vec![entry(perms::WRITE, "ip", "0.0.0.0/0")], perms::WRITE, true),
            (vec![entry(perms::WRITE, "ip", "::/0")], perms::WRITE, false),
        ] {
            assert_eq!(with_sasl().check(&acl, wanted, &me).is_ok(), allowed, "{acl:?} for {wanted}");
        }
        let sasl_only = [entry(perms::ALL, "sasl", "bob")];
        assert!(Auth::default().check(&sasl_only, perms::READ, &me).is_err(), "the provider is not configured");
        assert!(with_sasl().check(&sasl_only, perms::READ, &[Id::new("sasl", "super")]).is_ok());
        assert!(Auth::default().check(&sasl_only, perms::READ, &[Id::new("super", "")]).is_ok());
        assert!(Auth { skip_acl: true, ..Auth::default() }.check(&sasl_only, perms::READ, &[]).is_ok());
    }

    #[test]
    fn what_may_be_set() {
        let raw = |scheme, id| RawAcl { perms: 31, scheme: Some(scheme), id: Some(id) };
        let me = [Id::new("ip", "10.1.2.3"), Id::new("super", ""), Id::new("digest", "u:x")];
        let invalid = Err(ErrorCode::InvalidAcl);
        for (acl, expected) in [
            (vec![], invalid.clone()),
            (vec![raw("world", "anyone"), raw("world", "anyone")], Ok(vec![entry(31, "world", "anyone")])),
            (vec![raw("world", "me")], invalid.clone()),
            (vec![raw("auth", "")], Ok(vec![entry(31, "digest", "u:x")])),
            (vec![raw("digest", "a:b")], Ok(vec![entry(31, "digest", "a:b")])),
            (vec![raw("digest", "ab")], invalid.clone()),
            (vec![raw("digest", "ab:")], invalid.clone()),
            (vec![raw("digest", ":b::")], Ok(vec![entry(31, "digest", ":b::")])),
            (vec![raw("ip", "1.2.3.4/24")], Ok(vec![entry(31, "ip", "1.2.3.4/24")])),
            (vec![raw("ip", "1.2.3.4/33")], invalid.clone()),
            (vec![raw("ip", "::1")], invalid.clone()),
            (vec![raw("sasl", "u")], invalid.clone()),
            (vec![raw("super", "")], invalid.clone()),
            (vec![RawAcl { perms: 31, scheme: None, id: None }], invalid.clone()),
            (vec![RawAcl { perms: 31, scheme: Some("world"), id: None }], Err(ErrorCode::MarshallingError)),
        ] {
            assert_eq!(Auth::default().fix_up(&acl, &me), expected, "{acl:?}");
        }
        assert_eq!(Auth::default().fix_up(&[raw("auth", "")], &me[..2]), invalid);
        for (id, valid) in [("bob", true), ("a/b", true), ("a/b@R", true), ("a/b/c@R", false), ("a@b@c", false)] {
            assert_eq!(with_sasl().fix_up(&[raw("sasl", id)], &me).is_ok(), valid, "{id}");
        }
    }

    #[test]
    fn the_super_user_has_the_digest_of_the_configuration() {
        let auth = Auth { super_digest: Some("super:D/InIHSb7yEEbrWz8b9l71RjZJU=".into()), ..Auth::default() };
        let schemes = |password: &[u8]| {
            let proven = auth.authenticate("digest", password).unwrap();
            proven.iter().map(|id| id.scheme.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!((schemes(b"super:test").as_str(), schemes(b"super:tset").as_str()), ("super digest", "digest"));
        assert_eq!(Auth { digest: false, ..auth }.authenticate("digest", b"a:b"), Err(ErrorCode::AuthFailed));
    }
}
