//! Who somebody is: auth packets, SASL exchanges, and the end of those who prove nothing where they must. What counts as
//! proof is for [`crate::auth`] and [`crate::sasl`] to say.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Asker, ConnId, Core, Effect, Warning};
use crate::acl::Id;
use crate::proto::{self, ErrorCode};

impl Core {
    /// An auth packet. Its answer shows no transaction, and a failure ends the connection.
    pub(super) fn authenticate(
        &mut self,
        asker: &Asker,
        xid: i32,
        scheme: Option<&str>,
        auth: Option<&[u8]>,
        out: &mut Vec<Effect>,
    ) {
        let proven = match (scheme, auth) {
            (Some("ip"), None) => Ok(Vec::new()),
            (Some(scheme), Some(auth)) => self.auth.authenticate(scheme, auth),
            _ => Err(ErrorCode::AuthFailed),
        };
        match proven {
            Ok(proven) => {
                self.believe(asker.conn, proven);
                out.push(Effect::Reply(asker.conn, proto::reply(xid, 0, None).into_frame()));
            }
            Err(error) => {
                let scheme = scheme.unwrap_or("null").to_string();
                self.warn(asker.conn, out, |peer| Warning::AuthFailed { peer, scheme });
                out.push(Effect::Reply(asker.conn, proto::reply(xid, 0, Some(error)).into_frame()));
                self.close(asker.conn, out);
            }
        }
    }

    /// A step of a SASL exchange (`ZooKeeperServer.processSasl`). Without users to believe every token is answered with
    /// success and null, and proves nothing.
    pub(super) fn sasl(&mut self, asker: &Asker, xid: i32, token: &[u8], out: &mut Vec<Effect>) {
        let Some(conn) = self.conns.get_mut(&asker.conn) else { return };
        let nonce = conn.nonce;
        let step = self.auth.sasl_users.as_ref().map(|users| conn.sasl.step(token, users, || STANDARD.encode(nonce)));
        let token = match step.transpose() {
            Ok(step) => step.map(|step| {
                self.believe(asker.conn, step.proven.map(|user| self.auth.of_sasl(&user)).unwrap_or_default());
                step.token
            }),
            Err(error) => {
                self.warn(asker.conn, out, |peer| Warning::SaslFailed { peer, error });
                if !self.auth.allow_failed_sasl || self.auth.requires_sasl() {
                    let error = match self.auth.requires_sasl() {
                        true => ErrorCode::SessionClosedRequireSaslAuth,
                        false => ErrorCode::AuthFailed,
                    };
                    out.push(Effect::Reply(asker.conn, proto::sasl_response(xid, Some(error), None)));
                    return self.close(asker.conn, out);
                }
                None
            }
        };
        out.push(Effect::Reply(asker.conn, proto::sasl_response(xid, None, token.as_deref())));
    }

    fn believe(&mut self, conn: ConnId, proven: Vec<Id>) {
        let Some(conn) = self.conns.get_mut(&conn) else { return };
        let new: Vec<Id> = proven.into_iter().filter(|id| !conn.identities.contains(id)).collect();
        if !new.is_empty() {
            conn.identities = conn.identities.iter().cloned().chain(new).collect();
        }
    }

    /// Ends the connection of a client that did not prove what it must before it asks for anything.
    pub(super) fn turn_away(&mut self, asker: &Asker, xid: i32, out: &mut Vec<Effect>) {
        let required = self.auth.required_schemes.join(",");
        self.warn(asker.conn, out, |peer| Warning::NotAuthenticated { peer, required });
        let error = Some(ErrorCode::SessionClosedRequireSaslAuth);
        out.push(Effect::Reply(asker.conn, proto::reply(xid, 0, error).into_frame()));
        self.close(asker.conn, out);
    }
}
