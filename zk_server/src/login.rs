//! Loads the users of SASL from the login configuration, once at start.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use world::Disk;

use crate::auth::Auth;
use crate::config::Config;
use crate::jaas::{self, JaasError};

/// Largest login configuration that is read, bytes.
const MAX_FILE: u64 = 1 << 20;

/// Why the users could not be loaded.
#[derive(Debug, Error)]
pub enum LoginError {
    /// The file cannot be read.
    #[error("reading the login configuration {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// How it failed.
        source: io::Error,
    },
    /// The file makes no sense.
    #[error("{}: {source}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: JaasError,
    },
    /// The section that was asked for is missing.
    #[error("no JAAS configuration section named '{section}' was found (zookeeper.sasl.serverconfig)")]
    Section {
        /// Its name.
        section: String,
    },
}

/// The rules of the configuration, with the users of its login file. A file without the section `Server` means that
/// there is no SASL, as it is often Kafka's own.
pub fn load(config: &Config, disk: &dyn Disk) -> Result<Auth, LoginError> {
    let (mut auth, jaas) = (config.auth.clone(), &config.jaas);
    if let Some(path) = &jaas.file {
        let bytes = disk.read_all(path, MAX_FILE).map_err(|source| LoginError::Read { path: path.clone(), source })?;
        let text = String::from_utf8_lossy(&bytes);
        let users = jaas::digest_users(&text, &jaas.section);
        auth.sasl_users = users.map_err(|source| LoginError::Content { path: path.clone(), source })?;
    }
    if auth.sasl_users.is_none() && jaas.section_required {
        return Err(LoginError::Section { section: jaas.section.clone() });
    }
    let super_user = auth.sasl_users.as_mut().and_then(|users| users.get_mut("super"));
    if let (Some(known), Some(password)) = (super_user, &jaas.super_password) {
        known.clone_from(password);
    }
    Ok(auth)
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::path::Path;

    use world::MemDisk;

    use super::*;

    fn check(file: Option<&str>, change: impl FnOnce(&mut Config), expected: Result<Option<&[(&str, &str)]>, &str>) {
        let disk = MemDisk::new();
        let mut config = Config::new("/zk");
        change(&mut config);
        if let Some(text) = file {
            let path = Path::new("/jaas.conf");
            disk.create_new(path).unwrap().write_at(&mut [IoSlice::new(text.as_bytes())], 0).unwrap();
            config.jaas.file = Some(path.into());
        }
        let loaded = load(&config, &disk).map(|auth| auth.sasl_users).map_err(|error| error.to_string());
        let owned = |users: &[(&str, &str)]| users.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        assert_eq!(loaded, expected.map(|users| users.map(owned)).map_err(str::to_string), "{file:?}");
    }

    #[test]
    fn users_come_from_the_file() {
        const MODULE: &str = "org.apache.zookeeper.server.auth.DigestLoginModule required";
        check(None, |_| (), Ok(None));
        check(
            Some(&format!("Server {{ {MODULE} user_a=b user_super=c; }};")),
            |_| (),
            Ok(Some(&[("a", "b"), ("super", "c")])),
        );
        let password = |config: &mut Config| config.jaas.super_password = Some("d".into());
        check(Some(&format!("Server {{ {MODULE} user_super=c; }};")), password, Ok(Some(&[("super", "d")])));
        check(Some("Server { };"), password, Ok(Some(&[])));
        check(Some("KafkaServer { };"), |_| (), Ok(None));
        let named = |config: &mut Config| config.jaas.section_required = true;
        let missing = "no JAAS configuration section named 'Server' was found (zookeeper.sasl.serverconfig)";
        check(Some("KafkaServer { };"), named, Err(missing));
        check(None, named, Err(missing));
        check(Some("Server"), |_| (), Err("/jaas.conf: line 1: expected {, found the end"));
        check(None, |config| config.jaas.file = Some("/none".into()), Err("reading the login configuration /none"));
    }
}
